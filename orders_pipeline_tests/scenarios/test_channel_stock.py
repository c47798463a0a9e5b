"""What a merchandiser sees of the channels: how much each may show, what it showed too much, and which orders nobody can ship.

Every case has goods of its own, so that all of them share a home and a run.
"""

from __future__ import annotations

from typing import Any

import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, ago
from orders_pipeline_tests.scenarios.test_stock_vectors import SHOP, Stock
from orders_pipeline_tests.support import land, new_home, query, records, run

DOUYIN = {"channel": "douyin", "shop_id": "main"}
JD = {"channel": "jd", "shop_id": "main"}
CHANNELS = [SHOP, DOUYIN, JD, {"channel": "pinduoduo", "shop_id": "main"}, {"channel": "youzan", "shop_id": "b"}]


class Shelf(Stock):
    """Stock, and what channels show of it."""

    def show(self, sku: str, mode: str = "shared", shop: dict[str, str] = SHOP, age: float = 1, **more: Any) -> None:
        self.rows["channel_stock"].append({**shop, "sku": sku, "mode": mode, "shown_at": ago(age), **more})

    def sell(self, sku: str, quantity: object = 1, shop: dict[str, str] = SHOP, age: float = 0.5, **more: Any) -> str:
        """A paid order of one line, accepted `age` days ago."""
        at = {"created_at": ago(age), "paid_at": ago(age), **more}
        number = self.order(sku, quantity, place=at.pop("place", None), **shop, **at)
        self.rows["order_lines"][-1] |= shop
        return number


def availability(home: Home) -> dict[tuple[str, str], dict[str, Any]]:
    return {(r["sku"], r["channel"]): r for r in records(home, "SELECT * FROM inventory.channel_availability")}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    s = Shelf()
    s.rows["warehouses"] += [
        {"warehouse_id": w, "kind": kind, "timezone": "Asia/Shanghai", "is_active": active}
        for w, kind, active in (("W1", "warehouse", "true"), ("W2", "warehouse", "true"), ("STORE", "store", "true"), ("W9", "warehouse", "false"))
    ]
    # The common pool: less a buffer; capped before the buffer is taken; a warehouse that owes goods hides nothing of another's.
    s.count("buffer", 10)
    s.show("buffer", buffer_qty=3)
    s.count("cap", 10)
    s.show("cap", quota_qty=6, buffer_qty=2)
    s.count("signed", 5, "W1")
    s.order("signed", 9, place="W1")
    s.count("signed", 7, "W2")
    s.count("signed", 50, "W9")
    s.show("signed")
    s.count("too much buffer", 2)
    s.show("too much buffer", buffer_qty=3)
    s.show("no stock", shown_qty=4)
    # The last piece on five channels.
    s.count("last", 1)
    for shop in CHANNELS:
        s.show("last", shop=shop)
    # A quota of 6: two pieces wait, one left since it was stated, two left long before.
    s.count("quota", 100)
    s.show("quota", "quota", quota_qty=6, age=1)
    s.sell("quota", 2, age=3)
    s.ship(s.sell("quota", 1, age=0.5, status="shipped", shipped_at=ago(0.4)), "quota", 1, age=0.4)
    s.ship(s.sell("quota", 2, age=5, status="shipped", shipped_at=ago(4)), "quota", 2, age=4)
    s.sell("quota", 3, shop=DOUYIN)
    s.sell("quota", 1, status="cancelled")
    s.count("quota above the pool", 2)
    s.show("quota above the pool", "quota", quota_qty=6)
    # Stock of its own: pieces set apart are in nobody else's pool, nor is a warehouse of one's own.
    s.count("apart", 10)
    s.show("apart", "dedicated", quota_qty=4)
    s.show("apart", shop=DOUYIN)
    s.count("own store", 8, "W1")
    s.count("own store", 3, "STORE")
    s.show("own store", "dedicated", warehouse_id="STORE")
    s.show("own store", shop=DOUYIN)
    s.show("apart, nowhere", "dedicated")
    # Ahead of stock: each limit by itself.
    for sku, limits in {
        "both": {"preorder_limit_qty": 10, "preorder_total_limit_qty": 12},
        "channel only": {"preorder_limit_qty": 10},
        "all only": {"preorder_total_limit_qty": 12},
        "no limit": {},
    }.items():
        s.show(sku, "preorder", **limits)
        s.sell(sku, 3)
        s.sell(sku, 4, shop=DOUYIN)
        s.hold(sku, 2, **SHOP)
    # Bundles; goods that are not kept in stock; the newest figure, told last or not.
    s.kit("kit", {"part": 2})
    s.count("part", 5, "W1")
    s.count("part", 3, "W2")
    s.show("kit")
    s.rows["products"].append({"sku": "voucher", "title": "voucher", "is_stocked": "false"})
    s.show("voucher")
    s.show("voucher", shop=DOUYIN, quota_qty=50, buffer_qty=1)
    s.count("newest", 9)
    s.show("newest", shown_qty=1, age=0.1, buffer_qty=1)
    s.show("newest", shown_qty=8, age=2, buffer_qty=5)
    s.show("newest", shown_qty=99, age=-1)
    home = s.run(new_home(tmp_path_factory.mktemp("shown") / "home"))
    return availability(home)


