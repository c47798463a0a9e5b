"""The clerk's desk: look at the ledger and at what was set aside, correct it, and have it read again.

A correction is a decision: it is kept with its author and reason, in `decisions/corrections.jsonl` or as a correction file in
the landing folder, and is applied again whenever the corrected file is read anew.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.corrections import ENTITY, corrections
from orders_pipeline.ingest.decisions import decide
from orders_pipeline.ingest.intake import Taker
from orders_pipeline.ingest.read.scan import sha256_of
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.warehouse import open_warehouse, records, table_exists


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


def files(home: Home, status: str | None = None) -> list[dict[str, Any]]:
    """The ledger, by path."""
    with _desk(home) as connection:
        return records(
            connection,
            "SELECT CAST(file_id AS VARCHAR) AS file_id, path, source, channel, shop_id, encoding, status, reason, rows_read, "
            "rows_accepted, rows_quarantined, rows_duplicate, exported_at, ingested_at FROM raw.files "
            "WHERE ? IS NULL OR status = ? ORDER BY path",
            [status, status],
        )


def quarantined(home: Home, reason: str | None = None) -> list[dict[str, Any]]:
    """What is set aside and not yet released, without the rows' texts."""
    with _desk(home) as connection:
        return records(
            connection,
            "SELECT CAST(q.file_id AS VARCHAR) AS file_id, q.row_number, f.path, q.entity, q.reason, q.field, q.detail, "
            "q.quarantined_at FROM raw.quarantine q LEFT JOIN raw.files f ON q.file_id = f.file_id "
            "WHERE q.released_at IS NULL AND (? IS NULL OR q.reason = ?) ORDER BY f.path, q.row_number",
            [reason, reason],
        )


def reasons(home: Home) -> list[dict[str, Any]]:
    """How many rows are set aside for which reason, by file and field; most first."""
    with _desk(home) as connection:
        return records(
            connection,
            "SELECT q.reason, f.path, q.entity, q.field, count(*) AS rows, min(q.row_number) AS first_row "
            "FROM raw.quarantine q LEFT JOIN raw.files f ON q.file_id = f.file_id WHERE q.released_at IS NULL "
            "GROUP BY ALL ORDER BY rows DESC, reason, path, field",
        )


def show(home: Home, file_id: str, row: int) -> str:
    """One set-aside row for a person: what is wrong, what the rule wanted, and every cell."""
    with _desk(home) as connection:
        found = _find(connection, file_id, row)
        cells = json.loads(found["raw"])
        fixes = corrections(connection, home, str(found["file_id"])).get(row, {})
        others = _waits_for(connection, found)
    lines = [
        f"file    {found['path']}",
        f"line    {row}",
        f"entity  {found['entity']}",
        f"reason  {found['reason']}" + (f" ({found['field']})" if found["field"] else ""),
        f"wanted  {found['detail']}",
        f"family  {found['family'] or '-'}",
        *(["waits   for " + ", ".join(others)] if others else []),
        "",
        "cells",
    ]
    width = max((len(name) for name in cells), default=0)
    for name, value in cells.items():
        note = f"   -> {fixes[name]}" if name in fixes else ""
        lines.append(f"  {name:<{width}}  {value if value is not None else ''}{note}")
    if not found["is_held"]:
        short = str(found["file_id"])[:8]
        lines += [
            "",
            f"mend it:    orders-pipeline quarantine fix {short} {row} --set COLUMN=VALUE --by NAME --why TEXT",
            f"then:       orders-pipeline quarantine release {short} {row} --by NAME --why TEXT",
        ]
    return "\n".join(lines)


def _waits_for(connection: duckdb.DuckDBPyConnection, found: Mapping[str, Any]) -> list[str]:
    """The rows with a fault of their own that keep a row of the same order back."""
    if found["reason"] != "family":
        return []
    rows = connection.execute(
        "SELECT f.path, q.row_number, q.reason FROM raw.quarantine q JOIN raw.files f ON q.file_id = f.file_id "
        "WHERE q.released_at IS NULL AND q.reason <> 'family' AND "
        "(q.order_guid = $order OR (q.file_id = $file AND q.family = $family)) ORDER BY f.path, q.row_number",
        {"order": found["order_guid"], "file": found["file_id"], "family": found["family"]},
    ).fetchall()
    return [f"{path} line {number} ({reason})" for path, number, reason in rows]


