"""The rows that `inventory.allocations` is made of, and the rows that it is: between the table and `allocation.py`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from orders_pipeline.inventory.placing import UNASSIGNED, Line, Option, Order, Result, Rules, Stock, cents, fill, take

#: What a province is called with and without: 浙江省 and 浙江 are one.
_PROVINCE = re.compile(r"(特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区|省|市)$")
LATE = "9999"


@dataclass
class Wanted:
    """An order line as it stands: thousandths needed, and of these on an open pick list of which warehouse."""

    number: int
    sku: str
    needed: int
    uses: dict[str, int]
    grams: float
    current: str | None
    picked: dict[str, int] = field(default_factory=dict)


@dataclass
class Book:
    """Everything the allocation needs, and what it does not touch."""

    rules: Rules
    orders: list[Order]
    stock: Stock
    wanted: dict[str, list[Wanted]]
    #: SKUs that some stock file knows.
    known: frozenset[str]


def read(rows: Sequence[Mapping[str, Any]]) -> Book:
    """The model's rows, whatever their order, as orders, stock and rules."""
    by_record: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_record[row["record"]].append(row)
    rules = _rules(by_record)
    stock: Stock = {(r["sku"], r["warehouse_id"]): max(0, _thousandths(r["quantity"])) for r in by_record["stock"]}
    rank_of = {(r["sku"], r["warehouse_id"]): _thousandths(r["each_qty"]) for r in by_record["stock"]}
    wanted = _wanted(by_record)
    map_ = Map(by_record["node"], by_record["rate"], rank_of, rules)
    # The line that has to leave first speaks for the order.
    by_due = sorted(by_record["line"], key=lambda r: (r["due_at"] or LATE, r["line_no"], r["sku"]), reverse=True)
    heads = {r["order_guid"]: r for r in by_due}
    orders = []
    for lines in wanted.values():
        # Goods on a pick list leave where they are picked, whether or not the book has them there.
        for line in lines:
            for node, quantity in line.picked.items():
                for sku, each in line.uses.items():
                    stock[sku, node] = max(0, stock.get((sku, node), 0) - each * quantity // 1000)
    for guid, lines in wanted.items():
        units = tuple(_line(line) for line in lines)
        if any(line.units for line in units):
            orders.append(map_.order(guid, heads[guid], units, lines))
    used = {sku for order in orders for line in order.lines for sku, _ in line.uses}
    stock = {key: quantity for key, quantity in sorted(stock.items()) if key[0] in used}
    for order in orders:
        order.options = {n: o for n, o in order.options.items() if _has(order, n, stock) or n == order.store}
    return Book(rules, sorted(orders, key=lambda o: o.rank), stock, wanted, frozenset(sku for sku, _ in rank_of))


def _has(order: Order, node: str, stock: Stock) -> bool:
    return any(all(stock.get((sku, node), 0) >= each for sku, each in line.uses) for line in order.lines if line.units)


def _rules(by_record: Mapping[str, list[Mapping[str, Any]]]) -> Rules:
    number = {r["sku"]: r["quantity"] for r in by_record["rule"]}
    return Rules(
        extra_parcel=float(number["extra_parcel_amount"] * 100),
        transit_day=float(number["transit_day_amount"] * 100),
        unrated_parcel=float(number["unrated_parcel_amount"] * 100),
        store_parcel=float(number["store_parcel_amount"] * 100),
        seconds=float(number["allocation_max_seconds"]),
        columns=int(number["allocation_max_count"]),
        allows_partial=number["shipments_max_count"] > 1,
        allows_transfer=number["pickup_sources_max_count"] > 1,
        strategy=by_record["strategy"][0]["sku"] if by_record["strategy"] else "single_node_first",
    )


def _wanted(by_record: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, list[Wanted]]:
    """Order -> its lines, a bundle as one line that uses its components."""
    lines: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in by_record["line"]:
        lines[row["order_guid"], row["line_no"]].append(row)
    wanted: dict[str, list[Wanted]] = defaultdict(list)
    for (guid, number), parts in sorted(lines.items()):
        parts = sorted(parts, key=lambda r: r["sku"])
        each = {r["sku"]: _thousandths(r["each_qty"]) for r in parts}
        # Of a bundle whose components left in part, as many are open as its slowest component.
        needed = max(-(-_thousandths(r["quantity"]) * 1000 // each[r["sku"]]) for r in parts)
        grams = float(sum((r["grams"] or 0) * r["each_qty"] for r in parts))
        wanted[guid].append(Wanted(number, parts[0]["sold_sku"], needed, each, grams, parts[0]["warehouse_id"]))
    picked: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in by_record["picked"]:
        picked[row["order_guid"], row["sku"]][row["warehouse_id"]] += _thousandths(row["quantity"])
    for guid, of_order in wanted.items():
        for line in of_order:
            _pick(line, guid, picked)
    return wanted


def _pick(line: Wanted, guid: str, picked: Mapping[tuple[str, str], dict[str, int]]) -> None:
    """Takes what is on pick lists for a line: as itself, or as all components of the bundle."""
    left = line.needed
    itself = picked.get((guid, line.sku), {})
    parts = {sku: picked.get((guid, sku), {}) for sku in line.uses}
    for node in sorted({*itself, *(node for of in parts.values() for node in of)}):
        quantity = min(left, itself.get(node, 0))
        if quantity:
            itself[node] -= quantity
        elif line.sku not in line.uses:
            sets = min(of.get(node, 0) // each for (sku, of), each in zip(parts.items(), line.uses.values(), strict=True))
            quantity = min(left, sets * 1000)
            for sku, each in line.uses.items():
                if quantity:
                    parts[sku][node] -= quantity * each // 1000
        if quantity:
            line.picked[node] = quantity
            left -= quantity


def _line(line: Wanted) -> Line:
    """What is left of a line once its picked part is off; 0 units where nothing is."""
    left = line.needed - sum(line.picked.values())
    size = 1000 if left % 1000 == 0 else left
    uses = tuple((sku, -(-each * size // 1000)) for sku, each in sorted(line.uses.items()))
    return Line(line.number, line.sku, left // size if left else 0, uses, line.grams * size / 1000, size)


class Map:
    """Warehouses, and what a parcel from each to a place costs."""

    def __init__(
        self,
        nodes: Sequence[Mapping[str, Any]],
        rates: Sequence[Mapping[str, Any]],
        rank_of: Mapping[tuple[str, str], int],
        rules: Rules,
    ) -> None:
        self.nodes = {r["warehouse_id"]: r for r in sorted(nodes, key=lambda r: r["warehouse_id"])}
        self.rules, self.rank_of = rules, rank_of
        self.places = sorted({node for _, node in rank_of})
        self.rates: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for rate in sorted(rates, key=lambda r: (r["warehouse_id"], r["courier_code"])):
            self.rates[rate["warehouse_id"], _province(rate["province"])].append(rate)
        self._known: dict[Any, dict[str, Option]] = {}
        self._parcels: dict[Any, Option] = {}

    def order(self, guid: str, head: Mapping[str, Any], lines: tuple[Line, ...], wanted: Sequence[Wanted]) -> Order:
        store = head["store_id"]
        rank = (store is None, head["due_at"] or LATE, head["reserved_at"] or LATE, head["channel_order_id"] or "", guid)
        current = next((w.current for w in wanted if w.current and w.current not in w.picked), None)
        grams = sum(line.grams * line.units for line in lines)
        skus = tuple(sorted({sku for line in lines if line.units for sku, _ in line.uses}))
        opened = frozenset(node for w in wanted for node in w.picked)
        province, city = head["province"], head["city"]
        if store in self.nodes:
            province, city = self.nodes[store]["province"], self.nodes[store]["city"]
        key = (province, city, skus, grams, current, store)
        if key not in self._known:
            self._known[key] = self._options(province, city, skus, grams, current, store)
        return Order(guid, rank, lines, self._known[key], store, opened)

    def _options(
        self, province: str | None, city: str | None, skus: Sequence[str], grams: float, current: str | None, store: str | None
    ) -> dict[str, Option]:
        there = {node: sum(self.rank_of.get((sku, node), 0) for sku in skus) for node in self.places}
        priority = {node: self._of(node, "number") for node in self.places}
        if self.rules.strategy == "highest_available":
            turns = sorted(self.places, key=lambda n: (-there[n], n))
        elif self.rules.strategy == "node_order":
            turns = sorted(self.places, key=lambda n: (_last(priority[n]), n))
        else:
            turns = sorted(self.places, key=lambda n: (n != current, _last(priority[n]), -there[n], n))
        open_to = [n for n in turns if store is None or n == store or self.rules.allows_transfer]
        options = {n: self._option(n, province, city, grams, turn) for turn, n in enumerate(open_to)}
        if store is not None:
            options.setdefault(store, Option(None, 0, 0, 0, 0))
        return options

    def _option(self, node: str, province: str | None, city: str | None, grams: float, turn: int) -> Option:
        key = (node, province, city, grams)
        if key not in self._parcels:
            self._parcels[key] = self._parcel(*key)
        return replace(self._parcels[key], turn=turn)

    def _parcel(self, node: str, province: str | None, city: str | None, grams: float) -> Option:
        """The cheapest courier from a warehouse to a place for this weight."""
        handling = self.rules.store_parcel if self._of(node, "sku") == "store" else 0.0
        rated = []
        for rate in self.rates.get((node, _province(province)), ()) if province else ():
            days = rate["transit_days"]
            option = Option(
                rate["courier_code"],
                float(rate["base_amount"] * 100),
                float((rate["per_kg_amount"] or 0) * 100),
                handling + self.rules.transit_day * (days or 0),
                0,
                days,
            )
            rated.append((option.cost(grams), days or 0, rate["courier_code"], option))
        if rated:
            return min(rated, key=lambda r: r[:3])[3]
        # Without a rate the nearer one is taken: it counts half in the province and a quarter in the city.
        near = 1.0
        if province and _province(self._of(node, "province")) == _province(province):
            near = 0.25 if city and self._of(node, "city") == city else 0.5
        return Option(None, self.rules.unrated_parcel * near, 0.0, handling, 0)

    def _of(self, node: str, column: str) -> Any:
        return self.nodes[node][column] if node in self.nodes else None


def _last(priority: int | None) -> tuple[bool, int]:
    return priority is None, priority or 0


def _province(name: str | None) -> str:
    return _PROVINCE.sub("", name.strip()) if name else ""


def _thousandths(quantity: Decimal | None) -> int:
    return int((quantity or 0) * 1000)


# ---- out


def made(book: Book, results: Mapping[str, Result]) -> Iterator[dict[str, Any]]:
    """The table's rows: each line at each warehouse, and what stays open under `unassigned`."""
    orders = {order.guid: order for order in book.orders}
    left = dict(book.stock)
    for guid, result in results.items():
        take(left, orders[guid], result.placement)
    for guid, lines in book.wanted.items():
        order = orders.get(guid)
        result = results.get(guid)
        at_node: dict[tuple[int, str], dict[str, Any]] = {}
        if order and result:
            at_node = _placed(order, result)
        open_units = _open(order, result, left, book.known) if order else {}
        for at, line in enumerate(lines):
            shared = {"order_guid": guid, "line_no": line.number, "sku": line.sku, "needed_qty": _pieces(line.needed)}
            nodes = sorted({*line.picked, *(node for there, node in at_node if there == at)})
            for node in nodes:
                row = dict(at_node.get((at, node), _NOTHING))
                if node in line.picked:
                    row["quantity"] += _pieces(line.picked[node])
                    row["reason"] = "on_pick_list"
                yield shared | {"warehouse_id": node} | row
            if at in open_units:
                yield shared | {"warehouse_id": UNASSIGNED} | _NOTHING | {"reason": open_units[at]}


_NOTHING: dict[str, Any] = {
    "quantity": Decimal(0), "reason": None, "gap_ratio": None, "courier_code": None, "cost_amount": None, "transit_days": None
}  # fmt: skip


def _pieces(thousandths: int) -> Decimal:
    return Decimal(thousandths).scaleb(-3)


def _placed(order: Order, result: Result) -> dict[tuple[int, str], dict[str, Any]]:
    nodes = {node for _, node in result.placement}
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    for node in sorted(nodes):
        option = order.options[node]
        parts = {at: units for (at, there), units in sorted(result.placement.items()) if there == node}
        costs: dict[int, Any] = dict.fromkeys(parts)
        if option.courier is not None:
            costs = _shared(cents(option.courier_cost(order.grams(result.placement, node))), order, parts)
        for at, units in parts.items():
            rows[at, node] = {
                "quantity": _pieces(units * order.lines[at].size),
                "reason": _reason(order, result, node, len(nodes | order.opened)),
                "gap_ratio": Decimal(str(round(result.gap, 6))) if result.method in ("exact", "greedy") else None,
                "courier_code": option.courier,
                "cost_amount": costs[at],
                "transit_days": option.transit_days,
            }
    return rows


def _shared(cost: Decimal, order: Order, parts: Mapping[int, int]) -> dict[int, Decimal]:
    """A parcel's charge on its lines by weight, to the cent; by pieces where nobody knows a weight."""
    weights = {at: order.lines[at].grams * units for at, units in parts.items()}
    if not all(weights.values()):
        weights = {at: float(units) for at, units in parts.items()}
    whole, so_far, given, shares = sum(weights.values()), 0.0, Decimal(0), {}
    for at, weight in weights.items():
        so_far += weight
        until = (cost * Decimal(str(so_far / whole))).quantize(Decimal("0.01"))
        shares[at], given = until - given, until
    return shares


def _reason(order: Order, result: Result, node: str, parcels: int) -> str:
    if result.method == "pickup":
        return "pickup_store" if node == order.store else "pickup_transfer"
    if result.method not in ("exact", "greedy"):
        return result.method
    size = "one_parcel" if parcels == 1 else "several_parcels"
    return size if result.method == "exact" else f"greedy_{size}"


def _open(order: Order, result: Result | None, left: Stock, known: frozenset[str]) -> dict[int, str]:
    """Line -> why (a part of) it has no warehouse."""
    if result is None:
        short = fill(order, order.options, left)[1]
        nothing = not any(short)
        why = {}
        for at, line in enumerate(order.lines):
            if not all(sku in known for sku, _ in line.uses):
                why[at] = "no_stock_record"
            elif line.units:
                why[at] = "insufficient_stock" if nothing or short[at] else "waits_for_other_lines"
        return why
    units: dict[int, int] = defaultdict(int)
    for (at, _), some in result.placement.items():
        units[at] += some
    return {at: "insufficient_stock" for at, line in enumerate(order.lines) if units[at] < line.units}
