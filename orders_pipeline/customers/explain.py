"""`orders-pipeline explain customer:ID`: what is known of a customer, his tags, and the orders behind each."""

from __future__ import annotations

from typing import Any

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records

PREFIX = "customer:"
#: Fewer characters of a customer_id would sooner or later fit several people.
LEAST = 8


def explain(home: Home, customer: str) -> dict[str, Any]:
    """A customer by his customer_id or the beginning of it: figures, accounts, scores, tags with their orders.

    An account joined to others by a link is found as well. Raises Usage when nobody, or several, have that beginning.
    """
    if len(customer) < LEAST:
        raise Usage(f"name a customer by his customer_id, or at least the first {LEAST} characters of it")
    with open_published(home) as connection:

        def rows(statement: str, **values: Any) -> list[dict[str, Any]]:
            return records(connection, statement, values)

        found = rows(
            "SELECT customer_id FROM customers.customers WHERE starts_with(customer_id, $n) "
            "UNION SELECT customer_id FROM customers.identities WHERE starts_with(member_id, $n)",
            n=customer.lower(),
        )
        if len(found) != 1:
            several = f"'{customer}' fits {len(found)} customers; give more of the customer_id" if found else ""
            raise Usage(several or f"no customer with a paid order has a customer_id that begins with '{customer}'")
        known = {"c": found[0]["customer_id"]}
        links = """
            SELECT l.customer_id, l.linked_customer_id, l.is_linked, l.decided_by, l.why, l.row_number, f.path AS file
            FROM customers.links AS l LEFT JOIN ops.files AS f USING (file_id)
            WHERE l.customer_id IN (SELECT member_id FROM customers.identities WHERE customer_id = $c)
                OR l.linked_customer_id IN (SELECT member_id FROM customers.identities WHERE customer_id = $c) ORDER BY ALL"""
        orders = """
            SELECT o.*, f.path AS file FROM customers.tag_orders AS o LEFT JOIN ops.files AS f USING (file_id)
            WHERE o.customer_id = $c ORDER BY o.tag, o.paid_on, o.channel_order_id"""
        behind = rows(orders, **known)
        tags = rows("SELECT * FROM customers.tags WHERE customer_id = $c ORDER BY status <> 'on', status, tag", **known)
        return {
            "customer": next(
                iter(rows("SELECT * FROM customers.customers WHERE customer_id = $c", **known)),
                known | {"customer_id": known["c"]},
            ),
            "links": rows(links, **known),
            "rfm": rows("SELECT * FROM customers.rfm WHERE customer_id = $c", **known),
            "tags": [{**tag, "orders": [row for row in behind if row["tag"] == tag["tag"]]} for tag in tags],
        }


def text(found: dict[str, Any]) -> str:
    """Figures first, then each tag with its orders; a star marks an order that has the trait the tag is about."""
    lines = [f"{name:15} {value}" for name, value in found["customer"].items() if value is not None]
    for link in found["links"]:
        pair = [link[name][:12] for name in ("customer_id", "linked_customer_id")]
        lines.append(
            f"link            {(' is ' if link['is_linked'] else ' is not ').join(pair)}, says {link['decided_by']}{_where(link)}"
        )
    for row in found["rfm"]:
        scores = " ".join(f"{name[0].upper()}{row[name + '_score'] or '-'}" for name in ("recency", "frequency", "money"))
        money = f"{row['net_amount']} {row['currency']}"
        lines.append(f"rfm             {scores}: {row['recency_days']} days ago, {row['order_count']} orders, {money}")
    for tag in found["tags"]:
        figure = f"{_number(tag['value'])} against {_number(tag['threshold'])}, {tag['sample_count']} counted"
        interval = (
            f", 95 % {_number(tag['interval_low'])} to {_number(tag['interval_high'])}" if tag["interval_low"] is not None else ""
        )
        since = f", since {tag['since_on']}" if tag["since_on"] else ""
        held = "" if tag["is_met"] or tag["status"] == "insufficient" else ", no longer met"
        lines += ["", f"{tag['tag']}: {tag['status']}{since}{held} ({figure}{interval}; rule {tag['rule_version']})"]
        lines += [
            f"  {'*' if row['is_hit'] else ' '} {row['paid_on']}  {row['channel']} {row['channel_order_id']}  "
            f"{row['net_amount']} {row['currency']}{_where(row)}"
            for row in tag["orders"]
        ]
    return "\n".join(lines)


def _where(row: dict[str, Any]) -> str:
    return f"   <- {row['file']} line {row['row_number']}" if row["file"] else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.2f}"
