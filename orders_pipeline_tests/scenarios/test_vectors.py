"""The study's vectors on tolerance, matching, grouping, identifiers and row differences, said with files and read from the match."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import land, new_home, query, records, run, verdicts

#: Amounts with four decimals are told in a currency a ten-thousandth the size, so that every one is whole cents.
SCALE = 10_000


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["id"]: row for row in csv.DictReader(lines)}


def set_tolerance(home: Home, ratio: Decimal | str = "0", amount: Decimal | str = "0") -> None:
    """The home's own tolerance: a fraction of the amount due, and an absolute amount."""
    home.settings_file.write_text(f"[thresholds]\nmatch_tolerance_amount = {amount}\nmatch_tolerance_ratio = {ratio}\n")


def sold(b: Book, number: str, due: object, paid: object | None, **more: Any) -> None:
    """An order that was ordered, sent and delivered as it should be; only the money may differ."""
    b.order(number, due, "delivered", **more)
    b.line(number, 1)
    b.ship(number, 1)
    b.track(f"WB-{number}", "delivered", 2)
    if paid is not None:
        b.pay(number, paid)


def given_back(b: Book, number: str, agreed: Decimal, refunded: Decimal) -> None:
    """An order paid in full, of which a refund was agreed and another may have been made."""
    sold(b, number, abs(agreed), abs(agreed))
    b.case(number, "refund_only", "refunded", age=20, refunded_at=ago(19), refund_amount=abs(agreed))
    b.pay(number, refunded, kind="refund", age=19)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Case -> its order's match. Orders judged by one tolerance share a home; negative amounts are refunds."""
    found: dict[str, dict[str, Any]] = {}
    cases = [(n, Decimal(due), Decimal(paid), Decimal(percent) / 100) for n, due, paid, percent, *_ in TOLERANCES]
    cases += [(n, Decimal(due) * SCALE, Decimal(paid) * SCALE, Decimal(ratio)) for n, due, paid, ratio, _ in RULES]
    for ratio in {c[3] for c in cases}:
        home, book = new_home(tmp_path_factory.mktemp("tolerance") / "home"), Book()
        set_tolerance(home, ratio)
        for name, due, paid, _ in (c for c in cases if c[3] == ratio):
            given_back(book, name, due, paid) if due < 0 else sold(book, name, due, paid)
        found |= book.match(home)
    return found


# ---- recon_tolerance.csv

TOLERANCES = [
    # id, due, paid, tolerance in percent, verdict
    ("TOL-02", "1000", "990", "0", ("MISMATCH", "under_paid"), "-10"),
    ("TOL-03", "1000", "1010", "0", ("MISMATCH", "over_paid"), "10"),
    ("TOL-04", "1000", "990", "0.5", ("MISMATCH", "under_paid"), "-10"),
    ("TOL-06", "1000", "990", "1.0", ("MATCHED_WITHIN_TOLERANCE", "tolerance"), "-10"),
    ("TOL-08", "990", "1000", "0", ("MISMATCH", "over_paid"), "10"),
    ("TOL-10", "-1000", "-1000", "0", ("MATCHED", "refund_only_price_concession"), "0"),
    ("TOL-11", "-1000", "-990", "1.0", ("MATCHED_WITHIN_TOLERANCE", "tolerance"), "10"),
    ("TOL-12", "157.0", "151.44", "0", ("MISMATCH", "under_paid"), "-5.56"),
    ("TOL-15", "100", "100", "0", ("MATCHED", "three_way_equal"), "0"),
]
WORDS = {
    "SHORT": ("MISMATCH", "under_paid"),
    "OVER": ("MISMATCH", "over_paid"),
    "MATCHED": ("MATCHED", "three_way_equal"),
    "MATCHED_WITHIN_TOLERANCE": ("MATCHED_WITHIN_TOLERANCE", "tolerance"),
}


@pytest.mark.parametrize("case", TOLERANCES, ids=[c[0] for c in TOLERANCES])
def test_a_difference_is_judged_by_size_in_both_directions(judged: dict[str, dict[str, Any]], case: tuple) -> None:
    name, due, _, _, verdict, signed = case
    row = judged[name]
    difference = Decimal(due) * -1 - row["refunded_amount"] if Decimal(due) < 0 else row["amount_diff"]
    assert ((row["status"], row["reason"]), difference) == (verdict, Decimal(signed))


