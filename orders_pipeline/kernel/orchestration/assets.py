"""The assets: the intake, a step for each layer of models, the publication."""

# No postponed annotations in this file: Dagster reads those of its functions as they stand.
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from orders_pipeline import pipeline
from orders_pipeline.alerts.book import TABLE
from orders_pipeline.ingest.intake import Intake
from orders_pipeline.kernel.checks import Check
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.orchestration import metadata as shown
from orders_pipeline.kernel.orchestration.checks import check_results, check_spec
from orders_pipeline.kernel.orchestration.layers import Layer
from orders_pipeline.kernel.orchestration.metadata import asset_key, owner, records
from orders_pipeline.kernel.orchestration.resources import POOL, Warehouse
from orders_pipeline.kernel.refresh import Refreshed
from orders_pipeline.kernel.tables import load_tables
from orders_pipeline.publish.publisher import HISTORY, Publication

#: A file younger than this may still be being written: sensor and intake both leave it for the next look.
SETTLE_SECONDS = 2.0
PUBLISHED = dg.AssetKey(["publish", "orders_duckdb"])
FILES_SUMMARY = """
SELECT source, status, count(*) AS files, sum(rows_read)::BIGINT AS rows_read, sum(rows_accepted)::BIGINT AS accepted,
    sum(rows_quarantined)::BIGINT AS quarantined, sum(rows_duplicate)::BIGINT AS duplicate
FROM ops.files GROUP BY ALL ORDER BY ALL
"""


