"""An order and what belongs to it stay together in quarantine, whichever files its rows stand in.

An order of which one file's rows are set aside, and no other file says the same thing right, is incomplete: without its
lines, or with fewer of them, it would be matched wrongly. Its good rows in other files are then *held*: they stand in
`held.<entity>` instead of `raw.<entity>`, and in quarantine under the reason `family`. They come back by themselves once the
order is complete again, be it by a correction or by another export. What is held depends on the set of files and decisions
alone, never on the order in which they came.
"""

from __future__ import annotations

import duckdb

from orders_pipeline.dictionary.model import Dictionary
from orders_pipeline.ingest import ledger
from orders_pipeline.ingest.raw import MEMBERS, raw_columns
from orders_pipeline.ingest.touched import touch_ledger, touch_moved
from orders_pipeline.kernel.sqltext import literal, quote

DETAIL = "kept back with a row of the same order in another file that has a fault; it comes back when that one is mended"


def reunite(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, file_id: str | None = None) -> None:
    """Hold what belongs to incomplete orders and give back what belongs to complete ones, inside the caller's transaction: of all
    orders, or of those that a file names, where nothing but its rows has come since the last time."""
    suspects = connection.execute("SELECT count(*) FROM raw.quarantine WHERE order_guid IS NOT NULL AND released_at IS NULL")
    if not suspects.fetchall()[0][0]:
        return
    among = _named_by(connection, file_id) if file_id else "TRUE"
    _incomplete(connection, among)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE to_free AS SELECT DISTINCT file_id, row_number FROM raw.quarantine "
        f"WHERE is_held AND {among} AND order_guid NOT IN (SELECT order_guid FROM incomplete)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE to_hold AS SELECT file_id, row_number, any_value(order_guid) AS order_guid "
        "FROM members WHERE order_guid IN (SELECT order_guid FROM incomplete) GROUP BY file_id, row_number"
    )
    files = connection.execute("SELECT DISTINCT file_id FROM to_hold UNION SELECT DISTINCT file_id FROM to_free").fetchall()
    if not files:
        return
    _note(connection, dictionary)
    for entity in _entities(connection, dictionary):
        _move(connection, dictionary, entity, f"raw.{quote(entity)}", f"held.{quote(entity)}", "to_hold")
        _move(connection, dictionary, entity, f"held.{quote(entity)}", f"raw.{quote(entity)}", "to_free")
    connection.execute(
        "DELETE FROM raw.quarantine AS q USING to_free AS f "
        "WHERE q.is_held AND q.file_id = f.file_id AND q.row_number = f.row_number"
    )
    _recount(connection, dictionary, [str(f[0]) for f in files])


def _named_by(connection: duckdb.DuckDBPyConnection, file_id: str) -> str:
    """The condition for the orders that a file's rows name, wherever these stand."""
    _create_held(connection)
    tables = [*(f"{place}.{entity}" for place in ("raw", "held") for entity in MEMBERS), "raw.quarantine"]
    rows = " UNION ".join(f"SELECT order_guid FROM {table} WHERE file_id = $file" for table in tables)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE named AS {rows}", {"file": file_id})
    return "order_guid IN (SELECT order_guid FROM named WHERE order_guid IS NOT NULL)"


def _create_held(connection: duckdb.DuckDBPyConnection) -> None:
    for entity in MEMBERS:
        connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS held; CREATE TABLE IF NOT EXISTS held.{entity} AS FROM raw.{entity} LIMIT 0"
        )


def _incomplete(connection: duckdb.DuckDBPyConnection, among: str) -> None:
    """`incomplete`: orders some rows of which are set aside, where no file has good rows of the same entity for them; and
    `members`: all rows in `raw` of orders of which some are set aside. Both `among` the orders that a condition is true of.

    Held rows count as good: being held is a consequence of this, not a cause.
    """
    _create_held(connection)
    names = ", ".join(map(literal, MEMBERS))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE suspects AS SELECT DISTINCT order_guid, member_of FROM raw.quarantine "
        f"WHERE order_guid IS NOT NULL AND NOT is_held AND released_at IS NULL AND member_of IN ({names}) AND {among}"
    )
    # Each table is looked through once: it holds years of orders.
    members = " UNION ALL ".join(
        f"SELECT {literal(e)} AS member_of, file_id, row_number, order_guid FROM raw.{e} WHERE order_guid IN "
        "(SELECT order_guid FROM suspects)"
        for e in MEMBERS
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE members AS {members}")
    held = " UNION ALL ".join(f"SELECT {literal(e)} AS member_of, order_guid FROM held.{e}" for e in MEMBERS)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE incomplete AS SELECT DISTINCT order_guid FROM suspects "
        "ANTI JOIN members USING (order_guid, member_of) "
        f"ANTI JOIN (SELECT DISTINCT order_guid, member_of FROM ({held})) AS held USING (order_guid, member_of)"
    )


