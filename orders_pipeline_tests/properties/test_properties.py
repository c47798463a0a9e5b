"""What must hold for any files in any order at any time. Each run of the whole way takes about half a second, so examples are few
here; set ORDERS_PIPELINE_EXAMPLES to look longer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.models import WHOLE
from orders_pipeline.kernel.warehouse import open_warehouse
from orders_pipeline_tests.properties.worlds import LAST, SHOP, START, File, at, worlds
from orders_pipeline_tests.support import differences, fingerprints, new_home, query, run

FACTOR = int(os.environ.get("ORDERS_PIPELINE_EXAMPLES", "1"))


def examples(count: int) -> settings:
    """Few examples, the same on every machine, and the first one that fails is shown as it was drawn, then made small."""
    return settings(
        max_examples=count * FACTOR,
        deadline=None,
        database=None,
        derandomize=FACTOR == 1,
        print_blob=False,
        phases=(Phase.explicit, Phase.generate, Phase.shrink) if FACTOR > 1 else (Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def homes(count: int) -> Iterator[list[Home]]:
    with tempfile.TemporaryDirectory() as folder:
        yield [new_home(Path(folder) / f"home{n}") for n in range(count)]


def built_at_once(home: Home, files: Sequence[File], as_of: datetime = LAST) -> Home:
    for file in files:
        file.land(home)
    run(home, as_of)
    return home


def assert_same(left: Home, right: Home) -> None:
    found = differences(left.published_database, right.published_database)
    assert not found, "\n".join(found)


@st.composite
def schedules(draw: st.DrawFn, files: Sequence[File], moving: bool) -> list[tuple[list[File], datetime]]:
    """The files in some order, cut into runs; with a moving clock each run has its own time, and the last ends at LAST."""
    order = draw(st.permutations(files))
    runs: list[tuple[list[File], datetime]] = []
    while order:
        cut = draw(st.integers(1, len(order)))
        clock = START + timedelta(hours=draw(st.integers(0, 60 * 24))) if moving else LAST
        runs.append((list(order[:cut]), clock))
        order = order[cut:]
    if moving:
        runs = sorted(runs, key=lambda r: r[1]) if draw(st.booleans()) else runs
        runs.append(([], LAST))
    return runs


@given(st.data())
@examples(3)
def test_order_and_grouping_of_files_are_irrelevant(data: st.DataObject) -> None:
    files = data.draw(worlds())
    with homes(2) as (whole, parts):
        built_at_once(whole, files)
        for some, clock in data.draw(schedules(files, moving=False)):
            built_at_once(parts, some, clock)
        assert_same(parts, whole)


@given(st.data())
@examples(3)
def test_incremental_is_full_at_any_times(data: st.DataObject) -> None:
    """Files come at different times, the clock moves without files and may go back: the last state is that of a first full run."""
    files = data.draw(worlds())
    with homes(2) as (whole, parts):
        built_at_once(whole, files)
        for some, clock in data.draw(schedules(files, moving=True)):
            built_at_once(parts, some, clock)
            assert keys_not_written_down(parts) == []
        assert_same(parts, whole)


def keys_not_written_down(home: Home) -> list[str]:
    """Tables with rows of keys that they should not have by what is written down of them, and kinds with a key that is written
    down twice: see `kernel.known`."""
    found = []
    with open_warehouse(home) as connection:
        batches = dict(connection.execute("SELECT consumer, batch FROM kernel.consumers").fetchall())
        for model in (m for m in pipeline.models() if m.refresh != WHOLE):
            rows = connection.execute(
                f"SELECT count(*) FROM {model.name} AS t LEFT JOIN kernel.known_{model.refresh} AS k ON t.{model.key} = k.key "
                f"WHERE t.{model.key} IS NOT NULL AND NOT coalesce(k.batch <= ?, FALSE)",
                [batches[model.name]],
            ).fetchall()[0][0]
            found += [model.name] * bool(rows)
            keys, different = connection.execute(
                f"SELECT count(*), count(DISTINCT key) FROM kernel.known_{model.refresh}"
            ).fetchall()[0]
            found += [model.refresh] * (keys != different)
    return found


def test_a_small_file_is_followed_by_its_keys(home: Home) -> None:
    """What the properties above compare with a full run is really the other way: rows replaced by touched key."""
    order = {
        **SHOP,
        "status": "paid",
        "currency": "CNY",
        "payable_amount": "1.00",
        "created_at": at(0),
        "exported_at": at(50),
    }
    File("orders-0", ({**order, "channel_order_id": "A1"},)).land(home)
    run(home, LAST)
    File("orders-1", ({**order, "channel_order_id": "A2"},)).land(home)
    how = {r.model.name: r.how for r in run(home, LAST).refreshed}
    assert {how[n] for n in ("orders.order_versions", "orders.orders", "reconciliation.three_way_match")} == {"keys"}
    later = {r.model.name: r.how for r in run(home, LAST + timedelta(days=9)).refreshed}
    assert (later["orders.orders"], later["reconciliation.exceptions"]) == ("current", "keys")


@given(worlds(), st.integers(0, 60 * 24))
@examples(2)
def test_a_second_run_changes_nothing(files: list[File], hour: int) -> None:
    clock = START + timedelta(hours=hour)
    with homes(1) as (home,):
        built_at_once(home, files, clock)
        before = fingerprints(home)
        run(home, clock)
        assert fingerprints(home) == before
        run(home, clock, full=True)
        after = fingerprints(home)
    # A full rebuild checks every table again, and says so; the tables are the same.
    assert {t: h for t, h in after.items() if t != "quality.check_results"} == {
        t: h for t, h in before.items() if t != "quality.check_results"
    }


@given(worlds())
@examples(3)
def test_no_row_is_lost(files: list[File]) -> None:
    """Per file: rows read = accepted + quarantined + duplicate = the rows of the file, and each is in raw or in quarantine."""
    with homes(1) as (home,):
        built_at_once(home, files)
        ledger = {
            path.removesuffix(".csv"): counts
            for path, *counts in query(
                home,
                "SELECT path, rows_read, rows_accepted, rows_quarantined, rows_duplicate FROM ops.files WHERE status <> 'refused'",
            )
        }
        copies = dict(query(home, "SELECT path, status FROM ops.files"))
        with duckdb.connect(str(home.warehouse), read_only=True) as warehouse:
            held = dict.fromkeys(ledger, 0)
            for file in files:
                entity = file.name.rsplit("-", 1)[0]
                for table in (f"raw.{entity}", "raw.quarantine"):
                    rows = warehouse.execute(
                        f"SELECT count(DISTINCT row_number) FROM {table} JOIN raw.files f USING (file_id) WHERE f.path = ?",
                        [f"{file.name}.csv"],
                    ).fetchall()
                    held[file.name] += rows[0][0]
    for file in files:
        read, accepted, quarantined, duplicate = ledger[file.name]
        assert read == len(file.rows) == accepted + quarantined + duplicate, file
        if copies[f"{file.name}.csv"] == "loaded":
            entity = load_dictionary().entities[file.name.rsplit("-", 1)[0]]
            different = {tuple(sorted((k, str(v)) for k, v in r.items() if v is not None)) for r in file.rows}
            assert held[file.name] == len(file.rows if entity.repeated_rows == "legitimate" else different), file


@given(worlds())
@examples(3)
def test_money_is_conserved_across_every_change_of_grain(files: list[File]) -> None:
    with homes(1) as (home,):
        built_at_once(home, files)
        shared = query(
            home,
            "SELECT t.payment_guid, t.amount, sum(a.amount) FROM payments.transactions t "
            "JOIN payments.allocations a USING (payment_guid) GROUP BY ALL HAVING t.amount <> sum(a.amount)",
        )
        buyers = "('receipt', 'deposit', 'balance')"
        accounts = query(
            home,
            # An adjustment is part of what was paid where it names an order, and of no order's business where it does not.
            f"SELECT coalesce(sum(amount) FILTER (WHERE kind IN {buyers} OR kind = 'adjustment' "
            "AND (order_count > 0 OR channel_order_id IS NOT NULL)), 0), "
            "coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) FROM payments.transactions",
        )[0]
        match = query(
            home,
            "SELECT coalesce(sum(paid_amount), 0), -coalesce(sum(refunded_amount), 0) FROM reconciliation.three_way_match",
        )[0]
        pieces = query(
            home,
            "SELECT (SELECT coalesce(sum(quantity), 0) FROM fulfilment.shipment_lines WHERE shipped_at IS NOT NULL) - "
            "(SELECT coalesce(sum(shipped_qty), 0) FROM reconciliation.three_way_match m LEFT JOIN orders.orders o "
            "USING (order_guid) WHERE coalesce(o.order_type, '') <> 'pickup')"
            " - (SELECT coalesce(sum(quantity), 0) FROM fulfilment.shipment_lines JOIN orders.orders o USING (order_guid)"
            " WHERE o.order_type = 'pickup' AND shipment_lines.shipped_at IS NOT NULL)",
        )
        judged = query(
            home,
            "SELECT count(*) - count(DISTINCT order_guid), (SELECT count(*) FROM orders.orders) - count(*) "
            "FILTER (WHERE has_order) FROM reconciliation.three_way_match",
        )
    assert (shared, accounts, pieces, judged) == ([], match, [(Decimal(0),)], [(0, 0)])
