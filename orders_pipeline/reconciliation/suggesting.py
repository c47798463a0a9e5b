"""Pass M6: which order a payment may be meant for that no other pass could place. Suggestions only; nothing is ever posted.

A suggestion needs the amount an order still owes, in its currency, and a text that points to the order: its number inside the
payment's text, or a number one or two characters off.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orders_pipeline.reconciliation.rules import Criterion, distance, plain, rule_matches

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
#: A number shorter than this is near too many others.
NUMBER_LENGTH_MIN = 5
DISTANCE_MAX = 2
#: A payment near more orders than these is near none.
SUGGESTED_MAX = 3
_NUMBERS = re.compile(r"[0-9A-Za-z][0-9A-Za-z\-]{3,}[0-9A-Za-z]")


def suggestions(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """payment_guid, order_guid, score (0 to 1), reason and tier (`link` or `review`) of every pair that fits, best first."""
    orders: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in sorted((r for r in rows if r["side"] == "order"), key=lambda r: r["record_guid"]):
        orders[row["currency"], _cents(row["amount"])].append(row)
    for payment in sorted((r for r in rows if r["side"] == "payment"), key=lambda r: r["record_guid"]):
        yield from _for_payment(payment, orders)


def _for_payment(payment: Row, orders: Mapping[tuple[str, int], Sequence[Row]]) -> Iterator[dict[str, Any]]:
    tolerance = Decimal(payment["tolerance_amount"])
    equal = [Criterion("currency", "equals"), Criterion("amount", "equals", absolute=tolerance)]
    cents = range(_cents(payment["amount"] - tolerance), _cents(payment["amount"] + tolerance) + 1)
    found = []
    for one in cents:
        for order in orders.get((payment["currency"], one), ()):
            if not rule_matches(equal, payment, order):
                continue
            if payment["channel"] and payment["channel"] != order["channel"]:
                continue
            score, reason = _pointing(payment, order)
            if reason:
                found.append((score, order["record_guid"], reason))
    found.sort(key=lambda f: (-f[0], f[1]))
    for score, guid, reason in found[:SUGGESTED_MAX]:
        # Two orders that fit alike are a question, however well they fit.
        alone = sum(other == score for other, _, _ in found) == 1
        tier = "link" if score >= float(payment["link_score"]) and alone else "review"
        if score >= float(payment["review_score"]):
            yield {"payment_guid": payment["record_guid"], "order_guid": guid, "score": score, "reason": reason, "tier": tier}


def _pointing(payment: Row, order: Row) -> tuple[float, str]:
    """How surely the payment's texts mean the order, and why; (0, "") when they do not."""
    best = (0.0, "")
    numbers = [plain(n) for n in (order["number"], order["other_number"]) if n and len(plain(n)) >= NUMBER_LENGTH_MIN]
    stated = [plain(n) for n in (payment["number"], payment["other_number"]) if n]
    written = [plain(t) for text in (payment["text"],) if text for t in _NUMBERS.findall(text)]
    for number in numbers:
        if number in written:
            best = max(best, (1.0, "the text names the order"))
        for given, where in [(s, "number") for s in stated] + [(w, "number in the text") for w in written]:
            if len(given) < NUMBER_LENGTH_MIN:
                continue
            apart = distance(number, given, DISTANCE_MAX)
            if 0 < apart <= DISTANCE_MAX:
                score = round(1 - apart / max(len(number), len(given)), 4)
                best = max(best, (score, f"{where} is {apart} character{'s' if apart > 1 else ''} off"))
    return best


def _cents(amount: Any) -> int:
    return int(amount * 100)


def suggest(rows: pa.Table) -> pa.Table:
    """The function of the model `reconciliation.suggestions`."""
    import pyarrow as pa

    schema = pa.schema(
        {
            **dict.fromkeys(("payment_guid", "order_guid"), pa.string()),
            "score": pa.float64(),
            **dict.fromkeys(("reason", "tier"), pa.string()),
        }
    )
    return pa.Table.from_pylist(list(suggestions(rows.to_pylist())), schema)
