"""Rewrite a text body with line numbers in front, quirks mended, broken rows set aside.

Only used where DuckDB's own reader would refuse the file or could not tell on which physical line a row stands. Blocks
of lines without anything odd are numbered as they are; the others go through the grammar of `records` one by one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TextIO

from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.ingest.read.model import BrokenRow, NormalisedCsv, Table
from orders_pipeline.ingest.read.records import (
    Line,
    Record,
    count_cells,
    has_padded_quotes,
    join_cells,
    records,
    split,
)
from orders_pipeline.kernel.faults import BadInput

_DETAILS = {
    "quote_not_closed": "a double quote opens a cell and is never closed",
    "text_after_quote": "text follows a closing double quote",
}
_BLANK_CELLS = ' \t\r\n\u3000"'
_BLOCK_LINES = 1_000
_BLOCK_CHARS = 4 * MIB


@dataclass
class _Copy:
    """The copy being written."""

    csv: NormalisedCsv
    limits: Limits
    allow_short: bool
    verify: bool
    out: TextIO
    rows: int = 0
    longest: int = 0
    spans: bool = False
    broken: list[BrokenRow] = field(default_factory=list)

    def plain(self, block: list[Line]) -> bool:
        """Number a block of lines as they are; False (and nothing written) when one of them needs a look."""
        texts = [text for _, text in block]
        joined = "\n".join(texts)
        quoted = bool(self.csv.dialect.quote) and '"' in joined
        if quoted and (any(text.count('"') & 1 for text in texts) or has_padded_quotes(joined, self.csv.dialect)):
            return False
        if self.csv.columns_count > 1 and not all(text.strip(_BLANK_CELLS) for text in texts):
            return False
        longest = max(map(len, texts))
        if longest > self.limits.cell_chars:
            return False
        delimiter = self.csv.dialect.delimiter
        self.out.write("".join([f"{number}{delimiter}{text}\n" for number, text in block]))
        self.rows += len(block)
        self.longest = max(self.longest, longest)
        return True

    def record(self, record: Record) -> None:
        """Write one record, or keep it as broken; blank lines are left out."""
        if self.csv.columns_count > 1 and not record.text.strip(_BLANK_CELLS):
            return
        text = self._mended(record)
        if isinstance(text, BrokenRow):
            self.broken.append(text)
            if len(self.broken) > self.limits.broken_rows:
                raise too_many(text.line, text.detail)
            return
        self.out.write(f"{record.line}{self.csv.dialect.delimiter}{text}\n")
        self.rows += 1
        self.longest = max(self.longest, len(text))
        self.spans = self.spans or record.last_line > record.line

    def fits(self, text: str) -> bool:
        """Whether a record that spans lines has the columns of the header."""
        return not isinstance(self._mended(Record(0, 0, text)), BrokenRow)

    def _mended(self, record: Record) -> str | BrokenRow:
        """The record as strict CSV with exactly the columns of the header, or why that is impossible."""
        text, dialect, width = record.text, self.csv.dialect, self.csv.columns_count
        if record.problem:
            return self._broken(record, record.problem, _DETAILS[record.problem])
        if len(text) > self.limits.cell_chars and max(map(len, split(text, dialect))) > self.limits.cell_chars:
            return self._broken(record, "cell_too_long", f"a cell has more than {self.limits.cell_chars:,} characters")
        count = count_cells(text, dialect)
        if count == width and not has_padded_quotes(text, dialect):
            return text
        cells = text.split(dialect.delimiter) if not dialect.quote else split(text, dialect)
        if count > width and any(cell.strip(_BLANK_CELLS) for cell in cells[width:]):
            return self._broken(record, "too_many_columns", f"{count} cells where the header has {width}")
        if count < width and not self.allow_short:
            return self._broken(record, "missing_columns", f"{count} cells where the header has {width}")
        return join_cells((cells + [""] * (width - count))[:width], dialect)

    def _broken(self, record: Record, reason: str, detail: str) -> BrokenRow:
        return BrokenRow(record.line, reason, detail, record.text[: self.limits.raw_chars])


def repair(table: Table, csv: NormalisedCsv, folder: Path, *, allow_short: bool = False, verify: bool = False) -> NormalisedCsv:
    """A numbered copy of ``csv`` made from ``table``; its ``broken`` lists what could not be read.

    ``verify`` puts every record through the grammar instead of leaving lines without odd quotes to DuckDB.
    Raises `BadInput` ``too_many_broken_rows`` when more rows are broken than `Limits.broken_rows`.
    """
    verify = verify or allow_short
    target = folder / f"{table.path.name[:40]}.{os.urandom(4).hex()}.numbered"
    with target.open("w", encoding="utf-8", newline="\n") as out:
        copy = _Copy(csv, table.limits, allow_short, verify, out)
        try:
            _fill(copy, _lines(table.path, csv.first_data_line, csv.last_data_line))
        except BaseException:
            target.unlink()
            raise
    again: Callable[[], NormalisedCsv] | None = None
    if not verify:
        again = lambda: repair(table, csv, folder, verify=True)  # noqa: E731 - a closure to call later
    return replace(
        csv,
        path=target,
        expected_rows=copy.rows,
        skip=0,
        numbered=True,
        has_quoted_newlines=copy.spans,
        longest_bytes=copy.longest * 4,
        broken=copy.broken,
        renumber=again,
    )


def _fill(copy: _Copy, lines: Iterator[Line]) -> None:
    ahead: deque[Line] = deque()
    while block := _block(chain(_drain(ahead), lines)):
        if not copy.verify and copy.plain(block):
            continue
        ahead.extendleft(reversed(block))
        last = block[-1][0]
        found = records(lines, copy.csv.dialect, copy.limits, verify=copy.verify, ahead=ahead, fits=copy.fits)
        for record in found:
            copy.record(record)
            if record.last_line >= last:
                break


def _block(lines: Iterator[Line]) -> list[Line]:
    """The next lines, so many that they still are small together: a thousand lines of 16 MiB are not read at once."""
    block, size = [], 0
    for line in lines:
        block.append(line)
        size += len(line[1])
        if len(block) == _BLOCK_LINES or size > _BLOCK_CHARS:
            break
    return block


def _drain(ahead: deque[Line]) -> Iterator[Line]:
    while ahead:
        yield ahead.popleft()


def _lines(path: Path, first: int, last: int) -> Iterator[Line]:
    """Numbered physical lines without their ends; CR, LF and CRLF all end a line."""
    with path.open(encoding="utf-8-sig", newline=None) as stream:
        for number, text in enumerate(stream, 1):
            if number > last:
                return
            if number >= first:
                yield number, text.removesuffix("\n")


def too_many(line: int, detail: str) -> BadInput:
    """The refusal of a file in which hardly a row can be read."""
    return BadInput(
        f"too many rows are broken (here: {detail})",
        reason="too_many_broken_rows",
        row=line,
        remedy="check the delimiter and the quoting of the export",
    )
