"""DuckDB reads a normalised body: relation text, loading with verification, and what it rejected."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_pipeline.ingest.read.limits import MIB
from orders_pipeline.ingest.read.model import BrokenRow, NormalisedCsv
from orders_pipeline.ingest.read.repair import too_many
from orders_pipeline.kernel.faults import BadInput
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.sqltext import quote as identifier

if TYPE_CHECKING:
    import duckdb

LINE_COLUMN = "line"
_REJECTS = 400_000
_COUNTED = re.compile(r"Found: (\d+)")


@dataclass(frozen=True)
class Loaded:
    """A body in a DuckDB table: rows, broken rows, and the SQL expression of a row's physical line in that table."""

    rows: int
    broken: list[BrokenRow]
    line_sql: str
    csv: NormalisedCsv


def read_csv_sql(csv: NormalisedCsv, columns: Sequence[str] | None = None, *, rejects: str | None = None) -> str:
    """The relation to select from: ``line`` (BIGINT, only when ``csv.numbered``), then one VARCHAR per column.

    ``columns`` names the columns (default ``c0`` … ``cn``). Empty cells, quoted or not, are NULL. With ``rejects``
    (a name) rows that break the structure go to the temporary table ``<name>_errors`` instead of raising; without it
    they raise. Rows keep the order of the file, so ``rowid`` of a table created from this is the record number.
    """
    names = list(columns) if columns is not None else csv.columns
    if csv.parquet:
        return _parquet_sql(csv, names)
    types = [f"{literal(LINE_COLUMN)}: 'BIGINT'"] if csv.numbered else []
    types += [f"{literal(name)}: 'VARCHAR'" for name in names]
    quote = literal(csv.dialect.quote)
    options = {
        "columns": "{" + ", ".join(types) + "}",
        "auto_detect": "false",
        "header": "false",
        "skip": str(csv.skip),
        "delim": literal(csv.dialect.delimiter),
        "quote": quote,
        "escape": quote,
        "comment": "''",
        "strict_mode": "true",
        "max_line_size": str(max(2 * MIB, csv.longest_bytes + MIB)),
    }
    if csv.has_quoted_newlines:
        options["parallel"] = "false"
    if rejects:
        options["store_rejects"] = "true"
        options["rejects_table"] = literal(f"{rejects}_errors")
        options["rejects_scan"] = literal(f"{rejects}_scans")
        options["rejects_limit"] = str(_REJECTS if csv.numbered else 100)
    return f"read_csv({literal(str(csv.path))}, " + ", ".join(f"{k} = {v}" for k, v in options.items()) + ")"


def _parquet_sql(csv: NormalisedCsv, names: list[str]) -> str:
    cells = []
    for source, kind, name in zip(csv.column_names, csv.column_types, names, strict=True):
        text = f"CAST({identifier(source)} AS VARCHAR)"
        if kind in ("DOUBLE", "FLOAT"):  # whole numbers without .0
            text = f"regexp_replace({text}, '\\.0$', '')"
        elif kind == "BOOLEAN":
            text = f"upper({text})"
        cells.append(f"nullif({text}, '') AS {identifier(name)}")
    path = literal(str(csv.path))
    selected = ", ".join([f"file_row_number + 1 AS {LINE_COLUMN}", *cells])
    return f"(SELECT {selected} FROM read_parquet({path}, file_row_number = true))"


