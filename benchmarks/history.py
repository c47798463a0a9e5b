"""Do years of history slow the day? A month and ten of them: the whole build, and a file of 1,000 orders on top.

    python -m benchmarks.history [--orders 420000,4200000] [--drops 4] [--data DIR] [--keep DIR] [--json FILE]

Every size gets a home of its own (as many months as it has 420,000 orders): a whole `orders-pipeline run` as a process of its
own, then, in another process that stays as the worker does, files of 1,000 new orders one after the other, each with a run that
leaves the summaries to later. The first file teaches the process its statements and counts for nothing.

Targets: ten months at most 1.15 times ten times the month, 4 GB; a file on the long history at most 1.5 times what it takes on
the short one, and 5 s. The largest size wants about 12 kB of disk per order while it is built.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import data
from benchmarks.freshness import new_orders, renumbered
from benchmarks.process import measure
from orders_pipeline.kernel.home import Home

MONTH = 420_000
#: Whole build against as many times the month, memory, a file on the long history against the short one, and its seconds.
GROWTH_MAX, MEMORY_MAX_GB, FILE_MAX, FILE_SECONDS = 1.15, 4.0, 1.5, 5.0
NOTE = "drops.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.history", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", default=f"{MONTH},{10 * MONTH}", help="sizes, the short history first")
    parser.add_argument("--drops", type=int, default=4, help="files of 1,000 orders; the first is not counted")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the homes here, one per size")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    if options.serve:
        return _drop(Home(options.serve), options.data, options.drops)
    lines = [_size(int(size), options) for size in options.orders.split(",")]
    short, long = lines[0], lines[-1]
    times = long["orders"] / short["orders"]
    targets = {
        "whole build, CPU, / so many times the short one's": (long["cpu"] / (times * short["cpu"]), GROWTH_MAX),
        "whole build, clock, / so many times the short one's": (long["wall"] / (times * short["wall"]), GROWTH_MAX),
        "peak memory, GB": (max(line["peak_gb"] for line in lines), MEMORY_MAX_GB),
        "a file, CPU, / on the short one": (long["file_cpu"] / short["file_cpu"], FILE_MAX),
        "a file, seconds": (long["file_wall"], FILE_SECONDS),
    }
    for line in lines:
        print(", ".join(f"{name} {value:,.2f}" for name, value in line.items()))
    for what, (figure, most) in targets.items():
        print(f"{what}: {figure:.2f}, at most {most:g}: {'met' if figure <= most else 'MISSED'}")
    if options.json:
        figures = {"lines": lines, "targets": {what: list(pair) for what, pair in targets.items()}}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _size(orders: int, options: argparse.Namespace) -> dict[str, float]:
    say = lambda text: print(f"  {text}", file=sys.stderr, flush=True)  # noqa: E731
    files = data.months_of(options.data, orders, max(1, orders // MONTH), say)
    with tempfile.TemporaryDirectory(prefix="history-", dir=options.data) as folder:
        home = Home((options.keep or Path(folder)) / f"home-{orders}").create()
        data.place(files.landing, home.landing)
        say(f"{orders:,} orders: the whole build")
        command = Path(sys.executable).with_name("orders-pipeline")
        whole = measure([str(command), "run", "--home", str(home.root), "--json"])
        say(f"{orders:,} orders: {whole.cpu:.0f} CPU s, {whole.wall:.0f} s, {whole.peak_gb:.1f} GB; files on top")
        served = [sys.executable, "-m", "benchmarks.history", "--serve", str(home.root), "--data", str(options.data)]
        measure([*served, "--drops", str(options.drops)])
        drops = json.loads((home.root / NOTE).read_text(encoding="utf-8"))[1:]
        return {
            "orders": orders,
            "cpu": whole.cpu,
            "wall": whole.wall,
            "peak_gb": whole.peak_gb,
            "warehouse_gb": home.warehouse.stat().st_size / 1e9,
            "published_gb": home.published_database.stat().st_size / 1e9,
            "file_cpu": statistics.median(drop["cpu"] for drop in drops),
            "file_wall": statistics.median(drop["wall"] for drop in drops),
        }


def _drop(home: Home, folder: Path, drops: int) -> int:
    """Take files of new orders one after the other, in this process; what each took is written into the home."""
    from orders_pipeline import pipeline

    lines = new_orders(folder, lambda text: None)
    used = []
    for number in range(drops):
        path = home.landing / "douyin" / f"{int(time.time())}_douyin.csv"
        path.write_text(renumbered(lines, number), encoding="utf-8")
        past = time.time() - 100
        os.utime(path, (past, past))
        started, cpu = time.perf_counter(), time.process_time()
        done = pipeline.run(home, datetime.now(UTC), prompt=True)
        if done.publication is None or not done.publication.done:
            print(f"drop {number} was not published: {done.blocked_by}")
            return 1
        used.append({"cpu": time.process_time() - cpu, "wall": time.perf_counter() - started, "steps": done.seconds})
    (home.root / NOTE).write_text(json.dumps(used), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
