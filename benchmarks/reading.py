"""How fast every kind of file is read, against the same bytes read as text by DuckDB alone and by pandas, in one run, as ratios.

*read*: from the file to a table of texts, every row accounted for with its line (`ingest.read`). *stage + load*: the same and on
into the raw tables, cleaned, mapped, checked (`ingest.load`). DuckDB and pandas are told encoding, delimiter and header line, which
the reader has to find out; what DuckDB cannot decode (GBK, UTF-16) it is given as UTF-8, and transcoding is counted.

    python -m benchmarks.reading [--mb 40] [--out FOLDER] [--only NAME]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from orders_pipeline import simulate
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.landing import as_member
from orders_pipeline.ingest.read import discard, load_rows, normalise, open_table
from orders_pipeline.ingest.recognise import Recognised, recognise
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.sqltext import literal

ROUNDS = 3
TARGETS = {"duckdb": 0.5, "pandas": 5.0, "calamine": 0.7}


def grow(path: Path, target: Path, size: int, header_line: int, encoding: str) -> None:
    """A file of about `size` bytes with the rows of a small one over and over; what stands before and after the rows goes."""
    newline = "\n".encode(encoding)
    lines = path.read_bytes().split(newline)
    head, body = lines[: header_line], [line for line in lines[header_line:] if line.strip()]
    block = newline.join(body[: max(1, len(body) - 30)]) + newline
    with target.open("wb") as out:
        out.write(newline.join(head) + newline)
        for _ in range(max(1, size // len(block))):
            out.write(block)


def found(path: Path, work: Path) -> tuple[Recognised, Callable[[], None]]:
    """The file opened and recognised, and what closes it."""
    sniffed = open_table(as_member(path), work)
    return recognise(load_dictionary(), sniffed.tables[0]), sniffed.close


def read(path: Path, work: Path) -> int:
    """The reader alone: the rows that are in the table of texts or set aside."""
    one, close = found(path, work)
    spec = one.source
    with duckdb.connect() as connection:
        csv = normalise(
            one.table,
            one.header_line,
            footer_prefixes=spec.get("footer_prefixes", ()),
            summary_header=spec.get("summary_header", ()),
            work_dir=work,
            allow_short=bool(spec.get("allow_short")),
        )
        loaded = load_rows(connection, "body", csv, temporary=True)
        for copy in (csv, loaded.csv):
            discard(copy, one.table)
    close()
    return loaded.rows


def stage_and_load(path: Path, work: Path) -> int:
    """The whole way into the raw tables of a new warehouse."""
    from orders_pipeline import pipeline

    with tempfile.TemporaryDirectory(dir=work) as folder:
        home = Home(Path(folder) / "home").create()
        (home.landing / path.name).hardlink_to(path)
        with pipeline.session(home, parse_as_of("2026-03-21T12:00:00+08:00")) as now:
            now.taker  # noqa: B018 - made outside the measured time: tables, macros, dictionary
            started = time.perf_counter()
            now.ingest()
            stage_and_load.seconds = time.perf_counter() - started
            return now.connection.execute("SELECT coalesce(sum(rows_read), 0) FROM raw.files").fetchall()[0][0]


def by_duckdb(path: Path, encoding: str, delimiter: str, skip: int, work: Path) -> int:
    """DuckDB's own reader, all columns as text."""
    source = path
    if encoding != "utf-8":
        source = work / "transcoded.csv"
        with path.open(encoding=encoding, newline="") as text, source.open("wb") as out:
            while block := text.read(1 << 20):
                out.write(block.encode())
    with duckdb.connect() as connection:
        relation = f"read_csv({literal(str(source))}, all_varchar=true, header=true, skip={skip - 1}, delim={literal(delimiter)}, "
        relation += "quote='\"', escape='\"', null_padding=true, ignore_errors=true, max_line_size=8000000)"
        connection.execute(f"CREATE TABLE body AS SELECT * FROM {relation}")
        return connection.execute("SELECT count(*) FROM body").fetchall()[0][0]


def by_pandas(path: Path, encoding: str, delimiter: str, skip: int) -> int:
    """pandas with its C parser, all columns as text."""
    import pandas

    return len(
        pandas.read_csv(
            path, encoding=encoding, sep=delimiter, skiprows=skip - 1, dtype=str, keep_default_na=False, on_bad_lines="skip", index_col=False
        )
    )


