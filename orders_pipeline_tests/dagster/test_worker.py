"""The worker: files are taken as they come, in ordinary runs; whatever dies, nothing is lost or done twice."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from orders_pipeline import dev, pipeline
from orders_pipeline.definitions import defs
from orders_pipeline.ingest import landing
from orders_pipeline.ingest.arrivals import Arrivals
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration import resources, worker
from orders_pipeline.kernel.orchestration.assets import SETTLE_SECONDS
from orders_pipeline.kernel.orchestration.resources import in_use
from orders_pipeline.kernel.orchestration.worker import BUSY, WORKER_TAG, Worker, alive, settle_dead_runs
from orders_pipeline.publish import later
from orders_pipeline_tests.dagster.conftest import land_orders

JOB = defs.resolve_job_def("load_and_publish")


def dropped(home: Home, name: str, *numbers: str) -> None:
    """A file written elsewhere and renamed into the landing zone just now."""
    draft = land_orders(home, f".{Path(name).name}", *numbers)
    os.utime(draft)
    draft.rename(home.landing / name)


def slow_to_publish(home: Home, monkeypatch: pytest.MonkeyPatch, prompt: bool) -> Path:
    """Runs of files, or those that make the later tables, last some seconds longer: time enough to be stopped in. Returns the
    file that is there as soon as one of them has come so far."""
    publish, mark = pipeline.Session.publish, home.root / "about_to_publish"

    def late(self: pipeline.Session, *, anew: bool = False) -> object:
        if self.prompt is prompt:
            mark.touch()
            time.sleep(5)
        return publish(self, anew=anew)

    monkeypatch.setattr(pipeline.Session, "publish", late)
    return mark


def order_numbers(home: Home) -> list[str]:
    with duckdb.connect(str(home.published_book), read_only=True) as connection:
        rows = connection.execute("SELECT channel_order_id FROM orders.orders ORDER BY 1").fetchall()
    return [number for (number,) in rows]


def test_killed_run_is_completed_and_a_burst_during_a_run_is_taken_by_the_next(
    home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    one = Worker(home, JOB)
    burst = [f"B{number:02}" for number in range(40)]
    told: list[str] = []

    def meanwhile() -> None:
        """Called while a run is at work, and between runs."""
        if not told:
            dropped(home, "first.csv", "A1", "A2")
            told.append("first")
        elif told == ["first"] and in_use(home):
            os.kill(one.child, signal.SIGKILL)
            told.append("killed")
        elif told[-1] == "killed" and not one.child:
            dropped(home, "second.csv", "A3")
            told.append("second")
        elif told[-1] == "second" and in_use(home):
            for number in burst:
                dropped(home, f"{number}.csv", number)
            told.append("burst")
        elif told[-1] == "burst" and not one.child:
            told.append("after")
        elif told[-1] == "after" and not one.child:
            one.stopping = True

    one.serve(meanwhile)
    assert order_numbers(home) == ["A1", "A2", "A3", *burst]
    runs = served.get_run_records(ascending=True)
    statuses = [r.dagster_run.status.value for r in runs]
    assert statuses[:2] == ["FAILURE", "SUCCESS"] and set(statuses[2:]) <= {"SUCCESS"}
    assert len(runs) <= 4, "a burst is one run, or two when it was seen half"
    messages = [e.message for e in served.all_logs(runs[0].dagster_run.run_id)]
    assert any("ended by signal 9" in m for m in messages)
    last = runs[-1].dagster_run
    assert last.job_name == "load_and_publish"
    assert last.remote_job_origin.location_name == "orders_pipeline"
    kinds = Counter(e.dagster_event.event_type_value for e in served.all_logs(last.run_id) if e.dagster_event)
    late = {m.name for m in pipeline.models() if m.later}
    assert kinds["ASSET_CHECK_EVALUATION"] == len([c for c in pipeline.checks() if c.table not in late])
    made = served.all_logs(last.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert {e.dagster_event.asset_key for e in made} == JOB.asset_layer.executable_asset_keys
    with duckdb.connect(str(home.published_book), read_only=True) as connection:
        counts = connection.execute("SELECT count(*), count(DISTINCT path) FROM ops.files WHERE status = 'loaded'").fetchall()
    assert counts == [(42, 42)]


def test_what_is_made_later_follows_in_a_quiet_while(
    home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    monkeypatch.setattr(later, "QUIET_SECONDS", 1.0)
    dropped(home, "first.csv", "A1")
    pipeline.run(home, datetime.now(UTC))
    one = Worker(home, JOB, defs.resolve_job_def("reconcile"))
    dropped(home, "second.csv", "A2")
    contracts = []

    def meanwhile() -> None:
        """Called while a run is at work, and between runs."""
        if not one.child and (count := served.get_runs_count()) > len(contracts):
            with duckdb.connect(str(home.published_book), read_only=True) as connection:
                contracts.append(connection.execute("SELECT count(*) FROM finance.contracts").fetchall()[0][0])
            assert count == len(contracts)
            one.stopping = count == 2

    one.serve(meanwhile)
    assert order_numbers(home) == ["A1", "A2"]
    assert [run.job_name for run in served.get_runs()] == ["reconcile", "load_and_publish"]
    assert all(run.is_success for run in served.get_runs())
    assert contracts == [1, 2]
    assert not later.is_due(home, now=time.time() + later.AT_MOST_SECONDS)


def test_what_is_made_later_gives_way_to_a_file(
    home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    monkeypatch.setattr(later, "QUIET_SECONDS", 1.0)
    dropped(home, "first.csv", "A1")
    pipeline.run(home, datetime.now(UTC))
    mark = slow_to_publish(home, monkeypatch, prompt=False)
    one = Worker(home, JOB, defs.resolve_job_def("reconcile"))
    dropped(home, "second.csv", "A2")
    came: list[str] = []

    def meanwhile() -> None:
        """Called while a run is at work, and between runs."""
        runs = served.get_runs()
        if not came and mark.exists():
            dropped(home, "third.csv", "A3")  # in the midst of the run that makes the later tables
            came.append("third")
        one.stopping = not one.child and [run.job_name for run in runs[:1]] == ["reconcile"] and runs[0].is_success

    one.serve(meanwhile)
    runs = served.get_runs()
    assert [(run.job_name, run.status.value) for run in reversed(runs)] == [
        ("load_and_publish", "SUCCESS"),
        ("reconcile", "CANCELED"),
        ("load_and_publish", "SUCCESS"),
        ("reconcile", "SUCCESS"),
    ]
    assert any("A file has come" in (e.message or "") for e in served.all_logs(runs[2].run_id))
    assert order_numbers(home) == ["A1", "A2", "A3"]
    assert not later.are_behind(home)
    with duckdb.connect(str(home.published_book), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM finance.contracts").fetchone() == (3,)


def test_run_that_somebody_terminates_ends_and_the_next_completes_it(
    home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    monkeypatch.setattr(worker, "CANCEL_LOOK_SECONDS", 0.1)
    dropped(home, "first.csv", "A1")
    pipeline.run(home, datetime.now(UTC))
    mark = slow_to_publish(home, monkeypatch, prompt=True)
    one = Worker(home, JOB)
    dropped(home, "second.csv", "A2")
    told: list[str] = []

    def meanwhile() -> None:
        """Called while a run is at work, and between runs."""
        if not told and mark.exists():
            served.report_run_canceling(served.get_runs()[0])  # what the UI's button does
            told.append("terminated")
        elif told == ["terminated"] and not one.child:
            dropped(home, "third.csv", "A3")
            told.append("third")
        elif told[-1:] == ["third"] and not one.child:
            one.stopping = served.get_runs()[0].is_success

    one.serve(meanwhile)
    assert [run.status.value for run in served.get_runs()] == ["SUCCESS", "CANCELED"]
    assert order_numbers(home) == ["A1", "A2", "A3"]


def test_making_what_is_later_is_not_begun_again_when_somebody_terminates_it(
    home: Home, served: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    monkeypatch.setattr(later, "QUIET_SECONDS", 1.0)
    monkeypatch.setattr(worker, "CANCEL_LOOK_SECONDS", 0.1)
    dropped(home, "first.csv", "A1")
    pipeline.run(home, datetime.now(UTC))
    mark = slow_to_publish(home, monkeypatch, prompt=False)
    one = Worker(home, JOB, defs.resolve_job_def("reconcile"))
    dropped(home, "second.csv", "A2")
    told: list[str] = []

    def meanwhile() -> None:
        """Called while a run is at work, and between runs."""
        if not told and mark.exists():
            served.report_run_canceling(served.get_runs()[0])
            told.append("terminated")
        elif told and not one.child:
            one.stopping = True

    one.serve(meanwhile)
    assert [(run.job_name, run.status.value) for run in served.get_runs()] == [
        ("reconcile", "CANCELED"),
        ("load_and_publish", "SUCCESS"),
    ]
    assert later.are_behind(home) and not later.is_due(home, now=time.time() + later.QUIET_SECONDS)


def test_files_wait_for_what_is_overdue(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "QUIET_SECONDS", 0.0)
    home.create()
    one, asked = Worker(home, JOB, defs.resolve_job_def("reconcile")), []

    def run(job: dg.JobDefinition, tags: object, beat: object, gives_way: bool = False) -> int:
        asked.append((job.name, gives_way))
        one.stopping = True
        return 0

    monkeypatch.setattr(one, "_run", run)
    for behind, expected in ((1.0, True), (later.AT_MOST_SECONDS + 1, False)):
        later.note(home)
        then = time.time() - behind
        later._write(home, {"since": then, "last": then})
        assert later.is_overdue(home) is not expected
        one.stopping = False
        one.serve()
        assert asked.pop() == ("reconcile", expected)


def test_worker_leaves_files_to_the_run_at_work(home: Home, served: dg.DagsterInstance) -> None:
    land_orders(home, "a.csv", "A1")
    waiting = served.create_run_for_job(JOB, status=dg.DagsterRunStatus.NOT_STARTED)
    one = Worker(home, JOB)
    assert one._run(JOB, {}, lambda: None) == BUSY
    assert [run.run_id for run in served.get_runs()] == [waiting.run_id]


def test_sensor_is_silent_while_a_worker_is_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    land_orders(home, "a.csv", "A1")
    sensor = defs.get_repository_def().get_sensor_def("landing_sensor")

    def asked() -> int:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def())
            return len(sensor.evaluate_tick(context).run_requests or [])

    assert not alive(home)
    with worker._present(home) as beat:
        beat()
        assert alive(home)
        assert asked() == 0
        with pytest.raises(BlockingIOError), worker._present(home):
            pass
        monkeypatch.setattr(worker, "SILENT_SECONDS", -1.0)  # It hangs.
        assert asked() == 1
    monkeypatch.undo()
    assert not alive(home)


def test_runs_of_a_worker_that_is_gone_are_marked_as_failed(home: Home, served: dg.DagsterInstance) -> None:
    started, here = dg.DagsterRunStatus.STARTED, socket.gethostname()
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    dead = served.create_run_for_job(JOB, status=started, tags={WORKER_TAG: f"{here}:{gone}"})
    living = served.create_run_for_job(JOB, status=started, tags={WORKER_TAG: f"{here}:{os.getpid()}"})
    elsewhere = served.create_run_for_job(JOB, status=started, tags={WORKER_TAG: f"not-{here}:{gone}"})
    settle_dead_runs(served)
    statuses = [served.get_run_by_id(run.run_id).status for run in (dead, living, elsewhere)]
    assert statuses == [dg.DagsterRunStatus.FAILURE, started, started]


def test_file_renamed_into_the_folder_is_whole_and_one_written_there_is_not(home: Home) -> None:
    arrivals = Arrivals(home.landing)
    dropped(home, "renamed.csv", "A1")
    folder = home.landing / "shop=main"
    folder.mkdir()
    assert arrivals.wait(2)
    dropped(home, "shop=main/renamed.csv", "A2")
    (home.landing / "written.csv").write_text("still at it")
    while arrivals.wait(0.2):
        pass
    arrivals.close()
    found = landing.scan(home.landing, SETTLE_SECONDS)
    assert [f.relative_path for f in found] == ["renamed.csv", "shop=main/renamed.csv"]
    assert [(w.relative_path, w.reason) for w in found.waiting] == [("written.csv", "too_young")]
    with (home.landing / "renamed.csv").open("a") as out:
        out.write("and changed after all")
    assert "renamed.csv" not in [f.relative_path for f in landing.scan(home.landing, SETTLE_SECONDS)]


def test_process_that_ends_is_started_again_and_ends_with_dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "KEPT_SECONDS", 0.2)
    script = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
    notes = tmp_path / "pids"

    def pids() -> list[int]:
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    def until(count: int) -> None:
        end = time.monotonic() + 20
        while len(pids()) < count:
            kept.look()
            assert time.monotonic() < end
            time.sleep(0.05)

    with dev._Kept([sys.executable, "-c", script, str(notes)], os.environ, tmp_path, wanted=True) as kept:
        until(1)
        os.kill(pids()[0], signal.SIGKILL)
        until(2)
    assert not worker._is_running(pids()[1])


def test_marker_of_a_run_does_not_outlive_it(home: Home) -> None:
    with resources.marked(home):
        assert in_use(home)
    assert not in_use(home)
