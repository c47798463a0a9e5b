"""Checks of a large table: twenty claims about its rows in one pass, and that its grain is unique.

    python -m benchmarks.checks [--rows 5000000] [--strict]

The table is made up and lies in a file; the checks run through `kernel.checks.run_checks` as in a run, with the memory of DuckDB kept
to 1 GB, in a process of their own. Beside it the same claims one by one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

SECONDS_MAX, PEAK_MAX_GB = 5.0, 1.0
NAME = "orders.things"
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
MAKE = f"""CREATE SCHEMA orders; CREATE TABLE {NAME} AS SELECT
    CAST(md5(CAST(range AS VARCHAR)) AS UUID) AS order_guid, 'T' || range AS channel_order_id,
    CASE range % 4 WHEN 0 THEN 'taobao' WHEN 1 THEN 'jd' WHEN 2 THEN 'douyin' ELSE 'pdd' END AS channel,
    CASE range % 3 WHEN 0 THEN 'paid' WHEN 1 THEN 'shipped' ELSE 'completed' END AS status, 'CNY' AS currency,
    CAST(range % 90000 AS DECIMAL(18, 2)) / 100 AS payable_amount, CAST(range % 700 AS DECIMAL(18, 2)) / 100 AS freight_amount,
    CAST(range % 5 + 1 AS DECIMAL(18, 3)) AS ordered_qty, TIMESTAMPTZ '2026-01-01' + to_seconds(range % 5000000) AS created_at,
    TIMESTAMPTZ '2026-01-01' + to_seconds(range % 5000000 + 600) AS paid_at,
    TIMESTAMPTZ '2026-01-01' + to_seconds(range % 5000000 + 90000) AS shipped_at
FROM range({{rows}})"""
CLAIMS = (
    *(f"{column} IS NULL" for column in ("channel_order_id", "channel", "status", "currency", "payable_amount", "created_at")),
    *("payable_amount < 0", "freight_amount < 0", "ordered_qty <= 0", "payable_amount > 1000000", "freight_amount > 1000"),
    *("paid_at < created_at", "shipped_at < paid_at", "created_at > as_of()", "channel NOT IN ('taobao', 'jd', 'douyin', 'pdd')"),
    *("status NOT IN ('paid', 'shipped', 'completed')", "currency <> 'CNY'", "length(channel_order_id) < 2"),
    *("status = 'shipped' AND shipped_at IS NULL", "round(payable_amount, 2) <> payable_amount"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the table, measure, print; with --strict 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks.checks", description="Twenty checks of a large table.")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--one", choices=("together", "singly"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        return measured(options.file, options.one)
    from benchmarks.process import measure

    met = True
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "things.duckdb"
        make(file, options.rows)
        for way in ("together", "singly"):
            used = measure([sys.executable, "-m", "benchmarks.checks", "--file", str(file), "--one", way])
            seconds = float(file.with_suffix(f".{way}").read_text())
            print(f"{options.rows:,} rows, {len(CLAIMS)} claims {way} and the grain: {seconds:.2f} s, peak {used.peak_gb:.2f} GB")
            met &= way != "together" or (seconds <= SECONDS_MAX and used.peak_gb <= PEAK_MAX_GB)
    print(f"targets: {SECONDS_MAX:.0f} s, {PEAK_MAX_GB:.0f} GB: {'met' if met else 'missed'}")
    return int(options.strict and not met)


def make(file: Path, rows: int) -> None:
    import duckdb

    with duckdb.connect(str(file)) as connection:
        connection.execute(MAKE.format(rows=rows))


def measured(file: Path, way: str) -> int:
    """Run the checks once; the seconds they took are left beside the table."""
    from orders_pipeline.kernel import checks
    from orders_pipeline.kernel.models import Model
    from orders_pipeline.kernel.refresh import Refreshed, Refresher
    from orders_pipeline.kernel.settings import Settings
    from orders_pipeline.kernel.warehouse import connect

    with connect(file, file.parent) as connection:
        connection.execute("SET memory_limit = '800MB'")
        model = Model(NAME, "orders", "things", file, "", ("order_guid",), "whole", "", (), frozenset(), "", None, frozenset(), None)
        refresher = Refresher(connection, [model], AS_OF, Settings({"check_history_days": 400}))
        asked = [checks.Check(f"claim_{n}", NAME, "error", f"SELECT * FROM {NAME} WHERE {c}") for n, c in enumerate(CLAIMS)]
        asked.append(checks.grain_check(model))
        changed = {NAME: Refreshed(model, "whole", refresher.row_count(model))}
        began = time.perf_counter()
        for part in [asked] if way == "together" else [[one] for one in asked]:
            results = checks.run_checks(refresher, part, changed, "benchmark")
            assert all(r.passed for r in results)
        file.with_suffix(f".{way}").write_text(str(time.perf_counter() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main())
