"""A real marketplace's files, dropped into a landing folder, against figures computed from them without the product."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orders_pipeline.cli import main
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline_tests import support

AS_OF = "2018-03-01T00:00:00-03:00"
#: Where a row stood and when its file was written: different files hold the same rows at other places.
PLACE = ["file_id", "row_number", "exported_at", "valid_from_at", "valid_to_at"]


@pytest.fixture(scope="module")
def data(shared: Callable[[str], Path]) -> Path:
    return shared("datasets/olist/results.json").parent


@pytest.fixture(scope="module")
def expected(data: Path) -> dict[str, list[dict[str, Any]]]:
    results = json.loads((data / "results.json").read_text(encoding="utf-8"))
    return {name: [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]] for name, table in results.items()}


def command(home: Home) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a key for tests only")
        assert main(["run", "--home", str(home.root), "--as-of", AS_OF]) == 0


@pytest.fixture(scope="module")
def flat(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The files as they are, in one folder, through the command line."""
    home = support.new_home(tmp_path_factory.mktemp("olist") / "flat")
    for path in data.glob("*.csv"):
        shutil.copy(path, home.landing)
    command(home)
    return home


def money(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def test_every_row_of_every_file_is_accepted(flat: Home) -> None:
    rows = support.query(flat, "SELECT source, status, rows_read, rows_accepted FROM ops.files ORDER BY source")
    assert rows == [
        ("olist_category_names", "loaded", 71, 71),
        ("olist_customers", "loaded", 5166, 5166),
        ("olist_order_items", "loaded", 5187, 5187),
        ("olist_order_payments", "loaded", 5783, 5783),
        ("olist_orders", "loaded", 5166, 5166),
        ("olist_products", "loaded", 5460, 5460),
        ("olist_sellers", "loaded", 1610, 1610),
    ]
    assert support.query(flat, "SELECT count(*) FROM ops.quarantine") == [(0,)]


def test_nested_folders_and_other_names_publish_the_same(flat: Home, data: Path, tmp_path: Path) -> None:
    home = support.new_home(tmp_path / "nested")
    for number, path in enumerate(sorted(data.glob("*.csv"))):
        folder = home.landing / f"{number % 3}" / "março"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / f"download ({number}).{'txt' if number % 2 else 'CSV'}")
    command(home)
    support.same(home, flat, {"ops.files": ["path"], "quality.tickets": ["examples"]})


def test_counts_and_totals_are_the_profile_s(flat: Home, expected: dict) -> None:
    keys = {row["t"]: row["n_rows"] for row in expected["row counts and keys"]}
    counts = support.query(
        flat,
        "SELECT (SELECT count(*) FROM orders.orders), (SELECT count(*) FROM orders.order_lines), "
        "(SELECT count(*) FROM payments.transactions), (SELECT count(*) FROM orders.products)",
    )
    assert counts == [(keys["orders"], keys["order_items"], keys["order_payments"], keys["products"])]
    totals = expected["totals of money"][0]
    due, freight, goods, paid = support.query(
        flat,
        "SELECT (SELECT sum(payable_amount) FROM orders.orders), (SELECT sum(freight_amount) FROM orders.orders), "
        "(SELECT sum(payable_amount) FROM orders.order_lines), (SELECT sum(amount) FROM payments.transactions)",
    )[0]
    assert (due, freight, goods, paid) == tuple(map(money, (totals["due"], totals["freight"], totals["goods"], totals["paid"])))


def test_the_match_repeats_every_sum_of_the_legs(flat: Home, expected: dict) -> None:
    totals = expected["totals of money"][0]
    rows = support.query(
        flat,
        "SELECT count(*), count(DISTINCT order_guid), sum(due_amount), sum(paid_amount), "
        "count(*) FILTER (WHERE has_order) FROM reconciliation.three_way_match",
    )
    assert rows == [(5166, 5166, money(totals["due"]), money(totals["paid"]), 5166)]


def test_differences_at_every_tolerance_are_the_profile_s(flat: Home, expected: dict) -> None:
    summary = next(v for k, v in expected.items() if k.startswith("RECON summary"))[0]
    rows = support.records(
        flat,
        "SELECT count(*) AS both_sides, count(*) FILTER (WHERE amount_diff <> 0) AS differ_exact, "
        "count(*) FILTER (WHERE abs(amount_diff) > 0.01) AS differ_gt_1c, "
        "count(*) FILTER (WHERE abs(amount_diff) > 0.05) AS differ_gt_5c, "
        "count(*) FILTER (WHERE abs(amount_diff) > 1) AS differ_gt_1, sum(amount_diff) AS net, sum(abs(amount_diff)) AS gross "
        "FROM reconciliation.three_way_match WHERE due_amount IS NOT NULL AND paid_amount IS NOT NULL",
    )[0]
    assert rows == {**summary, "net": money(summary["net"]), "gross": money(summary["gross"])}


