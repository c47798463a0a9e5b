"""Promotion attribution against a simulated world whose truth is known, scored as the world's own `score.py` does.

    python -m benchmarks.promotions WORLD [--single-units] [--csv candidate.csv] [--json figures.json]

WORLD is a folder of Parquet files: panel (sku, store, day, u_exist, u_new, net_price_cents), skus, stores, promos, competitor_feed, availability,
truth. Its stores become channels; its sales, promotions, events and stock counts are put into the tables the pipeline's own ingest fills
(`orders.*`, `raw.*`), and the room's models run on them as in a run; with `--single-units` every unit is an order line of its own, two of them an
order. Beside it pre/post and difference in differences are computed.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel.batches import STATE
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.models import parse, tables_read
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings, declared_thresholds

FIRST = date(2024, 1, 1)
RESULTS = ("attribution", "joint_attribution", "joint_shares")
PARTS = ["natural", "repurchase", "competitor", "cannibalised", "pulled_forward", "incremental"]
#: World's column -> the table's.
COLUMNS = {"observed_gmv": "observed_gmv_amount", **{part: f"{part}_amount" for part in PARTS},
           "inc_lo": "incremental_low_amount", "inc_hi": "incremental_high_amount"}  # fmt: skip

_DAY = "timezone('Asia/Shanghai', CAST(DATE '2024-01-01' + CAST({} AS INTEGER) AS TIMESTAMP))"


def load(connection: duckdb.DuckDBPyConnection, world: Path, single_units: bool = False) -> None:
    """Fill the tables ingest would fill. Buyers of before share one account with an order long ago; each new buyer has one of their own."""
    split = "unnest(range(CAST({units} AS BIGINT))) AS unit, 1" if single_units else "0 AS unit, {units}"

    def file(name: str) -> str:
        return f"'{world / name}.parquet'"

    starts, ends, after = _DAY.format("start"), _DAY.format('"end" + 1'), _DAY.format("start - 3")
    connection.execute(f"""
        CREATE TEMP TABLE sold AS
        SELECT p.sku, p.store, p.day, p.known, p.units, p.unit % 2 + 1 AS line_no, p.net_price_cents, s.list_price_cents, s.category,
            guid_of(concat_ws('|', p.store, p.day, p.sku, p.known, p.unit // 2)) AS order_guid
        FROM (
            SELECT *, TRUE AS known, {split.format(units="u_exist")} AS units FROM {file("panel")} WHERE u_exist > 0
            UNION ALL SELECT *, FALSE, {split.format(units="u_new")} FROM {file("panel")} WHERE u_new > 0
        ) AS p JOIN {file("skus")} AS s USING (sku);
        INSERT INTO orders.orders (order_guid, channel, shop_id, customer_key, order_type, status, currency, created_on)
        SELECT order_guid, 'store' || store, 'main', CASE WHEN known THEN guid_of('known') ELSE order_guid END, 'normal', 'completed', 'CNY',
            DATE '2024-01-01' + CAST(day AS INTEGER) FROM sold WHERE line_no = 1
        UNION ALL SELECT guid_of('seed'), 'store0', 'main', guid_of('known'), 'normal', 'completed', 'CNY', DATE '2023-12-02';
        INSERT INTO orders.order_lines (order_guid, line_no, sku, category, quantity, list_amount, payable_amount, is_gift)
        SELECT order_guid, line_no, 'SKU' || sku, 'C' || category, units, CAST(CAST(units AS BIGINT) * list_price_cents AS DECIMAL(18, 2)) / 100,
            CAST(CAST(units AS BIGINT) * net_price_cents AS DECIMAL(18, 2)) / 100, FALSE FROM sold
        UNION ALL SELECT guid_of('seed'), 1, 'seed', 'seed', 1, 0.01, 0.01, FALSE;
        INSERT INTO raw.promotions (promotion_id, name, kind, channel, sku, starts_at, ends_at, announced_at, timezone, file_id, row_number)
        SELECT CAST(promo_id AS VARCHAR), type, type, 'store' || store, 'SKU' || sku, {starts}, {ends},
            CASE WHEN announced = 1 THEN {after} END, 'Asia/Shanghai', guid_of('promos'), promo_id
        FROM (SELECT *, unnest(string_split(stores, ',')) AS store
              FROM (SELECT *, unnest(string_split(skus, ',')) AS sku FROM {file("promos")}));
        INSERT INTO raw.competitor_events (channel, category, starts_at, ends_at, timezone, file_id, row_number)
        SELECT 'store' || s.store, 'C' || f.category, {starts}, {ends}, 'Asia/Shanghai', guid_of('feed'), 1
        FROM {file("competitor_feed")} AS f JOIN {file("stores")} AS s USING (region);
        INSERT INTO raw.inventory_snapshots (warehouse_id, sku, counted_at, on_hand_qty, file_id)
        SELECT 'W', 'SKU' || sku, {starts}, 0, guid_of('stock') FROM {file("availability")}
        UNION ALL SELECT 'W', 'SKU' || sku, {ends}, 50, guid_of('stock') FROM {file("availability")}
        UNION ALL SELECT DISTINCT 'W', 'SKU' || sku, TIMESTAMPTZ '2023-12-25 00:00:00Z', 50, guid_of('stock') FROM {file("availability")};
        DROP TABLE sold;
    """)


def attribute(world: Path, single_units: bool = False) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """The room's results on a world, by table, and the seconds each model took."""
    settings = Settings({name: threshold.value for name, threshold in declared_thresholds().items()})
    seconds: dict[str, float] = {}
    processor = 0.0
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder) / "warehouse.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 2; SET memory_limit = '3GB'")
        for statement in macro_statements():
            connection.execute(statement)
        dictionary = load_dictionary()
        create_raw_tables(connection, dictionary)
        connection.execute(STATE)
        create_reference_tables(connection, dictionary, settings)
        last = connection.execute(f"SELECT max(day) FROM '{world / 'panel'}.parquet'").fetchall()[0][0]
        as_of = parse_as_of(f"{date.fromordinal(FIRST.toordinal() + int(last) + 1)}T12:00:00+08:00")
        refresher = Refresher(connection, pipeline.models(), as_of, settings)
        refresher.plan(full=True)
        needed = _needed({model.name: tables_read(parse(model.sql)) for model in refresher.models})
        for model in refresher.models:
            if model.name in needed and model.room != "promotions":
                refresher.refresh(model)
        load(connection, world, single_units)
        connection.execute("CHECKPOINT")
        for model in refresher.models:
            if model.name in needed and model.room == "promotions":
                began, used = time.perf_counter(), time.process_time()
                refresher.refresh(model)
                seconds[model.name] = round(time.perf_counter() - began, 2)
                processor += time.process_time() - used
        seconds |= {"together": round(sum(seconds.values()), 2), "of the processor": round(processor, 2)}
        return {name: connection.execute(f"SELECT * FROM promotions.{name}").df() for name in RESULTS}, seconds


