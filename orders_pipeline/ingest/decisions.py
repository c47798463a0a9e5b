"""What people decided about single rows, kept like a file: it survives a rebuild and has an author.

`decisions/corrections.jsonl` holds one decision a line, oldest first: a correction of cells, or a release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
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
