"""All of it put together."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from orders_pipeline import pipeline
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.orchestration.assets import PUBLISHED, landing_assets, layer_assets, publish_assets
from orders_pipeline.kernel.orchestration.channel_report import channel_report_asset, report_job, report_schedule
from orders_pipeline.kernel.orchestration.checks import refuse_early
from orders_pipeline.kernel.orchestration.checkup import checkup_job, checkup_schedule
from orders_pipeline.kernel.orchestration.layers import cut_layers
from orders_pipeline.kernel.orchestration.lists import list_assets
from orders_pipeline.kernel.orchestration.months import month_assets
from orders_pipeline.kernel.orchestration.report import report_asset
from orders_pipeline.kernel.orchestration.resources import Warehouse
from orders_pipeline.kernel.orchestration.schedules import CONSOLE, clock_jobs, load_job, schedules
from orders_pipeline.kernel.orchestration.sensors import landing_sensor
from orders_pipeline.kernel.tables import load_tables


def build_definitions(rooms: Sequence[str]) -> dg.Definitions:
    """The Definitions of these rooms. Raises Usage when a room with tables is not listed, or a listed one has none."""
    models, checks = pipeline.models(), pipeline.checks()
    found = {spec.room for spec in load_tables().values()}
    if found != set(rooms):
        raise Usage(f"definitions.py lists the rooms {sorted(rooms)}, but those with a tables.yml are {sorted(found)}")
    layers = cut_layers(models)
    refuse_early(layers, checks)
    load, aging = load_job(models), clock_jobs()
    monthly, checkup = report_job(CONSOLE), checkup_job()
    return dg.Definitions(
        assets=[
            landing_assets(),
            *(layer_assets(layer, checks) for layer in layers),
            publish_assets(models),
            *month_assets(PUBLISHED),
            *list_assets(PUBLISHED),
            report_asset(PUBLISHED),
            channel_report_asset(PUBLISHED),
        ],
        jobs=[load, *aging, monthly, checkup],
        schedules=[*schedules(aging), report_schedule(monthly), checkup_schedule(checkup)],
        sensors=[landing_sensor(load, aging[0])],
        resources={"warehouse": Warehouse()},
        # One run, one process, one connection; a process per step would cost seconds for each.
        executor=dg.in_process_executor,
    )
