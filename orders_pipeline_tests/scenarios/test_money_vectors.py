"""The study's vectors on sharing out, allocating and balances of money: every row of the files through the product's own tables."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orders_pipeline import pipeline
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.models.test_tables import AS_OF, DEFAULTS, give, warehouse  # noqa: F401
from orders_pipeline_tests.scenarios.stories import CHINA, Book
from orders_pipeline_tests.support import new_home, query, run

D = Decimal
NOON = datetime(2026, 2, 1, 12, tzinfo=CHINA)


# ---- an amount shared out over lines, to the cent


def minor_units(text: str) -> list[int]:
    return [int(part) for part in text.split(";")]


def test_amounts_are_shared_out_as_the_vectors_say(
    shared: Callable[[str], Path],
    warehouse: duckdb.DuckDBPyConnection,  # noqa: F811
) -> None:
    """The vectors share a discount out over lines, `aftersales.order_shares` what was paid: given the vector's amount as what was
    paid for lines of the vector's weights, the shares are the vector's, ties included."""
    with shared("vectors/discount_proration.csv").open(encoding="utf-8", newline="") as file:
        vectors = {row["id"]: row for row in csv.DictReader(file)}
    assert vectors
    warehouse.execute("BEGIN TRANSACTION")
    try:
        for name, v in vectors.items():
            total = D(v["discount_total_minor_units"]) / 100
            give(warehouse, "orders.orders", [{"order_guid": name, "payable_amount": total, "version_number": 1}])
            lines = [
                {"order_guid": name, "line_no": n, "sku": f"S{n:02}", "quantity": 1, "unit_price": D(weight) / 100, "is_gift": False}
                for n, weight in enumerate(minor_units(v["line_weights"]), 1)
            ]
            give(warehouse, "orders.order_lines", lines)
        model = next(m for m in pipeline.models() if m.name == "aftersales.order_shares")
        statement = sql.render(sql.bind(model, parse_as_of(AS_OF), DEFAULTS.thresholds, {}))
        shares = {
            name: [
                int(amount * 100)
                for (amount,) in warehouse.execute(
                    f"SELECT net_amount FROM ({statement}) WHERE order_guid = guid_of(?) ORDER BY sku", [name]
                ).fetchall()
            ]
            for name in vectors
        }
    finally:
        warehouse.execute("ROLLBACK")
    assert shares == {name: minor_units(v["largest_remainder_allocation"]) for name, v in vectors.items()}
    for name, v in vectors.items():
        assert sum(shares[name]) == int(v["discount_total_minor_units"]), name


# ---- money allocated to documents


@pytest.fixture(scope="module")
def told(shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any], dict[str, Any]]:
    """Both files as one home: an allocation each in a shop of its own, a drift each on a day of its own."""
    allocations = {v["id"]: v for v in yaml.safe_load(shared("vectors/payment_allocation.yaml").read_text("utf-8"))}
    drifts = {v["id"]: v for v in yaml.safe_load(shared("vectors/recon_balance_drift.yaml").read_text("utf-8"))}
    home = new_home(tmp_path_factory.mktemp("money"))
    for number, (name, v) in enumerate(allocations.items()):
        book = Book("taobao", name)
        book.count = 1000 * (number + 1)
        allocate(book, name, v)
        book.land(home, f"{name}-")
    for number, (name, v) in enumerate(drifts.items()):
        drift(Book("douyin", name), name, v, NOON + timedelta(days=number), 100_000 + 1000 * number, home)
    run(home, NOON + timedelta(days=40))
    return home, allocations, drifts


def allocate(book: Book, name: str, v: dict[str, Any]) -> None:
    """What the vector tells, as orders and one payment that names what it pays."""
    when = {"created_at": NOON.isoformat(), "paid_at": NOON.isoformat()}
    paid = {"occurred_at": NOON.isoformat()}
    if "invoice_outstanding" in v and "payment_unallocated" in v:
        book.order(f"{name} invoice", v["invoice_outstanding"], **when)
        book.pay(f"{name} invoice", v["payment_unallocated"], **paid)
    elif "already_allocated" in v:
        # Two documents want more of one payment than it has.
        for number, owed in enumerate((v["already_allocated"], v["allocate"])):
            book.order(f"{name} {number}", owed, platform_txn_id=f"{name} merged", **when)
        book.pay(None, v["payment_total"], merged_payment_id=f"{name} merged", **book.shop, **paid)
    else:
        # Half of the payment stands with an advance order, which is cancelled in favour of the invoice.
        rest = v["payment_total"] - v["allocated_to_order"]
        book.order(f"{name} invoice", v["invoice_outstanding"], **when)
        book.order(f"{name} order", v["allocated_to_order"], "cancelled", **when)
        book.pay(f"{name} order", v["allocated_to_order"], **paid)
        book.pay(f"{name} order", -v["move_to_invoice"], "refund", **paid)
        book.pay(f"{name} invoice", v["move_to_invoice"], **paid)
        book.pay(None, rest, **book.shop, **paid)


def drift(book: Book, name: str, v: dict[str, Any], day: datetime, count: int, home: Home) -> None:
    """What is booked as orders, what was received as payments of them; a currency nobody booked is a payment without order."""
    book.count = count
    for currency in sorted({*v["ledger"], *v["payments"]}):
        book.currency = currency
        booked, received = v["ledger"].get(currency, 0), -v["payments"].get(currency, 0)
        number = f"{name} {currency}"
        if booked:
            book.order(number, booked, created_at=day.isoformat(), paid_at=day.isoformat())
        if received:
            book.pay(number, received, occurred_at=day.isoformat())
    book.land(home, f"{name}-")


def standing(home: Home, number: str) -> tuple[Decimal, Decimal, str]:
    """What an order owes, what was paid for it and not given back, and the verdict."""
    ((due, paid, refunded, status),) = query(
        home,
        "SELECT due_amount, coalesce(paid_amount, 0), coalesce(refunded_amount, 0), status "
        "FROM reconciliation.three_way_match WHERE channel_order_id = ?",
        [number],
    )
    return due, paid - refunded, status


def allocated(home: Home, shop: str) -> tuple[Decimal, Decimal, dict[str, Decimal]]:
    """Of a shop's payments: all their money, what of it no order has, and each order's share."""
    total, loose = query(
        home,
        "SELECT sum(amount), coalesce(sum(CASE WHEN is_linked THEN 0 ELSE amount END), 0) FROM payments.allocations WHERE shop_id = ?",
        [shop],
    )[0]
    shares = query(
        home,
        "SELECT o.channel_order_id, sum(a.amount) FROM payments.allocations a JOIN orders.orders o USING (order_guid) "
        "WHERE a.is_linked AND o.shop_id = ? GROUP BY 1",
        [shop],
    )
    return total, loose, dict(shares)


def test_payments_are_allocated_as_the_vectors_say(told: tuple[Home, dict[str, Any], dict[str, Any]]) -> None:
    home, vectors, _ = told
    assert vectors
    for name, v in vectors.items():
        total, loose, shares = allocated(home, name)
        assert sum(shares.values()) + loose == total, f"{name}: every cent of a payment stands once"
        if "payment_unallocated" in v:
            due, paid, status = standing(home, f"{name} invoice")
            assert (due - paid, total - shares[f"{name} invoice"]) == (v["outstanding_after"], v["unallocated_after"]), name
            assert paid == v["allocate"] and status == "MISMATCH", name
        elif "already_allocated" in v:
            # Refused in the vector; here a payment is shared out over both and no document gets more than is there.
            assert (total, loose) == (v["payment_total"], 0), name
            assert shares[f"{name} 1"] < v["allocate"] and max(shares.values()) < total, name
            assert {standing(home, f"{name} {n}")[2] for n in (0, 1)} == {"MISMATCH"}, name
        else:
            due, paid, _ = standing(home, f"{name} invoice")
            assert due - paid == v["outstanding_after"], name
            assert standing(home, f"{name} order")[1] == v["order_advance_after"], name
            assert loose == v["unallocated_after"], name


# ---- balances by currency


def test_drifts_are_those_of_the_vectors(told: tuple[Home, dict[str, Any], dict[str, Any]]) -> None:
    """Received minus booked, by currency, in both directions; a currency that is not there is a balance of nothing."""
    home, _, vectors = told
    assert vectors
    for number, (name, v) in enumerate(vectors.items()):
        day = (NOON + timedelta(days=number)).date()
        rows = query(
            home,
            "SELECT currency, right_value - left_value FROM reconciliation.daily_comparison "
            "WHERE day = ? AND channel = 'douyin' AND metric LIKE 'received_amount%'",
            [day],
        )
        drifts = {currency: value for currency, value in rows if value}
        assert drifts == {currency: D(value) for currency, value in v["our_signed_drift"].items() if value}, name
        # Nothing was shipped, which is a difference too, but not one of money.
        differing = "SELECT count(*) FROM reconciliation.exceptions WHERE channel = 'douyin' AND shop_id = ? AND amount_diff <> 0"
        assert ("NOT_OK" if query(home, differing, [name])[0][0] else "OK") == v["our_status"], name
