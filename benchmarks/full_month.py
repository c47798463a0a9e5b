"""A month of orders: the pipeline against a bare DuckDB script in two sizes, then a small file on top, then nothing new.

    python -m benchmarks.full_month [--orders 420000] [--runs 3] [--data DIR] [--json FILE] [--strict]

Floor and pipeline run in turn, each in a process of its own on the same files; a ratio is the median of the ratios of
neighbouring runs, so that a machine that slows down does so for both. Nothing is timed before both agree.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks import data
from benchmarks.compare import differences
from benchmarks.process import FailedError, Used, measure
from orders_pipeline.kernel.warehouse import literal

FULL_MAX, INCREMENT_MAX, MEMORY_MAX_GB = 2.0, 0.15, 4.0
LATER = timedelta(hours=2)


@dataclass(frozen=True)
class Round:
    """One turn of each: both floors, the whole run on an empty home, small files on top of it, a run with nothing new."""

    floor: Used
    tables: Used
    full: Used
    one_file: Used
    all_files: Used
    idle: Used


class ResultsDifferError(Exception):
    """The two sides do not give the same tables, or a run did not do what it is timed for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table; 1 when results differ, or (with --strict) when a target is missed."""
    options = _options(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    say = (lambda text: None) if options.quiet else (lambda text: print(f"  {text}", file=sys.stderr, flush=True))
    month = data.full_month(options.data, options.orders, say)
    extra = data.thousand_orders(options.data, say)
    with tempfile.TemporaryDirectory(prefix="run-", dir=options.data) as folder:
        bench = Bench(month, extra, Path(folder), say)
        try:
            bench.check()
            rounds = [bench.round(number + 1, options.runs) for number in range(options.runs)]
        except (ResultsDifferError, FailedError) as error:
            print(f"full_month: no ratio, because the work was not the same\n{error}", file=sys.stderr)
            return 1
    report = summarise(rounds, month)
    print(text(report))
    if options.json:
        options.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if options.strict and not all(t["met"] for t in report["targets"]) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.full_month", description="The pipeline against a bare DuckDB script.")
    parser.add_argument("--orders", type=int, default=420_000, help="orders of the month (default 420000)")
    parser.add_argument("--runs", type=int, default=3, help="timed rounds (default 3)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark",
        help="folder for the simulated files, kept for the next time, and for the runs (about 4 GB)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to this file")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser.parse_args(arguments)


class Bench:
    """Runs the two sides on one set of files, in one scratch folder."""

    def __init__(self, month: data.Files, extra: data.Extra, folder: Path, say: Callable[[str], None]) -> None:
        self.month, self.extra, self.folder, self.say = month, extra, folder, say
        self.as_of = datetime.fromisoformat(month.as_of)

    def floor(self, name: str, *more: str) -> tuple[Used, Path]:
        folder = self.folder / name
        folder.mkdir()
        target = folder / "floor.duckdb"
        module = [sys.executable, "-m", "benchmarks.floor"]
        return measure([*module, str(self.month.landing), str(target), self.month.as_of, *more]), target

    def pipeline(self, home: Path, as_of: datetime) -> Used:
        command = Path(sys.executable).with_name("orders-pipeline")
        return measure([str(command), "run", "--home", str(home), "--as-of", as_of.isoformat(), "--json"])

    def new_home(self, name: str) -> Path:
        home = self.folder / name
        data.place(self.month.landing, home / "landing")
        return home

    def check(self) -> None:
        """All sides once, untimed: raises ResultsDifferError unless they publish the same tables."""
        self.say("comparing the results of all sides (not timed)")
        home = self.new_home("check-home")
        self.pipeline(home, self.as_of)
        for more in ((), ("--deliver",)):
            _, target = self.floor("check", *more)
            found = differences(target, published(home))
            if found:
                rest = f"\n… and {len(found) - 40} more" if len(found) > 40 else ""
                raise ResultsDifferError("\n".join(found[:40]) + rest)
            if more:
                self._check_rows(target.with_suffix(".raw.duckdb"), home)
            shutil.rmtree(target.parent)
        shutil.rmtree(home)

    def _check_rows(self, kept: Path, home: Path) -> None:
        """The floor that delivers has kept as many rows as the pipeline has read (and lines of text around them)."""
        with duckdb.connect(str(kept), read_only=True) as connection:
            floor = connection.execute("SELECT count(*), sum(rows) FROM raw.files").fetchall()[0]
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {literal(str(published(home)))} AS p (READ_ONLY)")
            run = connection.execute("SELECT count(*), sum(rows_read) FROM p.ops.files WHERE status = 'loaded'").fetchall()[0]
        if floor[0] != run[0] or floor[1] < run[1]:
            raise ResultsDifferError(f"the floor has kept {floor[1]} rows of {floor[0]} files, the run {run[1]} of {run[0]}")

    def round(self, number: int, of: int) -> Round:
        """One timed turn of everything, on a new home that is removed again."""
        self.say(f"round {number} of {of}: floor")
        floor, target = self.floor(f"floor{number}")
        shutil.rmtree(target.parent)
        self.say(f"round {number} of {of}: floor that delivers the tables")
        tables, target = self.floor(f"tables{number}", "--deliver")
        shutil.rmtree(target.parent)
        home = self.new_home(f"home{number}")
        self.say(f"round {number} of {of}: pipeline")
        full = self.pipeline(home, self.as_of)
        self.say(f"round {number} of {of}: a file of {self.extra.orders:,} orders, their other files, nothing new")
        one = self._add(home, self.extra.one_file, 1, self.extra.orders)
        rest = self._add(home, self.extra.other_files, 2, None)
        idle = self.pipeline(home, self.as_of + 2 * LATER)
        shutil.rmtree(home)
        return Round(floor, tables, full, one, rest, idle)

    def _add(self, home: Path, landing: Path, step: int, new_orders: int | None) -> Used:
        before = count_orders(home)
        data.place(landing, home / "landing")
        used = self.pipeline(home, self.as_of + step * LATER)
        gained = count_orders(home) - before
        if new_orders is not None and gained != new_orders:
            raise ResultsDifferError(f"the small file brought {gained:,} orders into the tables, not {new_orders:,}")
        return used


def published(home: Path) -> Path:
    """The published database of a home."""
    return home / "published" / "orders.duckdb"


def count_orders(home: Path) -> int:
    """Orders in the published database of a home."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(published(home)))} AS p (READ_ONLY)")
        return connection.execute("SELECT count(*) FROM p.orders.orders").fetchall()[0][0]


