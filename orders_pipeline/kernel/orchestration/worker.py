"""The worker: a process that has everything imported, hears of files as they come, and takes them in ordinary runs.

Between a file and its rows stand, without it, the sensor's tick, the queue and the start of a Python process with all its
imports: more seconds than the work. The worker does these once. For each run it forks: the child makes the run in the
instance, with its steps, checks and events like any other, and ends; the worker itself holds no connection and no lock but
the one that says it is there. A child that dies takes nothing with it: its run is marked as failed, and the next one
completes what it began. A worker that dies is started again (`dev`); meanwhile the sensor, which is silent while there is a
worker, does its work.
"""

from __future__ import annotations

import fcntl
import gc
import io
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orders_pipeline.ingest import store
from orders_pipeline.ingest.arrivals import Arrivals
from orders_pipeline.kernel import statements
from orders_pipeline.kernel.home import HOME_VARIABLE, Home, find_home
from orders_pipeline.kernel.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg

LOCATION, REPOSITORY, MODULE = "orders_pipeline", "__repository__", "orders_pipeline.definitions"
#: On every run of a worker: its machine and process, so that a run whose process has died can be told.
WORKER_TAG = "orders_pipeline/worker"
#: How often the worker looks by itself, for what nobody has told it of, and shows that it is well.
LOOK_SECONDS = 1.0
#: A worker that has not shown itself for so long is taken for dead, whatever it holds.
SILENT_SECONDS = 20.0
CANCEL_LOOK_SECONDS, ARRIVAL_LOOK_SECONDS = 2.0, 0.25
#: A run that has not ended by then is interrupted once more.
INSIST_SECONDS = 15.0
#: A run of files is over by then: writing down what it has done, step by step, would be in the way of doing it.
HOLD_SECONDS = 10.0
#: After so many runs, records of old ones are deleted.
PRUNE_EVERY = 20
#: Files of an order, for the runs by which a worker gets ready.
REHEARSAL = (
    "channel,shop_id,channel_order_id,status,currency,payable_amount,created_at,paid_at,province,city,district,address\n"
    "taobao,main,1,paid,CNY,10.00,2026-03-01T12:00:00+08:00,2026-03-01T12:01:00+08:00,浙江省,杭州市,西湖区,文三路1号\n",
    "channel,shop_id,channel_order_id,sku,quantity,product_title\ntaobao,main,1,S1,1,茶叶 250g\n",
)
#: A child's exit codes: another run is at work; it has stopped, for a file has come.
BUSY, GAVE_WAY = 75, 76


def _marker(home: Home) -> Path:
    return home.dagster / "worker"


def alive(home: Home) -> bool:
    """Whether a worker takes the files of this home: it holds its marker and has shown itself lately."""
    try:
        with _marker(home).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return time.time() - _marker(home).stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False


@contextmanager
def _present(home: Home) -> Iterator[Callable[[], None]]:
    """Be the one worker of a home; gives a function that shows it is well. Raises BlockingIOError when there is one."""
    home.dagster.mkdir(parents=True, exist_ok=True)
    with _marker(home).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.register_at_fork(after_in_child=file.close)  # A child must not hold the marker of a worker that is gone.
        yield lambda: os.utime(file.fileno())


