"""The warehouse's outbound and stock exports (WDT) and the courier's tracking list."""

from __future__ import annotations

from datetime import datetime, timedelta

from orders_pipeline.simulate.assortment import HEADERS
from orders_pipeline.simulate.emit import BOM, Emitter, line_of, row_of
from orders_pipeline.simulate.ledger import orphan_time
from orders_pipeline.simulate.plan import Plan

OUTBOUND_HEADER = HEADERS["wms_outbound"]
STOCK_HEADER = HEADERS["wms_stock"]
TRACKING_HEADER = HEADERS["courier_tracking"]
SHOPS = {"taobao": "淘宝旗舰店", "douyin": "抖音旗舰店", "shopify": "Shopify US"}
_SHOP = "CASE channel " + " ".join(f"WHEN '{channel}' THEN '{name}'" for channel, name in SHOPS.items()) + " END"
_OUTBOUND = f"""
    SELECT channel, i, n + gifts AS n, k, fault, {_SHOP} AS shop, created_at, paid_at, shipped_at, due_c, line_due_c,
           sku_of(s) AS sku, CASE WHEN fault = 'quantity_over' AND k = 1 THEN qty + 1 ELSE qty END AS qty, parcel_row,
           part_of(is_split, k) AS part
    FROM lines
    WHERE shipped_at IS NOT NULL AND channel <> 'youzan'
          AND NOT (coalesce(fault = 'quantity_short', false) AND k = n)"""
_OUTBOUND_ORPHANS = f"""
    SELECT channel, i, 1 AS n, 1 AS k, 'shipped_without_order' AS fault, {_SHOP} AS shop, moment AS created_at,
           moment AS paid_at, moment + INTERVAL 20 HOUR AS shipped_at, sku_price(1 + i % 300) AS due_c,
           sku_price(1 + i % 300) AS line_due_c, sku_of(1 + i % 300) AS sku, 1 AS qty, i AS parcel_row, 0 AS part
    FROM orphan_parcels"""
# One row per parcel and courier event that has happened by as_of.
_PARCELS = """
    CREATE TABLE parcels AS
    SELECT channel, i, parcel_row, created_at, unnest(CASE WHEN is_split THEN [0, 1] ELSE [0] END) AS part, shipped_at,
           delivered_at, place
    FROM orders WHERE shipped_at IS NOT NULL AND parcel_row = i"""
_ORPHAN_PARCELS = """
    INSERT INTO parcels
    SELECT channel, i, i, moment, 0, moment + INTERVAL 20 HOUR, moment + INTERVAL 68 HOUR, i % 24 FROM orphan_parcels"""
_EVENTS = """
    CREATE VIEW parcel_events AS
    WITH stepped AS (
        SELECT *, unnest(CASE WHEN delivered_at IS NULL THEN [1, 2] ELSE [1, 2, 3, 4] END) AS step FROM parcels
    )
    SELECT channel, i, parcel_row, created_at, part, step,
           CASE step WHEN 1 THEN shipped_at + INTERVAL 2 HOUR WHEN 2 THEN shipped_at + INTERVAL 13 HOUR
                     WHEN 3 THEN delivered_at - INTERVAL 3 HOUR ELSE delivered_at END AS event_at,
           ['【示例营业部】已揽收', '快件已到达【上海转运中心】', '快件正在派件', '您的快件已签收，本人签收'][step]
               AS event_text,
           CASE WHEN step <= 2 THEN '上海市' ELSE city_of(place) END AS event_city
    FROM stepped"""


def write_warehouse(emitter: Emitter, plan: Plan) -> None:
    """Outbound and tracking of every month in which something moves, the stock at each month's end.

    Creates the view `parcel_events`.
    """
    emitter.connection.execute(f"""
        CREATE TABLE orphan_parcels AS
        SELECT i, channel, {orphan_time(plan)} AS moment
        FROM (SELECT pair AS i, channel FROM fault_pairs WHERE kind = 'shipped_without_order') ORDER BY i""")
    for statement in (_PARCELS, _ORPHAN_PARCELS, _EVENTS):
        emitter.connection.execute(statement)
    for begin, end in plan.event_months:
        _write_outbound(emitter, begin, end)
        _write_tracking(emitter, begin, end)
    for end in plan.starts[1:]:
        _write_stock(emitter, plan, end)


def _window(begin: datetime, end: datetime) -> str:
    """Creation times an event of the month can belong to; lets DuckDB skip the orders of other months."""
    return f"created_at >= '{begin - timedelta(days=40)}' AND created_at < '{end}'"


