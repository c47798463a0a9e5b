"""The clerk's desk: look at the ledger and at what was set aside, correct it, and have it read again.

A correction is a decision: it is kept in `decisions/corrections.jsonl` with its author and reason, and is applied again
whenever the file is read anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from orders_pipeline.ingest.decisions import corrections, decide
from orders_pipeline.ingest.families import reunite
from orders_pipeline.ingest.intake import Taker
from orders_pipeline.ingest.load import clean_up
from orders_pipeline.ingest.release import read_again
from orders_pipeline.ingest.touched import touch
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.warehouse import open_warehouse, table_exists, transaction


@dataclass(frozen=True)
class Release:
    """What came of reading set-aside rows again."""

    released: int
    kept: int
    text: str


@contextmanager
def _desk(home: Home):
    if not home.warehouse.exists():
        raise Usage(f"{home.root} has no warehouse yet; start with `orders-pipeline run --home {home.root}`")
    with open_warehouse(home) as connection:
        if not table_exists(connection, "raw.files"):
            raise Usage(f"nothing has been loaded into {home.root} yet; start with `orders-pipeline run`")
        yield connection


def _rows(connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    found = connection.execute(statement, list(values))
    names = [d[0] for d in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def files(home: Home, status: str | None = None) -> list[dict[str, Any]]:
    """The ledger, by path."""
    with _desk(home) as connection:
        return _rows(
            connection,
            "SELECT CAST(file_id AS VARCHAR) AS file_id, path, source, channel, shop_id, encoding, status, reason, rows_read, "
            "rows_accepted, rows_quarantined, rows_duplicate, exported_at, ingested_at FROM raw.files "
            "WHERE ? IS NULL OR status = ? ORDER BY path",
            [status, status],
        )


def quarantined(home: Home, reason: str | None = None) -> list[dict[str, Any]]:
    """What is set aside and not yet released, without the rows' texts."""
    with _desk(home) as connection:
        return _rows(
            connection,
            "SELECT CAST(q.file_id AS VARCHAR) AS file_id, q.row_number, f.path, q.entity, q.reason, q.field, q.detail, "
            "q.quarantined_at FROM raw.quarantine q LEFT JOIN raw.files f ON q.file_id = f.file_id "
            "WHERE q.released_at IS NULL AND (? IS NULL OR q.reason = ?) ORDER BY f.path, q.row_number",
            [reason, reason],
        )


def show(home: Home, file_id: str, row: int) -> str:
    """One set-aside row for a person: what is wrong, what the rule wanted, and every cell."""
    with _desk(home) as connection:
        found = _find(connection, file_id, row)
        cells = json.loads(found["raw"])
        fixes = corrections(home).get((str(found["file_id"]), row), {})
    lines = [
        f"file    {found['path']}",
        f"line    {row}",
        f"entity  {found['entity']}",
        f"reason  {found['reason']}" + (f" ({found['field']})" if found["field"] else ""),
        f"wanted  {found['detail']}",
        f"family  {found['family'] or '-'}",
        "",
        "cells",
    ]
    width = max((len(name) for name in cells), default=0)
    for name, value in cells.items():
        note = f"   -> {fixes[name]}" if name in fixes else ""
        lines.append(f"  {name:<{width}}  {value if value is not None else ''}{note}")
    lines += [
        "",
        f"mend it:    orders-pipeline quarantine fix {str(found['file_id'])[:8]} {row} --set COLUMN=VALUE --by NAME --why TEXT",
        f"then:       orders-pipeline quarantine release {str(found['file_id'])[:8]} {row} --by NAME --why TEXT",
    ]
    return "\n".join(lines)


def _find(connection: duckdb.DuckDBPyConnection, file_id: str, row: int) -> dict[str, Any]:
    found = _rows(
        connection,
        "SELECT q.*, f.path, f.source FROM raw.quarantine q JOIN raw.files f ON q.file_id = f.file_id "
        "WHERE starts_with(CAST(q.file_id AS VARCHAR), ?) AND q.row_number = ? AND q.released_at IS NULL",
        [file_id.lower(), row],
    )
    if len({r["file_id"] for r in found}) > 1:
        raise Usage(f"'{file_id}' is the beginning of several file ids; give more of it")
    if not found:
        raise Usage(f"no row {row} of file {file_id} is in quarantine; `orders-pipeline quarantine list` shows what is")
    return found[0]


def fix(home: Home, file_id: str, row: int, changes: Mapping[str, str], by: str, why: str) -> str:
    """Keep a correction of cells of a row. Raises Usage for a column the file does not have."""
    with _desk(home) as connection:
        found = _find(connection, file_id, row)
    cells = json.loads(found["raw"])
    for name in changes:
        if name not in cells:
            raise Usage(f"the file has no column '{name}'; it has {', '.join(cells)}")
    decide(home, "correction", str(found["file_id"]), found["path"], row, by, why, set=dict(changes))
    return (
        f"kept: {len(changes)} cell(s) of line {row} of {found['path']} corrected by {by}. Release the row to have it read again."
    )


def release(home: Home, file_id: str, row: int, by: str, why: str, as_of: datetime) -> Release:
    """Read a row and its family again, with the corrections made since, exactly as if the file had held them.

    Rows that are right now are in the raw tables under their own file and line; the next run builds them in. Rows that
    still have a fault stay, with the new reason.
    """
    with _desk(home) as connection:
        found = _find(connection, file_id, row)
        taker = Taker(connection, home, load_settings(home.settings_file), as_of)
        whole = str(found["file_id"])
        source = taker.dictionary.sources[found["source"]]
        try:
            with transaction(connection):
                released, kept = read_again(connection, taker.load, home, whole, row)
                touch(connection, taker.dictionary, {b.entity for b in source.blocks}, whole)
                reunite(connection, taker.dictionary)
        finally:
            clean_up(connection)
    decide(home, "release", whole, found["path"], row, by, why)
    text = f"{released} row(s) of {found['path']} released; `orders-pipeline run` brings them into the tables"
    if kept:
        text = f"{kept} row(s) still have a fault: see `orders-pipeline quarantine list`; {text}"
    return Release(released, kept, text)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned text; wide characters count as two, as terminals show them."""
    cells = [[str(r.get(c) if r.get(c) is not None else "") for c in columns] for r in rows]
    if not cells:
        return "nothing to show"
    widths = [max(_width(c), *(_width(line[i]) for line in cells)) for i, c in enumerate(columns)]
    lines = [list(columns), ["-" * w for w in widths], *cells]
    return "\n".join("  ".join(v + " " * (w - _width(v)) for v, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _width(text: str) -> int:
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(ch) in "WF" else 1 for ch in text)
