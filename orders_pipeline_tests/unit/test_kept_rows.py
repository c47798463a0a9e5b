"""Rows that a refresh by keys has made, read by the next model in place of the large table: the same rows, and only where they are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.kernel import nearby
from orders_pipeline.kernel.models import Model, read_model
from orders_pipeline.kernel.refresh import Refresher, next_batch
from orders_pipeline.kernel.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = """-- grain: id
-- refresh: thing by thing_guid
-- Rows.
SELECT id, thing_guid, amount FROM raw.parts
"""
SUMS = """-- grain: thing_guid
-- refresh: thing by thing_guid
-- Sums.
SELECT r.thing_guid, sum(r.amount) AS amount FROM room.rows AS r GROUP BY r.thing_guid
"""
SHARES = """-- grain: id
-- refresh: thing by thing_guid
-- Shares.
SELECT r.id, s.thing_guid, r.amount, s.amount AS of_amount
FROM room.rows AS r
INNER JOIN room.sums AS s ON r.thing_guid = s.thing_guid
"""


@pytest.fixture
def chain(tmp_path: Path) -> list[Model]:
    (tmp_path / "room").mkdir()
    for name, text in (("rows", ROWS), ("sums", SUMS), ("shares", SHARES)):
        (tmp_path / "room" / f"{name}.sql").write_text(text, encoding="utf-8")
    return [read_model(tmp_path / "room" / f"{name}.sql") for name in ("rows", "sums", "shares")]


class Ear:
    """A connection that remembers what it was told."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.heard = connection, []

    def execute(self, statement: str, *values: object) -> object:
        self.heard.append(statement)
        return self.connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


def run(connection: duckdb.DuckDBPyConnection, chain: list[Model]) -> list[str]:
    """Refresh the chain; returns what was inserted from where."""
    ear = Ear(connection)
    refresher = Refresher(ear, chain, NOW, Settings({}))
    refresher.plan()
    for model in chain:
        refresher.refresh(model)
    refresher.changes(None)
    refresher.nearby.clear()
    assert not connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'kept_%' OR table_name LIKE 'gathered_%'").fetchall()
    return [t for t in ear.heard if t.startswith(("CREATE OR REPLACE TEMP TABLE kept_", "INSERT INTO kept_", "INSERT INTO room."))]


def touch(connection: duckdb.DuckDBPyConnection, thing: int) -> None:
    connection.execute(f"INSERT INTO raw.parts VALUES (100 + {thing}, md5('{thing}')::UUID, 7)")
    connection.execute("INSERT INTO kernel.touched VALUES ('thing', md5(?)::UUID, ?)", [str(thing), next_batch(connection)])


@pytest.mark.parametrize(("size", "most", "is_kept"), [(0, 100, True), (1000, 100, False), (0, 1, False)])
def test_the_next_model_reads_what_was_just_made(
    chain: list[Model], monkeypatch: pytest.MonkeyPatch, size: int, most: int, is_kept: bool
) -> None:
    monkeypatch.setattr(nearby, "KEPT_FROM", size)
    monkeypatch.setattr(nearby, "KEPT_MOST", most)
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts AS SELECT i AS id, md5(CAST(i % 5 AS VARCHAR))::UUID AS thing_guid, "
                       "i AS amount FROM range(20) AS r(i)")  # fmt: skip
    run(connection, chain)
    touch(connection, 3)
    told = run(connection, chain)
    assert any("FROM kept_room_rows_by_thing_guid" in text for text in told[1:]) == (size == 0)
    assert any("FROM kept_room_rows_by_thing_guid WHERE" in text for text in told) == is_kept
    made = connection.execute("SELECT id, amount, of_amount FROM room.shares ORDER BY id").fetchall()
    connection.execute("DELETE FROM kernel.consumers")
    run(connection, chain)
    assert connection.execute("SELECT id, amount, of_amount FROM room.shares ORDER BY id").fetchall() == made


def test_a_model_that_lags_behind_looks_into_the_table(chain: list[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the first model: the others have more keys to take in than it then has."""
    monkeypatch.setattr(nearby, "KEPT_FROM", 0)
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts AS SELECT i AS id, md5(CAST(i % 5 AS VARCHAR))::UUID AS thing_guid, "
                       "i AS amount FROM range(20) AS r(i)")  # fmt: skip
    run(connection, chain)
    touch(connection, 3)
    Refresher(connection, chain, NOW, Settings({})).refresh(chain[0])
    touch(connection, 4)
    told = run(connection, chain)
    assert any(text.startswith("INSERT INTO kept_room_rows_by_thing_guid SELECT * FROM room.rows WHERE") for text in told)
    found = connection.execute("SELECT thing_guid, max(of_amount), sum(amount) FROM room.shares GROUP BY ALL").fetchall()
    assert len(found) == 5
    assert all(of_amount == total for _, of_amount, total in found)
    assert sum(total for *_, total in found) == sum(range(20)) + 14
