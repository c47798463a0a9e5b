"""A tangled book in the standard formats: few numbers, used by many; re-exports, ties, blanks and uneven cents.

Simulated shops are orderly. Here rows are drawn at random from small sets, so that what seldom happens happens often:
one payment for three orders, a sub-order number two orders share, exports of the same second, events out of order,
carts of the same buyer seconds apart, local days around a change of the clock.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests import support

STATUSES = ["pending_payment", "paid", "on_hold", "released", "shipped", "delivered", "completed", "cancelled",
            "expired"]  # fmt: skip
TYPES = [None] * 9 + ["normal"] * 9 + ["presale", "cod", "presale", "cod", "resend", "test"]
KINDS = ["receipt", "receipt", "receipt", "deposit", "balance", "refund", "fee", "subsidy", "payout"]
PARCELS = ["label_created", "collected", "in_transit", "out_for_delivery", "awaiting_pickup", "delivered", "refused",
           "exception", "returning", "returned_to_sender", "lost"]  # fmt: skip
RETURNS = ["requested", "approved", "rejected", "return_in_transit", "received", "refunded", "closed"]


class Tangle:
    """Rows of the standard entities, drawn from one seed."""

    def __init__(self, seed: int, orders: int, as_of: datetime) -> None:
        self.chance = random.Random(seed)
        self.as_of = as_of
        self.count = orders
        self.keys = [
            {"channel": channel, "shop_id": shop, "channel_order_id": f"T{number // 2:05d}"}
            for number in range(orders)
            for channel, shop in [self.pick([("taobao", "main"), ("amazon", "us"), ("youzan", "b"), ("kiosk", "k")])]
        ]

    def pick(self, values: Sequence[Any]) -> Any:
        return self.chance.choice(values)

    def maybe(self, value: Any, share: float = 0.5) -> Any:
        return value if self.chance.random() < share else None

    def at(self, days: float = 40) -> str:
        """An instant before the clock, often one that is asked for again, to the second."""
        seconds = self.pick([0, 30, 3600, 86_400, self.chance.randrange(int(days * 86_400))])
        zone = timezone(timedelta(hours=self.pick([0, 8, -5])))
        return (self.as_of - timedelta(seconds=seconds)).astimezone(zone).isoformat(timespec="seconds")

    def money(self) -> str:
        return f"{self.pick([0, 1, 5, 333, 1999, 10_000, self.chance.randrange(100_000)]) / 100:.2f}"

    def number(self, prefix: str, among: int) -> str:
        return f"{prefix}{self.chance.randrange(among):04d}"

    # ---- the files

    def orders(self) -> list[support.Row]:
        return [
            {
                **self.pick(self.keys), "status": self.pick(STATUSES), "currency": self.pick(["CNY"] * 60 + ["USD"]),
                "payable_amount": self.money(), "created_at": self.at(), "paid_at": self.maybe(self.at()),
                "shipped_at": self.maybe(self.at()), "completed_at": self.maybe(self.at(), 0.3),
                "cancelled_at": self.maybe(self.at(), 0.2), "promised_ship_at": self.maybe(self.at(), 0.3),
                "order_type": self.pick(TYPES),
                "platform_txn_id": self.maybe(self.number("X", self.count // 3), 0.06),
                "internal_order_id": self.maybe(self.number("I", self.count // 2), 0.06),
                "merchant_discount_amount": self.maybe(self.money()),
                "platform_discount_amount": self.maybe(self.money(), 0.3),
                "freight_amount": self.maybe(self.money(), 0.3), "paid_amount": self.maybe(self.money()),
                "item_quantity": self.pick([None, 1, 2, "1.5"]), "buyer_ref": self.maybe(self.number("B", 20)),
                "buyer_account": self.maybe(self.number("nick", 6), 0.7), "province": self.pick([None, "浙江", "广东", "CA"]),
                "district": self.pick([None, None, "西湖区", "鼓楼区", "萝岗区"]),
                "address": self.maybe(self.pick(["杭州西湖文三路9号", "东莞市长安镇", "1 Main St"]), 0.4),
                "seller_note": self.pick([None, "急", "a 'quoted' note", "two\nlines"]),
                "exported_at": self.at(5),
            }
            for _ in range(self.count * 2)
        ]  # fmt: skip

    def order_lines(self) -> list[support.Row]:
        return [
            {
                **self.pick(self.keys), "sku": self.number("SKU", 4), "quantity": self.pick([1, 1, 2, "0.333"]),
                "sub_order_id": self.maybe(self.number("S", self.count * 2)), "unit_price": self.maybe("3.3333"),
                "list_amount": self.maybe(self.money(), 0.3), "payable_amount": self.maybe(self.money()),
                "freight_amount": self.maybe(self.money(), 0.2), "category": self.maybe("toys", 0.3),
                "line_status": self.pick([None, "paid", "cancelled"]), "is_gift": self.maybe("true", 0.2),
                "product_title": self.pick([None, "茶杯", "【包邮】茶杯", "茶壶 500克", "商品1"]),
            }
            for _ in range(self.count)
        ]  # fmt: skip

    def discounts(self) -> list[support.Row]:
        return [
            {
                **self.pick(self.keys), "funder": self.pick(["merchant", "platform", "brand"]), "amount": self.money(),
                "scope": self.pick(["line", "order"]), "promotion_id": self.maybe(self.number("PR", 4)),
                "description": self.pick([None, "满减", "满300减50", "第二件半价", "双11", "优惠金额"]),
                "sub_order_id": self.maybe(self.number("S", self.count * 2), 0.3),
            }
            for _ in range(self.count // 2)
        ]  # fmt: skip

    def payments(self) -> list[support.Row]:
        rows = []
        for number in range(self.count * 3):
            kind, key = self.pick(KINDS), self.pick(self.keys)
            number_of_order = self.pick([
                *[key] * 9, {}, {"channel": "youzan", "shop_id": "b"}, {"channel_order_id": self.number("S", self.count)},
                {"channel_order_id": self.number("I", self.count // 2)},
                {"platform_txn_id": self.number("X", self.count // 3)},
                {"merged_payment_id": self.number("X", self.count // 3)},
            ])  # fmt: skip
            names = ("channel", "shop_id", "channel_order_id", "platform_txn_id", "merged_payment_id")
            rows.append({
                **dict.fromkeys(names), **number_of_order, "account": self.pick(["a1", "a2"]),
                "payment_id": self.number("P", self.count) if number % 40 == 0 else f"Q{self.chance.getrandbits(40)}",
                "kind": kind, "amount": ("-" if kind in ("refund", "fee", "payout") else "") + self.money(),
                "currency": "CNY", "occurred_at": self.at(), "business_on": self.maybe(self.at()[:10]),
            })  # fmt: skip
        return rows

    def shipments(self) -> list[support.Row]:
        unknown_shop = {"channel": "unmapped", "shop_id": "?"}
        return [
            {
                "warehouse_id": self.pick(["W1", "W2"]), "outbound_id": self.number("O", self.count),
                **self.pick([self.pick(self.keys), {**unknown_shop, "channel_order_id": self.number("S", self.count)}]),
                "sku": self.number("SKU", 4), "quantity": self.pick([1, 2, "0.333"]),
                "waybill_id": self.maybe(self.number("SF", self.count), 0.8), "courier_code": "sf",
                "shipped_at": self.maybe(self.at(), 0.8), "released_at": self.maybe(self.at()),
                "quantity_unit": (*[None] * 8, "箱", "托")[n % 10],
            }
            for n in range(self.count)
        ]  # fmt: skip

    def tracking(self) -> list[support.Row]:
        return [
            {
                "courier_code": "sf", "waybill_id": self.number("SF", self.count * 2),
                "description": self.pick(["到达", "签收", "x"]), "status_code": self.pick(PARCELS),
                "occurred_at": self.at(),
            }
            for _ in range(self.count * 2)
        ]  # fmt: skip

    def returns(self) -> list[support.Row]:
        return [
            {
                **self.pick(self.keys), "return_id": self.number("R", self.count // 3), "requested_at": self.at(),
                "kind": self.pick(["refund_only", "return_refund", "exchange"]), "status": self.pick(RETURNS),
                "sku": self.number("SKU", 4), "quantity": self.pick([None, 1, 2]),
                "refund_amount": self.maybe(self.money()), "reason": self.pick([None, "破损", "七天无理由", "size", "??"]),
                "photo_box_count": self.pick([None, 0, 2]), "photo_with_metadata_count": self.pick([None, 1]),
                "return_waybill_id": self.maybe(self.number("SF", self.count * 2), 0.4), "approved_at": self.maybe(self.at()),
                "inspected_at": self.maybe(self.at(), 0.3),
                "received_at": self.maybe(self.at()), "refunded_at": self.maybe(self.at()),
            }
            for _ in range(self.count // 2)
        ]  # fmt: skip

    def decided(self) -> dict[str, list[support.Row]]:
        """What buyers asked to change, and what people said of orders."""
        return {
            "order_edits": [
                {**self.pick(self.keys), "request_id": self.number("E", 30), "field": self.pick(["address", "phone"]),
                 "requested_at": self.at(), "outcome": self.pick([None, "applied", "refused", "failed", "open"])}
                for _ in range(40)
            ],
            "order_marks": [
                {**self.pick(self.keys), "mark": self.pick(["urgent", "normal"]), "decided_by": "li.na", "decided_at": self.at()}
                for _ in range(self.count // 4)
            ],
        }  # fmt: skip

    def reference(self) -> dict[str, list[support.Row]]:
        """Products, buyers, categories and promotions, some of them twice."""
        return {
            "products": [{"sku": f"SKU{n:04d}", "title": f"商品{n}", "category": self.pick(["toys", "tea", None]),
                          "list_price": self.maybe("9.9900")} for n in range(3)],
            "buyers": [{"channel": self.pick(["taobao", "amazon"]), "buyer_ref": f"B{n:04d}", "city": "杭州",
                        "buyer_account": self.number("nick", 6)} for n in range(15)],
            "categories": [{"category": name, "label_en": name.title()} for name in ("toys", "tea")],
            "product_synonyms": [{"title": "茶壶500g", "product_name": "紫砂壶 500g", "decided_by": "li.na", "reason": "same"}],
            "promotions": [{"promotion_id": f"PR{n:04d}", "threshold_amount": "20.00", "partial_return_policy": self.pick(["claw_back", "keep"]), "name": self.pick(["p", "满2件8折"]), "kind": self.pick(["coupon", "bundle"]),
                            "starts_at": self.at(), "ends_at": self.at()} for n in range(3)],
            "competitor_events": [{"channel": "taobao", "category": self.pick(["toys", None]), "starts_at": self.at(),
                                   "ends_at": self.at()} for n in range(3)],
            "empty_shelves": [{"warehouse_id": "W1", "sku": "SKU0002", "counted_at": self.at(), "on_hand_qty": 0}],
        }  # fmt: skip

    def stock(self) -> dict[str, list[support.Row]]:
        """Stock figures (some of one instant, some by bin), movements of every kind, supply, holds, bundles, places."""
        places, kinds = ["W1", "W2", "W3"], ["sale", "receipt", "return_received", "restock", "damage", "write_off", "freeze"]

        def goods() -> dict[str, Any]:
            return {"warehouse_id": self.pick(places), "sku": self.number("SKU", 4), "owner": self.maybe("vendor", 0.1)}

        return {
            "inventory_snapshots": [
                {**goods(), "counted_at": self.at(), "on_hand_qty": self.pick([0, 5, 40, "-1.5"]), "location_id": self.maybe("B1", 0.3),
                 "quality_control_qty": self.pick([None, 1]), "damaged_qty": self.pick([None, 2]),
                 "safety_stock_qty": self.pick([None, 3, -1]), "quantity_unit": self.pick([None, None, "件", "箱", "托"])}
                for _ in range(40)
            ],
            "inventory_movements": [
                {**goods(), "movement_id": self.number("M", 150), "kind": (kind := self.pick(kinds)), "occurred_at": self.at(),
                 "quantity": ("-" if kind in ("sale", "damage", "write_off") else "") + self.pick(["1", "2.5"]),
                 "reference_id": self.pick([None, self.number("O", self.count), self.pick(self.keys)["channel_order_id"]]),
                 "quantity_unit": self.pick([None, None, None, "箱", "case"])}
                for _ in range(200)
            ],
            "safety_stocks": [
                {**goods(), "starts_on": (self.as_of + timedelta(days=self.chance.randrange(-40, 40))).date().isoformat(),
                 "safety_stock_qty": self.pick([0, 2, 7])}
                for _ in range(12)
            ],
            "product_units": [{"sku": f"SKU{n:04d}", "unit": unit, "base_qty": self.pick([12, 24, "0.5"])}
                              for n in range(4) for unit in ("箱", "Case")],
            "inbound": [
                {**goods(), "inbound_id": self.number("IN", 15), "kind": self.pick(["purchase", "transfer", "production"]),
                 "quantity": self.pick([1, 8]), "status": self.pick(["confirmed", "in_transit", "requested"]),
                 "expected_at": self.maybe((self.as_of + timedelta(hours=self.chance.randrange(-48, 900))).isoformat(), 0.8),
                 "source_warehouse_id": self.maybe("W1", 0.3)}
                for _ in range(30)
            ],
            "holds": self.holds(30),
            "kits": [{"kit_sku": kit, "component_sku": f"SKU{part:04d}", "component_quantity": self.pick([1, 2, "0.5"])}
                     for kit, part in (("SKU0003", 0), ("SKU0003", 1), ("KIT9", 1), ("KIT9", 2))],
            "warehouses": [{"warehouse_id": place, "kind": self.pick(["warehouse", "store"]), "timezone": zone, "is_active": active}
                           for place, zone, active in (("W1", "Asia/Shanghai", None), ("W2", "America/New_York", "true"),
                                                       ("W3", "Europe/London", "false"))],
            "courier_rates": [{"warehouse_id": place, "province": province, "courier_code": courier, "base_amount": self.money(),
                               "per_kg_amount": self.maybe("2.00"), "transit_days": self.pick([None, 1, 3])}
                              for place in places for province in ("浙江", "广东") for courier in ("sf", "zto")],
            "channel_stock": [
                {"channel": channel, "shop_id": shop, "sku": self.number("SKU", 5), "mode": self.pick(["shared", "quota", "dedicated", "preorder"]),
                 "buffer_qty": self.pick([None, 1]), "quota_qty": self.pick([None, 4, 9]), "shown_qty": self.pick([0, 3, 12]),
                 "preorder_limit_qty": self.pick([None, 7]), "preorder_total_limit_qty": self.pick([None, 30]), "shown_at": self.at(),
                 "warehouse_id": self.maybe("W2", 0.2), "quantity_unit": (None, None, "箱", "托")[n % 4]}
                for n in range(20) for channel, shop in [("taobao", "main"), ("amazon", "us"), ("youzan", "b")]
            ],
        }  # fmt: skip

    def holds(self, count: int) -> list[support.Row]:
        """Holds with and without an order or an end."""
        return [
            {**(self.pick([self.pick(self.keys), dict.fromkeys(self.keys[0])])), "hold_id": self.number("H", 40), "warehouse_id": "W1",
             "sku": self.pick(["SKU0000", "SKU0001", "SKU0003", "KIT9"]), "quantity": self.pick([0, 1, 2]), "reserved_at": self.at(),
             "reserved_until": self.maybe((self.as_of + timedelta(hours=self.chance.randrange(-9, 99))).isoformat(), 0.7),
             "quantity_unit": (None, None, "箱", "托")[n % 4]}
            for n in range(count)
        ]  # fmt: skip

    def coupons(self) -> dict[str, list[support.Row]]:
        """Coupons good for some goods, given to some buyers, handed in by these and by others; orders of their own beside them,
        one of them paid by money that names no order; a payout that reaches the bank."""
        of = [{"channel": "taobao", "promotion_id": f"PR{n:04d}"} for n in range(3)]
        own = [{"channel": "kiosk", "shop_id": "k", "channel_order_id": f"CK{n}"} for n in range(4)]
        noon = (self.as_of - timedelta(days=20)).isoformat()
        return {
            "coupon_products": [{**self.pick(of), "coupon_id": self.number("C", 3), "sku": self.number("SKU", 4)} for _ in range(9)],
            "coupon_targets": [{**self.pick(of), "buyer_account": self.number("nick", 6)} for _ in range(12)],
            "coupon_redemptions": [{**self.pick(of), "coupon_id": self.number("C", 4), "buyer_account": self.number("nick", 6),
                                    "redeemed_on": self.at()[:10]} for _ in range(9)],
            "own_orders": [{**key, "status": "paid", "currency": "CNY", "payable_amount": f"{700 + n}.01", "created_at": noon, "paid_at": noon}
                           for n, key in enumerate(own)],
            "coupon_lines": [{**key, "sku": "SKU0001", "quantity": 1, "sub_order_id": f"CL{n}", "payable_amount": "5.00"}
                             for n, key in enumerate(own)],
            "nameless": [{"account": "a1", "payment_id": "NN1", "kind": "receipt", "amount": "701.01", "currency": "CNY",
                          "occurred_at": noon, "channel": "kiosk", "shop_id": "k"}],
            "arrivals": [
                {"account": account, "payment_id": number, "kind": kind, "amount": amount, "currency": "CNY",
                 "occurred_at": self.at(3), "payout_id": "PO1"}
                for account, number, kind, amount in (("a1", "PO1", "payout", "-55.55"), ("bank", "BK1", "receipt", "55.55"))
            ],
            "coupon_discounts": [{**key, "funder": "brand", "scope": "line", "amount": "1.00", "sub_order_id": f"CL{n}"}
                                 for n, key in enumerate(own)],
        }  # fmt: skip

    def watched(self) -> dict[str, list[support.Row]]:
        """What visitors did, how buyers judged, how often other systems were called; some of it without a name or a channel."""
        return {
            "behaviour_events": [
                {"channel": self.pick(["taobao", "kiosk"]), "event": self.pick(["view", "add_to_cart", "submit", "odd"]),
                 "occurred_at": self.at(), "visitor_id": self.maybe(self.number("V", 9), 0.7)}
                for _ in range(60)
            ],
            "reviews": [{**self.pick(self.keys), "review_id": self.number("RV", 20), "score": self.pick([1, 2, 3, 5]),
                         "created_at": self.at()} for _ in range(25)],
            "interface_calls": [
                {"system": "wms", "endpoint": "order.create", "channel": self.maybe("taobao", 0.8), "requested_at": self.at(),
                 "status_code": self.pick([200, 200, 500, None]), "attempt": self.pick([1, 1, 2]), "error": self.maybe("timeout", 0.1)}
                for _ in range(40)
            ],
        }  # fmt: skip

    def twins(self) -> dict[str, list[support.Row]]:
        """Orders of one buyer for the same goods, some seconds apart."""
        keys = [{"channel": "douyin", "shop_id": "main", "channel_order_id": f"D{number:05d}"} for number in range(20)]
        began = self.as_of - timedelta(days=9)
        return {
            "twin_orders": [
                {**key, "status": "paid", "currency": "CNY", "payable_amount": "9.90",
                 "buyer_account": f"twin{number // 4}",
                 "created_at": (began + timedelta(seconds=self.chance.randrange(200))).isoformat()}
                for number, key in enumerate(keys)
            ],
            "twin_lines": [{**key, "sku": "SKU0001", "quantity": 1, "payable_amount": "9.90"} for key in keys],
        }

    def people(self) -> dict[str, list[support.Row]]:
        """Enough buyers of one channel to compare with, some of whom buy again and again, at odd times, much at once, or change
        their mind; links between accounts, one of them taken back."""
        bought = [(n, 29 - n % 25) for n in range(33)] + [(n, days) for n in range(4) for days in (2, 5, 11, 19, 44, 70, 99)]
        keys = [{"channel": "kiosk", "shop_id": "k", "channel_order_id": f"B{n}"} for n in range(len(bought))]

        def ago(days: float) -> str:
            return (self.as_of - timedelta(days=days)).isoformat()

        def line(place: int, quantity: int) -> support.Row:
            return {**keys[place % len(keys)], "sku": "BULK", "sub_order_id": f"BL{place}", "quantity": quantity, "unit_price": "9.99",
                    "list_amount": f"{quantity * 9.99:.2f}", "payable_amount": f"{quantity * self.pick([9.99, 9.95, 8]):.2f}",
                    "category": self.pick(["toys", "tea"])}  # fmt: skip

        either = {"decided_by": "li.na", "channel": "kiosk", "linked_channel": "kiosk"}
        return {
            "people_orders": [
                {**key, "status": self.pick(["completed", "completed", "delivered", "cancelled"]), "currency": "CNY",
                 "payable_amount": self.money(), "created_at": ago(days), "paid_at": ago(days), "buyer_account": f"soul{who}",
                 "buyer_phone": self.pick([None, f"1390000{who:04d}"]) if who > 20 else None, "address": f"长安街{self.chance.randrange(7)}号",
                 "close_reason": self.pick([None, "买家不想要了", "缺货"])}
                for key, (who, days) in zip(keys, bought, strict=True)
            ],
            "people_lines": [line(n, 1) for n in range(230)] + [line(34, 40)],
            "people_edits": [{**key, "request_id": f"BE{n}", "field": "address", "requested_at": ago(n % 4), "role": "buyer",
                              "outcome": "applied"} for n, key in enumerate(keys[33:50])],
            "people_returns": [{**key, "return_id": f"BR{n}", "kind": "return_refund", "status": "refunded", "sku": "BULK", "quantity": 1,
                                "requested_at": ago(1), "refunded_at": ago(1), "refund_amount": "9.99", "reason": "不想要了"}
                               for n, key in enumerate(keys[30:45])],
            "customer_links": [
                {**either, "buyer_account": "soul5", "linked_account": "soul6", "decided_at": ago(5)},
                {**either, "buyer_account": "soul7", "linked_account": "soul6", "decided_at": ago(4)},
                {**either, "buyer_account": "soul8", "linked_account": "soul9", "decided_at": ago(5)},
                {**either, "buyer_account": "soul9", "linked_account": "soul8", "decided_at": ago(3), "action": "unlink"},
            ],
        }  # fmt: skip

    def land(self, home: Home) -> None:
        """Two files of each entity that is exported again and again, one of each other; folders of their own."""
        for number in (1, 2):
            for entity in ("orders", "order_lines", "discounts", "payments", "shipments", "tracking", "returns"):
                support.land(home, f"tangle/{number}/{entity}", getattr(self, entity)())
        for entity, rows in {**self.reference(), **self.decided(), **self.stock(), **self.coupons(), **self.twins(), **self.people(),
                               **self.watched()}.items():
            support.land(home, f"tangle/{entity}", rows)
        shop = {"channel": "taobao", "shop_id": "main"}
        damaged = {**shop, "channel_order_id": "T99999", "quantity": 1, "sku": "1.5E+12"}
        support.land(home, "tangle/damaged_lines", [damaged, {**damaged, "sku": "SKU0001", "quantity": "one"}])
