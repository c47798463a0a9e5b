"""Rows of cells (from a sheet, an HTML table or JSON) written as numbered UTF-8 CSV: one way from there on."""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from orders_pipeline.ingest.read.limits import Limits
from orders_pipeline.ingest.read.model import Dialect, Table, TextFacts
from orders_pipeline.ingest.read.records import join_cells

_CSV = Dialect()
#: A title or two may stand above the header of a second table; gaps beyond these are those of a sheet without structure.
_ROWS_AFTER_A_GAP = 3
_GAPS_KEPT = 200


@dataclass
class _Ends:
    """The first and last rows with their byte offsets."""

    head: list[tuple[int, list[str], int]] = field(default_factory=list)
    tail: deque[tuple[int, str, int]] = field(default_factory=deque)
    after_head: int = 0
    after_gaps: list[tuple[int, int, list[str]]] = field(default_factory=list)


def write_grid(
    rows: Iterable[tuple[int, list[str]]],
    width: int,
    *,
    name: str,
    kind: str,
    sheet: str | None,
    work_dir: Path,
    limits: Limits,
    first: int = 1,
    as_text: Callable[[int, list[Any]], list[str]] | None = None,
) -> Table | None:
    """A table from ``(row number, cells)`` pairs in ascending order; blank rows are dropped, None when all are.

    ``as_text`` makes texts of a row's cells where they are not: it is asked from the first row on that holds another.

    ``first`` is the row of the sheet at which the table begins: row numbers stay the sheet's, the head begins there.

    Every row is written ``width`` cells wide: sheets and HTML leave empty cells at the end out at will.
    """
    target = work_dir / f"{name[:40]}.{os.urandom(4).hex()}.grid"
    ends = _Ends(tail=deque(maxlen=limits.tail_lines))
    longest, spans, records, last_row, offset, gap, mixed = 0, False, 0, 0, 0, 0, False
    try:
        with target.open("wb") as out:
            for number, cells in rows:
                if mixed and as_text:
                    cells = as_text(number, cells)
                try:
                    text = ",".join(cells)
                except TypeError:  # as most platforms write sheets, all cells are texts, and nobody has to look
                    if as_text is None or mixed:
                        raise
                    mixed, cells = True, as_text(number, cells)
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
                if last_row and number > last_row + 1:
                    gap = number
                if gap and number < gap + _ROWS_AFTER_A_GAP and len(ends.after_gaps) < _ROWS_AFTER_A_GAP * _GAPS_KEPT:
                    ends.after_gaps.append((gap, number, cells))
                if number < first + limits.head_lines:
                    ends.head.append((number - first + 1, cells, offset))
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
    return _table(target, kind, sheet, ends, facts, records, limits, first)


def split_grid(table: Table, rows: Sequence[int], work_dir: Path) -> list[Table]:
    """The tables that lie under each other in one grid, each beginning at one of these rows (the first at its own)."""
    found = []
    bounds = [1, *sorted(rows), table.line_count + 1]
    for first, end in pairwise(bounds):
        part = write_grid(
            _rows_between(table, first, end),
            len(next(cells for cells in table.head if cells)),
            name=table.path.stem,
            kind=table.kind,
            sheet=table.sheet if first == 1 else f"{table.sheet or ''} row {first}".strip(),
            work_dir=work_dir,
            limits=table.limits,
            first=first,
        )
        if part is not None:
            part.risky = {column: [r for r in there if first <= r < end] for column, there in table.risky.items()}
            found.append(part)
    return found


def _rows_between(table: Table, first: int, end: int) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(table.limits.line_bytes)
    with table.path.open(encoding="utf-8", newline="") as lines:
        for number, *cells in csv.reader(lines):
            if first <= int(number) < end:
                yield int(number), cells


def _table(
    path: Path, kind: str, sheet: str | None, ends: _Ends, facts: TextFacts, records: int, limits: Limits, first: int
) -> Table:
    rows = min(limits.head_lines, facts.lines - first + 1)
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
        after_gaps=ends.after_gaps,
        facts=facts,
        limits=limits,
    )
