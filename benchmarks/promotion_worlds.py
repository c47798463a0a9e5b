"""Worlds with promotions whose truth is known, in the files `benchmarks.promotions` reads.

    python -m benchmarks.promotion_worlds FOLDER [--seed 1] [--stores 10 --skus 80 --days 420 --promotions 100 --overlaps 10 --units 4]

Sales are counts with season, weekday, a random walk, memory at store and category level and more noise than chance. A promotion adds
units, takes some from the goods beside it and some from later days; listed competitor events take a share of a category's sales.
The truth is what was drawn. Overlapping promotions are drawn one by one, so that each one's own units are known (`lifts.parquet`).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

AFTER = 21
KINDS = {"gift": 0.0, "coupon": 0.1, "flash": 0.25, "full_reduction": 0.15}


@dataclass
class World:
    """What may differ from world to world. Shares are of the lift; `memory` and `noise` are standard deviations on the log."""

    seed: int = 1
    stores: int = 10
    skus: int = 80
    categories: int = 10
    days: int = 420
    promotions: int = 100
    overlaps: int = 0
    units: float = 4.0
    lift: float = 0.8
    nulls: float = 0.1
    taken: float = 0.3
    pulled: float = 0.2
    memory: float = 0.08
    noise: float = 0.25
    events: int = 15
    event_effect: float = 0.3
    unlisted: float = 0.2
    existing: float = 0.55


def simulate(world: World, folder: Path) -> None:
    """Write the world's files. The same parameters give the same world."""
    chance = np.random.default_rng(world.seed)
    category = np.arange(world.skus) * world.categories // world.skus
    price = np.round(np.exp(chance.normal(3.2, 0.5, world.skus)), 2)
    events = _events(world, chance)
    mean = _mean(world, chance, category)
    would = chance.poisson(mean * chance.gamma(1 / world.noise**2, world.noise**2, mean.shape))
    lost = np.zeros_like(would)
    for (kind, start, end, stores, _), share in zip(events, chance.normal(world.event_effect, 0.05, len(events)), strict=True):
        where = np.ix_(category == kind, stores, range(start, end + 1))
        lost[where] = np.maximum(lost[where], chance.binomial(would[where], np.clip(share, 0.02, 0.8)))
    base = would - lost
    units, net = base.copy(), np.broadcast_to(price[:, None, None], base.shape).copy()
    plan = _plan(world, chance, category)
    drawn = []
    for one in plan:
        days = range(one["start"], one["end"] + 1)
        own = np.ix_(one["skus"], one["stores"], days)
        extra = chance.poisson(one["lift"] * mean[own])
        beside = np.setdiff1d(np.flatnonzero(category == category[one["skus"][0]]), one["skus"])
        beside = np.array([s for s in beside if s not in one["never_beside"]], int)
        taken = _take(chance, units, np.ix_(beside, one["stores"], days), world.taken * extra.sum()) if len(beside) else None
        later = range(one["end"] + 1, min(one["end"] + AFTER + 1, world.days))
        weights = np.exp(-np.arange(len(later)) / 8.0) if len(later) else np.zeros(0)
        moved = _take(chance, units, np.ix_(one["skus"], one["stores"], later), world.pulled * extra.sum(), weights)
        units[own] += extra
        net[own] = np.minimum(net[own], (price[one["skus"]] * (1 - one["discount"]))[:, None, None].round(2))
        drawn.append((one, own, extra, _value(taken, price[beside]), _value(moved, price[one["skus"]])))
    truth, lifts = [], []
    for number, (one, own, extra, cannibalised, forward) in enumerate(drawn):
        cents = np.rint(net[own] * 100).astype(int)
        listed = np.rint(price[one["skus"]] * 100).astype(int)[:, None, None]
        observed = int((units[own] * cents).sum())
        baseline, rival = int((would[own] * listed).sum()), -int((lost[own] * listed).sum())
        lifts.append({"promo_id": number, "gross_lift": int((extra * listed).sum()), "joint": one["joint"]})
        truth.append({
            "promo_id": number, "observed_gmv": observed, "natural": baseline, "repurchase": 0, "competitor": rival,
            "cannibalised": cannibalised, "pulled_forward": forward,
            "incremental": observed - baseline - rival - cannibalised - forward, "is_null": int(one["lift"] == 0),
            "should_refuse": "overlap" if one["joint"] >= 0 else "", "grey": 0,
        })  # fmt: skip
    _write(world, folder, chance, units, net, price, category, plan, events, truth, lifts)


def _mean(world: World, chance: np.random.Generator, category: np.ndarray) -> np.ndarray:
    day = np.arange(world.days)
    season = 0.15 * np.sin(2 * np.pi * day / 365 + chance.uniform(0, 6)) + 0.1 * np.isin(day % 7, (5, 6))
    walk = np.cumsum(chance.normal(0, 0.006, world.days))
    store = _memory(chance, (world.stores, world.days), 0.9, world.memory)
    kind = _memory(chance, (world.categories, world.days), 0.9, world.memory)
    cell = _memory(chance, (world.skus, world.stores, world.days), 0.8, world.memory)
    level = np.exp(chance.normal(0, 0.5, (world.skus, 1)) + chance.normal(0, 0.3, (1, world.stores)))
    return world.units * level[:, :, None] * np.exp(season + walk + store[None] + kind[category][:, None] + cell)


