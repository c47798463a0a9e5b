"""`orders-pipeline promise`: from when on goods can be promised, out of one warehouse, split over all of them, or for pick-up.

For pick-up only the store counts (`local`), or the store first and then what the other warehouses send it, as many days later as
a transfer takes (`all`). Lines of one basket meet in the store: there each may come from another warehouse.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from orders_pipeline.inventory import rules
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.warehouse import open_published

UNASSIGNED = "unassigned"


@dataclass(frozen=True)
class Request:
    """What somebody asks for. `own` is the number of a hold or an order whose claim is left out: it is the asker's own.

    `store` is where he wants to fetch it; `is_store_only` leaves out what other warehouses could send there.
    """

    lines: Sequence[tuple[str, Decimal]]
    by: date | None
    policy: rules.Policy
    warehouse_id: str | None = None
    own: str | None = None
    store: str | None = None
    is_store_only: bool = False


def promise(home: Home, request: Request) -> dict[str, Any]:
    """The promise of each warehouse, and of all of them together where the goods may be split.

    One line is promised by its quantity; several lines are one basket, which leaves complete. Raises Usage for goods
    no table knows, a hold nobody has, a day before today.
    """
    with open_published(home) as connection:
        kits = _kits(connection)
        lines = [(sku, quantity) for sku, quantity in request.lines if quantity]
        if not lines or any(quantity < 0 for _, quantity in lines):
            raise Usage("give each --sku its --quantity, above 0")
        single = len(lines) == 1
        per_set = rules.components([(lines[0][0], Decimal(1))] if single else lines, kits)
        per_set = {sku: each for sku, each in per_set.items() if _is_stocked(connection, sku)}
        wanted = lines[0][1] if single else Decimal(1)
        if request.store is not None:
            _fetchable(connection, request)
        there = _free(connection, per_set, request)
    by_place = _sets(there, per_set)
    pickup = None if request.store is None else _at_store(there, per_set, request, _transfer_days(home), is_basket=not single)
    today = min((days[0][0] for days in by_place.values()), default=None)
    requested = request.by or today or date.max
    if today is not None and requested < today:
        raise Usage(f"{requested} is before {today}, the day of the published figures")
    if not per_set:
        return {"requested_on": str(request.by or "any day"), "unlimited": True, "warehouses": {}, "all_warehouses": None}

    def shown(days: rules.Availability) -> dict[str, Any]:
        return _shown(rules.promise(days, wanted, requested, request.policy), days, requested)

    found = {
        "requested_on": str(requested),
        "unlimited": False,
        "warehouses": {place: shown(days) for place, days in sorted(by_place.items())},
        "all_warehouses": shown(_together(by_place)),
    }
    return found if pickup is None else found | {"pickup": shown(pickup)}


def _shown(found: rules.Promise, days: rules.Availability, requested: date) -> dict[str, Any]:
    there = [signed for day, signed in days if day <= requested]
    return {
        "available_qty": max(Decimal(0), there[-1]) if there else Decimal(0),
        "deliveries": [{"day": str(day), "quantity": quantity} for day, quantity in found.deliveries],
        "short_qty": found.short,
    }


def _kits(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Decimal]]:
    kits: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for kit, component, each in connection.execute(
        "SELECT kit_sku, component_sku, component_quantity FROM inventory.kit_components"
    ).fetchall():
        kits[kit][component] = each
    return kits


def _is_stocked(connection: duckdb.DuckDBPyConnection, sku: str) -> bool:
    found = connection.execute("SELECT is_stocked FROM orders.products WHERE sku = ?", [sku]).fetchall()
    known = connection.execute("SELECT count(*) FROM inventory.atp WHERE sku = ?", [sku]).fetchall()[0][0]
    if not found and not known:
        raise Usage(f"no table knows the goods {sku}")
    return found[0][0] if found else True


#: Warehouse -> SKU -> what can be promised from each day on.
Free = dict[str, dict[str, list[tuple[date, Decimal]]]]


def _free(connection: duckdb.DuckDBPyConnection, per_set: dict[str, Decimal], request: Request) -> Free:
    """What can be promised of each SKU, the asker's own claim left out."""
    own = _own_claims(connection, request.own)
    there: Free = defaultdict(dict)
    for sku in per_set:
        rows: dict[tuple[str, str], list[tuple[date, Decimal, Decimal]]] = defaultdict(list)
        for place, owner, *step in connection.execute(
            "SELECT warehouse_id, owner, day, projected_qty - safety_stock_qty, atp_signed_qty FROM inventory.atp_by_day "
            "WHERE sku = ? AND warehouse_id <> ? AND coalesce(warehouse_id = ?, TRUE) ORDER BY day",
            [sku, UNASSIGNED, request.warehouse_id],
        ).fetchall():
            rows[place, owner].append(tuple(step))
        for (place, owner), steps in rows.items():
            free = rules.without_own(steps, own.get((sku, place, owner), ()))
            before = there[place].get(sku)
            there[place][sku] = free if before is None else _sum([before, free])
    return there


