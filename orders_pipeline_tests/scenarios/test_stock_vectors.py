"""The study's vectors on stock, said with files and read from the tables: point in time, by day, bundles, reservations, promises.

Every case has goods of its own, so that the cases of one table share a home and a run. Days of the vectors are told relative to the
clock: the first bucket is today.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from orders_pipeline.inventory import promise, rules
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.support import land, new_home, query, records, run

DAY = timedelta(days=1)
SHOP = {"channel": "taobao", "shop_id": "main"}


class Stock:
    """Collects stock, claims and supply as rows of the standard entities."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.numbers = itertools.count(1)

    def count(self, sku: str, on_hand: object, place: str = "W1", age: float = 1, **more: Any) -> None:
        self.rows["inventory_snapshots"].append(
            {"warehouse_id": place, "sku": sku, "counted_at": ago(age), "on_hand_qty": on_hand, **more}
        )

    def move(self, sku: str, kind: str, quantity: object, place: str = "W1", age: float = 0.5, **more: Any) -> None:
        self.rows["inventory_movements"].append(
            {
                "movement_id": f"M{next(self.numbers)}", "warehouse_id": place, "sku": sku, "kind": kind, "quantity": quantity,
                "occurred_at": ago(age), **more,
            }
        )  # fmt: skip

    def order(
        self, sku: str, quantity: object, place: str | None = None, status: str = "paid", due: int | None = None, **more: Any
    ) -> str:
        """An order of one line; `due` is the day, counted from today, on which it has to leave."""
        number = more.pop("number", None) or f"A{next(self.numbers)}"
        promised = None if due is None else (AS_OF + due * DAY).isoformat()
        self.rows["orders"].append(
            {
                **SHOP, "channel_order_id": number, "status": status, "currency": "CNY", "payable_amount": "1.00",
                "created_at": ago(2), "promised_ship_at": promised, **more,
            }
        )  # fmt: skip
        self.line(number, sku, quantity, place)
        return number

    def line(self, number: str, sku: str, quantity: object, place: str | None = None, **more: Any) -> None:
        self.rows["order_lines"].append(
            {**SHOP, "channel_order_id": number, "sku": sku, "quantity": quantity, "warehouse_id": place, **more}
        )

    def ship(self, number: str, sku: str, quantity: object, place: str = "W1", age: float = 0.5, **more: Any) -> None:
        self.rows["shipments"].append(
            {
                "warehouse_id": place, "outbound_id": f"OUT{next(self.numbers)}", **SHOP, "channel_order_id": number, "sku": sku,
                "quantity": quantity, "shipped_at": ago(age), **more,
            }
        )  # fmt: skip

    def hold(self, sku: str, quantity: object, place: str = "W1", until: float = 1, **more: Any) -> str:
        """A hold that ends `until` days after the clock."""
        number = f"H{next(self.numbers)}"
        self.rows["holds"].append(
            {
                "hold_id": number, "warehouse_id": place, "sku": sku, "quantity": quantity, "reserved_at": ago(3),
                "reserved_until": (AS_OF + until * DAY).isoformat(), **more,
            }
        )  # fmt: skip
        return number

    def expect(self, sku: str, quantity: object, on: int | None, place: str = "W1", **more: Any) -> None:
        """Supply expected on a day counted from today."""
        self.rows["inbound"].append(
            {
                "inbound_id": f"IN{next(self.numbers)}", "kind": "purchase", "warehouse_id": place, "sku": sku,
                "quantity": quantity, "expected_at": None if on is None else (AS_OF + on * DAY).isoformat(),
                "status": "confirmed", **more,
            }
        )  # fmt: skip

    def kit(self, kit: str, parts: Mapping[str, object]) -> None:
        self.rows["kits"] += [{"kit_sku": kit, "component_sku": sku, "component_quantity": n} for sku, n in parts.items()]

    def run(self, home: Home, as_of: datetime = AS_OF, prefix: str = "") -> Home:
        for entity, rows in self.rows.items():
            land(home, f"{prefix}{entity}", rows)
        run(home, as_of)
        self.rows.clear()
        return home


