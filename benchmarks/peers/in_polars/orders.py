"""Orders, their versions, lines and discounts."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars import col, lit

from benchmarks.peers import common
from benchmarks.peers.in_polars.reading import (
    BEIJING,
    NEW_YORK,
    STANDARD_KEY,
    bare,
    beijing,
    cents,
    code,
    gbk,
    iso,
    key,
    number,
    scan,
    utc,
)


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
            exported_at=pl.from_epoch(
                col("filename").str.extract(r"(\d{10})_").cast(pl.Int64) * 1_000_000, "us"
            ).dt.replace_time_zone("UTC"),
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
        .filter(
            (col("key") != col("key").shift(1)).fill_null(True)
            | pl.any_horizontal(col(c).ne_missing(col(c).shift(1)) for c in content)
        )
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