@dataclass
class Worker:
    """Takes the files of one home until it is told to stop."""

    home: Home
    #: What takes files in, and what makes the tables that are made later.
    job: dg.JobDefinition
    catch_up: dg.JobDefinition | None = None
    stopping: bool = False
    #: Of the run at work, if there is one.
    child: int = 0
    _plans: dict[str, object] = field(default_factory=dict, repr=False)

    def serve(self, beat: Callable[[], None] = lambda: None) -> None:
        """Wait for files and take them, run after run. What comes during a run is for the next one."""
        from orders_pipeline.kernel.orchestration.resources import in_use
        from orders_pipeline.kernel.orchestration.sensors import Cursor, decide, pending, tags_of
        from orders_pipeline.publish import later

        last, arrivals, runs = Cursor(), Arrivals(self.home.landing), 0
        looks = store.Looks(load_settings(self.home.settings_file).landing_url)
        self._in_child(self._settle)
        try:
            while not self.stopping:
                beat()
                if looks.is_due:
                    self._in_child(lambda: self._fetch(looks.url), beat)
                arrivals.wait(0)
                files, unsettled = pending(self.home)
                if self.catch_up and later.is_due(self.home, files):
                    code = self._run(self.catch_up, {}, beat, gives_way=not later.is_overdue(self.home))
                    if code == BUSY:  # One that was asked for is about to start.
                        time.sleep(LOOK_SECONDS)
                    elif code != GAVE_WAY:
                        later.tried(self.home)
                    continue
                decision = decide(last, files, time.time(), busy=bool(files) and in_use(self.home))
                if isinstance(decision, Cursor):
                    code = self._run(self.job, tags_of(files), beat)
                    if code == BUSY:  # One that was asked for is about to start.
                        time.sleep(LOOK_SECONDS)
                    else:
                        last, runs = decision, runs + 1
                    if runs >= PRUNE_EVERY:
                        self._in_child(self._prune, beat)
                        runs = 0
                else:
                    arrivals.wait(LOOK_SECONDS / 4 if unsettled or files else LOOK_SECONDS)
        finally:
            arrivals.close()

    def _run(self, job: dg.JobDefinition, tags: Mapping[str, str], beat: Callable[[], None], gives_way: bool = False) -> int:
        run_id = str(uuid.uuid4())
        with tempfile.TemporaryFile() as told:
            code = self._in_child(lambda: self._execute(run_id, job, tags, told, gives_way), beat)
            statements.learn(told)
        if code not in (0, BUSY, GAVE_WAY):
            self._in_child(lambda: self._mark_failed(run_id, code))
        return code

    def _in_child(self, work: Callable[[], int | None], beat: Callable[[], None] = lambda: None) -> int:
        """Do something in a forked process; its exit code, or minus the signal that ended it."""
        sys.stdout.flush()
        sys.stderr.flush()
        self.child = os.fork()
        if self.child == 0:
            code = 1
            try:
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                code = work() or 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        wait = 0.001
        while True:
            pid, status = os.waitpid(self.child, os.WNOHANG)
            if pid:
                self.child = 0
                return os.waitstatus_to_exitcode(status)
            beat()
            wait = min(wait * 2, 0.05)
            time.sleep(wait)

    # ---- in the child

    def _fetch(self, url: str) -> None:
        for name, why in store.fetch(self.home, url):
            print(f"{name} {why}", file=sys.stderr)

    def _execute(
        self, run_id: str, job: dg.JobDefinition, tags: Mapping[str, str], told: BinaryIO, gives_way: bool = False
    ) -> int:
        from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
        from dagster._core.definitions.job_base import InMemoryJob
        from dagster._core.execution.api import execute_run

        from orders_pipeline.kernel.orchestration.history import holding_back
        from orders_pipeline.kernel.orchestration.resources import HOLDER_TAG, holder
        from orders_pipeline.kernel.orchestration.sensors import is_busy

        known = statements.count()
        with DagsterInstance.from_config(str(self.home.dagster)) as instance:
            if is_busy(instance, self.home):
                return BUSY
            with holding_back(instance, HOLD_SECONDS):
                run = instance.create_run_for_job(
                    job,
                    run_id=run_id,
                    execution_plan=self._plans.get(job.name),
                    remote_job_origin=_origin(job.name),
                    tags={**job.run_tags, **tags, WORKER_TAG: _here(), HOLDER_TAG: holder(self.home)},
                )
                starting = DagsterEvent(event_type_value=DagsterEventType.PIPELINE_STARTING.value, job_name=run.job_name)
                instance.report_dagster_event(starting, run_id=run_id)
                with _cancellable(instance, run_id, self.home if gives_way else None) as has_given_way:
                    execute_run(InMemoryJob(job), instance.get_run_by_id(run_id), instance)
            # It may have come to its end all the same.
            stopped = has_given_way.is_set() and instance.get_run_by_id(run_id).status == DagsterRunStatus.CANCELED
        statements.tell(told, known)
        return GAVE_WAY if stopped else 0

    def _mark_failed(self, run_id: str, code: int) -> None:
        from dagster import DagsterInstance

        with DagsterInstance.from_config(str(self.home.dagster)) as instance:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                how = f"by signal {-code}" if code < 0 else f"with code {code}"
                instance.report_run_failed(run, f"Its process ended {how}. The next run completes what it began.")

    def _settle(self) -> None:
        from dagster import DagsterInstance

        with DagsterInstance.from_config(str(self.home.dagster)) as instance:
            settle_dead_runs(instance)

    def _prune(self) -> None:
        from dagster import DagsterInstance

        from orders_pipeline.kernel.orchestration.retention import prune, records_kept

        with DagsterInstance.from_config(str(self.home.dagster)) as instance:
            prune(instance, records_kept(self.home))


