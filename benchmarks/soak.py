"""Days of arrivals in minutes, and whether memory, open files and disk stay bounded meanwhile.

    python -m benchmarks.soak [--minutes 15] [--days 2] [--gap 3] [--dev] [--keep-records 30] [--json FILE]

The worker (with --dev: `orders-pipeline dev` with its daemon and UI too) serves an empty home. Every few seconds files are
renamed into its landing zone, each of an instant of the simulated days: new orders with their payments, later exports of orders
told of before, now and then the same file again, a file nobody knows, and a row that cannot be read. From outside, resident
memory and open file handles of the serving processes and the disk space of each part of the home are looked at by the second.

Ends with 1 when something is lost or double, or grows without an end: the last third of the time is held against the second.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import duckdb

from benchmarks.freshness import runs_of, served
from benchmarks.visitor import Visitor
from orders_pipeline import dev
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.orchestration import worker
from orders_pipeline.kernel.orchestration.resources import in_use
from orders_pipeline.kernel.orchestration.sensors import pending

#: What may be more at the end than in the second third: shares of it, and some.
MEMORY_SHARE, MEMORY_MB = 1.10, 20.0
HANDLES = 8
#: The warehouse, against one that is made of the same files at once: a share of it, and what an almost empty one takes.
WAREHOUSE_SHARE, WAREHOUSE_MB = 3.0, 60.0
SPARE_SHARE, SPARE_MB = 1.5, 5.0
#: One run's record, above a thousand events, with its share of the index.
RECORD_MB = 7.0
LOOK_SECONDS = 1.0
LOST_SECONDS = 300.0
_MB = 1_000_000
T = TypeVar("T")
_RECONCILE = """mutation {launchRun(executionParams: {mode: "default", runConfigData: "{}", selector: {jobName: "reconcile",
    repositoryName: "__repository__", repositoryLocationName: "orders_pipeline"}}) {... on LaunchRunSuccess {run {runId}}}}"""
#: In the command of a process that the code server starts for one run.
_LAUNCHED = b"multiprocessing.spawn"
_RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\[\d+\]|#\d+")
_SHOP = {"channel": "taobao", "shop_id": "main"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, judge."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description="Days of arrivals in minutes.")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--days", type=float, default=2.0, help="simulated days (default 2)")
    parser.add_argument("--gap", type=float, default=3.0, help="seconds between arrivals, on average (default 3)")
    parser.add_argument("--orders", type=int, default=50, help="new orders of an arrival (default 50)")
    parser.add_argument("--dev", action="store_true", help="the whole of `orders-pipeline dev` instead of the worker alone")
    parser.add_argument("--keep-records", type=int, default=30, help="run_records_max_count of the home (default 30)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    options = parser.parse_args(arguments)
    # What still writes when the soak ends before its time must not hide why it did.
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        report = soak(Path(folder), options)
    print(text(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if report["faults"] else 0


def soak(folder: Path, options: argparse.Namespace) -> dict:
    """The figures of one soak in a folder; `faults` says what is not as it should be."""
    home = Home(folder / "home").create()
    home.settings_file.write_text(f"[thresholds]\nrun_records_max_count = {options.keep_records}\n", encoding="utf-8")
    arrivals = Arrivals(home, random.Random(options.seed), options.orders, timedelta(days=options.days))
    with served(home, worker=True) if options.dev else _worker(home) as port:
        watch = Watch(home)
        arrivals.drop(0.0)
        _until(lambda: _published(home)[0] == arrivals.orders)  # the first run is not the soak's
        if port:
            # Nor is the first one that Dagster launches, as the schedules do: from it on its launcher keeps a process and pipes.
            Visitor(port).ask(_RECONCILE)
            _until(lambda: not _at_work(home))
        began = time.monotonic()
        while (gone := (time.monotonic() - began) / (60 * options.minutes)) < 1:
            arrivals.drop(gone)
            end = time.monotonic() + arrivals.chance.expovariate(1 / options.gap)
            while (left := end - time.monotonic()) > 0:
                watch.look(gone)
                time.sleep(min(left, LOOK_SECONDS))
        _until(lambda: _published(home) == arrivals.told() and pending(home) == ([], 0) and not _at_work(home))
        watch.look(1.0)
    anew, runs = _warehouse_made_at_once(home, folder / "anew"), runs_of(home)
    return {
        "minutes": options.minutes,
        "days": options.days,
        "served_by": "dev" if options.dev else "worker",
        "files": arrivals.files,
        "orders": arrivals.orders,
        "runs": runs,
        "run_records_kept": options.keep_records,
        "thirds": watch.thirds(),
        "warehouse_made_at_once_mb": anew,
        "faults": faults(home, arrivals, watch, anew, options.keep_records, runs),
    }


@dataclass
class Arrivals:
    """Files of the standard format, of simulated instants that end now."""

    home: Home
    chance: random.Random
    size: int
    span: timedelta
    orders: int = 0
    payments: int = 0
    broken: int = 0
    files: int = 0
    _earlier: list[dict] = field(default_factory=list)

    def drop(self, gone: float) -> None:
        """What comes at this share of the span."""
        at = datetime.now(UTC) - self.span * (1 - gone)
        new = [self._order(at) for _ in range(self.size)]
        later = [{**one, "status": "completed", "exported_at": _text(at)} for one in self._earlier]
        self._earlier = self.chance.sample(new, len(new) // 3)
        paid = [one for one in new if self.chance.random() < 0.9]
        self._land("orders", [*new, *later])
        self._land("payments", [self._payment(one) for one in paid])
        kind = self.chance.random()
        if kind < 0.1:
            self._land("orders_again", [*new, *later])
        elif kind < 0.2:
            self._land("unknown", [{"nobody": self.files, "knows": "this"}])
        elif kind < 0.3:
            self.broken += 1
            self._land("broken", [{**new[0], "payable_amount": "not money", "channel_order_id": f"X{self.files}"}])

    def told(self) -> tuple[int, int, int]:
        """Orders, payments and broken rows so far."""
        return self.orders, self.payments, self.broken

    def _order(self, at: datetime) -> dict:
        self.orders += 1
        amount = f"{self.chance.randrange(100, 99_999) / 100:.2f}"
        return {
            **_SHOP, "channel_order_id": f"S{self.orders:07d}", "status": "paid", "currency": "CNY", "payable_amount": amount,
            "created_at": _text(at - timedelta(hours=1)), "paid_at": _text(at - timedelta(minutes=50)), "exported_at": _text(at),
        }  # fmt: skip

    def _payment(self, order: Mapping[str, str]) -> dict:
        self.payments += 1
        return {
            "account": "acc", "payment_id": f"P{self.payments:07d}", "kind": "receipt", "amount": order["payable_amount"],
            "currency": "CNY", "occurred_at": order["paid_at"], **_SHOP, "channel_order_id": order["channel_order_id"],
        }  # fmt: skip

    def _land(self, name: str, rows: Sequence[Mapping]) -> None:
        self.files += 1
        draft = self.home.root / "draft.csv"
        with draft.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        draft.rename(self.home.landing / f"{self.files:06d}_{name}.csv")


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


class Watch:
    """Looks from outside at the processes that serve a home, and at its disk."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.looks: list[tuple[float, dict[str, float]]] = []
        #: What is held open by whom, at each look.
        self.held: list[tuple[float, Counter[str]]] = []

    def look(self, gone: float) -> None:
        """One look, at this share of the time."""
        lasting = _lasting_processes()
        held = Counter(one for pid in lasting for one in _handles(pid))
        self.held.append((gone, held))
        self.looks.append(
            (
                gone,
                {
                    "memory_mb": sum(_resident(pid) for pid in lasting) / _MB,
                    "handles": held.total(),
                    **self.disk(),
                },
            )
        )

    def disk(self) -> dict[str, float]:
        """Megabytes of each part of the home."""
        home = self.home
        spare = home.warehouse.with_name("published.spare")
        return {
            "landing_mb": _size(home.landing),
            "warehouse_mb": _size(home.warehouse) + _size(home.warehouse.with_name(home.warehouse.name + ".wal")),
            "spare_mb": _size(spare),
            "published_mb": _size(home.published_database),
            "tmp_mb": _size(home.work),
            "run_records_mb": _size(home.dagster),
        }

    def thirds(self) -> list[dict[str, float]]:
        """The median of every figure in each third of the time."""
        return [
            {name: round(statistics.median(one[name] for one in some), 1) for name in some[0]} if some else {}
            for some in (_of_third(self.looks, third) for third in range(3))
        ]

    def more_held(self, most: int = 5) -> list[str]:
        """What was held open more often in the last third than in the second, by its median, the most first."""
        second, last = (_of_third(self.held, third) for third in (1, 2))
        grown = {}
        for what in sorted({what for held in last for what in held}):
            before, after = (statistics.median(held[what] for held in some) for some in (second, last))
            if after > before:
                grown[f"{what} {before:g} -> {after:g}"] = after - before
        return sorted(grown, key=lambda told: -grown[told])[:most]