def _needed(reads: dict[str, frozenset[str]]) -> set[str]:
    """The results and every table they are made from."""
    found, open_names = set(), [f"promotions.{name}" for name in RESULTS]
    while open_names:
        one = open_names.pop()
        if one not in found:
            found.add(one)
            open_names.extend(reads.get(one, ()))
    return found


def candidate(attribution: pd.DataFrame) -> pd.DataFrame:
    """As `score.py` reads it: integer cents; `provisional` is an estimate."""
    made = pd.DataFrame({"promo_id": attribution.promotion_id.astype(int)})
    made["status"] = attribution.status.replace("provisional", "estimated")
    made["reason"] = attribution.reason
    for name, column in COLUMNS.items():
        made[name] = (attribution[column].astype(float) * 100).round()
    return made.set_index("promo_id")


def score(truth: pd.DataFrame, found: pd.DataFrame) -> dict[str, Any]:
    """The measures of the world's `score.py`, in % of a promotion's observed GMV."""
    found = found.reindex(truth.index)
    done = found.status.eq("estimated")
    counted = truth.grey.eq(0)
    bad, good = truth.should_refuse.ne("") & counted, truth.should_refuse.eq("") & counted
    chosen = truth.index[good & done]
    observed, real, got = truth.observed_gmv[chosen], truth.incremental[chosen], found.incremental[chosen]
    error = (got - real) / observed
    figures: dict[str, Any] = {
        "missing": int(found.status.isna().sum()),
        "scored": len(chosen),
        "refusal_recall": round(float((~done)[bad].mean()), 3),
        "false_refusals": round(float((~done)[good].mean()), 3),
        "bias": round(100 * error.mean(), 2),
        "median": round(100 * error.abs().median(), 2),
        "rmse": round(100 * np.sqrt((error**2).mean()), 2),
        "total_error": round(100 * (got.sum() - real.sum()) / observed.sum(), 2),
    }
    if PARTS[0] in found:
        total = found.loc[done, PARTS].sum(axis=1)
        figures["sum_violations"] = int((total - found.observed_gmv[done]).abs().gt(0.5).sum())
        figures["observed_mismatch"] = int((found.observed_gmv[done] - truth.observed_gmv[done]).abs().gt(0.5).sum())
    low, high = found.inc_lo[chosen], found.inc_hi[chosen]
    missed = (low > real) | (high < real)
    null = truth.is_null[chosen] == 1
    decided = (low > 0) | (high < 0)
    width = (high - low) + 40 * np.maximum(low - real, 0) + 40 * np.maximum(real - high, 0)
    figures |= {
        "coverage": round(100 * float(1 - missed.mean()), 1),
        "interval_score": round(100 * float((width / observed).mean()), 1),
        "null_false_alarm": round(float(missed[null].mean()), 3),
        "decided": round(float(decided.mean()), 3),
        "wrong_sign": int((np.sign(got) != np.sign(real))[decided].sum()),
    }
    return figures


