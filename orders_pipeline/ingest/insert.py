"""Rows that have been mapped into the raw tables: each with where it comes from, and what several of its fields make together."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import duckdb

from orders_pipeline.dictionary.model import DECLARED_ZONE, Block, Dictionary
from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.ingest.raw import derived_columns, raw_columns, shared_parts
from orders_pipeline.kernel.sqltext import literal, quote

if TYPE_CHECKING:
    from orders_pipeline.ingest.load import Load


def insert_blocks(
    connection: duckdb.DuckDBPyConnection, load: Load, mapper: Mapper, file_id: str, exported_at: datetime | None
) -> None:
    """Map every block of the source and append its rows, faulty ones with their fault."""
    for block in mapper.source.blocks:
        _insert_block(connection, load, mapper, block, file_id, exported_at)
    connection.execute("SET TimeZone = 'UTC'")


def _insert_block(
    connection: duckdb.DuckDBPyConnection,
    load: Load,
    mapper: Mapper,
    block: Block,
    file_id: str,
    exported_at: datetime | None,
) -> None:
    fields = load.dictionary.entities[block.entity].fields
    derived = derived_columns(block.entity, fields, mapper.source.get("transaction_key", "payment_id"))
    others = [b for b in mapper.source.blocks if b.entity == block.entity]
    if "line_key" in derived and block is not others[0]:
        # A row that gives two lines (the goods and a gift) numbers the second kind apart.
        kind, key = derived["line_key"]
        derived["line_key"] = (kind, f"coalesce(sub_order_id, '{others.index(block)}+' || {key})")
    _, rows = mapper.select(block)
    if block.entity == "tracking":
        rows = _with_courier_words(load.dictionary, rows)
    parts = "".join(f", {sql} AS {quote(name)}" for name, sql in shared_parts(fields).items())
    if parts:
        rows = f"SELECT *{parts} FROM ({rows})"
    moment = (
        f"CAST({literal(exported_at.isoformat())} AS TIMESTAMPTZ)"
        if exported_at
        else "CAST('1970-01-01 00:00:00+00' AS TIMESTAMPTZ)"
    )
    provenance = {
        "source": literal(mapper.source.name),
        # A place has a zone of its own.
        "timezone": ("timezone" if "timezone" in fields else _zone_sql(load, mapper, fields)),
        "file_id": f"CAST({literal(file_id)} AS UUID)",
        "row_number": "row_number",
        "exported_at": f"coalesce(exported_at, {moment})" if "exported_at" in fields else moment,
        "row_hash": "row_hash",
        "fault": "fault",
    }
    texts = {"description": "said.scrubbed"} if block.entity == "tracking" else {}
    values = {f: quote(f) for f in fields} | texts | {n: sql for n, (_, sql) in derived.items()} | provenance
    columns = raw_columns(load.dictionary, block.entity)
    selected = ", ".join(f"{values[c]} AS {quote(c)}" for c in columns)
    connection.execute(f"INSERT INTO raw.{quote(block.entity)} BY NAME SELECT {selected} FROM ({rows})")


def _with_courier_words(dictionary: Dictionary, rows: str) -> str:
    """The rows with what the text of each event says of the parcel: thirty patterns, tried once per different text.

    Couriers write their names and telephone numbers into it: the numbers are masked before the text is kept.
    """
    words = " ".join(
        f"WHEN regexp_matches(description, {literal(w['pattern'])}) THEN {literal(w['status'])}" for w in dictionary.courier_words
    )
    return (
        f"{rows}) LEFT JOIN (SELECT description, CASE {words} END AS parcel_status, scrubbed(description) AS scrubbed "
        f"FROM (SELECT DISTINCT description FROM ({rows}))) AS said USING (description"
    )


def _zone_sql(load: Load, mapper: Mapper, fields: tuple[str, ...]) -> str:
    """The zone whose days the row's times belong to: the file's, else the one its shop or channel has declared."""
    if mapper.zone not in (None, DECLARED_ZONE):
        return literal(mapper.zone or "")
    default = load.dictionary.channel("default")["timezone"]
    if "channel" not in fields:
        return literal(default)
    whens = []
    if "shop_id" in fields:
        whens = [
            f"WHEN channel = {literal(c)} AND shop_id = {literal(s)} THEN {literal(spec['timezone'])}"
            for (c, s), spec in load.settings.shops.items()
            if "timezone" in spec
        ]
    whens += [
        f"WHEN channel = {literal(code)} THEN {literal(spec['timezone'])}"
        for code, spec in load.dictionary.channels.items()
        if code != "default"
    ]
    return f"CASE {' '.join(whens)} ELSE {literal(default)} END"
