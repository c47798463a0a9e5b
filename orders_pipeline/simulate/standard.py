"""Files in the standard format: payments of Shopify and Youzan, the whole Youzan shop, returns of every channel,
references."""

from __future__ import annotations

from datetime import datetime

from orders_pipeline.simulate.emit import Emitter, line_of, row_of
from orders_pipeline.simulate.ledger import ACCOUNTS
from orders_pipeline.simulate.plan import Plan
from orders_pipeline.simulate.shopify import TRADE_NO

WAREHOUSE = "main"  # what the WDT exports, which do not name theirs, are read as


def write_standard(emitter: Emitter, plan: Plan) -> None:
    """Everything that has no format of its own in the simulation, as standard_<entity> files."""
    _write_references(emitter)
    for month, begin in enumerate(plan.starts[:-1]):
        _write_youzan_orders(emitter, begin, plan.starts[month + 1], plan.exported_at(month))
    for begin, end in plan.event_months:
        _write_payments(emitter, plan, "shopify", "USD", begin, end)
        _write_payments(emitter, plan, "youzan", "CNY", begin, end)
        _write_shipments(emitter, begin, end)
        _write_returns(emitter, plan, begin, end)


def _emit(emitter: Emitter, path: str, entity: str, cells: dict[str, str], origin: str) -> None:
    query = f"SELECT {line_of(row_of(list(cells), cells))} {origin}"
    emitter.write(f"{path}.csv", f"standard_{entity}", ",".join(cells) + "\n", query)


def _write_references(emitter: Emitter) -> None:
    _emit(
        emitter,
        "standard/standard_products",
        "products",
        {
            "sku": "⟨sku⟩",
            "title": "⟨title⟩",
            "category": "⟨category⟩",
            "is_fresh": "false",
            "is_special": "false",
            "unit": "件",
            "list_price": "⟨money(price)⟩",
            "cost": "⟨money(price * 6 // 10)⟩",
            "weight_grams": "⟨grams⟩",
        },
        "FROM products ORDER BY s",
    )
    _emit(
        emitter,
        "standard/standard_warehouses",
        "warehouses",
        {
            "warehouse_id": WAREHOUSE,
            "kind": "warehouse",
            "province": "上海市",
            "city": "上海市",
            "timezone": "Asia/Shanghai",
            "is_active": "true",
        },
        "FROM range(1)",
    )


