"""Probes of the dictionary and the settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import combinations
from typing import Any

from orders_pipeline.alerts.delivery import read_targets
from orders_pipeline.checkup.probes import Fact, fact, load_probes, probe
from orders_pipeline.checkup.scene import Scene, Unavailable
from orders_pipeline.dictionary import calendars, revenue, tolerances
from orders_pipeline.dictionary.model import (
    PLACE_FIELDS,
    DictionaryError,
    Source,
    canonical_header,
    read_entities,
    read_source,
)
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.settings import SECTIONS, UNITS, declared_thresholds, load_settings


@probe
def source_without_time_zone(scene: Scene) -> Iterator[Fact]:
    for name, error in _refused(scene):
        if "no time zone" in str(error):
            yield fact(name)


@probe
def source_refused(scene: Scene) -> Iterator[Fact]:
    for name, error in _refused(scene):
        if "no time zone" not in str(error):
            yield fact(name, detail=error)


def _refused(scene: Scene) -> Iterator[tuple[str, DictionaryError]]:
    try:
        _ = scene.dictionary
    except Unavailable:
        folder = scene.dictionary_folder
    else:
        return  # Read as a whole, each of its parts is right.
    fields, entities = read_entities(folder)
    for path in sorted((folder / "sources").glob("*.yml")):
        try:
            read_source(path, fields, entities)
        except DictionaryError as error:
            yield f"sources/{path.name}", error


@probe
def source_without_key(scene: Scene) -> Iterator[Fact]:
    for source in scene.dictionary.sources.values():
        stated = {field for field, key in PLACE_FIELDS.items() if key in source.spec}
        for block in source.blocks:
            family = scene.dictionary.entities[block.entity].family
            # Channel, shop and account may come from the place of the file.
            missing = [f for f in family if f not in {*block.fields, *stated, *PLACE_FIELDS, "channel"}]
            if missing or not family:
                yield fact(f"source {source.name}", fields=", ".join(missing) or "?", entity=block.entity)


@probe
def sources_share_a_header(scene: Scene) -> Iterator[Fact]:
    known = [s for s in scene.dictionary.sources.values() if not s.is_standard]
    for one, other in combinations(known, 2):
        shared = _names(one) & _names(other)
        if shared and one.kind == other.kind and _claims(one, other, shared) and _claims(other, one, shared):
            yield fact(f"{one.name} and {other.name}", columns=", ".join(sorted(one.columns[h][0] for h in one.signature)))


def _names(source: Source) -> set[str]:
    return {canonical_header(alias) for aliases in source.columns.values() for alias in aliases}


def _claims(source: Source, other: Source, header: set[str]) -> bool:
    """Whether a header of just the names that both sources know would be the source's, by signature and by `unless`."""
    bound = {h for h, aliases in source.columns.items() if any(canonical_header(a) in header for a in aliases)}
    same_size = len(source.signature) == len(other.signature)
    return same_size and set(source.signature) <= bound and not bound & set(source.get("unless", ()))


@probe
def threshold_incomplete(scene: Scene) -> Iterator[Fact]:
    for name, entry in tomllib.loads(scene.thresholds_file.read_text(encoding="utf-8")).items():
        lacks = [k for k in ("value", "reason", "owner") if entry.get(k) in (None, "")]
        lacks += [] if name.rsplit("_", 1)[-1] in UNITS else ["unit"]
        if lacks:
            yield fact(name, lacks=", ".join(lacks))


@probe
def threshold_unused(scene: Scene) -> Iterator[Fact]:
    used = used_thresholds()
    for name in tomllib.loads(scene.thresholds_file.read_text(encoding="utf-8")):
        if name not in used:
            yield fact(name)


@cache
def used_thresholds() -> frozenset[str]:
    """The thresholds that a model, a check, an alert, a stage, a probe or a line of code asks for."""
    from orders_pipeline import pipeline
    from orders_pipeline.alerts.rules import load_rules
    from orders_pipeline.dictionary.stages import load_stages, thresholds_of
    from orders_pipeline.dictionary.tags import thresholds_of_tags
    from orders_pipeline.kernel.models import used_names

    used = set(used_names(pipeline.models()).thresholds)
    spoken = [*(c.sql for c in pipeline.checks()), *(r.sql for r in load_rules()), *(p.sql for p in load_probes())]
    used |= {name for text in spoken for name in re.findall(r"threshold\('(\w+)'\)", text)}
    used |= {name for stage in load_stages().values() for name in thresholds_of(stage)}
    used |= thresholds_of_tags()
    used |= {name for one in load_probes() for name in one.thresholds}
    for path in pipeline.ROOMS.rglob("*.py"):
        used |= set(re.findall(r"thresholds\[[\"'](\w+)[\"']\]", path.read_text(encoding="utf-8")))
    return frozenset(used)


@probe
def settings_refused(scene: Scene) -> Iterator[Fact]:
    try:
        settings = load_settings(scene.home.settings_file)
        read_targets(settings.alerts)
        calendars.load_calendars(settings.calendars)
        known = scene.dictionary
        revenue.rule_rows(tuple(known.channels), tuple(known.vocabularies["order_type"]), settings.revenue)
        revenue.vat_rows(tuple(known.channels), settings.revenue)
        tolerances.tolerance_rows(tuple(known.channels), settings.matching)
    except (Usage, UnicodeDecodeError) as error:
        yield fact("settings.toml", detail=str(error).replace(f"{scene.home.root}/", ""))


@probe
def settings_section_unknown(scene: Scene) -> Iterator[Fact]:
    for name in _given(scene):
        if name not in SECTIONS:
            yield fact(f"settings.toml [{name}]", known=", ".join(SECTIONS))


@probe
def threshold_override_off_scale(scene: Scene) -> Iterator[Fact]:
    most = Decimal(scene.threshold("override_scale_max_count"))
    declared = declared_thresholds()
    for name, value in _given(scene).get("thresholds", {}).items():
        default, now = Decimal(declared[name].value), Decimal(value)
        percent = declared[name].unit == "ratio" and now > 1 >= default
        if percent or now < 0 <= default or (default > 0 < now and not 1 / most <= now / default <= most):
            yield fact(f"settings.toml {name}", value=value, default=declared[name].value)


def _given(scene: Scene) -> Mapping[str, Any]:
    _ = scene.settings  # Says itself what cannot be read.
    file = scene.home.settings_file
    return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal) if file.exists() else {}


@probe
def calendar_runs_out(scene: Scene) -> Iterator[Fact]:
    today = scene.as_of.date()
    versions = [v for v in calendars.load_calendars(scene.settings.calendars) if v.holidays == "china" and v.valid_to > today]
    if not versions:
        return
    last = min(calendars.LAST, calendars.last_known_holidays())
    if last < today + timedelta(days=int(scene.threshold("calendar_ahead_min_days"))):
        for name in sorted({v.calendar for v in versions}):
            yield fact(name, last=last)


@probe
def shop_zone_unstated(scene: Scene) -> Iterator[Fact]:
    scene.need("orders.orders", "ref.channels")
    found = scene.rows(
        "SELECT o.channel, o.shop_id, o.timezone, c.timezone, count(*) FROM orders.orders AS o "
        "INNER JOIN ref.channels AS c ON o.channel = c.channel WHERE o.timezone <> c.timezone GROUP BY ALL"
    )
    for channel, shop, zone, channel_zone, count in found:
        if scene.settings.shop_zone(channel, shop) != zone:
            yield fact(f"{channel}/{shop}", count=count, zone=zone, channel_zone=channel_zone)
