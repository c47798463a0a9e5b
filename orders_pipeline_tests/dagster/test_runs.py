"""Runs: what the command line does, done by Dagster, on a home of three orders."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.definitions import defs
from orders_pipeline.kernel.checks import Check
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration.lists import SHIPPING_LISTS
from orders_pipeline.kernel.orchestration.metadata import asset_key, source_tables
from orders_pipeline.kernel.orchestration.report import REPORT
from orders_pipeline.kernel.orchestration.resources import HOLDER_TAG, in_use
from orders_pipeline.publish.publisher import HISTORY
from orders_pipeline_tests.dagster.conftest import AS_OF, land_orders, order
from orders_pipeline_tests.dagster.conftest import land as land_file

LANDING = [asset_key(table) for table in source_tables()]
Execute = Callable[..., dg.ExecuteInProcessResult]


def published(home: Home, query: str) -> list[tuple]:
    with duckdb.connect(str(home.published_database), read_only=True) as connection:
        return connection.execute(query).fetchall()


def order_numbers(home: Home) -> list[str]:
    catalog = home.published_database.stem
    rows = published(home, f'SELECT channel_order_id FROM "{catalog}".orders.orders ORDER BY 1')
    return [number for (number,) in rows]


def checks_of_a_load() -> list[Check]:
    """Those of the tables that are not made later."""
    late = {m.name for m in pipeline.models() if m.later}
    return [check for check in pipeline.checks() if check.table not in late]


def test_a_run_materialises_checks_and_publishes(small_home: Home, execute: Execute) -> None:
    result = execute()
    assert result.success
    made = {e.asset_key: e.materialization.metadata for e in result.get_asset_materialization_events()}
    assert set(made) == defs.resolve_job_def("load_and_publish").asset_layer.executable_asset_keys
    assert made[asset_key("orders.orders")]["dagster/row_count"].value == 3
    assert made[asset_key("orders.orders")]["refreshed"].value == "whole"
    evaluated = {(e.asset_key, e.check_name) for e in result.get_asset_check_evaluations()}
    assert evaluated == {(asset_key(c.table), c.name) for c in checks_of_a_load()}
    assert order_numbers(small_home) == ["A1", "A2", "A3"]
    catalog = small_home.published_database.stem
    runs = published(small_home, f'SELECT DISTINCT run_id FROM "{catalog}".quality.check_results')
    assert runs == [(result.run_id,)]


def test_the_next_run_follows_the_touched_keys(small_home: Home, execute: Execute) -> None:
    execute()
    land_orders(small_home, "later.csv", "B1")
    result = execute()
    assert result.success
    made = {e.asset_key: e.materialization.metadata for e in result.get_asset_materialization_events()}
    orders = made[asset_key("orders.orders")]
    assert (orders["refreshed"].value, orders["touched keys"].value) == ("keys", 1)
    assert order_numbers(small_home) == ["A1", "A2", "A3", "B1"]
    third = execute()
    outcome = {e.asset_key: e.materialization.metadata for e in third.get_asset_materialization_events()}
    assert outcome[dg.AssetKey(["publish", "orders_duckdb"])]["outcome"].value == "nothing had changed"
    # Each check still has a result: the one of the run in which its table changed last.
    assert len(third.get_asset_check_evaluations()) == len(checks_of_a_load())


def test_dagster_and_the_command_line_make_the_same(tmp_path: Path, small_home: Home, execute: Execute) -> None:
    execute()
    other = Home(tmp_path / "other").create()
    for file in small_home.landing.iterdir():
        (other.landing / file.name).write_bytes(file.read_bytes())
    pipeline.run(other, datetime.fromisoformat(AS_OF).astimezone(UTC))
    for model in pipeline.models():
        if model.room in ("orders", "payments", "fulfilment", "reconciliation"):
            ours, theirs = (_rows(home, model.name) for home in (small_home, other))
            assert ours == theirs, model.name


def _rows(home: Home, table: str) -> list[str]:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        rows = connection.execute(f"SELECT CAST(t AS VARCHAR) FROM {table} AS t ORDER BY 1").fetchall()
        return [row for (row,) in rows]


def broken(table: str, severity: str) -> Check:
    return Check("nothing_is_ever_there", table, severity, f"SELECT * FROM {table}")


def with_check(monkeypatch: pytest.MonkeyPatch, check: Check) -> dg.JobDefinition:
    """The load job with one more check in it."""
    from orders_pipeline.definitions import ROOMS
    from orders_pipeline.kernel.orchestration.build import build_definitions

    every = (*pipeline.checks(), check)
    monkeypatch.setattr(pipeline, "checks", lambda: every)
    return build_definitions(ROOMS).resolve_job_def("load_and_publish")


def test_failing_error_check_keeps_the_published_file(
    small_home: Home, execute: Execute, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute()
    before = small_home.published_database.stat().st_ino
    land_orders(small_home, "later.csv", "B1")
    job = with_check(monkeypatch, broken("orders.orders", "error"))
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    [failed] = [e for e in result.get_asset_check_evaluations() if not e.passed]
    assert (failed.check_name, failed.severity) == ("nothing_is_ever_there", dg.AssetCheckSeverity.ERROR)
    assert failed.metadata["rows failing"].value == 1
    assert "B1" in failed.metadata["sample"].value
    assert dg.AssetKey(["publish", "orders_duckdb"]) not in {
        e.asset_key for e in result.get_asset_materialization_events()
    }
    assert small_home.published_database.stat().st_ino == before
    assert order_numbers(small_home) == ["A1", "A2", "A3"]


def test_publication_verifies_what_no_step_has_checked(
    small_home: Home, execute: Execute, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody materialises the publication alone: the gate refreshes and checks by itself."""
    execute()
    land_orders(small_home, "later.csv", "B1")
    execute(asset_selection=LANDING)
    declared = pipeline.checks
    job = with_check(monkeypatch, broken("orders.orders", "error"))
    publish = dg.AssetKey(["publish", "orders_duckdb"])
    chosen = [publish, *map(asset_key, HISTORY)]
    result = job.execute_in_process(instance=instance, raise_on_error=False, asset_selection=chosen)
    assert not result.success
    message = result.failure_data_for_node("publish").user_failure_data.description
    assert "orders.orders: nothing_is_ever_there" in message
    assert order_numbers(small_home) == ["A1", "A2", "A3"]
    monkeypatch.setattr(pipeline, "checks", declared)
    assert execute(asset_selection=chosen).success
    assert order_numbers(small_home) == ["A1", "A2", "A3", "B1"]


