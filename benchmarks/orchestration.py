"""Dagster's share of a run: the same files by the command line and by Dagster's job, each on a home of its own.

    python -m benchmarks.orchestration [--orders 420000] [--runs 3] [--data DIR] [--json FILE]

First the whole month on an empty home, then a file of 1,000 orders on top, in which both leave the summaries to later (as the
worker does). Dagster's run is an ordinary one, recorded in the embedded storage of `orders-pipeline dev`, with its steps, checks
and metadata; the process of either ends with it. The worker forks from a process that has imported everything, so beside the
share of such a process stands that without the start: what a run costs once the program is there. The published tables of both
must be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks import data
from benchmarks.compare import differences
from benchmarks.process import measure
from orders_pipeline.kernel.home import Home

#: Dagster's part of the processor's seconds of a whole run.
TARGET = 0.10
SIDES = ("command line", "dagster")
#: A run's own seconds of the processor, written by itself.
NOTE = "used.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.orchestration", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=420_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--as-of", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        return _one(options.side, Home(options.home), options.as_of)
    options.data.mkdir(parents=True, exist_ok=True)
    say = lambda text: print(f"  {text}", file=sys.stderr, flush=True)  # noqa: E731
    month = data.full_month(options.data, options.orders, say)
    extra = data.thousand_orders(options.data, say)
    rounds = []
    for n in range(options.runs):
        say(f"round {n + 1} of {options.runs}")
        with tempfile.TemporaryDirectory(prefix="run-", dir=options.data) as folder:
            rounds.append(_round(month, extra, Path(folder)))
    figures = {"orders": month.orders, "runs": options.runs, "steps": _summary(rounds)}
    for what, found in figures["steps"].items():
        print(f"{what}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _round(month: data.Files, extra: data.Extra, folder: Path) -> dict[str, dict[str, float]]:
    """Seconds of the processor of each side: of the whole process, and of the run alone."""
    used: dict[str, dict[str, float]] = {}
    as_of = datetime.fromisoformat(month.as_of)
    for what, landing, clock in (("month", month.landing, as_of), ("1,000 orders", extra.one_file, as_of + timedelta(hours=2))):
        used[what] = {}
        for side in SIDES:
            home = Home(folder / side.replace(" ", "-"))
            data.place(landing, home.landing)
            command = [sys.executable, "-m", "benchmarks.orchestration", "--side", side, "--home", str(home.root)]
            process = measure([*command, "--as-of", clock.isoformat()])
            used[what][side] = process.cpu
            used[what][f"{side}, run alone"] = json.loads((home.root / NOTE).read_text())["cpu"]
        left, right = (Home(folder / side.replace(" ", "-")).published_database for side in SIDES)
        if found := differences(left, right, "dagster"):
            raise RuntimeError("\n".join(found[:20]))
    return used


def _summary(rounds: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    out: dict[str, dict[str, float]] = {}
    for what in rounds[0]:
        seconds = {name: statistics.median(r[what][name] for r in rounds) for name in rounds[0][what]}
        shares = {}
        for of in ("", ", run alone"):
            ours, theirs = (f"{side}{of}" for side in SIDES)
            shares[f"Dagster's share{of}"] = statistics.median(1 - r[what][ours] / r[what][theirs] for r in rounds)
        out[what] = seconds | shares
    return out


def _one(side: str, home: Home, as_of: str) -> int:
    """One run; its own seconds of the processor go into a file in the home."""
    run = _by_dagster(home, as_of) if side == "dagster" else _by_command_line(home, as_of)
    before = _cpu()
    good = run()
    used = _cpu() - before
    (home.root / NOTE).write_text(json.dumps({"cpu": used}), encoding="utf-8")
    return 0 if good else 1


def _by_command_line(home: Home, as_of: str):
    from orders_pipeline import pipeline

    return lambda: pipeline.run(home, datetime.fromisoformat(as_of), prompt=True).publication.done


def _by_dagster(home: Home, as_of: str):
    import dagster as dg

    from orders_pipeline import dev
    from orders_pipeline.kernel.orchestration.assets import SETTLE_SECONDS

    os.environ["ORDERS_PIPELINE_HOME"] = str(home.create().root)
    home.dagster.mkdir(exist_ok=True)
    dev.write_configuration(home, postgres=False)
    from orders_pipeline.definitions import defs

    past = time.time() - 10 * SETTLE_SECONDS  # the job waits for files that may still be written; the command line was told not to
    for path in home.landing.rglob("*"):
        os.utime(path, (past, past))
    job = defs.resolve_job_def("load_and_publish")

    def run() -> bool:
        with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
            return job.execute_in_process(instance=instance, tags={"orders_pipeline/as_of": as_of}).success

    return run


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


if __name__ == "__main__":
    sys.exit(main())
