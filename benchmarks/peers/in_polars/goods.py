"""Outbound lines, parcels, and every number of an order."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars import col, lit

from benchmarks.peers import common
from benchmarks.peers.in_polars.reading import STANDARD_KEY, bare, beijing, code, iso, number, scan


def shipment_lines(landing: Path) -> pl.DataFrame:
    """Outbound lines, each once."""
    shops = pl.DataFrame([(name, *shop) for name, shop in common.SHOPS.items()], ["店铺", "channel", "shop_id"], orient="row")
    outbound = (
        scan(landing, "wms/wms_stockout_*.csv", None)
        .join(shops.lazy(), on="店铺")
        .select(
            *("channel", "shop_id"),
            warehouse_id=lit("main"),
            outbound_id=col("出库单编号"),
            channel_order_id=bare("子单原始单号"),
            sub_order_id=bare("原始子订单号"),
            sku=col("货品编号"),
            quantity=number("货品数量"),
            waybill_id=bare("物流单号"),
            courier_code=code("物流公司", common.COURIERS),
            shipped_at=beijing(bare("发货时间")),
        )
        .unique()
        .collect()
    )
    plain = ("warehouse_id", "outbound_id", "channel", "shop_id", "channel_order_id", "sku", "waybill_id", "courier_code")
    standard = scan(landing, "standard/standard_shipments_*.csv").select(*plain, number("quantity"), iso("shipped_at")).unique()
    return pl.concat([outbound, standard.collect()], how="diagonal").with_columns(key=STANDARD_KEY)


def parcels(landing: Path, shipments: pl.DataFrame) -> pl.DataFrame:
    """Parcels as their courier events leave them."""
    courier = scan(landing, "courier/*.csv", None).select(
        courier_code=code("快递公司", common.COURIERS),
        waybill_id=col("运单号"),
        description=col("描述"),
        status=code("状态码", common.EVENTS),
        occurred_at=beijing("时间"),
    )
    standard = scan(landing, "standard/standard_tracking_*.csv").select(
        "courier_code", "waybill_id", "description", iso("occurred_at"), status=col("status_code")
    )
    at, parcel = col("occurred_at"), ["courier_code", "waybill_id"]
    rank = at.dt.epoch("us") * 10 + col("status").replace_strict(common.EVENT_RANK, default=0, return_dtype=pl.Int64)
    followed = (
        pl.concat([courier.unique(), standard.unique()], how="diagonal")
        .group_by(parcel)
        .agg(
            event_count=pl.len().cast(pl.Int64),
            last_event_at=at.max(),
            status=col("status").get(rank.arg_max()),
            collected_at=pl.coalesce(at.filter(col("status") == "collected").min(), at.min()),
            delivered_at=at.filter(col("status") == "delivered").min(),
        )
        .collect()
    )
    carried = shipments.group_by(parcel).agg(order_count=col("key").n_unique().cast(pl.Int64))
    return followed.join(carried, on=parcel, how="full", coalesce=True).with_columns(
        col("order_count", "event_count").fill_null(0),
        is_delivered=(col("status") == "delivered").fill_null(False),
        status=col("status").fill_null("label_created"),
    )


def id_map(version: pl.DataFrame, lines: pl.DataFrame, shipments: pl.DataFrame) -> pl.DataFrame:
    """Every number of an order."""
    wanted = [(version, name) for name in common.ORDER_NUMBERS] + [(lines, "sub_order_id"), (shipments, "waybill_id")]
    found = [frame.select(id_type=lit(name), id_value=col(name), key=col("key")) for frame, name in wanted]
    return pl.concat(found).filter(col("id_value").is_not_null()).unique()
