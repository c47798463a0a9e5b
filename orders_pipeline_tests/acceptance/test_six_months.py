"""Half a year of differences against a truth that knows no SQL: files arrive late, months are closed, somebody writes off.

The truth is a ledger kept by hand: what each order owes and what was paid by the time a month is closed. What differs then and was
not carried in is new, what was carried in and differs no longer is cleared, a decision writes off, the rest is carried out.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from orders_pipeline.finance.close import close
from orders_pipeline.kernel.home import Home
from orders_pipeline.reconciliation.desk import decide
from orders_pipeline_tests.scenarios.stories import CHINA, Book
from orders_pipeline_tests.scenarios.test_close import at, frozen, sale
from orders_pipeline_tests.support import new_home, query, run

MONTHS = [date(2025, 9, 1), date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
DUE, TOLERANCE = Decimal("100.00"), Decimal("0.05")
COLUMNS = ("opening", "new", "cleared", "written_off", "closing")


@dataclass
class Ledger:
    """What was sold and paid, as told so far, and what the last close carried out."""

    made: dict[str, date] = field(default_factory=dict)
    channel: dict[str, str] = field(default_factory=dict)
    paid: dict[str, Decimal | None] = field(default_factory=dict)
    carried: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    written_off: set[str] = field(default_factory=set)

    def differing(self) -> dict[tuple[str, str], Decimal]:
        found = {}
        for number, paid in self.paid.items():
            difference = (paid or Decimal(0)) - DUE
            if number not in self.written_off and abs(difference) > TOLERANCE:
                reason = "shipped_not_paid" if paid is None else "over_paid" if difference > 0 else "under_paid"
                found[number, reason] = difference
        return found

    def roll(self, month: date) -> dict[tuple[str, str], dict[str, Any]]:
        """The items of a month that ends now: order and reason -> how it moved."""
        now, rows = self.differing(), {}
        for key in self.carried.keys() | now.keys():
            before, after = self.carried.get(key, Decimal(0)), now.get(key)
            moved = dict.fromkeys(COLUMNS, Decimal(0)) | {"opening": before, "prior": self.made[key[0]] < month}
            if after is not None:
                moved |= {"new": after - before, "closing": after}
            else:
                moved["written_off" if key[0] in self.written_off else "cleared"] = before
            rows[key] = moved
        self.carried = now
        return rows


class World:
    """Draws what happens, tells it to the pipeline as files and to the ledger as it is."""

    def __init__(self, seed: int) -> None:
        self.chance, self.ledger = random.Random(seed), Ledger()

    def tell(self, home: Home, n: int) -> None:
        """The files that arrive in a month: its orders, some of earlier months, and money for some of either."""
        books = {channel: Book(channel) for channel in ("taobao", "jd")}
        for k, (channel, book) in enumerate(books.items()):
            book.count = 10_000 * n + 5_000 * k
            for order in range(6 + (n > 0) * 2):
                # The last two of a file belong to a month that is closed.
                month = MONTHS[n] if order < 6 else self.chance.choice(MONTHS[:n])
                self._sell(book, channel, f"{channel}-{n}-{order}", month)
        open_ = sorted(self.ledger.differing())
        for number, _ in self.chance.sample(open_, min(3, len(open_))):
            self._pay(books, number, n, self.chance.choice(["rest", "rest", "part", "more"]))
        settled = sorted(set(self.ledger.paid) - {number for number, _ in open_} - self.ledger.written_off)
        for number in self.chance.sample(settled, 1):
            self._pay(books, number, n, "more")
        for channel, book in books.items():
            book.land(home, f"{MONTHS[n]:%Y-%m}/{channel}-")

    def _sell(self, book: Book, channel: str, number: str, month: date) -> None:
        paid = self.chance.choice(["100.00", "100.00", "100.05", "90.00", "110.00", "99.94", None])
        sale(book, number, f"{month:%Y-%m}-{self.chance.randint(1, 24):02}", str(DUE), paid)
        self.ledger.made[number], self.ledger.channel[number] = month, channel
        self.ledger.paid[number] = None if paid is None else Decimal(paid)

    def _pay(self, books: dict[str, Book], number: str, n: int, how: str) -> None:
        left = DUE - (self.ledger.paid[number] or Decimal(0))
        amount = {"rest": left, "part": Decimal("4.00"), "more": Decimal("7.00")}[how]
        books[self.ledger.channel[number]].pay(
            number, str(amount), kind="receipt" if amount > 0 else "adjustment", occurred_at=at(f"{MONTHS[n]:%Y-%m}-26")
        )
        self.ledger.paid[number] = (self.ledger.paid[number] or Decimal(0)) + amount


def items_of(home: Home, month: date) -> dict[tuple[str, str], dict[str, Any]]:
    rows = query(
        home,
        "SELECT o.channel_order_id, d.reason, d.is_prior_period, d.opening_amount, d.new_amount, d.cleared_amount, "
        "d.written_off_amount, d.closing_amount FROM finance.month_end_orders AS d JOIN orders.orders AS o USING (order_guid) "
        "WHERE d.month = ?",
        [month],
    )
    found = {(number, reason): dict(zip(COLUMNS, amounts, strict=True)) | {"prior": prior} for number, reason, prior, *amounts in rows}
    assert len(found) == len(rows)
    return found


def totals_of(home: Home, month: date) -> dict[tuple[str, str], list[Any]]:
    columns = ", ".join(f"{name}_count, {name}_amount" for name in COLUMNS)
    rows = query(home, f"SELECT channel, reason, {columns} FROM finance.month_end_differences WHERE month = ?", [month])
    return {(channel, reason): list(figures) for channel, reason, *figures in rows}


def totals(ledger: Ledger, items: dict[tuple[str, str], dict[str, Any]], carried: set[tuple[str, str]]) -> dict[tuple[str, str], list[Any]]:
    """Counts and sums by channel and reason. An item is opening or new, and cleared, written off or closing."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(lambda: [0, Decimal(0)] * len(COLUMNS))
    for (number, reason), moved in items.items():
        row = found[ledger.channel[number], reason]
        ends = "closing" if moved["closing"] else "written_off" if moved["written_off"] else "cleared"
        for at_, name in enumerate(COLUMNS):
            row[2 * at_] += name in ("opening" if (number, reason) in carried else "new", ends)
            row[2 * at_ + 1] += moved[name]
    return dict(found)


