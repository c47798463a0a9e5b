"""How the numbers of orders, transactions and parcels are formed, as DuckDB macros of the order's row number."""

from __future__ import annotations

import duckdb

from orders_pipeline.simulate.plan import Plan

COURIERS = ("顺丰速运", "中通快递", "圆通速递", "韵达快递", "京东快递")
COURIER_CODES = ("sf", "zto", "yto", "yunda", "jd")
_PREFIXES = ("SF1", "76", "YT8", "46", "JDV0")


def create_number_macros(connection: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Creates order_no, sub_order_no, trade numbers, internal numbers and waybills.

    Every number holds the plan's tag (start month and seed), so that runs with another seed can be loaded side by side.
    """
    tag = plan.tag
    names, prefixes, codes = (str(list(values)) for values in (COURIERS, _PREFIXES, COURIER_CODES))
    for macro in (
        f"taobao_no(i) AS CAST(2{tag}00000000000 + i * 7919 AS VARCHAR)",
        f"taobao_sub_no(i, n, k) AS CAST(2{tag}00000000000 + i * 7919 + (CASE WHEN n = 1 THEN 0 ELSE k END) AS VARCHAR)",
        f"douyin_no(i) AS CAST(69{tag}0000000000 + i * 397 AS VARCHAR)",
        f"douyin_sub_no(i, n, k) AS CAST(69{tag}0000000000 + i * 397 + (CASE WHEN n = 1 THEN 0 ELSE k END) AS VARCHAR)",
        f"shopify_no(i) AS '#{tag}' || digits(i, 8)",
        f"youzan_no(i) AS 'E{tag}' || digits(i, 11)",
        """order_no(channel, i) AS CASE channel WHEN 'taobao' THEN taobao_no(i) WHEN 'douyin' THEN douyin_no(i)
               WHEN 'shopify' THEN shopify_no(i) ELSE youzan_no(i) END""",
        """sub_order_no(channel, i, n, k) AS CASE channel WHEN 'taobao' THEN taobao_sub_no(i, n, k)
               WHEN 'douyin' THEN douyin_sub_no(i, n, k) END""",
        "shop_of(channel) AS CASE channel WHEN 'shopify' THEN 'us' ELSE 'main' END",
        f"internal_no(i) AS 'JY{tag}' || digits(i, 8)",
        f"alipay_trade_no(day, i, seq) AS strftime(day, '%Y%m%d') || '2200' || (1 + seq) || '{tag}' || digits(i, 8)",
        f"wechat_trade_no(day, i, seq) AS '4200{tag}' || seq || strftime(day, '%Y%m%d') || digits(i, 8)",
        f"wechat_refund_no(day, i) AS '5030{tag}0' || strftime(day, '%Y%m%d') || digits(i, 9)",
        f"standard_trade_no(i) AS 'tx{tag}' || digits(i, 8)",
        "courier_of(parcel_row) AS chance(parcel_row, 'courier') % 5 + 1",
        f"courier_name(parcel_row) AS {names}[courier_of(parcel_row)]",
        f"courier_code(parcel_row) AS {codes}[courier_of(parcel_row)]",
        f"waybill(parcel_row, part) AS {prefixes}[courier_of(parcel_row)] || '{tag}' || digits(parcel_row * 2 + part, 8)",
        "part_of(is_split, k) AS CASE WHEN is_split AND k > 1 THEN 1 ELSE 0 END",
        "utc_text(moment) AS CAST(moment - INTERVAL 8 HOUR AS VARCHAR) || ' +0000'",
        "iso_text(moment) AS replace(CAST(moment AS VARCHAR), ' ', 'T') || '+08:00'",
    ):
        connection.execute(f"CREATE MACRO {macro}")
