"""Realistic exports with known faults: the channels' own formats and encodings, and the truth of every injected fault.

Four shops are simulated: `taobao` (order and item lists in GBK, Alipay ledger), `douyin` (order export, WeChat Pay
trade and fund bills), `shopify` shop `us` in USD (orders export, payments in the standard format) and `youzan` wholly
in the standard format, for what the other formats cannot carry (cash on delivery, presale, platform coupons). The first
three ship through one warehouse (WDT exports, shops named 淘宝旗舰店, 抖音旗舰店, Shopify US) and one courier list.
faults.yml is the catalogue.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb

from orders_pipeline.simulate.bills import write_bills
from orders_pipeline.simulate.book import build_book
from orders_pipeline.simulate.catalogue import load_catalogue
from orders_pipeline.simulate.douyin import write_douyin
from orders_pipeline.simulate.emit import Emitter, WrittenFile
from orders_pipeline.simulate.ledger import build_ledger
from orders_pipeline.simulate.lives import write_lives
from orders_pipeline.simulate.numbers import create_number_macros
from orders_pipeline.simulate.plan import make_plan
from orders_pipeline.simulate.shopify import write_shopify
from orders_pipeline.simulate.standard import write_standard
from orders_pipeline.simulate.stock import write_stock
from orders_pipeline.simulate.taobao import write_taobao
from orders_pipeline.simulate.truth import write_truth
from orders_pipeline.simulate.warehouse import write_warehouse

__all__ = ["SimulationSummary", "WrittenFile", "simulate"]

BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class SimulationSummary:
    """What was written and what must be found.

    `as_of` is the instant the truth holds for; `files` and `size_bytes` describe the landing folder; `content` is
    summary.json (totals per channel, expected statuses, injected faults).
    """

    landing: Path
    truth: Path
    as_of: datetime
    orders: int
    files: tuple[WrittenFile, ...]
    size_bytes: int
    content: dict[str, object]


def simulate(
    orders: int,
    out: Path,
    months: int = 1,
    seed: int = 1,
    faults: Path | None = None,
    start: str = "2026-01-01",
    memory_limit: str = "3GB",
    stock: int = 0,
    lives: int = 0,
) -> SimulationSummary:
    """Writes `out/landing` (what the pipeline reads) and `out/truth` (what it must find); same arguments, same bytes.

    Args:
        orders: 100 to 10,000,000, spread over the whole period.
        out: folder to write to; its landing and truth folders must be absent or empty.
        months: calendar months; one file per month and kind, plus one for what happens in the 20 days after the period.
        faults: file of the shape of faults.yml with `kind: {rate: x}` or `kind: {count: n}`; `all:` stands for the
        kinds not named. start: first day of the first month, YYYY-MM-01.
        stock: number of SKUs with stock files of their own, and a tenth of it oversells of every cause; 0: none (see stock.py).
        lives: how often each story of an order's life is told (see lives.py), with a truth of its own; 0: none.
        memory_limit: what DuckDB may hold in memory; beyond it, it spills to `out`.

    Raises:
        ValueError: for arguments out of range, an unknown fault kind, or more faults than the run has room for.
        FileExistsError: when `out` already holds landing or truth files.
    """
    plan = make_plan(orders, months, seed, start)
    catalogue = load_catalogue(faults)
    landing, truth, work = out / "landing", out / "truth", out / ".simulate"
    for folder in (landing, truth):
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty; give another --out or remove it first")
        folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        settings = {
            "memory_limit": memory_limit,
            "temp_directory": str(work / "spill"),
            "preserve_insertion_order": True,
        }
        with duckdb.connect(str(work / "book.duckdb"), config=settings) as connection:
            build_book(connection, plan, catalogue)
            create_number_macros(connection, plan)
            build_ledger(connection, plan)
            emitter = Emitter(connection, landing, work)
            try:
                write_warehouse(emitter, plan)
                for write in (write_taobao, write_bills, write_douyin, write_shopify, write_standard):
                    write(emitter, plan)
                waiting: list[tuple[str, str]] = []
                if stock:
                    more, waiting = write_stock(plan, stock, -(-stock // 10), landing, truth)
                    emitter.files.extend(more)
                if lives:
                    emitter.files.extend(write_lives(plan, lives, out, landing, truth))
                content = write_truth(connection, plan, catalogue, emitter.files, truth, waiting)
            finally:
                emitter.close()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    size = sum((landing / file.path).stat().st_size for file in emitter.files)
    as_of = plan.as_of.replace(tzinfo=BEIJING)
    return SimulationSummary(landing, truth, as_of, orders, tuple(emitter.files), size, content)
