"""Months as partitions: what stands against one fails the run with the list; what is closed stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orders_pipeline.definitions import defs
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration.channel_report import CHANNEL_REPORT
from orders_pipeline.kernel.orchestration.months import CLOSE, MONTH_AUDIT, MONTH_CLOSE, MONTHLY, MONTHS, WORKBOOK
from orders_pipeline_tests.scenarios.stories import Book
from orders_pipeline_tests.scenarios.test_close import clock, sale
from orders_pipeline_tests.support import fingerprints, query, run

MARCH = "2026-03-01"


@pytest.fixture
def april(home: Home) -> Home:
    """A clock of April, and a March in which one of four orders differs."""
    b = Book()
    for n in range(3):
        sale(b, f"M{n}", "2026-03-10", "100.00", "100.00")
    sale(b, "over", "2026-03-20", "100.00", "145.00")
    b.land(home)
    run(home, clock("2026-04-02"))
    return home


def close_month(instance: dg.DagsterInstance, month: str, **config: Any) -> dg.ExecuteInProcessResult:
    ops: Mapping[str, Any] = {MONTH_CLOSE.to_python_identifier(): {"config": config}} if config else {}
    job = defs.resolve_job_def(CLOSE)
    return job.execute_in_process(instance=instance, partition_key=month, raise_on_error=False, run_config={"ops": ops})


def made(result: dg.ExecuteInProcessResult) -> dict[dg.AssetKey, Mapping[str, Any]]:
    return {e.asset_key: e.materialization.metadata for e in result.get_asset_materialization_events()}


def left(home: Home) -> tuple[dict[str, str], list[Path]]:
    return fingerprints(home), sorted(p for p in home.landing.rglob("*") if p.is_file())


def test_a_month_is_closed_audited_and_written_once(april: Home, instance: dg.DagsterInstance) -> None:
    before = left(april)
    refused = close_month(instance, MARCH)
    assert not refused.success and not made(refused)
    failure = refused.failure_data_for_node(MONTH_CLOSE.to_python_identifier()).user_failure_data
    assert "2026-03 cannot be closed yet: differences are open (1): 1 of 4 orders" in failure.description
    assert "differences are open" in failure.metadata["what stands against it"].value
    assert left(april) == before

    closed = close_month(instance, MARCH, by="li.na", why="agreed with the books", force=True)
    assert closed.success
    shown = made(closed)
    assert set(shown) == set(MONTHLY)
    assert query(april, "SELECT state, closed_by, reason, content_sha256 FROM finance.closes WHERE month = ?", [date(2026, 3, 1)]) == [
        ("closed", "li.na", "agreed with the books", shown[MONTH_CLOSE]["content_sha256"].value)
    ]
    assert shown[MONTH_AUDIT]["failed"].value == 0 < shown[MONTH_AUDIT]["expectations"].value
    assert Path(shown[MONTH_AUDIT]["data docs"].value).is_file()
    assert Path(shown[WORKBOOK]["path"].value).is_file() and shown[WORKBOOK]["data docs"].value == shown[MONTH_AUDIT]["data docs"].value

    after, written = left(april), Path(shown[WORKBOOK]["path"].value).stat().st_mtime_ns
    again = close_month(instance, MARCH, by="somebody else")
    assert again.success
    outcomes = {key: metadata["outcome"].value for key, metadata in made(again).items()}
    assert outcomes == {
        MONTH_CLOSE: "was closed",
        MONTH_AUDIT: "the figures are those of the last one",
        WORKBOOK: "nothing had changed",
    }
    assert left(april) == after and Path(shown[WORKBOOK]["path"].value).stat().st_mtime_ns == written
    # February goes with the first close, by the same rule as on the command line: there is nothing of it.
    assert made(close_month(instance, "2026-02-01"))[MONTH_CLOSE]["outcome"].value == "was closed"


def test_months_are_partitions_once_they_are_over() -> None:
    job = defs.resolve_job_def(CLOSE)
    assert job.partitions_def == MONTHS
    keys = MONTHS.get_partition_keys(current_time=clock("2026-04-02"))
    assert keys[-1] == MARCH and MONTHS.get_partition_keys(current_time=clock("2026-03-31"))[-1] == "2026-02-01"
    plain = {key for key in defs.resolve_asset_graph().get_all_asset_keys() if key not in (*MONTHLY, CHANNEL_REPORT)}
    assert {defs.resolve_asset_graph().get(key).partitions_def for key in plain} == {None}
    for name in ("load_and_publish", "reconcile"):
        assert not set(MONTHLY) & set(defs.resolve_job_def(name).asset_layer.executable_asset_keys)


def test_nothing_to_close_is_one_clear_line(home: Home, instance: dg.DagsterInstance) -> None:
    failed = close_month(instance, MARCH)
    failure = failed.failure_data_for_node(MONTH_CLOSE.to_python_identifier()).user_failure_data
    assert "has no warehouse yet; start with `orders-pipeline run" in failure.description
