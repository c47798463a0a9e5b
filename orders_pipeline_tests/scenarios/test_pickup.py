"""Goods to be fetched in a store: only what it has, or the store first and then what warehouses send it (DOMAIN: LOCAL and ALL)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from orders_pipeline.cli import main
from orders_pipeline.inventory import promise, rules
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF
from orders_pipeline_tests.scenarios.test_stock_vectors import Stock
from orders_pipeline_tests.support import new_home

TODAY = AS_OF.date()
LATER = TODAY + timedelta(days=2)


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Home:
    s = Stock()
    s.rows["warehouses"] += [
        {"warehouse_id": w, "kind": kind, "timezone": "Asia/Shanghai", "is_active": active}
        for w, kind, active in (("W1", "warehouse", "true"), ("W2", "warehouse", "true"), ("shop", "store", "true"), ("shut", "store", "false"))
    ]
    s.count("cup", 2, "shop")
    s.count("cup", 5, "W1")
    s.count("elsewhere", 9, "W1")
    # What one warehouse owes takes nothing from the store.
    s.count("owed", 1, "shop")
    s.count("owed", 3, "W1")
    s.order("owed", 8, place="W1")
    s.count("owed", 1, "W2")
    # The store gets its own goods tomorrow, before a transfer could be there.
    s.count("tomorrow", 0, "shop")
    s.expect("tomorrow", 3, 1, "shop")
    s.count("tomorrow", 4, "W2")
    s.kit("pair", {"left": 1, "right": 1})
    s.count("left", 4, "shop")
    s.count("right", 4, "W1")
    s.count("left", 1, "W2")
    s.count("right", 1, "W2")
    return s.run(new_home(tmp_path_factory.mktemp("shops") / "home"))


def fetched(home: Home, lines: dict[str, int], local: bool, policy: str = "partial", store: str = "shop") -> tuple[list[tuple[str, int]], int]:
    request = promise.Request(
        [(sku, Decimal(n)) for sku, n in lines.items()], TODAY, rules.POLICIES[policy], store=store, is_store_only=local
    )
    found = promise.promise(home, request)["pickup"]
    return [(d["day"], int(d["quantity"])) for d in found["deliveries"]], int(found["short_qty"])


@pytest.mark.parametrize(
    ("lines", "local", "policy", "deliveries", "short"),
    [
        ({"cup": 2}, True, "full", [(TODAY, 2)], 0),
        ({"cup": 4}, True, "partial", [(TODAY, 2)], 2),
        ({"cup": 4}, False, "partial", [(TODAY, 2), (LATER, 2)], 0),
        ({"cup": 4}, False, "late", [(LATER, 4)], 0),
        ({"cup": 4}, False, "full", [], 4),
        ({"cup": 8}, False, "partial", [(TODAY, 2), (LATER, 5)], 1),
        ({"elsewhere": 1}, True, "partial", [], 1),
        ({"elsewhere": 1}, False, "partial", [(LATER, 1)], 0),
        ({"owed": 3}, False, "partial", [(TODAY, 1), (LATER, 1)], 1),
        ({"tomorrow": 5}, True, "partial", [(TODAY + timedelta(days=1), 3)], 2),
        ({"tomorrow": 5}, False, "partial", [(TODAY + timedelta(days=1), 3), (LATER, 2)], 0),
        # A bundle leaves a warehouse complete; lines of a basket meet in the store.
        ({"pair": 2}, False, "partial", [(LATER, 1)], 1),
        ({"pair": 1}, True, "partial", [], 1),
        ({"cup": 1, "elsewhere": 1}, False, "late", [(LATER, 1)], 0),
        ({"cup": 1, "elsewhere": 1}, True, "late", [], 1),
        ({"cup": 7, "elsewhere": 1}, False, "late", [(LATER, 1)], 0),
        ({"cup": 8, "elsewhere": 1}, False, "late", [], 1),
    ],
)
def test_what_can_be_fetched_and_when(
    shops: Home, lines: dict[str, int], local: bool, policy: str, deliveries: list[tuple[str, int]], short: int
) -> None:
    assert fetched(shops, lines, local, policy) == ([(str(day), n) for day, n in deliveries], short)


@pytest.mark.parametrize(("store", "says"), [("shut", "is closed"), ("nobody", "knows the store nobody")])
def test_a_store_that_cannot_be_fetched_from_is_refused(shops: Home, store: str, says: str) -> None:
    with pytest.raises(Usage, match=says):
        fetched(shops, {"cup": 1}, local=False, store=store)


def test_the_command_says_when(shops: Home, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["--home", str(shops.root), "--sku", "cup", "--quantity", "4", "--pickup", "shop"]
    assert main(["promise", *there]) == 0
    assert f"2 on {TODAY}, 2 on {LATER}" in capsys.readouterr().out
    assert main(["promise", *there, "--sources", "local"]) == 0
    assert "short of 2" in capsys.readouterr().out
    assert main(["promise", *there, "--warehouse", "W1"]) == 2
