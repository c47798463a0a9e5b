"""Rows that could not be accepted: set aside with file, row, field, reason and raw text, and brought back when mended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import duckdb

from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.ingest.raw import MEMBERS
from orders_pipeline.ingest.read import BrokenRow
from orders_pipeline.kernel.sqltext import literal, quote
from orders_pipeline.kernel.warehouse import in_file_order

COLUMNS = (
    "file_id, row_number, entity, reason, field, detail, raw, shown, family, quarantined_at, released_at, order_guid, "
    "member_of, is_held"
)
#: Reason -> what it means and what to do; shown with every row.
REASONS = {
    "unreadable_money": "not an amount; write digits with the file's own decimal mark, e.g. 1234.50 (1.23E+05 is what a "
    "spreadsheet left of a longer figure)",
    "unreadable_price": "not a price; write digits with the file's own decimal mark, e.g. 12.3450 (1.23E+05 is what a "
    "spreadsheet left of a longer figure)",
    "unreadable_quantity": "not a quantity; write digits without a unit, e.g. 2",
    "unreadable_integer": "not a whole number",
    "unreadable_ratio": "not a share; write e.g. 0.1 or 10%",
    "unreadable_time": "not a time, or one before 1990; write e.g. 2026-01-31 09:30:00",
    "unreadable_date": "not a date; write e.g. 2026-01-31",
    "unreadable_bool": "neither yes nor no; write true or false",
    "time_zone_undeclared": "a time without offset in a source without a zone; add the offset (+08:00), declare the shop's "
    "timezone in settings.toml, or put the file into a folder timezone=Asia%2FShanghai",
    "id_formula": "a formula or the error of one (#REF!), no identifier; export again, or correct the cell",
    "id_scientific": "a number in scientific notation: a spreadsheet has destroyed its digits; export again as text",
    "id_precision": "digits beyond the fifteenth are zeros: a spreadsheet has destroyed them; export again as text",
    "currency_differs": "the sign or code beside an amount ($, €, USD) names another currency than the row's; correct the cell, "
    "or the currency (its column, or `currency` of the source)",
    "more_decimals_than_kept": "more decimals than the currency has; correct the amount",
    "unknown_code": "a word the dictionary does not know; correct it, or add it to the vocabulary",
    "required_missing": "a required value is blank",
    "not_in_form": "not in the form this field has (see the dictionary)",
    "below_minimum": "less than this field may be",
    "above_maximum": "more than this field may be",
    "parts_differ": "the amounts of the row do not add up to the net amount it states; download the statement again",
    "no_rule": "the source has no rule for this kind of row; add one to its description",
    "family": "kept back with another row of the same order that has a fault",
}


def set_aside(
    connection: duckdb.DuckDBPyConnection,
    mapper: Mapper,
    file_id: str,
    header: Sequence[str],
    raw_sql: str,
    as_of: datetime,
) -> int:
    """Move the file's faulty rows, each with its whole family, out of the raw tables; returns the source rows moved.

    `raw_sql` gives (record, c0, c1 …), the cells as the file shows them.
    """
    entities = sorted({b.entity for b in mapper.source.blocks})
    found = " UNION ALL ".join(
        f"SELECT row_number, {literal(e)} AS entity, fault FROM raw.{quote(e)} WHERE file_id = $file AND fault IS NOT NULL"
        for e in entities
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE faults AS {found}", {"file": file_id})
    uncovered = mapper.uncovered()
    if uncovered:
        connection.execute(
            f"INSERT INTO faults SELECT row_number, {literal(mapper.source.primary.entity)}, 'no_rule|' "
            f"FROM src WHERE {uncovered}"
        )
    if not connection.execute("SELECT count(*) FROM faults").fetchall()[0][0]:
        return 0
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE aside AS
        WITH direct AS (SELECT row_number, min(entity || '|' || fault) AS fault FROM faults GROUP BY row_number),
        families AS (SELECT DISTINCT s.family FROM src s JOIN direct d USING (row_number) WHERE s.family IS NOT NULL)
        SELECT s.record, s.row_number, s.family, coalesce(d.fault, $primary || '|family|') AS fault
        FROM src s LEFT JOIN direct d USING (row_number)
        WHERE d.row_number IS NOT NULL OR s.family IN (SELECT family FROM families)""",
        {"primary": mapper.source.primary.entity},
    )
    with in_file_order(connection):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE aside_cells AS SELECT * FROM ({raw_sql}) WHERE record IN (SELECT record FROM aside)"
        )
    _name_orders(connection, mapper, file_id)
    _keep(connection, mapper, file_id, header, as_of)
    for entity in entities:
        connection.execute(
            f"DELETE FROM raw.{quote(entity)} WHERE file_id = ? AND row_number IN (SELECT row_number FROM aside)", [file_id]
        )
    return connection.execute("SELECT count(*) FROM aside").fetchall()[0][0]


