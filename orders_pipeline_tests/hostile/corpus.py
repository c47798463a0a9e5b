"""Hostile and broken files, made when they are needed: each a few lines that write it, and what must become of it.

Every file tells of its own orders in the standard format unless its point is that it does not, so that what is lost can be
counted. A case names the end it must come to; `large` ones are measured in a process of their own (see `test_large`).
"""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from orders_pipeline_tests import workbooks

HEADER = ("channel", "shop_id", "channel_order_id", "status", "currency", "payable_amount", "created_at", "buyer_note")


@dataclass(frozen=True)
class Case:
    """A file (or several) and its end: what the ledger must say of it.

    `status`: loaded, refused, waiting, or ignored (no word of it at all). `reason` is the refusal's or the waiting's code, or
    for a loaded file the reasons of its quarantined rows, joined by commas.
    """

    name: str
    write: Callable[[Path], object]
    status: str
    reason: str = ""
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0


CASES: list[Case] = []


def case(
    name: str, status: str, reason: str = "", accepted: int = 0, quarantined: int = 0, duplicate: int = 0
) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Enter a writer into the corpus under the file name it writes."""

    def enter(write: Callable[[Path], object]) -> Callable[[Path], object]:
        CASES.append(Case(name, write, status, reason, accepted, quarantined, duplicate))
        return write

    return enter


def order(number: str, **cells: str) -> list[str]:
    row = dict(zip(HEADER, ("jd", "main", number, "paid", "CNY", "10.00", "2026-02-20T10:00:00+08:00", ""), strict=True))
    return list((row | cells).values())


def lines(name: str, count: int = 3, **cells: str) -> list[list[str]]:
    """A header and `count` orders whose numbers carry the file's name: no two files share one."""
    stem = "".join(c for c in name if c.isalnum()).upper()
    return [list(HEADER), *(order(f"{stem}-{n}", **cells) for n in range(1, count + 1))]


def csv(rows: Iterable[Iterable[str]], newline: str = "\n", delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + newline for row in rows)


def good(name: str, count: int = 3, **cells: str) -> bytes:
    return csv(lines(name, count, **cells)).encode()


# ---- bytes and encodings


@case("empty.csv", "refused", "empty_file")
def empty(path: Path) -> None:
    path.write_bytes(b"")


@case("blank.csv", "refused", "unrecognised")
def blank(path: Path) -> None:
    path.write_bytes(b" \r\n\t\r\n" * 200)


