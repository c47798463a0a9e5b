"""One recognised table into the raw tables: read, checked against its own totals, mapped, split, recorded.

All of it happens in one transaction: a file is in, with its ledger row and its touched keys, or it is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from orders_pipeline.dictionary.model import DECLARED_ZONE, Block, Dictionary, Source, rule_handles
from orders_pipeline.ingest import quarantine
from orders_pipeline.ingest.control import check_control_totals
from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.ingest.raw import derived_columns, raw_columns
from orders_pipeline.ingest.read import Loaded, discard, load_rows, normalise
from orders_pipeline.ingest.recognise import Recognised
from orders_pipeline.kernel.faults import BadInput
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.warehouse import literal, quote

DEFAULT_TOTAL_WORDS = ("合计", "合计:", "合计：", "总计", "总计:", "总计：")
CELLS = "cells"
STAGED_ROWS_MAX = 50_000


@dataclass(frozen=True)
class Load:
    """What a load needs to know beside the table itself."""

    dictionary: Dictionary
    settings: Settings
    as_of: datetime
    work: Path


@dataclass
class Outcome:
    """What became of a file's rows: read = accepted + quarantined + duplicate."""

    source: str
    channel: str | None
    shop_id: str | None
    exported_at: datetime | None
    rows_read: int
    rows_quarantined: int
    rows_duplicate: int

    @property
    def rows_accepted(self) -> int:
        return self.rows_read - self.rows_quarantined - self.rows_duplicate


def stage(connection: duckdb.DuckDBPyConnection, load: Load, found: Recognised) -> Loaded:
    """Read a table's body as text into the session's `cells`. Raises BadInput when the file as a whole cannot be read."""
    source = found.source
    csv = normalise(
        found.table, found.header_line, footer_prefixes=source.get("footer_prefixes", ()),
        summary_header=source.get("summary_header", ()), work_dir=load.work,
        total_words=source.get("total_words", DEFAULT_TOTAL_WORDS), allow_short=bool(source.get("allow_short")),
    )
    try:
        return load_rows(connection, CELLS, csv, temporary=True)
    finally:
        discard(csv, found.table)


