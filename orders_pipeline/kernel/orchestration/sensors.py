"""Looks at the landing zone and asks for one run when there is something to take, and when it is quiet, for what is made later.

A look costs a walk through the folder; it never opens the warehouse, whose lock belongs to the run.
"""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

import dagster as dg

from orders_pipeline.ingest import store
from orders_pipeline.ingest.arrivals import Arrivals
from orders_pipeline.ingest.intake import dictionary_fingerprint
from orders_pipeline.ingest.landing import PASSING, Landed, scan
from orders_pipeline.kernel.home import Home, find_home
from orders_pipeline.kernel.orchestration import taken
from orders_pipeline.kernel.orchestration.assets import SETTLE_SECONDS
from orders_pipeline.kernel.orchestration.resources import in_use
from orders_pipeline.kernel.orchestration.worker import alive
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.publish import later

NAME = "landing_sensor"
#: How long a look may wait for a file to come; `dev` sets it.
WATCH_VARIABLE = "ORDERS_PIPELINE_WATCH_SECONDS"
#: A run that died before it took its files is asked for again after these many seconds, then left to people.
TRY_AGAIN_SECONDS = (60, 300, 1800)
#: A run that was asked for has this long to start; after that only its hold on the warehouse shows that it lives.
START_SECONDS = 180
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


@dataclass(frozen=True)
class Cursor:
    """What was asked for last: the digest of the files, how often, and when."""

    digest: str = ""
    attempt: int = 0
    asked_at: float = 0.0

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        return cls(**json.loads(text)) if text else cls()

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def pending(home: Home) -> tuple[list[Landed], int]:
    """The files that are settled and not taken, and how many more are not settled yet."""
    found = scan(home.landing, settle_seconds=SETTLE_SECONDS)
    known = taken.read(home)
    accepted = ("", dictionary_fingerprint()) if known else ()
    new = [f for f in found if known.get(taken.digest(f.relative_path, f.size, f.mtime_ns)) not in accepted]
    return new, len([w for w in found.waiting if w.reason in PASSING])


@cache
def _looks(home: Home) -> store.Looks:
    return store.Looks(load_settings(home.settings_file).landing_url)


def ask(home: Home) -> list[str]:
    """Bring what is new in the object store, where the landing zone is one, at most every few seconds; what could not be."""
    return [f"{name} {why}" for name, why in store.fetch(home, _looks(home).url)] if _looks(home).is_due else []


def awaited(home: Home, seconds: float) -> tuple[list[Landed], int]:
    """What is pending, at most so many seconds later: the daemon looks every five, however often it is asked to."""
    end = time.monotonic() + seconds
    files, unsettled = pending(home)
    if files or seconds <= 0:
        return files, unsettled
    arrivals = Arrivals(home.landing)
    try:
        while not files and (left := end - time.monotonic()) > 0:
            arrivals.wait(min(left, 0.25 if unsettled else 1.0))
            files, unsettled = pending(home)
    finally:
        arrivals.close()
    return files, unsettled


def decide(last: Cursor, files: Sequence[Landed], now: float, busy: bool) -> Cursor | str:
    """The request to make, as the cursor to remember; or why there is none."""
    if not files:
        return "nothing new in the landing zone"
    if busy:
        return f"{len(files)} new files; a run is in progress, the next one takes what it leaves"
    lines = [dictionary_fingerprint(), *(taken.digest(f.relative_path, f.size, f.mtime_ns) for f in files)]
    digest = hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()
    if digest != last.digest:
        return Cursor(digest, 1, now)
    if last.attempt > len(TRY_AGAIN_SECONDS):
        return f"{last.attempt} runs have left the same {len(files)} files; look at the last one"
    wait = last.asked_at + TRY_AGAIN_SECONDS[last.attempt - 1] - now
    if wait > 0:
        return f"the last run left {len(files)} files; another try in {wait:.0f} s"
    return replace(last, attempt=last.attempt + 1, asked_at=now)


def landing_sensor(load: dg.JobDefinition, catch_up: dg.JobDefinition) -> dg.SensorDefinition:
    """One run for all files that are ready; those that come during a run are for the next one. In a quiet while, one for the
    tables that are made later."""

    @dg.sensor(
        name=NAME,
        jobs=[load, catch_up],
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run when complete files lie in the landing zone.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        home = find_home(None)
        if alive(home):
            return dg.SkipReason("the worker takes files as they come")
        missed = ask(home)
        files, unsettled = awaited(home, float(os.environ.get(WATCH_VARIABLE, "0")))
        if files and alive(home):
            return dg.SkipReason("the worker takes files as they come")
        is_late = later.is_due(home, files)
        busy = (is_late or bool(files)) and is_busy(context.instance, home)
        if is_late and not busy:
            later.tried(home)
            return dg.SensorResult([dg.RunRequest(job_name=catch_up.name)], cursor=context.cursor)
        decision = decide(Cursor.parse(context.cursor), files, time.time(), busy)
        if isinstance(decision, str):
            return dg.SkipReason("; ".join([decision, *([f"{unsettled} still being written"] if unsettled else []), *missed]))
        request = dg.RunRequest(
            run_key=f"{decision.digest}-{decision.attempt}",
            job_name=load.name,
            tags=tags_of(files),
        )
        return dg.SensorResult([request], cursor=str(decision))

    return sensor


def is_busy(instance: dg.DagsterInstance, home: Home) -> bool:
    """Whether a run that may take the files is at work or about to be. A run whose process died does not count."""
    if in_use(home):
        return True
    records = instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED)), limit=20)
    return any(time.time() - r.create_timestamp.timestamp() < START_SECONDS for r in records)


def tags_of(files: Sequence[Landed]) -> dict[str, str]:
    """What a run says of its files: how many there were, and the first, as short as a tag may be."""
    first = files[0].relative_path
    return {
        "orders_pipeline/files": str(len(files)),
        "orders_pipeline/first_file": first if len(first) <= 120 else "…" + first[-119:],
    }