@pytest.mark.parametrize(
    ("sku", "channel", "published"),
    [
        ("buffer", "taobao", 7), ("cap", "taobao", 4), ("signed", "taobao", 7), ("too much buffer", "taobao", 0),
        ("no stock", "taobao", 0), ("last", "jd", 1), ("quota", "taobao", 3), ("quota above the pool", "taobao", 2),
        ("apart", "taobao", 4), ("apart", "douyin", 6), ("own store", "taobao", 3), ("own store", "douyin", 8),
        ("apart, nowhere", "taobao", 0), ("both", "taobao", 3), ("channel only", "taobao", 5), ("all only", "taobao", 3),
        ("no limit", "taobao", None), ("kit", "taobao", 3), ("voucher", "taobao", None), ("voucher", "douyin", 49),
        ("newest", "taobao", 8),
    ],
)  # fmt: skip
def test_what_a_channel_may_show(shown: dict[tuple[str, str], dict[str, Any]], sku: str, channel: str, published: int | None) -> None:
    assert shown[sku, channel]["published_qty"] == published


def test_what_is_published_beyond_the_pool(shown: dict[tuple[str, str], dict[str, Any]]) -> None:
    figures = {sku: row["over_publication_qty"] for (sku, _), row in shown.items()}
    assert [figures[sku] for sku in ("last", "buffer", "apart", "own store", "no limit")] == [4, -3, 0, 0, None]


def test_the_newest_figure_is_the_one_shown(shown: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert shown["newest", "taobao"]["shown_qty"] == 1
    assert shown["no stock", "taobao"]["shown_qty"] == 4


def test_the_last_pieces_are_dealt_out(home: Home) -> None:
    home.settings_file.write_text("[thresholds]\nlast_units_max_count = 3\n", encoding="utf-8")
    s = Shelf()
    for sku, quantity in (("one", 1), ("three", 3), ("four", 4)):
        s.count(sku, quantity)
        for shop in CHANNELS[:2]:
            s.show(sku, shop=shop, buffer_qty=1 if sku == "three" and shop is SHOP else None)
    s.run(home)
    found = availability(home)
    assert {(sku, c): found[sku, c]["published_qty"] for sku, c in found} == {
        ("one", "douyin"): 1, ("one", "taobao"): 0,
        ("three", "douyin"): 2, ("three", "taobao"): 1,
        ("four", "douyin"): 4, ("four", "taobao"): 4,
    }  # fmt: skip
    assert {sku: found[sku, "taobao"]["over_publication_qty"] for sku in ("one", "three", "four")} == {"one": 0, "three": 0, "four": 4}


@pytest.fixture(scope="module")
def sold_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, str]]:
    s, told = Shelf(), {}
    # Two channels show the last piece; the later order gets nothing.
    s.count("last piece", 1)
    for shop in (SHOP, DOUYIN):
        s.show("last piece", shop=shop, shown_qty=1, age=0.6)
    s.sell("last piece", age=0.55)
    told["two_channels"] = s.sell("last piece", shop=DOUYIN, age=0.5)
    # What the channel showed went to another warehouse.
    s.count("moved", 5, age=2)
    s.move("moved", "transfer_out", -5, age=0.7)
    s.show("moved", shown_qty=5, age=0.6)
    told["transfer"] = s.sell("moved", 2, place="W1", age=0.5)
    # A return the channel counts as back: its goods are not in the warehouse's book yet.
    s.count("coming back", 0)
    s.show("coming back", shown_qty=1, age=0.6)
    s.rows["returns"].append(
        {**SHOP, "return_id": "R1", "channel_order_id": "OLD", "sku": "coming back", "quantity": 1, "kind": "return_refund",
         "status": "refunded", "requested_at": ago(3), "received_at": ago(0.7)}
    )  # fmt: skip
    told["late_return"] = s.sell("coming back", age=0.5)
    # An old figure, nobody else sold.
    s.count("old figure", 0)
    s.show("old figure", shown_qty=3, age=2)
    told["stale_figure"] = s.sell("old figure", age=0.5)
    # The channel showed nothing and sold nevertheless.
    s.count("not shown", 0)
    s.show("not shown", shown_qty=0, age=0.6)
    told["unknown"] = s.sell("not shown", age=0.5)
    # In part: of 3, 2 are there. The later of two orders is short, however they are written; a preorder and a presale wait.
    s.count("in part", 2)
    told["in part"] = s.sell("in part", 3, age=0.5)
    s.count("ahead", 1)
    s.show("ahead", "preorder", shown_qty=10, age=0.6)
    s.sell("ahead", 5, age=0.5)
    s.count("presale", 0)
    s.sell("presale", 5, age=0.5, order_type="presale")
    # A bundle is short of a component.
    s.kit("set", {"half": 2})
    s.count("half", 3)
    s.sell("half", 1, age=0.6)
    told["bundle"] = s.sell("set", 2, age=0.5)
    return s.run(new_home(tmp_path_factory.mktemp("sold_out") / "home")), told


