"""Quality as a merchant meets it: a bad day opens a ticket with examples, a good one closes it, a day without orders is seen, and
what checks found is kept over runs."""

from __future__ import annotations

from datetime import timedelta

from orders_pipeline.kernel.home import Home
from orders_pipeline.pipeline import RunResult
from orders_pipeline_tests.scenarios.stories import AS_OF, Book
from orders_pipeline_tests.support import query, records, run

TICKETS = "SELECT * FROM quality.tickets WHERE metric = 'address_standardisation'"
TOLD = "SELECT message, message_zh, cleared_at IS NULL FROM ops.alerts WHERE rule = 'quality_ticket' AND message LIKE '%address%'"


def test_bad_days_open_tickets_good_ones_close_them_and_results_are_kept(home: Home) -> None:
    # Long ago: results of that run are older than results are kept.
    before = run(home, AS_OF - timedelta(days=500))

    first = _bad_day(home)
    (ticket,) = records(home, TICKETS)
    assert (ticket["channel"], ticket["closed_on"], ticket["failed_count"]) == ("taobao", None, 2)
    assert ticket["examples"] == "first-orders.csv line 4; first-orders.csv line 5"
    ((message, message_zh, stands),) = query(home, TOLD)
    assert stands and "50.0 %" in message and "first-orders.csv line 4" in message_zh
    assert "13800138000" not in message + message_zh

    second = _good_day(home)
    (closed,) = records(home, TICKETS)
    assert closed["ticket_id"] == ticket["ticket_id"] and closed["closed_on"] is not None
    assert [row[2] for row in query(home, TOLD)] == [False]

    _the_empty_day_is_seen(home)
    _results_are_kept(home, before, first, second)


def _bad_day(home: Home) -> RunResult:
    """Two of four addresses are of nowhere; and on one weekday of six weeks there were 15 orders, but none on the last."""
    book = Book()
    for number, address in enumerate(("上海浦东张江路123弄", "上海市浦东新区张江路1号", "天涯海角一号", "天涯海角二号")):
        book.order(f"A{number}", 10, age=3, buyer_phone="13800138000", address=address)
        book.line(f"A{number}")
    for week in range(1, 7):
        for number in range(15 if week > 1 else 0):
            book.order(f"W{week}-{number}", 10, age=7 * week, status="cancelled")
        book.order(f"D{week}", 10, age=7 * week - 1, status="cancelled")
    book.land(home, "first-")
    return run(home, AS_OF)


def _good_day(home: Home) -> RunResult:
    book = Book()
    for number in range(2):
        book.order(f"B{number}", 10, age=1, address="上海市浦东新区张江路1号")
        book.line(f"B{number}")
    book.land(home, "later-")
    return run(home, AS_OF + timedelta(hours=2))


def _the_empty_day_is_seen(home: Home) -> None:
    rows = records(home, "SELECT * FROM quality.anomalies WHERE metric = 'order_count' AND is_anomaly AND value < usual_value")
    found = [(row["day"], row["value"], row["usual_value"], row["sample_count"]) for row in rows]
    assert found == [((AS_OF - timedelta(days=7)).date(), 0, 15, 5)]


def _results_are_kept(home: Home, before: RunResult, first: RunResult, second: RunResult) -> None:
    kept = dict(query(home, "SELECT run_id, count(*) FROM quality.check_results GROUP BY ALL"))
    assert (kept[first.run_id], kept[second.run_id]) == (len(first.checks), len(second.checks))
    # Of the old run only what no later run has checked again.
    again = {(r.check.table, r.check.name) for r in (*first.checks, *second.checks)}
    assert kept.get(before.run_id, 0) == sum((r.check.table, r.check.name) not in again for r in before.checks)