def _memory(chance: np.random.Generator, shape: tuple[int, ...], keep: float, sd: float) -> np.ndarray:
    from scipy.signal import lfilter

    return lfilter([1], [1, -keep], chance.normal(0, sd * np.sqrt(1 - keep**2), shape), axis=-1)


def _events(world: World, chance: np.random.Generator) -> list[tuple]:
    made = []
    for _ in range(world.events):
        start = int(chance.integers(30, world.days - 10))
        stores = np.sort(chance.choice(world.stores, max(world.stores // 2, 1), replace=False))
        made.append((int(chance.integers(world.categories)), start, start + int(chance.integers(3, 9)), stores,
                     chance.random() >= world.unlisted))  # fmt: skip
    return made


def _plan(world: World, chance: np.random.Generator, category: np.ndarray) -> list[dict]:
    """Promotions that leave each other's goods alone from notice to aftermath; the last `overlaps` pairs share goods and days."""
    busy = np.zeros((world.skus, world.stores, world.days), bool)
    plan: list[dict] = []
    for number in range(world.promotions):
        pair = number >= world.promotions - 2 * world.overlaps
        if pair and (number - world.promotions) % 2:
            continue  # the second of a pair is placed with the first
        for _ in range(400):
            kind = int(chance.integers(world.categories))
            goods = np.flatnonzero(category == kind)
            skus = np.sort(chance.choice(goods, 2 if pair else int(chance.integers(1, 3)), replace=False))
            every = np.arange(world.stores)
            stores = every if chance.random() < 0.5 else np.sort(chance.choice(every, max(world.stores // 2, 1), replace=False))
            length = int(chance.integers(10, 16)) if pair else int(chance.integers(3, 12))
            start = int(chance.integers(70, world.days - length - AFTER - 8))
            where = np.ix_(skus, stores, range(max(start - 10, 0), start + length + AFTER))
            if busy[where].any() or busy[np.ix_(goods, stores, range(start, start + length))].any():
                continue
            busy[where] = True
            label = str(chance.choice(list(KINDS)))
            one = {"type": label, "category": kind, "skus": skus, "stores": stores, "start": start, "end": start + length - 1,
                   "discount": KINDS[label], "announced": 0, "joint": -1, "never_beside": (),
                   "lift": 0.0 if chance.random() < world.nulls else world.lift * float(np.exp(chance.normal(0, 0.4)))}  # fmt: skip
            if pair:
                plan.extend(_pair(world, chance, one, number))
            else:
                plan.append(one)
            break
    return plan


def _pair(world: World, chance: np.random.Generator, one: dict, number: int) -> list[dict]:
    """Two promotions out of one: by turns on half of the days, on different goods with one in common, or the same altogether."""
    half = (one["end"] - one["start"] + 1) // 3
    first, second = ({**one, "type": "gift", "discount": 0.0, "joint": number, "never_beside": tuple(one["skus"]),
                      "lift": world.lift * float(np.exp(chance.normal(0, 0.4)))} for _ in range(2))  # fmt: skip
    turn = number // 2 % 3
    if turn == 0:
        first["end"], second["start"] = one["end"] - half, one["start"] + half
    elif turn == 1:
        first["skus"] = one["skus"][:1]
    return [first, second]


def _take(
    chance: np.random.Generator, units: np.ndarray, where: tuple, wanted: float, weights: np.ndarray | None = None
) -> np.ndarray | None:
    """Thin the units there by about so many, and say what went."""
    there = units[where]
    pull = there * (1.0 if weights is None else weights)
    if pull.sum() <= 0:
        return None
    gone = chance.binomial(there, np.clip(wanted / pull.sum() * (1.0 if weights is None else weights), 0, 0.9))
    units[where] -= gone
    return gone


def _value(gone: np.ndarray | None, price: np.ndarray) -> int:
    return 0 if gone is None else int((gone * np.rint(price * 100).astype(int)[:, None, None]).sum())


def _write(world, folder, chance, units, net, price, category, plan, events, truth, lifts) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sku, store, day = np.nonzero(units)
    count = units[sku, store, day]
    old = chance.binomial(count, world.existing)
    cents = np.rint(net[sku, store, day] * 100).astype(int)
    frames = {
        "panel": {"sku": sku, "store": store, "day": day, "u_exist": old, "u_new": count - old, "net_price_cents": cents},
        "skus": {"sku": range(world.skus), "category": category, "list_price_cents": np.rint(price * 100).astype(int)},
        "stores": {"store": range(world.stores), "region": range(world.stores)},
        "promos": [{"promo_id": n, **{k: one[k] for k in ("type", "category", "start", "end", "discount", "announced")},
                    **{k: ",".join(map(str, one[k])) for k in ("skus", "stores")}} for n, one in enumerate(plan)],
        "competitor_feed": [{"category": kind, "region": int(s), "start": start, "end": end}
                            for kind, start, end, stores, listed in events if listed for s in stores],
        "availability": {"sku": np.zeros(0, int), "start": np.zeros(0, int), "end": np.zeros(0, int)},
        "truth": truth,
        "lifts": lifts,
    }  # fmt: skip
    for name, rows in frames.items():
        pd.DataFrame(rows).to_parquet(folder / f"{name}.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    defaults = World()
    for name, value in vars(defaults).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    simulate(World(**given), folder)


if __name__ == "__main__":
    main()
