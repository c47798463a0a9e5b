"""The connection every run works on."""

from __future__ import annotations

import duckdb

from orders_pipeline.kernel.warehouse import connect, in_file_order, transaction

ROWS = 300_000


def insert_nothing_and_then_much(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """(rows a count says, rows a scan finds) after an empty insert and a large one in one transaction."""
    connection.execute("CREATE TABLE t (i BIGINT, s VARCHAR)")
    with transaction(connection):
        connection.execute(f"INSERT INTO t SELECT i, CAST(i AS VARCHAR) FROM range({ROWS}) AS r(i) WHERE i < 0")
        connection.execute(f"INSERT INTO t SELECT i, CAST(i AS VARCHAR) FROM range({ROWS}) AS r(i)")
    counted = connection.execute("SELECT count(*) FROM t").fetchall()[0][0]
    found = connection.execute("SELECT count(s) FROM t WHERE s IS NOT NULL AND strlen(s) > 0").fetchall()[0][0]
    return counted, found


def test_an_empty_insert_does_not_hide_the_rows_of_the_next(tmp_path):
    """DuckDB 2.0.0 hides them when inserts keep their order; the wms file of a large month lost nearly all its lines."""
    connection = connect(tmp_path / "w.duckdb", tmp_path)
    assert insert_nothing_and_then_much(connection) == (ROWS, ROWS)
    connection.close()


def test_files_are_read_in_their_order_and_nothing_else_is(tmp_path):
    connection = connect(tmp_path / "w.duckdb", tmp_path)
    before = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall()
    with in_file_order(connection):
        within = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall()
    after = connection.execute("SELECT current_setting('preserve_insertion_order')").fetchall()
    assert (before, within, after) == ([(False,)], [(True,)], [(False,)])
    connection.close()
