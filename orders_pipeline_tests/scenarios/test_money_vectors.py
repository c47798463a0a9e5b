"""The study's vectors on sharing out, allocating and balances of money, and on totals of files, through the product's own tables."""

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
from orders_pipeline_tests.formats.source_cases import write_file
from orders_pipeline_tests.models.test_tables import AS_OF, DEFAULTS, give, warehouse  # noqa: F401
from orders_pipeline_tests.scenarios.stories import CHINA, Book
from orders_pipeline_tests.support import new_home, query, run

D = Decimal
NOON = datetime(2026, 2, 1, 12, tzinfo=CHINA)


def cents(value: float) -> Decimal:
    return D(str(value)).quantize(D("0.01"))


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
    bridges = {v["id"]: v for v in yaml.safe_load(shared("vectors/recon_bridges_and_rollforward.yaml").read_text("utf-8"))}
    bridge(home, bridges["BRG-01"])
    settle(home, bridges["BRG-03"])
    export_lines(home, bridges["BRG-07"]["example_derived"])
    run(home, NOON + timedelta(days=40))
    return home, allocations, drifts


def bridge(home: Home, v: dict[str, Any]) -> None:
    """What was booked as two orders, one of whose payments stands in a second export too, and a deposit nobody booked."""
    book, again = Book("taobao", "BRG-01"), Book("taobao", "BRG-01")
    book.count = again.count = 9000
    repeated, at = cents(v["ignored_duplicates"]), NOON.isoformat()
    for number, amount in (("repeated", repeated), ("once", cents(v["booked"]) - repeated)):
        book.order(f"BRG-01 {number}", amount, created_at=at, paid_at=at)
        book.pay(f"BRG-01 {number}", amount, occurred_at=at)
    again.pay("BRG-01 repeated", repeated, occurred_at=at)
    book.pay("BRG-01 unbooked", cents(v["unbooked_deposits"]), occurred_at=at)
    book.land(home, "BRG-01-")
    # Another export of the same statement: its row is written otherwise, its movement is the same.
    again.rows["payments"][0] |= {"note": "exported again"}
    again.land(home, "BRG-01-again-")


def settle(home: Home, v: dict[str, Any]) -> None:
    """The settlement of the vector as Amazon gives it, as it was cut off, and once more with the row that was missing."""
    for name, amounts in (("cut", v["visible_rows"]), ("whole", [*v["visible_rows"], v["residual"]])):
        common = {"settlement-id": f"BRG-03 {name}", "currency": "USD"}
        when = {"posted-date-time": "2026-02-01 12:00:00 UTC"}
        head = {**common, "deposit-date": "2026-02-03 05:00:00 UTC", "total-amount": f"{v['declared_total']:.2f}"}
        kind = {"transaction-type": "Order", "order-id": "111-0000003-0000003", "amount-type": "ItemPrice"}
        rows = [{**common, **kind, **when, "amount-description": "Principal", "amount": f"{a:.2f}"} for a in amounts]
        case = {"format": "tsv", "quoting": "no", "rows": [head, *rows], "name": f"BRG-03-{name}.txt"}
        write_file(case, home.landing, "unused")


def export_lines(home: Home, v: dict[str, Any]) -> None:
    """A line of so many pieces beside one amount: a line total in Amazon's export, a price of one in Shopify's."""
    quantity, amount = str(v["qty"]), f"{v['column_value']:.2f}"
    amazon = {
        "amazon-order-id": "111-0000007-0000007", "purchase-date": "2026-02-01T12:00:00+00:00", "order-status": "Shipped",
        "sku": "A", "item-status": "Shipped", "quantity": quantity, "currency": "USD", "item-price": amount,
        "last-updated-date": "2026-02-02T12:00:00+00:00", "fulfillment-channel": "Amazon", "sales-channel": "Amazon.com",
    }  # fmt: skip
    write_file({"format": "tsv", "quoting": "no", "rows": [amazon], "name": "BRG-07-amazon.txt"}, home.landing, "unused")
    total = f"{v['shopify_reading']:.2f}"
    shopify = {
        "Name": "#BRG07", "Financial Status": "paid", "Fulfillment Status": "fulfilled", "Currency": "USD", "Subtotal": total,
        "Shipping": "0.00", "Taxes": "0.00", "Total": total, "Discount Amount": "0.00", "Created at": "2026-02-01 10:00:00 -0500",
        "Paid at": "2026-02-01 10:01:00 -0500", "Lineitem quantity": quantity, "Lineitem name": "Cup", "Lineitem price": amount,
        "Lineitem sku": "A", "Lineitem fulfillment status": "fulfilled", "Lineitem discount": "0.00",
    }  # fmt: skip
    write_file({"headers": "shopify_orders_export", "rows": [shopify], "folder": "shop=brg"}, home.landing, "BRG-07-shopify")


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


# ---- totals of files, and what an amount of a line is


def test_a_row_that_is_left_out_leaves_both_sides(
    told: tuple[Home, dict[str, Any], dict[str, Any]], shared: Callable[[str], Path]
) -> None:
    """BRG-01: a movement exported twice is no difference; what nobody booked is."""
    vectors = yaml.safe_load(shared("vectors/recon_bridges_and_rollforward.yaml").read_text("utf-8"))
    v = next(v for v in vectors if v["id"] == "BRG-01")
    moved = query(told[0], "SELECT sum(amount) FROM payments.allocations WHERE shop_id = 'BRG-01'")[0][0]
    booked = query(told[0], "SELECT sum(payable_amount) FROM orders.orders WHERE shop_id = 'BRG-01'")[0][0]
    open_amount = query(told[0], "SELECT sum(amount_diff) FROM reconciliation.exceptions WHERE shop_id = 'BRG-01'")[0][0]
    assert moved == cents(v["real_bank_movement"]) == cents(v["shown_bank_total"]) - cents(v["ignored_duplicates"])
    assert (booked, open_amount) == (cents(v["booked"]), cents(v["our_difference"]))


def test_a_settlement_that_lacks_a_row_is_refused(told: tuple[Home, dict[str, Any], dict[str, Any]]) -> None:
    """BRG-03: the sum of the rows is the total the file declares, or the file is not whole."""
    files = dict(query(told[0], "SELECT regexp_extract(path, 'BRG-03-(cut|whole)', 1), status FROM ops.files WHERE path LIKE '%BRG-03%'"))
    assert files == {"cut": "refused", "whole": "loaded"}


def test_an_amount_is_read_as_its_channel_means_it(told: tuple[Home, dict[str, Any], dict[str, Any]], shared: Callable[[str], Path]) -> None:
    """BRG-07."""
    vectors = yaml.safe_load(shared("vectors/recon_bridges_and_rollforward.yaml").read_text("utf-8"))
    v = next(v for v in vectors if v["id"] == "BRG-07")["example_derived"]
    rows = dict(
        query(
            told[0],
            "SELECT o.channel_order_id, coalesce(l.list_amount, l.unit_price * l.quantity) FROM orders.order_lines l JOIN orders.orders o USING (order_guid) "
            "WHERE o.channel_order_id IN ('#BRG07', '111-0000007-0000007')",
        )
    )
    assert rows == {"111-0000007-0000007": D(v["amazon_reading"]), "#BRG07": D(v["shopify_reading"])}
