"""Of any world of figures, movements, claims, supply, bundles and channels: the rows behind every number of the ATP add up to it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from orders_pipeline.inventory.explain import SIGNS
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.properties.test_properties import examples, homes
from orders_pipeline_tests.properties.test_stock import KINDS
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.scenarios.test_stock_vectors import SHOP, Stock
from orders_pipeline_tests.support import query, records

GOODS, PLACES = ("A", "B", "C"), ("W1", "W2", "SHOP", "OLD")
KIT = {"A": 2, "B": 1}
WHAT = ("count", "count", "move", "move", "order", "order", "ship", "hold", "own_hold", "supply", "transfer", "safety", "channel")
#: What happens, to which goods, where, how many, when (quarters of a day), and which of two ways.
events = st.lists(
    st.tuples(
        st.sampled_from(WHAT), st.sampled_from([*GOODS, "KIT"]), st.sampled_from(PLACES), st.integers(1, 9), st.integers(0, 40),
        st.booleans(),
    ),
    min_size=30, max_size=70,
)  # fmt: skip


class World(Stock):
    """Tells random events; remembers the orders, for holds and parcels of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[tuple[str, str]] = []
        for place in PLACES:
            kind = "store" if place == "SHOP" else "warehouse"
            zone = "America/Los_Angeles" if place == "W2" else "Asia/Shanghai"
            open_ = str(place != "OLD").lower()
            self.rows["warehouses"].append({"warehouse_id": place, "kind": kind, "timezone": zone, "is_active": open_})
        self.kit("KIT", KIT)

    def tell(self, what: str, sku: str, place: str, quantity: int, quarter: int, other: bool) -> None:
        age, single = 0.1 + quarter / 4, "A" if sku == "KIT" else sku
        if what == "count":
            states = {"quality_control_qty": quantity % 3, "frozen_qty": quantity % 2, "damaged_qty": quantity % 4}
            shelf = {"location_id": f"L{quantity}"} if other else {}
            self.count(single, 6 * quantity - 10, place, age, safety_stock_qty=quantity if other else None, **states, **shelf)
        elif what == "move":
            kind = KINDS[(quarter + quantity) % len(KINDS)]
            out = kind in ("sale", "damage", "write_off", "transfer_out")
            self.move(single, kind, (-quantity if out != (quarter % 7 == 0) else quantity), place, age)
        elif what == "order":
            status = "created" if quarter % 5 == 0 else "paid"
            number = self.order(
                sku, quantity, place if other else None, status, due=quarter % 12 - 3,
                created_at=ago(0.005 if status == "created" else age),
            )  # fmt: skip
            self.orders.append((number, sku))
        elif what == "ship" and self.orders:
            number, of = self.orders[quarter % len(self.orders)]
            self.ship(number, of, quantity, place, age)
        elif what == "own_hold" and self.orders:
            number, of = self.orders[quarter % len(self.orders)]
            self.hold(of, quantity, place, until=quarter / 8 - 1, **SHOP, channel_order_id=number)
        elif what == "hold":
            self.hold(sku, quantity, place, until=quarter / 8 - 1)
        elif what == "supply":
            self.expect(single, quantity, None if quarter == 0 else quarter % 20 - 4, place, status="in_transit" if other else "confirmed")
        elif what == "transfer":
            source = PLACES[(PLACES.index(place) + 1 + quarter % 3) % len(PLACES)]
            on, status = quarter % 9 - 2, "in_transit" if other else "confirmed"
            self.expect(single, quantity, on, place, kind="transfer", source_warehouse_id=source, status=status)
        elif what == "safety":
            day = (AS_OF + timedelta(days=quarter - 20)).date().isoformat()
            self.rows["safety_stocks"].append({"warehouse_id": place, "sku": single, "starts_on": day, "safety_stock_qty": quantity})
        elif what == "channel":
            self.rows["channel_stock"].append(
                {
                    "channel": "douyin" if other else "taobao", "shop_id": "main", "sku": sku, "shown_at": ago(age),
                    "mode": ("shared", "quota", "dedicated")[quarter % 3], "quota_qty": 3 * quantity, "buffer_qty": quantity % 3,
                    "shown_qty": quantity,
                }
            )  # fmt: skip


