"""A grocery panel's baskets, campaigns and coupons, dropped as they are, against figures computed without the product."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests import support

AS_OF = "2018-01-01T12:00:00-05:00"
FILES = ("transactions_sample", "campaign_descriptions", "campaigns", "coupons", "coupon_redemptions", "products")


@pytest.fixture(scope="module")
def data(shared: Callable[[str], Path]) -> Path:
    return shared("datasets/complete_journey/results.json").parent


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, list[dict[str, Any]]]:
    results = json.loads((data / "results.json").read_text(encoding="utf-8"))
    return {name: [dict(zip(t["columns"], row, strict=True)) for row in t["rows"]] for name, t in results.items()}


@pytest.fixture(scope="module")
def home(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    place = support.new_home(tmp_path_factory.mktemp("complete_journey"))
    for name in FILES:
        shutil.copy(data / f"{name}.parquet", place.landing)
    support.run(place, AS_OF)
    return place


@pytest.fixture(scope="module")
def damaged(data: Path) -> dict[str, int]:
    """File -> rows whose id stands in scientific notation in the data set itself (4.0128e+10, 9e+05)."""
    ids = {"transactions_sample": "basket_id", "products": "product_id", "coupons": "product_id"}
    return {
        name: duckdb.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT * FROM '{data / name}.parquet') WHERE contains({column}, 'e+')"
        ).fetchall()[0][0]
        for name, column in ids.items()
    }


def test_every_row_is_accepted_an_exact_repeat_or_set_aside_for_its_damaged_id(
    home: Home, data: Path, expected: dict, damaged: dict[str, int]
) -> None:
    counts = {row["t"].split(" ")[0]: row["n"] for row in expected["row counts"]}
    rows = support.query(home, "SELECT path, rows_read, rows_accepted, rows_quarantined, rows_duplicate FROM ops.files")
    distinct = duckdb.execute(f"SELECT count(*) FROM (SELECT DISTINCT * FROM '{data / 'coupons.parquet'}')").fetchall()[0][0]
    wanted = {}
    for name in FILES:
        repeats = counts[name] - distinct if name == "coupons" else 0
        aside = damaged.get(name, 0)
        wanted[f"{name}.parquet"] = (counts[name], counts[name] - repeats - aside, aside, repeats)
    assert {path: tuple(rest) for path, *rest in rows} == wanted
    assert damaged["transactions_sample"] == 1
    reasons = support.query(home, "SELECT DISTINCT reason FROM ops.quarantine")
    assert reasons == [("id_scientific",)], "never repaired by guessing"


def test_baskets_lines_and_money_are_the_profile_s(home: Home, expected: dict, damaged: dict[str, int]) -> None:
    """The one basket with a damaged number holds one line without goods or money."""
    totals, shelf = expected["transactions totals"][0], expected["shelf value and discount share"][0]
    rows = support.query(
        home,
        "SELECT count(*), count(DISTINCT sku), count(DISTINCT warehouse_id), sum(quantity), sum(list_amount), "
        "sum(payable_amount + platform_discount_amount), sum(platform_discount_amount) FROM orders.order_lines",
    )
    money = (shelf["shelf_value"], totals["sales"], totals["coupon_disc"])
    lines = totals["n_lines"] - damaged["transactions_sample"]
    assert rows == [(lines, totals["products"], totals["stores"], int(totals["qty"]), *map(Decimal, money))]
    orders = support.query(home, "SELECT count(*), count(DISTINCT customer_id), sum(list_amount) FROM orders.orders")
    baskets = totals["baskets"] - damaged["transactions_sample"]
    assert orders == [(baskets, totals["households"], Decimal(shelf["shelf_value"]))]


def test_discounts_by_who_pays_for_them(home: Home, expected: dict) -> None:
    totals = expected["transactions totals"][0]
    odd = expected["transactions anomalies"][0]
    rows = support.query(home, "SELECT description, funder, count(*), sum(amount) FROM orders.order_discounts GROUP BY ALL")
    assert set(rows) == {
        ("retail_disc", "merchant", odd["lines_with_retail_disc"], Decimal(totals["retail_disc"])),
        ("coupon_disc", "brand", odd["lines_with_coupon"], Decimal(totals["coupon_disc"])),
        ("coupon_match_disc", "merchant", odd["lines_with_match"], Decimal(totals["coupon_match"])),
    }


def test_months_are_local_ones(home: Home, expected: dict) -> None:
    rows = support.query(
        home,
        "SELECT strftime(o.created_on, '%Y-%m'), sum(l.payable_amount + l.platform_discount_amount), sum(l.platform_discount_amount) "
        "FROM orders.orders o JOIN orders.order_lines l USING (order_guid) GROUP BY 1 ORDER BY 1",
    )
    wanted = expected["monthly sales (local time)"]
    money = [(r["m"], Decimal(r["sales"]), Decimal(r["coupon_disc"])) for r in wanted]
    assert [(m, sales, coupons) for m, sales, coupons in rows] == money


def test_redemptions_break_no_rule(home: Home, expected: dict) -> None:
    wanted = expected["redemptions: rule checks"][0]
    rows = support.query(
        home,
        "SELECT count(*), count(*) FILTER (WHERE NOT is_targeted), count(*) FILTER (WHERE NOT is_in_window), "
        "count(*) FILTER (WHERE NOT is_of_promotion), count(DISTINCT customer_id) FROM promotions.coupon_redemptions",
    )
    assert rows == [(wanted["n"], 0, 0, 0, wanted["households"])]
    assert rows[0][0] == 2102


def test_redemptions_by_campaign_are_the_profile_s(home: Home, expected: dict) -> None:
    rows = support.query(
        home, "SELECT promotion_id, count(*), count(DISTINCT customer_id) FROM promotions.coupon_redemptions GROUP BY 1"
    )
    campaigns = expected["campaigns: type, length, households, coupons, products, redemptions"]
    assert set(rows) == {(r["c"], r["redemptions"], r["redeemers"]) for r in campaigns if r["redemptions"]}


def test_coupon_lines_have_no_one_or_two_candidate_campaigns(home: Home, expected: dict) -> None:
    wanted = next(v for k, v in expected.items() if k.startswith("coupon lines attributed to campaigns"))
    rows = support.query(
        home,
        "SELECT candidate_count, count(*), sum(coupon_amount), sum(payable_amount + coupon_amount), count(promotion_id) "
        "FROM promotions.coupon_lines GROUP BY 1 ORDER BY 1",
    )
    assert [row[:4] for row in rows] == [
        (r["candidate_campaigns"], r["n_lines"], Decimal(r["coupon_disc"]), Decimal(r["sales"])) for r in wanted
    ]
    assert [(row[1], row[4]) for row in rows] == [(1271, 0), (264, 264), (10, 0)], "a campaign is named only where one fits"