def _write_outbound(emitter: Emitter, begin: datetime, end: datetime) -> None:
    cells = {
        "原始单号": '="⟨order_no(channel, i)⟩"',
        "子单原始单号": '="⟨order_no(channel, i)⟩"',
        "原始子订单号": "⟨'=\"' || sub_order_no(channel, i, n, k) || '\"'⟩",
        "出库单编号": "CK⟨internal_no(i)⟩-⟨part⟩",
        "订单编号": "⟨internal_no(i)⟩",
        "店铺": "⟨shop⟩",
        "发货时间": '="⟨shipped_at⟩"',
        "付款时间": "⟨'=\"' || paid_at || '\"'⟩",
        "下单时间": '="⟨created_at⟩"',
        "应收金额": "⟨money(due_c)⟩",
        "货品数量": "⟨qty⟩",
        "货品编号": "⟨sku⟩",
        "货品成交总价": "⟨money(line_due_c)⟩",
        "出库单状态": "已发货",
        "物流单号": '="⟨waybill(parcel_row, part)⟩"',
        "物流公司": "⟨courier_name(parcel_row)⟩",
    }
    of_month = f"shipped_at >= '{begin}' AND shipped_at < '{end}' AND {_window(begin, end)}"
    line = line_of(row_of(OUTBOUND_HEADER.split(","), cells))
    # Two queries, one after the other: a UNION ALL may interleave its blocks and change the file's order.
    queries = [f"SELECT {line} FROM ({origin}) WHERE {of_month}" for origin in (_OUTBOUND, _OUTBOUND_ORPHANS)]
    pieces, amount = emitter.connection.execute(f"""
        SELECT coalesce(sum(qty * times), 0), money(coalesce(sum(line_due_c * times), 0))
        FROM (SELECT qty, line_due_c, CASE WHEN fault = 'exact_duplicate_rows' THEN 2 ELSE 1 END AS times
              FROM ({_OUTBOUND} UNION ALL {_OUTBOUND_ORPHANS})
              WHERE {of_month})""").fetchall()[0]
    total = row_of(OUTBOUND_HEADER.split(","), {"原始单号": "合计", "货品数量": str(pieces), "货品成交总价": amount})
    emitter.write(
        f"wms/wms_stockout_{begin:%Y%m}.csv",
        "wms_outbound",
        BOM + OUTBOUND_HEADER + "\n",
        *queries,
        repeated=f"{queries[0]} AND fault = 'exact_duplicate_rows'",
        tail=",".join(total) + "\n",
    )


def _write_tracking(emitter: Emitter, begin: datetime, end: datetime) -> None:
    cells = [
        "⟨waybill(parcel_row, part)⟩",
        "⟨courier_name(parcel_row)⟩",
        "⟨event_at⟩",
        "⟨['1', '0', '5', '3'][step]⟩",
        "⟨event_text⟩",
        "⟨event_city⟩",
    ]
    query = f"""SELECT {line_of(cells)} FROM parcel_events
        WHERE channel <> 'youzan' AND event_at >= '{begin}' AND event_at < '{end}' AND {_window(begin, end)}"""
    emitter.write(f"courier/courier_tracking_{begin:%Y%m}.csv", "courier_tracking", TRACKING_HEADER + "\n", query)


def _write_stock(emitter: Emitter, plan: Plan, end: datetime) -> None:
    month = f"{end - timedelta(days=1):%Y%m}"
    base = plan.orders // plan.months // 100 + 50
    actual = f"{base} + chance(s, '{month}') % {base}"
    zeros = [
        "已质检库存",
        "未付款量",
        "预订单量",
        "待审核量",
        "待采购量",
        "采购到货量",
        "待调拨量",
        "待调出量",
        "其他待入库量",
        "其他待出库量",
        "调拨在途",
        "采购退货",
        "销售退货在途量",
        "生产待出库量",
        "生产待入库量",
        "外部库存",
        "库存差异",
    ]
    cells = dict.fromkeys(zeros, "0") | {
        "商家编码": "⟨sku⟩",
        "条码": '="69⟨digits(s, 11)⟩"',
        "货品编号": "⟨sku⟩",
        "货品名称": "⟨title⟩",
        "分类": "⟨category⟩",
        "零售价": "⟨money(price)⟩",
        "单品重量": "⟨grams⟩",
        "单位": "件",
        "残次品": "⟨s % 3⟩",
        "待质检量": "⟨s % 5⟩",
        "锁定量": "⟨s % 2⟩",
        "待发货量": "⟨s % 7⟩",
        "未发货订单总数": "⟨s % 7⟩",
        "采购在途": "⟨s % 11 * 10⟩",
        "警戒库存下限": "20",
        "警戒库存上限": "2000",
        "库存": f"⟨{actual}⟩",
        "实际库存": f"⟨{actual}⟩",
        "可发库存": f"⟨{actual} - s % 3 - s % 5 - s % 2⟩",
        "可用库存": f"⟨{actual} - s % 3 - s % 5 - s % 2 - s % 7⟩",
        "实际可发库存": f"⟨{actual} - s % 3 - s % 5 - s % 2⟩",
        "同步时间": f'="{end - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}"',
        "最后盘点时间": f'="{end - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}"',
    }
    query = f"SELECT {line_of(row_of(STOCK_HEADER.split(','), cells))} FROM products ORDER BY s"
    emitter.write(f"wms/wms_stock_{month}.csv", "wms_stock", BOM + STOCK_HEADER + "\n", query)
