"""What the command `mark` does: a person's word on an order, left as a file that the next run takes in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orders_pipeline.ingest.decisions import leave
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records

NAMED = """
SELECT order_guid, channel, shop_id, channel_order_id, status
FROM orders.orders
WHERE channel_order_id = $given OR CAST(order_guid AS VARCHAR) = lower($given)
ORDER BY channel, shop_id
"""


def find(home: Home, given: str) -> dict[str, Any]:
    """The published order with this number or guid. Raises Usage for none or several."""
    with open_published(home) as connection:
        rows = records(connection, NAMED, {"given": given})
    if not rows:
        raise Usage(f"there is no order {given}; give its channel's number, or the order_guid of any table")
    if len(rows) > 1:
        listed = ", ".join(f"{r['order_guid']} ({r['channel']} {r['shop_id']})" for r in rows[:5])
        raise Usage(f"{given} may be any of {len(rows)}: {listed}; give the guid")
    return rows[0]


def mark(home: Home, given: str, word: str, by: str, why: str, at: datetime | None = None) -> Path:
    """Leave the decision that an order is urgent or normal. It outweighs the rules of the review; the newest of an order counts.

    Returns the file. Raises Usage for an unknown order, or without author or reason.
    """
    if not by.strip() or not why.strip():
        raise Usage("say who decides with --by, and why with --why")
    order, moment = find(home, given), at or datetime.now(UTC)
    row = {name: order[name] for name in ("channel", "shop_id", "channel_order_id")}
    row |= {"mark": word, "decided_by": by, "decided_at": moment.isoformat(timespec="seconds"), "why": why}
    return leave(home, "order_marks", [row])
