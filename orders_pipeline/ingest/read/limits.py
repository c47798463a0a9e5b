"""How much a single input may ask of the machine. Beyond a limit the file (or the row) is refused with a reason.

The limits protect time, memory and disk from damaged or hostile files; each is far above what real exports need.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """All limits of the readers; pass an instance with other values where a source really needs them."""

    file_bytes: int = 64 * GIB
    """A file; the largest exports are a few."""
    line_bytes: int = 16 * MIB
    """A physical line longer than this refuses the file (``line_too_long``): no export has one, a binary dump does."""
    columns: int = 4_000
    """Columns of a table: real exports have some hundreds, and each one costs memory while a row is read."""
    cell_chars: int = 1_000_000
    """A longer cell rejects its row (``cell_too_long``); Excel itself stops at 32,767."""
    record_lines: int = 1_000
    """Physical lines one quoted record may span; beyond it the opening quote counts as never closed."""
    broken_rows: int = 100_000
    """Structurally broken rows kept one by one; a file with more is refused whole (``too_many_broken_rows``)."""
    raw_chars: int = 10_000
    """Raw text kept of a broken row."""
    head_lines: int = 60
    """Physical lines (sheet rows) looked at for the header; the deepest known header is on line 25."""
    tail_lines: int = 40
    """Last lines looked at for footers and control totals."""
    archive_entries: int = 1_000
    """Entries of one archive, nested archives included."""
    archive_bytes: int = 8 * GIB
    """Unpacked size of one archive, nested archives included."""
    archive_ratio: int = 250
    """Unpacked / packed size of one entry; order exports reach about 40, a zip bomb 1,000 and more."""
    archive_ratio_floor_bytes: int = 64 * MIB
    """Entries smaller than this are never called a bomb, however well they compress."""
    archive_depth: int = 3
    """Archives within archives."""
    sheet_unpacked_bytes: int = 2 * GIB
    """XML inside one xlsx (WMS exports reach 200 MB)."""
    sheet_cells: int = 40_000_000
    """Cells of the rectangle one sheet spans, empty ones included: the reader allocates all of them."""
    html_bytes: int = 256 * MIB
    """An HTML table named .xls."""
    spanned_cells: int = 2_000_000
    """Empty cells that `colspan` adds to the tables of one HTML file."""
    json_bytes: int = 64 * MIB
    """A JSON file (it is parsed in memory)."""
    json_cells: int = 20_000_000
    """Records of a JSON list times their different keys."""
    sheet_text_bytes: int = 4 * GIB
    """Text of all cells of one sheet, shared texts counted each time they are used: the reader holds it in memory."""
    archive_directory_bytes: int = 16 * MIB
    """The directory of a zip file, all of which is read before anything else."""


DEFAULT = Limits()
