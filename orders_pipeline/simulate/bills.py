"""Payment bills: the Alipay ledger of the Taobao shop, the WeChat Pay trade and fund bills of the Douyin shop."""

from __future__ import annotations

from datetime import datetime, timedelta

from orders_pipeline.simulate.assortment import HEADERS
from orders_pipeline.simulate.emit import Emitter, line_of, row_of
from orders_pipeline.simulate.plan import Plan

ALIPAY_HEADER = HEADERS["alipay_account_detail"]
TRADE_HEADER = HEADERS["wechatpay_trade_bill"]
TRADE_SUMMARY = HEADERS["wechatpay_trade_bill_summary"]
FUND_HEADER = HEADERS["wechatpay_fund_bill"]
FUND_SUMMARY = HEADERS["wechatpay_fund_bill_summary"]
ALIPAY_ACCOUNT = "2088000000000156"
MERCHANT = "1600000001"
_PAD = "," * 11


def write_bills(emitter: Emitter, plan: Plan) -> None:
    """The bills of every month of the period and of the days after it."""
    for begin, end in plan.event_months:
        _write_alipay(emitter, plan, begin, end)
        _write_trade_bill(emitter, begin, end)
        _write_fund_bill(emitter, begin, end)


def _of_month(channel: str, begin: datetime, end: datetime) -> str:
    return f"channel = '{channel}' AND moment >= '{begin}' AND moment < '{end}'"


def _write_alipay(emitter: Emitter, plan: Plan, begin: datetime, end: datetime) -> None:
    condition = _of_month("taobao", begin, end)
    cells = {
        "账务流水号": f"54{plan.tag}⟨digits(i, 9)⟩⟨seq⟩\t",
        "业务流水号": "⟨alipay_trade_no(trade_at, i, CASE WHEN kind = 'payout' THEN 8 "
        "WHEN kind = 'refund' THEN 0 ELSE seq % 4 END)⟩\t",
        "商户订单号": "⟨CASE WHEN kind <> 'payout' THEN 'T200P' || taobao_no(i) END⟩\t",
        "商品名称": "⟨CASE WHEN kind <> 'payout' THEN '网店商品' END⟩\t",
        "发生时间": "⟨moment⟩",
        "对方账号": "⟨CASE WHEN kind = 'payout' THEN '银行卡' ELSE '买家' END⟩\t",
        "收入金额（+元）": "⟨CASE WHEN cents > 0 THEN money(cents) ELSE '0.00' END⟩",
        "支出金额（-元）": "⟨CASE WHEN cents < 0 THEN money(cents) ELSE '0.00' END⟩",
        "账户余额（元）": "⟨money(balance_c)⟩",
        "交易渠道": "支付宝",
        "业务类型": "⟨CASE kind WHEN 'refund' THEN '退款（交易退款）' WHEN 'fee' THEN '收费' "
        "WHEN 'payout' THEN '提现' ELSE '在线支付' END⟩",
        "备注": "⟨CASE WHEN kind = 'fee' THEN '服务费' END⟩",
    }
    row = row_of(ALIPAY_HEADER.split(","), cells)
    query = f"SELECT {line_of(row, end=chr(13))} FROM ledger WHERE {condition} ORDER BY entry"
    day = "%Y年%m月%d日 %H:%M:%S"
    head = "\r\n".join(
        (
            f"#支付宝账务明细查询{_PAD}",
            f"#账号：[{ALIPAY_ACCOUNT}]{_PAD}",
            f"#起始日期：[{begin:{day}}]   终止日期：[{end:{day}}]{_PAD}",
            f"#-----------------------------------------账务明细列表----------------------------------------{_PAD}",
            ALIPAY_HEADER,
            "",
        )
    )
    totals = emitter.connection.execute(f"""
        SELECT count(*) FILTER (cents < 0), money(coalesce(-sum(cents) FILTER (cents < 0), 0)),
               count(*) FILTER (cents > 0), money(coalesce(sum(cents) FILTER (cents > 0), 0)) FROM ledger
                   WHERE {condition}
    """).fetchall()[0]
    tail = "\r\n".join(
        (
            f"#-----------------------------------------账务明细列表结束------------------------------------{_PAD}",
            f"#支出合计：{totals[0]}笔，共{totals[1]}元{_PAD}",
            f"#收入合计：{totals[2]}笔，共{totals[3]}元{_PAD}",
            f"#导出时间：[{_ready_at(end):{day}}]{_PAD}",
            "",
        )
    )
    path = f"alipay/{ALIPAY_ACCOUNT}_{begin:%Y%m}_账务明细.csv"
    emitter.write(path, "alipay_account_detail", head, query, tail=tail, encoding="gb18030")


def _ready_at(end: datetime) -> datetime:
    return end + timedelta(hours=9, minutes=32, seconds=39) if end.hour == 0 else end


