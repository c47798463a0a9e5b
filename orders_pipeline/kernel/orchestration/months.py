"""Months as partitions: closing one, its audit, its workbook. The same code as the commands `close`, `audit` and `workbook`."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg
from pydantic import Field

from orders_pipeline.finance import close
from orders_pipeline.kernel.faults import Fault, Transient
from orders_pipeline.kernel.home import Home, find_home
from orders_pipeline.kernel.orchestration.metadata import asset_key, owner, records
from orders_pipeline.kernel.orchestration.resources import POOL, RETRIES, RETRY_SECONDS, Warehouse

CLOSE = "close"
ZONE = "Asia/Shanghai"
#: A month is a partition once it is over: nothing is closed before. No book of a merchant goes further back.
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2015-01-01", timezone=ZONE)
MONTH_CLOSE = dg.AssetKey(["finance", "month_close"])
MONTH_AUDIT = dg.AssetKey(["publish", "month_audit"])
WORKBOOK = dg.AssetKey(["publish", "finance_workbook"])
MONTHLY = (MONTH_CLOSE, MONTH_AUDIT, WORKBOOK)


class CloseConfig(dg.Config):
    """Who closes, and why: both are kept with the set."""

    by: str = Field(default="dagster", description="Who decides.")
    why: str = Field(default="", description="Why; needed with force.")
    force: bool = Field(default=False, description="Close against what stands.")


class WorkbookConfig(dg.Config):
    """How the workbook is written."""

    language: str = Field(default="zh", description="Language of its labels: zh or en.")


def month_assets(published: dg.AssetKey) -> list[dg.AssetsDefinition]:
    """Close, audit and workbook, a partition for each month."""

    @dg.asset(
        key=MONTH_CLOSE,
        partitions_def=MONTHS,
        deps=[asset_key("finance.closes")],
        group_name="finance",
        owners=[owner("finance")],
        pool=POOL,
        description="**Month close · 月结**\n\nChecks what stands against the month and fails with the list, else freezes its "
        "set. A month that is closed stays as it is.",
    )
    def month_close(context: dg.AssetExecutionContext, config: CloseConfig, warehouse: Warehouse) -> dg.MaterializeResult:
        with _at_home(context, warehouse) as home:
            from orders_pipeline import month_end

            month = _month(context)
            number = close.closed_set(home, month)
            if number is not None:
                context.log.info(f"{month:%Y-%m} is closed; nothing is changed")
                return dg.MaterializeResult(metadata={"outcome": "was closed", "set": number})
            standing = close.check(home, month)
            rows = [tuple(row.values()) for row in close.listed(standing)]
            listed = records(("what", "count", "detail", "blocks"), rows)
            if any(one.blocks for one in standing) and not config.force:
                said = "; ".join(f"{one.what} ({one.count}): {one.detail}" for one in standing if one.blocks)
                raise dg.Failure(
                    f"{month:%Y-%m} cannot be closed yet: {said}",
                    metadata={"what stands against it": listed},
                    allow_retries=False,
                )
            made = close.close(home, month, config.by, config.why, force=config.force)
            if blocked := month_end.take_in(home).blocked_by:
                context.log.warning(f"not published, for checks fail: {', '.join(r.check.name for r in blocked)}")
            return dg.MaterializeResult(
                metadata={
                    "outcome": "closed",
                    "set": made.set_number,
                    "rows": made.rows,
                    "files": made.files,
                    "content_sha256": made.content_sha256,
                    "what stood": listed,
                }
            )

    @dg.asset(
        key=MONTH_AUDIT,
        partitions_def=MONTHS,
        deps=[published, MONTH_CLOSE],
        group_name="publish",
        owners=[owner("finance")],
        kinds={"greatexpectations"},
        pool=POOL,
        description="**Audit of the month · 月度审计**\n\nGreat Expectations over the published finance and summary tables; "
        "pages in `published/data_docs`, outcomes in `quality.check_results`.",
    )
    def month_audit(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        with _at_home(context, warehouse) as home:
            from orders_pipeline import month_end

            audit = month_end.audit_month(home, _month(context))
            failed = [(o.table, o.claim, o.rows_failing) for o in audit.failed]
            for table, claim, rows in failed:
                context.log.warning(f"{table}: {claim}, {rows} rows")
            return dg.MaterializeResult(
                metadata={
                    "data docs": dg.MetadataValue.path(str(audit.pages)),
                    "dagster/uri": audit.pages.as_uri(),
                    "expectations": len(audit.outcomes),
                    "failed": len(failed),
                    "outcome": "made" if audit.is_new else "the figures are those of the last one",
                    **({"not held": records(("table", "claim", "rows failing"), failed)} if failed else {}),
                }
            )

    @dg.asset(
        key=WORKBOOK,
        partitions_def=MONTHS,
        deps=[published, MONTH_AUDIT],
        group_name="publish",
        owners=[owner("finance")],
        kinds={"excel"},
        description="**Finance workbook · 财务工作簿**\n\nSummary, differences, orders, revenue, liabilities, payouts and "
        "cut-off of the month, in `published/workbooks`.",
    )
    def finance_workbook(context: dg.AssetExecutionContext, config: WorkbookConfig, warehouse: Warehouse) -> dg.MaterializeResult:
        with _at_home(context, warehouse) as home:
            from orders_pipeline.publish import audit, workbook

            month = _month(context)
            path, changed = workbook.write(home, month, config.language)
            pages = audit.pages_of(home, month)
            return dg.MaterializeResult(
                metadata={
                    "path": dg.MetadataValue.path(str(path)),
                    "size (KB)": round(path.stat().st_size / 1e3, 1),
                    "outcome": "written" if changed else "nothing had changed",
                    **({"data docs": dg.MetadataValue.path(str(pages))} if pages.exists() else {}),
                }
            )

    return [month_close, month_audit, finance_workbook]


def close_job() -> dg.JobDefinition:
    """Close a month, audit it, write its workbook. A backfill leaves closed months as they are."""
    return dg.define_asset_job(
        CLOSE,
        dg.AssetSelection.assets(*MONTHLY),
        partitions_def=MONTHS,
        description="Close a month, audit what is published of it, write its workbook.",
    )


def _month(context: dg.AssetExecutionContext) -> date:
    return date.fromisoformat(context.partition_key)


@contextmanager
def _at_home(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Home]:
    """The home of the run. Known failures become one clear line; while another run has the warehouse the step is put off."""
    try:
        yield find_home(warehouse.home or None)
    except Transient as fault:
        context.log.warning(str(fault))
        raise dg.RetryRequested(RETRIES, RETRY_SECONDS) from fault
    except Fault as fault:
        raise dg.Failure(str(fault), allow_retries=False) from fault
