"""What the tests of the whole way share: tiny homes, standard files from dicts, a run, and two homes compared row for row."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline import pipeline
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import Home
from orders_pipeline.pipeline import RunResult

Row = Mapping[str, Any]

SHARED_VARIABLE = "ORDERS_PIPELINE_SHARED"
SHARED = Path(os.environ.get(SHARED_VARIABLE) or Path(__file__).parents[2] / "shared")

#: When a file was looked at, and what earlier runs found: the only things that may differ between two ways to one state.
HISTORY_COLUMNS = {"ops.files": ["ingested_at"], "ops.quarantine": ["quarantined_at", "released_at"]}
HISTORY_TABLES = {"quality.check_results", "quality.checkup_findings", "ops.alerts"}


def new_home(root: Path) -> Home:
    """A home with its folders made."""
    return Home(root).create()


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    """A UTF-8 CSV whose header is every key of the rows, in order of first appearance; None is a blank cell."""
    header = list(dict.fromkeys(key for row in rows for key in row))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if row.get(key) is None else row[key] for key in header] for row in rows)
    return path


def land(home: Home, name: str, rows: Sequence[Row]) -> Path:
    """A file in the landing zone. Its name says nothing: files are recognised by their header."""
    return write_csv(home.landing / f"{name}.csv", rows)


def run(home: Home, as_of: str | datetime, *, full: bool = False) -> RunResult:
    """The whole way through once; a check that stands against publishing fails the test."""
    moment = parse_as_of(as_of) if isinstance(as_of, str) else as_of
    result = pipeline.run(home, moment, full=full)
    assert not result.blocked_by, [(r.check.table, r.check.name, r.sample) for r in result.blocked_by]
    return result


@contextmanager
def reader(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection, as a BI tool makes one. The file's own name is also the name of a schema in it: attached by another."""
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; ATTACH '{database}' AS book (READ_ONLY); USE book")
        yield connection


def query(home: Home, sql: str, values: Sequence[Any] = ()) -> list[tuple]:
    """Rows of a statement over the published database."""
    with reader(home.published_database) as connection:
        return connection.execute(sql, list(values)).fetchall()


def records(home: Home, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """Rows of a statement over the published database, as dicts."""
    with reader(home.published_database) as connection:
        found = connection.execute(sql, list(values))
        names = [d[0] for d in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def verdicts(home: Home) -> dict[str, tuple[str, str]]:
    """Order number -> (status, reason) of the three-way match."""
    rows = query(home, "SELECT channel_order_id, status, reason FROM reconciliation.three_way_match")
    found = {number: (status, reason) for number, status, reason in rows}
    assert len(found) == len(rows), "two rows of the match have one order number"
    return found


def public_tables(database: Path) -> list[str]:
    """`schema.table` of every published table."""
    with reader(database) as connection:
        rows = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'book'"
        ).fetchall()
    return sorted(r[0] for r in rows)


def differences(
    left: Path, right: Path, without: Mapping[str, Iterable[str]] | None = None, rows: int = 3
) -> list[str]:
    """How the published database `left` differs from `right`, table by table and row by row; empty when they are equal.

    `without` names further columns, by table (or `*`), that differ by construction; `*` instead of columns leaves a table out.
    """
    if public_tables(left) != public_tables(right):
        return [f"tables: {set(public_tables(left)) ^ set(public_tables(right))}"]
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{left}' AS a (READ_ONLY); ATTACH '{right}' AS b (READ_ONLY)")
        for table in public_tables(left):
            if table in HISTORY_TABLES or (without or {}).get(table) == "*":
                continue
            left_out = {*HISTORY_COLUMNS.get(table, ()), *(without or {}).get(table, ()), *(without or {}).get("*", ())}
            names = [r[0] for r in connection.execute(f"DESCRIBE a.{table}").fetchall() if r[0] not in left_out]
            columns = ", ".join(f'"{n}"' for n in names)
            for here, there, side in (("a", "b", "left"), ("b", "a", "right")):
                only = connection.execute(
                    f"SELECT {columns} FROM {here}.{table} EXCEPT ALL SELECT {columns} FROM {there}.{table} ORDER BY ALL"
                ).fetchall()
                found += [f"{table}, only {side}: {dict(zip(names, row, strict=True))}" for row in only[:rows]]
    return found


def same(left: Home, right: Home, without: Mapping[str, Iterable[str]] | None = None) -> None:
    """Fails, showing the rows, unless both homes have published the same."""
    found = differences(left.published_database, right.published_database, without)
    assert not found, "\n".join(found)


def fingerprints(home: Home) -> dict[str, str]:
    """Content hash of every published table, all columns; order of rows does not matter."""
    found = {}
    with reader(home.published_database) as connection:
        for table in public_tables(home.published_database):
            found[table] = connection.execute(
                f"SELECT count(*) || ':' || coalesce(sum(hash(t)), 0) FROM {table} AS t"
            ).fetchall()[0][0]
    return found
