"""Order, goods and money side by side, and what somebody must look at."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from polars import col, lit

from benchmarks.peers import common
from benchmarks.peers.in_polars.orders import local_date, midnight
from benchmarks.peers.in_polars.reading import BEIJING, NEW_YORK, STANDARD_KEY, Frames, cents, iso, number, scan


class Columns:
    """Attributes that are Polars' columns, for the rules both peers share."""

    def __getattr__(self, name: str) -> pl.Expr:
        return col(name)


def three_way(landing: Path, tables: Frames, now: datetime) -> pl.DataFrame:
    """Order, goods and money side by side."""
    pay = (
        tables["payments.allocations"]
        .group_by("key")
        .agg(
            pl.min("channel", "shop_id", "channel_order_id", "currency").name.prefix("pay_"),
            paid_on=col("business_on").min(),
            paid_amount=col("amount").filter(col("kind").is_in(["receipt", "deposit", "balance"])).sum(),
            refunded_amount=-col("amount").filter(col("kind") == "refund").sum(),
            subsidy=col("amount").filter(col("kind") == "subsidy").sum(),
            is_settled=col("kind").is_in(["subsidy", "payout"]).any(),
            is_duplicate=col("is_duplicate_key").any(),
            first_refund_at=col("occurred_at").filter(col("kind") == "refund").min(),
            **{"pass": col("pass").max()},
            has_movement=lit(True),
        )
    )
    parcel = ["courier_code", "waybill_id"]
    found = tables["fulfilment.parcels"].select(*parcel, "event_count", "is_delivered", "delivered_at")
    qty = col("quantity")
    log = (
        tables["fulfilment.shipment_lines"]
        .join(found, on=parcel, how="left")
        .group_by("key")
        .agg(
            pl.min("channel", "shop_id", "channel_order_id").name.prefix("log_"),
            shipped=qty.sum(),
            tracked=qty.filter(col("event_count") > 0).sum(),
            delivered=qty.filter(col("is_delivered")).sum(),
            first_shipped_at=col("shipped_at").min(),
            last_shipped_at=col("shipped_at").max(),
            last_delivered_at=col("delivered_at").max(),
            has_shipment=lit(True),
        )
    )
    returns = (
        scan(landing, "standard/standard_returns_*.csv")
        .select(
            "kind",
            "status",
            number("quantity"),
            cents("refund_amount"),
            *[iso(n) for n in ("requested_at", "received_at", "refunded_at")],
            key=STANDARD_KEY,
        )
        .group_by("key")
        .agg(
            returned=qty.fill_null(1).filter(col("received_at").is_not_null()).sum(),
            refund_due=_sum(col("refund_amount").filter(col("refunded_at").is_not_null() | (col("status") == "refunded"))),
            refund_only=(col("kind") == "refund_only").sum(),
            is_open=(
                (col("kind") == "return_refund") & (col("status") == "return_in_transit") & col("received_at").is_null()
            ).any(),
            requested_at=col("requested_at").min(),
            received_at=col("received_at").max(),
        )
        .collect()
    )
    orders = tables["orders.orders"].drop("paid_amount", "refunded_amount").with_columns(has_order=lit(True))
    legs = (
        orders.join(pay, on="key", how="full", coalesce=True)
        .join(log, on="key", how="full", coalesce=True)
        .join(returns, on="key", how="left")
        .with_columns(
            col("has_order", "has_movement", "has_shipment", "is_duplicate", "is_settled", "is_open").fill_null(False),
            *[col(n).fill_null(0) for n in ("shipped", "delivered", "tracked", "returned", "refund_only")],
            *[pl.coalesce(n, f"pay_{n}", f"log_{n}").alias(n) for n in ("shop_id", "channel_order_id")],
            channel=pl.coalesce("channel", "pay_channel", "log_channel", lit("unknown")),
            currency=pl.coalesce("currency", "pay_currency"),
            abroad=pl.coalesce(
                col("timezone") == NEW_YORK,
                col("has_shipment").fill_null(False).not_() & (col("pay_channel") == "shopify"),
                lit(False),
            ),
            is_closed=col("status").is_in(["cancelled", "expired"]).fill_null(False),
            says_paid=(col("status").is_in(["paid", "shipped", "completed"]) | col("paid_at").is_not_null()).fill_null(False),
            says_delivered=((col("status") == "completed") | col("completed_at").is_not_null()).fill_null(False),
            due=col("payable_amount"),
            cancelled=col("cancelled_qty").fill_null(0),
            ordered=col("ordered_qty").fill_null(0),
            paid=col("paid_amount").fill_null(0),
            refunded=col("refunded_amount").fill_null(0),
            paid_at=pl.coalesce("paid_at", "created_at"),
            **{n: pl.coalesce(n, o) for n, o in (("first_shipped_at", "shipped_at"), ("last_shipped_at", "shipped_at"))},
            last_delivered_at=pl.coalesce("last_delivered_at", "completed_at"),
            return_began_at=pl.coalesce("requested_at", "first_refund_at"),
            closed_at=pl.coalesce("cancelled_at", "first_refund_at"),
        )
        .with_columns(
            created_on=pl.coalesce("created_on", "paid_on", col("first_shipped_at").dt.convert_time_zone(BEIJING).dt.date()),
            refund_due=pl.coalesce("refund_due", "refunded"),
            net=pl.when(col("is_closed")).then(0.0).otherwise(col("ordered") - col("cancelled")),
            subsidy_diff_amount=pl.when(col("is_settled")).then(
                col("subsidy").fill_null(0) - col("platform_discount_amount").fill_null(0)
            ),
            amount_diff=pl.when(~col("has_order"))
            .then("paid_amount")
            .when(col("paid_amount").is_null() & ~col("is_closed") & (col("says_paid") | (col("shipped") > 0)))
            .then(-col("due"))
            .otherwise(col("paid_amount") - col("due")),
            left_after_close=col("closed_at").is_null() | (col("first_shipped_at") >= col("closed_at")).fill_null(False),
            unpaid_until=col("created_at") + timedelta(hours=24),
            bill_due=midnight(local_date(col("paid_at"), col("abroad")) + timedelta(days=3), col("abroad")),
            order_due=midnight(col("paid_on") + timedelta(days=3), col("abroad")),
            ship_due=pl.coalesce("promised_ship_at", col("paid_at") + timedelta(hours=48)),
            transit_until=col("last_shipped_at") + timedelta(hours=360),
            remitted_until=col("last_delivered_at") + timedelta(hours=168),
            return_until=col("return_began_at") + timedelta(hours=360),
            refund_until=col("received_at") + timedelta(hours=48),
            cancel_until=col("closed_at") + timedelta(hours=48),
        )
        .with_columns(subsidy_diff=col("subsidy_diff_amount").fill_null(0))
    )
    verdict: pl.Expr = lit("MATCHED|three_way_equal")
    for name, holds in reversed(common.rules(Columns(), lit(now))):
        verdict = pl.when(holds).then(lit(name)).otherwise(verdict)
    return judged(legs.with_columns(verdict=verdict.str.split("|")))


