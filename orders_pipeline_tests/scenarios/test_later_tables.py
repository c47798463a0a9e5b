"""A file's run publishes what people act on at once; the tables that are made later stay whole as they were until their run."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.alerts.book import _found
from orders_pipeline.alerts.rules import load_rules
from orders_pipeline.checkup import machine
from orders_pipeline.checkup.scene import Scene, Unavailable
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.warehouse import connect
from orders_pipeline.publish import later, publisher
from orders_pipeline.publish.publisher import Publisher
from orders_pipeline_tests.dagster.conftest import AS_OF, land, land_orders, order, payment
from orders_pipeline_tests.support import differences, fingerprints, query

NOW = datetime.fromisoformat(AS_OF).astimezone(UTC)
LATE = {m.name for m in pipeline.models() if m.later}
#: The rules of alerts that the run of a file may ask.
PROMPT_RULES = {rule.name for rule in load_rules() if LATE.isdisjoint(rule.tables) and not rule.later}
#: What the run of a file leaves as it was: tables made later, and how far the clocks of other orders have come (`ages at`).
EVERYTHING_LATE = {
    **dict.fromkeys(LATE, "*"),
    "fulfilment.order_stages": ("elapsed_seconds",),
    "aftersales.cases": ("age_hours",),
    "reconciliation.exceptions": ("age_days", "age_bucket"),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv(KEY_VARIABLE, "the same in all homes")
    return Home(tmp_path / "home").create()


def built_anew(home: Home, folder: Path, as_of: datetime) -> Home:
    """A new home with the same files, made in one go."""
    other = Home(folder).create()
    for file in home.landing.iterdir():
        (other.landing / file.name).hardlink_to(file)
    pipeline.run(other, as_of)
    return other


def late(home: Home) -> dict[str, str]:
    return {name: mark for name, mark in fingerprints(home).items() if name in LATE}


def test_later_tables_wait_for_their_run(home: Home, tmp_path: Path) -> None:
    land_orders(home, "a.csv", "A1", "A2")
    pipeline.run(home, NOW, prompt=True)
    assert query(home, "SELECT count(*) FROM finance.contracts") == [(2,)], "never published before: made at once"
    before = late(home)

    land_orders(home, "b.csv", "B1")
    land(home, "p.csv", [payment("P1", "B1")])
    done = pipeline.run(home, NOW, prompt=True)
    assert {m.model.name for m in done.refreshed}.isdisjoint(LATE)
    assert {r.check.table for r in done.checks}.isdisjoint(LATE)
    assert query(home, "SELECT count(*), sum(paid_amount) FROM reconciliation.three_way_match") == [(3, Decimal("120.50"))]
    assert late(home) == before
    with closing(Scene(home, NOW)) as scene:
        scene.need("orders.orders", "payments.links")
        scene.need("finance.contracts", "finance.revenue")
        with pytest.raises(Unavailable, match=r"finance\.contracts will be made"):
            scene.need("orders.orders", "finance.contracts")
        assert not list(machine.published_differs(scene)) and not list(machine.publication_behind(scene))
    assert not differences(
        home.published_database, built_anew(home, tmp_path / "one", NOW).published_database, EVERYTHING_LATE
    )

    pipeline.run(home, NOW)
    assert late(home) != before
    assert not differences(home.published_database, built_anew(home, tmp_path / "two", NOW).published_database)
    assert not pipeline.run(home, NOW).publication.done, "nothing is left to do"


def test_any_mixture_of_runs_comes_to_the_same(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of files, runs of everything, runs that die before they publish: each leaves a state that can be told."""
    dice, moment = random.Random(5), NOW
    write = Publisher._write

    def die(self: Publisher, *arguments: object) -> None:
        raise KeyboardInterrupt

    pipeline.run(home, moment)
    for number in range(7):
        moment += timedelta(minutes=dice.choice([0, 7, 60 * 30]))
        known = [f"A{n}" for n in range(number)]
        land_orders(home, f"{number}.csv", f"A{number}", *([f"B{number}"] if dice.random() < 0.5 else []))
        if known:
            one = dice.choice(known)
            land(home, f"again-{number}.csv", [{**order(one), "status": "completed", "exported_at": moment.isoformat()}])
            land(home, f"paid-{number}.csv", [payment(f"P{number}", one)])
        before = late(home)
        way = ("prompt", "prompt", "dies late", "prompt", "all", "dies", "prompt")[number]
        monkeypatch.setattr(Publisher, "_write", die if "dies" in way else write)
        if "dies" in way:
            with pytest.raises(KeyboardInterrupt):
                pipeline.run(home, moment, prompt=way == "dies")
        else:
            assert not pipeline.run(home, moment, prompt=way == "prompt").blocked_by
        if way != "all":
            assert late(home) == before, way
        if way == "prompt" and number > 4:
            anew = built_anew(home, tmp_path / str(number), moment)
            assert not differences(home.published_database, anew.published_database, EVERYTHING_LATE)
    monkeypatch.setattr(Publisher, "_write", write)
    pipeline.run(home, moment)
    assert not differences(home.published_database, built_anew(home, tmp_path / "last", moment).published_database)


