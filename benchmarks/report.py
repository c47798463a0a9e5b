"""The figures of full_month: medians, ratios and targets, for a person, as JSON and as the page docs/generated/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.data import Files
from benchmarks.peers import PEERS, Peer
from benchmarks.process import Used

#: Full run / floor, full run / each peer, file of 1,000 orders / full run, its cost / that of each peer's way, memory.
FULL_MAX, PEER_MAX, INCREMENT_MAX, PEER_INCREMENT_MAX, MEMORY_MAX_GB = 1.5, 1.0, 0.15, 1.0, 4.0
#: Load per core from which the machine counts as busy with something else.
BUSY = 0.5

LABELS = {
    "parse": "DuckDB parses the files, no more",
    "floor": "floor: bare DuckDB script, only answers",
    "tables": "floor: … that delivers rows, tables, Parquet",
    "every": "floor: every table of the run, its SELECTs in bare DuckDB",
    **{peer.name: peer.label for peer in PEERS},
    "full": "pipeline: whole run, empty home",
    "only": "pipeline: only the tables the others make",
    "parse_one": "DuckDB parses the file of 1,000 orders",
    **{f"{peer.name}_one": f"{peer.label}: + file of 1,000 ({peer.again})" for peer in PEERS},
    "one_file": "pipeline: + file of 1,000 orders",
    "all_files": "pipeline: + the bills, shipments … of these",
    "idle": "pipeline: nothing new",
}
PIPELINE = ("full", "only", "one_file", "all_files", "idle")


def machine(peers: Sequence[Peer]) -> dict:
    """What is measured on and with; the load is that before the first process starts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "load": round(load, 2),
        "busy": load > BUSY * cores,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("duckdb", *(n for peer in peers for n in peer.packages))},
        "measured_at": datetime.now().astimezone().isoformat(timespec="minutes"),
    }


def summarise(rounds: Sequence[dict[str, Used]], month: Files, peers: Sequence[Peer], machine: dict) -> dict:
    """All figures: medians, ratios, targets, machine, sizes and the single runs."""

    def middle(values: Sequence[float]) -> float:
        return round(statistics.median(values), 3)

    steps = {
        name: {what: middle([getattr(r[name], what) for r in rounds]) for what in ("wall", "cpu", "peak_gb")}
        for name in LABELS
        if name in rounds[0]
    }

    def ratio(above: str, below: str) -> dict[str, float]:
        return {w: middle([getattr(r[above], w) / getattr(r[below], w) for r in rounds]) for w in ("wall", "cpu", "peak_gb")}

    others = ("parse", "floor", "tables", *(p.name for p in peers))
    pairs = [("full", name) for name in (*others, "every")] + [("only", name) for name in others]
    pairs += [("one_file", name) for name in ("full", "parse_one", *(f"{p.name}_one" for p in peers))]
    pairs += [("all_files", "full"), ("idle", "full")]
    ratios = {f"{above} / {below}": ratio(above, below) for above, below in pairs}
    limits = [("full", name, FULL_MAX) for name in ("every", "floor", "tables")] + [("full", p.name, PEER_MAX) for p in peers]
    limits += [("only", name, FULL_MAX) for name in ("floor", "tables")] + [("only", p.name, PEER_MAX) for p in peers]
    limits += [("one_file", "full", INCREMENT_MAX), *(("one_file", f"{p.name}_one", PEER_INCREMENT_MAX) for p in peers)]
    targets = []
    for above, below, most in limits:
        found = ratios[f"{above} / {below}"]
        met = {"met": found["wall"] <= most, "met_cpu": found["cpu"] <= most}
        targets.append(
            {"what": f"{above} / {below}", "figure": found["wall"], "cpu": found["cpu"], "target": most, "unit": "", **met}
        )
    peak = max(steps[name]["peak_gb"] for name in PIPELINE)
    met = {"met": peak <= MEMORY_MAX_GB, "met_cpu": peak <= MEMORY_MAX_GB}
    targets.append({"what": "peak memory of any run", "figure": peak, "cpu": None, "target": MEMORY_MAX_GB, "unit": "GB", **met})
    return {
        "orders": month.orders,
        "files": month.files,
        "rows": month.rows,
        "bytes": month.size_bytes,
        "runs": len(rounds),
        "machine": machine,
        "steps": steps,
        "ratios": ratios,
        "targets": targets,
        "single_runs": [{name: asdict(used) for name, used in r.items()} for r in rounds],
    }