def test_the_tolerance_cases_are_those_of_the_vectors(shared: Callable[[str], Path]) -> None:
    vectors = read_csv(shared("vectors/recon_tolerance.csv"))
    for name, due, paid, percent, verdict, signed in TOLERANCES:
        v = vectors.pop(name)
        assert (Decimal(due), Decimal(paid)) == (Decimal(v["internal_amount"]), Decimal(v["external_amount"])), name
        assert Decimal(percent) == Decimal(v["tolerance"]), name
        assert WORDS[v["our_result"]] == verdict or (v["our_result"] == verdict[0] and Decimal(due) < 0), name
        assert Decimal(signed) == Decimal(v["our_signed_diff"]), name
    assert set(vectors) == {"TOL-13", "TOL-14"}, "left out: amounts in two currencies, which M0 to M3 do not convert"


def test_the_default_tolerance_is_five_cents_inclusive(home: Home) -> None:
    book = Book()
    expected = {
        "99.95": "MATCHED_WITHIN_TOLERANCE",
        "100.05": "MATCHED_WITHIN_TOLERANCE",
        "99.94": "MISMATCH",
        "100.06": "MISMATCH",
        "100.00": "MATCHED",
    }
    for paid in expected:
        sold(book, f"O-{paid}", "100.00", paid)
    assert {n.removeprefix("O-"): row["status"] for n, row in book.match(home).items()} == expected


# ---- recon_match_rules.csv

RULES = [
    ("AMT-01", "100", "100", "0", True),
    ("AMT-03", "100", "99.99", "0", False),
    ("AMT-04", "100", "150", "0.5", True),
    ("AMT-05", "100", "50", "0.5", True),
    ("AMT-06", "100", "150.0001", "0.5", False),
    ("AMT-07", "100", "49.9999", "0.5", False),
    ("AMT-08", "200", "250", "0.25", True),
    ("AMT-10", "0", "0", "0", True),
    ("AMT-11", "0", "5", "0.5", False),
    ("AMT-15", "100", "101.001", "0.01", False),
    ("AMT-16", "-100", "-100", "0.01", True),
    ("AMT-18", "-100", "-150", "0.01", False),
    ("AMT-19", "101", "100", "0.01", True),
    ("AMT-20", "101.02", "100", "0.01", False),
]


@pytest.mark.parametrize("case", RULES, ids=[c[0] for c in RULES])
def test_an_amount_matches_on_the_bound_and_not_past_it(judged: dict[str, dict[str, Any]], case: tuple) -> None:
    name, *_, match = case
    assert judged[name]["status"].startswith("MATCHED") is match, judged[name]["reason"]


def test_the_amount_cases_are_those_of_the_vectors(shared: Callable[[str], Path]) -> None:
    vectors = {
        k: v for k, v in read_csv(shared("vectors/recon_match_rules.csv")).items() if v["operator"] == "equals" and k[:3] == "AMT"
    }
    for name, due, paid, fraction, match in RULES:
        v = vectors.pop(name)
        assert (Decimal(v["internal"]), Decimal(v["external"]), Decimal(v["tolerance"])) == tuple(
            map(Decimal, (due, paid, fraction))
        )
        assert (v["our_match"] == "True") is match, name
    assert not vectors


def test_ids_are_compared_whole_and_a_payment_without_one_matches_nothing(home: Home) -> None:
    """STR-01, STR-03, STR-13: equal is a match, a prefix is not, and amount alone never is."""
    book = Book()
    sold(book, "REF-1", "100.00", None)
    sold(book, "REF-2", "100.00", "100.00")
    book.pay("REF", "100.00")
    book.pay(None, "100.00", description="REF-1")
    found = book.match(home)
    assert (found["REF-1"]["reason"], found["REF-2"]["status"]) == ("shipped_not_paid", "MATCHED")
    assert found["REF"]["status"] == "UNMATCHED_PAY"
    assert query(home, "SELECT count(*) FROM reconciliation.three_way_match WHERE status = 'UNMATCHED_PAY'") == [(2,)]


