"""A table that does not fit into the memory at once is made range of keys by range of keys: the same rows, or a clear word."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pytest

from orders_pipeline.kernel import refresh
from orders_pipeline.kernel.faults import Permanent
from orders_pipeline.kernel.models import WHOLE, Model, read_model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUMS = """-- grain: thing_guid
-- refresh: {refresh}
-- lookup: raw.rates
-- Sums.
SELECT p.thing_guid, sum(p.amount * r.rate) AS amount FROM raw.parts AS p CROSS JOIN raw.rates AS r GROUP BY p.thing_guid
"""
#: The ends of the first and of the last range among them, and a row without a key.
KEYS = [None, 0, 1, 2**124 - 1, 2**124, 2**127, 2**128 - 1]


class Scarce:
    """A connection that has no memory for the first so many statements that write the table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, fails: int) -> None:
        self.connection, self.fails, self.written = connection, fails, 0

    def execute(self, statement: str, *values: object) -> object:
        if statement.startswith(("CREATE OR REPLACE TABLE room.", "INSERT INTO room.")):
            self.written += 1
            if self.fails:
                self.fails -= 1
                raise duckdb.OutOfMemoryException("no memory left")
        return self.connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)


def made(tmp_path: Path, fails: int, how: str = "thing by thing_guid") -> tuple[Scarce, Model, Refresher]:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "sums.sql").write_text(SUMS.format(refresh=how), encoding="utf-8")
    model = read_model(tmp_path / "room" / "sums.sql")
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.rates AS SELECT 3 AS rate, CAST(NULL AS UUID) AS thing_guid")
    connection.execute("CREATE TABLE raw.parts (thing_guid UUID, amount INTEGER)")
    for number, key in enumerate(KEYS):
        connection.execute("INSERT INTO raw.parts VALUES ($1, $2), ($1, 1)", [key if key is None else UUID(int=key), number])
    scarce = Scarce(connection, fails)
    refresher = Refresher(scarce, [model], NOW, Settings({}))
    refresher.plan()
    return scarce, model, refresher


@pytest.mark.parametrize(("fails", "statements"), [(0, 1), (1, 1 + 8), (2, 2 + 64), (3, 3 + 512)])
def test_the_parts_give_what_the_whole_gives(tmp_path: Path, fails: int, statements: int) -> None:
    scarce, model, refresher = made(tmp_path, fails)
    assert refresher.refresh(model).rows == len(KEYS)
    assert scarce.written == statements
    rows = scarce.execute("SELECT thing_guid, amount FROM room.sums ORDER BY thing_guid NULLS FIRST").fetchall()
    assert rows == [(k if k is None else UUID(int=k), 3 * (n + 1)) for n, k in enumerate(KEYS)]
    assert refresher.refresh(model).how == "current"


def test_what_is_large_is_made_in_parts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "PART_ROWS", 5)
    scarce, model, refresher = made(tmp_path, 0)
    assert refresher.refresh(model).rows == len(KEYS)
    assert scarce.written == 3  # 14 rows


def test_what_fits_in_no_way_is_told_and_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    scarce, model, refresher = made(tmp_path, 0)
    refresher.refresh(model)
    scarce.fails = 10
    refresher.plan(full=True)
    with pytest.raises(Permanent, match=r"room\.sums: making it takes more memory.*ORDERS_PIPELINE_MEMORY"):
        refresher.refresh(model)
    assert scarce.execute("SELECT count(*) FROM room.sums").fetchall() == [(len(KEYS),)]


def test_a_table_that_is_made_whole_has_no_parts(tmp_path: Path) -> None:
    _, model, refresher = made(tmp_path, 1, WHOLE)
    with pytest.raises(Permanent, match=r"room\.sums"):
        refresher.refresh(model)
