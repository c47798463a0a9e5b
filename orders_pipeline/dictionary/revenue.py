"""Revenue rules and VAT rates as data: read, checked, and laid out so that exactly one entry holds for an order of a day.

`revenue_rules.yml` says what the fields mean; a home's settings.toml adds entries. `rule_rows` and `vat_rows` give the rows of
ref.revenue_rules and ref.vat_ratios: for every channel and kind of order (category) the entry in force from a day up to,
excluding, another. Which of several entries goes first is decided here, so that a model only joins.
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

FILE = Path(__file__).with_name("revenue_rules.yml")
CONTROL_POINTS = ("shipped", "collected", "delivered", "confirmed", "balance_paid", "ordered")
PLATFORM_DISCOUNTS = ("reimbursed", "received", "merchant")
WITHOUT_HISTORY = ("constrain", "recognise")
ANY = ""
#: After every day an order can have.
FOREVER = date(9999, 12, 31)
RULE_COLUMNS = (
    *("channel", "order_type", "valid_from", "valid_to", "rule", "version", "control_point", "hold_hours"),
    *("auto_confirm_days", "platform_discount", "return_days", "return_ratio", "without_history"),
)
RULES_DDL = (
    "channel VARCHAR, order_type VARCHAR, valid_from DATE, valid_to DATE, rule VARCHAR, version INTEGER, "
    "control_point VARCHAR, hold_hours INTEGER, auto_confirm_days INTEGER, platform_discount VARCHAR, "
    "return_days INTEGER, return_ratio DECIMAL(9, 6), without_history VARCHAR"
)
VAT_DDL = "channel VARCHAR, category VARCHAR, valid_from DATE, valid_to DATE, vat_ratio DECIMAL(9, 6), vat_share DECIMAL(18, 12)"
Entry = Mapping[str, Any]


def rule_rows(channels: Sequence[str], order_types: Sequence[str], added: Entry = MappingProxyType({})) -> list[tuple]:
    """Rows of ref.revenue_rules in the order of RULE_COLUMNS. `added` is the home's [revenue]; raises Usage naming the entry."""
    entries = [_rule(e) for e in _entries("rules", added)]
    _require_distinct(entries, ("channel", "order_type", "valid_from"))
    rows = []
    for channel in channels:
        for kind in order_types:
            layers = ((channel, kind), (ANY, kind), (channel, ANY), (ANY, ANY))
            for start, end, e in _in_force(entries, "order_type", layers):
                name = "-".join(p for p in (e["channel"] or "any", e["order_type"], e["control_point"]) if p)
                values = (e[c] for c in RULE_COLUMNS[5:])
                rows.append((channel, kind, start, end, name, *values))
    return rows


def vat_rows(channels: Sequence[str], added: Entry = MappingProxyType({})) -> list[tuple]:
    """Rows of ref.vat_ratios as in VAT_DDL; `vat_share` is the part of a price with tax that is tax."""
    entries = [_vat(e) for e in _entries("vat", added)]
    _require_distinct(entries, ("channel", "category", "valid_from"))
    categories = sorted({e["category"] for e in entries} | {ANY})
    rows = []
    for channel in channels:
        for category in categories:
            layers = ((channel, category), (ANY, category), (channel, ANY), (ANY, ANY))
            for start, end, e in _in_force(entries, "category", layers):
                share = (e["ratio"] / (1 + e["ratio"])).quantize(Decimal("1e-12"))
                rows.append((channel, category, start, end, e["ratio"], share))
    return rows


def _entries(kind: str, added: Entry) -> list[Entry]:
    own = added.get(kind, [])
    if not isinstance(own, list):
        raise Usage(f"settings.toml: revenue.{kind} is a list: write [[revenue.{kind}]]")
    return [*read_yaml(FILE)[kind], *own]


def _in_force(entries: Iterable[Entry], second: str, layers: Sequence[tuple[str, str]]) -> Iterable[tuple[date, date, Entry]]:
    """(from, to, entry) without gaps: at each day the newest entry of the first layer that has one by then."""
    by_layer = [[e for e in entries if (e["channel"], e[second]) == layer] for layer in layers]
    days = sorted({e["valid_from"] for layer in by_layer for e in layer})
    for start, end in zip(days, [*days[1:], FOREVER], strict=True):
        known = ([e for e in layer if e["valid_from"] <= start] for layer in by_layer)
        yield start, end, max(next(found for found in known if found), key=lambda e: e["valid_from"])


def _require_distinct(entries: Sequence[Entry], key: Sequence[str]) -> None:
    seen = set()
    for e in entries:
        what = tuple(e[k] for k in key)
        if what in seen:
            raise Usage(f"revenue rules: two entries for {what}; a change is an entry with a later valid_from")
        seen.add(what)


def _rule(entry: Entry) -> dict[str, Any]:
    known = {"channel", "order_type", "valid_from", *RULE_COLUMNS[5:]}
    _refuse_unknown(entry, known)
    return {
        "channel": entry.get("channel", ANY),
        "order_type": entry.get("order_type", ANY),
        "valid_from": _day(entry),
        "version": _whole(entry, "version", None),
        "control_point": _word(entry, "control_point", CONTROL_POINTS, None),
        "hold_hours": _whole(entry, "hold_hours", 0),
        "auto_confirm_days": _whole(entry, "auto_confirm_days", 10),
        "platform_discount": _word(entry, "platform_discount", PLATFORM_DISCOUNTS, "reimbursed"),
        "return_days": _whole(entry, "return_days", 7),
        "return_ratio": _ratio(entry, "return_ratio", None, most=Decimal(1)),
        "without_history": _word(entry, "without_history", WITHOUT_HISTORY, "constrain"),
    }


def _vat(entry: Entry) -> dict[str, Any]:
    _refuse_unknown(entry, {"channel", "category", "valid_from", "ratio"})
    if "ratio" not in entry:
        raise Usage(f"revenue rules: the VAT entry {dict(entry)} has no ratio")
    ratio = _ratio(entry, "ratio", None, most=Decimal(1))
    return {
        "channel": entry.get("channel", ANY),
        "category": entry.get("category", ANY),
        "valid_from": _day(entry),
        "ratio": ratio,
    }


def _refuse_unknown(entry: Entry, known: set[str]) -> None:
    unknown = set(entry) - known
    if unknown:
        raise Usage(
            f"revenue rules: unknown field {', '.join(sorted(unknown))} in {dict(entry)}; known: {', '.join(sorted(known))}"
        )


def _day(entry: Entry) -> date:
    value = entry.get("valid_from")
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise Usage(f"revenue rules: valid_from {value!r} of {dict(entry)} is no day; write 2026-01-01") from None


def _whole(entry: Entry, name: str, default: int | None) -> int:
    value = entry.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Usage(f"revenue rules: {name} of {dict(entry)} must be a whole number from 0")
    return value


def _word(entry: Entry, name: str, words: Sequence[str], default: str | None) -> str:
    value = entry.get(name, default)
    if value not in words:
        raise Usage(f"revenue rules: {name} {value!r} of {dict(entry)} must be one of {', '.join(words)}")
    return value


def _ratio(entry: Entry, name: str, default: Decimal | None, most: Decimal) -> Decimal | None:
    value = entry.get(name, default)
    if value is None:
        return None
    try:
        ratio = Decimal(str(value))
    except InvalidOperation:
        ratio = Decimal(-1)
    if not 0 <= ratio <= most:
        raise Usage(f"revenue rules: {name} {value!r} of {dict(entry)} must be a fraction from 0 to {most} (0.13 = 13 %)")
    return ratio
