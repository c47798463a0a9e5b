"""Every model of every room keeps to the SQL that means the same in DuckDB and in Spark, judged with types known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.portable import Schema, lint
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.spark_sql import spark_sql
from orders_pipeline.kernel.warehouse import columns_of, connect

AS_OF = parse_as_of("2026-02-20T09:00:00+08:00")
MODELS = {model.name: model for model in pipeline.models()}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse into which no file has come: every table is there, with its types, and empty."""
    work = tmp_path_factory.mktemp("portable")
    dictionary, settings = load_dictionary(), load_settings(work / "none.toml")
    with connect(Path(":memory:"), work) as connection:
        create_raw_tables(connection, dictionary)
        refresher = Refresher(connection, MODELS.values(), AS_OF, settings)
        create_reference_tables(connection, dictionary, settings)
        for model in MODELS.values():
            refresher.refresh(model)
        yield connection


@pytest.fixture(scope="module")
def schema(warehouse: duckdb.DuckDBPyConnection) -> Schema:
    names = MODELS.keys() | {name for model in MODELS.values() for name in model.after}
    found = {name: columns_of(warehouse, name) for name in sorted(names)}
    assert all(found.values()), "a table without columns would leave the typed rules blind"
    return found


@pytest.mark.parametrize("name", MODELS)
def test_model_is_portable(name: str, schema: Schema) -> None:
    assert [f"line {one.line}: {one.message}" for one in lint(MODELS[name].sql, schema)] == []


@pytest.mark.parametrize("name", MODELS)
def test_model_is_said_in_spark(name: str, schema: Schema) -> None:
    """No helper, pseudo function or schema of ours is left."""
    text = spark_sql(MODELS[name], AS_OF, load_settings(Path("none.toml")).thresholds, {}, schema)
    assert not [word for word in ("as_of(", "threshold(", "guid_of(", "ratio(", "raw.", "ref.") if word in text.lower()]


def _cuts_a_decimal(table: str, schema: Schema) -> str | None:
    """A query that casts a decimal column of a table to an integer."""
    column = next((name for name, kind in schema[table].items() if kind.startswith("DECIMAL")), None)
    return column and f"SELECT CAST(t.{column} AS BIGINT) AS n FROM {table} AS t"


def test_types_reach_the_rules(schema: Schema) -> None:
    """A decimal column of any model is known to be one: cast to an integer it is found, a whole number is not."""
    queries = [query for table in MODELS if (query := _cuts_a_decimal(table, schema))]
    assert len(queries) > 5
    assert {one.rule for query in queries for one in lint(query, schema)} == {"cast_to_integer"}
    assert lint("SELECT CAST(t.line_no AS BIGINT) AS n FROM orders.order_lines AS t", schema) == []
