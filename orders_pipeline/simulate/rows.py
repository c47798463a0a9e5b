"""Rows of a dict each as CSV: standard files of the simulation, and its truth."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orders_pipeline.simulate.emit import WrittenFile


def write_rows(path: Path, header: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Blank cells for None; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if row.get(name) is None else row[name] for name in header] for row in rows)


def write_standard_rows(path: Path, entity: str, rows: Sequence[Mapping[str, Any]], landing: Path) -> WrittenFile:
    """A standard_<entity> file whose header is every key of the rows, in order of first appearance."""
    write_rows(path, list(dict.fromkeys(name for row in rows for name in row)), rows)
    return WrittenFile(str(path.relative_to(landing)), f"standard_{entity}", len(rows), 0, 0)


def local_text(at: datetime | None) -> str | None:
    """A Beijing wall time with its offset."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}+08:00"
