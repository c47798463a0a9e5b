"""Which payout a sum on the merchant's bank account is: by the payout's number, else by amount and day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orders_pipeline.payments.inference import Record, Window, link

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]


def arrivals(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Received rows with the payout (account, payout_id) they are; each received row and each payout once.

    A named payout may arrive in several rows. By amount and day: the exact amount in the same currency, on another account,
    from `before_days` before to `after_days` after the payout, and only where neither side fits anything else.
    """
    sent = [r for r in rows if r["side"] == "sent"]
    received = [r for r in rows if r["side"] == "received"]
    named: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for payout in sent:
        named[payout["payout_id"], payout["currency"]].append(payout)
    done: set[tuple[str, str]] = set()
    rest = []
    for row in received:
        homes = [p for p in named.get((row["payout_id"], row["currency"]), ()) if p["account"] != row["account"]]
        if row["is_named"] and len(homes) == 1:
            done.add((homes[0]["account"], homes[0]["payout_id"]))
            yield _arrival(row, homes[0], "number")
        elif not row["is_named"]:
            rest.append(row)
    open_payouts = [p for p in sent if (p["account"], p["payout_id"]) not in done and p["amount"] > 0 and p["business_on"]]
    for currency in sorted({r["currency"] for r in rest}):
        yield from _by_amount(
            [r for r in rest if r["currency"] == currency and r["business_on"]],
            [p for p in open_payouts if p["currency"] == currency],
        )


def _by_amount(received: Sequence[Row], payouts: Sequence[Row]) -> Iterator[dict[str, Any]]:
    if not received or not payouts:
        return
    first = payouts[0]
    # Sums of a few prove nothing here: payouts are round sums of their own, so no groups.
    window = Window(tolerance=0, before=int(first["before_days"]), after=int(first["after_days"]), members=1, block=0)
    sources = {f"{p['account']}\0{p['payout_id']}": p for p in payouts}
    targets = {r["payment_guid"]: r for r in received}
    found = link(
        [Record(r["business_on"], _cents(r["amount"]), guid) for guid, r in targets.items()],
        [Record(p["business_on"], _cents(p["amount"]), key) for key, p in sources.items()],
        window,
    )
    for one in found:
        if one.order is not None and sources[one.order.guid]["account"] != targets[one.payment.guid]["account"]:
            yield _arrival(targets[one.payment.guid], sources[one.order.guid], "amount_and_day")


def _arrival(row: Row, payout: Row, rule: str) -> dict[str, Any]:
    return {
        "payment_guid": row["payment_guid"],
        "account": payout["account"],
        "payout_id": payout["payout_id"],
        "amount": row["amount"],
        "business_on": row["business_on"],
        "pass": rule,
    }


def _cents(amount: Any) -> int:
    return int(amount * 100)


def arrive(rows: pa.Table) -> pa.Table:
    """The function of the model `reconciliation.payout_arrivals`."""
    import pyarrow as pa

    schema = pa.schema(
        {
            **dict.fromkeys(("payment_guid", "account", "payout_id"), pa.string()),
            "amount": pa.decimal128(18, 2),
            "business_on": pa.date32(),
            "pass": pa.string(),
        }
    )
    return pa.Table.from_pylist(list(arrivals(rows.to_pylist())), schema)
