"""Each kind of file arriving after, and before, each other kind: what it changes elsewhere is found by key, one file per run."""

from __future__ import annotations

import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.properties.worlds import LAST, SHOP, File, at
from orders_pipeline_tests.support import fingerprints, run

NAMELESS = {"channel": None, "shop_id": None}


def order(number: str, due: str, **more: object) -> dict:
    return {
        **SHOP,
        "channel_order_id": number,
        "status": "shipped",
        "currency": "CNY",
        "payable_amount": due,
        "created_at": at(0),
        "paid_at": at(1),
        "exported_at": at(100),
        **more,
    }


def payment(number: str, amount: str, **more: object) -> dict:
    return {
        "account": "acc",
        "payment_id": number,
        "kind": "receipt",
        "amount": amount,
        "currency": "CNY",
        "occurred_at": at(2),
        **NAMELESS,
        "channel_order_id": None,
        "platform_txn_id": None,
        "merged_payment_id": None,
        **more,
    }


def shipment(number: str, named: str, **more: object) -> dict:
    return {
        "warehouse_id": "H",
        "outbound_id": number,
        **SHOP,
        "channel_order_id": named,
        "sku": "S1",
        "quantity": 1,
        "waybill_id": f"W-{number}",
        "courier_code": "sf",
        "shipped_at": at(30),
        **more,
    }


def line(number: str, **more: object) -> dict:
    return {
        **SHOP,
        "channel_order_id": number,
        "sub_order_id": None,
        "sku": "S1",
        "quantity": 1,
        "payable_amount": "10.00",
        **more,
    }


#: Every way in which one file speaks of what another holds.
FILES = [
    File(
        "orders-first",
        (
            order("O1", "10.00"),
            order("O2", "10.00"),
            order("O3", "10.00", platform_txn_id="T3"),
            order("O4", "10.00"),
            order("O5", "10.00", internal_order_id="I5"),
            order("O6", "40.00", platform_txn_id="T6"),
            order("O7", "60.00", platform_txn_id="T6"),
            order("O8", "10.00", buyer_ref="B1"),
        ),
    ),
    File("lines", (
            line("O1", product_title="cup"),
            line("O4", sub_order_id="U4", product_title="【包邮】Pot"),
            line("O8", sku="S2", product_title="Tea"),
            line("O2", sku="S9", product_title="tea"),
            line("O3", sku="S9", product_title="Mug 500克"),
        )),
    File(
        "payments",
        (
            {**payment("P1", "10.00", channel_order_id="O1"), **SHOP},
            payment("P2", "10.00", channel_order_id="O2"),
            payment("P3", "10.00", platform_txn_id="T3"),
            payment("P4", "10.00", channel_order_id="U4"),
            payment("P5", "10.00", channel_order_id="I5"),
            payment("P6", "100.00", merged_payment_id="T6"),
            payment("T8", "10.00"),
        ),
    ),
    File("shipments", (shipment("1", "O1"), shipment("4", "U4", shop_id="erp"), shipment("5", "I5", shop_id="erp"))),
    File(
        "tracking",
        tuple(
            {
                "courier_code": "sf",
                "waybill_id": f"W-{n}",
                "status_code": "delivered",
                "description": "signed",
                "occurred_at": at(60),
            }
            for n in (1, 4, 5)
        ),
    ),
    File(
        "returns",
        (
            {
                "return_id": "R1",
                **SHOP,
                "channel_order_id": "O1",
                "kind": "return_refund",
                "status": "received",
                "requested_at": at(80),
                "received_at": at(90),
            },
        ),
    ),
    File(
        "discounts",
        (
            {
                **SHOP,
                "channel_order_id": "O2",
                "funder": "platform",
                "scope": "order",
                "amount": "1.00",
                "promotion_id": "M1",
            },
        ),
    ),
    File("products", ({"sku": "S1", "title": "Tea", "category": "c1"}, {"sku": "S2", "title": "Pot", "category": "c2"})),
    File("synonyms", ({"title": "MUG 500g", "product_name": "Tea", "decided_by": "li.na", "decided_at": at(300)},)),
    File("synonyms-older", ({"title": "mug 500g", "product_name": "Cup", "decided_by": "li.na", "decided_at": at(200)},)),
    File("products-renamed", ({"sku": "S1", "title": "Mug 500g", "category": "c1"},)),
    File("buyers", ({"channel": "taobao", "buyer_ref": "B1", "buyer_account": "ann", "province": "上海"},)),
    File("categories", ({"category": "c1", "label_en": "Drinks"},)),
    File(
        "orders-second",
        (
            order("O6", "10.00", platform_txn_id="T6", exported_at=at(200)),
            order("O8", "12.00", platform_txn_id="T8", exported_at=at(200)),
            order("O1", "11.00", status="completed", exported_at=at(200)),
        ),
    ),
    File("orders-older", (order("O1", "9.00", status="paid", exported_at=at(50)),)),
]


#: Files that speak of different orders come together, to save runs.
STEPS = [
    ["orders-first"],
    ["lines", "tracking"],
    ["payments"],
    ["shipments", "buyers"],
    ["returns", "discounts"],
    ["products"],
    ["synonyms"],
    ["synonyms-older", "products-renamed"],
    ["categories"],
    ["orders-second"],
    ["orders-older"],
]


@pytest.mark.parametrize("steps", [STEPS, STEPS[::-1]], ids=["orders first", "orders last"])
def test_what_a_file_changes_elsewhere_is_found_by_its_keys(home: Home, steps: list[list[str]]) -> None:
    files = {file.name: file for file in FILES}
    assert {name for step in steps for name in step} == files.keys()
    for step in steps:
        for name in step:
            files[name].land(home)
        run(home, LAST)
        by_keys = fingerprints(home)
        run(home, LAST, full=True)
        whole = fingerprints(home)
        changed = [t for t in whole if whole[t] != by_keys[t] and t != "quality.check_results"]
        assert not changed, f"after {step}: {changed}"
