"""Every channel's own order file beside its own settlement: paid, subsidised, charged and matched, each figure worked out by hand.

The fifth column of `SETTLED` is what an order's movements come to by kind. Files that tell of the same money twice (a settlement and the
flow of its account, two reports of one settlement) are landed together: nothing may count twice.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from orders_pipeline_tests.support import Row, land, new_home, query, run, write_csv

AS_OF = "2026-07-01T00:00:00+08:00"
#: Channel -> order number, amount due, paid, fees, subsidies.
SETTLED = {
    "douyin": ("6917926768823640001", "90.00", "90.00", "-2.90", "10.00"),
    "jd": ("3011", "90.00", "100.00", "-8.00", "0.00"),
    "pdd": ("260610-1", "90.00", "90.00", "-0.60", "10.00"),
    "wechat_shop": ("3701", "100.00", "100.00", "-1.00", "0.00"),
    "taobao": ("5116032541422009301", "100.00", "100.00", "-0.60", "0.00"),
    "amazon": ("111-0000001-0000001", "98.00", "98.00", "-23.00", "0.00"),
    "shopify": ("#1001", "100.00", "100.00", "-3.20", "0.00"),
    "kuaishou": ("2601", "90.00", "90.00", "-8.00", "10.00"),
    "xiaohongshu": ("P701", "95.00", "95.00", "-5.00", "2.00"),
}


def orders() -> dict[str, list[Row]]:
    """The order files, as the channels export them; of two channels nobody has published one, theirs is the standard file."""
    douyin = {"主订单编号": "6917926768823640001", "订单状态": "已完成", "商品数量": "1", "订单提交时间": "2026-06-10 10:00:00",
              "支付完成时间": "2026-06-10 10:01:00", "发货时间": "2026-06-11 10:00:00", "订单完成时间": "2026-06-15 10:00:00", "选购商品": "茶杯"}
    standard = {"shop_id": "main", "status": "completed", "currency": "CNY", "created_at": "2026-06-10T10:00:00+08:00",
                "paid_at": "2026-06-10T10:01:00+08:00", "completed_at": "2026-06-15T10:00:00+08:00"}
    return {
        "douyin": [
            {**douyin, "子订单编号": "6917926768823640001", "商家编码": "S1", "商品单价": "60.00", "订单应付金额": "50.00",
             "平台实际承担优惠金额": "5.00", "达人实际承担优惠金额": "5.00", "商家实际承担优惠金额": "0"},
            {**douyin, "子订单编号": "6917926768823640002", "商家编码": "S1", "商品单价": "40.00", "订单应付金额": "40.00",
             "平台实际承担优惠金额": "0", "达人实际承担优惠金额": "0", "商家实际承担优惠金额": "0"},
        ],
        "jd": [{"订单号": "3011", "商品ID": "11", "商品名称": "茶杯", "订购数量": "1", "下单时间": "2026-06-10 10:00:00", "京东价": "110.00",
                "订单金额": "110.00", "结算金额": "100.00", "余额支付": "0.00", "应付金额": "90.00", "运费金额": "0.00", "订单状态": "完成",
                "付款确认时间": "2026-06-10 10:01:00", "订单完成时间": "2026-06-15 10:00:00", "货号": "S1"}],
        "pdd": [{"订单号": "260610-1", "订单状态": "已完成", "商品": "茶杯", "商品总价(元)": "105.00", "邮费(元)": "0", "店铺优惠折扣(元)": "5.00",
                 "平台优惠折扣(元)": "10.00", "多多支付立减金额(元)": "0", "用户实付金额(元)": "90.00", "商家实收金额(元)": "100.00",
                 "商品数量(件)": "1", "商家编码-规格维度": "S1", "发货时间": "2026-06-11 10:00:00", "确认收货时间": "2026-06-15 10:00:00",
                 "订单成交时间": "2026-06-10 10:00:00"}],
        "wechat_shop": [{"订单号": "3701", "订单下单时间": "2026-06-10 10:00:00", "订单发货时间": "2026-06-11 10:00:00",
                         "订单确认收货时间": "2026-06-15 10:00:00", "订单状态": "完成", "商品总价": "100.00", "订单实际支付金额": "100.00",
                         "订单运费": "0.00", "支付时间": "2026-06-10 10:01:00", "商品名称": "茶杯", "SKU编码(自定义)": "S1", "商品数量": "1"}],
        "taobao": [{"订单编号": "5116032541422009301", "买家应付货款": "100.00", "买家应付邮费": "0.00", "总金额": "100.00",
                    "买家实付金额": "100.00", "订单状态": "交易成功", "订单创建时间": "2026-06-10 10:00:00",
                    "订单付款时间": "2026-06-10 10:01:00", "宝贝总数量": "1", "发货时间": "2026-06-11 10:00:00",
                    "确认收货时间": "2026-06-15 10:00:00"}],
        "amazon": [{"amazon-order-id": "111-0000001-0000001", "purchase-date": "2026-06-10T02:00:00+00:00", "order-status": "Shipped",
                    "fulfillment-channel": "Amazon", "sales-channel": "Amazon.com", "product-name": "Cup", "sku": "S1", "item-status": "Shipped",
                    "quantity": "1", "currency": "USD", "item-price": "100.00", "item-tax": "8.00", "item-promotion-discount": "10.00"}],
        "shopify": [{"Name": "#1001", "Financial Status": "paid", "Paid at": "2026-06-10 10:01:00 +0000", "Fulfillment Status": "fulfilled",
                     "Fulfilled at": "2026-06-11 10:00:00 +0000", "Currency": "USD", "Subtotal": "100.00", "Shipping": "0.00",
                     "Total": "100.00", "Discount Amount": "0.00", "Created at": "2026-06-10 10:00:00 +0000", "Lineitem quantity": "1", "Lineitem name": "Cup",
                     "Lineitem price": "100.00", "Lineitem sku": "S1", "Payment Reference": "ch_71"}],
        "others": [
            {**standard, "channel": "kuaishou", "channel_order_id": "2601", "payable_amount": "90.00", "platform_discount_amount": "10.00"},
            {**standard, "channel": "xiaohongshu", "channel_order_id": "P701", "payable_amount": "95.00", "platform_discount_amount": "2.00"},
        ],
    }


def settlements() -> dict[str, list[Row]]:
    """The settlements and wallets of the same orders."""
    jd = {"订单编号": "3011", "父单号": "0", "商品编号": "11", "币种": "人民币", "结算状态": "已结算", "账单生成时间": "2026-06-18 08:00:00"}
    wechat = {"记账时间": "2026-06-18 10:00:00", "关联订单号": "3701"}
    wallet = {"入账时间": "2026-06-18 10:00:00", "支付流水号": "42001", "淘宝订单编号": "5116032541422009301"}
    amazon = {"settlement-id": "19001", "transaction-type": "Order", "order-id": "111-0000001-0000001",
              "posted-date-time": "2026-06-18 05:23:19 UTC", "sku": "S1"}
    parts = [("ItemPrice", "Principal", "100.00"), ("ItemPrice", "Tax", "8.00"), ("Promotion", "Principal", "-10.00"),
             ("ItemWithheldTax", "MarketplaceFacilitatorTax-Principal", "-8.00"), ("ItemFees", "Commission", "-15.00")]
    pdd = {"商户订单号": "260610-1", "发生时间": "2026-06-18 10:00:00", "备注": "-"}
    return {
        "douyin_fund_bill": [
            {"动账时间": "2026-06-18 08:00:00", "动帐流水号": "'T1", "动账方向": "入账", "动账金额": "57.50", "动账场景": "货款结算入账",
             "子订单号": "'6917926768823640001", "订单号": "'6917926768823640001", "订单实付应结": "50", "实际平台补贴": "5", "实际达人补贴": "5",
             "订单退款": "0", "平台服务费": "-0.50", "佣金": "-2.00"},
            # the main order is not named: the sub-order leads to it
            {"动账时间": "2026-06-18 08:00:00", "动帐流水号": "'T2", "动账方向": "入账", "动账金额": "39.60", "动账场景": "货款结算入账",
             "子订单号": "'6917926768823640002", "订单号": "-", "订单实付应结": "40", "订单退款": "0", "平台服务费": "-0.40"},
        ],
        "douyin_account_flow": [
            {"动账流水号": "`T1", "关联订单号": "`6917926768823640001", "关联子订单号": "`6917926768823640001", "动账时间": "2026-06-18 08:00:00",
             "账户方向": "入账", "动账金额(元)": "57.50", "动账场景": "货款结算入账", "账户余额(元)": "57.50"},
            {"动账流水号": "`T2", "关联订单号": "`6917926768823640001", "关联子订单号": "`6917926768823640002", "动账时间": "2026-06-18 08:00:00",
             "账户方向": "入账", "动账金额(元)": "39.60", "动账场景": "货款结算入账", "账户余额(元)": "97.10"},
            {"动账流水号": "`T3", "动账时间": "2026-06-19 08:00:00", "账户方向": "出账", "动账金额(元)": "97.10", "动账场景": "提现", "账户余额(元)": "0.00"},
        ],
        "douyin_settlement": [
            {"结算时间": "2026-06-18 08:00:00", "订单号": "6917926768823640001", "子订单号": "6917926768823640001", "结算金额": "57.50",
             "结算单类型": "已结算", "用户实付": "50", "平台补贴": "5", "达人补贴": "5", "收入合计": "60", "平台服务费": "0.50", "佣金": "2.00",
             "支出合计": "2.50"},
        ],
        "jd_settlement": [
            {**jd, "费用名称": "货款", "应结金额": "100.00", "收支方向": "收入"}, {**jd, "费用名称": "佣金", "应结金额": "-8.00", "收支方向": "支出"},
        ],
        "pdd_wallet": [
            {**pdd, "收入金额（+元）": "90.00", "支出金额（-元）": "0", "账务类型": "交易收入", "业务描述": "0010002|交易收入-订单收入"},
            {**pdd, "收入金额（+元）": "10.00", "支出金额（-元）": "0", "账务类型": "优惠券结算", "业务描述": "0010003|交易收入-优惠券结算"},
            {**pdd, "收入金额（+元）": "0", "支出金额（-元）": "-0.60", "账务类型": "技术服务费", "业务描述": "0030002|技术服务费-基础技术服务费"},
        ],
        "wechat_shop_flow": [
            {**wechat, "流水单号": "W1", "动帐类型": "订单支付", "收支类型": "收入", "收支金额": "100.00", "账户余额": "100.00"},
            {**wechat, "流水单号": "W2", "动帐类型": "技术服务费", "收支类型": "支出", "收支金额": "1.00", "账户余额": "99.00"},
        ],
        "tmall_wallet": [
            {**wallet, "入账类型": "交易收款", "收入金额（元）": "100.00", "支出金额": "", "业务描述": "0010001|交易收款", "备注": ""},
            {**wallet, "入账类型": "其它", "收入金额（元）": "", "支出金额": "-0.60", "业务描述": "0530288T|技术&服务费", "备注": ""},
        ],
        "amazon_settlement": [
            {"settlement-id": "19001", "deposit-date": "2026-06-20 05:00:00 UTC", "total-amount": "75.00", "currency": "USD"},
            *({**amazon, "amount-type": kind, "amount-description": what, "amount": amount} for kind, what, amount in parts),
        ],
        "amazon_date_range": [
            {"date/time": "Jun 17, 2026 10:23:19 PM PDT", "settlement id": "19001", "type": "Order", "order id": "111-0000001-0000001",
             "sku": "S1", "marketplace": "amazon.com", "product sales": "100.00", "product sales tax": "8.00", "promotional rebates": "-10.00",
             "marketplace withheld tax": "-8.00", "selling fees": "-15.00", "other": "0", "total": "75.00"},
        ],
        "stripe": [
            {"automatic_payout_id": "po_1", "balance_transaction_id": "txn_1", "created_utc": "2026-06-10 10:01:00", "currency": "usd",
             "gross": "100.00", "fee": "3.20", "net": "96.80", "reporting_category": "charge", "source_id": "ch_71", "description": ""},
        ],
        "kuaishou": [
            {"订单号": "2601", "订单实付(元)": "90.00", "平台补贴": "10.00", "合计收入(元)": "100.00", "订单退款(元)": "0", "技术服务费(元)": "5.00",
             "达人佣金(元)": "3.00", "合计支出(元)": "8.00", "实际结算金额(元)": "92.00", "实际结算时间": "2026-06-18 08:00:00"},
        ],
        "xiaohongshu": [
            {"订单号": "P701", "结算时间": "2026-06-18 08:00:00", "交易类型": "结算入账", "动账金额": "92.00", "商品实付/实退": "90.00",
             "运费实付/实退": "5.00", "平台优惠补贴": "2.00", "佣金": "-4.00", "支付渠道费": "-1.00"},
        ],
    }


def shipments() -> list[Row]:
    """What the warehouse handed out; Amazon ships by itself."""
    pieces = {"douyin": 2}
    return [
        {"warehouse_id": "W", "outbound_id": f"OUT-{channel}", "channel": channel, "shop_id": "main", "channel_order_id": settled[0], "sku": "S1",
         "quantity": pieces.get(channel, 1), "shipped_at": "2026-06-11T10:00:00+08:00"}
        for channel, settled in SETTLED.items() if channel != "amazon"
    ]


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    home = new_home(tmp_path_factory.mktemp("settled"))
    for name, rows in {**orders(), **settlements()}.items():
        write_csv(home.landing / f"{name}.csv", rows)
    land(home, "shipments", shipments())
    run(home, AS_OF)
    return home


@pytest.mark.parametrize("channel", SETTLED)
def test_an_order_and_its_settlement_agree(settled, channel):
    number, due, paid, fees, subsidies = SETTLED[channel]
    verdict = query(
        settled, "SELECT guid, status, due_amount, paid_amount, amount_diff, coalesce(subsidy_diff_amount, 0) FROM (SELECT *, "
        "order_guid AS guid FROM reconciliation.three_way_match) WHERE channel = ? AND channel_order_id = ?", [channel, number],
    )
    assert [v[1:] for v in verdict] == [("MATCHED", Decimal(due), Decimal(paid), Decimal(0), Decimal(0))]
    kinds = dict(query(
        settled, "SELECT kind, sum(amount) FROM payments.allocations WHERE order_guid = ? GROUP BY kind", [verdict[0][0]],
    ))
    assert (kinds["receipt"], kinds["fee"], kinds.get("subsidy", 0)) == (Decimal(paid), Decimal(fees), Decimal(subsidies))


def test_every_file_is_read_and_every_row_of_it(settled):
    assert query(settled, "SELECT path, status, reason, rows_quarantined FROM ops.files WHERE status <> 'loaded' OR rows_quarantined > 0") == []


def test_a_payout_stands_beside_what_it_pays_out(settled):
    """Amazon's settlement: 100 + 8 - 10 - 8 - 15 = 75 paid out, all of it under one number."""
    rows = query(settled, "SELECT kind, sum(amount) FROM payments.transactions WHERE payout_id = '19001' GROUP BY kind ORDER BY kind")
    assert rows == [("fee", Decimal("-23.00")), ("payout", Decimal("-75.00")), ("receipt", Decimal("98.00"))]


def test_the_flow_of_the_account_adds_only_what_no_settlement_tells(settled):
    rows = query(settled, "SELECT source, kind, amount FROM payments.transactions WHERE account = 'douyin' AND source <> 'douyin_fund_bill'")
    assert rows == [("douyin_account_flow", "payout", Decimal("-97.10"))]
