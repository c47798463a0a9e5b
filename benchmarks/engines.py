"""Do both engines make the same tables at full size? Every row of every table, DuckDB against a Spark cluster.

    python -m benchmarks.engines [--orders 50000] [--workers 2] [--memory 3] [--data DIR] [--json FILE]

The same files go into two homes. One is made by DuckDB, the other on a standalone master with so many workers of one core, all
processes that are started here. Then each table of the two warehouses is compared: its types, its rows, and a sum over a hash of
every row, numbers of floating point to six places (the order in which an engine adds decides their last ones). Ends with 1 when
a table differs, naming rows that only one of them has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import data
from benchmarks.standalone import standalone
from orders_pipeline import cluster, pipeline
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import connect

SHOWN = 3
#: How many orders, with all that belongs to them, a worker joins and sorts at a time.
ORDERS_IN_A_PARTITION = 25_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Make both, compare and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.engines", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory", type=int, default=3, metavar="GB", help="of each worker and of the driver (default 3)")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    options = parser.parse_args(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    say = lambda text: print(f"  {text}", file=sys.stderr, flush=True)  # noqa: E731
    files = data.full_month(options.data, options.orders, say)
    with tempfile.TemporaryDirectory(prefix="engines-", dir=options.data) as folder:
        duck, spark = (Home(Path(folder) / name).create() for name in ("duck", "spark"))
        seconds = {}
        for home in (duck, spark):
            data.place(files.landing, home.landing)
        started = time.perf_counter()
        pipeline.run(duck, parse_as_of(files.as_of))
        seconds["duckdb"] = round(time.perf_counter() - started, 1)
        say(f"DuckDB: {seconds['duckdb']} s")
        shutil.copyfile(duck.root / "customer.key", spark.root / "customer.key")
        partitions = max(options.workers, options.orders // ORDERS_IN_A_PARTITION)
        with standalone(Path(folder) / "cluster", options.workers, options.memory, partitions) as workers:
            os.environ.update(workers.driver_environment())
            started = time.perf_counter()
            cluster.run(spark, parse_as_of(files.as_of), master=workers.url, progress=say)
            seconds["spark"] = round(time.perf_counter() - started, 1)
            seconds["spark_workers_cpu"] = round(workers.worker_cpu(), 1)
        say(f"Spark: {seconds['spark']} s")
        rows, other = compare(duck, spark)
    print(f"{files.orders:,} orders, {len(rows)} tables, {sum(rows.values()):,} rows: {len(other)} tables differ; seconds: {seconds}")
    for table, found in other.items():
        print(f"{table}: {found}")
    if options.json:
        figures = {"orders": files.orders, "tables": len(rows), "rows": sum(rows.values()), "differing": list(other), "seconds": seconds}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if other else 0


def compare(left: Home, right: Home) -> tuple[dict[str, int], dict[str, str]]:
    """How many rows each table has, and how those that differ do."""
    rows, other = {}, {}
    with connect(":memory:", left.work) as connection:  # with the helper functions: a table that is a view uses them
        connection.execute(f"ATTACH '{left.warehouse}' AS a (READ_ONLY); ATTACH '{right.warehouse}' AS b (READ_ONLY)")
        for model in pipeline.models():
            types = [connection.execute(f"DESCRIBE {side}.{model.name}").fetchall() for side in "ab"]
            columns = ", ".join(f'round("{name}", 6) AS "{name}"' if kind == "DOUBLE" else f'"{name}"' for name, kind, *_ in types[0])
            here, there = (
                connection.execute(f"SELECT count(*), sum(hash(t)) FROM (SELECT {columns} FROM {side}.{model.name}) AS t").fetchall()[0]
                for side in "ab"
            )
            rows[model.name] = here[0]
            if types[0] != types[1]:
                other[model.name] = f"{types[0]} is not {types[1]}"
            elif here != there:
                only = [
                    connection.execute(
                        f"SELECT {columns} FROM {one}.{model.name} EXCEPT ALL SELECT {columns} FROM {two}.{model.name} LIMIT {SHOWN}"
                    ).fetchall()
                    for one, two in ("ab", "ba")
                ]
                other[model.name] = f"{here[0]} rows and {there[0]}; only DuckDB's {only[0]}; only Spark's {only[1]}"
    return rows, other


if __name__ == "__main__":
    sys.exit(main())
