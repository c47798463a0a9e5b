"""Rows appended in a batch or later lie behind the place that is told, whatever was deleted or moved in between."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders_pipeline.kernel import appended
from orders_pipeline.kernel.appended import Appended

#: One of DuckDB's blocks of rows.
BLOCK = 122_880


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("appended") / "warehouse.duckdb"


def opened(file: Path, *, merges: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(file), config={"threads": 2})
    connection.execute("SET preserve_insertion_order = false")
    if not merges:
        connection.execute("SET max_vacuum_tasks = 0")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS kernel; {appended.STATE}")
    return connection


class Book:
    """A table of rows that know their batch, and what is written down of it."""

    def __init__(self, file: Path, merges: bool) -> None:
        file.unlink(missing_ok=True)
        self.file, self.merges, self.batch = file, merges, 0
        self.connection = opened(file, merges=merges)
        self.connection.execute("CREATE TABLE rows (batch BIGINT, n BIGINT, key UUID)")

    def append(self, rows: int) -> None:
        self.batch += 1
        ends = Appended(self.connection)
        self.connection.execute("BEGIN TRANSACTION")
        made = self.connection.execute("INSERT INTO rows SELECT ?, range, uuid() FROM range(?)", [self.batch, rows]).fetchall()
        ends.note("rows", self.batch, made[0][0])
        self.connection.execute("COMMIT")

    def append_in_vain(self, rows: int) -> None:
        self.connection.execute("BEGIN TRANSACTION")
        self.connection.execute("INSERT INTO rows SELECT 0, range, uuid() FROM range(?)", [rows])
        self.connection.execute("ROLLBACK")

    def append_unnoted_first(self, rows: int) -> None:
        """Rows from before anything was written down."""
        if not self.batch:
            self.connection.execute("INSERT INTO rows SELECT 0, range, uuid() FROM range(?)", [rows])

    def make_anew(self, rows: int) -> None:
        self.batch += 1
        ends = Appended(self.connection)
        self.connection.execute("BEGIN TRANSACTION")
        self.connection.execute(
            "CREATE OR REPLACE TABLE rows AS SELECT CAST(? AS BIGINT) AS batch, range AS n, uuid() AS key FROM range(?)",
            [self.batch, rows],
        )
        ends.note("rows", self.batch, rows, anew=True)
        self.connection.execute("COMMIT")

    def delete(self, batches: range, share: int) -> None:
        self.connection.execute("DELETE FROM rows WHERE batch >= ? AND batch < ? AND n % 5 < ?", [batches[0], batches[-1], share])

    def close_and_open(self) -> None:
        self.connection.close()
        self.connection = opened(self.file, merges=self.merges)

    def check(self) -> None:
        """No row of a batch or a later one lies before the place told for it."""
        count = self.connection.execute("SELECT count(*) FROM rows").fetchall()[0][0]
        ends = Appended(self.connection)
        for batch in range(1, self.batch + 1):
            begin = ends.begin("rows", batch, count)
            found = self.connection.execute("SELECT min(rowid) FROM rows WHERE batch >= ?", [batch]).fetchall()[0][0]
            assert found is None or begin <= found, (batch, begin, found)


ROWS = st.one_of(st.integers(0, 50), st.integers(BLOCK - 10, BLOCK + 10), st.integers(0, 3 * BLOCK))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), ROWS),
        st.tuples(st.just("append"), st.integers(0, 2000)),
        st.tuples(st.just("append_in_vain"), ROWS),
        st.tuples(st.just("append_unnoted_first"), ROWS),
        st.tuples(st.just("make_anew"), ROWS),
        st.tuples(st.just("delete"), st.integers(0, 6), st.integers(2, 9), st.integers(1, 5)),
        st.tuples(st.just("checkpoint")),
        st.tuples(st.just("close_and_open")),
    ),
    min_size=4,
    max_size=16,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, merges=st.booleans())
def test_later_rows_lie_behind(file: Path, steps: list[tuple], merges: bool) -> None:
    book = Book(file, merges)
    for what, *values in steps:
        if what == "checkpoint":
            book.connection.execute("CHECKPOINT")
        elif what == "delete":
            first, length, share = values
            book.delete(range(first, first + length), share)
        else:
            getattr(book, what)(*values)
        book.check()
    book.connection.close()


def test_the_end_is_short_where_little_was_appended_since(file: Path) -> None:
    book = Book(file, merges=True)
    book.make_anew(300_000)
    for rows in (10, 20, 30):
        book.append(rows)
    ends = Appended(book.connection)
    assert [ends.begin("rows", batch, 300_060) for batch in (1, 2, 3, 4, 5)] == [0, 300_000, 300_010, 300_030, 300_060]
    ends.note("rows", 5, 7)
    assert ends.begin("rows", 4, 300_067) == 300_030
    book.delete(range(1, 3), 1)  # A fifth of the first batch: what is left of it may lie that much further in front.
    assert Appended(book.connection).begin("rows", 4, 240_067) == 240_030
    assert Appended(book.connection).begin("other", 4, 10) == 0
    book.connection.close()


def test_what_came_before_the_first_entry_lies_before_it(file: Path) -> None:
    book = Book(file, merges=True)
    book.connection.execute("INSERT INTO rows SELECT 0, range, uuid() FROM range(1000)")
    book.append_in_vain(7)
    book.append(5)
    ends = Appended(book.connection)
    assert [ends.begin("rows", batch, 1005) for batch in (0, 1, 2)] == [0, 1000, 1005]
    book.connection.close()


def test_a_table_given_rows_twice_in_its_first_run_is_written_down_once(file: Path) -> None:
    book = Book(file, merges=True)
    book.connection.execute("INSERT INTO rows SELECT 0, range, uuid() FROM range(1000)")
    ends = Appended(book.connection)
    for rows in (5, 6):
        book.connection.execute("INSERT INTO rows SELECT 3, range, uuid() FROM range(?)", [rows])
        ends.note("rows", 3, rows)
        assert ends.begin("rows", 3, 1000 + rows) == 0, "relied on from the next run on"
    assert Appended(book.connection).begin("rows", 3, 1011) == 1000
    book.connection.close()


def test_entries_are_folded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appended, "ENTRIES_MOST", 10)
    monkeypatch.setattr(appended, "BATCHES_KEPT", 3)
    book = Book(file, merges=True)
    for rows in range(1, 21):
        book.append(rows)
    entries = book.connection.execute("SELECT batch, row_count FROM kernel.appended ORDER BY ALL").fetchall()
    assert len(entries) <= 11
    assert sum(rows for _, rows in entries) == 210
    book.check()
    book.connection.close()
