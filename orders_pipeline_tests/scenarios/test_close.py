"""Closing months: what stands against it, what is frozen, where late rows go, and that nothing changes a closed month."""

from __future__ import annotations

import itertools
import shutil
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline import pipeline
from orders_pipeline.cli import main
from orders_pipeline.finance.close import check, close, mark
from orders_pipeline.kernel.faults import BadInput, Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import CHINA, Book
from orders_pipeline_tests.support import differences, land, new_home, query, records, run

D = Decimal
JANUARY, FEBRUARY, MARCH = date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)
NOW = datetime(2026, 4, 1, 12, tzinfo=CHINA)


def at(day: str, hour: int = 12) -> str:
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00+08:00").isoformat()


def clock(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00+08:00")


def sale(b: Book, number: str, day: str, due: str, paid: str | None, **more: Any) -> None:
    """Delivered three days after it was ordered, paid at once."""
    start = datetime.fromisoformat(f"{day}T12:00:00+08:00")
    times = [(start + timedelta(days=n)).isoformat() for n in range(4)]
    b.order(number, due, "delivered", created_at=times[0], paid_at=times[0], **more)
    b.line(number, 1)
    b.ship(number, 1, shipped_at=times[1])
    b.rows["tracking"].append(
        {
            "courier_code": "sf",
            "waybill_id": f"WB-{number}",
            "status_code": "delivered",
            "description": "x",
            "occurred_at": times[3],
        }
    )
    if paid is not None:
        b.pay(number, paid, occurred_at=times[0])


def month_of(home: Home, month: date, table: str = "month_end_differences") -> dict[str, dict[str, Any]]:
    rows = records(home, f"SELECT * FROM finance.{table} WHERE month = ?", [month])
    return {row["reason"]: row for row in rows}


def frozen(home: Home, month: date) -> dict[str, list[tuple]]:
    """Everything published about a month, but for whether it is closed."""
    tables = {
        "month_end_orders": "is_closed",
        "month_end_differences": "",
        "liabilities": "is_closed",
        "revenue_months": "is_closed",
    }
    return {
        table: query(
            home,
            f"SELECT * {f'EXCLUDE ({without})' if without else ''} FROM finance.{table} WHERE month = ? ORDER BY ALL",
            [month],
        )
        for table, without in tables.items()
    }


@pytest.fixture
def march(home: Home) -> Home:
    """March with one difference of 45 paid too much, at a clock of April."""
    b = Book()
    for n in range(4):
        sale(b, f"M{n}", "2026-03-10", "100.00", "100.00")
    sale(b, "c", "2026-03-20", "100.00", "145.00")
    b.land(home)
    run(home, clock("2026-04-02"))
    return home


def close_all(home: Home, month: date, **more: Any) -> None:
    close(home, month, "li.na", more.pop("why", "agreed with the books"), force=True, **more)


def test_a_late_file_never_changes_a_closed_month(march: Home) -> None:
    """BRG-05, BRG-06."""
    close_all(march, MARCH)
    run(march, clock("2026-04-02"))
    before = frozen(march, MARCH)
    assert month_of(march, MARCH)["over_paid"]["closing_amount"] == D("45.00")
    late = Book()
    late.count = 100
    late.pay("c", "-45.00", kind="refund", occurred_at=at("2026-03-30"))
    late.case("c", "refund_only", "refunded", requested_at=at("2026-03-30"), refunded_at=at("2026-03-30"), refund_amount="45.00")
    sale(late, "late sale", "2026-03-25", "80.00", "80.00")
    late.land(march, "late-")
    run(march, clock("2026-04-03"))
    assert frozen(march, MARCH) == before
    april = month_of(march, date(2026, 4, 1))["over_paid"]
    assert [april[f"{k}_amount"] for k in ("opening", "new", "cleared", "written_off", "closing")] == [45, 0, 45, 0, 0]
    assert [april[f"{k}_count"] for k in ("opening", "new", "cleared", "written_off", "closing")] == [1, 0, 1, 0, 0]
    row = query(march, "SELECT is_prior_period, opened_on FROM finance.month_end_orders WHERE month = '2026-04-01'")
    assert row == [(True, date(2026, 3, 20))]
    posted = query(
        march,
        "SELECT amount, prior_period_amount FROM finance.revenue_months WHERE month = '2026-04-01' AND entry_kind = 'revenue'",
    )
    assert posted == [(D("80.00"), D("80.00"))]
    whole = new_home(march.root.with_name("whole"))
    shutil.copytree(march.landing, whole.landing, dirs_exist_ok=True)
    run(whole, clock("2026-04-03"))
    without = {"*": ["file_id", "row_number"], "ops.files": "*"}
    assert not differences(march.published_database, whole.published_database, without), "survives a rebuild"
    run(march, clock("2026-04-03"), full=True)
    assert frozen(march, MARCH) == before


def test_what_stands_against_a_close_is_listed_and_blocks(march: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert [s.what for s in check(march, date(2026, 4, 1)) if s.blocks] == ["the month is not over"] + [
        s.what for s in check(march, date(2026, 4, 1)) if s.blocks and s.what != "the month is not over"
    ]
    assert {s.what for s in check(march, MARCH) if s.blocks} == {"differences are open"}
    (march.landing / "unknown.csv").write_text("nobody,knows\n1,2\n")
    assert "files wait to be taken in" in {s.what for s in check(march, MARCH)}
    land(
        march,
        "broken",
        [
            {
                **Book().shop,
                "channel_order_id": "X",
                "status": "paid",
                "currency": "CNY",
                "payable_amount": "?",
                "created_at": at("2026-03-02"),
            }
        ],
    )
    pipeline.run(march, clock("2026-04-02"))
    assert {"files were refused", "rows are set aside"} <= {s.what for s in check(march, MARCH)}
    with pytest.raises(BadInput, match=r"cannot be closed yet: .*differences are open"):
        close(march, MARCH, "li.na")
    assert main(["close", "2026-03", "--check", "--home", str(march.root)]) == 1
    assert "rows are set aside" in capsys.readouterr().out
    assert not (march.landing / "decisions").exists()


def test_the_command_closes_and_a_closed_month_refuses(march: Home, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["--home", str(march.root), "--by", "li.na"]
    assert main(["close", "2026-03", *there]) == 1
    assert main(["close", "2026-03", *there, "--force"]) == 2, "closing against what stands takes a reason"
    assert main(["close", "2026-03", *there, "--force", "--why", "agreed"]) == 0
    row = records(march, "SELECT * FROM finance.closes WHERE month = '2026-03-01'")[0]
    assert (row["state"], row["closed_by"], row["order_count"], row["difference_count"]) == ("closed", "li.na", 5, 1)
    assert len(row["content_sha256"]) == 64 and "any-delivered v1" in row["rule_versions"] and row["file_count"] == 5
    assert len(query(march, "SELECT * FROM finance.close_files")) == 5
    capsys.readouterr()
    assert main(["close", "2026-03", *there]) == 2
    assert "a closed month never changes" in capsys.readouterr().err
    for state in ("hold", "open"):
        with pytest.raises(Usage, match="is closed"):
            mark(march, MARCH, state, "li.na")
    with pytest.raises(Usage, match="is closed with"):
        mark(march, FEBRUARY, "open", "li.na")


def test_a_month_on_hold_may_go_back(march: Home) -> None:
    state = "SELECT state FROM finance.closes WHERE month = '2026-03-01'"
    for word in ("hold", "open", "hold"):
        mark(march, MARCH, word, "li.na")
        run(march, clock("2026-04-02"))
        assert query(march, state) == [(word,)]


def test_files_that_contradict_a_close_are_without_effect(march: Home) -> None:
    close_all(march, MARCH)
    run(march, clock("2026-04-02"))
    before = frozen(march, MARCH)
    for number, state, more in (
        (1, "open", {}),
        (1, "closed", {"content_sha256": "0" * 64, "row_count": 0}),
        (2, "closed", {"content_sha256": "1" * 64, "row_count": 7}),
    ):
        row = {
            "month": MARCH,
            "set_number": number,
            "state": state,
            "decided_by": "eve",
            "decided_at": "2026-04-09T00:00:00Z",
            **more,
        }
        land(march, f"forged-{number}-{state}", [row])
    result = run(march, clock("2026-04-02"))
    assert frozen(march, MARCH) == before
    assert query(march, "SELECT state, set_number, closed_by FROM finance.closes WHERE month = '2026-03-01'") == [
        ("closed", 1, "li.na")
    ]
    warned = [r for r in result.checks if r.check.name == "closed_months_stay_closed"]
    assert warned[0].rows_failing == 3


def test_rows_of_a_set_that_were_changed_stop_the_publication(march: Home) -> None:
    close_all(march, MARCH)
    rows = next((march.landing / "decisions").glob("month_close_rows_*"))
    rows.write_text(rows.read_text().replace("45.00", "44.00"))
    result = pipeline.run(march, clock("2026-04-02"))
    assert "closed_rows_are_as_they_were" in {r.check.name for r in result.blocked_by}


def test_a_restatement_is_a_numbered_new_set(march: Home) -> None:
    close_all(march, MARCH)
    run(march, clock("2026-04-02"))
    late = Book()
    sale(late, "late sale", "2026-03-25", "80.00", "90.00")
    late.rows["payments"][-1]["payment_id"] = "P900"
    late.land(march, "late-")
    run(march, clock("2026-04-03"))
    with pytest.raises(Usage, match="say why"):
        close(march, MARCH, "li.na", restate=True)
    with pytest.raises(Usage, match="nothing to restate"):
        close(march, FEBRUARY, "li.na", "x", restate=True)
    assert close(march, MARCH, "li.na", "a shop was missing", restate=True, force=True).set_number == 2
    run(march, clock("2026-04-03"))
    assert query(march, "SELECT set_number, reason FROM finance.closes WHERE month = '2026-03-01'") == [(2, "a shop was missing")]
    assert month_of(march, MARCH)["over_paid"]["closing_amount"] == D("55.00")
    booked = "SELECT month, amount, prior_period_amount FROM finance.revenue_months WHERE entry_kind = 'revenue' ORDER BY 1"
    assert query(march, booked) == [(MARCH, D("580.00"), D("0.00"))]


def test_months_are_closed_in_their_order(home: Home) -> None:
    b = Book()
    for n, day in enumerate(("2026-01-10", "2026-02-10", "2026-03-10")):
        sale(b, f"S{n}", day, "100.00", "100.00")
    b.land(home)
    run(home, NOW)
    close(home, JANUARY, "li.na")
    run(home, NOW)
    with pytest.raises(BadInput, match="one after the other"):
        close(home, MARCH, "li.na")
    close(home, FEBRUARY, "li.na")
    run(home, NOW)
    assert query(home, "SELECT state FROM finance.closes ORDER BY month") == [("closed",), ("closed",), ("open",)]


@given(st.data())
@settings(max_examples=3, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@pytest.mark.slow
def test_differences_and_liabilities_roll_forward_over_closes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Small books over four months, files arriving late, each month closed: the identities hold (they are checks of error level,
    and `run` fails on them), a closed month never changes, and the closing list of a month opens the next."""
    home = new_home(tmp_path_factory.mktemp("book") / "home")
    months = [JANUARY, FEBRUARY, MARCH, date(2026, 4, 1)]
    kept: dict[date, dict[str, list[tuple]]] = {}
    for n, month in enumerate(months):
        b = Book()
        b.count = 1000 * n
        for k in range(data.draw(st.integers(1, 4))):
            made = data.draw(st.sampled_from(months[: n + 1]))
            paid = data.draw(st.sampled_from(["100.00", "100.00", "90.00", "110.00", None]))
            sale(b, f"S{n}-{k}", f"{made:%Y-%m}-{data.draw(st.integers(1, 25)):02}", "100.00", paid)
        if n and data.draw(st.booleans()):
            back = data.draw(st.sampled_from(["S0-0", f"S{n}-0"]))
            b.pay(back, "-10.00", kind="refund", occurred_at=at(f"{data.draw(st.sampled_from(months[: n + 1])):%Y-%m}-27"))
        b.land(home, f"m{n}-")
        moment = datetime(month.year, month.month + 1, 2, 12, tzinfo=CHINA)
        run(home, moment)
        close_all(home, month)
        run(home, moment)
        for earlier, rows in kept.items():
            assert frozen(home, earlier) == rows, earlier
        kept[month] = frozen(home, month)
    for one, following in itertools.pairwise(months):
        closing = query(
            home,
            "SELECT order_guid, reason, closing_amount FROM finance.month_end_orders WHERE month = ? AND is_closing ORDER BY ALL",
            [one],
        )
        opening = query(
            home,
            "SELECT order_guid, reason, opening_amount FROM finance.month_end_orders WHERE month = ? AND is_opening ORDER BY ALL",
            [following],
        )
        assert closing == opening


def test_written_off_is_neither_cleared_nor_open(march: Home) -> None:
    """BRG-04 with the figures of the vectors stands among the model cases; here the identity over the table."""
    rows = query(
        march,
        "SELECT opening_amount + new_amount - cleared_amount - written_off_amount - closing_amount FROM finance.month_end_differences",
    )
    assert rows and all(r == (0,) for r in rows)


def test_paid_at_midnight_and_billed_the_next_day_is_no_difference_of_either_month(home: Home) -> None:
    """BRG-08."""
    b = Book()
    b.order("n", "10.00", "paid", created_at="2026-03-31T23:50:00+08:00", paid_at="2026-03-31T23:58:40+08:00")
    b.line("n", 1)
    b.land(home)
    run(home, datetime.fromisoformat("2026-04-01T01:00:00+08:00"))
    assert query(home, "SELECT status FROM reconciliation.three_way_match") == [("TIMING",)]
    assert query(home, "SELECT * FROM finance.month_end_orders") == []
    b.pay("n", "10.00", occurred_at="2026-03-31T23:58:40+08:00", business_on="2026-04-01")
    b.ship("n", 1, shipped_at=at("2026-04-01"))
    b.track("WB-n", "delivered")
    b.rows["tracking"][-1]["occurred_at"] = at("2026-04-02")
    b.land(home)
    run(home, clock("2026-04-03"))
    assert query(home, "SELECT status FROM reconciliation.three_way_match") == [("MATCHED",)]
    assert query(home, "SELECT * FROM finance.month_end_orders") == []
    assert query(home, "SELECT recognised_on FROM finance.revenue WHERE entry_kind = 'contract_liability' ORDER BY 1")[0] == (
        date(2026, 4, 1),
    )
