"""The monthly report of the channels: a partition per month, a job to make any of them, a schedule for the one just over."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
from datetime import date

import dagster as dg

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import find_home
from orders_pipeline.kernel.orchestration.metadata import asset_key, owner
from orders_pipeline.kernel.orchestration.months import MONTHS
from orders_pipeline.kernel.orchestration.resources import Warehouse

CHANNEL_REPORT = dg.AssetKey(["publish", "channel_report"])
JOB = "monthly_channel_report"
#: The statements of a month's last days are there by the third; the report is due by the fifth.
REPORT_DAY, REPORT_HOUR = 4, 6


def channel_report_asset(published: dg.AssetKey) -> dg.AssetsDefinition:
    """The monthly report of the channels: two files per month, from what is published."""

    @dg.asset(
        key=CHANNEL_REPORT,
        deps=[published, asset_key("health.channel_monthly")],
        partitions_def=MONTHS,
        group_name="publish",
        owners=[owner("operations")],
        kinds={"csv", "excel"},
        description="Monthly report of the channels · 渠道月报: scores, what cost points, creation, settlement, abnormal "
        "orders; in `published/reports`.",
    )
    def channel_report(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        from orders_pipeline.health.report import write

        home, month = find_home(warehouse.home or None), date.fromisoformat(context.partition_key)
        try:
            written = [str(path.relative_to(home.published)) for path in write(home, month)]
        except Usage as nothing:
            raise dg.Failure(str(nothing), allow_retries=False) from nothing
        context.log.info(f"{', '.join(written)} written")
        return dg.MaterializeResult(metadata={"files": dg.MetadataValue.json(written)})

    return channel_report


def report_job(config: dict) -> dg.JobDefinition:
    """The report of one month's channels; by hand for any month."""
    return dg.define_asset_job(
        JOB,
        dg.AssetSelection.assets(CHANNEL_REPORT),
        partitions_def=MONTHS,
        config=config,
        description="Write the health report of a month's channels from what is published.",
    )


def report_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Last month's report, ready by the fifth."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name="channel_report_by_the_fifth",
        day_of_month=REPORT_DAY,
        hour_of_day=REPORT_HOUR,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Last month's channels, in published/reports.",
    )
