"""The cheapest way to serve a set of orders, exactly: mixed integer programs for HiGHS, as small as they can be.

First every order by itself, as if the stock were endless for the others. Where more is then taken from a warehouse than it has,
the orders that compete for that SKU are solved together, and so on until nothing is taken twice: each step is a relaxation, so
that what ends it is the cheapest of all. Orders of one piece that look alike are one column with a number.

Every program starts from the plain placements: where its time ends the best found by then stands, with the gap to the bound
proven by then. Orders whose program is too large, or not begun in time, keep their plain placements; what these take is not
there for the others.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import gcd

from orders_pipeline.inventory.competing import Item, as_served, blocks, dealt, items_of, linked, taken_twice, wanted_of
from orders_pipeline.inventory.placing import Order, Placement, Result, Rules, Stock, fill, objective, take
from orders_pipeline.inventory.program import PROVEN_CENTS, PROVEN_SHARE, Program

#: Rounds of finding what is taken twice, before the greedy way stands.
ROUNDS = 30
#: Part of the time left that one program may take at least, and at most.
SHARE, SHARE_MOST = 0.25, 0.8
#: Parcels of an order up to which all sets of warehouses are tried; beyond, a program finds them.
TRIED = 3
#: Competing items from which the limits of all scarce SKUs (of which this share of what there is is wanted) are set at once:
#: solving so many anew for every limit found takes longer.
MANY, SCARCE = 500, 0.5
#: Cents by which equals are told apart: less than any charge, summed over an order.
TIE = 0.001
_EPSILON = 1e-6


class Clock:
    """How long one program may take: the larger its part of the orders still open, the longer."""

    def __init__(self, seconds: float, orders: int) -> None:
        self.deadline = time.monotonic() + seconds
        self.open = orders

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline

    def seconds(self, orders: int) -> float:
        share = min(SHARE_MOST, max(SHARE, orders / max(1, self.open)))
        return (self.deadline - time.monotonic()) * share


def improve(orders: Sequence[Order], served: Mapping[str, Placement], stock: Stock, rules: Rules) -> dict[str, Result]:
    """The cheapest placements of these orders; `served` is the greedy one, which stands where no better is found."""
    clock = Clock(rules.seconds, len(orders))
    results: dict[str, Result] = {}
    orders = [as_served(order, served[order.guid]) for order in orders]
    # Small ones first: where the time ends, few orders are left, not many.
    for block in sorted(blocks(orders, stock), key=lambda b: (len(b), b[0].rank)):
        results |= _solve_block(items_of(block, served), served, stock, rules, clock)
        clock.open -= len(block)
    return results


def _solve_block(
    items: Sequence[Item], served: Mapping[str, Placement], stock: Stock, rules: Rules, clock: Clock
) -> dict[str, Result]:
    for item in items:
        _alone(item, stock, rules)
    wanted, there = wanted_of(order for item in items for order in item.orders), defaultdict(int)
    for (sku, _), quantity in stock.items():
        there[sku] += quantity
    scarce = {sku for sku, quantity in wanted.items() if quantity > SCARCE * there[sku]}
    active: set[tuple[str, str]] = set()
    left = dict(stock)
    for _ in range(ROUNDS):
        over = taken_twice(items, stock)
        unsure = [] if over else [item for item in items if not item.is_sure and not item.is_fixed]
        if not over and not unsure:
            break
        for item in unsure:
            _solve([item], active, left, rules, clock, stock)
        if not over:
            continue
        new = _limits({sku for sku, _ in over}, items, active, scarce, stock)
        if not new and not over - active:
            break
        active |= new
        limited, touched, short = {sku for sku, _ in active}, {sku for sku, _ in new}, {sku for sku, _ in over}
        for group in linked([i for i in items if not i.is_fixed], lambda item, limited=limited: item.skus & limited):
            if not set().union(*(item.skus for item in group)) & touched:
                continue
            if not _repaired(group, short, left, rules, clock, stock):
                _solve(group, active, left, rules, clock, stock)
    if taken_twice(items, stock):
        for item in items:
            item.choice = item.plain
    limited = {sku for sku, _ in active}
    results: dict[str, Result] = {}
    for group in linked(items, lambda item: item.skus & limited):
        results |= _results(group, served, rules)
    return results


def _solve(group: Sequence[Item], active: set[tuple[str, str]], left: Stock, rules: Rules, clock: Clock, stock: Stock) -> None:
    """The cheapest way for items that compete; the plain one for good where their program is too large or the time is over."""
    is_solved = _together(group, active, left, rules, clock, stock)
    for item in group:
        item.is_sure, item.is_placed = True, is_solved and len(group) > 1
        if not is_solved:
            item.choice, item.is_fixed = item.plain, True
            take(left, item.first, item.plain)


def _repaired(group: Sequence[Item], short: set[str], left: Stock, rules: Rules, clock: Clock, stock: Stock) -> bool:
    """Whether many items that have been solved could stay where they are, but for those that want the SKUs now found short.

    Solving all of them anew would take the time again and perhaps find less. The bound stays: it is that of a relaxation.
    """
    if sum(item.is_placed for item in group) < MANY:
        return False
    moved = [item for item in group if item.skus & short]
    rest = dict(left)
    for item in group:
        if not item.skus & short:
            take(rest, item.first, item.choice)
    wanted = set().union(*(item.skus for item in moved))
    if not _together(moved, {key for key in stock if key[0] in wanted}, rest, rules, clock, stock):
        return False
    for item in moved:
        item.is_sure = item.is_placed = True
    return True


def _limits(
    over: set[str], items: Iterable[Item], active: set[tuple[str, str]], scarce: set[str], stock: Stock
) -> set[tuple[str, str]]:
    """The stock limits that come to be watched: of the SKUs taken twice; where many compete for these, of all scarce ones too."""
    watched, before = over | {sku for sku, _ in active}, -1
    while len(watched) > before:
        before = len(watched)
        for group in linked([i for i in items if not i.is_fixed], lambda item, watched=frozenset(watched): item.skus & watched):
            mine = set().union(*(item.skus for item in group))
            if len(group) >= MANY and mine & over:
                over, watched = over | (mine & scarce), watched | (mine & scarce)
    return {key for key in stock if key[0] in over} - active


def _results(group: Sequence[Item], served: Mapping[str, Placement], rules: Rules) -> dict[str, Result]:
    """What was found for items that compete, and how far at most it is from the cheapest."""
    found = dealt(group)
    orders = [order for item in group for order in item.orders]
    total = sum(objective(o, found[o.guid], rules) for o in orders)
    plain = sum(objective(o, served[o.guid], rules) for o in orders)
    gap = _gap(total, sum(item.bound for item in group))
    if gap and total >= plain - _EPSILON:
        return {o.guid: Result(served[o.guid], "greedy", gap) for o in orders}
    return {guid: Result(placement, "exact", gap) for guid, placement in found.items()}


def _gap(total: float, bound: float) -> float:
    """How far at most from the cheapest. What tells equals apart is no cost."""
    open_cents = total - bound
    return open_cents / total if total > 0 and open_cents > max(2 * PROVEN_CENTS, 2 * PROVEN_SHARE * total) else 0.0


def _alone(item: Item, stock: Stock, rules: Rules) -> None:
    """The cheapest way for an item as if nobody else wanted anything; where that is not sure, one that may be it."""
    order = item.first
    if item.is_unit:
        grams = order.lines[0].grams
        able = [node for node in order.options if _reach(order, 0, node, stock)]
        node = min(able, key=lambda n: (order.options[n].cost(grams), order.options[n].turn, n))
        item.choice, item.bound = {(0, node): len(item.orders)}, order.options[node].cost(grams) * len(item.orders)
        return
    item.choice, item.bound, item.is_sure = _tried(item, stock, rules)


def _tried(item: Item, stock: Stock, rules: Rules) -> tuple[Placement, float, bool]:
    """A placement by trying sets of warehouses, a bound, and whether the placement is the cheapest for sure."""
    order = item.first
    least = min(option.cost(0) for option in order.options.values())
    skus = [sku for line in order.lines for sku, _ in line.uses]
    if order.opened or len(set(skus)) < len(skus):
        return item.plain, least, False
    grams = sum(line.units * line.grams for line in order.lines)
    is_heavy = grams > 1000 and any(option.per_kg > 0 for option in order.options.values())
    reach = {n: [_reach(order, at, n, stock) for at in range(len(order.lines))] for n in order.options}
    nodes = sorted((n for n in reach if any(reach[n])), key=lambda n: (order.options[n].cost(0), order.options[n].turn, n))
    best: tuple[float, int, tuple[str, ...]] | None = None
    for parcels in range(1, len(nodes) + 1):
        bound = sum(order.options[n].cost(0) for n in nodes[:parcels]) + rules.extra_parcel * (parcels - 1)
        if best is not None and bound > best[0]:
            break
        if parcels > TRIED or (is_heavy and parcels > 1):
            # What several heavy parcels cost depends on what lies in which.
            return item.plain, min(bound, best[0]) if best else bound, False
        for chosen in combinations(nodes, parcels):
            cost = sum(order.options[n].cost(grams if parcels == 1 else 0) for n in chosen) + rules.extra_parcel * (parcels - 1)
            found = (cost, sum(order.options[n].turn for n in chosen), chosen)
            if best is not None and found >= best:
                continue
            if all(sum(reach[n][at] for n in chosen) >= line.units for at, line in enumerate(order.lines)):
                best = found
    if best is None:
        return item.plain, least, False
    placement, _ = fill(order, sorted(best[2], key=lambda n: order.options[n].turn), stock)
    return placement, objective(order, placement, rules), True


def _reach(order: Order, at: int, node: str, stock: Stock) -> int:
    """The most units of a line a warehouse could give if nobody else wanted any."""
    line = order.lines[at]
    return max(0, min([line.units, *(stock.get((sku, node), 0) // each for sku, each in line.uses)]))


def _together(group: Sequence[Item], active: set[tuple[str, str]], left: Stock, rules: Rules, clock: Clock, stock: Stock) -> bool:
    """Solves items with the stock limits in `active`; False: too large, or no time left, and the choices are as before.

    `left` is what others that are fixed have left of `stock`: where that is less, the bound of this program is none.
    """
    if clock.is_over:
        return False
    program = Program()
    limits: dict[tuple[str, str], tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    placed: list[dict[int, tuple[int, str]]] = []
    for item in group:
        placed.append(_columns(program, item, active, limits, stock, rules))
        if len(program.cost) > rules.columns:
            return False
    for key, (columns, values) in limits.items():
        # In the largest part that all of them are made of: whole pieces are whole numbers there.
        part = gcd(*(int(each) for each in values))
        program.row(float("-inf"), max(0, left[key]) // part, columns, [each / part for each in values])
    if clock.is_over:
        return False
    values_found, bound = program.run(clock.seconds(sum(len(item.orders) for item in group)))
    if values_found is None:
        return False
    for item, columns_of in zip(group, placed, strict=True):
        item.choice = {where: round(values_found[at]) for at, where in columns_of.items() if round(values_found[at])}
    before = sum(item.bound for item in group)
    if all(left[key] == stock[key] for key in limits) and bound > before:
        # The bound is the group's; each item bears an equal part.
        for item in group:
            item.bound = bound / len(group)
    return True


def _columns(
    program: Program,
    item: Item,
    active: set[tuple[str, str]],
    limits: dict[tuple[str, str], tuple[list[int], list[float]]],
    stock: Stock,
    rules: Rules,
) -> dict[int, tuple[int, str]]:
    """Adds an item's columns and rows; returns which column is which line out of which warehouse."""
    program.begin()
    order, placed = item.first, {}
    total = sum(line.units for line in order.lines)
    used = {node for _, node in item.plain}
    parcels: dict[str, int] = {}
    weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for at, line in enumerate(order.lines):
        columns = []
        for node, option in sorted(order.options.items()):
            reach = _reach(order, at, node, stock)
            if not reach:
                continue
            if item.is_unit:
                most = min([len(item.orders), *(stock.get((sku, node), 0) // each for sku, each in line.uses)])
                column = program.column(option.cost(line.grams) + TIE * option.turn, most, start=item.plain.get((at, node), 0))
            else:
                if node not in parcels:
                    price = 0.0 if node in order.opened else rules.extra_parcel
                    parcels[node] = program.column(option.cost(0) + price, 1, start=float(node in used))
                column = program.column(TIE * option.turn / total, reach, start=item.plain.get((at, node), 0))
                program.row(float("-inf"), 0, [column, parcels[node]], [1, -reach])
                weights[node].append((column, line.grams))
            columns.append(column)
            placed[column] = (at, node)
            for sku, each in line.uses:
                if (sku, node) in active:
                    limits[sku, node][0].append(column)
                    limits[sku, node][1].append(each)
        wanted = len(item.orders) if item.is_unit else line.units
        program.row(wanted, wanted, columns, [1.0] * len(columns))
    if not item.is_unit:
        _further_kilograms(program, item, weights)
        if not order.opened and parcels:
            # The first parcel is not one more.
            program.row(1, 1, [program.column(-rules.extra_parcel, 1, start=1.0)], [1.0])
    return placed


def _further_kilograms(program: Program, item: Item, weights: Mapping[str, list[tuple[int, float]]]) -> None:
    """What a parcel weighs above its first kilogram is charged: the charge is at least that, and no more is cheapest."""
    order = item.first
    for node, parts in sorted(weights.items()):
        option = order.options[node]
        if option.per_kg <= 0 or sum(line.units * line.grams for line in order.lines) <= 1000:
            continue
        start = max(0.0, order.grams(item.plain, node) / 1000 - 1)
        above = program.column(option.per_kg, float("inf"), whole=False, start=start)
        columns, grams = [above], [1.0]
        for column, each in parts:
            columns.append(column)
            grams.append(-each / 1000)
        program.row(-1.0, float("inf"), columns, grams)