def _name_orders(connection: duckdb.DuckDBPyConnection, mapper: Mapper, file_id: str) -> None:
    """`aside_orders`: the order of each row that is set aside, by which its rows in other files are found (see `families`)."""
    members = sorted({b.entity for b in mapper.source.blocks}.intersection(MEMBERS))
    if mapper.source.primary.entity not in members:
        members = []
    rows = " UNION ALL ".join(
        f"SELECT row_number, order_guid FROM raw.{quote(e)} "
        "WHERE file_id = $file AND row_number IN (SELECT row_number FROM aside)"
        for e in members
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE aside_orders AS SELECT row_number, max(order_guid) AS order_guid FROM "
        f"({rows or 'SELECT NULL::BIGINT AS row_number, NULL::UUID AS order_guid WHERE false'}) GROUP BY row_number",
        {"file": file_id} if rows else {},
    )


def _keep(
    connection: duckdb.DuckDBPyConnection,
    mapper: Mapper,
    file_id: str,
    header: Sequence[str],
    as_of: datetime,
) -> None:
    names = _unique([h.strip() or f"column {i + 1}" for i, h in enumerate(header)])
    cells = ", ".join(f"{literal(n)}, c.c{i}" for i, n in enumerate(names))
    # Published: only columns that the source maps and that are not about a person.
    shown = ", ".join(f"{literal(names[i])}, c.c{i}" for i in mapper.impersonal_columns() if i < len(names))
    details = " ".join(f"WHEN {literal(r)} THEN {literal(text)}" for r, text in REASONS.items())
    connection.execute(
        f"""INSERT INTO raw.quarantine ({COLUMNS})
        SELECT CAST($file AS UUID), a.row_number, split_part(a.fault, '|', 1), split_part(a.fault, '|', 2),
            nullif(split_part(a.fault, '|', 3), ''), {_where_read(mapper, names)}
            || CASE split_part(a.fault, '|', 2) {details} ELSE '' END,
            CAST(json_object({cells}) AS VARCHAR), CAST(json_object({shown}) AS VARCHAR), a.family, $as_of, NULL,
            coalesce(n.order_guid, max(n.order_guid) OVER (PARTITION BY a.family)), $member_of, false
        FROM aside a JOIN aside_cells c ON a.record = c.record LEFT JOIN aside_orders n ON a.row_number = n.row_number""",
        {"file": file_id, "as_of": as_of, "member_of": mapper.source.primary.entity},
    )


def _where_read(mapper: Mapper, names: Sequence[str]) -> str:
    """SQL of the file's own column name(s) for the field at fault, to stand before the reason."""
    whens = []
    for block in mapper.source.blocks:
        for field in block.fields:
            columns = [names[int(c[1:])] for c in mapper.headers(block.entity, field) if int(c[1:]) < len(names)]
            if columns:
                label = "column " + " / ".join(dict.fromkeys(columns)) + ": "
                whens.append(f"WHEN {literal(f'{block.entity}|{field}')} THEN {literal(label)}")
    key = "split_part(a.fault, '|', 1) || '|' || split_part(a.fault, '|', 3)"
    return f"CASE {key} {' '.join(dict.fromkeys(whens))} ELSE '' END" if whens else "''"


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def keep_broken(
    connection: duckdb.DuckDBPyConnection, mapper: Mapper, file_id: str, broken: Sequence[BrokenRow], as_of: datetime
) -> int:
    """Set aside records that have no readable structure (a quote never closed, too many columns)."""
    rows = [
        [
            file_id,
            b.line,
            mapper.source.primary.entity,
            b.reason,
            None,
            b.detail,
            json.dumps({"": b.raw}, ensure_ascii=False),
            "{}",
            None,
            as_of,
            None,
            None,
            None,
            False,
        ]
        for b in broken
    ]
    if rows:
        connection.executemany(f"INSERT INTO raw.quarantine ({COLUMNS}) VALUES ({', '.join('?' * 14)})", rows)
    return len(rows)
