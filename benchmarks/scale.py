"""What an order costs on each engine, and how that grows: the figures of docs/scale.md.

    python -m benchmarks.scale [--orders 5000,50000] [--spark 5000:1,5000:2] [--months 1] [--data DIR] [--json FILE]

Each line is a whole `orders-pipeline run` on an empty home over that many simulated orders, as a process of its own. With
`--spark ORDERS:WORKERS` the models are made on a standalone master with so many workers of one core, started for it; their
processor time is counted too. The DuckDB lines come in one run of this program, so that their ratio means something on a
machine that others use; what is said per order is the difference between two sizes, free of what every run costs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import data
from benchmarks.process import measure
from benchmarks.standalone import Standalone, standalone
from orders_pipeline.kernel.home import Home


@dataclass(frozen=True)
class Line:
    """One run: what it was given, what it took, what it left. Bytes on the disk; CPU seconds of driver and workers."""

    engine: str
    workers: int
    orders: int
    rows: int
    wall: float
    cpu: float
    worker_cpu: float
    peak_gb: float
    landing_bytes: int
    warehouse_bytes: int
    published_bytes: int
    parquet_bytes: int

    @property
    def name(self) -> str:
        """What the line is called."""
        return self.engine if self.engine == "duckdb" else f"spark, {self.workers} worker{'s' * (self.workers > 1)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description="What an order costs, and how that grows.")
    parser.add_argument("--orders", default="5000,50000", help="sizes on DuckDB (default 5000,50000)")
    parser.add_argument("--spark", default="", help="ORDERS:WORKERS, comma separated (default none)")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    options = parser.parse_args(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    say = lambda text: print(f"  {text}", file=sys.stderr, flush=True)  # noqa: E731
    lines = []
    for orders in map(int, filter(None, options.orders.split(","))):
        lines.append(_duckdb(data.full_month(options.data, orders, say), options.data))
        say(text(lines[-1:]))
    for one in filter(None, options.spark.split(",")):
        orders, workers = map(int, one.split(":"))
        lines.append(_spark(data.full_month(options.data, orders, say), workers, options.data))
        say(text(lines[-1:]))
    print(text(lines))
    if options.json:
        report = {"load_average": round(os.getloadavg()[2], 2), "cores": os.cpu_count(), "lines": [asdict(one) for one in lines]}
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _duckdb(files: data.Files, work: Path) -> Line:
    with tempfile.TemporaryDirectory(prefix="scale-", dir=work) as folder:
        return _measured(files, Home(Path(folder) / "home"), {}, None)


def _spark(files: data.Files, workers: int, work: Path) -> Line:
    with (
        tempfile.TemporaryDirectory(prefix="scale-", dir=work) as folder,
        standalone(Path(folder) / "cluster", workers) as cluster,
    ):
        return _measured(files, Home(Path(folder) / "home"), cluster.driver_environment(), cluster)


def _measured(files: data.Files, home: Home, environment: Mapping[str, str], cluster: Standalone | None) -> Line:
    data.place(files.landing, home.create().landing)
    # Not the command line: it ends with 1 for the files that are refused by design.
    code = (
        "import sys; from orders_pipeline import cluster, pipeline; from orders_pipeline.kernel.home import Home; "
        "from orders_pipeline.kernel.clock import parse_as_of; home, as_of = Home(__import__('pathlib').Path(sys.argv[1])), "
        "parse_as_of(sys.argv[2]); master = sys.argv[3]; "
        "cluster.run(home, as_of, master=master) if master else pipeline.run(home, as_of)"
    )
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        used = measure([sys.executable, "-c", code, str(home.root), files.as_of, cluster.url if cluster else ""])
    finally:
        os.environ.clear()
        os.environ.update(before)
    return Line(
        "spark" if cluster else "duckdb",
        len(cluster.workers) if cluster else 0,
        files.orders,
        files.rows,
        round(used.wall, 1),
        round(used.cpu, 1),
        round(cluster.worker_cpu(), 1) if cluster else 0.0,
        round(used.peak_gb, 2),
        files.size_bytes,
        home.warehouse.stat().st_size,
        home.published_database.stat().st_size,
        sum(file.stat().st_size for file in home.published.rglob("*.parquet")),
    )


def text(lines: Sequence[Line]) -> str:
    """The table, and what an order costs between two sizes of one engine."""
    said = [
        f"{'':18}{'orders':>10}{'CPU s':>9}{'workers':>9}{'wall s':>9}{'GB':>6}   bytes per order: files, warehouse, published, Parquet"
    ]
    for one in lines:
        parts = (one.landing_bytes, one.warehouse_bytes, one.published_bytes, one.parquet_bytes)
        said.append(
            f"{one.name:18}{one.orders:>10,}{one.cpu:>9.1f}{one.worker_cpu:>9.1f}{one.wall:>9.1f}{one.peak_gb:>6.2f}   "
            + ", ".join(f"{part / one.orders:,.0f}" for part in parts)
        )
    by_name: dict[str, list[Line]] = {}
    for one in sorted(lines, key=lambda line: line.orders):
        by_name.setdefault(one.name, []).append(one)
    for name, some in by_name.items():
        for small, large in itertools.pairwise(some):
            more = large.orders - small.orders
            cpu = (large.cpu + large.worker_cpu - small.cpu - small.worker_cpu) / more
            kept = (large.warehouse_bytes + large.published_bytes - small.warehouse_bytes - small.published_bytes) / more
            said.append(
                f"{name}, {small.orders:,} to {large.orders:,}: {cpu * 1000:.2f} CPU ms and {kept:,.0f} bytes kept per further order; "
                f"{large.orders / small.orders:.0f} x the orders take {(large.cpu + large.worker_cpu) / (small.cpu + small.worker_cpu):.1f} x"
            )
    return "\n".join(said)


if __name__ == "__main__":
    sys.exit(main())