def _of_third(looks: Sequence[tuple[float, T]], third: int) -> list[T]:
    """What was seen in a third of the time; a machine with no time to look in a third of a short soak is judged by all it saw."""
    some = [look for gone, look in looks if third / 3 <= gone < (third + 1) / 3 or (third == 2 and gone >= 1)]
    return some or [look for _, look in looks]


def faults(home: Home, arrivals: Arrivals, watch: Watch, anew_mb: float, keep_records: int, runs: Mapping[str, int]) -> list[str]:
    """What is lost, double, or without bound."""
    _, second, last = watch.thirds()
    disk = watch.disk()
    allowed = {
        "memory_mb": second["memory_mb"] * MEMORY_SHARE + MEMORY_MB,
        "handles": second["handles"] + HANDLES,
    }
    found = [
        f"{name} {last[name]:.1f} in the last third, {second[name]:.1f} before" for name in allowed if last[name] > allowed[name]
    ]
    if last["handles"] > allowed["handles"] and watch.held:
        found.append("more held open: " + "; ".join(watch.more_held()))
    ends = {
        "warehouse_mb": anew_mb * WAREHOUSE_SHARE + WAREHOUSE_MB,
        "spare_mb": disk["published_mb"] * SPARE_SHARE + SPARE_MB,
        "tmp_mb": 1.0,
        # The worker deletes after so many runs; failed ones are kept as long as others.
        "run_records_mb": (2 * keep_records + worker.PRUNE_EVERY) * RECORD_MB,
    }
    found += [f"{name} {disk[name]:.1f} at the end, allowed {most:.1f}" for name, most in ends.items() if disk[name] > most]
    if sum(runs.values()) > 2 * keep_records + worker.PRUNE_EVERY + 1:
        found.append(f"{sum(runs.values())} run records, {keep_records} are to be kept")
    if set(runs) - {"SUCCESS"}:
        found.append(f"runs that did not succeed: {runs}")
    if (there := _published(home)) != arrivals.told():
        found.append(f"orders, payments, rows set aside: {there} published of {arrivals.told()}")
    return found


