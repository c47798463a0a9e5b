"""Records of runs have an end: the newest of each job stay, what is deleted leaves nothing behind."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import dagster as dg
import pytest

from orders_pipeline.definitions import defs
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration import worker
from orders_pipeline.kernel.orchestration.months import CLOSE
from orders_pipeline.kernel.orchestration.retention import prune, records_kept
from orders_pipeline.kernel.orchestration.schedules import LOAD, WEEKLY
from orders_pipeline.kernel.orchestration.worker import Worker
from orders_pipeline_tests.dagster.conftest import land_orders

DONE, FAILED, AT_WORK = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


def made(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, count: int) -> list[str]:
    """Runs of a job, each with an event and a log file; the oldest first."""
    ids = []
    for _ in range(count):
        run = dg.DagsterRun(job_name=job, run_id=str(uuid.uuid4()), status=status, tags={"a": "tag"})
        instance.run_storage.add_run(run)
        instance.report_engine_event("something", run)
        (Path(instance.storage_directory()) / run.run_id / "compute_logs").mkdir(parents=True)
        ids.append(run.run_id)
    return ids


def test_the_newest_of_each_job_and_outcome_stay(home: Home, served: dg.DagsterInstance) -> None:
    well, badly = made(served, LOAD, DONE, 5), made(served, LOAD, FAILED, 3)
    kept = [*well[3:], *badly[1:], *made(served, WEEKLY, DONE, 2), *made(served, LOAD, AT_WORK, 4), *made(served, CLOSE, DONE, 4)]
    assert prune(served, 2) == 4
    assert sorted(run.run_id for run in served.get_runs()) == sorted(kept)
    assert prune(served, 2) == 0
    files = {path.stem for path in (home.dagster / "history" / "runs").glob("*.db")} - {"index"}
    assert files == set(kept), "the file of a deleted run goes with it"
    assert {path.parent.name for path in Path(served.storage_directory()).glob("*/compute_logs")} == set(kept)
    with sqlite3.connect(home.dagster / "history" / "runs.db") as runs:
        assert {run for (run,) in runs.execute("SELECT DISTINCT run_id FROM run_tags")} == set(kept)


def test_what_a_real_run_has_left_goes(home: Home, served: dg.DagsterInstance) -> None:
    land_orders(home, "a.csv", "A1")
    job = defs.resolve_job_def(LOAD)
    assert Worker(home, job)._run(job, {}, lambda: None) == 0
    [run_id] = [run.run_id for run in served.get_runs()]

    def left() -> set[str]:
        """The tables of the history that have rows of the run."""
        found = set()
        for file in (home.dagster / "history").rglob("*.db"):
            with sqlite3.connect(file) as history:
                for (table,) in history.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                    columns = [row[1] for row in history.execute(f"PRAGMA table_info({table})")]
                    if "run_id" in columns and history.execute(f"SELECT 1 FROM {table} WHERE run_id = ?", [run_id]).fetchone():
                        found.add(table)
        return found

    assert left() >= {"event_logs", "runs", "run_tags", "asset_check_executions"}
    assert prune(served, 0) == 1
    assert left() == set()
    # Another process, which has never heard of the deleted run, reads what is left.
    look = f"import dagster as dg; print(len(dg.DagsterInstance.from_config({str(home.dagster)!r}).get_runs()))"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.strip() == "0"


def test_a_home_says_how_many(home: Home) -> None:
    assert records_kept(home) == 200
    home.settings_file.write_text("[thresholds]\nrun_records_max_count = 7\n")
    assert records_kept(home) == 7


def test_the_worker_deletes_as_it_goes(home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PRUNE_EVERY", 1)
    monkeypatch.setattr(Worker, "_execute", lambda *_: 0)
    home.settings_file.write_text("[thresholds]\nrun_records_max_count = 2\n")
    before = made(served, LOAD, DONE, 4)
    land_orders(home, "a.csv", "A1")
    one = Worker(home, defs.resolve_job_def(LOAD))
    end = time.monotonic() + 60

    def meanwhile() -> None:
        one.stopping = not one.child and (served.get_runs_count() == 2 or time.monotonic() > end)

    one.serve(meanwhile)
    assert [run.run_id for run in served.get_runs()] == [before[3], before[2]]