def _write_trade_bill(emitter: Emitter, begin: datetime, end: datetime) -> None:
    condition = _of_month("douyin", begin, end) + " AND kind IN ('receipt', 'refund')"
    refund = "CASE WHEN kind = 'refund' THEN {} ELSE {} END"
    cells = {
        "交易时间": "⟨moment⟩",
        "公众账号ID": "wx0000000000000001",
        "商户号": MERCHANT,
        "特约商户号": "0",
        "微信订单号": "⟨wechat_trade_no(trade_at, i, CASE WHEN kind = 'refund' THEN 0 ELSE seq END)⟩",
        "商户订单号": "⟨douyin_no(i)⟩",
        "用户标识": "o_openid_⟨i⟩",
        "交易类型": "JSAPI",
        "交易状态": f"⟨{refund.format(chr(39) + 'REFUND' + chr(39), chr(39) + 'SUCCESS' + chr(39))}⟩",
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": f"⟨{refund.format(chr(39) + '0.00' + chr(39), 'money(cents)')}⟩",
        "代金券金额": "0.00",
        "微信退款单号": f"⟨{refund.format('wechat_refund_no(moment, i)', chr(39) + '0' + chr(39))}⟩",
        "商户退款单号": f"⟨{refund.format(chr(39) + 'R' + chr(39) + ' || douyin_no(i)', chr(39) + '0' + chr(39))}⟩",
        "退款金额": f"⟨{refund.format('money(-cents)', chr(39) + '0.00' + chr(39))}⟩",
        "充值券退款金额": "0.00",
        "退款类型": "⟨CASE WHEN kind = 'refund' THEN 'ORIGINAL' END⟩",
        "退款状态": "⟨CASE WHEN kind = 'refund' THEN 'SUCCESS' END⟩",
        "商品名称": "网店商品",
        "手续费": f"⟨{refund.format(chr(39) + '0.00' + chr(39), 'money(fee_of(cents, 6))')}⟩000",
        "费率": "0.60%",
        "订单金额": f"⟨{refund.format(chr(39) + '0.00' + chr(39), 'money(cents)')}⟩",
        "申请退款金额": f"⟨{refund.format('money(-cents)', chr(39) + '0.00' + chr(39))}⟩",
    }
    row = row_of(TRADE_HEADER.split(","), cells, template="`{}")
    query = f"SELECT {line_of(row, end=chr(13))} FROM ledger WHERE {condition} ORDER BY entry"
    count, received, refunded, fees = emitter.connection.execute(f"""
        SELECT count(*), money(coalesce(sum(cents) FILTER (cents > 0), 0)),
            money(coalesce(-sum(cents) FILTER (cents < 0), 0)),
               money(coalesce(sum(fee_of(cents, 6)) FILTER (cents > 0), 0)) FROM ledger
                   WHERE {condition}""").fetchall()[0]
    totals = (count, received, refunded, "0.00", f"{fees}000", received, refunded)
    tail = TRADE_SUMMARY + "\r\n" + ",".join(f"`{total}" for total in totals) + "\r\n"
    path = f"wechatpay/account={MERCHANT}/{MERCHANT}_{begin:%Y%m}_trade.csv"
    emitter.write(path, "wechatpay_trade_bill", TRADE_HEADER + "\r\n", query, tail=tail)


def _write_fund_bill(emitter: Emitter, begin: datetime, end: datetime) -> None:
    condition = _of_month("douyin", begin, end)
    trade_no = "wechat_trade_no(trade_at, i, CASE kind WHEN 'payout' THEN 9 WHEN 'refund' THEN 0 ELSE seq % 4 END)"
    business = "CASE kind WHEN 'refund' THEN '退款' WHEN 'fee' THEN '扣除交易手续费' WHEN 'payout' THEN '提现' ELSE '交易' END"
    cells = {
        "记账时间": "⟨moment⟩",
        "微信支付业务单号": f"⟨CASE WHEN kind = 'refund' THEN wechat_refund_no(moment, i) ELSE {trade_no} END⟩",
        "资金流水单号": f"⟨{trade_no}⟩",
        "业务名称": f"⟨{business}⟩",
        "业务类型": f"⟨{business}⟩",
        "收支类型": "⟨CASE WHEN cents > 0 THEN '收入' ELSE '支出' END⟩",
        "收支金额(元)": "⟨money(abs(cents))⟩",
        "账户结余(元)": "⟨money(balance_c)⟩",
        "资金变更提交申请人": f"{MERCHANT}API",
        "备注": "⟨CASE WHEN kind = 'refund' THEN '退款总金额' || money(-cents) || '元;含手续费0.00元' END⟩",
        "业务凭证号": "S⟨digits(i, 9)⟩⟨seq⟩",
    }
    row = row_of(FUND_HEADER.split(","), cells, template="`{}")
    query = f"SELECT {line_of(row)} FROM ledger WHERE {condition} ORDER BY entry"
    totals = emitter.connection.execute(f"""
        SELECT count(*), count(*) FILTER (cents > 0), money(coalesce(sum(cents) FILTER (cents > 0), 0)),
               count(*) FILTER (cents < 0), money(coalesce(-sum(cents) FILTER (cents < 0), 0)) FROM ledger
                   WHERE {condition}
    """).fetchall()[0]
    tail = FUND_SUMMARY + "\n" + ",".join(f"`{total}" for total in totals) + "\n"
    emitter.write(
        f"wechatpay/account={MERCHANT}/{MERCHANT}_{begin:%Y%m}_fund.csv",
        "wechatpay_fund_bill",
        FUND_HEADER + "\n",
        query,
        tail=tail,
    )
