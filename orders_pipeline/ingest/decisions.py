"""What people decided about single rows, kept like a file: it survives a rebuild and has an author.

`decisions/corrections.jsonl` holds one decision a line, oldest first: a correction of cells, or a release.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orders_pipeline.kernel.home import Home


def decide(home: Home, kind: str, file_id: str, path: str, row: int, by: str, why: str, **more: Any) -> None:
    """Append a decision. `kind` is correction or release; `row` the physical line of the file."""
    home.decisions.mkdir(parents=True, exist_ok=True)
    entry = {
        "kind": kind,
        "file_id": file_id,
        "path": path,
        "row_number": row,
        "by": by,
        "why": why,
        "decided_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    }
    with (home.decisions / "corrections.jsonl").open("a", encoding="utf-8") as out:
        out.write(json.dumps(entry, ensure_ascii=False) + "\n")


def decisions(home: Home) -> Iterator[Mapping[str, Any]]:
    """Every decision, oldest first."""
    path = home.decisions / "corrections.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        yield json.loads(line)


def released_rows(home: Home, file_id: str) -> list[int]:
    """Lines of a file somebody has released; read again when the file is."""
    return sorted({e["row_number"] for e in decisions(home) if e["kind"] == "release" and e["file_id"] == file_id})


#: Where decisions that are standard files are left, below the landing folder: they are taken in like any other file.
FOLDER = "decisions"


def leave(home: Home, entity: str, rows: Sequence[Mapping[str, Any]], now: datetime | None = None) -> Path:
    """Write decisions as a standard file of this entity into the landing zone, whole or not at all; returns its path.

    `rows` share their columns. The next run takes the file in; it may be moved or edited by hand before.
    """
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    folder = home.landing / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entity}_{moment:%Y%m%dT%H%M%S%f}.csv"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{entity}_{moment:%Y%m%dT%H%M%S%f}_{number}.csv"
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.rename(path)
    return path
