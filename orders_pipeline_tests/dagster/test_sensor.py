"""The landing sensor: complete files only, one run for a burst, never twice for the same, never the warehouse."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import fsspec
import pytest

from orders_pipeline import pipeline
from orders_pipeline.definitions import defs
from orders_pipeline.ingest import intake
from orders_pipeline.kernel import warehouse
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration import resources, sensors
from orders_pipeline.kernel.orchestration.sensors import START_SECONDS, TRY_AGAIN_SECONDS, Cursor, decide, pending
from orders_pipeline.publish import later
from orders_pipeline_tests.dagster.conftest import AS_OF, land, land_orders, order

Tick = Callable[[], list[dg.RunRequest]]


@pytest.fixture
def tick(home: Home, instance: dg.DagsterInstance) -> Tick:
    """Looks once, as the daemon does, and keeps the cursor."""
    sensor = defs.get_repository_def().get_sensor_def("landing_sensor")
    cursor: str | None = None

    def look() -> list[dg.RunRequest]:
        nonlocal cursor
        context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=defs.get_repository_def())
        result = sensor.evaluate_tick(context)
        cursor = result.cursor or cursor
        return list(result.run_requests or [])

    return look


def take_all(home: Home) -> None:
    pipeline.run(home, datetime.fromisoformat(AS_OF).astimezone(UTC))


def test_empty_landing_zone_asks_for_nothing(tick: Tick) -> None:
    assert tick() == []


def test_new_file_asks_for_one_run_once(home: Home, tick: Tick) -> None:
    land_orders(home, "a.csv", "A1")
    [request] = tick()
    assert request.run_key
    assert request.tags["orders_pipeline/first_file"] == "a.csv"
    assert tick() == [], "the same files, already asked for"


def test_second_file_while_the_first_is_not_taken(home: Home, tick: Tick) -> None:
    land_orders(home, "a.csv", "A1")
    [first] = tick()
    land_orders(home, "b.csv", "B1")
    [second] = tick()
    assert first.run_key != second.run_key
    assert second.tags["orders_pipeline/files"] == "2"


def test_look_that_waits_sees_a_file_come(home: Home) -> None:
    home.landing.joinpath("shop=main").mkdir()
    comes = threading.Timer(0.3, land_orders, (home, "shop=main/a.csv", "A1"))
    comes.start()
    started = time.monotonic()
    files, _ = sensors.awaited(home, 10)
    assert [f.relative_path for f in files] == ["shop=main/a.csv"]
    assert time.monotonic() - started < 5
    assert sensors.awaited(Home(home.root / "empty").create(), 0.2) == ([], 0)


def test_burst_asks_for_one_run(home: Home, tick: Tick) -> None:
    for number in range(50):
        land_orders(home, f"orders-{number}.csv", f"A{number}")
    [request] = tick()
    assert request.tags["orders_pipeline/files"] == "50"
    assert tick() == []


def test_taken_files_are_not_new(home: Home, tick: Tick) -> None:
    land_orders(home, "a.csv", "A1")
    assert len(tick()) == 1
    take_all(home)
    assert tick() == []
    land_orders(home, "b.csv", "B1")
    assert len(tick()) == 1


def test_files_the_command_line_took_are_not_new(home: Home, tick: Tick) -> None:
    land_orders(home, "a.csv", "A1")
    take_all(home)
    assert tick() == []


def test_changed_file_is_new(home: Home, tick: Tick) -> None:
    path = land_orders(home, "a.csv", "A1")
    take_all(home)
    with path.open("a") as out:
        out.write(",".join(order("A2").values()) + "\n")
    past = time.time() - 60
    os.utime(path, (past, past))
    assert len(tick()) == 1


def test_file_still_being_written_is_left(home: Home, tick: Tick) -> None:
    path = land(home, "a.csv", [order("A1")], settled=False)
    assert tick() == []
    past = time.time() - 60
    os.utime(path, (past, past))
    assert len(tick()) == 1


def test_refused_file_is_tried_again_when_the_dictionary_has_changed(
    home: Home, tick: Tick, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(home, "odd.csv", [{"nobody": "1", "knows": "2"}])
    assert len(tick()) == 1
    take_all(home)
    land_orders(home, "a.csv", "A1")
    take_all(home)
    assert tick() == []
    monkeypatch.setattr(sensors, "dictionary_fingerprint", lambda: "another")
    assert len(tick()) == 1


def test_run_in_progress_leaves_the_file_to_the_next(home: Home, tick: Tick) -> None:
    land_orders(home, "a.csv", "A1")
    with resources.marked(home):
        assert tick() == []
    assert len(tick()) == 1


def test_run_that_is_starting_counts_and_one_that_died_does_not(
    home: Home, tick: Tick, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.create_run_for_job(defs.resolve_job_def("load_and_publish"), status=dg.DagsterRunStatus.STARTED)
    land_orders(home, "a.csv", "A1")
    assert tick() == []
    real = time.time
    monkeypatch.setattr(sensors.time, "time", lambda: real() + START_SECONDS + 1)
    assert len(tick()) == 1


def test_tick_does_not_open_the_warehouse(home: Home, tick: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    take_all(home)
    land_orders(home, "a.csv", "A1")

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the sensor opened the warehouse")

    for module in (warehouse, pipeline, intake):
        monkeypatch.setattr(module.duckdb, "connect", refuse)
    assert len(tick()) == 1


def test_without_a_warehouse_everything_is_new_again(home: Home) -> None:
    land_orders(home, "a.csv", "A1")
    take_all(home)
    assert pending(home)[0] == []
    home.warehouse.unlink()
    assert [f.relative_path for f in pending(home)[0]] == ["a.csv"]


def test_files_a_run_has_left_are_tried_again_later_and_not_for_ever(home: Home) -> None:
    land_orders(home, "a.csv", "A1")
    files, _ = pending(home)
    cursor = decide(Cursor(), files, now=0, busy=False)
    assert isinstance(cursor, Cursor)
    now, keys = 0.0, {(cursor.digest, cursor.attempt)}
    for wait in TRY_AGAIN_SECONDS:
        assert isinstance(decide(cursor, files, now + wait - 1, busy=False), str)
        now += wait
        cursor = decide(cursor, files, now, busy=False)
        assert isinstance(cursor, Cursor)
        keys.add((cursor.digest, cursor.attempt))
    assert len(keys) == 1 + len(TRY_AGAIN_SECONDS), "a run key is used once"
    assert "look at the last one" in decide(cursor, files, now + 10**6, busy=False)


def test_cursor_survives_the_daemon() -> None:
    cursor = Cursor("abc", 2, 17.5)
    assert Cursor.parse(str(cursor)) == cursor
    assert Cursor.parse(None) == Cursor()


def test_long_name_fits_a_tag(home: Home, tick: Tick) -> None:
    folder = home.landing / ("f" * 100)
    folder.mkdir()
    land_orders(home, str(Path(folder.name, "g" * 100 + ".csv")), "A1")
    [request] = tick()
    assert len(request.tags["orders_pipeline/first_file"]) == 120


def test_what_is_made_later_is_asked_for_in_a_quiet_while(home: Home, tick: Tick, monkeypatch: pytest.MonkeyPatch) -> None:
    land_orders(home, "a.csv", "A1")
    pipeline.run(home, datetime.fromisoformat(AS_OF).astimezone(UTC), prompt=True)
    assert tick() == []
    monkeypatch.setattr(later, "QUIET_SECONDS", 0.0)
    assert [request.job_name for request in tick()] == ["reconcile"]
    assert tick() == [], "asked for already"
    land_orders(home, "b.csv", "B1")
    assert [request.job_name for request in tick()] == ["load_and_publish"]


def test_object_in_the_store_is_brought_and_asked_for(home: Home, tick: Tick) -> None:
    home.settings_file.write_text('[landing]\nurl = "memory://sensor/in"\n')
    system = fsspec.filesystem("memory")
    system.pipe("/sensor/in/a.csv", land_orders(Home(home.root / "elsewhere").create(), "a.csv", "A1").read_bytes())
    past = datetime.now(UTC) - timedelta(minutes=1)
    system.store["/sensor/in/a.csv"].created = past
    try:
        [request] = tick()
    finally:
        system.rm("/sensor", recursive=True)
    assert request.job_name == "load_and_publish" and request.tags["orders_pipeline/first_file"] == "a.csv"
    assert (home.landing / "a.csv").stat().st_mtime == pytest.approx(past.timestamp())


def test_store_that_cannot_be_read_is_told_by_the_look(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.settings_file.write_text('[landing]\nurl = "memory://sensor/in"\n')
    monkeypatch.setattr(sensors.store, "fetch", lambda home, url: [(url, "cannot be read now (ConnectionError)")])
    context = dg.build_sensor_context(instance=instance, repository_def=defs.get_repository_def())
    look = defs.get_repository_def().get_sensor_def("landing_sensor").evaluate_tick(context)
    assert look.skip_message == "nothing new in the landing zone; memory://sensor/in cannot be read now (ConnectionError)"
