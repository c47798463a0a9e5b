"""Passes M4 and M5: which order money belongs to that names none, told by amount and day alone.

Both work inside one block (shop and currency) on what the numbers have left over, use each record once, and give the same
result whatever the order of the records. Where more than one reading fits, none is taken: the payment is ambiguous.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, order=True)
class Record:
    """A payment or an open order: cents received, or still owed, and its business day."""

    day: date
    cents: int
    guid: str
    key: str = ""
    transaction: str = ""


@dataclass(frozen=True)
class Window:
    """How far apart two records may be. A payment may be dated `before` days before its order to `after` days after it.

    `tolerance` in cents, inclusive, for one against one; sums must be exact. `members` is the largest group, `block` the
    largest number of records among which a group is looked for.
    """

    tolerance: int
    before: int
    after: int
    members: int
    block: int

    def fits(self, payment: Record, order: Record) -> bool:
        """The days allow it, and no transaction number speaks against it."""
        days = (payment.day - order.day).days
        contradicts = payment.transaction and order.transaction and payment.transaction != order.transaction
        return -self.before <= days <= self.after and not contradicts


class Shelf:
    """Records by day, and by amount within a day: a look at a few days and a range of cents touches no others."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._days: dict[date, list[Record]] = defaultdict(list)
        for record in sorted(records, key=lambda r: (r.cents, r)):
            self._days[record.day].append(record)

    def between(self, first: date, last: date, low: int, high: int, most: int | None = None) -> list[Record] | None:
        """The records of these days with low <= cents <= high; None when there are more than `most`."""
        found: list[Record] = []
        for offset in range((last - first).days + 1):
            shelf = self._days.get(first + timedelta(days=offset), [])
            start, end = bisect_left(shelf, low, key=_by_cents), bisect_right(shelf, high, key=_by_cents)
            if most is not None and len(found) + end - start > most:
                return None
            found += shelf[start:end]
        return sorted(found)


def _by_cents(record: Record) -> int:
    return record.cents


@dataclass(frozen=True)
class Link:
    """`order` None: several readings fit."""

    payment: Record
    order: Record | None
    cents: int
    rule: str


def link(payments: Sequence[Record], orders: Sequence[Record], window: Window) -> list[Link]:
    """The links of one block: M4 first, M5 on what that leaves untouched."""
    payments, shelf = sorted(payments), Shelf(orders)
    equal = {p: _equal(p, shelf, window) for p in payments}
    # An order that some payment fits alone is no part of a sum, even where that payment fits others too.
    wanted = {order for fitting in equal.values() for order in fitting}
    rest = [p for p in payments if not equal[p]], sorted(set(orders) - wanted)
    return [*_one_to_one(equal), *_groups(*rest, window)]


def _equal(payment: Record, orders: Shelf, window: Window) -> list[Record]:
    found = orders.between(
        payment.day - timedelta(days=window.after),
        payment.day + timedelta(days=window.before),
        payment.cents - window.tolerance,
        payment.cents + window.tolerance,
    )
    return [o for o in found or () if window.fits(payment, o)]


def _one_to_one(candidates: dict[Record, list[Record]]) -> Iterator[Link]:
    claims: dict[Record, int] = defaultdict(int)
    for fitting in candidates.values():
        for order in fitting:
            claims[order] += 1
    for payment, fitting in candidates.items():
        if len(fitting) == 1 and claims[fitting[0]] == 1:
            yield Link(payment, fitting[0], payment.cents, "M4")
        elif fitting:
            yield Link(payment, None, payment.cents, "M4")


def _groups(payments: Sequence[Record], orders: Sequence[Record], window: Window) -> Iterator[Link]:
    """One payment for several orders, or several payments for one order; each record in one solution at most."""
    solutions: list[tuple[tuple[Record, ...], tuple[Record, ...]]] = []
    before, after = timedelta(days=window.before), timedelta(days=window.after)
    paid_by_day, owed_by_day = Shelf(payments), Shelf(orders)
    for payment in payments:
        near = owed_by_day.between(payment.day - after, payment.day + before, 1, payment.cents - 1, window.block)
        fitting = [o for o in near or () if window.fits(payment, o)]
        solutions += [((payment,), group) for group in _sums(payment.cents, fitting, window)]
    for order in orders:
        near = paid_by_day.between(order.day - before, order.day + after, 1, order.cents - 1, window.block)
        fitting = [p for p in near or () if window.fits(p, order)]
        solutions += [(group, (order,)) for group in _sums(order.cents, fitting, window)]
    uses: dict[Record, int] = defaultdict(int)
    for group in solutions:
        for record in (*group[0], *group[1]):
            uses[record] += 1
    doubtful = set()
    for paid, owed in solutions:
        if any(uses[record] > 1 for record in (*paid, *owed)):
            doubtful.update(paid)
        elif len(paid) == 1:
            yield from (Link(paid[0], order, order.cents, "M5") for order in owed)
        else:
            yield from (Link(payment, owed[0], payment.cents, "M5") for payment in paid)
    yield from (Link(payment, None, payment.cents, "M5") for payment in sorted(doubtful))


def _sums(cents: int, near: Sequence[Record], window: Window) -> list[tuple[Record, ...]]:
    """Every way in which two to `members` records add up to the cents."""
    sizes = range(2, min(window.members, len(near)) + 1)
    return [group for size in sizes for group in combinations(near, size) if sum(r.cents for r in group) == cents]


def infer(rows: pa.Table) -> pa.Table:
    """The function of the model `payments.inferred`."""
    import pyarrow as pa

    sides: dict[str, dict[str, list[Record]]] = defaultdict(lambda: {"payment": [], "order": []})
    windows: dict[str, Window] = {}
    for row in rows.to_pylist():
        block = row["block_guid"]
        sides[block][row["side"]].append(
            Record(
                row["day_on"], _cents(row["amount"]), row["record_guid"], row["payment_key"] or "", row["platform_txn_id"] or ""
            )
        )
        windows[block] = Window(
            _cents(row["tolerance_amount"]),
            int(row["before_days"]),
            int(row["after_days"]),
            int(row["group_max_count"]),
            int(row["block_max_count"]),
        )
    made: list[dict[str, Any]] = []
    for block, records in sorted(sides.items()):
        for one in link(records["payment"], records["order"], windows[block]):
            made.append(
                {
                    "block_guid": block,
                    "payment_guid": one.payment.guid,
                    "payment_key": one.payment.key,
                    "order_guid": one.order.guid if one.order else one.payment.guid,
                    "pass": one.rule,
                    "is_ambiguous": one.order is None,
                    "amount": _money(one.cents),
                }
            )
    text = dict.fromkeys(("block_guid", "payment_guid", "payment_key", "order_guid", "pass"), pa.string())
    schema = pa.schema({**text, "is_ambiguous": pa.bool_(), "amount": pa.decimal128(18, 2)})
    return pa.Table.from_pylist(made, schema)


def _cents(amount: Any) -> int:
    return int(amount * 100)


def _money(cents: int) -> Any:
    from decimal import Decimal

    return Decimal(cents).scaleb(-2)
