"""Money that names no order, told by amount and day inside one shop (passes M4 and M5): from files to the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import land, query, run, verdicts

SHOP = {"channel": "taobao", "shop_id": "main"}


def sold(book: Book, number: str, due: object, age: float = 5) -> None:
    book.order(number, due, "delivered", age, paid_at=ago(age))
    book.line(number, 1)
    book.ship(number, 1)
    book.track(f"WB-{number}", "delivered", 2)


def transfer(book: Book, amount: object, age: float = 4.5, **more: Any) -> None:
    """A bank transfer: it says which shop's account it reached, and nothing else."""
    book.pay(None, amount, age=age, **{**SHOP, **more})


def test_a_transfer_that_fits_one_order_only_is_its_payment(home: Home) -> None:
    book = Book()
    sold(book, "O1", "99.00")
    sold(book, "O2", "88.00")
    transfer(book, "99.00")
    found = book.match(home)
    assert (found["O1"]["status"], found["O1"]["rule"]) == ("MATCHED", "M4 three-way v1")
    assert found["O2"]["reason"] == "shipped_not_paid"
    assert query(home, "SELECT count(*) FROM reconciliation.three_way_match") == [(2,)]


def test_two_orders_of_the_same_amount_are_not_told_apart(home: Home) -> None:
    book = Book()
    sold(book, "O1", "99.00")
    sold(book, "O2", "99.00")
    transfer(book, "99.00")
    found = book.match(home)
    assert {found[n]["reason"] for n in ("O1", "O2")} == {"shipped_not_paid"}
    assert query(home, "SELECT status, paid_amount FROM reconciliation.three_way_match WHERE NOT has_order") == [("AMBIGUOUS", 99)]


def test_a_number_settles_what_the_amount_could_not(home: Home) -> None:
    """The bill that names O1 comes later: the transfer is then O2's, and no longer ambiguous."""
    book = Book()
    sold(book, "O1", "99.00")
    sold(book, "O2", "99.00")
    transfer(book, "99.00")
    book.match(home)
    later = Book()
    later.pay("O1", "99.00", payment_id="named")
    later.land(home, "later")
    run(home, AS_OF)
    assert verdicts(home)["O1"][0] == verdicts(home)["O2"][0] == "MATCHED"


def test_one_transfer_for_two_orders(home: Home) -> None:
    book = Book()
    for number, due in (("A", "60"), ("B", "40"), ("C", "75")):
        sold(book, number, due)
    transfer(book, "100.00")
    found = book.match(home)
    assert [found[n]["status"] for n in "ABC"] == ["MATCHED", "MATCHED", "MISMATCH"]
    assert found["A"]["rule"].startswith("M5")


def test_two_transfers_for_one_order(home: Home) -> None:
    book = Book()
    sold(book, "A", "100.00")
    transfer(book, "63.10")
    transfer(book, "36.90", payment_id="second")
    assert book.match(home)["A"]["status"] == "MATCHED"


def test_two_sums_that_fit_are_ambiguous(home: Home) -> None:
    """GRP-17."""
    book = Book()
    for number, due in (("A", "60"), ("B", "40"), ("C", "70"), ("D", "30")):
        sold(book, number, due)
    transfer(book, "100.00")
    found = book.match(home)
    assert {found[n]["reason"] for n in "ABCD"} == {"shipped_not_paid"}
    assert query(home, "SELECT status FROM reconciliation.three_way_match WHERE NOT has_order") == [("AMBIGUOUS",)]


@pytest.mark.parametrize(
    ("amount", "age", "more"),
    [
        ("99.06", 4.5, {}),  # beyond the tolerance
        ("99.00", 1.0, {}),  # four days after
        ("99.00", 7.5, {}),  # two days before
        ("99.00", 4.5, {"shop_id": "other"}),
        ("99.00", 4.5, {"currency": "USD"}),
        ("99.00", 4.5, {"channel_order_id": "ELSE"}),  # it names an order, only not ours
        ("99.00", 4.5, {"kind": "subsidy"}),
    ],
)
def test_what_does_not_fit_is_left_alone(home: Home, amount: str, age: float, more: dict[str, Any]) -> None:
    book = Book()
    sold(book, "O1", "99.00")
    transfer(book, amount, age, **more)
    assert book.match(home)["O1"]["reason"] == "shipped_not_paid"


def test_an_exact_single_wins_over_a_sum(home: Home) -> None:
    """Edge case 5: 100 is O3's, though O1 and O2 would add up to it."""
    book = Book()
    for number, due in (("O1", "60"), ("O2", "40"), ("O3", "100")):
        sold(book, number, due)
    transfer(book, "100.00")
    found = book.match(home)
    assert [found[n]["status"] for n in ("O1", "O2", "O3")] == ["MISMATCH", "MISMATCH", "MATCHED"]


def test_the_account_tells_the_shop(home: Home) -> None:
    home.settings_file.write_text('[accounts.bank]\nchannel = "taobao"\nshop_id = "main"\n')
    book = Book()
    sold(book, "O1", "99.00")
    book.land(home)
    paid = {"account": "bank", "payment_id": "B1", "kind": "receipt", "amount": "99.00", "currency": "CNY", "occurred_at": ago(4.5)}
    land(home, "bank", [paid])
    run(home, AS_OF)
    assert verdicts(home)["O1"][0] == "MATCHED"
