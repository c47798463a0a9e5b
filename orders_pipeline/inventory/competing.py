"""Orders as they compete: alike ones as one item, items linked by the goods of which there is too little for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orders_pipeline.inventory.placing import Order, Placement, Stock, take


@dataclass
class Item:
    """Orders that are alike (one piece each), or a single order."""

    orders: list[Order]
    #: (line, warehouse) -> units, over all orders of the item; `plain`: the greedy way.
    choice: Placement
    plain: Placement
    bound: float = 0.0
    #: `choice` is the cheapest for the item alone, or of a program; and: it is the plain one for want of time or room.
    is_sure: bool = True
    is_fixed: bool = False
    #: A program with others has placed it.
    is_placed: bool = False

    @property
    def first(self) -> Order:
        return self.orders[0]

    @property
    def skus(self) -> set[str]:
        return {sku for line in self.first.lines for sku, _ in line.uses}

    @property
    def is_unit(self) -> bool:
        """Every order is one piece: one parcel, one warehouse."""
        return is_unit(self.first)


def is_unit(order: Order) -> bool:
    return len(order.lines) == 1 and order.lines[0].units == 1 and not order.opened


def as_served(order: Order, placement: Placement) -> Order:
    """The order with the units that are served; the same object where that is all of it."""
    units: dict[int, int] = defaultdict(int)
    for (at, _), some in placement.items():
        units[at] += some
    if all(units[at] == line.units for at, line in enumerate(order.lines)):
        return order
    lines = tuple(
        type(line)(line.number, line.sku, units[at], line.uses, line.grams, line.size) for at, line in enumerate(order.lines)
    )
    return Order(order.guid, order.rank, lines, order.options, order.store, order.opened)


def wanted_of(orders: Iterable[Order]) -> dict[str, int]:
    wanted: dict[str, int] = defaultdict(int)
    for order in orders:
        for line in order.lines:
            for sku, each in line.uses:
                wanted[sku] += each * line.units
    return wanted


def blocks(orders: Sequence[Order], stock: Stock) -> list[list[Order]]:
    """Orders that may compete: linked by a SKU of which some warehouse has less than all of them want."""
    wanted = wanted_of(orders)
    scarce = {sku for (sku, _), quantity in stock.items() if 0 < quantity < wanted.get(sku, 0)}
    return linked(orders, lambda order: {sku for line in order.lines for sku, _ in line.uses} & scarce)


def linked(things: Sequence[Any], keys_of: Any) -> list[list[Any]]:
    """Groups of things that share a key, in the order given."""
    parent = list(range(len(things)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    first: dict[Any, int] = {}
    for at, thing in enumerate(things):
        for key in keys_of(thing):
            parent[root(at)] = root(first.setdefault(key, at))
    groups: dict[int, list[Any]] = defaultdict(list)
    for at, thing in enumerate(things):
        groups[root(at)].append(thing)
    return list(groups.values())


def items_of(block: Sequence[Order], served: Mapping[str, Placement]) -> list[Item]:
    alike: dict[Any, Item] = {}
    for order in sorted(block, key=lambda o: o.rank):
        key: Any = order.guid
        if is_unit(order):
            line = order.lines[0]
            key = (line.uses, line.grams, tuple(sorted(order.options.items(), key=lambda pair: pair[0])))
        item = alike.setdefault(key, Item([], {}, {}))
        item.orders.append(order)
        for where, units in served[order.guid].items():
            item.plain[where] = item.plain.get(where, 0) + units
    return list(alike.values())


def dealt(items: Iterable[Item]) -> dict[str, Placement]:
    """Order -> its placement; of orders that are alike the first ones get the cheaper warehouses."""
    found: dict[str, Placement] = {}
    for item in items:
        if not item.is_unit:
            found[item.first.guid] = item.choice
            continue
        options, grams = item.first.options, item.first.lines[0].grams
        nodes = sorted(item.choice, key=lambda key: (options[key[1]].cost(grams), options[key[1]].turn, key[1]))
        places = [key for key in nodes for _ in range(item.choice[key])]
        for order, key in zip(item.orders, places, strict=True):
            found[order.guid] = {key: 1}
    return found


def taken_twice(items: Iterable[Item], stock: Stock) -> set[tuple[str, str]]:
    left: Stock = defaultdict(int)
    for item in items:
        take(left, item.first, item.choice)
    return {key for key, quantity in left.items() if -quantity > stock.get(key, 0)}
