"""Which column for which slot: how likely each pair is, and the assignment with the highest total.

The shares are the marginals of all ways to deal fields to columns, by belief propagation on the bipartite graph of columns and
fields: a column that has another good field leaves this one to its rival, as far as that other field is free. The assignment is
found exactly (Kuhn's method with potentials, O(n³)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: What several columns may feed: the first that is filled counts; fees are added up, parts of an address joined.
SEVERAL = frozenset({"amount:fee", "amount:part", "amount:net", "sku", "buyer_phone", "address", "province", "raw_status"})
#: Those of which the first filled one counts.
STAND_IN = ("sku", "buyer_phone", "province")
#: Fields one column may feed together; they do not compete for it.
TOGETHER = ({"status", "line_status", "raw_status"}, {"status_code", "raw_status"}, {"sku", "product_title"},
    {"sub_order_id", "line_no"}, {"payment_id", "platform_txn_id"}, {"address", "province", "city", "district"},
    {"amount", "amount:credit", "amount:debit"}, {"list_price", "unit_price"}, {"kind", "description"},
    {"payable_amount", "paid_amount"})  # fmt: skip
#: Fields whose columns say much the same: the surest is taken, and the others hardly make it less sure.
EITHER = frozenset(
    {"occurred_at", "warehouse_id", "buyer_account", "courier_code", "location", "description", "product_title", "status_code",
     "counted_at", "payment_id", "shop_id", "buyer_name", "on_hand_qty", "category", "refunded_at", "approved_at",
     "channel_order_id", "currency", "return_id", "received_at", "promised_delivery_at"}
)  # fmt: skip
_HARDLY, _AT_MOST = 0.3, 3.0
_ROUNDS = 25


def dealt_shares(
    edges: Mapping[tuple[int, str], float], absent: Mapping[str, float], twins: Mapping[int, object]
) -> dict[tuple[int, str], float]:
    """(column, field) -> 0 … 1, how likely the column is the field's.

    edges: odds of each pair against "no field takes this column"; absent: field -> odds that no column is the field's;
    twins: column -> what its name says: columns that say the same (`paid`, `paid_utc`) do not make one another doubtful.
    """
    rivals = {
        (i, f): [(i, g) for j, g in edges if j == i and g != f and not any({f, g} <= group for group in TOGETHER)]
        for i, f in edges
    }
    others = {(i, f): [] if f in SEVERAL else [(j, f) for j, g in edges if g == f and twins[j] != twins[i]] for i, f in edges}
    free = dict.fromkeys(edges, 1.0)
    wanted = dict(edges)
    for _ in range(_ROUNDS):
        wanted = {e: edges[e] / (1 + sum(edges[r] * free[r] for r in rivals[e])) for e in edges}
        # Half of the old message stays: two columns after the same field would else take turns forever.
        free = {e: 0.5 * free[e] + 0.5 / (absent[e[1]] + _rivals(e[1], [wanted[o] for o in others[e]])) for e in edges}
    return {e: (odds := wanted[e] * free[e]) / (1 + odds) for e in edges}


def _rivals(name: str, wanted: Sequence[float]) -> float:
    if name not in EITHER:
        return sum(wanted)
    # Two times or currencies say the same; of two numbers one is another thing's.
    return _HARDLY * sum(wanted if name.endswith("_id") else (min(w, _AT_MOST) for w in wanted))


def assign(gain: Sequence[Sequence[float]]) -> list[int | None]:
    """For each row the column it gets, or None; no column twice; the sum of gains is the largest there is.

    A gain of zero or less is never taken: leaving a row without a column costs nothing.
    """
    rows = len(gain)
    columns = len(gain[0]) if rows else 0
    if not columns:
        return [None] * rows
    # Every row has a column of its own beside the real ones, worth nothing: the way out.
    width = columns + rows
    cost = [[-max(0.0, g) for g in row] + [0.0] * rows for row in gain]
    price_row, price_column = [0.0] * (rows + 1), [0.0] * (width + 1)
    owner, way = [0] * (width + 1), [0] * (width + 1)
    for row in range(1, rows + 1):
        owner[0], at = row, 0
        least, seen = [float("inf")] * (width + 1), [False] * (width + 1)
        while True:
            seen[at] = True
            current, step, following = owner[at], float("inf"), 0
            for column in range(1, width + 1):
                if seen[column]:
                    continue
                reduced = cost[current - 1][column - 1] - price_row[current] - price_column[column]
                if reduced < least[column]:
                    least[column], way[column] = reduced, at
                if least[column] < step:
                    step, following = least[column], column
            for column in range(width + 1):
                if seen[column]:
                    price_row[owner[column]] += step
                    price_column[column] -= step
                else:
                    least[column] -= step
            at = following
            if owner[at] == 0:
                break
        while at:
            owner[at] = owner[way[at]]
            at = way[at]
    found: list[int | None] = [None] * rows
    for column in range(1, columns + 1):
        row = owner[column]
        if row and gain[row - 1][column - 1] > 0:
            found[row - 1] = column - 1
    return found
