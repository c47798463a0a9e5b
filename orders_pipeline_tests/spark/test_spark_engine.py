"""The same models on DuckDB and on Spark: every table row for row, on a cluster of separate worker processes.

The models are in rooms/ beside this file; between them they use every helper function.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.kernel import exchange, macros, models, portable, spark, spark_sql
from orders_pipeline.kernel.faults import Permanent

ROOMS = Path(__file__).with_name("rooms")
TABLES = sorted(f"{path.parent.name}.{path.stem}" for path in ROOMS.glob("*/*.sql"))
RAW_TABLES = ("raw.orders", "raw.payments", "raw.lines")
AS_OF = datetime(2026, 3, 31, 16, 30, 15, 250_000, tzinfo=UTC)
THRESHOLDS = {"tolerance_max_amount": Decimal("0.05"), "silent_alert_hours": 36}
SETTINGS = {"zone": "Asia/Shanghai"}
CLOCK_CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2025, 10, 26, 1, tzinfo=UTC),
    datetime(2018, 2, 18, 2, tzinfo=UTC),
]
ZONES = ["Europe/Madrid", "Asia/Shanghai", "America/Sao_Paulo", "Europe/London"]


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Some hundred orders with several exports each, instants around changes of the clock, and uneven payments."""
    chance = random.Random(20260331)
    connection.execute("""
        CREATE SCHEMA raw;
        CREATE TABLE raw.orders (
            channel VARCHAR, order_id VARCHAR, status VARCHAR, amount DECIMAL(18, 2), zone VARCHAR,
            created_at TIMESTAMPTZ, local_at TIMESTAMP, exported_at TIMESTAMPTZ,
            batch_guid UUID, is_test BOOLEAN, row_number BIGINT
        );
        CREATE TABLE raw.payments (
            channel VARCHAR, order_id VARCHAR, payment_id VARCHAR, kind VARCHAR, amount DECIMAL(18, 2),
            paid_at TIMESTAMPTZ
        );
        CREATE TABLE raw.lines (channel VARCHAR, order_id VARCHAR, line_no INTEGER, weight BIGINT);
    """)
    orders, payments, lines = [], [], []
    for number in range(600):
        order = chance.choice(["taobao", "抖音", "shopify"]), f"NO {chance.randrange(250):04d}"
        at = chance.choice(CLOCK_CHANGES) + timedelta(seconds=chance.randrange(-14_400, 14_400))
        at += timedelta(microseconds=chance.randrange(10**6))
        status = chance.choice(["paid", "shipped", "on_hold", "已完成", None])
        amount = Decimal(chance.randrange(100_000)) / 100
        exported_at = at + timedelta(hours=chance.randrange(3))
        is_test = chance.choice([True, False, False, None])
        clocks = chance.choice(ZONES), at, at.replace(tzinfo=None), exported_at
        orders.append((*order, status, amount, *clocks, f"{number:032x}", is_test, number))
        if chance.random() < 0.7:
            paid = chance.choice([amount, amount + Decimal("0.05"), amount - Decimal("0.06"), Decimal("33.33")])
            payments.append((*order, f"P{number}", chance.choice(["receipt", "refund"]), paid, at))
    for order in sorted({one[:2] for one in orders}):
        lines += [(*order, number, chance.randrange(1, 9)) for number in range(1, chance.randrange(2, 6))]
    for table, rows in zip(RAW_TABLES, (orders, payments, lines), strict=True):
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def warehouse() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for statement in macros.macro_statements():
        connection.execute(statement)
    fill(connection)
    return connection


@pytest.fixture(scope="module")
def ordered() -> list[models.Model]:
    return models.order_models(models.load_models(ROOMS))


@pytest.fixture(scope="module")
def statements(ordered: list[models.Model]) -> dict[str, str]:
    return {one.name: models.render(models.bind(one, AS_OF, THRESHOLDS, SETTINGS)) for one in ordered}