def _write_youzan_orders(emitter: Emitter, begin: datetime, end: datetime, seen_at: datetime) -> None:
    seen = f"<= '{seen_at}'"
    key = {"channel": "youzan", "shop_id": "main", "channel_order_id": "⟨youzan_no(i)⟩"}
    of_month = f"channel = 'youzan' AND created_at >= '{begin}' AND created_at < '{end}'"
    status = f"""CASE WHEN cancelled_at {seen} THEN 'cancelled' WHEN completed_at {seen} THEN 'completed'
        WHEN delivered_at {seen} THEN 'delivered' WHEN shipped_at {seen} THEN 'shipped' WHEN paid_at {seen} THEN 'paid'
        ELSE 'pending_payment' END"""
    presale = "CASE WHEN order_type = 'presale' THEN {} END"
    _emit(
        emitter,
        f"standard/standard_orders_youzan_{begin:%Y%m}",
        "orders",
        key
        | {
            "platform_txn_id": f"⟨CASE WHEN paid_at {seen} THEN {TRADE_NO} END⟩",
            "internal_order_id": "⟨internal_no(i)⟩",
            "order_type": "⟨order_type⟩",
            "status": f"⟨{status}⟩",
            "currency": "CNY",
            "list_amount": "⟨money(list_c)⟩",
            "merchant_discount_amount": "⟨money(merchant_c)⟩",
            "platform_discount_amount": "⟨money(platform_c)⟩",
            "freight_amount": "⟨money(freight_c)⟩",
            "payable_amount": "⟨money(due_c)⟩",
            "paid_amount": f"""⟨CASE WHEN paid_at {seen} THEN money(due_c) WHEN order_type = 'presale'
                THEN money(deposit_c)
            ELSE '0.00' END⟩""",
            "refunded_amount": f"⟨CASE WHEN refunded_at {seen} THEN money(refund_due_c) ELSE '0.00' END⟩",
            "deposit_amount": f"⟨{presale.format('money(deposit_c)')}⟩",
            "balance_paid_at": f"⟨{presale.format('iso_text(paid_at)')}⟩",
            "created_at": "⟨iso_text(created_at)⟩",
            "paid_at": f"⟨CASE WHEN paid_at {seen} THEN iso_text(paid_at) END⟩",
            "shipped_at": f"⟨CASE WHEN shipped_at {seen} THEN iso_text(shipped_at) END⟩",
            "completed_at": f"⟨CASE WHEN completed_at {seen} THEN iso_text(completed_at) END⟩",
            "cancelled_at": f"⟨CASE WHEN cancelled_at {seen} THEN iso_text(cancelled_at) END⟩",
            "buyer_phone": "199⟨digits(buyer, 8)⟩",
            "buyer_name": "买家⟨buyer⟩",
            "province": "⟨province_of(place)⟩",
            "city": "⟨city_of(place)⟩",
            "district": "⟨district_of(place)⟩",
            "address": "示例路⟨buyer % 500 + 1⟩号",
            "exported_at": f"{seen_at:%Y-%m-%dT%H:%M:%S}+08:00",
        },
        f"FROM orders WHERE {of_month}",
    )
    _emit(
        emitter,
        f"standard/standard_order_lines_youzan_{begin:%Y%m}",
        "order_lines",
        key
        | {
            "line_no": "⟨k⟩",
            "sku": "⟨sku_of(s)⟩",
            "product_title": "⟨title_of(s)⟩",
            "quantity": "⟨qty⟩",
            "unit_price": "⟨money(unit_c)⟩",
            "list_amount": "⟨money(line_list_c)⟩",
            "merchant_discount_amount": "⟨money(line_merchant_c)⟩",
            "platform_discount_amount": "⟨money(line_platform_c)⟩",
            "payable_amount": "⟨money(line_due_c)⟩",
            "category": "⟨category_of(s)⟩",
            "is_gift": "false",
        },
        f"FROM lines WHERE {of_month}",
    )


def _write_payments(emitter: Emitter, plan: Plan, channel: str, currency: str, begin: datetime, end: datetime) -> None:
    account, trade_no = ACCOUNTS[channel], "standard_trade_no(i)"
    has_order = "kind <> 'payout' AND i < 20000000"
    _emit(
        emitter,
        f"standard/standard_payments_{account}_{begin:%Y%m}",
        "payments",
        {
            "account": account,
            "payment_id": f"pm{plan.tag}⟨digits(i, 8)⟩-⟨seq⟩",
            "kind": "⟨kind⟩",
            "amount": "⟨money(cents)⟩",
            "currency": currency,
            "occurred_at": "⟨iso_text(moment)⟩",
            "business_on": "⟨CAST(moment AS DATE)⟩",
            "channel_order_id": f"⟨CASE WHEN {has_order} AND NOT is_merged THEN {channel}_no(i) END⟩",
            "platform_txn_id": f"⟨CASE WHEN {has_order} THEN {trade_no} || CASE WHEN seq % 4 = 1 THEN '-2' ELSE '' END END⟩",
            "merged_payment_id": f"⟨CASE WHEN is_merged THEN 'm' || {trade_no} END⟩",
            "payout_id": f"""⟨CASE WHEN kind = 'payout' THEN 'po_{account}_' || strftime(moment - INTERVAL 27 HOUR,
                '%Y%m%d')
            WHEN p.day IS NOT NULL THEN 'po_{account}_' || strftime(p.day, '%Y%m%d') END⟩""",
            "channel": channel,
            "shop_id": f"⟨shop_of('{channel}')⟩",
            "description": "⟨CASE WHEN kind = 'subsidy' AND i >= 20000000 THEN 'campaign credit' END⟩",
        },
        f"""FROM ledger AS l LEFT JOIN (SELECT channel AS c, day FROM payouts) AS p ON p.c = l.channel
            AND p.day = date_trunc('day', l.moment)
           WHERE channel = '{channel}' AND moment >= '{begin}' AND moment < '{end}' ORDER BY entry""",
    )


