"""Thresholds (with unit, reason and owner) and the settings of one home.

`dictionary/thresholds.toml` holds every number a rule uses. A home may override values in its `settings.toml`, where it
also names its shops (and the time zone of each), its payment accounts and the categories that move fast.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from orders_pipeline.kernel.faults import Usage

THRESHOLDS = Path(__file__).parents[1] / "dictionary" / "thresholds.toml"
#: How the warehouse of an order is chosen: the cheapest way of all, or the fullest one or the first by rank until it is served.
ALLOCATIONS = ("single_node_first", "highest_available", "node_order")
#: The sections of settings.toml.
SECTIONS = ("thresholds", "shops", "stock", "accounts", "alerts", "calendars", "revenue", "health", "matching", "landing")
UNITS = ("ratio", "qty", "amount", "days", "hours", "minutes", "seconds", "count", "mb", "rows")


@dataclass(frozen=True)
class Threshold:
    """One number a rule uses; its unit is the last word of its name."""

    name: str
    value: Decimal | int
    reason: str
    owner: str

    @property
    def unit(self) -> str:
        return self.name.rsplit("_", 1)[-1]


@dataclass(frozen=True)
class Settings:
    """Thresholds after this home's overrides, its shops and accounts, who hears of alerts, its business calendars, and the
    object store its files come from, if any."""

    thresholds: Mapping[str, Decimal | int]
    shops: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    alerts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fast_categories: tuple[str, ...] = ()
    calendars: Mapping[str, Any] = field(default_factory=dict)
    allocation: str = ALLOCATIONS[0]
    revenue: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    matching: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    landing_url: str = ""

    def shop_zone(self, channel: str, shop_id: str) -> str | None:
        return self.shops.get((channel, shop_id), {}).get("timezone")


@functools.cache
def declared_thresholds(path: Path = THRESHOLDS) -> Mapping[str, Threshold]:
    """Every threshold; raises Usage when one lacks a unit, a reason or an owner."""
    out = {}
    for name, entry in _read(path).items():
        missing = [k for k in ("value", "reason", "owner") if not entry.get(k) and entry.get(k) != 0]
        if missing or name.rsplit("_", 1)[-1] not in UNITS:
            raise Usage(f"thresholds.toml: {name} needs {', '.join(missing) or 'a unit as its last word: ' + ', '.join(UNITS)}")
        out[name] = Threshold(name, entry["value"], entry["reason"], entry["owner"])
    return out


def load_settings(file: Path) -> Settings:
    """The settings of a home (its settings.toml may be absent); unknown threshold names are refused."""
    given: Mapping[str, Any] = _read(file) if file.exists() else {}
    values = {name: t.value for name, t in declared_thresholds().items()}
    for name, value in given.get("thresholds", {}).items():
        if name not in values:
            raise Usage(f"{file}: there is no threshold '{name}'; `orders-pipeline docs` lists them")
        values[name] = value
    shops = {(channel, shop): dict(spec) for channel, per in given.get("shops", {}).items() for shop, spec in per.items()}
    fast = tuple(given.get("stock", {}).get("fast_categories", ()))
    accounts, alerts, calendars = (dict(given.get(name, {})) for name in ("accounts", "alerts", "calendars"))
    allocation = given.get("stock", {}).get("allocation", ALLOCATIONS[0])
    if allocation not in ALLOCATIONS:
        raise Usage(f"{file}: [stock] allocation is '{allocation}'; one of {', '.join(ALLOCATIONS)}")
    revenue, health, matching, landing = (given.get(name, {}) for name in ("revenue", "health", "matching", "landing"))
    rules = (revenue, health, matching)
    return Settings(values, shops, accounts, alerts, fast, calendars, allocation, *rules, landing.get("url", ""))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise Usage(f"{path}: not valid TOML: {error}") from error
