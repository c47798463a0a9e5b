"""The report, as an asset: of what is published when it is made. It only reads, so it needs no hold on the warehouse."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
import dagster as dg

from orders_pipeline.kernel.home import find_home
from orders_pipeline.kernel.orchestration.metadata import owner
from orders_pipeline.kernel.orchestration.resources import Warehouse

REPORT = dg.AssetKey(["publish", "report_html"])


def report_asset(published: dg.AssetKey) -> dg.AssetsDefinition:
    """The HTML report in `published/`, made anew every morning and whenever somebody asks for it."""

    @dg.asset(
        key=REPORT,
        deps=[published],
        group_name="publish",
        owners=[owner("operations")],
        kinds={"html"},
        description="Orders report · 订单运营报告: one HTML file with charts, in English and Chinese, that needs no network.",
    )
    def report_html(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        from orders_pipeline.publish.report.write import write_report

        path = write_report(find_home(warehouse.home or None))
        context.log.info(f"{path} written")
        size = round(path.stat().st_size / 1e6, 2)
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(path)), "size (MB)": size})

    return report_html
