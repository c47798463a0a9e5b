"""Stock files that count in cases: converted by the declared factor, and not counted as long as nobody has declared one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.scenarios.test_stock_vectors import Stock, figures
from orders_pipeline_tests.support import land, new_home, query

STATES = ("on_hand_qty", "damaged_qty", "safety_stock_qty", "incoming_qty", "reserved_qty", "held_qty", "atp_signed_qty")
SHOWN = "SELECT mode, pool_qty, buffer_qty, quota_qty, shown_qty, published_qty FROM inventory.channel_availability ORDER BY mode"


DECLARED = "SELECT passed FROM quality.check_results WHERE check_name = 'units_are_declared' ORDER BY checked_at DESC LIMIT 1"


def tell(stock: Stock, factor: int, unit: str | None) -> None:
    """A count, movements, supply, a parcel, a hold and channels; with a factor of 24 and no unit the same in pieces."""
    stock.count("S", 10 * factor, age=2, quantity_unit=unit, damaged_qty=factor, safety_stock_qty=2 * factor)
    stock.move("S", "receipt", 3 * factor, quantity_unit=unit, reference_id="IN1")
    stock.move("S", "sale", -7, reference_id="B7")
    stock.expect("S", 5 * factor, 3, quantity_unit=unit, inbound_id="IN1")
    number = stock.order("S", 60, place="W1")
    stock.ship(number, "S", 2 * factor, quantity_unit=unit)
    stock.hold("S", factor, quantity_unit=unit)
    for shop, mode in (("a", "quota"), ("b", "shared")):
        stock.rows["channel_stock"].append(
            {"channel": "taobao", "shop_id": shop, "sku": "S", "mode": mode, "shown_qty": 3 * factor, "shown_at": ago(1),
             "quota_qty": 2 * factor, "buffer_qty": factor, "quantity_unit": unit}
        )  # fmt: skip


@pytest.fixture(scope="module")
def in_pieces(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], list[tuple]]:
    stock = Stock()
    tell(stock, 24, None)
    home = stock.run(new_home(tmp_path_factory.mktemp("pieces") / "home"))
    return figures(home)["S"][0], query(home, SHOWN)


@pytest.mark.parametrize("declared", ["before", "with", "after"])
def test_cases_are_the_pieces_they_hold(
    in_pieces: tuple[dict[str, object], list[tuple]], tmp_path: Path, declared: str
) -> None:
    home, stock = new_home(tmp_path / "home"), Stock()
    factor = [{"sku": "S", "unit": "箱", "base_qty": 24}, {"sku": "S", "unit": "托", "base_qty": 960}]
    if declared == "before":
        land(home, "units", factor)
        stock.run(home)
    tell(stock, 1, " 箱 ")
    if declared == "with":
        stock.rows["product_units"] += factor
    stock.run(home)
    if declared == "after":
        assert query(home, DECLARED) == [(False,)]
        stock.rows["product_units"] += factor
        stock.run(home, AS_OF + timedelta(hours=1))
    figure, shown = in_pieces
    assert {c: figures(home)["S"][0][c] for c in STATES} == {c: figure[c] for c in STATES}
    assert figure["on_hand_qty"] == 24 * 13 - 7 - 48
    assert (figure["reserved_qty"], figure["held_qty"]) == (60 - 48, 24)
    assert query(home, SHOWN) == shown
    assert [row[4] for row in shown] == [72, 72]
    assert query(home, DECLARED) == [(True,)]


def test_nobody_guesses_what_a_case_holds(home: Home) -> None:
    stock = Stock()
    stock.count("S", 40, age=3)
    stock.count("S", 2, age=2, quantity_unit="Case")
    stock.move("S", "sale", -1, quantity_unit="Case")
    stock.move("S", "sale", -4, quantity_unit="pcs")
    stock.count("T", 5, quantity_unit="瓶")
    stock.rows["products"].append({"sku": "T", "title": "tea", "unit": "瓶"})
    stock.run(home)
    assert figures(home)["S"][0]["atp_qty"] == 36
    assert figures(home)["T"][0]["atp_qty"] == 5
    unknown = query(
        home,
        "SELECT u.sku, u.unit, u.row_count, u.row_number, f.path FROM inventory.stock_units AS u JOIN ops.files AS f USING (file_id) "
        "WHERE u.base_qty IS NULL",
    )
    assert [row[:3] for row in unknown] == [("S", "CASE", 2)]
    assert unknown[0][3] > 1
    assert "inventory_" in unknown[0][4]
    told = query(home, "SELECT message FROM ops.alerts WHERE rule = 'unit_unknown'")
    assert len(told) == 1
    assert "product_units" in told[0][0]


def test_a_corrected_factor_counts_everything_again(home: Home) -> None:
    stock = Stock()
    stock.count("S", 2, quantity_unit="箱")
    stock.rows["product_units"].append({"sku": "S", "unit": "箱", "base_qty": 12, "exported_at": ago(2)})
    stock.run(home, prefix="1/")
    assert figures(home)["S"][0]["on_hand_qty"] == 24
    stock.rows["product_units"].append({"sku": "S", "unit": "箱", "base_qty": 10, "exported_at": ago(1)})
    stock.run(home, prefix="2/")
    assert figures(home)["S"][0]["on_hand_qty"] == 20


def test_what_left_in_a_unit_nobody_has_declared_is_still_owed(home: Home) -> None:
    """Neither the stock nor the claim changes; nor does a hold or a channel's figure in it count."""
    stock = Stock()
    stock.count("S", 100)
    number = stock.order("S", 30, place="W1")
    stock.ship(number, "S", 10)
    stock.ship(number, "S", 1, quantity_unit="托")
    stock.hold("S", 5, quantity_unit="托")
    stock.rows["channel_stock"] += [
        {"channel": "taobao", "shop_id": "main", "sku": "S", "mode": "shared", "shown_qty": 7, "shown_at": ago(2)},
        {"channel": "taobao", "shop_id": "main", "sku": "S", "mode": "shared", "shown_qty": 9, "shown_at": ago(1), "quantity_unit": "托"},
    ]
    stock.run(home)
    row = figures(home)["S"][0]
    assert (row["on_hand_qty"], row["reserved_qty"], row["held_qty"]) == (90, 20, 0)
    assert query(home, "SELECT shown_qty FROM inventory.channel_availability") == [(7,)]
    assert query(home, "SELECT unit, row_count FROM inventory.stock_units") == [("托", 3)]
    stock.rows["product_units"].append({"sku": "S", "unit": "托", "base_qty": 15})
    stock.run(home)
    row = figures(home)["S"][0]
    assert (row["on_hand_qty"], row["reserved_qty"], row["held_qty"]) == (75, 5, 75)
    assert query(home, "SELECT shown_qty FROM inventory.channel_availability") == [(135,)]