def test_the_largest_differences_are_the_same_orders(flat: Home, expected: dict) -> None:
    rows = support.query(
        flat,
        "SELECT channel_order_id, due_amount, paid_amount, amount_diff FROM reconciliation.three_way_match "
        "WHERE amount_diff IS NOT NULL ORDER BY abs(amount_diff) DESC, channel_order_id LIMIT 20",
    )
    wanted = [
        (r["order_id"], money(r["due"]), money(r["paid"]), money(r["diff"]))
        for r in expected["RECON twenty largest absolute differences"]
    ]
    assert rows == wanted


def test_no_difference_above_the_tolerance_is_called_a_match(flat: Home) -> None:
    rows = support.query(
        flat,
        "SELECT count(*) FROM reconciliation.three_way_match WHERE abs(amount_diff) > 0.05 AND status LIKE 'MATCHED%'",
    )
    assert rows == [(0,)]
    within = support.query(
        flat,
        "SELECT count(*) FROM reconciliation.three_way_match WHERE status = 'MATCHED_WITHIN_TOLERANCE' "
        "AND (amount_diff = 0 OR abs(amount_diff) > 0.05)",
    )
    assert within == [(0,)]


def test_money_without_items_is_shown_by_status(flat: Home, expected: dict) -> None:
    rows = support.query(
        flat,
        "SELECT o.raw_status, count(*), sum(m.paid_amount) FROM reconciliation.three_way_match m "
        "JOIN orders.orders o USING (order_guid) WHERE m.due_amount IS NULL AND m.paid_amount IS NOT NULL GROUP BY 1",
    )
    wanted = {(r["order_status"], r["orders"], money(r["paid"])) for r in expected["payment but no items, by status"]}
    assert set(rows) == wanted
    assert (sum(r[1] for r in rows), sum(r[2] for r in rows)) == (622, Decimal("120111.72"))


def test_cancelled_orders_with_money_are_all_found(flat: Home) -> None:
    rows = support.query(
        flat,
        "SELECT count(*), sum(paid_amount) FROM reconciliation.three_way_match "
        "WHERE order_status = 'cancelled' AND paid_amount > 0",
    )
    assert rows == [(398, Decimal("81337.28"))]
    unmatched = support.query(
        flat,
        "SELECT count(*) FROM reconciliation.three_way_match WHERE order_status = 'cancelled' AND status = 'MISMATCH'",
    )
    assert unmatched == [(398,)]


def test_orders_and_money_by_status_are_the_profile_s(flat: Home, expected: dict) -> None:
    rows = support.query(
        flat,
        "SELECT o.raw_status, count(*), count(m.due_amount), count(m.paid_amount), sum(m.due_amount), sum(m.paid_amount), "
        "count(p.delivered_at), count(p.collected_at) FROM orders.orders o JOIN reconciliation.three_way_match m USING (order_guid) "
        "LEFT JOIN fulfilment.parcels p ON p.claimed_guid = o.order_guid GROUP BY 1",
    )
    wanted = {
        (
            r["order_status"],
            r["orders"],
            r["with_items"],
            r["with_payment"],
            money(r["due"]),
            money(r["paid"]),
            r["has_delivered_ts"],
        )
        for r in expected["order status: orders, orders with items, due, paid"]
    }
    assert {row[:7] for row in rows} == wanted
    carrier = {r["order_status"]: r["has_carrier_ts"] for r in expected["order status: orders, orders with items, due, paid"]}
    handed = support.query(flat, "SELECT raw_status, count(shipped_at) FROM orders.orders GROUP BY 1")
    assert dict(handed) == carrier


def test_orders_and_paid_by_local_month_are_the_profile_s(flat: Home, expected: dict) -> None:
    rows = support.query(
        flat,
        "SELECT strftime(created_on, '%Y-%m'), count(*), sum(paid_amount), sum(due_amount) "
        "FROM reconciliation.three_way_match GROUP BY 1 ORDER BY 1",
    )
    wanted = [(r["m"], r["orders"], money(r["paid"]), money(r["due"])) for r in expected["monthly orders and paid"]]
    assert rows == wanted


