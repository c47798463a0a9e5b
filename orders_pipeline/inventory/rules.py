"""Rules of promising that are no table: pure functions over numbers that `inventory.atp_by_day` gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from orders_pipeline.kernel.faults import Usage

#: Day -> what can be promised from that day on (cumulative with look-ahead, signed), in order of days.
Availability = Sequence[tuple[date, Decimal]]


@dataclass(frozen=True)
class Policy:
    """What a buyer accepts: how late, and in which pieces.

    max_late_days   days after the requested one on which a delivery may still leave; None: any
    min_quantity    least quantity of one delivery; None: any. The rest that is left must reach it as well.
    is_complete     one delivery of everything, or none
    """

    max_late_days: int | None = None
    min_quantity: Decimal | None = None
    is_complete: bool = False


#: The usual ones by name: everything on the day or nothing; everything in one piece, however late; what there is, then the rest.
POLICIES = {
    "full": Policy(max_late_days=0, is_complete=True),
    "late": Policy(is_complete=True),
    "partial": Policy(),
}


@dataclass(frozen=True)
class Promise:
    """Deliveries (day, quantity) that can be promised, and what cannot."""

    deliveries: tuple[tuple[date, Decimal], ...]
    short: Decimal


def promise(availability: Availability, quantity: Decimal, requested: date, policy: Policy) -> Promise:
    """The earliest deliveries of a quantity that the policy allows, whole pieces only.

    Raises Usage for a quantity that is none, and for a policy whose least delivery exceeds the quantity: nothing would ever
    fit, and sending more than was asked for is no answer.
    """
    if quantity <= 0:
        raise Usage(f"a quantity of {quantity} cannot be promised")
    least = quantity if policy.is_complete else policy.min_quantity or Decimal(0)
    if least > quantity:
        raise Usage(f"the policy is invalid: no delivery of at least {least} fits into an order of {quantity}")
    last = None if policy.max_late_days is None else requested + timedelta(days=policy.max_late_days)
    deliveries: list[tuple[date, Decimal]] = []
    left = quantity
    for day, signed in _by_day(availability, requested):
        if left == 0 or (last is not None and day > last):
            break
        part = _part(Decimal(max(0, floor(signed))) - (quantity - left), left, least)
        if part > 0:
            deliveries.append((day, part))
            left -= part
    return Promise(tuple(deliveries), left)


def _part(there: Decimal, left: Decimal, least: Decimal) -> Decimal:
    """The most of `there` that may leave now: not below the least delivery, and leaving nothing below it either."""
    if there >= left:
        return left
    part = min(there, left - least)
    return part if part >= least else Decimal(0)


def _by_day(availability: Availability, requested: date) -> list[tuple[date, Decimal]]:
    """The steps from the requested day on: what holds on that day, then each later one."""
    before = [step for step in availability if step[0] <= requested]
    now = [(requested, before[-1][1])] if before else []
    return now + [step for step in availability if step[0] > requested]


def without_own(
    steps: Sequence[tuple[date, Decimal, Decimal]], own: Iterable[tuple[date | None, Decimal]]
) -> list[tuple[date, Decimal]]:
    """What can be promised by day to somebody whose own claims (day due, quantity) are among the demand.

    `steps` are the rows of `inventory.atp_by_day`: day, projected quantity less safety stock, signed ATP. A claim that is due
    later than the last day stays where it is.
    """
    claims = [(on or date.min, quantity) for on, quantity in own]
    free: list[tuple[date, Decimal]] = []
    for day, left, signed in reversed(steps):
        back = sum((quantity for on, quantity in claims if on <= day), Decimal(0))
        later = free[-1][1] if free else signed + back
        free.append((day, min(left + back, later)))
    return free[::-1]


def components(lines: Iterable[tuple[str, Decimal]], kits: Mapping[str, Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """What order lines need together, bundles as their components: the same goods in several lines add up before any check."""
    needed: dict[str, Decimal] = defaultdict(Decimal)
    for sku, quantity in lines:
        for component, each in kits.get(sku, {sku: Decimal(1)}).items():
            needed[component] += quantity * each
    return dict(needed)


def sets(available: Mapping[str, Decimal], per_set: Mapping[str, Decimal]) -> int | None:
    """How many sets (a bundle, a basket) can be made of what is available of each component; signed.

    None where nothing limits it: every component has quantity 0 or is not listed as available.
    """
    limits = [floor(Fraction(available[sku]) / Fraction(each)) for sku, each in per_set.items() if each > 0 and sku in available]
    return min(limits, default=None)
