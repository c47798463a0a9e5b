"""Why a difference exists: which of the amounts found beside it make it up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

#: In this order causes are tried.
CAUSES = ("original_payment", "coupons_promotions", "freight", "refunds", "capture_time")
UNEXPLAINED = "unexplained"
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
    by_cause = {cause: _distinct([c for c in candidates if c.cause == cause]) for cause in CAUSES}
    for count in range(1, TOGETHER_MAX + 1):
        for causes in combinations(CAUSES, count):
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
    for row in rows.to_pylist():
        guid = row["exception_guid"]
        differences[guid] = (_cents(row["amount_diff"] or 0), _cents(row["tolerance_amount"]))
        if row["cause"] is not None:
            candidates[guid].append(Candidate(row["cause"], _cents(row["amount"]), row["evidence"], row["is_fact"]))
    schema = pa.schema(
        {
            "exception_guid": pa.string(),
            "cause_number": pa.int32(),
            "cause": pa.string(),
            "explained_amount": pa.decimal128(18, 2),
            "evidence": pa.string(),
        }
    )
    return pa.Table.from_pylist(list(_rows(differences, candidates)), schema)


def _rows(differences: dict[str, tuple[int, int]], candidates: dict[str, list[Candidate]]) -> Iterator[dict[str, Any]]:
    from decimal import Decimal

    for guid, (cents, tolerance) in sorted(differences.items()):
        for number, one in enumerate(explain(cents, candidates[guid], tolerance), start=1):
            yield {
                "exception_guid": guid,
                "cause_number": number,
                "cause": one.cause,
                "explained_amount": Decimal(one.cents).scaleb(-2),
                "evidence": one.evidence or None,
            }


def _cents(amount: Any) -> int:
    return int(amount * 100)
