"""`models/<room>/<table>.yml`: rows given, rows expected. Anyone who knows the business can read and extend them.

A case gives rows of the tables a model reads (columns left out are blank) and the rows the model must make of them, in the
columns that matter. Our identifiers (`order_guid`, `file_id` …) are written as any short name. Times are UTC unless they say otherwise.
Tables under `made` stand between the rows given and the model: they are made of them first. `thresholds` says which numbers are
others than the defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel.batches import STATE
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings, declared_thresholds
from orders_pipeline.kernel.sqltext import quote
from orders_pipeline.kernel.statements import statement
from orders_pipeline.kernel.through import select_of
from orders_pipeline.kernel.warehouse import views_there

HERE = Path(__file__).parent
AS_OF = "2026-03-01T00:00:00Z"


def load_cases() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted(HERE.glob("*/*.yml")):
        # A table with many cases has several files: `three_way_match.yml`, `three_way_match.verdicts.yml`.
        name = f"{path.parent.name}.{path.stem.split('.')[0]}"
        found += [(name, case) for case in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return found


CASES = load_cases()


#: What holds where a home sets nothing of its own.
DEFAULTS = Settings({name: threshold.value for name, threshold in declared_thresholds().items()})


@pytest.fixture(scope="module")
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_warehouse() as connection:
        yield connection


@contextmanager
def empty_warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every table there is, empty, with its types."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for macro in macro_statements():
            connection.execute(macro)
        dictionary = load_dictionary()
        create_raw_tables(connection, dictionary)
        connection.execute(STATE)
        create_reference_tables(connection, dictionary, DEFAULTS)
        refresher = Refresher(connection, pipeline.models(), parse_as_of(AS_OF), DEFAULTS)
        refresher.plan(full=True)
        for model in refresher.models:
            refresher.refresh(model)
        for view in views_there(connection):
            # Cases give rows to what a model reads.
            connection.execute(f"CREATE TEMP TABLE kept AS FROM {view}; DROP VIEW {view}")
            connection.execute(f"CREATE TABLE {view} AS FROM kept; DROP TABLE kept")
        yield connection


#: Column types of tables, and values as columns hold them: the same in every case, and asked for thousands of times.
_types: dict[str, dict[str, str]] = {}
_typed: dict[tuple[str, str], Any] = {}


def types_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    if table not in _types:
        _types[table] = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
    return _types[table]


def typed(connection: duckdb.DuckDBPyConnection, value: Any, kind: str) -> Any:
    """A value of the YAML as the column holds it."""
    if value is None:
        return None
    key = str(value), kind
    if key not in _typed:
        how = "guid_of(?)" if kind == "UUID" else f"CAST(? AS {kind})"
        _typed[key] = connection.execute(f"SELECT {how}", key[:1]).fetchall()[0][0]
    return _typed[key]


def give(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    types = types_of(connection, table)
    for row in rows:
        assert row.keys() <= types.keys(), f"{table} has no column {row.keys() - types.keys()}"
        columns = ", ".join(map(quote, row))
        values = [typed(connection, value, types[name]) for name, value in row.items()]
        connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})", values)


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}: {case['case']}" for name, case in CASES])
def test_given_rows_make_the_expected_rows(
    warehouse: duckdb.DuckDBPyConnection, name: str, case: dict[str, Any]
) -> None:
    made, expected = outcome(warehouse, next(m for m in pipeline.models() if m.name == name), case)
    assert made == expected


def made_by(
    warehouse: duckdb.DuckDBPyConnection, model: Model, as_of: datetime, thresholds: Mapping[str, Decimal | int]
) -> str:
    """A SELECT of the rows a model makes of what is in the warehouse."""
    return select_of(warehouse, model, statement(model, as_of, thresholds))


def outcome(warehouse: duckdb.DuckDBPyConnection, model: Model, case: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
    """The rows a model makes of what a case gives, and those the case expects, in the columns that matter; both in one order."""
    name, as_of = model.name, parse_as_of(str(case.get("as_of", AS_OF)))
    thresholds = {**DEFAULTS.thresholds, **{of: Decimal(str(value)) for of, value in case.get("thresholds", {}).items()}}
    warehouse.execute("BEGIN TRANSACTION")
    try:
        for table, rows in case["given"].items():
            give(warehouse, table, rows)
        by_name = {m.name: m for m in pipeline.models()}
        for between in case.get("made", ()):
            warehouse.execute(f"INSERT INTO {between} BY NAME {made_by(warehouse, by_name[between], as_of, thresholds)}")
        text = made_by(warehouse, model, as_of, thresholds)
        types = types_of(warehouse, name)
        columns = list(dict.fromkeys(column for row in case["expect"] for column in row))
        chosen = ", ".join(map(quote, columns or model.grain))
        made = warehouse.execute(f"SELECT {chosen} FROM ({text}) ORDER BY ALL").fetchall()
        expected = [tuple(typed(warehouse, row.get(c), types[c]) for c in columns) for row in case["expect"]]
    finally:
        warehouse.execute("ROLLBACK")
    return sorted(made, key=repr), sorted(expected, key=repr)


def test_a_busy_channel_is_counted_too(warehouse: duckdb.DuckDBPyConnection) -> None:
    """More rows than a case can list: 20,000 orders on every Monday of eight weeks, 30,000 on the last one."""
    model = next(m for m in pipeline.models() if m.name == "quality.anomalies")
    warehouse.execute("BEGIN TRANSACTION")
    try:
        warehouse.execute("""INSERT INTO quality.order_quality BY NAME
            SELECT 'taobao' AS channel, DATE '2026-02-23' - CAST(7 * w AS INTEGER) AS day, TRUE AS is_trade
            FROM range(9) AS weeks(w), range(CASE WHEN w = 0 THEN 30000 ELSE 20000 END) AS orders(i)""")
        text = select_of(warehouse, model, statement(model, parse_as_of(AS_OF), DEFAULTS.thresholds))
        found = warehouse.execute(f"""SELECT value, usual_value, is_anomaly FROM ({text})
            WHERE metric = 'order_count' AND day = DATE '2026-02-23'""").fetchall()
    finally:
        warehouse.execute("ROLLBACK")
    assert found == [(30000, 20000, True)]


def test_the_tables_that_decide_have_examples() -> None:
    assert {name for name, _ in CASES} >= {
        "orders.order_versions",
        "orders.order_lines",
        "orders.order_changes",
        "payments.transactions",
        "payments.allocations",
        "fulfilment.parcels",
        "fulfilment.stage_visits",
        "fulfilment.order_stages",
        "fulfilment.timeouts",
        "fulfilment.payment_deadlines",
        "fulfilment.cancellations_hourly",
        "inventory.counts",
        "inventory.movements",
        "inventory.reservations",
        "inventory.balances",
        "reconciliation.three_way_match",
        "reconciliation.exceptions",
    }
