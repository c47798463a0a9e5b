"""Passes M4 and M5 on random books: each record once, the order of records irrelevant, and nothing else than the plain definition finds."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from orders_pipeline.payments.inference import Link, Record, Window, link

FIRST = date(2026, 2, 1)
WINDOW = Window(tolerance=5, before=1, after=3, members=5, block=20)


def records(prefix: str) -> st.SearchStrategy[list[Record]]:
    one = st.tuples(st.integers(0, 5), st.integers(1, 12), st.sampled_from(["", "", "T1", "T2"]))
    return st.lists(one, max_size=7).map(
        lambda rows: [Record(FIRST + timedelta(days=d), c * 100, f"{prefix}{n}", "", t) for n, (d, c, t) in enumerate(rows)]
    )


def readings(payments: list[Record], orders: list[Record]) -> list[tuple[set[str], set[str]]]:
    """Every reading there is, by trying all: one against one, one against a few, a few against one."""
    equal = [(p, o) for p in payments for o in orders if WINDOW.fits(p, o) and abs(p.cents - o.cents) <= WINDOW.tolerance]
    free_p = [p for p in payments if p not in {a for a, _ in equal}]
    free_o = [o for o in orders if o not in {b for _, b in equal}]
    found = [({p.guid}, {o.guid}) for p, o in equal]
    for size in range(2, WINDOW.members + 1):
        found += [
            ({p.guid}, {o.guid for o in group})
            for p in free_p for group in combinations(free_o, size)
            if sum(o.cents for o in group) == p.cents and all(WINDOW.fits(p, o) for o in group)
        ]
        found += [
            ({p.guid for p in group}, {o.guid})
            for o in free_o for group in combinations(free_p, size)
            if sum(p.cents for p in group) == o.cents and all(WINDOW.fits(p, o) for p in group)
        ]
    return found


def plain(links: list[Link]) -> set[tuple]:
    return {(one.payment.guid, one.order.guid if one.order else None, one.cents, one.rule) for one in links}


@given(records("p"), records("o"), st.randoms())
@settings(max_examples=300, deadline=None)
def test_links_are_the_readings_nothing_speaks_against(payments: list[Record], orders: list[Record], shuffle) -> None:
    made = link(payments, orders, WINDOW)
    mixed_p, mixed_o = list(payments), list(orders)
    shuffle.shuffle(mixed_p)
    shuffle.shuffle(mixed_o)
    assert plain(link(mixed_p, mixed_o, WINDOW)) == plain(made)

    every = readings(payments, orders)
    alone = [r for r in every if all(r is s or not (r[0] & s[0] or r[1] & s[1]) for s in every)]
    assert {(p, o) for ps, os in alone for p in ps for o in os} == {
        (one.payment.guid, one.order.guid) for one in made if one.order
    }
    doubtful = {p for r in every if r not in alone for p in r[0]}
    assert {one.payment.guid for one in made if one.order is None} == doubtful

    linked = [one for one in made if one.order]
    for payment in {one.payment for one in linked if one.rule == "M5"}:
        parts = [one for one in linked if one.payment == payment]
        assert sum(one.cents for one in parts) == payment.cents, "no money is lost or made"


def test_in_a_crowd_no_sum_is_looked_for() -> None:
    orders = [Record(FIRST, 100 + n, f"o{n}") for n in range(30)]
    assert link([Record(FIRST, 201, "p")], orders, WINDOW) == []


def test_a_large_block_takes_no_time_to_speak_of() -> None:
    days = [FIRST + timedelta(days=n % 28) for n in range(20_000)]
    orders = [Record(day, 1000 + 7 * n, f"o{n}") for n, day in enumerate(days)]
    payments = [Record(day, 1000 + 7 * n, f"p{n}") for n, day in enumerate(days)]
    found = link(payments, orders, Window(0, 1, 3, 5, 20))
    assert len(found) == 20_000 and all(one.order and one.order.guid[1:] == one.payment.guid[1:] for one in found)
