"""What the amount due of an order's row is made of: goods, plus what is added, less what is taken off, found by the figures.

Names like `coupon` or `복수구매할인` say little of whether a column is part of the account. A choice of columns that makes to the
cent what lies between the goods and the amount due, in (almost) every row, says it, and which way each of them counts. Here some
rows may not add up (a refund), as in the net of a settlement (`settlement`) none may: that is why it is found in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from orders_pipeline.ingest.suggest.relations import holds

#: Columns that may lie between goods and due.
_COLUMNS_MAX = 12
#: Rows in which a part must have a figure, and rows beyond the number of parts before an account is believed.
_FIGURES, _ROWS_BEYOND = 2, 3
#: Rows one guess is made from, and guesses: a row that does not add up (a refund) spoils those it is in.
_ROWS_GUESSED, _GUESSES, _WEIGHT_MAX = 16, 8, 1 << 16


@dataclass(frozen=True)
class Due:
    """`column` = goods + Σ sign × part. `parts`: column -> 1 for what is added to the goods' cost, -1 for what is taken off."""

    column: int
    parts: Mapping[int, int]


def find_due(values: Mapping[int, Any], dues: Sequence[int], goods: Sequence[Any], others: Sequence[int]) -> Due | None:
    """The account of the rows with the fewest parts, or None where there is none, or several of them with as many.

    values: column -> whole numbers, one per row. dues: columns that may be the amount due; goods: what they may cost, per row;
    others: columns that may lie between them.
    """
    import numpy as np

    for due, cost in product(dues, goods):
        between = values[due] - cost
        told = [i for i in others if i != due and np.count_nonzero(values[i]) >= _FIGURES][:_COLUMNS_MAX]
        if not told or np.count_nonzero(between) < _FIGURES:
            continue
        columns = [values[i] for i in told]
        held = [a for a in _guesses(np, columns, between) if any(a) and _adds_up(np, columns, a, between)]
        least = min(map(np.count_nonzero, held), default=0)
        fewest = [a for a in held if np.count_nonzero(a) == least]
        parts = {i: sign for i, sign in zip(told, fewest[0], strict=True) if sign} if len(fewest) == 1 else {}
        # Goods = due + discount is as true with the two exchanged: what is due is more than what was taken off.
        if parts and all(abs(values[i].sum()) < values[due].sum() for i in parts):
            # What is taken off is written with a minus or without.
            return Due(due, {i: sign if values[i].sum() > 0 else -sign for i, sign in parts.items()})
    return None


def _guesses(np: Any, columns: Sequence[Any], between: Any) -> set[tuple[int, ...]]:
    """Every way to add, take off or leave out each column that makes what lies between, in some rows drawn at random.

    The rows are weighted and added up, so that one number per column is tried in all 3ⁿ ways.
    """
    rng = np.random.default_rng(0)
    telling = np.flatnonzero((between != 0) | np.any([c != 0 for c in columns], axis=0))
    found: set[tuple[int, ...]] = set()
    for _ in range(_GUESSES):
        rows = rng.permutation(telling)[:_ROWS_GUESSED]
        weights = rng.integers(1, _WEIGHT_MAX, len(rows))
        sums, used = np.zeros(1, dtype=np.int64), []
        for place, column in enumerate(columns):
            if one := int(weights @ column[rows]):
                sums = np.concatenate([sums, sums - one, sums + one])
                used.append(place)
        for way in np.flatnonzero(sums == weights @ between[rows]).tolist():
            account = [0] * len(columns)
            for power, place in enumerate(used):
                account[place] = (0, -1, 1)[way // 3**power % 3]
            found.add(tuple(account))
    return found


def _adds_up(np: Any, columns: Sequence[Any], account: Sequence[int], between: Any) -> bool:
    used = [(s, c) for s, c in zip(account, columns, strict=True) if s]
    telling = (between != 0) | np.any([c != 0 for _, c in used], axis=0)
    return int(telling.sum()) >= len(used) + _ROWS_BEYOND and holds(sum(s * c for s, c in used) == between, telling)
