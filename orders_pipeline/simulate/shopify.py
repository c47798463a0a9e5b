"""Shopify: the orders export of the shop `us`, one row per line, order cells on the first line only, times in UTC."""

from __future__ import annotations

from datetime import datetime

from orders_pipeline.simulate.assortment import HEADERS
from orders_pipeline.simulate.emit import Emitter, line_of, row_of
from orders_pipeline.simulate.plan import Plan

HEADER = HEADERS["shopify_orders"]
# The two orders of a merged payment show one reference: that of the pair's first order.
TRADE_NO = "standard_trade_no(CASE WHEN is_merged THEN pair * 2 ELSE i END)"


def write_shopify(emitter: Emitter, plan: Plan) -> None:
    """One orders_export_<n>.csv per month below shop=us/."""
    for month, begin in enumerate(plan.starts[:-1]):
        condition = f"channel = 'shopify' AND created_at >= '{begin}' AND created_at < '{plan.starts[month + 1]}'"
        path = f"shop=us/orders_export_{month + 1}.csv"
        emitter.write(path, "shopify_orders", HEADER + "\n", _query(plan.exported_at(month), condition))


def _query(seen_at: datetime, condition: str) -> str:
    lines = {
        "Name": "⟨shopify_no(i)⟩",
        "Lineitem quantity": "⟨qty⟩",
        "Lineitem name": "⟨title_en_of(s)⟩",
        "Lineitem price": "⟨money(unit_c)⟩",
        "Lineitem sku": "⟨sku_of(s)⟩",
        "Lineitem requires shipping": "true",
        "Lineitem taxable": "false",
        "Lineitem fulfillment status": f"⟨CASE WHEN {_sent(seen_at)} THEN 'fulfilled' ELSE 'pending' END⟩",
        "Vendor": "Example",
        "Lineitem discount": "⟨money(line_list_c - line_due_c)⟩",
    }
    header = HEADER.split(",")
    first = line_of(row_of(header, lines | _order_cells(seen_at)))
    further = line_of(row_of(header, lines))
    return f"SELECT CASE WHEN k = 1 THEN {first} ELSE {further} END FROM lines WHERE {condition}"


def _sent(seen_at: datetime) -> str:
    return f"shipped_at <= '{seen_at}' AND cancelled_at IS NULL"


def _order_cells(seen_at: datetime) -> dict[str, str]:
    address = {
        "Name": "Buyer ⟨buyer⟩",
        "Street": "⟨buyer % 900 + 1⟩ Main St",
        "Address1": "⟨buyer % 900 + 1⟩ Main St",
        "City": "Springfield",
        "Zip": "'⟨digits(10000 + buyer % 80000, 5)⟩",
        "Province": "IL",
        "Country": "US",
        "Phone": "555-01⟨digits(buyer % 100, 2)⟩",
    }
    addresses = {f"{side} {name}": value for side in ("Billing", "Shipping") for name, value in address.items()}
    return addresses | {
        "Email": "buyer⟨buyer⟩@example.com",
        "Financial Status": """⟨CASE WHEN paid_at IS NULL THEN 'voided' WHEN refunded_at IS NULL THEN 'paid'
            WHEN refund_due_c >= due_c THEN 'refunded' ELSE 'partially_refunded' END⟩""",
        "Paid at": "⟨utc_text(paid_at)⟩",
        "Fulfillment Status": f"⟨CASE WHEN {_sent(seen_at)} THEN 'fulfilled' ELSE 'unfulfilled' END⟩",
        "Fulfilled at": f"⟨CASE WHEN {_sent(seen_at)} THEN utc_text(shipped_at) END⟩",
        "Accepts Marketing": "no",
        "Currency": "USD",
        "Subtotal": "⟨money(goods_c)⟩",
        "Shipping": "⟨money(freight_c)⟩",
        "Taxes": "0.00",
        "Total": "⟨money(due_c)⟩",
        "Discount Code": "⟨CASE WHEN merchant_pct > 0 THEN 'SAVE' || merchant_pct END⟩",
        "Discount Amount": "⟨money(list_c - goods_c)⟩",
        "Shipping Method": "Standard",
        "Created at": "⟨utc_text(created_at)⟩",
        "Cancelled at": "⟨utc_text(cancelled_at)⟩",
        "Payment Method": "Shopify Payments",
        "Payment Reference": f"⟨CASE WHEN paid_at IS NOT NULL THEN {TRADE_NO} END⟩",
        "Refunded Amount": "⟨CASE WHEN refunded_at IS NULL THEN '0.00' ELSE money(refund_due_c) END⟩",
        "Outstanding Balance": "0.00",
        "Id": "5⟨digits(i, 12)⟩",
        "Risk Level": "Low",
        "Source": "web",
        "Phone": "555-01⟨digits(buyer % 100, 2)⟩",
        "Payment ID": f"⟨CASE WHEN paid_at IS NOT NULL THEN {TRADE_NO} END⟩",
        "Payment References": f"⟨CASE WHEN paid_at IS NOT NULL THEN {TRADE_NO} END⟩",
    }
