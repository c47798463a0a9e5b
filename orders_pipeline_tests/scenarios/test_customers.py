"""Who a customer is, and what the tags say of him: a shop's book of a few people, and what becomes of it when files follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orders_pipeline.customers.explain import explain as explain_customer
from orders_pipeline.customers.explain import text
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago

NAME, STREET, NICK = "王麻子甲", "文三路九百九十九弄", "xiaomi_fan_88"
PHONES: dict[str, str] = {}


class People(Book):
    """A book in which every order is somebody's, by telephone number, and has one line at its list price."""

    def buy(self, who: str, age: float, paid: object = 100, listed: object = None, coupon: object = None, **more: Any) -> str:
        """One paid order of one line; returns its number. `listed`: the list price, where it is not what was paid."""
        self.count += 1
        number = f"{who}-{self.count}"
        phone = PHONES.setdefault(who, f"138{10_000_000 + len(PHONES) * 137:08d}")
        pieces, sku, category = more.pop("pieces", 1), more.pop("sku", "S1"), more.pop("category", None)
        self.order(number, paid, more.pop("status", "completed"), age, **{
            "paid_at": ago(age), "paid_amount": paid, "buyer_phone": phone, "buyer_name": NAME, "province": "浙江省",
            "city": "杭州市", "district": "西湖区", "address": STREET, **more,
        })  # fmt: skip
        self.line(number, pieces, sku, list_amount=listed or paid, payable_amount=paid, category=category)
        if coupon:
            self.rows["discounts"].append(
                {**self.shop, "channel_order_id": number, "funder": "merchant", "scope": "order", "description": "店铺优惠券",
                 "amount": coupon}
            )  # fmt: skip
        return number

    def change(self, number: str, age: float, role: str = "buyer") -> None:
        self.count += 1
        self.rows["order_edits"].append({
            **self.shop, "channel_order_id": number, "request_id": f"E{self.count}", "field": "address", "requested_at": ago(age),
            "role": role, "requested_by": NAME, "old_value": STREET, "new_value": f"{STREET}2号", "outcome": "applied",
        })  # fmt: skip


