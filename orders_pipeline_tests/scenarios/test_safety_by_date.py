"""Safety stock by date: kept back from its day on, in promises made before, in the figure when the day has come."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from orders_pipeline.inventory import explain, promise, rules
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.scenarios.test_stock_vectors import Stock, figures
from orders_pipeline_tests.support import query, run


def season(day: int, quantity: int, sku: str = "S", **more: Any) -> dict[str, Any]:
    """What is kept back from a day on, counted from today."""
    return {
        "warehouse_id": "W1", "sku": sku, "starts_on": (AS_OF + timedelta(days=day)).date().isoformat(),
        "safety_stock_qty": quantity, **more,
    }  # fmt: skip


def test_a_season_is_seen_ahead_and_comes_by_the_clock(home: Home) -> None:
    stock = Stock()
    stock.count("S", 30, safety_stock_qty=10)
    number = stock.order("S", 2, due=0)
    stock.rows["safety_stocks"] += [
        season(5, 99, exported_at=ago(2)), season(5, 20, exported_at=ago(1)), season(10, 5), season(1, 7, sku="nowhere")
    ]  # fmt: skip
    stock.run(home)

    def figure() -> tuple[Decimal, Decimal, list[tuple[str, str]]]:
        row = figures(home)["S"][0]
        behind = query(home, "SELECT kind, reference_id FROM inventory.atp_evidence WHERE component = 'safety_stock' AND sku = 'S'")
        return row["safety_stock_qty"], row["atp_qty"], [(kind, reference[:5]) for kind, reference in behind]

    def available(own: str | None = None) -> Decimal:
        request = promise.Request([("S", Decimal(1))], None, rules.POLICIES["partial"], "W1", own)
        return promise.promise(home, request)["all_warehouses"]["available_qty"]

    assert figure() == (10, 18, [("count", "count")])
    assert available() == 8
    assert available(own=number) == 10
    days = query(home, "SELECT safety_stock_qty, atp_qty FROM inventory.atp_by_day WHERE sku = 'S' ORDER BY day")
    assert days == [(10, 8)] * 5 + [(20, 8)] * 5 + [(5, 23)] * 21
    run(home, AS_OF + timedelta(days=5))
    assert figure() == (20, 8, [("plan", "from ")])
    shown = explain.text(explain.explain(home, "S"))
    assert "safety_stocks" in shown
    assert "30 on_hand - 2 reserved - 20 safety_stock = 8" in shown
    run(home, AS_OF + timedelta(days=10))
    assert figure() == (5, 23, [("plan", "from ")])
    assert query(home, "SELECT is_safety_given, safety_stock_qty FROM inventory.replenishment WHERE sku = 'S'") == [(True, 5)]
    failed = query(home, "SELECT check_name FROM quality.check_results WHERE NOT passed AND severity = 'error'")
    assert failed == []
