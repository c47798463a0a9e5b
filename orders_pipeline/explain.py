"""One order, from its published row back to the file and line each figure came from, with the rule that decided."""

from __future__ import annotations

from typing import Any

import duckdb

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published

#: Table -> (condition on the order, order of the rows, columns shown before file and line).
CHAIN = {
    "reconciliation.three_way_match": (
        "order_guid = $order",
        "1",
        (
            "status",
            "reason",
            "rule",
            "due_amount",
            "paid_amount",
            "refunded_amount",
            "amount_diff",
            "ordered_qty",
            "shipped_qty",
            "delivered_qty",
            "returned_qty",
            "qty_diff",
            "subsidy_diff_amount",
            "expected_clear_on",
        ),
    ),
    "reconciliation.exceptions": (
        "order_guid = $order",
        "1",
        (
            "status",
            "reason",
            "cause",
            "amount_diff",
            "qty_diff",
            "opened_on",
            "age_days",
            "age_bucket",
            "state",
            "state_reason",
            "owner_role",
            "assignee",
            "decided_by",
            "decided_at",
            "why",
        ),
    ),
    "orders.orders": (
        "order_guid = $order",
        "1",
        (
            "channel",
            "shop_id",
            "channel_order_id",
            "platform_txn_id",
            "internal_order_id",
            "status",
            "raw_status",
            "currency",
            "list_amount",
            "merchant_discount_amount",
            "platform_discount_amount",
            "freight_amount",
            "payable_amount",
            "paid_amount",
            "refunded_amount",
            "created_at",
            "paid_at",
            "shipped_at",
            "completed_at",
            "cancelled_at",
            "version_number",
        ),
    ),
    "orders.order_lines": (
        "order_guid = $order",
        "line_no",
        ("line_no", "sub_order_id", "sku", "product_name", "quantity", "unit_price", "payable_amount"),
    ),
    "orders.order_discounts": (
        "order_guid = $order",
        "discount_no",
        ("discount_no", "funder", "scope", "promotion_id", "amount"),
    ),
    "orders.order_versions": (
        "order_guid = $order",
        "version_number",
        ("version_number", "valid_from_at", "status", "payable_amount"),
    ),
    "orders.order_changes": (
        "order_guid = $order",
        "version_number, field",
        ("version_number", "field", "old_value", "new_value", "changed_at", "source"),
    ),
    "payments.allocations": (
        "order_guid = $order",
        "occurred_at, payment_guid",
        ("pass", "account", "kind", "amount", "currency", "occurred_at", "payout_id", "source"),
    ),
    "fulfilment.shipment_lines": (
        "order_guid = $order",
        "outbound_id, sku",
        ("warehouse_id", "outbound_id", "sku", "quantity", "waybill_id", "courier_code", "shipped_at"),
    ),
    "fulfilment.parcels": (
        "parcel_guid IN (SELECT parcel_guid FROM fulfilment.shipment_lines WHERE order_guid = $order) OR claimed_guid = $order",
        "waybill_id",
        ("courier_code", "waybill_id", "status", "order_count", "collected_at", "last_event_at", "delivered_at"),
    ),
}
RULES = {
    "M1": "M1: linked by the order's own number",
    "M2": "M2: linked by another number of the order (transaction, sub-order, internal)",
    "M3": "M3: one payment for several orders, split by what each owes",
    "none": "no payment and no shipment to link",
}


def explain(home: Home, number: str) -> dict[str, Any]:
    """Everything published about the order with this number. Raises Usage when none or several have it."""
    with open_published(home) as connection:
        order, how = _find(connection, number.strip())
        tables = {name: _rows(connection, name, order) for name in CHAIN}
        files = dict(connection.execute("SELECT file_id, path FROM ops.files").fetchall())
    for rows in tables.values():
        for row in rows:
            if row.get("file_id"):
                row["file"] = files.get(row["file_id"], row["file_id"])
    verdict = tables["reconciliation.three_way_match"][0]
    rule = str(verdict["rule"])
    return {
        "order_guid": order,
        "found_by": how,
        "status": verdict["status"],
        "reason": verdict["reason"],
        "rule": f"{RULES.get(rule.split()[0], rule)} ({rule})",
        "tables": tables,
    }


def _find(connection: duckdb.DuckDBPyConnection, number: str) -> tuple[str, str]:
    found = connection.execute(
        """SELECT DISTINCT order_guid, how FROM (
            SELECT order_guid, 'order_guid' AS how FROM reconciliation.three_way_match WHERE order_guid = lower($n)
            UNION ALL SELECT order_guid, id_type FROM orders.id_map WHERE id_value = $n
            UNION ALL SELECT order_guid, 'channel_order_id' FROM reconciliation.three_way_match WHERE channel_order_id = $n
            UNION ALL SELECT a.order_guid, 'payment_id' FROM payments.transactions t
                JOIN payments.allocations a ON t.payment_guid = a.payment_guid
                WHERE t.payment_id = $n OR t.platform_txn_id = $n OR t.merged_payment_id = $n
            UNION ALL SELECT order_guid, 'outbound_id' FROM fulfilment.shipment_lines WHERE outbound_id = $n)""",
        {"n": number},
    ).fetchall()
    orders = sorted({guid for guid, _ in found})
    if not orders:
        raise Usage(f"no order, payment or parcel has the number '{number}'; `orders-pipeline files` shows what is loaded")
    if len(orders) > 1:
        raise Usage(f"'{number}' belongs to {len(orders)} orders; name one by its guid: {', '.join(orders[:10])}")
    return orders[0], ", ".join(sorted({how for _, how in found}))


def _rows(connection: duckdb.DuckDBPyConnection, table: str, order: str) -> list[dict[str, Any]]:
    where, by, columns = CHAIN[table]
    there = [d[0] for d in connection.execute(f"SELECT * FROM {table} LIMIT 0").description]
    chosen = [c for c in (*columns, "file_id", "row_number") if c in there]
    found = connection.execute(f"SELECT {', '.join(chosen)} FROM {table} WHERE {where} ORDER BY {by}", {"order": order})
    return [dict(zip(chosen, row, strict=True)) for row in found.fetchall()]


def text(chain: dict[str, Any]) -> str:
    """The chain a person reads, top down: verdict, then each table's rows with file and line."""
    lines = [
        f"order    {chain['order_guid']}   (found by {chain['found_by']})",
        f"verdict  {chain['status']} / {chain['reason']}",
        f"rule     {chain['rule']}",
    ]
    for table, rows in chain["tables"].items():
        if not rows:
            continue
        lines += ["", table]
        for row in rows:
            shown = [f"{k}={v}" for k, v in row.items() if v is not None and k not in ("file_id", "row_number", "file")]
            where = f"   <- {row['file']} line {row['row_number']}" if row.get("file") else ""
            lines.append("  " + "  ".join(shown) + where)
    return "\n".join(lines)
