"""Files that ask for more time or memory than they should get. `scale` 1 is what CI affords; 16 is the full size (a line of 1 GiB).

Run as a program, it writes them into a landing folder, takes them in, and prints what became of each with its seconds:

    python -m orders_pipeline_tests.hostile.large HOME SCALE
"""

from __future__ import annotations

import io
import json
import re
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from orders_pipeline_tests import workbooks
from orders_pipeline_tests.hostile.corpus import HEADER, csv, good, lines, order

MIB = 1 << 20
#: File name -> (writer, ledger status, reason code of the refusal or of the quarantined rows).
LARGE: dict[str, tuple[Callable[[Path, int], object], str, str]] = {}


def large(name: str, status: str, reason: str = ""):
    def enter(write: Callable[[Path, int], object]) -> Callable[[Path, int], object]:
        LARGE[name] = (write, status, reason)
        return write

    return enter


@large("one_line.csv", "refused", "line_too_long")
def one_line(path: Path, scale: int) -> None:
    with path.open("wb") as out:
        out.write((",".join(HEADER) + "\n").encode())
        for _ in range(64 * scale):
            out.write(b"x" * MIB)


@large("one_line_of_gbk.csv", "refused", "line_too_long")
def one_line_of_gbk(path: Path, scale: int) -> None:
    with path.open("wb") as out:
        for _ in range(32 * scale):
            out.write("订单".encode("gbk") * (MIB // 4))


@large("one_quoted_cell.csv", "refused", "too_many_broken_rows")
def one_quoted_cell(path: Path, scale: int) -> None:
    """A quote that opens on line 2 and is never closed, over a file of short lines: looked for once, not from every line."""
    with path.open("wb") as out:
        out.write((",".join(HEADER) + '\n"').encode())
        for _ in range(2 * scale):
            out.write(b'"x\n' * (MIB // 8))


@large("long_cells.csv", "loaded", "cell_too_long")
def long_cells(path: Path, scale: int) -> None:
    with path.open("w") as out:
        out.write(csv(lines(path.name)))
        for n in range(2 * scale):
            out.write(",".join(order(f"LONG-{n}", buyer_note="y" * 10_000_000)) + "\n")


@large("sparse.csv", "refused", "nul_bytes")
def sparse(path: Path, scale: int) -> None:
    """Terabytes that take no room on the disk."""
    with path.open("wb") as out:
        out.write(good(path.name))
        out.truncate(1 << 36)


@large("spans.xls", "refused", "html_too_large")
def html_spans(path: Path, scale: int) -> None:
    """Cells that claim a thousand columns each."""
    path.write_bytes(b"<table><tr>" + b"<td colspan=1000>x" * (60_000 * scale))


@large("comments.xls", "refused")
def html_comments(path: Path, scale: int) -> None:
    """Markup that opens and never closes, over and over."""
    path.write_bytes(b"<table><tr><td>" + b"<!--a" * (200_000 * scale))


@large("tags.xls", "refused")
def html_tags(path: Path, scale: int) -> None:
    path.write_bytes(b"<table><tr><td>" + b"<a " * (200_000 * scale))


@large("wide_keys.json", "refused", "json_too_large")
def wide_keys(path: Path, scale: int) -> None:
    """Two thousand different keys and very many records: the table they make is a thousand times the file."""
    first = [{f"k{n}": 1 for n in range(1_999)}]
    rest = b',{"k0":1}' * (100_000 * scale)
    path.write_bytes(json.dumps(first).encode()[:-1] + rest + b"]")


@large("one_text_everywhere.xlsx", "refused", "workbook_too_large")
def one_text_everywhere(path: Path, scale: int) -> None:
    """One shared text of megabytes in every cell of a sheet: a small file, and terabytes of cells."""
    names = "".join(f"<si><t>{name}</t></si>" for name in HEADER)
    shared = f'<sst xmlns="{workbooks.MAIN}">{names}<si><t>{"z" * (4 * MIB)}</t></si></sst>'
    head = workbooks.row(1, *(f'<c r="{workbooks.column(c)}1" t="s"><v>{c}</v></c>' for c in range(len(HEADER))))
    cells = "".join(
        workbooks.row(r, *(f'<c r="{workbooks.column(c)}{r}" t="s"><v>{len(HEADER)}</v></c>' for c in range(8)))
        for r in range(2, 2_000 * scale)
    )
    out = io.BytesIO()
    workbooks.workbook(out, {"Sheet1": head + cells}, more={"xl/sharedStrings.xml": shared.encode()})
    path.write_bytes(_with_shared_strings(out.getvalue()))


def _with_shared_strings(data: bytes) -> bytes:
    """The workbook with its shared texts entered among its parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "xl/_rels/workbook.xml.rels":
                entry = f'<Relationship Id="ss" Type="{workbooks.DOCUMENT}/sharedStrings" Target="sharedStrings.xml"/>'
                content = content.replace(b"</Relationships>", entry.encode() + b"</Relationships>")
            new.writestr(info.filename, content)
    return out.getvalue()


@large("directory.zip", "refused", "archive_too_many_files")
def endless_directory(path: Path, scale: int) -> None:
    """An archive that is all directory: hundreds of thousands of empty entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for n in range(70_000 * scale):
            archive.writestr(zipfile.ZipInfo(f"{n}.csv"), b"")


@large("many_bombs.zip", "refused", "archive_bomb")
def many_bombs(path: Path, scale: int) -> None:
    """Each entry small enough to pass for itself, all of them together not."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(8 * scale):
            archive.writestr(f"{n}.csv", b"0" * (60 * MIB))


@large("wide.csv", "refused", "too_wide")
def many_columns(path: Path, scale: int) -> None:
    head, *rows = lines(path.name)
    more = 17_000 * scale
    path.write_bytes(csv([[*head, *(f"c{n}" for n in range(more))], *([*row, *[""] * more] for row in rows)]).encode())


def main(root: str, scale: str) -> None:
    from orders_pipeline import pipeline
    from orders_pipeline.kernel.clock import parse_as_of
    from orders_pipeline.kernel.home import Home

    home = Home(Path(root)).create()
    for name, (write, *_) in LARGE.items():
        write(home.landing / name, int(scale))
    for name in ("00_first.csv", "zz_last.csv"):
        (home.landing / name).write_bytes(good(name))
    started = [(time.perf_counter(), "")]
    peaks = {}

    def progress(name: str) -> None:
        peaks[started[-1][1]] = round(time.perf_counter() - started[-1][0], 2), _peak_mib()
        started.append((time.perf_counter(), name))

    with pipeline.session(home, parse_as_of("2026-03-01T00:00:00+08:00")) as now:
        before = _peak_mib()
        waiting = now.ingest(progress=progress).waiting
        progress("")
        files = now.connection.execute(
            "SELECT path, status, coalesce(reason, ''), rows_read = rows_accepted + rows_quarantined + rows_duplicate FROM raw.files"
        ).fetchall()
        reasons = now.connection.execute(
            "SELECT DISTINCT f.path, q.reason FROM raw.quarantine q JOIN raw.files f USING (file_id)"
        ).fetchall()
    found = {"before_mib": before, "files": files, "reasons": reasons, "waiting": waiting, "peaks": peaks}
    print(json.dumps(found | {"peak_mib": _peak_mib()}))


def _peak_mib() -> int:
    """The highest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts into ru_maxrss what the process had before exec: the memory of the test run that started it.
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii"))[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (MIB if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
