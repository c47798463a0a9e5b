"""Rows of cells (from a sheet, an HTML table or JSON) written as numbered UTF-8 CSV: one way from there on."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from orders_pipeline.ingest.read.limits import Limits
from orders_pipeline.ingest.read.model import Dialect, Table, TextFacts
from orders_pipeline.ingest.read.records import join_cells

_CSV = Dialect()


@dataclass
class _Ends:
    """The first and last rows with their byte offsets."""

    head: list[tuple[int, list[str], int]] = field(default_factory=list)
    tail: deque[tuple[int, str, int]] = field(default_factory=deque)
    after_head: int = 0


def write_grid(
    rows: Iterable[tuple[int, list[str]]],
    width: int,
    *,
    name: str,
    kind: str,
    sheet: str | None,
    work_dir: Path,
    limits: Limits,
) -> Table | None:
    """A table from ``(row number, cells)`` pairs in ascending order; blank rows are dropped, None when all are.

    Every row is written ``width`` cells wide: sheets and HTML leave empty cells at the end out at will.
    """
    target = work_dir / f"{name[:40]}.{os.urandom(4).hex()}.grid"
    ends = _Ends(tail=deque(maxlen=limits.tail_lines))
    longest, spans, records, last_row, offset = 0, False, 0, 0, 0
    try:
        with target.open("wb") as out:
            for number, cells in rows:
                text = ",".join(cells)
                if not text.strip(", \t\u3000"):
                    continue
                if len(cells) < width:
                    cells = cells + [""] * (width - len(cells))
                    text = ",".join(cells)
                if text.count(",") != width - 1 or '"' in text or "\n" in text or "\r" in text:
                    cells = [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in cells]
                    text = join_cells(cells, _CSV)
                    spans = spans or "\n" in text
                data = f"{number},{text}\n".encode("utf-8", "replace")
                if number <= limits.head_lines:
                    ends.head.append((number, cells, offset))
                    ends.after_head = offset + len(data)
                ends.tail.append((number, text, offset))
                out.write(data)
                offset += len(data)
                longest, records, last_row = max(longest, len(data)), records + 1, number
    except BaseException:
        target.unlink()
        raise
    if not records:
        target.unlink()
        return None
    facts = TextFacts(offset, last_row, "\n", spans, longest, "", False)
    return _table(target, kind, sheet, ends, facts, records, limits)


def _table(path: Path, kind: str, sheet: str | None, ends: _Ends, facts: TextFacts, records: int, limits: Limits) -> Table:
    rows = min(limits.head_lines, facts.lines)
    head: list[list[str]] = [[] for _ in range(rows)]
    offsets = [ends.after_head] * (rows + 1)
    for number, cells, offset in ends.head:
        head[number - 1] = cells
        offsets[number - 1] = offset
    for row in range(rows - 1, -1, -1):  # a blank row has no text: it begins where the next one does
        if not head[row]:
            offsets[row] = offsets[row + 1]
    return Table(
        kind=kind,
        path=path,
        encoding="utf-8",
        dialect=_CSV,
        line_count=facts.lines,
        head=head,
        head_ends=list(range(1, rows + 1)),
        head_text=[join_cells(cells, _CSV) for cells in head],
        tail=[text for _, text, _ in ends.tail],
        tail_lines=[number for number, _, _ in ends.tail],
        head_offsets=offsets,
        tail_offsets=[offset for _, _, offset in ends.tail],
        sheet=sheet,
        numbered=True,
        record_count=records,
        facts=facts,
        limits=limits,
    )
