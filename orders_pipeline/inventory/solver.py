"""The cheapest way to serve a set of orders, exactly: mixed integer programs for HiGHS, as small as they can be.

First every order by itself, as if the stock were endless for the others. Where more is then taken from a warehouse than it has,
the orders that compete for that SKU are solved together, and so on until nothing is taken twice: each step is a relaxation, so
that what ends it is the cheapest of all. Orders of one piece that look alike are one column with a number.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

from orders_pipeline.inventory.allocation import Order, Placement, Result, Rules, Stock, objective, place, take

#: Rounds of finding what is taken twice, before the greedy way stands.
ROUNDS = 30
#: Part of the whole time that one problem may take.
SHARE = 0.25
#: Cents, and share of the cost, within which a solution is taken for proven.
PROVEN_CENTS, PROVEN_SHARE = 0.01, 0.00001
#: Cents by which equals are told apart: less than any charge, summed over an order.
TIE = 0.001
_EPSILON = 1e-6


@dataclass
class Item:
    """Orders that are alike (one piece each), or a single order."""

    orders: list[Order]
    #: (line, warehouse) -> units, over all orders of the item.
    choice: Placement
    bound: float = 0.0

    @property
    def first(self) -> Order:
        return self.orders[0]

    @property
    def skus(self) -> set[str]:
        return {sku for line in self.first.lines for sku, _ in line.uses}

    @property
    def is_unit(self) -> bool:
        """Every order is one piece: one parcel, one warehouse."""
        return _is_unit(self.first)


def _is_unit(order: Order) -> bool:
    return len(order.lines) == 1 and order.lines[0].units == 1 and not order.opened


def improve(orders: Sequence[Order], served: Mapping[str, Placement], stock: Stock, rules: Rules) -> dict[str, Result]:
    """The cheapest placements of these orders; `served` is the greedy one, which stands where no better is found."""
    deadline = time.monotonic() + rules.seconds
    results: dict[str, Result] = {}
    orders = [_as_served(order, served[order.guid]) for order in orders]
    # Small ones first: where the time ends, few orders are left, not many.
    for block in sorted(_blocks(orders, stock), key=lambda b: (len(b), b[0].rank)):
        found = _solve_block(block, served, stock, rules, deadline)
        results |= found
    return results


def _as_served(order: Order, placement: Placement) -> Order:
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


def _blocks(orders: Sequence[Order], stock: Stock) -> list[list[Order]]:
    """Orders that may compete: linked by a SKU of which some warehouse has less than all of them want."""
    wanted: dict[str, int] = defaultdict(int)
    for order in orders:
        for line in order.lines:
            for sku, each in line.uses:
                wanted[sku] += each * line.units
    scarce = {sku for (sku, _), quantity in stock.items() if 0 < quantity < wanted.get(sku, 0)}
    return _linked(orders, lambda order: {sku for line in order.lines for sku, _ in line.uses} & scarce)


def _linked(things: Sequence[Any], keys_of: Any) -> list[list[Any]]:
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


def _solve_block(
    block: Sequence[Order], served: Mapping[str, Placement], stock: Stock, rules: Rules, deadline: float
) -> dict[str, Result]:
    items = _items(block)
    for item in items:
        if not _alone(item, stock, rules, deadline):
            return _plain(block, served, items, rules)
    active: set[tuple[str, str]] = set()
    is_over = False
    for _ in range(ROUNDS):
        over = _taken_twice(items, stock)
        is_over = bool(over)
        if not over:
            break
        skus = {sku for sku, _ in over}
        new = {key for key in stock if key[0] in skus} - active
        if not new and not over - active:
            break
        active |= new
        limited, touched = {sku for sku, _ in active}, {sku for sku, _ in new}
        for group in _linked(items, lambda item, limited=limited: item.skus & limited):
            if set().union(*(item.skus for item in group)) & touched and not _together(group, active, stock, rules, deadline):
                return _plain(block, served, items, rules)
    if is_over:
        return _plain(block, served, items, rules)
    found = _dealt(items)
    total = sum(objective(o, found[o.guid], rules) for o in block)
    plain = sum(objective(o, served[o.guid], rules) for o in block)
    bound = sum(item.bound for item in items)
    if plain < total - _EPSILON:
        return _plain(block, served, items, rules)
    gap = _gap(total, bound)
    return {guid: Result(placement, "exact", gap) for guid, placement in found.items()}


def _plain(block: Sequence[Order], served: Mapping[str, Placement], items: Sequence[Item], rules: Rules) -> dict[str, Result]:
    total = sum(objective(o, served[o.guid], rules) for o in block)
    gap = _gap(total, sum(item.bound for item in items))
    return {o.guid: Result(served[o.guid], "greedy", gap) for o in block}


def _gap(total: float, bound: float) -> float:
    """How far at most from the cheapest. What tells equals apart is no cost."""
    open_cents = total - bound
    return open_cents / total if total > 0 and open_cents > max(2 * PROVEN_CENTS, 2 * PROVEN_SHARE * total) else 0.0


def _items(block: Sequence[Order]) -> list[Item]:
    alike: dict[Any, Item] = {}
    for order in sorted(block, key=lambda o: o.rank):
        key: Any = order.guid
        if _is_unit(order):
            line = order.lines[0]
            key = (line.uses, line.grams, tuple(sorted(order.options.items(), key=lambda pair: pair[0])))
        if key in alike:
            alike[key].orders.append(order)
        else:
            alike[key] = Item([order], {})
    return list(alike.values())


def _dealt(items: Iterable[Item]) -> dict[str, Placement]:
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


def _taken_twice(items: Iterable[Item], stock: Stock) -> set[tuple[str, str]]:
    left: Stock = defaultdict(int)
    for item in items:
        take(left, item.first, item.choice)
    return {key for key, quantity in left.items() if -quantity > stock.get(key, 0)}


def _alone(item: Item, stock: Stock, rules: Rules, deadline: float) -> bool:
    """The cheapest way for an item as if nobody else wanted anything; False when none was found in time."""
    order = item.first
    if item.is_unit:
        grams = order.lines[0].grams
        able = [node for node in order.options if _reach(order, 0, node, stock)]
        node = min(able, key=lambda n: (order.options[n].cost(grams), order.options[n].turn, n))
        item.choice, item.bound = {(0, node): len(item.orders)}, order.options[node].cost(grams) * len(item.orders)
        return True
    best = place(order, stock, rules) or {}
    nodes = {node for _, node in best}
    two = sorted(option.cost(0) for option in order.options.values())[:2]
    # No two parcels cost less than the two cheapest first kilograms and the price of a parcel more.
    if len(nodes) == 1 and not order.opened and objective(order, best, rules) <= sum(two) + rules.extra_parcel:
        item.choice, item.bound = best, objective(order, best, rules)
        return True
    item.choice, item.bound = best, sum(two[:1])
    uses = {sku for line in order.lines for sku, _ in line.uses}
    return _together([item], {key for key in stock if key[0] in uses}, stock, rules, deadline) or bool(best)


def _reach(order: Order, at: int, node: str, stock: Stock) -> int:
    """The most units of a line a warehouse could give if nobody else wanted any."""
    line = order.lines[at]
    return max(0, min([line.units, *(stock.get((sku, node), 0) // each for sku, each in line.uses)]))


class Program:
    """Columns and rows of a mixed integer program, as HiGHS takes them."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.upper: list[float] = []
        self.whole: list[bool] = []
        self.rows: list[tuple[float, float, list[int], list[float]]] = []

    def column(self, cost: float, upper: float, whole: bool = True) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, low: float, high: float, columns: Sequence[int], values: Sequence[float]) -> None:
        self.rows.append((low, high, list(columns), list(values)))

    def run(self, seconds: float) -> tuple[list[float] | None, float]:
        """Values (None: nothing found in time) and a bound no solution is below."""
        import highspy
        import numpy as np

        infinity = highspy.kHighsInf
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.rows)
        lp.col_cost_ = np.array(self.cost, dtype=np.double)
        lp.col_lower_ = np.zeros(len(self.cost))
        lp.col_upper_ = np.array(self.upper, dtype=np.double)
        lp.row_lower_ = np.array([-infinity if r[0] == float("-inf") else r[0] for r in self.rows], dtype=np.double)
        lp.row_upper_ = np.array([infinity if r[1] == float("inf") else r[1] for r in self.rows], dtype=np.double)
        starts = [0]
        for row in self.rows:
            starts.append(starts[-1] + len(row[2]))
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = np.array(starts, dtype=np.int32)
        lp.a_matrix_.index_ = np.array([c for row in self.rows for c in row[2]], dtype=np.int32)
        lp.a_matrix_.value_ = np.array([v for row in self.rows for v in row[3]], dtype=np.double)
        kinds = highspy.HighsVarType
        lp.integrality_ = [kinds.kInteger if whole else kinds.kContinuous for whole in self.whole]
        solver = highspy.Highs()
        # One thread and one seed: the same orders give the same answer.
        for name, value in {
            "output_flag": False,
            "threads": 1,
            "random_seed": 0,
            "time_limit": max(0.1, seconds),
            "mip_rel_gap": PROVEN_SHARE,
            "mip_abs_gap": PROVEN_CENTS,
        }.items():
            solver.setOptionValue(name, value)
        solver.passModel(lp)
        solver.run()
        status, info = solver.getModelStatus(), solver.getInfo()
        bound = float(info.mip_dual_bound)
        is_found = status == highspy.HighsModelStatus.kOptimal or info.primal_solution_status == 2
        return (list(solver.getSolution().col_value) if is_found else None), bound if bound > -1e20 else 0.0


