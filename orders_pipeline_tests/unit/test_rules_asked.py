"""Which rules of alerts a file's run asks: those that may say something else than the last time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.alerts.asked import LastAsked
from orders_pipeline.alerts.rules import Rule
from orders_pipeline.kernel.batches import next_batch
from orders_pipeline.kernel.models import Model, read_model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
THINGS = """-- grain: id
-- refresh: thing by thing_guid
-- Things.
SELECT id, thing_guid FROM raw.things
"""
TOTALS = """-- grain: n
-- refresh: whole
-- Totals.
SELECT count(*) AS n FROM raw.others
"""


def rule(name: str, sql: str) -> Rule:
    return Rule(name, "warn", "thing", {"en": name, "zh": name}, f"SELECT 1 AS entity_id, '' AS channel FROM {sql}")


BY_KEY, WHOLE = rule("by_key", "room.things"), rule("whole", "room.totals")
CLOCK, OUTSIDE = rule("clock", "room.things WHERE as_of() IS NOT NULL"), rule("outside", "quality.check_results")
RULES = [BY_KEY, WHOLE, CLOCK, OUTSIDE]


@pytest.fixture
def models(tmp_path: Path) -> list[Model]:
    (tmp_path / "room").mkdir()
    for name, text in (("things", THINGS), ("totals", TOTALS)):
        (tmp_path / "room" / f"{name}.sql").write_text(text, encoding="utf-8")
    return [read_model(tmp_path / "room" / f"{name}.sql") for name in ("things", "totals")]


@pytest.fixture
def connection(models: list[Model]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.things (id INTEGER, thing_guid UUID)")
        connection.execute("CREATE TABLE raw.others (id INTEGER)")
        assert asked(connection, models) == RULES
        yield connection


def asked(connection: duckdb.DuckDBPyConnection, models: list[Model], note: bool = True, **thresholds: Decimal) -> list[Rule]:
    """Bring the tables up to date; the rules that are to be asked then, which is noted."""
    refresher = Refresher(connection, models, NOW, Settings(thresholds))
    refresher.plan()
    for model in models:
        refresher.refresh(model)
    refresher.settle()
    last = LastAsked(refresher)
    found = last.among(RULES)
    if note:
        last.note(found)
    return found


def touch(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    connection.execute("INSERT INTO kernel.touched VALUES (?, md5('1')::UUID, ?)", [kind, next_batch(connection)])


def test_a_rule_is_asked_again_when_one_of_its_tables_has_changed(connection: duckdb.DuckDBPyConnection, models: list[Model]) -> None:
    assert asked(connection, models) == [CLOCK, OUTSIDE], "the clock, and tables that nobody keeps account of, always"
    touch(connection, "thing")
    assert asked(connection, models) == [BY_KEY, CLOCK, OUTSIDE]
    connection.execute("INSERT INTO raw.others VALUES (1)")
    touch(connection, "raw.others")
    assert asked(connection, models, note=False) == [WHOLE, CLOCK, OUTSIDE]
    assert asked(connection, models) == [WHOLE, CLOCK, OUTSIDE], "a run that did not come to note it leaves it to the next"
    assert asked(connection, models) == [CLOCK, OUTSIDE]


def test_a_rule_is_asked_again_when_a_threshold_or_its_text_is_another(connection: duckdb.DuckDBPyConnection, models: list[Model]) -> None:
    assert asked(connection, models, limit=Decimal(2)) == RULES
    assert asked(connection, models, limit=Decimal(2)) == [CLOCK, OUTSIDE]
    connection.execute("UPDATE kernel.consumers SET fingerprint = 'of another version' WHERE consumer = 'alerts.whole'")
    assert asked(connection, models, limit=Decimal(2)) == [WHOLE, CLOCK, OUTSIDE]


def test_a_rule_that_could_not_be_asked_is_asked_the_next_time(connection: duckdb.DuckDBPyConnection, models: list[Model]) -> None:
    LastAsked(Refresher(connection, models, NOW, Settings({}))).forget([BY_KEY])
    assert asked(connection, models) == [BY_KEY, CLOCK, OUTSIDE]


def test_a_table_made_anew_counts_as_changed(connection: duckdb.DuckDBPyConnection, models: list[Model]) -> None:
    connection.execute("DELETE FROM kernel.consumers WHERE consumer = 'room.things'")
    assert asked(connection, models) == [BY_KEY, CLOCK, OUTSIDE]
