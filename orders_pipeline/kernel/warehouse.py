"""The warehouse: one DuckDB file that only the pipeline opens, one writer at a time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.kernel.faults import Permanent, Transient, Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.sqltext import literal

#: Left to DuckDB's own choice, a 24 GB machine would give it 19: runs share the machine with Dagster and BI.
MEMORY_VARIABLE = "ORDERS_PIPELINE_MEMORY"
DEFAULT_MEMORY = "2500MB"
#: How long a run waits for another one that is writing.
WAIT_SECONDS = 60.0


def connect(path: Path | str, work: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file with the pipeline's settings: UTC session, bounded memory, no downloads.

    Raises Transient when another process holds the file.
    """
    config = {
        "memory_limit": os.environ.get(MEMORY_VARIABLE, DEFAULT_MEMORY),
        "temp_directory": str(work / "spill"),
        # A run commits a few large transactions; folding each into the file at once would write it several times.
        "checkpoint_threshold": "512MB",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise Transient(
                f"another run is writing {Path(path).name}; this one waits its turn. Try again when it has finished."
            ) from error
        raise
    connection.execute("SET TimeZone = 'UTC'")
    # DuckDB 2.0.0 loses rows when an ordered INSERT of nothing is followed by a large one into the same table in the same
    # transaction (count(*) still counts them). Order matters only while a file is read: see `in_file_order`.
    connection.execute("SET preserve_insertion_order = false")
    for statement in macro_statements():
        connection.execute(statement.replace("MACRO", "TEMP MACRO", 1))
    return connection


@contextlib.contextmanager
def open_published(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published tables, read-only, as they stand now.

    Attached under another name: in a file called orders.duckdb the schema `orders` and the catalogue `orders` would
    make `orders.orders` ambiguous. Raises Usage before the first run.
    """
    if not home.published_database.exists():
        raise Usage(f"nothing is published in {home.root} yet; start with `orders-pipeline run`")
    connection = connect(":memory:", home.work)
    try:
        connection.execute(f"ATTACH {literal(str(home.published_database))} AS published (READ_ONLY)")
        connection.execute("USE published")
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def open_warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    """The home's warehouse for one run; closed (and its write-ahead log folded in) at the end.

    Another run may hold it: this one waits its turn for up to WAIT_SECONDS, then raises Transient.
    """
    home.create()
    patience = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection = connect(home.warehouse, home.work)
            break
        except Transient:
            if time.monotonic() > patience:
                raise
            time.sleep(0.5)
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def in_file_order(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Rows keep the order in which they are read: record numbers are line numbers. Not for inserting: see `connect`."""
    connection.execute("SET preserve_insertion_order = true")
    try:
        yield
    except BaseException:
        any_order(connection)
        raise
    any_order(connection)


def any_order(connection: duckdb.DuckDBPyConnection) -> None:
    """Back to the session's own setting; left for the end of the load where a failed transaction takes no statement now."""
    with contextlib.suppress(duckdb.TransactionException):
        connection.execute("SET preserve_insertion_order = false")


@contextlib.contextmanager
def planned_as_written(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Statements are run as they are written. For a SELECT of hundreds of expressions and no join, looking for a better
    plan takes several times as long as running it on a small file, and finds none."""
    connection.execute("PRAGMA disable_optimizer")
    try:
        yield
    finally:
        connection.execute("PRAGMA enable_optimizer")


@contextlib.contextmanager
def within_memory(doing: str) -> Iterator[None]:
    """What is done here needs no more memory than there is; raises Permanent, naming it, where it does."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Permanent(
            f"{doing} takes more memory than the pipeline may use",
            remedy=f"give it more by {MEMORY_VARIABLE} (for example 8GB), and close what else uses the machine's",
        ) from error


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All or nothing: what happens inside is committed at the end, or rolled back when it raises."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def records(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
) -> list[dict[str, Any]]:
    """The rows of a query by the names of their columns: for answers a person reads, not for large tables."""
    found = connection.execute(statement, values)
    names = [d[0] for d in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def table_exists(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether `schema.table` is there."""
    schema, table = name.split(".")
    found = connection.execute(
        "SELECT 1 FROM information_schema.tables "
        "WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ?",
        [schema, table],
    ).fetchone()
    return found is not None


def tables_there(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Every `schema.table` of the warehouse, views among them."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    return {name for (name,) in rows} | views_there(connection)


def views_there(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Every `schema.view` of the warehouse."""
    rows = connection.execute(
        "SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    return {name for (name,) in rows}


def sizes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """About how many rows every `schema.table` of the warehouse has."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables() WHERE database_name = current_database()"
    ).fetchall()
    return dict(rows)


def every_column(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Column name -> DuckDB type, in order, of every `schema.table` of the warehouse."""
    rows = connection.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND NOT internal ORDER BY 1, column_index"
    ).fetchall()
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        tables.setdefault(table, {})[column] = kind
    return tables


def columns_of(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """Column name -> DuckDB type of `schema.table`, in order; empty when there is no such table."""
    schema, table = name.split(".")
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = current_database() AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [schema, table],
    ).fetchall()
    return dict(rows)


def described(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    """The same of a table that is there: asked of duckdb_columns(), it would be looked for among the columns of all tables. That
    there is none is an error, and the end of a transaction."""
    return dict(connection.execute("SELECT name, type FROM pragma_table_info(current_database() || '.' || ?)", [name]).fetchall())
