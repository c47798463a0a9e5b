"""The page of the health score: what it is made of, from `health.yml`."""

from __future__ import annotations

from typing import Any

from orders_pipeline.dictionary.health import DEFAULTS, DIMENSIONS, FILE
from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.docs.markdown import code, table

HEADS = ("component", "English", "中文", "channel", "from", "target", "acceptable", "floor", "weight", "days", "gate")
TITLES = {"operations": "Operations", "data_quality": "Data quality"}


def page() -> list[str]:
    """A table of components per score."""
    entries = read_yaml(FILE)["components"]
    first: dict[str, dict[str, Any]] = {}
    for entry in entries:
        first.setdefault(entry["component"], entry)
    lines = [
        "# Health score",
        "",
        "Source: `orders_pipeline/dictionary/health.yml`. Tables: `health.channel_daily`, `health.score_components`; the "
        "orders behind each point: `health.problems`. Shares of what failed (operations: less is better) or passed (data "
        "quality) over so many days; 100 points at the target, 60 where acceptable, 0 at the floor, straight between. Levels "
        "and the least number of orders are [thresholds](thresholds.md) that begin with `health_`.",
        "",
    ]
    for dimension in DIMENSIONS:
        rows = (_row(e, first[e["component"]]) for e in entries if first[e["component"]]["dimension"] == dimension)
        lines += [f"## {TITLES[dimension]}", "", *table(HEADS, rows)]
    return lines


def _row(entry: dict[str, Any], base: dict[str, Any]) -> tuple[Any, ...]:
    c = {**DEFAULTS, **base, **entry}
    lag = f", ending {c['lag_days']} days before" if c["lag_days"] else ""
    unit = " per unit checked" if c["weight_per"] == "unit" else ""
    gate = f"{_percent(c['gate']['limit'])}: at most {c['gate']['cap']}" if c["gate"] else ""
    return (
        *(code(c["component"]), c["en"], c["zh"], entry.get("channel", "every"), c["valid_from"]),
        *(_percent(c[knot]) for knot in ("target", "acceptable", "floor")),
        *(f"{c['weight']}{unit}", f"{c['window_days']}{lag}", gate),
    )


def _percent(share: Any) -> str:
    return "" if share is None else f"{float(share):.2%}".replace(".00%", "%").replace("%", " %")
