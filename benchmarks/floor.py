"""The floor: what a competent engineer would write by hand, in bare DuckDB, for exactly the simulated files.

No dictionary, no recognition of files, no quarantine, no provenance, no history of changes, no checks, no increments:
every format's traps are hard-coded in `floor_sql/`, rows that cannot be read are dropped, and a second run starts from
nothing. The same result tables as the pipeline's come out, under the same names, so that both can be compared first.

    python -m benchmarks.floor LANDING OUT.duckdb 2026-02-21T12:00:00+08:00
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

STEPS = Path(__file__).parent / "floor_sql"
GBK_FILES = ("taobao/*.csv", "zz_late/taobao/*.csv", "alipay/*.csv")


def build(landing: Path, target: Path, as_of: str) -> None:
    """Write every result table of the files below `landing` to the DuckDB file `target`, as they stand at `as_of`."""
    with tempfile.TemporaryDirectory(dir=target.parent) as utf8, duckdb.connect(str(target)) as connection:
        transcode(landing, Path(utf8))
        for step in sorted(STEPS.glob("*.sql")):
            sql = step.read_text(encoding="utf-8").replace("{utf8}", utf8).replace("{landing}", str(landing))
            connection.execute(sql.replace("{as_of}", f"TIMESTAMPTZ '{as_of}'"))
        connection.execute("CHECKPOINT")


def transcode(landing: Path, folder: Path) -> None:
    """Stream the GBK files as UTF-8 into `folder`, all at once, one iconv each: DuckDB alone cannot read them."""
    paths = [path for pattern in GBK_FILES for path in sorted(landing.glob(pattern))]
    if not shutil.which("iconv"):
        for path in paths:
            with path.open(encoding="gb18030", newline="") as text, (folder / path.name).open("wb") as out:
                while block := text.read(1 << 18):
                    out.write(block.encode())
        return
    running = []
    for path in paths:
        with (folder / path.name).open("wb") as out:
            running.append(subprocess.Popen(["iconv", "-f", "gb18030", "-t", "utf-8", str(path)], stdout=out))
    failed = [process.args for process in running if process.wait()]
    if failed:
        raise RuntimeError(f"iconv failed: {failed}")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
