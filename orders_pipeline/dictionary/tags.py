"""Customer tags and RFM cut points as data: read, checked, and laid out as the reference tables that models join.

`customer_tags.yml` and `rfm_cut_points.yml` say what the entries mean. Every version of a definition holds until the next begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.settings import Settings, declared_thresholds

FILE = Path(__file__).with_name("customer_tags.yml")
CUT_POINTS = Path(__file__).with_name("rfm_cut_points.yml")
FOREVER = date(9999, 12, 31)
#: Field of a version -> column of ref.customer_tags.
NUMBERS = {
    "window": "window_days",
    "sample_min": "sample_min",
    "limit": "limit_value",
    "hits_min": "hits_min",
    "variety_min": "variety_min",
    "factor": "factor",
    "confirm": "confirm_value",
    "peers_min": "peers_min",
    "off_after": "off_after_days",
}
_WHOLE_DAYS = ("window", "off_after")
TAGS_DDL = "tag VARCHAR, rule_version INTEGER, valid_from DATE, valid_to DATE, " + ", ".join(
    f"{column} {'INTEGER' if field in _WHOLE_DAYS else 'DECIMAL(18, 4)'}" for field, column in NUMBERS.items()
)
SCORES_DDL = (
    "measure VARCHAR, currency VARCHAR, score INTEGER, at_least DECIMAL(18, 2), below DECIMAL(18, 2), "
    "rule_version INTEGER, valid_from DATE, valid_to DATE"
)
_MOST = 10**15


@cache
def load_tags(path: Path = FILE) -> Mapping[str, Mapping[str, Any]]:
    """Every tag with its versions, oldest first; raises Usage naming the tag and what is wrong with it."""
    tags = read_yaml(path)
    for tag, spec in tags.items():
        if not (spec.get("title", {}).keys() >= {"en", "zh"} and spec.get("meaning", {}).keys() >= {"en", "zh"}):
            raise Usage(f"{path.name}: {tag} needs a title and a meaning, each with en and zh")
        _in_turn(spec.get("versions") or (), f"{path.name}: {tag}")
        for version in spec["versions"]:
            unknown = version.keys() - NUMBERS.keys() - {"version", "valid_from"}
            if unknown:
                raise Usage(f"{path.name}: {tag}: unknown field {', '.join(sorted(unknown))}; known: {', '.join(NUMBERS)}")
            missing = {"window", "off_after"} - version.keys()
            if missing:
                raise Usage(f"{path.name}: {tag} version {version['version']} needs {', '.join(sorted(missing))}")
            for name in _names(version):
                if name not in declared_thresholds():
                    raise Usage(f"{path.name}: {tag} names the threshold {name}, which thresholds.toml does not have")
    return tags


def thresholds_of_tags() -> set[str]:
    """The thresholds that any version of any tag uses."""
    return {name for spec in load_tags().values() for version in spec["versions"] for name in _names(version)}


def tag_rows(settings: Settings) -> list[tuple]:
    """The rows of ref.customer_tags (TAGS_DDL): each version with its numbers, as this home has them."""

    def value(version: Mapping[str, Any], field: str) -> Any:
        name = version.get(field)
        return None if name is None else settings.thresholds.get(name, declared_thresholds()[name].value)

    return [
        (tag, version["version"], start, end, *(value(version, field) for field in NUMBERS))
        for tag, spec in load_tags().items()
        for version, start, end in _in_force(spec["versions"])
    ]


def score_rows(path: Path = CUT_POINTS) -> list[tuple]:
    """The rows of ref.rfm_cut_points (SCORES_DDL): which values of a measure have which score, without a gap."""
    entries = read_yaml(path)
    _in_turn(entries, path.name)
    rows: list[tuple] = []
    for entry, start, end in _in_force(entries):
        when = (entry["version"], start, end)
        days = entry["recency_days"]
        _ascending(days, 4, f"{path.name}: recency_days")
        bounds = [0, *(day + 1 for day in days), _MOST]
        rows += [("recency", "", 5 - n, bounds[n], bounds[n + 1], *when) for n in range(5)]
        for measure, currency, least in (
            ("frequency", "", entry["frequency"]),
            *(("money", currency, least) for currency, least in entry["money"].items()),
        ):
            _ascending(least, 5, f"{path.name}: {measure} {currency}")
            # What is below the first (returns may exceed purchases) has the lowest score as well.
            bounds = [-_MOST, *least[1:], _MOST]
            rows += [(measure, currency, n + 1, bounds[n], bounds[n + 1], *when) for n in range(5)]
    return rows


def _names(version: Mapping[str, Any]) -> list[str]:
    return [version[field] for field in NUMBERS if version.get(field) is not None]


def _in_turn(versions: Sequence[Mapping[str, Any]], where: str) -> None:
    numbers = [v.get("version") for v in versions]
    days = [v.get("valid_from") for v in versions]
    whole = all(isinstance(n, int) for n in numbers) and all(isinstance(d, date) for d in days)
    if not versions or not whole or sorted(set(numbers)) != numbers or sorted(set(days)) != days:
        raise Usage(
            f"{where}: versions are listed oldest first, each with a version and a valid_from (2026-01-01) above the last"
        )


def _in_force(versions: Sequence[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], date, date]]:
    ends = [*(v["valid_from"] for v in versions[1:]), FOREVER]
    return [(v, v["valid_from"], end) for v, end in zip(versions, ends, strict=True)]


def _ascending(values: Any, count: int, where: str) -> None:
    if not isinstance(values, list) or len(values) != count or sorted(set(values)) != values:
        raise Usage(f"{where}: needs {count} ascending numbers")
