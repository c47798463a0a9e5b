"""Reads the simulator's landing files back with nothing of the pipeline or the simulator: the tests' independent
view."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

Row = dict[str, str]
Order = tuple[str, str]  # channel, order number


def rows_of(path: Path, encoding: str, *, skip: int = 0, stop: tuple[str, ...] = ()) -> list[Row]:
    """Data rows up to the first line that starts with one of `stop`; cells without `="…"`, quotes, tabs and
    backticks."""
    lines = path.read_bytes().decode(encoding).removeprefix("\ufeff").splitlines()[skip:]
    rows = []
    header = lines[0].split(",")
    for line in lines[1:]:
        if line.startswith(stop):
            break
        cells = [cell.strip('="\t`') for cell in next(csv.reader([line.replace('"', "")]))]
        assert len(cells) == len(header), (path, line)
        rows.append(dict(zip(header, cells, strict=True)))
    return rows


def money(text: str) -> Decimal:
    return Decimal(text or "0")


class Legs:
    """Per order and from the files alone: due, ordered pieces, receipts, refunds, shipped pieces, status word,
    parcels."""

    def __init__(self, landing: Path) -> None:
        self.due: dict[Order, Decimal] = {}
        self.ordered: dict[Order, int] = defaultdict(int)
        self.receipts: dict[Order, list[Decimal]] = defaultdict(list)
        self.refunded: dict[Order, Decimal] = defaultdict(Decimal)
        self.subsidy: dict[Order, Decimal] = defaultdict(Decimal)
        self.shipped: dict[Order, int] = defaultdict(int)
        self.parcels: dict[Order, set[str]] = defaultdict(set)
        self.status: dict[Order, str] = {}
        self.signed: set[str] = set()
        self.merged: dict[str, Decimal] = {}
        self.reference: dict[Order, str] = {}
        self._taobao(landing)
        self._douyin(landing)
        self._shopify(landing)
        self._standard(landing)
        self._warehouse(landing)

    def _taobao(self, landing: Path) -> None:
        details = sorted(landing.glob("taobao/ExportOrderDetailList*.csv"))
        for details_path in details:
            orders_path = details_path.with_name(details_path.name.replace("Detail", ""))
            for row in rows_of(orders_path, "gbk"):
                order = ("taobao", row["订单编号"])
                assert money(row["买家应付货款"]) + money(row["买家应付邮费"]) == money(row["总金额"])
                self.due[order], self.status[order] = money(row["总金额"]), row["订单状态"]
            for row in rows_of(details_path, "gbk"):
                self.ordered["taobao", row["主订单编号"]] += int(row["购买数量"])
        for path in landing.glob("alipay/*.csv"):
            for row in rows_of(path, "gb18030", skip=4, stop=("#",)):
                order = ("taobao", row["商户订单号"].removeprefix("T200P"))
                if row["业务类型"] == "在线支付":
                    self.receipts[order].append(money(row["收入金额（+元）"]))
                elif row["业务类型"] == "退款（交易退款）":
                    self.refunded[order] -= money(row["支出金额（-元）"])

    def _douyin(self, landing: Path) -> None:
        _early, *finals = sorted(landing.glob("douyin/*.csv"))
        due: dict[Order, Decimal] = defaultdict(Decimal)
        for row in {tuple(row.items()) for path in finals for row in rows_of(path, "utf-8")}:
            cells = dict(row)
            order = ("douyin", cells["主订单编号"])
            self.ordered[order] += int(cells["商品数量"])
            self.status[order] = cells["订单状态"]
            if cells["订单应付金额"] != "#VALUE!":
                goods = money(cells["商品单价"]) * int(cells["商品数量"])
                discounts = sum(money(cells[f"{who}实际承担优惠金额"]) for who in ("平台", "商家", "达人"))
                assert goods - discounts + money(cells["运费"]) == money(cells["订单应付金额"])
                assert money(cells["优惠总金额"]) == discounts
                due[order] += money(cells["订单应付金额"])
        self.due |= due
        for path in landing.glob("wechatpay/*/*_trade.csv"):
            for row in rows_of(path, "utf-8", stop=("总交易单数",)):
                order = ("douyin", row["商户订单号"])
                if row["交易状态"] == "SUCCESS":
                    self.receipts[order].append(money(row["订单金额"]))
                else:
                    self.refunded[order] += money(row["退款金额"])

    def _shopify(self, landing: Path) -> None:
        for path in landing.glob("shop=us/orders_export_*.csv"):
            goods: dict[Order, Decimal] = defaultdict(Decimal)
            subtotal: dict[Order, Decimal] = {}
            for row in rows_of(path, "utf-8"):
                order = ("shopify", row["Name"])
                if row["Created at"]:
                    assert order not in self.due
                    assert money(row["Subtotal"]) + money(row["Shipping"]) + money(row["Taxes"]) == money(row["Total"])
                    self.due[order], subtotal[order] = money(row["Total"]), money(row["Subtotal"])
                    self.reference[order] = row["Payment Reference"]
                assert order in self.due, "a further line stands before the first line of its order"
                self.ordered[order] += int(row["Lineitem quantity"])
                line = money(row["Lineitem price"]) * int(row["Lineitem quantity"])
                goods[order] += line - money(row["Lineitem discount"])
            assert goods == subtotal

    def _standard(self, landing: Path) -> None:
        lines: dict[Order, Decimal] = defaultdict(Decimal)
        for path in landing.glob("standard/standard_order_lines_*.csv"):
            for row in rows_of(path, "utf-8"):
                self.ordered["youzan", row["channel_order_id"]] += int(row["quantity"])
                lines["youzan", row["channel_order_id"]] += money(row["payable_amount"])
        for path in landing.glob("standard/standard_orders_*.csv"):
            for row in rows_of(path, "utf-8"):
                order = ("youzan", row["channel_order_id"])
                discounts = money(row["merchant_discount_amount"]) + money(row["platform_discount_amount"])
                self.due[order], self.status[order] = money(row["payable_amount"]), row["status"]
                self.reference[order] = row["platform_txn_id"]
                assert money(row["list_amount"]) - discounts + money(row["freight_amount"]) == self.due[order]
                assert lines[order] + money(row["freight_amount"]) == self.due[order]
        for path in landing.glob("standard/standard_payments_*.csv"):
            for row in rows_of(path, "utf-8"):
                order = (row["channel"], row["channel_order_id"])
                if row["merged_payment_id"]:
                    self.merged[row["platform_txn_id"]] = money(row["amount"])
                elif row["kind"] in ("receipt", "deposit", "balance"):
                    self.receipts[order].append(money(row["amount"]))
                elif row["kind"] == "refund":
                    self.refunded[order] -= money(row["amount"])
                elif row["kind"] == "subsidy" and order[1]:
                    self.subsidy[order] += money(row["amount"])
        for path in landing.glob("standard/standard_shipments_*.csv"):
            for row in rows_of(path, "utf-8"):
                self.shipped["youzan", row["channel_order_id"]] += int(row["quantity"])
                self.parcels["youzan", row["channel_order_id"]].add(row["waybill_id"])
        for path in landing.glob("standard/standard_tracking_*.csv"):
            self.signed |= {row["waybill_id"] for row in rows_of(path, "utf-8") if row["status_code"] == "delivered"}

    def _warehouse(self, landing: Path) -> None:
        channels = {"淘宝旗舰店": "taobao", "抖音旗舰店": "douyin", "Shopify US": "shopify"}
        for path in landing.glob("wms/wms_stockout_*.csv"):
            rows = {tuple(row.items()) for row in rows_of(path, "utf-8", stop=("合计",))}
            for row in map(dict, rows):
                order = (channels[row["店铺"]], row["原始单号"])
                self.shipped[order] += int(row["货品数量"])
                self.parcels[order].add(row["物流单号"])
        for path in landing.glob("courier/*.csv"):
            self.signed |= {row["运单号"] for row in rows_of(path, "utf-8") if row["状态码"] == "3"}
