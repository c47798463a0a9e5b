"""Workbooks for tests, written byte by byte where no library would write them: wrong dimensions, bombs, entities, locks."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = f"""<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/>
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>"""
_STYLES = f"""<styleSheet xmlns="{MAIN}"><fonts><font/></fonts><fills><fill/></fills><borders><border/></borders>
<cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/>
<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>"""


def workbook(
    path: Path | io.BytesIO,
    sheets: Mapping[str, str],
    dimension: str = "A1:A1",
    prolog: str = "",
    merged: Sequence[str] = (),
    more: Mapping[str, bytes] | None = None,
) -> Path | io.BytesIO:
    """A minimal xlsx; values of ``sheets`` are the XML inside sheetData, ``more`` are further entries of the zip."""
    names = list(enumerate(sheets, 1))
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r" '
        f'Type="{DOCUMENT}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": _STYLES,
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in names)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(f'<Relationship Id="r{n}" Type="{DOCUMENT}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in names)
        + f'<Relationship Id="s" Type="{DOCUMENT}/styles" Target="styles.xml"/></Relationships>',
    }
    spans = f'<mergeCells>{"".join(f"""<mergeCell ref="{m}"/>""" for m in merged)}</mergeCells>' if merged else ""
    for number, name in names:
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<?xml version="1.0"?>{prolog}<worksheet xmlns="{MAIN}"><dimension ref="{dimension}"/>'
            f"<sheetData>{sheets[name]}</sheetData>{spans}</worksheet>"
        )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (parts | dict(more or {})).items():
            archive.writestr(name, content)
    return path


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def text(place: str, value: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def number(place: str, value: str, style: int = 0) -> str:
    return f'<c r="{place}" s="{style}"><v>{value}</v></c>'


def column(index: int) -> str:
    """The letters of a column, 0-based."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def sheet_xml(rows: Iterable[Sequence[str]], numeric: Iterable[tuple[int, int]] = (), first: int = 1) -> str:
    """Rows of texts as sheetData; the cells in ``numeric`` (row, column, both 0-based) are numbers."""
    numbers = set(numeric)
    return "".join(
        row(
            first + r,
            *(
                number(f"{column(c)}{first + r}", cell) if (r, c) in numbers else text(f"{column(c)}{first + r}", escape(cell))
                for c, cell in enumerate(cells)
                if cell != ""
            ),
        )
        for r, cells in enumerate(rows)
    )


def xlsx(rows: Iterable[Sequence[str]], **options) -> bytes:
    """One sheet of texts as a workbook; options as for `workbook`."""
    out = io.BytesIO()
    workbook(out, {"Sheet1": sheet_xml(rows)}, **options)
    return out.getvalue()


def laughing(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook whose first cell is an entity that would expand to thousands of millions of characters."""
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    body = sheet_xml(rows) + row(len(rows) + 1, text(f"A{len(rows) + 1}", "&a9;"))
    out = io.BytesIO()
    workbook(out, {"Sheet1": body}, prolog=f"<!DOCTYPE worksheet [{entities}]>")
    return out.getvalue()


def reading(rows: Sequence[Sequence[str]], path: str) -> bytes:
    """A workbook with a cell whose text is to be the content of a file of the reading machine."""
    cells = [list(r) for r in rows]
    body = sheet_xml(cells[:-1]) + row(
        len(cells), *(text(f"{column(c)}{len(cells)}", v or "&file;") for c, v in enumerate(cells[-1]))
    )
    out = io.BytesIO()
    workbook(out, {"Sheet1": body}, prolog=f'<!DOCTYPE worksheet [<!ENTITY file SYSTEM "file://{path}">]>')
    return out.getvalue()


def bomb(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook one part of which unpacks to 300 MB from less than one."""
    return xlsx(rows, more={"xl/media/picture.xml": b" " * (300 << 20)})


def compound(streams: Mapping[str, bytes]) -> bytes:
    """An OLE compound file (version 3, sectors of 512 bytes); streams are padded so that none is a mini stream."""
    sector = 512
    end, free, fat_mark = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    padded = {name: data.ljust(4096, b"\0") for name, data in streams.items()}
    fat: list[int] = []
    starts, body = {}, b""
    for name, data in padded.items():
        count = -(-len(data) // sector)
        starts[name] = len(fat)
        fat += [*range(len(fat) + 1, len(fat) + count), end]
        body += data.ljust(count * sector, b"\0")
    entries = [_entry("Root Entry", 5, end, 0, child=1)]
    for number_, name in enumerate(sorted(padded, key=lambda n: (len(n), n.upper())), 1):
        following = number_ + 1 if number_ < len(padded) else free
        entries.append(_entry(name, 2, starts[name], len(padded[name]), right=following))
    directory = b"".join(entries)
    directory = directory.ljust(-(-len(directory) // sector) * sector, b"\0")
    directory_start = len(fat)
    count = len(directory) // sector
    fat += [*range(len(fat) + 1, len(fat) + count), end]
    sectors = 1
    while (len(fat) + sectors) * 4 > sectors * sector:
        sectors += 1
    fat_start = len(fat)
    fat += [fat_mark] * sectors
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(sectors * sector, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, sectors, directory_start, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", *range(fat_start, fat_start + sectors), *[free] * (109 - sectors))
    return header + body + directory + table


def _entry(name: str, kind: int, start: int, size: int, child: int = 0xFFFFFFFF, right: int = 0xFFFFFFFF) -> bytes:
    raw = name.encode("utf-16-le") + b"\0\0"
    entry = raw.ljust(64, b"\0") + struct.pack("<HBB", len(raw), kind, 1)
    entry += struct.pack("<III", 0xFFFFFFFF, right, child) + bytes(16 + 4 + 16)
    return entry + struct.pack("<IQ", start, size)


def encrypted_xlsx() -> bytes:
    """A workbook saved with a password: its zip is a stream of noise inside an OLE file."""
    import random

    information = struct.pack("<HHI", 4, 4, 0x40) + b'<?xml version="1.0"?><encryption/>'
    return compound({"EncryptionInfo": information, "EncryptedPackage": random.Random(5).randbytes(9000)})


def xls(rows: Iterable[Sequence[object]], sheet: str = "导出") -> bytes:
    """A real .xls (BIFF8) of texts and numbers."""
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    page = book.add_sheet(sheet)
    for r, cells in enumerate(rows):
        for c, cell in enumerate(cells):
            page.write(r, c, cell)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def encrypted_xls(rows: Iterable[Sequence[object]]) -> bytes:
    """An .xls whose second record says FILEPASS (XOR obfuscation): what follows cannot be read without the password."""
    data = bytearray(xls(rows))
    start = data.index(struct.pack("<HH", 0x0809, 16))
    following = start + 20
    kind, length = struct.unpack_from("<HH", data, following)
    assert length >= 2, kind
    struct.pack_into("<HH", data, following, 0x002F, length)
    struct.pack_into("<H", data, following + 4, 1)
    return bytes(data)
