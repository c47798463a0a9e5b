"""The page of the sources: how each kind of file is recognised, and what becomes of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orders_pipeline.dictionary.model import Block, Dictionary, Source, load_dictionary
from orders_pipeline.dictionary.rules import rule_handles
from orders_pipeline.docs.markdown import cell, code, codes, facts, table, titles

#: Operators on columns, in words.
OPERATORS = {
    "sum": "added",
    "difference": "the first minus the others",
    "product": "multiplied",
    "concat": "joined",
    "credit": "amount coming in, less",
    "debit": "amount going out",
    "negate": "sign turned",
    "absolute": "without its sign",
    "negative": "always negative",
}
#: What becomes of rows that equal another one of their file in every cell; said only where it is not the rule.
REPEATS = {
    "duplicate": "",
    "legitimate": "count as often as they stand there",
    "marked": "count as often as they stand there; the later ones are marked, and counted as duplicates",
}


def page() -> list[str]:
    """The page of the sources."""
    known = load_dictionary()
    own = [s for s in known.sources.values() if not s.is_standard]
    lines = [
        "# Sources",
        "",
        "Source: `orders_pipeline/dictionary/sources/<source>.yml`, `channels.yml`. A file is recognised by the "
        "names in its header, never by its file name, extension or folder. Letter case, full- and half-width forms"
        " and spaces make no difference.",
        "",
        *table(
            ("source", "中文", "channel", "time zone", "entities"),
            ((f"[{s.name}](#{s.name})", s.title.get("zh"), s.channel, s.timezone, codes(_entities(s)) or "none") for s in own),
        ),
        *_standard(known),
        *_channels(known),
    ]
    for source in own:
        lines += _source(source)
    return lines


def _entities(source: Source) -> list[str]:
    return list(dict.fromkeys(b.entity for b in source.blocks))


def _standard(known: Dictionary) -> list[str]:
    return [
        "## Standard files",
        "",
        "CSV or Parquet whose header carries the standard names of [an entity](dictionary.md). Times need an offset "
        "(`2026-01-31T09:30:00+08:00`), or a zone declared for the shop in settings.toml or by a `timezone=` folder.",
        "",
        *table(
            ("source", "中文", "recognised by"),
            ((code(s.name), s.title.get("zh"), codes(s.signature)) for s in known.sources.values() if s.is_standard),
        ),
    ]


def _channels(known: Dictionary) -> list[str]:
    keys = ("en", "zh", "timezone", "currency", "logistics_leg", "payment_leg", "subsidy_leg")
    return [
        "## Channels",
        "",
        "Logistics leg `order_export`: without a warehouse file, the order file's own word on shipping counts. "
        "Payment leg `order_export`: without a bill, the order file's own amount counts. "
        "Subsidy leg `receipt`: the platform's part of a price may come inside the receipt.",
        "",
        *table(
            ("channel", "name", "中文", "time zone", "currency", "logistics leg", "payment leg", "subsidy leg"),
            ((code(name), *(known.channel(name)[k] for k in keys)) for name in known.channels),
        ),
    ]


def _source(source: Source) -> list[str]:
    def names(handles: Any) -> str:
        return ", ".join(code(source.columns[h][0]) for h in handles)

    lines = [
        f"## {source.name}",
        "",
        f"{titles(source.title)}.",
        "",
        *facts(
            (
                ("carries no rows of its own", source.ignore),
                ("channel", source.channel or "as the rows say"),
                ("time zone", source.timezone),
                ("currency", source.get("currency")),
                ("shop", _place(source, "shop")),
                ("account", _place(source, "account")),
                ("courier", _place(source, "courier")),
                ("warehouse", _place(source, "warehouse")),
                ("recognised by", names(source.signature)),
                ("but not with", names(source.get("unless", ()))),
                ("export time", _exported(source)),
                ("held to its own totals", _totals(source)),
                ("equal rows of one file", REPEATS[source.repeated_rows]),
                ("restates", codes(source.get("restates", ()))),
                ("restates, as the sum of", codes(source.get("restates_whole", ()))),
                ("further blank words", codes(source.get("nulls", ()))),
                ("blank cells take the value above", names(source.get("fill_down", ()))),
                ("may lack", codes(sorted(source.optional_fields))),
            )
        ),
        *table(("handle", "column names"), ((code(h), ", ".join(map(cell, a))) for h, a in source.columns.items())),
    ]
    for block in source.blocks:
        lines += _block(block)
    return lines


def _place(source: Source, key: str) -> str:
    """Where the shop, account, courier … of a file comes from; a folder `shop=…`, `courier=…` goes before all of it."""
    spec = source.get(key) or {}
    ways = (
        f"column {code(source.columns[spec['from']][0])}" if "from" in spec else "",
        "the lines above the header" if "preamble" in spec else "",
        "the file's name" if "filename" in spec else "",
        code(spec["default"]) if "default" in spec else "",
    )
    return ", else ".join(w for w in ways if w)


def _exported(source: Source) -> str:
    rules = source.get("exported_at", ())
    stated = [f"{'file name' if 'filename' in r else 'text'} {code(r.get('filename') or r['footer'])}" for r in rules]
    return ", else ".join([*stated, "the latest event its rows tell of"])


def _totals(source: Source) -> str:
    said = []
    for control in source.get("control", ()):
        stated = [k for k in ("count", "amount") if k in control or k in (control.get("summary") or {})]
        said.append(control["what"] + (f" ({', '.join(stated)})" if stated else ""))
    return "; ".join(dict.fromkeys(said))


def _block(block: Block) -> list[str]:
    head = f"**{block.entity}**"
    if block.rows == "group":
        head += f", one row per {codes(block.group_by)}"
    if block.where:
        head += f", rows with {code(_flow(block.where))}"
    rows = [(code(n), codes(dict.fromkeys(rule_handles(r))), _rule(r)) for n, r in block.fields.items()]
    return [head, "", *table(("field", "from", "how"), rows)]


def _rule(rule: Mapping[str, Any]) -> str:
    """The rule in words short enough for a table; a plain column needs none."""
    if "codes_of" in rule:
        rule = {k: v for k, v in rule.items() if k != "map"}
    return "; ".join(p for p in (_part(key, value) for key, value in rule.items()) if p)


def _part(key: str, value: Any) -> str:
    if key == "from":
        return "the first that is not blank" if isinstance(value, list) else ""
    if key == "map":
        return ", ".join(f"{word} → {code(meant)}" for word, meant in value.items())
    if key == "first_match":
        return "; ".join((f"{_flow(c['when'])} → " if "when" in c else "else ") + code(c["value"]) for c in value)
    if key == "codes_of":
        return f"the codes of {code(value)} in courier_status.yml"
    if key == "at":
        return "a day without a time is taken at its end"
    if key == "value":
        return f"always {code(value)}"
    if key == "parts":
        return "one of the row's amounts" + (", which make " + _flow(value["net"]) if value["net"] else "")
    if key == "sign":
        return f"negative with {_flow(value['minus'])}"
    if key in OPERATORS:
        return OPERATORS[key]
    return f"{key} {code(value)}"


def _flow(value: Any) -> str:
    """A condition as it stands in the YAML, on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_flow(v)}" for k, v in value.items())
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, list | tuple) else str(value)