def landing_assets() -> dg.AssetsDefinition:
    """The intake: one step, all the raw tables that models read."""
    tables = shown.source_tables()
    specs = [shown.source_spec(table) for table in tables]

    @dg.multi_asset(name="landing", specs=specs, pool=POOL, description="Take what is new in the landing zone.")
    def landing(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
        with warehouse.hold(context) as now:
            intake = now.ingest(SETTLE_SECONDS, progress=lambda path: context.log.info(f"reading {path}"))
            for path, why in intake.refused:
                context.log.warning(f"refused {path}: {why}")
            counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
            for table, rows in zip(tables, now.connection.execute(f"SELECT {counts}").fetchall()[0], strict=True):
                extra = _intake(intake) if table == "raw.files" else {}
                yield dg.MaterializeResult(asset_key(table), metadata={"dagster/row_count": rows, **extra})

    return landing


def _intake(intake: Intake) -> dict[str, Any]:
    rows = [
        *((path, "loaded", "") for path in intake.loaded),
        *((path, "refused", why) for path, why in intake.refused),
        *((path, "copy", "its content is already there") for path in intake.copies),
        *((path, "waiting", why) for path, why in intake.waiting),
    ]
    counts = {"loaded": len(intake.loaded), "refused": len(intake.refused), "copies": len(intake.copies)}
    return {**counts, "this run": records(("file", "status", "why"), rows[:200])} if rows else counts


def layer_assets(layer: Layer, checks: Iterable[Check]) -> dg.AssetsDefinition:
    """One step: some tables of a room, each an asset that can be chosen by itself, with their checks."""
    mine = [c for c in checks if c.table in {m.name for m in layer.models}]

    @dg.multi_asset(
        name=layer.name,
        specs=[shown.model_spec(m) for m in layer.models],
        check_specs=[check_spec(c) for c in mine],
        can_subset=True,
        pool=POOL,
        description=f"Bring tables of the room {layer.room} up to date and check them.",
    )
    def tables(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        chosen = [m for m in layer.models if asset_key(m.name) in context.selected_asset_keys]
        keys = context.selected_asset_check_keys
        selected = [c for c in mine if dg.AssetCheckKey(asset_key(c.table), c.name) in keys]
        with warehouse.hold(context) as now:
            for model in chosen:
                yield _refresh(context, now, model)
            results = now.check({m.name for m in chosen})
            alone = {c.table for c in selected} - {m.name for m in chosen}
            if alone:  # Somebody asks for a check by itself.
                now.refresh(alone)
                results += now.check(alone, anew=True)
            yield from check_results(now, selected, results)

    return tables


def _refresh(context: dg.AssetExecutionContext, now: pipeline.Session, model: Model) -> dg.MaterializeResult:
    started = time.perf_counter()
    for one in now.refresh([model.name]):
        if one.model.name != model.name and one.how != "current":
            # It was stale and had not been chosen, but this table reads it.
            context.log_event(dg.AssetMaterialization(asset_key(one.model.name), metadata=_refreshed(one)))
    done = now.refreshed[model.name]
    if done.how != "current":
        context.log.info(f"{model.name}: {done.how}, {done.rows} rows")
    return dg.MaterializeResult(
        asset_key(model.name),
        metadata={
            **_refreshed(done),
            **(shown.plots(now.connection, model) if done.rows else {}),
            "seconds": round(time.perf_counter() - started, 3),
        },
    )


def _refreshed(done: Refreshed) -> dict[str, Any]:
    keys = {"touched keys": done.keys} if done.how == "keys" else {}
    return {"dagster/row_count": done.rows, "refreshed": done.how, **keys}


def publish_assets(models: Sequence[Model]) -> dg.AssetsDefinition:
    """The gate and the swap. What no step of the run has refreshed or checked is refreshed and checked here first."""
    specs = load_tables()
    history = [
        dg.AssetSpec(
            asset_key(name),
            deps=[asset_key(m.name) for m in models],
            group_name=specs[name].room,
            description=f"**{specs[name].title['en']} · {specs[name].title['zh']}**\n\n{specs[name].caveats}",
            owners=[owner(specs[name].owner)],
            kinds={"duckdb"},
            tags={"published": "yes"},
        )
        for name in HISTORY
    ]
    published = dg.AssetSpec(
        PUBLISHED,
        deps=[asset_key(m.name) for m in models if specs[m.name].public] + [spec.key for spec in history],
        group_name="publish",
        description="What BI tools read: one DuckDB file, swapped whole, and Parquet beside it. Never while a check of "
        "error level fails.",
        owners=[owner("data engineering")],
        kinds={"duckdb", "parquet"},
    )

    @dg.multi_asset(name="publish", specs=[*history, published], pool=POOL, description="Gate, then swap the file.")
    def publish(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[dg.MaterializeResult]:
        with warehouse.hold(context) as now:
            publication = now.publish()
            for line in now.undelivered:
                context.log.warning(line)
            if publication.blocked_by:
                raise dg.Failure(
                    f"Not published, for error-level checks fail: {', '.join(publication.blocked_by)}. "
                    "The file published before stays as it is.",
                    allow_retries=False,
                )
            for name in HISTORY:
                yield dg.MaterializeResult(asset_key(name), metadata=_history(now, name))
            yield dg.MaterializeResult(PUBLISHED, metadata=_published(now, publication))

    return publish


def _history(now: pipeline.Session, name: str) -> dict[str, Any]:
    rows = now.connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
    if name == TABLE:
        news = now.news
        return {"dagster/row_count": rows, "raised": news.raised, "cleared": news.cleared, "standing": news.standing}
    failed = [r for r in now.results.values() if not r.passed]
    made = [(r.check.table, r.check.name, r.check.severity, r.rows_failing) for r in failed]
    failing = {"not passed": records(("table", "check", "severity", "rows failing"), made)} if made else {}
    return {"dagster/row_count": rows, "checks made": len(now.results), **failing}


def _published(now: pipeline.Session, publication: Publication) -> dict[str, Any]:
    manifest = publication.path.parent / "parquet" / "manifest.json"
    files = now.connection.execute(FILES_SUMMARY).fetchall()
    names = ("source", "status", "files", "rows read", "accepted", "quarantined", "duplicate")
    tables = [(name, publication.rows[name]) for name in publication.tables]
    return {
        "path": dg.MetadataValue.path(str(publication.path)),
        "dagster/uri": str(publication.path),
        "size (MB)": round(publication.path.stat().st_size / 1e6, 2),
        "as of": dg.MetadataValue.timestamp(now.as_of),
        "outcome": "swapped" if publication.done else "nothing had changed",
        "changed tables": records(("table", "rows"), tables),
        "files": records(names, files),
        **({"parquet": dg.MetadataValue.json(json.loads(manifest.read_text()))} if manifest.exists() else {}),
    }
