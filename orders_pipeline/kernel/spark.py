"""The second engine: the same models, transpiled to Spark, over Parquet.

    raw_files = export_raw(connection, raw_tables, work / "raw")          DuckDB -> Parquet
    with SparkEngine(work / "spark") as engine:
        results = engine.run(models, work / "raw", as_of, thresholds, settings, work / "results")
    import_results(connection, results, statements)                      Parquet -> DuckDB

Spark has no UUID type and no schemas of ours: guid columns travel as dashed lower-case text,
and `raw.orders` is the view
`raw__orders`. The session is in UTC and in ANSI mode: overflows and bad casts fail instead of becoming null.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import duckdb
from sqlglot import exp

from orders_pipeline.kernel.faults import Permanent
from orders_pipeline.kernel.models import Model, Value, bind, render
from orders_pipeline.kernel.portable import Schema, lint

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
# How DuckDB types that Parquet or Spark lacks travel. HUGEINT would become a DOUBLE.
_TRAVELS_AS = {
    "UUID": "VARCHAR",
    "JSON": "VARCHAR",
    "HUGEINT": "DECIMAL(38, 0)",
    "UHUGEINT": "DECIMAL(38, 0)",
    "UBIGINT": "DECIMAL(20, 0)",
    "UINTEGER": "BIGINT",
    "USMALLINT": "INTEGER",
    "UTINYINT": "SMALLINT",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP",
}


def spark_sql(
    model: Model,
    as_of: datetime,
    thresholds: Mapping[str, Decimal | int | str],
    settings: Mapping[str, Value],
    schema: Schema | None = None,
) -> str:
    """The model in Spark's dialect, reading views named `schema__table`.

    Raises Permanent when the model leaves the portable subset: outside it the transpiler changes values without a word.
    `schema` ({table: {column: DuckDB type}}) lets that judgement know the columns' types.
    """
    findings = lint(model.sql, schema)
    if findings:
        listed = "; ".join(f"line {one.line}: {one.message}" for one in findings)
        raise Permanent(f"{model.name} can not run on Spark: {listed}")
    expression = bind(model, as_of, thresholds, settings)
    for table in list(expression.find_all(exp.Table)):
        if table.db:
            view = exp.to_table(_view(f"{table.db}.{table.name}"), alias=table.alias_or_name)
            view.set("joins", table.args.get("joins"))
            table.replace(view)
    return render(expression, "spark")


def _view(table: str) -> str:
    return table.replace(".", "__")


class SparkEngine:
    """A Spark session for one run of the models; a context manager that stops it.

    `master` is a Spark master URL. `work_dir` takes Spark's scratch files and its log. Raises Permanent when PySpark or
    Java is missing.
    """

    def __init__(self, work_dir: Path, master: str = LOCAL_CLUSTER) -> None:
        self.work_dir = work_dir.resolve()
        self.master = master
        self.session = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop Spark and its worker processes."""
        self.session.stop()

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
        schema: Schema | None = None,
    ) -> dict[str, Path]:
        """Make every model's table as a Parquet folder `out_dir/<room.table>`; return the folders in the models' order.

        `raw_dir` holds a Parquet folder for each table that no model makes, named `raw.<entity>` (see `export_raw`).
        `schema` is passed on to `spark_sql`.
        """
        for folder in sorted(path for path in raw_dir.iterdir() if path.is_dir()):
            self._register(folder.name, self.session.read.parquet(str(folder)))
        results: dict[str, Path] = {}
        for model in models_in_order:
            statement = spark_sql(model, as_of, thresholds, settings, schema)
            folder = out_dir / model.name
            try:
                frame = self.session.sql(statement)
                frame.write.mode("overwrite").parquet(str(folder))
            except Exception as error:  # Py4J and Spark raise a dozen kinds; the first line says it
                raise Permanent(f"Spark could not make {model.name}: {_first_line(error)}") from error
            # The columns are known: given, they spare a job that would look for them.
            self._register(model.name, self.session.read.schema(frame.schema).parquet(str(folder)))
            results[model.name] = folder
        return results

    def _register(self, table: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(_view(table))

    def _start(self) -> SparkSession:
        require_spark()
        from pyspark.sql import SparkSession

        self.work_dir.mkdir(parents=True, exist_ok=True)
        log_settings = self.work_dir / "log4j2.properties"
        log_settings.write_text(_LOG_SETTINGS.format(log=self.work_dir / "spark.log"), encoding="utf-8")
        options = {
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.ansi.enabled": "true",
            # Spark's own default (INT96) loses what kind of time it is.
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.warehouse.dir": str(self.work_dir / "warehouse"),
            "spark.local.dir": str(self.work_dir / "scratch"),
            "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log_settings.as_uri()} -Duser.timezone=UTC",
            "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        if self.master.startswith("local"):
            # A machine whose own name does not resolve can still talk to itself.
            options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        builder = SparkSession.builder.appName("orders-pipeline").master(self.master)
        for name, value in options.items():
            builder = builder.config(name, value)
        before = os.environ.get("SPARK_HOME")
        os.environ["SPARK_HOME"] = before or str(self._spark_home())
        try:
            with warnings.catch_warnings():
                # PySpark warns of the installed pandas, which nothing here hands to it.
                warnings.simplefilter("ignore", FutureWarning)
                return builder.getOrCreate()
        except Exception as error:  # Py4J, Spark and the launcher each raise their own
            raise Permanent(
                f"Spark did not start on {self.master}: {_first_line(error)}",
                remedy=f"see {self.work_dir / 'spark.log'}; Spark 4 needs Java 17 or later",
            ) from error
        finally:
            if before is None:
                del os.environ["SPARK_HOME"]

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
        raise Permanent("the Spark engine needs PySpark",
            remedy="pip install 'orders-pipeline[spark]' (or make setup-spark)")
    java_home = os.environ.get("JAVA_HOME")
    if not (java_home and (Path(java_home) / "bin" / "java").exists()) and shutil.which("java") is None:
        raise Permanent("the Spark engine needs Java", remedy="install Java 17 or 21, or point JAVA_HOME at one")


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def export_raw(connection: duckdb.DuckDBPyConnection, tables: Iterable[str], raw_dir: Path) -> dict[str, Path]:
    """Write DuckDB tables (`schema.table`) as Parquet folders `raw_dir/<schema.table>`, in types Spark reads right."""
    folders: dict[str, Path] = {}
    for table in tables:
        folder = raw_dir / table
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        columns = ", ".join(
            f'CAST("{name}" AS {_TRAVELS_AS[kind]}) AS "{name}"' if kind in _TRAVELS_AS else f'"{name}"'
            for name, kind in _columns(connection, f"SELECT * FROM {table}")
        )
        path = str(folder / "part.parquet").replace("'", "''")
        connection.execute(f"COPY (SELECT {columns} FROM {table}) TO '{path}' (FORMAT parquet)")
        folders[table] = folder
    return folders


def import_results(
    connection: duckdb.DuckDBPyConnection, results: Mapping[str, Path], statements: Mapping[str, str] | None = None
) -> None:
    """Load the Parquet folders of `SparkEngine.run` into DuckDB as tables of the same names, in the order given.

    `statements` gives the DuckDB SQL of a table's model: columns get exactly the types it would give them. Without one,
    guid columns become UUID and the others keep their Parquet type.
    """
    for table, folder in results.items():
        files = "read_parquet('" + str(folder / "*.parquet").replace("'", "''") + "')"
        types = dict(_columns(connection, f"SELECT * FROM {files}"))
        types |= {name: "UUID" for name in types if name.endswith("_guid")}
        if statements and table in statements:
            types = dict(_columns(connection, statements[table]))
        columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types.items())
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
        connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {columns} FROM {files}")


def _columns(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall()]