def test_failing_warning_is_shown_and_published(
    small_home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = with_check(monkeypatch, broken("orders.orders", "warn"))
    result = job.execute_in_process(instance=instance)
    assert result.success
    [failed] = [e for e in result.get_asset_check_evaluations() if e.check_name == "nothing_is_ever_there"]
    assert not failed.passed
    assert failed.severity == dg.AssetCheckSeverity.WARN
    assert order_numbers(small_home) == ["A1", "A2", "A3"]


def test_one_table_alone_brings_what_it_reads_with_it(small_home: Home, execute: Execute) -> None:
    execute()
    land_orders(small_home, "later.csv", "B1")
    execute(asset_selection=LANDING)
    result = execute(asset_selection=[asset_key("orders.orders")])
    assert result.success
    made = {e.asset_key for e in result.get_asset_materialization_events()}
    assert asset_key("orders.orders") in made
    assert asset_key("orders.order_versions") in made, "it was stale, and orders.orders reads it"
    assert asset_key("payments.transactions") not in made
    assert execute().success
    assert order_numbers(small_home) == ["A1", "A2", "A3", "B1"]


def test_reconcile_ages_and_publishes_without_looking_for_files(small_home: Home, execute: Execute) -> None:
    execute()
    land_orders(small_home, "later.csv", "B1")
    result = execute("reconcile")
    assert result.success
    made = {e.asset_key.path[0] for e in result.get_asset_materialization_events()}
    assert "reconciliation" in made and "raw" not in made
    assert order_numbers(small_home) == ["A1", "A2", "A3"]


def test_run_lets_go_of_the_warehouse_and_says_whose_it_was(
    small_home: Home, execute: Execute, instance: dg.DagsterInstance
) -> None:
    result = execute()
    assert not in_use(small_home)
    assert instance.get_run_by_id(result.run_id).tags[HOLDER_TAG].endswith(str(small_home.root))


def test_wrong_clock_is_one_clear_line(small_home: Home, instance: dg.DagsterInstance) -> None:
    job = defs.resolve_job_def("load_and_publish")
    result = job.execute_in_process(
        instance=instance, tags={"orders_pipeline/as_of": "2026-02-20T09:00:00"}, raise_on_error=False
    )
    assert not result.success
    assert "has no offset" in result.failure_data_for_node("landing").user_failure_data.description


def test_refused_file_does_not_stop_the_others(small_home: Home, execute: Execute) -> None:
    land_file(small_home, "odd.csv", [{"nobody": "1", "knows": "2"}])
    result = execute()
    assert result.success
    files = {e.asset_key: e.materialization.metadata for e in result.get_asset_materialization_events()}
    assert files[asset_key("raw.files")]["refused"].value == 1
    assert "odd.csv" in files[asset_key("raw.files")]["this run"].value
    assert order(number="A1")["channel_order_id"] in order_numbers(small_home)


def _run_in_a_process(home: str, dagster_home: str, results: multiprocessing.Queue) -> None:
    os.environ["ORDERS_PIPELINE_HOME"] = home
    with dg.DagsterInstance.from_config(dagster_home) as instance:
        done = defs.resolve_job_def("load_and_publish").execute_in_process(instance=instance, raise_on_error=False)
        results.put((done.success, done.run_id))


@pytest.mark.slow
def test_two_runs_at_once_both_succeed(small_home: Home) -> None:
    """Even past the queue, where the pool cannot keep them apart: the second waits for the warehouse."""
    from orders_pipeline.dev import write_configuration

    small_home.dagster.mkdir(parents=True)
    write_configuration(small_home, postgres=False)
    with dg.DagsterInstance.from_config(str(small_home.dagster)):
        pass  # Makes the storage, which SQLite cannot do twice at once.
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    arguments = (str(small_home.root), str(small_home.dagster), results)
    runs = [spawn.Process(target=_run_in_a_process, args=arguments) for _ in range(2)]
    for run in runs:
        run.start()
    outcomes = [results.get(timeout=120) for _ in runs]
    for run in runs:
        run.join(timeout=30)
    assert [success for success, _ in outcomes] == [True, True]
    assert order_numbers(small_home) == ["A1", "A2", "A3"]


def test_the_morning_job_writes_the_report_and_the_lists_that_are_not_there_yet(home: Home, execute: Execute) -> None:
    land_orders(home, "orders.csv", "A1", "A2")
    shipments = [
        {"warehouse_id": "W1", "outbound_id": f"O-{n}", "channel": "taobao", "shop_id": "main", "channel_order_id": n, "sku": "S1", "quantity": "1",
         "released_at": "2026-02-19T10:00:00+08:00"} for n in ("A1", "A2")
    ]  # fmt: skip
    land_file(home, "shipments.csv", shipments)
    pipeline.run(home, datetime.fromisoformat(AS_OF))
    result = execute("morning_lists", asset_selection=[SHIPPING_LISTS, REPORT])
    assert result.success
    assert "A1" in (home.published / "report.html").read_text(encoding="utf-8")
    found = sorted(p.relative_to(home.published).as_posix() for p in (home.published / "lists").rglob("*") if p.is_file())
    assert found == ["lists/2026-02-20/W1.csv", "lists/2026-02-20/W1.xlsx"]
    again = execute("reconcile", asset_selection=[SHIPPING_LISTS])
    assert again.asset_materializations_for_node("publish__shipping_lists")[0].metadata["written"].value == 0


def test_a_month_of_the_channels_is_a_partition(small_home: Home, execute: Execute) -> None:
    pipeline.run(small_home, datetime.fromisoformat(AS_OF))
    assert execute("monthly_channel_report", partition_key="2026-02-01").success
    found = sorted(p.name for p in (small_home.published / "reports").iterdir())
    assert found == ["channel_health_2026-02.csv", "channel_health_2026-02.xlsx"]
    assert not execute("monthly_channel_report", partition_key="2025-05-01").success, "there is nothing of that month"
