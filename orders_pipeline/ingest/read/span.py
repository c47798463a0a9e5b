"""How large a workbook becomes once it is read: its XML is looked at before the library allocates anything for it.

Calamine allocates the rectangle between the outermost cells of a sheet, and a copy of a shared text for every cell that
uses it. What it takes as a cell's place was tried out: the cell's own reference, whatever its row's number, in any
spelling XML allows (blanks round the `=`, either quote, small letters, a prefix before the name, the last of two); a cell
without one follows the one before it. Any part of the archive may be named as a sheet, so every part is looked at.

Nearly every sheet places each cell in one plain way. To see that there is no other cell is one search (`_plain_span`);
only what it cannot answer is looked at closely, and then everything unclear counts as large.

The same search notes cells in which a formula failed (`#REF!`) or was never worked out: the library hands out both as blank,
and a blank part of a sum counts as nothing.
"""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property, lru_cache
from html import unescape

from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.kernel.faults import BadInput

#: Blocks of this size stay in the processor's cache while they are searched.
_BLOCK_BYTES = MIB // 4
_TAG_BYTES = 16 * MIB
#: Larger parts are skimmed first (`skim`).
_SKIMMED_ABOVE_BYTES = 16 * MIB
_NAME = rb"<(?:[^\s<>/:]*+:)?"
_CELL = _NAME + rb"c(?=[\s/>])"
_PREFIXED_CELL = re.compile(rb":c[\s/>]")
_REFERENCE = re.compile(rb"""[\s"']r\s*+=\s*+["']([A-Za-z]*+)(\d++)""")
_UNPLACED_CELL = re.compile(_CELL + rb"""(?!\s++r\s*+=\s*+["'][A-Za-z]++\d++["'])""")
_ROW = re.compile(_NAME + rb"row(?=[\s/>])")
_UNPLACED_ROW = re.compile(_ROW.pattern + rb"""(?!\s++r\s*+=\s*+["']\d++["'])""")
_TEXT = re.compile(rb"<si(?=[\s/>])")
_PREFIXED_TEXT = re.compile(_NAME + rb"si(?=[\s/>])")
_SHARED = re.compile(rb"""[\s"']t\s*+=\s*+["']s["']""")
_SHARED_CELL = re.compile(rb't="s"[^>]*+>\s*+(?:<f[^<]*+(?:</f>)?)?<v>(\d{1,9})')
#: The shortest cell that uses a shared text: <c t="s"><v>0</v></c>
_SHARED_CELL_BYTES = 21


#: A cell's attributes, formula and value, in any spelling.
_CONTENT = re.compile(
    _CELL + rb"""\s([^<>]*)>\s*+(?:<(?:[^\s<>/:]*+:)?f(?:\s[^<>]*)?(?:(?<=/)>|>([^<]*)</(?:[^\s<>/:]*+:)?f>))?+\s*+"""
    rb"""(?:<(?:[^\s<>/:]*+:)?v(?:\s[^<>]*)?>([^<]*)<)?"""
)
_TYPE = re.compile(rb"""(?:^|[\s"'])t\s*+=\s*+["'](\w+)["']""")
_FAULTY_CELLS = 100_000
_FORMULA_CHARS = 60

#: Row (from 1) -> (column from 0, what stands there) of cells whose formula has no value.
Faulty = dict[int, list[tuple[int, str]]]


def check_span(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: Limits) -> dict[str, Faulty]:
    """Refuse a workbook whose cells would not fit into memory, however few there are; the faulty cells of each part that has any.

    Raises `BadInput` ``workbook_too_large`` or ``workbook_damaged``.
    """
    texts = _SharedTexts(archive, entries)
    faulty: dict[str, Faulty] = {}
    for entry in entries:
        found: Faulty = defaultdict(list)
        plain = _plain_span(archive, entry, found)
        if plain is None or plain[0] * plain[1] > limits.sheet_cells:
            rows, columns = _close_span(archive, entry, found if plain is None else None)
            if rows * columns > limits.sheet_cells:
                raise too_large(f"a sheet spans {rows:,} rows and {columns:,} columns")
        if texts.too_many_for(entry, limits.sheet_text_bytes):
            raise too_large(f"the texts of its cells are larger than {limits.sheet_text_bytes // MIB:,} MiB")
        if found:
            faulty[entry.filename] = found
    return faulty