def by_calamine(path: Path) -> int:
    """The workbook library's own rows, nothing done with them."""
    import python_calamine

    return sum(1 for _ in python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows())


def best(run: Callable[[], int], clock: Callable[[], float] = time.perf_counter) -> float:
    """The median of some rounds, in seconds."""
    seconds = []
    for _ in range(ROUNDS):
        started = clock()
        run()
        seconds.append(clock() - started)
    return statistics.median(seconds)


def measure(path: Path, encoding: str, delimiter: str, header_line: int, work: Path) -> dict[str, float]:
    """MB/s of each way through one text file."""
    size = path.stat().st_size / 1e6
    stage_and_load(path, work)
    return {
        "mb": size,
        "read": size / best(lambda: read(path, work)),
        "load": size / stage_and_load.seconds,
        "duckdb": size / best(lambda: by_duckdb(path, encoding, delimiter, header_line, work)),
        "pandas": size / best(lambda: by_pandas(path, encoding, delimiter, header_line)),
    }


def workbook_of(path: Path, target: Path, rows: int, numbers: bool) -> None:
    """The first rows of a UTF-8 CSV as a workbook: all texts, as platforms write it, or figures as numbers and texts shared, as a
    spreadsheet program does."""
    import csv

    import xlsxwriter

    with path.open(encoding="utf-8-sig", newline="") as text, xlsxwriter.Workbook(target, {"constant_memory": not numbers}) as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate(csv.reader(text)):
            if number > rows:
                break
            for column, cell in enumerate(cells):
                if numbers and cell.replace(".", "", 1).isdecimal():
                    sheet.write_number(number, column, float(cell))
                else:
                    sheet.write_string(number, column, cell)


def main() -> int:
    """Measure, print a table, and say which target is missed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mb", type=int, default=40, help="size of each file")
    options.add_argument("--out", type=Path, help="keep the files and reading.json here")
    options.add_argument("--only", help="sources whose name contains this")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.out or Path(scratch)
        work = folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        small = folder / "small"
        if not small.exists():
            simulate.simulate(orders=1_500, out=small, months=1, seed=3)
        results: dict[str, dict[str, float]] = {}
        for path in sorted((small / "landing").rglob("*.csv")):
            one, close = found(path, work)
            name, table = one.source.name, one.table
            close()
            if name in results or one.source.ignore or (given.only and given.only not in name):
                continue
            large = folder / f"{name}.csv"
            grow(path, large, given.mb << 20, one.header_line, "utf-8" if table.encoding == "utf-8" else table.encoding)
            results[name] = measure(large, table.encoding, table.delimiter if len(table.delimiter) == 1 else ",", one.header_line, work)
            show(name, results[name])
            if name == "douyin_orders":
                for kind, numbers in (("xlsx", False), ("xlsx, numbers", True)):
                    book = folder / "douyin_orders.xlsx"
                    workbook_of(large, book, 40_000, numbers)
                    size = book.stat().st_size / 1e6
                    clock = time.process_time  # one thread on both sides
                    ways = {"read": lambda book=book: read(book, work), "calamine": lambda book=book: by_calamine(book)}
                    both = {"mb": size, **{way: size / best(run, clock) for way, run in ways.items()}}
                    results[f"{name} ({kind})"] = both
                    show(f"{name} ({kind})", both)
            if not given.out:
                large.unlink()
        (folder / "reading.json").write_text(json.dumps(results, indent=1))
    missed = [
        f"{name}: {figures['read'] / figures[other]:.2f} x {other}, wanted {least}"
        for name, figures in results.items()
        for other, least in TARGETS.items()
        if other in figures and figures["read"] < least * figures[other]
    ]
    print("\n".join(["missed:", *missed] if missed else ["all targets met"]))
    return 1 if missed else 0


def show(name: str, figures: dict[str, float]) -> None:
    """One line of the table."""
    ratios = "  ".join(f"{figures['read'] / figures[o]:5.2f} x {o}" for o in TARGETS if o in figures)
    load = f"  stage+load {figures['load']:6.1f} MB/s" if "load" in figures else ""
    print(f"{name:32} {figures['mb']:6.1f} MB  read {figures['read']:6.1f} MB/s  {ratios}{load}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