def _sum(values: pl.Expr) -> pl.Expr:
    """A sum that is missing, not zero, where there is nothing to sum."""
    return pl.when(values.count() > 0).then(values.sum())


def judged(legs: pl.DataFrame) -> pl.DataFrame:
    """The match as it is published."""
    until = {"payment_pending": "unpaid_until", "payment_file_pending": "bill_due", "single_sided_short": "bill_due"}
    until |= {"single_sided_long": "order_due", "awaiting_shipment": "ship_due", "in_transit": "transit_until"}
    until |= {"cod_in_remittance": "remitted_until", "refund_in_progress": "cancel_until"}
    reason, due, back = col("reason"), col("due"), col("returned") > 0
    clear: pl.Expr = pl.when((reason == "return_in_progress") & back).then("refund_until")
    clear = clear.when(reason == "return_in_progress").then("return_until")
    for name, instant in until.items():
        clear = clear.when(reason == name).then(instant)
    off = (pl.coalesce("amount_diff", "due").abs() * 200 > due.abs()) | ((col("shipped") - col("net")).abs() >= 1)
    early = reason.is_in(["payment_file_pending", "single_sided_short", "single_sided_long"]).cast(pl.Int64)
    state = {"order_status": "status"}
    return (
        legs.with_columns(**{new: col(old) for new, old in state.items()})
        .with_columns(status=col("verdict").list.get(0), reason=col("verdict").list.get(1))
        .with_columns(expected_clear_at=clear)
        .select(
            *("key", "has_order", "channel", "shop_id", "channel_order_id", "created_on", "currency", "status", "reason"),
            *("order_status", "paid_amount", "refunded_amount", "amount_diff", "subsidy_diff_amount", "expected_clear_at"),
            timezone=pl.when("abroad").then(lit(NEW_YORK)).otherwise(lit(BEIJING)),
            rule=pl.coalesce("pass", pl.when("has_shipment").then(lit("M1")).otherwise(lit("none")))
            + pl.when(col("status") == "TIMING").then(lit(" clock-and-state v1")).otherwise(lit(" three-way v1")),
            due_amount=due,
            amount_diff_ratio=col("amount_diff") / pl.when(due != 0).then(due),
            ordered_qty=col("ordered"),
            shipped_qty=col("shipped"),
            delivered_qty=col("delivered"),
            returned_qty=col("returned"),
            qty_diff=pl.when("has_order").then(col("shipped") - col("net")).otherwise("shipped"),
            expected_clear_on=local_date(col("expected_clear_at"), col("abroad")) - pl.duration(days=early),
            is_alert=~col("status").is_in([*common.MATCHED, "TIMING"]) & (due.is_null() | off).fill_null(False),
        )
    )


def exceptions(match: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """What somebody must look at."""
    days = (local_date(lit(now), col("timezone") == NEW_YORK) - col("created_on")).dt.total_days()
    bucket: pl.Expr = lit(None, dtype=pl.String)
    for most, name in reversed(common.AGES):
        bucket = pl.when(col("age_days") <= most).then(lit(name)).otherwise(bucket)
    overdue = (col("status") == "TIMING") & (col("expected_clear_at") <= now)
    return (
        match.filter(col("status").is_in(common.EXCEPTIONS) | overdue)
        .select(
            *("key", "channel", "shop_id", "channel_order_id", "currency", "status", "reason", "qty_diff", "is_alert"),
            amount_diff=pl.coalesce("amount_diff", -col("due_amount"), "paid_amount"),
            opened_on=col("created_on"),
            age_days=days,
            state=lit("open"),
        )
        .with_columns(age_bucket=bucket)
    )