def test_currencies_must_be_equal(home: Home) -> None:
    """STR-09, STR-10."""
    book = Book(channel="shopify", shop_id="us", currency="USD")
    sold(book, "O1", "100.00", "100.00")
    sold(book, "O2", "100.00", None)
    book.pay("O2", "100.00", currency="EUR")
    found = book.match(home)
    assert found["O1"]["status"] == "MATCHED"
    assert (found["O2"]["status"], found["O2"]["reason"]) == ("MISMATCH", "mixed_currency")


# ---- recon_grouping.yaml: what declared groups cover


def group(home: Home, dues: list[str], payments: list[str], ratio: str = "0.01", amount: str = "0") -> list[dict[str, Any]]:
    """Orders that share one transaction number, and payments that name only it."""
    set_tolerance(home, ratio, amount)
    book = Book()
    for number, due in enumerate(dues):
        sold(book, f"O{number}", due, None, platform_txn_id="m1")
    for paid in payments:
        book.pay(None, paid, merged_payment_id="m1")
    return list(book.match(home).values())


@pytest.mark.parametrize(
    ("dues", "payments", "status"),
    [
        (["100", "150", "53"], ["300"], "MATCHED_WITHIN_TOLERANCE"),  # 3 of 3.03 allowed
        (["100", "150", "54"], ["300"], "MISMATCH"),  # GRP-02: 4 of 3.04
        (["303"], ["100", "150", "53"], "MATCHED"),  # GRP-03
        (["100.25", "199.75"], ["300.00"], "MATCHED"),  # GRP-04
        (
            ["50", "50", "50", "50", "50"],
            ["50", "50", "50", "50", "50"],
            "MATCHED",
        ),  # GRP-15: five to five, no arbitrary pairing
    ],
)
def test_a_declared_group_changes_state_at_once(home: Home, dues: list[str], payments: list[str], status: str) -> None:
    rows = group(home, dues, payments)
    assert [r["status"] for r in rows] == [status] * len(dues)
    assert sum(r["paid_amount"] for r in rows) == sum(map(Decimal, payments))


def test_a_group_one_cent_off_is_no_match_without_tolerance(home: Home) -> None:
    rows = group(home, ["100.25", "199.75"], ["299.99"], ratio="0")
    assert sum(r["amount_diff"] for r in rows) == Decimal("-0.01")
    assert any(r["status"] == "MISMATCH" for r in rows)


def test_a_second_payment_of_the_same_amount_is_not_swallowed(home: Home) -> None:
    """GRP-08: both are kept; the order is over-paid by one of them."""
    book = Book()
    sold(book, "O1", "100.00", "100.00")
    book.pay("O1", "100.00")
    row = book.match(home)["O1"]
    assert (row["reason"], row["amount_diff"]) == ("over_paid", 100)
    assert query(home, "SELECT count(*), sum(amount) FROM payments.transactions") == [(2, 200)]


def test_two_equal_payments_without_a_reference_stay_two(home: Home) -> None:
    """GRP-14: never merged on amount and date alone."""
    book = Book()
    book.pay(None, "20.00")
    book.pay(None, "20.00")
    book.match(home)
    rows = query(home, "SELECT status, paid_amount FROM reconciliation.three_way_match")
    assert rows == [("UNMATCHED_PAY", 20), ("UNMATCHED_PAY", 20)]


def test_a_combination_that_nobody_declared_is_not_guessed(home: Home) -> None:
    """GRP-07: without a shop to look in, amounts tell nothing."""
    book = Book()
    for number, due in (("A", "60"), ("B", "40"), ("C", "70"), ("D", "30")):
        sold(book, number, due, None)
    book.pay(None, "100.00")
    found = book.match(home)
    assert {row["reason"] for row in found.values()} == {"shipped_not_paid"}
    assert query(home, "SELECT count(*) FROM reconciliation.three_way_match WHERE status = 'UNMATCHED_PAY'") == [(1,)]


# ---- the clock: billed the next day


