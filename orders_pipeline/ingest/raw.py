"""The raw tables: every accepted row of every file, as the standard sees it, with file and line. Append-only.

A raw table holds an entity's standard fields, the keys that models join on (derived here, once), and provenance:
source, file_id, row_number (the physical line of the file on which the record starts), exported_at, row_hash.
"""

from __future__ import annotations

import duckdb

from orders_pipeline.dictionary.model import Dictionary
from orders_pipeline.kernel.sqltext import quote

#: Key -> the fields that make it. Only identifiers of the outside world go in: a key never changes.
ORDER_KEY = ("channel", "shop_id", "channel_order_id")
#: Entities whose rows make up an order: in quarantine they stay together.
MEMBERS = ("orders", "order_lines", "discounts")
ORDER_ENTITIES = (
    *("orders", "order_lines", "discounts", "returns", "order_edits", "order_marks"),
    *("holds", "reviews", "coupon_grants"),
)
CLAIMING_ENTITIES = ("payments", "shipments", "tracking")
#: Rows about the stock of one SKU, wherever it lies.
STOCK_ENTITIES = ("product_units", "safety_stocks", "inventory_snapshots", "inventory_movements", "inbound", "channel_stock")

#: Entity -> key column and the text it is made of: what the room `cleaning` looks up by.
TEXT_KEYS = {
    "order_lines": {"title_guid": "product_title"},
    "products": {"title_guid": "title"},
    "discounts": {"wording_guid": "description"},
    "promotions": {"wording_guid": "name"},
}
#: The columns leave no place open: the address, of which there are as many as orders, is not looked at.
_HEAD = (
    "CASE WHEN province IS NULL OR city IS NULL OR district IS NULL OR starts_with(district, '其') "
    "OR district IN ('市辖区', '县') THEN address_head(address) END"
)
PLACE_KEYS = {
    "address_head": ("VARCHAR", _HEAD),
    "region_key": (
        "UUID",
        f"CASE WHEN coalesce(province, city, district, {_HEAD}) IS NOT NULL THEN guid_of("
        f"coalesce(province, '') || '|' || coalesce(city, '') || '|' || coalesce(district, '') || '|' "
        f"|| coalesce({_HEAD}, '')) END",
    ),
}

PROVENANCE = {
    "source": "VARCHAR",
    "timezone": "VARCHAR",
    "file_id": "UUID",
    "row_number": "BIGINT",
    "exported_at": "TIMESTAMPTZ",
    "row_hash": "UUID",
    "fault": "VARCHAR",
}

LEDGER = """
CREATE TABLE IF NOT EXISTS raw.files (
    file_id UUID, path VARCHAR, source VARCHAR, channel VARCHAR, shop_id VARCHAR, sha256 VARCHAR, size_bytes BIGINT,
    encoding VARCHAR, status VARCHAR, reason VARCHAR, rows_read BIGINT, rows_accepted BIGINT, rows_quarantined BIGINT,
    rows_repeated BIGINT, rows_duplicate BIGINT, exported_at TIMESTAMPTZ, ingested_at TIMESTAMPTZ, context VARCHAR);
CREATE TABLE IF NOT EXISTS raw.quarantine (
    file_id UUID, row_number BIGINT, entity VARCHAR, reason VARCHAR, field VARCHAR, detail VARCHAR, raw VARCHAR,
    shown VARCHAR, family VARCHAR, quarantined_at TIMESTAMPTZ, released_at TIMESTAMPTZ);
ALTER TABLE raw.quarantine ADD COLUMN IF NOT EXISTS order_guid UUID;
ALTER TABLE raw.quarantine ADD COLUMN IF NOT EXISTS member_of VARCHAR;
ALTER TABLE raw.quarantine ADD COLUMN IF NOT EXISTS is_held BOOLEAN DEFAULT false;
CREATE TABLE IF NOT EXISTS kernel.seen (path VARCHAR, size BIGINT, modified BIGINT, dictionary VARCHAR);
"""


#: Who somebody is: the keyed hash of a normalised telephone number, or of a channel and an account on it.
_BY_PHONE = "keyed_hash('phone:' || {})"
_BY_ACCOUNT = "keyed_hash('account:' || {} || ':' || {})"