def figures(home: Home) -> dict[str, list[dict[str, Any]]]:
    """SKU -> its rows of the ATP, by warehouse."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in records(home, "SELECT * FROM inventory.atp ORDER BY sku, warehouse_id"):
        found[row["sku"]].append(row)
    return found


def total(rows: Sequence[Mapping[str, Any]], column: str) -> Decimal:
    return sum((row[column] for row in rows), Decimal(0))


def position(home: Home, sku: str) -> Decimal:
    return total(figures(home)[sku], "atp_signed_qty")


# ---- atp_point_in_time.csv


def numbers(text: str) -> list[Decimal]:
    """The numbers of a cell, node by node; words around them are the vector's own remarks."""
    return [Decimal(n) for n in re.findall(r"-?\d+(?:\.\d+)?", re.sub(r"\(.*?\)", "", text or ""))]


def tell(stock: Stock, case: Mapping[str, str]) -> list[str]:
    """One row of the table as files; returns the requester's own holds."""
    sku, bins = case["id"], case["system"].startswith("Odoo")
    on_hand, kept_back = case["on_hand_by_node"], case["threshold_or_safety_stock"] or "0"
    supply = "supply" in on_hand.lower()
    for n, quantity in enumerate([] if supply else numbers(on_hand)):
        # Several figures of one warehouse are bins: they add up, signed, before anything else.
        place = {"place": "W1", "location_id": f"B{n}"} if bins else {"place": f"W{n + 1}"}
        if "inactive" in on_hand and n == 2:
            place = {"place": "closed"}
        stock.count(sku, quantity, safety_stock_qty=kept_back if n == 0 else None, **place)
    if supply:
        stock.expect(sku, numbers(on_hand)[0], on=0)
    hard = case["hard_allocated_by_node"] or ""
    # A ghost is a number in a counter that no document stands behind.
    for n, quantity in enumerate([] if "ghost" in hard else numbers(hard)):
        if quantity:
            one_place = bins or "total" in hard or len(numbers(hard)) < len(numbers(on_hand))
            stock.order(sku, quantity, place=None if one_place else f"W{n + 1}")
    soft, own = case["soft_reserved_by_node_active"] or "", []
    for n, quantity in enumerate(numbers(soft)):
        if quantity:
            place = "W1" if "own" in soft or "total" in soft or bins else f"W{n + 1}"
            number = stock.hold(sku, quantity, place)
            mine = case["own_reservation_excluded"]
            if mine and (mine.startswith("all") or ("own" in soft.split(";")[n])):
                own.append(number)
    for quantity in numbers(case["soft_reserved_expired"]):
        stock.hold(sku, quantity, until=-0.1)
    return own