def test_orders_nobody_can_ship(sold_out: tuple[Home, dict[str, str]]) -> None:
    home, told = sold_out
    found = {r["channel_order_id"]: r for r in records(home, "SELECT * FROM inventory.oversells")}
    assert found.keys() == set(told.values())
    for cause in ("two_channels", "transfer", "late_return", "stale_figure", "unknown"):
        assert found[told[cause]]["cause"] == cause
    columns = ("sku", "short_qty", "claimed_qty", "shown_qty", "warehouse_id")
    assert tuple(found[told["two_channels"]][c] for c in columns) == ("last piece", 1, 1, 1, "W1")
    assert tuple(found[told["transfer"]][c] for c in columns) == ("moved", 2, 2, 5, "W1")
    assert tuple(found[told["in part"]][c] for c in columns) == ("in part", 1, 3, None, "W1")
    assert tuple(found[told["bundle"]][c] for c in columns) == ("half", 2, 4, None, "W1")
    assert {str(r["day"]) for r in found.values()} == {str(AS_OF.date())}
    # What falls on presales and preorders is in the balance and is nobody's oversell.
    assert query(home, "SELECT sum(oversold_qty) FROM inventory.atp WHERE sku NOT IN ('ahead', 'presale')")[0][0] == sum(
        r["short_qty"] for r in found.values()
    )


def test_an_oversell_is_told_and_ends_when_goods_come(sold_out: tuple[Home, dict[str, str]]) -> None:
    home, told = sold_out
    raised = query(home, "SELECT count(*) FROM ops.alerts WHERE rule = 'oversold' AND cleared_at IS NULL")[0][0]
    assert raised == len(told)
    s = Stock()
    s.move("last piece", "receipt", 1, age=-0.01)
    for entity, rows in s.rows.items():
        land(home, f"later/{entity}", rows)
    run(home, AS_OF.replace(hour=14))
    left = query(home, "SELECT channel_order_id FROM inventory.oversells")
    assert (told["two_channels"],) not in left
    assert len(left) == len(told) - 1


def test_claims_that_name_no_warehouse_the_last_accepted_is_short(home: Home) -> None:
    s = Shelf()
    s.count("S", 2, "W1")
    s.count("S", 1, "W2")
    numbers = [s.sell("S", 1, age=age, promised_ship_at=ago(-due)) for age, due in ((0.1, 1), (0.9, 5), (0.5, 3), (0.7, 4))]
    s.run(home)
    assert query(home, "SELECT channel_order_id, warehouse_id, short_qty FROM inventory.oversells") == [(numbers[0], "unassigned", 1)]