def link_keys() -> dict[str, tuple[str, str]]:
    """The two identities a declared link names, and the keys of both. What is masked names nobody."""
    left = f"coalesce(customer_number, {_BY_ACCOUNT.format('channel', 'unmasked(buyer_account)')}, "
    left += f"{_BY_PHONE.format('phone_digits(buyer_phone)')})"
    right = f"coalesce(linked_customer_number, {_BY_ACCOUNT.format('linked_channel', 'unmasked(linked_account)')}, "
    right += f"{_BY_PHONE.format('phone_digits(linked_phone)')}, {_BY_PHONE.format('phone_digits(buyer_phone)')})"
    return {
        "customer_id": ("VARCHAR", left),
        "linked_customer_id": ("VARCHAR", right),
        "identity_key": ("UUID", f"guid_of({left})"),
        "linked_identity_key": ("UUID", f"guid_of({right})"),
    }


def shared_parts(fields: tuple[str, ...]) -> dict[str, str]:
    """What several keys of a row are made of: name -> SQL over the entity's fields.

    Worked out once per row, below the keys: with the rules of telephone numbers written out in each of them, DuckDB looks for
    equal parts for seconds before it reads the first row.
    """
    if "buyer_phone" not in fields:
        return {}
    return {"full_phone": "phone_number(buyer_phone, country)" if "country" in fields else "phone_digits(buyer_phone)"}


def derived_columns(entity: str, fields: tuple[str, ...], transaction_key: str = "payment_id") -> dict[str, tuple[str, str]]:
    """Key columns of an entity: name -> (type, SQL over the entity's fields and their `shared_parts`)."""

    def guid(*parts: str) -> str:
        # concat with || keeps NULL: a key with a part missing is no key.
        return "guid_of(" + " || '|' || ".join(parts) + ")"

    def known(*parts: str) -> str:
        return guid(*(f"coalesce({quote(p)}, '')" for p in parts))

    keys: dict[str, tuple[str, str]] = {}
    if entity in ORDER_ENTITIES:
        keys["order_guid"] = ("UUID", guid(*map(quote, ORDER_KEY)))
    elif entity in CLAIMING_ENTITIES:
        # What the row itself says; the linking models decide which order it really belongs to.
        keys["claimed_guid"] = ("UUID", guid(*map(quote, ORDER_KEY)))
    if entity in STOCK_ENTITIES:
        keys["sku_guid"] = ("UUID", guid("sku"))
    elif "quantity_unit" in fields:
        # Only rows that name a unit wait for its factor; the others touch their goods through what is made of them.
        keys["sku_guid"] = ("UUID", f"CASE WHEN quantity_unit IS NOT NULL THEN {guid('sku')} END")
    if entity == "holds":
        keys["hold_guid"] = ("UUID", known("hold_id", "warehouse_id", "sku"))
    if entity == "returns":
        keys["return_guid"] = ("UUID", known(*ORDER_KEY, "return_id"))
    if entity == "payments":
        # All rows about one transaction share this key, whichever statement they stand in (see `restates`).
        keys["payment_key"] = ("UUID", f"guid_of(coalesce({quote(transaction_key)}, payment_id))")
    if entity in ("shipments", "tracking"):
        keys["parcel_guid"] = ("UUID", guid("courier_code", "waybill_id"))
    if entity == "shipments":
        keys["shipment_line_guid"] = (
            "UUID",
            known("warehouse_id", "outbound_id", *ORDER_KEY, "sub_order_id", "sku", "waybill_id"),
        )
    if entity == "order_lines":
        keys["line_key"] = (
            "VARCHAR",
            "coalesce(sub_order_id, lpad(CAST(line_no AS VARCHAR), 6, '0'), lpad(CAST(row_number() OVER "
            "(PARTITION BY channel, shop_id, channel_order_id ORDER BY row_number) AS VARCHAR), 6, '0'))",
        )
        # Equal to an earlier row of its file in every cell, in a source that keeps such rows and marks them.
        keys["is_repeated_row"] = ("BOOLEAN", "repeat_number > 1")
    if entity == "customer_links":
        keys |= link_keys()
    elif "buyer_account" in fields or "buyer_phone" in fields:
        phone = "full_phone" if "buyer_phone" in fields else "NULL"
        keys["customer_id"] = (
            "VARCHAR",
            f"CASE WHEN {phone} IS NOT NULL THEN {_BY_PHONE.format(phone)} WHEN unmasked(buyer_account) IS NOT NULL "
            f"THEN {_BY_ACCOUNT.format('channel', 'buyer_account')} END",
        )
        if entity in ("orders", "buyers"):
            keys["phone_masked"] = ("VARCHAR", f"phone_shown({phone})")
    if entity == "orders":
        # The number alone: an account in a later export, whose number is masked, is not another buyer.
        keys["phone_id"] = ("VARCHAR", _BY_PHONE.format("full_phone"))
    if entity == "orders":
        # Tells that name, phone or address changed, without telling what they are.
        keys["contact_hash"] = (
            "UUID",
            # Shown in part it tells nothing: the last full one stands.
            "CASE WHEN coalesce(buyer_name, buyer_phone, address) IS NOT NULL AND NOT (coalesce(is_masked(buyer_name), FALSE) "
            "OR coalesce(is_masked(buyer_phone), FALSE) OR coalesce(is_masked(address), FALSE)) THEN "
            "guid_of(concat_ws(chr(31), buyer_name, buyer_phone, address)) END",
        )
        # Same person, same place: telephone number and address in full, whatever blanks and punctuation stand in them.
        keys["delivery_key"] = (
            "VARCHAR",
            "CASE WHEN full_phone IS NOT NULL AND address IS NOT NULL AND NOT is_masked(address) THEN "
            "keyed_hash('place:' || full_phone || '|' || coalesce(province, '') || coalesce(city, '') "
            r"|| coalesce(district, '') || lower(regexp_replace(address, '[\s,，.。;；#·_-]', '', 'g'))) END",
        )
        keys |= PLACE_KEYS
    for column, text in TEXT_KEYS.get(entity, {}).items():
        keys[column] = ("UUID", f"guid_of({quote(text)})")
    if entity == "tracking":
        keys["parcel_status"] = ("VARCHAR", "coalesce(said.parcel_status, status_code, 'unmapped')")
    for single, key in (("products", ("sku",)), ("buyers", ("channel", "buyer_ref")), ("product_synonyms", ("title",))):
        if entity == single:
            keys[f"{single[:-1]}_key"] = ("UUID", guid(*map(quote, key)))
    return keys


