"""A channel's health from files: what cost points is what went wrong, down to the order; and a drop is told."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from orders_pipeline.cli import main
from orders_pipeline.health import explain, report
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago

#: The story's clock is noon of the first of March in China.
TODAY = date(2026, 3, 1)


def sold(book: Book, number: str, age: float, *, shipped_after: float | None = 1, paid: bool = True) -> None:
    """An order paid and shipped some days after it was made, and scanned by the courier at once."""
    done = {} if shipped_after is None else {"shipped_at": ago(age - shipped_after), "completed_at": ago(age - shipped_after - 0.3)}
    book.order(number, 10, "completed" if done else "paid", age, paid_at=ago(age), paid_amount=10, **done)
    book.line(number)
    if paid:
        book.pay(number, 10, age=age)
    if shipped_after is not None:
        book.ship(number, age=age - shipped_after)
        book.track(f"WB-{number}", "collected", age - shipped_after - 0.1)
        book.track(f"WB-{number}", "delivered", age - shipped_after - 0.2)


def story() -> Book:
    """Forty orders ten days old: four shipped a day late, one never paid; a payment without an order; two cancelled by the shop."""
    book = Book()
    for n in range(40):
        sold(book, f"N{n:02d}", 10, shipped_after=3 if n < 4 else 1, paid=n != 39)
    book.pay("LOST", 10, age=10)
    for n, why in enumerate(("缺货", "卖家缺货", "买家不想要了")):
        book.order(f"C{n}", 10, "cancelled", 10, paid_at=ago(10), paid_amount=10, cancelled_at=ago(9.5), close_reason=why)
        book.pay(f"C{n}", 10, age=10)
        book.pay(f"C{n}", -10, kind="refund", age=9.4)
    return book


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = support.new_home(tmp_path_factory.mktemp("health") / "home")
    story().land(home)
    visits = [("v1", "view"), ("v2", "view"), ("v1", "add_to_cart")]
    support.land(home, "visits", [
        {"channel": "taobao", "visitor_id": who, "event": event, "occurred_at": ago(10)} for who, event in visits
    ])  # fmt: skip
    support.land(home, "calls", [
        {"system": "wms", "endpoint": "order.create", "channel": "taobao", "requested_at": ago(10, -n), "attempt": attempt, "status_code": code}
        for n, (attempt, code) in enumerate([(1, 200), (1, 502), (2, 502), (3, 200)])
    ])  # fmt: skip
    support.run(home, AS_OF)
    return home


def components(home: Home, day: date = TODAY - timedelta(days=7)) -> dict[str, dict]:
    rows = support.records(home, "SELECT * FROM health.score_components WHERE day = ? AND dimension = 'operations'", [day])
    return {row["component"]: row for row in rows}


def test_each_component_counts_what_went_wrong(told: Home) -> None:
    found = {name: (c["failed_count"], c["sample_count"]) for name, c in components(told).items()}
    assert found["late_shipping"] == (4, 40)
    assert found["paid_not_created"] == (1, 44)
    # Two cancelled by the shop of those that the buyer did not cancel.
    assert found["seller_cancelled"] == (2, 42)
    assert found["difference"] == (1, 43)
    assert found["order_not_created"] == (0, 43)
    assert found["refund"] == (0, 40)


def test_points_lost_and_score_make_a_hundred_and_lead_to_orders(told: Home) -> None:
    (score,) = support.records(
        told, "SELECT * FROM health.channel_daily WHERE day = ? AND dimension = 'operations'", [TODAY - timedelta(days=7)]
    )
    lost = {name: c["points_lost"] for name, c in components(told).items() if c["points_lost"]}
    assert score["score"] + sum(lost.values()) == 100 and score["is_scored"] and not score["is_capped"]
    assert {"late_shipping", "paid_not_created", "seller_cancelled", "difference"} <= lost.keys()
    problems = support.query(told, "SELECT channel_order_id FROM health.problems WHERE problem = 'late_shipping' ORDER BY 1")
    assert [number for (number,) in problems] == ["N00", "N01", "N02", "N03"]


def test_the_score_is_explained_point_by_point(told: Home) -> None:
    text = explain.text(explain.explain(told, "taobao", TODAY - timedelta(days=7)))
    lines = [line.split() for line in text.split("data_quality:")[0].splitlines()]
    points = [Decimal(words[1]) for words in lines if words[:1] == ["-"] and words[1][0].isdigit()]
    (score,) = (Decimal(words[1]) for words in lines if words[:1] == ["="])
    assert 100 - sum(points) == score
    assert "late_shipping · Shipped late · 发货超时" in text and "N03" in text and "orders.csv line" in text
    assert "LOST" in text and "payments.csv" in text
    for channel, when in (("nowhere", None), ("taobao", date(2031, 1, 1))):
        with pytest.raises(Usage):
            explain.explain(told, channel, when)


def test_the_month_of_a_channel(told: Home) -> None:
    (month,) = support.records(told, "SELECT * FROM health.channel_monthly WHERE channel = 'taobao'")
    assert (month["month"], month["order_count"], month["not_created_count"], month["is_complete"]) == (date(2026, 2, 1), 43, 1, True)
    assert month["creation_success_ratio"] == 43 / 44
    # Late four, unpaid one, cancelled two, lost one.
    assert (month["abnormal_count"], month["abnormal_ratio"]) == (8, 8 / 44)
    assert (month["settled_count"], month["mean_settlement_hours"]) == (42, 0)
    paths = report.write(told, date(2026, 2, 1))
    assert [p.name for p in paths] == ["channel_health_2026-02.csv", "channel_health_2026-02.xlsx"]
    with paths[0].open(encoding="utf-8-sig", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert (row["channel 渠道"], Decimal(row["operations score 运营健康分"])) == ("taobao", month["score"])
    book = openpyxl.load_workbook(paths[1])
    assert book.sheetnames == list(report.SHEETS)
    assert book["channels 渠道"]["B2"].value == float(month["score"])
    before = [p.read_bytes() for p in paths]
    report.write(told, date(2026, 2, 1))
    assert [p.read_bytes() for p in paths] == before
    with pytest.raises(Usage, match="2026-02 to 2026-02"):
        report.write(told, date(2025, 1, 1))


def test_funnel_heat_map_and_flow(told: Home) -> None:
    funnel = support.query(told, "SELECT step, count, lost_count FROM health.funnel ORDER BY step_number")
    assert funnel == [("viewed", 2, None), ("cart", 1, 1), ("submitted", 43, -42), ("paid", 43, 0), ("shipped", 40, 3)]
    # Due two days after noon of the nineteenth of February.
    cells = support.query(told, "SELECT day, hour, order_count FROM health.problem_heatmap WHERE problem = 'late_shipping'")
    assert cells == [(date(2026, 2, 21), 12, 4)]
    flow = support.records(told, "SELECT * FROM health.order_flow_daily WHERE order_count > 0 OR call_count > 0")
    assert [(f["order_count"], f["call_count"], f["retry_count"], f["failed_call_count"]) for f in flow] == [(43, 4, 2, 2)]


def test_a_drop_is_told_once_and_later_files_end_as_one_run(tmp_path: Path) -> None:
    home, early, late = support.new_home(tmp_path / "parts"), Book(), Book()
    for n in range(150):
        sold(early, f"N{n:03d}", 6)
    early.land(home)
    support.run(home, AS_OF - timedelta(days=2))
    band = "SELECT band FROM health.channel_daily WHERE dimension = 'operations' ORDER BY day DESC"
    assert support.query(home, band)[0] == ("healthy",)
    alerts = "SELECT message FROM ops.alerts WHERE rule = 'channel_band_dropped' AND cleared_at IS NULL"
    assert not support.query(home, alerts)
    for n in range(150):
        late.order(f"L{n:03d}", 10, "paid", 4.5, paid_at=ago(4.5), paid_amount=10)
        late.line(f"L{n:03d}")
        late.pay(f"L{n:03d}", 10, age=4.5, payment_id=f"late-{n}")
    late.land(home, "late/")
    support.run(home, AS_OF)
    assert support.query(home, band)[0] == ("watch",)
    ((message,),) = support.query(home, alerts)
    assert message.startswith("taobao (operations): watch") and "late_shipping" in message
    whole = support.new_home(tmp_path / "whole")
    early.land(whole)
    late.land(whole, "late/")
    support.run(whole, AS_OF)
    support.same(home, whole)


def test_a_home_states_rules_of_its_own(tmp_path: Path) -> None:
    home = support.new_home(tmp_path)
    story().land(home)
    support.run(home, AS_OF)
    before = components(home)["late_shipping"]
    home.settings_file.write_text(
        "[[health.components]]\ncomponent = 'late_shipping'\nvalid_from = 2026-02-01\nversion = 2\ntarget = 0.2\nacceptable = 0.3\nfloor = 0.5\n"
    )
    support.run(home, AS_OF)
    after = components(home)["late_shipping"]
    assert (before["rule_version"], before["points_lost"] > 0) == (1, True)
    assert (after["rule_version"], after["points_lost"]) == (2, 0)


def test_the_commands_say_the_same(told: Home, capsys: pytest.CaptureFixture[str]) -> None:
    day, home = TODAY - timedelta(days=7), ["--home", str(told.root)]
    assert main(["explain", "health:taobao", str(day), *home]) == 0
    assert capsys.readouterr().out.rstrip("\n") == explain.text(explain.explain(told, "taobao", day))
    assert main(["explain", "health:taobao", "soon", *home]) == 2
    assert main(["channel", "report", "2026-02", *home]) == 0
    written = [Path(line).name for line in capsys.readouterr().out.split()]
    assert written == ["channel_health_2026-02.csv", "channel_health_2026-02.xlsx"]
