"""The ledger of files: what was taken, refused or found to be a copy, and how many rows of each became what.

Everything here is a function of the set of files, not of the order they came in: of several copies of one content the
first path (in alphabetical order) is the loaded one, and of several equal rows the oldest export's is the original.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import datetime

import duckdb

from orders_pipeline.ingest.load import Outcome
from orders_pipeline.kernel.faults import BadInput
from orders_pipeline.kernel.sqltext import quote

COLUMNS = (
    "file_id, path, source, channel, shop_id, sha256, size_bytes, encoding, status, reason, rows_read, rows_accepted, "
    "rows_quarantined, rows_repeated, rows_duplicate, exported_at, ingested_at, context"
)


def content_id(sha256: str, part: str = "") -> str:
    """file_id of a content (or of one sheet of it): the same bytes have the same id wherever they lie."""
    digest = hashlib.sha256(f"{sha256}{part}".encode()).hexdigest() if part else sha256
    return str(uuid.UUID(digest[:32]))


def copy_id(sha256: str, path: str) -> str:
    """file_id of a further copy of a content, or of a file that was refused."""
    return str(uuid.UUID(hashlib.sha256(f"{sha256}|{path}".encode()).hexdigest()[:32]))


def record_loaded(
    connection: duckdb.DuckDBPyConnection,
    file_id: str,
    path: str,
    sha256: str,
    size: int,
    encoding: str,
    outcome: Outcome,
    as_of: datetime,
) -> None:
    """Enter a file that was taken."""
    connection.execute(
        f"INSERT INTO raw.files ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'loaded', NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            file_id,
            path,
            outcome.source,
            outcome.channel,
            outcome.shop_id,
            sha256,
            size,
            encoding,
            outcome.rows_read,
            outcome.rows_accepted,
            outcome.rows_quarantined,
            outcome.rows_duplicate,
            outcome.rows_duplicate,
            outcome.exported_at,
            as_of,
            json.dumps(outcome.context, ensure_ascii=False),
        ],
    )


def refusal_id(sha256: str | None, size: int, path: str) -> str:
    """file_id of a file that was refused; one too large to be read for nothing is known by its size and place."""
    return copy_id(sha256 or f"unread {size}", path)


def forget_refusal(connection: duckdb.DuckDBPyConnection, path: str, sha256: str, size: int) -> None:
    """A file that was refused before is taken now."""
    connection.execute(
        "DELETE FROM raw.files WHERE file_id IN (?, ?)", [refusal_id(sha256, size, path), refusal_id(None, size, path)]
    )


def record_refused(
    connection: duckdb.DuckDBPyConnection, path: str, sha256: str | None, size: int, fault: BadInput, as_of: datetime
) -> str:
    """Enter a file that was not taken, with the reason and the remedy; an earlier refusal of the same file is replaced.

    Returns its file_id.
    """
    file_id = refusal_id(sha256, size, path)
    connection.execute("DELETE FROM raw.files WHERE file_id = ?", [file_id])
    connection.execute(
        f"INSERT INTO raw.files ({COLUMNS}) "
        "VALUES (?, ?, NULL, NULL, NULL, ?, ?, NULL, 'refused', ?, 0, 0, 0, 0, 0, NULL, ?, NULL)",
        [file_id, path, sha256, size, str(fault), as_of],
    )
    return file_id


def record_held(
    connection: duckdb.DuckDBPyConnection, path: str, sha256: str, size: int, why: str, as_of: datetime
) -> str | None:
    """Enter a file that waits because its channel is held; forgotten, like a refusal, when it is taken. Returns its file_id,
    None when it stands there already."""
    file_id = refusal_id(sha256, size, path)
    if connection.execute("SELECT 1 FROM raw.files WHERE file_id = ? AND status = 'held'", [file_id]).fetchall():
        return None
    connection.execute("DELETE FROM raw.files WHERE file_id = ?", [file_id])
    connection.execute(
        f"INSERT INTO raw.files ({COLUMNS}) VALUES (?, ?, NULL, NULL, NULL, ?, ?, NULL, 'held', ?, 0, 0, 0, 0, 0, NULL, ?, NULL)",
        [file_id, path, sha256, size, why, as_of],
    )
    return file_id


def record_copy(connection: duckdb.DuckDBPyConnection, file_id: str, path: str, as_of: datetime) -> None:
    """Enter a further copy of a loaded content. All its rows are duplicates; the first path becomes the loaded one."""
    first = connection.execute("SELECT path FROM raw.files WHERE file_id = ?", [file_id]).fetchall()[0][0]
    if path < first:
        connection.execute("UPDATE raw.files SET path = ? WHERE file_id = ?", [path, file_id])
        path = first
    copied = copy_id(file_id, path)
    known = connection.execute("SELECT 1 FROM raw.files WHERE file_id = ?", [copied]).fetchall()
    if known:
        return
    connection.execute(
        f"""INSERT INTO raw.files ({COLUMNS}) SELECT ?, ?, source, channel, shop_id, sha256, size_bytes, encoding,
        'duplicate', 'same content as ' || path, rows_read, 0, 0, rows_read, rows_read, exported_at, ?, context
        FROM raw.files WHERE file_id = ?""",
        [copied, path, as_of, file_id],
    )


def count_repeats(
    connection: duckdb.DuckDBPyConnection, entity: str, source: str, file_id: str, marked: bool = False, anew: bool = False
) -> None:
    """Count, for this file and those it shares rows with, the rows that an older export already had.

    `marked`: the source's repeats inside one file are counted as duplicates already; only the first of them is compared.
    `anew`: rows have left the file since it was counted, so its own count is made in any case.
    """
    others = connection.execute(
        "SELECT count(*) FROM raw.files WHERE source = ? AND status = 'loaded' AND file_id <> ?", [source, file_id]
    ).fetchall()[0][0]
    if not others and not anew:
        return
    aged = _aged(f"raw.{quote(entity)}")
    values = {"file": file_id, "source": source}
    affected = connection.execute(f"{aged} SELECT file_id FROM aged GROUP BY 1 HAVING max(age) > 1", values).fetchall()
    for one in {str(r[0]) for r in affected} | {file_id} if affected or anew else ():
        connection.execute(
            f"""UPDATE raw.files SET rows_duplicate = rows_repeated + n.older, rows_accepted =
                rows_read - rows_quarantined - rows_repeated - n.older
            FROM ({aged} SELECT count(*) AS older FROM aged
                WHERE age > 1 AND file_id = $file AND (occurrence = 1 OR NOT $marked)) n
            WHERE raw.files.file_id = $file""",
            {**values, "file": one, "marked": marked},
        )


def _aged(table: str) -> str:
    """CTEs that give `aged`: the lines a file ($file of $source) shares with any file, 1 for the oldest of equal ones.

    The second of two equal lines of a file is compared with the second ones of the others.
    """
    return f"""WITH own AS (SELECT row_hash FROM {table} WHERE source = $source AND file_id = $file),
        shared AS (SELECT DISTINCT file_id, row_number, row_hash FROM {table}
            WHERE source = $source AND row_hash IN (SELECT row_hash FROM own)),
        numbered AS (SELECT *, row_number() OVER (PARTITION BY file_id, row_hash ORDER BY row_number) AS occurrence FROM shared),
        aged AS (SELECT s.file_id, s.occurrence, row_number() OVER (PARTITION BY s.row_hash, s.occurrence
            ORDER BY f.exported_at NULLS FIRST, s.file_id, s.row_number) AS age
            FROM numbered s JOIN raw.files f ON s.file_id = f.file_id AND f.status = 'loaded')"""