def _find(connection: duckdb.DuckDBPyConnection, file_id: str, row: int) -> dict[str, Any]:
    found = records(
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


def _find_own(connection: duckdb.DuckDBPyConnection, file_id: str, row: int) -> dict[str, Any]:
    """A row that has its fault in its own file; one that waits for another file's row is mended there."""
    found = _find(connection, file_id, row)
    if found["is_held"]:
        raise Usage(f"this row has no fault; it comes back by itself with {', '.join(_waits_for(connection, found))}")
    return found


def fix(home: Home, file_id: str, row: int, changes: Mapping[str, str], by: str, why: str) -> str:
    """Keep a correction of cells of a row. Raises Usage for a column the file does not have."""
    with _desk(home) as connection:
        found = _find_own(connection, file_id, row)
    cells = json.loads(found["raw"])
    for name in changes:
        if name not in cells and set(cells) != {""}:  # a row without readable structure takes any column of its file
            raise Usage(f"the file has no column '{name}'; it has {', '.join(cells)}")
    decide(home, "correction", str(found["file_id"]), found["path"], row, by, why, set=dict(changes))
    return (
        f"kept: {len(changes)} cell(s) of line {row} of {found['path']} corrected by {by}. Release the row to have it read again."
    )


def fix_from(home: Home, path: Path) -> str:
    """Put a correction file (file, row, field, value, by, why) where the next run takes it in. Raises Usage when it is none."""
    if not path.is_file():
        raise Usage(f"there is no file {path}")
    wanted = load_dictionary().entities[ENTITY].required
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = [cell.strip() for cell in next(csv.reader(stream), [])]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise Usage(f"{path.name} is no correction file: it has no column {', '.join(missing)}; needed are {', '.join(wanted)}")
    digest = sha256_of(path)[:8]
    target = home.landing / "decisions" / f"{path.stem}-{digest}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    shutil.copyfile(path, part)
    part.replace(target)
    return f"kept: {target.relative_to(home.root)}; `orders-pipeline run` reads the rows it names again"


def release(home: Home, file_id: str, row: int, by: str, why: str, as_of: datetime) -> Release:
    """Read a row and its family again, with the corrections made since, exactly as if the file had held them.

    Rows that are right now are in the raw tables under their own file and line; the next run builds them in. Rows that
    still have a fault stay, with the new reason.
    """
    with _desk(home) as connection:
        found = _find_own(connection, file_id, row)
        return _release(home, connection, {(str(found["file_id"]), found["path"]): [row]}, by, why, as_of)


def release_all(home: Home, reason: str, path: str | None, by: str, why: str, as_of: datetime) -> Release:
    """The same for every row that is set aside for a reason, in one file or in all: after the dictionary has learnt a word."""
    with _desk(home) as connection:
        rows = connection.execute(
            "SELECT CAST(q.file_id AS VARCHAR), f.path, q.row_number FROM raw.quarantine q JOIN raw.files f "
            "ON q.file_id = f.file_id WHERE q.released_at IS NULL AND NOT q.is_held AND q.reason = $reason "
            "AND ($path IS NULL OR f.path = $path) ORDER BY f.path, q.row_number",
            {"reason": reason, "path": path},
        ).fetchall()
        if not rows:
            raise Usage(f"no row is set aside for '{reason}'; `orders-pipeline quarantine list --summary` shows the reasons")
        chosen: dict[tuple[str, str], list[int]] = {}
        for file, place, number in rows:
            chosen.setdefault((file, place), []).append(number)
        return _release(home, connection, chosen, by, why, as_of)


def _release(
    home: Home,
    connection: duckdb.DuckDBPyConnection,
    chosen: Mapping[tuple[str, str], Sequence[int]],
    by: str,
    why: str,
    as_of: datetime,
) -> Release:
    taker = Taker(connection, home, load_settings(home.settings_file), as_of)
    released = kept = 0
    for (file_id, path), rows in chosen.items():
        mended, left = taker.release(file_id, rows)
        released, kept = released + mended, kept + left
        for row in rows:
            decide(home, "release", file_id, path, row, by, why)
    places = ", ".join(path for _, path in chosen)
    text = f"{released} row(s) of {places} released; `orders-pipeline run` brings them into the tables"
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