def test_times_are_utc_of_the_sao_paulo_clock(flat: Home, expected: dict) -> None:
    dates = expected["date ranges"][0]
    local = "strftime(timezone('America/Sao_Paulo', {}), '%Y-%m-%d %H:%M:%S')"
    rows = support.query(
        flat,
        f"SELECT {local.format('min(created_at)')}, {local.format('max(created_at)')}, {local.format('min(paid_at)')}, "
        f"{local.format('max(paid_at)')}, {local.format('max(shipped_at)')} FROM orders.orders",
    )
    assert rows == [
        (
            dates["first_purchase"],
            dates["last_purchase"],
            dates["first_approved"],
            dates["last_approved"],
            dates["last_carrier"],
        )
    ]
    first = support.query(flat, "SELECT min(created_at) FROM orders.orders")[0][0]
    assert first.isoformat() == "2016-09-05T00:15:19+00:00"


def test_deliveries_and_late_days_are_the_profile_s(flat: Home, expected: dict) -> None:
    wanted = next(v for k, v in expected.items() if k.startswith("SLA: delivered orders"))[0]
    rows = support.query(
        flat,
        "SELECT count(p.delivered_at), count(*) FILTER (WHERE CAST(timezone('America/Sao_Paulo', p.delivered_at) AS DATE) > "
        "CAST(timezone('America/Sao_Paulo', o.promised_delivery_at) AS DATE)) FROM orders.orders o "
        "JOIN fulfilment.parcels p ON p.claimed_guid = o.order_guid WHERE o.raw_status = 'delivered'",
    )
    assert rows == [(wanted["delivered"], wanted["late_by_calendar_day"])] == [(3056, 195)]
    done = support.query(flat, "SELECT count(*) FROM fulfilment.parcels WHERE is_delivered")
    assert done == [(3056 + 6,)], "six cancelled orders were delivered too; a pick-up scan dated later does not undo it"


def test_late_deliveries_and_hand_overs_by_the_clocks_are_the_profile_s(flat: Home, expected: dict) -> None:
    """A clock stops when it happened, whatever the time of the look; a promise of a day is kept until its end."""
    wanted = next(v for k, v in expected.items() if k.startswith("SLA: delivered orders"))[0]
    late = support.query(
        flat,
        "SELECT count(*), count(*) FILTER (WHERE stopped_at > s.due_at) FROM fulfilment.order_stages s JOIN orders.orders o "
        "USING (order_guid) JOIN fulfilment.parcels p ON p.claimed_guid = o.order_guid "
        "WHERE s.stage = 'dispatched' AND o.raw_status = 'delivered' AND p.delivered_at IS NOT NULL",
    )
    assert late == [(wanted["delivered"], wanted["late_by_calendar_day"])]
    wanted = next(v for k, v in expected.items() if k.startswith("SLA: seller hand-over"))[0]
    orders = support.query(
        flat,
        "SELECT count(*), count(*) FILTER (WHERE stopped_at > last_limit), count(*) FILTER (WHERE stopped_at > s.due_at) "
        "FROM fulfilment.order_stages s JOIN orders.orders o USING (order_guid) JOIN (SELECT order_guid, max(promised_ship_at) AS last_limit "
        "FROM orders.order_lines GROUP BY 1) l USING (order_guid) WHERE s.stage = 'unallocated' AND o.shipped_at IS NOT NULL",
    )
    assert orders == [
        (wanted["orders_with_both"], wanted["handed_over_after_last_limit"], wanted["handed_over_after_first_limit"])
    ]


def test_times_out_of_order_are_listed_as_steps_that_are_not_allowed(flat: Home, expected: dict) -> None:
    wanted = {row["a"]: row["n"] for row in expected["time order anomalies"]}
    found = dict(
        support.query(
            flat,
            "SELECT came_from || ' ' || stage, count(DISTINCT order_guid) FROM fulfilment.order_stages WHERE NOT is_legal GROUP BY 1",
        )
    )
    assert found.get("released paid", 0) == wanted["carrier before approval"] == 7
    assert found.get("delivered collected", 0) == wanted["delivered before carrier"] == 3
    assert set(found) <= {
        "released paid",
        "created released",
        "delivered collected",
        "dispatched unallocated",
        "all_delivered dispatched",
    }


def test_buyers_are_recognised_across_their_orders(flat: Home, expected: dict) -> None:
    rows = support.query(
        flat,
        "SELECT n, count(*) FROM (SELECT customer_id, count(*) AS n FROM orders.orders GROUP BY 1) GROUP BY 1 ORDER BY 1",
    )
    assert rows == [(r["n_orders"], r["customers"]) for r in expected["customers: repeat buyers (customer tags)"]]


