"""From where open orders are sent, at size: the model's function over rows as its SELECT gives them.

    python -m benchmarks.allocation [--lines 20000] [--nodes 25] [--scarce 0.1] [--strict]

A tenth of the SKUs is scarce: there is hardly more of them than the open orders want, spread over a few warehouses. The others are
kept in a third of the warehouses, some of which run out when everybody takes the nearest.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from orders_pipeline.inventory.allocation import allocate
from orders_pipeline.kernel.settings import declared_thresholds

SECONDS_MAX = 60.0
PROVINCES = 30
RULES = ("extra_parcel_amount", "transit_day_amount", "unrated_parcel_amount", "store_parcel_amount", "allocation_max_seconds",
         "allocation_max_count", "shipments_max_count", "pickup_sources_max_count")  # fmt: skip
TEXTS = ("record", "order_guid", "sku", "sold_sku", "warehouse_id", "province", "city", "store_id", "due_at", "reserved_at",
         "channel_order_id", "courier_code")  # fmt: skip
NUMBERS = ("quantity", "each_qty", "grams", "base_amount", "per_kg_amount")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print what came of it; with --strict 1 when the target is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.allocation", description="From where open orders are sent, at size.")
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--nodes", type=int, default=25)
    parser.add_argument("--scarce", type=float, default=0.1)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args(arguments)
    rows = table(make(options.lines, options.nodes, options.scarce, random.Random(1)))
    began = time.perf_counter()
    made = allocate(rows)
    seconds = time.perf_counter() - began
    reasons = Counter(made.column("reason").to_pylist())
    gaps = [gap for gap in made.column("gap_ratio").to_pylist() if gap is not None]
    print(f"{options.lines:,} lines, {options.nodes} warehouses: {seconds:.1f} s, at most {SECONDS_MAX:.0f} s")
    print(f"  reasons {dict(reasons.most_common())}")
    print(f"  proven cheapest {sum(gap == 0 for gap in gaps) / max(1, len(gaps)):.1%} of rows, largest gap {max(gaps, default=0):.2%}")
    return int(options.strict and seconds > SECONDS_MAX)


def make(lines: int, nodes: int, scarce: float, chance: random.Random) -> list[dict[str, Any]]:
    """Rows of every record the model's SELECT gives."""
    places = [f"W{n:02d}" for n in range(nodes)]
    rows: list[dict[str, Any]] = [
        {"record": "rule", "sku": name, "quantity": Decimal(declared_thresholds()[name].value)} for name in RULES
    ]
    rows.append({"record": "strategy", "sku": "single_node_first"})
    for place in places:
        rows.append({"record": "node", "warehouse_id": place, "sku": "warehouse", "province": f"P{chance.randrange(PROVINCES)}"})
        rows += [
            {"record": "rate", "warehouse_id": place, "province": f"P{p}", "courier_code": courier, "transit_days": chance.randrange(1, 6),
             "base_amount": Decimal(chance.randrange(500, 2500)) / 100, "per_kg_amount": Decimal("2.00")}
            for p in range(PROVINCES) for courier in ("sf", "zto")
        ]  # fmt: skip
    skus = [f"S{n:05d}" for n in range(max(10, lines // 10))]
    wanted: Counter[str] = Counter()
    made, number = 0, 0
    while made < lines:
        number += 1
        for line in range(1 if chance.random() < 0.7 else chance.randrange(2, 4)):
            sku, quantity = skus[int(len(skus) * chance.random() ** 2)], chance.choice((1, 1, 1, 1, 2, 3))
            wanted[sku] += quantity
            made += 1
            rows.append(
                {"record": "line", "order_guid": f"{number:08d}", "line_no": line + 1, "sku": sku, "sold_sku": sku,
                 "quantity": Decimal(quantity), "each_qty": Decimal(1), "grams": Decimal(300),
                 "province": f"P{number * 7919 % PROVINCES}", "due_at": f"2026-03-{number % 28 + 1:02d}", "channel_order_id": str(number)}
            )  # fmt: skip
    for n, sku in enumerate(skus):
        is_scarce = n * 7919 % 1000 < scarce * 1000
        here = chance.sample(places, min(nodes, chance.randrange(2, 5) if is_scarce else nodes // 3 + 1))
        total = wanted[sku] * (1.05 if is_scarce else 4) + 1
        rows += [
            {"record": "stock", "sku": sku, "warehouse_id": place, "quantity": Decimal(int(total / len(here)) + 1), "each_qty": Decimal(1)}
            for place in here
        ]
    return rows


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The rows in the columns of the SELECT."""
    kinds = {**dict.fromkeys(TEXTS, pa.string()), **dict.fromkeys(NUMBERS, pa.decimal128(18, 3)),
             **dict.fromkeys(("line_no", "transit_days", "number"), pa.int64())}  # fmt: skip
    return pa.Table.from_pylist(list(rows), pa.schema(list(kinds.items())))


if __name__ == "__main__":
    sys.exit(main())