def test_a_payment_of_the_last_minute_is_timing_and_then_a_match(home: Home) -> None:
    paid_at = datetime.fromisoformat("2026-01-31T23:58:00+08:00")
    order = {
        "channel": "taobao",
        "shop_id": "main",
        "channel_order_id": "O1",
        "currency": "CNY",
        "payable_amount": "80.00",
        "created_at": paid_at.isoformat(),
        "paid_at": paid_at.isoformat(),
    }
    land(home, "o", [{**order, "status": "paid"}])
    run(home, paid_at + timedelta(hours=9))
    assert verdicts(home)["O1"] == ("TIMING", "payment_file_pending")
    land(
        home,
        "p",
        [
            {
                "account": "a",
                "payment_id": "P1",
                "kind": "receipt",
                "amount": "80.00",
                "currency": "CNY",
                "occurred_at": paid_at.isoformat(),
                "business_on": "2026-02-01",
                "channel": "taobao",
                "shop_id": "main",
                "channel_order_id": "O1",
            }
        ],
    )
    land(
        home,
        "s",
        [
            {
                "warehouse_id": "W",
                "outbound_id": "1",
                "channel": "taobao",
                "shop_id": "main",
                "channel_order_id": "O1",
                "sku": "S",
                "quantity": 1,
                "waybill_id": "w1",
                "courier_code": "sf",
                "shipped_at": (paid_at + timedelta(hours=12)).isoformat(),
            }
        ],
    )
    land(
        home,
        "t",
        [
            {
                "courier_code": "sf",
                "waybill_id": "w1",
                "status_code": "delivered",
                "description": "已签收",
                "occurred_at": (paid_at + timedelta(days=2)).isoformat(),
            }
        ],
    )
    run(home, paid_at + timedelta(days=3))
    assert verdicts(home)["O1"] == ("MATCHED", "three_way_equal")
    assert query(home, "SELECT CAST(business_on AS VARCHAR) FROM payments.transactions") == [("2026-02-01",)]


# ---- ingest_identifiers.csv

HEADER = ("channel", "shop_id", "channel_order_id", "status", "currency", "payable_amount", "created_at")


def workbook(path: Path, rows: list[tuple]) -> None:
    """A minimal xlsx: text cells inline, numbers as numbers."""

    def cell(column: int, row: int, value: object) -> str:
        place = f"{chr(65 + column)}{row}"
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    body = "".join(f'<row r="{r}">{"".join(cell(c, r, v) for c, v in enumerate(row))}</row>' for r, row in enumerate(rows, 1))
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    relations = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships {relations}><Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook {space} xmlns:r="{office}"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships {relations}><Relationship Id="r1" Type="{office}/worksheet" '
            'Target="worksheets/sheet1.xml"/></Relationships>',
        )
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{body}</sheetData></worksheet>")


def seen_as(home: Home, *numbers: str) -> tuple[list[str], list[str]]:
    """(order numbers accepted, reasons of what was set aside) of orders whose numbers look like this in a CSV."""
    rows = [dict(zip(HEADER, ("taobao", "main", n, "paid", "CNY", "10.00", ago(1)), strict=True)) for n in numbers]
    land(home, "orders", rows)
    run(home, AS_OF)
    accepted = [r[0] for r in query(home, "SELECT channel_order_id FROM orders.orders ORDER BY 1")]
    return accepted, [r[0] for r in query(home, "SELECT reason FROM ops.quarantine ORDER BY row_number")]


def test_a_number_in_scientific_notation_is_set_aside(home: Home) -> None:
    """ID-02, ID-05."""
    assert seen_as(home, "6.93217E+12", "2.26e+18", "1E15") == ([], ["id_scientific"] * 3)


def test_a_number_whose_tail_became_zeros_is_set_aside(home: Home) -> None:
    """ID-03."""
    assert seen_as(home, "990323200018850000", "1234567890123450000") == ([], ["id_precision"] * 2)


def test_a_long_number_read_from_a_number_cell_is_set_aside(home: Home) -> None:
    """ID-01: a spreadsheet keeps fifteen digits; text cells of the same look are right."""
    row = ("taobao", "main", "999032320001880", "paid", "CNY", "10.00", ago(1))
    workbook(
        home.landing / "orders.xlsx",
        [HEADER, (*row[:2], 999032320001880, *row[3:]), (*row[:2], "999032320001990", *row[3:])],
    )
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id FROM orders.orders") == [("999032320001990",)]
    assert query(home, "SELECT reason, field FROM ops.quarantine") == [("id_precision", "channel_order_id")]


