"""What the readers hand over: tables found in a file, and a body DuckDB can read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from orders_pipeline.ingest.read.limits import DEFAULT, Limits


@dataclass(frozen=True)
class Dialect:
    """How a text table separates its cells. ``quote`` is ``"`` or empty (quotes are ordinary characters then)."""

    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True)
class TextFacts:
    """What one pass over the bytes found out, beside the encoding.

    ``lines`` counts physical lines the way editors do (LF, CRLF and a lone CR each end one; a last line without an
    end counts). ``odd_quotes`` says that some line holds an odd number of double quotes: a line break inside a
    quoted cell, or a quote that is never closed. ``longest_bytes`` is exact above 1 MiB and 0 below.
    """

    size: int
    lines: int
    newline: str
    odd_quotes: bool
    longest_bytes: int
    sha256: str
    tab_after_quote: bool


@dataclass
class Table:
    """One table inside a file, before anybody knows which rows of it are preamble, header, data and footer.

    ``head`` holds the first physical lines (sheet rows; blank ones as ``[]``) split into cells, so that
    ``head[i]`` is line ``i + 1``. A record whose quoted cell spans lines sits at its first line; the lines it
    continues on are ``[]`` and ``head_ends[i]`` is the line it ends on. ``tail`` holds the raw last lines with
    their line numbers in ``tail_lines``. ``head_offsets`` and ``tail_offsets`` are byte positions in ``path``; the
    former has one entry more than ``head``, the end of the last head line.

    ``path`` is the UTF-8 text to read: the original file when it already is one, else a copy in the work
    directory. ``numbered`` tables (sheets, JSON) carry the row number as a first column of that text, not shown in
    ``head`` or ``tail``; blank rows are left out of the text and ``record_count`` is the number of the others.
    ``after_gaps`` holds rows of a sheet that follow blank rows: (first row after the gap, this row, its cells), for a
    second table may begin there.
    ``risky`` names, per column index (0-based), the rows in which a spreadsheet cell was a *number* of 15 or more
    digits: if that column is an id, digits may be lost.
    """

    kind: str
    path: Path
    encoding: str
    dialect: Dialect
    line_count: int
    head: list[list[str]]
    head_ends: list[int]
    head_text: list[str]
    tail: list[str]
    tail_lines: list[int]
    head_offsets: list[int]
    tail_offsets: list[int]
    sheet: str | None = None
    numbered: bool = False
    record_count: int = 0
    risky: dict[int, list[int]] = field(default_factory=dict)
    after_gaps: list[tuple[int, int, list[str]]] = field(default_factory=list)
    column_types: list[str] = field(default_factory=list)
    facts: TextFacts | None = None
    limits: Limits = DEFAULT

    @property
    def delimiter(self) -> str:
        return self.dialect.delimiter

    def header_cells(self, header_line: int) -> list[str]:
        """The cells of line ``header_line`` (1-based) of the head."""
        return self.head[header_line - 1]


@dataclass
class Sniffed:
    """A file opened: its real kind (by bytes, not by name), its tables and its fingerprint.

    ``kind``: ``text``, ``xlsx``, ``xls``, ``html``, ``json`` or ``parquet``. ``sha256`` is of the file's bytes.
    """

    kind: str
    tables: list[Table]
    sha256: str
    source: Path

    def close(self) -> None:
        """Delete the UTF-8 copies made of the file (the file itself stays)."""
        for table in self.tables:
            if table.path != self.source:
                table.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class BrokenRow:
    """A record that has no readable structure, so it never becomes a row: for quarantine.

    ``reason``: ``missing_columns``, ``too_many_columns``, ``quote_not_closed``, ``text_after_quote``,
    ``cell_too_long``. ``line`` is the physical line, ``raw`` its text (cut at ``Limits.raw_chars``).
    """

    line: int
    reason: str
    detail: str
    raw: str


@dataclass
class NormalisedCsv:
    """A body without preamble, header and footers, ready for DuckDB.

    ``path`` may be the original file (``skip`` lines are left out then) or a copy. ``first_data_line`` is the
    physical line of the first record. With ``numbered`` the text has the physical line as its first column
    (``line``); otherwise record ``n`` (0-based, = ``rowid`` of a table created from it) is on line
    ``first_data_line + n``, which holds because the body then has no blank line, no line break inside a cell and
    no broken row - `load_rows` verifies exactly that and falls back to a numbered copy.

    ``expected_rows`` is the number of records DuckDB has to return. ``preamble`` and ``footers`` are the raw lines
    around the table, for account numbers and control totals. ``broken`` fills up when the copy is made.
    """

    path: Path
    dialect: Dialect
    columns_count: int
    header: list[str]
    first_data_line: int
    last_data_line: int
    expected_rows: int
    skip: int
    numbered: bool
    preamble: list[str]
    footers: list[str]
    has_quoted_newlines: bool
    longest_bytes: int
    limits: Limits = DEFAULT
    broken: list[BrokenRow] = field(default_factory=list)
    parquet: bool = False
    column_names: list[str] = field(default_factory=list)
    column_types: list[str] = field(default_factory=list)
    renumber: Callable[[], NormalisedCsv] | None = None

    @cached_property
    def columns(self) -> list[str]:
        """The names the columns get in SQL: ``c0`` … ``cn``, in file order."""
        return [f"c{i}" for i in range(self.columns_count)]
