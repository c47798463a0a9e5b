"""What the commands `exceptions` and `channel release` do: the queue as published; decisions left as files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orders_pipeline.ingest.decisions import leave
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records

#: What `resolve --as` takes -> action of the decision.
RESOLUTIONS = {"match": "resolve_match", "adjustment": "resolve_adjustment"}


def exceptions(home: Home, state: str | None = None, reason: str | None = None) -> list[dict[str, Any]]:
    """The published queue, the oldest first; of one state or reason."""
    return _rows(
        home,
        "SELECT * FROM reconciliation.exceptions WHERE ($state IS NULL OR state = $state) "
        "AND ($reason IS NULL OR reason = $reason) "
        "ORDER BY opened_on, exception_guid",
        {"state": state, "reason": reason},
    )


def find(home: Home, given: str) -> dict[str, Any]:
    """The exception with this guid (or its first characters), or of this order number. Raises Usage for none or several."""
    found = _rows(
        home,
        "SELECT * FROM reconciliation.exceptions WHERE starts_with(exception_guid, lower($given)) OR channel_order_id = $given "
        "ORDER BY opened_on, exception_guid",
        {"given": given},
    )
    if not found:
        raise Usage(f"there is no exception {given}; `orders-pipeline exceptions list` shows them")
    if len(found) > 1:
        listed = ", ".join(f"{r['exception_guid']} ({r['channel']} {r['reason']})" for r in found[:5])
        raise Usage(f"{given} may be any of {len(found)}: {listed}")
    return found[0]


def decide(home: Home, given: str, action: str, by: str, why: str, at: datetime | None = None, **more: str | None) -> Path:
    """Leave a decision about an exception, with the difference as it stands published: should it change later, the exception
    opens again. Returns the file. Raises Usage where the decision cannot be one."""
    if not by.strip() or not why.strip():
        raise Usage("say who decides with --by, and why with --why")
    second = more.get("second_person")
    if second is not None and second.strip().lower() == by.strip().lower():
        raise Usage("the second person of a write-off is another one than the first")
    found, moment = find(home, given), at or datetime.now(UTC)
    row = {
        "exception_guid": found["exception_guid"],
        "action": action,
        "decided_by": by,
        "decided_at": moment.isoformat(timespec="seconds"),
        "why": why,
        "order_guid": found["order_guid"],
        "reason": found["reason"],
        "amount": found["amount_diff"] if found["amount_diff"] is not None else 0,
        "quantity": found["qty_diff"] if found["qty_diff"] is not None else 0,
        "assignee": more.get("assignee") or "",
        "second_person": second or "",
    }
    return leave(home, "exception_decisions", [row], datetime.now(UTC))


def release(home: Home, channel: str, by: str, why: str, at: datetime | None = None) -> Path:
    """Leave the decision that a held channel's files are taken. Raises Usage when the channel is not held."""
    held = [row["channel"] for row in _rows(home, "SELECT channel FROM reconciliation.channel_holds ORDER BY 1", {})]
    if channel not in held:
        raise Usage(f"{channel} is not held; held are: {', '.join(held) or 'none'}")
    if not by.strip() or not why.strip():
        raise Usage("say who decides with --by, and why with --why")
    decided = (at or datetime.now(UTC)).isoformat(timespec="seconds")
    row = {"channel": channel, "action": "release", "decided_by": by, "decided_at": decided, "why": why}
    return leave(home, "channel_decisions", [row])


def _rows(home: Home, statement: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    with open_published(home) as connection:
        return records(connection, statement, values)
