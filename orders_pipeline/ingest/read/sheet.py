"""Workbooks (xlsx, xls) through calamine: every sheet with content becomes a numbered CSV of text.

Calamine reads the cells that are there and ignores the dimension a sheet claims, does not expand XML entities, and
needs no spreadsheet program. It allocates the rectangle a sheet spans, so that rectangle is measured first.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orders_pipeline.ingest.read import biff
from orders_pipeline.ingest.read.grid import Numbers, Rows, join_rows, write_grid
from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.ingest.read.model import Table
from orders_pipeline.ingest.read.span import Faulty, check_span, too_large
from orders_pipeline.kernel.faults import BadInput

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

_RISKY = 10**14
_AGAIN = "open it in a spreadsheet program and save it as XLSX or CSV"
_ROWS_KEPT = 100_000
_NUMBERS_KEPT = 100_000
_LINK = re.compile(rb"<(?:\w+:)?Relationship\s[^<>]*>")
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^<>]*>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*["']([^"']*)["']""")


def open_workbook(path: Path, work_dir: Path, limits: Limits) -> list[Table]:
    """One table per sheet that has content, in the order of the workbook.

    Raises `BadInput` ``workbook_encrypted``, ``workbook_damaged``, ``workbook_too_large`` or ``archive_bomb``.
    """
    is_zip = zipfile.is_zipfile(path)
    faulty = _check_size(path, limits) if is_zip else {}
    stream = None if is_zip else biff.workbook_stream(path)
    # A new workbook with a password is a file of the old kind, without the stream of an old workbook.
    suffix = ".xlsx" if stream is None else ".xls"
    tables: list[Table] = []
    try:
        with _named(path, suffix, work_dir) as named:
            look = (lambda: faulty) if stream is None else partial(biff.faulty_cells, stream)
            _read_sheets(named, path.name, work_dir, limits, tables, look)
    except BaseException:
        for table in tables:
            table.path.unlink(missing_ok=True)
        raise
    return tables


@contextmanager
def _named(path: Path, suffix: str, work_dir: Path) -> Iterator[Path]:
    """The file under a name that ends in what it is: the library believes the name, and many an .xls is an .xlsx."""
    if path.suffix == suffix:
        yield path
        return
    link = work_dir / f"{os.urandom(8).hex()}{suffix}"
    link.symlink_to(path.resolve())
    try:
        yield link
    finally:
        link.unlink()


def _read_sheets(
    path: Path, name: str, work_dir: Path, limits: Limits, tables: list[Table], look: Callable[[], dict[int, Faulty]]
) -> None:
    """Add a table per sheet; `look` gives the faulty cells, and is asked once the library has taken the workbook."""
    import python_calamine as calamine

    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            faulty = look()
            for number, meta in enumerate(book.sheets_metadata):
                if meta.typ not in (calamine.SheetTypeEnum.WorkSheet,):
                    continue
                sheet = book.get_sheet_by_index(number)
                table = _table(sheet, name, work_dir, limits, faulty.get(number, {}))
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


