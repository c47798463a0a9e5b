"""A month of orders: the pipeline against a bare DuckDB script and other tools, then a small file on top, then nothing new.

    python -m benchmarks.full_month [--orders 420000] [--runs 5] [--peers pandas,polars] [--data DIR] [--json FILE] [--store DIR]

All sides run in turn, each in a process of its own on the same files; a ratio is the median of the ratios within a round, so
that a machine that slows down does so for both. Nothing is timed before all of them agree.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks import data, report
from benchmarks.compare import differences
from benchmarks.peers import PEERS, Peer
from benchmarks.process import FailedError, Used, measure
from orders_pipeline.kernel.warehouse import literal

LATER = timedelta(hours=2)

#: One turn: what each step (see report.LABELS) used.
Round = dict[str, Used]


class ResultsDifferError(Exception):
    """Two sides do not give the same tables, or a run did not do what it is timed for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and print its table; 1 when results differ, or (with --strict) when a target is missed."""
    options = _options(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    say = (lambda text: None) if options.quiet else (lambda text: print(f"  {text}", file=sys.stderr, flush=True))
    taking_part, left_out = _peers(options.peers)
    month = data.full_month(options.data, options.orders, say)
    extra = data.thousand_orders(options.data, say)
    machine = report.machine(taking_part)
    with tempfile.TemporaryDirectory(prefix="run-", dir=options.data) as folder:
        bench = Bench(month, extra, taking_part, Path(folder), say)
        try:
            if not options.cold:
                bench.round("comparing the results of all sides (not timed)", compare=True)
            rounds = [bench.round(f"round {n + 1} of {options.runs}", compare=options.cold) for n in range(options.runs)]
        except (ResultsDifferError, FailedError) as error:
            print(f"full_month: no ratio, because the work was not the same\n{error}", file=sys.stderr)
            return 1
    figures = report.summarise(rounds, month, taking_part, machine) | {"left_out": left_out, "cold": options.cold}
    print(report.text(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.store:
        report.store(figures, options.store)
    return 1 if options.strict and not all(t["met"] for t in figures["targets"]) else 0


def _peers(wanted: str) -> tuple[list[Peer], dict[str, str]]:
    """The peers that take part, and why each other one does not."""
    names = [peer.name for peer in PEERS] if wanted == "all" else [n for n in wanted.split(",") if n and n != "none"]
    reasons = {p.label: "not asked for" if p.name not in names else p.missing() for p in PEERS}
    return [p for p in PEERS if not reasons[p.label]], {label: reason for label, reason in reasons.items() if reason}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.full_month", description="The pipeline against other tools.")
    parser.add_argument("--orders", type=int, default=420_000, help="orders of the month (default 420000)")
    parser.add_argument("--runs", type=int, default=5, help="timed rounds (default 5)")
    parser.add_argument(
        "--peers", default="all", help="which of pandas,polars,dbt,spark (default all that are installed), or none"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "orders-pipeline-benchmark",
        help="folder for the simulated files, kept for the next time, and for the runs (about 4 GB)",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="no turn before the timed ones: the timed runs' own results are compared (half the time)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to this file")
    parser.add_argument("--store", type=Path, metavar="DIR", help="also write benchmarks.md and benchmarks.json there")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    return parser.parse_args(arguments)


class Bench:
    """Runs all sides on one set of files, in one scratch folder."""

    def __init__(
        self, month: data.Files, extra: data.Extra, peers: Sequence[Peer], folder: Path, say: Callable[[str], None]
    ) -> None:
        self.month, self.extra, self.peers, self.folder, self.say = month, extra, peers, folder, say
        self.as_of = datetime.fromisoformat(month.as_of)

    @contextmanager
    def place(self, name: str, *landings: Path) -> Iterator[Path]:
        """A folder of that name with the files of these landing folders below `landing`, removed again."""
        folder = self.folder / name
        for landing in landings:
            data.place(landing, folder / "landing")
        folder.mkdir(exist_ok=True)
        yield folder
        shutil.rmtree(folder)

    def floor(self, landing: Path, folder: Path, as_of: datetime, *more: str) -> tuple[Used, Path]:
        target = folder / f"floor{'_'.join(more)}-{as_of:%H}.duckdb"
        command = [sys.executable, "-m", "benchmarks.floor", str(landing), str(target), as_of.isoformat()]
        return measure([*command, *more]), target

    def pipeline(self, home: Path, as_of: datetime) -> Used:
        command = Path(sys.executable).with_name("orders-pipeline")
        return measure([str(command), "run", "--home", str(home), "--as-of", as_of.isoformat(), "--json"])

    def round(self, turn: str, *, compare: bool) -> Round:
        """One turn of everything, on new folders that are removed again; with `compare`, all answers are held against the
        floor's first, also those with the file on top: raises ResultsDifferError unless they are the same."""
        used: Round = {}
        month, more = self.month.landing, self.extra.one_file
        later = self.as_of + LATER
        with self.place("floor", month) as floor:
            self.say(f"{turn}: parsing only, floor, floor that delivers the tables")
            used["parse"] = self._parse(month)
            used["floor"], plain = self.floor(month, floor, self.as_of)
            used["tables"], kept = self.floor(month, floor, self.as_of, "--deliver")
            if compare:
                data.place(more, floor / "landing")
                _, on_top = self.floor(floor / "landing", floor, later)
            for peer in self.peers:
                self.say(f"{turn}: {peer.label}")
                with self.place(peer.name, month) as folder:
                    answers = folder / "out" / peer.answers
                    used[peer.name] = self._peer(peer, folder, self.as_of)
                    if compare:
                        _agree(plain, answers, peer.label)
                    data.place(more, folder / "landing")
                    used[f"{peer.name}_one"] = self._peer(peer, folder, later)
                    if compare:
                        _agree(on_top, answers, f"{peer.label} with the file on top")
            with self.place("only", month) as home:
                self.say(f"{turn}: pipeline, only the tables the others make")
                used["only"] = measure([sys.executable, "-m", "benchmarks.only_answers", str(home), self.as_of.isoformat()])
                if compare:
                    _agree(plain, published(home), "pipeline that makes no other table")
            with self.place("home", month) as home:
                self.say(f"{turn}: pipeline, a file of {self.extra.orders:,} orders, their other files, nothing new")
                used["full"] = self.pipeline(home, self.as_of)
                if compare:
                    _agree(plain, published(home), "pipeline")
                    _agree(kept, published(home), "pipeline")
                    self._check_rows(kept.with_suffix(".raw.duckdb"), home)
                self.say(f"{turn}: every table of the run in bare DuckDB")
                used["every"] = self._every(home, compare=compare)
                used["parse_one"] = self._parse(more)
                used["one_file"] = self._add(home, more, 1, self.extra.orders)
                if compare:
                    _agree(on_top, published(home), "pipeline with the file on top")
                used["all_files"] = self._add(home, self.extra.other_files, 2, None)
                used["idle"] = self.pipeline(home, self.as_of + 2 * LATER)
        return used

    def _peer(self, peer: Peer, folder: Path, as_of: datetime) -> Used:
        return measure(peer.command(folder / "landing", folder / "out", as_of))

    def _every(self, home: Path, *, compare: bool) -> Used:
        """Every table in bare DuckDB; with `compare`, all held against those of the home, in a process that is not timed."""
        with self.place("every") as folder:
            target = folder / "every.duckdb"
            command = [sys.executable, "-m", "benchmarks.every_table", str(self.month.landing), str(target)]
            command += [self.as_of.isoformat(), str(home)]
            used = measure(command)
            if compare:
                measure([*command, "--compare"])
        return used

    def _parse(self, landing: Path) -> Used:
        return measure([sys.executable, "-m", "benchmarks.parse", str(landing)])

    def _check_rows(self, kept: Path, home: Path) -> None:
        """The floor that delivers has kept as many rows as the pipeline has read (and lines of text around them)."""
        with duckdb.connect(str(kept), read_only=True) as connection:
            floor = connection.execute("SELECT count(*), sum(rows) FROM raw.files").fetchall()[0]
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {literal(str(published(home)))} AS p (READ_ONLY)")
            run = connection.execute("SELECT count(*), sum(rows_read) FROM p.ops.files WHERE status = 'loaded'").fetchall()[0]
        if floor[0] != run[0] or floor[1] < run[1]:
            raise ResultsDifferError(f"the floor has kept {floor[1]} rows of {floor[0]} files, the run {run[1]} of {run[0]}")

    def _add(self, home: Path, landing: Path, step: int, new_orders: int | None) -> Used:
        before = count_orders(home)
        data.place(landing, home / "landing")
        used = self.pipeline(home, self.as_of + step * LATER)
        gained = count_orders(home) - before
        if new_orders is not None and gained != new_orders:
            raise ResultsDifferError(f"the small file brought {gained:,} orders into the tables, not {new_orders:,}")
        return used


def _agree(floor: Path, answers: Path, name: str) -> None:
    if found := differences(floor, answers, name):
        rest = f"\n… and {len(found) - 40} more" if len(found) > 40 else ""
        raise ResultsDifferError("\n".join(found[:40]) + rest)


def published(home: Path) -> Path:
    """The published database of a home."""
    return home / "published" / "orders.duckdb"


def count_orders(home: Path) -> int:
    """Orders in the published database of a home."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(published(home)))} AS p (READ_ONLY)")
        return connection.execute("SELECT count(*) FROM p.orders.orders").fetchall()[0][0]


if __name__ == "__main__":
    sys.exit(main())
