"""How many runs of each job Dagster remembers: a home that takes a file a minute would else fill its disk with records of runs.

Runs of a month (a close, a report) are kept: they are what says that the month is done. What a run did to files and rows is
not in its record but in the tables (`ops.files`, `quality.check_results`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings

if TYPE_CHECKING:
    import dagster as dg

#: At most so many records are deleted in one go: whoever deletes has other things to do.
AT_ONCE = 500


def records_kept(home: Home) -> int:
    """Of each job, how many runs of each outcome."""
    return int(load_settings(home.settings_file).thresholds["run_records_max_count"])


def prune(instance: dg.DagsterInstance, keep: int) -> int:
    """Delete, of each job without months, the oldest runs beyond `keep` that succeeded and beyond `keep` that did not.

    Returns how many were deleted.
    """
    from dagster import DagsterRunStatus, RunsFilter

    from orders_pipeline.kernel.orchestration.checkup import NAME as CHECKUP
    from orders_pipeline.kernel.orchestration.schedules import LOAD, MORNING, RECONCILE, WEEKLY

    ended_well, ended_badly = [DagsterRunStatus.SUCCESS], [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
    deleted = 0
    for job in (LOAD, RECONCILE, MORNING, WEEKLY, CHECKUP):
        for statuses in (ended_well, ended_badly):
            some = RunsFilter(job_name=job, statuses=statuses)
            excess = min(instance.get_runs_count(some) - keep, AT_ONCE - deleted)
            if excess <= 0:
                continue
            for record in instance.get_run_records(some, limit=excess, ascending=True):
                run_id = record.dagster_run.run_id
                instance.delete_run(run_id)
                with suppress(NotImplementedError):  # Logs kept elsewhere have their own end.
                    instance.compute_log_manager.delete_logs(prefix=[run_id])
                deleted += 1
    return deleted
