"""Orders, their versions, lines and discounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.peers import common
from benchmarks.peers.in_pandas.reading import (
    BEIJING,
    NEW_YORK,
    bare,
    beijing,
    cents,
    code,
    iso,
    key,
    read,
    standard_key,
    undash,
    utc,
)


def taobao_orders(landing: Path) -> pd.DataFrame:
    columns = [
        "订单编号",
        "买家应付货款",
        "买家应付邮费",
        "买家实际支付金额",
        "订单状态",
        "买家留言",
        "收货地址",
        "联系手机",
        "订单创建时间",
    ]
    columns += ["订单付款时间", "宝贝总数量", "订单关闭原因", "分阶段订单信息", "退款金额", "确认收货时间"]
    patterns = ("taobao/ExportOrderList*.csv", "zz_late/taobao/ExportOrderList*.csv")
    raw = read(landing, *patterns, columns=columns, quoted=False, encoding="gb18030")
    raw = raw[raw["订单编号"].str.startswith('="', na=False)]
    address = raw["收货地址"].str.split(" ", n=3, expand=True)
    reason, stage = raw["订单关闭原因"], raw["分阶段订单信息"]
    expired = (raw["订单状态"] == "交易关闭") & (reason == "买家未付款")
    return pd.DataFrame(
        {
            "exported_at": beijing(raw["filename"].str.extract(r"List(\d{12})", expand=False), "%Y%m%d%H%M"),
            "channel": "taobao",
            "shop_id": "main",
            "channel_order_id": bare(raw["订单编号"]),
            "order_type": np.where(stage.isna(), "normal", "presale"),
            "status": code(raw["订单状态"], common.TAOBAO_STATUS).mask(expired, "expired"),
            "raw_status": raw["订单状态"],
            "currency": "CNY",
            "freight_amount": cents(raw["买家应付邮费"]),
            "payable_amount": cents(raw["买家应付货款"]) + cents(raw["买家应付邮费"]),
            "paid_amount": cents(raw["买家实际支付金额"]),
            "refunded_amount": cents(raw["退款金额"]),
            "deposit_amount": cents(stage.str.extract(r"定金(\d+\.\d+)", expand=False)),
            "created_at": beijing(raw["订单创建时间"]),
            "paid_at": beijing(raw["订单付款时间"]),
            "completed_at": beijing(raw["确认收货时间"]),
            "close_reason": reason.where(reason != "订单未关闭"),
            "item_quantity": pd.to_numeric(raw["宝贝总数量"]),
            "phone": raw["联系手机"].str.strip("'"),
            "province": address[0],
            "city": address[1],
            "district": address[2],
            "buyer_note": raw["买家留言"],
        }
    )


def douyin_rows(landing: Path) -> pd.DataFrame:
    """One row per sub-order; an order with an unreadable row is left out whole, a row that stands twice counts once."""
    columns = [
        "主订单编号",
        "子订单编号",
        "商家编码",
        "选购商品",
        "商品数量",
        "商品单价",
        "订单应付金额",
        "运费",
        "平台实际承担优惠金额",
    ]
    columns += [
        "商家实际承担优惠金额",
        "达人实际承担优惠金额",
        "订单状态",
        "售后状态",
        "取消原因",
        "订单提交时间",
        "支付完成时间",
        "发货时间",
    ]
    columns += ["订单完成时间", "承诺发货时间", "省", "市", "区", "买家留言"]
    raw = read(landing, "douyin/*.csv", "zz_late/douyin/*.csv", columns=columns, encoding="utf-8-sig").drop_duplicates()
    number, aftersale = raw["主订单编号"].str.strip("\t"), undash(raw["售后状态"])
    expired = (raw["订单状态"] == "已关闭") & (raw["取消原因"] == "超时未支付")
    exported = pd.to_numeric(raw["filename"].str.extract(r"(\d{10})_", expand=False))
    rows = pd.DataFrame(
        {
            "exported_at": pd.to_datetime(exported, unit="s", utc=True).dt.as_unit("us"),
            "key": key("douyin", "main", number),
            "channel": "douyin",
            "shop_id": "main",
            "channel_order_id": number,
            "sub_order_id": raw["子订单编号"].str.strip("\t"),
            "sku": raw["商家编码"].str.strip("\t"),
            "product_title": raw["选购商品"].str.strip("\t"),
            "quantity": pd.to_numeric(raw["商品数量"]).astype(float),
            "unit_price": pd.to_numeric(raw["商品单价"]) * 100,
            "payable_amount": cents(raw["订单应付金额"], "coerce"),
            "freight_amount": cents(raw["运费"]),
            "platform_discount_amount": cents(raw["平台实际承担优惠金额"]),
            "merchant_discount_amount": cents(raw["商家实际承担优惠金额"]),
            "influencer_discount_amount": cents(raw["达人实际承担优惠金额"]),
            "status": code(raw["订单状态"], common.DOUYIN_STATUS).mask(expired, "expired"),
            "raw_status": raw["订单状态"] + (" / " + aftersale).fillna(""),
            "close_reason": raw["取消原因"],
            "created_at": beijing(raw["订单提交时间"], errors="coerce"),
            "paid_at": beijing(undash(raw["支付完成时间"])),
            "shipped_at": beijing(undash(raw["发货时间"])),
            "completed_at": beijing(undash(raw["订单完成时间"])),
            "promised_ship_at": beijing(raw["承诺发货时间"]),
            "province": raw["省"],
            "city": raw["市"],
            "district": raw["区"],
            "buyer_note": undash(raw["买家留言"]),
        }
    )
    rows["list_amount"] = (rows["unit_price"] * rows["quantity"]).round()
    broken = rows["payable_amount"].isna() | rows["created_at"].isna()
    return rows[~rows["key"].isin(rows.loc[broken, "key"])]


def douyin_orders(rows: pd.DataFrame) -> pd.DataFrame:
    first = (
        "channel",
        "shop_id",
        "channel_order_id",
        "status",
        "raw_status",
        "close_reason",
        "province",
        "city",
        "district",
        "buyer_note",
    )
    total = ("list_amount", "merchant_discount_amount", "platform_discount_amount", "freight_amount", "payable_amount")
    how = dict.fromkeys(first, "first") | dict.fromkeys(total, "sum")
    how |= dict.fromkeys(("created_at", "paid_at", "promised_ship_at"), "min") | dict.fromkeys(
        ("shipped_at", "completed_at"), "max"
    )
    orders = rows.sort_values("sub_order_id").groupby(["exported_at", "key"], sort=False).agg(how).reset_index()
    return orders.drop(columns="key").assign(order_type="normal", currency="CNY")


SHOPIFY = ["Name", "Id", "Payment ID", "Financial Status", "Fulfillment Status", "Currency", "Subtotal", "Discount Code"]
SHOPIFY += ["Discount Amount", "Shipping", "Total", "Refunded Amount", "Created at", "Paid at", "Fulfilled at", "Cancelled at"]
SHOPIFY += ["Shipping Phone", "Shipping Province", "Shipping City", "Lineitem sku", "Lineitem name", "Lineitem quantity"]
SHOPIFY += ["Lineitem price", "Lineitem discount", "Lineitem fulfillment status"]


def shopify_orders(rows: pd.DataFrame) -> pd.DataFrame:
    raw = rows[rows["Financial Status"].notna()]
    financial, fulfilment, cancelled = raw["Financial Status"], raw["Fulfillment Status"], raw["Cancelled at"].notna()
    times = {c: utc(raw[c]) for c in ("Created at", "Paid at", "Fulfilled at", "Cancelled at")}
    states = [cancelled | (financial == "voided"), fulfilment == "fulfilled", financial == "refunded"]
    states += [financial.isin(["paid", "partially_refunded"])]
    return pd.DataFrame(
        {
            "exported_at": max(instants.max() for instants in times.values() if instants.notna().any()),
            "channel": "shopify",
            "shop_id": "us",
            "channel_order_id": raw["Name"],
            "platform_txn_id": raw["Payment ID"],
            "internal_order_id": raw["Id"],
            "order_type": "normal",
            "status": np.select(states, ["cancelled", "shipped", "cancelled", "paid"], "pending_payment"),
            "raw_status": financial + " / " + fulfilment,
            "currency": raw["Currency"],
            "list_amount": cents(raw["Subtotal"]) + cents(raw["Discount Amount"]),
            "merchant_discount_amount": cents(raw["Discount Amount"]),
            "freight_amount": cents(raw["Shipping"]),
            "payable_amount": cents(raw["Total"]),
            "refunded_amount": cents(raw["Refunded Amount"]),
            "created_at": times["Created at"],
            "paid_at": times["Paid at"],
            "shipped_at": times["Fulfilled at"],
            "cancelled_at": times["Cancelled at"],
            "phone": raw["Shipping Phone"].str.replace(r"\D", "", regex=True),
            "province": raw["Shipping Province"],
            "city": raw["Shipping City"],
        }
    )


def standard_orders(landing: Path) -> pd.DataFrame:
    plain = ["channel", "shop_id", *common.ORDER_NUMBERS, "order_type", "status", "currency", "province", "city", "district"]
    amounts = list(common.MONEY[:8])
    instants = ["exported_at", "created_at", "paid_at", "shipped_at", "completed_at", "cancelled_at"]
    raw = read(landing, "standard/standard_orders_*.csv", columns=[*plain, *amounts, *instants, "buyer_phone"])
    numbers = {name: cents(raw[name]) for name in amounts} | {name: iso(raw[name]) for name in instants}
    return raw[plain].assign(**numbers, raw_status=raw["status"], phone=raw["buyer_phone"])


def versions(seen: pd.DataFrame) -> pd.DataFrame:
    """A further export that shows nothing new makes no version."""
    several = seen["key"].duplicated(keep=False)
    read_again = seen[several].sort_values(["key", "exported_at"])
    content = read_again.drop(columns=["key", "exported_at"])
    before = content.shift()
    same = ((content == before) | (content.isna() & before.isna())).all(axis=1) & (read_again["key"] == read_again["key"].shift())
    changed = read_again[~same]
    grouped = changed.groupby("key", sort=False)
    changed = changed.assign(version_number=grouped.cumcount() + 1, valid_to_at=grouped["exported_at"].shift(-1))
    once = seen[~several].assign(version_number=1, valid_to_at=pd.Series(pd.NaT, dtype=seen["exported_at"].dtype))
    return pd.concat([once, changed], ignore_index=True).rename(columns={"exported_at": "valid_from_at"})


def order_lines(landing: Path, douyin: pd.DataFrame, shopify: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Lines of the newest export, numbered within their order."""
    columns = ["主订单编号", "子订单编号", "商家编码", "标题", "购买数量", "价格", "买家应付货款", "退款金额", "订单状态"]
    raw = read(landing, "taobao/ExportOrderDetailList*.csv", columns=columns, quoted=False, encoding="gb18030")
    raw = raw[raw["主订单编号"].str.startswith('="', na=False)]
    taobao = pd.DataFrame(
        {
            "key": key("taobao", "main", bare(raw["主订单编号"])),
            "sub_order_id": bare(raw["子订单编号"]),
            "sku": raw["商家编码"],
            "product_title": raw["标题"],
            "quantity": pd.to_numeric(raw["购买数量"]).astype(float),
            "unit_price": pd.to_numeric(raw["价格"]) * 100,
            "payable_amount": cents(raw["买家应付货款"]),
            "refunded_amount": cents(raw["退款金额"], "coerce"),
            "line_status": code(raw["订单状态"], common.TAOBAO_STATUS),
            "line_key": bare(raw["子订单编号"]),
        }
    )
    kept = ["key", "sub_order_id", "sku", "product_title", "quantity", "unit_price", "merchant_discount_amount"]
    kept += ["platform_discount_amount", "payable_amount", "freight_amount", "promised_ship_at", "status"]
    newest = douyin.sort_values("exported_at").drop_duplicates("sub_order_id", keep="last")[kept]
    newest = newest.rename(columns={"status": "line_status"}).assign(line_key=newest["sub_order_id"])
    shop_us = pd.DataFrame(
        {
            "key": key("shopify", "us", shopify["Name"]),
            "sku": shopify["Lineitem sku"],
            "product_title": shopify["Lineitem name"],
            "quantity": pd.to_numeric(shopify["Lineitem quantity"]).astype(float),
            "unit_price": pd.to_numeric(shopify["Lineitem price"]) * 100,
            "merchant_discount_amount": cents(shopify["Lineitem discount"]),
            "line_status": np.where(shopify["Lineitem fulfillment status"] == "fulfilled", "shipped", "paid"),
            "line_key": shopify.index.astype(str).str.zfill(9),
        }
    )
    columns = [
        "channel",
        "shop_id",
        "channel_order_id",
        "sku",
        "product_title",
        "category",
        "is_gift",
        "line_no",
        "quantity",
        "unit_price",
    ]
    raw = read(landing, "standard/standard_order_lines_*.csv", columns=[*columns, *common.MONEY[:3], "payable_amount"])
    standard = raw[["sku", "product_title", "category"]].assign(
        **{name: cents(raw[name]) for name in ("merchant_discount_amount", "platform_discount_amount", "payable_amount")},
        key=standard_key(raw),
        quantity=pd.to_numeric(raw["quantity"]).astype(float),
        unit_price=pd.to_numeric(raw["unit_price"]) * 100,
        list_amount=cents(raw["list_amount"]),
        is_gift=raw["is_gift"] == "true",
        line_key=raw["line_no"].str.zfill(6),
    )
    lines = pd.concat([taobao, newest, shop_us, standard], ignore_index=True).sort_values(["key", "line_key"], ignore_index=True)
    titles = products.set_index("sku")
    lines["list_amount"] = lines["list_amount"].fillna((lines["unit_price"] * lines["quantity"]).round())
    lines["is_gift"] = lines["is_gift"] == True  # noqa: E712  (missing is no gift)
    lines["line_no"] = lines.groupby("key", sort=False).cumcount() + 1
    lines["product_name"] = lines["sku"].map(titles["title"]).fillna(lines["product_title"])
    lines["category"] = lines["category"].fillna(lines["sku"].map(titles["category"]))
    return lines.drop(columns="line_key")


