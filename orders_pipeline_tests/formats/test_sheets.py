"""Sheets laid out for people: several tables under each other, headers of two lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from orders_pipeline.ingest import intake
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.support import query, run

AS_OF = "2026-03-01T00:00:00+08:00"
ORDER = ["channel", "shop_id", "channel_order_id", "status", "currency", "payable_amount", "created_at"]
LINE = ["channel", "shop_id", "channel_order_id", "sku", "quantity"]
NOON = "2026-02-01T12:00:00+08:00"


def order(number: str, amount: object = "10.00") -> list[Any]:
    return ["taobao", "main", number, "paid", "CNY", amount, NOON]


def sheet(home: Home, rows: list[list[Any]], merged: tuple[str, ...] = ()) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for place in merged:
        book.active.merge_cells(place)
    path = home.landing / "book.xlsx"
    book.save(path)
    return path


def sheets(home: Home, content: dict[str, list[list[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in content.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    path = home.landing / "book.xlsx"
    book.save(path)
    return path


def files(home: Home) -> dict[str, tuple[str, int]]:
    return {path: (status, rows) for path, status, rows in query(home, "SELECT path, status, rows_read FROM ops.files")}


def test_a_sheet_that_is_refused_does_not_stop_the_others(home: Home) -> None:
    near = ["channel", "shop_id", "channel_order_id", "status", "payable_amount"]  # an order's list without its time
    sheets(home, {
        "说明": [["本表由系统导出"], ["请勿修改"]],
        "模板": [ORDER],
        "没有时间": [near, ["taobao", "main", "A8", "paid", "10.00"]],
        "订单": [ORDER, order("A1"), order("A2")],
        "明细": [LINE, ["taobao", "main", "A1", "S1", 1]],
    })  # fmt: skip
    run(home, AS_OF)
    assert files(home) == {
        "book.xlsx#订单": ("loaded", 2), "book.xlsx#明细": ("loaded", 1), "book.xlsx#没有时间": ("refused", 0),
    }  # fmt: skip
    (reason,) = query(home, "SELECT reason FROM ops.files WHERE status = 'refused'")[0]
    assert reason.startswith("book.xlsx#没有时间: no known source; nearest is standard_orders") and "created_at" in reason
    run(home, AS_OF)
    assert len(files(home)) == 3


def test_a_workbook_of_empty_lists_is_told(home: Home) -> None:
    sheets(home, {"订单": [ORDER], "明细": [LINE]})
    run(home, AS_OF)
    (reason,) = query(home, "SELECT reason FROM ops.files")[0]
    assert "[header_only]" in reason


def test_a_sheet_that_becomes_known_later_is_taken_then_and_the_other_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    sheets(home, {"订单": [ORDER, order("A1"), order("A2")], "明细": [LINE, ["taobao", "main", "A1", "S1", 1]]})
    recognise, fingerprint = intake.recognise, intake.dictionary_fingerprint

    def not_yet(dictionary: Any, table: Any) -> Any:
        if table.sheet == "明细":
            fault = intake.Unrecognised("no known source", reason="unrecognised")
            fault.is_near = True
            raise fault
        return recognise(dictionary, table)

    monkeypatch.setattr(intake, "recognise", not_yet)
    monkeypatch.setattr(intake, "dictionary_fingerprint", lambda: "before")
    run(home, AS_OF)
    assert files(home) == {"book.xlsx": ("loaded", 2), "book.xlsx#明细": ("refused", 0)}
    monkeypatch.setattr(intake, "recognise", recognise)
    monkeypatch.setattr(intake, "dictionary_fingerprint", fingerprint)
    run(home, AS_OF)
    assert files(home) == {"book.xlsx": ("loaded", 2), "book.xlsx#明细": ("loaded", 1)}
    assert query(home, "SELECT sku FROM orders.order_lines") == [("S1",)]


def test_tables_under_each_other_are_each_taken(home: Home) -> None:
    sheet(home, [
        ["订单"], ORDER, order("A1"), order("A2"), [],
        ["明细"], LINE, ["taobao", "main", "A1", "S1", 1], ["taobao", "main", "A2", "S2", 2], [], [],
        ORDER, order("A3"), order("A4", "ten"),
    ])  # fmt: skip
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id, row_number FROM orders.orders ORDER BY 1") == [("A1", 3), ("A2", 4), ("A3", 13)]
    assert query(home, "SELECT sku, row_number FROM orders.order_lines ORDER BY 1") == [("S1", 8), ("S2", 9)]
    assert query(home, "SELECT row_number, field FROM ops.quarantine") == [(14, "payable_amount")]
    assert query(home, "SELECT path, rows_read FROM ops.files ORDER BY rows_read, path") == [
        ("book.xlsx#Sheet", 2), ("book.xlsx#Sheet row 12", 2), ("book.xlsx#Sheet row 6", 2),
    ]  # fmt: skip


def test_a_blank_row_in_the_data_or_under_the_title_splits_nothing(home: Home) -> None:
    sheet(home, [["店铺订单"], [], ORDER, order("A1"), [], order("A2"), [], [], order("A3")])
    run(home, AS_OF)
    assert query(home, "SELECT path, rows_read, rows_accepted FROM ops.files") == [("book.xlsx", 3, 3)]


@pytest.mark.parametrize("second", [False, True], ids=["names below", "names over both lines"])
def test_a_header_of_two_lines_is_read(home: Home, second: bool) -> None:
    """Group titles over the names; with `second`, columns outside a group are merged over both lines, name on top."""
    if second:
        top = ["channel", "shop_id", "channel_order_id", "状态", None, "payable_amount", "created_at"]
        bottom = [None, None, None, "status", "currency", None, None]
    else:
        top, bottom = ["店铺", None, "订单", None, "金额", None, "时间"], ORDER
    sheet(home, [top, bottom, order("A1"), order("A2")], ("D1:E1",) if second else ("A1:B1", "C1:D1", "E1:F1"))
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id, payable_amount FROM orders.orders ORDER BY 1") == [("A1", 10), ("A2", 10)]
    assert query(home, "SELECT rows_read, rows_accepted FROM ops.files") == [(2, 2)]


def test_group_and_name_together_may_be_the_name(home: Home) -> None:
    top = ["channel", "shop", None, "channel_order", "status", "currency", "payable", "created"]
    bottom = [None, "_id", "_name", "_id", None, None, "_amount", "_at"]
    rows = [[*order(n)[:2], "旗舰店", *order(n)[2:]] for n in ("A1", "A2")]
    sheet(home, [top, bottom, *rows], ("B1:C1",))
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM orders.orders") == [(2,)]