def test_a_spreadsheet_s_disguises_are_taken_off(home: Home) -> None:
    """ID-07, ID-08: one order, however it was wrapped, and other orders beside it."""
    number = "6200001234567890123"
    disguises = [f"`{number}", f"'{number}", f"\t{number}", f'="{number}"', f" {number} ", number]
    accepted, reasons = seen_as(home, *disguises, "0620000123456789")
    assert (accepted, reasons) == (["0620000123456789", number], [])


def test_blanks_inside_a_key_do_not_make_it_another_key(home: Home) -> None:
    """ID-09: two imports of one row that differ in white space are one payment; both raw rows stay."""
    payment = {"account": "acc", "kind": "receipt", "amount": "50.00", "currency": "CNY", "occurred_at": ago(3)}
    land(home, "one", [{**payment, "payment_id": "BRANDHEROES\r\nURSPRUNGLIGT"}])
    land(home, "two", [{**payment, "payment_id": "BRANDHEROES URSPRUNGLIGT"}])
    run(home, AS_OF)
    assert query(home, "SELECT count(*), sum(amount) FROM payments.transactions") == [(1, 50)]
    assert query(home, "SELECT sum(rows_accepted) FROM ops.files") == [(2,)]


def test_white_space_in_a_text_is_no_second_payment(home: Home) -> None:
    payment = {
        "account": "acc",
        "payment_id": "P1",
        "kind": "receipt",
        "amount": "50.00",
        "currency": "CNY",
        "occurred_at": ago(3),
    }
    land(home, "one", [{**payment, "description": "BRANDHEROES\r\nURSPRUNGLIGT"}])
    land(home, "two", [{**payment, "description": "BRANDHEROES URSPRUNGLIGT"}])
    run(home, AS_OF)
    assert query(home, "SELECT count(*), bool_or(is_duplicate_key) FROM payments.transactions") == [(1, False)]


STATUS_WORDS = {
    "Cancelled": "cancelled",
    "Canceled": "cancelled",
    "CANCELLED": "cancelled",
    "partially_refunded": "paid",
    "PENDING_PAYMENT": "pending_payment",
    "CREATED": "pending_payment",
    "PAID": "paid",
    "ON_HOLD": "on_hold",
    "RELEASED": "released",
    "SHIPPED": "shipped",
    "DELIVERED": "delivered",
    "COMPLETED": "completed",
    "EXPIRED": "expired",
    " Shipped ": "shipped",
    "no such word": "unmapped",
}


def test_status_words_are_mapped_and_an_unknown_one_stays_in_the_totals(home: Home) -> None:
    """ID-10."""
    book = Book()
    for number, word in enumerate(STATUS_WORDS):
        book.order(f"O{number:02d}", "10.00", word)
    book.match(home)
    rows = query(home, "SELECT status, raw_status FROM orders.orders ORDER BY channel_order_id")
    assert [r[0] for r in rows] == list(STATUS_WORDS.values())


def test_the_raw_status_word_is_kept_beside_the_code(home: Home) -> None:
    book = Book()
    book.order("O1", "10.00", "no such word")
    book.match(home)
    assert records(home, "SELECT status, raw_status FROM orders.orders") == [{"status": "unmapped", "raw_status": "no such word"}]


def test_a_closed_order_is_finished_not_cancelled(home: Home) -> None:
    """The order states to adopt name CLOSED beside CANCELLED and EXPIRED: it is the end of an order that went through."""
    book = Book()
    sold(book, "O1", "10.00", "10.00")
    book.rows["orders"][0]["status"] = "CLOSED"
    assert book.match(home)["O1"]["status"] == "MATCHED"


# ---- row_diff_status.yaml: what changed between two exports


def export(home: Home, name: str, hours_ago: float, rows: list[tuple[str, str, str]]) -> None:
    land(
        home,
        name,
        [
            {
                "channel": "taobao",
                "shop_id": "main",
                "channel_order_id": number,
                "status": "paid",
                "currency": "CNY",
                "payable_amount": amount,
                "buyer_note": note,
                "created_at": ago(5),
                "exported_at": ago(hours=hours_ago),
            }
            for number, amount, note in rows
        ],
    )


