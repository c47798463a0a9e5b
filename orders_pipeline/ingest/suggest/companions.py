"""Columns taken for want of better ones, or because of others: half of a name, a number of its own, a flag for a type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from orders_pipeline.ingest.suggest.hints import concepts_of
from orders_pipeline.ingest.suggest.kinds import CANDIDATE, PROPOSED, Candidate, Choice, Reading
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Column
from orders_pipeline.ingest.suggest.tokens import plain

GIVEN, FAMILY = "given", "family"
#: An order type that a column only says yes or no to, and how sure that is.
PRESALE, _FLAGGED = "order_type:presale", 0.9
_NO = {"否": "是", "no": "yes", "false": "true", "0": "1", "n": "y", "f": "t", "未": "已", "off": "on"}
#: Share of different numbers from which they are the rows' own.
_OWN = 0.9


def half_of_name(names: Names, column: Column) -> tuple[str, str] | None:
    """(given or family, what the header says beside it) of a column of first or last names: `Ship To LastName`."""
    said = plain(column.name)
    found = [
        (len(word), half, word)
        for half, words in names.wording.spec["halves_of_names"].items()
        for word in map(plain, words)
        if re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", said) or (not word.isascii() and said.endswith(word))
    ]
    if not found:
        return None
    _, half, word = max(found)
    return half, re.sub(r"\s+", " ", said.replace(word, " ")).strip()


def take_companions(names: Names, reading: Reading) -> None:
    """Add to a reading the columns that others of it ask for."""
    _other_half(names, reading)
    _deepest(names, reading)
    if {"orders", "shipments"} & set(reading.entities) and not any(c.field == "internal_order_id" for c in reading.choices):
        _number_beside_id(names, reading)
    if "orders" in reading.entities and not any(c.field == "order_type" for c in reading.choices):
        _flag_of_type(names, reading)
    if reading.entities == ("payments",):
        _without_gaps(reading)
    if reading.entities == ("payments",) and not any(c.field in ("platform_txn_id", "payment_id") for c in reading.choices):
        _number_of_its_own(reading)


def _other_half(names: Names, reading: Reading) -> None:
    halves = {c.column.index: half for c in reading.choices if (half := half_of_name(names, c.column))}
    for choice in [c for c in reading.choices if c.field == "buyer_name" and c.column.index in halves]:
        half, of = halves[choice.column.index]
        for other in reading.choices:
            found = halves.get(other.column.index)
            if found and found[0] != half and found[1] == of and other.outcome != "proposed" and other.column.count:
                sure = replace(choice.candidates[0], evidence=(f"the other half of the name in {choice.column.name.strip()}",))
                other.candidates, other.outcome = [sure], "proposed"
                return


def _deepest(names: Names, reading: Reading) -> None:
    """Of columns of a category's levels the deepest says what the goods are: `一级类目`, `二级类目` …"""

    def rest(choice: Choice) -> tuple[object, ...] | None:
        tokens = names.wording.tokens(choice.column.name)
        said = tuple(t.concepts or t.text for t in tokens if "level" not in t.concepts)
        return said if len(said) < len(tokens) else None

    taken = next((c for c in reading.choices if c.field == "category"), None)
    if taken is None or (level := rest(taken)) is None:
        return
    deepest = max((c for c in reading.choices if c.column.count and rest(c) == level), key=lambda c: c.column.index)
    if deepest is not taken:
        why = f"the deepest of the levels that begin with {taken.column.name.strip()}"
        deepest.candidates = [replace(taken.candidates[0], evidence=(why,))]
        taken.outcome, deepest.outcome = "unsure", "proposed"


def _number_beside_id(names: Names, reading: Reading) -> None:
    """Of two names of an order that differ in `number` and `id` alone the number is what people see, the id the system's own."""
    ids, numbers = {}, {}
    for choice in reading.choices:
        if choice.column.name.startswith("/"):
            continue  # of the order the rows lie in: its own file tells
        if any(k.field == "channel_order_id" and k.confidence >= CANDIDATE for k in choice.candidates):
            tokens = names.wording.tokens(choice.column.name)
            rest = tuple(t.concepts or t.text for t in tokens if "number" not in t.concepts)
            if "number" in tokens[-1].concepts:
                (ids if tokens[-1].text == "id" else numbers)[rest] = choice
    for rest in ids.keys() & numbers.keys():
        number, own = numbers[rest], ids[rest]
        if "proposed" in (number.outcome, own.outcome):
            sure = max(number.confidence, own.confidence)
            number.candidates.sort(key=lambda k: k.field != "channel_order_id")
            number.candidates[0] = replace(number.candidates[0], confidence=sure)
            why = f"the order has a number beside it, {number.column.name.strip()}"
            own.candidates = [Candidate("internal_order_id", sure, (why,))]
            number.outcome = own.outcome = "proposed"
            return


def _without_gaps(reading: Reading) -> None:
    """Where the time of a movement has gaps, a later one that is always there stands in."""
    chosen = [c for c in reading.choices if c.field == "occurred_at"]
    if len(chosen) != 1 or chosen[0].column.filled >= 1:
        return
    others = [
        c
        for c in reading.choices
        if c.outcome == "unsure" and c.column.filled >= 1 and c.candidates[0].field == "occurred_at" and c.confidence >= PROPOSED
    ]
    if others:
        max(others, key=lambda c: c.confidence).outcome = "proposed"


def _flag_of_type(names: Names, reading: Reading) -> None:
    """A column that says yes for the presales among the orders, where none says the type in words."""
    for choice in reading.choices:
        column = choice.column
        if column.count and column.share("truth") >= _OWN and "presale" in concepts_of(names, column) and choice.field is None:
            choice.candidates = [Candidate(PRESALE, _FLAGGED, ("yes or no, and its name speaks of presales",))]
            choice.outcome = "proposed"
            return


def yes(column: Column) -> list[str]:
    """The words of a column of yes and no that mean yes; where no row says yes, what stands beside its no."""
    said = [w for w in column.words if w.casefold() in _NO.values()]
    return said or [_NO[w.casefold()] for w in column.words if w.casefold() in _NO]


def _number_of_its_own(reading: Reading) -> None:
    """The transaction's number, faintly named so, another one in nearly every row: else the order's would stand in for it."""

    def likeness(choice: Choice) -> float:
        column = choice.column
        own = column.count and column.distinct >= _OWN * column.count and column.share("id") >= _OWN
        named = max((k.confidence for k in choice.candidates if k.field == "platform_txn_id"), default=0.0)
        return named if own and choice.outcome == "unsure" else 0.0

    best = max(reading.choices, key=likeness)
    if likeness(best) >= CANDIDATE:
        first, *rest = sorted(best.candidates, key=lambda k: k.field != "platform_txn_id")
        why = "another number in nearly every row, and no other column is the transaction's"
        best.candidates, best.outcome = [replace(first, evidence=(*first.evidence, why)), *rest], "proposed"


def in_order(names: Names, columns: Mapping[str, Column]) -> list[str]:
    """Handles of the halves of a name as they are spoken: family first where names are written in Chinese characters."""
    halves = {handle: (half_of_name(names, c) or ("", ""))[0] for handle, c in columns.items()}
    family_first = any(c.share("cjk") > 0.5 for c in columns.values())
    return sorted(columns, key=lambda h: (halves[h] == FAMILY) != family_first)
