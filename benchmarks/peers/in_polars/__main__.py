"""All of it: every result table of the files, written as Parquet."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import polars as pl
from polars import col

from benchmarks.peers import common
from benchmarks.peers.in_polars.goods import id_map, parcels, shipment_lines
from benchmarks.peers.in_polars.match import exceptions, three_way
from benchmarks.peers.in_polars.money import allocated, movements
from benchmarks.peers.in_polars.orders import discounts, douyin_rows, newest_orders, order_lines, seen_orders, versions
from benchmarks.peers.in_polars.reading import Frames, number, scan


def build(landing: Path, now: datetime) -> Frames:
    """Every result table, with the orders' keys still as text."""
    shopify = scan(landing, "shop=us/*.csv").collect()
    douyin = douyin_rows(landing)
    products = (
        scan(landing, "standard/standard_products.csv")
        .with_columns(*[col(name) == "true" for name in common.FLAGS], *[number(name) * 100 for name in ("list_price", "cost")])
        .select(*common.PRODUCT, "weight_grams")
        .with_columns(col("weight_grams").cast(pl.Int64))
        .collect()
    )
    version = versions(seen_orders(landing, douyin, shopify))
    keys = version["key"].unique()
    version = version.join(pl.DataFrame({"key": keys, "order_guid": common.guids(keys)}), on="key", how="left")
    lines = order_lines(landing, douyin, shopify, products)
    orders = newest_orders(version, lines)
    payments, shipments = movements(landing), shipment_lines(landing)
    tables = {
        "orders.order_versions": version,
        "orders.order_lines": lines,
        "orders.orders": orders,
        "orders.products": products,
        "orders.order_discounts": discounts(douyin, shopify, orders),
        "payments.transactions": payments,
        "payments.allocations": allocated(payments, orders),
        "fulfilment.shipment_lines": shipments,
        "fulfilment.parcels": parcels(landing, shipments),
        "orders.id_map": id_map(version, lines, shipments),
    }
    tables["reconciliation.three_way_match"] = match = three_way(landing, tables, now)
    tables["reconciliation.exceptions"] = exceptions(match, now)
    return tables


def write(tables: Frames, folder: Path) -> None:
    """Each table as Parquet: guids for keys, decimals for cents."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = pl.concat([frame["key"] for frame in tables.values() if "key" in frame.columns]).unique()
    guids = pl.DataFrame({"key": keys, "order_guid": common.guids(keys)})
    for name, frame in tables.items():
        if "key" in frame.columns:
            frame = frame.drop("order_guid", strict=False).join(guids, on="key", how="left").drop("key")
        frame.with_columns(
            *[(col(c) / 100).cast(pl.Decimal(18, 2)) for c in common.MONEY if c in frame.columns],
            *[col(c).cast(pl.Decimal(18, 3)) for c in common.QUANTITIES if c in frame.columns],
            *[(col(c) / 100).cast(pl.Decimal(18, 4)) for c in common.PRICES if c in frame.columns],
        ).write_parquet(folder / f"{name}.parquet")


if __name__ == "__main__":
    write(build(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[3])), Path(sys.argv[2]))