def _entities(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> list[str]:
    """Every entity that the files concerned have rows of."""
    sources = connection.execute(
        "SELECT DISTINCT source FROM raw.files WHERE file_id IN (SELECT file_id FROM to_hold UNION SELECT file_id FROM to_free)"
    ).fetchall()
    return sorted({b.entity for (name,) in sources for b in dictionary.sources[name].blocks})


def _note(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """Enter the rows that are held into quarantine, with their standard fields as text: those not about a person are shown."""
    for entity in MEMBERS:
        fields = dictionary.entities[entity].fields
        every = ", ".join(f"{literal(f)}, CAST(r.{quote(f)} AS VARCHAR)" for f in fields)
        plain = ", ".join(
            f"{literal(f)}, CAST(r.{quote(f)} AS VARCHAR)"
            for f in fields
            if dictionary.field(entity, f).pii is None and not dictionary.field(entity, f).scrub
        )
        connection.execute(
            f"""INSERT INTO raw.quarantine BY NAME
            SELECT r.file_id, r.row_number, {literal(entity)} AS entity, 'family' AS reason, {literal(DETAIL)} AS detail,
                CAST(json_object({every}) AS VARCHAR) AS raw, CAST(json_object({plain}) AS VARCHAR) AS shown,
                r.channel_order_id AS family, f.ingested_at AS quarantined_at, r.order_guid, {literal(entity)} AS member_of,
                true AS is_held
            FROM raw.{entity} AS r INNER JOIN to_hold AS h ON r.file_id = h.file_id AND r.row_number = h.row_number
            INNER JOIN raw.files AS f ON r.file_id = f.file_id
            WHERE NOT EXISTS (SELECT 1 FROM raw.quarantine AS q
                WHERE q.file_id = r.file_id AND q.row_number = r.row_number AND q.is_held)
            QUALIFY row_number() OVER (PARTITION BY r.file_id, r.row_number ORDER BY r.row_hash) = 1"""
        )


def _move(
    connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, entity: str, source: str, target: str, rows: str
) -> None:
    """Move the rows of one entity from one table to the other, and leave word of it for the models."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS held.{quote(entity)} AS FROM raw.{quote(entity)} LIMIT 0")
    for name, kind in raw_columns(dictionary, entity).items():  # a field that the dictionary has been given since
        connection.execute(f"ALTER TABLE held.{quote(entity)} ADD COLUMN IF NOT EXISTS {quote(name)} {kind}")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE moved AS SELECT t.* FROM {source} AS t SEMI JOIN {rows} USING (file_id, row_number)"
    )
    if connection.execute("SELECT count(*) FROM moved").fetchall()[0][0]:
        connection.execute(f"INSERT INTO {target} BY NAME SELECT * FROM moved")
        connection.execute(
            f"DELETE FROM {source} AS t USING {rows} AS m WHERE t.file_id = m.file_id AND t.row_number = m.row_number"
        )
        touch_moved(connection, dictionary, entity, "moved")


def _recount(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, files: list[str]) -> None:
    """The ledger's counts of the files whose rows have moved."""
    for file_id in files:
        connection.execute(
            """UPDATE raw.files SET rows_quarantined = n.aside,
                rows_accepted = rows_accepted + rows_quarantined - n.aside
            FROM (SELECT count(DISTINCT row_number) AS aside FROM raw.quarantine
                WHERE file_id = $file AND released_at IS NULL) AS n WHERE raw.files.file_id = $file""",
            {"file": file_id},
        )
        (name,) = connection.execute("SELECT source FROM raw.files WHERE file_id = ?", [file_id]).fetchall()[0]
        source = dictionary.sources[name]
        ledger.count_repeats(connection, source.primary.entity, name, file_id, source.repeated_rows == "marked", anew=True)
        touch_ledger(connection, file_id)
