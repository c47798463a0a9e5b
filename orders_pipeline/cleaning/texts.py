"""The functions behind the tables of this room: different texts in, what they mean out. Each text by itself."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from orders_pipeline.cleaning import products, promotions, regions

if TYPE_CHECKING:
    import pyarrow as pa


def places(rows: pa.Table) -> pa.Table:
    """region_key, province, city, district, address_head -> the place each combination means."""
    import pyarrow as pa

    names = ("province", "city", "district", "address_head")
    columns = [rows.column(n).to_pylist() for n in names]
    found = [regions.resolve(*texts) for texts in zip(*columns, strict=True)]
    text = pa.string()
    return pa.table(
        {
            "region_key": rows.column("region_key"),
            "province": pa.array([r.province for r in found], text),
            "city": pa.array([r.city for r in found], text),
            "district": pa.array([r.district for r in found], text),
            "region_code": pa.array([r.code for r in found], text),
            "region_resolution": pa.array([r.resolution for r in found], text),
        }
    )


def titles(rows: pa.Table) -> pa.Table:
    """title_guid, title -> the tidied title, the key that variants of writing share, and the reference list's name for it."""
    import pyarrow as pa

    said = rows.column("title").to_pylist()
    keys = [products.key(t) for t in said]
    text = pa.string()
    return pa.table(
        {
            "title_guid": rows.column("title_guid"),
            "title": rows.column("title"),
            "tidy_title": pa.array([products.tidied(t) for t in said], text),
            "name_guid": pa.array([_guid(k) for k in keys], text),
            "reference_name": pa.array([products.seeds().get(k or "") for k in keys], text),
        }
    )


def synonyms(rows: pa.Table) -> pa.Table:
    """Decisions (title, product_name, is_newest of its title) -> the name of every key they speak of.

    A name somebody has chosen is known itself. Of several titles with one key the newest decision counts. A key that only
    superseded decisions speak of has no name any more; it stays, so that orders that had it can be found.
    """
    import pyarrow as pa

    names: dict[str, str | None] = {}
    decisions = sorted(rows.to_pylist(), key=lambda r: r["newest_first"])
    for row in decisions:
        for said in (row["title"], row["product_name"]):
            names.setdefault(_guid(products.key(said)), None)
    taken: set[str] = set()
    current = []
    for row in decisions:
        guid = _guid(products.key(row["title"]))
        if guid not in taken:
            taken.add(guid)
            names[guid] = row["product_name"]
            current.append(row["product_name"])
    for name in current:
        guid = _guid(products.key(name))
        if names[guid] is None:
            names[guid] = name
    return pa.table(
        {"name_guid": pa.array(list(names), pa.string()), "product_name": pa.array(list(names.values()), pa.string())}
    )


def wordings(rows: pa.Table) -> pa.Table:
    """wording_guid, wording -> kind, threshold, amount, share and funder of the promotion it describes."""
    import pyarrow as pa

    found = [promotions.understand(t) for t in rows.column("wording").to_pylist()]
    money, pieces = pa.decimal128(18, 2), pa.decimal128(18, 3)
    return pa.table(
        {
            "wording_guid": rows.column("wording_guid"),
            "wording": rows.column("wording"),
            "kind": pa.array([p.kind for p in found], pa.string()),
            "threshold_amount": pa.array([_money(p.threshold_amount) for p in found], money),
            "threshold_qty": pa.array([p.threshold_qty for p in found], pieces),
            "discount_amount": pa.array([_money(p.discount_amount) for p in found], money),
            "discount_ratio": pa.array([p.discount_ratio for p in found], pa.float64()),
            "funder": pa.array([p.funder for p in found], pa.string()),
        }
    )


def _money(amount):
    from decimal import ROUND_HALF_UP, Decimal

    if amount is None or amount >= Decimal(10) ** 12:
        return None  # a number of that length in a wording is an identifier
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _guid(key: str | None) -> str | None:
    """As the helper `guid_of` of the models makes it."""
    return None if key is None else str(uuid.UUID(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()))
