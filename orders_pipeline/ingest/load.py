"""One recognised table into the raw tables: read, checked against its own totals, mapped, split, recorded.

All of it happens in one transaction: a file is in, with its ledger row and its touched keys, or it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import DECLARED_ZONE, PLACE_FIELDS, REPEAT_NUMBER, Dictionary, Source
from orders_pipeline.ingest import quarantine
from orders_pipeline.ingest.control import check_control_totals
from orders_pipeline.ingest.habits import habits_of
from orders_pipeline.ingest.insert import insert_blocks
from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.ingest.read import Loaded, NormalisedCsv, Table, discard, load_rows, normalise, read_csv_sql, without_rows
from orders_pipeline.ingest.recognise import Recognised
from orders_pipeline.ingest.stated import courier_code, found_in, stated_export, zone_of_folder
from orders_pipeline.kernel.faults import BadInput
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.warehouse import any_order, in_file_order, planned_as_written

DEFAULT_TOTAL_WORDS = ("合计", "合计:", "合计：", "总计", "总计:", "总计：")
#: What to do about a required field that nothing in the file gives.
_REMEDIES = {
    "counted_at": "the figures do not say when they were true: put the time of the export into the file name "
    "(…_20260131093000.xlsx) or the file into a folder exported=2026-01-31T0930",
    "courier_code": "the sheet does not say whose it is: put it into a folder courier=zto (a code or name of the dictionary)",
    "warehouse_id": "the file does not name its warehouse: put it into a folder warehouse=<id>",
}
STAGED = "staged"
ASIDE = "read_again"


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
    context: Mapping[str, Any]

    @property
    def rows_accepted(self) -> int:
        return self.rows_read - self.rows_quarantined - self.rows_duplicate


@dataclass
class Staged:
    """A file whose cells are read: the mapper that knows them, and how to find a row's raw text again."""

    mapper: Mapper
    loaded: Loaded
    raw_sql: str
    copies: tuple[NormalisedCsv, ...]

    def discard(self, table: Table) -> None:
        """Delete the copies that were made to read the file."""
        for copy in self.copies:
            discard(copy, table)


def stage(
    connection: duckdb.DuckDBPyConnection, load: Load, found: Recognised, hints: Mapping[str, str], path: str = ""
) -> Staged:
    """Read a table's body, cleaned, into the session's `staged`. Raises BadInput when the file as a whole cannot be read."""
    source = found.source
    csv = normalise(
        found.table,
        found.header_line,
        footer_prefixes=source.get("footer_prefixes", ()),
        summary_header=source.get("summary_header", ()),
        work_dir=load.work,
        total_words=_total_words(source),
        allow_short=bool(source.get("allow_short")),
    )
    binding = {h: f"c{i}" for h, i in found.binding.items()}

    def read(stated: Mapping[str, str], habits: Mapping[str, str]) -> tuple[Mapper, Loaded]:
        lines = csv.footers + csv.preamble + ([found.table.sheet] if found.table.sheet else [])
        mapper = make_mapper(connection, load, source, binding, stated, lines, path, habits)
        mapper.numbered_cells = {h: found.table.risky[i] for h, i in found.binding.items() if found.table.risky.get(i)}
        _check_required(source, mapper)
        return mapper, _read(connection, mapper, csv)

    try:
        mapper, loaded = read(hints, {})
        habits = habits_of(connection, mapper, STAGED, hints)
        again = [(hints, habits)] if habits not in ({}, {"decimal": "point"}) else []
        if source.is_standard and mapper.zone == DECLARED_ZONE and load.settings.shops:
            zone = _zone_of_shops(connection, load)
            again += [({**hints, "timezone": zone}, habits)] if zone else []
        for stated in again:
            if loaded.csv is not csv:
                discard(loaded.csv, found.table)
            mapper, loaded = read(*stated)
    except BaseException:
        discard(csv, found.table)
        raise
    return Staged(mapper, loaded, _raw_sql(loaded.csv), (csv, loaded.csv))


