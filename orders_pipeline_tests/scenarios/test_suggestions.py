"""Suggestions for what no pass could place (M6), single rules against the vectors, and the dry run of a changed threshold."""

from __future__ import annotations

import csv
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orders_pipeline import cli, pipeline
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.reconciliation import rules
from orders_pipeline.reconciliation.rules import Criterion
from orders_pipeline.reconciliation.shadow import shadow
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import fingerprints, query, run

TEN = "20260110001234"


def instant(text: str) -> datetime:
    """`2026-01-15T12:00:00Z +24h1s` as an instant."""
    start, *later = text.split()
    moment = datetime.fromisoformat(start)
    for sign, hours, seconds in re.findall(r"([+-])(?:(\d+)h)?(?:([\d.]+)s)?", later[0] if later else ""):
        step = timedelta(hours=int(hours or 0), microseconds=int(Decimal(seconds or 0) * 1_000_000))
        moment += step if sign == "+" else -step
    return moment


def judged(row: dict[str, str]) -> bool:
    """What our rules say to a line of the vectors."""
    drift = Decimal(row["tolerance"] or 0)
    if row["field"] == "amount":
        return rules.amount_matches(row["operator"], Decimal(row["external"]), Decimal(row["internal"]), drift)
    if row["field"] == "date":
        return rules.date_matches(row["operator"], instant(row["external"]), instant(row["internal"]), drift)
    operator = row["operator"]
    if operator == "rule with no criteria":
        return rules.rule_matches([], {"reference": row["external"]}, {"reference": row["internal"]})
    if operator == "no rules":
        return rules.any_rule_matches([], {"reference": row["external"]}, {"reference": row["internal"]})
    if operator == "one failing criterion":
        rule = [Criterion("amount", "equals"), Criterion("currency", "equals"), Criterion("reference", "equals")]
        left = {"amount": Decimal(100), "currency": "USD", "reference": "REF-1"}
        return rules.rule_matches(rule, left, {**left, "reference": "REF-2"})
    if operator == "currency equals":
        return rules.rule_matches([Criterion("currency", "equals")], {"currency": row["external"]}, {"currency": row["internal"]})
    members = [m.strip() for m in row["internal"].split("|")]
    return rules.text_matches(operator, row["external"], members, drift / 100)


def test_the_match_rules_of_the_vectors(shared) -> None:
    rows = list(csv.DictReader(shared("vectors/recon_match_rules.csv").read_text(encoding="utf-8").splitlines()))
    assert {r["field"] for r in rows} == {"amount", "date", "string/rule"}
    wrong = [r["id"] for r in rows if judged(r) != (r["our_match"] == "True")]
    assert wrong == []


@pytest.mark.parametrize(
    ("left", "right", "drift", "expected"),
    [
        ("payment-12345", "payment-12399", "0.16", True),  # 2 of 13
        ("payment-12345", "payment-12399", "0.15", False),
        ("abc", "xyz", "0.51", False),  # beyond the cap nothing drifts
        ("", "abc", "0.5", False),
        ("abc", "xabcx", "0", True),
        ("abc", "abc", "-1", True),
        ("abc", "abd", "-1", False),
    ],
)
def test_texts_drift_by_characters_of_the_longer_one(left: str, right: str, drift: str, expected: bool) -> None:
    assert rules.text_matches("contains", left, right, Decimal(drift)) is expected


@pytest.mark.parametrize("operator", ["like", "", "EQUALS"])
def test_an_unknown_operator_matches_nothing(operator: str) -> None:
    now = datetime.fromisoformat("2026-01-01T00:00:00Z")
    assert not rules.amount_matches(operator, Decimal(1), Decimal(1))
    assert not rules.date_matches(operator, now, now)
    assert not rules.text_matches(operator, "a", "a")


def test_a_missing_value_matches_nothing() -> None:
    assert not rules.rule_matches([Criterion("amount", "equals")], {"amount": None}, {"amount": None})


def unpaid(home: Home, pay_number: str | None, amount: str = "80.00", other: str | None = None, **more: Any) -> list[tuple]:
    book = Book()
    for number in (TEN, other):
        if number:
            book.order(number, "80.00", "delivered", 5, paid_at=ago(5))
            book.line(number, 1)
            book.ship(number, 1)
    book.pay(pay_number, amount, **more)
    book.land(home)
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM payments.allocations WHERE is_linked") == [(0,)]
    return query(
        home, "SELECT m.channel_order_id, s.tier, s.reason FROM reconciliation.suggestions AS s "
        "JOIN reconciliation.three_way_match AS m USING (order_guid) ORDER BY 1",
    )


def test_a_number_one_character_off_is_suggested_and_not_posted(home: Home) -> None:
    assert unpaid(home, "20260110001244") == [(TEN, "link", "number is 1 character off")]


def test_the_text_names_the_order(home: Home) -> None:
    found = unpaid(home, None, channel="taobao", shop_id="other", description=f"货款 {TEN} 谢谢")
    assert found == [(TEN, "link", "the text names the order")]


def test_two_orders_as_near_are_for_a_person(home: Home) -> None:
    assert [tier for _, tier, _ in unpaid(home, "20260110001294", other="20260110001244")] == ["review", "review"]


@pytest.mark.parametrize(("number", "amount"), [("20260110001244", "80.06"), ("20260110991299", "80.00"), ("99", "80.00")])
def test_another_amount_or_a_far_number_is_no_suggestion(home: Home, number: str, amount: str) -> None:
    assert unpaid(home, number, amount) == []


def test_a_dry_run_shows_what_a_threshold_would_change_and_changes_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book()
    for number, paid in (("O1", "99.20"), ("O2", "98.00")):
        book.order(number, "100.00", "delivered", 10, paid_at=ago(10))
        book.line(number, 1)
        book.pay(number, paid, age=10)
        book.ship(number, 1, 9)
        book.track(f"WB-{number}", "delivered", 7)
    book.land(home)
    run(home, AS_OF)
    before = fingerprints(home)
    found = shadow(home, pipeline.models(), {"match_tolerance_amount": Decimal("1.00")})
    assert [(r["channel_order_id"], r["now_status"], r["then_status"]) for r in found.rows] == [
        ("O1", "MISMATCH", "MATCHED_WITHIN_TOLERANCE")
    ]
    assert "payments.inferred" in found.made
    assert shadow(home, pipeline.models(), {"match_tolerance_amount": Decimal("0.05")}).rows == []
    assert cli.main(["shadow", "--set", "match_tolerance_amount=2.00", "--home", str(home.root)]) == 0
    assert "2 of 2 orders" in capsys.readouterr().out
    run(home, AS_OF)
    assert fingerprints(home) == before


def test_a_dry_run_of_an_unknown_threshold_says_so(home: Home) -> None:
    Book().land(home)
    run(home, AS_OF)
    with pytest.raises(Usage, match="no threshold 'match_tolerance'"):
        shadow(home, pipeline.models(), {"match_tolerance": Decimal(1)})
    with pytest.raises(Usage, match="nothing on the way to the match"):
        shadow(home, pipeline.models(), {"parquet_inline_max_rows": 1})
