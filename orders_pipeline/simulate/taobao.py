"""Taobao: order list and item list of a month, GBK, ids as `="…"`; early and late-arriving order lists."""

from __future__ import annotations

from datetime import datetime

from orders_pipeline.simulate.assortment import HEADERS
from orders_pipeline.simulate.emit import Emitter, line_of, row_of
from orders_pipeline.simulate.plan import Plan

ORDER_HEADER = HEADERS["taobao_orders"]
ITEM_HEADER = HEADERS["taobao_order_lines"]
_DAMAGED = "CASE WHEN fault = 'damaged_id' THEN '2.26E+18' ELSE '=\"' || {} || '\"' END"


def write_taobao(emitter: Emitter, plan: Plan) -> None:
    """The order list and the item list of every month, the early list, and the older list that arrives late."""
    for month, begin in enumerate(plan.starts[:-1]):
        of_month = f"channel = 'taobao' AND created_at >= '{begin}' AND created_at < '{plan.starts[month + 1]}'"
        exported_at = plan.exported_at(month)
        stamp = f"{exported_at:%Y%m%d%H%M}"
        orders = _orders_query(exported_at, of_month)
        emitter.write(
            f"taobao/ExportOrderList{stamp}.csv",
            "taobao_orders",
            ORDER_HEADER + "\n",
            orders,
            repeated=f"{orders} AND fault = 'exact_duplicate_rows'",
            encoding="gbk",
            quarantined=emitter.scalar(f"SELECT count(*) FROM orders WHERE {of_month} AND fault = 'damaged_id'"),
        )
        emitter.write(
            f"taobao/ExportOrderDetailList{stamp}.csv",
            "taobao_order_lines",
            ITEM_HEADER + "\n",
            _items_query(exported_at, of_month),
            encoding="gbk",
            quarantined=emitter.scalar(f"SELECT count(*) FROM lines WHERE {of_month} AND fault = 'damaged_id'"),
        )
    for folder, at, faults in (
        ("taobao", plan.early_export_at, "('reexport_later_status', 'older_export_late')"),
        ("zz_late/taobao", plan.late_arrival_export_at, "('older_export_late')"),
    ):
        query = _orders_query(at, f"channel = 'taobao' AND fault IN {faults}")
        emitter.write(f"{folder}/ExportOrderList{at:%Y%m%d%H%M}.csv", "taobao_orders", ORDER_HEADER + "\n", query, encoding="gbk")


def _status(seen_at: datetime) -> str:
    """The status word an export taken at `seen_at` shows."""
    return f"""CASE WHEN fault = 'unknown_status' THEN '交易待仲裁' WHEN cancelled_at <= '{seen_at}' THEN '交易关闭'
        WHEN paid_at <= '{seen_at}' IS NOT TRUE THEN '等待买家付款' WHEN completed_at <= '{seen_at}' THEN '交易成功'
        WHEN shipped_at <= '{seen_at}' THEN '卖家已发货，等待买家确认' ELSE '买家已付款，等待卖家发货' END"""


