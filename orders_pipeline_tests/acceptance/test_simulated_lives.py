"""Simulated lives of orders against the published tables: every clock as it was added up, exactly what was made to go wrong is found."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home
from orders_pipeline.simulate import SimulationSummary, simulate
from orders_pipeline_tests.acceptance.test_simulated import row_counts
from orders_pipeline_tests.support import query

EACH = 3
World = tuple[Home, SimulationSummary]
STAGES = ("paid", "unallocated", "allocated", "picking", "shipped", "collected")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("lives")
    faults = folder / "none.yml"
    faults.write_text("all: {rate: 0}\n", encoding="utf-8")
    made = simulate(orders=100, out=folder, seed=5, faults=faults, lives=EACH)
    home = Home(folder).create()
    result = pipeline.run(home, made.as_of)
    assert not result.intake.refused
    assert not result.blocked_by
    return home, made


def truth(made: SimulationSummary, name: str, without: Sequence[str] = ()) -> list[tuple[str, ...]]:
    with (made.truth / f"lives_{name}.csv").open(encoding="utf-8", newline="") as lines:
        return sorted(tuple(v for k, v in row.items() if k not in without) for row in csv.DictReader(lines))


def found(home: Home, sql: str) -> list[tuple[str, ...]]:
    def text(value: object) -> str:
        if isinstance(value, datetime):
            return value.astimezone(BEIJING).isoformat()
        return "" if value is None else str(value)

    return sorted(tuple(map(text, row)) for row in query(home, sql))


BEIJING = datetime.fromisoformat("2026-01-01T00:00:00+08:00").tzinfo


def test_every_clock_is_the_one_added_up(world: World) -> None:
    home, made = world
    expected = truth(made, "clocks")
    assert len(expected) > 60 * EACH
    assert {row[-1] for row in expected} >= {"met", "met_late", "breached", "void", "running", "paused"}
    rows = found(
        home,
        "SELECT channel_order_id, stage, CASE WHEN clock_status <> 'paused' THEN s.due_at END, elapsed_seconds, clock_status "
        "FROM fulfilment.order_stages AS s JOIN orders.orders USING (order_guid) "
        f"WHERE shop_id = 'lives' AND s.due_at IS NOT NULL AND stage IN {STAGES}",
    )
    assert rows == expected


def test_exactly_the_timeouts_that_were_made_stand(world: World) -> None:
    home, made = world
    expected = truth(made, "timeouts")
    assert {row[2] for row in expected} >= {"overdue", "suspended", "reminder"}
    rows = found(
        home,
        f"SELECT channel_order_id, stage, level, reason FROM fulfilment.timeouts WHERE shop_id = 'lives' AND stage IN {(*STAGES, 'dispatched')}",
    )
    assert rows == expected


def test_exactly_the_courier_faults_that_were_made_are_found(world: World) -> None:
    home, made = world
    expected = truth(made, "issues")
    assert {row[1] for row in expected} == {"no_collection", "no_movement", "signed_not_completed", "disputed"}
    rows = found(home, "SELECT waybill_id, issue, severity FROM fulfilment.parcel_issues AS p JOIN orders.orders USING (order_guid) WHERE shop_id = 'lives'")
    assert rows == expected
    alerts = found(home, "SELECT entity_id FROM ops.alerts WHERE rule = 'parcel_issue' AND entity_id LIKE 'sf/LP%' AND cleared_at IS NULL")
    assert alerts == sorted((f"sf/{waybill}/{issue}",) for waybill, issue, severity in expected if severity == "alert")


def test_unpaid_orders_and_the_timer_that_runs_on_utc(world: World) -> None:
    home, made = world
    rows = found(home, "SELECT channel_order_id, state, is_timer_off FROM fulfilment.payment_deadlines WHERE shop_id = 'lives'")
    assert rows == truth(made, "deadlines")
    assert query(home, "SELECT count(*) FROM ops.alerts WHERE rule = 'cancel_timer_off' AND channel = 'youzan'") == [(1,)]


def test_changes_asked_for_come_out_as_they_were_made(world: World) -> None:
    home, made = world
    rows = found(home, "SELECT request_id, field, outcome, is_in_time FROM customers.edit_requests")
    assert rows == truth(made, "edits")
    counts = query(home, "SELECT sum(request_count), sum(applied_count), sum(failed_count), sum(too_late_count) FROM customers.edit_outcomes")
    assert counts == [(4 * EACH, EACH, EACH, EACH)]


def test_cases_stand_where_they_were_left_with_the_evidence_they_came_with(world: World) -> None:
    home, made = world
    rows = found(home, "SELECT return_id, class, stage, owner_role, auto_reason FROM aftersales.cases WHERE shop_id = 'lives'")
    assert rows == truth(made, "cases")
    rows = found(home, "SELECT return_id, score, is_in_scan FROM aftersales.evidence WHERE shop_id = 'lives'")
    assert rows == truth(made, "evidence")


def test_every_row_of_the_files_is_accounted_for_and_the_same_arguments_give_the_same_files(world: World, tmp_path: Path) -> None:
    home, made = world
    assert [row for row in row_counts(home, made.truth) if row[0].startswith("lives/")] == []
    again = simulate(orders=100, out=tmp_path, seed=5, lives=EACH)
    for folder in ("landing/lives", "truth"):
        names = sorted(p.relative_to(made.landing.parent) for p in (made.landing.parent / folder).rglob("*lives*") if p.is_file())
        assert names
        assert [(again.landing.parent / n).read_bytes() for n in names] == [(made.landing.parent / n).read_bytes() for n in names]
