"""What waits where and why, what left in time, and where the hours go: the morning meeting of warehouse, service and purchasing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago


def morning() -> Book:
    book = Book()
    hours = {
        "new": {}, "held": {}, "large": {}, "refund": {},
        "short": {"released_at": 5, "sku": "RARE"}, "queue": {"released_at": 3}, "print": {"released_at": 6, "picked_at": 1},
        "dock": {"released_at": 9, "picked_at": 8, "label_printed_at": 7},
        "gone": {"released_at": 40, "picked_at": 39, "label_printed_at": 38, "shipped_at": 30},
    }  # fmt: skip
    for number, steps in hours.items():
        sku = steps.pop("sku", "S1")
        status = {"new": "paid", "large": "paid", "refund": "paid", "held": "on_hold", "gone": "shipped"}.get(number, "released")
        book.order(number, 900 if number == "large" else 10, status=status, paid_at=ago(2), promised_ship_at=ago(0, hours=10), province="浙江省")
        book.line(number, sku=sku)
        if steps:
            times = dict.fromkeys(["released_at", "picked_at", "label_printed_at", "shipped_at"]) | {k: ago(0, hours=h) for k, h in steps.items()}
            book.ship(number, sku=sku, **times)
    book.case("refund", "refund_only", "requested", 0.2, refund_amount=10)
    book.rows["inventory_snapshots"] += [
        {"warehouse_id": "W1", "sku": sku, "counted_at": ago(0, hours=12), "on_hand_qty": quantity} for sku, quantity in (("S1", 50), ("RARE", 0))
    ]
    return book


def test_the_heat_map_counts_the_orders_behind_it_and_says_why_they_wait(tmp_path) -> None:
    home = support.new_home(tmp_path)
    morning().land(home)
    support.run(home, AS_OF)
    waiting = support.query(home, "SELECT channel_order_id, stage, wait_reason, is_overdue FROM fulfilment.backlog_orders ORDER BY ALL")
    assert waiting == [
        ("dock", "label_printed", "handover", True),
        ("gone", "shipped", "courier", True),
        ("held", "on_hold", "review", True),
        ("large", "paid", "review", True),
        ("new", "paid", "release", True),
        ("print", "picking", "label", False),
        ("queue", "allocated", "warehouse", True),
        ("refund", "paid", "refund_asked", True),
        ("short", "allocated", "stock", True),
    ]
    now = support.query(home, "SELECT stage, order_count, overdue_count FROM fulfilment.backlog_hourly WHERE hour_at = ? ORDER BY ALL", [AS_OF])
    assert now == [("allocated", 2, 2), ("label_printed", 1, 1), ("on_hold", 1, 1), ("paid", 3, 3), ("picking", 1, 0), ("shipped", 1, 1)]
    # Four hours ago `queue` still waited for the document that the warehouse picks by.
    before = "SELECT stage, sum(order_count) FROM fulfilment.backlog_hourly WHERE hour_at = ? GROUP BY stage"
    then = dict(support.query(home, before, [AS_OF - timedelta(hours=4)]))
    assert then == {"paid": 3, "released": 1, "on_hold": 1, "allocated": 2, "label_printed": 1, "shipped": 1}


def test_an_hour_later_the_figures_have_aged_alike_on_either_way(tmp_path) -> None:
    home, whole = support.new_home(tmp_path / "a"), support.new_home(tmp_path / "b")
    morning().land(home)
    support.run(home, AS_OF)
    later = Book()
    later.track("WB-gone", "collected", -0.02)
    for place in (home, whole):
        later.land(place, "later/")
    morning().land(whole)
    for place in (home, whole):
        support.run(place, AS_OF + timedelta(hours=1))
    support.same(home, whole)
    assert not support.query(home, "SELECT 1 FROM fulfilment.backlog_orders WHERE channel_order_id = 'gone'")


def test_the_top_trouble_is_where_hours_are_lost_not_where_orders_are_many(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    for number in range(6):  # six orders, each a little late in picking
        book.order(f"A{number}", 10, status="shipped", paid_at=ago(1))
        book.ship(f"A{number}", released_at=ago(0, hours=23), picked_at=ago(0, hours=20), label_printed_at=ago(0, hours=19), shipped_at=ago(0, hours=18))
        book.track(f"WB-A{number}", "collected", 0.7)
    book.order("B", 10, status="released", paid_at=ago(3))  # one order, two days without a label
    book.ship("B", released_at=ago(3), picked_at=ago(2.95), shipped_at=None)
    book.land(home)
    support.run(home, AS_OF)
    top = support.query(home, "SELECT stage, owner_role, late_count, lost_hours FROM fulfilment.stage_delays WHERE is_top ORDER BY trouble_number")
    assert [(stage, role, late) for stage, role, late, _ in top] == [("picking", "warehouse", 1), ("allocated", "warehouse", 6)]
    assert [float(hours) for *_, hours in top] == [pytest.approx(68.8), pytest.approx(6.0)]


def test_on_time_counts_what_was_due_and_the_last_parcel_decides(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    due = ago(1)
    for number, shipped in (("early", 3), ("late", 0.5)):
        book.order(number, 10, status="shipped", paid_at=ago(4), promised_ship_at=due, province="浙江省")
        book.line(number)
        book.ship(number, shipped_at=ago(shipped))
    book.order("split", 10, status="shipped", paid_at=ago(4), promised_ship_at=due, province="浙江省")
    book.line("split", 2)
    book.ship("split", shipped_at=ago(3))
    book.ship("split", shipped_at=ago(0.25), waybill_id="WB-2")
    book.order("open", 10, status="released", paid_at=ago(4), promised_ship_at=due, province="浙江省")
    book.line("open")
    book.ship("open", shipped_at=None)
    book.order("void", 10, status="cancelled", paid_at=ago(4), cancelled_at=ago(2), promised_ship_at=due, province="浙江省")
    book.order("future", 10, status="paid", paid_at=ago(0.5), promised_ship_at=ago(-1))
    book.land(home)
    support.run(home, AS_OF)
    columns = "due_count, on_time_count, late_count, breached_count, on_time_ratio, shipped_count, mean_hours, p50_hours, p90_hours"
    rows = support.query(home, f"SELECT {columns} FROM fulfilment.on_time_daily")
    assert rows == [(4, 1, 2, 1, 0.25, 3, pytest.approx(66), 84, 90)]


def test_promised_and_actual_delivery_by_lane(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    for number, arrived in (("a", 3), ("b", 1), ("c", None)):
        book.order(number, 10, status="shipped", province="浙江省")
        book.line(number)
        book.ship(number, age=5)
        book.track(f"WB-{number}", "collected", 5)
        if arrived:
            book.track(f"WB-{number}", "delivered", arrived)
    book.rows["courier_rates"].append({"warehouse_id": "W1", "province": "浙江省", "courier_code": "sf", "base_amount": 10, "transit_days": 3})
    book.land(home)
    support.run(home, AS_OF)
    lane = support.records(home, "SELECT * FROM fulfilment.lane_times")
    assert len(lane) == 1
    assert lane[0] | {"courier_code": "sf", "parcel_count": 3, "delivered_count": 2, "on_time_count": 1, "on_time_ratio": 0.5,
                      "promised_hours": 72, "mean_hours": 72, "p50_hours": 48, "p90_hours": 96, "weekday": 2} == lane[0]  # fmt: skip
