"""Workbooks, HTML tables, JSON and Parquet: text out, row numbers kept, hostile files refused."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.ingest.landing import as_member
from orders_pipeline.ingest.read import DEFAULT, Limits, biff, load_rows, normalise, open_table, sniff_kind, span
from orders_pipeline.ingest.read.jsonfile import read_json
from orders_pipeline.kernel.faults import BadInput
from orders_pipeline_tests.workbooks import MAIN, failing_xls, number, row, text, workbook, xls, xlsb, xlsx


def opened(path: Path, limits: Limits = DEFAULT):
    return open_table(as_member(path), path.parent, limits=limits)


def rows_of(table, header_line: int, **options) -> list[tuple]:
    with duckdb.connect() as connection:
        loaded = load_rows(connection, "body", normalise(table, header_line, **options), temporary=True)
        assert loaded.broken == []
        names = ", ".join(loaded.csv.columns)
        return connection.execute(f"SELECT {loaded.line_sql}, {names} FROM body ORDER BY rowid").fetchall()


def reason(path: Path, limits: Limits = DEFAULT) -> str:
    with pytest.raises(BadInput) as caught:
        opened(path, limits)
    assert caught.value.file == path.name
    return caught.value.reason


def test_cells_become_text_and_rows_keep_their_numbers_whatever_the_dimension(tmp_path):
    body = row(3, text("B3", "订单号"), text("C3", "金额"), text("D3", "时间"), text("E3", "备注"))
    body += row(5, number("B5", "10160070484512"), number("C5", "12.10"), number("D5", "45384.4166666667", 1))
    body += row(6, number("B6", "1E-7"), '<c r="C6" t="b"><v>1</v></c>', number("D6", "45384", 2), text("E6", 'a\n"b", c'))
    body += row(7, text("B7", "合计"), number("C7", "2"))
    found = opened(workbook(tmp_path / "a.xlsx", {"封面": "", "明细": body}))
    (table,) = found.tables
    assert (found.kind, table.sheet, table.line_count) == ("xlsx", "明细", 7)
    assert table.head[:3] == [[], [], ["", "订单号", "金额", "时间", "备注"]]
    assert rows_of(table, 3) == [
        (5, None, "10160070484512", "12.1", "2024-04-02 10:00:00", None),
        (6, None, "0.0000001", "TRUE", "2024-04-02", 'a\n"b", c'),
        (7, None, "合计", "2", None, None),
    ]
    assert [cells[0] for cells in rows_of(table, 3, total_words=["合计"])] == [5, 6]


def test_total_row_of_a_sheet_is_its_footer(tmp_path):
    body = row(1, text("A1", "订单号"), text("B1", "金额")) + row(2, text("A2", "1"), number("B2", "5"))
    (table,) = opened(workbook(tmp_path / "a.xlsx", {"S": body + row(4, text("A4", "合计"), number("B4", "5"))})).tables
    csv = normalise(table, 1, total_words=["合计"])
    assert (csv.expected_rows, csv.footers) == (1, ["合计,5"])
    assert rows_of(table, 1, total_words=["合计"]) == [(2, "1", "5")]


def test_numbers_that_may_have_lost_digits_are_named(tmp_path):
    body = row(1, text("A1", "订单号"), text("B1", "金额"))
    body += row(2, number("A2", "6917926768823640000"), number("B2", "5")) + row(3, text("A3", "6917926768823643751"))
    body += row(4, number("A4", "999032320001880"), number("B4", "1234567.89"))
    (table,) = opened(workbook(tmp_path / "a.xlsx", {"S": body})).tables
    assert table.risky == {0: [2, 4]}
    assert [cells[1] for cells in rows_of(table, 1)] == [
        "6917926768823640000",
        "6917926768823643751",
        "999032320001880",
    ]


def test_formulas_give_their_cached_text_and_nothing_else(tmp_path):
    body = row(1, text("A1", "a")) + row(2, '<c r="A2" t="str"><f>HYPERLINK("http://x")</f><v>=cmd|x</v></c>')
    (table,) = opened(workbook(tmp_path / "a.xlsx", {"S": body})).tables
    assert rows_of(table, 1) == [(2, "=cmd|x")]


def test_several_sheets_and_line_breaks_in_the_preamble(tmp_path):
    one = row(1, text("A1", "a\nb"), text("B1", "x")) + row(2, text("A2", "h"), text("B2", "i")) + row(3, text("A3", "1"))
    found = opened(workbook(tmp_path / "a.xlsx", {"一": one, "空": "", "二": one}))
    assert [table.sheet for table in found.tables] == ["一", "二"]
    assert rows_of(found.tables[0], 2) == [(3, "1", None)]


def test_header_below_many_blank_rows(tmp_path):
    body = row(30, text("A30", "h")) + "".join(row(n, number(f"A{n}", str(n))) for n in range(50, 200, 3))
    (table,) = opened(workbook(tmp_path / "a.xlsx", {"S": body})).tables
    assert rows_of(table, 30) == [(n, str(n)) for n in range(50, 200, 3)]


def test_rectangle_beyond_reason_is_refused_before_it_is_allocated(tmp_path):
    far = workbook(tmp_path / "far.xlsx", {"S": row(1, text("A1", "x")) + row(1048576, text("XFD1048576", "y"))})
    assert reason(far) == "workbook_too_large"
    unplaced = "<row><c><v>1</v></c></row>" + "<row/>" * 4_000 + "<row>" + "<c><v>1</v></c>" * 16_000 + "</row>"
    assert reason(workbook(tmp_path / "unplaced.xlsx", {"S": unplaced})) == "workbook_too_large"
    quoted = "<row r='1048576'><c r='XFD1048576'><v>1</v></c></row>" + row(1, text("A1", "x"))
    assert reason(workbook(tmp_path / "quoted.xlsx", {"S": quoted})) == "workbook_too_large"


@pytest.mark.parametrize(
    "rows",
    {
        "a cell's own row, not its row's": '<row r="1"><c r="A1"><v>1</v></c><c r="CV500000"><v>1</v></c></row>',
        "a second place of a cell": '<row r="1"><c r="A1"><v>1</v></c><c r="B1" s="0" r="CV500000"><v>1</v></c></row>',
        "blanks round the equals sign": '<row r="1"><c r="A1"><v>1</v></c><c r = "CV500000"><v>1</v></c></row>',
        "small letters": '<row r="1"><c r="A1"><v>1</v></c><c r="cv500000"><v>1</v></c></row>',
        "a line break for a blank": '<row r="1"><c r="A1"><v>1</v></c><c\nr="CV500000"><v>1</v></c></row>',
        "a prefix": '<row r="1"><c r="A1"><v>1</v></c><x:c r="CV500000"><x:v>1</x:v></x:c></row>',
        "a sign in an attribute": '<row r="1"><c r="A1"><v>1</v></c><c s=">" r="CV500000"><v>1</v></c></row>',
        "a sign that ends no tag before a second place": '<row r="1"><c r="A1" a=">" r="CV500000"><v>1</v></c></row>',
        "rows in descending order": '<row r="500000"><c r="A500000"><v>1</v></c></row><row r="1"><c r="CV1"><v>1</v></c></row>',
        "cells without a place after a far one": '<row r="400000"><c r="CV400000"><v>1</v></c>'
        + "<c><v>1</v></c>" * 20
        + "</row>",
        "rows without a number after a far one": '<row r="400000"><c r="CV400000"><v>1</v></c></row>'
        + "<row><c/></row>" * 20_000,
        "far down after a long plain stretch": "".join(row(n, text(f"A{n}", "x" * 200)) for n in range(1, 3_000))
        + '<row r="3000"><c r="CV500000"><v>1</v></c></row>',
    }.items(),
    ids=lambda case: case[0],
)
@pytest.mark.parametrize("size", ["small", "large"])
def test_a_far_cell_is_seen_however_it_says_where_it_is(tmp_path, monkeypatch, rows, size):
    plain = row(1, text("A1", "x"))
    if size == "large":
        monkeypatch.setattr(span, "_SKIMMED_ABOVE_BYTES", 0)
        monkeypatch.setattr(span, "_BLOCK_BYTES", 1 << 12)
        plain = "".join(row(n, text(f"A{n}", "x" * 50)) for n in range(1, 200))
    far = workbook(tmp_path / "far.xlsx", {"S": plain + rows[1]})
    assert reason(far) == "workbook_too_large"


@pytest.mark.parametrize("part", ["xl/other/sheet.bin", "xl/Worksheets/Sheet1.XML"])
def test_a_sheet_is_looked_at_wherever_the_workbook_keeps_it(tmp_path, part):
    path = workbook(tmp_path / "a.xlsx", {"S": row(1, text("A1", "x")) + row(1048576, text("XFD1048576", "y"))})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = parts.pop("xl/worksheets/sheet1.xml")
    parts["xl/_rels/workbook.xml.rels"] = parts["xl/_rels/workbook.xml.rels"].replace(
        b"worksheets/sheet1.xml", part.removeprefix("xl/").encode()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert reason(path) == "workbook_too_large"


@pytest.mark.parametrize("kind", ['t="s"', "t='s'", 't = "s"'])
@pytest.mark.parametrize("name", ["xl/sharedStrings.xml", "xl/SharedStrings.XML"])
def test_a_long_text_that_many_cells_share_is_counted_as_often_as_it_is_used(tmp_path, kind, name):
    shared = f'<sst xmlns="{MAIN}"><si><t>h</t></si><si><t>{"x" * 30_000}</t></si></sst>'.encode()
    body = "".join(f'<row r="{n}"><c r="A{n}" {kind}><v>{int(n > 1)}</v></c></row>' for n in range(1, 500))
    path = workbook(tmp_path / "a.xlsx", {"S": body}, more={name: shared})
    assert reason(path, replace(DEFAULT, sheet_text_bytes=10_000_000)) == "workbook_too_large"
    (table,) = opened(path, replace(DEFAULT, sheet_text_bytes=20_000_000)).tables
    assert table.record_count == 499


@pytest.mark.parametrize("spelling", ['<c r="{}" s="0">', '<c s="0" r="{}">', "<c r='{}'>", "<c>", '<x:c r="{}">'])
def test_large_sheets_are_read_whatever_the_spelling_of_their_cells(tmp_path, spelling):
    body = "".join(
        f'<row r="{n}">'
        + "".join(f"{spelling.format(f'{c}{n}')}<v>{n}</v></{'x:' * (':c' in spelling)}c>" for c in ("A", "B", "AB"))
        + "</row>"
        for n in range(1, 12_000)
    )
    (table,) = opened(
        workbook(tmp_path / "a.xlsx", {"S": body.replace("<v>", "<x:v>").replace("</v>", "</x:v>") if ":c" in spelling else body})
    ).tables
    assert table.record_count == 11_999


def test_numbers_of_a_sheet_are_written_in_one_way(tmp_path):
    body = row(1, text("A1", "h"), text("B1", "i"))
    cells = ["0", "-0", "1.10", "-0.0", "5E-1", "100000000000000000000", "5", "12.50"]
    body += "".join(row(n, number(f"A{n}", cell), text(f"B{n}", cell)) for n, cell in enumerate(cells, 2))
    (table,) = opened(workbook(tmp_path / "a.xlsx", {"S": body})).tables
    assert [cells[1:] for cells in rows_of(table, 1)] == [
        ("0", "0"), ("0", "-0"), ("1.1", "1.10"), ("0", "-0.0"), ("0.5", "5E-1"),
        ("100000000000000000000", "100000000000000000000"), ("5", "5"), ("12.5", "12.50"),
    ]  # fmt: skip


def test_workbook_bombs_are_refused(tmp_path):
    body = row(1, text("A1", "x")) + "<!--" + " " * (80 << 20) + "-->"
    assert reason(workbook(tmp_path / "bomb.xlsx", {"S": body})) == "archive_bomb"
    small = workbook(tmp_path / "small.xlsx", {"S": row(1, text("A1", "x" * 1000))})
    assert reason(small, replace(DEFAULT, sheet_unpacked_bytes=1_000)) == "workbook_too_large"


def test_xml_entities_are_not_expanded(tmp_path):
    laughs = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    body = row(1, text("A1", "h")) + row(2, text("A2", "&b;&f;ok"))
    path = workbook(tmp_path / "a.xlsx", {"S": body}, prolog=laughs)
    try:
        (table,) = opened(path).tables
    except BadInput as fault:
        assert fault.reason == "workbook_damaged"
    else:
        cell = table.head[1][0] if len(table.head) > 1 else ""
        assert "hahaha" not in cell and "root:" not in cell


def test_damaged_and_encrypted_workbooks(tmp_path):
    whole = workbook(tmp_path / "a.xlsx", {"S": row(1, text("A1", "x"))}).read_bytes()
    for name, data, expected in [
        ("cut.xlsx", whole[:-200], "archive_damaged"),
        ("ole.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "workbook_damaged"),
        ("ole2.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 40, "workbook_damaged"),
        ("empty.xlsx", workbook(tmp_path / "e.xlsx", {"S": ""}).read_bytes(), "empty_file"),
        ("broken.xlsx", workbook(tmp_path / "b.xlsx", {"S": "<row"}).read_bytes(), "workbook_damaged"),
        ("a.pdf", b"%PDF-1.4", "not_a_table"),
        ("a.zip", b"PK\x03\x04 nonsense", "archive_damaged"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        assert reason(path) == expected, name


def test_kind_is_what_the_bytes_say(tmp_path):
    cases = {
        "a.xlsx": (b"a,b\n1,2\n", "text"),
        "b.xls": (b"\xef\xbb\xbf \n<html><table>", "html"),
        "c.csv": (workbook(tmp_path / "x", {"S": ""}).read_bytes(), "xlsx"),
        "d.txt": (b'\n[{"a": 1}]', "json"),
        "e.csv": (b"[2088],x\n1,2\n", "text"),
        "f.csv": (b"{", "json"),
    }
    for name, (data, kind) in cases.items():
        (tmp_path / name).write_bytes(data)
        assert sniff_kind(tmp_path / name) == kind, name


def test_csv_named_xlsx_is_read_as_csv(tmp_path):
    path = tmp_path / "orders.xlsx"
    path.write_bytes("订单,金额\n1,2\n".encode("gb18030"))
    (table,) = opened(path).tables
    assert rows_of(table, 1) == [(2, "1", "2")]


def test_html_named_xls(tmp_path):
    page = """<html><head><meta charset="gb2312"><style>td {x: y}</style></head><body>报表<table>
    <tr><td colspan=3>店铺订单</td></tr><tr><th>订单号<th>金额</th><th>备注</th></tr>
    <tr><td style="mso-number-format:'\\@'">6917926768823643751</td><td>1&nbsp;&lt;2</td><td>a<br>b, "c"</td></tr>
    </table><script>alert("<td>no</td>")</script></body></html>"""
    path = tmp_path / "a.xls"
    path.write_bytes(page.encode("gb18030"))
    found = opened(path)
    (table,) = found.tables
    assert (found.kind, table.head[0]) == ("html", ["店铺订单", "", ""])
    assert rows_of(table, 2) == [(3, "6917926768823643751", "1 <2", 'a b, "c"')]


def test_markup_without_a_table_and_entity_bombs_in_it(tmp_path):
    path = tmp_path / "a.xls"
    path.write_text('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "&a;&a;">]><x>&a;</x>')
    assert reason(path) == "not_a_table"


def test_json_records_keep_digits_and_bring_what_stands_around_them(tmp_path):
    document = """{"no": 6917926768823643751, "buyer": {"name": "张三"}, "n": null, "traces": [
        {"time": "2026", "ok": true, "amount": 1.10, "where": {"city": "苏州"}, "tags": ["a", "b"]},
        {"time": "2027"}]}"""
    path = tmp_path / "a.json"
    path.write_text(document)
    found = opened(path)
    assert [table.sheet for table in found.tables] == ["", "traces"]
    table = found.tables[1]
    assert table.head[0] == ["time", "ok", "amount", "where.city", "tags", "/no", "/buyer.name", "/n"]
    assert rows_of(table, 1) == [
        (2, "2026", "TRUE", "1.10", "苏州", '["a", "b"]', "6917926768823643751", "张三", None),
        (3, "2027", None, None, None, None, "6917926768823643751", "张三", None),
    ]
    with pytest.raises(BadInput, match="no records"):
        read_json(path, "orders", tmp_path, DEFAULT)


def test_json_records_in_lists_of_lists_bring_every_level_along(tmp_path):
    path = tmp_path / "a.json"
    parcels = [{"number": "A1", "events": [{"at": 1}, {"at": 2}]}, {"number": "A2"}, {"number": "A3", "events": [{"at": 3}]}]
    path.write_text(json.dumps({"code": 0, "data": {"parcels": parcels}}))
    table = read_json(path, "data.parcels.events", tmp_path, DEFAULT)
    assert table.head == [["at", "/code", "/data.parcels.number"], ["1", "0", "A1"], ["2", "0", "A1"], ["3", "0", "A3"]]


def test_json_lines_and_damaged_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}\n\n{"a": 2, "b": 1e400}\n')
    assert rows_of(opened(path).tables[0], 1) == [(2, "1", None), (3, "2", "1e400")]
    for data, expected in [
        (b'{"a": ', "json_damaged"),
        (b'{"a": 1}\n{"a": \n', "json_damaged"),
        (b"[" * 100_000 + b"]" * 100_000, "json_damaged"),
        (b'[{"a": "\xff"}]', "encoding_unreadable"),
        (b"{}", "empty_file"),
    ]:
        path.write_bytes(data if data[:2] != b"[[" else b'{"a":' + data + b"}")
        assert reason(path) == expected, data[:20]
    path.write_text(json.dumps([{"a": "x" * 1000}]))
    assert reason(path, replace(DEFAULT, json_bytes=100)) == "json_too_large"


def test_parquet_as_text_with_row_numbers(tmp_path):
    path = tmp_path / "a.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 10160070484512.0::DOUBLE AS \"order id\", '007' AS sku, DATE '2026-01-02' AS day,"
            f" true AS ok, 1.50::DECIMAL(18,2) AS paid, '' AS note UNION ALL SELECT NULL, 'x', NULL, NULL, NULL, NULL)"
            f" TO '{path}' (FORMAT parquet)"
        )
    found = opened(path)
    assert found.tables[0].head == [["order id", "sku", "day", "ok", "paid", "note"]]
    assert rows_of(found.tables[0], 1) == [
        (1, "10160070484512", "007", "2026-01-02", "TRUE", "1.50", None),
        (2, None, "x", None, None, None, None),
    ]
    path.write_bytes(path.read_bytes()[:-20])
    assert reason(path) == "parquet_damaged"


FAULTY_ROWS = row(1, text("A1", "h"), text("B1", "i"), text("C1", "j"), text("D1", "k")) + row(
    2,
    '<c r="A2" t="e"><v>#REF!</v></c>',
    '<c r="B2" s="0"><f>SUM(A1&amp;"x")</f><v></v></c>',
    '<c r="C2"><f>1+2</f></c>',
    '<c r="D2" t="str"><f>""</f><v></v></c>',
) + row(
    3,
    '<c r="A3"><f>1+2</f><v>3</v></c>',
    '<c r="B3" s="0" t="e"><f>1/0</f><v>#DIV/0!</v></c>',
    '<c r="C3"><f t="shared" si="0"/><v>7</v></c>',
    '<c r="D3" t="str"><f>"#1"</f><v>#1</v></c>',
)  # fmt: skip


@pytest.mark.parametrize("spelling", ["plain", "prefixed", "single quotes"])
def test_a_formula_that_failed_or_was_never_worked_out_is_not_blank(tmp_path, spelling):
    body = FAULTY_ROWS
    if spelling == "prefixed":
        body = re.sub(r"<(/?)(row|c|v|f|is|t)(?=[\s>/])", r"<\1x:\2", body)
    elif spelling == "single quotes":
        body = re.sub(r'(?<=[ a-z]=)"([^"<>]*)"(?=[ />])', r"'\1'", body)
    (_, table) = opened(workbook(tmp_path / "a.xlsx", {"一": row(1, text("A1", "only")), "二": body})).tables
    assert rows_of(table, 1) == [(2, "#REF!", '=SUM(A1&"x")', "=1+2", None), (3, "3", "#DIV/0!", "7", "#1")]


@pytest.mark.parametrize("size", ["small", "large"])
def test_faulty_cells_are_found_where_blocks_of_the_look_meet(tmp_path, monkeypatch, size):
    if size == "large":
        monkeypatch.setattr(span, "_SKIMMED_ABOVE_BYTES", 0)
        monkeypatch.setattr(span, "_BLOCK_BYTES", 300)
    count = 9_000
    body = "".join(
        row(n, text(f"A{n}", f"{n}" + "x" * (n % 97)), f'<c r="B{n}" t="e"><v>#N/A</v></c>' if n % 7 == 0 else number(f"B{n}", "1"))
        for n in range(1, count)
    )
    (table,) = opened(workbook(tmp_path / "a.xlsx", {"S": body})).tables
    cells = [cells[2] for cells in rows_of(table, 1)]
    assert cells == ["#N/A" if n % 7 == 0 else "1" for n in range(2, count)]


@pytest.mark.parametrize("how", ["in order", "backwards", "small"])
def test_a_formula_that_failed_is_not_blank_in_an_old_workbook_either(tmp_path, how):
    path = tmp_path / "a.xls"
    path.write_bytes(failing_xls(how))
    (_, table) = opened(path).tables
    assert rows_of(table, 3) == [(4, None, "x", "1.5", "2"), (5, None, "y", "#N/A", "TRUE"), (6, None, "z", "#DIV/0!", "#REF!")]


def test_an_old_workbook_is_searched_record_by_record_only_where_an_error_may_be(tmp_path, monkeypatch):
    path = tmp_path / "a.xls"
    path.write_bytes(xls([["h", "i"], [1.5, "\x05\x02\x08"]]))
    monkeypatch.setattr(biff, "_sheet", None)
    assert biff.faulty_cells(biff.workbook_stream(path)) == {}


def test_what_only_looks_like_an_error_is_none(tmp_path):
    path = tmp_path / "a.xls"
    path.write_bytes(xls([["h", "i"], [1.5, "\u0205\b" + "\u0101" * 16]]))
    assert biff._MAYBE.search(path.read_bytes())
    (table,) = opened(path).tables
    assert rows_of(table, 1) == [(2, "1.5", "\u0205\b" + "\u0101" * 16)]


@pytest.mark.parametrize("cut", [30, 60, 600, 4_000])
def test_an_old_workbook_whose_sectors_go_astray_is_refused(tmp_path, cut):
    path = tmp_path / "a.xls"
    path.write_bytes(failing_xls()[:cut])
    assert reason(path) == "workbook_damaged"


@pytest.mark.parametrize("suffix", [".xls", ".xlsx", ".xlsb", ".ods", ".csv", ""])
def test_a_workbook_is_read_whatever_its_name_says(tmp_path, suffix):
    rows = [["h", "i"], ["1", "x"]]
    for data in (xls(rows), xlsx(rows)):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(data)
        (table,) = opened(path).tables
        assert rows_of(table, 1) == [(2, "1", "x")]
        assert {file.suffix for file in tmp_path.iterdir()} <= {suffix, ".grid"}


def test_a_binary_workbook_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "a.xlsb"
    path.write_bytes(xlsb())
    with pytest.raises(BadInput, match="xlsb") as caught:
        opened(path)
    assert caught.value.reason == "workbook_binary"
    assert "XLSX or CSV" in caught.value.remedy