def too_large(why: str) -> BadInput:
    return BadInput(f"the workbook is too large: {why}", reason="workbook_too_large", remedy="export it as CSV")


def _blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, mark: bytes = b"<") -> Iterator[tuple[bytes, int]]:
    """A part's XML piece by piece: (bytes, end), no tag cut in two before the end; what is behind it comes again.

    With another `mark` the end is at the last one of these, so that what follows it is not cut off from it.
    """
    carried = b""
    with archive.open(entry) as stream:
        while chunk := stream.read(_BLOCK_BYTES):
            block = carried + chunk
            end = block.rfind(mark)
            if end <= 0:
                end = max(block.rfind(b"<"), 0)
            yield block, end
            carried = block[end:]
            if len(carried) > _TAG_BYTES:
                raise BadInput(
                    "a part of the workbook is no XML",
                    reason="workbook_damaged",
                    remedy="open it in a spreadsheet program and save it as XLSX or CSV",
                )
    yield carried, len(carried)


@lru_cache
def _plain_cells(letter: str, digits: int, first_digit: int) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """(what finds a cell that is not placed in the plain way, or beyond the columns (up to `letter`Z) and rows of these figures,
    or whose value does not follow at once; what matches the tag of a cell that is placed plainly).

    Behind its place a cell has attributes in double quotes (a value may hold `>`, which does not end the tag), none of them `r`.
    """
    wide = f"[A-{letter}]?" if letter else ""
    number = f"[1-{first_digit}]?\\d{{1,{digits - 1}}}" if digits > 1 else "\\d"
    place, value = f'r="{wide}[A-Z]{number}"', "(?:<v>[^#<]|<is>|</c>)"
    rest = '(?: [a-qs-z]++="[a-zA-Z0-9]*+")*+'
    other = f"<c[ \\t\\r\\n>/](?!{place}{rest}(?:>{value}|/>))"
    return re.compile(other.encode()), re.compile(f"<c {place}{rest}/?>".encode())


def _plain_span(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, faulty: Faulty) -> tuple[int, int] | None:
    """(rows, columns) that hold all cells, each a little too many, or None when some cell is placed in another way."""
    if large := entry.file_size > _SKIMMED_ABOVE_BYTES:
        from orders_pipeline.ingest.read import skim  # numpy takes longer to import than a small sheet to search
    letter, figures = "", (1, 9)
    for number, (block, end) in enumerate(_blocks(archive, entry, b"<c ")):
        if number == 0:  # the header is here: how wide the sheet is going to be
            pairs = re.findall(rb'r="([A-Z])[A-Z]\d', block)
            letter = max(pairs, default=b"").decode()
        last = re.match(rb'<c r="[A-Z]+(\d{1,7})"', block[block.rfind(b'<c r="', 0, end) :][:32])
        if last is not None:
            figures = max(figures, _figures(last[1]))
        if large and number and skim.is_plain(block, end, letter, *figures):
            continue
        other, plain = _plain_cells(letter, *figures)
        for found in other.finditer(block, 0, end):
            if not plain.match(block, found.start()):
                faulty.clear()
                return None
            _note(faulty, _CONTENT.match(block, found.start(), end))
        if _is_prefixed(block, end):
            faulty.clear()
            return None
    digits, first = figures
    return (first + 1) * 10 ** (digits - 1) - 1, 26 * (ord(letter) - 63 if letter else 1)


