"""The work of the floor, in Polars: files scanned lazily, columns pruned by the engine, tables kept as frames, Parquet at the end.

    python -m benchmarks.peers.in_polars LANDING OUT 2026-02-21T12:00:00+08:00

Money is whole cents until it is written. An order's `key` is `channel|shop|number`; its guid is made once for each key.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from polars import col, lit

from benchmarks.peers import common

NEW_YORK, BEIJING = "America/New_York", "Asia/Shanghai"
SECONDS = "%Y-%m-%d %H:%M:%S"
Frames = dict[str, pl.DataFrame]


# ---- reading


def scan(landing: Path, pattern: str, quote: str | None = '"') -> pl.LazyFrame:
    """All files of a pattern as text, with the file's name."""
    return pl.scan_csv(sorted(landing.glob(pattern)), infer_schema=False, quote_char=quote, include_file_paths="filename", glob=False)


def gbk(landing: Path, pattern: str, **options: object) -> pl.LazyFrame:
    """The same of files in GBK, which only the eager reader decodes; header names have blanks around them."""
    frames = [
        pl.read_csv(path, infer_schema=False, quote_char=None, encoding="gb18030", **options)
        .rename(str.strip)
        .with_columns(filename=lit(path.name))
        for path in sorted(landing.glob(pattern))
    ]
    return pl.concat(frames).lazy()


def bare(name: str) -> pl.Expr:
    return col(name).str.strip_chars('="')


def cents(column: pl.Expr | str, *, strict: bool = True) -> pl.Expr:
    column = col(column) if isinstance(column, str) else column
    return (column.cast(pl.Float64, strict=strict) * 100).round().cast(pl.Int64)


def number(name: str) -> pl.Expr:
    return col(name).cast(pl.Float64)


def beijing(column: pl.Expr | str, form: str = SECONDS, *, strict: bool = True) -> pl.Expr:
    """Text in Beijing's time as an instant."""
    column = col(column) if isinstance(column, str) else column
    return (column.str.to_datetime(form, time_unit="us", strict=strict) - timedelta(hours=8)).dt.replace_time_zone("UTC")


def iso(name: str) -> pl.Expr:
    return col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us").dt.convert_time_zone("UTC")


def utc(column: pl.Expr | str) -> pl.Expr:
    column = col(column) if isinstance(column, str) else column
    return column.str.head(19).str.to_datetime(SECONDS, time_unit="us").dt.replace_time_zone("UTC")


def code(name: str, codes: dict[str, str], default: str | None = "unmapped") -> pl.Expr:
    return col(name).replace_strict(codes, default=default, return_dtype=pl.String)


def key(channel: pl.Expr, shop: pl.Expr, own: pl.Expr) -> pl.Expr:
    return pl.concat_str(channel, shop, own, separator="|")


STANDARD_KEY = key(col("channel"), col("shop_id"), col("channel_order_id"))


# ---- orders