def _check_size(path: Path, limits: Limits) -> dict[int, Faulty]:
    """Refuse what would not fit into memory, from the zip directory and one pass over the XML; faulty cells by sheet (from 0)."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if any(entry.flag_bits & 1 for entry in entries):
                raise _damaged(ValueError("encrypted"))
            if sum(entry.file_size for entry in entries) > limits.sheet_unpacked_bytes:
                raise too_large(f"it unpacks to more than {limits.sheet_unpacked_bytes // MIB:,} MiB")
            for entry in entries:
                large = entry.file_size > limits.archive_ratio_floor_bytes
                if large and entry.file_size > limits.archive_ratio * max(entry.compress_size, 1):
                    raise BadInput("a part of the workbook is a zip bomb", reason="archive_bomb", remedy=_AGAIN)
            faulty = check_span(archive, entries, limits)
            return _by_sheet(archive, faulty) if faulty else {}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise _damaged(error) from error


def _by_sheet(archive: zipfile.ZipFile, faulty: dict[str, Faulty]) -> dict[int, Faulty]:
    """Faulty cells by the place of their sheet in the workbook (from 0): which part a sheet is, two of the other parts say."""
    names = {entry.filename.lower().replace("\\", "/"): entry for entry in archive.infolist()}
    parts = {name.lower().replace("\\", "/"): cells for name, cells in faulty.items()}
    book, links = (archive.read(names[n]) if n in names else b"" for n in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"))
    targets = {}
    for tag in _LINK.findall(links):
        attributes = dict(_ATTRIBUTE.findall(tag))
        target = attributes.get(b"Target", b"").decode("utf-8", "replace").lower().replace("\\", "/")
        targets[attributes.get(b"Id")] = target[1:] if target.startswith("/") else f"xl/{target}"
    found = {}
    for number, tag in enumerate(_SHEET.findall(book)):
        link = next((value for name, value in _ATTRIBUTE.findall(tag) if name.endswith(b":id")), None)
        cells = parts.get(targets.get(link, ""))
        if cells:
            found[number] = cells
    return found


def _table(sheet: CalamineSheet, name: str, work_dir: Path, limits: Limits, faulty: Faulty) -> Table | None:
    if sheet.start is None:
        return None
    texts = _RowTexts()
    table = write_grid(
        _rows(sheet, faulty),
        sheet.end[1] + 1,
        name=name,
        kind="sheet",
        sheet=sheet.name,
        work_dir=work_dir,
        limits=limits,
        join=texts.join,
    )
    if table is not None:
        table.risky = texts.risky
    return table


def _rows(sheet: CalamineSheet, faulty: Faulty) -> Iterator[tuple[int, list[Any]]]:
    padding = [""] * sheet.start[1] if sheet.start else []
    rows = enumerate(sheet.iter_rows(), 1)
    if not padding and not faulty:
        return rows
    return ((number, _told(padding + row, faulty.get(number, ()))) for number, row in rows)


def _told(row: list[Any], faulty: Iterable[tuple[int, str]]) -> list[Any]:
    """The row with what stands in its faulty cells, which the library leaves blank."""
    for column, text in faulty:
        if column < len(row) and row[column] == "":
            row[column] = text
    return row


class _RowTexts:
    """Makes texts of cells that are none, and notes the rows in which numbers may have lost digits.

    Which columns hold such cells shows when rows are joined; most hold texts, and none of their cells is looked at.
    """

    def __init__(self) -> None:
        self.risky: dict[int, list[int]] = {}
        self._numbers = _NumberTexts()
        self._places: set[int] = set()

    def join(self, numbers: Numbers, rows: Rows) -> list[str]:
        """`join_rows`, with texts of all cells."""
        self._make_texts(numbers, rows, self._places)
        try:
            return join_rows(numbers, rows)
        except TypeError:
            found = {place for cells in rows for place, cell in enumerate(cells) if type(cell) is not str}
        self._places |= found
        self._make_texts(numbers, rows, found)
        return join_rows(numbers, rows)

    def _make_texts(self, numbers: Numbers, rows: Sequence[list[Any]], places: Iterable[int]) -> None:
        for place in places:
            column = [cells[place] for cells in rows]
            if set(map(type, column)) == {float}:
                figures, texts = column, map(self._numbers.__getitem__, column)
            else:
                figures = [cell for cell in column if type(cell) is float]
                texts = (self._numbers[cell] if type(cell) is float else text_of(cell) for cell in column)
            if not sum(map(abs, figures)) < _RISKY:  # nor is that of what is no number
                self._note_risky(place, numbers, column)
            for cells, text in zip(rows, texts, strict=True):
                cells[place] = text

    def _note_risky(self, place: int, numbers: Numbers, column: list[Any]) -> None:
        for number, cell in zip(numbers, column, strict=True):
            if type(cell) is float and not -_RISKY < cell < _RISKY:
                rows = self.risky.setdefault(place, [])
                if len(rows) < _ROWS_KEPT:
                    rows.append(number)


class _NumberTexts(dict[float, str]):
    """The text of each different number of a sheet; prices and quantities repeat, and finding the digits is dear."""

    def __missing__(self, number: float) -> str:
        if len(self) >= _NUMBERS_KEPT:
            self.clear()
        text = self[number] = text_of(number or 0.0)  # -0 is shown as 0, whichever came first
        return text


def text_of(cell: Any) -> str:
    """A cell as text: whole numbers without ``.0`` or exponent, ISO dates, TRUE and FALSE."""
    if type(cell) is str:
        return cell
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
