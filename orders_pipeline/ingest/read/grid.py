"""Rows of cells (from a sheet, an HTML table or JSON) written as numbered UTF-8 CSV: one way from there on."""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice, pairwise, repeat
from pathlib import Path
from typing import Any

from orders_pipeline.ingest.read.limits import Limits
from orders_pipeline.ingest.read.model import Dialect, Table, TextFacts
from orders_pipeline.ingest.read.records import join_cells

_CSV = Dialect()
#: A title or two may stand above the header of a second table; gaps beyond these are those of a sheet without structure.
_ROWS_AFTER_A_GAP = 3
_GAPS_KEPT = 200


#: Rows are taken by the batch: as many as this, and no more cells than one row of a spreadsheet may have.
_BATCH_ROWS, _BATCH_CELLS = 256, 16_384
_BLANK = ", \t\u3000"

Numbers = Sequence[int]
Rows = Sequence[list[str]]


@dataclass
class _Ends:
    """What is kept of the rows beside the file: the first and last ones with their byte offsets, those after gaps, counts."""

    first: int
    limits: Limits
    size: int = 0
    longest: int = 0
    records: int = 0
    last_row: int = 0
    head: list[tuple[int, list[str], int]] = field(default_factory=list)
    tail: deque[tuple[int, str, int]] = field(init=False)
    after_head: int = 0
    after_gaps: list[tuple[int, int, list[str]]] = field(default_factory=list)
    gap: int = 0

    def __post_init__(self) -> None:
        self.tail = deque(maxlen=self.limits.tail_lines)

    def take(self, numbers: Numbers, rows: Rows, texts: Sequence[str], lines: Sequence[bytes]) -> None:
        """Some rows that follow: their numbers, cells, texts and what is written of them."""
        *starts, self.size = accumulate(map(len, lines), initial=self.size)
        head_end = self.first + self.limits.head_lines
        if numbers[0] < head_end:
            for number, cells, start, line in zip(numbers, rows, starts, lines, strict=True):
                if number < head_end:
                    self.head.append((number - self.first + 1, cells, start))
                    self.after_head = start + len(line)
        if numbers[-1] > self.last_row + len(numbers) or numbers[0] < self.gap + _ROWS_AFTER_A_GAP:
            self._note_gaps(numbers, rows)
        kept = -self.limits.tail_lines
        self.tail.extend(zip(numbers[kept:], texts[kept:], starts[kept:], strict=True))
        self.longest = max(self.longest, *map(len, lines))
        self.records += len(lines)
        self.last_row = numbers[-1]

    def _note_gaps(self, numbers: Numbers, rows: Rows) -> None:
        for before, number, cells in zip((self.last_row, *numbers), numbers, rows, strict=False):
            if before and number > before + 1:
                self.gap = number
            if self.gap and number < self.gap + _ROWS_AFTER_A_GAP and len(self.after_gaps) < _ROWS_AFTER_A_GAP * _GAPS_KEPT:
                self.after_gaps.append((self.gap, number, cells))


def join_rows(_: Numbers, rows: Rows) -> list[str]:
    """The cells of each row with commas between them; `TypeError` when a cell is no text."""
    return list(map(",".join, rows))


def write_grid(
    rows: Iterable[tuple[int, list[Any]]],
    width: int,
    *,
    name: str,
    kind: str,
    sheet: str | None,
    work_dir: Path,
    limits: Limits,
    first: int = 1,
    join: Callable[[Numbers, Rows], list[str]] = join_rows,
) -> Table | None:
    """A table from ``(row number, cells)`` pairs in ascending order; blank rows are dropped, None when all are.

    ``join`` does what `join_rows` does; where cells are no texts, it has to make them such, in the rows it is given.

    ``first`` is the row of the sheet at which the table begins: row numbers stay the sheet's, the head begins there.

    Every row is written ``width`` cells wide: sheets and HTML leave empty cells at the end out at will.
    """
    target = work_dir / f"{name[:40]}.{os.urandom(4).hex()}.grid"
    ends, spans, following = _Ends(first, limits), False, iter(rows)
    most = max(1, min(_BATCH_ROWS, _BATCH_CELLS // max(width, 1)))
    try:
        with target.open("wb") as out:
            while batch := list(islice(following, most)):
                numbers, cells = zip(*batch, strict=True)
                texts = join(numbers, cells)
                if not _is_plain(cells, texts, width):
                    mended = list(_mended(numbers, cells, texts, width))
                    if not mended:
                        continue
                    numbers, cells, texts = zip(*mended, strict=True)
                    spans = spans or any("\n" in text for text in texts)
                lines = [f"{number},{text}\n".encode("utf-8", "replace") for number, text in zip(numbers, texts, strict=True)]
                ends.take(numbers, cells, texts, lines)
                out.writelines(lines)
    except BaseException:
        target.unlink()
        raise
    if not ends.records:
        target.unlink()
        return None
    facts = TextFacts(ends.size, ends.last_row, "\n", spans, ends.longest, "", False)
    return _table(target, kind, sheet, ends, facts)


def _is_plain(rows: Rows, texts: list[str], width: int) -> bool:
    """Whether the joined cells are CSV as they are: all rows so wide, none blank, no cell to be quoted."""
    joined = "\n".join(texts)
    return (
        '"' not in joined
        and "\r" not in joined
        and joined.count("\n") == len(texts) - 1
        and joined.count(",") == (width - 1) * len(texts)
        and set(map(len, rows)) == {width}
        and all(map(str.strip, texts, repeat(_BLANK)))
    )


def _mended(numbers: Numbers, rows: Rows, texts: list[str], width: int) -> Iterator[tuple[int, list[str], str]]:
    """Number, cells and CSV text of each row that is not blank."""
    for number, cells, text in zip(numbers, rows, texts, strict=True):
        if not text.strip(_BLANK):
            continue
        if len(cells) < width:
            cells = cells + [""] * (width - len(cells))
            text = ",".join(cells)
        if text.count(",") != width - 1 or '"' in text or "\n" in text or "\r" in text:
            cells = [cell.replace("\r\n", "\n").replace("\r", "\n") for cell in cells]
            text = join_cells(cells, _CSV)
        yield number, cells, text


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


def _table(path: Path, kind: str, sheet: str | None, ends: _Ends, facts: TextFacts) -> Table:
    rows = min(ends.limits.head_lines, facts.lines - ends.first + 1)
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
        record_count=ends.records,
        after_gaps=ends.after_gaps,
        facts=facts,
        limits=ends.limits,
    )
