"""`run --engine spark`: the same run with the models made by Spark; everything before and after them is the same code.

The rows the files gave, and the reference tables, leave the warehouse as Parquet; every model is made from them on
Spark, whole; the results come back into the warehouse with the types DuckDB gives them. From there on nothing tells
which engine made a table: checks, gate and publication follow, and a later run on either engine continues from it.
"""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from functools import partial

from orders_pipeline import pipeline
from orders_pipeline.kernel import exchange, spark
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.models import Model, bind, render
from orders_pipeline.kernel.refresh import Refreshed
from orders_pipeline.kernel.through import shape
from orders_pipeline.pipeline import Progress, RunResult, Session

_MASTER = re.compile(r"local(\[[\w*,]+\])?|local-cluster\[\d+,\d+,\d+\]|spark://.+|k8s://.+|yarn")


def run(
    home: Home,
    as_of: datetime,
    *,
    master: str | None = None,
    progress: Progress = lambda text: None,
    run_id: str | None = None,
    settle_seconds: float = 0.0,
) -> RunResult:
    """Take in, make every table on Spark, check, publish.

    `master` is a Spark master URL; without one, a cluster of two worker processes is started on this machine. Workers
    on other machines must see the home under the same path. Raises Usage for a master that is none, and Permanent when
    PySpark or Java is missing: both before anything is read.
    """
    master = master or spark.LOCAL_CLUSTER
    if not _MASTER.fullmatch(master):
        raise Usage(f"--master '{master}' is no Spark master; write spark://host:7077 or {spark.LOCAL_CLUSTER}")
    spark.require_spark()
    on_spark = partial(refresh, master=master)
    return pipeline.run(home, as_of, full=True, progress=progress, run_id=run_id, settle_seconds=settle_seconds, refresh=on_spark)


def refresh(session: Session, progress: Progress, master: str) -> list[Refreshed]:
    """Make every model's table on Spark and put the results in place of what the warehouse holds.

    Spark's log stays in the home's work folder when something fails.
    """
    ordered, thresholds = pipeline.models(), session.settings.thresholds
    work = session.home.work / "spark"
    shutil.rmtree(work, ignore_errors=True)
    exchange.export_raw(session.connection, inputs(ordered), work / "raw")
    progress("starting Spark")
    with spark.SparkEngine(work / "engine", master) as engine:
        results = engine.run(
            ordered,
            work / "raw",
            session.as_of,
            thresholds,
            {},
            work / "results",
            progress=lambda name: progress(f"{name} on Spark"),
        )

    def select(model: Model) -> str:
        statement = render(bind(model, session.as_of, thresholds, {}))
        return exchange.result_select(session.connection, results[model.name], shape(model, statement))

    done = session.take_over(select, progress)
    shutil.rmtree(work, ignore_errors=True)
    return done


def inputs(ordered: tuple[Model, ...]) -> list[str]:
    """The tables (`raw.orders`, `ref.channels`, ...) that models read and no model makes."""
    return sorted({table for model in ordered for table in model.after} - {model.name for model in ordered})
