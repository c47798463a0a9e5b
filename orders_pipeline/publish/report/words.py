"""What things are called: labels from the dictionary, sentences of the report from words.yml, numbers as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from orders_pipeline.dictionary.model import FOLDER, load_dictionary, read_yaml
from orders_pipeline.dictionary.stages import load_stages
from orders_pipeline.kernel.tables import load_tables
from orders_pipeline.publish.report.markup import Both

FILE = Path(__file__).with_name("words.yml")
Number = int | float | Decimal
NONE = "–"
GATE = "gate:"
#: Words of column names that are not written small, or not in full.
CAPITALS = {"sku": "SKU", "atp": "ATP", "id": "ID", "gmv": "GMV", "roi": "ROI", "qty": "pieces", "diff": "difference"}


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    return read_yaml(FILE)


def say(key: str, **values: Any) -> Both:
    """A sentence of words.yml with these values; of a value that is in both languages, each sentence takes its own."""
    text = _words()[key]
    return Both(
        text["en"].format(**{k: _in(v, "en") for k, v in values.items()}),
        text["zh"].format(**{k: _in(v, "zh") for k, v in values.items()}),
    )


def _in(value: Any, language: str) -> Any:
    return getattr(value, language) if isinstance(value, Both) else value


def label(vocabulary: str, code: str | None) -> Both:
    """A code of a vocabulary; a word the dictionary does not know is shown as it stands."""
    return _labelled(load_dictionary().vocabularies.get(vocabulary, {}).get(code or ""), code)


def stage(code: str) -> Both:
    found = load_stages().get(code)
    return Both(found.label["en"], found.label["zh"]) if found else _labelled(None, code)


def channel(code: str | None) -> Both:
    if code in (None, "", "unknown", "unmapped"):
        return say("channel_unknown")
    return _labelled(load_dictionary().channels.get(code), code)


def component(name: str) -> Both:
    """A component of the health score, and the problem it counts; `gate:` before it: the gate that caps the score."""
    bare = name.removeprefix(GATE)
    found = next((c for c in _components() if c["component"] == bare and "en" in c), None)
    text = _labelled(found, bare)
    return say("gate", component=text) if name != bare else text


@cache
def _components() -> tuple[Mapping[str, Any], ...]:
    path = FOLDER / "health.yml"
    return tuple(read_yaml(path)["components"]) if path.exists() else ()


def source(name: str | None) -> Both:
    """A kind of file."""
    known = load_dictionary().sources.get(name or "")
    return _labelled(known.title if known else None, name)


def table(name: str) -> Both:
    """The title of a published table."""
    spec = load_tables().get(name)
    return _labelled(spec.title if spec else None, name)


def column(table_name: str, name: str) -> Both:
    """A column: its name in English (the tables' own, so that it is found again), its title in Chinese."""
    spec, known = load_tables().get(table_name), load_dictionary().fields.get(name)
    described = (spec.describe.get(name) if spec else None) or {}
    english = " ".join(CAPITALS.get(word, word) for word in name.removesuffix("_on").split("_"))
    return Both(english[0].upper() + english[1:], described.get("zh") or (known.zh if known else english))


def _labelled(entry: Mapping[str, Any] | None, code: str | None) -> Both:
    if entry and "en" in entry and "zh" in entry:
        return Both(entry["en"], entry["zh"])
    text = code.replace("_", " ") if code else NONE
    return Both(text, text)


# ---- numbers and times


def whole(value: Number | None) -> str:
    return NONE if value is None else f"{int(value):,}"


def money(value: Number | None) -> str:
    """An amount to the cent; its currency stands beside it."""
    return NONE if value is None else f"{value:,.2f}"


def quantity(value: Number | None) -> str:
    """Pieces, without the zeros after the point."""
    if value is None:
        return NONE
    text = f"{value:,.3f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(ratio: Number | None) -> str:
    """A share as per cent. Never rounded to all or nothing: 99.96 % is not 100.0 %."""
    if ratio is None:
        return NONE
    text = f"{ratio * 100:.1f}"
    if text == "100.0" and ratio < 1:
        text = "99.9"
    if text == "0.0" and ratio > 0:
        return "<0.1%"
    return f"{text}%"


def figure(value: Number | None, digits: int = 1) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def day(value: date | None) -> str:
    return NONE if value is None else value.isoformat()[:10]


def moment(value: datetime | None, zone: ZoneInfo) -> str:
    return NONE if value is None else value.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def span(seconds: int | None) -> Both:
    """How long: minutes under two hours, hours under two days, days above."""
    if seconds is None:
        return Both(NONE, NONE)
    length = timedelta(seconds=seconds)
    if length < timedelta(hours=2):
        return say("span_minutes", count=whole(seconds // 60))
    if length < timedelta(days=2):
        return say("span_hours", count=figure(seconds / 3600))
    return say("span_days", count=figure(seconds / 86400))


def short(value: float) -> Both:
    """A number for an axis: 12k in English, 1.2万 in Chinese."""
    return Both(_short(value, ((1e9, "B"), (1e6, "M"), (1e3, "k"))), _short(value, ((1e8, "亿"), (1e4, "万"))))


def _short(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    for size, name in steps:
        if abs(value) >= size:
            return f"{value / size:.4g}{name}"
    return f"{value:.4g}"
