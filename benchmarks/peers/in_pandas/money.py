"""Movements on the payment accounts, and the orders they are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.peers import common
from benchmarks.peers.in_pandas.reading import beijing, cents, code, iso, key, read


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
    wanted = [
        "交易时间",
        "商户号",
        "微信订单号",
        "商户订单号",
        "微信退款单号",
        "交易状态",
        "应结订单金额",
        "退款金额",
        "手续费",
        "费率",
        "交易类型",
    ]
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
    known = orders[["key", "order_guid", "payable_amount", *common.ORDER_NUMBERS[:2], "channel"]].rename(
        columns={"channel": "of"}
    )

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