def tell(home: Home) -> None:
    """The book: people who are each one tag, people who are nearly, and a crowd to compare with."""
    book = People()
    for n in range(31):
        book.buy(f"crowd{n}", 20 + n / 100, 100)
    for age in (3, 9, 15):
        book.buy("promising", age, 200)
        book.buy("average", age, 150)
        book.buy("mostly_full", age + 100, 70)
    for age in (2, 12):
        book.buy("two_large", age, 900)
    for age in (20, 60, 100, 140):
        book.buy("saver", age, 80, listed=100, coupon=20)
    for age in (30, 70, 110):
        book.buy("young_saver", age, 80, listed=100, coupon=20)
        book.buy("almost_saver", age, 80, listed=100, coupon=20)
    book.buy("almost_saver", 50, 99.5, listed=100)
    for n, age in enumerate((10, 20, 30, 40, 50)):
        off = {"status": "cancelled", "cancelled_at": ago(age - 1)} if n < 4 else {}
        book.buy("undecided", age, **off, **({"close_reason": "买家不想要了"} if off else {}))
        book.buy("unlucky", age, **off, **({"close_reason": "商家缺货"} if off else {}))
    for age in (10, 20, 30):
        fickle, once, helped = (book.buy(who, age) for who in ("fickle", "once", "helped"))
        for later in (1, 2):
            book.change(fickle, age - later)
            book.change(helped, age - later, role="agent")
        book.change(once, age - 1)
    for age in (85, 70, 60, 40, 20):
        book.buy("champion", age, 200)
    for age in (130, 123, 116, 109, 102):
        book.buy("lost", age, 200)
        book.buy("not_so_lost", age - 90, 200)
    book.buy("asleep", 200)
    book.buy("newcomer", 5)
    for n, (who, back) in enumerate((("bracket", 3), ("keeper", 0), ("bracket", 3), ("keeper", 0))):
        number = book.buy(who, 60 - n, pieces=5, category="shoes", sku="S9")
        if back:
            book.case(number, "return_refund", "refunded", 50, sku="S9", quantity=back, refund_amount=60, refunded_at=ago(49))
    for n in range(4):
        book.buy("keeper", 55 - n, pieces=10, category="shoes", sku="S9")
    for n in range(5):
        book.buy("dropper", 10 + n, address=f"{STREET}{n}号")
    for age in (300, 250, 210, 190):
        book.buy("hunter", age, sku="P1")
        book.buy("hunted", age, sku="P1")
    book.rows["promotions"] += [
        {"promotion_id": f"PR{age}", "name": "大促", "kind": "threshold_reduction", "sku": "P1", "starts_at": ago(age + 1), "ends_at": ago(age - 1)}
        for age in (300, 250, 210, 190)
    ]  # fmt: skip
    for n in range(20):
        book.buy("regular", 180 + 6 * n + 2.5, 10, sku="P2")
    book.buy("hunted", 230, 150, sku="P2")
    book.order("asleep-unpaid", 100, "pending_payment", 3, buyer_phone=PHONES["asleep"], buyer_name=NAME)
    book.order("asleep-test", 100, "completed", 3, order_type="test", paid_at=ago(3), buyer_phone=PHONES["asleep"])
    book.land(home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    place = support.new_home(tmp_path_factory.mktemp("customers"))
    tell(place)
    with pytest.MonkeyPatch.context() as patch:
        # The same key as in the tests themselves, which run later on this home.
        patch.setenv(KEY_VARIABLE, "a key for tests only")
        support.run(place, AS_OF)
        yield place


def people(home: Home) -> dict[str, str]:
    """Who -> customer_id."""
    rows = support.query(home, "SELECT channel_order_id, customer_id FROM orders.orders WHERE customer_id IS NOT NULL")
    return {number.split("-")[0]: customer for number, customer in rows}


def tags_of(home: Home, tag: str) -> Mapping[str, dict[str, Any]]:
    rows = support.records(home, "SELECT * FROM customers.tags WHERE tag = ?", [tag])
    known = {customer: who for who, customer in people(home).items()}
    return {known[row["customer_id"]]: row for row in rows}


def standing(home: Home, tag: str) -> set[str]:
    return {who for who, row in tags_of(home, tag).items() if row["status"] in ("on", "provisional")}


@pytest.mark.parametrize(
    ("tag", "who"),
    [
        ("high_potential", {"promising", "not_so_lost"}),
        ("price_sensitive", {"saver", "young_saver"}),
        ("frequent_canceller", {"undecided"}),
        ("repeated_modifier", {"fickle"}),
        ("at_risk_high_value", {"lost"}),
        ("dormant", {"asleep", "hunter", "hunted", "regular"}),
        ("high_returner", {"bracket"}),
        ("promo_hunter", {"hunter"}),
        ("bulk_or_reseller", {"dropper"}),
    ],
)
def test_a_tag_is_for_those_it_describes(home: Home, tag: str, who: set[str]) -> None:
    assert standing(home, tag) == who


def test_a_champion_bought_lately_often_and_for_much(home: Home) -> None:
    assert {"champion", "not_so_lost"} <= standing(home, "rfm_champion")
    assert not standing(home, "rfm_champion") & {"lost", "asleep", "two_large", "saver"}
    scores = {
        who: support.query(home, "SELECT recency_score, frequency_score, money_score FROM customers.rfm WHERE customer_id = ?", [customer])
        for who, customer in people(home).items()
        if who in ("champion", "newcomer", "lost")
    }
    assert scores == {"champion": [(5, 4, 4)], "newcomer": [(5, 1, 2)], "lost": [(3, 4, 4)]}


def test_new_is_whoever_came_in_the_last_thirty_days(home: Home) -> None:
    assert {"newcomer", "promising"} <= standing(home, "new_customer")
    assert not standing(home, "new_customer") & {"fickle", "asleep", "champion"}
    assert "asleep" in people(home), "an order nobody paid for and a test wake nobody up"


def test_few_orders_are_insufficient_or_provisional_never_a_no(home: Home) -> None:
    savers = tags_of(home, "price_sensitive")
    assert (savers["saver"]["status"], savers["young_saver"]["status"]) == ("on", "provisional"), "three of three may be chance"
    assert savers["newcomer"]["status"] == "insufficient"
    assert "almost_saver" not in savers, "one order at 99.5 % of the list price is a no"
    assert savers["saver"]["interval_low"] > 0.5 > savers["young_saver"]["interval_low"]
    assert tags_of(home, "high_potential")["two_large"]["status"] == "insufficient"
    assert not standing(home, "full_price_loyal") & standing(home, "price_sensitive")


def test_a_tag_shows_its_figures_and_the_orders_behind_it(home: Home) -> None:
    row = tags_of(home, "high_potential")["promising"]
    assert (row["value"], row["threshold"], row["sample_count"], row["rule_version"]) == (2.0, 1.5, 3, 1), "200 by a median of 100"
    assert str(row["since_on"]) == ago(3)[:10], "since the third order"
    orders = support.query(
        home, "SELECT channel_order_id, file_id IS NOT NULL FROM customers.tag_orders WHERE customer_id = ? AND tag = 'high_potential'",
        [row["customer_id"]],
    )
    assert len(orders) == 3 and all(known for _, known in orders)


def test_explain_shows_a_customer_with_the_rows_behind_each_tag(home: Home) -> None:
    customer = people(home)["undecided"]
    shown = text(explain_customer(home, customer[:12]))
    assert "frequent_canceller: on, since" in shown
    behind = shown.split("frequent_canceller")[1].split("\n\n")[0].splitlines()[1:]
    assert [line.startswith("  *") for line in behind].count(True) == 4 and len(behind) == 5, "four of his five orders"
    assert "orders.csv line" in shown
    assert not any(word in shown for word in (NAME, STREET, *PHONES.values()))


def test_a_customer_s_days_pass(home: Home) -> None:
    """The clock alone moves every window; the tables are those of a home that was built on that day."""
    for days in (3, 40):
        support.run(home, AS_OF + timedelta(days=days))
        if days == 3:
            assert standing(home, "high_potential") == {"promising", "not_so_lost"}
    assert standing(home, "high_potential") == set(), "nobody bought for a month and more than a week has passed since"
    assert "newcomer" not in standing(home, "new_customer")
    support.run(home, AS_OF)
    assert standing(home, "high_potential") == {"promising", "not_so_lost"}


def test_late_files_end_in_the_tables_of_a_full_build(home: Home, tmp_path: Path) -> None:
    """Orders, a link and its withdrawal after the first run: the same rows as when all was there from the start."""
    more = People()
    more.count = 10_000
    for age in (1, 2, 4):
        more.buy("two_large", age, 900)
    customers = people(home)
    link = {"customer_number": customers["asleep"], "linked_customer_number": customers["newcomer"], "decided_by": "li.na"}
    more.rows["customer_links"] += [{**link, "decided_at": ago(2), "why": "called us"}]
    more.land(home, "late_")
    support.run(home, AS_OF)
    assert people(home)["asleep"] == people(home)["newcomer"]
    assert not {"asleep", "newcomer"} & (standing(home, "new_customer") | standing(home, "dormant")), "an old customer who is awake"
    assert "two_large" in standing(home, "high_potential")

    again = support.new_home(tmp_path / "again")
    for file in sorted(home.landing.glob("*.csv"), reverse=True):
        (again.landing / f"z_{file.name}").write_bytes(file.read_bytes())
    support.run(again, AS_OF)
    paths = {"ops.files": ["path"], "quality.tickets": ["examples"]}
    assert support.differences(home.published_database, again.published_database, without=paths) == []

    support.land(home, "withdrawn", [{**link, "action": "unlink", "decided_at": ago(1)}])
    support.run(home, AS_OF)
    assert people(home)["asleep"] == customers["asleep"] and people(home)["newcomer"] == customers["newcomer"]


def test_nothing_of_a_person_is_published(home: Home) -> None:
    planted = [NAME, STREET, NICK, "buyer_phone", *PHONES.values()]
    found = []
    with support.reader(home.published_database) as connection:
        for table in support.public_tables(home.published_database):
            row = "CAST(t AS VARCHAR)"
            for text in planted:
                hits = connection.execute(f"SELECT count(*) FROM {table} AS t WHERE contains({row}, ?)", [text]).fetchall()[0][0]
                found += [(table, text)] * bool(hits)
    assert found == []
    masks = support.query(home, "SELECT DISTINCT phone_masked FROM customers.customers")
    assert {mask for (mask,) in masks} == {f"{phone[:3]}****{phone[-4:]}" for phone in PHONES.values()}
