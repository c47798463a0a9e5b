"""A wholesaler's year of invoice lines, dropped as it is, against figures computed from it without the product."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests import support
from orders_pipeline_tests.acceptance.plain_tags import PLAIN, PREPARED, TODAY

AS_OF = "2011-12-10T00:00:00+00:00"


@pytest.fixture(scope="module")
def data(shared: Callable[[str], Path]) -> Path:
    return shared("datasets/online_retail/results.json").parent


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, list[dict[str, Any]]]:
    results = json.loads((data / "results.json").read_text(encoding="utf-8"))
    return {name: [dict(zip(t["columns"], row, strict=True)) for row in t["rows"]] for name, t in results.items()}


@pytest.fixture(scope="module")
def home(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    place = support.new_home(tmp_path_factory.mktemp("online_retail"))
    shutil.copy(data / "online_retail.parquet", place.landing)
    support.run(place, AS_OF)
    return place


@pytest.fixture(scope="module")
def adjustments(home: Home) -> list[tuple]:
    """(movements, pieces, invoices) that the warehouse took in beside the orders."""
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        return connection.execute(
            "SELECT count(*), sum(quantity), count(DISTINCT movement_id) FROM raw.inventory_movements WHERE kind = 'adjustment'"
        ).fetchall()


def test_every_row_is_accounted_for_and_exact_duplicates_are_counted_apart(home: Home, expected: dict) -> None:
    lines, repeats = expected["totals"][0]["n_lines"], expected["exact duplicate lines"][0]
    rows = support.query(home, "SELECT source, rows_read, rows_accepted, rows_quarantined, rows_duplicate FROM ops.files")
    assert rows == [("online_retail", lines, lines - repeats["surplus_rows"], 0, repeats["surplus_rows"])]
    assert repeats["surplus_rows"] == 5268


def test_equal_rows_can_be_told_apart_from_legitimate_repeats(home: Home, expected: dict, adjustments: list) -> None:
    repeats, pairs = expected["exact duplicate lines"][0], expected["repeated (invoice, sku) pairs"][0]
    rows = support.query(home, "SELECT count(*), sum(quantity * unit_price) FROM orders.order_lines WHERE is_repeated_row")
    assert rows == [(repeats["surplus_rows"], Decimal(repeats["surplus_value"]))]
    again = support.query(home, "SELECT count(*) - count(DISTINCT order_guid || sku) FROM orders.order_lines")
    assert again == [(pairs["surplus_rows"],)], "the same article twice on an invoice, equal rows and others"


def test_net_value_and_pieces_are_the_profile_s(home: Home, expected: dict, adjustments: list) -> None:
    totals, moved = expected["totals"][0], adjustments[0]
    rows = support.query(home, "SELECT count(*), sum(quantity * unit_price), sum(quantity) FROM orders.order_lines")
    lines, net, pieces = rows[0]
    assert (lines + moved[0], net, pieces + moved[1]) == (totals["n_lines"], Decimal(totals["net_value"]), totals["units"])
    assert net == Decimal("9747747.934")
    orders = support.query(home, "SELECT count(*), count(DISTINCT customer_id) FROM orders.orders")
    assert orders == [(totals["invoices"] - moved[2], totals["customers"])]
    unknown = support.query(
        home, "SELECT count(*) FROM orders.order_lines JOIN orders.orders o USING (order_guid) WHERE o.customer_id IS NULL"
    )[0][0]
    assert unknown + moved[0] == totals["lines_no_customer"], "nobody adjusts stock for a customer"


def test_stock_adjustments_are_movements_and_no_cancellations(expected: dict, adjustments: list) -> None:
    signs = expected["sign matrix (cancel prefix x quantity sign x price sign)"]
    wanted = next(r for r in signs if not r["cancel"] and r["qsign"] == -1)
    assert adjustments == [(wanted["n_lines"], wanted["units"], wanted["invoices"])]
    assert adjustments[0][0] == 1336


def test_cancellations_are_credit_notes_of_their_own(home: Home, expected: dict) -> None:
    kinds = {r["pfx"]: r for r in expected["invoice prefix"]}
    rows = support.query(
        home,
        "SELECT o.order_type, count(DISTINCT o.order_guid), count(*), sum(l.quantity * l.unit_price) FROM orders.orders o "
        "JOIN orders.order_lines l USING (order_guid) GROUP BY 1",
    )
    found = {kind: tuple(rest) for kind, *rest in rows}
    assert found["credit_note"] == (kinds["C"]["invoices"], kinds["C"]["n_lines"], Decimal(kinds["C"]["value_"]))
    assert found["credit_note"][::2] == (3836, Decimal("-896812.490"))
    assert found["adjustment"] == (kinds["A"]["invoices"], kinds["A"]["n_lines"], Decimal(kinds["A"]["value_"]))


def test_months_are_those_of_the_london_clock(home: Home, expected: dict) -> None:
    rows = support.query(
        home,
        "SELECT strftime(o.created_on, '%Y-%m'), count(DISTINCT o.order_guid) FILTER (WHERE o.order_type <> 'credit_note'), "
        "sum(l.quantity * l.unit_price) FILTER (WHERE o.order_type = 'credit_note'), sum(l.quantity * l.unit_price) "
        "FROM orders.orders o JOIN orders.order_lines l USING (order_guid) GROUP BY 1 ORDER BY 1",
    )
    wanted = expected["monthly gross sales / cancellations / net"]
    assert [(m, c, n) for m, _, c, n in rows] == [(r["m"], Decimal(r["cancelled"]), Decimal(r["net"])) for r in wanted]
    with_lines = sum(r[1] for r in rows)
    assert with_lines + 1336 == sum(r["invoices"] for r in wanted), "each adjustment is an invoice of its own in the profile"


def test_a_second_run_and_a_second_copy_change_nothing(home: Home, data: Path) -> None:
    before = support.query(home, "SELECT count(*), sum(quantity) FROM orders.order_lines")
    shutil.copy(data / "online_retail.parquet", home.landing / "z again.parquet")
    support.run(home, AS_OF)
    assert support.query(home, "SELECT count(*), sum(quantity) FROM orders.order_lines") == before
    (home.landing / "z again.parquet").unlink()


def test_an_invoice_is_its_own_proof_of_payment(home: Home) -> None:
    rows = support.query(
        home, "SELECT o.order_type, count(*) FROM reconciliation.three_way_match m JOIN orders.orders o USING (order_guid) "
        "WHERE m.status = 'MATCHED' GROUP BY 1"
    )
    assert dict(rows) == {"normal": 22061 - 1336, "credit_note": 3836, "adjustment": 3}


# ---- tags of customers, against plain SQL over the file


@pytest.fixture(scope="module")
def plain(data: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(PREPARED.format(file=data / "online_retail.parquet", today=TODAY))
        yield connection


@pytest.fixture(scope="module")
def customers(home: Home, plain: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """The file's number of each customer -> our key: by an invoice that both have."""
    orders = dict(support.query(home, "SELECT channel_order_id, customer_id FROM orders.orders WHERE customer_id IS NOT NULL"))
    return {customer: orders[invoice] for invoice, customer in plain.execute("SELECT invoice, customer FROM invoices").fetchall()}


