"""Word left for the models of which rows of the raw tables have come, gone or changed: see `kernel.refresh`."""

from __future__ import annotations

import duckdb

from orders_pipeline.dictionary.model import Dictionary
from orders_pipeline.ingest.raw import TEXT_KEYS, raw_columns
from orders_pipeline.kernel.batches import next_batch
from orders_pipeline.kernel.sqltext import quote

#: Key column of a raw table -> the kind of key a load touches.
TOUCHES = {
    "order_guid": "order",
    "payment_key": "payment",
    "shipment_line_guid": "shipment",
    "parcel_guid": "parcel",
    "product_key": "product",
    "buyer_key": "buyer",
    "region_key": "region",
    "title_guid": "title",
    "wording_guid": "wording",
    "product_synonym_key": "product_synonym",
    "sku_guid": "stock",
    "hold_guid": "hold",
    "return_guid": "return",
    "identity_key": "identity",
    "linked_identity_key": "identity",
}
#: Keys made of a text and of nothing else: what a row says of them has been said by the first row that holds the text.
OF_TEXTS = frozenset(("region_key", *(column for columns in TEXT_KEYS.values() for column in columns)))
#: Small reference lists whose rows have no key of their own: everything that reads them is built anew.
WITHOUT_KEY = (
    *("categories", "promotions", "coupon_products", "coupon_targets", "coupon_redemptions"),
    *("warehouses", "kits", "courier_rates"),
)
#: So many rows of a table have nearly all its texts.
FIRST_ROWS = 50_000
#: A load larger than this share of what is there already is not worth following key by key.
WHOLE_SHARE = 0.2
WHOLE_ROWS_MIN = 20_000


def touch(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, entities: set[str], file_id: str) -> None:
    """Leave the keys of a file's rows for the models; a load too large to follow leaves word that all is to be built."""
    if not connection.execute("SELECT count(*) FROM kernel.consumers WHERE consumer <> 'publication'").fetchall()[0][0]:
        return  # Nothing has been built yet, or all of it is to be built anew.
    batch = next_batch(connection)
    for entity in sorted(entities):
        table = f"raw.{quote(entity)}"
        # Each by itself: blocks without rows of the file are passed over, and all rows need not be looked at to be counted.
        mine = connection.execute(f"SELECT count(*) FROM {table} WHERE file_id = ?", [file_id]).fetchall()[0][0]
        total = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
        large = mine > WHOLE_ROWS_MIN and mine > WHOLE_SHARE * total
        if large or (entity in WITHOUT_KEY and mine):
            connection.execute("DELETE FROM kernel.consumers WHERE consumer <> 'publication'")
            return
        if mine:
            connection.execute("INSERT INTO kernel.touched VALUES (?, ?, ?)", [f"raw.{entity}", file_id, batch])
        keys = [(c, k) for c, k in TOUCHES.items() if c in raw_columns(dictionary, entity)]
        for column, kind in keys:
            mine = f"SELECT DISTINCT {column} AS key FROM {table} WHERE file_id = $file AND {column} IS NOT NULL"
            if column in OF_TEXTS:
                mine = _unsaid(table, column, mine)
            connection.execute(
                f"INSERT INTO kernel.touched SELECT $kind, key, $batch FROM ({mine})",
                {"kind": kind, "batch": batch, "file": file_id},
            )
    touch_ledger(connection, file_id)


def _unsaid(table: str, column: str, mine: str) -> str:
    """A SELECT of those of a file's own keys of texts that no other file's rows have.

    Most texts are said again and again: the first rows of a table have nearly all of them, and only for the others the rest of
    it is looked through."""
    return (
        f"WITH mine AS MATERIALIZED ({mine}), rare AS MATERIALIZED (SELECT key FROM mine ANTI JOIN "
        f"(SELECT {column} AS key FROM {table} WHERE rowid < {FIRST_ROWS} AND file_id <> $file) USING (key)) "
        f"SELECT key FROM rare ANTI JOIN (SELECT key FROM (SELECT {column} AS key FROM {table} WHERE file_id <> $file) "
        "SEMI JOIN rare USING (key)) USING (key)"
    )


def touch_ledger(connection: duckdb.DuckDBPyConnection, file_id: str) -> None:
    """The ledger and the quarantine have changed, whatever the file held."""
    batch = next_batch(connection)
    for table in ("raw.files", "raw.quarantine"):
        connection.execute("INSERT INTO kernel.touched VALUES (?, ?, ?)", [table, file_id, batch])


def touch_moved(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, entity: str, moved: str) -> None:
    """The same for rows of an entity that have left or joined its raw table; `moved` is a table of them."""
    if not connection.execute("SELECT count(*) FROM kernel.consumers WHERE consumer <> 'publication'").fetchall()[0][0]:
        return
    rows = connection.execute(f"SELECT count(*) FROM {moved}").fetchall()[0][0]
    total = connection.execute(f"SELECT count(*) FROM raw.{quote(entity)}").fetchall()[0][0]
    if (rows > WHOLE_ROWS_MIN and rows > WHOLE_SHARE * total) or entity in WITHOUT_KEY:
        connection.execute("DELETE FROM kernel.consumers WHERE consumer <> 'publication'")
        return
    batch = next_batch(connection)
    columns = {"file_id": f"raw.{entity}"} | {c: k for c, k in TOUCHES.items() if c in raw_columns(dictionary, entity)}
    for column, kind in columns.items():
        connection.execute(
            f"INSERT INTO kernel.touched SELECT DISTINCT ?, {column}, ? FROM {moved} WHERE {column} IS NOT NULL", [kind, batch]
        )
