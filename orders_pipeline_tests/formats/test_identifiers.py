"""Identifiers come out as they went in, or the row is set aside; nothing is repaired by guessing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from orders_pipeline_tests.support import land, query, run

AS_OF = "2026-03-01T00:00:00+08:00"


def order(number: str, **more: str) -> dict[str, str]:
    return {
        "channel": "jd", "shop_id": "main", "channel_order_id": number, "status": "paid", "currency": "CNY",
        "payable_amount": "10.00", "created_at": "2026-02-20T10:00:00+08:00", **more,
    }


@pytest.mark.parametrize(
    "written", ['="6200001234567890123"', "'6200001234567890123", "`6200001234567890123", "\t6200001234567890123",
                "6200001234567890123\t", " 6200001234567890123 "],
)
def test_a_disguised_identifier_loses_its_disguise_only(home, written):
    land(home, "standard_orders.csv", [order(written)])
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id FROM orders.orders") == [("6200001234567890123",)]


def test_leading_zeros_are_kept(home):
    land(home, "standard_orders.csv", [order("00042")])
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id FROM orders.orders") == [("00042",)]


@pytest.mark.parametrize(
    ("written", "reason"),
    [("6.93217E+12", "id_scientific"), ("1.97E+18", "id_scientific"), ("6200001234567890000", "id_precision"),
     ("6200001234567890123.0", "id_precision")],
)
def test_a_damaged_identifier_is_set_aside_with_the_reason(home, written, reason):
    land(home, "standard_orders.csv", [order(written)])
    run(home, AS_OF)
    assert query(home, "SELECT reason, field FROM ops.quarantine") == [(reason, "channel_order_id")]
    assert query(home, "SELECT count(*) FROM orders.orders") == [(0,)]


def test_one_identifier_that_ends_in_zeros_among_many_is_chance(home):
    numbers = [str(620000123456780000 + 7 * i) for i in range(2_000)]
    assert any(n.endswith("000") for n in numbers)
    land(home, "standard_orders.csv", [order(n) for n in numbers])
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM orders.orders") == [(2_000,)]


def test_an_identifier_is_counted_once_in_however_many_rows_it_stands(home):
    def line(number: str, line_no: int) -> dict:
        return {"channel": "taobao", "channel_order_id": number, "line_no": line_no, "sku": "S", "quantity": 1, "payable_amount": "1.00"}

    numbers = [str(620000123456780000 + 7 * i) for i in range(60)]
    assert any(n.endswith("000") for n in numbers)
    rows = [line(n, 1) for n in numbers] + [line(numbers[0], line_no) for line_no in (2, 3, 4)]
    land(home, "standard_order_lines.csv", rows)
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM ops.quarantine") == [(0,)]


def test_a_whole_column_of_lost_digits_is_damage(home):
    land(home, "standard_orders.csv", [order(f"62000012345{i:04d}000") for i in range(50)])
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM orders.orders") == [(0,)]
    assert query(home, "SELECT count(*), min(reason), max(reason) FROM ops.quarantine") == [(50, "id_precision", "id_precision")]


def test_an_identifier_that_a_workbook_keeps_as_a_number_is_set_aside(home):
    """999032320001885 read as a number shows as 999032320001880 elsewhere: which one it was, nobody can tell."""
    rows = [list(order("x")), list(order("999032320001880").values()), list(order("SAFE-1").values())]
    write_workbook(home.landing / "orders.xlsx", rows, numbers={(1, 2)})
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id FROM orders.orders") == [("SAFE-1",)]
    assert query(home, "SELECT reason, row_number FROM ops.quarantine") == [("id_precision", 2)]


def write_workbook(path: Path, rows: list[list[str]], numbers: set[tuple[int, int]]) -> None:
    """A minimal xlsx with inline strings; the cells in `numbers` (row, column) are numeric."""
    def cell(r: int, c: int, text: str) -> str:
        place = f'{chr(65 + c)}{r + 1}'
        if (r, c) in numbers:
            return f'<c r="{place}"><v>{text}</v></c>'
        return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'

    body = "".join(
        f'<row r="{r + 1}">' + "".join(cell(r, c, text) for c, text in enumerate(row)) + "</row>" for r, row in enumerate(rows)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    sheet_type = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{sheet_type}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{sheet_type}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="export" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + text)