def clean_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what a load leaves in the session; after its transaction, which may have been rolled back."""
    drop_src(connection)
    connection.execute(f"DROP TABLE IF EXISTS {CELLS}; SET TimeZone = 'UTC'")


def load_staged(
    connection: duckdb.DuckDBPyConnection, load: Load, found: Recognised, loaded: Loaded, file_id: str, path: str,
    hints: Mapping[str, str],
) -> Outcome:
    """Map what was staged into the raw tables, inside the caller's transaction.

    Raises BadInput when the file contradicts its own totals or lacks a required column.
    """
    source, csv = found.source, loaded.csv
    binding = {h: f"c{i}" for h, i in found.binding.items()}
    mapper = make_mapper(connection, load, source, binding, hints, csv.preamble)
    _check_required(source, mapper)
    fill_down(connection, [binding[h] for h in source.get("fill_down", ()) if h in binding], loaded.line_sql)
    _drop_totals(connection, source, binding)
    create_src(connection, mapper, csv.columns, loaded.line_sql)
    check_control_totals(connection, mapper, csv.footers)
    stated = _exported_at(source, path, csv.footers + csv.preamble, mapper.zone)
    rows, different, newest = _measure(connection, [] if stated else mapper.event_times())
    duplicates = 0 if source.get("duplicates") == "keep" else rows - different
    if duplicates:
        _drop_repeats(connection)
        create_src(connection, mapper, csv.columns, loaded.line_sql)
    exported_at = stated or newest
    insert_blocks(connection, load, mapper, file_id, exported_at)
    aside = quarantine.set_aside(connection, mapper, file_id, csv.header, load.as_of)
    broken = quarantine.keep_broken(connection, mapper, file_id, loaded.broken, load.as_of)
    return Outcome(
        source.name, mapper.constants.get("channel"), mapper.constants.get("shop_id"), exported_at,
        rows + broken, aside + broken, duplicates,
    )


def make_mapper(
    connection: duckdb.DuckDBPyConnection, load: Load, source: Source, binding: Mapping[str, str],
    hints: Mapping[str, str], preamble: list[str],
) -> Mapper:
    """The mapper of one file, with what its place and its preamble say; sets the session's zone to the file's."""
    implied: dict[str, dict] = {}
    constants: dict[str, str | None] = {"channel": hints.get("channel") or source.channel}
    for field, key in (("shop_id", "shop"), ("account", "account")):
        spec = source.get(key) or {}
        constants[field] = hints.get(key) or _in_preamble(spec.get("preamble"), preamble) or spec.get("default")
        if "from" in spec and key not in hints:
            implied[field] = {"from": spec["from"]}
    if not source.is_standard:
        constants["shop_id"] = constants["shop_id"] or "main"
        channel = load.dictionary.channel(constants["channel"] or "default")
        constants["currency"] = source.get("currency") or channel["currency"]
    blocks = tuple(
        replace(b, fields={**{k: v for k, v in implied.items() if k in load.dictionary.entities[b.entity].fields}, **b.fields})
        for b in source.blocks
    )
    shop_zone = load.settings.shop_zone(constants["channel"] or "", constants["shop_id"] or "")
    zone = hints.get("timezone") or shop_zone or source.timezone
    if source.is_standard and zone == DECLARED_ZONE:
        zone = _zone_of_shops(connection, load, binding) or DECLARED_ZONE

    def words(column: str) -> list[str]:
        rows = connection.execute(f"SELECT DISTINCT {column} FROM {CELLS} WHERE {column} IS NOT NULL LIMIT 5001").fetchall()
        return [r[0] for r in rows]

    connection.execute(f"SET TimeZone = {literal('UTC' if zone == DECLARED_ZONE else zone)}")
    return Mapper(
        load.dictionary, replace(source, blocks=blocks), binding, constants, zone, words, _damaged(connection, load, source, binding)
    )


def _damaged(
    connection: duckdb.DuckDBPyConnection, load: Load, source: Source, binding: Mapping[str, str]
) -> frozenset[str]:
    """Handles of ids of which too many end in zeros past the fifteenth digit.

    One id of a thousand with eighteen digits ends in three zeros by itself, so a single one says nothing in a long file.
    Damage is when they are ten times (one: a hundred times) as many as chance gives.
    """
    ids = {
        h for b in source.blocks for name, rule in b.fields.items() for h in rule_handles(rule)
        if load.dictionary.field(b.entity, name).type == "id" and h in binding
    }
    found = set()
    for handle in sorted(ids):
        cell = binding[handle]
        seen = connection.execute(
            f"SELECT count(*) FROM {CELLS} WHERE contains({cell}, '00') AND lost_digits(clean_id({cell}))"
        ).fetchall()[0][0]
        if not seen:
            continue
        chance = connection.execute(
            f"SELECT sum(pow(10.0, 15 - strlen(clean_id({cell})))) FROM {CELLS} WHERE strlen(clean_id({cell})) >= 17"
        ).fetchall()[0][0]
        if chance < seen / (10 if seen >= 3 else 100):
            found.add(handle)
    return frozenset(found)


def _zone_of_shops(connection: duckdb.DuckDBPyConnection, load: Load, binding: Mapping[str, str]) -> str | None:
    """The zone of a standard file whose shops have all declared the same one in the settings."""
    if "channel" not in binding or "shop_id" not in binding or not load.settings.shops:
        return None
    pairs = connection.execute(f"SELECT DISTINCT {binding['channel']}, {binding['shop_id']} FROM {CELLS}").fetchall()
    zones = {load.settings.shop_zone(channel, shop) for channel, shop in pairs}
    return zones.pop() if len(zones) == 1 else None


def _in_preamble(pattern: str | None, lines: list[str]) -> str | None:
    for line in lines if pattern else ():
        found = re.search(pattern or "", line)
        if found:
            return found.group(1)
    return None


def _check_required(source: Source, mapper: Mapper) -> None:
    """A file without the column of a required field cannot give one good row: it is refused whole."""
    for block in mapper.source.blocks:
        entity = mapper.dictionary.entities[block.entity]
        for name in entity.required:
            if name in source.optional_fields or mapper.constants.get(name) is not None:
                continue
            if not mapper.has_value(block, name):
                raise BadInput(
                    f"recognised as {source.name}, but there is no column for the required {block.entity}.{name}",
                    reason="required_column_missing", field=name, remedy="export the file again with that column",
                )


def fill_down(connection: duckdb.DuckDBPyConnection, columns: list[str], line_sql: str) -> None:
    """Give blank cells of these columns the value above (only the columns that name the row's order, never money)."""
    for column in columns:
        connection.execute(
            f"UPDATE {CELLS} AS t SET {column} = f.value FROM (SELECT rowid AS id, last_value({column} IGNORE NULLS) OVER "
            f"(ORDER BY rowid) AS value FROM {CELLS}) AS f WHERE t.rowid = f.id AND t.{column} IS NULL"
        )


def _drop_totals(connection: duckdb.DuckDBPyConnection, source: Source, binding: Mapping[str, str]) -> None:
    """Total rows inside the data are no data."""
    words = ", ".join(literal(w) for w in source.get("total_words", DEFAULT_TOTAL_WORDS))
    columns = {"c0", *(binding[h] for h in source.signature[:1] if h in binding)}
    condition = " OR ".join(f"clean_text({c}) IN ({words})" for c in sorted(columns))
    connection.execute(f"DELETE FROM {CELLS} WHERE {condition}")


def create_src(connection: duckdb.DuckDBPyConnection, mapper: Mapper, columns: list[str], line_sql: str) -> None:
    """What the mapping reads: physical line, family, fingerprint of the row, and the cells it needs, cleaned and read.

    A small file is staged, because planning its statements would cost more than its rows; a large one is streamed
    through a view, so that memory stays bounded.
    """
    whole = " || chr(31) || ".join(f"coalesce({c}, '')" for c in columns)
    fixed = f"{line_sql} AS row_number, guid_of({whole}) AS row_hash, rowid AS record"
    rows = connection.execute(f"SELECT count(*) FROM {CELLS}").fetchall()[0][0]
    what = "TABLE" if rows <= STAGED_ROWS_MAX else "VIEW"
    drop_src(connection)
    connection.execute(
        f"CREATE TEMP {what} src AS SELECT *, {mapper.family()} AS family FROM ({mapper.layers(CELLS, fixed)})"
    )


def drop_src(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop `src`, whichever it is."""
    kinds = connection.execute("SELECT table_type FROM information_schema.tables WHERE table_name = 'src'").fetchall()
    for (kind,) in kinds:
        connection.execute(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} src")


def _measure(connection: duckdb.DuckDBPyConnection, instants: list[str]) -> tuple[int, int, datetime | None]:
    """(rows, different rows, newest instant they tell of) in one pass.

    A file that does not say when it was written is at least as new as the newest thing it tells of.
    """
    newest = ", ".join(f"max({i})" for i in instants) or "NULL"
    rows, different, *moments = connection.execute(
        f"SELECT count(*), count(DISTINCT row_hash), {newest} FROM src"
    ).fetchall()[0]
    return rows, different, max((m for m in moments if m is not None), default=None)


def _drop_repeats(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave out rows that repeat another one of the file to the letter."""
    connection.execute(
        f"DELETE FROM {CELLS} WHERE rowid IN (SELECT record FROM src "
        "QUALIFY row_number() OVER (PARTITION BY row_hash ORDER BY record) > 1)"
    )


def _exported_at(source: Source, path: str, lines: list[str], zone: str | None) -> datetime | None:
    """When the platform wrote the file, if its name or its own text says so."""
    for rule in source.get("exported_at", ()):
        texts = [path] if "filename" in rule else lines
        for text in texts:
            found = re.search(rule.get("filename") or rule.get("footer"), text)
            if not found:
                continue
            try:
                if rule["format"] == "epoch":
                    return datetime.fromtimestamp(int(found.group(1)), UTC)
                local = datetime.strptime(found.group(1), rule["format"])  # noqa: DTZ007 - the zone follows
            except ValueError:
                continue
            return local.replace(tzinfo=ZoneInfo(zone or source.timezone)).astimezone(UTC)
    return None


def insert_blocks(
    connection: duckdb.DuckDBPyConnection, load: Load, mapper: Mapper, file_id: str, exported_at: datetime | None
) -> None:
    """Map every block of the source and append its rows, faulty ones with their fault."""
    for block in mapper.source.blocks:
        _insert_block(connection, load, mapper, block, file_id, exported_at)
    connection.execute("SET TimeZone = 'UTC'")


def _insert_block(
    connection: duckdb.DuckDBPyConnection, load: Load, mapper: Mapper, block: Block, file_id: str,
    exported_at: datetime | None,
) -> None:
    fields = load.dictionary.entities[block.entity].fields
    derived = derived_columns(block.entity, fields, mapper.source.get("transaction_key", "payment_id"))
    _, rows = mapper.select(block)
    if block.entity == "tracking":
        rows = _with_courier_words(load.dictionary, rows)
    moment = f"CAST({literal(exported_at.isoformat())} AS TIMESTAMPTZ)" if exported_at else "CAST('1970-01-01 00:00:00+00' AS TIMESTAMPTZ)"
    provenance = {
        "source": literal(mapper.source.name),
        "timezone": _zone_sql(load, mapper, fields),
        "file_id": f"CAST({literal(file_id)} AS UUID)",
        "row_number": "row_number",
        "exported_at": f"coalesce(exported_at, {moment})" if "exported_at" in fields else moment,
        "row_hash": "row_hash",
        "fault": "fault",
    }
    values = {f: quote(f) for f in fields} | {n: sql for n, (_, sql) in derived.items()} | provenance
    columns = [c for c in raw_columns(load.dictionary, block.entity)]
    selected = ", ".join(f"{values[c]} AS {quote(c)}" for c in columns)
    connection.execute(f"INSERT INTO raw.{quote(block.entity)} BY NAME SELECT {selected} FROM ({rows})")


def _with_courier_words(dictionary: Dictionary, rows: str) -> str:
    """The rows with what the text of each event says of the parcel: thirty patterns, tried once per different text."""
    words = " ".join(
        f"WHEN regexp_matches(description, {literal(w['pattern'])}) THEN {literal(w['status'])}" for w in dictionary.courier_words
    )
    return (
        f"{rows}) LEFT JOIN (SELECT description, CASE {words} END AS parcel_status FROM (SELECT DISTINCT description FROM ({rows}))"
        ") AS said USING (description"
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
            for (c, s), spec in load.settings.shops.items() if "timezone" in spec
        ]
    whens += [
        f"WHEN channel = {literal(code)} THEN {literal(spec['timezone'])}"
        for code, spec in load.dictionary.channels.items() if code != "default"
    ]
    return f"CASE {' '.join(whens)} ELSE {literal(default)} END"