def test_a_clock_that_falls_due_is_seen_by_the_run_of_any_file_and_its_reading_by_the_run_of_everything(home: Home) -> None:
    """Three fifths, nine tenths and more than all of the time an order has: its verdict follows at once, the time gone by later."""
    rows = "SELECT entered_at, due_at, clock_status, elapsed_seconds FROM fulfilment.order_stages WHERE stage = 'unallocated'"
    land_orders(home, "a.csv", "A1")
    pipeline.run(home, NOW)
    [(start, due, _, _)] = query(home, rows)
    seen, moment = [], start
    for share in (0.6, 0.9, 1.1, 1.5):
        moment = start + share * (due - start)
        land(home, f"p{share}.csv", [payment(f"P{share}", f"B{share}")])
        pipeline.run(home, moment, prompt=share > 0.6)  # The first one sets the clock back: made anew.
        seen += [row[2:] for row in query(home, rows)]
    assert [status for status, _ in seen] == ["running", "at_risk", "breached", "breached"]
    readings = [seconds for _, seconds in seen]
    assert readings[0] < readings[1] < readings[2] == readings[3], "read when the verdict changes"
    pipeline.run(home, moment)
    assert query(home, rows)[0][3] > readings[3]


def test_their_run_comes_in_a_quiet_while_or_when_they_are_overdue(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(later.time, "time", lambda: clock[0])
    assert not later.is_due(home)
    later.note(home)
    assert not later.is_due(home)
    clock[0] += later.QUIET_SECONDS
    assert later.is_due(home)
    assert not later.is_due(home, ["a file"]), "files come first"
    while clock[0] < 1000.0 + later.AT_MOST_SECONDS:
        later.note(home)
        assert not later.is_due(home)
        clock[0] += 5
    assert later.is_due(home, ["a file"]), "overdue"
    later.tried(home)
    clock[0] += later.AT_MOST_SECONDS
    assert not later.is_due(home), "what failed is not started again and again"
    later.note(home)
    assert later.is_due(home)
    later.done(home)
    clock[0] += later.AT_MOST_SECONDS
    assert not later.is_due(home)


def stand(home: Home, moment: datetime, names: Collection[str]) -> set[tuple[str, str]]:
    """Rule and entity of what these rules say, each of them asked."""
    found: set[tuple[str, str]] = set()
    with closing(connect(home.warehouse, home.work, read_only=True)) as warehouse:
        for rule in load_rules():
            if rule.name in names:
                said = warehouse.execute(_found(rule, moment, load_settings(home.settings_file))).fetchall()
                found |= {(row[0], row[3]) for row in said}
    return found


def test_the_published_alerts_are_those_of_the_book_whatever_run_wrote_them(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was written since a file's time is written into it, two files take turns, and a file's run asks only the rules
    that may say something else."""
    monkeypatch.setattr(publisher, "WHOLE_SHARE", 1.0)
    dice, moment, seen = random.Random(7), NOW, set()
    for number in range(12):
        land_orders(home, f"{number}.csv", f"A{number}")
        is_prompt = dice.random() < 0.7
        done = pipeline.run(home, moment, prompt=is_prompt)
        with duckdb.connect(str(home.warehouse), read_only=True) as warehouse:
            book = warehouse.execute("SELECT * FROM ops.alerts ORDER BY alert_id").fetchall()
        names = PROMPT_RULES if is_prompt else {rule.name for rule in load_rules()}
        assert {(row[1], row[4]) for row in book if row[8] is None and row[1] in names} == stand(home, moment, names)
        assert done.publication.done
        assert query(home, "SELECT * FROM ops.alerts ORDER BY alert_id") == book
        seen |= {row[0] for row in book}
        if number == 5:
            land(home, "shipped.csv", [{**order("A1"), "status": "cancelled", "exported_at": "2026-03-19T06:00:00+08:00"}])
        moment += timedelta(hours=dice.choice([0, 1, 30]))
    assert len(seen) > 5 and any(row[8] for row in book), "some were raised, and some cleared"


def test_a_rule_for_which_minutes_do_not_matter_is_asked_with_the_later_tables(home: Home) -> None:
    rows = "SELECT count(*) FROM ops.alerts WHERE rule = 'not_shipped' AND cleared_at IS NULL"
    land(home, "p.csv", [payment("P1", "B1")])
    pipeline.run(home, NOW)
    land_orders(home, "a.csv", "A1")
    pipeline.run(home, NOW, prompt=True)
    assert query(home, rows) == [(0,)]
    pipeline.run(home, NOW)
    assert query(home, rows) == [(1,)]
