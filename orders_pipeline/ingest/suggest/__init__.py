"""`channel suggest`: a source description for a file nobody has described, with the evidence for every line of it.

`profile` measures the cells, `names` knows the words (`tokens` cuts them), `relations` finds sums and orders of time, `due`
what was taken off, `propose` weighs all of it for each of the `kinds` of file, `rules` and `words` make the source's rules of it,
`write` the YAML.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest.landing import as_member
from orders_pipeline.ingest.read import Table, header_candidates, open_table
from orders_pipeline.ingest.recognise import recognise
from orders_pipeline.ingest.suggest.currency import currency_of
from orders_pipeline.ingest.suggest.kinds import Reading
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Profile, find_header, take_profile
from orders_pipeline.ingest.suggest.propose import readings
from orders_pipeline.ingest.suggest.relations import Relations, constant_within, find_relations, line_amounts
from orders_pipeline.ingest.suggest.rules import Rules, make_rules
from orders_pipeline.kernel.faults import BadInput, Usage


@dataclass
class Suggestion:
    """What a file seems to be: its table, the best reading of it with its rules, and the other kinds of file it could be.

    `top`: settings of the source as key -> (value, why). `questions`: what the person must answer; `notes`: what to look at.
    """

    path: Path
    kind: str
    name: str
    channel: str
    profile: Profile
    relations: Relations
    reading: Reading
    others: list[Reading]
    rules: Rules
    top: dict[str, tuple[Any, str]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    zone_hint: str = ""
    signature: list[str] = field(default_factory=list)


def suggest(path: Path, names: Names | None = None, channel: str | None = None) -> Suggestion:
    """Look at a file and propose how to read it. Raises Usage for a missing file, BadInput for one that is no table."""
    if not path.is_file():
        raise Usage(f"there is no file {path}")
    names = names or Names(load_dictionary())
    with tempfile.TemporaryDirectory(prefix="suggest-") as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 2")
        work = Path(folder)
        with closing(open_table(as_member(path), work)) as opened:
            table = max(opened.tables, key=lambda t: (_size(t), -opened.tables.index(t)))
            line = find_header(table, _likely(names, table))
            profile = take_profile(connection, table, line, work)
            relations = find_relations(connection, profile, names.wording)
            title = " ".join([path.stem, table.sheet or "", *profile.preamble[:6]])
            found = readings(names, profile, relations, title)
            best = found[0]
            orders = best.columns_of("channel_order_id")
            groups = constant_within(connection, profile, orders[0].index) if orders else (0, frozenset())
            if groups[0]:
                groups = groups[0], groups[1] - _of_the_line(connection, profile, best, orders[0].index)
            rules = make_rules(names, profile, relations, best, groups)
            code = _slug(channel or re.sub(r"[\d\-_.]+$", "", path.stem)) or "new_channel"
            suffix = "orders" if "orders" in best.entities else best.entities[0]
            name = code if code.endswith(suffix) else f"{code}_{suffix}"
            made = Suggestion(path, opened.kind, name, _slug(channel or "") or code, profile, relations, best, found[1:3], rules)
            _settings(made, names)
            if len(opened.tables) > 1:
                made.notes.append(
                    f"the file has {len(opened.tables)} tables; this is the largest{f', {table.sheet}' if table.sheet else ''}"
                )
            _known_already(made, names, table)
    return made


def _of_the_line(connection: duckdb.DuckDBPyConnection, profile: Profile, best: Reading, key: int) -> frozenset[int]:
    """Amounts that are the row's and not the order's, though all rows of each order at hand show the same."""
    prices, pieces = best.columns_of("unit_price"), best.columns_of("quantity")
    if not (prices and pieces):
        return frozenset()
    asked = [c.index for name in ("payable_amount", "paid_amount", "list_amount") for c in best.columns_of(name)]
    return line_amounts(connection, profile, key, (prices[0].handle, pieces[0].handle), asked)


def _size(table: Table) -> int:
    return table.line_count * max((len(cells) for cells in table.head), default=0)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _likely(names: Names, table: Table) -> list[float]:
    """For each head line how likely it is the header: it looks like one, and its cells are words of the trade."""
    likely = [0.0] * len(table.head)
    for candidate in header_candidates(table):
        cells = [c for c in candidate.cells if c.strip()][:40]
        known = sum(any(t.concepts for t in names.wording.tokens(c)) for c in cells) / len(cells)
        likely[candidate.line - 1] = candidate.score * (0.3 + known)
    return likely


def _settings(made: Suggestion, names: Names) -> None:
    """What holds for the whole file: currency, decimals, order of day and month, footers, signature."""
    profile, rules = made.profile, made.rules
    made.questions.append("timezone: no file says in which zone its times are written; a wrong one moves every order by hours")
    timed = [c for c in profile.columns if c.share("time") >= 0.9 and c.share("clock") >= 0.5]
    if timed and all(c.share("offset") >= 0.95 for c in timed):
        made.zone_hint = "Every time of this file carries its offset: `declared` reads them as written."
    elif any("utc" in c.name.lower() for c in timed):
        made.zone_hint = "Names of this file speak of UTC."
    if (
        "orders" in made.reading.entities
        or "order_lines" in made.reading.entities
        or "shipments" in made.reading.entities
        or "returns" in made.reading.entities
    ):
        made.top["shop"] = ({"default": "main"}, "a landing folder shop=<id>/ goes before this")
    if "payments" in made.reading.entities and "account" not in rules.top:
        made.top["account"] = ({"default": made.channel}, "a landing folder account=<id>/ goes before this")
    money = {
        f
        for e in made.reading.entities
        for f in names.dictionary.entities[e].fields
        if names.dictionary.field(e, f).type in ("money", "price")
    }
    if money and "currency" not in rules.columns:
        made.top["currency"] = currency_of(names, profile)
        if made.top["currency"][0] == "?":
            made.questions.append(
                "currency: no column, sign or word of the file tells the currency of its amounts; write its ISO code"
            )
    if profile.decimal == "comma":
        made.top["decimal"] = ("comma", "amounts are written 1.234,50")
    if profile.date_order:
        why = "some day is above 12" if profile.date_order != "?" else ""
        made.top["date_order"] = (profile.date_order, why)
        if profile.date_order == "?":
            made.questions.append(
                f"date_order: {', '.join(profile.date_examples)} may be day or month first, and no date of this file decides it; "
                "write dmy or mdy"
            )
    if profile.preamble and profile.preamble[0].startswith("#"):
        made.top["footer_prefixes"] = (["#"], "lines around the table begin with #")
    worded = [
        c.name
        for c in timed
        if c.share("iso") < 0.5 and c.share("numeric_date") < 0.5 and c.name in {k.name for k in rules.columns.values()}
    ]
    if worded:
        made.notes.append(
            f"{', '.join(worded)}: times in words or twelve-hour form; a row whose time cannot be read waits in quarantine"
        )
    made.signature = _signature(made, names)


def _signature(made: Suggestion, names: Names) -> list[str]:
    """Columns by which the file is known again: those of required fields first, then the surest, six in all."""
    required = {f for e in made.reading.entities for f in names.dictionary.entities[e].required}
    chosen = {c.column.index: c for c in made.reading.choices}

    def rank(handle: str) -> tuple[bool, float, int]:
        choice = chosen[made.rules.columns[handle].index]
        return choice.field not in required, -choice.confidence, choice.column.index

    ranked = sorted(made.rules.columns, key=rank)[:6]
    return sorted(ranked, key=lambda h: made.rules.columns[h].index)


def _known_already(made: Suggestion, names: Names, table: Table) -> None:
    try:
        known = recognise(names.dictionary, table).source.name
    except BadInput:
        return
    if known in {s.name for s in names.sources}:
        made.notes.append(
            f"this file is read already, as {known}; a second source for it would have to be told apart from that one"
        )


def as_json(found: Suggestion) -> dict[str, Any]:
    """The proposal for a script, the YAML included."""
    from orders_pipeline.ingest.suggest.write import as_json as written

    return written(found)


def summary(found: Suggestion, out: Path) -> str:
    """What was proposed and what to do next, for the terminal."""
    from orders_pipeline.ingest.desk import table

    rows = [
        {
            "column": c.column.name.strip(),
            "outcome": c.outcome,
            "field": c.field or " / ".join(k.field for k in c.candidates),
            "confidence": f"{c.confidence:.2f}" if c.candidates else "",
            "because": "; ".join(c.candidates[0].evidence[:2]) if c.candidates else "",
        }
        for c in found.reading.choices
        if c.column.name.strip()
    ]
    asked = [f"open: {q}" for q in [*found.questions, *found.rules.open]]
    looked = [f"check: {n}" for n in [*found.notes, *found.rules.remarks]]
    return "\n".join(
        [
            table(rows, ("column", "outcome", "field", "confidence", "because")),
            "",
            f"read as {' + '.join(found.rules.blocks)}; header on line {found.profile.header_line}, "
            f"{found.profile.table.encoding}",
            *asked,
            *looked,
            f"written: {out}. Answer what is open, then: orders-pipeline channel check {out}",
        ]
    )
