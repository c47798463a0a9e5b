"""`orders-pipeline dev`: the Dagster UI, its daemon, sensors and schedules, for one home, with nothing to set up.

The run history lies in the home (SQLite); with ORDERS_PIPELINE_PG_URL set, in that Postgres instead.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import HOME_VARIABLE, Home

if TYPE_CHECKING:
    from dagster import DagsterInstance

PG_VARIABLE = "ORDERS_PIPELINE_PG_URL"
PG_EXAMPLE = "postgresql://user:password@host:5432/database"

INSTANCE = """\
telemetry: {enabled: false}
nux: {enabled: false}

# One writer at a time: a run takes its place in the pool `warehouse` before it starts, and keeps it to its end. (By op,
# two runs would take turns between their steps, each in the way of the other.)
concurrency: {pools: {default_limit: 1, granularity: run}}
run_queue: {dequeue_interval_seconds: 1}
run_monitoring: {enabled: true, poll_interval_seconds: 15, start_timeout_seconds: 180}

# The sensor looks every few seconds: looks that found nothing are kept for a day.
retention:
  schedule: {purge_after_days: 90}
  sensor: {purge_after_days: {skipped: 1, started: 30, success: 30, failure: 90}}
"""

EMBEDDED = """\

# Dagster's SQLite files, written in bulk: a run has above a thousand events.
storage:
  custom:
    module: orders_pipeline.kernel.orchestration.history
    class: BulkStorage
    config: {{base_dir: {folder}}}
"""

POSTGRES = """\

# The URL stays in the environment. SQLAlchemy needs the driver in it: postgresql+psycopg2://user:password@host:5432/database
# (`orders-pipeline dev` adds it by itself).
storage:
  postgres:
    postgres_url: {env: ORDERS_PIPELINE_PG_URL}
"""

WORKSPACE = """\
load_from:
  - python_module: {module_name: orders_pipeline.definitions, location_name: orders_pipeline}
"""

#: `dagster dev` recommends a tool we have no use for, each time it starts.
QUIET = "ignore:Function `dev_command` is superseded:FutureWarning"


WORKER = "orders_pipeline.kernel.orchestration.worker"
#: A worker that ends at once is not started again and again without a pause.
KEPT_SECONDS = 10.0


def serve(home: Home, host: str, port: int, *, worker: bool = True) -> int:
    """Run the Dagster UI and daemon on this home until they end; returns their exit code (0 after Ctrl-C).

    With `worker` a process that has everything imported takes files as they come; without, or while there is none, the sensor
    does.

    Raises Usage when the port is taken, another `dev` serves this home, or Postgres is named but not to be reached.
    """
    refuse_taken_port(host, port)
    home.dagster.mkdir(parents=True, exist_ok=True)
    with _only_one(home):
        environment = os.environ | {
            "DAGSTER_HOME": str(home.dagster),
            HOME_VARIABLE: str(home.root),
            # The sensor waits for files in its looks, instead of between them.
            "ORDERS_PIPELINE_WATCH_SECONDS": os.environ.get("ORDERS_PIPELINE_WATCH_SECONDS", "4.5"),
            # The hundreds of events a run is planned with are written at once.
            "DAGSTER_EVENT_BATCH_SIZE": os.environ.get("DAGSTER_EVENT_BATCH_SIZE", "10000"),
            "PYTHONWARNINGS": ",".join(filter(None, (QUIET, os.environ.get("PYTHONWARNINGS")))),
        }
        url = os.environ.get(PG_VARIABLE)
        if url:
            environment[PG_VARIABLE] = sqlalchemy_url(url)
            refuse_unreachable(environment[PG_VARIABLE])
        workspace = write_configuration(home, postgres=bool(url))
        _settle_dead_runs(home, environment)
        command = [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "--workspace",
            str(workspace),
            "--host",
            host,
            "--port",
            str(port),
            "--log-level",
            "warning",
        ]
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 - only to be printed
        print(f"Dagster on http://{shown}:{port} for {home.root}", flush=True)
        print(f"Drop files into {home.landing}. Ctrl-C ends it.", flush=True)
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            # So begins a script's `dev &`, and what it starts would ignore the signal that is to end it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with _Kept([sys.executable, "-m", WORKER], environment, home.root, wanted=worker) as kept:
            dagster = subprocess.Popen(command, env=environment, cwd=home.root, start_new_session=True)  # noqa: S603
            return _wait(dagster, kept.look)


def write_configuration(home: Home, *, postgres: bool) -> Path:
    """dagster.yaml and workspace.yaml of a home, written anew; returns the workspace file. No secret is in either."""
    storage = POSTGRES if postgres else EMBEDDED.format(folder=json.dumps(str(home.dagster.resolve())))
    (home.dagster / "dagster.yaml").write_text(INSTANCE + storage, encoding="utf-8")
    workspace = home.dagster / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    return workspace


def sqlalchemy_url(text: str) -> str:
    """A Postgres URL as SQLAlchemy wants it. Raises Usage for anything else, not repeating it: it holds a password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
        if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
            raise ArgumentError
    except (ArgumentError, ValueError):
        raise Usage(f"{PG_VARIABLE} is not the URL of a Postgres database; write it like {PG_EXAMPLE}") from None
    return url.set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)


