"""Every public sample file is read right, or refused with the right reason."""

from __future__ import annotations

import shutil
from decimal import Decimal

import pytest

from orders_pipeline_tests.support import new_home, query, run

#: File name -> source, rows accepted.
READ = {
    "1791213782_douyin_orders_older_export.csv": ("douyin_orders", 3),
    "1791430000_douyin_orders.csv": ("douyin_orders", 4),
    "alipay_account_detail.csv": ("alipay_account_detail", 2),
    "alipay_business_detail.csv": ("alipay_business_detail", 3),
    "alipay_business_detail_2019_negative_refund.csv": ("alipay_business_detail", 2),
    "douyin_dongzhang.csv": ("douyin_fund_bill", 2),
    "pdd_wallet_bill.csv": ("pdd_wallet_bill", 3),
    "shopify_orders_export.csv": ("shopify_orders", 2),
    "wechatpay_trade_bill_constructed.csv": ("wechatpay_trade_bill", 2),
    "zto_kdniao_trace_anonymised.json": ("kdniao_tracking", 5),
}
#: File name -> reason; sources of later issues are unrecognised, not misread.
REFUSED = {
    "wechatpay_fundflow_bill.csv": "control_total", "sf_route_anonymised.json": "required_column_missing",
    "example-alipay-records.csv": "unrecognised", "example-wechat-records.csv": "unrecognised",
    "example-wechat-records.xlsx": "unrecognised", "example-jd-records.csv": "unrecognised",
    "example-mt-records.csv": "unrecognised", "orders.csv": "unrecognised", "order_item.csv": "unrecognised",
    "fba_inventory_summary.csv": "unrecognised", "fba_inventory_researching_quantity_entry.csv": "unrecognised",
    "order_item_promotion_id.csv": "unrecognised", "payment_method_detail_item.csv": "unrecognised",
}


@pytest.fixture(scope="module")
def samples(shared, tmp_path_factory):
    home = new_home(tmp_path_factory.mktemp("samples"))
    for path in sorted((shared("formats") / "samples").rglob("*")):
        if path.is_file() and path.name != "SOURCES.md":
            shutil.copy(path, home.landing / path.name)
    run(home, "2026-11-01T00:00:00+08:00")
    return home


def test_known_sources_are_read_whole(samples):
    found = {p: (s, n) for p, s, n in query(samples, "SELECT path, source, rows_accepted FROM ops.files WHERE status = 'loaded'")}
    assert found == READ


def test_all_others_are_refused_with_the_reason(samples):
    rows = query(samples, "SELECT path, reason FROM ops.files WHERE status = 'refused' AND NOT contains(path, '!')")
    assert {p: r.split("[")[1].split("]")[0] for p, r in rows} == REFUSED


def test_a_cut_statement_names_the_difference(samples):
    reason = query(samples, "SELECT reason FROM ops.files WHERE path = 'wechatpay_fundflow_bill.csv'")[0][0]
    assert "states rows count 3, its rows give 2: difference -1" in reason


def test_an_archive_with_gbk_names_holds_a_copy_and_a_summary(samples):
    rows = query(samples, "SELECT path, status, rows_duplicate FROM ops.files WHERE contains(path, '!') ORDER BY status")
    assert [(p.rsplit("_", 1)[1], s, n) for p, s, n in rows] == [
        ("业务明细.csv", "duplicate", 3), ("业务明细(汇总).csv", "refused", 0),
    ]


def test_the_newer_export_wins_although_the_older_one_stands_beside_it(samples):
    rows = query(
        samples, "SELECT channel_order_id, status, raw_status, version_number FROM orders.orders WHERE channel = 'douyin' ORDER BY 1"
    )
    assert rows == [
        ("6917926768823643751", "completed", "已完成 / 退款成功", 2),
        ("6917926768823643752", "completed", "已完成", 2),
        ("6917926768823643753", "cancelled", "已关闭 / 退款成功", 2),
    ]


def test_a_closed_gift_does_not_close_its_order(samples):
    lines = query(
        samples,
        "SELECT l.quantity, l.payable_amount FROM orders.order_lines l JOIN orders.orders o USING (order_guid) "
        "WHERE o.channel_order_id = '6917926768823643752' ORDER BY l.payable_amount",
    )
    assert lines == [(Decimal("1.000"), Decimal("0.00")), (Decimal("1.000"), Decimal("20.00"))]


def test_refunds_go_out_whatever_sign_the_statement_writes(samples):
    rows = query(samples, "SELECT source, amount FROM payments.transactions WHERE kind = 'refund' ORDER BY source, amount")
    assert rows == [
        ("alipay_account_detail", Decimal("-12.50")), ("alipay_business_detail", Decimal("-0.02")),
        ("alipay_business_detail", Decimal("-0.01")), ("douyin_fund_bill", Decimal("-27.78")), ("douyin_fund_bill", Decimal("-5.00")),
        ("pdd_wallet_bill", Decimal("-146.92")), ("wechatpay_trade_bill", Decimal("-0.01")),
    ]


def test_shopify_lines_belong_to_the_order_named_above_them(samples):
    rows = query(
        samples,
        "SELECT o.channel_order_id, o.payable_amount, o.currency, count(*), sum(l.quantity) FROM orders.orders o "
        "JOIN orders.order_lines l USING (order_guid) WHERE o.channel = 'shopify' GROUP BY ALL",
    )
    assert rows == [("#1001", Decimal("34.98"), "USD", 2, Decimal("3.000"))]


def test_a_locker_drop_is_not_delivery_and_the_pickup_is(samples):
    rows = query(samples, "SELECT status, is_delivered, CAST(delivered_at AS VARCHAR) FROM fulfilment.parcels WHERE waybill_id = '73190000000000'")
    assert rows == [("delivered", True, "2022-09-20 08:20:38+00")]