# ---- figures


def summarise(rounds: Sequence[Round], month: data.Files) -> dict:
    """All figures of a benchmark: medians, ratios, targets, machine, sizes and the single runs."""
    middle = statistics.median

    def ratio(above: str, below: str, what: str) -> float:
        return round(middle(getattr(getattr(r, above), what) / getattr(getattr(r, below), what) for r in rounds), 3)

    steps = {
        name: {w: round(middle(getattr(getattr(r, name), w) for r in rounds), 3) for w in ("wall", "cpu", "peak_gb")}
        for name in Round.__dataclass_fields__
    }
    ratios = {
        "full / floor": {w: ratio("full", "floor", w) for w in ("wall", "cpu", "peak_gb")},
        "full / tables": {w: ratio("full", "tables", w) for w in ("wall", "cpu", "peak_gb")},
        **{f"{n} / full": {w: ratio(n, "full", w) for w in ("wall", "cpu")} for n in ("one_file", "all_files", "idle")},
    }
    facts = [
        ("full run / floor, time", ratios["full / floor"]["wall"], FULL_MAX, ""),
        ("full run / floor that delivers, time", ratios["full / tables"]["wall"], FULL_MAX, ""),
        ("file of 1,000 orders / full run, time", ratios["one_file / full"]["wall"], INCREMENT_MAX, ""),
        (
            "peak memory of any run",
            max(s["peak_gb"] for n, s in steps.items() if n not in ("floor", "tables")),
            MEMORY_MAX_GB,
            "GB",
        ),
    ]
    targets = [{"what": w, "figure": f, "target": t, "unit": u, "met": f <= t} for w, f, t, u in facts]
    return {
        "orders": month.orders,
        "files": month.files,
        "rows": month.rows,
        "bytes": month.size_bytes,
        "runs": len(rounds),
        "machine": machine(),
        "steps": steps,
        "ratios": ratios,
        "targets": targets,
        "single_runs": [asdict(r) for r in rounds],
    }


def machine() -> dict:
    """What the figures were measured on and with."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "measured_at": datetime.now().astimezone().isoformat(timespec="minutes"),
    }


LABELS = {
    "floor": "floor: bare DuckDB script, only answers",
    "tables": "floor: … that delivers rows, tables, Parquet",
    "full": "pipeline: whole run, empty home",
    "one_file": "pipeline: + file of 1,000 orders",
    "all_files": "pipeline: + the bills, shipments … of these",
    "idle": "pipeline: nothing new",
}


def text(report: dict) -> str:
    """The report for a person."""
    m = report["machine"]
    lines = [
        f"{report['orders']:,} orders: {report['files']} files, {report['rows']:,} rows, "
        f"{report['bytes'] / 1e6:,.0f} MB; results equal",
        f"{m['system']}, {m['cores']} cores, {m['memory_gb']} GB, load {m['load']}; "
        f"Python {m['python']}, DuckDB {m['duckdb']}; median of {report['runs']}",
        "",
        f"{'':44}{'seconds':>9}{'CPU s':>9}{'peak GB':>9}",
    ]
    lines += [f"{LABELS[n]:44}{s['wall']:9.2f}{s['cpu']:9.2f}{s['peak_gb']:9.2f}" for n, s in report["steps"].items()]
    lines += ["", f"{'median of pairwise ratios':44}{'time':>9}{'CPU':>9}"]
    lines += [f"{n:44}{r['wall']:9.3f}{r['cpu']:9.3f}" for n, r in report["ratios"].items()]
    lines += ["", f"{'target':44}{'figure':>9}{'at most':>9}"]
    lines += [
        f"{t['what']:44}{t['figure']:9.3f}{t['target']:9.2f} {t['unit']:3}{'met' if t['met'] else 'MISSED'}"
        for t in report["targets"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
