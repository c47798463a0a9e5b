"""The lists of the morning: what each warehouse ships, what goes into one parcel, what is looked at first, and what may still be changed."""

from __future__ import annotations

import csv
from datetime import date

import openpyxl

from orders_pipeline.cli import main
from orders_pipeline.fulfilment.lists import write_lists, write_review
from orders_pipeline.publish.spreadsheet import harmless
from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago

HOME = {"buyer_phone": "13800138000", "address": "文三路9号", "province": "浙江省", "city": "杭州市", "district": "西湖区", "buyer_name": "王五"}


def test_the_shipping_list_merges_only_what_certainly_goes_to_one_place(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    places = {"a": HOME, "b": {**HOME, "address": "文三路 9 号"}, "other phone": {**HOME, "buyer_phone": "13900139000"},
              "masked": {**HOME, "address": "文三路***"}, "masked too": {**HOME, "address": "文三路***"}}  # fmt: skip
    for age, (number, place) in enumerate(places.items(), 2):
        book.order(number, 10, status="released", age=age, paid_at=ago(1), **place)
        book.line(number, 2)
        book.ship(number, shipped_at=None, outbound_id=f"O-{number}", waybill_id=None)
    book.order("after nine", 10, age=10, status="released", paid_at=ago(0, hours=1), **HOME)
    book.order("gone", 10, age=11, status="shipped", paid_at=ago(2), shipped_at=ago(1), **HOME)
    book.order("refund", 10, age=12, status="released", paid_at=ago(2), **HOME)
    book.ship("refund", shipped_at=None, waybill_id=None)
    book.case("refund", "refund_only", "requested", 0.5, refund_amount=10)
    book.order("large", "500.01", age=13, status="paid", paid_at=ago(2), **HOME)
    book.order("homeless", 10, age=14, status="paid", paid_at=ago(2), **HOME)
    book.land(home)
    support.run(home, AS_OF)
    rows = support.records(home, "SELECT * FROM fulfilment.shipping_list")
    assert {(r["list_on"], r["warehouse_id"], r["region"]) for r in rows} == {(date(2026, 3, 1), "W1", "浙江省杭州市")}
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(row["parcel_group"], set()).add(row["channel_order_id"])
    assert sorted(map(sorted, groups.values())) == [["a", "b"], ["masked"], ["masked too"], ["other phone"]]
    paths = write_lists(home)
    assert sorted(p.relative_to(home.published).as_posix() for p in paths) == ["lists/2026-03-01/W1.csv", "lists/2026-03-01/W1.xlsx"]
    assert write_lists(home, anew=False) == [], "a list somebody works from stays as it is"
    with next(p for p in paths if p.suffix == ".csv").open(encoding="utf-8-sig") as file:
        listed = {row["order 订单号"]: row for row in csv.DictReader(file)}
    assert listed["a"]["parcel 包裹"] == listed["b"]["parcel 包裹"] != listed["masked"]["parcel 包裹"]
    sheet = openpyxl.load_workbook(next(p for p in paths if p.suffix == ".xlsx")).active
    assert sheet.max_row == 6 and "13800138000" not in str(list(sheet.values)) and "文三路" not in str(list(sheet.values))
    left_out = dict(support.query(home, "SELECT channel_order_id, left_out_reason FROM fulfilment.shipping_left_out"))
    assert left_out == {"refund": "refund_asked", "large": "needs_review", "homeless": "no_warehouse"}


def test_nine_is_nine_on_the_clock_of_the_warehouse_also_when_it_is_changed(tmp_path) -> None:
    """On 8 March 2026 clocks in New York are set forward at two: nine o'clock comes eight hours after midnight."""
    home, book = support.new_home(tmp_path), Book(channel="shopify")
    for number, paid in (("before", "2026-03-08T08:59:00-04:00"), ("after", "2026-03-08T09:01:00-04:00")):
        book.order(number, 10, created_at="2026-03-08T00:10:00-05:00", paid_at=paid)
        book.line(number)
        book.ship(number, shipped_at=None, waybill_id=None, outbound_id=number)
    book.rows["warehouses"].append({"warehouse_id": "W1", "kind": "warehouse", "timezone": "America/New_York"})
    book.land(home)
    lists = "SELECT CAST(list_on AS VARCHAR), channel_order_id FROM fulfilment.shipping_list ORDER BY ALL"
    support.run(home, "2026-03-08T08:59:59-04:00")
    assert support.query(home, lists) == []
    support.run(home, "2026-03-08T09:00:00-04:00")
    assert support.query(home, lists) == [("2026-03-08", "before")]
    support.run(home, "2026-03-09T09:00:00-04:00")
    assert support.query(home, lists) == [("2026-03-09", "after"), ("2026-03-09", "before")]


def test_a_mark_wins_over_the_review_and_the_newest_counts(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    for number in range(3):
        book.order(f"old{number}", 50, status="completed", buyer_account="loyal", age=60)
    book.order("plain", 500, paid_at=ago(1))
    book.order("large", "500.01", paid_at=ago(1))
    book.order("held", 20, status="on_hold", paid_at=ago(1))
    book.order("presale", 300, order_type="presale", paid_at=ago(1))
    book.order("loyal presale", 100, order_type="presale", buyer_account="loyal", paid_at=ago(1))
    book.order("marked", 9000, status="on_hold", paid_at=ago(1))
    book.land(home)
    marks = [{**book.shop, "channel_order_id": "marked", "mark": m, "decided_by": "li.na", "decided_at": ago(d), "why": "seen"}
             for m, d in (("normal", 1), ("urgent", 0.5))]  # fmt: skip
    support.land(home, "decisions/marks", marks)
    support.run(home, AS_OF)
    rows = support.query(home, "SELECT channel_order_id, grade, reasons, route FROM fulfilment.review_queue ORDER BY ALL")
    assert rows == [
        ("held", "L3", "on_hold", "frozen"),
        ("large", "L1", "amount_above_limit", "supervisor"),
        ("loyal presale", "L2", "presale_or_custom,trusted_buyer", "auto"),
        ("marked", "L3", "marked_urgent,on_hold,amount_above_limit", "auto"),
        ("plain", "L1", "", "auto"),
        ("presale", "L2", "presale_or_custom", "second_check"),
    ]


def test_the_command_marks_an_order_for_the_next_run(tmp_path, capsys) -> None:
    home, book, other = support.new_home(tmp_path), Book(), Book(channel="jd")
    book.order("held", 20, status="on_hold", paid_at=ago(1))
    for one in (book, other):
        one.order("twice", 20, paid_at=ago(1))
        one.land(home, f"{one.shop['channel']}-")
    support.run(home, AS_OF)
    given = ["--by", "li.na", "--why", "telephoned", "--home", str(home.root)]
    assert main(["mark", "held", "urgent", *given]) == 0
    assert main(["mark", "nobody", "urgent", *given]) == 2
    assert main(["mark", "twice", "normal", *given]) == 2
    assert "may be any of 2" in capsys.readouterr().err
    guid = support.query(home, "SELECT CAST(order_guid AS VARCHAR) FROM orders.orders WHERE channel = 'jd'")[0][0]
    assert main(["mark", guid, "normal", *given]) == 0
    support.run(home, AS_OF)
    rows = support.query(home, "SELECT channel, channel_order_id, reasons, route, is_urgent FROM fulfilment.review_queue ORDER BY ALL")
    assert rows == [
        ("jd", "twice", "marked_normal", "auto", False),
        ("taobao", "held", "marked_urgent,on_hold", "auto", True),
        ("taobao", "twice", "", "auto", False),
    ]


def test_the_weekly_review_lists_what_was_late_complained_of_or_large(tmp_path) -> None:
    """The week before the Sunday of the story is that from 16 to 22 February; on Monday at nine it is the next."""
    home, book = support.new_home(tmp_path), Book()
    for number, age, due in (("late", 10, 20), ("quick", 10, 20), ("large", 9, 1500), ("complained", 30, 20), ("poor", 30, 20),
                             ("this week", 2, 5000), ("no reason", 30, 20), ("void", 9, 1500)):  # fmt: skip
        status = "cancelled" if number == "void" else "completed"
        book.order(number, due, age=age, status=status, paid_at=ago(age), cancelled_at=ago(age) if number == "void" else None)
        book.ship(number, age=age - (0.5 if number != "late" else 2.5))
        book.track(f"WB-{number}", "collected", age - (0.6 if number != "late" else 2.6))
        book.track(f"WB-{number}", "delivered", age - (0.7 if number != "late" else 2.7))
    book.case("complained", "return_refund", "requested", 8, reason="破损", sku="S1", quantity=1)
    book.case("no reason", "return_refund", "requested", 8, reason="七天无理由", sku="S1", quantity=1)
    for number, score in (("poor", 2), ("no reason", 3)):
        book.rows["reviews"].append({"review_id": f"V-{number}", **book.shop, "channel_order_id": number, "score": score, "created_at": ago(9)})
    book.land(home)
    support.run(home, AS_OF)
    rows = support.query(home, "SELECT channel_order_id, reasons, stage, complaint_class, review_score FROM fulfilment.weekly_review ORDER BY 1")
    assert rows == [
        ("complained", "complained", None, "damaged", None),
        ("large", "high_value", None, None, None),
        ("late", "overdue", "unallocated", None, None),
        ("poor", "complained", None, None, 2),
    ]
    assert support.query(home, "SELECT DISTINCT CAST(week_on AS VARCHAR) FROM fulfilment.weekly_review") == [("2026-02-16",)]
    paths = write_review(home)
    assert sorted(p.relative_to(home.published).as_posix() for p in paths) == ["lists/weekly/2026-02-16.csv", "lists/weekly/2026-02-16.xlsx"]
    with next(p for p in paths if p.suffix == ".csv").open(encoding="utf-8-sig") as file:
        listed = {row["order 订单号"]: row for row in csv.DictReader(file)}
    assert listed["late"]["stage 超时环节"] == "unallocated 待发货"
    support.run(home, "2026-03-02T09:00:00+08:00")
    weeks = "SELECT channel_order_id, CAST(week_on AS VARCHAR) FROM fulfilment.weekly_review WHERE reasons LIKE '%high_value%'"
    assert support.query(home, weeks) == [("this week", "2026-02-23")]


def test_changes_of_an_address_by_outcome_and_in_time(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    book.order("A", 10, paid_at=ago(1), promised_ship_at=ago(0, hours=-5))
    book.order("B", 10, paid_at=ago(1), promised_ship_at=ago(0, hours=-1))
    for number, (order, outcome, hours) in enumerate([("A", "applied", 4), ("A", "failed", 3), ("B", "refused", 0.5), ("B", None, 2)]):
        book.rows["order_edits"].append(
            {"request_id": f"E{number}", **book.shop, "channel_order_id": order, "field": "address", "requested_at": ago(0, hours=hours),
             "requested_by": "buyer", "role": "buyer", "old_value": "文三路1号", "new_value": "文三路2号", "outcome": outcome}
        )  # fmt: skip
    book.land(home)
    support.run(home, AS_OF)
    found = support.records(home, "SELECT * FROM customers.edit_outcomes")
    assert found == [
        {"day": date(2026, 3, 1), "channel": "taobao", "field": "address", "request_count": 4, "applied_count": 1, "failed_count": 1,
         "refused_count": 1, "open_count": 1, "too_late_count": 1, "success_ratio": 1 / 3}
    ]  # fmt: skip
    windows = "SELECT o.channel_order_id, w.is_editable FROM customers.edit_windows AS w JOIN orders.orders AS o USING (order_guid) ORDER BY ALL"
    assert support.query(home, windows) == [("A", True), ("B", False)]


def test_a_cell_that_looks_like_a_formula_is_shown_and_not_run() -> None:
    assert [harmless(v) for v in ("=1+1", "@SUM(A1)", "-2", "+86", "\t=x", "12-3", 5)] == ["'=1+1", "'@SUM(A1)", "'-2", "'+86", "'\t=x", "12-3", 5]