@pytest.fixture(scope="module")
def by_duckdb(statements: dict[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse() as connection:
        for table, statement in statements.items():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
            connection.execute(f"CREATE TABLE {table} AS {statement}")
        yield connection


@pytest.fixture(scope="module")
def by_spark(
    ordered: list[models.Model],
    statements: dict[str, str],
    by_duckdb: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with the tables that Spark made."""
    try:
        spark.require_spark()
    except Permanent as reason:
        pytest.skip(str(reason))
    work = tmp_path_factory.mktemp("spark")
    exchange.export_raw(by_duckdb, RAW_TABLES, work / "raw")
    with spark.SparkEngine(work / "engine") as engine:
        results = engine.run(ordered, work / "raw", AS_OF, THRESHOLDS, SETTINGS, work / "results")
        assert engine.worker_count() == 2
    assert list(results) == [one.name for one in ordered]
    with warehouse() as connection:
        exchange.import_results(connection, results, statements)
        yield connection


@pytest.mark.spark
@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_engines_agree_row_for_row(
    table: str, by_duckdb: duckdb.DuckDBPyConnection, by_spark: duckdb.DuckDBPyConnection
) -> None:
    described = by_duckdb.execute(f"DESCRIBE {table}").fetchall()
    assert by_spark.execute(f"DESCRIBE {table}").fetchall() == described
    query = f"SELECT * FROM {table} ORDER BY {', '.join(str(n + 1) for n in range(len(described)))}"
    expected = by_duckdb.execute(query).fetchall()
    assert by_spark.execute(query).fetchall() == expected
    assert bool(expected) == (table != "orders.nothing")


def test_models_here_are_portable_and_use_every_helper(ordered: list[models.Model]) -> None:
    assert [(one.name, finding) for one in ordered for finding in portable.lint(one.sql)] == []
    used = {call.name.lower() for one in ordered for call in models.parse(one.sql).find_all(models.exp.Anonymous)}
    assert set(macros.MACROS) <= used


def test_allocation_keeps_every_cent(by_duckdb: duckdb.DuckDBPyConnection) -> None:
    differing = by_duckdb.execute("""
        SELECT order_guid FROM payments.allocations JOIN payments.totals USING (order_guid)
        GROUP BY order_guid, paid_amount HAVING sum(amount) <> paid_amount
    """).fetchall()
    assert differing == []


def test_model_outside_the_subset_does_not_reach_spark(tmp_path: Path) -> None:
    path = tmp_path / "orders" / "means.sql"
    path.parent.mkdir()
    path.write_text(
        "-- grain: mean\n-- refresh: whole\n-- Means.\nSELECT avg(o.amount) AS mean FROM raw.orders AS o",
        encoding="utf-8",
    )
    with pytest.raises(Permanent, match=r"orders\.means can not run on Spark: line 4: AVG\(o\.amount\).*ratio"):
        spark_sql.spark_sql(models.read_model(path), AS_OF, {}, {})


def test_missing_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(Permanent, match="needs Java - install Java 17"):
        spark.require_spark()


class Thrown:
    """A Java exception as Py4J shows it."""

    def __init__(self, text: str, cause: Thrown | None = None, suppressed: tuple[Thrown, ...] = ()) -> None:
        self.toString, self.getCause, self.getSuppressed = lambda: text, lambda: cause, lambda: suppressed


def test_what_was_at_the_bottom_of_a_failure_is_said_and_what_to_do() -> None:
    class Raised(Exception):
        java_exception = Thrown("Multiple failures (2):\n\tat Stage", suppressed=(Thrown("Job failed", Thrown("no memory to build")), Thrown("so")))

    assert spark._reason(Raised()) == "Multiple failures (2): no memory to build"
    assert "spark.driver.memory" in spark._remedy("Multiple failures (2): Not enough Memory", "look elsewhere")
    assert spark._remedy("no such file", "look elsewhere") == "look elsewhere"
    Raised.java_exception = Thrown("division by zero", Thrown("by zero"))
    assert spark._reason(Raised()) == "division by zero"
    assert spark._reason(ValueError("plain\nof Python")) == "plain"


def test_export_carries_types_that_parquet_lacks(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw")
        connection.execute(
            "CREATE TABLE raw.t AS SELECT md5('x')::UUID AS row_guid, 12345678901234567890123456789::HUGEINT AS huge"
        )
        exchange.export_raw(connection, ["raw.t"], tmp_path)
        results = {"back.t": tmp_path / "raw.t"}
        rows = connection.execute("SELECT * FROM raw.t").fetchall()
        exchange.import_results(connection, results)
        assert connection.execute("SELECT * FROM back.t").fetchall() == rows
        exchange.import_results(connection, results, {"back.t": "SELECT * FROM raw.t"})
        described = connection.execute("DESCRIBE raw.t").fetchall()
        assert connection.execute("DESCRIBE back.t").fetchall() == described