def _sets(there: Free, per_set: dict[str, Decimal]) -> dict[str, list[tuple[date, Decimal]]]:
    """Warehouse -> sets that can be promised from each day on."""
    free: dict[str, list[tuple[date, Decimal]]] = {}
    for place, of_sku in there.items():
        days = sorted({day for steps in of_sku.values() for day, _ in steps})
        on = {day: {sku: _on(of_sku.get(sku, ()), day) for sku in per_set} for day in days}
        free[place] = [(day, Decimal(rules.sets(on[day], per_set) or 0)) for day in days]
    return free


def _fetchable(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Raises Usage for a store nobody knows or that is closed, and where a warehouse is named as well."""
    if request.warehouse_id is not None:
        raise Usage("give --pickup or --warehouse: for pick-up the store itself says out of where")
    found = connection.execute("SELECT is_active FROM inventory.nodes WHERE warehouse_id = ?", [request.store]).fetchall()
    held = connection.execute("SELECT count(*) FROM inventory.atp WHERE warehouse_id = ?", [request.store]).fetchall()[0][0]
    if not found and not held:
        raise Usage(f"no list of warehouses and no stock file knows the store {request.store}")
    if found and not found[0][0]:
        raise Usage(f"the store {request.store} is closed: nothing can be fetched there")


def _transfer_days(home: Home) -> int:
    return int(load_settings(home.settings_file).thresholds["pickup_transfer_days"])


def _at_store(
    there: Free, per_set: dict[str, Decimal], request: Request, transfer_days: int, *, is_basket: bool
) -> list[tuple[date, Decimal]]:
    """What can be fetched from each day on: the store's own, and of other warehouses what they send, never below 0.

    Goods of a basket are put together in the store; a bundle leaves a warehouse complete.
    """
    store = str(request.store)
    sent: Free = defaultdict(dict)
    for place, of_sku in there.items():
        late = timedelta(days=0 if place == store else transfer_days)
        if place == store or not request.is_store_only:
            sent[place] = {sku: [(day + late, signed) for day, signed in steps] for sku, steps in of_sku.items()}
    if is_basket:
        gathered = {sku: _together({place: of[sku] for place, of in sent.items() if sku in of}) for sku in per_set}
        return _sets({store: gathered}, per_set)[store]
    return _together(_sets(sent, per_set))


def _on(steps: Sequence[tuple[date, Decimal]], day: date) -> Decimal:
    """What holds on a day: a row holds until the next."""
    before = [signed for on, signed in steps if on <= day]
    return before[-1] if before else Decimal(0)


def _own_claims(
    connection: duckdb.DuckDBPyConnection, own: str | None
) -> dict[tuple[str, str, str], list[tuple[date | None, Decimal]]]:
    """(SKU, warehouse, owner) -> (day due, quantity) of what the asker has claimed already."""
    if own is None:
        return {}
    claims: dict[tuple[str, str, str], list[tuple[date | None, Decimal]]] = defaultdict(list)
    for sku, place, owner, on, quantity in connection.execute(
        "SELECT sku, warehouse_id, owner, due_on, quantity FROM inventory.reservations "
        "WHERE document_id = ? AND kind IN ('hold', 'order')",
        [own],
    ).fetchall():
        claims[sku, place, owner].append((on, quantity))
    if not claims:
        raise Usage(f"no hold or order '{own}' claims any stock (it may have expired)")
    return claims


def _together(by_place: dict[str, list[tuple[date, Decimal]]]) -> list[tuple[date, Decimal]]:
    """All warehouses at once: what one lacks is not made up by another, so each counts from 0."""
    return _sum([[(day, max(Decimal(0), signed)) for day, signed in steps] for steps in by_place.values()])


def _sum(parts: Sequence[Sequence[tuple[date, Decimal]]]) -> list[tuple[date, Decimal]]:
    days = sorted({day for steps in parts for day, _ in steps})
    return [(day, sum((_on(steps, day) for steps in parts), Decimal(0))) for day in days]


def text(found: dict[str, Any]) -> str:
    """The promise for a person."""
    if found["unlimited"]:
        return "These goods are not kept in stock: any quantity can be promised."
    lines = [f"requested for {found['requested_on']}"]
    ways = [*found["warehouses"].items(), ("all warehouses, split", found["all_warehouses"])]
    for place, one in [("pick-up", found["pickup"])] if "pickup" in found else ways:
        parts = ", ".join(f"{d['quantity']:f} on {d['day']}" for d in one["deliveries"]) or "nothing"
        short = f"; short of {one['short_qty']:f}" if one["short_qty"] else ""
        lines.append(f"  {place:24} available {one['available_qty']:f}: {parts}{short}")
    return "\n".join(lines)


def lines_of(skus: Sequence[str], quantities: Sequence[Decimal]) -> list[tuple[str, Decimal]]:
    """Pairs of the command's repeated options. Raises Usage when their numbers differ."""
    if len(skus) != len(quantities):
        raise Usage(f"{len(skus)} --sku and {len(quantities)} --quantity: each line needs both")
    return list(zip(skus, quantities, strict=True))