def test_rows_are_identical_modified_or_added_between_exports(home: Home) -> None:
    """DIF-01; an order that the later export does not show is not thereby gone."""
    export(home, "a", 10, [("1", "1.00", "def"), ("2", "2.00", "klm"), ("3", "3.00", "qrs")])
    export(home, "b", 5, [("1", "1.00", "def"), ("2", "2.50", "values"), ("4", "3.00", "qrs")])
    run(home, AS_OF)
    versions = query(home, "SELECT channel_order_id, max(version_number) FROM orders.order_versions GROUP BY 1 ORDER BY 1")
    assert versions == [("1", 1), ("2", 2), ("3", 1), ("4", 1)]
    changes = query(
        home,
        "SELECT o.channel_order_id, c.field, c.old_value, c.new_value FROM orders.order_changes c "
        "JOIN orders.orders o USING (order_guid) ORDER BY ALL",
    )
    assert changes == [("2", "buyer_note", "klm", "values"), ("2", "payable_amount", "2.00", "2.50")]


def test_a_row_without_its_key_is_refused(home: Home) -> None:
    """DIF-02, DIF-03."""
    export(home, "a", 5, [("", "1.00", "abc"), ("", "1.00", "hij"), ("3", "3.00", "nop")])
    run(home, AS_OF)
    assert query(home, "SELECT channel_order_id FROM orders.orders") == [("3",)]
    assert (
        query(home, "SELECT reason, field FROM ops.quarantine ORDER BY row_number")
        == [("required_missing", "channel_order_id")] * 2
    )


def test_a_duplicate_key_is_reported_once_without_fan_out(home: Home) -> None:
    """DIF-04: {1: A}, {1: B} on both sides is one finding, not four pairs and two false differences."""
    export(home, "a", 10, [("1", "1.00", "A"), ("1", "2.00", "B")])
    export(home, "b", 5, [("1", "1.00", "A"), ("1", "2.00", "B")])
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM orders.orders") == [(1,)]
    assert verdicts(home) == {"1": ("DUPLICATE_KEY", "duplicate_order_key")}
    assert query(home, "SELECT count(*) FROM reconciliation.exceptions") == [(1,)]


def test_a_key_made_unique_by_the_next_export_is_no_longer_reported(home: Home) -> None:
    export(home, "a", 10, [("1", "1.00", "A"), ("1", "2.00", "B")])
    run(home, AS_OF)
    assert verdicts(home)["1"][0] == "DUPLICATE_KEY"
    export(home, "b", 5, [("1", "2.00", "B")])
    run(home, AS_OF)
    assert verdicts(home)["1"][0] != "DUPLICATE_KEY"


def test_equal_rows_twice_in_a_file_are_counted_and_taken_once(home: Home) -> None:
    """DIF-05: uniqueness is looked at before anything is compared."""
    export(home, "a", 5, [("1", "1.00", "A"), ("1", "1.00", "A"), ("2", "2.00", "B")])
    run(home, AS_OF)
    assert query(home, "SELECT rows_read, rows_accepted, rows_quarantined, rows_duplicate FROM ops.files") == [(3, 2, 0, 1)]
    assert query(home, "SELECT count(*) FROM orders.orders") == [(2,)]


def test_every_vector_of_these_files_is_told_here(shared: Callable[[str], Path]) -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    left_out = {
        "GRP-05",
        "GRP-06",
        "GRP-10",
        "GRP-16",  # concurrency, suggestions and vouchers of the ledgers they were found in
        "GRP-17",  # in test_inferred_matches.py
        "DIF-06",  # a comparison of floating point columns between two data frames
    }
    names = {
        v["id"]
        for f in ("recon_grouping", "row_diff_status")
        for v in yaml.safe_load(shared(f"vectors/{f}.yaml").read_text("utf-8"))
    }
    names |= set(read_csv(shared("vectors/ingest_identifiers.csv")))
    assert {n for n in names if n not in text} <= left_out


def test_a_home_may_set_its_own_absolute_tolerance(home: Home) -> None:
    set_tolerance(home, "0", "1.00")
    book = Book()
    sold(book, "O1", "100.00", "99.00")
    sold(book, "O2", "100.00", "98.99")
    assert {n: row["status"] for n, row in book.match(home).items()} == {
        "O1": "MATCHED_WITHIN_TOLERANCE",
        "O2": "MISMATCH",
    }
