"""After-sales cases as a merchandiser tells them: what is due, who decides, when the goods and the money are where they belong."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from typing import Any

import pytest

from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago


def vector(row: dict[str, str], policy: str) -> Book:
    """An order of the vector, its discount as a promotion with the policy, and a case of the pieces that go back."""
    book, number = Book(), row["id"]
    lines = [re.fullmatch(r"\s*([\d.]+)x(\d+)", part).groups() for part in row["lines_unit_price_x_qty"].split(";")]
    discount = row["discount"].rsplit("=", 1)[1].strip()
    book.order(number, row["customer_paid"], status="completed")
    for place, (price, quantity) in enumerate(lines, 1):
        book.line(number, quantity, sku=f"{number}-{place}", unit_price=price)
    shop = {**book.shop, "channel_order_id": number}
    book.rows["discounts"].append({**shop, "funder": "merchant", "scope": "order", "amount": discount, "promotion_id": f"P-{number}"})
    minimum = re.search(r"above ([\d.]+)", row["discount"])
    if minimum:
        book.rows["promotions"].append(
            {"promotion_id": f"P-{number}", "name": "满减", "kind": "threshold", "starts_at": ago(90), "ends_at": ago(-9),
             "threshold_amount": minimum[1], "partial_return_policy": policy}
        )  # fmt: skip
    pieces = re.match(r"(\d+) of (\d+)", row["refunded_lines"])
    if pieces:
        book.case(number, "return_refund", "refunded", sku=f"{number}-1", quantity=pieces[1], return_id=f"R-{number}")
        book.case(number, "return_refund", "requested", 1, sku=f"{number}-1", quantity=int(pieces[2]) - int(pieces[1]), return_id=f"Z-{number}")
    else:
        book.case(number, "return_refund", "refunded", sku=f"{number}-1", return_id=f"R-{number}")
        book.case(number, "return_refund", "requested", 1, return_id=f"Z-{number}")
    return book


@pytest.mark.parametrize("policy", ["keep", "claw_back"])
def test_refunds_with_discount_are_due_as_the_vectors_say(shared, tmp_path, policy: str) -> None:
    with (shared("vectors/refund_with_discount.csv")).open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if re.match(r"[\d.]+x\d", r["lines_unit_price_x_qty"])]
    assert len(rows) >= 5
    home = support.new_home(tmp_path)
    for row in rows:
        vector(row, policy).land(home, row["id"] + "/")
    support.run(home, AS_OF)
    due = dict(support.query(home, "SELECT return_id, refund_due_amount FROM aftersales.cases"))
    for row in rows:
        refund, rest = Decimal(row["correct_refund"]), Decimal(row["correct_remaining_net"])
        if policy == "claw_back" and "claw-back" in row["note"]:
            refund, rest = (Decimal(n) for n in re.findall(r"refund ([\d.]+) and remaining ([\d.]+)", row["note"])[0])
        # What the last pieces are due is all that the buyer has still paid for.
        assert (due[f"R-{row['id']}"], due[f"Z-{row['id']}"]) == (refund, rest), row["id"]


def test_a_cancelled_line_takes_its_share_along_and_the_others_keep_theirs(tmp_path) -> None:
    """RFD-06: the sharing-out is that of the time of payment, though a later export shows the order without the line."""
    book, home = Book(), support.new_home(tmp_path)
    book.order("A", "90", exported_at=ago(4))
    for sku, price in (("S1", 60), ("S2", 40)):
        book.line("A", 1, sku=sku, sub_order_id=sku, unit_price=price)
    book.case("A", "refund_only", "refunded", 3, sku="S1", quantity=1, return_id="R1")
    book.case("A", "return_refund", "requested", 1, sku="S2", quantity=1, return_id="R2")
    book.land(home)
    support.run(home, AS_OF)
    later = Book()
    later.order("A", "36", exported_at=ago(1))
    later.line("A", 1, sku="S1", sub_order_id="S1", unit_price=60, line_status="cancelled")
    later.land(home, "later/")
    support.run(home, AS_OF)
    due = dict(support.query(home, "SELECT return_id, refund_due_amount FROM aftersales.cases"))
    assert due == {"R1": Decimal("54.00"), "R2": Decimal("36.00")}


def cases_of(home: support.Home) -> dict[str, dict[str, Any]]:
    return {c["return_id"]: c for c in support.records(home, "SELECT * FROM aftersales.cases")}


def test_what_may_be_approved_without_a_person_and_why_not(tmp_path) -> None:
    book, home = Book(), support.new_home(tmp_path)
    for number, due in (("small", 50), ("large", "50.01"), ("special", 20), ("waiting", 900), ("greedy", 30)):
        book.order(number, due, status="paid" if number == "waiting" else "shipped", shipped_at=None if number == "waiting" else ago(3))
        book.line(number, 1, sku="M1" if number == "special" else "S1", unit_price=due)
        amount = "49" if number == "greedy" else due
        book.case(number, "refund_only", "requested", 1, sku="M1" if number == "special" else "S1", quantity=1, refund_amount=amount,
                  return_id=number)  # fmt: skip
    book.case("nowhere", "refund_only", "requested", 1, refund_amount=5, return_id="unknown")
    book.rows["products"] += [{"sku": "M1", "is_special": "true"}, {"sku": "S1", "is_special": "false"}]
    book.land(home)
    support.run(home, AS_OF)
    assert {n: (c["is_auto_approvable"], c["auto_reason"]) for n, c in cases_of(home).items()} == {
        "small": (True, "small_ordinary"),
        "large": (False, "amount_above_limit"),
        "special": (False, "special_goods"),
        "waiting": (True, "not_shipped"),
        "greedy": (False, "above_due"),
        "unknown": (False, "order_unknown"),
    }


def test_a_return_is_followed_until_stock_is_back_and_the_money_is_out(tmp_path) -> None:
    """Each file that arrives moves the case one stage; whoever owes the next step is named, with a time."""
    home, book = support.new_home(tmp_path), Book()
    book.order("A", "80", status="completed", shipped_at=ago(9), age=10)
    book.line("A", 1, unit_price=80)
    book.case("A", "return_refund", "requested", 4, sku="S1", quantity=1, refund_amount=80, reason="商品破损", return_id="R1")
    book.land(home, "1/")
    seen = []

    def look() -> None:
        support.run(home, AS_OF)
        case = cases_of(home)["R1"]
        seen.append((case["stage"], case["owner_role"], case["is_overdue"]))

    look()
    files: list[tuple[str, dict[str, Any]]] = [
        ("returns", {"return_id": "R1", **book.shop, "channel_order_id": "A", "kind": "return_refund", "status": "approved", "sku": "S1",
                     "quantity": 1, "refund_amount": 80, "reason": "商品破损", "requested_at": ago(4), "approved_at": ago(3.5),
                     "return_waybill_id": "BACK1"}),
        ("tracking", {"courier_code": "sf", "waybill_id": "BACK1", "description": "已揽收", "occurred_at": ago(3)}),
        ("tracking", {"courier_code": "sf", "waybill_id": "BACK1", "description": "已签收", "occurred_at": ago(1)}),
        ("inventory_movements", {"movement_id": "M1", "warehouse_id": "W1", "sku": "S1", "kind": "restock", "quantity": 1,
                                 "occurred_at": ago(0.5), "reference_id": "R1"}),
        ("payments", {"account": "acc", "payment_id": "OUT1", "kind": "refund", "amount": -80, "currency": "CNY",
                      "occurred_at": ago(0.25), **book.shop, "channel_order_id": "A"}),
    ]  # fmt: skip
    for place, (entity, row) in enumerate(files, 2):
        support.land(home, f"{place}/{entity}", [row])
        look()
    assert seen == [
        ("decision", "service", True),
        ("goods_to_send", "buyer", False),
        ("goods_on_way", "logistics", False),
        ("inspection", "warehouse", False),
        ("refund", "finance", False),
        ("done", "none", False),
    ]
    whole = support.new_home(tmp_path / "whole")
    for path in home.landing.rglob("*.csv"):
        (whole.landing / path.relative_to(home.landing)).parent.mkdir(parents=True, exist_ok=True)
        (whole.landing / path.relative_to(home.landing)).write_bytes(path.read_bytes())
    support.run(whole, AS_OF)
    support.same(home, whole)
    stages = {row["stage"]: row for row in support.records(home, "SELECT * FROM aftersales.stage_times WHERE class = 'damaged'")}
    assert {s: (r["case_count"], r["mean_hours"], r["waiting_count"]) for s, r in stages.items()} == {
        "decision": (1, Decimal("12.00"), 0),
        "goods_to_send": (1, Decimal("12.00"), 0),
        "goods_on_way": (1, Decimal("48.00"), 0),
        "inspection": (1, Decimal("12.00"), 0),
        "refund": (1, Decimal("6.00"), 0),
        "stock": (1, Decimal("0.00"), 0),
    }


def test_weak_evidence_is_listed_for_a_month_and_rates_carry_their_uncertainty(tmp_path) -> None:
    home, book = support.new_home(tmp_path), Book()
    photos = {"photo_box_count": 1, "photo_label_count": 1, "photo_damage_count": 2, "photo_with_metadata_count": 4, "has_video": "true"}
    for number in range(10):
        book.order(f"A{number}", 80, status="completed", shipped_at=ago(38), age=40)
        book.line(f"A{number}", 10, sku="S1", unit_price=8)
    for number, (age, more) in enumerate([(2, photos), (2, {**photos, "photo_label_count": 0, "has_video": None}), (35, {}), (2, {})]):
        reason = "七天无理由" if number == 3 else "破损"
        book.case(f"A{number}", "return_refund", "requested", age, sku="S1", quantity=2, reason=reason, return_id=f"R{number}", **more)
    book.land(home)
    support.run(home, AS_OF)
    found = support.query(home, "SELECT return_id, score, missing, is_flagged, is_in_scan FROM aftersales.evidence ORDER BY ALL")
    assert found == [
        ("R0", 100, "", False, False),
        ("R1", 70, "photo_label,video", True, True),
        ("R2", 0, "photo_box,photo_label,photo_damage,photo_metadata,video", True, False),
    ]
    rates = support.records(home, "SELECT * FROM aftersales.return_rates WHERE reason = 'damaged' ORDER BY month")
    # Sold on 20 January, asked back on 25 January (2 of 100) and in February (4 pieces, nothing sold).
    assert [(str(r["month"]), r["returned_qty"], r["sold_qty"], r["return_ratio"]) for r in rates] == [
        ("2026-01-01", 2, 100, 0.02),
        ("2026-02-01", 4, 0, None),
    ]
    assert rates[0]["interval_low"] == pytest.approx(0.0055, abs=1e-4)
    assert rates[0]["interval_high"] == pytest.approx(0.0700, abs=1e-4)
    assert rates[1]["previous_ratio"] == 0.02 and not rates[1]["is_changed"]