def refuse_unreachable(url: str) -> None:
    """Raises Usage when Postgres can not be connected to, naming the place but not the password."""
    import psycopg2
    from sqlalchemy.engine import make_url

    parts = make_url(url).set(drivername="postgresql")
    try:
        psycopg2.connect(parts.render_as_string(hide_password=False), connect_timeout=5).close()
    except psycopg2.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise Usage(f"{PG_VARIABLE} names {parts.render_as_string()}, which can not be used: {reason}") from None


def refuse_taken_port(host: str, port: int) -> None:
    """Raises Usage when something else listens there."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Usage(f"{host}:{port} cannot be used ({error.strerror}); name another port, e.g. --port {port + 1}") from error


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Two daemons on one home would start each run twice."""
    with (home.dagster / "serving").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Usage(f"another `orders-pipeline dev` already serves {home.root}") from None
        yield


def _settle_dead_runs(home: Home, environment: Mapping[str, str]) -> None:
    """Runs whose process died with the machine are still marked as running: in the pool, they would be in the way."""
    from orders_pipeline.kernel.orchestration.resources import HOLDER_TAG, holder, in_use
    from orders_pipeline.kernel.orchestration.worker import settle_dead_runs

    if in_use(home):
        return
    with _instance(home, environment) as instance:
        from dagster import DagsterRunStatus, RunsFilter

        settle_dead_runs(instance)
        lost = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
        for record in instance.get_run_records(RunsFilter(statuses=lost, tags={HOLDER_TAG: holder(home)})):
            message = "Its process ended without a word. The next run completes what it began."
            instance.report_run_failed(record.dagster_run, message)


@contextmanager
def _instance(home: Home, environment: Mapping[str, str]) -> Iterator[DagsterInstance]:
    from dagster import DagsterInstance

    before = os.environ.get(PG_VARIABLE)
    try:
        if PG_VARIABLE in environment:
            os.environ[PG_VARIABLE] = environment[PG_VARIABLE]
        with DagsterInstance.from_config(str(home.dagster)) as instance:
            yield instance
    finally:
        if before is not None:
            os.environ[PG_VARIABLE] = before


class _Kept:
    """A process that is started again when it ends, at most every KEPT_SECONDS; told to end at the end."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path, *, wanted: bool) -> None:
        self._command, self._environment, self._folder, self._wanted = command, environment, folder, wanted
        self._process: subprocess.Popen | None = None
        self._started = 0.0

    def __enter__(self) -> _Kept:
        self.look()
        return self

    def look(self) -> None:
        """Start it where it is not there."""
        due = time.monotonic() - self._started > KEPT_SECONDS or not self._started
        if self._wanted and due and (self._process is None or self._process.poll() is not None):
            if self._process is not None:
                print("The worker has ended; another one is started. Until it is ready the sensor takes files.", flush=True)
            self._started = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603
                self._command, env=self._environment, cwd=self._folder, start_new_session=True
            )

    def __exit__(self, *_: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=KEPT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()  # Gone, not only told to go.


def _wait(process: subprocess.Popen, meanwhile: Callable[[], None] = lambda: None) -> int:
    """Wait for the end. The process has a session of its own, so that Ctrl-C reaches it once, from here."""
    stopping = 0

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping += 1
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT if stopping == 1 else signal.SIGTERM)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        while (code := process.poll()) is None:
            if not stopping:
                meanwhile()
            time.sleep(0.2)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0 if stopping and code in (0, 1, 130, -signal.SIGINT) else code
