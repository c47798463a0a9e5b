"""Cells of an old workbook (.xls, BIFF5 and BIFF8) in which a formula failed: the library hands them out as blank.

Whether there can be any is one search of the bytes; only a workbook that may have some is looked at record by record.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from orders_pipeline.ingest.read.span import Faulty
from orders_pipeline.kernel.faults import BadInput

#: What a spreadsheet shows for the number of an error, in BIFF as in the binary workbooks of today.
ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
_UNNAMED = "#VALUE!"
_EOF, _SHEET, _FORMULA, _BOOLERR = 0x000A, 0x0085, 0x0006, 0x0205
#: A BOOLERR that is an error, and a FORMULA whose result is one; what else looks like them the records tell apart.
_MAYBE = re.compile(rb"\x05\x02\x08\x00.{7}[^\x00]|\x06\x00.{8}\x02.{5}\xff\xff", re.DOTALL)
_END, _FREE = 0xFFFFFFFE, 0xFFFFFFFF
_HEADER_BYTES, _ENTRY_BYTES = 512, 128


def faulty_cells(stream: bytes) -> dict[int, Faulty]:
    """Faulty cells by sheet (from 0, in the order of the workbook). Raises `BadInput` ``workbook_damaged``."""
    if not _MAYBE.search(stream):
        return {}
    try:
        found = {number: _sheet(stream, start) for number, start in enumerate(_sheet_starts(stream))}
    except (struct.error, ValueError, IndexError) as error:
        raise _damaged() from error
    return {number: cells for number, cells in found.items() if cells}


def workbook_stream(path: Path) -> bytes | None:
    """The records of an old workbook; None of a compound file that holds none. Raises `BadInput` ``workbook_damaged``."""
    try:
        return _stream(path.read_bytes())
    except (struct.error, ValueError, IndexError) as error:
        raise _damaged() from error


def _damaged() -> BadInput:
    return BadInput(
        "the workbook is damaged or no workbook",
        reason="workbook_damaged",
        remedy="open it in a spreadsheet program and save it as XLSX or CSV",
    )


def _records(stream: bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """(kind, place of the content, its length) up to the end of the part that starts there."""
    at, end = start, len(stream)
    while at + 4 <= end:
        kind, length = struct.unpack_from("<HH", stream, at)
        if kind == _EOF:
            return
        yield kind, at + 4, length
        at += 4 + length


def _sheet_starts(stream: bytes) -> list[int]:
    return [struct.unpack_from("<I", stream, at)[0] for kind, at, _ in _records(stream, 0) if kind == _SHEET]


def _sheet(stream: bytes, start: int) -> Faulty:
    found: Faulty = defaultdict(list)
    for kind, at, length in _records(stream, start):
        if kind == _BOOLERR and length >= 8 and stream[at + 7]:
            code = stream[at + 6]
        elif kind == _FORMULA and length >= 14 and stream[at + 6] == 2 and stream[at + 12 : at + 14] == b"\xff\xff":
            code = stream[at + 8]
        else:
            continue
        row, column = struct.unpack_from("<HH", stream, at)
        found[row + 1].append((column, ERRORS.get(code, _UNNAMED)))
    return found


def _stream(data: bytes) -> bytes | None:
    """The workbook's stream of a compound file, put together from its sectors; None where there is none."""
    big, small = (1 << shift for shift in struct.unpack_from("<HH", data, 30))
    directory, cutoff, small_fat, more_fat = (struct.unpack_from("<I", data, at)[0] for at in (48, 56, 60, 68))

    def sector(number: int) -> bytes:
        return data[(number + 1) * big : (number + 2) * big]

    tables = [number for number in struct.unpack_from("<109I", data, 76) if number not in (_END, _FREE)]
    most = 2 * len(data) // (big * max(big // 4, 1)) + 109  # one number for every sector, and some to spare
    while more_fat not in (_END, _FREE):
        *listed, more_fat = _numbers(sector(more_fat))
        tables += [number for number in listed if number not in (_END, _FREE)]
        most -= 1
        if len(tables) > most:
            raise IndexError("more tables than the file has room for")
    fat = _numbers(b"".join(map(sector, tables)))

    def whole(start: int) -> bytes:
        return b"".join(map(sector, _chain(fat, start)))

    entries = whole(directory)
    kept = {}
    for at in range(0, len(entries) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        length, kind = struct.unpack_from("<HB", entries, at + 64)
        name = "root" if kind == 5 else entries[at : at + max(length - 2, 0)].decode("utf-16-le", "replace").lower()
        start, size = struct.unpack_from("<II", entries, at + 116)
        kept.setdefault(name, (start, size))
    start, size = kept.get("workbook") or kept.get("book") or (_END, 0)
    if start == _END:
        return None
    if size >= cutoff:
        return whole(start)[:size]
    pool = whole(kept["root"][0]) if "root" in kept else b""
    pieces = _chain(_numbers(whole(small_fat)), start)
    return b"".join(pool[number * small : (number + 1) * small] for number in pieces)[:size]


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])


def _chain(following: tuple[int, ...], start: int) -> Iterator[int]:
    """The numbers of the sectors one after the other. Raises IndexError where one does not exist, or comes again."""
    for _ in range(len(following)):
        if start == _END:
            return
        yield start
        start = following[start]
    if start != _END:
        raise IndexError("the sectors go round in a circle")
