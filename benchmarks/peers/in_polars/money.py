"""Movements on the payment accounts, and the orders they are for."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars import col, lit

from benchmarks.peers import common
from benchmarks.peers.in_polars.reading import beijing, cents, code, gbk, iso, key, scan


def movements(landing: Path) -> pl.DataFrame:
    """Movements on the payment accounts: the fund bill restates the trade bill and adds the payouts."""
    reference = col("商户订单号").str.strip_chars("\t")
    alipay = (
        gbk(landing, "alipay/*.csv", has_header=False, skip_lines=5, new_columns=common.ALIPAY_COLUMNS, comment_prefix="#")
        .filter(col("发生时间").is_not_null())
        .select(
            account=col("filename").str.extract(r"(\d{16})_"),
            payment_id=col("账务流水号").str.strip_chars("\t"),
            kind=code("业务类型", common.ALIPAY_KIND, "receipt"),
            amount=cents("收入").abs() - cents("支出").abs(),
            occurred_at=beijing("发生时间"),
            business_on=col("发生时间").str.head(10).str.to_date("%Y-%m-%d"),
            channel=pl.when(reference.str.starts_with("T200P")).then(lit("taobao")),
            channel_order_id=reference.str.replace(r"^T\d+P", "").replace("", None),
            platform_txn_id=col("业务流水号").str.strip_chars("\t"),
            description=col("业务类型"),
        )
        .collect()
    )
    texts = {
        "account": "商户号",
        "txn": "微信订单号",
        "channel_order_id": "商户订单号",
        "refund_no": "微信退款单号",
        "state": "交易状态",
    }
    texts |= {"rate": "费率", "trade_type": "交易类型"}
    back = col("state") == "REFUND"
    trades = (
        scan(landing, "wechatpay/*/*_trade.csv", None)
        .filter(col("交易状态").is_not_null())
        .select(
            **{name: col(own).str.slice(1) for name, own in texts.items()},
            **{
                n: cents(col(own).str.slice(1))
                for n, own in (("settled", "应结订单金额"), ("refund", "退款金额"), ("fee", "手续费"))
            },
            occurred_at=beijing(col("交易时间").str.slice(1)),
            business_on=col("交易时间").str.slice(1, 10).str.to_date("%Y-%m-%d"),
        )
        .with_columns(payment_id=pl.when(back).then("refund_no").otherwise("txn"), platform_txn_id=col("txn"))
        .collect()
    )
    same = ["account", "payment_id", "occurred_at", "business_on", "channel_order_id", "platform_txn_id"]
    sales = trades.select(
        *same,
        kind=pl.when(back).then(lit("refund")).otherwise(lit("receipt")),
        amount=pl.when(back).then(-col("refund")).otherwise("settled"),
        description=col("trade_type"),
    )
    fees = trades.filter(col("fee") != 0).select(*same, kind=lit("fee"), amount=-col("fee"), description=col("rate"))
    amount = cents(col("收支金额(元)").str.slice(1))
    funds = (
        scan(landing, "wechatpay/*/*_fund.csv", None)
        .filter(col("收支类型").is_not_null())
        .select(
            account=col("filename").str.extract(r"(\d+)_\d+_fund"),
            trade_id=col("微信支付业务单号").str.slice(1),
            payment_id=pl.when(col("业务类型") == "`提现")
            .then(col("资金流水单号"))
            .otherwise(col("微信支付业务单号"))
            .str.slice(1),
            kind=code("业务类型", common.WECHAT_KIND, "fee"),
            amount=pl.when(col("收支类型") == "`支出").then(-amount).otherwise(amount),
            occurred_at=beijing(col("记账时间").str.slice(1)),
            business_on=col("记账时间").str.slice(1, 10).str.to_date("%Y-%m-%d"),
            description=col("业务名称").str.slice(1),
        )
        .with_columns(platform_txn_id=col("payment_id"))
        .collect()
    )
    wechat = pl.concat([sales, fees], how="diagonal")
    funds = funds.join(wechat, left_on=["trade_id", "kind"], right_on=["payment_id", "kind"], how="anti").drop("trade_id")
    chinese = pl.concat([alipay, wechat, funds], how="diagonal").with_columns(currency=lit("CNY"), shop_id=lit("main"))
    plain = ("account", "payment_id", "kind", "currency", "channel", "shop_id", "channel_order_id", "platform_txn_id")
    plain += ("merged_payment_id", "payout_id", "description")
    standard = scan(landing, "standard/standard_payments_*.csv").select(
        *plain, cents("amount"), iso("occurred_at"), col("business_on").str.to_date("%Y-%m-%d")
    )
    return pl.concat([chinese, standard.collect()], how="diagonal").with_columns(
        is_duplicate_key=pl.len().over("account", "payment_id", "kind") > 1
    )


def allocated(payments: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """By the order's own number, else by the transaction's; a payment for two orders is split by what each owes, to the cent."""
    numbered = payments.with_row_index("id")
    known = orders.select("key", "order_guid", "payable_amount", *common.ORDER_NUMBERS[:2], order_channel=col("channel"))

    def by(number: str, rows: pl.DataFrame, step: str) -> pl.DataFrame:
        return (
            rows.join(known, on=number)
            .filter(col("channel").fill_null(col("order_channel")) == col("order_channel"))
            .select("id", "key", "order_guid", "payable_amount", **{"pass": lit(step)})
        )

    own = by("channel_order_id", numbered, "M1")
    found = pl.concat([own, by("platform_txn_id", numbered.join(own, on="id", how="anti"), "M2")])
    several = pl.len().over("id") > 1
    total, weight = col("amount").abs(), col("payable_amount")
    parts = (
        found.filter(several)
        .join(numbered.select("id", "amount"), on="id")
        .with_columns(together=weight.sum().over("id"))
        .with_columns(whole=total * weight // col("together"), remainder=total * weight % col("together"))
        .sort("id", "remainder", "payable_amount", "order_guid", descending=[False, True, True, False])
        .with_columns(rest=total - col("whole").sum().over("id"), place=pl.int_range(1, pl.len() + 1).over("id"))
        .select("id", "key", part=(col("whole") + (col("place") <= col("rest")).cast(pl.Int64)) * col("amount").sign())
    )
    merged = found.with_columns(pl.when(several).then(lit("M3")).otherwise("pass").alias("pass"))
    label = pl.coalesce("channel_order_id", "platform_txn_id", "payment_id")
    return (
        numbered.join(merged.drop("order_guid", "payable_amount"), on="id", how="left")
        .join(parts, on=["id", "key"], how="left")
        .filter(
            col("key").is_not_null()
            | col("channel_order_id").is_not_null()
            | col("kind").is_in(["receipt", "deposit", "balance", "refund"])
        )
        .with_columns(
            pl.coalesce("pass", lit("none")).alias("pass"),
            is_linked=col("key").is_not_null(),
            amount=pl.coalesce("part", "amount"),
            key=pl.coalesce("key", key(lit("payment"), col("account"), label)),
        )
        .drop("id", "part")
    )
