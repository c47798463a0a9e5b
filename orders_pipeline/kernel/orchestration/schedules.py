"""The jobs and schedules: tables age with the clock even when no file comes, and people get their lists in the morning.

Schedules run in the business's zone: nine in the morning is nine where the warehouses are, on every clock the machine may show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.orchestration.channel_report import CHANNEL_REPORT
from orders_pipeline.kernel.orchestration.lists import SHIPPING_LISTS, WEEKLY_REVIEW
from orders_pipeline.kernel.orchestration.metadata import asset_key, source_tables
from orders_pipeline.kernel.orchestration.months import MONTHLY, close_job
from orders_pipeline.kernel.orchestration.report import REPORT
from orders_pipeline.kernel.orchestration.resources import PROMPT_TAG

LOAD = "load_and_publish"
RECONCILE = "reconcile"
MORNING = "morning_lists"
WEEKLY = "weekly_review"
ZONE = "Asia/Shanghai"
#: The event log has every event of a run; the console of `dev` needs no copy of it.
CONSOLE = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}


def load_job(models: Iterable[Model]) -> dg.JobDefinition:
    """What people act on at once: take in, refresh, check, publish. The tables made later follow in `reconcile`, soon after;
    the lists, the report and what is done month by month have jobs of their own."""
    description = "Take in what is new, bring the tables of the day's work up to date, check, publish."
    written = dg.AssetSelection.assets(SHIPPING_LISTS, WEEKLY_REVIEW, REPORT, CHANNEL_REPORT, *MONTHLY)
    later = dg.AssetSelection.assets(*(asset_key(m.name) for m in models if m.later))
    selection = dg.AssetSelection.all() - written - later
    return dg.define_asset_job(LOAD, selection, config=CONSOLE, description=description, tags={PROMPT_TAG: "yes"})


def clock_jobs() -> tuple[dg.JobDefinition, ...]:
    """Every table against the clock of now, without a look for files (what the clock does not touch costs nothing), and lists.

    The shipping lists are in all but the weekly job: a warehouse in another zone has its morning at another hour, and a list
    that is there already stays as it is. The report is made in the morning job only. The close of a month stands beside them and
    has no schedule: somebody decides it.
    """
    taken_in = (asset_key(name) for name in source_tables())
    tables = dg.AssetSelection.all() - dg.AssetSelection.assets(*taken_in, CHANNEL_REPORT, *MONTHLY)
    shipping, review, report = (dg.AssetSelection.assets(key) for key in (SHIPPING_LISTS, WEEKLY_REVIEW, REPORT))
    aging = tuple(
        dg.define_asset_job(name, selection, config=CONSOLE, description=description)
        for name, selection, description in (
            (RECONCILE, tables - review - report, "Age every table to now, reconcile, publish."),
            (
                MORNING,
                tables - review,
                "Age every table to now, publish, and write the shipping list of each warehouse and the report.",
            ),
            (
                WEEKLY,
                tables - shipping - report,
                "Age every table to now, publish, and write the list of last week's orders to look at.",
            ),
        )
    )
    return (*aging, close_job())


def schedules(jobs: Sequence[dg.JobDefinition]) -> list[dg.ScheduleDefinition]:
    """The schedules of the clock's jobs, in the business's own time zone."""
    by_name = {job.name: job for job in jobs}
    plan = (
        (
            "reconcile_every_two_hours",
            RECONCILE,
            "0 */2 * * *",
            "What falls due does so whether or not a file arrives.",
        ),
        (
            "shipping_lists_at_nine",
            MORNING,
            "0 9 * * *",
            "The list of the day per warehouse, in published/lists, and the report.",
        ),
        (
            "weekly_review_on_monday",
            WEEKLY,
            "30 9 * * 1",
            "Last week's orders to look at, in published/lists/weekly.",
        ),
    )
    return [
        dg.ScheduleDefinition(
            name=name,
            job=by_name[job],
            cron_schedule=cron,
            execution_timezone=ZONE,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=description,
        )
        for name, job, cron, description in plan
    ]