def _together(group: Sequence[Item], active: set[tuple[str, str]], stock: Stock, rules: Rules, deadline: float) -> bool:
    """Solves items with the stock limits in `active`; False: too large, or no time left, and the choices are as before."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
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
        program.row(float("-inf"), max(0, stock[key]) // part, columns, [each / part for each in values])
    values_found, bound = program.run(min(seconds, rules.seconds * SHARE))
    if values_found is None:
        return False
    for item, columns_of in zip(group, placed, strict=True):
        item.choice = {where: round(values_found[at]) for at, where in columns_of.items() if round(values_found[at])}
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
    order, placed = item.first, {}
    total = sum(line.units for line in order.lines)
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
                column = program.column(option.cost(line.grams) + TIE * option.turn, most)
            else:
                if node not in parcels:
                    price = 0.0 if node in order.opened else rules.extra_parcel
                    parcels[node] = program.column(option.cost(0) + price, 1)
                column = program.column(TIE * option.turn / total, reach)
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
        _further_kilograms(program, order, weights)
        if not order.opened and parcels:
            # The first parcel is not one more.
            program.row(1, 1, [program.column(-rules.extra_parcel, 1)], [1.0])
    return placed


def _further_kilograms(program: Program, order: Order, weights: Mapping[str, list[tuple[int, float]]]) -> None:
    """What a parcel weighs above its first kilogram is charged: the charge is at least that, and no more is cheapest."""
    for node, parts in sorted(weights.items()):
        option = order.options[node]
        if option.per_kg <= 0 or sum(line.units * line.grams for line in order.lines) <= 1000:
            continue
        above = program.column(option.per_kg, float("inf"), whole=False)
        columns, grams = [above], [1.0]
        for column, each in parts:
            columns.append(column)
            grams.append(-each / 1000)
        program.row(-1.0, float("inf"), columns, grams)
