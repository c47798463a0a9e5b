"""The work of the floor, in pandas: only the columns that are needed are read, as text; no Python loop over rows; Parquet at the end.

    python -m benchmarks.peers.in_pandas LANDING OUT 2026-02-21T12:00:00+08:00

Money is whole cents (exact in a float, which leaves room for what is missing) until it is written. An order's `key` is
`channel|shop|number`; its guid is made once for each key.
"""

from __future__ import annotations

import csv
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers import common

NEW_YORK, BEIJING = "America/New_York", "Asia/Shanghai"
SECONDS = "%Y-%m-%d %H:%M:%S"
HOUR = pd.Timedelta(hours=1)
Frames = dict[str, pd.DataFrame]
PARCEL = ["courier_code", "waybill_id"]


# ---- reading


def read(landing: Path, *patterns: str, columns: list[str], quoted: bool = True, **options: object) -> pd.DataFrame:
    """These columns of all files of the patterns as text, with the file's name."""
    options |= {"dtype": str, "keep_default_na": False, "na_values": [""]}
    options.setdefault("usecols", lambda name: name.strip() in columns)
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    paths = [path for pattern in patterns for path in sorted(landing.glob(pattern))]
    frames = [pd.read_csv(path, quoting=quoting, **options).rename(columns=str.strip).assign(filename=path.name) for path in paths]
    return pd.concat(frames, ignore_index=True)


def bare(texts: pd.Series) -> pd.Series:
    return texts.str.strip('="')


def cents(texts: pd.Series, errors: str = "raise") -> pd.Series:
    return (pd.to_numeric(texts, errors=errors).astype(float) * 100).round()


def beijing(texts: pd.Series, form: str = SECONDS, errors: str = "raise") -> pd.Series:
    """Text in Beijing's time as an instant."""
    return (pd.to_datetime(texts, format=form, errors=errors).dt.as_unit("us") - 8 * HOUR).dt.tz_localize("UTC")


def iso(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="ISO8601", utc=True).dt.as_unit("us")


def utc(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts.str[:19], format=SECONDS, utc=True).dt.as_unit("us")


def code(texts: pd.Series, codes: dict[str, str], default: str = "unmapped") -> pd.Series:
    return texts.map(codes).fillna(default)


def key(channel: str | pd.Series, shop: str | pd.Series, own: pd.Series) -> pd.Series:
    return channel + "|" + shop + "|" + own


def standard_key(frame: pd.DataFrame) -> pd.Series:
    return key(frame["channel"], frame["shop_id"], frame["channel_order_id"])


def undash(texts: pd.Series) -> pd.Series:
    return texts.where(texts != "-")


# ---- orders


def taobao_orders(landing: Path) -> pd.DataFrame:
    columns = ["订单编号", "买家应付货款", "买家应付邮费", "买家实际支付金额", "订单状态", "买家留言", "收货地址", "联系手机", "订单创建时间"]
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
    columns = ["主订单编号", "子订单编号", "商家编码", "选购商品", "商品数量", "商品单价", "订单应付金额", "运费", "平台实际承担优惠金额"]
    columns += ["商家实际承担优惠金额", "达人实际承担优惠金额", "订单状态", "售后状态", "取消原因", "订单提交时间", "支付完成时间", "发货时间"]
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
    first = ("channel", "shop_id", "channel_order_id", "status", "raw_status", "close_reason", "province", "city", "district", "buyer_note")
    total = ("list_amount", "merchant_discount_amount", "platform_discount_amount", "freight_amount", "payable_amount")
    how = dict.fromkeys(first, "first") | dict.fromkeys(total, "sum")
    how |= dict.fromkeys(("created_at", "paid_at", "promised_ship_at"), "min") | dict.fromkeys(("shipped_at", "completed_at"), "max")
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
    columns = ["channel", "shop_id", "channel_order_id", "sku", "product_title", "category", "is_gift", "line_no", "quantity", "unit_price"]
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


