"""The proposal as a source YAML a person reads through: evidence beside every column, open questions on top."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from orders_pipeline.ingest.suggest import Suggestion

WIDTH = 138


def source_yaml(found: Suggestion) -> str:
    """The YAML text. The time zone is left open on purpose: no file says it, and a guess would move every order by hours."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Suggestion) -> Iterator[str]:
    profile, rules = found.profile, found.rules
    taken = sum(c.outcome == "proposed" for c in found.reading.choices)
    yield (
        f"# Proposed from {_plain(found.path.name)}: {found.kind}, {profile.table.encoding}, header on line "
        f"{profile.header_line}, {profile.rows} rows looked at."
    )
    yield f"# {taken} of {len(profile.columns)} columns taken. Answer what is open, then run `channel check`."
    for question in [*found.questions, *rules.open]:
        yield from _wrapped("OPEN", question)
    for remark in [*found.notes, *rules.remarks]:
        yield from _wrapped("CHECK", remark)
    yield f"source: {found.name}"
    yield f"title: {{en: {_flow(found.name.replace('_', ' '))}, zh: {_flow(found.name.replace('_', ' '))}}}"
    yield f"channel: {found.channel}"
    yield f"# The zone the platform writes its times in, e.g. Asia/Shanghai, America/Los_Angeles, UTC. {found.zone_hint}".rstrip()
    yield "timezone:"
    yield f"kind: {'json' if profile.table.kind == 'json' else 'table'}"
    for key, (value, why) in found.top.items():
        yield f"{key}: {_flow(value)}" + (f"  # {why}" if why else "")
    for key, value in rules.top.items():
        yield f"{key}: {_flow(value)}"
    yield "columns:"
    chosen = {c.column.index: c for c in found.reading.choices}
    for handle, column in rules.columns.items():
        best = chosen[column.index].candidates[0]
        yield from _wrapped(f"  # {best.confidence:.2f}", "; ".join(best.evidence), indent="  #      ")
        yield f"  {handle}: [{_flow(column.name.strip())}]"
    yield f"signature: {_flow(found.signature)}"
    yield "entities:"
    for entity, blocks in rules.blocks.items():
        yield f"  {entity}:"
        for block in blocks:
            yield from _block(found, entity, block, many=len(blocks) > 1)
    yield from _rest(found)


def _block(found: Suggestion, entity: str, block: dict[str, Any], many: bool) -> Iterator[str]:
    first = "    - " if many else "    "
    for key in ("where", "rows", "group_by", "parts"):
        if key in block:
            yield f"{first}{key}: {_flow(block[key])}"
            first = "      " if many else "    "
    yield f"{first}fields:" + (" {}  # none is sure enough" if not block["fields"] else "")
    inner = "        " if many else "      "
    for name, rule in block["fields"].items():
        note = found.rules.notes.get(f"{entity}.{name}")
        if note:
            yield from _wrapped(f"{inner}#", note, indent=f"{inner}#")
        line = f"{inner}{name}: {_flow(rule)}"
        if len(line) > WIDTH and isinstance(rule, dict) and "map" in rule:
            yield f"{inner}{name}:"
            yield f"{inner}  from: {_flow(rule['from'])}"
            yield f"{inner}  map:"
            for word, code in rule["map"].items():
                yield f"{inner}    {_flow(word)}: {_flow(code)}"
            yield from (f"{inner}  {k}: {_flow(v)}" for k, v in rule.items() if k not in ("from", "map"))
        else:
            yield line


def _rest(found: Suggestion) -> Iterator[str]:
    unsure = [c for c in found.reading.choices if c.outcome == "unsure"]
    if unsure:
        yield "# Not sure enough to propose; add a column above and a field where one of these is right:"
    for choice in unsure:
        listed = "; ".join(f"{k.field} {k.confidence:.2f} ({', '.join(k.evidence[:2])})" for k in choice.candidates)
        yield from _wrapped(f"#   {choice.column.name.strip()}:", listed, indent="#     ")
    rest = [c.column.name.strip() for c in found.reading.choices if c.outcome == "not needed" and c.column.name.strip()]
    if rest:
        yield from _wrapped("# Not needed:", ", ".join(rest), indent="#  ")


def _wrapped(head: str, text: str, indent: str = "#   ") -> Iterator[str]:
    """A comment of any length in lines; cell texts and names of the file are in it, so line ends are taken out."""
    head = head if head.lstrip().startswith("#") else f"# {head}:"
    line = head
    for word in _plain(text).split(" "):
        if len(line) + len(word) + 1 > WIDTH and line != indent:
            yield line
            line = indent
        line += " " + word
    yield line


def _plain(text: str) -> str:
    """Text of the file for a comment: without line ends and other control characters."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text))


_BARE = re.compile(r"[A-Za-z_\u4e00-\u9fff][A-Za-z0-9_\u4e00-\u9fff]*")
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"}


def _flow(value: Any) -> str:
    """A value as YAML in one line; whatever could be read as something else is quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(v) for v in value) + "]"
    if isinstance(value, (bool, int)):
        return json.dumps(value)
    text = str(value)
    if _BARE.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)


def as_json(found: Suggestion) -> dict[str, Any]:
    """The proposal for a script: columns with outcome and evidence, questions, and the YAML."""
    profile = found.profile
    return {
        "file": str(found.path),
        "kind": found.kind,
        "encoding": profile.table.encoding,
        "delimiter": profile.table.delimiter,
        "sheet": profile.table.sheet,
        "header_line": profile.header_line,
        "rows_seen": profile.rows,
        "entities": list(found.rules.blocks),
        "row_model": {e: [b.get("rows", "each") for b in blocks] for e, blocks in found.rules.blocks.items()},
        "other_readings": [{"entities": list(r.entities), "score": r.score} for r in found.others],
        "score": found.reading.score,
        "open": [*found.questions, *found.rules.open],
        "check": [*found.notes, *found.rules.remarks],
        "columns": [
            {
                "column": c.column.name,
                "outcome": c.outcome.replace(" ", "_"),
                "field": c.field,
                "confidence": c.confidence,
                "candidates": [
                    {"field": k.field, "confidence": k.confidence, "evidence": list(k.evidence)} for k in c.candidates
                ],
            }
            for c in found.reading.choices
        ],
        "yaml": source_yaml(found),
    }
