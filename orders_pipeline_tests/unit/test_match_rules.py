"""Single criteria at their bounds: the pure functions of `reconciliation/rules.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orders_pipeline.reconciliation.rules import (
    Criterion,
    amount_matches,
    any_rule_matches,
    date_matches,
    rule_matches,
    text_matches,
)

D = Decimal
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("operator", "external", "internal", "drift", "absolute", "expected"),
    [
        ("equals", "10.05", "10.00", "0", "0.05", True), ("equals", "9.95", "10.00", "0", "0.05", True),
        ("equals", "10.06", "10.00", "0", "0.05", False), ("equals", "9.94", "10.00", "0", "0.05", False),
        ("equals", "101", "100", "0.01", "0", True), ("equals", "101.01", "100", "0.01", "0", False),
        # The larger of the two holds; the share is of the internal amount, whatever its sign.
        ("equals", "101", "100", "0.01", "0.05", True), ("equals", "100.05", "100", "0.0001", "0.05", True),
        ("equals", "-101", "-100", "0.01", "0", True), ("equals", "0.05", "0", "1", "0.05", True), ("equals", "0.06", "0", "1", "0.05", False),
        ("greater_than", "2", "1", "0", "0", True), ("greater_than", "1", "1", "9", "9", False), ("greater_than", "0", "1", "0", "0", False),
        ("less_than", "1", "2", "0", "0", True), ("less_than", "1", "1", "9", "9", False), ("less_than", "2", "1", "0", "0", False),
        ("other", "1", "2", "9", "9", False), ("other", "2", "1", "9", "9", False), ("other", "1", "1", "9", "9", False),
    ],
)  # fmt: skip
def test_amounts(operator: str, external: str, internal: str, drift: str, absolute: str, expected: bool) -> None:
    assert amount_matches(operator, D(external), D(internal), D(drift), D(absolute)) is expected


@pytest.mark.parametrize(
    ("operator", "seconds_apart", "drift", "expected"),
    [
        ("equals", "60", "60", True), ("equals", "-60", "60", True), ("equals", "60.000001", "60", False), ("equals", "0.5", "0.5", True),
        ("equals", "0.500001", "0.5", False), ("equals", "0", "0", True),
        ("after", "1", "0", True), ("after", "0", "9", False), ("after", "-1", "9", False),
        ("greater_than", "1", "0", True), ("greater_than", "0", "9", False),
        ("before", "-1", "0", True), ("before", "0", "9", False), ("before", "1", "9", False),
        ("less_than", "-1", "0", True), ("less_than", "0", "9", False),
        ("other", "0", "9", False), ("other", "-1", "9", False), ("other", "1", "9", False),
    ],
)  # fmt: skip
def test_dates(operator: str, seconds_apart: str, drift: str, expected: bool) -> None:
    external = NOON + timedelta(microseconds=int(D(seconds_apart) * 1_000_000))
    assert date_matches(operator, external, NOON, D(drift)) is expected


@pytest.mark.parametrize(
    ("operator", "external", "internal", "drift", "expected"),
    [
        ("equals", " Ab ", "aB", "0", True), ("equals", "ab", ["x", "AB"], "0", True), ("equals", "ab", "abc", "0.5", False),
        ("equals", "", "", "0.5", False), ("contains", "", "abc", "0.5", False), ("contains", "abc", "", "0.5", False),
        ("contains", "pay ORD-1 now", "ord-1", "0", True), ("contains", "ord-1", "pay ORD-1 now", "0", True),
        ("contains", "abXY", "abcd", "0.5", True), ("contains", "abXY", "abcd", "0.49", False), ("contains", "abXY", "abcd", "0.51", False),
        ("contains", "abcX", "abcd", "-0.1", False), ("contains", "abcX", "abcd", "0", False),
        # Characters of the longer one: three of six.
        ("contains", "Xbcd", "abcdef", "0.5", True), ("contains", "abcdef", "Xbcd", "0.5", True),
        ("contains", "zzzz", ["abcd", "zzzY"], "0.25", True), ("other", "ab", "ab", "0.5", False),
    ],
)  # fmt: skip
def test_texts(operator: str, external: str, internal: str | list[str], drift: str, expected: bool) -> None:
    assert text_matches(operator, external, internal, D(drift)) is expected


def test_rules_hold_when_all_of_their_criteria_do() -> None:
    rule = [Criterion("amount", "equals", absolute=D("0.05")), Criterion("currency", "equals"), Criterion("reference", "contains", D("0.2"))]
    left = {"amount": D("10.05"), "currency": "cny", "reference": "order 77123"}
    right = {"amount": D("10.00"), "currency": "CNY", "reference": "77123"}
    assert rule_matches(rule, left, right)
    for field, wrong in (("amount", D("10.06")), ("currency", "USD"), ("reference", "90001")):
        assert not rule_matches(rule, {**left, field: wrong}, right), field
        assert not rule_matches(rule, {**left, field: None}, right), field
        assert not rule_matches(rule, left, {**right, field: None}), field
    assert not rule_matches([Criterion("currency", "contains")], left, right)
    assert rule_matches([Criterion("date", "equals", D(60))], {"date": NOON + 60 * SECOND}, {"date": NOON})
    assert any_rule_matches([[], rule], left, right)
    assert not any_rule_matches([[]], left, right)
    assert not any_rule_matches([], left, right)
