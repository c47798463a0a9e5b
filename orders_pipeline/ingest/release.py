"""Set-aside rows read again, with the corrections made since, exactly as if their file had held them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import canonical_header
from orders_pipeline.ingest import quarantine
from orders_pipeline.ingest.decisions import corrections
from orders_pipeline.ingest.load import Load, insert_blocks, mapper_from_context, stage_rows
from orders_pipeline.ingest.recognise import bind
from orders_pipeline.kernel.home import Home


def read_again(connection: duckdb.DuckDBPyConnection, load: Load, home: Home, file_id: str, row: int) -> tuple[int, int]:
    """(released, kept) of a row and its family, inside the caller's transaction.

    Rows that are right now stand in the raw tables under their own file and line; the others stay, with the new reason.
    """
    found = connection.execute(
        "SELECT family FROM raw.quarantine WHERE file_id = ? AND row_number = ? AND released_at IS NULL AND NOT is_held",
        [file_id, row],
    ).fetchall()
    if not found:
        return 0, 0
    family = connection.execute(
        "SELECT row_number, raw FROM raw.quarantine WHERE file_id = ? AND released_at IS NULL AND NOT is_held "
        "AND (row_number = ? OR family = ?) ORDER BY row_number",
        [file_id, row, found[0][0]],
    ).fetchall()
    source, context, exported_at = connection.execute(
        "SELECT source, context, exported_at FROM raw.files WHERE file_id = ?", [file_id]
    ).fetchall()[0]
    names, rows = _corrected(home, file_id, family)
    columns = [f"c{i}" for i in range(len(names))]
    _write_desk(connection, columns, rows)
    spec = load.dictionary.sources[source]
    binding = {h: f"c{i}" for h, i in bind(spec, [canonical_header(n) for n in names]).items()}
    mapper = mapper_from_context(connection, load, spec, binding, json.loads(context))
    stage_rows(connection, mapper, "desk", columns)
    connection.execute(
        "UPDATE raw.quarantine SET released_at = ? WHERE file_id = ? AND released_at IS NULL AND NOT is_held AND row_number IN "
        "(SELECT line FROM desk)",
        [load.as_of, file_id],
    )
    insert_blocks(connection, load, mapper, file_id, exported_at)
    raw_sql = f"SELECT rowid AS record, {', '.join(columns)} FROM desk"
    kept = quarantine.set_aside(connection, mapper, file_id, names, raw_sql, load.as_of)
    # A row that still has a fault stands in quarantine once, with the reason it has now.
    connection.execute(
        "DELETE FROM raw.quarantine WHERE file_id = $file AND released_at IS NOT NULL AND row_number IN "
        "(SELECT row_number FROM raw.quarantine WHERE file_id = $file AND released_at IS NULL)",
        {"file": file_id},
    )
    released = len(family) - kept
    connection.execute(
        "UPDATE raw.files SET rows_quarantined = rows_quarantined - ?, rows_accepted = rows_accepted + ? WHERE file_id = ?",
        [released, released, file_id],
    )
    return released, kept


def _corrected(home: Home, file_id: str, family: Sequence[tuple[int, str]]) -> tuple[list[str], list[list[Any]]]:
    fixes = corrections(home)
    cells: list[Mapping[str, Any]] = [{**json.loads(raw), **fixes.get((file_id, row), {})} for row, raw in family]
    names = list(cells[0])
    return names, [[row, *(c.get(n) or None for n in names)] for (row, _), c in zip(family, cells, strict=True)]


def _write_desk(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE desk (line BIGINT, {', '.join(f'{c} VARCHAR' for c in columns)})")
    connection.executemany(f"INSERT INTO desk VALUES ({', '.join('?' * (len(columns) + 1))})", [list(r) for r in rows])