def assert_adds_up(home: Home, as_of: datetime) -> None:
    """Component by component and in sum, for every SKU and warehouse; nothing lies behind a number that is not there."""
    figures = {(r["owner"], r["sku"], r["warehouse_id"]): r for r in records(home, "SELECT * FROM inventory.atp")}
    behind = {
        (owner, sku, place, component): total
        for owner, sku, place, component, total in query(
            home, "SELECT owner, sku, warehouse_id, component, sum(quantity) FROM inventory.atp_evidence GROUP BY ALL"
        )
    }
    assert {key[:3] for key in behind} <= figures.keys()
    for key, row in figures.items():
        assert row["as_of_at"] == as_of
        parts = {component: behind.get((*key, component), Decimal(0)) for component in SIGNS}
        assert parts == {component: row[f"{component}_qty"] for component in SIGNS}, key
        # Stock of a closed warehouse is there and cannot be promised, and nothing is kept back of it; claims on it stand.
        counted = [c for c in SIGNS if row["is_active"] or c in ("reserved", "held")]
        assert row["atp_signed_qty"] == sum(SIGNS[c] * parts[c] for c in counted), key
        assert row["atp_qty"] == max(0, row["atp_signed_qty"] // 1), key
    untraced = query(
        home, "SELECT count(*) FROM inventory.atp_evidence AS e LEFT JOIN ops.files AS f USING (file_id) "
        "WHERE f.file_id IS NULL OR e.row_number IS NULL OR e.row_number < 2",
    )  # fmt: skip
    assert untraced == [(0,)]
    # A bundle is what its shortest component gives in one warehouse.
    for sku, place, atp in query(home, "SELECT sku, warehouse_id, atp_signed_qty FROM inventory.kit_atp"):
        there = {part: figures.get(("own", part, place), {}).get("atp_signed_qty", Decimal(0)) for part in KIT}
        assert atp == min((there[part] / each).__floor__() for part, each in KIT.items()), (sku, place)
    shown = query(home, "SELECT mode, published_qty, pool_qty FROM inventory.channel_availability")
    assert all(0 <= published <= pool for _, published, pool in shown)


@given(events, st.integers(0, 30))
@examples(3)
def test_evidence_is_the_number(told: list[tuple[str, str, str, int, int, bool]], later: int) -> None:
    """All at once; then with what came later, at a later time."""
    world = World()
    half = len(told) // 2
    with homes(1) as (home,):
        for event in told[:half]:
            world.tell(*event)
        world.run(home, prefix="1/")
        assert_adds_up(home, AS_OF)
        for event in told[half:]:
            world.tell(*event)
        then = AS_OF + timedelta(hours=2 * later)
        world.run(home, then, prefix="2/")
        assert_adds_up(home, then)


@given(st.integers(0, 2**32))
@examples(1)
def test_the_figure_is_what_counting_by_hand_gives(seed: int) -> None:
    """Figures by shelf, movements before and after them, parcels, claims with and without an end; bundles sold beside their parts."""
    # A seed, and not hypothesis' own chance: that begins with a world in which nothing happens.
    chance, stock, expected = random.Random(seed), Stock(), {}
    for n in range(60):
        sku, on_hand, kept_back, counted, claimed = f"N{n}", 0, 0, 99.0, 0
        stock.kit(f"KIT{n}", {sku: 3})
        ages = sorted({chance.randrange(1, 40) / 4 for _ in range(chance.randrange(3))}, reverse=True)
        for age in ages:
            shelves = [(chance.randrange(-3, 30), chance.choice([None, 0, 2, 5])) for _ in range(chance.randrange(1, 4))]
            for at, (quantity, safety) in enumerate(shelves):
                stock.count(sku, quantity, age=age, location_id=f"L{at}", safety_stock_qty=safety)
            counted, on_hand = age, sum(quantity for quantity, _ in shelves)
            stated = [safety for _, safety in shelves if safety is not None]
            kept_back = sum(stated) if stated else kept_back
        for _ in range(chance.randrange(6)):
            kind, age = chance.choice(["sale", "receipt", "adjustment", "transfer_in", "transfer_out"]), chance.randrange(1, 80) / 8 + 0.01
            quantity = chance.randrange(1, 9) * (-1 if kind in ("sale", "transfer_out") else chance.choice([1, 1, -1]))
            stock.move(sku, kind, quantity, age=age, reference_id=f"X{n}")
            on_hand += quantity if age < counted else 0
        # Parcels of goods that no figure and no movement tells of say nothing about what was there.
        ships = bool(ages)
        for _ in range(chance.randrange(4)):
            each, ordered, is_paid = chance.choice([1, 1, 3]), chance.randrange(1, 6), chance.random() < 0.8
            created = {} if is_paid else {"status": "created", "created_at": ago(chance.choice([0.005, 0.02]))}
            number = stock.order(sku if each == 1 else f"KIT{n}", ordered, place="W1", **created)
            left = ordered
            if ships and is_paid and chance.random() < 0.5:
                left, age = chance.randrange(ordered + 1), chance.randrange(1, 16) / 8 + 0.02
                if left < ordered:
                    stock.ship(number, sku if each == 1 else f"KIT{n}", ordered - left, age=age)
                    on_hand -= each * (ordered - left) if age < counted else 0
            # Unpaid for longer than a quarter of an hour: given up.
            claimed += each * left if is_paid or created["created_at"] == ago(0.005) else 0
        for _ in range(chance.randrange(3)):
            quantity, until = chance.randrange(1, 5), chance.choice([-0.5, 0.5, 3])
            stock.hold(sku, quantity, until=until)
            claimed += quantity if until > 0 else 0
        expected[sku] = on_hand - claimed - kept_back
    with homes(1) as (home,):
        stock.run(home)
        found = dict(query(home, "SELECT sku, sum(atp_signed_qty) FROM inventory.atp GROUP BY sku"))
    assert {sku: found.get(sku, 0) for sku in expected} == expected
