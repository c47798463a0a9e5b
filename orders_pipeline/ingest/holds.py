"""Channels whose intake is held: their new files wait, all others are taken.

Why a channel is held is decided by the room `reconciliation` (tables `channel_holds` and `channel_gaps`): orders are paid and not
created. Nobody may rely on what such a channel's interface delivers, except where it closes the gap: a file with one of the
missing orders is taken, hold or not, or the hold would never end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import duckdb

from orders_pipeline.kernel.faults import Transient
from orders_pipeline.kernel.sqltext import quote
from orders_pipeline.kernel.warehouse import columns_of, table_exists

#: Decisions of people are never held: one of them is what ends a hold.
DECISIONS = frozenset({"channel_decisions", "exception_decisions", "product_synonyms", "order_marks"})


class Held(Transient):
    """The file waits: its channel is held."""


def held_channels(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> frozenset[str]:
    """The channels held as the last run left it, without those somebody has released since."""
    if not table_exists(connection, "reconciliation.channel_holds"):
        return frozenset()
    rows = connection.execute(
        "SELECT h.channel FROM reconciliation.channel_holds AS h WHERE h.ends_at > $as_of AND NOT EXISTS (SELECT 1 "
        "FROM raw.channel_decisions AS d WHERE d.channel = h.channel AND d.action = 'release' AND d.decided_at <= $as_of "
        "AND d.decided_at >= h.last_paid_at)",
        {"as_of": as_of},
    ).fetchall()
    return frozenset(channel for (channel,) in rows)


def check(connection: duckdb.DuckDBPyConnection, entities: Iterable[str], file_id: str, as_of: datetime) -> None:
    """Raises Held when every row of a file just loaded that names a channel names a held one, and none closes the gap.

    To be called inside the transaction that loads it, which the caller rolls back.
    """
    held = held_channels(connection, as_of)
    entities = sorted(set(entities))
    if not held or DECISIONS.intersection(entities):
        return
    named: set[str] = set()
    for entity in entities:
        if "channel" in columns_of(connection, f"raw.{entity}"):
            rows = connection.execute(
                f"SELECT DISTINCT channel FROM raw.{quote(entity)} WHERE file_id = ? AND channel IS NOT NULL", [file_id]
            ).fetchall()
            named |= {channel for (channel,) in rows}
    if named and named <= held and not _closes_a_gap(connection, entities, file_id):
        raise Held(
            f"held: orders of {', '.join(sorted(named))} are paid and not created; the file is taken when they are there or "
            "somebody releases the channel",
            remedy=f"orders-pipeline channel release {min(named)}",
        )


def _closes_a_gap(connection: duckdb.DuckDBPyConnection, entities: Iterable[str], file_id: str) -> bool:
    if "orders" not in entities:
        return False
    found = connection.execute(
        "SELECT count(*) FROM raw.orders AS o JOIN reconciliation.channel_gaps AS g ON o.channel = g.channel "
        "AND g.channel_order_id IN (o.channel_order_id, o.platform_txn_id, o.internal_order_id) WHERE o.file_id = ?",
        [file_id],
    ).fetchall()
    return bool(found[0][0])
