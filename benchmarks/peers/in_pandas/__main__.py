"""All of it: every result table of the files, written as Parquet."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers import common
from benchmarks.peers.in_pandas.goods import id_map, parcels, shipment_lines
from benchmarks.peers.in_pandas.match import exceptions, three_way
from benchmarks.peers.in_pandas.money import allocated, movements
from benchmarks.peers.in_pandas.orders import (
    SHOPIFY,
    discounts,
    douyin_orders,
    douyin_rows,
    newest_orders,
    order_lines,
    shopify_orders,
    standard_orders,
    taobao_orders,
    versions,
)
from benchmarks.peers.in_pandas.reading import Frames, cents, read, standard_key


def build(landing: Path, now: pd.Timestamp) -> Frames:
    """Every result table, with the orders' keys still as text."""
    shopify = read(landing, "shop=us/*.csv", columns=SHOPIFY)
    douyin = douyin_rows(landing)
    products = read(landing, "standard/standard_products.csv", columns=[*common.PRODUCT, "weight_grams"]).drop(columns="filename")
    products = products.assign(
        **{name: products[name] == "true" for name in common.FLAGS},
        **{name: cents(products[name]) for name in ("list_price", "cost")},
        weight_grams=pd.to_numeric(products["weight_grams"]),
    )
    seen = [taobao_orders(landing), douyin_orders(douyin), shopify_orders(shopify), standard_orders(landing)]
    seen = pd.concat(seen, ignore_index=True)
    phones = seen["phone"].dropna().unique()
    seen["customer_id"] = seen.pop("phone").map(dict(zip(phones, common.people(phones), strict=True)))
    version = versions(seen.assign(key=standard_key(seen)))
    keys = version["key"].unique()
    version["order_guid"] = version["key"].map(dict(zip(keys, common.guids(keys), strict=True)))
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
    """Each table as Parquet: guids for keys, decimals for cents, dates for days."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = pd.concat([frame["key"] for frame in tables.values() if "key" in frame]).unique()
    guids = dict(zip(keys, common.guids(keys), strict=True))
    for name, frame in tables.items():
        if "key" in frame:
            frame = frame.assign(order_guid=frame["key"].map(guids)).drop(columns="key")
        table = pa.Table.from_pandas(frame, preserve_index=False)
        for place, column in enumerate(table.column_names):
            if column in common.MONEY:
                written = decimal(frame[column], 1, 2)
            elif column in common.QUANTITIES:
                written = decimal(frame[column], 1000, 3)
            elif column in common.PRICES:
                written = decimal(frame[column], 100, 4)
            elif column.endswith("_on"):
                written = table[column].cast(pa.date32())
            else:
                continue
            table = table.set_column(place, column, written)
        pq.write_table(table, folder / f"{name}.parquet")


def decimal(numbers: pd.Series, times: int, scale: int) -> pa.Array:
    """Numbers, multiplied to whole ones, as decimals of that scale."""
    whole = pa.array((numbers * times).round(), from_pandas=True).cast(pa.int64()).cast(pa.decimal128(19, 0))
    return pc.multiply(whole, pa.scalar(Decimal(1).scaleb(-scale))).cast(pa.decimal128(18, scale))


if __name__ == "__main__":
    write(build(Path(sys.argv[1]), pd.Timestamp(sys.argv[3])), Path(sys.argv[2]))
