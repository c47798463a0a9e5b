"""Corrections of set-aside rows: from the command line (`decisions/corrections.jsonl`) and from files in the landing folder.

A correction file (`file, row, field, value, by, why`, one cell a line) is taken in like any other file and kept as evidence.
Its rows are read again as soon as both the correction and the corrected file are there, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import duckdb

from orders_pipeline.ingest.decisions import decisions
from orders_pipeline.kernel.home import Home

ENTITY = "corrections"
_OF_FILES = """FROM raw.corrections AS c INNER JOIN raw.files AS f
    ON f.status = 'loaded'
    AND (f.path = c.file OR (length(c.file) >= 8 AND starts_with(CAST(f.file_id AS VARCHAR), lower(c.file))))"""


def corrections(connection: duckdb.DuckDBPyConnection, home: Home, file_id: str) -> dict[int, dict[str, str]]:
    """Line -> column -> value for one file; the latest correction of a cell wins, one without a time is older than any."""
    found = [
        (entry["decided_at"], "", entry["row_number"], name, value)
        for entry in decisions(home)
        if entry["kind"] == "correction" and entry["file_id"] == file_id
        for name, value in entry["set"].items()
    ]
    found += connection.execute(
        f"""SELECT coalesce(strftime(c.decided_at, '%Y-%m-%dT%H:%M:%S+00:00'), ''),
            CAST(c.file_id AS VARCHAR) || lpad(CAST(c.row_number AS VARCHAR), 12, '0'), c.row, c.field, coalesce(c.value, '')
        {_OF_FILES} WHERE f.file_id = ?""",
        [file_id],
    ).fetchall()
    out: dict[int, dict[str, str]] = {}
    for _, _, row, name, value in sorted(found, key=lambda one: one[:2]):
        out.setdefault(row, {})[name] = value
    return out


def waiting_rows(connection: duckdb.DuckDBPyConnection, fresh: Collection[str]) -> Mapping[str, list[int]]:
    """file_id -> set-aside rows for which there is a correction, as far as the file or the correction has come just now."""
    found = connection.execute(
        f"""SELECT DISTINCT CAST(f.file_id AS VARCHAR), c.row {_OF_FILES}
        INNER JOIN raw.quarantine AS q ON q.file_id = f.file_id AND q.row_number = c.row
            AND q.released_at IS NULL AND NOT q.is_held
        WHERE list_contains($fresh, CAST(f.file_id AS VARCHAR)) OR list_contains($fresh, CAST(c.file_id AS VARCHAR))
        ORDER BY ALL""",
        {"fresh": list(fresh)},
    ).fetchall()
    out: dict[str, list[int]] = {}
    for file_id, row in found:
        out.setdefault(file_id, []).append(row)
    return out
