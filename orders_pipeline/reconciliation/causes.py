"""Why a difference exists: which of the amounts found beside it make it up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: In this order causes are tried.
CAUSES = ("original_payment", "coupons_promotions", "freight", "refunds", "capture_time")
UNEXPLAINED = "unexplained"
_READ = ("exception_guid", "amount_diff", "tolerance_amount", "cause", "amount", "evidence", "is_fact")
_AMOUNTS = frozenset({"amount_diff", "tolerance_amount", "amount"})
#: More amounts of one cause than this explain everything and prove nothing.
CANDIDATES_MAX = 8
#: More causes at once than this are a coincidence.
TOGETHER_MAX = 3


@dataclass(frozen=True, order=True)
class Candidate:
    """An amount, in cents, that would explain (part of) a difference. `is_fact`: it happened, whatever the rest is."""

    cause: str
    cents: int
    evidence: str
    is_fact: bool = False


@dataclass(frozen=True)
class Explained:
    """One cause of a difference with the part of it that it explains, in cents."""

    cause: str
    cents: int
    evidence: str


def explain(difference: int, candidates: Iterable[Candidate], tolerance: int) -> list[Explained]:
    """The causes of a difference (cents), in the order tried; what none explains stands last as `unexplained`.

    Together they are the difference, always. First one cause alone that makes it up to the cent, the earliest; then two, then
    three together; then the same within `tolerance`. Else facts explain what they are, as far as they go the same way.
    """
    found = sorted(set(candidates), key=_rank)
    if difference == 0:
        return [Explained(c.cause, 0, c.evidence) for c in found if c.cents == 0 and c.is_fact][:1]
    same_way = [c for c in found if c.cents * difference > 0 and abs(c.cents) <= abs(difference) + tolerance]
    chosen = _whole(difference, same_way, 0) or _whole(difference, same_way, tolerance) or _facts(difference, same_way)
    if not chosen:
        # A fact without an amount of its own still names the cause.
        chosen = [c for c in found if c.cents == 0 and c.is_fact][:1]
    made = [Explained(c.cause, c.cents, c.evidence) for c in chosen]
    rest = difference - sum(e.cents for e in made)
    return [*made, Explained(UNEXPLAINED, rest, "")] if rest else made


def _rank(candidate: Candidate) -> tuple[int, bool, int, str]:
    return CAUSES.index(candidate.cause), not candidate.is_fact, -abs(candidate.cents), candidate.evidence


def _whole(difference: int, candidates: Sequence[Candidate], tolerance: int) -> Sequence[Candidate]:
    there = {c.cause for c in candidates}
    named = [cause for cause in CAUSES if cause in there]
    by_cause = {cause: _distinct([c for c in candidates if c.cause == cause]) for cause in named}
    for count in range(1, min(TOGETHER_MAX, len(named)) + 1):
        for causes in combinations(named, count):
            for chosen in product(*(by_cause[c] for c in causes)):
                if abs(difference - sum(c.cents for c in chosen)) <= tolerance:
                    return chosen
    return ()


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    first: dict[int, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.cents, candidate)
    return list(first.values())[:CANDIDATES_MAX]


def _facts(difference: int, candidates: Sequence[Candidate]) -> list[Candidate]:
    taken, rest = [], abs(difference)
    for candidate in candidates:
        if candidate.is_fact and abs(candidate.cents) <= rest:
            taken.append(candidate)
            rest -= abs(candidate.cents)
    return taken


def causes_of(rows: pa.Table) -> pa.Table:
    """The function of the model `reconciliation.difference_causes`."""
    import pyarrow as pa

    differences: dict[str, tuple[int, int]] = {}
    candidates: dict[str, list[Candidate]] = defaultdict(list)
    # By column: a dictionary for every row would cost more than the causes.
    columns = (_cents(rows[c]) if c in _AMOUNTS else rows[c].to_pylist() for c in _READ)
    for guid, difference, tolerance, cause, amount, evidence, is_fact in zip(*columns, strict=True):
        differences[guid] = (difference or 0, tolerance)
        if cause is not None:
            candidates[guid].append(Candidate(cause, amount, evidence, is_fact))
    made = list(_rows(differences, candidates))
    guids, numbers, causes, cents, evidences = zip(*made, strict=True) if made else ((), (), (), (), ())
    return pa.table(
        {
            "exception_guid": pa.array(guids, pa.string()),
            "cause_number": pa.array(numbers, pa.int32()),
            "cause": pa.array(causes, pa.string()),
            "explained_amount": _amounts(pa.array(cents, pa.int64())),
            "evidence": pa.array(evidences, pa.string()),
        }
    )


def _rows(
    differences: dict[str, tuple[int, int]], candidates: dict[str, list[Candidate]]
) -> Iterator[tuple[str, int, str, int, str | None]]:
    for guid, (cents, tolerance) in sorted(differences.items()):
        for number, one in enumerate(explain(cents, candidates[guid], tolerance), start=1):
            yield guid, number, one.cause, one.cents, one.evidence or None


def _cents(amounts: pa.ChunkedArray) -> list[int | None]:
    """Amounts with at most two places, in cents."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # A threshold may come as any number.
    exact = amounts.cast(pa.decimal128(18, 2))
    return pc.multiply(exact, pa.scalar(Decimal(100), pa.decimal128(3, 0))).cast(pa.int64()).to_pylist()


def _amounts(cents: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    cent = pa.scalar(Decimal("0.01"), pa.decimal128(3, 2))
    return pc.multiply(cents.cast(pa.decimal128(19, 0)), cent).cast(pa.decimal128(18, 2))
