"""The queue of differences: why each exists, who decided what, and when it opens again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orders_pipeline import cli
from orders_pipeline.kernel.home import Home
from orders_pipeline.reconciliation.causes import Candidate, explain
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import land, new_home, query, records, run, same

LATER = AS_OF + timedelta(hours=1)


def short(home: Home, paid: str = "40.00", due: str = "100.00", **more: Any) -> Book:
    """One delivered order, paid too little."""
    book = Book()
    book.order("O1", due, "delivered", 10, paid_at=ago(10), **more)
    book.line("O1", 1)
    book.pay("O1", paid, age=10)
    book.ship("O1", 1, 9)
    book.track("WB-O1", "delivered", 7)
    book.land(home)
    run(home, AS_OF)
    return book


def row(home: Home) -> dict[str, Any]:
    (found,) = records(home, "SELECT * FROM reconciliation.exceptions")
    return found


def decide(home: Home, *words: str) -> None:
    at = ("--at", AS_OF.isoformat(), "--home", str(home.root))
    assert cli.main(["exceptions", *words, *at, "--by", "li.na", "--why", "agreed"]) == 0


def causes(home: Home) -> list[tuple[str, Decimal]]:
    return query(home, "SELECT cause, explained_amount FROM reconciliation.difference_causes ORDER BY cause_number")


def test_a_large_write_off_needs_a_second_person(home: Home) -> None:
    short(home)
    assert (row(home)["state"], row(home)["owner_role"], row(home)["cause"]) == ("open", "finance", "unexplained")
    decide(home, "write-off", "O1")
    run(home, LATER)
    assert (row(home)["state"], row(home)["state_reason"]) == ("assigned", "second_person_needed")
    decide(home, "write-off", "O1", "--second-person", "wang.wei")
    run(home, LATER)
    found = row(home)
    assert (found["state"], found["decided_by"], found["second_person"], found["why"]) == ("written_off", "li.na", "wang.wei", "agreed")
    assert query(home, "SELECT count(*) FROM ops.alerts WHERE rule = 'large_difference' AND cleared_at IS NULL") == [(0,)]
    assert query(home, "SELECT count(*) FROM reconciliation.exception_decisions") == [(2,)]


def test_nobody_is_the_second_person_of_himself(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    short(home)
    words = ["exceptions", "write-off", "O1", "--by", "li.na", "--why", "x", "--second-person", "Li.Na ", "--home", str(home.root)]
    assert cli.main(words) == 2
    assert "another one than the first" in capsys.readouterr().err


def test_small_change_is_written_off_by_one(home: Home) -> None:
    short(home, "99.00")
    decide(home, "write-off", "O1")
    run(home, LATER)
    assert row(home)["state"] == "written_off"


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (("assign", "O1", "--to", "wang.wei"), "assigned"),
        (("resolve", "O1", "--as", "match"), "resolved_match"),
        (("resolve", "O1", "--as", "adjustment"), "resolved_adjustment"),
        (("carry-forward", "O1"), "carried_forward"),
    ],
)
def test_a_decision_is_a_state(home: Home, words: tuple[str, ...], state: str) -> None:
    short(home)
    decide(home, *words)
    run(home, LATER)
    assert row(home)["state"] == state


def test_later_evidence_opens_it_again(home: Home) -> None:
    """10 more arrive after 60 short were settled: 50 short is another difference."""
    short(home)
    decide(home, "resolve", "O1", "--as", "adjustment")
    run(home, LATER)
    later = Book()
    later.pay("O1", "10.00", age=5, payment_id="more")
    later.land(home, "later")
    run(home, LATER)
    found = row(home)
    assert (found["amount_diff"], found["state"], found["state_reason"], found["is_reopened"]) == (
        Decimal(-50), "open", "difference_changed", True,
    )


def test_what_is_paid_after_all_leaves_the_queue_and_keeps_its_history(home: Home) -> None:
    short(home)
    decide(home, "carry-forward", "O1")
    later = Book()
    later.pay("O1", "60.00", age=5, payment_id="more")
    later.land(home, "later")
    run(home, LATER)
    assert query(home, "SELECT count(*) FROM reconciliation.exceptions") == [(0,)]
    assert query(home, "SELECT action, amount FROM reconciliation.exception_decisions") == [("carry_forward", Decimal(-60))]


def test_decisions_and_files_in_any_order_are_one_full_build(home: Home, tmp_path: Path) -> None:
    short(home)
    decide(home, "assign", "O1", "--to", "wang.wei")
    decide(home, "write-off", "O1", "--second-person", "wang.wei")
    run(home, LATER)
    other = new_home(tmp_path / "other")
    for path in sorted(home.landing.rglob("*.csv"), reverse=True):
        target = other.landing / path.relative_to(home.landing)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        run(other, LATER)
    same(home, other)


def test_a_file_by_hand_decides_too_and_an_earlier_clock_does_not_know_it(home: Home) -> None:
    short(home)
    guid = str(row(home)["exception_guid"])
    decision = {"exception_guid": guid.upper(), "action": "核销", "decided_by": "li.na", "decided_at": ago(0), "amount": "-60.00",
                "second_person": "wang.wei", "why": "call 13800138000"}
    land(home, "decisions/by_hand", [decision])
    run(home, LATER)
    assert (row(home)["state"], "13800138000" in row(home)["why"]) == ("written_off", False)
    run(home, AS_OF - timedelta(hours=1))
    assert row(home)["state"] == "open"


@pytest.mark.parametrize(
    ("order", "paid", "expected"),
    [
        ({"platform_discount_amount": "20.00"}, ("120.00",), [("coupons_promotions", 20)]),
        ({"freight_amount": "8.00"}, ("92.00",), [("freight", -8)]),
        ({"freight_amount": "8.00", "merchant_discount_amount": "5.00"}, ("87.00",), [("coupons_promotions", -5), ("freight", -8)]),
        ({}, ("100.00", "100.00"), [("original_payment", 100)]),
        ({"deposit_amount": "30.00"}, ("70.00",), [("original_payment", -30)]),
        ({"platform_discount_amount": "20.00", "freight_amount": "20.00"}, ("80.00",), [("coupons_promotions", -20)]),
        ({"freight_amount": "8.00"}, ("50.00",), [("unexplained", -50)]),
    ],
)
def test_the_first_cause_that_makes_up_the_difference(
    home: Home, order: dict[str, str], paid: tuple[str, ...], expected: list[tuple[str, int]]
) -> None:
    book = Book()
    book.order("O1", "100.00", "delivered", 10, paid_at=ago(10), **order)
    book.line("O1", 1)
    for number, amount in enumerate(paid):
        book.pay("O1", amount, age=10, payment_id=f"X{number}")
    book.ship("O1", 1, 9)
    book.track("WB-O1", "delivered", 7)
    book.land(home)
    run(home, AS_OF)
    assert causes(home) == [(cause, Decimal(amount)) for cause, amount in expected]
    assert row(home)["cause"] == expected[0][0]


def test_money_booked_weeks_later_without_a_number_is_a_matter_of_time(home: Home) -> None:
    book = Book()
    book.order("O1", "100.00", "delivered", 20, paid_at=ago(20))
    book.line("O1", 1)
    book.ship("O1", 1, 19)
    book.track("WB-O1", "delivered", 17)
    book.pay("O1", "60.00", age=20)
    book.pay(None, "40.00", age=8, channel="taobao", shop_id="main")
    book.land(home)
    run(home, AS_OF)
    found = query(
        home, "SELECT c.cause, c.explained_amount FROM reconciliation.difference_causes AS c "
        "JOIN reconciliation.exceptions AS e USING (exception_guid) WHERE e.reason = 'under_paid'",
    )
    assert found == [("capture_time", Decimal(-40))]


def test_whatever_explains_it_the_parts_are_the_difference() -> None:
    candidates = [Candidate("freight", -500, "f"), Candidate("refunds", -700, "r"), Candidate("original_payment", -300, "a", True)]
    for difference in range(-2000, 2000, 37):
        made = explain(difference, candidates, 5)
        assert sum(e.cents for e in made) == difference
    assert [e.cause for e in explain(-1200, candidates, 5)] == ["freight", "refunds"]
    assert [(e.cause, e.cents) for e in explain(-1204, candidates, 5)] == [("freight", -500), ("refunds", -700), ("unexplained", -4)]
    assert [(e.cause, e.cents) for e in explain(-900, candidates, 5)] == [("original_payment", -300), ("unexplained", -600)]
