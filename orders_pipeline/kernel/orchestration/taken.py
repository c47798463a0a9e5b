"""Which files of the landing zone have been taken, told without opening the warehouse.

The warehouse has one reader or writer at a time, and the sensor looks every second: it must never meet the lock. So a
run leaves, beside the warehouse, one line per file it has dealt with: a digest of path, size and time, and the mark of
the dictionary a refused file was refused under (it is tried again when the dictionary has changed).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orders_pipeline.kernel.home import Home

if TYPE_CHECKING:
    import duckdb


def digest(path: str, size: int, mtime_ns: int) -> str:
    """One state of one landed file."""
    return hashlib.blake2b(f"{path}\0{size}\0{mtime_ns}".encode(), digest_size=10).hexdigest()


def write(home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    """Leave word of every file dealt with so far. Whole or not at all."""
    rows = connection.execute("SELECT path, size, modified, dictionary FROM kernel.seen").fetchall()
    lines = sorted(f"{digest(path, size, modified)} {mark}" for path, size, modified, mark in rows)
    file = _file(home)
    draft = file.with_suffix(".part")
    draft.write_text("\n".join(lines))
    draft.replace(file)


def read(home: Home) -> Mapping[str, str]:
    """Digest -> dictionary mark ("" for a file that was loaded). Empty before the first run and without a warehouse."""
    file = _file(home)
    if not file.exists() or not home.warehouse.exists():
        return {}
    return _parse(file, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _parse(file: Path, mtime_ns: int) -> Mapping[str, str]:
    return dict(line.partition(" ")[::2] for line in file.read_text().splitlines())


def _file(home: Home) -> Path:
    return home.warehouse.with_name("taken")