@case("only_a_mark.csv", "refused", "empty_file")
def only_a_mark(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf")


@case("header_only.csv", "refused", "header_only")
def header_only(path: Path) -> None:
    path.write_bytes(csv([HEADER]).encode())


@case("header_without_line_end.csv", "refused", "header_only")
def header_without_line_end(path: Path) -> None:
    path.write_bytes(",".join(HEADER).encode())


@case("no_line_end.csv", "loaded", accepted=3)
def no_line_end(path: Path) -> None:
    path.write_bytes(good(path.name).rstrip(b"\n"))


@case("two_marks.csv", "loaded", accepted=3)
def two_marks(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbf" + good(path.name))


for _encoding, _mark in (("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("gb18030", b"\x84\x31\x95\x33")):

    @case(f"mark_{_encoding}.csv", "loaded", accepted=3)
    def with_mark(path: Path, encoding: str = _encoding, mark: bytes = _mark) -> None:
        path.write_bytes(mark + csv(lines(path.name, buyer_note="请尽快发货")).encode(encoding))


@case("utf16_without_mark.csv", "loaded", accepted=3)
def utf16_without_mark(path: Path) -> None:
    path.write_bytes(csv(lines(path.name)).encode("utf-16-le"))


@case("utf32.csv", "refused", "encoding_unreadable")
def utf32(path: Path) -> None:
    path.write_bytes(csv(lines(path.name)).encode("utf-32"))


@case("gbk.csv", "loaded", accepted=3)
def gbk(path: Path) -> None:
    path.write_bytes(csv(lines(path.name, buyer_note="请尽快发货，谢谢")).encode("gbk"))


@case("latin.csv", "loaded", accepted=3)
def latin(path: Path) -> None:
    path.write_bytes(csv(lines(path.name, buyer_note="très pressé, à bientôt".replace(",", ""))).encode("cp1252"))


@case("utf8_cut_in_a_character.csv", "refused", "text_truncated")
def utf8_cut(path: Path) -> None:
    path.write_bytes(csv(lines(path.name, buyer_note="请尽快发货")).encode()[:-3])


@case("gbk_cut_in_a_character.csv", "refused", "text_truncated")
def gbk_cut(path: Path) -> None:
    path.write_bytes(csv(lines(path.name, buyer_note="请尽快发货谢")).encode("gbk")[:-2])


@case("utf16_cut_in_a_character.csv", "refused", "text_truncated")
def utf16_cut(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + csv(lines(path.name)).encode("utf-16-le")[:-1])


@case("utf8_with_a_gbk_line.csv", "refused", "encoding_unreadable")
def two_encodings(path: Path) -> None:
    rows = lines(path.name, buyer_note="请尽快发货")
    path.write_bytes(csv(rows[:3]).encode() + csv(rows[3:]).encode("gbk"))


@case("nul_bytes.csv", "refused", "nul_bytes")
def nul_bytes(path: Path) -> None:
    path.write_bytes(good(path.name).replace(b"10.00", b"10\x00.00", 1))


@case("zero_filled_tail.csv", "refused", "nul_bytes")
def zero_filled_tail(path: Path) -> None:
    """What an interrupted copy on some file systems leaves: the full length, the rest zeros."""
    path.write_bytes(good(path.name) + b"\0" * 4096)


@case("noise.csv", "refused")
def noise(path: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(50_000))


# ---- lines, quotes, headers


@case("mixed_line_ends.csv", "loaded", accepted=4)
def mixed_line_ends(path: Path) -> None:
    head, *rows = (",".join(row) for row in lines(path.name, 4))
    path.write_bytes(f"{head}\r\n{rows[0]}\n{rows[1]}\r{rows[2]}\r\n{rows[3]}".encode())


@case("carriage_returns_only.csv", "loaded", accepted=3)
def carriage_returns_only(path: Path) -> None:
    path.write_bytes(csv(lines(path.name), newline="\r").encode())


@case("quote_never_closed.csv", "loaded", "quote_not_closed", accepted=3, quarantined=1)
def quote_never_closed(path: Path) -> None:
    rows = lines(path.name, 4)
    rows[2][-1] = '"three inch pot'
    path.write_bytes(csv(rows).encode())


@case("text_after_a_quote.csv", "loaded", "text_after_quote", accepted=2, quarantined=1)
def text_after_a_quote(path: Path) -> None:
    rows = lines(path.name)
    rows[2][-1] = '"two"" "words" more'
    path.write_bytes(csv(rows).encode())


@case("cells_missing.csv", "loaded", "missing_columns", accepted=2, quarantined=1)
def cells_missing(path: Path) -> None:
    rows = lines(path.name)
    path.write_bytes(csv([*rows[:2], rows[2][:4], rows[3]]).encode())


@case("a_comma_too_many.csv", "loaded", "too_many_columns", accepted=2, quarantined=1)
def a_comma_too_many(path: Path) -> None:
    rows = lines(path.name)
    rows[2][5] = "1,234.50"
    rows[2][-1] = "x"
    path.write_bytes(csv(rows).encode())


@case("cut_in_a_row.csv", "loaded", "missing_columns", accepted=2, quarantined=1)
def cut_in_a_row(path: Path) -> None:
    path.write_bytes(good(path.name)[:-45])


@case("duplicate_headers.csv", "loaded", accepted=3)
def duplicate_headers(path: Path) -> None:
    """The first column of a name is the one that is read."""
    rows = [[*row, extra] for row, extra in zip(lines(path.name), ("payable_amount", "99.00", "98.00", "97.00"), strict=True)]
    path.write_bytes(csv(rows).encode())


@case("repeated_header_line.csv", "loaded", "unreadable_money", accepted=3, quarantined=1)
def repeated_header_line(path: Path) -> None:
    """Two exports pasted together."""
    rows = lines(path.name)
    path.write_bytes(csv([*rows[:2], rows[0], *rows[2:]]).encode())


@case("repeated_rows.csv", "loaded", accepted=3, duplicate=3)
def repeated_rows(path: Path) -> None:
    rows = lines(path.name)
    path.write_bytes(csv([*rows, *rows[1:]]).encode())


@case("header_of_nonsense.csv", "refused", "unrecognised")
def header_of_nonsense(path: Path) -> None:
    dice = random.Random(3)
    alphabet = "abc订单号金额,\"'=;|\t "
    heads = ["".join(dice.choice(alphabet) for _ in range(dice.randint(0, 40))) for _ in range(30)]
    path.write_bytes(("\n".join(heads) + "\n" + csv(lines(path.name)[1:])).encode())


@case("sixty_lines_of_preamble.csv", "refused", "unrecognised")
def long_preamble(path: Path) -> None:
    path.write_bytes(b"# note\n" * 60 + good(path.name))


@case("rows_of_commas.csv", "loaded", accepted=3)
@case("nothing_but_commas.csv", "refused", "header_only")
def rows_of_commas(path: Path) -> None:
    """What a spreadsheet saves of rows that were emptied: between the others and below them."""
    head, *rows = lines(path.name)
    blank = [""] * len(head)
    given = [head, rows[0], blank, *rows[1:], *[blank] * 50] if path.name.startswith("rows") else [head, *[blank] * 50]
    path.write_bytes(csv(given).encode())


@case("twenty_lines_of_preamble.csv", "loaded", accepted=3)
def preamble(path: Path) -> None:
    path.write_bytes(b"# note\n" * 20 + good(path.name))


@case("two_thousand_columns.csv", "loaded", accepted=3)
@case("ten_thousand_columns.csv", "refused", "too_wide")
def very_many_columns(path: Path) -> None:
    count = 2_000 if path.name.startswith("two") else 10_000
    head, *rows = lines(path.name)
    path.write_bytes(csv([[*head, *(f"c{n}" for n in range(count))], *([*row, *["x"] * count] for row in rows)]).encode())


@case("formulas.csv", "loaded", accepted=3)
def formulas(path: Path) -> None:
    rows = lines(path.name)
    for row, note in zip(rows[1:], ("=HYPERLINK(\"http://x\";\"y\")", "@SUM(1+1)*cmd|' /C calc'!A0", "+1-1"), strict=True):
        row[-1] = '"' + note.replace('"', '""') + '"'
    path.write_bytes(csv(rows).encode())


@case("sql_in_cells.csv", "loaded", accepted=3)
def sql_in_cells(path: Path) -> None:
    path.write_bytes(good(path.name, buyer_note="'; DROP TABLE raw.orders; --"))


@case("sql_in_a_header.csv", "loaded", accepted=2, quarantined=1, reason="unreadable_money")
def sql_in_a_header(path: Path) -> None:
    rows = [[*row, "x"] for row in lines(path.name)]
    rows[0][-1] = "x'); DROP TABLE raw.orders; --"
    rows[2][5] = "much"
    path.write_bytes(csv(rows).encode())


@case("spoiled_cells.csv", "loaded", "id_scientific,not_in_form,unreadable_money,unreadable_time", quarantined=4)
def spoiled_cells(path: Path) -> None:
    rows = lines(path.name, 4)
    rows[1][2], rows[2][5], rows[3][6], rows[4][4] = "6.93217E+12", "#REF!", "45O23", "RMB yuan"
    path.write_bytes(csv(rows).encode())


@case("long_cell.csv", "loaded", "cell_too_long", accepted=3, quarantined=1)
def long_cell(path: Path) -> None:
    rows = lines(path.name, 4)
    rows[2][-1] = "x" * 10_000_000
    path.write_bytes(csv(rows).encode())


# ---- names


@case("workbook.csv", "loaded", accepted=3)
def workbook_named_csv(path: Path) -> None:
    path.write_bytes(workbooks.xlsx(lines(path.name)))


@case("text.xlsx", "loaded", accepted=3)
def text_named_xlsx(path: Path) -> None:
    path.write_bytes(good(path.name))


@case("table.xls", "loaded", accepted=3)
def html_named_xls(path: Path) -> None:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in lines(path.name))
    path.write_bytes(f"<html><meta charset=gbk><table>{body}</table></html>".encode("gbk"))


@case("picture.csv", "refused", "not_a_table")
def picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))


@case("program.csv", "refused", "nul_bytes")
def program(path: Path) -> None:
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(1000))


