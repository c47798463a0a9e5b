"""Outbound lines, parcels, and every number of an order."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.peers import common
from benchmarks.peers.in_pandas.reading import PARCEL, bare, beijing, code, iso, read, standard_key


def shipment_lines(landing: Path) -> pd.DataFrame:
    """Outbound lines, each once."""
    wanted = ["店铺", "出库单编号", "子单原始单号", "原始子订单号", "货品编号", "货品数量", "物流单号", "物流公司", "发货时间"]
    raw = read(landing, "wms/wms_stockout_*.csv", columns=wanted, quoted=False, encoding="utf-8-sig")
    raw = raw[raw["店铺"].isin(common.SHOPS)].drop(columns="filename").drop_duplicates()
    outbound = pd.DataFrame(
        {
            "channel": raw["店铺"].map({name: shop[0] for name, shop in common.SHOPS.items()}),
            "shop_id": raw["店铺"].map({name: shop[1] for name, shop in common.SHOPS.items()}),
            "warehouse_id": "main",
            "outbound_id": raw["出库单编号"],
            "channel_order_id": bare(raw["子单原始单号"]),
            "sub_order_id": bare(raw["原始子订单号"]),
            "sku": raw["货品编号"],
            "quantity": pd.to_numeric(raw["货品数量"]).astype(float),
            "waybill_id": bare(raw["物流单号"]),
            "courier_code": code(raw["物流公司"], common.COURIERS),
            "shipped_at": beijing(bare(raw["发货时间"])),
        }
    )
    plain = ["warehouse_id", "outbound_id", "channel", "shop_id", "channel_order_id", "sku", *PARCEL]
    raw = read(landing, "standard/standard_shipments_*.csv", columns=[*plain, "quantity", "shipped_at"])
    standard = raw[plain].assign(quantity=pd.to_numeric(raw["quantity"]).astype(float), shipped_at=iso(raw["shipped_at"]))
    lines = pd.concat([outbound, standard.drop_duplicates()], ignore_index=True)
    return lines.assign(key=standard_key(lines))


def parcels(landing: Path, shipments: pd.DataFrame) -> pd.DataFrame:
    """Parcels as their courier events leave them."""
    raw = read(landing, "courier/*.csv", columns=["运单号", "快递公司", "时间", "状态码", "描述"], quoted=False)
    raw = raw.drop(columns="filename").drop_duplicates()
    courier = pd.DataFrame(
        {
            "courier_code": code(raw["快递公司"], common.COURIERS),
            "waybill_id": raw["运单号"],
            "status": code(raw["状态码"], common.EVENTS),
            "occurred_at": beijing(raw["时间"]),
        }
    )
    raw = read(landing, "standard/standard_tracking_*.csv", columns=[*PARCEL, "description", "status_code", "occurred_at"])
    raw = raw.drop(columns="filename").drop_duplicates()
    standard = raw[PARCEL].assign(status=raw["status_code"], occurred_at=iso(raw["occurred_at"]))
    events = pd.concat([courier, standard], ignore_index=True)
    events["rank"] = events["status"].map(common.EVENT_RANK).fillna(0)
    events = events.sort_values(["occurred_at", "rank"], kind="stable")
    for state, name in (("collected", "collected_at"), ("delivered", "delivered_at")):
        events[name] = events["occurred_at"].where(events["status"] == state)
    followed = events.groupby(PARCEL, sort=False).agg(
        event_count=("status", "size"),
        first_event_at=("occurred_at", "min"),
        last_event_at=("occurred_at", "max"),
        status=("status", "last"),
        collected_at=("collected_at", "min"),
        delivered_at=("delivered_at", "min"),
    )
    followed["collected_at"] = followed["collected_at"].fillna(followed.pop("first_event_at"))
    carried = shipments.groupby(PARCEL, sort=False).agg(order_count=("key", "nunique"))
    both = followed.join(carried, how="outer").reset_index()
    counts = {name: both[name].fillna(0).astype(int) for name in ("order_count", "event_count")}
    return both.assign(**counts, is_delivered=both["status"] == "delivered", status=both["status"].fillna("label_created"))


def id_map(version: pd.DataFrame, lines: pd.DataFrame, shipments: pd.DataFrame) -> pd.DataFrame:
    """Every number of an order."""
    wanted = [(version, name) for name in common.ORDER_NUMBERS] + [(lines, "sub_order_id"), (shipments, "waybill_id")]
    found = [frame[["key"]].assign(id_type=name, id_value=frame[name]).dropna().drop_duplicates() for frame, name in wanted]
    return pd.concat(found, ignore_index=True)
