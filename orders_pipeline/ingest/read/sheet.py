"""Workbooks (xlsx, xls) through calamine: every sheet with content becomes a numbered CSV of text.

Calamine reads the cells that are there and ignores the dimension a sheet claims, does not expand XML entities, and
needs no spreadsheet program. It allocates the rectangle a sheet spans, so that rectangle is measured first.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orders_pipeline.ingest.read.grid import write_grid
from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.ingest.read.model import Table
from orders_pipeline.kernel.faults import BadInput

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

# Written for speed (a literal start, no alternatives): they run over all of a sheet's XML.
_ROW = re.compile(rb"""row\s[^>]*?r=["'](\d{1,9})""")
_WIDE_CELL = re.compile(rb"""r=["']([A-Z]{2,3})\d""")
_UNPLACED = {mark: re.compile(mark + rb"(?:>|\s(?!r=))") for mark in (b"<c", b":c")}
_CELL = re.compile(rb"[<:]c[>\s/]")
_CARRIED_BYTES = 4096
_RISKY = 10**14
_SHARED_CELL = re.compile(rb't="s"[^>]*+>\s*+(?:<f[^<]*+(?:</f>)?)?<v>(\d{1,9})')
_AGAIN = "open it in a spreadsheet program and save it as XLSX or CSV"
_ROWS_KEPT = 100_000
_ALL_TEXT = {str}


def open_workbook(path: Path, work_dir: Path, limits: Limits) -> list[Table]:
    """One table per sheet that has content, in the order of the workbook.

    Raises `BadInput` ``workbook_encrypted``, ``workbook_damaged``, ``workbook_too_large`` or ``archive_bomb``.
    """
    if zipfile.is_zipfile(path):
        _check_size(path, limits)
    tables: list[Table] = []
    try:
        _read_sheets(path, work_dir, limits, tables)
    except BaseException:
        for table in tables:
            table.path.unlink(missing_ok=True)
        raise
    return tables


