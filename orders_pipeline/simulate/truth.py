"""What a reconciliation must find: truth.csv, expected_statuses.parquet, files.csv and summary.json."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb

from orders_pipeline.simulate.catalogue import FaultKind
from orders_pipeline.simulate.emit import WrittenFile, quoted
from orders_pipeline.simulate.plan import Plan

# A faultless order matches; which of the reasons follows from how it ended.
_FAULTLESS_REASON = """CASE outcome WHEN 'unpaid' THEN 'cancelled_unpaid' WHEN 'cancelled' THEN 'cancelled_refunded'
    WHEN 'returned' THEN 'returned_refunded' ELSE 'three_way_equal' END"""


def write_truth(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    catalogue: dict[str, FaultKind],
    files: list[WrittenFile],
    folder: Path,
    waiting: list[tuple[str, str]],
) -> dict[str, object]:
    """Writes the four files into `folder` and returns the content of summary.json.

    `waiting`: (shop, number) of Youzan orders beside the book that were paid a few hours ago and wait for their goods.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connection.execute("CREATE TABLE kinds (fault VARCHAR, expected_status VARCHAR, expected_reason VARCHAR, note VARCHAR)")
    for kind in catalogue.values():
        connection.execute(
            "INSERT INTO kinds VALUES (?, ?, ?, ?)",
            [kind.name, kind.expected_status, kind.expected_reason, kind.what.replace(",", ";")],
        )
    connection.execute(f"""
        CREATE VIEW expected AS
        SELECT o.i, o.channel, shop_of(o.channel) AS shop_id, order_no(o.channel, o.i) AS channel_order_id, o.fault,
               coalesce(k.expected_status, 'MATCHED') AS expected_status, coalesce(k.expected_reason,
                   {_FAULTLESS_REASON}) AS expected_reason,
               k.note
        FROM (SELECT i, channel, fault, outcome FROM orders
              UNION ALL SELECT pair, channel, kind, NULL FROM fault_pairs WHERE kind IN ('single_sided_long',
                  'shipped_without_order')) AS o
        LEFT JOIN kinds AS k ON k.fault = o.fault""")
    connection.execute("CREATE TABLE waiting (shop_id VARCHAR, channel_order_id VARCHAR)")
    if waiting:
        connection.executemany("INSERT INTO waiting VALUES (?, ?)", waiting)
    columns = "channel, shop_id, channel_order_id, coalesce(fault, '') AS fault, expected_status, expected_reason"
    connection.execute(f"""
        COPY (SELECT {columns}, note FROM expected WHERE fault IS NOT NULL ORDER BY i)
        TO '{quoted(folder / "truth.csv")}' (FORMAT csv, HEADER true)""")
    connection.execute(f"""
        COPY (SELECT {columns} FROM (
            SELECT {columns}, i FROM expected
            UNION ALL
            SELECT 'youzan', shop_id, channel_order_id, '', 'TIMING', 'awaiting_shipment', NULL FROM waiting
            ) AS t(channel, shop_id, channel_order_id, fault, expected_status, expected_reason, i) ORDER BY i, channel_order_id)
        TO '{quoted(folder / "expected_statuses.parquet")}' (FORMAT parquet, COMPRESSION zstd)""")
    _write_files(files, folder / "files.csv")
    summary = _summary(connection, plan)
    (folder / "summary.json").write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return summary


def _write_files(files: list[WrittenFile], target: Path) -> None:
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("file", "source", "rows", "quarantined_rows", "duplicate_rows"))
        for file in sorted(files, key=lambda each: each.path):
            writer.writerow((file.path, file.source, file.rows, file.quarantined, file.duplicates))


def _summary(connection: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, object]:
    totals = connection.execute("""
        SELECT channel, count(*), CAST(sum(n + gifts) AS BIGINT), CAST(sum(pieces) AS BIGINT), money(sum(due_c))
        FROM orders GROUP BY channel ORDER BY channel""").fetchall()
    paid = dict(
        connection.execute("""
        SELECT channel, money(sum(cents)) FROM ledger WHERE kind IN ('receipt', 'deposit',
            'balance') GROUP BY channel""").fetchall()
    )
    refunded = dict(
        connection.execute("SELECT channel, money(-sum(cents)) FROM ledger WHERE kind = 'refund' GROUP BY channel").fetchall()
    )
    return {
        "as_of": f"{plan.as_of:%Y-%m-%dT%H:%M:%S}+08:00",
        "start": f"{plan.starts[0]:%Y-%m-%d}",
        "months": plan.months,
        "seed": plan.seed,
        "orders": plan.orders,
        "channels": {
            channel: {
                "orders": orders,
                "lines": lines,
                "pieces": pieces,
                "due_amount": due,
                "paid_amount": paid.get(channel, "0.00"),
                "refunded_amount": refunded.get(channel, "0.00"),
            }
            for channel, orders, lines, pieces, due in totals
        },
        "statuses": dict(connection.execute("SELECT expected_status, count(*) FROM expected GROUP BY 1 ORDER BY 1").fetchall()),
        "faults": dict(
            connection.execute("SELECT fault, count(*) FROM expected WHERE fault IS NOT NULL GROUP BY 1 ORDER BY 1").fetchall()
        ),
    }