def seen_orders(landing: Path, douyin: pl.DataFrame, shopify: pl.DataFrame) -> pl.DataFrame:
    """Every export's view of every order."""
    address = col("收货地址").str.split(" ")
    closed = col("订单状态") == "交易关闭"
    stage = col("分阶段订单信息")
    taobao = (
        pl.concat([gbk(landing, "taobao/ExportOrderList*.csv"), gbk(landing, "zz_late/taobao/ExportOrderList*.csv")])
        .filter(col("订单编号").str.starts_with('="'))
        .select(
            exported_at=beijing(col("filename").str.extract(r"List(\d{12})"), "%Y%m%d%H%M"),
            channel=lit("taobao"),
            shop_id=lit("main"),
            channel_order_id=bare("订单编号"),
            order_type=pl.when(stage.is_null()).then(lit("normal")).otherwise(lit("presale")),
            status=pl.when(closed & (col("订单关闭原因") == "买家未付款"))
            .then(lit("expired"))
            .otherwise(code("订单状态", common.TAOBAO_STATUS)),
            raw_status=col("订单状态"),
            currency=lit("CNY"),
            freight_amount=cents("买家应付邮费"),
            payable_amount=cents("买家应付货款") + cents("买家应付邮费"),
            paid_amount=cents("买家实际支付金额"),
            refunded_amount=cents("退款金额"),
            deposit_amount=cents(stage.str.extract(r"定金(\d+\.\d+)")),
            created_at=beijing("订单创建时间"),
            paid_at=beijing("订单付款时间"),
            completed_at=beijing("确认收货时间"),
            close_reason=pl.when(col("订单关闭原因") != "订单未关闭").then(col("订单关闭原因")),
            item_quantity=number("宝贝总数量"),
            phone=col("联系手机").str.strip_chars("'"),
            province=address.list.get(0, null_on_oob=True),
            city=address.list.get(1, null_on_oob=True),
            district=address.list.get(2, null_on_oob=True),
            buyer_note=col("买家留言"),
        )
        .collect()
    )
    by_order = (
        douyin.sort("sub_order_id")
        .group_by("exported_at", "channel_order_id")
        .agg(
            pl.first("channel", "shop_id", "status", "raw_status"),
            pl.max("close_reason", "province", "city", "district", "buyer_note"),
            (col("unit_price") * col("quantity")).sum().round().cast(pl.Int64).alias("list_amount"),
            pl.sum("merchant_discount_amount", "platform_discount_amount", "freight_amount", "payable_amount"),
            pl.min("created_at", "paid_at", "promised_ship_at"),
            pl.max("shipped_at", "completed_at"),
        )
        .with_columns(order_type=lit("normal"), currency=lit("CNY"))
    )
    financial, fulfilment = col("Financial Status"), col("Fulfillment Status")
    times = ("Created at", "Paid at", "Fulfilled at", "Cancelled at")
    shop_us = shopify.filter(financial.is_not_null()).select(
        exported_at=utc(pl.max_horizontal(*times).max()),
        channel=lit("shopify"),
        shop_id=lit("us"),
        channel_order_id=col("Name"),
        platform_txn_id=col("Payment ID"),
        internal_order_id=col("Id"),
        order_type=lit("normal"),
        status=pl.when(col("Cancelled at").is_not_null() | (financial == "voided"))
        .then(lit("cancelled"))
        .when(fulfilment == "fulfilled")
        .then(lit("shipped"))
        .when(financial == "refunded")
        .then(lit("cancelled"))
        .when(financial.is_in(["paid", "partially_refunded"]))
        .then(lit("paid"))
        .otherwise(lit("pending_payment")),
        raw_status=financial + " / " + fulfilment,
        currency=col("Currency"),
        list_amount=cents("Subtotal") + cents("Discount Amount"),
        merchant_discount_amount=cents("Discount Amount"),
        freight_amount=cents("Shipping"),
        payable_amount=cents("Total"),
        refunded_amount=cents("Refunded Amount"),
        created_at=utc("Created at"),
        paid_at=utc("Paid at"),
        shipped_at=utc("Fulfilled at"),
        cancelled_at=utc("Cancelled at"),
        phone=col("Shipping Phone").str.replace_all(r"\D", ""),
        province=col("Shipping Province"),
        city=col("Shipping City"),
    )
    amounts = list(common.MONEY[:8])
    plain = ("channel", "shop_id", "order_type", "status", "currency", "province", "city", "district")
    standard = (
        scan(landing, "standard/standard_orders_*.csv")
        .select(
            *plain,
            *common.ORDER_NUMBERS,
            *[cents(name) for name in amounts],
            *[iso(n) for n in ("exported_at", "created_at", "paid_at", "shipped_at", "completed_at", "cancelled_at")],
            raw_status=col("status"),
            phone=col("buyer_phone"),
        )
        .collect()
    )
    seen = pl.concat([taobao, by_order, shop_us, standard], how="diagonal")
    phones = seen["phone"].drop_nulls().unique()
    return seen.with_columns(
        key=STANDARD_KEY,
        customer_id=col("phone").replace_strict(phones, pl.Series(common.people(phones), dtype=pl.String), default=None),
    ).drop("phone")


