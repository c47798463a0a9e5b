"""Models kept as views: read like tables, made anew with the clock and the inputs, and tables again when their file says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.kernel.models import Model, read_model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.warehouse import tables_there, views_there

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGES = "-- grain: a\n-- refresh: {how}\n-- changes at: always\n-- Ages.\nSELECT a, as_of() AS as_of_at FROM room.things\n"


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE TABLE raw.parts AS SELECT 1 AS a")
    return made


def models(tmp_path: Path, how: str) -> list[Model]:
    room = tmp_path / how / "room"
    room.mkdir(parents=True)
    (room / "things.sql").write_text("-- grain: a\n-- refresh: whole\n-- Things.\nSELECT a FROM raw.parts\n", encoding="utf-8")
    (room / "ages.sql").write_text(AGES.format(how=how), encoding="utf-8")
    return [read_model(room / "things.sql"), read_model(room / "ages.sql")]


def refresh(connection: duckdb.DuckDBPyConnection, ordered: list[Model], as_of: datetime) -> list[str]:
    refresher = Refresher(connection, ordered, as_of, Settings({}))
    refresher.plan()
    done = [refresher.refresh(model).how for model in ordered]
    refresher.settle()
    return done


def test_a_view_follows_clock_and_inputs_and_its_readers_are_told(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    ordered = models(tmp_path, "view")
    assert refresh(connection, ordered, NOW) == ["whole", "whole"]
    assert views_there(connection) == {"room.ages"}
    assert {"room.things", "room.ages"} <= tables_there(connection)
    assert refresh(connection, ordered, NOW) == ["current", "current"]
    later = NOW + timedelta(hours=1)
    assert refresh(connection, ordered, later) == ["current", "whole"]
    assert connection.execute("SELECT a, as_of_at FROM room.ages").fetchall() == [(1, later)]
    refresher = Refresher(connection, ordered, later, Settings({}))
    assert "room.ages" in refresher.changes(None)


@pytest.mark.parametrize(("before", "after"), [("view", "whole"), ("whole", "view")])
def test_a_model_may_become_the_other_kind(tmp_path: Path, connection: duckdb.DuckDBPyConnection, before: str, after: str) -> None:
    refresh(connection, models(tmp_path, before), NOW)
    assert refresh(connection, models(tmp_path, after), NOW)[1] == "whole"
    assert views_there(connection) == ({"room.ages"} if after == "view" else set())
    assert connection.execute("SELECT a, as_of_at FROM room.ages").fetchall() == [(1, NOW)]


def test_what_another_engine_has_made_of_a_view_is_its_select_over_the_tables_in_place(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection
) -> None:
    ordered = models(tmp_path, "view")
    refresh(connection, ordered, NOW)
    refresher = Refresher(connection, ordered, NOW, Settings({}))
    refresher.replace(ordered[0], "SELECT 2 AS a")
    refresher.replace(ordered[1], "SELECT * FROM read_parquet('gone.parquet')")
    assert connection.execute("SELECT a FROM room.ages").fetchall() == [(2,)]
