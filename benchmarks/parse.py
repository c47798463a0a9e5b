"""The floor under every floor: DuckDB reads every column of every file as text, counts what is there and keeps nothing.

python -m benchmarks.parse LANDING
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from pathlib import Path

import duckdb

from benchmarks import floor


def parse(landing: Path) -> int:
    """Rows of the files below `landing`; kinds of which there is no file are left out."""
    relations = tomllib.loads((floor.STEPS / "files.toml").read_text(encoding="utf-8"))
    rows = 0
    with tempfile.TemporaryDirectory() as utf8, duckdb.connect() as connection:
        floor.transcode(landing, Path(utf8))
        for relation in relations.values():
            patterns = re.findall(r"'\{(landing|utf8)\}/([^']+)'", relation)
            folders = {"landing": landing, "utf8": Path(utf8)}
            paths = [str(path) for place, pattern in patterns for path in sorted(folders[place].glob(pattern))]
            if paths:
                read = re.sub(r"read_csv\((\[[^\]]*\]|'[^']*')", lambda _: f"read_csv({paths}", relation)  # noqa: B023
                counts = connection.execute(f"SELECT count(*), count(COLUMNS(*)) FROM {read}").fetchall()[0]
                rows += counts[0]
    return rows


if __name__ == "__main__":
    print(parse(Path(sys.argv[1])))
