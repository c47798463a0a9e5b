"""Pages of the dictionary: fields and entities, vocabularies, thresholds."""

from __future__ import annotations

from orders_pipeline.dictionary.model import Dictionary, Entity, Field, load_dictionary
from orders_pipeline.docs.markdown import code, table, titles
from orders_pipeline.kernel.settings import declared_thresholds

#: What a value of a type counts, where the field does not say.
UNITS = {
    "money": "in `currency`",
    "price": "in `currency`, per piece",
    "quantity": "pieces",
    "ratio": "fraction (0.05 = 5 %)",
    "timestamp": "UTC instant",
    "date": "day, business zone",
}
#: Endings of names that say the unit themselves.
ENDINGS = {
    "_seconds": "seconds",
    "_days": "days",
    "_grams": "grams",
    "_ms": "milliseconds",
    "_bytes": "bytes",
    "_count": "count",
}


def fields_and_entities() -> list[str]:
    """The page of the standard fields and entities."""
    known = load_dictionary()
    lines = [
        "# Data dictionary",
        "",
        "Source: `orders_pipeline/dictionary/fields.yml`, `entities.yml`. Each standard field stands here once; "
        "parsing, column types and the pages of the tables derive from it. *event* marks an instant at which "
        "something happened: the latest one of a file bounds its export time where the file does not state it.",
        "",
        f"## Fields ({len(known.fields)})",
        "",
    ]
    heads = ("field", "type", "unit", "meaning", "中文", "personal data", "limits, vocabulary")
    fields = sorted(known.fields.values(), key=lambda f: f.name)
    lines += table(heads, ((code(f.name), f.type, _unit(f), f.en, f.zh, f.pii, _limits(f)) for f in fields))
    lines += [
        f"## Entities ({len(known.entities)})",
        "",
        "A file `standard_<entity>` has these names as its header. ● must have a value; a row without it is quarantined.",
        "",
    ]
    for entity in known.entities.values():
        lines += _entity(known, entity)
    return lines


def _unit(field: Field) -> str:
    if field.unit:
        return field.unit
    return next((unit for ending, unit in ENDINGS.items() if field.name.endswith(ending)), UNITS.get(field.type, ""))


def _limits(field: Field) -> str:
    parts = [
        f"≥ {field.min}" if field.min is not None else "",
        f"≤ {field.max}" if field.max is not None else "",
        f"[{field.vocabulary}](vocabularies.md#{field.vocabulary})" if field.vocabulary else "",
        "event" if field.event else "",
    ]
    return ", ".join(p for p in parts if p)


def _entity(known: Dictionary, entity: Entity) -> list[str]:
    rows = []
    for column in entity.fields:
        meant = known.field(entity.name, column)
        required = "●" if column in entity.required else ""
        described = code(meant.name) if meant.name != column else ""
        rows.append((code(column), required, meant.type, meant.en, meant.zh, described))
    return [
        f"### {entity.name}",
        "",
        f"{titles(entity.title)}: {entity.grain}.",
        "",
        *table(("column", "required", "type", "meaning", "中文", "described as"), rows),
    ]


def vocabularies() -> list[str]:
    """The page of the code lists."""
    known = load_dictionary()
    lines = [
        "# Vocabularies",
        "",
        "Source: `orders_pipeline/dictionary/vocabularies/`. Aliases are accepted in standard files, whatever "
        "their letter case; a channel's own words are mapped in its [source](sources.md).",
        "",
    ]
    for name, entries in known.vocabularies.items():
        rows = ((code(c), e.get("en"), e.get("zh"), ", ".join(map(str, e.get("aliases") or ()))) for c, e in entries.items())
        lines += [f"## {name}", "", *table(("code", "English", "中文", "aliases"), rows)]
    lines += [
        "## courier_status",
        "",
        "What the text of a courier event says of its parcel; the first pattern that fits decides.",
        "",
    ]
    patterns = ((code(w["status"]), code(w["pattern"])) for w in known.courier_words)
    return lines + table(("parcel status", "pattern"), patterns)


def thresholds() -> list[str]:
    """The page of the numbers that rules use."""
    rows = ((code(t.name), t.value, t.unit, t.reason, t.owner) for t in declared_thresholds().values())
    return [
        "# Thresholds",
        "",
        "Source: `orders_pipeline/dictionary/thresholds.toml`. The unit is the last word of the name. A home "
        f"overrides a value in the {code('[thresholds]')} section of its `settings.toml`: see [how "
        "to](../how-to/add-a-threshold.md).",
        "",
        *table(("threshold", "value", "unit", "reason", "owner"), rows),
    ]