def rivals(world: Path, truth: pd.DataFrame, answered: pd.Index) -> dict[str, pd.DataFrame]:
    """Pre/post over 28 days, and difference in differences against the other categories of the same stores; for the same promotions."""
    panel, skus = pd.read_parquet(world / "panel.parquet"), pd.read_parquet(world / "skus.parquet")
    promos = pd.read_parquet(world / "promos.parquet").set_index("promo_id")
    days = int(panel.day.max()) + 1
    value = np.zeros((int(skus.sku.max()) + 1, int(panel.store.max()) + 1, days))
    np.add.at(value, (panel.sku, panel.store, panel.day), (panel.u_exist + panel.u_new) * panel.net_price_cents.astype(float))
    category = skus.set_index("sku").category.reindex(range(value.shape[0])).to_numpy()
    made: dict[str, list[dict]] = {"pre/post": [], "difference in differences": []}
    for number in answered:
        promo = promos.loc[number]
        goods, stores = ([int(x) for x in str(promo[name]).split(",")] for name in ("skus", "stores"))
        start, end = int(promo.start), int(promo.end)
        length = end - start + 1
        own = value[np.ix_(goods, stores)].sum(axis=(0, 1))
        rest = value[np.ix_(np.flatnonzero(category != promo.category), stores)].sum(axis=(0, 1))
        before, window = slice(max(start - 28, 0), start), slice(start, end + 1)
        level, spread = own[before].mean(), own[before].std(ddof=1)
        moved = rest[window].mean() / max(rest[before].mean(), 1e-9)
        for name, expected in (("pre/post", level * length), ("difference in differences", level * moved * length)):
            net, error = own[window].sum() - expected, spread * np.sqrt(length + length**2 / 28)
            made[name].append({"promo_id": number, "status": "estimated", "incremental": net, "inc_lo": net - 1.96 * error,
                               "inc_hi": net + 1.96 * error})  # fmt: skip
    return {name: pd.DataFrame(rows).set_index("promo_id") for name, rows in made.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--csv", type=Path, help="write what score.py reads")
    parser.add_argument("--json", type=Path, help="write the figures")
    parser.add_argument("--single-units", action="store_true", help="every unit is an order line of its own")
    given = parser.parse_args()
    truth = pd.read_parquet(given.world / "truth.parquet").set_index("promo_id")
    results, seconds = attribute(given.world, given.single_units)
    found = candidate(results["attribution"])
    if given.csv:
        found.to_csv(given.csv)
    figures: dict[str, Any] = {"pipeline": score(truth, found)}
    answered = found.index[found.status.eq("estimated")]
    figures |= {name: score(truth, made) for name, made in rivals(given.world, truth, answered).items()}
    figures["seconds"] = seconds
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(figures, indent=1))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
