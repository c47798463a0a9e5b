"""How likely each column is each field: log-odds of names and cells, and the shares after all columns and fields had theirs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from orders_pipeline.ingest.suggest.assign import dealt_shares
from orders_pipeline.ingest.suggest.evidence import IMPOSSIBLE, shape, words_say
from orders_pipeline.ingest.suggest.hints import BARE_NUMBER, beside_of, concepts_of, hint, row_number
from orders_pipeline.ingest.suggest.kinds import common_prefix
from orders_pipeline.ingest.suggest.names import Named, Names, Slot
from orders_pipeline.ingest.suggest.profile import Profile

#: Log-odds of a name: STEEPNESS × (likeness - EVEN). At EVEN it says neither yes nor no.
STEEPNESS, EVEN = 11.0, 0.58
#: Log-odds of a column all of whose words are known as those of a field, whatever its name.
BY_WORDS = 1.2
#: How much a file without a column for a required field is less to be expected than one without another.
_REQUIRED = 0.25
#: Weight of a word up to which two names that differ in it alone are one.
_SAYS_NOTHING = 0.1


def evidence(names: Names, profile: Profile, slots: Mapping[str, list[Slot]]):
    odds: dict[tuple[int, str], float] = {}
    reasons: dict[tuple[int, str], list[str]] = {}
    needed = {name: _groups(words) for name, words in names.wording.spec["needs"].items()}
    beside = beside_of(names, profile, {entity for places in slots.values() for entity, _ in places})
    prefix = common_prefix([c.name for c in profile.columns if c.name.strip()])
    for column in profile.columns:
        known = dict(names.scores(beside.said_as[column.index])) if column.name.strip() else {}
        if prefix and column.name.startswith(prefix) and column.name != prefix:
            for slot, named in names.scores(column.name[len(prefix) :]).items():
                if slot not in known or named.score > known[slot].score:
                    known[slot] = named
        said = concepts_of(names, column)
        meant = said | {c for t in names.wording.tokens(beside.said_as[column.index]) for c in t.concepts}
        for name, places in slots.items():
            named = max((known[p] for p in places if p in known), key=lambda n: n.score, default=None)
            if named is None:
                continue
            if name in needed and not all(group & meant for group in needed[name]):
                continue
            cells, why = shape(names, profile, column, places[0])
            total = STEEPNESS * (named.score - EVEN) + cells + hint(names, column, places[0], beside, slots)
            if cells > IMPOSSIBLE and total > -4.0:
                odds[column.index, name] = total
                reasons[column.index, name] = [_named(named), why]
        for name, places in slots.items():
            if words_say(names, column, places[0]) and odds.get((column.index, name), -1.0) < BY_WORDS:
                odds[column.index, name] = BY_WORDS
                reasons[column.index, name] = ["every word of it is one for this"]
        number = row_number(names, column, said, slots)
        if number and odds.get((column.index, number), 0.0) < BARE_NUMBER:
            odds[column.index, number] = BARE_NUMBER
            reasons[column.index, number] = ["a number and nothing else, another one in every row"]
    return odds, reasons


def _groups(words: Sequence[str | Sequence[str]]) -> list[set[str]]:
    """Words of which a name must have one; of a list of lists one of each."""
    return [set(group) for group in words] if words and isinstance(words[0], list) else [set(words)]


def _named(named: Named) -> str:
    return f"name like '{named.phrase}' ({named.origin}) {named.score:.2f}"


def confidence_of(
    names: Names, profile: Profile, entities: Collection[str], odds: Mapping[tuple[int, str], float], same: Mapping[int, int]
) -> dict[tuple[int, str], float]:
    """Log-odds to shares: what a column gives a field after its other fields, and the field's other columns, had theirs."""
    alone = {}
    said_as = beside_of(names, profile, entities).said_as
    for column in profile.columns:
        text = said_as[column.index]
        other = names.unneeded(text, entities) if text.strip() else 0.0
        best = max((n.score for (entity, _), n in names.scores(text).items() if entity in entities), default=0.0)
        # A name that is a field's own is not what something else is nearly called.
        alone[column.index] = max(0.0, STEEPNESS * (min(other, 2 * other - best) - EVEN) + 0.6)
    required = {f for e in entities for f in names.dictionary.entities[e].required}
    edges = {(index, name): math.exp(value - alone[index]) for (index, name), value in odds.items()}
    return dealt_shares(edges, {name: _REQUIRED if name in required else 1.0 for _, name in edges}, _twins(names, profile, same))


def _twins(names: Names, profile: Profile, same: Mapping[int, int]) -> dict[int, object]:
    """What each name says without the words that say nearly nothing: platform, zone, unit of measure.

    same: identifiers -> the first one with the same cells, as which they count.
    """
    wording = names.wording
    said = {
        c.index: tuple(t.concepts or t.text for t in wording.tokens(c.name) if wording.weight(t) > _SAYS_NOTHING)
        for c in profile.columns
    }
    return {index: said[same.get(index, index)] or same.get(index, index) for index in said}
