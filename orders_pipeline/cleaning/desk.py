"""What the commands `products suggest` and `channel check` do: titles and words nobody has named yet, and naming titles."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orders_pipeline.cleaning import products
from orders_pipeline.ingest.decisions import leave
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records


def _published(home: Home, statement: str) -> list[dict[str, Any]]:
    with open_published(home) as connection:
        return records(connection, statement)


def suggest(home: Home) -> list[dict[str, Any]]:
    """Every title that is only tidied, most sold first, with the known name nearest to it and how near (0 to 1)."""
    unknown = _published(
        home,
        "SELECT n.title, count(l.order_guid) AS line_count FROM cleaning.product_names AS n "
        "LEFT JOIN orders.order_lines AS l ON l.product_title = n.title "
        "WHERE n.name_source = 'tidied' GROUP BY n.title ORDER BY line_count DESC, n.title",
    )
    named = _published(home, "SELECT DISTINCT product_name FROM cleaning.product_names WHERE name_source <> 'tidied' ORDER BY 1")
    known = [*(row["product_name"] for row in named), *products.seeds().values()]
    nearest = products.suggestions([row["title"] for row in unknown], known)
    return [
        {**row, "product_name": found.product_name, "confidence": found.confidence}
        for row, found in zip(unknown, nearest, strict=True)
    ]


def accept(home: Home, rows: list[dict[str, Any]], by: str, why: str, now: datetime | None = None) -> str:
    """Write suggestions as a decision file into the landing zone; the next run takes it in. Returns its path."""
    if not rows:
        raise Usage("no suggestion is near enough; lower --at-least, or write a product_synonyms file by hand")
    moment = now or datetime.now(UTC)
    decided = {"decided_by": by, "decided_at": moment.isoformat(timespec="seconds"), "reason": why}
    named = [{"title": r["title"], "product_name": r["product_name"], **decided} for r in rows]
    return str(leave(home, "product_synonyms", named, moment))


def unmapped(home: Home) -> list[dict[str, Any]]:
    """The words of all sources that no vocabulary knows, most frequent first, each with a file and line that holds it."""
    return _published(
        home,
        "SELECT u.source, u.field, u.raw_value, u.value_count, f.path, u.row_number FROM quality.unmapped_values AS u "
        "LEFT JOIN (SELECT file_id, min(path) AS path FROM ops.files WHERE status = 'loaded' GROUP BY file_id) AS f "
        "ON u.file_id = f.file_id ORDER BY u.value_count DESC, u.source, u.field, u.raw_value",
    )
