"""The checkup of every night: a job of one step that keeps what it finds, and its schedule."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
from collections import Counter

import dagster as dg

from orders_pipeline.checkup import desk
from orders_pipeline.kernel.orchestration.metadata import records
from orders_pipeline.kernel.orchestration.resources import POOL, Warehouse
from orders_pipeline.kernel.orchestration.retention import prune, records_kept
from orders_pipeline.kernel.orchestration.schedules import CONSOLE

NAME = "checkup"


@dg.op(name="look_for_traps", pool=POOL, out=dg.Out(dg.Nothing), description="Look for known traps of configuration and data.")
def look(context: dg.OpExecutionContext, warehouse: Warehouse) -> None:
    """Findings become metadata of the step and rows of quality.checkup_findings; errors raise alerts."""
    with warehouse.hold(context) as now:
        report = desk.record_in(now)
        for line in now.undelivered:
            context.log.warning(line)
        # Where no worker does it.
        deleted = prune(context.instance, records_kept(now.home))
    for one in report.findings:
        say = {"error": context.log.error, "warn": context.log.warning}.get(one.severity, context.log.info)
        say(f"{one.probe} {one.place}: {one.found} - {one.fix}")
    counts = Counter(f.severity for f in report.findings)
    rows = [(f.severity, f.probe, f.place, f.found, f.why, f.fix) for f in report.findings]
    names = ("severity", "probe", "place", "found", "why", "fix")
    context.add_output_metadata(
        {
            "probes": report.probes,
            "run records deleted": deleted,
            **{severity: counts[severity] for severity in ("error", "warn", "info")},
            **({"findings": records(names, rows)} if rows else {}),
            **({"not looked at": dg.MetadataValue.json(dict(report.left_out))} if report.left_out else {}),
        }
    )


def checkup_job() -> dg.JobDefinition:
    """Look once. A finding fails no run: it is a row, and an alert where it is an error."""

    @dg.job(name=NAME, config=CONSOLE, description="Look for known traps of configuration and data, and keep what is found.")
    def job() -> None:
        look()

    return job


def checkup_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Every night at three, in the business's own time zone."""
    return dg.ScheduleDefinition(
        name="checkup_every_night",
        job=job,
        cron_schedule="0 3 * * *",
        execution_timezone="Asia/Shanghai",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Traps are found before the day begins; errors raise alerts.",
    )
