"""The third floor: every table the run makes, and nothing but the making of them.

The first two floors write by hand what answers thirteen questions. This one writes all tables of the house: the files read as
text and kept (as the second floor keeps them), the typed rows written, and then every model's own SELECT, one after the other,
as one script in bare DuckDB. So what stands between it and a run is the house alone: recognising files, verifying that no row
was lost, quarantine, control totals, history and touched keys, checks, alerts, the published file and its Parquet.

The typed rows are copied from a home that has read the same files: their casts are not paid for, so this floor is a little too
low rather than too high. The tables are held against those of the home.

    python -m benchmarks.every_table LANDING OUT.duckdb 2026-02-21T12:00:00+08:00 HOME [--compare]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from datetime import datetime
from pathlib import Path

import duckdb

from benchmarks.floor import STEPS, filled, keep_rows, transcode
from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.models import EXTERNAL_SCHEMAS
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.statements import statement
from orders_pipeline.kernel.through import select_of


def build(landing: Path, target: Path, as_of: datetime, home: Home) -> None:
    """Write every table of the files below `landing` to the DuckDB file `target`, as they stand at `as_of`; `home` has read them."""
    relations = tomllib.loads((STEPS / "files.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir=target.parent) as utf8, duckdb.connect(str(target)) as connection:
        connection.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
        transcode(landing, Path(utf8))
        places = {"{utf8}": utf8, "{landing}": str(landing)}
        keep_rows(connection, target.with_suffix(".raw.duckdb"), {n: filled(r, places) for n, r in relations.items()})
        _typed_rows(connection, home)
        _models(connection, home, as_of)
        connection.execute("CHECKPOINT")


def _typed_rows(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """What no model makes: the rows as standard fields, and the reference tables."""
    connection.execute(f"ATTACH {literal(str(home.warehouse))} AS home (READ_ONLY)")
    for schema, table in _tables(connection, "home"):
        if schema in EXTERNAL_SCHEMAS:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            connection.execute(f"CREATE TABLE {schema}.{table} AS FROM home.{schema}.{table}")
    connection.execute("DETACH home")


def _models(connection: duckdb.DuckDBPyConnection, home: Home, as_of: datetime) -> None:
    thresholds = load_settings(home.settings_file).thresholds
    for text in macro_statements():
        connection.execute(text.replace("MACRO", "TEMP MACRO", 1))
    for model in pipeline.models():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {model.room}")
        made = select_of(connection, model, statement(model, as_of, thresholds))
        connection.execute(f"CREATE {'VIEW' if model.is_view else 'TABLE'} {model.name} AS {made}")


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> list[tuple[str, str]]:
    found = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? AND NOT temporary ORDER BY ALL"
    return connection.execute(found, [database]).fetchall()


def differences(target: Path, home: Home) -> list[str]:
    """One line for each table whose rows are not those of the home; empty when all are."""
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for text in macro_statements():
            connection.execute(text.replace("MACRO", "TEMP MACRO", 1))
        for name, path in (("bare", target), ("home", home.warehouse)):
            connection.execute(f"ATTACH {literal(str(path))} AS {name} (READ_ONLY)")
        for model in pipeline.models():
            if model.is_view:
                continue  # its inputs are compared
            rows = [
                connection.execute(f"SELECT count(*), sum(hash(t)) FROM {name}.{model.name} AS t").fetchall()
                for name in ("bare", "home")
            ]
            if rows[0] != rows[1]:
                found.append(f"{model.name}: (rows, sum of hashes) {rows[0][0]} here, {rows[1][0]} in the home")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.every_table", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("landing", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("as_of", type=datetime.fromisoformat)
    parser.add_argument("home", type=Path)
    parser.add_argument("--compare", action="store_true", help="make nothing: say which tables there differ from the home's")
    options = parser.parse_args()
    home = Home(options.home)
    if not options.compare:
        build(options.landing, options.target, options.as_of, home)
        return 0
    found = differences(options.target, home)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