def described(figures: dict) -> list[str]:
    """Sizes; machine and versions; what the figures can bear."""
    m = figures["machine"]
    rounds = figures["runs"]
    versions = ", ".join(f"{name} {number}" for name, number in m["versions"].items())
    lines = [
        f"{figures['orders']:,} orders: {figures['files']} files, {figures['rows']:,} rows, {figures['bytes'] / 1e6:,.0f} MB; "
        "results of all sides equal",
        f"{m['system']}, {m['cores']} cores, {m['memory_gb']} GB, load {m['load']}; Python {m['python']}, {versions}; {m['measured_at']}",
        f"{rounds} rounds, medians" if rounds > 1 else "one round only: no median, no spread",
    ]
    if figures.get("cold"):
        lines[-1] += ", no turn before to warm up: the timed runs' own results were compared"
    if m["busy"]:
        lines[-1] += "; the machine was busy with other programs, so CPU seconds say more than the clock"
    return lines


def named(ratio: str) -> str:
    """`full / pandas` in words."""
    above, _, below = ratio.partition(" / ")
    return f"{LABELS[above]} / {LABELS[below]}" if below in LABELS else ratio


def text(figures: dict) -> str:
    """The report for a person at a terminal."""
    wide = 84
    lines = [*described(figures), "", f"{'':{wide}}{'seconds':>9}{'CPU s':>9}{'peak GB':>9}"]
    lines += [f"{LABELS[n]:{wide}}{s['wall']:9.2f}{s['cpu']:9.2f}{s['peak_gb']:9.2f}" for n, s in figures["steps"].items()]
    lines += ["", f"{'median of ratios within a round':{wide}}{'time':>9}{'CPU':>9}"]
    lines += [f"{n:{wide}}{r['wall']:9.3f}{r['cpu']:9.3f}" for n, r in figures["ratios"].items()]
    lines += ["", f"{'target':{wide}}{'figure':>9}{'at most':>9}"]
    lines += [
        f"{t['what']:{wide}}{t['figure']:9.3f}{t['target']:9.2f} {t['unit']:3}{'met' if t['met'] else 'MISSED'}"
        for t in figures["targets"]
    ]
    lines += [f"left out: {label}: {reason}" for label, reason in figures.get("left_out", {}).items()]
    return "\n".join(lines)


def markdown(figures: dict) -> str:
    """The page: what was measured on what, every side, every target."""
    steps, ratios = figures["steps"], figures["ratios"]

    def table(names: Sequence[str], ours: str) -> list[str]:
        rows = [f"| | seconds | CPU s | peak GB | {LABELS[ours]} / this: time | CPU |", "|---|---:|---:|---:|---:|---:|"]
        for name in names:
            used, against = steps[name], ratios.get(f"{ours} / {name}")
            compared = f"{against['wall']:.2f} × | {against['cpu']:.2f} ×" if against else " | "
            rows.append(f"| {LABELS[name]} | {used['wall']:.2f} | {used['cpu']:.2f} | {used['peak_gb']:.2f} | {compared} |")
        return rows

    on_top = [n for n in steps if n.endswith("_one") or n in ("one_file", "all_files", "idle")]
    verdict = {True: "met", False: "**missed**"}
    lines = [
        "# Benchmarks",
        "",
        "Measured by `make bench`, not derived: the page of the last run that was stored, by whoever stored it.",
    ]
    lines += ["What is compared and how: [benchmarks](../../benchmarks/README.md). Every single run: `benchmarks.json`.", ""]
    lines += [f"- {line}" for line in described(figures)]
    lines += [f"- left out: {label}, {reason}" for label, reason in figures.get("left_out", {}).items()]
    lines += ["", "## A month of orders", "", *table([n for n in steps if n not in on_top], "full")]
    lines += ["", "## A file of 1,000 orders on top", "", *table(on_top, "one_file")]
    lines += ["", "## Targets", "", "| | by the clock | | by the processor | | at most |", "|---|---:|---|---:|---|---:|"]
    for t in figures["targets"]:
        cpu = f"{t['cpu']:.3f} | {verdict[t['met_cpu']]}" if t["cpu"] is not None else " | "
        lines.append(
            f"| {named(t['what'])} | {t['figure']:.3f} {t['unit']} | {verdict[t['met']]} | {cpu} | {t['target']:g} {t['unit']} |"
        )
    return "\n".join(lines) + "\n"


def store(figures: dict, folder: Path) -> None:
    """Write benchmarks.md and benchmarks.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks.md").write_text(markdown(figures), encoding="utf-8")
    (folder / "benchmarks.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
