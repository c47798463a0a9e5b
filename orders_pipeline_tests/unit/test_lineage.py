"""Columns of a model and where each comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders_pipeline.kernel.lineage import column_lineage, output_columns
from orders_pipeline.kernel.models import Model, ModelError, read_model

SCHEMA = {
    "raw.orders": dict.fromkeys(["order_guid", "shop_id", "amount", "status", "row_number"], "VARCHAR"),
    "raw.payments": dict.fromkeys(["order_guid", "paid", "kind"], "VARCHAR"),
    "raw.shops": dict.fromkeys(["shop_id", "zone"], "VARCHAR"),
}


def model(tmp_path: Path, sql: str) -> Model:
    path = tmp_path / "orders" / "m.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"-- grain: a\n-- refresh: whole\n-- A table.\n{sql}\n", encoding="utf-8")
    return read_model(path)


def lineage(tmp_path: Path, sql: str) -> dict[str, list[tuple[str, str]]]:
    return column_lineage(model(tmp_path, sql), SCHEMA)


def test_output_columns_keep_their_order(tmp_path: Path) -> None:
    assert output_columns(model(tmp_path, "SELECT o.status, 1 AS one, o.amount + 1 AS more FROM raw.orders AS o")) == (
        "status",
        "one",
        "more",
    )


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FROM raw.orders", "column 1 has no name"),
        ("SELECT amount + 1 FROM raw.orders", "column 1 has no name"),
        ("SELECT amount, status AS amount FROM raw.orders", "two columns are named amount"),
    ],
)
def test_unclear_output_is_refused(tmp_path: Path, sql: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        output_columns(model(tmp_path, sql))


def test_sources_are_found_through_ctes_windows_and_stars(tmp_path: Path) -> None:
    found = lineage(
        tmp_path,
        """
        WITH paid AS (
            SELECT order_guid, sum(paid) FILTER (WHERE kind = 'receipt') AS paid FROM raw.payments GROUP BY order_guid
        ),
        latest AS (
            SELECT *, row_number() OVER (PARTITION BY order_guid ORDER BY row_number) AS n FROM raw.orders
            QUALIFY n = 1
        )
        SELECT o.order_guid, o.amount - p.paid AS open_amount, n, as_of() AS seen_at, 'x' AS fixed, zone
        FROM latest AS o LEFT JOIN paid AS p USING (order_guid) JOIN raw.shops AS s ON s.shop_id = o.shop_id
        WHERE o.status <> 'test'
        """,
    )
    assert found == {
        "order_guid": [("raw.orders", "order_guid")],
        "open_amount": [("raw.orders", "amount"), ("raw.payments", "kind"), ("raw.payments", "paid")],
        "n": [("raw.orders", "order_guid"), ("raw.orders", "row_number")],
        "seen_at": [],
        "fixed": [],
        "zone": [("raw.shops", "zone")],
    }


def test_union_joins_the_columns_by_position(tmp_path: Path) -> None:
    found = lineage(
        tmp_path,
        """
        WITH both_sides AS (
            SELECT o.order_guid AS guid, o.amount AS value FROM raw.orders AS o
            UNION ALL
            SELECT p.order_guid, -p.paid FROM raw.payments AS p
            UNION ALL
            SELECT v.a, v.b FROM (VALUES ('x', 1)) AS v(a, b)
        )
        SELECT guid, sum(value) AS total FROM both_sides GROUP BY guid
        """,
    )
    assert found == {
        "guid": [("raw.orders", "order_guid"), ("raw.payments", "order_guid")],
        "total": [("raw.orders", "amount"), ("raw.payments", "paid")],
    }


def test_subqueries_give_their_value_and_exists_only_decides(tmp_path: Path) -> None:
    found = lineage(
        tmp_path,
        """
        SELECT o.status,
            (SELECT max(p.paid) FROM raw.payments AS p WHERE p.order_guid = o.order_guid) AS most,
            EXISTS (SELECT 1 FROM raw.shops AS s WHERE s.shop_id = o.shop_id) AS is_known,
            d.twice
        FROM raw.orders AS o
        JOIN (SELECT order_guid, amount * 2 AS twice FROM raw.orders) AS d ON d.order_guid = o.order_guid
        """,
    )
    assert found == {
        "status": [("raw.orders", "status")],
        "most": [("raw.payments", "paid")],
        "is_known": [],
        "twice": [("raw.orders", "amount")],
    }


def test_full_join_using_has_both_sides(tmp_path: Path) -> None:
    found = lineage(
        tmp_path, "SELECT order_guid, p.paid FROM raw.orders AS o FULL JOIN raw.payments AS p USING (order_guid)"
    )
    assert found["order_guid"] == [("raw.orders", "order_guid"), ("raw.payments", "order_guid")]


def test_column_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"orders\.m: the table of column nowhere cannot be told"):
        lineage(tmp_path, "SELECT nowhere FROM raw.orders AS o JOIN raw.shops AS s ON s.shop_id = o.shop_id")
