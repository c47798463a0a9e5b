"""Small random worlds: a handful of orders told by several exports, bills, outbound documents, couriers and after-sales files.

Numbers are drawn from tiny pools on purpose, so that orders share payments, parcels, buyers and products, rows come twice,
and files speak of orders that arrive later or never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.support import land

START = datetime(2026, 1, 10, 9, tzinfo=timezone(timedelta(hours=8)))
LAST = START + timedelta(days=45)
SHOP = {"channel": "taobao", "shop_id": "main"}

ORDERS = ["A1", "A2", "A3", "A4"]
hours = st.integers(0, 20 * 24)
#: Half of the amounts are of a small pool, so that money without a number fits one order, several, or a sum of them.
cents = st.one_of(st.sampled_from(["10.00", "20.00", "30.00"]), st.integers(0, 4000).map(lambda c: f"{c / 100:.2f}"))
orders = st.sampled_from(ORDERS)
transactions = st.sampled_from([None, None, "T1", "T2"])
skus = st.sampled_from(["S1", "S2", "S3"])
promises = st.sampled_from([None, 30, 300, 55 * 24])
waybills = st.sampled_from([None, "W1", "W2", "W3"])
nodes = st.sampled_from(["H1", "H1", "H2"])


def at(hour: int | None) -> str | None:
    return None if hour is None else (START + timedelta(hours=hour)).isoformat()


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), strategy)


@dataclass(frozen=True)
class File:
    """One file of a world; `rows` are those of one standard entity."""

    name: str
    rows: tuple[dict[str, Any], ...]

    def land(self, home: Home) -> None:
        land(home, self.name, self.rows)


@st.composite
def order_rows(draw: st.DrawFn) -> dict[str, Any]:
    created = draw(st.integers(0, 48))
    return {
        **SHOP,
        "channel_order_id": draw(orders),
        "currency": draw(st.sampled_from(["CNY", "CNY", "CNY", "USD"])),
        "status": draw(st.sampled_from(["created", "paid", "paid", "shipped", "completed", "cancelled", "mystery"])),
        "order_type": draw(st.sampled_from([None, None, "cod", "presale", "test", "pickup"])),
        "payable_amount": draw(cents),
        "created_at": at(created),
        "paid_at": at(draw(maybe(hours))),
        "promised_ship_at": at(draw(promises)),
        "cancelled_at": at(draw(maybe(hours))),
        "platform_txn_id": draw(transactions),
        "internal_order_id": draw(st.sampled_from([None, "I1", "I2"])),
        "item_quantity": draw(maybe(st.integers(1, 3))),
        "buyer_ref": draw(st.sampled_from([None, "B1", "B2"])),
        "buyer_account": draw(st.sampled_from([None, "ann", "bob"])),
        "platform_discount_amount": draw(st.sampled_from([None, "1.00"])),
        "buyer_note": draw(st.sampled_from([None, "x", "y"])),
        "province": draw(st.sampled_from([None, "浙江", "上海市"])),
        "district": draw(st.sampled_from([None, "西湖区", "闸北区", "鼓楼区"])),
        "exported_at": at(48 + draw(hours)),
    }


@st.composite
def line_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **SHOP,
        "channel_order_id": draw(orders),
        "sub_order_id": draw(st.sampled_from([None, "U1", "U2"])),
        "sku": draw(skus),
        "quantity": draw(st.integers(1, 3)),
        "payable_amount": draw(cents),
        "line_status": draw(st.sampled_from([None, None, "paid", "cancelled"])),
        "product_title": draw(st.sampled_from([None, "tea", "【包邮】Tea", "Pot 500克"])),
    }


@st.composite
def payment_rows(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(
        st.sampled_from(
            ["receipt", "receipt", "receipt", "deposit", "balance", "refund", "subsidy", "fee", "payout", "adjustment"]
        )
    )
    minus = kind in ("refund", "fee", "payout")
    named = draw(st.sampled_from([*ORDERS, None, None, "U1", "I1", "nobody"]))
    return {
        "account": draw(st.sampled_from(["acc", "other"])),
        "payment_id": f"P{draw(st.integers(1, 8))}",
        "kind": kind,
        "amount": ("-" if minus else "") + draw(cents),
        "currency": "CNY",
        "occurred_at": at(draw(hours)),
        "channel_order_id": named,
        **(SHOP if draw(st.booleans()) else {"channel": None, "shop_id": None}),
        "platform_txn_id": draw(transactions),
        "merged_payment_id": draw(transactions),
    }


#: What a file says it counts in: the base unit, cases of which a list may say more, and what nobody knows.
units = st.sampled_from([None, None, None, "件", "箱", "托"])


@st.composite
def shipment_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "warehouse_id": draw(nodes),
        "outbound_id": f"O{draw(st.integers(1, 3))}",
        **SHOP,
        "shop_id": draw(st.sampled_from(["main", "main", "erp"])),
        "channel_order_id": draw(st.sampled_from([*ORDERS, "U1", "I1", "nobody"])),
        "sku": draw(skus),
        "quantity": draw(st.integers(1, 3)),
        "waybill_id": draw(waybills),
        "courier_code": "sf",
        "shipped_at": at(draw(maybe(hours))),
        "quantity_unit": draw(units),
    }


@st.composite
def tracking_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "courier_code": "sf",
        "waybill_id": draw(waybills.filter(bool)),
        "occurred_at": at(draw(hours)),
        "status_code": draw(st.sampled_from(["collected", "in_transit", "delivered", "returning", "returned_to_sender"])),
        "description": draw(st.sampled_from(["scan", "扫描"])),
        "channel_order_id": draw(st.sampled_from([None, "A1"])),
        **SHOP,
    }


@st.composite
def return_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "return_id": f"R{draw(st.integers(1, 3))}",
        **SHOP,
        "channel_order_id": draw(orders),
        "kind": draw(st.sampled_from(["refund_only", "return_refund", "exchange"])),
        "requested_at": at(draw(hours)),
        "status": draw(st.sampled_from(["requested", "approved", "received", "refunded", "rejected", "closed"])),
        "quantity": draw(maybe(st.integers(1, 2))),
        "received_at": at(draw(maybe(hours))),
        "refunded_at": at(draw(maybe(hours))),
        "refund_amount": draw(maybe(cents)),
    }


@st.composite
def product_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "sku": draw(skus),
        "title": draw(st.sampled_from(["Tea", "Pot", None])),
        "is_stocked": draw(st.sampled_from([None, None, False])),
        "is_replenishable": draw(st.sampled_from([None, True])),
        "lead_time_days": draw(maybe(st.integers(0, 20))),
        "category": draw(st.sampled_from(["c1", "c2", None])),
        "cost": draw(st.sampled_from([None, "3.33", "5"])),
    }


@st.composite
def buyer_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "channel": "taobao",
        "buyer_ref": draw(st.sampled_from(["B1", "B2"])),
        "buyer_account": draw(st.sampled_from(["ann", "bob"])),
        "province": draw(st.sampled_from([None, "上海"])),
    }


@st.composite
def discount_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **SHOP,
        "channel_order_id": draw(orders),
        "funder": draw(st.sampled_from(["merchant", "platform"])),
        "scope": "order",
        "amount": draw(cents),
        "promotion_id": draw(st.sampled_from([None, "M1"])),
        "description": draw(st.sampled_from([None, "满300减50", "双11"])),
    }


def rate_rows() -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "currency": st.just("USD"),
            "rate_on": st.sampled_from(["2026-01-01", "2026-01-15", "2026-01-20"]),
            "exchange_rate": st.sampled_from(["7.10", "7.05"]),
        }
    )


@st.composite
def grant_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **SHOP,
        "channel_order_id": draw(orders),
        "coupon_id": draw(st.sampled_from(["C1", "C2"])),
        "stand_alone_amount": draw(cents),
        "expected_use_ratio": draw(st.sampled_from([None, "0.9"])),
        "redeemed_at": at(draw(maybe(hours))),
    }


@st.composite
def synonym_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "title": draw(st.sampled_from(["TEA", "pot 500g", "Tea"])),
        "product_name": draw(st.sampled_from(["Green tea", "Tea pot", "Tea"])),
        "decided_by": "li.na",
        "decided_at": at(draw(hours)),
    }


@st.composite
def snapshot_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "warehouse_id": draw(nodes),
        "sku": draw(skus),
        "counted_at": at(draw(hours)),
        "on_hand_qty": draw(st.integers(-2, 20)),
        "quality_control_qty": draw(maybe(st.integers(0, 2))),
        "damaged_qty": draw(maybe(st.integers(0, 2))),
        "safety_stock_qty": draw(st.sampled_from([None, 0, 3, -2])),
        "owner": draw(st.sampled_from([None, None, "vendor"])),
        "quantity_unit": draw(units),
    }


@st.composite
def safety_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "warehouse_id": draw(nodes),
        "sku": draw(skus),
        "starts_on": at(draw(hours))[:10],
        "safety_stock_qty": draw(st.integers(0, 4)),
    }


@st.composite
def movement_rows(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["sale", "receipt", "return_received", "restock", "damage", "write_off", "transfer_out", "freeze"]))
    minus = kind in ("sale", "damage", "write_off", "transfer_out")
    return {
        "movement_id": f"M{draw(st.integers(1, 12))}",
        "warehouse_id": draw(nodes),
        "sku": draw(skus),
        "kind": kind,
        "quantity": (-1 if minus else 1) * draw(st.integers(1, 4)),
        "occurred_at": at(draw(hours)),
        "reference_id": draw(st.sampled_from([None, "A1", "A2", "O1", "P1"])),
        "quantity_unit": draw(units),
    }


def unit_rows() -> st.SearchStrategy:
    return st.fixed_dictionaries({"sku": skus, "unit": st.just("箱"), "base_qty": st.integers(2, 3)})


@st.composite
def inbound_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "inbound_id": draw(st.sampled_from(["P1", "P2"])),
        "kind": draw(st.sampled_from(["purchase", "transfer", "transfer"])),
        "warehouse_id": draw(nodes),
        "source_warehouse_id": draw(st.sampled_from([None, "H2"])),
        "sku": draw(skus),
        "quantity": draw(st.integers(1, 9)),
        "expected_at": at(draw(maybe(st.integers(0, 60 * 24)))),
        "status": draw(st.sampled_from(["confirmed", "in_transit", "requested", "received"])),
    }


@st.composite
def hold_rows(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(hours)
    return {
        "hold_id": draw(st.sampled_from(["L1", "L2"])),
        **(SHOP if draw(st.booleans()) else {"channel": None, "shop_id": None}),
        "channel_order_id": draw(st.sampled_from([None, "A1", "A3"])),
        "warehouse_id": draw(nodes),
        "sku": draw(st.sampled_from(["S1", "S2", "K1"])),
        "quantity": draw(st.integers(0, 3)),
        "reserved_at": at(start),
        "reserved_until": at(draw(maybe(st.just(start + 24 * 40)))),
        "quantity_unit": draw(units),
    }


def kit_rows() -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "kit_sku": st.sampled_from(["K1", "S3"]),
            "component_sku": st.sampled_from(["S1", "S2"]),
            "component_quantity": st.integers(1, 3),
        }
    )


def warehouse_rows() -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "warehouse_id": st.sampled_from(["H1", "H2"]),
            "kind": st.sampled_from(["warehouse", "store"]),
            "timezone": st.sampled_from(["Asia/Shanghai", "America/Los_Angeles"]),
            "is_active": st.sampled_from([None, True, False]),
        }
    )


def category_rows() -> st.SearchStrategy:
    return st.fixed_dictionaries({"category": st.sampled_from(["c1", "c2"]), "label_en": st.sampled_from(["Drinks", "Ware"])})


def promotion_rows() -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {
            "promotion_id": st.just("M1"),
            "name": st.just("m"),
            "kind": st.sampled_from(["coupon", "flash_sale"]),
            "starts_at": st.just(at(0)),
            "ends_at": st.just(at(90)),
        }
    )


@st.composite
def link_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "channel": "taobao",
        "buyer_account": draw(st.sampled_from(["ann", "bob"])),
        "linked_channel": "taobao",
        "linked_account": draw(st.sampled_from(["bob", "zoe"])),
        "action": draw(st.sampled_from([None, None, "unlink"])),
        "decided_by": "li.na",
        "decided_at": at(draw(hours)),
    }


@st.composite
def edit_rows(draw: st.DrawFn) -> dict[str, Any]:
    return {
        **SHOP,
        "channel_order_id": draw(orders),
        "request_id": f"E{draw(st.integers(1, 4))}",
        "field": "address",
        "requested_at": at(draw(hours)),
        "role": "buyer",
    }


#: Entity -> its rows, how many a world has at most, and the column whose cell a bad row spoils.
ENTITIES = {
    "orders": (order_rows(), 8, "payable_amount"),
    "order_lines": (line_rows(), 6, "quantity"),
    "payments": (payment_rows(), 8, "amount"),
    "shipments": (shipment_rows(), 5, "quantity"),
    "tracking": (tracking_rows(), 5, "occurred_at"),
    "returns": (return_rows(), 3, "requested_at"),
    "products": (product_rows(), 3, None),
    "buyers": (buyer_rows(), 2, None),
    "discounts": (discount_rows(), 2, "amount"),
    "exchange_rates": (rate_rows(), 2, None),
    "coupon_grants": (grant_rows(), 2, None),
    "product_synonyms": (synonym_rows(), 3, None),
    "categories": (category_rows(), 1, None),
    "promotions": (promotion_rows(), 1, None),
    "inventory_snapshots": (snapshot_rows(), 5, "on_hand_qty"),
    "inventory_movements": (movement_rows(), 8, "quantity"),
    "safety_stocks": (safety_rows(), 3, "safety_stock_qty"),
    "product_units": (unit_rows(), 2, "base_qty"),
    "inbound": (inbound_rows(), 3, "quantity"),
    "holds": (hold_rows(), 3, "quantity"),
    "kits": (kit_rows(), 2, None),
    "warehouses": (warehouse_rows(), 2, None),
    "customer_links": (link_rows(), 3, None),
    "order_edits": (edit_rows(), 3, None),
}


@st.composite
def worlds(draw: st.DrawFn, bad_rows: bool = True, entities: Sequence[str] = tuple(ENTITIES)) -> list[File]:
    """The files of a world, each with rows of one entity; at least one file of orders."""
    files = []
    for entity in entities:
        rows_of, most, spoiled = ENTITIES[entity]
        rows = draw(st.lists(rows_of, min_size=1 if entity == "orders" else 0, max_size=most))
        if bad_rows and spoiled:
            rows = [{**r, spoiled: "#VALUE!"} if draw(st.integers(0, 11)) == 11 else r for r in rows]
        while rows:
            cut = draw(st.integers(1, len(rows)))
            files.append(File(f"{entity}-{len(files)}", tuple(rows[:cut])))
            rows = rows[cut:]
    return files
