"""Sheets laid out for people: several tables under each other, headers of two lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

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
