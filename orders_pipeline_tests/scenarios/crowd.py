"""Thousands of plain orders as standard files, written quickly: for runs that are killed or watched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.support import Row, land

AS_OF = "2026-03-01T12:00:00+08:00"
_START = datetime(2026, 2, 1, tzinfo=timezone(timedelta(hours=8)))
_SHOP = {"channel": "taobao", "shop_id": "main"}


def land_orders(home: Home, first: int, count: int, with_payments: bool = True) -> None:
    """Orders numbered from `first`, each paid, sent and delivered, in one file per leg."""
    numbers = range(first, first + count)
    land(home, f"{first}/orders", list(_orders(numbers)))
    land(
        home,
        f"{first}/lines",
        [{**_SHOP, "channel_order_id": f"N{n}", "sku": f"S{n % 50}", "quantity": 1 + n % 3} for n in numbers],
    )
    if with_payments:
        land(
            home,
            f"{first}/payments",
            [
                {
                    "account": "acc",
                    "payment_id": f"P{n}",
                    "kind": "receipt",
                    "amount": f"{n % 400}.50",
                    "currency": "CNY",
                    "occurred_at": _at(n, 1),
                    "channel_order_id": f"N{n}",
                    **_SHOP,
                }
                for n in numbers
            ],
        )
    land(
        home,
        f"{first}/shipments",
        [
            {
                "warehouse_id": "W1",
                "outbound_id": f"O{n}",
                **_SHOP,
                "channel_order_id": f"N{n}",
                "sku": f"S{n % 50}",
                "quantity": 1 + n % 3,
                "waybill_id": f"WB{n}",
                "courier_code": "sf",
                "shipped_at": _at(n, 20),
            }
            for n in numbers
        ],
    )


def _orders(numbers: range) -> Iterator[Row]:
    for n in numbers:
        yield {
            **_SHOP,
            "channel_order_id": f"N{n}",
            "status": "completed",
            "currency": "CNY",
            "payable_amount": f"{n % 400}.50",
            "created_at": _at(n, 0),
            "paid_at": _at(n, 1),
            "completed_at": _at(n, 90),
        }


def _at(number: int, hours: int) -> str:
    return (_START + timedelta(minutes=number % 20_000, hours=hours)).isoformat()
