"""What a refresh by keys need not look for: rows it has just made or found, and rows of keys that nobody has met before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.kernel import nearby
from orders_pipeline.kernel.batches import next_batch
from orders_pipeline.kernel.models import Model, read_model
from orders_pipeline.kernel.refresh import Refresher
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
    return [t for t in ear.heard if t.startswith(("DELETE FROM room.", "CREATE OR REPLACE TEMP TABLE kept_", "INSERT INTO kept_", "INSERT INTO room."))]


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


def test_rows_read_from_files_are_looked_for_again_when_more_have_come(chain: list[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "KEPT_FROM", 0)
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts AS SELECT i AS id, md5(CAST(i % 5 AS VARCHAR))::UUID AS thing_guid, "
                       "i AS amount FROM range(20) AS r(i)")  # fmt: skip
    run(connection, chain)
    ear = Ear(connection)
    refresher = Refresher(ear, chain, NOW, Settings({}))
    refresher.plan()
    for total in (3 + 8 + 13 + 18 + 7, 3 + 8 + 13 + 18 + 14):
        touch(connection, 3)
        refresher.changed_outside()
        refresher.refresh(chain[0])
        assert connection.execute("SELECT sum(amount) FROM room.rows WHERE thing_guid = md5('3')::UUID").fetchall() == [(total,)]
    assert sum(text.startswith("INSERT INTO kept_raw_parts_by_thing_guid") for text in ear.heard) == 2


@pytest.fixture
def connection(chain: list[Model]) -> duckdb.DuckDBPyConnection:
    """A warehouse in which the chain has been made of some rows, when all its tables were still to be made."""
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts AS SELECT i AS id, md5(CAST(i % 5 AS VARCHAR))::UUID AS thing_guid, "
                       "i AS amount FROM range(20) AS r(i)")  # fmt: skip
    run(connection, chain)
    return connection


def rows(connection: duckdb.DuckDBPyConnection) -> list[tuple]:
    return connection.execute("SELECT id, thing_guid, amount, of_amount FROM room.shares ORDER BY id").fetchall()


def anew(connection: duckdb.DuckDBPyConnection, chain: list[Model]) -> list[tuple]:
    connection.execute("DELETE FROM kernel.consumers")
    run(connection, chain)
    return rows(connection)


def test_rows_of_a_new_key_replace_none(connection: duckdb.DuckDBPyConnection, chain: list[Model]) -> None:
    touch(connection, 7)
    told = run(connection, chain)
    assert not [text for text in told if text.startswith("DELETE")]
    touch(connection, 7)  # known now
    touch(connection, 8)
    told = run(connection, chain)
    assert len([text for text in told if text.startswith("DELETE")]) == len(chain)
    assert rows(connection) == anew(connection, chain)


def test_a_key_met_by_a_run_that_was_killed_is_new_to_the_tables_it_did_not_reach(
    connection: duckdb.DuckDBPyConnection, chain: list[Model]
) -> None:
    touch(connection, 7)
    Refresher(connection, chain, NOW, Settings({})).refresh(chain[0])
    connection.execute("UPDATE raw.parts SET amount = 9 WHERE id = 107")
    connection.execute("INSERT INTO kernel.touched VALUES ('thing', md5('7')::UUID, ?)", [next_batch(connection)])
    told = run(connection, chain)
    assert [text.split()[2] for text in told if text.startswith("DELETE")] == ["room.rows"]
    assert rows(connection) == anew(connection, chain)


def test_tables_of_an_earlier_version_have_keys_that_nobody_wrote_down(
    connection: duckdb.DuckDBPyConnection, chain: list[Model]
) -> None:
    connection.execute("DROP TABLE kernel.known_tables; DROP TABLE kernel.known_thing")
    touch(connection, 3)
    told = run(connection, chain)
    assert len([text for text in told if text.startswith("DELETE")]) == len(chain)
    touch(connection, 7)  # These tables stay as they are until they are made anew.
    assert [text for text in run(connection, chain) if text.startswith("DELETE")]
    assert rows(connection) == anew(connection, chain)
    touch(connection, 9)
    assert not [text for text in run(connection, chain) if text.startswith("DELETE")]


def test_a_key_whose_rows_have_gone_may_come_back(connection: duckdb.DuckDBPyConnection, chain: list[Model]) -> None:
    connection.execute("DELETE FROM raw.parts WHERE thing_guid = md5('3')::UUID")
    connection.execute("INSERT INTO kernel.touched VALUES ('thing', md5('3')::UUID, ?)", [next_batch(connection)])
    run(connection, chain)
    touch(connection, 3)
    run(connection, chain)
    assert [row[0] for row in rows(connection) if row[0] > 19] == [103]
    assert rows(connection) == anew(connection, chain)
