"""`orders-pipeline dev` and what it writes: both storages, no secret on disk, clear words when it can not start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
from dagster._core.storage.runs import SqliteRunStorage

from orders_pipeline import cli, dev
from orders_pipeline.definitions import defs
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration.resources import HOLDER_TAG, POOL, holder
from orders_pipeline_tests.dagster.conftest import AS_OF
from orders_pipeline_tests.dagster.postgres import PASSWORD, NoServer, server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a database on a server of our own."""
    try:
        with server() as (host, port):
            yield f"postgresql://postgres:{quote(PASSWORD, safe='')}@{host}:{port}/postgres"
    except NoServer as reason:
        pytest.skip(str(reason))


def test_repository_files_are_those_of_dev(home: Home) -> None:
    """dagster.yaml and workspace.yaml of the repository say what `dev` writes, in the Postgres form."""
    home.dagster.mkdir()
    workspace = dev.write_configuration(home, postgres=True)
    ours = (ROOT / "dagster.yaml").read_text().split("\n", 1)[1]
    assert ours == (home.dagster / "dagster.yaml").read_text()
    from orders_pipeline.dictionary.model import read_yaml

    assert read_yaml(ROOT / "workspace.yaml") == read_yaml(workspace)


def test_embedded_instance_keeps_one_writer(home: Home) -> None:
    home.dagster.mkdir()
    dev.write_configuration(home, postgres=False)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        pools = instance.event_log_storage.get_pool_config()
        assert (pools.default_pool_limit, pools.pool_granularity.value) == (1, "run")
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        assert isinstance(instance.run_storage, SqliteRunStorage)
        assert not instance.telemetry_enabled
    job = defs.resolve_job_def("load_and_publish")
    assert {node.definition.pool for node in job.graph.nodes} == {POOL}


@pytest.mark.postgres
def test_run_is_recorded_in_postgres(
    postgres: str, small_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(dev.PG_VARIABLE, dev.sqlalchemy_url(postgres))
    dev.refuse_unreachable(dev.sqlalchemy_url(postgres))
    small_home.dagster.mkdir()
    dev.write_configuration(small_home, postgres=True)
    with dg.DagsterInstance.from_config(str(small_home.dagster)) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"
        tags = {"orders_pipeline/as_of": AS_OF}
        result = defs.resolve_job_def("load_and_publish").execute_in_process(instance=instance, tags=tags)
        assert result.success
    import psycopg2

    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT status, pipeline_name FROM runs WHERE run_id = %s", [result.run_id])
        assert cursor.fetchall() == [("SUCCESS", "load_and_publish")]
        cursor.execute(
            "SELECT count(*) FROM event_logs WHERE run_id = %s AND dagster_event_type = 'ASSET_MATERIALIZATION'",
            [result.run_id],
        )
        assert cursor.fetchall()[0][0] == len(defs.resolve_job_def("load_and_publish").asset_layer.executable_asset_keys)
    assert not (small_home.dagster / "history").exists()
    for file in small_home.dagster.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()
        assert not file.is_file() or quote(PASSWORD, safe="").encode() not in file.read_bytes()


@pytest.mark.postgres
def test_wrong_password_is_one_line_without_it(postgres: str) -> None:
    wrong = postgres.replace(quote(PASSWORD, safe=""), "guessed")
    with pytest.raises(Usage, match="password authentication failed") as caught:
        dev.refuse_unreachable(dev.sqlalchemy_url(wrong))
    assert "guessed" not in str(caught.value)


@pytest.mark.parametrize("text", ["mysql://user:secret@host/db", "secret", "postgresql://user:secret@host:port/db",
                                  "postgresql://user:secret@host"])
def test_url_of_something_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Usage, match="postgresql://user:password@host:5432/database") as caught:
        dev.sqlalchemy_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"])
def test_url_gets_the_driver_we_have(scheme: str) -> None:
    made = dev.sqlalchemy_url(f"{scheme}://me:a%40b%2Fc@db:5433/orders?sslmode=require")
    assert made == "postgresql+psycopg2://me:a%40b%2Fc@db:5433/orders?sslmode=require"


def test_taken_port_is_one_line(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert cli.main(["dev", "--home", str(home.root), "--port", str(port)]) == 2
    assert f"--port {port + 1}" in capsys.readouterr().err


def test_second_dev_on_one_home_is_refused(home: Home) -> None:
    home.dagster.mkdir()
    with dev._only_one(home), pytest.raises(Usage, match="already serves"), dev._only_one(home):
        pass


def test_run_that_died_with_the_machine_is_marked_as_failed(home: Home) -> None:
    home.dagster.mkdir()
    dev.write_configuration(home, postgres=False)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        job = defs.resolve_job_def("load_and_publish")
        started = dg.DagsterRunStatus.STARTED
        ours = instance.create_run_for_job(job, status=started, tags={HOLDER_TAG: holder(home)})
        theirs = instance.create_run_for_job(job, status=started, tags={HOLDER_TAG: "elsewhere:/home"})
        dev._settle_dead_runs(home, os.environ)
        assert instance.get_run_by_id(ours.run_id).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(theirs.run_id).status == dg.DagsterRunStatus.STARTED


@pytest.mark.slow
def test_dev_takes_a_dropped_file_and_ends_with_ctrl_c(small_home: Home, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "orders_pipeline.cli", "dev", "--home", str(small_home.root), "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a shell's `&` in a script does
    )
    try:
        _until(lambda: _statuses(port) == ["SUCCESS"], 150)
        assert small_home.published_database.exists()
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=150)  # a run that has begun is ended first
    assert process.returncode == 0, output
    assert f"http://localhost:{port}" in output
    assert "superseded" not in output
    assert "Warning" not in output


def _statuses(port: int) -> list[str]:
    query = json.dumps({"query": "{runsOrError{... on Runs{results{status}}}}"}).encode()
    address, header = f"http://127.0.0.1:{port}/graphql", {"Content-Type": "application/json"}
    request = urllib.request.Request(address, query, header)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own server
            return [run["status"] for run in json.load(answer)["data"]["runsOrError"]["results"]]
    except OSError:
        return []


def _until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.5)
