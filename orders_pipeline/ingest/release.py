"""Set-aside rows read again, with the corrections made since, exactly as if their file had held them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import canonical_header
from orders_pipeline.ingest import quarantine
from orders_pipeline.ingest.corrections import corrections
from orders_pipeline.ingest.insert import insert_blocks
from orders_pipeline.ingest.load import Load, mapper_from_context, stage_rows
from orders_pipeline.ingest.recognise import bind
from orders_pipeline.kernel.home import Home


def read_again(
    connection: duckdb.DuckDBPyConnection, load: Load, home: Home, file_id: str, wanted: Sequence[int]
) -> tuple[int, int]:
    """(released, kept) of rows of one file and their families, inside the caller's transaction.

    Rows that are right now stand in the raw tables under their own file and line; the others stay, with the new reason.
    """
    family = connection.execute(
        """WITH aside AS (SELECT row_number, family, raw FROM raw.quarantine
            WHERE file_id = $file AND released_at IS NULL AND NOT is_held),
        asked AS (SELECT row_number, family FROM aside WHERE list_contains($rows, row_number))
        SELECT row_number, raw FROM aside WHERE row_number IN (SELECT row_number FROM asked)
            OR family IN (SELECT family FROM asked WHERE family IS NOT NULL) ORDER BY row_number""",
        {"file": file_id, "rows": list(wanted)},
    ).fetchall()
    if not family:
        return 0, 0
    source, context, exported_at = connection.execute(
        "SELECT source, context, exported_at FROM raw.files WHERE file_id = ?", [file_id]
    ).fetchall()[0]
    names, rows = _corrected(connection, home, file_id, family)
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


def _corrected(
    connection: duckdb.DuckDBPyConnection, home: Home, file_id: str, family: Sequence[tuple[int, str]]
) -> tuple[list[str], list[list[Any]]]:
    fixes = corrections(connection, home, file_id)
    cells: list[Mapping[str, Any]] = [{**json.loads(raw), **fixes.get(row, {})} for row, raw in family]
    # Rows without readable structure have no columns of their own: they take those of their file.
    names = list(dict.fromkeys(name for row in cells for name in row))
    return names, [[row, *(c.get(n) or None for n in names)] for (row, _), c in zip(family, cells, strict=True)]


def _write_desk(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE desk (line BIGINT, {', '.join(f'{c} VARCHAR' for c in columns)})")
    connection.executemany(f"INSERT INTO desk VALUES ({', '.join('?' * (len(columns) + 1))})", [list(r) for r in rows])
