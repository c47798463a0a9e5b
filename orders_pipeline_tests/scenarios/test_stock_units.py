"""Stock files that count in cases: converted by the declared factor, and not counted as long as nobody has declared one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.scenarios.test_stock_vectors import Stock, figures
from orders_pipeline_tests.support import land, new_home, query

STATES = ("on_hand_qty", "damaged_qty", "safety_stock_qty", "incoming_qty", "atp_signed_qty")


DECLARED = "SELECT passed FROM quality.check_results WHERE check_name = 'units_are_declared' ORDER BY checked_at DESC LIMIT 1"


def tell(stock: Stock, factor: int, unit: str | None) -> None:
    """A count, a movement and supply; with a factor of 24 and no unit the same in pieces."""
    stock.count("S", 10 * factor, age=2, quantity_unit=unit, damaged_qty=factor, safety_stock_qty=2 * factor)
    stock.move("S", "receipt", 3 * factor, quantity_unit=unit, reference_id="IN1")
    stock.move("S", "sale", -7)
    stock.expect("S", 5 * factor, 3, quantity_unit=unit, inbound_id="IN1")


@pytest.fixture(scope="module")
def in_pieces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    stock = Stock()
    tell(stock, 24, None)
    return figures(stock.run(new_home(tmp_path_factory.mktemp("pieces") / "home")))["S"][0]


@pytest.mark.parametrize("declared", ["before", "with", "after"])
def test_cases_are_the_pieces_they_hold(in_pieces: dict[str, object], tmp_path: Path, declared: str) -> None:
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
    assert {c: figures(home)["S"][0][c] for c in STATES} == {c: in_pieces[c] for c in STATES}
    assert in_pieces["on_hand_qty"] == 24 * 13 - 7
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
