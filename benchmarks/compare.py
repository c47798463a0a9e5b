"""Do two sides give the same tables? A ratio of unequal work says nothing, so this is asked first."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb

from orders_pipeline.kernel.sqltext import literal, quote

#: Claim -> SQL that both databases must answer alike, to the cent, the piece and the second.
QUESTIONS = {
    "orders by channel": """SELECT channel, count(*), sum(payable_amount), sum(list_amount), sum(freight_amount),
        sum(ordered_qty), sum(cancelled_qty), sum(epoch(created_at)), sum(epoch(paid_at)), count(customer_id),
        count(city)
        FROM orders.orders GROUP BY ALL""",
    "order states": """SELECT channel, status, raw_status, order_type, close_reason, count(*), min(created_on),
        max(created_on)
        FROM orders.orders GROUP BY ALL""",
    "order versions": """SELECT channel, version_number, count(*), sum(epoch(valid_from_at)), sum(epoch(valid_to_at))
        FROM orders.order_versions GROUP BY ALL""",
    "order lines": """SELECT line_status, category, count(*), sum(line_no), sum(quantity), sum(list_amount),
        sum(payable_amount), sum(merchant_discount_amount), sum(platform_discount_amount), sum(refunded_amount),
        count(sub_order_id)
        FROM orders.order_lines GROUP BY ALL""",
    "discounts": """SELECT funder, scope, count(*), sum(discount_no), sum(amount), count(promotion_id)
        FROM orders.order_discounts GROUP BY ALL""",
    "order numbers": "SELECT id_type, count(*), count(DISTINCT order_guid) FROM orders.id_map GROUP BY ALL",
    "payments": """SELECT account, kind, currency, count(*), sum(amount), count(*) FILTER (is_duplicate_key),
        sum(epoch(occurred_at)), min(business_on), max(business_on) FROM payments.transactions GROUP BY ALL""",
    "payments by order": """SELECT pass, is_linked, kind, count(*), sum(amount), count(DISTINCT order_guid)
        FROM payments.allocations GROUP BY ALL""",
    "shipments": """SELECT channel, courier_code, count(*), sum(quantity), sum(epoch(shipped_at)),
        count(DISTINCT waybill_id) FROM fulfilment.shipment_lines GROUP BY ALL""",
    "parcels": """SELECT courier_code, status, is_delivered, count(*), sum(event_count), sum(order_count),
        sum(epoch(collected_at)), sum(epoch(delivered_at)) FROM fulfilment.parcels GROUP BY ALL""",
    "three-way match": """SELECT status, reason, rule, channel, currency, count(*), sum(due_amount), sum(paid_amount),
        sum(refunded_amount), sum(amount_diff), sum(shipped_qty), sum(delivered_qty), sum(returned_qty), sum(qty_diff),
        sum(subsidy_diff_amount), count(*) FILTER (is_alert), sum(epoch(expected_clear_at))
        FROM reconciliation.three_way_match GROUP BY ALL""",
    "match, order by order": """SELECT bit_xor(hash(order_guid::VARCHAR, status, reason, due_amount, paid_amount,
        refunded_amount, shipped_qty, delivered_qty, returned_qty, is_alert)) FROM reconciliation.three_way_match""",
    "exceptions": """SELECT status, reason, age_bucket, count(*), sum(amount_diff), sum(qty_diff), sum(age_days),
        count(*) FILTER (is_alert) FROM reconciliation.exceptions GROUP BY ALL""",
}


def differences(floor: Path, other: Path, name: str = "pipeline") -> list[str]:
    """One line for each answer that only one side gives; empty when the two agree. A side is a DuckDB file, or a folder of
    Parquet files named `<schema>.<table>.parquet`; `name` is what the other one is called in the lines."""
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        sides = {"floor": floor, name: other}
        for side, path in sides.items():
            _attach(connection, f"{side}_side", path)
        for claim, question in QUESTIONS.items():
            answers = {}
            for side in sides:
                connection.execute(f"USE {quote(f'{side}_side')}")
                answers[side] = {_plain(row) for row in connection.execute(question).fetchall()}
            for side, against in (("floor", name), (name, "floor")):
                only = sorted(answers[side] - answers[against], key=str)
                found += [f"{claim}: only the {side} has {row}" for row in only]
        connection.execute("USE memory")
    return found


def _attach(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    if path.is_file():
        connection.execute(f"ATTACH {literal(str(path))} AS {quote(name)} (READ_ONLY)")
        return
    connection.execute(f"ATTACH ':memory:' AS {quote(name)}")
    for file in sorted(path.glob("*.*.parquet")):
        schema, table, _ = file.name.split(".")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(name)}.{schema}")
        connection.execute(f"CREATE VIEW {quote(name)}.{schema}.{table} AS FROM read_parquet({literal(str(file))})")


def _plain(row: tuple) -> tuple:
    """Decimals of different scale are equal when their value is."""
    return tuple(v.normalize() if isinstance(v, Decimal) else v for v in row)