def newest_orders(version: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """Each order's last version with what its lines add up to."""
    off = lines["quantity"].where(lines["line_status"].isin(["cancelled", "expired"]))
    grouped = lines.assign(off=off).groupby("key", sort=False)
    sums = grouped.agg(line_count=("sku", "size"), ordered_qty=("quantity", "sum"), cancelled_qty=("off", "sum"))
    sums["line_amount"] = grouped["list_amount"].sum(min_count=1)
    orders = version[version["valid_to_at"].isna()].merge(sums, on="key", how="left")
    abroad = orders["channel"] == "shopify"
    return orders.assign(
        timezone=np.where(abroad, NEW_YORK, BEIJING),
        list_amount=orders["list_amount"].fillna(orders["line_amount"]),
        created_on=local_day(orders["created_at"], abroad),
        line_count=orders["line_count"].fillna(0).astype(int),
        ordered_qty=orders["ordered_qty"].fillna(orders["item_quantity"]),
        cancelled_qty=orders["cancelled_qty"].fillna(0),
    ).drop(columns=["line_amount", "item_quantity", "valid_from_at", "valid_to_at"])


def local_day(at: pd.Series, abroad: pd.Series) -> pd.Series:
    """The business day as a midnight without a zone."""
    there, here = (at.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize() for zone in (NEW_YORK, BEIJING))
    return here.mask(abroad, there)


def midnight(day: pd.Series, abroad: pd.Series) -> pd.Series:
    """The instant a day begins there."""
    there, here = (day.dt.tz_localize(zone).dt.tz_convert("UTC") for zone in (NEW_YORK, BEIJING))
    return here.mask(abroad, there)


def discounts(douyin: pd.DataFrame, shopify: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Who gave which discount."""
    funders = ["platform", "merchant", "influencer"]

    def by_funder(frame: pd.DataFrame, identity: list[str], given: list[str]) -> pd.DataFrame:
        named = frame.rename(columns={f"{funder}_discount_amount": funder for funder in given})
        return named.melt(identity, given, var_name="funder", value_name="amount")

    newest = douyin[douyin["exported_at"] == douyin.groupby("key", sort=False)["exported_at"].transform("max")]
    coupons = {"promotion_id": shopify["Discount Code"], "amount": cents(shopify["Discount Amount"])}
    ledger = [
        by_funder(newest, ["key", "sub_order_id"], funders).assign(scope="line"),
        pd.DataFrame({"key": key("shopify", "us", shopify["Name"]), **coupons, "funder": "merchant", "scope": "order"}),
        by_funder(orders[orders["channel"] == "youzan"], ["key"], funders[:2]).assign(scope="order"),
    ]
    given = pd.concat([part[part["amount"].notna() & (part["amount"] != 0)] for part in ledger], ignore_index=True)
    given = given.sort_values(["key", "sub_order_id", "funder"])
    return given.assign(discount_no=given.groupby("key", sort=False).cumcount() + 1)
