"""From a table with preamble, header and footers to a body DuckDB reads row for row.

Most files need no copy at all: DuckDB skips the lines above and reads the rest. A footer costs one copy of a byte
range. Only what strict CSV can not express (line breaks in cells, broken rows, blank lines inside the data, blanks
after quotes) goes through `repair`, record by record, which also writes down the physical line of every row.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from orders_pipeline.ingest.read.footer import footer_start as find_footer
from orders_pipeline.ingest.read.limits import MIB
from orders_pipeline.ingest.read.model import Dialect, NormalisedCsv, Table
from orders_pipeline.ingest.read.repair import repair
from orders_pipeline.ingest.read.text import split_head
from orders_pipeline.kernel.faults import BadInput

_BLANK = " \t\r\n\u3000"


@dataclass(frozen=True)
class _Body:
    """The part of a table that is data: lines ``first`` … ``last`` (1-based), bytes ``start`` … ``end``."""

    first: int
    last: int
    start: int
    end: int
    footer: int | None


def normalise(
    table: Table,
    header_line: int,
    footer_start: int | None = None,
    footer_prefixes: Sequence[str] = (),
    summary_header: Sequence[str] = (),
    work_dir: Path | None = None,
    *,
    total_words: Sequence[str] = (),
    dialect: Dialect | None = None,
    allow_short: bool = False,
    numbered: bool = False,
) -> NormalisedCsv:
    """The body under the header on line ``header_line`` (the last line of the header when it has several).

    ``footer_start`` is the physical line the footer starts on, when the caller knows it; otherwise it is found with
    `footer.footer_start`. ``dialect`` overrides the guessed one. ``allow_short`` fills rows that have fewer cells than
    the header; without it they are broken rows. ``numbered`` forces the copy that carries line numbers.
    Files are written into ``work_dir`` (the table's own folder when None).

    Raises `BadInput` ``header_only`` when no data follows the header, and ``too_many_broken_rows``.
    """
    if table.kind == "parquet":
        return _parquet(table)
    chosen = table.dialect if dialect is None or table.numbered else dialect
    if chosen != table.dialect:
        head, head_ends = split_head(table.head_text, chosen, table.limits)
        table = replace(table, dialect=chosen, head=head, head_ends=head_ends)
    folder = work_dir or table.path.parent
    body = _body(table, header_line, footer_start, footer_prefixes, summary_header, total_words)
    footers = [text for line, text in zip(table.tail_lines, table.tail, strict=True) if body.footer and line >= body.footer]
    if body.last < body.first or not _rows_between(table, body):
        raise without_rows(header_line)
    header = table.header_cells(header_line)
    if len(header) > table.limits.columns:
        raise BadInput(
            f"the header has {len(header):,} columns",
            reason="too_wide",
            row=header_line,
            remedy="this is no list of rows; export only the columns that are needed",
        )
    csv = NormalisedCsv(
        path=table.path,
        dialect=chosen,
        columns_count=_width(table, header_line, body),
        header=header,
        first_data_line=body.first,
        last_data_line=body.last,
        expected_rows=_rows_between(table, body),
        skip=table.head_ends[header_line - 1] if not table.numbered else _records_up_to(table, header_line),
        numbered=table.numbered,
        preamble=table.head_text[: header_line - 1],
        footers=footers,
        has_quoted_newlines=table.numbered and bool(table.facts and table.facts.odd_quotes),
        longest_bytes=table.facts.longest_bytes if table.facts else 0,
        limits=table.limits,
    )
    if not table.numbered:
        csv.renumber = partial(repair, table, replace(csv), folder, allow_short=allow_short)
        if numbered or allow_short or _needs_repair(table, chosen):
            return csv.renumber()
    if body.end < table.path.stat().st_size or _head_is_tricky(table, header_line):
        csv.path, csv.skip = _copy_range(table.path, body, folder), 0
    return csv


def without_rows(header_line: int) -> BadInput:
    """What to say of a table of which only the header is there."""
    return BadInput(
        "the file has a header but no rows",
        reason="header_only",
        row=header_line,
        remedy="delete it when there was nothing to export, else export it again",
    )


def _body(
    table: Table,
    header_line: int,
    start: int | None,
    prefixes: Sequence[str],
    summary: Sequence[str],
    totals: Sequence[str],
) -> _Body:
    first = table.head_ends[header_line - 1] + 1
    if start is None:
        start = find_footer(table, header_line, prefixes=prefixes, summary_headers=summary, total_words=totals)
    size = table.path.stat().st_size
    begin = table.head_offsets[first - 1] if first <= len(table.head_offsets) else size
    if start is not None and start in table.tail_lines:
        end, last = table.tail_offsets[table.tail_lines.index(start)], start - 1
    else:
        end, last, start = size, table.line_count, None
    # Blank lines at the end are nobody's rows.
    known = dict(zip(table.tail_lines, table.tail, strict=True))
    while last >= first and last in known and not known[last].strip(_BLANK):
        last -= 1
    return _Body(first, last, begin, end, start)


def _rows_between(table: Table, body: _Body) -> int:
    if not table.numbered:
        return body.last - body.first + 1
    footers = sum(body.footer is not None and line >= body.footer for line in table.tail_lines)
    return table.record_count - _records_up_to(table, body.first - 1) - footers


def _records_up_to(table: Table, header_line: int) -> int:
    return sum(1 for cells in table.head[:header_line] if cells)


def _width(table: Table, header_line: int, body: _Body) -> int:
    """Columns of the body: those of the header, unless unnamed columns at the end exist on one side only."""
    header = table.header_cells(header_line)
    named = len(header)
    while named and not header[named - 1].strip():
        named -= 1
    rows = [cells for cells in table.head[body.first - 1 : body.last] if cells]
    if not rows or table.numbered:
        return len(header)
    widths = [len(cells) for cells in rows]
    usual = max(set(widths), key=widths.count)
    extra_is_blank = all(not cell.strip() for cells in rows for cell in cells[len(header) :])
    if named <= usual < len(header) or (usual > len(header) and extra_is_blank):
        return usual
    return len(header)


def _needs_repair(table: Table, dialect: Dialect) -> bool:
    facts = table.facts
    if facts is None:
        return False
    quirks = facts.odd_quotes or facts.tab_after_quote
    return (quirks and bool(dialect.quote)) or facts.longest_bytes > 2 * MIB


def _head_is_tricky(table: Table, header_line: int) -> bool:
    """Whether skipping lines could count differently in DuckDB: quotes around line breaks, or none closed."""
    above = table.head_text[: table.head_ends[header_line - 1]]
    return any(text.count('"') % 2 for text in above) or (table.numbered and any("\n" in text for text in above))


def _copy_range(source: Path, body: _Body, folder: Path) -> Path:
    target = folder / f"{source.name[:40]}.{os.urandom(4).hex()}.body"
    with source.open("rb") as read, target.open("wb") as write:
        remaining, offset = body.end - body.start, body.start
        try:
            while remaining:
                done = os.copy_file_range(read.fileno(), write.fileno(), remaining, offset)
                if not done:
                    break
                offset, remaining = offset + done, remaining - done
        except (OSError, AttributeError):  # across file systems, or not Linux
            read.seek(offset)
            write.seek(0, os.SEEK_END)
            while remaining and (chunk := read.read(min(remaining, 4 * MIB))):
                write.write(chunk)
                remaining -= len(chunk)
    return target


def _parquet(table: Table) -> NormalisedCsv:
    return NormalisedCsv(
        path=table.path,
        dialect=table.dialect,
        columns_count=len(table.head[0]),
        header=table.head[0],
        first_data_line=1,
        last_data_line=table.line_count,
        expected_rows=table.line_count,
        skip=0,
        numbered=True,
        preamble=[],
        footers=[],
        has_quoted_newlines=False,
        longest_bytes=0,
        parquet=True,
        column_names=table.head[0],
        column_types=table.column_types,
    )


def discard(csv: NormalisedCsv, table: Table) -> None:
    """Delete the copy made for a body once it is loaded (originals stay)."""
    if csv.path != table.path:
        csv.path.unlink(missing_ok=True)
