"""What runs the pipeline, and what writes for it: run, dev, checkup, simulate, docs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from orders_pipeline.cli.options import as_of_option, command, home_of, json_option, print_json
from orders_pipeline.kernel.faults import Usage

#: A file changed within this time may still be being copied.
SETTLE_SECONDS = 0.5


def add(commands) -> None:
    """These commands with their options."""
    run = command(
        commands,
        "run",
        "load what is new, build, check, publish",
        _run,
        example="orders-pipeline run --home data --as-of 2026-02-20T09:00:00+08:00",
    )
    run.add_argument("--full", action="store_true", help="build every table anew")
    run.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb", help="what runs the models (default duckdb)")
    run.add_argument("--master", help="Spark master, e.g. spark://host:7077 (default: a local cluster)")
    as_of_option(run)
    json_option(run)

    dev = command(
        commands,
        "dev",
        "Dagster UI, daemon, sensors and schedules on this machine",
        _dev,
        example="orders-pipeline dev --home data --port 3000",
    )
    dev.add_argument("--port", type=int, default=3000, help="port of the UI (default 3000)")
    dev.add_argument("--host", default="127.0.0.1", help="address the UI listens on (default 127.0.0.1)")
    dev.add_argument(
        "--no-worker", action="store_true", help="no process that waits for files: less memory, some seconds more per file"
    )

    checkup = command(
        commands,
        "checkup",
        "known traps of configuration and data: what is wrong, why it matters, how to fix it",
        _checkup,
        example="orders-pipeline checkup --home data --json",
    )
    checkup.epilog += ". Exit code: 0 nothing at warn or above, 3 warnings only, 1 errors (2 is wrong use)"
    checkup.add_argument(
        "--record", action="store_true", help="keep the findings (quality.checkup_findings); errors raise alerts"
    )
    checkup.add_argument("--language", choices=("en", "zh"), default="en", help="of the text (default en; --json has both)")
    as_of_option(checkup)
    json_option(checkup)

    simulate = command(
        commands,
        "simulate",
        "realistic exports, with the truth of every injected fault",
        _simulate,
        example="orders-pipeline simulate --orders 1000 --months 2 --seed 7 --out /tmp/sample",
        home=False,
    )
    simulate.add_argument("--orders", type=int, required=True)
    simulate.add_argument("--months", type=int, default=1)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--out", type=Path, required=True)
    simulate.add_argument("--stock", type=int, default=0, help="SKUs with stock files and oversells beside the orders")
    simulate.add_argument(
        "--lives", type=int, default=0, help="how often each story of stages, parcels, changes, returns is told"
    )
    simulate.add_argument("--faults", type=Path, help="YAML: fault kind -> {rate: …} or {count: …}")

    docs = command(
        commands, "docs", "write the dictionary and table pages anew", _docs, example="orders-pipeline docs", home=False
    )
    docs.add_argument("--check", action="store_true", help="only say whether they are up to date")
    docs.add_argument("--out", type=Path, default=Path("docs/generated"), help="folder (default docs/generated)")


def _run(options: argparse.Namespace) -> int:
    from orders_pipeline import pipeline, summary
    from orders_pipeline.ingest.landing import settle
    from orders_pipeline.kernel.clock import parse_as_of

    home, as_of = home_of(options), parse_as_of(options.as_of)
    if not home.landing.exists():
        home.create()
    progress = summary.progress_line(sys.stderr)
    settle(home.landing, SETTLE_SECONDS)
    if options.engine == "spark":
        from orders_pipeline import cluster

        result = cluster.run(home, as_of, master=options.master, progress=progress, settle_seconds=SETTLE_SECONDS)
    else:
        result = pipeline.run(home, as_of, full=options.full, progress=progress, settle_seconds=SETTLE_SECONDS)
    progress("")
    facts = summary.collect(home, result)
    print_json(facts) if options.json else print(summary.text(facts))
    return 1 if result.blocked_by or result.intake.refused else 0


def _dev(options: argparse.Namespace) -> int:
    from orders_pipeline.dev import serve

    return serve(home_of(options).create(), options.host, options.port, worker=not options.no_worker)


def _checkup(options: argparse.Namespace) -> int:
    from orders_pipeline.checkup import desk
    from orders_pipeline.kernel.clock import parse_as_of

    home, as_of = home_of(options), parse_as_of(options.as_of)
    report = desk.record(home, as_of) if options.record else desk.checkup(home, as_of)
    print_json(report.as_json()) if options.json else print(desk.text(report, options.language))
    return report.exit_code


def _simulate(options: argparse.Namespace) -> int:
    from orders_pipeline.simulate import simulate

    try:
        made = simulate(
            orders=options.orders,
            out=options.out,
            months=options.months,
            seed=options.seed,
            faults=options.faults,
            stock=options.stock,
            lives=options.lives,
        )
    except (ValueError, FileExistsError) as error:
        raise Usage(str(error)) from error
    print(
        f"{made.orders:,} orders in {len(made.files)} files, {made.size_bytes / 1e6:,.1f} MB: {made.landing}\n"
        f"truth of every injected fault: {made.truth}\n"
        f"next: orders-pipeline run --home {options.out} --as-of {made.as_of.isoformat()}"
    )
    return 0


def _docs(options: argparse.Namespace) -> int:
    from orders_pipeline import docs

    stale = docs.write(options.out, check=options.check)
    for path in stale:
        print(f"{'stale' if options.check else 'written'}: {path}")
    return 1 if options.check and stale else 0
