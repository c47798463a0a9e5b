"""The catalogue of faults: what can be injected, how often, and what must be said about it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

WINDOWS = ("early", "any", "mid", "late", "none")


@dataclass(frozen=True)
class FaultKind:
    """One entry of faults.yml; `count` is set only where a faults file fixed a number."""

    name: str
    what: str
    rate: float
    window: str
    outcome: str
    channels: tuple[str, ...]
    expected_status: str
    expected_reason: str
    carried_by: str
    pair: bool = False
    count: int | None = None

    def number(self, base: int, seed: int) -> int:
        """How many times the fault occurs among `base` orders.

        A share below one order is rounded up or down by a draw fixed by kind and seed, so that even a hundred orders
        show several kinds without every run showing all of them.
        """
        if self.count is not None:
            return self.count
        if self.rate == 0:
            return 0
        draw = int.from_bytes(hashlib.sha256(f"{self.name}|{seed}".encode()).digest()[:6], "big") / 2**48
        return int(self.rate * base + draw)


@cache
def default_catalogue() -> dict[str, FaultKind]:
    """The bundled catalogue by kind, in file order."""
    entries = yaml.safe_load((Path(__file__).parent / "faults.yml").read_text(encoding="utf-8"))
    kinds = {name: FaultKind(name=name, **{**entry, "channels": tuple(entry["channels"])}) for name, entry in entries.items()}
    for kind in kinds.values():
        if kind.window not in WINDOWS:
            raise ValueError(f"faults.yml: {kind.name}: unknown window {kind.window!r}")
    return kinds


def load_catalogue(faults: Path | None) -> dict[str, FaultKind]:
    """The catalogue with the rates or counts of a faults file (`kind: {rate: x}` or `kind: {count: n}`) put in.

    The key `all` sets every kind the file does not name, e.g. `all: {rate: 0}` for faultless data.

    Raises:
        ValueError: for an unknown kind, or an entry that is not one rate or one count.
    """
    kinds = dict(default_catalogue())
    if faults is None:
        return kinds
    overrides = yaml.safe_load(faults.read_text(encoding="utf-8")) or {}
    if not isinstance(overrides, dict):
        raise ValueError(f"{faults}: expected a mapping of fault kinds")
    unknown = sorted(set(overrides) - set(kinds) - {"all"})
    if unknown:
        raise ValueError(f"{faults}: unknown fault kind {', '.join(unknown)}; known: {', '.join(kinds)}")
    for name, kind in kinds.items():
        entry = overrides.get(name, overrides.get("all"))
        if entry is not None:
            kinds[name] = _overridden(kind, entry, faults)
    return kinds


def _overridden(kind: FaultKind, entry: object, source: Path) -> FaultKind:
    if isinstance(entry, dict):
        rate, count = entry.get("rate"), entry.get("count")
        if count is None and isinstance(rate, int | float) and 0 <= rate <= 1:
            return replace(kind, rate=float(rate), count=None)
        if rate is None and isinstance(count, int) and count >= 0:
            return replace(kind, count=count)
    raise ValueError(f"{source}: {kind.name}: give {{rate: 0..1}} or {{count: whole number}}")
