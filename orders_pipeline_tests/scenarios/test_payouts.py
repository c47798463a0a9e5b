"""Settlements re-grossed from their rows and followed to the bank: each figure worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import records, run


def settled(book: Book, number: str = "PO1", /, **amounts: Any) -> None:
    """The rows of one settlement: kind=amount, each in the payout."""
    for kind, amount in amounts.items():
        order = "O1" if kind in ("receipt", "refund", "fee", "subsidy") else None
        book.pay(order, amount, kind, payout_id=number)


def payout(home: Home, number: str = "PO1") -> dict[str, Any]:
    run(home, AS_OF)
    (found,) = records(home, "SELECT * FROM reconciliation.payouts WHERE payout_id = ?", [number])
    return found


def test_a_settlement_that_adds_up(home: Home) -> None:
    """TW-17: 250 + 20 - 13.50 = 256.50."""
    book = Book()
    settled(book, receipt="250.00", subsidy="20.00", fee="-13.50", payout="-256.50")
    book.land(home)
    found = payout(home)
    shown = [found[f"{k}_amount"] for k in ("gross", "refund", "fee", "subsidy", "payout")]
    assert shown == [Decimal(x) for x in ("250.00", "0.00", "13.50", "20.00", "256.50")]
    assert (found["payout_diff"], found["status"], found["bank_amount"]) == (Decimal(0), "balanced", None)


def test_a_net_column_is_not_believed(home: Home, shared) -> None:
    """BRG-02: the rows forget a refund of 50 that the payout has taken off; the difference says so, with its sign."""
    vector = next(v for v in yaml.safe_load(shared("vectors/recon_bridges_and_rollforward.yaml").read_text()) if v["id"] == "BRG-02")
    forgotten = Decimal(str(vector["net_column_minus_payout"]))
    book = Book()
    settled(book, receipt="500.00", fee="-10.00", payout=str(-(Decimal("490.00") - forgotten)))
    settled(book, "PO2", receipt="500.00", refund=str(-forgotten), fee="-10.00", payout=str(-(Decimal("490.00") - forgotten)))
    book.land(home)
    found = payout(home)
    assert (found["payout_diff"], found["status"]) == (-forgotten, "differs")
    (whole,) = records(home, "SELECT payout_diff, status FROM reconciliation.payouts WHERE payout_id = 'PO2'")
    assert (whole["payout_diff"], whole["status"]) == (Decimal(0), "balanced")
    alerts = records(home, "SELECT entity_id FROM ops.alerts WHERE rule = 'payout_differs' AND cleared_at IS NULL")
    assert [a["entity_id"] for a in alerts] == ["acc|PO1"]


def test_a_reserve_is_shown_apart(home: Home) -> None:
    book = Book()
    settled(book, receipt="100.00", adjustment="-30.00", payout="-70.00")
    book.land(home)
    found = payout(home)
    assert (found["payout_diff"], found["adjustment_amount"], found["unexplained_amount"]) == (Decimal(-30), Decimal(-30), Decimal(0))
    assert found["status"] == "balanced"


@pytest.mark.parametrize("kind", ["payout", "receipt"])
def test_the_bank_names_the_payout(home: Home, kind: str) -> None:
    book = Book()
    settled(book, receipt="100.00", payout="-100.00")
    book.pay(None, "99.00", kind, age=2, account="bank", payout_id="PO1")
    book.land(home)
    found = payout(home)
    assert (found["bank_amount"], found["bank_diff"], found["bank_pass"], found["status"]) == (
        Decimal("99.00"), Decimal("-1.00"), "number", "bank_differs",
    )
    assert records(home, "SELECT count(*) AS n FROM reconciliation.payouts") == [{"n": 1}]


@pytest.mark.parametrize(("age", "amount", "status"), [(2, "100.00", "balanced"), (2, "99.99", "balanced"), (6, "100.00", "balanced")])
def test_amount_and_day_find_the_payout_at_the_bank(home: Home, age: float, amount: str, status: str) -> None:
    """Five days are the window; another amount, or a day before the payout, is another payment."""
    book = Book()
    settled(book, receipt="100.00", payout="-100.00")
    book.pay(None, amount, "payout", age=age, account="bank")
    book.land(home)
    found = payout(home)
    arrived = age < 4.9 and amount == "100.00"
    assert (found["bank_amount"], found["bank_pass"]) == ((Decimal(amount), "amount_and_day") if arrived else (None, None))
    assert found["status"] == status


def test_two_payouts_of_one_amount_are_not_told_apart(home: Home) -> None:
    book = Book()
    settled(book, receipt="100.00", payout="-100.00")
    settled(book, "PO2", receipt="100.00", payout="-100.00")
    book.pay(None, "100.00", "payout", age=2, account="bank")
    book.land(home)
    assert payout(home)["bank_amount"] is None
    assert payout(home, "PO2")["bank_amount"] is None


def test_a_withdrawal_that_settles_no_rows_says_nothing_of_them(home: Home) -> None:
    book = Book()
    book.pay(None, "-500.00", "payout", payment_id="W1")
    book.land(home)
    found = payout(home, "W1")
    assert (found["gross_amount"], found["payout_amount"], found["payout_diff"], found["status"]) == (
        None, Decimal("500.00"), None, "not_itemised",
    )


def test_rows_not_yet_paid_out_wait(home: Home) -> None:
    book = Book()
    settled(book, receipt="80.00", fee="-2.00")
    book.land(home)
    found = payout(home)
    assert (found["gross_amount"], found["payout_amount"], found["payout_diff"], found["status"]) == (
        Decimal(80), None, None, "not_paid_out",
    )


def test_money_of_two_currencies_is_not_added(home: Home) -> None:
    book = Book()
    book.pay("O1", "10.00", payout_id="PO1")
    book.pay("O2", "10.00", payout_id="PO1", currency="USD")
    book.pay(None, "-20.00", "payout", payout_id="PO1")
    book.land(home)
    found = payout(home)
    assert (found["gross_amount"], found["payout_diff"], found["status"]) == (None, None, "mixed_currency")


def test_the_day_of_a_channel_side_by_side(home: Home) -> None:
    """Three orders of one day: one right, one short by 10 and a piece, one still on its way."""
    book = Book()
    for number, paid, pieces in (("O1", "100.00", 2), ("O2", "90.00", 1)):
        book.order(number, "100.00", "delivered", 10, paid_at=ago(10), paid_amount="100.00")
        book.line(number, 2)
        book.pay(number, paid, age=10)
        book.ship(number, pieces, 9)
        book.track(f"WB-{number}", "delivered", 7)
    book.order("O3", "50.00", "paid", 10, paid_at=ago(10), promised_ship_at=ago(-3), paid_amount="50.00")
    book.line("O3", 1)
    book.pay("O3", "50.00", age=10)
    book.land(home)
    run(home, AS_OF)
    rows = records(home, "SELECT * FROM reconciliation.daily_comparison")
    found = {r["metric"]: [r[c] for c in ("left_value", "right_value", "difference", "accounted_difference")] for r in rows}
    assert found["received_amount"] == [250, 240, 10, 0]
    assert found["settled_amount"] == [250, 240, 10, 0]
    assert found["shipped_qty"] == [5, 3, 2, 1]
    assert found["delivered_qty"] == [3, 3, 0, 0]
    assert found["same_day_capture_count"] == [3, 3, 0, 0]
    assert found["capture_time_seconds"][2] == 0
    rules = {r["rule"] for r in records(home, "SELECT rule FROM ops.alerts WHERE cleared_at IS NULL AND rule LIKE 'daily%'")}
    assert rules == {"daily_money_difference", "daily_quantity_difference"}