def _note(faulty: Faulty, cell: re.Match[bytes] | None) -> None:
    """Note a cell whose formula failed or was never worked out."""
    if cell is None:
        return
    attributes, formula, value = cell.groups()
    kind = _TYPE.search(attributes)
    if kind is not None and kind[1] == b"e":
        shown = value or b"#VALUE!"
    elif formula and not value and kind is None:  # an empty text would say that it is a text
        shown = b"=" + formula
    else:
        return
    places = _REFERENCE.findall(b" " + attributes)
    if not places:
        return
    if len(faulty) >= _FAULTY_CELLS:
        raise BadInput(
            f"formulas fail in more than {_FAULTY_CELLS:,} rows of a sheet",
            reason="workbook_damaged",
            remedy="open it in a spreadsheet program, mend the formulas and save it",
        )
    letters, row = places[-1]
    text = unescape(shown.decode("utf-8", "replace"))[:_FORMULA_CHARS]
    faulty[int(row)].append((_column_number(letters.upper()) - 1, text))


def _figures(row: bytes) -> tuple[int, int]:
    """(digits, highest first digit) of row numbers up to about this one; all that is short shares one pattern."""
    digits = len(row)
    return digits, int(row[:1]) if digits > 5 else 9


def _is_prefixed(block: bytes, end: int) -> bool:
    """Whether a cell's name has a prefix (`<x:c>`); in a text `:c ` may stand as well."""
    return any(
        re.fullmatch(rb"<[^\s<>/]*+", block[block.rfind(b"<", 0, found.start()) : found.start()])
        for found in _PREFIXED_CELL.finditer(block, 0, end)
    )


def _close_span(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, faulty: Faulty | None) -> tuple[int, int]:
    """(rows, columns) that hold all cells of a part, wherever and however they say where they are."""
    last_row, last_column, unplaced_rows, most_unplaced, unplaced, is_sheet = 0, 0, 0, 0, 0, False
    for block, end in _blocks(archive, entry):
        if faulty is not None:
            for cell in _CONTENT.finditer(block, 0, end):
                _note(faulty, cell)
        is_sheet = is_sheet or b"sheetData" in block
        for letters, row in set(_REFERENCE.findall(block, 0, end)):
            last_row = max(last_row, int(row))
            last_column = max(last_column, _column_number(letters.upper()))
        unplaced_rows += len(_UNPLACED_ROW.findall(block, 0, end))
        first, *others = _ROW.split(block[:end])
        unplaced += len(_UNPLACED_CELL.findall(first))
        for piece in others:
            most_unplaced = max(most_unplaced, unplaced)
            unplaced = len(_UNPLACED_CELL.findall(piece))
    most_unplaced = max(most_unplaced, unplaced)
    return (last_row + unplaced_rows, last_column + most_unplaced) if is_sheet else (0, 0)


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


class _SharedTexts:
    """How long the texts are that cells of a workbook share; looked at only as closely as is needed."""

    def __init__(self, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
        self._archive = archive
        # The library takes the name in any case and with either slash.
        names = ((entry, entry.filename.lower().replace("\\", "/")) for entry in entries)
        self._parts = [entry for entry, name in names if name == "xl/sharedstrings.xml"]

    @cached_property
    def lengths(self) -> list[int]:
        """Bytes of each text's XML, which is at least as long as the text."""
        lengths = [0]
        for part in self._parts[-1:]:
            for block, end in _blocks(self._archive, part):
                first, *others = (_PREFIXED_TEXT if b":si" in block else _TEXT).split(block[:end])
                lengths[-1] += len(first)
                lengths.extend(map(len, others))
        return lengths[1:] or [0]

    def too_many_for(self, sheet: zipfile.ZipInfo, most: int) -> bool:
        """Whether the texts of all cells of a sheet are more bytes than this; asked the cheapest way first."""
        cells = sheet.file_size // _SHARED_CELL_BYTES  # it has not room for more
        if cells * sum(part.file_size for part in self._parts) <= most:
            return False
        return cells * max(self.lengths) > most and self.used_by(sheet) > most

    def used_by(self, sheet: zipfile.ZipInfo) -> int:
        """Bytes of the texts of all cells of a sheet, each as often as it is used; the longest where it is unclear which."""
        used, unclear = 0, 0
        for block, end in _blocks(self._archive, sheet):
            numbers = _SHARED_CELL.findall(block, 0, end)
            unclear += len(_SHARED.findall(block, 0, end)) - len(numbers)
            used += sum(self.lengths[i] for i in map(int, numbers) if i < len(self.lengths))
        return used + unclear * max(self.lengths)
