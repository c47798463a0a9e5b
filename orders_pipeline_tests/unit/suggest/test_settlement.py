"""Which columns make up the net of a row: read off the figures."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orders_pipeline.ingest.suggest.names import wording
from orders_pipeline.ingest.suggest.profile import Column
from orders_pipeline.ingest.suggest.settlement import find_net


def _columns(*names: str) -> list[Column]:
    return [Column(i, name, 1.0, 9, 9, {"number": 1.0}, 5.0) for i, name in enumerate(names)]


def _values(rows: list[tuple[int, ...]]) -> dict[int, np.ndarray]:
    return {i: np.array(column) for i, column in enumerate(zip(*rows, strict=True))}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-9_999, 9_999)] * 4), min_size=12, max_size=20), st.tuples(*[st.sampled_from((1, -1))] * 4)
)
def test_signs_are_found_whatever_stands_in_between(rows: list[tuple[int, ...]], signs: tuple[int, ...]) -> None:
    """Two sums in between, the parts not side by side, signed or not."""
    full = [(r[0], r[1], r[0] + r[1], 7, r[2], r[3], sum(s * v for s, v in zip(signs, r, strict=True))) for r in rows]
    names = ("paid", "subsidy", "total income", "rate", "commission", "service fee", "net settlement")
    found = find_net(_values(full), _columns(*names), wording())
    table = np.array([(r[0], r[1], 7, r[4], r[5]) for r in full])
    if np.linalg.matrix_rank(table) < 5 or any(np.count_nonzero([r[i] for r in rows]) < 2 for i in range(4)):
        return  # rows that repeat themselves tell nothing apart
    assert found is not None
    assert (found.column, dict(found.parts)) == (6, dict(zip((0, 1, 4, 5), signs, strict=True)))


def test_few_rows_tell_it_of_neighbours_only() -> None:
    rows = [(10000, -500, -90, 9410), (4500, 0, -41, 4459), (7200, -700, -58, 6442)]
    found = find_net(_values(rows), _columns("Gross sales", "Discounts", "Fees", "Net total"), wording())
    assert found is not None
    assert (found.column, dict(found.parts)) == (3, {0: 1, 1: 1, 2: 1})
    positive = [tuple(map(abs, row)) for row in rows]
    found = find_net(_values(positive), _columns("Gross sales", "Discounts", "Fees", "Net total"), wording())
    assert found is not None
    assert dict(found.parts) == {0: 1, 1: -1, 2: -1}


def test_a_balance_is_nobody_s_sum_and_chance_is_no_bookkeeping() -> None:
    rows = [(10000, -90, 9910), (4500, -41, 14369), (7200, -58, 21511)]
    assert find_net(_values(rows), _columns("amount", "fee", "balance"), wording()) is None
    odd = [(10000, -90, 9911), (4500, -41, 4460), (7200, -58, 7142)]
    assert find_net(_values(odd), _columns("amount", "fee", "net"), wording()) is None


def test_a_net_may_stand_in_two_columns_for_what_came_and_what_went() -> None:
    fees = [(-1300, -455), (-2170, 0), (910, 0), (-777, -455), (-3001, -455), (0, 0), (-88, 0), (-1919, -455), (-640, 0)]
    gross = [10000, 16000, -7000, 5500, 23100, -41250, 900, 14760, 4999]
    nets = [g + sum(f) for g, f in zip(gross, fees, strict=True)]
    rows = [(max(n, 0), max(-n, 0), g, *f) for n, g, f in zip(nets, gross, fees, strict=True)]
    names = ("NET_CREDIT", "NET_DEBIT", "GROSS", "FEE", "SHIPPING_FEE")
    found = find_net(_values(rows), _columns(*names), wording(), {frozenset((0, 1)), frozenset((0, 2))})
    assert found is not None
    assert (found.column, found.out, dict(found.parts)) == (0, 1, {2: 1, 3: 1, 4: 1})
