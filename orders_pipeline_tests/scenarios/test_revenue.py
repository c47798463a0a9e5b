"""When revenue is recognised, and what refunds, deposits, returns, coupons and currencies do to it; said with files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import differences, land, new_home, query, run

D = Decimal
PLAIN = '[[revenue.rules]]\nvalid_from = "2020-01-01"\nversion = 2\ncontrol_point = "delivered"\nwithout_history = "recognise"\n'


def entries(home: Home, *kinds: str) -> dict[str, list[tuple[str, Decimal, date]]]:
    """Order number -> (kind, amount, day) of its entries in their order; only these kinds, when some are named."""
    rows = query(
        home,
        "SELECT c.channel_order_id, r.entry_kind, r.amount, r.recognised_on FROM finance.revenue AS r "
        "JOIN finance.contracts AS c USING (order_guid) ORDER BY 1, r.entry_number",
    )
    found: dict[str, list[tuple[str, Decimal, date]]] = {}
    for number, kind, amount, day in rows:
        if not kinds or kind in kinds:
            found.setdefault(number, []).append((kind, amount, day))
    return found


def total(home: Home, kind: str, until: date | None = None, column: str = "amount") -> Decimal:
    return query(
        home,
        f"SELECT coalesce(sum({column}), 0) FROM finance.revenue WHERE entry_kind = ? AND recognised_on <= ?",
        [kind, until or date(2100, 1, 1)],
    )[0][0]


def day(age: float) -> date:
    return (AS_OF - timedelta(days=age)).date()


def settings(home: Home, text: str) -> None:
    home.settings_file.write_text(text, encoding="utf-8")


def sold(b: Book, number: str, due: object, delivered: float = 15, **more: Any) -> None:
    """Paid and shipped, and with the buyer `delivered` days before the clock."""
    b.order(number, due, "delivered", age=delivered + 5, paid_at=ago(delivered + 4), **more)
    b.line(number, 1, payable_amount=due)
    b.pay(number, due, age=delivered + 4)
    b.ship(number, 1, age=delivered + 3)
    b.track(f"WB-{number}", "collected", delivered + 2)
    b.track(f"WB-{number}", "delivered", delivered)


# ---- control points


def test_by_default_revenue_comes_with_the_parcel(home: Home) -> None:
    b = Book()
    sold(b, "A", "100.00", 15)
    b.order("B", "100.00", "shipped")
    b.line("B", 1)
    b.pay("B", "100.00")
    b.ship("B", 1)
    b.track("WB-B", "in_transit", 1)
    b.order("C", "50.00", "shipped", age=30)
    b.line("C", 1)
    b.ship("C", 1, age=20)  # no courier event ever: confirmed by itself after ten days
    b.land(home)
    run(home, AS_OF)
    found = entries(home, "revenue", "contract_liability")
    assert found["A"] == [
        ("contract_liability", D("100.00"), day(19)),
        ("revenue", D("100.00"), day(15)),
        ("contract_liability", D("-100.00"), day(15)),
    ]
    assert found["B"] == [("contract_liability", D("100.00"), day(4.9))]
    assert found["C"] == [("revenue", D("50.00"), day(10))]


def test_douyin_waits_72_hours_for_a_cancellation(home: Home) -> None:
    b = Book("douyin")
    for number, collected, more in (
        ("kept", 3, {}),
        ("waiting", 2.99, {}),
        ("cancelled", 5, {"status": "cancelled", "cancelled_at": ago(3)}),
        ("cancelled late", 5, {"status": "cancelled", "cancelled_at": ago(1)}),
        ("unpaid", 5, {"paid_at": None}),
    ):
        b.order(number, "10.00", **{"status": "shipped", "age": 8, "paid_at": ago(7), **more})
        b.line(number, 1)
        b.ship(number, 1, age=6)
        b.track(f"WB-{number}", "collected", collected)
    b.land(home)
    run(home, AS_OF)
    assert entries(home, "revenue") == {
        "kept": [("revenue", D("10.00"), day(0))],
        "cancelled late": [("revenue", D("10.00"), day(2))],
    }
    run(home, AS_OF + timedelta(hours=1))
    assert "waiting" in entries(home, "revenue"), "the clock alone completes the condition"


@pytest.mark.parametrize(("channel", "day_of_revenue"), [("wechat_shop", 10), ("taobao", 5)])
def test_a_presale_is_a_liability_until_its_rule_says(home: Home, channel: str, day_of_revenue: float) -> None:
    b = Book(channel)
    b.order("P", "300.00", "delivered", order_type="presale", age=30, deposit_amount="50.00")
    b.line("P", 1)
    b.pay("P", "50.00", kind="deposit", age=30)
    b.pay("P", "250.00", kind="balance", age=10)
    b.ship("P", 1, age=8)
    b.track("WB-P", "delivered", 5)
    b.order("Q", "300.00", "pending_payment", order_type="presale")
    b.pay("Q", "50.00", kind="deposit")
    b.land(home)
    run(home, AS_OF)
    found = entries(home, "revenue", "contract_liability")
    assert found["P"][0] == ("contract_liability", D("50.00"), day(30))
    assert ("revenue", D("300.00"), day(day_of_revenue)) in found["P"]
    assert sum(amount for kind, amount, _ in found["P"] if kind == "contract_liability") == 0
    assert found["Q"] == [("contract_liability", D("50.00"), day(4.9))]


def test_cash_on_delivery_is_earned_at_delivery_whenever_it_is_remitted(home: Home) -> None:
    b = Book()
    b.order("C", "80.00", "delivered", order_type="cod", age=12)
    b.line("C", 1)
    b.ship("C", 1, age=11)
    b.track("WB-C", "delivered", 9)
    b.pay("C", "80.00", age=2)
    b.land(home)
    run(home, AS_OF)
    assert entries(home, "revenue", "contract_liability") == {"C": [("revenue", D("80.00"), day(9))]}


def test_a_rule_holds_for_the_orders_from_its_day_on(home: Home) -> None:
    settings(
        home, PLAIN + f'[[revenue.rules]]\nchannel = "taobao"\nvalid_from = "{day(10)}"\nversion = 2\ncontrol_point = "shipped"\n'
    )
    b = Book()
    for number, age in (("old", 10.6), ("new", 10)):
        b.order(number, "10.00", "shipped", age=age)
        b.line(number, 1)
        b.ship(number, 1, age=4)
        b.track(f"WB-{number}", "in_transit", 3)
    b.land(home)
    run(home, AS_OF)
    assert entries(home, "revenue") == {"new": [("revenue", D("10.00"), day(4))]}
    settings(home, PLAIN)
    run(home, AS_OF)
    assert entries(home, "revenue") == {}, "a rule that is gone is gone from the tables with the next run"


def test_each_parcel_earns_its_part_of_the_price(home: Home) -> None:
    b = Book()
    b.order("A", "100.00", "shipped", age=9)
    b.line("A", 1, sku="S1", payable_amount="66.67")
    b.line("A", 2, sku="S2", payable_amount="33.33")
    for sku, waybill, quantity in (("S1", "W1", 1), ("S2", "W2", 1), ("S2", "W3", 1)):
        b.ship("A", quantity, sku=sku, waybill_id=waybill, age=8)
    b.track("W1", "delivered", 5)
    b.track("W2", "delivered", 4)
    b.track("W3", "delivered", 3)
    b.land(home)
    run(home, AS_OF)
    amounts = [amount for _, amount, _ in entries(home, "revenue")["A"]]
    assert (amounts[0], sum(amounts), len(amounts)) == (D("66.67"), D("100.00"), 3)


# ---- the price


def test_the_price_is_net_of_tax_and_gross_of_fees(home: Home) -> None:
    settings(
        home,
        '[[revenue.vat]]\nvalid_from = "2020-01-01"\nchannel = "taobao"\nratio = 0.13\n'
        '[[revenue.vat]]\nvalid_from = "2020-01-01"\nchannel = "taobao"\ncategory = "books"\nratio = 0.09\n',
    )
    b = Book()
    sold(b, "coupons", "250.00", list_amount="300.00", merchant_discount_amount="30.00", platform_discount_amount="20.00")
    b.pay("coupons", "20.00", kind="subsidy")
    b.pay("coupons", "-13.50", kind="fee")
    sold(b, "mixed", "218.00")
    b.rows["order_lines"][-1].update(category="books", payable_amount="109.00")
    b.line("mixed", 1, sku="S2", payable_amount="109.00")
    b.land(home)
    run(home, AS_OF)
    found = entries(home, "revenue", "vat")
    assert [amount for _, amount, _ in found["coupons"]] == [D("238.94"), D("31.06")]
    # One of two equal lines is there; its tax is that of the whole order in proportion, 9/109 and 13/113.
    share = sum(r / (1 + r) for r in (D("0.09"), D("0.13"))) / 2
    tax = (D("109.00") * share).quantize(D("0.01"))
    assert [amount for _, amount, _ in found["mixed"]] == [D("109.00") - tax, tax]


def test_a_platform_discount_nobody_pays_back_is_the_merchants(home: Home) -> None:
    settings(
        home,
        '[[revenue.rules]]\nvalid_from = "2020-01-01"\nversion = 2\ncontrol_point = "delivered"\nplatform_discount = "received"\n',
    )
    b = Book()
    sold(b, "paid back", "250.00", platform_discount_amount="20.00")
    b.pay("paid back", "20.00", kind="subsidy")
    sold(b, "not paid back", "250.00", platform_discount_amount="20.00")
    b.land(home)
    run(home, AS_OF)
    prices = dict(query(home, "SELECT channel_order_id, price_amount FROM finance.contracts"))
    assert prices == {"paid back": D("270.00"), "not paid back": D("250.00")}


# ---- refunds


def test_a_refund_without_return_is_a_price_concession_of_its_month(home: Home) -> None:
    b = Book()
    sold(b, "said", "100.00", 40)
    b.case("said", "refund_only", "refunded", age=5, refund_amount="20.00", refunded_at=ago(5))
    b.pay("said", "-20.00", kind="refund", age=5)
    sold(b, "unsaid", "100.00", 40)
    b.pay("unsaid", "-20.00", kind="refund", age=5)
    sold(b, "sent back", "100.00", 40)
    b.case("sent back", "return_refund", "refunded", age=8, refund_amount="100.00", received_at=ago(6))
    b.pay("sent back", "-100.00", kind="refund", age=5)
    sold(b, "exchanged", "100.00", 40)
    b.case("exchanged", "exchange", "exchanged", age=8, received_at=ago(6))
    b.order("exchange order", "100.00", "delivered", order_type="exchange", age=6)
    b.line("exchange order", 1)
    b.ship("exchange order", 1, age=5)
    b.track("WB-exchange order", "delivered", 4)
    b.land(home)
    run(home, AS_OF)
    found = entries(home, "revenue", "price_concession", "return")
    assert found["said"][1:] == found["unsaid"][1:] == [("price_concession", D("-20.00"), day(5))]
    assert found["sent back"][1:] == [("return", D("-100.00"), day(5))]
    assert len(found["exchanged"]) == 1, "an exchange of the same goods is no return"
    assert "exchange order" not in found, "and no second sale"


def test_money_given_back_before_the_goods_left_was_never_revenue(home: Home) -> None:
    b = Book()
    b.order("A", "100.00", "cancelled", cancelled_at=ago(4))
    b.pay("A", "100.00")
    b.pay("A", "-100.00", kind="refund", age=3)
    sold(b, "B", "100.00", 5)
    b.pay("B", "-30.00", kind="refund", age=8.5)
    b.land(home)
    run(home, AS_OF)
    found = entries(home, "revenue", "contract_liability", "price_concession", "return")
    assert [(k, a) for k, a, _ in found["A"]] == [("contract_liability", D("100.00")), ("contract_liability", D("-100.00"))]
    assert ("revenue", D("70.00"), day(5)) in found["B"]
    assert sum(a for k, a, _ in found["B"] if k == "contract_liability") == 0


def test_a_deposit_is_forfeited_when_the_right_lapses(home: Home) -> None:
    b = Book()
    for number, refund in (("kept", None), ("given back", "-50.00")):
        b.order(number, "300.00", "cancelled", order_type="presale", age=20, cancelled_at=ago(3))
        b.pay(number, "50.00", kind="deposit", age=20)
        if refund:
            b.pay(number, refund, kind="refund", age=2)
    b.land(home)
    run(home, AS_OF)
    assert entries(home, "forfeited_deposit") == {"kept": [("forfeited_deposit", D("50.00"), day(3))]}
    assert total(home, "contract_liability") == 0


# ---- the vectors


@pytest.fixture(scope="module")
def vectors(shared: Callable[[str], Path]) -> dict[str, dict[str, Any]]:
    return {v["id"]: v for v in yaml.safe_load(shared("vectors/revenue_recognition.yaml").read_text(encoding="utf-8"))}


def rule(ratio: object, **more: object) -> str:
    lines = {"valid_from": '"2020-01-01"', "version": 2, "control_point": '"delivered"', "return_ratio": ratio, **more}
    return "[[revenue.rules]]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items())


def amount_of(value: object) -> Decimal:
    return D(str(value))


@pytest.mark.parametrize("name", ["REV-01", "REV-02", "REV-03", "REV-06"])
def test_expected_returns_are_a_liability_and_an_asset(home: Home, vectors: dict[str, dict[str, Any]], name: str) -> None:
    v = vectors[name]
    if name == "REV-03":
        units, price, cost, ratio = 1, amount_of(v["cash"]), amount_of(v["cost"]), amount_of(v["return_rate"])
    elif name == "REV-06":
        # A fee of a tenth stays with the seller: what goes back is nine tenths of the price of a piece in twenty.
        units, price, cost, ratio = 20, D(30), D(0), D("0.05") * D("0.9")
    else:
        units, price, cost = v["units"], amount_of(v["price"]), amount_of(v["cost"])
        ratio = 1 - D(v["expected_kept"]) / units
    settings(home, rule(ratio))
    b = Book()
    sold(b, "R", units * price, 2)
    b.rows["order_lines"][-1]["quantity"] = b.rows["shipments"][-1]["quantity"] = units
    b.rows["products"].append({"sku": "S1", "cost": cost})
    b.land(home)
    run(home, AS_OF)
    assert total(home, "revenue") + total(home, "expected_return") == amount_of(v["revenue"])
    if "refund_liability" in v:
        closing = query(home, "SELECT closing_amount FROM finance.liabilities WHERE kind = 'refund' ORDER BY month DESC")[0][0]
        assert closing == amount_of(v["refund_liability"]) == -total(home, "expected_return")
        assert total(home, "return_asset") == amount_of(v["right_to_recover_asset"])
        assert total(home, "cost_of_sales") == amount_of(v["cost_of_sales"])


@pytest.mark.parametrize("name", ["REV-04", "REV-05"])
def test_a_coupon_with_the_sale_takes_its_share_of_the_price(home: Home, vectors: dict[str, dict[str, Any]], name: str) -> None:
    v = vectors[name]
    if name == "REV-04":
        goods, face, use = amount_of(v["ssp_goods"]), D(100), D("0.9")
        expected = (amount_of(v["revenue_now"]), amount_of(v["contract_liability"]))
        assert face * use == amount_of(v["ssp_coupon"])
    else:
        goods, face, use = D(100), D(7), D(1)
        expected = (amount_of(v["our_answer"]["revenue"]), amount_of(v["our_answer"]["deferred"]))
    settings(home, rule(0))
    b = Book()
    sold(b, "R", goods, 20, list_amount=goods)
    b.rows["coupon_grants"].append(
        {
            **b.shop,
            "channel_order_id": "R",
            "coupon_id": "C1",
            "stand_alone_amount": face,
            "expected_use_ratio": use,
            "redeemed_at": ago(3),
        }
    )
    b.land(home)
    run(home, AS_OF - timedelta(days=4))
    assert (total(home, "revenue") + total(home, "material_right"), -total(home, "material_right")) == expected
    run(home, AS_OF)
    assert total(home, "material_right") == 0, "used: the rest is revenue of the day"
    assert total(home, "revenue") == goods


def test_the_refund_liability_rolls_forward(home: Home, vectors: dict[str, dict[str, Any]]) -> None:
    """REV-10: used by what comes back, released when the time for returns is over; February stands for its March."""
    v = vectors["REV-10"]
    march, april = v["march"], v["april"]
    rate, actual = amount_of(march["return_rate"]), amount_of(april["actual_returns_of_march"])
    settings(home, rule(rate, return_days=20))
    # What is still open in the month after is what may yet come back; what comes back is an order of its own.
    still_open = (amount_of(april["re_estimate_left"]) / rate).quantize(D("0.01"))
    parts = {"open": (still_open, 5), "back": (actual, 24), "kept": (march["revenue_delivered"] - still_open - actual, 24)}
    b = Book()
    for name, (price, delivered) in parts.items():
        sold(b, name, price, delivered)
        b.rows["order_lines"][-1]["sku"] = b.rows["shipments"][-1]["sku"] = name
        b.rows["products"].append({"sku": name, "cost": (price * amount_of(march["cost_ratio"])).quantize(D("0.01"))})
    b.land(home)
    run(home, AS_OF - timedelta(days=4.5))
    assert (total(home, "revenue"), -total(home, "expected_return")) == (march["revenue_delivered"], march["refund_liability"])
    assert total(home, "return_asset") == march["asset"]
    b.case("back", "return_refund", "refunded", age=4.4, refund_amount=actual, received_at=ago(4.3))
    b.pay("back", -actual, kind="refund", age=4.2)
    b.land(home)
    run(home, AS_OF)
    assert total(home, "return") == -actual
    assert -total(home, "expected_return") == april["liability_end"]
    assert march["refund_liability"] - april["liability_end"] - actual == april["released_to_revenue"]
    net = total(home, "revenue") + total(home, "return") + total(home, "expected_return")
    assert net == march["revenue_delivered"] - march["refund_liability"] + april["released_to_revenue"]


def test_a_foreign_sale_is_booked_at_the_rates_of_its_days(home: Home, vectors: dict[str, dict[str, Any]]) -> None:
    v = vectors["REV-11"]
    settings(home, rule(0))
    b = Book(currency="USD")
    prepaid, rest, collected = v["prepaid"], v["rest_at_delivery"], v["collected"]
    b.order("F", prepaid["usd"] + rest["usd"], "delivered", age=20)
    b.line("F", 1)
    b.pay("F", prepaid["usd"], age=19)
    b.ship("F", 1, age=15)
    b.track("WB-F", "delivered", 12)
    b.pay("F", collected["usd"], age=5)
    b.rows["exchange_rates"] = [
        {"currency": "USD", "rate_on": day(age), "exchange_rate": side["rate"]}
        for age, side in ((19, prepaid), (12, rest), (5, collected))
    ]
    b.land(home)
    run(home, AS_OF)
    assert total(home, "revenue", column="book_amount") == amount_of(v["revenue_cny"])
    assert total(home, "fx_difference") == amount_of(v["fx_result_cny"])
    land(home, "rates-corrected", [{"currency": "USD", "rate_on": day(5), "exchange_rate": "7.10"}])
    run(home, AS_OF)
    assert total(home, "fx_difference") in (0, amount_of(v["fx_result_cny"])), "of two rates of a day one counts"


def test_returns_are_expected_at_the_rate_of_the_months_before(home: Home) -> None:
    """No history: nothing stays revenue while goods may come back. With one: its share."""
    settings(home, "[thresholds]\nreturn_history_orders_count = 2\n")
    b = Book()
    sold(b, "J1", "100.00", 50)
    sold(b, "J2", "100.00", 50)
    b.case("J2", "return_refund", "refunded", age=40, refund_amount="20.00", received_at=ago(41))
    b.pay("J2", "-20.00", kind="refund", age=40)
    sold(b, "F1", "100.00", 2)
    b.land(home)
    run(home, AS_OF)
    found = entries(home, "expected_return")
    assert found["J1"] == [("expected_return", D("-100.00"), day(50)), ("expected_return", D("100.00"), day(43))]
    assert found["F1"] == [("expected_return", D("-10.00"), day(2))]
    # A return of January that is told of later changes what February's sales were booked with.
    b.case("J1", "return_refund", "refunded", age=38, refund_amount="50.00", received_at=ago(41))
    b.pay("J1", "-50.00", kind="refund", age=38)
    b.land(home)
    run(home, AS_OF)
    assert entries(home, "expected_return")["F1"] == [("expected_return", D("-35.00"), day(2))]
    whole = new_home(home.root / "whole")
    settings(whole, "[thresholds]\nreturn_history_orders_count = 2\n")
    b.land(whole)
    run(whole, AS_OF)
    without = {"*": ["file_id", "row_number"], "ops.files": "*"}
    assert not [d for d in differences(home.published_database, whole.published_database, without) if d.startswith("finance.")]
