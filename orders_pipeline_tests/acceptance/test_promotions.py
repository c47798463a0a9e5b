"""A small shop world with promotions whose truth is known, dropped as standard files: what is attributed, what is refused and why."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests import support

FIRST, DAYS, SHOPS, SKUS = date(2025, 1, 1), 210, 4, 12
PRICE, LIFT = 20, 1.2
PARTS = "natural_amount + repurchase_amount + competitor_amount + cannibalised_amount + pulled_forward_amount + incremental_amount"

#: promotion -> (skus, shops, first day, last day, lift)
PROMOTIONS = {
    "lifted": ((0,), (0, 1), 100, 106, LIFT),
    "lifted_again": ((4,), (0, 1), 60, 66, LIFT),
    "lifted_too": ((8,), (2, 3), 110, 116, LIFT),
    "lifted_more": ((1,), (2, 3), 150, 156, LIFT),
    "nothing_happened": ((5,), (0, 1), 120, 126, 0.0),
    "overlapped": ((9,), (0, 1), 70, 76, 0.5),
    "overlapping": ((9,), (0, 1), 74, 80, 0.5),
    "empty_shelf": ((10,), (0, 1), 100, 106, 0.5),
    "too_young": ((3,), (0, 1), 140, 146, 0.5),
    "always_on": ((7,), (0,), 60, 160, 0.1),
    "too_few": ((11,), (3,), 90, 91, 0.1),
    "no_goods": ((99,), (0,), 90, 91, 0.1),
    "still_open": ((2,), (0,), 205, 220, 0.1),
    "aftermath_open": ((6,), (2, 3), 186, 192, LIFT),
}


def day(number: int, first: date = FIRST) -> str:
    return f"{first + timedelta(days=number)}T00:00:00+08:00"


def sales() -> np.ndarray:
    """Units per SKU, shop and day: Poisson with a common season, promotions on top."""
    chance = np.random.default_rng(7)
    level = 6 * np.exp(0.1 * np.sin(np.arange(DAYS) / 30)) * np.where(np.arange(DAYS) % 7 > 4, 1.2, 1.0)
    mean = np.broadcast_to(level, (SKUS, SHOPS, DAYS)).copy()
    mean[11] *= 0.1
    mean[3, :, :120] = 0
    mean[10, :, 101:105] = 0
    units = chance.poisson(mean)
    for skus, shops, start, end, lift in PROMOTIONS.values():
        for sku in (s for s in skus if s < SKUS):
            for shop in shops:
                window = slice(start, min(end + 1, DAYS))
                units[sku, shop, window] += chance.poisson(lift * mean[sku, shop, window])
    return units


def world(first: date = FIRST) -> dict[str, list[dict[str, Any]]]:
    """The rows of each standard entity, from this day on."""
    orders: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    units = sales()
    for shop in range(SHOPS):
        for number in range(DAYS):
            key = {"channel": f"shop{shop}", "shop_id": "main", "channel_order_id": f"D{number:04d}"}
            sold = [(sku, int(units[sku, shop, number])) for sku in range(SKUS) if units[sku, shop, number]]
            due = sum(count for _, count in sold) * PRICE
            orders.append({**key, "status": "completed", "currency": "CNY", "payable_amount": due, "created_at": day(number, first),
                           "paid_at": day(number, first), "completed_at": day(number, first), "buyer_account": f"buyer{number % 2}"})  # fmt: skip
            lines += [{**key, "sku": f"S{sku}", "quantity": count, "list_amount": count * PRICE, "payable_amount": count * PRICE,
                       "category": f"C{sku // 4}"} for sku, count in sold]  # fmt: skip
    promotions = [
        {"promotion_id": name, "name": name, "kind": "coupon", "channel": f"shop{shop}", "sku": f"S{sku}", "starts_at": day(start, first),
         "ends_at": day(end + 1, first)}
        for name, (skus, shops, start, end, _) in PROMOTIONS.items() for sku in skus for shop in shops
    ]  # fmt: skip
    stock = [{"warehouse_id": "W", "sku": "S10", "counted_at": day(at, first), "on_hand_qty": left} for at, left in ((1, 9), (101, 0), (105, 9))]
    events = [{"channel": "shop0", "category": "C1", "starts_at": day(40, first), "ends_at": day(43, first)}]
    discounts = [{"channel": "shop0", "shop_id": "main", "channel_order_id": "D0101", "promotion_id": "lifted", "funder": "merchant",
                  "scope": "order", "amount": 50}]  # fmt: skip
    return {"orders": orders, "order_lines": lines, "promotions": promotions, "stock": stock, "events": events, "discounts": discounts}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    place = support.new_home(tmp_path_factory.mktemp("promotions"))
    for entity, rows in world().items():
        support.land(place, entity, rows)
    support.run(place, f"{FIRST + timedelta(days=DAYS)}T12:00:00+08:00")
    return place


@pytest.fixture(scope="module")
def rows(home: Home) -> dict[str, dict[str, Any]]:
    return {row["promotion_id"]: row for row in support.records(home, "SELECT * FROM promotions.attribution")}


@pytest.mark.parametrize(
    ("promotion", "reason"),
    [
        ("overlapped", "overlapping_promotion"),
        ("overlapping", "overlapping_promotion"),
        ("empty_shelf", "stockout"),
        ("too_young", "insufficient_clean_history"),
        ("always_on", "promotion_too_long"),
        ("too_few", "too_few_units"),
        ("no_goods", "no_target_goods"),
        ("still_open", "window_open"),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_reason(rows: dict, promotion: str, reason: str) -> None:
    row = rows[promotion]
    assert (row["status"], row["reason"]) == ("not_estimable", reason)
    assert row["incremental_amount"] is None and row["verdict"] is None


def test_every_promotion_has_a_row_and_the_gmv_of_its_order_lines(home: Home, rows: dict) -> None:
    assert rows.keys() == PROMOTIONS.keys()
    for name, (skus, shops, start, end, _) in PROMOTIONS.items():
        chosen = ", ".join(f"'S{sku}'" for sku in skus)
        places = ", ".join(f"'shop{shop}'" for shop in shops)
        first, last = FIRST + timedelta(days=start), FIRST + timedelta(days=end)
        seen = support.query(
            home,
            f"SELECT coalesce(sum(l.payable_amount), 0) FROM orders.order_lines l JOIN orders.orders o USING (order_guid) "
            f"WHERE l.sku IN ({chosen}) AND o.channel IN ({places}) AND o.created_on BETWEEN '{first}' AND '{last}'",
        )
        assert rows[name]["observed_gmv_amount"] == seen[0][0], name


def test_parts_add_up_to_the_cent(home: Home) -> None:
    made = support.query(
        home, f"SELECT {PARTS} - observed_gmv_amount FROM promotions.attribution WHERE status <> 'not_estimable'"
    )
    assert len(made) == 6
    assert {left for (left,) in made} == {Decimal("0.00")}


def test_a_lift_is_found_and_a_promotion_that_did_nothing_is_not_praised(rows: dict) -> None:
    for name in ("lifted", "lifted_again", "lifted_too", "lifted_more"):
        row = rows[name]
        assert row["status"] == "estimated"
        base = float(row["observed_gmv_amount"]) / (1 + LIFT)
        assert float(row["gross_lift_amount"]) == pytest.approx(LIFT * base, rel=0.25)
        assert row["incremental_low_amount"] <= round(LIFT * base) <= row["incremental_high_amount"]
        assert row["verdict"] == "positive"
    quiet = rows["nothing_happened"]
    assert quiet["verdict"] == "inconclusive"
    assert quiet["incremental_low_amount"] < 0 < quiet["incremental_high_amount"]


def test_days_after_the_window_must_be_over_before_the_number_is_final(rows: dict) -> None:
    assert (rows["aftermath_open"]["status"], rows["aftermath_open"]["reason"]) == ("provisional", "post_window_open")


def test_discounts_of_the_ledger_give_the_return(rows: dict) -> None:
    row = rows["lifted"]
    assert row["discount_cost_amount"] == 50
    assert row["roi_ratio"] == pytest.approx(float(row["incremental_amount"]) / 50)
    assert rows["lifted_too"]["discount_cost_amount"] is None and rows["lifted_too"]["roi_ratio"] is None


def test_the_days_say_what_was_kept_out_of_learning(home: Home) -> None:
    made = support.query(
        home,
        "SELECT masked_reason, count(*), count(counterfactual_amount) FROM promotions.attribution_daily "
        "WHERE promotion_id = 'lifted' GROUP BY masked_reason",
    )
    assert {reason: counts for reason, *counts in made} == {
        None: [25, 25], "notice": [3, 3], "promotion": [7, 7], "aftermath": [21, 21]
    }  # fmt: skip


def test_a_second_run_changes_nothing(home: Home, tmp_path: Path) -> None:
    before = support.query(home, "SELECT * FROM promotions.attribution ORDER BY promotion_id")
    support.run(home, f"{FIRST + timedelta(days=DAYS)}T12:00:00+08:00", full=True)
    assert support.query(home, "SELECT * FROM promotions.attribution ORDER BY promotion_id") == before


def test_overlapping_promotions_are_told_together_and_apart_where_each_ran_alone(home: Home, rows: dict) -> None:
    (joint,) = support.records(home, "SELECT * FROM promotions.joint_attribution")
    assert joint["promotion_ids"] == "overlapped + overlapping" and joint["status"] == "estimated"
    assert {name for name, row in rows.items() if row["joint_guid"]} == {"overlapped", "overlapping"}
    once = int(sales()[9, :2, 70:81].sum()) * PRICE
    assert joint["observed_gmv_amount"] == once
    shares = support.records(home, "SELECT * FROM promotions.joint_shares ORDER BY promotion_id")
    assert [row["promotion_id"] for row in shares] == ["overlapped", "overlapping"]
    assert sum(row["alone_gmv_amount"] for row in shares) + shares[0]["shared_gmv_amount"] == once
    assert sum(row["incremental_amount"] for row in shares) == joint["incremental_amount"]
