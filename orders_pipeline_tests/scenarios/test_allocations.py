"""From where each open order is sent: the study's vectors and a merchandiser's cases, said with files and read from the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline_tests.scenarios.stories import ago
from orders_pipeline_tests.scenarios.test_channel_stock import Shelf
from orders_pipeline_tests.scenarios.test_stock_vectors import SHOP
from orders_pipeline_tests.support import new_home, query, records


def rows_of(home: Home) -> dict[str, list[dict[str, Any]]]:
    """Order number -> its rows, by line and warehouse."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in records(
        home,
        "SELECT o.channel_order_id, a.* FROM inventory.allocations AS a JOIN orders.orders AS o USING (order_guid) "
        "ORDER BY line_no, warehouse_id",
    ):
        found[row["channel_order_id"]].append(row)
    return found


def where(rows: list[dict[str, Any]]) -> dict[str, Decimal]:
    """Warehouse -> pieces."""
    total: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        total[row["warehouse_id"]] += row["quantity"]
    return {place: quantity for place, quantity in total.items() if place != "unassigned"}


# ---- allocation.yaml


@pytest.fixture(scope="module")
def vectors(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Each vector that states stock by node and a request, with what comes of it; one home for each strategy."""
    cases = yaml.safe_load(shared("vectors/allocation.yaml").read_text(encoding="utf-8"))
    cases = [c for c in cases if isinstance(c.get("stock"), list) and "request" in c]
    assert len(cases) >= 7
    found = {}
    for strategy, some in (
        ("node_order", [c for c in cases if c.get("strategy") == "node 2 first"]),
        ("highest_available", [c for c in cases if c.get("strategy") != "node 2 first"]),
    ):
        home, s, numbers = new_home(tmp_path_factory.mktemp(strategy) / "home"), Shelf(), {}
        home.settings_file.write_text(f'[stock]\nallocation = "{strategy}"\n', encoding="utf-8")
        s.rows["warehouses"] += [
            {"warehouse_id": f"W{n}", "kind": "warehouse", "timezone": "Asia/Shanghai", "priority": 3 - n} for n in (1, 2)
        ]
        s.rows["warehouses"].append({"warehouse_id": "store", "kind": "store", "timezone": "Asia/Shanghai", "priority": 9})
        for case in some:
            sku = case["id"]
            for n, quantity in enumerate(case["stock"], 1):
                s.count(sku, quantity, f"W{n}")
            if isinstance(case.get("reserved"), list) and "allocated" in case:
                for n, quantity in enumerate(case["reserved"], 1):
                    if quantity:
                        s.hold(sku, quantity, f"W{n}")
            for n, quantity in enumerate(case.get("already_allocated", ()), 1):
                # Allocated and being picked: it stays where it is.
                s.ship(s.sell(sku, quantity, age=3), sku, quantity, f"W{n}", age=-1)
            more = {"is_pickup": "true", "pickup_store_id": "store"} if "pickup_store" in case else {}
            if more:
                s.count(sku, case["pickup_store"], "store")
            numbers[sku] = s.sell(sku, case["request"], age=1, **more)
        s.run(home)
        rows = rows_of(home)
        found |= {case["id"]: (case, {"rows": rows[numbers[case["id"]]], "home": home}) for case in some}
    return found


def test_vectors(vectors: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    wrong = {}
    for name, (case, made) in vectors.items():
        places = where(made["rows"])
        # "by most available" lists the nodes in that order, not in their own.
        by_most = "allocated_by_most_available" in case
        nodes = ["W2", "W1"] if by_most else ["W1", "W2"][: len(case["stock"])]
        expected = case.get("allocated") or case.get("allocated_by_most_available") or case["reserved"]
        if [places.get(node, 0) for node in nodes] != expected or places.get("store", 0) != case.get("allocated_pickup_store", 0):
            wrong[name] = (places, expected)
        if case.get("result") == "InsufficientStock" and {r["reason"] for r in made["rows"]} != {"insufficient_stock"}:
            wrong[name] = made["rows"]
    assert wrong == {}


def test_allocating_does_not_change_what_is_on_hand(vectors: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    case, made = vectors["ALC-01"]
    assert [q for (q,) in query(made["home"], "SELECT on_hand_qty FROM inventory.atp WHERE sku = 'ALC-01'")] == case["on_hand_after"]


def test_released_and_shipped_goods_are_allocated_no_longer(shared: Callable[[str], Path], home: Home) -> None:
    """ALC-11, ALC-13 and ALC-14: what is allocated follows the documents; stock below zero is shown, not hidden."""
    cases = {c["id"]: c for c in yaml.safe_load(shared("vectors/allocation.yaml").read_text(encoding="utf-8"))}
    s = Shelf()
    release = cases["ALC-11"]
    s.count("ALC-11", release["stock"])
    kept = s.sell("ALC-11", release["allocated"] - release["release"])
    s.sell("ALC-11", release["release"], status="cancelled")
    shipped = cases["ALC-14"]
    for n, stock in enumerate(shipped["stock"], 1):
        s.count("ALC-14", stock, f"W{n}")
    number = s.sell("ALC-14", sum(shipped["allocated"]), age=2)
    s.ship(number, "ALC-14", shipped["ship_from_node_1"], "W1")
    s.run(home)
    rows = rows_of(home)
    assert sum(where(rows[kept]).values()) == release["allocated_after"]
    assert where(rows[number]) == {}
    left = query(home, "SELECT warehouse_id, on_hand_qty FROM inventory.atp WHERE sku = 'ALC-14' AND warehouse_id <> 'unassigned' ORDER BY 1")
    assert [q for _, q in left] == shipped["stock_after"]


# ---- cases of a merchandiser


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, str]]:
    s, told = Shelf(), {}
    for place, kind, province in (("east", "warehouse", "浙江"), ("south", "warehouse", "广东"), ("shop", "store", "浙江")):
        s.rows["warehouses"].append({"warehouse_id": place, "kind": kind, "timezone": "Asia/Shanghai", "province": province, "city": None})
    for place, near in (("east", "浙江"), ("south", "广东"), ("shop", "浙江")):
        for province in ("浙江", "广东"):
            s.rows["courier_rates"] += [
                {"warehouse_id": place, "province": province, "courier_code": courier, "per_kg_amount": kilogram,
                 "base_amount": base if province == near else base * 2, "transit_days": 1 if province == near else 3}
                for courier, base, kilogram in (("sf", 12, "2.00"), ("zto", 6, "9.00"))
            ]  # fmt: skip
    s.rows["products"] += [{"sku": "heavy", "title": "heavy", "weight_grams": 2000}, {"sku": "mug", "title": "mug", "weight_grams": 300}]
    zhejiang, guangdong = {"province": "浙江省", "city": "杭州市"}, {"province": "广东省", "city": "广州市"}

    def count(sku: str, **quantities: object) -> None:
        for place, quantity in quantities.items():
            s.count(sku, quantity, place)

    count("mug", east=10, south=10, shop=10)
    told["near"] = s.sell("mug", 1, **guangdong)
    count("heavy", east=10, south=10)
    told["heavy"] = s.sell("heavy", 2, **zhejiang)
    # One parcel from far is better than two.
    count("cup", east=1, south=5)
    count("plate", south=5)
    told["one parcel"] = s.sell("cup", 1, **zhejiang)
    s.line(told["one parcel"], "plate", 1, line_no=2)
    count("left shoe", east=1)
    count("right shoe", south=1)
    told["two parcels"] = s.sell("left shoe", 1, **zhejiang)
    s.line(told["two parcels"], "right shoe", 1, line_no=2)
    # The chosen store first, even before older orders; what it lacks is sent there.
    count("pick up", shop=2, east=1)
    told["older"] = s.sell("pick up", 2, age=3, promised_ship_at=ago(2), **zhejiang)
    told["pick-up"] = s.sell("pick up", 3, age=0.2, is_pickup="true", pickup_store_id="shop", **zhejiang)
    # Scarce: who was promised first, then who reserved first.
    count("scarce", east=2)
    told["second"] = s.sell("scarce", 1, age=0.9)
    told["third"] = s.sell("scarce", 1, age=0.5)
    told["first"] = s.sell("scarce", 1, age=0.1, promised_ship_at=ago(-0.5))
    # On a pick list of the far warehouse, although the near one has it: never moved, and the rest goes along.
    count("picked", east=5, south=5)
    told["picked"] = s.sell("picked", 3, **zhejiang)
    s.rows["shipments"].append(
        {**SHOP, "warehouse_id": "south", "outbound_id": "PICK1", "channel_order_id": told["picked"], "sku": "picked", "quantity": 2,
         "released_at": ago(0.2)}
    )  # fmt: skip
    # One line has stock, the other none: the order waits as a whole.
    count("there", east=5)
    told["waits"] = s.sell("there", 1)
    s.line(told["waits"], "nowhere", 1, line_no=2)
    # A bundle is complete in one warehouse; safety stock and holds are not given away.
    s.kit("set", {"half": 2})
    count("half", east=1, south=3)
    told["bundle"] = s.sell("set", 1)
    s.count("kept", 5, "east", safety_stock_qty=3)
    s.hold("kept", 1, "east")
    told["kept"] = s.sell("kept", 2)
    told["unpaid"] = s.sell("mug", 1, age=0, status="created", paid_at=None)
    return s.run(new_home(tmp_path_factory.mktemp("sent") / "home")), told


@pytest.mark.parametrize(
    ("order", "places", "reasons"),
    [
        ("near", {"south": 1}, {"one_parcel"}),
        ("heavy", {"east": 2}, {"one_parcel"}),
        ("one parcel", {"south": 2}, {"one_parcel"}),
        ("two parcels", {"east": 1, "south": 1}, {"several_parcels"}),
        ("pick-up", {"shop": 2, "east": 1}, {"pickup_store", "pickup_transfer"}),
        ("older", {}, {"insufficient_stock"}),
        ("first", {"east": 1}, {"one_parcel"}),
        ("second", {"east": 1}, {"one_parcel"}),
        ("third", {}, {"insufficient_stock"}),
        ("picked", {"south": 3}, {"on_pick_list"}),
        ("waits", {}, {"waits_for_other_lines", "no_stock_record"}),
        ("bundle", {"south": 1}, {"one_parcel"}),
        ("kept", {}, {"insufficient_stock"}),
        ("unpaid", {}, set()),
    ],
)
def test_from_where(sent: tuple[Home, dict[str, str]], order: str, places: dict[str, int], reasons: set[str]) -> None:
    home, told = sent
    rows = rows_of(home)[told[order]]
    assert (where(rows), {r["reason"] for r in rows}) == (places, reasons)


def test_charges_by_weight_and_courier(sent: tuple[Home, dict[str, str]]) -> None:
    """Four kilograms: 12 + 3 × 2 by one courier is less than 6 + 3 × 9 by the other; 300 grams go by the other."""
    home, told = sent
    rows = rows_of(home)
    heavy, near = rows[told["heavy"]][0], rows[told["near"]][0]
    assert (heavy["courier_code"], heavy["cost_amount"], heavy["transit_days"]) == ("sf", Decimal("18.00"), 1)
    assert (near["courier_code"], near["cost_amount"], near["gap_ratio"]) == ("zto", Decimal("6.00"), 0)


def test_what_is_there_may_leave_first(home: Home) -> None:
    home.settings_file.write_text("[thresholds]\nshipments_max_count = 2\npickup_sources_max_count = 1\n", encoding="utf-8")
    s = Shelf()
    s.count("S", 2, "W1")
    s.count("S", 9, "W2")
    part = s.sell("P", 3)
    s.count("P", 2, "W1")
    store = s.sell("S", 3, is_pickup="true", pickup_store_id="W1")
    s.run(home)
    rows = rows_of(home)
    assert where(rows[part]) == {"W1": 2}
    assert where(rows[store]) == {"W1": 2}
    assert [(r["warehouse_id"], r["quantity"], r["reason"]) for r in rows[part]] == [
        ("W1", 2, "one_parcel"),
        ("unassigned", 0, "insufficient_stock"),
    ]


def test_a_strategy_nobody_knows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[stock]\nallocation = "cheapest"\n', encoding="utf-8")
    with pytest.raises(Usage, match="single_node_first"):
        load_settings(tmp_path / "settings.toml")