def douyin_rows(landing: Path) -> pl.DataFrame:
    """One row per sub-order; an order with an unreadable row is left out whole, a row that stands twice counts once."""

    def dash(name: str) -> pl.Expr:
        return pl.when(col(name) != "-").then(col(name))

    tab = {"channel_order_id": "主订单编号", "sub_order_id": "子订单编号", "sku": "商家编码", "product_title": "选购商品"}
    rows = (
        pl.concat([scan(landing, "douyin/*.csv"), scan(landing, "zz_late/douyin/*.csv")])
        .select(
            **{name: col(own).str.strip_chars("\t") for name, own in tab.items()},
            exported_at=pl.from_epoch(col("filename").str.extract(r"(\d{10})_").cast(pl.Int64) * 1_000_000, "us").dt.replace_time_zone("UTC"),
            channel=lit("douyin"),
            shop_id=lit("main"),
            quantity=number("商品数量"),
            unit_price=number("商品单价") * 100,
            payable_amount=cents("订单应付金额", strict=False),
            freight_amount=cents("运费"),
            platform_discount_amount=cents("平台实际承担优惠金额"),
            merchant_discount_amount=cents("商家实际承担优惠金额"),
            influencer_discount_amount=cents("达人实际承担优惠金额"),
            status=pl.when((col("订单状态") == "已关闭") & (col("取消原因") == "超时未支付"))
            .then(lit("expired"))
            .otherwise(code("订单状态", common.DOUYIN_STATUS)),
            raw_status=pl.concat_str("订单状态", dash("售后状态"), separator=" / ", ignore_nulls=True),
            close_reason=col("取消原因"),
            created_at=beijing("订单提交时间", strict=False),
            paid_at=beijing(dash("支付完成时间")),
            shipped_at=beijing(dash("发货时间")),
            completed_at=beijing(dash("订单完成时间")),
            promised_ship_at=beijing("承诺发货时间"),
            province=col("省"),
            city=col("市"),
            district=col("区"),
            buyer_note=dash("买家留言"),
        )
        .unique()
        .collect()
    )
    broken = rows.filter(col("payable_amount").is_null() | col("created_at").is_null())
    return rows.join(broken, on="channel_order_id", how="anti").with_columns(key=STANDARD_KEY)


def versions(seen: pl.DataFrame) -> pl.DataFrame:
    """A further export that shows nothing new makes no version."""
    content = [name for name in seen.columns if name not in ("key", "exported_at")]
    several = pl.len().over("key") > 1
    changed = (
        seen.filter(several)
        .sort("key", "exported_at")
        .filter((col("key") != col("key").shift(1)).fill_null(True) | pl.any_horizontal(col(c).ne_missing(col(c).shift(1)) for c in content))
        .with_columns(
            version_number=pl.int_range(1, pl.len() + 1).over("key"), valid_to_at=col("exported_at").shift(-1).over("key")
        )
    )
    once = seen.filter(~several).with_columns(version_number=lit(1, dtype=pl.Int64))
    return pl.concat([once, changed], how="diagonal").rename({"exported_at": "valid_from_at"})


