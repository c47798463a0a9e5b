"""Tables between DuckDB and Spark, as Parquet. Spark has no UUID type: guids travel as dashed lower-case text."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.through import typed

if TYPE_CHECKING:
    import pyarrow as pa

# How DuckDB types that Parquet or Spark lacks travel. HUGEINT would become a DOUBLE.
_TRAVELS_AS = {
    "UUID": "VARCHAR",
    "JSON": "VARCHAR",
    "HUGEINT": "DECIMAL(38, 0)",
    "UHUGEINT": "DECIMAL(38, 0)",
    "UBIGINT": "DECIMAL(20, 0)",
    "UINTEGER": "BIGINT",
    "USMALLINT": "INTEGER",
    "UTINYINT": "SMALLINT",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
}


def export_raw(connection: duckdb.DuckDBPyConnection, tables: Iterable[str], raw_dir: Path) -> dict[str, Path]:
    """Write DuckDB tables (`schema.table`) as Parquet folders `raw_dir/<schema.table>`, in types Spark reads right."""
    folders = {table: raw_dir / table for table in tables}
    for table, folder in folders.items():
        _export(connection, f"SELECT * FROM {table}", folder)
    return folders


def export_rows(rows: pa.Table, model: Model, folder: Path) -> None:
    """Write what a model's function has made as one of the Parquet folders of `SparkEngine.run`."""
    with duckdb.connect() as connection:
        # Not as a setting of connect(): zones are known only once the connection is there.
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows_made", rows)
        _export(connection, typed(model, "rows_made"), folder)


def _export(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    columns = ", ".join(
        f'CAST("{name}" AS {_TRAVELS_AS[kind]}) AS "{name}"' if kind in _TRAVELS_AS else f'"{name}"'
        for name, kind in _columns(connection, query)
    )
    path = str(folder / "part.parquet").replace("'", "''")
    connection.execute(f"COPY (SELECT {columns} FROM ({query})) TO '{path}' (FORMAT parquet)")


def import_results(
    connection: duckdb.DuckDBPyConnection, results: Mapping[str, Path], statements: Mapping[str, str] | None = None
) -> None:
    """Load the Parquet folders of `SparkEngine.run` into DuckDB as tables of the same names, in the order given.

    `statements` gives the DuckDB SQL of a table's model: columns get exactly the types it would give them. Without one,
    guid columns become UUID and the others keep their Parquet type.
    """
    for table, folder in results.items():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
        select = result_select(connection, folder, (statements or {}).get(table))
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS {select}")


def result_select(connection: duckdb.DuckDBPyConnection, folder: Path, statement: str | None = None) -> str:
    """The SELECT that reads a Parquet folder of `SparkEngine.run`, typed as DuckDB types the columns of `statement`.

    Without a statement: as `import_results` says.
    """
    files = "read_parquet('" + str(folder / "*.parquet").replace("'", "''") + "')"
    if statement is None:
        types = dict(_columns(connection, f"SELECT * FROM {files}"))
        types |= {name: "UUID" for name in types if name.endswith("_guid")}
    else:
        types = dict(_columns(connection, statement))
    columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types.items())
    return f"SELECT {columns} FROM {files}"


def _columns(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall()]