@pytest.mark.parametrize("seed", [6])
def test_six_months_of_differences_roll_forward_as_the_ledger_says(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    home, world, kept = new_home(tmp_path_factory.mktemp("half_year") / "home"), World(seed), {}
    seen: dict[str, int] = defaultdict(int)
    expected = {}
    for n, month in enumerate(MONTHS):
        world.tell(home, n)
        untouched = [number for number, reason in sorted(world.ledger.carried) if reason == "under_paid" and (number, reason) in world.ledger.differing()]
        if n in (2, 4) and untouched:
            unchanged = [u for u in untouched if world.ledger.carried[u, "under_paid"] == world.ledger.differing()[u, "under_paid"]]
            moment = datetime.fromisoformat(at(f"{month:%Y-%m}-15"))
            decide(home, unchanged[0], "write_off", "li.na", "not worth a letter", moment, second_person="wang.fang")
            world.ledger.written_off.add(unchanged[0])
        carried = set(world.ledger.carried)
        expected[month] = world.ledger.roll(month)
        after = MONTHS[n + 1] if n + 1 < len(MONTHS) else date(2026, 3, 1)
        run(home, datetime(after.year, after.month, 2, 12, tzinfo=CHINA))
        assert items_of(home, month) == expected[month], month
        assert totals_of(home, month) == totals(world.ledger, expected[month], carried), month
        for earlier, rows in kept.items():
            assert frozen(home, earlier) == rows, f"{earlier} changed when {month} came"
        close(home, month, "li.na", "agreed with the books", force=True)
        kept[month] = frozen(home, month)
        for moved in expected[month].values():
            for name in COLUMNS:
                seen[name] += moved[name] != 0
            seen["prior"] += moved["prior"] and not moved["opening"]
    run(home, datetime(2026, 3, 2, 13, tzinfo=CHINA))
    assert {month: frozen(home, month) for month in MONTHS} == kept
    states = query(home, "SELECT month, state FROM finance.closes WHERE month < '2026-03-01' ORDER BY month")
    assert states == [(month, "closed") for month in MONTHS]
    for one, following in itertools.pairwise(MONTHS):
        closing = {key: moved["closing"] for key, moved in items_of(home, one).items() if moved["closing"]}
        assert closing == {key: moved["opening"] for key, moved in items_of(home, following).items() if moved["opening"]}
    assert {name: count > 1 for name, count in seen.items()} == dict.fromkeys((*COLUMNS, "prior"), True), dict(seen)
