"""Douyin: one row per sub-order, UTF-8 with BOM, ids and texts as `"<tab>…"`, personal data encrypted."""

from __future__ import annotations

from datetime import datetime, timedelta

from orders_pipeline.simulate.assortment import HEADERS
from orders_pipeline.simulate.emit import BOM, Emitter, line_of, row_of
from orders_pipeline.simulate.plan import Plan

HEADER = HEADERS["douyin_orders"]
_QUARANTINED = "fault IN ('unreadable_amount', 'unreadable_time')"


def write_douyin(emitter: Emitter, plan: Plan) -> None:
    """The order export of every month, the early export, and the older export that arrives late."""
    for month, begin in enumerate(plan.starts[:-1]):
        of_month = f"channel = 'douyin' AND created_at >= '{begin}' AND created_at < '{plan.starts[month + 1]}'"
        query = _query(plan.exported_at(month), of_month)
        emitter.write(
            f"douyin/{_epoch(plan.exported_at(month))}_douyin.csv",
            "douyin_orders",
            BOM + HEADER + "\n",
            query,
            repeated=f"{query} AND fault = 'exact_duplicate_rows'",
            quarantined=emitter.scalar(f"SELECT count(*) FROM lines WHERE {of_month} AND {_QUARANTINED}"),
        )
    for folder, at, faults in (
        ("douyin", plan.early_export_at, "('reexport_later_status', 'older_export_late')"),
        ("zz_late/douyin", plan.late_arrival_export_at, "('older_export_late')"),
    ):
        query = _query(at, f"channel = 'douyin' AND fault IN {faults}")
        emitter.write(f"{folder}/{_epoch(at)}_douyin.csv", "douyin_orders", BOM + HEADER + "\n", query)


def _epoch(beijing: datetime) -> int:
    """Epoch seconds of a Beijing wall time, as the channel puts them before the file name."""
    return int((beijing - timedelta(hours=8) - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001


def _query(seen_at: datetime, condition: str) -> str:
    seen = f"<= '{seen_at}'"
    # The buyer pays the freight with the first sub-order: it is part of what that row is due.
    freight = "CASE WHEN k = 1 THEN freight_c ELSE 0 END"
    after_sale = f"""CASE WHEN refunded_at {seen} IS NOT TRUE OR k > n THEN '-' WHEN outcome = 'returned'
        AND k <= returned_lines
        THEN '同意退款，退款成功' WHEN outcome = 'returned' THEN '-' ELSE '退款成功' END"""
    cells = {
        "主订单编号": '"\t⟨douyin_no(i)⟩"',
        "子订单编号": '"\t⟨douyin_sub_no(i, n + gifts, k)⟩"',
        "选购商品": '"\t⟨title_of(s)⟩"',
        "商品规格": '"\t默认"',
        "商品数量": "⟨qty⟩",
        "商品ID": '"\t36⟨digits(s, 16)⟩"',
        "商家编码": '"\t⟨sku_of(s)⟩"',
        "商品单价": "⟨money(unit_c)⟩",
        "订单应付金额": f"⟨CASE WHEN fault = 'unreadable_amount' AND k = 1 THEN '#VALUE!' "
        f"ELSE money(line_due_c + {freight}) END⟩",
        "运费": f"⟨money({freight})⟩",
        "优惠总金额": "⟨money(line_list_c - line_due_c)⟩",
        "平台优惠": "⟨money(line_platform_c)⟩",
        "商家优惠": "⟨money(line_merchant_c)⟩",
        "达人优惠": "⟨money(line_influencer_c)⟩",
        "商家改价": "0.00",
        "支付优惠": "0.00",
        "红包抵扣": "0.00",
        "支付方式": f"⟨CASE WHEN paid_at {seen} THEN '微信' ELSE '-' END⟩",
        "手续费": "0.00",
        "收件人": "##密文",
        "收件人手机号": "$$密文",
        "省": "⟨province_of(place)⟩",
        "市": "⟨city_of(place)⟩",
        "区": "⟨district_of(place)⟩",
        "详细地址": "##密文",
        "是否修改过地址": "否",
        "买家留言": "⟨CASE WHEN h1 >> 5 & 15 = 0 THEN '请尽快发货' ELSE '-' END⟩",
        "订单提交时间": "⟨CASE WHEN fault = 'unreadable_time' THEN '2026-13-45 25:61:00' ELSE CAST(created_at AS VARCHAR) END⟩",
        "订单完成时间": f"⟨CASE WHEN completed_at {seen} THEN CAST(completed_at AS VARCHAR) ELSE '-' END⟩",
        "支付完成时间": f"⟨CASE WHEN paid_at {seen} THEN CAST(paid_at AS VARCHAR) ELSE '-' END⟩",
        "APP渠道": "抖音",
        "流量来源": "直播",
        "订单状态": f"""⟨CASE WHEN fault = 'unknown_status' THEN '风控处理中' WHEN cancelled_at {seen} THEN '已关闭'
            WHEN paid_at {seen} IS NOT TRUE THEN '待支付' WHEN completed_at {seen} THEN '已完成'
            WHEN shipped_at {seen} THEN '已发货' ELSE '待发货' END⟩""",
        "承诺发货时间": "⟨CAST(created_at + INTERVAL 48 HOUR AS VARCHAR)⟩",
        "订单类型": "普通订单",
        "售后状态": f"⟨{after_sale}⟩",
        "取消原因": "⟨CASE outcome WHEN 'unpaid' THEN '超时未支付' WHEN 'cancelled' THEN '买家申请退款' END⟩",
        "发货时间": f"⟨CASE WHEN shipped_at {seen} AND cancelled_at IS NULL THEN CAST(shipped_at AS VARCHAR) ELSE '-' END⟩",
        "降价类优惠": "0.00",
        "平台实际承担优惠金额": "⟨money(line_platform_c)⟩",
        "商家实际承担优惠金额": "⟨money(line_merchant_c)⟩",
        "达人实际承担优惠金额": "⟨money(line_influencer_c)⟩",
        "是否平台仓自流转": "否",
    }
    return f"""SELECT {line_of(row_of(HEADER.split(","), cells, default="-"))}
        FROM lines WHERE {condition}"""
