"""Small orders told leg by leg, and written as the standard files a merchant would drop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests import support

CHINA = timezone(timedelta(hours=8))
AS_OF = datetime(2026, 3, 1, 12, tzinfo=CHINA)


def ago(days: float = 0, hours: float = 0) -> str:
    """An instant before the story's clock, as ISO 8601 with offset."""
    return (AS_OF - timedelta(days=days, hours=hours)).isoformat()


class Book:
    """Collects rows of the standard entities; every method adds one and fills in what a merchant always gives."""

    def __init__(self, channel: str = "taobao", shop_id: str = "main", currency: str = "CNY") -> None:
        self.shop = {"channel": channel, "shop_id": shop_id}
        self.currency = currency
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.count = 0

    def order(self, number: str, due: object, status: str = "paid", age: float = 5, **more: Any) -> None:
        self.rows["orders"].append(
            {
                **self.shop,
                "channel_order_id": number,
                "status": status,
                "currency": self.currency,
                "payable_amount": due,
                "created_at": ago(age),
                **more,
            }
        )

    def line(self, number: str, quantity: object = 1, sku: str = "S1", **more: Any) -> None:
        self.rows["order_lines"].append({**self.shop, "channel_order_id": number, "sku": sku, "quantity": quantity, **more})

    def pay(self, number: str | None, amount: object, kind: str = "receipt", age: float = 4.9, **more: Any) -> None:
        self.count += 1
        shop = self.shop if number else {}
        self.rows["payments"].append(
            {
                "account": "acc",
                "payment_id": f"P{self.count}",
                "kind": kind,
                "amount": amount,
                "currency": self.currency,
                "occurred_at": ago(age),
                "channel_order_id": number,
                **shop,
                **more,
            }
        )

    def ship(self, number: str, quantity: object = 1, age: float = 4, sku: str = "S1", **more: Any) -> None:
        self.count += 1
        self.rows["shipments"].append(
            {
                "warehouse_id": "W1",
                "outbound_id": f"OUT-{number}",
                **self.shop,
                "channel_order_id": number,
                "sku": sku,
                "quantity": quantity,
                "waybill_id": f"WB-{number}",
                "courier_code": "sf",
                "shipped_at": ago(age),
                **more,
            }
        )

    def track(self, waybill: str, status: str, age: float = 3, description: str | None = None) -> None:
        self.rows["tracking"].append(
            {
                "courier_code": "sf",
                "waybill_id": waybill,
                "status_code": status,
                "description": description or status,
                "occurred_at": ago(age),
            }
        )

    def case(self, number: str, kind: str, status: str, age: float = 2, **more: Any) -> None:
        self.count += 1
        self.rows["returns"].append(
            {
                "return_id": f"R{self.count}",
                **self.shop,
                "channel_order_id": number,
                "kind": kind,
                "status": status,
                "requested_at": ago(age),
                **more,
            }
        )

    def land(self, home: Home, prefix: str = "") -> None:
        """Write one file per entity."""
        for entity, rows in self.rows.items():
            support.land(home, f"{prefix}{entity}", rows)

    def match(self, home: Home, as_of: datetime = AS_OF) -> Mapping[str, dict[str, Any]]:
        """Land, run and read the match by order number."""
        self.land(home)
        support.run(home, as_of)
        rows = support.records(home, "SELECT * FROM reconciliation.three_way_match")
        return {row["channel_order_id"]: row for row in rows if row["channel_order_id"]}