@case("page.csv", "refused", "not_a_table")
def page(path: Path) -> None:
    """What a download link gives once the session has expired."""
    path.write_bytes("<!DOCTYPE html><html><body>请登录</body></html>".encode())


@case("error.json", "refused", "unrecognised")
def error_answer(path: Path) -> None:
    path.write_bytes('{"code": 40101, "message": "登录已过期", "data": []}'.encode())


@case("deep.json", "refused", "json_damaged")
def deep_json(path: Path) -> None:
    path.write_bytes(b'[{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}]")


@case("cut.json", "refused", "json_damaged")
def cut_json(path: Path) -> None:
    path.write_bytes(b'[{"channel": "jd", "shop_id": "ma')


@case("notes.txt.part", "ignored")
@case("~$orders.xlsx", "ignored")
@case("orders.csv.crdownload", "ignored")
@case("orders.tmp", "ignored")
@case(".orders.csv", "ignored")
def unfinished(path: Path) -> None:
    path.write_bytes(good(path.name))


@case("folder.csv", "ignored")
def folder_named_like_a_file(path: Path) -> None:
    path.mkdir()


@case("pipe.csv", "waiting", "no_file")
def pipe(path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(path)


@case("dangling.csv", "waiting", "symlink")
def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere.csv")


@case("outside.csv", "waiting", "symlink")
def link_outside(path: Path) -> None:
    target = path.parent.parent / "outside.csv"
    target.write_bytes(good("outside"))
    path.symlink_to(target)


@case("loop.csv", "waiting", "symlink")
def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


# ---- archives


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def gbk_named(entries: dict[str, bytes]) -> bytes:
    """A zip as Windows programs in China write it: names in GBK, without the flag that would say so."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            placeholder = "n" * len(name.encode("gbk"))
            archive.writestr(placeholder, data)
    packed = out.getvalue()
    for name in entries:
        raw = name.encode("gbk")
        packed = packed.replace(b"n" * len(raw), raw)
    return packed


@case("gbk_names.zip!/订单明细.csv", "loaded", accepted=3)
def zip_with_gbk_names(path: Path) -> None:
    path.write_bytes(gbk_named({"订单明细.csv": good("gbkzip")}))


@case("slip.zip", "refused", "archive_unsafe_name")
def zip_slip(path: Path) -> None:
    path.write_bytes(zipped({"ok.csv": good("slipok"), "../../outside.csv": good("slip")}))


@case("slip_by_backslash.zip", "refused", "archive_unsafe_name")
def zip_slip_by_backslash(path: Path) -> None:
    path.write_bytes(zipped({"..\\..\\outside.csv": good("slip2")}))


@case("absolute.zip", "refused", "archive_unsafe_name")
def absolute_name(path: Path) -> None:
    path.write_bytes(zipped({"/etc/cron.d/orders.csv": good("slip3")}))


@case("link.zip!/link.csv", "refused")
def link_in_an_archive(path: Path) -> None:
    """The entry is a symbolic link in the archive; unpacked it is its own text, never followed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link.csv")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    path.write_bytes(out.getvalue())


@case("bomb.zip", "refused", "archive_bomb")
def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros.csv", "w") as out:
        for _ in range(80):
            out.write(bytes(1 << 20))


@case("nested_bomb.zip", "refused", "archive_too_deep")
def nested_bomb(path: Path) -> None:
    data = good("nested")
    for level in range(5):
        data = zipped({f"level{level}.zip": data})
    path.write_bytes(data)


@case("many.zip", "refused", "archive_too_many_files")
def many_entries(path: Path) -> None:
    path.write_bytes(zipped({f"{n}.csv": b"" for n in range(1_001)}, zipfile.ZIP_STORED))


@case("quine.gz", "refused", "archive_too_deep")
def gzip_in_gzip(path: Path) -> None:
    data = good("gz")
    for _ in range(6):
        data = gzip.compress(data)
    path.write_bytes(data)


@case("gzip_bomb.csv.gz", "refused", "archive_bomb")
def gzip_bomb(path: Path) -> None:
    with gzip.open(path, "wb", 9) as out:
        for _ in range(80):
            out.write(bytes(1 << 20))


@case("cut.zip", "refused", "archive_damaged")
def cut_zip(path: Path) -> None:
    path.write_bytes(zipped({"a.csv": good("cutzip", 500)})[:-30])


@case("wrong_sum.zip", "refused", "archive_damaged")
def wrong_sum(path: Path) -> None:
    packed = bytearray(zipped({"a.csv": good("wrongsum")}, zipfile.ZIP_STORED))
    place = packed.index(b"paid")
    packed[place : place + 4] = b"void"
    path.write_bytes(bytes(packed))


@case("lying_size.zip", "refused", "archive_damaged")
def lying_size(path: Path) -> None:
    """The directory says one byte, the entry holds more."""
    packed = bytearray(zipped({"a.csv": good("lying", 200)}))
    entry = packed.rindex(b"PK\x01\x02")
    struct.pack_into("<I", packed, entry + 24, 1)
    path.write_bytes(bytes(packed))


@case("locked.zip", "refused", "archive_encrypted")
def locked_zip(path: Path) -> None:
    packed = bytearray(zipped({"a.csv": good("locked")}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + offset] |= 1
    path.write_bytes(bytes(packed))


@case("half_locked.zip!/a.csv", "refused", "archive_encrypted")
@case("half_locked.zip!/b.csv", "loaded", accepted=3)
def half_locked_zip(path: Path) -> None:
    """One entry with a password, its neighbour without."""
    packed = bytearray(zipped({"a.csv": good("halflocked"), "b.csv": good("halfopen")}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + offset] |= 1
    path.write_bytes(bytes(packed))


@case("half_spoiled.zip!/a.csv", "refused", "archive_damaged")
@case("half_spoiled.zip!/b.csv", "loaded", accepted=3)
@case("half_spoiled.zip!/inner.zip", "refused", "archive_damaged")
def half_spoiled_zip(path: Path) -> None:
    """One entry changed on the way, an archive in it that was cut off, and a neighbour nothing has happened to."""
    inner = zipped({"c.csv": good("spoiledinner", 50)})[:-30]
    packed = bytearray(zipped({"a.csv": good("spoiled"), "b.csv": good("unspoiled"), "inner.zip": inner}, zipfile.ZIP_STORED))
    place = packed.index(b"paid")
    packed[place : place + 4] = b"void"
    path.write_bytes(bytes(packed))


@case("seven.csv", "refused", "archive_unsupported")
def seven_zip(path: Path) -> None:
    path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(100))


@case("empty.zip", "refused", "archive_empty")
def empty_zip(path: Path) -> None:
    path.write_bytes(zipped({}))


@case("twins.zip!/a.csv", "loaded", accepted=3)
@case("twins.zip!/a (2).csv", "loaded", accepted=3)
def same_name_twice(path: Path) -> None:
    """Two entries of one name: both are taken, under names that tell them apart."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.csv", good("twin1"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile warns of what is the point here
            archive.writestr("a.csv", good("twin2"))
    path.write_bytes(out.getvalue())


# ---- workbooks


@case("laughs.xlsx", "refused", "workbook_damaged")
def billion_laughs(path: Path) -> None:
    """XML entities that expand to gigabytes: nothing is expanded."""
    path.write_bytes(workbooks.laughing(lines(path.name)))


@case("external.xlsx", "refused", "workbook_damaged")
def external_entity(path: Path) -> None:
    """An entity that names a file of this machine: its content must not come in."""
    (path.parent.parent / "secret.txt").write_text("SECRET-OF-THIS-MACHINE")
    path.write_bytes(workbooks.reading(lines(path.name), str(path.parent.parent / "secret.txt")))


@case("xlsx_bomb.xlsx", "refused", "archive_bomb")
def workbook_bomb(path: Path) -> None:
    path.write_bytes(workbooks.bomb(lines(path.name)))


@case("far_corner.xlsx", "refused", "workbook_too_large")
def far_corner(path: Path) -> None:
    """Two cells that span the largest sheet there is: 17 thousand million cells, were they allocated."""
    body = workbooks.sheet_xml(lines(path.name)) + workbooks.row(1_048_576, workbooks.text("XFD1048576", "x"))
    workbooks.workbook(path, {"Sheet1": body})


@case("wrong_dimension.xlsx", "loaded", accepted=3)
def wrong_dimension(path: Path) -> None:
    path.write_bytes(workbooks.xlsx(lines(path.name), dimension="A1:B2"))


@case("template_header.xlsx", "loaded", accepted=3)
def header_of_a_template(path: Path) -> None:
    """Names marked as those of a form to be filled in."""
    head, *rows = lines(path.name)
    marked = [f"*{name}" if n % 3 == 0 else f"{name}\n（必填）" if n % 3 == 1 else f"{name} (选填)*" for n, name in enumerate(head)]
    path.write_bytes(workbooks.xlsx([marked, *rows]))


@case("cut.xlsx", "refused")
def cut_workbook(path: Path) -> None:
    path.write_bytes(workbooks.xlsx(lines(path.name, 50))[:-200])


@case("encrypted.xlsx", "refused", "workbook_encrypted")
def encrypted_workbook(path: Path) -> None:
    path.write_bytes(workbooks.encrypted_xlsx())


@case("encrypted.xls", "refused", "workbook_encrypted")
def encrypted_old_workbook(path: Path) -> None:
    path.write_bytes(workbooks.encrypted_xls(lines(path.name)))


@case("old.xls", "loaded", accepted=3)
def old_workbook(path: Path) -> None:
    path.write_bytes(workbooks.xls(lines(path.name)))


@case("old.xlsx", "loaded", accepted=3)
def old_workbook_named_like_a_new_one(path: Path) -> None:
    path.write_bytes(workbooks.xls(lines(path.name)))


@case("new.xls", "loaded", accepted=3)
def new_workbook_named_like_an_old_one(path: Path) -> None:
    path.write_bytes(workbooks.xlsx(lines(path.name)))


@case("binary.xlsb", "refused", "workbook_binary")
def binary_workbook(path: Path) -> None:
    path.write_bytes(workbooks.xlsb())


@case("not_ole.xls", "refused", "workbook_damaged")
def broken_ole(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + random.Random(1).randbytes(5000))
