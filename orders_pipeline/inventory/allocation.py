"""Which warehouse sends which open order line: the function of the model `inventory.allocations`.

Orders are served in the order of demand (pick-ups, then promised date, time of reservation, order number); an order is served
whole or not at all, unless partial shipments are allowed. Of the ways to serve these orders the cheapest is taken: couriers'
charges, days under way and every further parcel of an order at a price (`solver.py`, exact). Where the solver runs out of time or
size, what it has found by then stands, or the plain way (`placing.py`); either says how far from the cheapest it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orders_pipeline.inventory.allocation_rows import made, read
from orders_pipeline.inventory.placing import Order, Result, Rules, Stock, greedy
from orders_pipeline.inventory.solver import improve

if TYPE_CHECKING:
    import pyarrow as pa


def solve(orders: Sequence[Order], stock: Stock, rules: Rules) -> dict[str, Result]:
    """The placement of every order that is served. The greedy way decides who is served, the solver from where."""
    # Pick-ups come first and have no choice; what is left is what parcels may take.
    pickups = [o for o in orders if o.store is not None]
    parcels = [o for o in orders if o.store is None]
    left = dict(stock)
    results = {
        guid: Result(placement, "pickup") for guid, placement in greedy(pickups, left, rules).items() if placement is not None
    }
    before = dict(left)
    placed = greedy(parcels, left, rules)
    served = {guid: placement for guid, placement in placed.items() if placement}
    if rules.strategy != "single_node_first":
        return results | {guid: Result(placement, rules.strategy) for guid, placement in served.items()}
    return results | improve([o for o in parcels if o.guid in served], served, before, rules)


def allocate(rows: pa.Table) -> pa.Table:
    """The function of the model."""
    import pyarrow as pa

    book = read(rows.to_pylist())
    results = solve(book.orders, book.stock, book.rules)
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("order_guid", "warehouse_id", "sku", "reason", "courier_code")),
            ("line_no", pa.int64()),
            ("transit_days", pa.int64()),
            *((name, pa.decimal128(18, 3)) for name in ("quantity", "needed_qty")),
            ("gap_ratio", pa.decimal128(18, 6)),
            ("cost_amount", pa.decimal128(18, 2)),
        ]
    )
    return pa.Table.from_pylist(list(made(book, results)), schema)
