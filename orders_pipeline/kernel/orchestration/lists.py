"""The lists people work from, as assets: files written from what is published."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from orders_pipeline.kernel.home import Home, find_home
from orders_pipeline.kernel.orchestration.metadata import asset_key, owner
from orders_pipeline.kernel.orchestration.resources import Warehouse

SHIPPING_LISTS = dg.AssetKey(["publish", "shipping_lists"])
WEEKLY_REVIEW = dg.AssetKey(["publish", "weekly_review_list"])


def list_assets(published: dg.AssetKey) -> list[dg.AssetsDefinition]:
    """The shipping lists of the day, and the review of last week. What is there already is left as it is."""

    def shipping(home: Home) -> list[Path]:
        from orders_pipeline.fulfilment.lists import write_lists

        return write_lists(home, anew=False)

    def review(home: Home) -> list[Path]:
        from orders_pipeline.fulfilment.lists import write_review

        return write_review(home, anew=False)

    return [
        _files(
            SHIPPING_LISTS,
            [published, asset_key("fulfilment.shipping_list")],
            "Shipping lists of the day · 每日发货清单: a CSV and a workbook per warehouse in `published/lists/<day>`.",
            "warehouse",
            shipping,
        ),
        _files(
            WEEKLY_REVIEW,
            [published, asset_key("fulfilment.weekly_review")],
            "Orders of last week to look at · 每周复盘清单: overdue, complained of, high value, in `published/lists/weekly`.",
            "operations",
            review,
        ),
    ]


def _files(
    key: dg.AssetKey, deps: list[dg.AssetKey], description: str, team: str, write: Callable[[Home], list[Path]]
) -> dg.AssetsDefinition:
    @dg.asset(
        key=key,
        deps=deps,
        group_name="publish",
        owners=[owner(team)],
        kinds={"csv", "excel"},
        description=description,
    )
    def files(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        home = find_home(warehouse.home or None)
        written = [str(path.relative_to(home.published)) for path in write(home)]
        context.log.info(f"{len(written)} files written")
        return dg.MaterializeResult(metadata={"written": len(written), "files": dg.MetadataValue.json(written[:200])})

    return files