def settle_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark the runs of workers as failed whose process is no more: nobody else knows of them."""
    from dagster import DagsterRunStatus, RunsFilter

    unfinished = [
        DagsterRunStatus.NOT_STARTED,
        DagsterRunStatus.STARTING,
        DagsterRunStatus.STARTED,
        DagsterRunStatus.CANCELING,
    ]
    for run in instance.get_runs(RunsFilter(statuses=unfinished)):
        machine, _, pid = run.tags.get(WORKER_TAG, "").rpartition(":")
        if machine == socket.gethostname() and not _is_running(int(pid)):
            instance.report_run_failed(run, "Its process ended without a word. The next run completes what it began.")


def _here() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _cancellable(instance: dg.DagsterInstance, run_id: str, gives_way_in: Home | None) -> Iterator[threading.Event]:
    """Whoever terminates a run in the UI sets its status; this process then interrupts itself. It sets the status itself when a
    file has come into a home where the run gives way to it: what it has made stays, and the next such run goes on from there.
    Gives an event that is set in the second case."""
    from dagster import DagsterRunStatus

    from orders_pipeline.kernel.orchestration.sensors import pending

    done, has_given_way = threading.Event(), threading.Event()
    arrivals = Arrivals(gives_way_in.landing) if gives_way_in else None

    def look() -> None:
        looked_at = time.monotonic()
        while not done.is_set():
            told = arrivals.wait(ARRIVAL_LOOK_SECONDS) if arrivals else done.wait(CANCEL_LOOK_SECONDS)
            if done.is_set() or (not told and time.monotonic() - looked_at < CANCEL_LOOK_SECONDS):
                continue
            looked_at = time.monotonic()
            run = instance.get_run_by_id(run_id)
            if gives_way_in and run is not None and run.status == DagsterRunStatus.STARTED and pending(gives_way_in)[0]:
                has_given_way.set()
                instance.report_run_canceling(run, "A file has come and goes first. The next such run goes on from here.")
            elif run is None or run.status != DagsterRunStatus.CANCELING:
                continue
            os.kill(os.getpid(), signal.SIGINT)
            done.wait(INSIST_SECONDS)

    thread = threading.Thread(target=look, name="cancel", daemon=True)
    thread.start()
    try:
        yield has_given_way
    finally:
        done.set()
        thread.join()
        if arrivals:
            arrivals.close()


def _origin(job: str) -> object:
    """Where the UI finds the job of a run, to run it again."""
    from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    target = LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, LOCATION)
    return RemoteRepositoryOrigin(location, REPOSITORY).get_job_origin(job)


def warm(jobs: Iterable[dg.JobDefinition]) -> dict[str, object]:
    """Do once what every run would do anew: imports, dictionary, models, plans. Returns the jobs' execution plans by name.

    The surest way to import whatever a run imports on its way, and to make the texts of its statements, are runs on a home
    that is thrown away: an empty one, and the first job's with a file.
    """
    from dagster import _core  # noqa: F401
    from dagster._core.execution.api import create_execution_plan

    from orders_pipeline import pipeline
    from orders_pipeline.dev import write_configuration

    jobs = list(jobs)
    for job in jobs:
        job.get_job_snapshot_id()
    plans = {job.name: create_execution_plan(job) for job in jobs}
    with tempfile.TemporaryDirectory(prefix="orders-pipeline-") as folder, _at_home(Home(Path(folder))) as home:
        pipeline.run(home, datetime.now(UTC))
        home.dagster.mkdir()
        write_configuration(home, postgres=False)
        for number, text in enumerate(REHEARSAL):
            file = home.landing / f"{number}.csv"
            file.write_text(text, encoding="utf-8")
            os.utime(file, (0, 0))  # It has been written long ago.
        with Path(os.devnull).open("w") as nobody, redirect_stdout(nobody), redirect_stderr(nobody):
            Worker(home, jobs[0], _plans=plans)._execute(str(uuid.uuid4()), jobs[0], {}, io.BytesIO())
    return plans


@contextmanager
def _at_home(home: Home) -> Iterator[Home]:
    """Another home is the one that the environment names."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(home.root)
    try:
        yield home
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before


def main() -> int:
    """The worker of the home named in ORDERS_PIPELINE_HOME; 0 when it was told to stop, 1 when there is one already."""
    from orders_pipeline.definitions import defs
    from orders_pipeline.kernel.orchestration.schedules import LOAD, RECONCILE

    home = find_home(None).create()
    jobs = defs.resolve_job_def(LOAD), defs.resolve_job_def(RECONCILE)
    worker = Worker(home, *jobs, _plans=warm(jobs))
    gc.collect()
    gc.freeze()  # Pages that no collection touches stay shared with the children.

    def stop(number: int, frame: object) -> None:
        worker.stopping = True
        if worker.child:
            with suppress(ProcessLookupError):
                os.kill(worker.child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        with _present(home) as beat:
            worker.serve(beat)
    except BlockingIOError:
        print(f"another worker takes the files of {home.root}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