def _read(connection: duckdb.DuckDBPyConnection, mapper: Mapper, csv: NormalisedCsv) -> Loaded:
    _use_zone(connection, mapper)

    def shape(relation: str) -> str:
        # A body that had to be rewritten carries the line numbers in front; the relation text then names the column.
        return mapper.staging(relation, csv.columns, _total_words(mapper.source), "'line'" in relation or csv.parquet)

    with in_file_order(connection), planned_as_written(connection):
        return load_rows(connection, STAGED, csv, temporary=True, shape=shape)


def _use_zone(connection: duckdb.DuckDBPyConnection, mapper: Mapper) -> None:
    """Times without offset are read in the session's zone: the file's, where it has one."""
    zone = "UTC" if mapper.zone in (None, DECLARED_ZONE) else mapper.zone
    connection.execute(f"SET TimeZone = {literal(zone)}")


def stage_rows(connection: duckdb.DuckDBPyConnection, mapper: Mapper, table: str, columns: Sequence[str]) -> None:
    """Stage rows that are in a table already (line, c0, c1 …), in its order: set-aside rows that are read again."""
    _use_zone(connection, mapper)
    relation = f"(SELECT * FROM {table} ORDER BY rowid)"
    selected = mapper.staging(relation, columns, _total_words(mapper.source), True)
    with in_file_order(connection):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {STAGED} AS {selected}")
    create_src(connection, mapper, "line")


def _raw_sql(csv: NormalisedCsv) -> str:
    """The rows as text once more, with the number they have in `staged`; read only when some must be set aside."""
    cells = ", ".join(csv.columns)
    relation = read_csv_sql(csv, rejects=None if csv.parquet else ASIDE)
    return f"SELECT row_number() OVER () - 1 AS record, {cells} FROM {relation}"


def _total_words(source: Source) -> tuple[str, ...]:
    return tuple(source.get("total_words", DEFAULT_TOTAL_WORDS))


def load_staged(connection: duckdb.DuckDBPyConnection, load: Load, staged: Staged, file_id: str, path: str) -> Outcome:
    """Map what was staged into the raw tables, inside the caller's transaction.

    Raises BadInput when the file contradicts its own totals, or has none but blank rows and totals.
    """
    mapper, csv = staged.mapper, staged.loaded.csv
    source = mapper.source
    create_src(connection, mapper, staged.loaded.line_sql)
    check_control_totals(connection, mapper, csv.footers, csv.preamble)
    stated = stated_export(source, path, csv.footers + csv.preamble, mapper.zone)
    rows, different, newest = _measure(connection, [] if stated else mapper.event_times())
    if not rows and not staged.loaded.broken:
        raise without_rows(csv.first_data_line - 1)
    duplicates = 0 if source.repeated_rows == "legitimate" else rows - different
    if duplicates and source.repeated_rows == "duplicate":
        _drop_repeats(connection)
    exported_at = stated or newest
    insert_blocks(connection, load, mapper, file_id, exported_at)
    aside = quarantine.set_aside(connection, mapper, file_id, csv.header, staged.raw_sql, load.as_of)
    broken = quarantine.keep_broken(connection, mapper, file_id, staged.loaded.broken, load.as_of)
    return Outcome(
        source.name,
        mapper.constants.get("channel"),
        mapper.constants.get("shop_id"),
        exported_at,
        rows + broken,
        aside + broken,
        duplicates,
        mapper.context,
    )