# ---- money


def movements(landing: Path) -> pd.DataFrame:
    """Movements on the payment accounts: the fund bill restates the trade bill and adds the payouts."""
    names = {"names": common.ALIPAY_COLUMNS, "header": None, "skiprows": 5, "comment": "#", "encoding": "gb18030"}
    wanted = ["账务流水号", "业务流水号", "商户订单号", "发生时间", "收入", "支出", "业务类型"]
    raw = read(landing, "alipay/*.csv", columns=wanted, quoted=False, **names)
    raw = raw[raw["发生时间"].notna()]
    reference = raw["商户订单号"].str.strip("\t")
    number = reference.str.replace(r"^T\d+P", "", regex=True)
    alipay = pd.DataFrame(
        {
            "account": raw["filename"].str.extract(r"(\d{16})_", expand=False),
            "payment_id": raw["账务流水号"].str.strip("\t"),
            "kind": code(raw["业务类型"], common.ALIPAY_KIND, "receipt"),
            "amount": cents(raw["收入"]).abs() - cents(raw["支出"]).abs(),
            "occurred_at": beijing(raw["发生时间"]),
            "business_on": pd.to_datetime(raw["发生时间"].str[:10], format="%Y-%m-%d").dt.as_unit("us"),
            "channel": pd.Series("taobao", raw.index).where(reference.str.startswith("T200P", na=False)),
            "channel_order_id": number.where(number != ""),
            "platform_txn_id": raw["业务流水号"].str.strip("\t"),
            "description": raw["业务类型"],
        }
    )
    wanted = ["交易时间", "商户号", "微信订单号", "商户订单号", "微信退款单号", "交易状态", "应结订单金额", "退款金额", "手续费", "费率", "交易类型"]
    raw = read(landing, "wechatpay/*/*_trade.csv", columns=wanted, quoted=False)
    raw = raw[raw["交易状态"].notna()]
    text = {name: raw[name].str[1:] for name in wanted}
    back, fee = text["交易状态"] == "REFUND", cents(text["手续费"])
    sales = pd.DataFrame(
        {
            "account": text["商户号"],
            "payment_id": text["微信订单号"].mask(back, text["微信退款单号"]),
            "kind": np.where(back, "refund", "receipt"),
            "amount": cents(text["应结订单金额"]).mask(back, -cents(text["退款金额"])),
            "occurred_at": beijing(text["交易时间"]),
            "business_on": pd.to_datetime(text["交易时间"].str[:10], format="%Y-%m-%d").dt.as_unit("us"),
            "channel_order_id": text["商户订单号"],
            "platform_txn_id": text["微信订单号"],
            "description": text["交易类型"],
        }
    )
    fees = sales.assign(kind="fee", amount=-fee, description=text["费率"])[fee != 0]
    wanted = ["记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)"]
    raw = read(landing, "wechatpay/*/*_fund.csv", columns=wanted, quoted=False)
    raw = raw[raw["收支类型"].notna()]
    text = {name: raw[name].str[1:] for name in wanted}
    amount, payment = cents(text["收支金额(元)"]), text["微信支付业务单号"].mask(raw["业务类型"] == "`提现", text["资金流水单号"])
    funds = pd.DataFrame(
        {
            "account": raw["filename"].str.extract(r"(\d+)_\d+_fund", expand=False),
            "payment_id": payment,
            "kind": code(raw["业务类型"], common.WECHAT_KIND, "fee"),
            "amount": amount.mask(raw["收支类型"] == "`支出", -amount),
            "occurred_at": beijing(text["记账时间"]),
            "business_on": pd.to_datetime(text["记账时间"].str[:10], format="%Y-%m-%d").dt.as_unit("us"),
            "platform_txn_id": payment,
            "description": text["业务名称"],
        }
    )
    wechat = pd.concat([sales, fees], ignore_index=True)
    told = wechat["payment_id"] + "|" + wechat["kind"]
    funds = funds[~(text["微信支付业务单号"] + "|" + funds["kind"]).isin(told)]
    chinese = pd.concat([alipay, wechat, funds], ignore_index=True).assign(currency="CNY", shop_id="main")
    plain = ["account", "payment_id", "kind", "currency", "channel", "shop_id", "channel_order_id", "platform_txn_id"]
    plain += ["merged_payment_id", "payout_id", "description"]
    raw = read(landing, "standard/standard_payments_*.csv", columns=[*plain, "amount", "occurred_at", "business_on"])
    standard = raw[plain].assign(
        amount=cents(raw["amount"]),
        occurred_at=iso(raw["occurred_at"]),
        business_on=pd.to_datetime(raw["business_on"], format="%Y-%m-%d").dt.as_unit("us"),
    )
    bills = pd.concat([chinese, standard], ignore_index=True)
    return bills.assign(is_duplicate_key=bills.duplicated(["account", "payment_id", "kind"], keep=False))


