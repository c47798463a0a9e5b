"""Order, goods and money side by side, and what somebody must look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.peers import common
from benchmarks.peers.in_pandas.orders import local_day, midnight
from benchmarks.peers.in_pandas.reading import BEIJING, HOUR, NEW_YORK, PARCEL, Frames, cents, iso, read, standard_key


def money_of_orders(allocations: pd.DataFrame) -> pd.DataFrame:
    kind, amount = allocations["kind"], allocations["amount"]
    grouped = allocations.assign(
        paid_amount=amount.where(kind.isin(["receipt", "deposit", "balance"]), 0),
        refunded_amount=-amount.where(kind == "refund", 0),
        subsidy=amount.where(kind == "subsidy", 0),
        is_settled=kind.isin(["subsidy", "payout"]),
        first_refund_at=allocations["occurred_at"].where(kind == "refund"),
    ).groupby("key", sort=False)
    labels = {f"pay_{name}": (name, "first") for name in ("channel", "shop_id", "channel_order_id", "currency")}
    sums = {name: (name, "sum") for name in ("paid_amount", "refunded_amount", "subsidy")}
    return grouped.agg(
        **labels,
        **sums,
        **{"pass": ("pass", "max")},
        paid_on=("business_on", "min"),
        is_settled=("is_settled", "any"),
        is_duplicate=("is_duplicate_key", "any"),
        first_refund_at=("first_refund_at", "min"),
    ).assign(has_movement=True)


def goods_of_orders(shipments: pd.DataFrame, parcel: pd.DataFrame) -> pd.DataFrame:
    lines = shipments.merge(parcel[[*PARCEL, "event_count", "is_delivered", "delivered_at"]], on=PARCEL, how="left")
    lines["tracked"] = lines["quantity"].where(lines["event_count"] > 0, 0)
    lines["delivered"] = lines["quantity"].where(lines["is_delivered"] == True, 0)  # noqa: E712  (missing is not delivered)
    labels = {f"log_{name}": (name, "first") for name in ("channel", "shop_id", "channel_order_id")}
    return (
        lines.groupby("key", sort=False)
        .agg(
            **labels,
            shipped=("quantity", "sum"),
            tracked=("tracked", "sum"),
            delivered=("delivered", "sum"),
            first_shipped_at=("shipped_at", "min"),
            last_shipped_at=("shipped_at", "max"),
            last_delivered_at=("delivered_at", "max"),
        )
        .assign(has_shipment=True)
    )


def returns_of_orders(landing: Path) -> pd.DataFrame:
    columns = [
        "channel",
        "shop_id",
        "channel_order_id",
        "quantity",
        "kind",
        "status",
        "requested_at",
        "received_at",
        "refunded_at",
    ]
    raw = read(landing, "standard/standard_returns_*.csv", columns=[*columns, "refund_amount"])
    back = raw["refunded_at"].notna() | (raw["status"] == "refunded")
    coming = (raw["kind"] == "return_refund") & (raw["status"] == "return_in_transit") & raw["received_at"].isna()
    cases = pd.DataFrame(
        {
            "key": standard_key(raw),
            "returned": pd.to_numeric(raw["quantity"]).fillna(1).where(raw["received_at"].notna(), 0),
            "refund_due": cents(raw["refund_amount"]).where(back),
            "refund_only": (raw["kind"] == "refund_only").astype(int),
            "is_open": coming,
            "requested_at": iso(raw["requested_at"]),
            "received_at": iso(raw["received_at"]),
        }
    )
    grouped = cases.groupby("key", sort=False)
    how = {"returned": "sum", "refund_only": "sum", "is_open": "any", "requested_at": "min", "received_at": "max"}
    return grouped.agg(how).assign(refund_due=grouped["refund_due"].sum(min_count=1))


def three_way(landing: Path, tables: Frames, now: pd.Timestamp) -> pd.DataFrame:
    """Order, goods and money side by side."""
    orders = tables["orders.orders"].drop(columns=["paid_amount", "refunded_amount"]).assign(has_order=True)
    o = orders.merge(money_of_orders(tables["payments.allocations"]), on="key", how="outer")
    o = o.merge(goods_of_orders(tables["fulfilment.shipment_lines"], tables["fulfilment.parcels"]), on="key", how="outer")
    o = o.merge(returns_of_orders(landing), on="key", how="left")
    for flag in ("has_order", "has_movement", "has_shipment", "is_duplicate", "is_settled", "is_open"):
        o[flag] = o[flag].eq(True)
    for amount in ("shipped", "delivered", "tracked", "returned", "refund_only"):
        o[amount] = o[amount].fillna(0)
    for label in ("channel", "shop_id", "channel_order_id"):
        o[label] = o[label].fillna(o[f"pay_{label}"]).fillna(o[f"log_{label}"])
    o["abroad"] = (o["timezone"] == NEW_YORK) | (~o["has_order"] & ~o["has_shipment"] & (o["pay_channel"] == "shopify"))
    o["channel"], o["currency"] = o["channel"].fillna("unknown"), o["currency"].fillna(o["pay_currency"])
    o["is_closed"] = o["status"].isin(["cancelled", "expired"])
    o["says_paid"] = o["status"].isin(["paid", "shipped", "completed"]) | o["paid_at"].notna()
    o["says_delivered"] = (o["status"] == "completed") | o["completed_at"].notna()
    o["due"], o["paid"], o["refunded"] = o["payable_amount"], o["paid_amount"].fillna(0), o["refunded_amount"].fillna(0)
    o["ordered"], o["cancelled"] = o["ordered_qty"].fillna(0), o["cancelled_qty"].fillna(0)
    o["net"] = (o["ordered"] - o["cancelled"]).mask(o["is_closed"], 0)
    o["refund_due"] = o["refund_due"].fillna(o["refunded"])
    subsidy = o["subsidy"].fillna(0) - o["platform_discount_amount"].fillna(0)
    o["subsidy_diff_amount"] = subsidy.where(o["is_settled"])
    o["subsidy_diff"] = o["subsidy_diff_amount"].fillna(0)
    nothing_paid = o["paid_amount"].isna() & ~o["is_closed"] & (o["says_paid"] | (o["shipped"] > 0))
    o["amount_diff"] = (o["paid_amount"] - o["due"]).mask(nothing_paid, -o["due"]).mask(~o["has_order"], o["paid_amount"])
    o["paid_at"] = o["paid_at"].fillna(o["created_at"])
    for event in ("first_shipped_at", "last_shipped_at"):
        o[event] = o[event].fillna(o["shipped_at"])
    o["created_on"] = o["created_on"].fillna(o["paid_on"]).fillna(local_day(o["first_shipped_at"], o["abroad"] & False))
    closed_at, began_at = o["cancelled_at"].fillna(o["first_refund_at"]), o["requested_at"].fillna(o["first_refund_at"])
    o["left_after_close"] = closed_at.isna() | (o["first_shipped_at"] >= closed_at)
    o["unpaid_until"] = o["created_at"] + 24 * HOUR
    o["bill_due"] = midnight(local_day(o["paid_at"], o["abroad"]) + 72 * HOUR, o["abroad"])
    o["order_due"] = midnight(o["paid_on"] + 72 * HOUR, o["abroad"])
    o["ship_due"] = o["promised_ship_at"].fillna(o["paid_at"] + 48 * HOUR)
    o["transit_until"] = o["last_shipped_at"] + 360 * HOUR
    o["remitted_until"] = o["last_delivered_at"].fillna(o["completed_at"]) + 168 * HOUR
    o["return_until"], o["refund_until"], o["cancel_until"] = (
        began_at + 360 * HOUR,
        o["received_at"] + 48 * HOUR,
        closed_at + 48 * HOUR,
    )
    names, conditions = zip(*common.rules(o, now), strict=True)
    verdict = pd.Series(np.select([c.to_numpy(bool) for c in conditions], names, "MATCHED|three_way_equal"), o.index)
    o["order_status"] = o["status"]
    o[["status", "reason"]] = verdict.str.split("|", expand=True)
    return judged(o)


def judged(o: pd.DataFrame) -> pd.DataFrame:
    """The match as it is published."""
    until = {"payment_pending": "unpaid_until", "payment_file_pending": "bill_due", "single_sided_short": "bill_due"}
    until |= {"single_sided_long": "order_due", "awaiting_shipment": "ship_due", "in_transit": "transit_until"}
    until |= {"cod_in_remittance": "remitted_until", "refund_in_progress": "cancel_until", "return_in_progress": "return_until"}
    clear = pd.Series(pd.NaT, o.index, dtype=o["bill_due"].dtype)
    for reason, instant in until.items():
        clear = clear.mask(o["reason"] == reason, o[instant])
    clear = clear.mask((o["reason"] == "return_in_progress") & (o["returned"] > 0), o["refund_until"])
    early = o["reason"].isin(["payment_file_pending", "single_sided_short", "single_sided_long"])
    difference = o["amount_diff"].fillna(o["due"]).abs()
    off = o["due"].isna() | (difference * 200 > o["due"].abs()) | ((o["shipped"] - o["net"]).abs() >= 1)
    same = ["key", "has_order", "channel", "shop_id", "channel_order_id", "created_on", "currency", "status", "reason"]
    same += ["order_status", "paid_amount", "refunded_amount", "amount_diff", "subsidy_diff_amount"]
    step = o["pass"].fillna(pd.Series(np.where(o["has_shipment"], "M1", "none"), o.index))
    return o[same].assign(
        timezone=np.where(o["abroad"], NEW_YORK, BEIJING),
        rule=step + np.where(o["status"] == "TIMING", " clock-and-state v1", " three-way v1"),
        due_amount=o["due"],
        amount_diff_ratio=o["amount_diff"] / o["due"].where(o["due"] != 0),
        ordered_qty=o["ordered"],
        shipped_qty=o["shipped"],
        delivered_qty=o["delivered"],
        returned_qty=o["returned"],
        qty_diff=o["shipped"] - o["net"].where(o["has_order"], 0),
        expected_clear_at=clear,
        expected_clear_on=local_day(clear, o["abroad"]) - early * 24 * HOUR,
        is_alert=~o["status"].isin([*common.MATCHED, "TIMING"]) & off,
    )


def exceptions(match: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """What somebody must look at."""
    overdue = (match["status"] == "TIMING") & (match["expected_clear_at"] <= now)
    some = match[match["status"].isin(common.EXCEPTIONS) | overdue]
    today = local_day(pd.Series(now, some.index), some["timezone"] == NEW_YORK)
    age = (today - some["created_on"]).dt.days
    most, names = zip(*common.AGES, strict=True)
    same = ["key", "channel", "shop_id", "channel_order_id", "currency", "status", "reason", "qty_diff", "is_alert"]
    return some[same].assign(
        amount_diff=some["amount_diff"].fillna(-some["due_amount"]).fillna(some["paid_amount"]),
        opened_on=some["created_on"],
        age_days=age,
        age_bucket=np.array(names)[np.searchsorted(most, age)],
        state="open",
    )
