"""What a channel's health is scored on, as data: read, checked, and laid out so that one entry holds for a channel and day.

`health.yml` says what the fields mean; a home's settings.toml adds entries. `component_rows` gives the rows of
ref.health_components: for every channel the entry in force from a day up to, excluding, another. What an entry leaves out is
taken from the component's entry before it, so a home states only what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage

FILE = Path(__file__).with_name("health.yml")
DIMENSIONS = ("operations", "data_quality")
MEASURES = ("failed", "passed")
WEIGHTINGS = ("component", "unit")
#: After every day an order can have.
FOREVER = date(9999, 12, 31)
DEFAULTS = {"weight_per": "component", "acceptable": None, "lag_days": 0, "is_abnormal": False, "gate": None}
STATED = ("dimension", "version", "measure", "target", "floor", "weight", "window_days", "en", "zh")
COMPONENTS_DDL = (
    "channel VARCHAR, component VARCHAR, valid_from DATE, valid_to DATE, dimension VARCHAR, rule_version INTEGER, "
    "measure VARCHAR, weight_per VARCHAR, target DECIMAL(9, 6), acceptable DECIMAL(9, 6), floor DECIMAL(9, 6), "
    "weight DECIMAL(9, 3), window_days INTEGER, lag_days INTEGER, gate_limit DECIMAL(9, 6), gate_cap INTEGER, "
    "is_abnormal BOOLEAN, title_en VARCHAR, title_zh VARCHAR"
)
Entry = Mapping[str, Any]


def component_rows(channels: Sequence[str], added: Entry = MappingProxyType({})) -> list[tuple]:
    """Rows of ref.health_components in the order of COMPONENTS_DDL. `added` is the home's [health].

    Raises Usage naming the entry that makes no sense.
    """
    own = added.get("components", [])
    if not isinstance(own, list) or set(added) - {"components"}:
        raise Usage("settings.toml: [health] holds a list of entries: write [[health.components]]")
    entries = [dict(e) for e in (*read_yaml(FILE)["components"], *own)]
    seen = set()
    for entry in entries:
        key = (entry.get("component"), entry.get("channel"), _day(entry))
        if not entry.get("component") or key in seen:
            raise Usage(f"health components: {entry} needs a component, and a valid_from no other entry of it has")
        seen.add(key)
    rows = []
    for name in dict.fromkeys(e["component"] for e in entries):
        mine = sorted((e for e in entries if e["component"] == name), key=_day)
        for channel in channels:
            rows += _of_channel(name, channel, [e for e in mine if e.get("channel") in (None, channel)])
    return rows


def _of_channel(name: str, channel: str, entries: Sequence[dict[str, Any]]) -> Iterable[tuple]:
    """(from, to) without gaps. An entry of the channel goes before one for every channel of the same time or earlier."""
    days = sorted({_day(e) for e in entries})
    for start, end in zip(days, [*days[1:], FOREVER], strict=True):
        known = [e for e in entries if _day(e) <= start]
        stated: dict[str, Any] = dict(DEFAULTS)
        for entry in sorted(known, key=lambda e: (e.get("channel") is not None, _day(e))):
            stated |= {k: v for k, v in entry.items() if k not in ("component", "channel", "valid_from")}
        c = _checked(name, stated)
        gate = c["gate"] or {"limit": None, "cap": None}
        yield (
            *(channel, name, start, end, c["dimension"], c["version"], c["measure"], c["weight_per"]),
            *(c["target"], c["acceptable"], c["floor"], c["weight"], c["window_days"], c["lag_days"]),
            *(gate["limit"], gate["cap"], c["is_abnormal"], c["en"], c["zh"]),
        )


def _checked(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(entry) - {*DEFAULTS, *STATED}
    missing = [k for k in STATED if entry.get(k) is None]
    if unknown or missing:
        what = f"unknown field {', '.join(sorted(unknown))}" if unknown else f"no {', '.join(missing)}"
        raise Usage(f"health component {name}: {what}; health.yml describes the fields")
    for field, words in (("dimension", DIMENSIONS), ("measure", MEASURES), ("weight_per", WEIGHTINGS)):
        if entry[field] not in words:
            raise Usage(f"health component {name}: {field} {entry[field]!r} must be one of {', '.join(words)}")
    for field in ("version", "window_days", "lag_days"):
        if not isinstance(entry[field], int) or isinstance(entry[field], bool) or entry[field] < (field != "lag_days"):
            raise Usage(f"health component {name}: {field} must be a whole number")
    made = dict(entry)
    for field in ("target", "acceptable", "floor", "weight"):
        made[field] = _number(name, field, entry[field])
    target, middle, floor = made["target"], made["acceptable"], made["floor"]
    worse = 1 if made["measure"] == "failed" else -1
    width = (floor - target) * worse
    if width <= 0 or (middle is not None and not 0 < (middle - target) * worse < width):
        raise Usage(f"health component {name}: from target to acceptable to floor what {made['measure']} must get worse")
    if made["weight"] < 0:
        raise Usage(f"health component {name}: a weight is 0 or more")
    if made["gate"] is not None:
        if set(made["gate"]) != {"limit", "cap"}:
            raise Usage(f"health component {name}: a gate is {{limit: a share, cap: a score}}")
        cap = made["gate"]["cap"]
        if not isinstance(cap, int) or not 0 <= cap <= 100:
            raise Usage(f"health component {name}: the cap of a gate is a whole number from 0 to 100")
        made["gate"] = {"limit": _number(name, "gate limit", made["gate"]["limit"]), "cap": cap}
    return made


def _number(name: str, field: str, value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or (field != "weight" and not 0 <= number <= 1):
        limits = "" if field == "weight" else " from 0 to 1"
        raise Usage(f"health component {name}: {field} {value!r} must be a number{limits}")
    return number


def _day(entry: Entry) -> date:
    value = entry.get("valid_from")
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise Usage(f"health components: valid_from {value!r} of {dict(entry)} is no day; write 2026-01-01") from None
