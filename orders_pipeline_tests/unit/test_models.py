"""SQL models: header, dependencies, binding of the pseudo functions, scoping to touched keys."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.kernel import macros, models
from orders_pipeline.kernel.models import ModelError

VERSIONS = """\
-- grain: order_guid, version_number
-- refresh: order by order_guid
-- touches: order by order_guid
-- touches: payment by payment_guid
-- lookup: raw.shops
-- changes at: next_change_at
-- One row per version of an order.
-- Exported later wins.
WITH ranked AS (
    SELECT o.order_guid, s.zone,
        row_number() OVER (PARTITION BY o.order_guid ORDER BY o.exported_at, o.row_number) AS version_number
    FROM raw.orders AS o
    JOIN raw.shops AS s ON s.shop_id = o.shop_id
)
SELECT order_guid, version_number, as_of() AS next_change_at
FROM ranked
WHERE version_number <= threshold('versions_max_count') AND zone = setting('business_zone')
"""
AS_OF = datetime(2026, 3, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))


def write(rooms: Path, name: str, sql: str) -> Path:
    room, table = name.split(".", 1)
    path = rooms / room / f"{table}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sql, encoding="utf-8")
    return path


def small(select: str, header: str = "-- grain: a\n-- refresh: whole\n-- A table.\n") -> str:
    return header + select + "\n"


def test_header_is_read_in_any_order(tmp_path: Path) -> None:
    write(tmp_path, "orders.order_versions", VERSIONS)
    write(tmp_path, "orders.order_versions.touch", "SELECT order_guid AS key FROM raw.orders")
    model = models.load_models(tmp_path)["orders.order_versions"]
    assert (model.room, model.table) == ("orders", "order_versions")
    assert model.grain == ("order_guid", "version_number")
    assert (model.refresh, model.key) == ("order", "order_guid")
    assert model.touches == (("order", "order_guid"), ("payment", "payment_guid"))
    assert model.lookups == {"raw.shops"}
    assert model.clock == "next_change_at"
    assert model.description == "One row per version of an order. Exported later wins."
    assert model.after == {"raw.orders", "raw.shops"}
    assert model.touch_sql is not None
    assert model.touch_sql.startswith("SELECT order_guid")


def test_touch_queries_are_not_models(tmp_path: Path) -> None:
    write(tmp_path, "orders.a", small("SELECT a FROM raw.t"))
    write(tmp_path, "orders.a.touch", "SELECT a AS key FROM raw.t")
    assert list(models.load_models(tmp_path)) == ["orders.a"]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("-- refresh: whole\n-- A.\nSELECT 1 AS a", "lacks `-- grain:`"),
        ("-- grain: a\n-- A.\nSELECT 1 AS a", "lacks `-- refresh:`"),
        ("-- grain: a\n-- refresh: whole\nSELECT 1 AS a", "lacks a sentence"),
        ("-- grian: a\n-- refresh: whole\n-- A.\nSELECT 1 AS a", "unknown header line 'grian: a'"),
        ("-- grain: a\n-- refresh: order\n-- A.\nSELECT 1 AS a", "is not `<kind> by <column>`, `whole` or `view`"),
        ("-- grain: a\n-- refresh: whole\n-- refresh: whole\n-- A.\nSELECT 1 AS a", "stated 2 times"),
        ("-- grain: a\n-- refresh: view\n-- through: b.c\n-- returns: a BIGINT\n-- A.\nSELECT 1 AS a", "is kept as a table"),
        (small("SELECT FROM WHERE"), "not valid SQL"),
        (small("SELECT 1 AS a; SELECT 2 AS a"), "exactly one SELECT"),
        (small("DELETE FROM raw.t"), "exactly one SELECT"),
        (small("SELECT a FROM orders"), "'?orders'? is neither a CTE nor a table"),
    ],
)
def test_broken_file_is_named_with_its_fault(tmp_path: Path, sql: str, message: str) -> None:
    write(tmp_path, "orders.broken", sql)
    with pytest.raises(ModelError, match=message) as caught:
        models.load_models(tmp_path)
    assert "broken.sql" in str(caught.value)


def test_models_come_after_what_they_read_and_alphabetically_otherwise(tmp_path: Path) -> None:
    write(tmp_path, "orders.z", small("SELECT a FROM raw.t"))
    write(tmp_path, "orders.b", small("SELECT a FROM orders.z JOIN payments.p USING (a) JOIN kernel.k USING (a)"))
    write(tmp_path, "orders.c", small("WITH z AS (SELECT a FROM ref.r) SELECT a FROM z"))
    write(tmp_path, "payments.p", small("SELECT a FROM raw.t"))
    loaded = models.load_models(tmp_path)
    expected = ["orders.c", "orders.z", "payments.p", "orders.b"]
    assert [model.name for model in models.order_models(loaded)] == expected
    assert [model.name for model in models.order_models(dict(reversed(loaded.items())))] == expected


def test_circle_is_spelled_out(tmp_path: Path) -> None:
    write(tmp_path, "orders.a", small("SELECT a FROM orders.b"))
    write(tmp_path, "orders.b", small("SELECT a FROM orders.a"))
    with pytest.raises(ModelError, match=r"orders\.a -> orders\.b -> orders\.a"):
        models.order_models(models.load_models(tmp_path))


def test_unknown_table_is_named_with_a_guess(tmp_path: Path) -> None:
    write(tmp_path, "orders.order_lines", small("SELECT a FROM raw.t"))
    write(tmp_path, "orders.b", small("SELECT a FROM orders.order_line"))
    with pytest.raises(ModelError, match=r"orders\.b reads orders\.order_line, .*; orders\.order_lines\?"):
        models.order_models(models.load_models(tmp_path))


def test_pseudo_functions_become_typed_literals() -> None:
    sql = """SELECT as_of() AS t, threshold('r') AS r, threshold('n') AS n, setting('z') AS z, setting('d') AS d,
        1 - threshold('m') AS m"""
    values = {"r": Decimal("0.050"), "n": 3, "m": -2}
    bound = models.bind(sql, AS_OF, values, {"z": "Asia/'Shanghai", "d": date(2026, 1, 2)})
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        row = connection.execute(models.render(bound)).fetchone()
        types = [one[1] for one in connection.execute(f"DESCRIBE {models.render(bound)}").fetchall()]
    assert row == (AS_OF, Decimal("0.050"), 3, "Asia/'Shanghai", date(2026, 1, 2), 3)
    assert types[:5] == ["TIMESTAMP WITH TIME ZONE", "DECIMAL(4,3)", "INTEGER", "VARCHAR", "DATE"]


def test_binding_leaves_the_parsed_model_alone(tmp_path: Path) -> None:
    model = models.read_model(write(tmp_path, "orders.order_versions", VERSIONS))
    before = models.parse(model.sql).sql()
    models.bind(model, AS_OF, {"versions_max_count": 9}, {"business_zone": "UTC"})
    assert models.parse(model.sql).sql() == before


def test_unknown_name_names_model_and_guess(tmp_path: Path) -> None:
    model = models.read_model(write(tmp_path, "orders.order_versions", VERSIONS))
    message = r"orders\.order_versions: no threshold is named 'versions_max_count'; 'version_max_count'\?"
    with pytest.raises(ModelError, match=message):
        models.bind(model, AS_OF, {"version_max_count": 1}, {"business_zone": "UTC"})
    with pytest.raises(ModelError, match="no setting is named 'business_zone'"):
        models.bind(model, AS_OF, {"versions_max_count": 1}, {})
    with pytest.raises(ModelError, match="no time zone"):
        models.bind(model, datetime(2026, 1, 1), {}, {})  # noqa: DTZ001
    with pytest.raises(ModelError, match=r"must be as_of\(\)"):
        models.bind("SELECT threshold(x) AS a FROM raw.t", AS_OF, {}, {})


def test_used_names_cover_model_and_touch_query(tmp_path: Path) -> None:
    write(tmp_path, "orders.order_versions", VERSIONS)
    write(tmp_path, "orders.order_versions.touch", "SELECT setting('tenant') AS key")
    used = models.used_names(models.load_models(tmp_path).values())
    assert used.thresholds == {"versions_max_count"}
    assert used.settings == {"business_zone", "tenant"}


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        for statement in macros.macro_statements():
            opened.execute(statement)
        yield opened


def test_scope_reads_touched_rows_and_look_ups_whole(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("""
        CREATE SCHEMA raw; CREATE SCHEMA kernel;
        CREATE TABLE raw.orders AS SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, 'b')) AS t(order_guid, shop_id);
        CREATE TABLE raw.shops AS SELECT * FROM (VALUES ('a', 1), ('b', 2)) AS t(shop_id, order_guid);
        CREATE TABLE raw.payments AS SELECT * FROM (VALUES (1, 9), (3, 8)) AS t(order_guid, paid);
        CREATE TABLE kernel.touched_order AS SELECT 3 AS key;
    """)
    path = write(
        tmp_path,
        "orders.o",
        "-- grain: order_guid\n-- refresh: order by order_guid\n-- lookup: raw.shops\n-- An order.\n"
        "WITH payments AS (SELECT order_guid, sum(paid) AS paid FROM raw.payments GROUP BY order_guid)\n"
        "SELECT orders.order_guid, s.order_guid AS rank, p.paid\n"
        "FROM raw.orders JOIN raw.shops AS s ON s.shop_id = orders.shop_id\n"
        "LEFT JOIN (raw.payments AS p JOIN payments USING (order_guid)) ON p.order_guid = orders.order_guid\n"
        "ORDER BY orders.order_guid",
    )
    model = models.read_model(path)
    bound = models.bind(model, AS_OF, {}, {})
    before = bound.sql()

    def columns_of(table: str) -> list[str]:
        return [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]

    narrowed = models.scoped(bound, model, columns_of, lambda kind: f"kernel.touched_{kind}")
    assert bound.sql() == before
    assert connection.execute(models.render(bound)).fetchall() == [(1, 1, 9), (2, 2, None), (3, 2, 8)]
    assert connection.execute(models.render(narrowed)).fetchall() == [(3, 2, 8)]
    text = models.render(narrowed)
    assert text.count("kernel.touched_order") == 3
    assert "JOIN raw.shops AS s" in text
    placed = models.render(models.scoped(bound, model, columns_of, lambda kind: f"kernel.touched_{kind}", placed={"raw.orders"}))
    assert connection.execute(placed).fetchall() == [(3, 2, 8)]
    assert placed.count("rowid IN (SELECT rowid FROM raw.orders") == placed.count("rowid IN") == 1


def test_scope_reads_whole_what_is_read_under_the_name_of_a_look_up(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    connection.execute("""
        CREATE SCHEMA raw;
        CREATE TABLE raw.orders AS SELECT * FROM (VALUES (1, 'a'), (2, 'a'), (3, 'b')) AS t(order_guid, number);
        CREATE TABLE touched AS SELECT 1 AS key;
    """)
    text = (
        "-- grain: order_guid\n-- refresh: order by order_guid\n-- lookup: raw.orders AS others\n-- Orders with others' numbers.\n"
        "SELECT o.order_guid, count(*) AS order_count FROM raw.orders AS o JOIN raw.orders AS others ON o.number = others.number\n"
        "GROUP BY o.order_guid"
    )
    model = models.read_model(write(tmp_path, "orders.o", text))
    narrowed = models.scoped(models.parse(text), model, lambda table: ["order_guid"], lambda kind: "touched")
    assert connection.execute(models.render(narrowed)).fetchall() == [(1, 2)]
    for name in ("raw.orders AS other", "raw.shops", "raw.order"):
        with pytest.raises(ModelError, match=f"lookup: {name}` is not read here"):
            models.read_model(write(tmp_path, "orders.o", text.replace("raw.orders AS others\n", f"{name}\n", 1)))


def test_whole_model_is_not_scoped(tmp_path: Path) -> None:
    model = models.read_model(write(tmp_path, "orders.a", small("SELECT a FROM raw.t")))
    with pytest.raises(ModelError, match="refreshed whole"):
        models.scoped(models.parse(model.sql), model, lambda _: ["a"], str)


def test_macros_mean_what_they_say(connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute("""SELECT
        local_date(TIMESTAMPTZ '2026-01-01 16:00:00+00', 'Asia/Shanghai'),
        from_utc_timestamp(TIMESTAMPTZ '2026-07-01 00:00:00+00', 'Europe/London'),
        to_utc_timestamp(TIMESTAMP '2026-01-02 00:00:00', 'Asia/Shanghai'),
        to_utc_timestamp(TIMESTAMP '2026-10-25 02:30:00', 'Europe/Madrid'),
        days_between(DATE '2026-03-01', DATE '2026-02-27'),
        seconds_between(TIMESTAMPTZ '2026-01-01 00:01:00.5+00', TIMESTAMPTZ '2026-01-01 00:00:00.7+00'),
        add_days(DATE '2026-02-28', 1),
        add_hours(TIMESTAMPTZ '2026-01-01 00:00:00+00', 1.5),
        add_minutes(TIMESTAMPTZ '2026-01-01 00:00:00+00', -1),
        add_seconds(TIMESTAMPTZ '2026-01-01 00:00:00+00', 31536000),
        ratio(1, 4), ratio(1, 0), round_half_up(2.675::DOUBLE), round_half_up(-0.125), CAST(guid_of('abc') AS VARCHAR)
    """).fetchone()
    assert row == (
        date(2026, 1, 2),
        datetime(2026, 7, 1, 1),  # noqa: DTZ001
        datetime(2026, 1, 1, 16, tzinfo=UTC),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        2,
        59,
        date(2026, 3, 1),
        datetime(2026, 1, 1, 1, 30, tzinfo=UTC),
        datetime(2025, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
        0.25,
        None,
        Decimal("2.68"),
        Decimal("-0.13"),
        "90015098-3cd2-4fb0-d696-3f7d28e17f72",
    )