def load_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    csv: NormalisedCsv,
    *,
    temporary: bool = False,
    shape: Callable[[str], str] | None = None,
) -> Loaded:
    """Create (or replace) the temporary ``table`` from the body and prove that no row was lost on the way.

    DuckDB's fast reader goes first. If it rejects a row, or returns any other number of rows than the text has
    lines, the body is rewritten with line numbers (`repair`) and read again; what DuckDB then rejects comes back in
    ``broken``, provided that accepted and rejected rows add up. If they do not, every record is checked in Python.
    ``table`` is SQL text (quote it where needed). Call it outside a transaction: a first attempt
    that fails would abort yours. ``preserve_insertion_order`` must be on (DuckDB's default).

    ``shape`` turns the relation into the SELECT whose rows are kept (one per record, ``line`` passed on where the relation
    has it), so that cells can be cleaned while they are read.

    Copies made on the way are deleted; ``csv`` itself and the body that was read in the end (``Loaded.csv``: rows that are set
    aside are looked up in it) are the caller's to `discard`.

    Raises `BadInput` ``csv_unreadable`` or ``rows_unaccounted`` when even the rewritten body can not be read in full,
    and ``too_many_broken_rows``.
    """
    given = csv
    while True:
        attempt = _try_load(connection, table, csv, "TEMPORARY " if temporary else "", shape)
        if not attempt.problem:
            break
        if csv.renumber is None:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            if csv is not given:
                csv.path.unlink(missing_ok=True)
            raise BadInput(
                f"the rows can not be read in full: {attempt.problem}",
                reason="csv_unreadable" if attempt.failed else "rows_unaccounted",
                remedy="export the file again, or report it with this message",
            )
        following = csv.renumber()
        if csv is not given:
            csv.path.unlink(missing_ok=True)
        csv = following
    broken = sorted([*csv.broken, *attempt.broken], key=lambda row: row.line)
    if len(broken) > csv.limits.broken_rows:
        if csv is not given:
            csv.path.unlink(missing_ok=True)
        raise too_many(broken[0].line, broken[0].detail)
    line_sql = LINE_COLUMN if csv.numbered else f"(rowid + {csv.first_data_line})"
    return Loaded(attempt.rows, broken, line_sql, csv)


@dataclass(frozen=True)
class _Attempt:
    rows: int = 0
    broken: tuple[BrokenRow, ...] = ()
    problem: str = ""
    failed: bool = False


def _try_load(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    csv: NormalisedCsv,
    kind: str,
    shape: Callable[[str], str] | None,
) -> _Attempt:
    import duckdb  # 60 ms, and only needed once a file is really read

    name = f"rejects_{os.urandom(4).hex()}"
    relation = read_csv_sql(csv, rejects=None if csv.parquet else name)
    try:
        selected = shape(relation) if shape else f"SELECT * FROM {relation}"
        connection.execute(f"CREATE OR REPLACE {kind}TABLE {table} AS {selected}")
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
        rejected = [] if csv.parquet else _rejected(connection, name, csv)
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException) as error:
        return _Attempt(problem=str(error).strip().split("\n")[0], failed=True)
    finally:
        for suffix in ("errors", "scans"):
            connection.execute(f"DROP TABLE IF EXISTS {name}_{suffix}")
    if rejected and not csv.numbered:
        return _Attempt(problem="some rows are broken")
    if rows + len(rejected) != csv.expected_rows:
        seen = f"{rows:,} rows and {len(rejected):,} broken ones"
        return _Attempt(problem=f"{seen} where the text has {csv.expected_rows:,}")
    return _Attempt(rows, tuple(rejected))


_REASONS = {
    "MISSING COLUMNS": "missing_columns",
    "TOO MANY COLUMNS": "too_many_columns",
    "UNQUOTED VALUE": "text_after_quote",
}


def _rejected(connection: duckdb.DuckDBPyConnection, name: str, csv: NormalisedCsv) -> list[BrokenRow]:
    """One broken row per rejected record; its line is the number that the copy carries in front."""
    found = connection.execute(
        f"SELECT line, any_value(error_type ORDER BY column_idx), any_value(error_message ORDER BY column_idx),"
        f" any_value(csv_line) FROM {name}_errors GROUP BY line ORDER BY line"
    ).fetchall()
    if not csv.numbered:
        return [BrokenRow(line, "", "", "") for line, *_ in found]
    rows = []
    for _, kind, message, text in found:
        number, _, raw = (text or "").partition(csv.dialect.delimiter)
        if not number.isdigit():
            continue  # not a record of ours: the sums will not add up, and every record is checked instead
        kept = raw.rstrip("\n")[: csv.limits.raw_chars]
        rows.append(BrokenRow(int(number), _REASONS.get(kind, "unreadable"), _detail(message, csv), kept))
    return rows


def _detail(message: str, csv: NormalisedCsv) -> str:
    first = message.strip().split("\n")[0]
    found = _COUNTED.search(first)
    return f"{int(found[1]) - 1} cells where the header has {csv.columns_count}" if found else first
