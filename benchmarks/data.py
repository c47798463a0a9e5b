"""The files the benchmarks read: simulated once, kept in a folder, made anew when the simulator has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from orders_pipeline import simulate as simulator

#: Simulated orders of which a good third are Douyin's: enough for one export of a thousand.
EXTRA_ORDERS = 4_000
EXTRA_SEED = 2
THOUSAND = 1_000
_DOUYIN_ORDER = 0  # column of the order's number


@dataclass(frozen=True)
class Files:
    """A landing folder: how much it holds, and the instant (ISO, with offset) it is reconciled at."""

    landing: Path
    as_of: str
    orders: int
    files: int
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class Extra:
    """Further orders of the same month: an export of exactly `orders` new ones, and the other files telling of them."""

    one_file: Path
    other_files: Path
    orders: int


def full_month(folder: Path, orders: int, say: Callable[[str], None]) -> Files:
    """A month of `orders` orders with everything that belongs to them, faults included."""
    return _simulated(folder / f"month-{orders}", orders, seed=1, faults=None, say=say)


def months_of(folder: Path, orders: int, months: int, say: Callable[[str], None]) -> Files:
    """The same over so many months."""
    if months == 1:
        return full_month(folder, orders, say)
    return _simulated(folder / f"months-{months}-{orders}", orders, seed=1, faults=None, say=say, months=months)


def thousand_orders(folder: Path, say: Callable[[str], None]) -> Extra:
    """A Douyin export of a thousand new orders, and a folder with the other files of the same simulation."""
    faults = folder / "no-faults.yml"
    faults.write_text("all: {rate: 0}\n", encoding="utf-8")
    made = _simulated(folder / "extra", EXTRA_ORDERS, seed=EXTRA_SEED, faults=faults, say=say)
    one, other = folder / "extra-one", folder / "extra-other"
    for made_before in (one, other):
        shutil.rmtree(made_before, ignore_errors=True)
    export = max((made.landing / "douyin").glob("*_douyin.csv"), key=lambda p: p.stat().st_size)
    (one / "douyin").mkdir(parents=True)
    # The file's name is the instant of the export: not the month's, or one would overwrite the other.
    instant = int(export.name.split("_")[0]) + 3600
    _first_orders(export, one / "douyin" / f"{instant}_douyin.csv")
    place(made.landing, other, suffix="_more")
    shutil.rmtree(other / "douyin")
    return Extra(one, other, THOUSAND)


def place(landing: Path, target: Path, suffix: str = "") -> None:
    """Put the files of a landing folder into another one, as hard links where that is possible."""
    for path in sorted(p for p in landing.rglob("*") if p.is_file()):
        copy = target / path.relative_to(landing)
        copy = copy.with_name(f"{copy.stem}{suffix}{copy.suffix}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, copy)
        except OSError:
            shutil.copyfile(path, copy)


def _first_orders(export: Path, target: Path) -> None:
    """The header and the rows of the first thousand orders of an export that keeps an order's rows together."""
    seen: set[str] = set()
    with export.open(encoding="utf-8", newline="") as source, target.open("w", encoding="utf-8", newline="") as out:
        out.write(source.readline())
        for line in source:
            seen.add(line.split(",")[_DOUYIN_ORDER])
            if len(seen) > THOUSAND:
                return
            out.write(line)
    raise RuntimeError(f"{export} has only {len(seen)} orders; raise EXTRA_ORDERS")


def _simulated(
    folder: Path, orders: int, seed: int, faults: Path | None, say: Callable[[str], None], months: int = 1
) -> Files:
    mark = folder / "made.json"
    version = _simulator_version()
    if mark.exists() and (made := json.loads(mark.read_text(encoding="utf-8")))["version"] == version:
        return Files(**{**made["files"], "landing": folder / "landing"})
    say(f"simulating {orders:,} orders in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    done = simulator.simulate(orders, folder, months=months, seed=seed, faults=faults)
    rows = sum(f.rows for f in done.files)
    files = Files(done.landing, done.as_of.isoformat(), orders, len(done.files), rows, done.size_bytes)
    mark.write_text(json.dumps({"version": version, "files": asdict(files) | {"landing": "landing"}}), encoding="utf-8")
    return files


def _simulator_version() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(simulator.__file__).parent.rglob("*")):
        if path.suffix in (".py", ".yml"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
