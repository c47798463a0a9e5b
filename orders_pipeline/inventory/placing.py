"""Orders, warehouses and what a placement costs; and the plain way to place: one order after the other, each as is cheapest then.

Quantities are whole thousandths of a piece, money is in cents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

UNASSIGNED = "unassigned"
#: Stock left, by (SKU, warehouse).
Stock = dict[tuple[str, str], int]
#: Units of each line by (position of the line, warehouse).
Placement = dict[tuple[int, str], int]


@dataclass(frozen=True)
class Line:
    """What is left to place of an order line: `units`, each of which uses so much of each SKU and weighs so many grams.

    A unit is a piece (a bundle), or the whole line where its quantity is no whole number: goods by weight are not cut.
    """

    number: int
    sku: str
    units: int
    uses: tuple[tuple[str, int], ...]
    grams: float
    size: int = 1000


@dataclass(frozen=True)
class Option:
    """A parcel of an order out of one warehouse: charges, and its place among equals (0 first)."""

    courier: str | None
    base: float
    per_kg: float
    handling: float
    turn: int
    transit_days: int | None = None

    def courier_cost(self, grams: float) -> float:
        """Cents: the first kilogram, and what is above it in proportion."""
        return self.base + self.per_kg * max(0.0, grams - 1000) / 1000

    def cost(self, grams: float) -> float:
        """Cents in the objective: the courier's charge and what else speaks against this warehouse."""
        return self.courier_cost(grams) + self.handling


@dataclass
class Order:
    """One order. `options` has every warehouse that may send; `opened` those that send a parcel of it anyhow."""

    guid: str
    rank: tuple[Any, ...]
    lines: tuple[Line, ...]
    options: Mapping[str, Option] = field(default_factory=dict)
    store: str | None = None
    opened: frozenset[str] = frozenset()

    def grams(self, placement: Placement, node: str) -> float:
        return sum(units * self.lines[at].grams for (at, there), units in placement.items() if there == node)


@dataclass(frozen=True)
class Rules:
    """The merchant's preferences; money in cents."""

    extra_parcel: float
    transit_day: float
    unrated_parcel: float
    store_parcel: float
    seconds: float
    columns: int
    allows_partial: bool
    allows_transfer: bool
    strategy: str


@dataclass
class Result:
    """How an order is placed: by which way, and at most how far from the cheapest (a share; 0: proven)."""

    placement: Placement
    method: str
    gap: float = 0.0


def objective(order: Order, placement: Placement, rules: Rules) -> float:
    """Cents this placement costs: the sum that the solver makes least."""
    nodes = {node for _, node in placement}
    parcels = len(nodes | order.opened)
    return sum(order.options[node].cost(order.grams(placement, node)) for node in sorted(nodes)) + rules.extra_parcel * max(
        0, parcels - max(1, len(order.opened))
    )


def take(stock: Stock, order: Order, placement: Placement) -> None:
    """Takes a placement off the stock."""
    for (at, node), units in placement.items():
        for sku, each in order.lines[at].uses:
            stock[sku, node] = stock.get((sku, node), 0) - each * units


def fill(order: Order, nodes: Iterable[str], stock: Stock) -> tuple[Placement, list[int]]:
    """As much as each warehouse in turn can give; and the units of each line that are left."""
    left = [line.units for line in order.lines]
    used: dict[tuple[str, str], int] = defaultdict(int)
    placement: Placement = {}
    for node in nodes:
        for at, line in enumerate(order.lines):
            there = min(((stock.get((sku, node), 0) - used[sku, node]) // each for sku, each in line.uses), default=left[at])
            units = max(0, min(left[at], there))
            if units:
                placement[at, node] = units
                left[at] -= units
                for sku, each in line.uses:
                    used[sku, node] += each * units
    return placement, left


def place(order: Order, stock: Stock, rules: Rules) -> Placement | None:
    """The greedy way for one order: one parcel where one warehouse has everything, else the fullest warehouse first.

    None: it cannot be served whole and must be.
    """
    if order.store is not None or rules.strategy != "single_node_first":
        turns = sorted(order.options, key=lambda node: (node != order.store, order.options[node].turn, node))
        placement, left = fill(order, turns, stock)
    else:
        whole = [(objective(order, one, rules), order.options[node].turn, node, one) for node, one in _singles(order, stock)]
        if whole:
            return min(whole, key=lambda found: found[:3])[3]
        placement, left = _fullest_first(order, stock)
    return placement if not any(left) or rules.allows_partial else None


def _singles(order: Order, stock: Stock) -> list[tuple[str, Placement]]:
    found = []
    for node in order.options:
        placement, left = fill(order, [node], stock)
        if not any(left):
            found.append((node, placement))
    return found


def _fullest_first(order: Order, stock: Stock) -> tuple[Placement, list[int]]:
    nodes: list[str] = []
    placement: Placement = {}
    left = [line.units for line in order.lines]
    while any(left):
        best: tuple[Any, ...] | None = None
        for node, option in order.options.items():
            if node in nodes:
                continue
            more, rest = fill(order, [*nodes, node], stock)
            gain = sum(left) - sum(rest)
            key = (-gain, option.cost(0), option.turn, node)
            if gain and (best is None or key < best[0]):
                best = (key, node, more, rest)
        if best is None:
            break
        nodes.append(best[1])
        placement, left = best[2], best[3]
    return placement, left


def greedy(orders: Sequence[Order], stock: Stock, rules: Rules) -> dict[str, Placement | None]:
    """Order -> placement, one after the other by rank; the stock given is used up."""
    placed: dict[str, Placement | None] = {}
    for order in sorted(orders, key=lambda o: o.rank):
        placement = place(order, stock, rules)
        placed[order.guid] = placement
        if placement:
            take(stock, order, placement)
    return placed


def cents(amount: float | Decimal) -> Decimal:
    """Cents as money."""
    return (Decimal(str(amount)) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
