"""What must hold of stock whatever happens to it: order of movements, figures in between, shipping, evidence, both computations."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_pipeline.inventory import rules
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.properties.test_properties import examples, homes
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.scenarios.test_stock_vectors import Stock, figures
from orders_pipeline_tests.support import land, query, run

KINDS = ("sale", "receipt", "return_received", "restock", "damage", "write_off", "adjustment", "transfer_in", "transfer_out", "freeze")
STATES = ("on_hand_qty", "quality_control_qty", "frozen_qty", "damaged_qty")
movements = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, 5), st.integers(0, 40), st.booleans()), min_size=1, max_size=12
)


def tell(stock: Stock, sku: str, moves: list[tuple[str, int, int, bool]]) -> None:
    """Movements some quarter days after the first figure; some of them take back what another one did."""
    stock.count(sku, 30, age=12, quality_control_qty=2, damaged_qty=3)
    for kind, quantity, quarter, reversed_ in moves:
        out = kind in ("sale", "damage", "write_off", "transfer_out")
        stock.move(sku, kind, (-quantity if out else quantity) * (-1 if reversed_ else 1), age=11.9 - quarter / 4)


@given(st.lists(movements, min_size=4, max_size=8), st.integers(0, 40), st.randoms(use_true_random=False))
@examples(2)
def test_order_of_movements_and_equal_figures_in_between_change_nothing(
    cases: list[Any], quarter: int, chance: random.Random
) -> None:
    """The same movements in another order and in two files; and a figure in between that equals what was computed then."""
    with homes(3) as (one, other, counted):
        stock = Stock()
        for n, moves in enumerate(cases):
            tell(stock, f"S{n}", moves)
        rows = {entity: list(of) for entity, of in stock.rows.items()}
        stock.run(one)
        before = {sku: found[0] for sku, found in figures(one).items()}
        shuffled = chance.sample(rows["inventory_movements"], len(rows["inventory_movements"]))
        land(other, "b", shuffled[::2])
        land(other, "z", rows["inventory_snapshots"])
        run(other, AS_OF)
        if shuffled[1::2]:
            land(other, "a", shuffled[1::2])
            run(other, AS_OF)
        assert {sku: found[0] for sku, found in figures(other).items()} == before
        then = AS_OF - timedelta(days=11.95 - quarter / 4)
        for entity, of in rows.items():
            land(counted, entity, of)
        run(counted, then)
        states = {sku: found[0] for sku, found in figures(counted).items()}
        land(counted, "equal", [
            {"warehouse_id": "W1", "sku": sku, "counted_at": then.isoformat(), **{c: row[c] for c in STATES}}
            for sku, row in states.items()
        ])  # fmt: skip
        run(counted, AS_OF)
        after = {sku: found[0] for sku, found in figures(counted).items()}
    for sku, row in before.items():
        for column in (*STATES, "sellable_qty", "atp_signed_qty"):
            assert after[sku][column] == row[column], (sku, column, quarter)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6), st.integers(0, 6)), min_size=3, max_size=8))
@examples(2)
def test_shipping_what_is_reserved_changes_nothing(cases: list[tuple[int, int, int]]) -> None:
    with homes(1) as (home,):
        stock = Stock()
        numbers = []
        for n, (on_hand, ordered, _) in enumerate(cases):
            stock.count(f"S{n}", on_hand)
            numbers.append(stock.order(f"S{n}", ordered))
        stock.run(home)
        before = {sku: found[0]["atp_signed_qty"] for sku, found in figures(home).items()}
        for n, (_, ordered, shipped) in enumerate(cases):
            if min(shipped, ordered):
                stock.ship(numbers[n], f"S{n}", min(shipped, ordered))
        stock.run(home, prefix="out/")
        assert {sku: found[0]["atp_signed_qty"] for sku, found in figures(home).items()} == before


def consumed(discrete: list[int]) -> list[int]:
    """Discrete figures with shortages eaten, said in loops: nearest earlier surplus first, then later ones, a rest in the first."""
    left = [max(0, n) for n in discrete]
    open_: list[tuple[int, int]] = []
    for at in reversed(range(len(discrete))):
        short = max(0, -discrete[at])
        if short:
            open_.append((at, short))
    rest = 0
    for at, short in sorted(open_):
        for earlier in reversed(range(at)):
            take = min(left[earlier], short)
            left[earlier] -= take
            short -= take
        rest += short
    for later in range(len(left)):
        take = min(left[later], rest)
        left[later] -= take
        rest -= take
    left[0] -= rest
    return left


@given(
    st.lists(
        st.tuples(st.integers(0, 25), st.lists(st.tuples(st.sampled_from([0, 0, 5, 9]), st.integers(0, 8)), min_size=2, max_size=8)),
        min_size=6,
        max_size=10,
    )
)
@examples(3)
def test_two_ways_to_one_number(plans: list[tuple[int, list[tuple[int, int]]]]) -> None:
    """Look-ahead said as the least later balance, discrete figures said as loops; both against the tables."""
    with homes(1) as (home,):
        stock = Stock()
        for n, (on_hand, days) in enumerate(plans):
            stock.count(f"S{n}", on_hand)
            for day, (receipt, demand) in enumerate(days):
                if receipt:
                    stock.expect(f"S{n}", receipt, day)
                if demand:
                    stock.order(f"S{n}", demand, due=day)
        stock.run(home)
        found = {
            n: query(
                home,
                "SELECT projected_qty, atp_signed_qty, discrete_qty, uncommitted_qty FROM inventory.atp_by_day "
                "WHERE sku = ? ORDER BY day",
                [f"S{n}"],
            )
            for n in range(len(plans))
        }
    for n, (on_hand, days) in enumerate(plans):
        balances, balance = [], on_hand
        for receipt, demand in days:
            balance += receipt - demand
            balances.append(balance)
        rows = found[n][: len(days)]
        if len(rows) < len(days):
            continue  # a quiet SKU has one row
        assert [row[0] for row in rows] == balances
        ahead = [min(balances[day:]) for day in range(len(days))]
        assert [row[1] for row in rows] == ahead
        discrete = [int(row[2]) for row in rows]
        assert sum(discrete) == balances[-1]
        if min(balances) >= 0:
            eaten = consumed(discrete)
            assert [int(row[3]) for row in rows] == eaten
            assert [sum(eaten[: day + 1]) for day in range(len(days))] == ahead


@pytest.mark.parametrize("quantity", [1, 7, 20])
def test_promises_never_exceed_what_is_there(quantity: int) -> None:
    start = AS_OF.date()
    steps = [(start + timedelta(days=n), Decimal(q)) for n, q in enumerate([-3, 0, 4, 4, 9, 15])]
    for policy in rules.POLICIES.values():
        found = rules.promise(steps, Decimal(quantity), start, policy)
        assert sum((q for _, q in found.deliveries), found.short) == quantity
        promised = Decimal(0)
        for day, part in found.deliveries:
            promised += part
            assert promised <= dict(steps)[day]


def test_evidence_adds_up(home: Home) -> None:
    stock = Stock()
    tell(stock, "S", [("sale", 3, 4, False), ("return_received", 2, 6, False), ("damage", 1, 8, False), ("freeze", 2, 9, False)])
    stock.order("S", 4)
    stock.hold("S", 2)
    stock.expect("S", 6, 3, status="in_transit")
    stock.run(home)
    row = figures(home)["S"][0]
    behind = dict(query(home, "SELECT component, sum(quantity) FROM inventory.atp_evidence GROUP BY component"))
    assert {c: row[f"{c}_qty"] for c in behind} == behind
    assert behind == {
        "on_hand": 28, "quality_control": 3, "frozen": 2, "damaged": 3, "reserved": 4, "held": 2, "in_transit": 6,
    }  # fmt: skip
    traced = query(home, "SELECT count(*) FROM inventory.atp_evidence JOIN ops.files USING (file_id) WHERE row_number > 1")
    assert traced[0][0] == query(home, "SELECT count(*) FROM inventory.atp_evidence")[0][0]


def test_holds_end_by_the_clock_alone(home: Home) -> None:
    stock = Stock()
    stock.count("S", 10)
    stock.order("S", 3, status="created", created_at=ago(0))
    stock.hold("S", 2, until=1)
    stock.run(home)
    for minutes, left in ((0, 5), (14, 5), (15, 8), (24 * 60 - 1, 8), (24 * 60, 10)):
        run(home, AS_OF + timedelta(minutes=minutes))
        assert figures(home)["S"][0]["atp_qty"] == left, minutes
