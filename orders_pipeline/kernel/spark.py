"""The second engine: the same models, transpiled to Spark, over Parquet.

    export_raw(connection, raw_tables, work / "raw")                      DuckDB -> Parquet (exchange.py)
    with SparkEngine(work / "spark") as engine:
        results = engine.run(models, work / "raw", as_of, thresholds, settings, work / "results")
    import_results(connection, results, statements)                      Parquet -> DuckDB

The session is in UTC and in ANSI mode: overflows and bad casts fail instead of becoming null.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlglot import exp

from orders_pipeline.kernel.exchange import export_rows
from orders_pipeline.kernel.faults import Permanent
from orders_pipeline.kernel.models import Model, Value, render
from orders_pipeline.kernel.spark_sql import bound_for_spark, take_out_shared, view_name
from orders_pipeline.kernel.through import apply

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Two worker processes of one core and 1 GB each, beside the driver: a cluster in small.
LOCAL_CLUSTER = "local-cluster[2,1,1024]"

_LOG_SETTINGS = """\
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{yyyy-MM-dd HH:mm:ss}} %p %c{{1}}: %m%n
"""


class SparkEngine:
    """A Spark session for one run of the models; a context manager that stops it.

    `master` is a Spark master URL. `work_dir` takes Spark's scratch files and its log. Raises Permanent when PySpark or
    Java is missing.
    """

    def __init__(self, work_dir: Path, master: str = LOCAL_CLUSTER) -> None:
        self.work_dir = work_dir.resolve()
        self.master = master
        self.session = self._start()
        #: Columns and types of what has been registered: the rules of the portable subset ask for them.
        self._columns: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop Spark, its worker processes and its Java."""
        self.session.stop()
        _end_java()

    @property
    def is_local(self) -> bool:
        """Whether all of Spark runs on this machine."""
        return self.master.startswith("local")

    def worker_count(self) -> int:
        """How many worker processes, beside the driver, hold a part of the work."""
        return self.session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1

    def run(
        self,
        models_in_order: Iterable[Model],
        raw_dir: Path,
        as_of: datetime,
        thresholds: Mapping[str, Decimal | int | str],
        settings: Mapping[str, Value],
        out_dir: Path,
        progress: Callable[[str], None] = lambda text: None,
    ) -> dict[str, Path]:
        """Make every model's table as a Parquet folder `out_dir/<room.table>`; return the folders in the models' order.

        `raw_dir` holds a Parquet folder for each table that no model makes, named `raw.<entity>` (see `export_raw`).
        `progress` hears each model's name. The workers must see both folders.
        """
        for folder in sorted(path for path in raw_dir.iterdir() if path.is_dir()):
            self._register(folder.name, self.session.read.parquet(str(folder)))
        results: dict[str, Path] = {}
        for model in models_in_order:
            progress(model.name)
            known = {table: self._columns[table] for table in model.after if table in self._columns}
            expression = bound_for_spark(model, as_of, thresholds, settings, known)
            results[model.name] = out_dir / model.name
            try:
                self._make(model, expression, results[model.name])
            except Exception as error:  # Py4J and Spark raise a dozen kinds; the first line says it
                reason = _reason(error)
                remedy = _remedy(reason, "" if self.is_local else f"every worker must see {raw_dir.parent} under this path")
                raise Permanent(f"Spark could not make {model.name}: {reason}", remedy=remedy) from error
        return results

    def _make(self, model: Model, expression: exp.Expression, folder: Path) -> None:
        kept, table = [], model.name
        for view, query in take_out_shared(expression, view_name(table)).items():
            frame = self.session.sql(render(query, "spark")).persist()
            self._register(view, frame)
            kept.append(frame)
        frame = self.session.sql(render(expression, "spark"))
        if model.through:
            # The function runs here, in the driver; its rows go back as a file like any other table's.
            export_rows(apply(model, frame.toArrow()), model, folder)
            frame = self.session.read.parquet(str(folder))
        else:
            frame.write.mode("overwrite").parquet(str(folder))
        for part in kept:
            part.unpersist()
        # The columns are known: given, they spare a job that would look for them.
        self._register(table, self.session.read.schema(frame.schema).parquet(str(folder)))

    def _register(self, table: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(view_name(table))
        self._columns[table] = {column.name: column.dataType.simpleString() for column in frame.schema}

    def _start(self) -> SparkSession:
        require_spark()
        from pyspark.sql import SparkSession

        self.work_dir.mkdir(parents=True, exist_ok=True)
        log_settings = self.work_dir / "log4j2.properties"
        log_settings.write_text(_LOG_SETTINGS.format(log=self.work_dir / "spark.log"), encoding="utf-8")
        # On one machine most of a run is warming up: there Java's thorough compiler costs more than it earns.
        java = "-Duser.timezone=UTC" + (" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC" if self.is_local else "")
        options = {
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.ansi.enabled": "true",
            # Else long decimals lose digits behind the point, silently, to make room before it.
            "spark.sql.decimalOperations.allowPrecisionLoss": "false",
            # Spark's own default (INT96) loses what kind of time it is.
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
            # By their size on disk half a million orders are small enough for every worker. The driver, which gathers
            # them, holds many times that, and a statement sends several: only what is a list may go that way.
            "spark.sql.autoBroadcastJoinThreshold": "1MB",
            # What a Python function gets is collected by the driver, whatever there is of it.
            "spark.driver.maxResultSize": "0",
            "spark.sql.warehouse.dir": str(self.work_dir / "warehouse"),
            "spark.local.dir": str(self.work_dir / "scratch"),
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log_settings.as_uri()} {java}",
            "spark.executor.extraJavaOptions": java,
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        if self.is_local:
            # A machine whose own name does not resolve can still talk to itself.
            options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
            options["spark.sql.shuffle.partitions"] = "2"
        builder = SparkSession.builder.appName("orders-pipeline").master(self.master)
        for name, value in options.items():
            builder = builder.config(name, value)
        before = os.environ.get("SPARK_HOME")
        if self.is_local and before is None:
            os.environ["SPARK_HOME"] = str(self._spark_home())
        try:
            with warnings.catch_warnings():
                # PySpark warns of the installed pandas, which nothing here hands to it.
                warnings.simplefilter("ignore", FutureWarning)
                return builder.getOrCreate()
        except Exception as error:  # Py4J, Spark and the launcher each raise their own
            reason = _reason(error)
            _end_java()
            needs = "Spark 4 needs Java 17 or later" if self.is_local else "a Spark 4 master must listen there"
            raise Permanent(
                f"Spark did not start on {self.master}: {reason}",
                remedy=f"{needs}; see {self.work_dir / 'spark.log'}",
            ) from error
        finally:
            if before is None:
                os.environ.pop("SPARK_HOME", None)

    def _spark_home(self) -> Path:
        """PySpark's Spark, under a home of our own: workers of a local cluster write into `$SPARK_HOME/work`."""
        import pyspark

        home = self.work_dir / "home"
        home.mkdir(exist_ok=True)
        package = Path(pyspark.__file__).parent
        for name in ("bin", "sbin", "jars", "python"):
            link = home / name
            if (package / name).exists() and not link.is_symlink():
                link.symlink_to(package / name)
        return home


def require_spark() -> None:
    """Raise Permanent, with what to install, when PySpark or Java is missing."""
    from importlib.util import find_spec

    if find_spec("pyspark") is None:
        raise Permanent("the Spark engine needs PySpark", remedy="pip install 'orders-pipeline[spark]' (or make setup-spark)")
    java_home = os.environ.get("JAVA_HOME")
    if not (java_home and (Path(java_home) / "bin" / "java").exists()) and shutil.which("java") is None:
        raise Permanent("the Spark engine needs Java", remedy="install Java 17 or 21, or point JAVA_HOME at one")


def _end_java() -> None:
    """End the Java process that PySpark would keep for the next session: it is bound to this engine's work folder."""
    from pyspark import SparkContext

    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()  # what it waits for
        try:
            gateway.proc.wait(timeout=20)
        except subprocess.TimeoutExpired:
            gateway.proc.kill()


def _reason(error: Exception) -> str:
    """What Spark says, and what was at the bottom of it, each without its stack. Java must still be running."""
    java = getattr(error, "java_exception", None)
    if java is None:
        return _first_line(str(error)) or type(error).__name__
    said, at_bottom = _first_line(java.toString()), java
    while (below := at_bottom.getCause() or next(iter(at_bottom.getSuppressed()), None)) is not None:
        at_bottom = below
    cause = _first_line(at_bottom.toString())
    return said if cause in said else f"{said} {cause}"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _remedy(reason: str, otherwise: str) -> str:
    if re.search("memory|heap", reason, re.IGNORECASE):
        return "give it more: spark.driver.memory and spark.executor.memory in $SPARK_CONF_DIR/spark-defaults.conf"
    return otherwise
