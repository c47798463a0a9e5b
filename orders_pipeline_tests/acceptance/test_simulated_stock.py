"""The simulator's stock against the published tables: every figure as it was added up, exactly the oversells that were made."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home
from orders_pipeline.simulate import SimulationSummary, simulate
from orders_pipeline.simulate.stock import CAUSES
from orders_pipeline_tests.acceptance.test_simulated import row_counts
from orders_pipeline_tests.support import query, records


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, SimulationSummary]:
    folder = tmp_path_factory.mktemp("stock")
    made = simulate(orders=100, out=folder, seed=11, stock=40)
    home = Home(folder).create()
    result = pipeline.run(home, made.as_of)
    assert not result.intake.refused
    assert not result.blocked_by
    return home, made


def truth(made: SimulationSummary, name: str) -> list[dict[str, Any]]:
    with (made.truth / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_figure_is_the_one_added_up(world: tuple[Home, SimulationSummary]) -> None:
    home, made = world
    expected = truth(made, "stock")
    assert len(expected) >= 40 * 3
    columns = list(expected[0])
    found = records(home, f"SELECT {', '.join(columns)} FROM inventory.atp WHERE warehouse_id IN ('WH-EAST', 'WH-SOUTH', 'ST-01')")
    assert sorted(tuple(str(row[c]).split(".")[0] for c in columns) for row in found) == sorted(
        tuple(row[c] for c in columns) for row in expected
    )


def test_exactly_the_oversells_that_were_made_are_found(world: tuple[Home, SimulationSummary]) -> None:
    home, made = world
    expected = truth(made, "oversells")
    assert {cause: sum(row["cause"] == cause for row in expected) for cause in CAUSES} == dict.fromkeys(CAUSES, 4)
    found = query(home, "SELECT channel_order_id, sku, warehouse_id, CAST(short_qty AS INTEGER), cause FROM inventory.oversells")
    assert sorted(found) == sorted(
        (row["channel_order_id"], row["sku"], row["warehouse_id"], int(row["short_qty"]), row["cause"]) for row in expected
    )
    raised = query(home, "SELECT count(*) FROM ops.alerts WHERE rule = 'oversold' AND cleared_at IS NULL")
    assert raised == [(len(expected),)]


def test_whoever_is_not_oversold_gets_a_warehouse(world: tuple[Home, SimulationSummary]) -> None:
    home, made = world
    open_lines = query(
        home,
        "SELECT o.channel_order_id FROM inventory.allocations AS a JOIN orders.orders AS o USING (order_guid) "
        "WHERE a.warehouse_id = 'unassigned' AND a.reason <> 'no_stock_record'",
    )
    assert {number for (number,) in open_lines} == {row["channel_order_id"] for row in truth(made, "oversells")}
    promised = query(
        home,
        "SELECT count(*) FROM (SELECT sku, warehouse_id, sum(quantity) AS quantity FROM inventory.allocations GROUP BY ALL) AS a "
        "JOIN inventory.atp AS s USING (sku, warehouse_id) WHERE a.quantity > s.sellable_qty - s.held_qty - s.safety_stock_qty",
    )
    assert promised == [(0,)]


def test_the_orders_of_the_stock_are_orders_like_any(world: tuple[Home, SimulationSummary]) -> None:
    home, made = world
    found = query(home, "SELECT status, reason, count(*) FROM reconciliation.three_way_match WHERE channel_order_id LIKE 'SK%' GROUP BY ALL")
    expected = duckdb.execute(
        "SELECT expected_status, expected_reason, count(*) FROM read_parquet(?) WHERE channel_order_id LIKE 'SK%' GROUP BY ALL",
        [str(made.truth / "expected_statuses.parquet")],
    ).fetchall()
    assert found == expected
    assert found[0][2] > 40
    assert [row for row in row_counts(home, made.truth) if row[0].startswith("stock/")] == []


def test_same_arguments_give_the_same_stock(world: tuple[Home, SimulationSummary], tmp_path: Path) -> None:
    _, made = world
    again = simulate(orders=100, out=tmp_path, seed=11, stock=40)
    for name in ("stock", "oversells"):
        assert truth(again, name) == truth(made, name)
    assert [p.read_bytes() for p in sorted(again.landing.glob("stock/*"))] == [p.read_bytes() for p in sorted(made.landing.glob("stock/*"))]
