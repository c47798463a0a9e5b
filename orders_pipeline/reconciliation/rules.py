"""Single criteria by which two records may be compared, and rules made of them.

Pure functions. Numbers are exact decimals, instants are compared to the microsecond, and whatever is not understood matches
nothing: an unknown operator, an empty rule, a missing value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

#: A text may differ in this share of its longer form at most, whatever a rule asks for: more matches anything.
TEXT_DRIFT_MAX = Decimal("0.5")


@dataclass(frozen=True)
class Criterion:
    """One comparison of a field. `drift`: of amounts a fraction of |internal|, of dates seconds, of texts a fraction of the
    longer one's length. `absolute`: of amounts also this much, in their currency; the larger of the two holds."""

    field: str
    operator: str
    drift: Decimal = Decimal(0)
    absolute: Decimal = Decimal(0)


def amount_matches(
    operator: str, external: Decimal, internal: Decimal, drift: Decimal = Decimal(0), absolute: Decimal = Decimal(0)
) -> bool:
    """Equal within max(absolute, drift * |internal|), inclusive, both directions; greater_than and less_than are strict."""
    if operator == "equals":
        return abs(external - internal) <= max(absolute, drift * abs(internal))
    if operator == "greater_than":
        return external > internal
    if operator == "less_than":
        return external < internal
    return False


def date_matches(operator: str, external: datetime, internal: datetime, seconds: Decimal = Decimal(0)) -> bool:
    """Within `seconds` on either side, inclusive, fractions counted; after and before are strict."""
    if operator == "equals":
        return abs(external - internal) <= timedelta(microseconds=int(seconds * 1_000_000))
    if operator in ("after", "greater_than"):
        return external > internal
    if operator in ("before", "less_than"):
        return external < internal
    return False


def text_matches(operator: str, external: str, internal: str | Sequence[str], drift: Decimal = Decimal(0)) -> bool:
    """`equals`: the same but for case and outer blanks, as any member of a group. `contains`: one holds the other, or they are
    not further apart (Levenshtein) than `drift` of the longer one, rounded down, `TEXT_DRIFT_MAX` at most."""
    members = [internal] if isinstance(internal, str) else list(internal)
    left = plain(external)
    rights = [plain(member) for member in members]
    if not left:
        return False
    if operator == "equals":
        return left in rights
    if operator == "contains":
        return any(_near(left, right, drift) for right in rights if right)
    return False


def plain(text: str) -> str:
    """A text as it is compared."""
    return text.strip().casefold()


def _near(left: str, right: str, drift: Decimal) -> bool:
    if left in right or right in left:
        return True
    if not 0 <= drift <= TEXT_DRIFT_MAX:
        return False
    allowed = int(max(len(left), len(right)) * drift)
    return distance(left, right, allowed) <= allowed


def distance(left: str, right: str, at_most: int | None = None) -> int:
    """Characters to insert, delete, replace or swap with a neighbour; `at_most` + 1 where there are more."""
    from rapidfuzz.distance import OSA

    return OSA.distance(left, right, score_cutoff=at_most)


_MATCHERS: dict[str, Callable[[Criterion, Any, Any], bool]] = {
    "amount": lambda c, e, i: amount_matches(c.operator, e, i, c.drift, c.absolute),
    "date": lambda c, e, i: date_matches(c.operator, e, i, c.drift),
    "currency": lambda c, e, i: c.operator == "equals" and text_matches("equals", e, i),
}


def rule_matches(rule: Sequence[Criterion], external: Mapping[str, Any], internal: Mapping[str, Any]) -> bool:
    """All criteria of the rule hold. A rule without criteria matches nothing; nor does a value that is missing on one side."""
    return bool(rule) and all(_holds(c, external.get(c.field), internal.get(c.field)) for c in rule)


def _holds(criterion: Criterion, external: Any, internal: Any) -> bool:
    if external is None or internal is None:
        return False
    matcher = _MATCHERS.get(criterion.field)
    if matcher is not None:
        return matcher(criterion, external, internal)
    return text_matches(criterion.operator, external, internal, criterion.drift)


def any_rule_matches(rules: Sequence[Sequence[Criterion]], external: Mapping[str, Any], internal: Mapping[str, Any]) -> bool:
    """One of the rules matches; without rules nothing does."""
    return any(rule_matches(rule, external, internal) for rule in rules)
