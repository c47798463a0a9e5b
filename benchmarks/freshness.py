"""How long from a file's rename into the landing zone to its rows in the published database, measured from outside.

    python -m benchmarks.freshness [--orders 420000] [--drops 30] [--no-worker] [--data DIR] [--json FILE] [--strict]

A home with that many orders is served by `orders-pipeline dev`: real daemon, sensor, run launcher and embedded storage. Files
of 1,000 new orders are renamed into its landing zone at random moments, one after the other; the clock of each stops when
somebody who opens the published file as any reader does finds all its orders. Meanwhile somebody else looks at the UI. Beside
the times stand the orders found missing or double at the end, the errors readers met, how long the UI took to answer, and the
runs as Dagster has recorded them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from benchmarks import data
from benchmarks.visitor import visiting
from orders_pipeline.kernel.home import Home

#: Seconds (p50, p95) with the worker, and with the plain sensor; None: no target.
TARGETS = {"worker": (3.0, 5.0), "sensor": (None, 10.0)}
LOOK_SECONDS = 0.02
SHANGHAI = ZoneInfo("Asia/Shanghai")
LOST_SECONDS = 300.0
ORDERS = data.THOUSAND
#: Every drop has order numbers of its own: these digits of the exported ones are replaced.
_DIGITS = slice(2, 9)
FIRST = 8_000_000
#: The two digits before them, which every Douyin number of the simulation begins with.
_ALL = "69"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a target is missed (with --strict), or when an order is lost or double (always)."""
    options = _options(arguments)
    say = lambda text: print(f"  {text}", file=sys.stderr, flush=True)  # noqa: E731
    options.data.mkdir(parents=True, exist_ok=True)
    month = data.full_month(options.data, options.orders, say)
    lines = new_orders(options.data, say)
    with tempfile.TemporaryDirectory(prefix="freshness-", dir=options.data) as folder:
        home = Home(Path(folder) / "home").create()
        data.place(month.landing, home.landing)
        say(f"loading {month.orders:,} orders (not timed)")
        command = Path(sys.executable).with_name("orders-pipeline")
        subprocess.run([str(command), "run", "--home", str(home.root), "--json"], check=True, stdout=subprocess.DEVNULL)
        way = "sensor" if options.no_worker else "worker"
        with served(home, worker=not options.no_worker) as port, visiting(port) as visitor:
            say("waiting until it serves (not timed)")
            bench = Bench(home, lines)
            bench.drop(0)
            bench.wait(0)
            seconds = []
            visitor.seconds.clear()  # the first questions load the code
            visitor.errors.clear()
            for number in range(1, options.drops + 1):
                time.sleep(random.uniform(0.2, options.gap))
                started = bench.drop(number)
                seconds.append(bench.wait(number) - started)
                say(f"{number} of {options.drops}: {seconds[-1]:.2f} s")
        report = {
            "way": way,
            "orders": month.orders,
            "drops": options.drops,
            "p50_seconds": round(statistics.median(seconds), 2),
            "p95_seconds": round(percentile(seconds, 0.95), 2),
            "max_seconds": round(max(seconds), 2),
            "seconds": [round(s, 2) for s in seconds],
            "ui_p50_seconds": round(statistics.median(visitor.seconds), 2),
            "ui_p95_seconds": round(percentile(visitor.seconds, 0.95), 2),
            "ui_max_seconds": round(max(visitor.seconds), 2),
            "ui_errors": len(visitor.errors),
            "reader_errors": bench.errors,
            "lost_or_double": bench.lost_or_double(options.drops),
            "runs": runs_of(home),
            "load_average": round(os.getloadavg()[2], 2),
            "cores": os.cpu_count(),
            "versions": {"python": platform.python_version(), "duckdb": duckdb.__version__},
        }
    print(text(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if report["lost_or_double"] or report["reader_errors"] or report["ui_errors"]:
        return 1
    return 1 if options.strict and not all(met for _, _, met in judged(report)) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.freshness", description="From a file to its rows.")
    parser.add_argument("--orders", type=int, default=420_000, help="orders of the home (default 420000)")
    parser.add_argument("--drops", type=int, default=30, help="files of 1,000 orders (default 30)")
    parser.add_argument("--gap", type=float, default=6.0, help="seconds between files, at most (default 6)")
    parser.add_argument("--no-worker", action="store_true", help="with the plain sensor alone")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser.parse_args(arguments)


def new_orders(folder: Path, say: Callable[[str], None]) -> list[str]:
    """The lines of a file of 1,000 orders as a platform exports them at the end of an hour: paid or waiting for it, none sent yet.

    They are simulated ones with other times. As they were, weeks old and completed, each would raise an alert: nobody tells of
    its payment, nor of its parcel.
    """
    file = next(data.thousand_orders(folder, say).one_file.rglob("*.csv"))
    with file.open(encoding="utf-8-sig", newline="") as text:
        header, *rows = csv.reader(text)
    order, *times, status, after, why = map(
        header.index,
        ("主订单编号", "订单提交时间", "支付完成时间", "发货时间", "订单完成时间", "承诺发货时间", "订单状态", "售后状态", "取消原因"),
    )
    places = {number: place for place, number in enumerate(dict.fromkeys(row[order] for row in rows))}
    now = datetime.now(SHANGHAI).replace(tzinfo=None, microsecond=0)
    for row in rows:
        created = now - timedelta(seconds=3600 - 3600 * places[row[order]] // len(places))
        is_paid = row[times[1]] != "-"
        paid = str(created + timedelta(seconds=20)) if is_paid else "-"
        promised = str(created + timedelta(days=2))
        for place, value in zip(times, (str(created), paid, "-", "-", promised), strict=True):
            row[place] = value
        row[status], row[after], row[why] = "待发货" if is_paid else "待支付", "-", ""
    return ["\ufeff" + ",".join(header) + "\n", *(",".join(map(_written, row)) + "\n" for row in rows)]


def _written(cell: str) -> str:
    """A cell as the platform writes it: in quotes behind a tab."""
    return f'"{cell}"' if cell.startswith("\t") or "," in cell else cell


class Bench:
    """Drops files and reads the published one, as two strangers to the pipeline."""

    def __init__(self, home: Home, lines: Sequence[str]) -> None:
        self.home, self.lines = home, lines
        self.errors = 0

    def drop(self, number: int) -> float:
        """Write a file of new orders elsewhere, rename it into the landing zone; the instant of the rename."""
        draft = self.home.root / "draft.csv"
        draft.write_text(renumbered(self.lines, number), encoding="utf-8")
        instant = int(time.time())
        while (target := self.home.landing / "douyin" / f"{instant}_douyin.csv").exists():
            instant += 1
        started = time.time()
        draft.rename(target)
        return started

    def wait(self, number: int) -> float:
        """The instant at which all orders of a drop are there."""
        end, seen = time.time() + LOST_SECONDS, None
        while True:
            # Whoever opened and counted all the time would take a core of two from what he measures.
            now = self.home.published_book.stat()
            if (now.st_ino, now.st_mtime_ns) != seen and self._count(number)[0] >= ORDERS:
                return time.time()
            seen = now.st_ino, now.st_mtime_ns
            if time.time() > end:
                raise TimeoutError(f"drop {number} has not come within {LOST_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    def lost_or_double(self, drops: int) -> int:
        """Drops of which not each order is published once."""
        return sum(self._count(number) != (ORDERS, ORDERS) for number in range(drops + 1))

    def _count(self, number: int) -> tuple[int, int]:
        prefix = f"{_ALL}{FIRST + number}"
        statement = "SELECT count(*), count(DISTINCT channel_order_id) FROM orders.orders WHERE starts_with(channel_order_id, ?)"
        try:
            with duckdb.connect(str(self.home.published_book), read_only=True) as connection:
                return connection.execute(statement, [prefix]).fetchall()[0]
        except duckdb.Error as error:
            self.errors += 1
            print(f"  a reader met {error}", file=sys.stderr, flush=True)
            return 0, 0


def renumbered(lines: Sequence[str], number: int) -> str:
    """The text of a file in which every order has another number than in any other drop."""
    digits = str(FIRST + number)
    out = [lines[0]]
    for line in lines[1:]:
        order, part, rest = line.split(",", 2)
        out.append(",".join((_renumber(order, digits), _renumber(part, digits), rest)))
    return "".join(out)


def _renumber(cell: str, digits: str) -> str:
    """An exported number (in quotes, behind a tab) with other digits."""
    at = cell.index(_ALL)
    return cell[: at + _DIGITS.start] + digits + cell[at + _DIGITS.stop :]


@contextmanager
def served(home: Home, *, worker: bool) -> Iterator[int]:
    """`orders-pipeline dev` on a home, until the end of the block: the port of its UI."""
    from orders_pipeline.kernel.orchestration.worker import alive

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("orders-pipeline")), "dev", "--home", str(home.root), "--port", str(port)]
    log = home.root / "dev.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, *([] if worker else ["--no-worker"])], stdout=out, stderr=subprocess.STDOUT, cwd=home.root
        )
        try:
            _until(lambda: not worker or alive(home), process, log)
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                process.kill()


def _until(condition: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + LOST_SECONDS
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"`dev` does not serve:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def runs_of(home: Home) -> dict[str, int]:
    """The runs of the home by status."""
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(home.dagster)) as instance:
        return dict(Counter(run.status.value for run in instance.get_runs()))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * round(share * 100) // 100) - 1)]


def judged(report: dict) -> list[tuple[str, float, bool]]:
    """(what, target, met) of each target that holds for the way measured."""
    p50, p95 = TARGETS[report["way"]]
    made = [("p50", p50, report["p50_seconds"]), ("p95", p95, report["p95_seconds"])]
    return [(what, target, value <= target) for what, target, value in made if target is not None]


def text(report: dict) -> str:
    """The report for people."""
    lines = [
        f"from file to published rows, {report['way']}, home of {report['orders']:,} orders, {report['drops']} files of {ORDERS:,}:",
        f"p50 {report['p50_seconds']:.2f} s, p95 {report['p95_seconds']:.2f} s, max {report['max_seconds']:.2f} s",
        *(f"target {what} <= {target:.0f} s: {'met' if met else 'missed'}" for what, target, met in judged(report)),
        f"the UI's answers meanwhile: p50 {report['ui_p50_seconds']:.2f} s, p95 {report['ui_p95_seconds']:.2f} s, "
        f"max {report['ui_max_seconds']:.2f} s, errors {report['ui_errors']}",
        f"drops lost or double {report['lost_or_double']}, reader errors {report['reader_errors']}, runs {report['runs']}",
        f"load average {report['load_average']} on {report['cores']} cores",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