def order_lines(landing: Path, douyin: pl.DataFrame, shopify: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Lines of the newest export, numbered within their order."""
    taobao = (
        gbk(landing, "taobao/ExportOrderDetailList*.csv")
        .filter(col("主订单编号").str.starts_with('="'))
        .select(
            key=key(lit("taobao"), lit("main"), bare("主订单编号")),
            sub_order_id=bare("子订单编号"),
            sku=col("商家编码"),
            product_title=col("标题"),
            quantity=number("购买数量"),
            unit_price=number("价格") * 100,
            payable_amount=cents("买家应付货款"),
            refunded_amount=cents("退款金额", strict=False),
            line_status=code("订单状态", common.TAOBAO_STATUS),
            line_key=bare("子订单编号"),
        )
        .with_columns(list_amount=(col("unit_price") * col("quantity")).round().cast(pl.Int64))
        .collect()
    )
    newest = (
        douyin.sort("exported_at")
        .unique("sub_order_id", keep="last")
        .select(
            *("key", "sub_order_id", "sku", "product_title", "quantity", "unit_price", "merchant_discount_amount"),
            *("platform_discount_amount", "payable_amount", "freight_amount", "promised_ship_at"),
            list_amount=(col("unit_price") * col("quantity")).round().cast(pl.Int64),
            line_status=col("status"),
            line_key=col("sub_order_id"),
        )
    )
    shop_us = shopify.select(
        key=key(lit("shopify"), lit("us"), col("Name")),
        sku=col("Lineitem sku"),
        product_title=col("Lineitem name"),
        quantity=number("Lineitem quantity"),
        unit_price=number("Lineitem price") * 100,
        merchant_discount_amount=cents("Lineitem discount"),
        list_amount=(number("Lineitem price") * 100 * number("Lineitem quantity")).round().cast(pl.Int64),
        line_status=pl.when(col("Lineitem fulfillment status") == "fulfilled").then(lit("shipped")).otherwise(lit("paid")),
        line_key=pl.int_range(pl.len()).cast(pl.String).str.zfill(9),
    )
    amounts = ("list_amount", "merchant_discount_amount", "platform_discount_amount", "payable_amount")
    standard = (
        scan(landing, "standard/standard_order_lines_*.csv")
        .select(
            *("sku", "product_title", "category"),
            *[cents(name) for name in amounts],
            key=STANDARD_KEY,
            quantity=number("quantity"),
            unit_price=number("unit_price") * 100,
            is_gift=col("is_gift") == "true",
            line_key=col("line_no").str.zfill(6),
        )
        .collect()
    )
    titles = products.select("sku", product_name=col("title"), product_category=col("category"))
    return (
        pl.concat([taobao, newest, shop_us, standard], how="diagonal")
        .sort("key", "line_key")
        .join(titles, on="sku", how="left", maintain_order="left")
        .with_columns(
            line_no=pl.int_range(1, pl.len() + 1).over("key"),
            product_name=pl.coalesce("product_name", "product_title"),
            category=pl.coalesce("category", "product_category"),
            is_gift=col("is_gift").fill_null(False),
        )
        .drop("product_category", "line_key")
    )


def newest_orders(version: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Each order's last version with what its lines add up to."""
    sums = lines.group_by("key").agg(
        line_count=pl.len().cast(pl.Int64),
        line_amount=pl.when(col("list_amount").is_not_null().any()).then(col("list_amount").sum()),
        ordered_qty=col("quantity").sum(),
        cancelled_qty=col("quantity").filter(col("line_status").is_in(["cancelled", "expired"])).sum(),
    )
    abroad = col("channel") == "shopify"
    return (
        version.filter(col("valid_to_at").is_null())
        .join(sums, on="key", how="left")
        .with_columns(
            timezone=pl.when(abroad).then(lit(NEW_YORK)).otherwise(lit(BEIJING)),
            list_amount=pl.coalesce("list_amount", "line_amount"),
            created_on=local_date(col("created_at"), abroad),
            line_count=col("line_count").fill_null(0),
            ordered_qty=pl.coalesce("ordered_qty", "item_quantity"),
            cancelled_qty=col("cancelled_qty").fill_null(0.0),
        )
        .drop("line_amount", "item_quantity", "valid_from_at", "valid_to_at")
    )


def local_date(at: pl.Expr, abroad: pl.Expr) -> pl.Expr:
    return pl.when(abroad).then(at.dt.convert_time_zone(NEW_YORK).dt.date()).otherwise(at.dt.convert_time_zone(BEIJING).dt.date())


def midnight(day: pl.Expr, abroad: pl.Expr) -> pl.Expr:
    """The instant a day begins there."""
    start = day.cast(pl.Datetime("us"))
    zones = (start.dt.replace_time_zone(zone).dt.convert_time_zone("UTC") for zone in (NEW_YORK, BEIJING))
    return pl.when(abroad).then(next(zones)).otherwise(next(zones))


def discounts(douyin: pl.DataFrame, shopify: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Who gave which discount."""
    funders = ("platform", "merchant", "influencer")
    newest = douyin.filter(col("exported_at") == col("exported_at").max().over("key"))
    by_line = (
        newest.rename({f"{funder}_discount_amount": funder for funder in funders})
        .unpivot(funders, index=["key", "sub_order_id"], variable_name="funder", value_name="amount")
        .with_columns(scope=lit("line"))
    )
    coupons = shopify.select(
        key=key(lit("shopify"), lit("us"), col("Name")),
        promotion_id=col("Discount Code"),
        funder=lit("merchant"),
        scope=lit("order"),
        amount=cents("Discount Amount"),
    )
    youzan = (
        orders.filter(col("channel") == "youzan")
        .rename({f"{funder}_discount_amount": funder for funder in funders[:2]})
        .unpivot(funders[:2], index="key", variable_name="funder", value_name="amount")
        .with_columns(scope=lit("order"))
    )
    return (
        pl.concat([by_line, coupons, youzan], how="diagonal")
        .filter(col("amount") != 0)
        .sort("key", "sub_order_id", "funder", nulls_last=True)
        .with_columns(discount_no=pl.int_range(1, pl.len() + 1).over("key"))
    )


# ---- money


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
    texts = {"account": "商户号", "txn": "微信订单号", "channel_order_id": "商户订单号", "refund_no": "微信退款单号", "state": "交易状态"}
    texts |= {"rate": "费率", "trade_type": "交易类型"}
    back = col("state") == "REFUND"
    trades = (
        scan(landing, "wechatpay/*/*_trade.csv", None)
        .filter(col("交易状态").is_not_null())
        .select(
            **{name: col(own).str.slice(1) for name, own in texts.items()},
            **{n: cents(col(own).str.slice(1)) for n, own in (("settled", "应结订单金额"), ("refund", "退款金额"), ("fee", "手续费"))},
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
            payment_id=pl.when(col("业务类型") == "`提现").then(col("资金流水单号")).otherwise(col("微信支付业务单号")).str.slice(1),
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
            col("key").is_not_null() | col("channel_order_id").is_not_null() | col("kind").is_in(["receipt", "deposit", "balance", "refund"])
        )
        .with_columns(
            pl.coalesce("pass", lit("none")).alias("pass"),
            is_linked=col("key").is_not_null(),
            amount=pl.coalesce("part", "amount"),
            key=pl.coalesce("key", key(lit("payment"), col("account"), label)),
        )
        .drop("id", "part")
    )


# ---- goods


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


# ---- the match


class Columns:
    """Attributes that are Polars' columns, for the rules both peers share."""

    def __getattr__(self, name: str) -> pl.Expr:
        return col(name)


def three_way(landing: Path, tables: Frames, now: datetime) -> pl.DataFrame:
    """Order, goods and money side by side."""
    pay = tables["payments.allocations"].group_by("key").agg(
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
            is_open=((col("kind") == "return_refund") & (col("status") == "return_in_transit") & col("received_at").is_null()).any(),
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
                col("timezone") == NEW_YORK, col("has_shipment").fill_null(False).not_() & (col("pay_channel") == "shopify"), lit(False)
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


# ---- all of it


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
