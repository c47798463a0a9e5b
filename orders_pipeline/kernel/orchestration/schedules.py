"""The jobs, and the one schedule: reconciliation ages with the clock even when no file comes."""

from __future__ import annotations

import dagster as dg

from orders_pipeline.kernel.orchestration.metadata import asset_key, source_tables

LOAD = "load_and_publish"
RECONCILE = "reconcile"
#: The event log has every event of a run; the console of `dev` needs no copy of it.
CONSOLE = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}


def load_job() -> dg.JobDefinition:
    """Everything: take in, refresh, check, publish."""
    description = "Take in what is new, bring every table up to date, check, publish."
    return dg.define_asset_job(LOAD, dg.AssetSelection.all(), config=CONSOLE, description=description)


def reconcile_job() -> dg.JobDefinition:
    """Every table against the clock of now, without a look for files: what the clock does not touch costs nothing."""
    taken_in = dg.AssetSelection.assets(*(asset_key(name) for name in source_tables()))
    return dg.define_asset_job(
        RECONCILE, dg.AssetSelection.all() - taken_in, config=CONSOLE, description="Age every table to now, reconcile, publish."
    )


def reconcile_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Every two hours, in the business's own time zone."""
    return dg.ScheduleDefinition(
        name="reconcile_every_two_hours",
        job=job,
        cron_schedule="0 */2 * * *",
        execution_timezone="Asia/Shanghai",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Payment files, shipments and deadlines fall due whether or not a file arrives.",
    )
