"""Parcels that somebody has to ask the courier about: found when they get stuck, gone when they move, whatever file comes first."""

from __future__ import annotations

from datetime import timedelta

from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago


def issues(home: support.Home) -> set[tuple[str, str, str]]:
    return set(support.query(home, "SELECT waybill_id, issue, severity FROM fulfilment.parcel_issues"))


def story() -> Book:
    book = Book()
    for number in ("label", "stuck", "signed", "false", "locker", "fine"):
        book.order(number, 10, status="shipped", shipped_at=ago(3))
        book.line(number)
        book.ship(number, label_printed_at=ago(0, hours=30))
    book.track("WB-stuck", "collected", 1)
    for number in ("signed", "false", "locker", "fine"):
        book.track(f"WB-{number}", "collected", 2.5)
    book.track("WB-signed", "delivered", 1.5)
    book.track("WB-false", "delivered", 0.25)
    book.track("WB-locker", "awaiting_pickup", 1.5)
    book.track("WB-fine", "in_transit", 0.1)
    book.case("false", "refund_only", "requested", 0.1, reason="未收到货", refund_amount=10)
    return book


def test_stuck_parcels_are_found_and_clear_when_they_move(tmp_path) -> None:
    home, book = support.new_home(tmp_path), story()
    book.land(home)
    support.run(home, AS_OF)
    assert issues(home) == {
        ("WB-label", "no_collection", "alert"),
        ("WB-stuck", "no_movement", "alert"),
        ("WB-signed", "signed_not_completed", "alert"),
        ("WB-false", "disputed", "alert"),
    }
    told = support.query(home, "SELECT entity_id FROM ops.alerts WHERE rule = 'parcel_issue' AND cleared_at IS NULL ORDER BY ALL")
    assert [t[0] for t in told] == [
        "sf/WB-false/disputed", "sf/WB-label/no_collection", "sf/WB-signed/signed_not_completed", "sf/WB-stuck/no_movement",
    ]  # fmt: skip
    # Two hours later one more has stood still; the label was scanned, the stuck one moved, the buyer has confirmed.
    later = Book()
    later.track("WB-label", "collected", -0.05)
    later.track("WB-stuck", "out_for_delivery", -0.05)
    later.order("signed", 10, status="completed", shipped_at=ago(3), completed_at=ago(-0.05), exported_at=ago(-0.06))
    later.land(home, "later/")
    support.run(home, AS_OF + timedelta(hours=2))
    assert issues(home) == {("WB-fine", "no_movement", "watch"), ("WB-false", "disputed", "alert")}
    whole = support.new_home(tmp_path / "whole")
    story().land(whole)
    later.land(whole, "later/")
    support.run(whole, AS_OF + timedelta(hours=2))
    support.same(home, whole)


def test_a_parcel_for_two_orders_is_not_cancelled_with_one_of_them(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    book.order("A", 10, status="cancelled")
    book.order("B", 10, status="released")
    for number in "AB":
        book.line(number)
        book.ship(number, waybill_id="WB", shipped_at=None, label_printed_at=ago(0, hours=5))
    book.land(home)
    support.run(home, AS_OF)
    assert issues(home) == {("WB", "no_collection", "watch")}
