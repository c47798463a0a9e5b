"""The run history written in bulk: the same rows as Dagster's own storage writes, read by either."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from orders_pipeline import dev
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration import history
from orders_pipeline.kernel.orchestration.history import BulkEventLog, holding_back
from orders_pipeline.kernel.orchestration.resources import POOL


@dg.asset
def zero() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 0})


@dg.multi_asset(
    specs=[dg.AssetSpec("one", deps=["zero"]), dg.AssetSpec("two", deps=["zero", "one"])],
    check_specs=[dg.AssetCheckSpec("holds", asset="one"), dg.AssetCheckSpec("fails", asset="two")],
    can_subset=True,
    pool=POOL,
)
def both(context: dg.AssetExecutionContext) -> Iterator[object]:
    with holding_back(context.instance):
        yield dg.MaterializeResult("one", metadata={"rows": 1}, tags={"colour": "red"})
        yield dg.MaterializeResult("two", metadata={"rows": 2})
        yield dg.AssetCheckResult(passed=True, asset_key="one", check_name="holds")
        yield dg.AssetCheckResult(
            passed=False, asset_key="two", check_name="fails", severity=dg.AssetCheckSeverity.WARN
        )


JOB = dg.Definitions(assets=[zero, both], jobs=[dg.define_asset_job("all_of_it")]).resolve_job_def("all_of_it")


def told(instance: dg.DagsterInstance, run_id: str) -> dict[str, object]:
    """What the history says of a run and of the assets."""
    kinds = Counter(e.dagster_event.event_type_value for e in instance.all_logs(run_id) if e.dagster_event)
    latest, latest_tags = {}, {}
    made = instance.get_asset_records([dg.AssetKey("zero"), dg.AssetKey("one"), dg.AssetKey("two")])
    for record in made:
        event = record.asset_entry.last_materialization
        latest[record.asset_entry.asset_key] = event.asset_materialization.metadata["rows"].value
        latest_tags[record.asset_entry.asset_key.path[-1]] = event.asset_materialization.tags
    log = instance.event_log_storage
    numbers = {r.asset_entry.asset_key.path[-1]: r.asset_entry.last_materialization_storage_id for r in made}
    tags = latest_tags["two"]
    pointers = {
        name: tags[f"dagster/input_event_pointer/{name}"] == str(numbers[name]) and tags[f"dagster/input_data_version/{name}"]
        for name in ("one", "zero")
    }
    checks = {}
    for asset, name in (("one", "holds"), ("two", "fails")):
        [execution] = log.get_asset_check_execution_history(dg.AssetCheckKey(dg.AssetKey(asset), name), limit=5)
        target = execution.event.dagster_event.event_specific_data.target_materialization_data
        assert target.storage_id == numbers[asset]
        checks[name] = (execution.status.value, execution.run_id, target.run_id)
    status = instance.get_run_by_id(run_id).status
    return {"kinds": kinds, "latest": latest, "pointers": pointers, "checks": checks, "status": status}


@pytest.fixture
def ours(home: Home) -> Iterator[dg.DagsterInstance]:
    home.dagster.mkdir()
    dev.write_configuration(home, postgres=False)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert isinstance(instance.event_log_storage, BulkEventLog)
        yield instance


def test_bulk_history_says_what_dagsters_own_says(
    home: Home, ours: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "10000")
    with holding_back(ours, 60):
        run_id = JOB.execute_in_process(instance=ours).run_id
        assert len(ours.event_log_storage._held) > 20, "nothing of the run's own questions made it write"
    bulk = told(ours, run_id)
    assert all(bulk["pointers"].values())
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as plain:
        theirs = told(plain, JOB.execute_in_process(instance=plain, run_id=run_id).run_id)
    assert bulk == theirs
    (home.dagster / "dagster.yaml").unlink()
    with dg.DagsterInstance.from_config(str(home.dagster)) as reader:
        assert type(reader.event_log_storage).__name__ == "SqliteEventLogStorage"
        assert told(reader, run_id) == bulk


def test_reader_in_the_same_process_sees_what_is_held_back(ours: dg.DagsterInstance) -> None:
    run = ours.create_run_for_job(JOB)
    before = len(ours.all_logs(run.run_id))
    with holding_back(ours):
        ours.report_engine_event("one more", run)
        assert len(ours.all_logs(run.run_id)) == before + 1


def test_question_about_what_was_never_made_leaves_the_rest_held_back(ours: dg.DagsterInstance) -> None:
    run, key = ours.create_run_for_job(JOB), dg.AssetKey("nobodys")
    log = ours.event_log_storage
    with holding_back(ours, 60):
        ours.report_engine_event("one", run)
        held = len(log._held)
        assert held and not ours.fetch_observations(key, limit=1).records
        assert len(log._held) == held
        ours.report_runless_asset_event(dg.AssetObservation(key))
        assert len(ours.fetch_observations(key, limit=1).records) == 1


def test_what_is_held_back_is_written_in_portions_and_in_order(ours: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PORTION", 7)
    run = ours.create_run_for_job(JOB)
    log, written = ours.event_log_storage, []
    write = log._write
    monkeypatch.setattr(log, "_write", lambda events: (written.append(len(events)), write(events)))
    with holding_back(ours, 0.2):
        for number in range(30):
            ours.report_engine_event(f"event {number}", run)
        deadline = time.monotonic() + 20
        while log._held and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not log._held, "nobody asked, and they were not written"
    assert max(written) <= 7 and sum(written) == 30
    messages = [e.message for e in ours.all_logs(run.run_id) if e.message.startswith("event ")]
    assert messages == [f"event {number}" for number in range(30)]


def test_held_events_are_written_by_the_second_and_a_killed_run_leaves_a_whole_history(home: Home, ours: dg.DagsterInstance) -> None:
    run = ours.create_run_for_job(JOB)
    script = f"""
import os, signal, sys, time
import dagster as dg
from orders_pipeline.kernel.orchestration import history
from orders_pipeline.kernel.orchestration.history import holding_back
with dg.DagsterInstance.from_config({str(home.dagster)!r}) as instance, holding_back(instance):
    run = instance.get_run_by_id({run.run_id!r})
    instance.report_engine_event("told", run)
    time.sleep(2.5)
    instance.report_engine_event("lost", run)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    messages = [e.message for e in ours.all_logs(run.run_id)]
    assert "told" in messages and "lost" not in messages
    ours.report_run_failed(run)
    assert ours.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert JOB.execute_in_process(instance=ours).success


def test_files_of_runs_nobody_asks_for_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few at any time, and none after a while: a process that lives for months would keep deleted ones on the disk."""
    clock = [0.0]
    monkeypatch.setattr(history.time, "monotonic", lambda: clock[0])
    log = BulkEventLog(str(tmp_path))
    for number in range(8):
        with log.run_connection(f"run{number}"):
            pass
    assert list(log._open)[-history.OPEN_FILES :] == ["run4", "run5", "run6", "run7"] and len(log._open) <= history.OPEN_FILES + 2
    clock[0] = history.IDLE_SECONDS / 2
    with log.run_connection("run7"):
        pass
    clock[0] = history.IDLE_SECONDS + 1
    with log.index_connection():
        pass
    assert set(log._open) == {"run7", history.INDEX_SHARD_NAME}
    held = {link.resolve() for link in Path("/proc/self/fd").iterdir()}
    assert {path.stem for path in held if tmp_path in path.parents} == {"run7", "index"}
    log.dispose()
    assert not log._open and not log._used