@pytest.fixture(scope="module")
def moments(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Each row of the table with what the pipeline makes of it."""
    path = shared("vectors/atp_point_in_time.csv")
    with path.open(encoding="utf-8", newline="") as lines:
        cases = list(csv.DictReader(lines))
    homes: dict[str, Home] = {}
    own: dict[str, list[str]] = {}
    for supply in (False, True):
        some = [c for c in cases if ("supply" in c["on_hand_by_node"].lower()) is supply]
        home, stock = new_home(tmp_path_factory.mktemp("moments") / "home"), Stock()
        stock.rows["warehouses"].append(
            {"warehouse_id": "closed", "kind": "warehouse", "timezone": "Asia/Shanghai", "is_active": "false"}
        )
        if supply:
            # The vector's safety factor is a share of a kind of supply.
            share = 1 - numbers(some[0]["threshold_or_safety_stock"])[0] / 100
            home.settings_file.write_text(f"[thresholds]\npurchase_reliability_ratio = {share}\n")
            some = [{**c, "threshold_or_safety_stock": "0"} for c in some]
        for case in some:
            own[case["id"]] = tell(stock, case)
        homes |= dict.fromkeys((c["id"] for c in some), stock.run(home))
    judged = []
    for case in cases:
        home, sku = homes[case["id"]], case["id"]
        if "supply" in case["on_hand_by_node"].lower():
            day = records(home, "SELECT * FROM inventory.atp_by_day WHERE sku = ? ORDER BY day", [sku])[0]
            judged.append((case, {"signed": day["atp_signed_qty"], "published": day["atp_qty"], "home": home}))
            continue
        rows = figures(home)[sku]
        free = [promise_of(home, sku, place=r["warehouse_id"], own=own[sku]) for r in rows] if own[sku] else []
        judged.append((
            case,
            {
                "signed": sum(free, Decimal(0)) if free else total(rows, "atp_signed_qty"),
                "published": sum(free, Decimal(0)) if free else total(rows, "atp_qty"),
                "home": home,
            },
        ))  # fmt: skip
    return judged


def promise_of(home: Home, sku: str, place: str | None = None, own: Sequence[str] = ()) -> Decimal:
    """What can be promised today to somebody with holds of his own (one at a time adds up: they are claims of one kind)."""
    found = []
    for number in own or [None]:
        request = promise.Request([(sku, Decimal(1))], None, rules.POLICIES["partial"], place, number)
        try:
            found.append(promise.promise(home, request)["all_warehouses"]["available_qty"])
        except Usage:
            continue
    base = promise.promise(home, promise.Request([(sku, Decimal(1))], None, rules.POLICIES["partial"], place))
    unowned = base["all_warehouses"]["available_qty"]
    return unowned + sum((one - unowned for one in found), Decimal(0))


def test_point_in_time(moments: list[tuple[dict[str, str], dict[str, Any]]]) -> None:
    assert len(moments) >= 30
    wrong = {}
    for case, found in moments:
        asked, published = case["requested_qty"], found["published"]
        decision = "accept" if asked and Decimal(asked) <= published else "reject"
        expected = (Decimal(case["our_signed"]), Decimal(case["our_published"]))
        if (found["signed"], published) != expected:
            wrong[case["id"]] = (found["signed"], published, expected)
        if case["our_decision"] and not case["our_decision"].startswith(decision):
            wrong[case["id"]] = (decision, case["our_decision"])
    assert wrong == {}


def test_a_shortage_is_oversold_and_stock_below_zero_is_found(moments: list[tuple[dict[str, str], dict[str, Any]]]) -> None:
    home = moments[0][1]["home"]
    assert dict(query(home, "SELECT sku, sum(oversold_qty) FROM inventory.atp WHERE sku IN ('PIT-19', 'PIT-20') GROUP BY sku")) == {
        "PIT-19": 5,
        "PIT-20": 10,
    }
    failing = query(home, "SELECT passed, sample FROM quality.check_results WHERE check_name = 'negative_on_hand'")
    assert not failing[0][0]
    assert "PIT-21" in failing[0][1]
    assert query(home, "SELECT on_hand_qty, atp_qty FROM inventory.atp WHERE sku = 'PIT-21'") == [(-1, 0)]


# ---- atp_time_phased.yaml


def phases(shared: Callable[[str], Path]) -> list[dict[str, Any]]:
    return yaml.safe_load(shared("vectors/atp_time_phased.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def by_day(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[dict[str, Any]]]:
    """Every case that gives buckets of receipts and demand, each with goods of its own."""
    stock, cases = Stock(), phases(shared)
    policies = {case.get("overdue_supply_policy", "ignore") for case in cases}
    assert policies <= {"ignore", "shift"}
    for case in cases:
        sku = case["id"]
        if "receipts" in case:
            stock.count(sku, case["on_hand"])
            for n, (receipt, demand) in enumerate(zip(case["receipts"], case["demand"], strict=True)):
                if receipt:
                    stock.expect(sku, receipt, n)
                if demand:
                    stock.order(sku, demand, due=n)
            for overdue in case.get("overdue_receipts", ()):
                stock.expect(sku, overdue["qty"], (overdue["due"] - case["start"]).days)
        if "confirmed_demand_in_months" in case:
            stock.count(sku, case["on_hand"])
            for months, quantity in case["confirmed_demand_in_months"].items():
                stock.order(sku, quantity, due=30 * months)
            lead = case.get("replenishment_lead_time_months")
            stock.rows["products"].append(
                {"sku": sku, "title": sku, "is_replenishable": str(bool(lead)).lower(), "lead_time_days": lead and 30 * lead}
            )
    return stock.run(new_home(tmp_path_factory.mktemp("days") / "home")), cases


def row_of(home: Home, sku: str, column: str, days: int) -> list[Decimal]:
    found = query(home, f"SELECT {column} FROM inventory.atp_by_day WHERE sku = ? ORDER BY day", [sku])
    assert len(found) == 31, f"{sku}: {len(found)} days"
    return [value for (value,) in found][:days]


def test_by_day(by_day: tuple[Home, list[dict[str, Any]]]) -> None:
    home, cases = by_day
    columns = {
        "reference_pab": "projected_qty", "reference_atp": "atp_signed_qty", "pab": "projected_qty",
        "atp_look_ahead": "atp_signed_qty", "discrete_atp_raw": "discrete_qty", "discrete_atp_after_consumption": "uncommitted_qty",
    }  # fmt: skip
    checked = 0
    for case in cases:
        for name, column in columns.items():
            if name in case and "receipts" in case:
                assert row_of(home, case["id"], column, len(case[name])) == case[name], (case["id"], name)
                checked += 1
    assert checked >= 12


def test_demand_far_ahead_holds_what_is_here_unless_it_is_bought_again(by_day: tuple[Home, list[dict[str, Any]]]) -> None:
    home, cases = by_day
    far = [case for case in cases if "confirmed_demand_in_months" in case]
    assert far
    for case in far:
        today = query(home, "SELECT atp_qty FROM inventory.atp_by_day WHERE sku = ? ORDER BY day", [case["id"]])[0][0]
        assert today == (case["on_hand"] if case.get("replenishment_lead_time_months") else case["our_atp_today"]), case["id"]


def test_overdue_supply_may_be_shifted_instead(home: Home) -> None:
    stock = Stock()
    home.settings_file.write_text("[thresholds]\nsupply_overdue_max_days = 3\n")
    stock.count("S", 17)
    stock.expect("S", 10, -1)
    stock.expect("S", 5, -4)
    stock.expect("S", 7, None)
    stock.order("S", 15, due=0)
    stock.run(home)
    assert row_of(home, "S", "atp_signed_qty", 3) == [2, 12, 12]
    assert query(home, "SELECT stale_supply_qty, undated_supply_qty, incoming_qty FROM inventory.atp") == [(5, 7, 10)]


def test_transfers_are_demand_here_and_supply_there(shared: Callable[[str], Path], home: Home) -> None:
    cases = {case["id"]: case for case in phases(shared)}
    stock = Stock()
    same_day = cases["TP-09"]["transfer"]
    for place in ("WH1", "WH2"):
        stock.count("TP-09", 50, place)
    stock.expect("TP-09", same_day["qty"], 0, same_day["to"], kind="transfer", source_warehouse_id=same_day["from"])
    case = cases["TP-10"]
    done, planned = case["moves"]
    (source, before), (target, there) = case["on_hand"].items()
    for place, quantity in ((source, before), (target, there)):
        stock.count("TP-10", quantity, place)
    stock.move("TP-10", "transfer_out", -done["qty"], source)
    stock.move("TP-10", "transfer_in", done["qty"], target)
    stock.expect("TP-10", planned["qty"], planned["day"], target, kind="transfer", source_warehouse_id=source)
    stock.run(home)
    moved = query(
        home, "SELECT warehouse_id, receipts_qty - demand_qty FROM inventory.atp_by_day WHERE sku = 'TP-09' ORDER BY day, 1"
    )[:2]
    assert moved == [("WH1", cases["TP-09"]["reference_out"]), ("WH2", cases["TP-09"]["reference_in"])]
    assert position(home, "TP-09") == 75
    start = AS_OF.date()
    for forecast in case["reference_forecast"]:
        if forecast["day"] < 0:
            continue
        day = start + timedelta(days=forecast["day"])
        found = dict(query(home, "SELECT warehouse_id, projected_qty FROM inventory.atp_by_day WHERE sku = 'TP-10' AND day = ?", [day]))
        assert found == {place: forecast[place] for place in (source, target)}, forecast


def test_a_commitment_raised_takes_what_was_left(home: Home) -> None:
    """TP-13: three orders hold 140 of 160; of 20 asked for 15 were confirmed; raising them to 20 leaves nothing."""
    stock = Stock()
    stock.count("S", 160)
    stock.order("S", 140)
    number = stock.order("S", 15, exported_at=ago(0.9))
    stock.run(home)
    assert position(home, "S") == 5
    stock.order("S", 20, number=number, exported_at=ago(0.1))
    land(home, "later/orders", stock.rows["orders"])
    land(home, "later/order_lines", stock.rows["order_lines"])
    run(home, AS_OF)
    assert position(home, "S") == 0


# ---- atp_kits.yaml


def kits(shared: Callable[[str], Path]) -> dict[str, dict[str, Any]]:
    return {c["id"]: c for c in yaml.safe_load(shared("vectors/atp_kits.yaml").read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def bundles(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Home:
    cases, stock = kits(shared), Stock()
    one = cases["KIT-01"]
    stock.kit("KIT-01", {f"1{sku}": n for sku, n in one["kit"].items()})
    for sku, figure in one["components"].items():
        stock.count(f"1{sku}", figure["on_hand"])
        stock.order(f"1{sku}", figure["outgoing"], place="W1")
        stock.expect(f"1{sku}", figure["incoming"], 5)
    five = cases["KIT-05"]
    stock.kit("KIT-05", {f"5{sku}": n for sku, n in five["kit"].items()})
    for place in ("node_1", "node_2"):
        for sku, quantity in five[place].items():
            stock.count(f"5{sku}", quantity, place)
    six = cases["KIT-06"]
    stock.kit("KIT-06", {f"6{sku}": n for sku, n in six["kit_K"].items()})
    stock.count("6X", six["component_X"]["atp"])
    seven = cases["KIT-07"]
    stock.kit("KIT-07", {"7C": seven["bom_qty"]})
    for shelf, quantity in seven["component_by_sublocation"].items():
        stock.count("7C", quantity, location_id=shelf)
    # KIT-04: quantity 0 and goods that are not kept in stock do not limit; the same component twice adds up.
    stock.kit("KIT-04", {"4A": 1, "4B": 0, "4V": 1})
    stock.kit("KIT-04", {"4A": 1})
    stock.kit("KIT-04-free", {"4V": 1})
    stock.count("4A", 9)
    stock.rows["products"] += [{"sku": "4A", "title": "a", "is_stocked": "true"}, {"sku": "4V", "title": "v", "is_stocked": "false"}]
    stock.rows["warehouses"].append({"warehouse_id": "W1", "kind": "warehouse", "timezone": "Asia/Shanghai"})
    return stock.run(new_home(tmp_path_factory.mktemp("kits") / "home"))


def kit_rows(home: Home, kit: str) -> dict[str, dict[str, Any]]:
    return {r["warehouse_id"]: r for r in records(home, "SELECT * FROM inventory.kit_atp WHERE sku = ?", [kit])}


def test_bundles_measure_by_measure(shared: Callable[[str], Path], bundles: Home) -> None:
    case = kits(shared)["KIT-01"]
    found = kit_rows(bundles, "KIT-01")["W1"]
    assert (found["atp_signed_qty"], found["atp_qty"]) == (case["correct_immediately_usable_signed"], case["our_published"])
    assert found["limiting_sku"] == "1A"
    assert found["incoming_qty"] == case["kit_level_incoming"]
    last = query(bundles, "SELECT atp_signed_qty FROM inventory.kit_atp_by_day WHERE sku = 'KIT-01' ORDER BY day DESC")[0][0]
    assert last == case["kit_level_forecast"]


def test_a_bundle_is_complete_in_one_warehouse(shared: Callable[[str], Path], bundles: Home) -> None:
    case = kits(shared)["KIT-05"]
    found = {place: row["atp_qty"] for place, row in kit_rows(bundles, "KIT-05").items()}
    assert found == case["kit_atp_by_node"]
    assert sum(found.values()) == case["our_published"]


def test_bins_add_up_before_a_bundle_is_made(shared: Callable[[str], Path], bundles: Home) -> None:
    case = kits(shared)["KIT-07"]
    assert position(bundles, "7C") == case["our_component_available"]
    assert kit_rows(bundles, "KIT-07")["W1"]["atp_qty"] == case["our_kit"]


def test_components_that_do_not_limit(bundles: Home) -> None:
    assert kit_rows(bundles, "KIT-04")["W1"]["atp_qty"] == 4
    assert kit_rows(bundles, "KIT-04-free")["W1"]["atp_qty"] is None


def test_bundles_sold_take_their_components(shared: Callable[[str], Path], bundles: Home) -> None:
    case = kits(shared)["KIT-06"]
    assert (position(bundles, "6X"), kit_rows(bundles, "KIT-06")["W1"]["atp_qty"]) == (case["atp_X"], case["atp_K"])
    stock = Stock()
    stock.order("KIT-06", 2)
    stock.run(bundles, prefix="sold/")
    after = case["after_selling_2_K"]
    assert (position(bundles, "6X"), kit_rows(bundles, "KIT-06")["W1"]["atp_qty"]) == (after["atp_X"], after["atp_K"])


def test_lines_of_one_basket_add_up(shared: Callable[[str], Path], home: Home) -> None:
    two, three = (kits(shared)[name] for name in ("KIT-02", "KIT-03"))
    stock = Stock()
    stock.kit("2K1", {"2I": two["example"]["line_1_needs"]})
    stock.kit("2K2", {"2I": two["example"]["line_2_needs"]})
    stock.count("2I", two["example"]["available"])
    stock.count("3S", three["on_hand"])
    stock.run(home)

    def fits(*lines: tuple[str, int]) -> bool:
        request = promise.Request([(sku, Decimal(n)) for sku, n in lines], None, rules.POLICIES["full"])
        return promise.promise(home, request)["all_warehouses"]["short_qty"] == 0

    assert fits(("2K1", 1))
    assert fits(("2K2", 1))
    assert not fits(("2K1", 1), ("2K2", 1))
    assert fits(("3S", three["same_sku_lines"][0]))
    assert not fits(*(("3S", quantity) for quantity in three["same_sku_lines"]))


# ---- reservations_and_snapshots.yaml


def reserved(home: Home, sku: str) -> Decimal:
    return total(figures(home)[sku], "reserved_qty") + total(figures(home)[sku], "held_qty")


def states(shared: Callable[[str], Path]) -> dict[str, dict[str, Any]]:
    text = shared("vectors/reservations_and_snapshots.yaml").read_text(encoding="utf-8")
    return {case["id"]: case for case in yaml.safe_load(text)}


def test_reservations_follow_their_documents(shared: Callable[[str], Path], home: Home) -> None:
    """RES-01, RES-02: what is reserved is what documents leave open at each step; a cancelled one leaves nothing behind."""
    case = states(shared)["RES-02"]
    stock = Stock()
    stock.count("S", case["order_qty"])
    stock.run(home)
    numbers_of: list[str] = []
    for n, step in enumerate(case["steps"]):
        at = (AS_OF + timedelta(minutes=n)).isoformat()
        if "reserve" in step:
            numbers_of.append(stock.order("S", step["reserve"], exported_at=at))
        else:
            cancelled = next(i for i, s in enumerate(s for s in case["steps"] if "reserve" in s) if next(iter(step.values())) == s["reserve"])
            stock.order("S", 1, number=numbers_of[cancelled], status="cancelled", exported_at=at)
        stock.run(home, AS_OF + timedelta(hours=1 + n), prefix=f"{n}/")
        assert reserved(home, "S") == step["total_reserved"], step
    delivered = stock.order("S", states(shared)["RES-01"]["voucher_qty"], exported_at=ago(0))
    stock.run(home, AS_OF + timedelta(hours=9), prefix="all/")
    assert reserved(home, "S") == 50
    for quantity, left in ((10, 40), (40, 0)):
        stock.ship(delivered, "S", quantity, age=-0.01)
        stock.run(home, AS_OF + timedelta(hours=10), prefix=f"out{quantity}/")
        assert (reserved(home, "S"), position(home, "S")) == (left, 0)


def test_a_hold_is_changed_without_meeting_itself(shared: Callable[[str], Path], home: Home) -> None:
    case = states(shared)["RES-03"]
    stock = Stock()
    stock.count("S", case["stocked"])
    stock.hold("S", case["reserved_first"])
    hold = dict(stock.rows["holds"][0])
    stock.run(home)
    for n, update in enumerate(case["updates"]):
        request = promise.Request([("S", Decimal(update["to"]))], None, rules.POLICIES["full"], own=hold["hold_id"])
        assert promise.promise(home, request)["all_warehouses"]["short_qty"] == 0, update
        land(home, f"hold{n}", [{**hold, "quantity": update["to"], "reserved_at": (AS_OF + timedelta(minutes=n)).isoformat()}])
        run(home, AS_OF + timedelta(hours=n + 1))
        assert total(figures(home)["S"], "held_qty") == update["to"], update
    request = promise.Request([("S", Decimal(case["stocked"] + 1))], None, rules.POLICIES["full"], own=hold["hold_id"])
    assert promise.promise(home, request)["all_warehouses"]["short_qty"] > 0


@pytest.mark.parametrize("documents", ["sale movements", "outbound lines"])
def test_picking_does_not_change_what_can_be_sold(shared: Callable[[str], Path], home: Home, documents: str) -> None:
    """RES-05 and RES-06: figures, reservations, picks, a short pick, and the nightly file that knows of all of it."""
    cases = states(shared)
    five, six = cases["RES-05"]["steps"], cases["RES-06"]["steps"]
    stock, clock = Stock(), itertools.count(1)

    def position_after(expected: Mapping[str, Any], step: int = 0) -> None:
        moment = AS_OF + timedelta(hours=next(clock))
        stock.run(home, moment, prefix=f"{moment:%d%H}/")
        assert position(home, "S") == expected["position"], expected["event"]

    def issued(number: str, quantity: int) -> None:
        if documents == "outbound lines":
            stock.ship(number, "S", quantity, age=-0.01)
        else:
            stock.move("S", "sale", -quantity, age=-0.01, reference_id=number)

    stock.count("S", five[0]["last_on_hand"], age=2)
    position_after(five[0])
    stock.count("S", five[1]["last_on_hand"], age=1)
    position_after(five[1])
    first = stock.order("S", 3)
    position_after(five[2])
    issued(first, 3)
    position_after(five[3])
    second = stock.order("S", 5, exported_at=ago(0.5))
    position_after(five[4])
    assert six[0]["position"] == five[4]["position"]
    issued(second, 1)
    stock.move("S", "adjustment", -4, age=-0.01)
    stock.order("S", 1, number=second, status="cancelled", exported_at=ago(-0.01))
    position_after(six[1])
    stock.count("S", six[2]["position"], age=-0.3)
    clock = itertools.count(9)
    position_after(six[2])
    assert reserved(home, "S") == 0


@pytest.mark.parametrize("documents", ["sale movements", "outbound lines", "both"])
def test_a_figure_absorbs_what_left_before_it(shared: Callable[[str], Path], home: Home, documents: str) -> None:
    case = states(shared)["RES-07"]
    counted, report = (datetime.fromisoformat(case[key]["at"] if key == "snapshot" else case[key]) for key in ("snapshot", "report_at"))
    assert report > counted
    stock = Stock()
    zone = "+08:00"
    stock.rows["inventory_snapshots"].append(
        {"warehouse_id": "W1", "sku": "S", "counted_at": case["snapshot"]["at"] + ":00" + zone, "on_hand_qty": case["snapshot"]["on_hand"]}
    )
    for n, shipment in enumerate(case["shipments"]):
        number = f"GONE{n}"
        stock.order("S", shipment["qty"], number=number, status="shipped", created_at="2026-03-01T08:00:00" + zone)
        at = shipment["at"] + ":00" + zone
        if documents != "sale movements":
            stock.ship(number, "S", shipment["qty"])
            stock.rows["shipments"][-1]["shipped_at"] = at
        if documents != "outbound lines":
            stock.move("S", "sale", -shipment["qty"], reference_id=number)
            stock.rows["inventory_movements"][-1]["occurred_at"] = at
    stock.order("S", case["open_allocations_at_report"], created_at="2026-03-01T08:00:00" + zone)
    stock.run(home, datetime.fromisoformat(case["report_at"] + ":00" + zone))
    row = figures(home)["S"][0]
    assert (row["on_hand_qty"], row["atp_signed_qty"]) == (case["on_hand_at_report"], case["our_atp"])


def test_returned_goods_wait_for_inspection(home: Home) -> None:
    """RES-11: received, on hand and not to be promised; restocked, promised; found damaged, never."""
    stock = Stock()
    for sku in ("restocked", "scrapped"):
        stock.count(sku, 267)
        stock.move(sku, "return_received", 1, age=0.4, reference_id="R1")
    stock.run(home)
    for sku in ("restocked", "scrapped"):
        row = figures(home)[sku][0]
        assert (row["on_hand_qty"], row["quality_control_qty"], row["atp_qty"]) == (268, 1, 267)
    stock.move("restocked", "restock", 1, age=0.3, reference_id="R1")
    stock.move("scrapped", "damage", -1, age=0.3, reference_id="R1")
    stock.run(home, prefix="inspected/")
    found = {sku: figures(home)[sku][0] for sku in ("restocked", "scrapped")}
    assert {s: (r["on_hand_qty"], r["quality_control_qty"], r["atp_qty"]) for s, r in found.items()} == {
        "restocked": (268, 0, 268),
        "scrapped": (267, 0, 267),
    }


# ---- promise_policies.yaml

#: The vector's words -> the policy.
WORDS = {
    "PP-A": rules.Policy(),
    "PP-B": rules.Policy(max_late_days=0),
    "PP-C": rules.POLICIES["late"],
    "PP-D": rules.POLICIES["full"],
    "PP-E": rules.Policy(max_late_days=2),
    "PP-F": rules.Policy(min_quantity=Decimal(11)),
    "PP-G": rules.Policy(min_quantity=Decimal(30)),
}


def test_promises_by_policy(shared: Callable[[str], Path], home: Home) -> None:
    given = yaml.safe_load(shared("vectors/promise_policies.yaml").read_text(encoding="utf-8"))
    common, stock = given["common"], Stock()
    due = common["demand"]["due"]
    for case in given["cases"]:
        receipt = case.get("receipt", common["receipt"])
        stock.count(case["id"], case.get("on_hand_at_due", common["on_hand_at_due"]))
        stock.expect(case["id"], receipt["qty"], (receipt["date"] - due).days)
    stock.run(home)
    today = AS_OF.date()
    for case in given["cases"]:
        request = promise.Request([(case["id"], Decimal(common["demand"]["qty"]))], today, WORDS[case["id"]])
        if case["id"] == "PP-G":
            with pytest.raises(Usage, match="policy is invalid"):
                promise.promise(home, request)
            continue
        found = promise.promise(home, request)["warehouses"]["W1"]
        expected = [{"day": str(today + (d["date"] - due)), "quantity": d["qty"]} for d in case["deliveries"]]
        assert (found["deliveries"], found["short_qty"]) == (expected, case["short"]), case["id"]