def _published(home: Home) -> tuple[int, int, int]:
    """Orders, payments and rows set aside, as anybody reads them."""
    if not home.published_book.exists():
        return 0, 0, 0
    tables = ("orders.orders", "payments.transactions", "ops.quarantine")
    with duckdb.connect(str(home.published_book), read_only=True) as connection:
        orders, payments, broken = (connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in tables)
    return orders, payments, broken


@contextmanager
def _worker(home: Home) -> Iterator[None]:
    """The worker alone, as `dev` starts it."""
    home.dagster.mkdir()
    dev.write_configuration(home, postgres=False)
    variables = {"DAGSTER_HOME": str(home.dagster), "ORDERS_PIPELINE_HOME": str(home.root), "DAGSTER_EVENT_BATCH_SIZE": "10000"}
    with (home.root / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", dev.WORKER], env=os.environ | variables, stdout=log, stderr=subprocess.STDOUT, cwd=home.root
        )
        try:
            _until(lambda: worker.alive(home))
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def _at_work(home: Home) -> bool:
    """Whether a run has the warehouse, or has yet to write down that it is done."""
    return in_use(home) or not set(runs_of(home)) <= {"SUCCESS", "FAILURE", "CANCELED"}


def _until(condition, seconds: float = LOST_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return  # what is missing is a fault, and is told with the others
        time.sleep(0.2)


def _warehouse_made_at_once(home: Home, root: Path) -> float:
    """How large a warehouse is that one run makes of the same files."""
    from orders_pipeline import pipeline

    other = Home(root).create()
    shutil.copytree(home.landing, other.landing, dirs_exist_ok=True)
    pipeline.run(other, datetime.now(UTC))
    return round(_size(other.warehouse), 1)


def _lasting_processes() -> list[int]:
    """The processes below this one but for those that end with their run: the worker's children, and what Dagster launches."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    below, waiting = [], [os.getpid()]
    while waiting:
        parent = waiting.pop()
        if parent != os.getpid() and dev.WORKER.encode() in _command(parent):
            continue
        children = [pid for pid, its in parents.items() if its == parent and _LAUNCHED not in _command(pid)]
        waiting += children
        below += children
    return below


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0.0


def _handles(pid: int) -> Iterator[str]:
    """What a process holds open, one entry for each: `program: kind of thing`, runs and sockets without their numbers."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    module = words[words.index("-m") + 1] if "-m" in words[:-1] else Path(" ".join(words[1:2]) or words[0]).name
    for handle in handles:
        try:
            target = Path(_RUN_ID.sub("", str(handle.readlink())))
        except OSError:  # closed meanwhile
            continue
        yield f"{module}: {'/'.join(target.parts[-2:])}"


def _size(path: Path) -> float:
    """Megabytes of a file or of all files of a folder; files and folders may go while they are counted."""
    total = 0
    for file in (Path(at, name) for at, _, names in os.walk(path) for name in names) if path.is_dir() else [path]:
        try:
            total += file.stat().st_blocks * 512 if file.is_file() else 0
        except OSError:
            continue
    return total / _MB


def text(report: dict) -> str:
    """The report for people."""
    lines = [
        f"{report['days']:g} days in {report['minutes']:g} minutes, {report['served_by']}: {report['files']} files, {report['orders']:,} orders",
        f"run records left {report['runs']}; warehouse made of the same files at once {report['warehouse_made_at_once_mb']} MB",
        f"{'median of each third':22}" + "".join(f"{name:>10}" for name in ("first", "second", "last")),
    ]
    first = report["thirds"][0]
    for name in first:
        lines.append(f"{name:22}" + "".join(f"{third.get(name, 0):>10.1f}" for third in report["thirds"]))
    return "\n".join([*lines, *(f"FAULT {one}" for one in report["faults"])])


if __name__ == "__main__":
    sys.exit(main())