def _orders_query(seen_at: datetime, condition: str) -> str:
    seen = f"<= '{seen_at}'"
    sent = f"shipped_at {seen} AND cancelled_at IS NULL"
    cells = {
        "订单编号": f"⟨{_DAMAGED.format('taobao_no(i)')}⟩",
        "买家会员名": "买家⟨buyer⟩",
        "买家应付货款": "⟨money(goods_c)⟩",
        "买家应付邮费": "⟨money(freight_c)⟩",
        "买家支付积分": "0",
        "总金额": "⟨money(due_c)⟩",
        "返点积分": "0",
        "买家实际支付金额": f"⟨CASE WHEN paid_at {seen} THEN money(due_c) ELSE '0.00' END⟩",
        "买家实际支付积分": "0",
        "订单状态": f"⟨{_status(seen_at)}⟩",
        "买家留言": "⟨CASE WHEN h1 >> 5 & 15 = 0 THEN '请尽快发货' END⟩",
        "收货人姓名": "买家⟨buyer⟩",
        "收货地址 ": "⟨province_of(place)⟩ ⟨city_of(place)⟩ ⟨district_of(place)⟩ "
        "示例路⟨buyer % 500 + 1⟩号⟨buyer % 20 + 1⟩栋"
        "⟨buyer % 30 + 1⟩01室(⟨postcode_of(place)⟩)",
        "运送方式": "快递",
        "联系手机": "'199⟨digits(buyer, 8)⟩",
        "订单创建时间": "⟨created_at⟩",
        "订单付款时间 ": f"⟨CASE WHEN paid_at {seen} THEN paid_at END⟩",
        "宝贝标题 ": "⟨CASE WHEN cancelled_at IS NULL THEN title_of(line_sku(chance(i * 8 + 1, 'line'), 1)) END⟩",
        "宝贝种类 ": "⟨n⟩",
        "物流单号 ": f"⟨CASE WHEN {sent} THEN waybill(parcel_row, 0) END⟩",
        "物流公司": f"⟨CASE WHEN {sent} THEN courier_name(parcel_row) END⟩",
        "宝贝总数量": "⟨pieces⟩",
        "店铺Id": "0",
        "店铺名称": "淘宝旗舰店",
        "订单关闭原因": "⟨CASE outcome WHEN 'unpaid' THEN '买家未付款' WHEN 'cancelled' THEN '退款' ELSE '订单未关闭' END⟩",
        "卖家服务费": "0元",
        "买家服务费": "0元",
        "是否手机订单": "手机订单",
        "分阶段订单信息": "⟨CASE WHEN order_type = 'presale' THEN '阶段1：定金' || money(deposit_c) "
        "|| '元已付款；阶段2：尾款'"
        " || money(due_c - deposit_c) || '元，' || paid_at || '已付款' END⟩",
        "是否上传合同照片": "否",
        "是否上传小票": "否",
        "是否代付": "否",
        "退款金额": f"⟨CASE WHEN refunded_at {seen} THEN money(refund_due_c) ELSE '0.00' END⟩",
        "确认收货时间": f"⟨CASE WHEN completed_at {seen} THEN completed_at END⟩",
        "打款商家金额": f"⟨CASE WHEN completed_at {seen} THEN money(due_c - CASE WHEN refunded_at IS NULL THEN 0 "
        f"ELSE refund_due_c END) ELSE '0.00' END⟩元",
    }
    return f"""SELECT {line_of(row_of(ORDER_HEADER.split(","), cells))}
        FROM orders WHERE {condition}"""


def _items_query(seen_at: datetime, condition: str) -> str:
    refunded = f"refunded_at <= '{seen_at}' AND (outcome = 'cancelled' OR (outcome = 'returned' AND k <= returned_lines))"
    cells = {
        "子订单编号": f"⟨{_DAMAGED.format('taobao_sub_no(i, n, k)')}⟩",
        "主订单编号": f"⟨{_DAMAGED.format('taobao_no(i)')}⟩",
        "标题": "⟨title_of(s)⟩",
        "价格": "⟨money(unit_c)⟩",
        "购买数量": "⟨qty⟩",
        "外部系统编号": "⟨sku_of(s)⟩",
        "订单状态": f"⟨{_status(seen_at)}⟩",
        "商家编码": "⟨sku_of(s)⟩",
        "支付单号": "⟨CASE WHEN paid_at IS NOT NULL THEN '=\"' || alipay_trade_no(paid_at, i, 0) || '\"' END⟩",
        "买家应付货款": "⟨money(line_due_c)⟩",
        "买家实际支付金额": "⟨CASE WHEN paid_at IS NOT NULL THEN money(line_due_c) ELSE '0.00' END⟩",
        "退款状态": f"⟨CASE WHEN {refunded} THEN '退款成功' ELSE '没有申请退款' END⟩",
        "退款金额": f"⟨CASE WHEN {refunded} THEN money(line_due_c) ELSE '无退款申请' END⟩",
        "订单创建时间": "⟨created_at⟩",
        "订单付款时间": "⟨paid_at⟩",
    }
    return f"SELECT {line_of(row_of(ITEM_HEADER.split(','), cells))} FROM lines WHERE {condition}"
