"""Rows that carry several amounts and what they make together: found by the figures themselves, not by names.

A settlement says in each row what was added and what was kept back, column by column, and the net of them. Which columns these
are is a linear relation that holds in every row: net = ± a ± b ± c …; coefficients other than 1, -1 and 0 are no bookkeeping.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orders_pipeline.ingest.suggest.profile import Column
from orders_pipeline.ingest.suggest.tokens import Wording

#: Rows needed beyond the number of columns before a relation is believed: as many equations as unknowns always have a solution.
_ROWS_BEYOND = 4
#: Rows that must agree to the cent where only sums of neighbours are tried.
_ROWS_FEW = 3
_MONEY_WORDS = {"amount", "gross", "total", "subtotal", "net", "settle", "pay", "income", "fee", "price"}
_KEPT_BACK = {"fee", "refund", "return", "tax", "discount"}
_KINDS = (
    ("refund", {"refund", "return"}),
    ("fee", {"fee", "tax", "influencer", "insurance", "rate"}),
    ("subsidy", {"subsidy"}),
)
_NET = {"net": 3, "settle": 2, "balance": -9, "total": 1, "payable": 1, "amount": 0.5, "refund": -1, "subsidy": -1, "fee": -1}


@dataclass(frozen=True)
class Net:
    """`column` = Σ sign × part, in every row; `out`: the column beside it where the net went out. Indexes."""

    column: int
    parts: Mapping[int, int]
    out: int | None = None


def find_net(
    values: Mapping[int, Any], columns: Sequence[Column], wording: Wording, exclusive: Collection[frozenset[int]] = ()
) -> Net | None:
    """The net of the rows and its parts, or None when no column is made of at least two others.

    values: column index -> whole numbers, one per row. exclusive: pairs of columns of which no row fills both.
    """
    import numpy as np

    named = {c.index: {concept for t in wording.tokens(c.name) for concept in t.concepts} for c in columns}
    told = [i for i in values if np.count_nonzero(values[i]) >= 2 and "balance" not in named[i]]
    told = _apart(np, values, told, named)
    if len(told) < 3:
        return None
    # A net in two columns, what came and what went (`net credit`, `net debit`).
    for came, went in _two_ways(named, exclusive):
        whole = abs(values[came]) - abs(values[went])
        parts = [i for i in told if i not in (came, went) and not np.array_equal(values[i], whole)]
        found = _signs(np, {**values, came: whole}, came, parts) or _neighbours(np, {**values, came: whole}, came, parts, named)
        if found:
            return Net(came, found, went)
    # Sums in between (what was added, what was kept back) would make the parts ambiguous: they stand back for the parts.
    between = {i for i in told if "total" in named[i]}
    ranked = sorted(told, key=lambda i: (-sum(v for k, v in _NET.items() if k in named[i]), -i))
    for whole in ranked:
        for left_out in (between - {whole}, set()):
            parts = [i for i in told if i != whole and i not in left_out and not np.array_equal(values[i], values[whole])]
            found = _signs(np, values, whole, parts) or _neighbours(np, values, whole, parts, named)
            if found:
                return Net(whole, found)
    return None


def _two_ways(named: Mapping[int, set[str]], exclusive: Collection[frozenset[int]]) -> list[tuple[int, int]]:
    """Pairs of a column named for what came in and one for what went out, those named net first."""
    pairs = [(a, b) for pair in exclusive for a, b in (sorted(pair), sorted(pair, reverse=True))]
    named_so = [(a, b) for a, b in pairs if {a, b} <= named.keys() and "income" in named[a] and "expense" in named[b]]
    return sorted(named_so, key=lambda p: (not {"net", "settle"} & named[p[0]], p))


def _apart(np: Any, values: Mapping[int, Any], told: Sequence[int], named: Mapping[int, set[str]]) -> list[int]:
    """Of columns with the same figures in every row the one whose name speaks of money, else the first."""
    kept: list[int] = []
    for index in sorted(told, key=lambda i: (-len(named[i] & _MONEY_WORDS), i)):
        if not any(np.array_equal(values[index], values[other]) for other in kept):
            kept.append(index)
    return sorted(kept)


def _signs(np: Any, values: Mapping[int, Any], whole: int, parts: Sequence[int]) -> dict[int, int] | None:
    table = np.stack([values[i] for i in parts], axis=1).astype(float) if parts else np.zeros((0, 0))
    if len(parts) < 2 or len(table) < len(parts) + _ROWS_BEYOND:
        return None
    found, _, rank, _ = np.linalg.lstsq(table, values[whole].astype(float), rcond=None)
    if rank < len(parts):
        return None
    whole_numbers = np.rint(found)
    if np.abs(found - whole_numbers).max() > 1e-6 or np.abs(whole_numbers).max() > 1:
        return None
    signs = {i: int(s) for i, s in zip(parts, whole_numbers, strict=True) if s}
    exact = sum(s * values[i] for i, s in signs.items()) == values[whole] if signs else False
    return signs if len(signs) >= 2 and bool(np.all(exact)) else None


def _neighbours(
    np: Any, values: Mapping[int, Any], whole: int, parts: Sequence[int], named: Mapping[int, set[str]]
) -> dict[int, int] | None:
    """Parts that stand side by side, as many as there are: for files with too few rows to solve for each column by itself.

    Either signed as they are added up, or with what is named as kept back taken off.
    """
    target = values[whole]
    if np.count_nonzero(target) < _ROWS_FEW:
        return None
    for less in (set(), {i for i in parts if named[i] & _KEPT_BACK}):
        signs = {i: -1 if i in less else 1 for i in parts}
        upto = np.cumsum([np.zeros_like(target), *(signs[i] * values[i] for i in parts)], axis=0)
        for length in range(len(parts), 1, -1):
            for start in range(len(parts) - length + 1):
                if np.array_equal(upto[start + length] - upto[start], target):
                    return {i: signs[i] for i in parts[start : start + length]}
    return None


def kind_of(column: Column, wording: Wording, sign: int) -> str:
    """What a part is by its name, else by its sign: receipt, refund, subsidy or fee."""
    concepts = {concept for t in wording.tokens(column.name) for concept in t.concepts}
    for kind, words in _KINDS:
        if words & concepts:
            return kind
    if {"gross", "expense"} <= concepts:
        return "refund"  # what went out before anything was kept back
    told = [s for s in column.words or column.samples if s.strip("0.,- ")]
    if "freight" in concepts and told and all(s.lstrip().startswith(("-", "(", "（")) for s in told):
        return "fee"  # freight the seller is charged, in whichever rows it is
    negative = column.share("negative") > 0.5 or sign < 0
    return "fee" if negative else "receipt"


def may_be_part(column: Column, wording: Wording) -> bool:
    """Whether a column without a figure in the rows at hand is named like one of the parts."""
    concepts = {concept for t in wording.tokens(column.name) for concept in t.concepts}
    return bool(concepts & {"fee", "refund", "subsidy"}) and not concepts & {
        "rate",
        "number",
        "time",
        "whether",
        "total",
        "reason",
        "status",
    }