def _write_shipments(emitter: Emitter, begin: datetime, end: datetime) -> None:
    """Outbound rows and courier events of the Youzan shop."""
    _emit(
        emitter,
        f"standard/standard_shipments_youzan_{begin:%Y%m}",
        "shipments",
        {
            "warehouse_id": WAREHOUSE,
            "outbound_id": "CK⟨internal_no(i)⟩-⟨part_of(is_split, k)⟩",
            "channel": "youzan",
            "shop_id": "main",
            "channel_order_id": "⟨youzan_no(i)⟩",
            "sku": "⟨sku_of(s)⟩",
            "quantity": "⟨CASE WHEN fault = 'quantity_over' AND k = 1 THEN qty + 1 ELSE qty END⟩",
            "waybill_id": "⟨waybill(parcel_row, part_of(is_split, k))⟩",
            "courier_code": "⟨courier_code(parcel_row)⟩",
            "shipped_at": "⟨iso_text(shipped_at)⟩",
            "created_at": "⟨iso_text(created_at)⟩",
        },
        f"""FROM lines WHERE channel = 'youzan' AND shipped_at >= '{begin}' AND shipped_at < '{end}'
           AND NOT (coalesce(fault = 'quantity_short', false) AND k = n) ORDER BY shipped_at, i, k""",
    )
    _emit(
        emitter,
        f"standard/standard_tracking_youzan_{begin:%Y%m}",
        "tracking",
        {
            "courier_code": "⟨courier_code(parcel_row)⟩",
            "waybill_id": "⟨waybill(parcel_row, part)⟩",
            "status_code": "⟨['collected', 'in_transit', 'out_for_delivery', 'delivered'][step]⟩",
            "description": "⟨event_text⟩",
            "location": "⟨event_city⟩",
            "occurred_at": "⟨iso_text(event_at)⟩",
        },
        f"FROM parcel_events WHERE channel = 'youzan' AND event_at >= '{begin}' "
        f"AND event_at < '{end}' ORDER BY event_at, i, part",
    )


def _write_returns(emitter: Emitter, plan: Plan, begin: datetime, end: datetime) -> None:
    refund_only = "coalesce(fault = 'refund_only_price_concession', false)"
    status = """CASE WHEN refunded_at IS NOT NULL THEN 'refunded' WHEN return_received_at IS NOT NULL THEN 'restocked'
        ELSE 'return_in_transit' END"""
    _emit(
        emitter,
        f"standard/standard_returns_{begin:%Y%m}",
        "returns",
        {
            "return_id": f"RT{plan.tag}⟨digits(i, 8)⟩-⟨k⟩",
            "channel": "⟨channel⟩",
            "shop_id": "⟨shop_of(channel)⟩",
            "channel_order_id": "⟨order_no(channel, i)⟩",
            "sku": "⟨sku_of(s)⟩",
            "quantity": f"⟨CASE WHEN {refund_only} THEN NULL ELSE qty END⟩",
            "kind": f"⟨CASE WHEN {refund_only} THEN 'refund_only' ELSE 'return_refund' END⟩",
            "reason": "⟨['七天无理由', '尺码不合', '质量问题', '发错货'][chance(i, 'reason') % 4 + 1]⟩",
            "status": f"⟨{status}⟩",
            "requested_at": "⟨iso_text(return_requested_at)⟩",
            "approved_at": "⟨iso_text(return_requested_at + INTERVAL 3 HOUR)⟩",
            "return_waybill_id": f"⟨CASE WHEN NOT {refund_only} AND fault IS DISTINCT FROM 'refunded_not_returned'"
            " THEN 'TH' || waybill(i, 0) END⟩",
            "received_at": "⟨iso_text(return_received_at)⟩",
            "inspected_at": "⟨iso_text(return_received_at + INTERVAL 4 HOUR)⟩",
            "disposition": "⟨CASE WHEN return_received_at IS NOT NULL THEN 'restock' END⟩",
            "refunded_at": "⟨iso_text(refunded_at)⟩",
            "refund_amount": f"⟨money(CASE WHEN {refund_only} THEN refund_due_c ELSE line_due_c END)⟩",
        },
        f"""FROM lines
           WHERE return_requested_at >= '{begin}' AND return_requested_at < '{end}'
           AND k <= CASE WHEN {refund_only} THEN 1 ELSE returned_lines END ORDER BY return_requested_at, i, k""",
    )