def test_payments_by_kind_of_card_are_the_profile_s(flat: Home, expected: dict) -> None:
    rows = support.query(
        flat,
        "SELECT description, count(*), count(DISTINCT a.order_guid), sum(a.amount), count(*) FILTER (WHERE a.amount = 0) "
        "FROM payments.allocations a JOIN payments.transactions t USING (payment_guid) GROUP BY 1",
    )
    wanted = {
        (r["payment_type"], r["n_rows"], r["orders"], money(r["val"]), r["zero_rows"]) for r in expected["payments by type"]
    }
    assert set(rows) == wanted


def test_a_join_of_items_and_payments_does_not_fan_out(flat: Home, expected: dict) -> None:
    trap = expected["join fan-out trap: items x payments without pre-aggregation"][0]
    rows = support.query(flat, "SELECT sum(paid_amount), sum(due_amount) FROM reconciliation.three_way_match")
    assert rows == [(money(trap["true_paid"]), money(trap["true_due"]))]


def test_category_names_come_from_the_translation(flat: Home, expected: dict) -> None:
    shape = expected["products: missing category / dimensions"][0]
    rows = support.query(
        flat,
        "SELECT count(*), count(*) FILTER (WHERE category IS NULL), count(*) FILTER (WHERE category = 'health_beauty') > 0 "
        "FROM orders.products",
    )
    assert rows == [(shape["products"], shape["no_category"], True)]


# ---- a later slice of the same source


def sliced(data: Path, folder: Path, wanted: Callable[[str], bool]) -> Path:
    """The files of the orders bought in the wanted months, and of the buyers, products and sellers these name."""
    files = {path.name: list(csv.DictReader(path.open(encoding="utf-8", newline=""))) for path in data.glob("*.csv")}
    orders = [r for r in files["olist_orders_dataset.csv"] if wanted(r["order_purchase_timestamp"][:7])]
    keep = {"order_id": {r["order_id"] for r in orders}, "customer_id": {r["customer_id"] for r in orders}}
    items = [r for r in files["olist_order_items_dataset.csv"] if r["order_id"] in keep["order_id"]]
    keep |= {key: {r[key] for r in items} for key in ("product_id", "seller_id")}
    for name, rows in files.items():

        def named(row: dict[str, str], columns: Iterable[str] = ("order_id", "customer_id", "product_id", "seller_id")) -> bool:
            key = next((c for c in columns if c in row), None)
            return key is None or row[key] in keep[key]

        support.write_csv(folder / name, [r for r in rows if named(r)])
    return folder


@pytest.fixture(scope="module")
def slices(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("slices")
    return [
        sliced(data, root / "early", lambda month: month < "2017-11"),
        sliced(data, root / "late", lambda month: month >= "2017-11"),
    ]


def load(home: Home, *folders: Path) -> Home:
    for folder in folders:
        shutil.copytree(folder, home.landing / folder.name)
    command(home)
    return home


@pytest.fixture(scope="module")
def in_one_go(slices: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Home:
    return load(support.new_home(tmp_path_factory.mktemp("slices") / "both"), *slices)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["early first", "late first"])
def test_slices_load_in_either_order_and_in_one_go(slices: list[Path], in_one_go: Home, tmp_path: Path, order: tuple) -> None:
    home = support.new_home(tmp_path / "home")
    for index in order:
        load(home, slices[index])
    support.same(home, in_one_go)


def test_two_slices_are_the_whole(flat: Home, in_one_go: Home) -> None:
    # Products that nobody bought, and sellers who sold nothing, are in the whole files only. A state without a time of its own
    # begins when its file was exported, which for this source is the latest event of the file; what of a file was
    # accepted counts on that day.
    staged = dict.fromkeys((
        "fulfilment.order_stages", "fulfilment.payment_deadlines", "fulfilment.timeouts", "fulfilment.cancellations_hourly",
        "fulfilment.stage_delays", "fulfilment.backlog_hourly", "fulfilment.backlog_orders", "fulfilment.on_time_daily",
        "fulfilment.weekly_review", "health.order_flow_daily", "health.score_components", "health.channel_daily",
        "quality.metrics",
    ), "*")  # fmt: skip
    support.same(
        in_one_go, flat, {"*": PLACE, "ops.files": "*", "orders.products": "*", "inventory.nodes": "*",
                         "quality.tickets": ["examples"]} | staged
    )
