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


def compound(streams: Mapping[str, bytes], how: str = "in order") -> bytes:
    """An OLE compound file (version 3, sectors of 512 bytes); streams are padded so that none is a mini stream.

    `how`: sectors ``in order`` or ``backwards``, or ``small`` (everything in mini sectors, nothing padded: under 4096 bytes).
    """
    sector, mini = 512, 64
    end, free, fat_mark = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    padded = {name: data if how == "small" else data.ljust(4096, b"\0") for name, data in streams.items()}
    fat: list[int] = []
    body = b""

    def store(data: bytes) -> int:
        nonlocal body
        first, count = len(fat), -(-len(data) // sector)
        pieces = [data[n * sector : (n + 1) * sector].ljust(sector, b"\0") for n in range(count)]
        if how == "backwards":
            fat.extend([end, *range(first, first + count - 1)])
            body += b"".join(reversed(pieces))
            return first + count - 1
        fat.extend([*range(first + 1, first + count), end])
        body += b"".join(pieces)
        return first

    root, small_fat, small_sectors, starts = (end, 0), end, 0, {}
    if how == "small":
        small: list[int] = []
        pool = b""
        for name, data in padded.items():
            count = -(-len(data) // mini)
            starts[name] = len(small)
            small += [*range(len(small) + 1, len(small) + count), end]
            pool += data.ljust(count * mini, b"\0")
        root = (store(pool), len(pool))
        small_fat = store(struct.pack(f"<{len(small)}I", *small).ljust(sector, b"\xff"))
        small_sectors = 1
    else:
        starts = {name: store(data) for name, data in padded.items()}
    entries = [_entry("Root Entry", 5, *root, child=1)]
    for number_, name in enumerate(sorted(padded, key=lambda n: (len(n), n.upper())), 1):
        following = number_ + 1 if number_ < len(padded) else free
        entries.append(_entry(name, 2, starts[name], len(padded[name]), right=following))
    directory_start = store(b"".join(entries))
    sectors = 1
    while (len(fat) + sectors) * 4 > sectors * sector:
        sectors += 1
    fat_start = len(fat)
    fat += [fat_mark] * sectors
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(sectors * sector, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, sectors, directory_start, 0, 4096, small_fat, small_sectors, end, 0)
    header += struct.pack("<109I", *range(fat_start, fat_start + sectors), *[free] * (109 - sectors))
    return header + body + table


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


def failing_xls(how: str = "in order") -> bytes:
    """An .xls of two sheets, the second with cells that are errors (as values, and as results of formulas), from row 3 on."""
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    book.add_sheet("一").write(0, 0, "only")
    page = book.add_sheet("二")
    for r, cells in enumerate((["h", "i", "j"], ["x", 1.5, 2], ["y", None, True], ["z", None, None])):
        for c, cell in enumerate(cells):
            if cell is not None:
                page.write(r + 2, c + 1, cell)
    page.row(4).set_cell_error(2, 0x2A)
    page.write(5, 2, xlwt.Formula("1/0"))
    page.row(5).set_cell_error(3, 0x17)
    unknown, failed = b"\x03\x00\x00\x00\x00\x00\xff\xff", b"\x02\x00\x07\x00\x00\x00\xff\xff"  # the library works nothing out
    return compound({"Workbook": book.get_biff_data().replace(unknown, failed)}, how)


def xlsb() -> bytes:
    """As much of a binary workbook as says that it is one."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("[Content_Types].xml", "xl/workbook.bin", "xl/worksheets/sheet1.bin"):
            archive.writestr(name, b"\x83\x01\x00")
    return out.getvalue()