def raw_columns(dictionary: Dictionary, entity: str) -> dict[str, str]:
    """Column -> DuckDB type of raw.<entity>."""
    fields = dictionary.entities[entity].fields
    columns = {f: dictionary.field(entity, f).duckdb_type for f in fields if f not in PROVENANCE}
    columns |= {name: kind for name, (kind, _) in derived_columns(entity, fields).items()}
    return columns | PROVENANCE


def create_raw_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """Make the raw tables that are missing; a field added to the dictionary becomes a column of the existing table."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS raw; CREATE SCHEMA IF NOT EXISTS kernel;" + LEDGER)
    existing: dict[str, set[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'raw'"
    ).fetchall():
        existing.setdefault(table, set()).add(column)
    for entity in dictionary.entities:
        columns = raw_columns(dictionary, entity)
        if entity not in existing:
            body = ", ".join(f"{quote(n)} {t}" for n, t in columns.items())
            connection.execute(f"CREATE TABLE raw.{quote(entity)} ({body})")
            continue
        derived = derived_columns(entity, dictionary.entities[entity].fields)
        for name in columns.keys() - existing[entity]:
            connection.execute(f"ALTER TABLE raw.{quote(entity)} ADD COLUMN {quote(name)} {columns[name]}")
            made_of = {**{key: made for key, made in derived.items() if made[0] == "UUID"}, **PLACE_KEYS}
            if name in made_of:
                # Rows of before get the key as well: their files are not read again.
                connection.execute(f"UPDATE raw.{quote(entity)} SET {quote(name)} = {made_of[name][1]}")