def test_customers_are_those_of_the_file(home: Home, plain: duckdb.DuckDBPyConnection, customers: dict[int, str]) -> None:
    rows = plain.execute(
        "SELECT customer, count(*) FILTER (WHERE NOT credit), coalesce(sum(amount) FILTER (WHERE NOT credit), 0), "
        "-coalesce(sum(amount) FILTER (WHERE credit), 0) FROM invoices GROUP BY 1"
    ).fetchall()
    ours = support.query(home, "SELECT customer_id, order_count, paid_amount, refunded_amount FROM customers.customers")
    assert len(ours) > 4000
    assert set(ours) == {(customers[customer], *rest) for customer, *rest in rows}


@pytest.mark.parametrize("tag", sorted(PLAIN))
def test_a_tag_stands_for_exactly_those_whom_plain_sql_finds(
    home: Home, plain: duckdb.DuckDBPyConnection, customers: dict[int, str], tag: str
) -> None:
    wanted = {customers[row[0]] for row in plain.execute(PLAIN[tag].format(today=TODAY)).fetchall()}
    ours = {row[0] for row in support.query(home, "SELECT customer_id FROM customers.tags WHERE tag = ? AND status = 'on'", [tag])}
    assert len(wanted) > 20
    assert ours == wanted


def test_what_the_file_cannot_tell_is_insufficient_and_never_no(home: Home) -> None:
    """There are no coupons and promotions in it, and nobody's changes."""
    query = "SELECT tag, count(*) FROM customers.tags WHERE status = 'insufficient' GROUP BY 1"
    unsure = dict(support.query(home, query))
    few = "SELECT count(*) FILTER (WHERE order_count < 3), count(*) FILTER (WHERE order_count < 4), count(*) FROM customers.rfm"
    below_three, below_four, everybody = support.query(home, few)[0]
    assert (unsure["price_sensitive"], unsure["promo_hunter"]) == (below_three, below_four)
    lately = "SELECT count(DISTINCT customer_id) FROM orders.orders WHERE order_type = 'normal' AND created_on > DATE '2011-12-10' - 90"
    assert unsure["repeated_modifier"] == support.query(home, lately)[0][0] < everybody
