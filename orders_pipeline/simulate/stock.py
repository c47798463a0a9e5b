"""Stock of three places with everything that happens to it, on request (`--stock`): goods beside those of the order book.

Figures taken the evening before `as_of`, then receipts, transfers, damage, returns; holds that run and holds that have ended;
bundles; open orders; what the channels show. Every number is added up here as it is made, so that the truth is a second opinion:
`truth/stock.csv` (each SKU in each place) and `truth/oversells.csv` (each order that cannot be shipped, and why).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from orders_pipeline.simulate.emit import WrittenFile
from orders_pipeline.simulate.plan import Plan
from orders_pipeline.simulate.rows import write_rows, write_standard_rows

CAUSES = ("two_channels", "transfer", "late_return", "stale_figure", "unknown")
PLACES = (
    ("WH-EAST", "warehouse", "浙江", "杭州市"),
    ("WH-SOUTH", "warehouse", "广东", "广州市"),
    ("ST-01", "store", "浙江", "杭州市"),
)
SHOPS = ("main", "mini")
CHANNEL = "youzan"


@dataclass
class Position:
    """What one SKU in one place comes to."""

    on_hand: int = 0
    unsellable: int = 0
    reserved: int = 0
    held: int = 0
    safety: int = 0

    @property
    def atp(self) -> int:
        return self.on_hand - self.unsellable - self.reserved - self.held - self.safety


@dataclass
class Story:
    """Rows by entity, and what they come to."""

    plan: Plan
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    positions: dict[tuple[str, str], Position] = field(default_factory=lambda: defaultdict(Position))
    oversells: list[dict[str, Any]] = field(default_factory=list)
    orders: list[tuple[str, str]] = field(default_factory=list)
    numbers: int = 0

    def number(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}{self.plan.tag}{self.numbers:06d}"

    def at(self, hours: float) -> str:
        """An instant this many hours before `as_of`."""
        return f"{self.plan.as_of - timedelta(hours=hours):%Y-%m-%dT%H:%M:%S}+08:00"

    def count(
        self, sku: str, place: str, on_hand: int, quality: int = 0, frozen: int = 0, damaged: int = 0, safety: int = 0
    ) -> None:
        self.rows["inventory_snapshots"].append(
            {"warehouse_id": place, "sku": sku, "counted_at": self.at(18), "on_hand_qty": on_hand, "quality_control_qty": quality,
             "frozen_qty": frozen, "damaged_qty": damaged, "safety_stock_qty": safety}
        )  # fmt: skip
        self.positions[sku, place] = Position(on_hand, quality + frozen + damaged, safety=safety)

    def move(self, sku: str, place: str, kind: str, quantity: int, hours: float, reference: str | None = None) -> None:
        self.rows["inventory_movements"].append(
            {"movement_id": self.number("MV"), "warehouse_id": place, "sku": sku, "kind": kind, "quantity": quantity,
             "occurred_at": self.at(hours), "reference_id": reference}
        )  # fmt: skip
        position = self.positions[sku, place]
        position.on_hand += quantity if kind != "restock" else 0
        # Received back it awaits inspection; inspected it is sellable again.
        position.unsellable += {"return_received": quantity, "restock": -quantity}.get(kind, 0)

    def order(self, sku: str, quantity: int, hours: float, place: str | None, shop: str = SHOPS[0]) -> str:
        """A paid order that waits for its goods; `place` None: any may send them."""
        number, amount = self.number("SK"), f"{10 * quantity}.00"
        key = {"channel": CHANNEL, "shop_id": shop, "channel_order_id": number}
        paid_at = self.at(hours - 0.01)
        self.rows["orders"].append(
            key | {"platform_txn_id": f"TX{number}", "status": "paid", "currency": "CNY", "payable_amount": amount,
                   "paid_amount": amount,
                   "created_at": self.at(hours), "paid_at": paid_at, "province": "浙江", "city": "杭州市"}
        )  # fmt: skip
        self.rows["order_lines"].append(
            key | {"line_no": 1, "sku": sku, "quantity": quantity, "payable_amount": amount, "warehouse_id": place}
        )
        self.rows["payments"].append(
            {"account": "youzan-stock", "payment_id": f"PM{number}", "kind": "receipt", "amount": amount, "currency": "CNY",
             "occurred_at": paid_at, "platform_txn_id": f"TX{number}"} | key
        )  # fmt: skip
        self.orders.append((shop, number))
        return number

    def hold(self, sku: str, place: str, quantity: int, ends: float) -> None:
        """A hold that ends so many hours after `as_of`; one that has ended by then (below 0) counts no longer."""
        self.rows["holds"].append(
            {"hold_id": self.number("HD"), "warehouse_id": place, "sku": sku, "quantity": quantity, "reserved_at": self.at(2),
             "reserved_until": self.at(-ends)}
        )  # fmt: skip
        self.positions[sku, place].held += quantity if ends > 0 else 0

    def show(self, sku: str, quantity: int, hours: float, shop: str = SHOPS[0]) -> None:
        self.rows["channel_stock"].append(
            {"channel": CHANNEL, "shop_id": shop, "sku": sku, "mode": "shared", "buffer_qty": 0, "shown_qty": quantity,
             "shown_at": self.at(hours)}
        )  # fmt: skip

    def short(self, number: str, sku: str, quantity: int, place: str, cause: str) -> None:
        self.oversells.append(
            {"channel_order_id": number, "sku": sku, "warehouse_id": place, "short_qty": quantity, "cause": cause}
        )


def write_stock(plan: Plan, skus: int, each: int, landing: Path, truth: Path) -> tuple[list[WrittenFile], list[tuple[str, str]]]:
    """Writes the files of `skus` ordinary SKUs and `each` oversells of every cause.

    Returns the files, and the (shop, number) of the orders in them.
    """
    story = Story(plan)
    chance = random.Random(plan.seed)  # noqa: S311 (a simulation)
    _places(story)
    for n in range(skus):
        _ordinary(story, f"STK{n:04d}", chance)
    for n in range(0, skus - 1, 5):
        _bundle(story, f"SET{n:04d}", (f"STK{n:04d}", f"STK{n + 1:04d}"))
    for cause in CAUSES:
        for n in range(each):
            _oversell(story, f"OVR-{cause}-{n:03d}", cause, chance)
    files = [
        write_standard_rows(landing / "stock" / f"standard_{entity}_stock.csv", entity, rows, landing)
        for entity, rows in sorted(story.rows.items())
    ]
    _truth(story, truth)
    return files, story.orders


def _places(story: Story) -> None:
    for place, kind, province, city in PLACES:
        story.rows["warehouses"].append(
            {
                "warehouse_id": place,
                "kind": kind,
                "province": province,
                "city": city,
                "timezone": "Asia/Shanghai",
                "is_active": "true",
            }
        )
        for target in ("浙江", "广东"):
            near = target == province
            story.rows["courier_rates"].append(
                {"warehouse_id": place, "province": target, "courier_code": "sf", "base_amount": "8.00" if near else "14.00",
                 "per_kg_amount": "2.00", "transit_days": 1 if near else 3}
            )  # fmt: skip


def _ordinary(story: Story, sku: str, chance: random.Random) -> None:
    """Plenty in both warehouses and some in the store; what happened since the figures, and who has a claim."""
    east, south = "WH-EAST", "WH-SOUTH"
    for place in (east, south):
        story.count(
            sku, place, chance.randrange(60, 200), chance.randrange(3), chance.randrange(4), chance.randrange(3), safety=5
        )
    story.count(sku, "ST-01", chance.randrange(5, 15), safety=2)
    story.move(sku, east, "receipt", chance.randrange(1, 30), 12)
    moved = chance.randrange(1, 10)
    document = story.number("TR")
    story.move(sku, east, "transfer_out", -moved, 10, document)
    story.move(sku, south, "transfer_in", moved, 6, document)
    story.move(sku, east, "damage", -chance.randrange(1, 3), 5)
    back = chance.randrange(1, 4)
    case = story.number("RT")
    story.move(sku, south, "return_received", back, 9, case)
    if chance.random() < 0.5:
        story.move(sku, south, "restock", back, 4, case)
    story.hold(sku, east, chance.randrange(1, 4), ends=1)
    story.hold(sku, east, chance.randrange(1, 4), ends=-0.5)
    for _ in range(chance.randrange(3)):
        quantity, place = chance.randrange(1, 5), chance.choice((east, south))
        story.order(sku, quantity, chance.uniform(1, 15), place)
        story.positions[sku, place].reserved += quantity
    story.show(sku, 50, 3)


def _bundle(story: Story, kit: str, parts: Sequence[str]) -> None:
    """A bundle of one and two pieces, sold once."""
    for each, sku in enumerate(parts, 1):
        story.rows["kits"].append({"kit_sku": kit, "component_sku": sku, "component_quantity": each})
        story.positions[sku, "WH-EAST"].reserved += 3 * each
    story.order(kit, 3, 7, "WH-EAST")


def _oversell(story: Story, sku: str, cause: str, chance: random.Random) -> None:
    """One order too many, for the reason given and no other."""
    place, wanted = chance.choice(("WH-EAST", "WH-SOUTH")), chance.randrange(1, 4)
    if cause == "two_channels":
        story.count(sku, place, wanted)
        for shop in SHOPS:
            story.show(sku, wanted, 4, shop)
        story.order(sku, wanted, 3.5, place, SHOPS[0])
        number = story.order(sku, wanted, 3, place, SHOPS[1])
        story.positions[sku, place].reserved += wanted
    elif cause == "transfer":
        story.count(sku, place, wanted)
        story.show(sku, wanted, 4)
        story.move(sku, place, "transfer_out", -wanted, 3.5, story.number("TR"))
        number = story.order(sku, wanted, 3, place)
    else:
        story.count(sku, place, 0)
        # A fresh figure of 0 that was sold against all the same: nothing tells why.
        story.show(sku, 0 if cause == "unknown" else wanted, 9 if cause == "stale_figure" else 3.02)
        if cause == "late_return":
            case = story.number("RT")
            story.rows["returns"].append(
                {"return_id": case, "channel": CHANNEL, "shop_id": SHOPS[0], "channel_order_id": story.number("OLD"), "sku": sku,
                 "quantity": wanted, "kind": "return_refund", "status": "refunded", "requested_at": story.at(90),
                 "received_at": story.at(5), "refunded_at": story.at(6), "refund_amount": "10.00"}
            )  # fmt: skip
        number = story.order(sku, wanted, 3, place)
        if cause == "late_return":
            # The warehouse books it after the order, and has not inspected it yet.
            story.move(sku, place, "return_received", wanted, 1, case)
    story.positions[sku, place].reserved += wanted
    story.short(number, sku, wanted, place, cause)


def _truth(story: Story, truth: Path) -> None:
    columns = ("sku", "warehouse_id", "on_hand_qty", "sellable_qty", "reserved_qty", "held_qty", "atp_signed_qty")
    figures = [
        dict(zip(columns, (sku, place, p.on_hand, p.on_hand - p.unsellable, p.reserved, p.held, p.atp), strict=True))
        for (sku, place), p in sorted(story.positions.items())
    ]
    write_rows(truth / "stock.csv", columns, figures)
    write_rows(
        truth / "oversells.csv",
        ("channel_order_id", "sku", "warehouse_id", "short_qty", "cause"),
        sorted(story.oversells, key=lambda row: row["channel_order_id"]),
    )