def _read_sheets(path: Path, work_dir: Path, limits: Limits, tables: list[Table]) -> None:
    import python_calamine as calamine

    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            for number, meta in enumerate(book.sheets_metadata):
                if meta.typ not in (calamine.SheetTypeEnum.WorkSheet,):
                    continue
                sheet = book.get_sheet_by_index(number)
                table = _table(sheet, path.name, work_dir, limits)
                if table is not None:
                    tables.append(table)
    except calamine.PasswordError as error:
        raise BadInput(
            "the workbook is encrypted",
            reason="workbook_encrypted",
            remedy="open it with its password and save it without one",
        ) from error
    except BadInput:
        raise
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise _damaged(error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a bug in the Rust library, met on a hostile file
            raise
        raise _damaged(error) from error


def _damaged(error: BaseException) -> BadInput:
    if "password" in str(error).lower() or "encrypt" in str(error).lower():
        return BadInput(
            "the workbook is encrypted",
            reason="workbook_encrypted",
            remedy="open it with its password and save it without one",
        )
    return BadInput("the workbook is damaged or no workbook", reason="workbook_damaged", remedy=_AGAIN)


def _check_size(path: Path, limits: Limits) -> None:
    """Refuse what would not fit into memory, from the zip directory and one pass over each sheet's XML."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.flag_bits & 1 for entry in entries):
                raise _damaged(ValueError("encrypted"))
            if sum(entry.file_size for entry in entries) > limits.sheet_unpacked_bytes:
                raise _too_large(f"it unpacks to more than {limits.sheet_unpacked_bytes // MIB:,} MiB")
            texts = _SharedTexts(archive, entries)
            for entry in entries:
                large = entry.file_size > limits.archive_ratio_floor_bytes
                if large and entry.file_size > limits.archive_ratio * max(entry.compress_size, 1):
                    raise BadInput("a part of the workbook is a zip bomb", reason="archive_bomb", remedy=_AGAIN)
                if entry.filename.startswith("xl/worksheets/") and entry.filename.endswith(".xml"):
                    _check_span(archive, entry, limits, texts)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise _damaged(error) from error


def _too_large(why: str) -> BadInput:
    return BadInput(f"the workbook is too large: {why}", reason="workbook_too_large", remedy="export it as CSV")


class _SharedTexts:
    """How long the texts are that cells of a workbook share; looked at only as closely as is needed."""

    def __init__(self, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._entry = next((entry for entry in entries if entry.filename == "xl/sharedStrings.xml"), None)

    @cached_property
    def lengths(self) -> list[int]:
        """Bytes of each text's XML, which is at least as long as the text."""
        if self._entry is None:
            return [0]
        lengths = [0]
        with self._archive.open(self._entry) as stream:
            while chunk := stream.read(MIB):
                first, *others = chunk.split(b"<si")
                lengths[-1] += len(first)
                lengths.extend(map(len, others))
        return lengths[1:] or [0]

    def used_by(self, sheet: zipfile.ZipInfo) -> int:
        """Bytes of the texts of all cells of a sheet, each counted as often as it is used."""
        used, carried = 0, b""
        with self._archive.open(sheet) as stream:
            while chunk := stream.read(MIB):
                block = carried + chunk
                end = block.rfind(b"</c>") + 4 if b"</c>" in block else 0
                for number in _SHARED_CELL.findall(block, 0, end):
                    index = int(number)
                    used += self.lengths[index] if index < len(self.lengths) else 0
                carried = block[end:]
        return used


def _check_span(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: Limits, texts: _SharedTexts) -> None:
    """Refuse a sheet whose outermost cells span too large a rectangle, however few cells there are, or whose cells hold
    more text than memory: each cell gets a copy of a text that many share."""
    shared = 0
    last_row, last_column, rows, unpacked, open_cells, carried = 0, 26, 0, 0, 0, b""
    unplaced = None
    with archive.open(entry) as stream:
        while chunk := stream.read(MIB):
            unpacked += len(chunk)
            if unpacked > limits.sheet_unpacked_bytes:
                raise _too_large("a sheet is larger than the archive says")
            shared += chunk.count(b't="s"')
            rows += chunk.count(b"row>") + chunk.count(b"row/>")
            block = carried + chunk
            last_row = max(last_row, rows, max(map(int, _ROW.findall(block)), default=0))
            for letters in set(_WIDE_CELL.findall(block)):
                last_column = max(last_column, _column_number(letters))
            unplaced = unplaced or _UNPLACED[b":c" if b":worksheet" in chunk else b"<c"]
            if unplaced.search(chunk):  # cells that only count on: the longest row decides
                counts = [len(_CELL.findall(piece)) for piece in chunk.split(b"row")]
                counts[0] += open_cells
                last_column, open_cells = max(last_column, *counts), counts[-1]
            carried = block[-_CARRIED_BYTES:]
    # The longest text in every cell is the most there can be; only beyond that each cell is looked at.
    if shared * max(texts.lengths) > limits.sheet_text_bytes and texts.used_by(entry) > limits.sheet_text_bytes:
        raise _too_large(f"the texts of its cells are larger than {limits.sheet_text_bytes // MIB:,} MiB")
    if last_row * last_column > limits.sheet_cells:
        raise _too_large(f"a sheet spans {last_row:,} rows and {last_column:,} columns")


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _table(sheet: CalamineSheet, name: str, work_dir: Path, limits: Limits) -> Table | None:
    if sheet.start is None:
        return None
    risky: dict[int, list[int]] = {}
    width = sheet.end[1] + 1
    table = write_grid(_rows(sheet, risky), width, name=name, kind="sheet", sheet=sheet.name, work_dir=work_dir, limits=limits)
    if table is not None:
        table.risky = risky
    return table


def _rows(sheet: CalamineSheet, risky: dict[int, list[int]]) -> Iterator[tuple[int, list[str]]]:
    left = sheet.start[1]
    padding = [""] * left
    for number, row in enumerate(sheet.iter_rows(), 1):
        if set(map(type, row)) == _ALL_TEXT:  # as most platforms write them
            yield number, padding + row
            continue
        cells = padding.copy()
        for cell in row:  # the hot loop: strings and numbers without a function call
            if type(cell) is str:
                cells.append(cell)
            elif type(cell) is float and -_RISKY < cell < _RISKY:
                text = repr(cell)
                cells.append(text[:-2] if text.endswith(".0") else _plain(text))
            else:
                if type(cell) is float:
                    _note(risky, len(cells), number)
                cells.append(text_of(cell))
        yield number, cells


def _note(risky: dict[int, list[int]], column: int, row: int) -> None:
    rows = risky.setdefault(column, [])
    if len(rows) < _ROWS_KEPT:
        rows.append(row)


def text_of(cell: Any) -> str:
    """A cell as text: whole numbers without ``.0`` or exponent, ISO dates, TRUE and FALSE."""
    if type(cell) is float:
        return _plain(repr(cell)).removesuffix(".0")
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, dt.datetime):
        return _moment(cell)
    if isinstance(cell, dt.timedelta):
        return str(cell.total_seconds()).removesuffix(".0")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return "" if cell is None else str(cell)


def _plain(text: str) -> str:
    """The shortest digits of a number (`repr`) without scientific notation."""
    return f"{Decimal(text):f}" if "e" in text else text


def _moment(value: dt.datetime) -> str:
    """ISO with a blank; spreadsheet times are binary fractions of a day, so they are rounded to milliseconds."""
    value = (value + dt.timedelta(microseconds=500)).replace(microsecond=0) if value.microsecond >= 999_000 else value
    if value.microsecond < 1_000:
        value = value.replace(microsecond=0)
    return value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds")
