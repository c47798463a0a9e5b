"""What can be promised, at size: the models refreshed by the kernel against the same SQL run bare, then a change of some SKUs on top.

    python -m benchmarks.inventory [--skus 50000] [--nodes 25] [--movements 5000000] [--changed 1000] [--runs 1] [--detail] [--strict]

Rows are written straight into the raw tables (reading files is measured by full_month); both sides run the same SELECTs on the same
rows, one after the other in one process. No ratio is printed unless both have made the same rows. Seconds are the processor's, of all
threads: on a shared machine the clock says little. One SKU is changed before the change that is measured, as the worker, too, keeps
the statements' texts from run to run.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.batches import STATE, next_batch
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings, declared_thresholds
from orders_pipeline.kernel.through import select_of
from orders_pipeline.kernel.warehouse import open_warehouse

AS_OF = datetime.fromisoformat("2026-03-01T12:00:00+08:00")
FULL_MAX, CHANGE_MAX = 1.5, 0.05
SETTINGS = Settings({name: one.value for name, one in declared_thresholds().items()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table; with --strict 1 when a target is missed."""
    options = _options(arguments)
    models = stock_models()
    bare, full, change = [], [], []
    for number in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="inventory-", dir=options.data) as folder:
            home = Home(Path(folder) / "home").create()
            with open_warehouse(home) as connection:
                prepare(connection, options)
                say = f"round {number + 1} of {options.runs}"
                print(f"  {say}: bare SQL", file=sys.stderr)
                bare.append(timed(lambda c=connection: run_bare(c, models)))
                rows = {m.name: rows_of(connection, f"bare_{m.room}.{m.table}", m) for m in models}
                drop_bare(connection, models)
                print(f"  {say}: the kernel", file=sys.stderr)
                full.append(timed(lambda c=connection: refresh(c, models, AS_OF, full=True, detail=options.detail)))
                differing = [m.name for m in models if rows[m.name] != rows_of(connection, m.name, m)]
                if differing:
                    print(f"inventory: no ratio, the two sides differ in {', '.join(differing)}", file=sys.stderr)
                    return 1
                touch(connection, 1)
                refresh(connection, models, AS_OF + timedelta(minutes=5), full=False)
                touch(connection, options.changed)
                print(f"  {say}: {options.changed:,} SKUs", file=sys.stderr)
                later = AS_OF + timedelta(minutes=10)
                change.append(timed(lambda c=connection, t=later: refresh(c, models, t, full=False, detail=options.detail)))
                megabytes = home.warehouse.stat().st_size / 1e6
    ratios = (
        ("full recompute / bare SQL", statistics.median(f / b for f, b in zip(full, bare, strict=True)), FULL_MAX),
        (f"{options.changed:,} SKUs / full recompute", statistics.median(c / f for c, f in zip(change, full, strict=True)), CHANGE_MAX),
    )
    print(f"{options.skus:,} SKUs, {options.nodes} nodes, {options.movements:,} movements; DuckDB {duckdb.__version__}; equal rows")
    for what, seconds in (("bare SQL", bare), ("full recompute", full), (f"{options.changed:,} SKUs changed", change)):
        print(f"  {what:36}{statistics.median(seconds):9.2f} CPU s")
    for what, figure, target in ratios:
        print(f"  {what:36}{figure:9.3f}   at most {target:.2f}   {'met' if figure <= target else 'MISSED'}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"  {'memory at the most, warehouse':36}{peak:9.2f} GB, {megabytes:,.0f} MB")
    return int(options.strict and any(figure > target for _, figure, target in ratios))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.inventory", description="Stock that can be promised, at size.")
    for name, value in (("skus", 50_000), ("nodes", 25), ("movements", 5_000_000), ("changed", 1_000), ("runs", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()), help="folder for the warehouses (some GB)")
    parser.add_argument("--detail", action="store_true", help="say what each table takes")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args(arguments)


def timed(work) -> float:
    """Seconds of the processor that a piece of work takes, all threads together."""
    started = time.process_time()
    work()
    return time.process_time() - started


def stock_models() -> list[Model]:
    """The models of the room, in order."""
    return [model for model in pipeline.models() if model.room == "inventory"]


def prepare(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> None:
    """Raw stock rows of the size asked for, a claim for each tenth SKU and node, and empty tables of the other rooms."""
    dictionary = load_dictionary()
    create_raw_tables(connection, dictionary)
    connection.execute(STATE)
    create_reference_tables(connection, dictionary, SETTINGS)
    refresh(connection, models_before_stock(), AS_OF, full=True)
    keys = f"""SELECT 'SKU' || lpad(CAST(s AS VARCHAR), 6, '0') AS sku, 'W' || n AS warehouse_id, s, n
        FROM range({options.skus}) AS a(s), range({options.nodes}) AS b(n)"""
    file = "guid_of('bench') AS file_id, TIMESTAMPTZ '2026-02-28 16:00:00+00' AS exported_at, 'bench' AS source"
    connection.execute(f"""INSERT INTO raw.inventory_snapshots BY NAME SELECT sku, warehouse_id, guid_of(sku) AS sku_guid,
        TIMESTAMPTZ '2026-02-28 16:00:00+00' AS counted_at, 20 + (s * 7 + n) % 50 AS on_hand_qty, (s + n) % 3 AS quality_control_qty,
        5 AS safety_stock_qty, row_number() OVER () AS row_number, {file} FROM ({keys})""")
    connection.execute(f"""INSERT INTO raw.inventory_movements BY NAME SELECT 'M' || i AS movement_id,
        'SKU' || lpad(CAST((i * 7919) % {options.skus} AS VARCHAR), 6, '0') AS sku, guid_of(sku) AS sku_guid,
        'W' || ((i * 31) // 7) % {options.nodes} AS warehouse_id,
        CASE WHEN i % 20 = 0 THEN 'return_received' WHEN i % 20 = 1 THEN 'restock' WHEN i % 2 = 0 THEN 'sale' ELSE 'receipt' END AS kind,
        CASE WHEN i % 2 = 0 AND i % 20 > 0 THEN -1 ELSE 1 END AS quantity,
        TIMESTAMPTZ '2026-02-28 16:00:00+00' + to_seconds(1 + i % 40000) AS occurred_at, 'D' || i AS reference_id,
        i AS row_number, {file} FROM range({options.movements}) AS r(i)""")
    connection.execute(f"""INSERT INTO raw.inbound BY NAME SELECT 'IN' || s || '-' || n AS inbound_id, 'purchase' AS kind, sku,
        guid_of(sku) AS sku_guid, warehouse_id, 10 AS quantity, 'confirmed' AS status, row_number() OVER () AS row_number,
        TIMESTAMPTZ '2026-03-02 04:00:00+00' + to_days(CAST(s % 28 AS INTEGER)) AS expected_at, {file} FROM ({keys}) WHERE (s + n) % 10 = 0""")
    connection.execute(f"""INSERT INTO raw.holds BY NAME SELECT 'H' || s || '-' || n AS hold_id, sku, warehouse_id, 1 AS quantity,
        guid_of('hold' || s || '-' || n) AS hold_guid, TIMESTAMPTZ '2026-03-01 03:00:00+00' AS reserved_at,
        TIMESTAMPTZ '2026-03-01 06:00:00+00' AS reserved_until, row_number() OVER () AS row_number, {file}
        FROM ({keys}) WHERE (s + n) % 10 = 1""")
    connection.execute("CHECKPOINT")


def models_before_stock() -> list[Model]:
    """What the stock's tables read of other rooms, and what that reads, in order."""
    by_name, needed = {m.name: m for m in pipeline.models()}, set()
    waiting = [name for model in stock_models() for name in model.after if not name.startswith("inventory.")]
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            waiting += by_name[name].after
    return [model for model in pipeline.models() if model.name in needed]


def run_bare(connection: duckdb.DuckDBPyConnection, models: Sequence[Model]) -> None:
    """The models' own SELECTs, one after the other, each into a plain table; functions make theirs of the rows as always."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS bare_inventory")
    for model in models:
        expression = sql.bind(model, AS_OF, SETTINGS.thresholds, {})
        for table in expression.find_all(sql.exp.Table):
            if table.db == "inventory":
                table.set("db", sql.exp.to_identifier("bare_inventory"))
        made = select_of(connection, model, sql.render(expression))
        connection.execute(f"CREATE TABLE bare_inventory.{model.table} AS {made}")


def drop_bare(connection: duckdb.DuckDBPyConnection, models: Sequence[Model]) -> None:
    """Make room for the other side."""
    for model in models:
        connection.execute(f"DROP TABLE bare_inventory.{model.table}")
    connection.execute("CHECKPOINT")


def refresh(
    connection: duckdb.DuckDBPyConnection, models: Sequence[Model], as_of: datetime, *, full: bool, detail: bool = False
) -> None:
    """The kernel's way: everything anew, or what is touched."""
    refresher = Refresher(connection, models, as_of, SETTINGS)
    if full:
        refresher.plan(full=True)
    for model in models:
        started = time.process_time()
        done = refresher.refresh(model)
        if detail:
            print(f"    {model.table:24}{done.how:9}{done.rows:12,} rows{time.process_time() - started:8.2f} CPU s", file=sys.stderr)
    refresher.settle()


def touch(connection: duckdb.DuckDBPyConnection, skus: int) -> None:
    """A movement more for each of some SKUs, as a load leaves it."""
    batch = next_batch(connection)
    connection.execute(
        f"""INSERT INTO raw.inventory_movements BY NAME SELECT 'N{batch}-' || i AS movement_id, 'SKU' || lpad(CAST(i AS VARCHAR), 6, '0') AS sku,
        guid_of(sku) AS sku_guid, 'W0' AS warehouse_id, 'receipt' AS kind, 3 AS quantity, i AS row_number,
        TIMESTAMPTZ '2026-03-01 03:59:00+00' AS occurred_at, 'E' || i AS reference_id, guid_of('more{batch}') AS file_id,
        TIMESTAMPTZ '2026-03-01 04:00:00+00' AS exported_at, 'bench' AS source FROM range({skus}) AS r(i)"""
    )
    connection.execute(
        f"INSERT INTO kernel.touched SELECT 'sku', guid_of('SKU' || lpad(CAST(i AS VARCHAR), 6, '0')), {batch} "
        f"FROM range({skus}) AS r(i)"
    )


def rows_of(connection: duckdb.DuckDBPyConnection, table: str, model: Model) -> tuple[int, int]:
    """Number of rows and a hash of their content, whatever their order."""
    columns = ", ".join(f'"{c}"' for c in sorted(model_columns(connection, table)))
    found = connection.execute(f"SELECT count(*), coalesce(sum(hash({columns})), 0) FROM {table}").fetchall()[0]
    return found[0], int(found[1])


def model_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a table."""
    return [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]


if __name__ == "__main__":
    sys.exit(main())
