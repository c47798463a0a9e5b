"""Where a table ends: footers, totals and control blocks after the data."""

from __future__ import annotations

from collections.abc import Sequence

from orders_pipeline.ingest.read.model import Table
from orders_pipeline.ingest.read.records import split

_PADDING = " \t,;|\"'`\u3000"


def footer_start(
    table: Table,
    header_line: int,
    *,
    prefixes: Sequence[str] = (),
    summary_headers: Sequence[str] = (),
    total_words: Sequence[str] = (),
) -> int | None:
    """The physical line the footer starts on (1-based), or None.

    A footer is a run of lines at the end of the file: lines that start with one of ``prefixes``, lines whose first
    filled cell is one of ``total_words``, blank lines and lines of delimiters only in between, and everything from
    the line on whose first filled cell is one of ``summary_headers`` (a second header with its values). Lines padded
    with delimiters to full width count the same. Blank lines alone are no footer.
    """
    marks = (tuple(prefixes), frozenset(summary_headers), frozenset(total_words))
    lines = [pair for pair in zip(table.tail_lines, table.tail, strict=True) if pair[0] > header_line]
    summary = next((line for line, text in lines if _first_cell(table, text) in marks[1]), None)
    start: int | None = None
    for line, text in reversed(lines):
        if summary is not None and line >= summary:
            start = summary
        elif _is_footer(table, text, marks[0], marks[2]):
            start = line
        elif text.strip(_PADDING):
            break
    return start


def _first_cell(table: Table, text: str) -> str:
    """The first cell with something in it: sheets often begin in the second column."""
    return next((bare for cell in split(text, table.dialect) if (bare := cell.strip(_PADDING))), "")


def _is_footer(table: Table, text: str, prefixes: tuple[str, ...], total_words: frozenset[str]) -> bool:
    bare = text.lstrip(_PADDING)
    return (bool(prefixes) and bare.startswith(prefixes)) or _first_cell(table, text) in total_words