def clean_up(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what a load leaves in the session; after its transaction, which may have been rolled back."""
    any_order(connection)
    connection.execute(
        f"DROP VIEW IF EXISTS src; DROP TABLE IF EXISTS {STAGED}; DROP TABLE IF EXISTS {ASIDE}_errors; "
        f"DROP TABLE IF EXISTS {ASIDE}_scans; SET TimeZone = 'UTC'"
    )


def make_mapper(
    connection: duckdb.DuckDBPyConnection,
    load: Load,
    source: Source,
    binding: Mapping[str, str],
    hints: Mapping[str, str],
    preamble: list[str],
    path: str = "",
    habits: Mapping[str, str] | None = None,
) -> Mapper:
    """The mapper of one file, with what its folder, its name, the text around its table and its cells (`habits`) say."""
    constants: dict[str, str | None] = {"channel": hints.get("channel") or source.channel}
    for field, key in PLACE_FIELDS.items():
        spec = source.get(key) or {}
        in_name = found_in(spec.get("filename"), [path])
        constants[field] = hints.get(key) or found_in(spec.get("preamble"), preamble) or in_name or spec.get("default")
    if constants["courier_code"]:
        constants["courier_code"] = courier_code(load.dictionary, str(constants["courier_code"]))
    if not source.is_standard:
        constants["shop_id"] = constants["shop_id"] or "main"
        channel = load.dictionary.channel(constants["channel"] or "default")
        constants["currency"] = source.get("currency") or channel["currency"]
    shop_zone = load.settings.shop_zone(constants["channel"] or "", constants["shop_id"] or "")
    zone = zone_of_folder(hints) or shop_zone or source.timezone
    if source.get("counted_at") == "exported_at":
        exported = stated_export(source, path, preamble, zone, hints)
        constants["counted_at"] = exported.isoformat() if exported else None
    stated = [key for key in PLACE_FIELDS.values() if key in hints]
    context = {"constants": constants, "zone": zone, "stated": stated, **({"habits": dict(habits)} if habits else {})}
    return mapper_from_context(connection, load, source, binding, context)


def mapper_from_context(
    connection: duckdb.DuckDBPyConnection, load: Load, source: Source, binding: Mapping[str, str], context: Mapping[str, Any]
) -> Mapper:
    """The mapper of a file from what is known of its place: constants, zone, and what its folder states for all rows.

    The context is kept with the file, so that its rows can be read again without it.
    """
    implied = {
        field: {"from": (source.get(key) or {})["from"]}
        for field, key in PLACE_FIELDS.items()
        if "from" in (source.get(key) or {}) and key not in context["stated"]
    }
    blocks = tuple(
        replace(b, fields={**{k: v for k, v in implied.items() if k in load.dictionary.entities[b.entity].fields}, **b.fields})
        for b in source.blocks
        if all(handle in binding for handle in b.needs)
    )

    def words(column: str) -> list[str]:
        rows = connection.execute(f"SELECT DISTINCT {column} FROM {STAGED} WHERE {column} IS NOT NULL LIMIT 5001").fetchall()
        return [r[0] for r in rows]

    mapper = Mapper(load.dictionary, replace(source, blocks=blocks), binding, context["constants"], context["zone"], words)
    mapper.context = dict(context)
    mapper.decimal = context.get("habits", {}).get("decimal", mapper.decimal)
    mapper.date_order = context.get("habits", {}).get("date_order", mapper.date_order)
    return mapper


def _damaged(connection: duckdb.DuckDBPyConnection, mapper: Mapper) -> frozenset[str]:
    """Handles of ids of which too many end in zeros past the fifteenth digit.

    One id of a thousand with eighteen digits ends in three zeros by itself, so a single one says nothing in a long file.
    Damage is when they are ten times (one or two: a hundred times) as many as chance gives. An id counts once, in however many
    rows it stands.
    """
    ids = mapper.identifiers()
    if not ids:
        return frozenset()
    counts = ", ".join(f"count(DISTINCT i_{h}) FILTER (WHERE contains(i_{h}, '00') AND lost_digits(i_{h}))" for h in ids)
    found = set()
    for handle, seen in zip(ids, connection.execute(f"SELECT {counts} FROM {STAGED}").fetchall()[0], strict=True):
        if seen:
            chance = connection.execute(
                f"SELECT sum(pow(10.0, 15 - strlen(id))) FROM (SELECT DISTINCT i_{handle} AS id FROM {STAGED}) "
                "WHERE strlen(id) >= 17"
            ).fetchall()[0][0]
            if chance < seen / (10 if seen >= 3 else 100):
                found.add(handle)
    return frozenset(found)


def _zone_of_shops(connection: duckdb.DuckDBPyConnection, load: Load) -> str | None:
    """The zone of a standard file whose shops have all declared the same one in the settings."""
    pairs = connection.execute(f"SELECT DISTINCT i_channel, i_shop_id FROM {STAGED}").fetchall()
    zones = {load.settings.shop_zone(channel, shop) for channel, shop in pairs}
    return zones.pop() if len(zones) == 1 else None


def _check_required(source: Source, mapper: Mapper) -> None:
    """A file without the column of a required field cannot give one good row: it is refused whole."""
    for block in mapper.source.blocks:
        entity = mapper.dictionary.entities[block.entity]
        asked = [block.where.get(key, ()) for key in ("present", "nonzero")]
        if any(h not in mapper.binding for given in asked for h in ([given] if isinstance(given, str) else given)):
            continue  # it asks for a column that is not there, so it takes no row
        for name in entity.required:
            if name in source.optional_fields or mapper.constants.get(name) is not None:
                continue
            if not mapper.has_value(block, name):
                raise BadInput(
                    f"recognised as {source.name}, but there is no column for the required {block.entity}.{name}",
                    reason="required_column_missing",
                    field=name,
                    remedy=_REMEDIES.get(name, "export the file again with that column"),
                )


def create_src(connection: duckdb.DuckDBPyConnection, mapper: Mapper, line_sql: str) -> None:
    """The view the mapping reads: the staged cells with physical line, record number and family; totals left out."""
    for column in mapper.columns_of(mapper.source.get("fill_down", ())):
        _fill_down(connection, column)
    for column in mapper.columns_of(mapper.source.get("fill_same", ())):
        _fill_same(connection, column)
    mapper.damaged = _damaged(connection, mapper)
    repeat = ""
    if mapper.source.repeated_rows != "duplicate":
        repeat = f", row_number() OVER (PARTITION BY {mapper.repeat_key()} ORDER BY rowid) AS {REPEAT_NUMBER}"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW src AS SELECT *, {line_sql} AS row_number, rowid AS record, {mapper.family()} AS family"
        f"{repeat} FROM {STAGED} WHERE NOT is_total"
    )


def _fill_down(connection: duckdb.DuckDBPyConnection, column: str) -> None:
    """Give blank cells the value above (only columns that name the row's order, never money)."""
    if not connection.execute(f"SELECT count(*) FROM {STAGED} WHERE {column} IS NULL").fetchall()[0][0]:
        return
    connection.execute(
        f"UPDATE {STAGED} AS t SET {column} = f.value FROM (SELECT rowid AS id, last_value({column} IGNORE NULLS) OVER "
        f"(ORDER BY rowid) AS value FROM {STAGED}) AS f WHERE t.rowid = f.id AND t.{column} IS NULL"
    )


def _fill_same(connection: duckdb.DuckDBPyConnection, column: str) -> None:
    """Give blank cells the only value that the column has; with two values, nobody knows which."""
    connection.execute(
        f"UPDATE {STAGED} SET {column} = (SELECT min({column}) FROM {STAGED}) WHERE {column} IS NULL "
        f"AND (SELECT count(DISTINCT {column}) FROM {STAGED}) = 1"
    )


def _measure(connection: duckdb.DuckDBPyConnection, instants: list[str]) -> tuple[int, int, datetime | None]:
    """(rows, different rows, newest instant they tell of) in one pass.

    A file that does not say when it was written is at least as new as the newest thing it tells of.
    """
    newest = ", ".join(f"max({i})" for i in instants) or "NULL"
    rows, different, *moments = connection.execute(f"SELECT count(*), count(DISTINCT row_hash), {newest} FROM src").fetchall()[0]
    return rows, different, max((m for m in moments if m is not None), default=None)


def _drop_repeats(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave out rows that repeat another one of the file to the letter."""
    connection.execute(
        f"DELETE FROM {STAGED} WHERE rowid IN (SELECT record FROM src "
        "QUALIFY row_number() OVER (PARTITION BY row_hash ORDER BY record) > 1)"
    )
