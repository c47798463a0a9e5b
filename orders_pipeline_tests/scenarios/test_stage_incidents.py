"""What went wrong once, told with files: a cancel timer on UTC, a day-end lock across midnight, a burst of cancellations, an order nobody ships."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import Book
from orders_pipeline_tests.scenarios.test_stock_vectors import Stock
from orders_pipeline_tests.support import new_home, query, records, run


def beijing(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


def standing(home: Home) -> set[tuple[str, str]]:
    """(rule, entity) of the alerts of this room that stand."""
    rules = (
        "('cancel_timer_off', 'cancellation_burst', 'not_shipped', 'stage_suspended', 'stage_overdue', 'payment_deadline_near')"
    )
    rows = query(home, f"SELECT rule, entity_id FROM ops.alerts WHERE cleared_at IS NULL AND rule IN {rules}")
    return set(rows)


def test_a_cancel_timer_on_utc_is_found_and_unpaid_orders_are_due_in_local_time(tmp_path: Path) -> None:
    """Local creation times were read as UTC: orders of the evening lived sixteen hours instead of a day."""
    book = Book()
    for hour in range(4):
        created = beijing("2026-02-27T20:00:00") + timedelta(hours=hour)
        closed = created + timedelta(hours=16, minutes=1)
        book.order(f"EARLY-{hour}", "10.00", status="expired", created_at=created.isoformat(), cancelled_at=closed.isoformat())
    book.order("OPEN", "10.00", status="pending_payment", created_at=beijing("2026-02-28T13:30:00").isoformat())
    right = Book(channel="jd")
    for hour in range(4):
        created = beijing("2026-02-27T08:00:00") + timedelta(hours=hour)
        closed = created + timedelta(hours=24, minutes=2)
        right.order(f"JD-{hour}", "10.00", status="expired", created_at=created.isoformat(), cancelled_at=closed.isoformat())
    home = new_home(tmp_path / "home")
    book.land(home)
    right.land(home, "jd-")
    run(home, beijing("2026-03-01T10:00:00"))
    [row] = records(home, "SELECT * FROM fulfilment.payment_deadlines WHERE state <> 'closed'")
    assert (row["channel_order_id"], row["state"], row["timezone"]) == ("OPEN", "waiting", "Asia/Shanghai")
    assert (row["cancel_at"], str(row["cancel_local"])) == (beijing("2026-03-01T13:30:00"), "2026-03-01 13:30:00")
    assert standing(home) == {("cancel_timer_off", "taobao")}

    # Without any new file: the warning two hours before, and what is overdue after.
    run(home, beijing("2026-03-01T11:30:00"))
    assert query(home, "SELECT state FROM fulfilment.payment_deadlines WHERE channel_order_id = 'OPEN'") == [("warned",)]
    assert {rule for rule, _ in standing(home)} == {"cancel_timer_off", "payment_deadline_near"}
    run(home, beijing("2026-03-01T13:30:00"))
    assert query(home, "SELECT state FROM fulfilment.payment_deadlines WHERE channel_order_id = 'OPEN'") == [("overdue",)]


def test_a_day_end_lock_that_ends_at_midnight_utc_holds_goods_into_the_morning(tmp_path: Path) -> None:
    """The lock of the day-end count was meant to last to midnight in Beijing; written in UTC it lasts eight hours longer."""
    stock = Stock()
    for sku, until in (("LOCAL", "2026-03-01T00:00:00+08:00"), ("UTC", "2026-03-01T00:00:00+00:00")):
        stock.count(sku, 1, age=3)
        stock.hold(sku, 1)
        stock.rows["holds"][-1] |= {"reserved_at": "2026-02-28T20:00:00+08:00", "reserved_until": until}
        stock.order(sku, 1, number=f"A-{sku}", created_at="2026-02-28T19:00:00+08:00", paid_at="2026-02-28T19:00:00+08:00")
    home = new_home(tmp_path / "home")
    for moment, expected in (
        ("2026-02-28T23:30:00", {"A-LOCAL": "suspended", "A-UTC": "suspended"}),
        ("2026-03-01T00:30:00", {"A-LOCAL": "overdue", "A-UTC": "suspended"}),
        ("2026-03-01T08:00:00", {"A-LOCAL": "overdue", "A-UTC": "overdue"}),
    ):
        stock.run(home, beijing(moment))
        levels = dict(query(home, "SELECT channel_order_id, level FROM fulfilment.timeouts WHERE stage = 'paid'"))
        assert levels == expected, moment
    assert {rule for rule, _ in standing(home)} == {"stage_overdue"}, "an alert ends with its cause"


def test_a_burst_of_cancellations_stands_out_from_the_usual_rate_of_that_hour(tmp_path: Path) -> None:
    book = Book()
    now = beijing("2026-03-01T12:00:00")
    book.order("FIRST", "1.00", status="completed", created_at=(now - timedelta(days=60)).isoformat())

    def cancel(number: str, moment: datetime) -> None:
        created = (moment - timedelta(hours=1)).isoformat()
        book.order(number, "1.00", status="cancelled", created_at=created, paid_at=created, cancelled_at=moment.isoformat())

    for day in range(1, 29):
        for one in range(6):  # six an hour are usual at nine
            cancel(f"USUAL-{day}-{one}", beijing("2026-03-01T09:00:00") - timedelta(days=day, minutes=-one))
    for one in range(8):
        cancel(f"NINE-{one}", beijing("2026-03-01T09:10:00") + timedelta(minutes=one))
        cancel(f"ELEVEN-{one}", beijing("2026-03-01T11:10:00") + timedelta(minutes=one))
    home = new_home(tmp_path / "home")
    book.land(home)
    run(home, now)
    rows = records(
        home,
        "SELECT * FROM fulfilment.cancellations_hourly WHERE hour_at >= TIMESTAMPTZ '2026-03-01 00:00:00+08' ORDER BY hour_at",
    )
    assert [(str(r["hour_local"])[11:13], r["cancelled_count"], r["usual_count"], r["is_burst"]) for r in rows] == [
        ("09", 8, 6.0, False),
        ("11", 8, 0.0, True),
    ]
    assert standing(home) == {("cancellation_burst", "taobao:2026-03-01 03:00:00Z")}


def test_an_order_nobody_ships_is_told_after_a_day_once_and_until_it_leaves(tmp_path: Path) -> None:
    book = Book()
    paid = beijing("2026-02-27T12:00:00").isoformat()
    book.order("A1", "1.00", created_at=paid, paid_at=paid)
    book.order(
        "LATER",
        "1.00",
        created_at=paid,
        paid_at=paid,
        promised_ship_at=beijing("2026-03-10T12:00:00").isoformat(),
        order_type="presale",
    )
    home = new_home(tmp_path / "home")
    book.land(home)
    seen = {}
    for hours in (23, 24, 30):
        run(home, beijing("2026-02-27T12:00:00") + timedelta(hours=hours))
        seen[hours] = query(home, "SELECT count(*), count(cleared_at) FROM ops.alerts WHERE rule = 'not_shipped'")[0]
    assert seen == {23: (0, 0), 24: (1, 0), 30: (1, 0)}
    late = Book()
    late.ship("A1", shipped_at=beijing("2026-02-28T19:00:00").isoformat())
    late.land(home, "late-")
    run(home, beijing("2026-02-28T20:00:00"))
    assert query(home, "SELECT count(*), count(cleared_at) FROM ops.alerts WHERE rule = 'not_shipped'") == [(1, 1)]