def allocated(payments: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """By the order's own number, else by the transaction's; a payment for two orders is split by what each owes, to the cent."""
    numbered = payments.rename_axis("id").reset_index()
    known = orders[["key", "order_guid", "payable_amount", *common.ORDER_NUMBERS[:2], "channel"]].rename(columns={"channel": "of"})

    def by(number: str, rows: pd.DataFrame, step: str) -> pd.DataFrame:
        asked = rows.loc[rows[number].notna(), ["id", "channel", "amount", number]]
        pairs = asked.merge(known[known[number].notna()], on=number)
        pairs = pairs[pairs["channel"].isna() | (pairs["channel"] == pairs["of"])]
        return pairs[["id", "key", "order_guid", "payable_amount", "amount"]].assign(**{"pass": step})

    own = by("channel_order_id", numbered, "M1")
    found = pd.concat([own, by("platform_txn_id", numbered[~numbered["id"].isin(own["id"])], "M2")], ignore_index=True)
    several = found["id"].duplicated(keep=False)
    found["pass"] = found["pass"].mask(several, "M3")
    parts = found[several].copy()
    weight, total = parts["payable_amount"].astype(int), parts["amount"].abs().astype(int)
    together = weight.groupby(parts["id"]).transform("sum")
    parts["whole"], parts["remainder"] = total * weight // together, total * weight % together
    parts = parts.sort_values(["id", "remainder", "payable_amount", "order_guid"], ascending=[True, False, False, True])
    shared = parts.groupby("id", sort=False)
    more = shared.cumcount() < parts["amount"].abs() - shared["whole"].transform("sum")
    found.loc[parts.index, "amount"] = (parts["whole"] + more) * np.sign(parts["amount"])
    merged = numbered.merge(found[["id", "key", "amount", "pass"]].rename(columns={"amount": "part"}), on="id", how="left")
    linked = merged["key"].notna()
    kept = linked | merged["channel_order_id"].notna() | merged["kind"].isin(["receipt", "deposit", "balance", "refund"])
    label = merged["channel_order_id"].fillna(merged["platform_txn_id"]).fillna(merged["payment_id"])
    return merged.assign(
        **{"pass": merged["pass"].fillna("none")},
        is_linked=linked,
        amount=merged["part"].fillna(merged["amount"]),
        key=merged["key"].fillna(key("payment", merged["account"], label)),
    )[kept].drop(columns=["id", "part"])


# ---- goods


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


# ---- the match


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
    columns = ["channel", "shop_id", "channel_order_id", "quantity", "kind", "status", "requested_at", "received_at", "refunded_at"]
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
    o["return_until"], o["refund_until"], o["cancel_until"] = began_at + 360 * HOUR, o["received_at"] + 48 * HOUR, closed_at + 48 * HOUR
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


# ---- all of it


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
