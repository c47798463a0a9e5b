"""Everything at once: two hundred files in seconds, a month after month closed meanwhile, and somebody's run on the command line.

Whoever has the warehouse, files are taken once, and no more runs wait than one of each kind.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.definitions import defs
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration.months import CLOSE, MONTH_CLOSE
from orders_pipeline.kernel.orchestration.schedules import LOAD
from orders_pipeline.kernel.orchestration.sensors import UNFINISHED, pending
from orders_pipeline.kernel.orchestration.worker import Worker
from orders_pipeline_tests.dagster.conftest import land, order

BURST, SPREAD_SECONDS = 200, 10.0
NOW = datetime.now(UTC)


def month_before(count: int) -> datetime:
    """Noon of the tenth of the month so many before this one, in China."""
    months = NOW.year * 12 + NOW.month - 1 - count
    return datetime(months // 12, months % 12 + 1, 10, 4, tzinfo=UTC)


MONTHS = [month_before(count) for count in range(7, 1, -1)]


def of(number: str, at: datetime) -> dict[str, str]:
    """An order made and paid at an instant."""
    times = {"created_at": at, "paid_at": at + timedelta(minutes=5), "exported_at": at + timedelta(hours=1)}
    return {**order(number), **{name: value.isoformat() for name, value in times.items()}}


def _close_months(home: str, months: list[str], outcomes: multiprocessing.Queue) -> None:
    """A backfill, in a process of its own: what one of Dagster's does, without the daemon that paces it."""
    os.environ["ORDERS_PIPELINE_HOME"] = home
    config = {"by": "li.na", "why": "the books before this system", "force": True}
    with dg.DagsterInstance.from_config(str(Path(home) / "dagster")) as instance:
        for month in months:
            done = defs.resolve_job_def(CLOSE).execute_in_process(
                instance=instance,
                partition_key=month,
                asset_selection=[MONTH_CLOSE],
                raise_on_error=False,
                run_config={"ops": {MONTH_CLOSE.to_python_identifier(): {"config": config}}},
            )
            outcomes.put((month, done.success))


@pytest.mark.slow
def test_burst_backfill_and_another_run_lose_and_double_nothing(
    home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    history = [of(f"H{place}{n}", at) for place, at in enumerate(MONTHS) for n in range(3)]
    land(home, "history.csv", history)
    pipeline.run(home, NOW)
    spawn = multiprocessing.get_context("spawn")
    outcomes = spawn.Queue()
    partitions = [f"{at:%Y-%m}-01" for at in MONTHS]
    backfill = spawn.Process(target=_close_months, args=(str(home.root), partitions, outcomes))
    command = [sys.executable, "-m", "orders_pipeline.cli", "run", "--home", str(home.root), "--json"]
    others: list[subprocess.Popen] = []
    worker, dropped, waiting = Worker(home, defs.resolve_job_def(LOAD)), 0, 0
    began = time.monotonic()

    def meanwhile() -> None:
        """Called while a run is at work, and between runs."""
        nonlocal dropped, waiting
        if not others:
            backfill.start()
            others.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        while dropped < min(BURST, BURST * (time.monotonic() - began) / SPREAD_SECONDS):
            draft = land(home, f".{dropped}", [of(f"B{dropped:03}", NOW - timedelta(days=1))], settled=False)
            draft.rename(home.landing / f"B{dropped:03}.csv")
            dropped += 1
        waiting = max(waiting, served.get_runs_count(dg.RunsFilter(statuses=list(UNFINISHED))))
        over = dropped == BURST and not backfill.is_alive() and others[0].poll() is not None
        worker.stopping = over and not worker.child and pending(home) == ([], 0)
        assert time.monotonic() < began + 600, "it does not end"

    try:
        worker.serve(meanwhile)
    finally:
        backfill.kill()
        others[0].kill()
    # On a crowded machine it may not come to its turn in the time a run waits; then it says so, and the others take its files.
    said = others[0].stderr.read().decode()
    assert others[0].returncode == 0 or "this one waits its turn" in said, said
    assert [outcomes.get(timeout=5) for _ in partitions] == [(month, True) for month in partitions]
    statuses = Counter(run.status for run in served.get_runs())
    assert set(statuses) == {dg.DagsterRunStatus.SUCCESS}
    assert waiting <= 2, "one that loads, one that closes"
    with duckdb.connect(str(home.published_book), read_only=True) as connection:
        orders = connection.execute("SELECT channel_order_id FROM orders.orders ORDER BY 1").fetchall()
        files = connection.execute("SELECT count(*), count(DISTINCT path) FROM ops.files WHERE path LIKE 'B%'").fetchall()
        versions = connection.execute("SELECT count(*) FROM orders.order_versions").fetchall()
        closed = connection.execute("SELECT month, count(*) FROM finance.closes WHERE state = 'closed' GROUP BY 1 ORDER BY 1").fetchall()
    assert [number for (number,) in orders] == sorted([f"B{n:03}" for n in range(BURST)] + [one["channel_order_id"] for one in history])
    assert (files, versions) == ([(BURST, BURST)], [(BURST + len(history),)])
    assert [(f"{month:%Y-%m}-01", count) for month, count in closed if f"{month:%Y-%m}-01" in partitions] == [
        (month, 1) for month in partitions
    ]
