"""What is known about names: the columns of every known source with the fields they feed, the fields' own names, and the wording.

A phrase speaks for a slot (entity, field). Roles of money columns that need a rule of their own are slots too: `amount:credit`,
`amount:debit`, `amount:fee` and `amount:direction` of a payment.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from orders_pipeline.dictionary.model import FOLDER, Dictionary, Source, canonical_value, read_yaml
from orders_pipeline.dictionary.rules import condition_handles, operands
from orders_pipeline.ingest.suggest.tokens import Token, Wording

Slot = tuple[str, str]

#: Operators of a rule -> how surely a column under them *is* the field (product and difference make it of something else).
_DIRECTNESS = {"from": 1.0, "sum": 0.75, "absolute": 0.9, "negate": 0.9, "negative": 0.85, "concat": 0.7}
_LATER_FALLBACK = 0.8
_COMMON = "common wording"
#: A way of saying that is used for other things too.
_LOOSE = 0.88
#: What a use of a word loses that nearly nobody shares.
OUTVOTED = 0.25
_SPREAD = 0.82
#: What one of two names written together is worth.
_EITHER_NAME = 0.95
_MADE_UP = frozenset({"payment_id", "movement_id", "return_id"})
_AMOUNTS = frozenset(
    {
        "unit_price",
        "list_amount",
        "payable_amount",
        "paid_amount",
        "merchant_discount_amount",
        "platform_discount_amount",
        "amount",
    }
)
_SPLIT = {"credit": "amount:credit", "debit": "amount:debit"}


@dataclass(frozen=True)
class Named:
    """How well a name fits a slot, and the phrase that says so."""

    score: float
    phrase: str
    origin: str


@dataclass(frozen=True)
class _Phrase:
    text: str
    tokens: tuple[Token, ...]
    slot: Slot
    factor: float
    origin: str


#: Slots of what no field takes: always, or for every entity but one (`but_payments`).
UNNEEDED: Slot = ("", "always")


class Names:
    """Everything known about names, `without` the named sources (to measure how unknown files fare)."""

    def __init__(self, dictionary: Dictionary, without: Collection[str] = ()) -> None:
        self.dictionary = dictionary
        self.wording = wording()
        self.sources = [s for s in dictionary.sources.values() if not s.is_standard and s.name not in without]
        self._by_words: dict[tuple[Token, ...], list[_Phrase]] = {}
        for phrase in self._all_phrases():
            if phrase.tokens:
                self._by_words.setdefault(phrase.tokens, []).append(phrase)
        said: dict[tuple[str, ...], list[_Phrase]] = {}
        for words, phrases in self._by_words.items():
            said.setdefault(self.wording.sense(words), []).extend(phrases)
        self._by_words = {}
        for phrase in (p for phrases in said.values() for p in _by_vote(phrases)):
            self._by_words.setdefault(phrase.tokens, []).append(phrase)
        self._touched = {words: self.wording.touches(words, near=False) for words in self._by_words}
        self._cache: dict[str, Mapping[Slot, Named]] = {}
        self._words: dict[Slot, Mapping[str, str]] = {}

    def scores(self, name: str) -> Mapping[Slot, Named]:
        """Slot -> how well the name fits it; `UNNEEDED` stands for what no field takes."""
        found = self._cache.get(name)
        if found is None:
            found = self._cache[name] = self._score(name)
        return found

    def _score(self, name: str) -> dict[Slot, Named]:
        best = self._score_of(name)
        # Two names in one (`收货人/提货人`): what either of them says.
        for part in (p for p in re.split(r"[/／]|或", name) if len(p.strip()) > 1):
            if part == name or name.startswith("/"):
                break
            for slot, named in self._score_of(part).items():
                if slot not in best or named.score * _EITHER_NAME > best[slot].score:
                    best[slot] = replace(named, score=round(named.score * _EITHER_NAME, 4))
        return best

    def _score_of(self, name: str) -> dict[Slot, Named]:
        tokens = self.wording.tokens(name)
        says = self._says(tokens)
        best: dict[Slot, Named] = {}
        speaks = self.wording.touches(tokens)
        for words, phrases in self._by_words.items():
            if speaks.isdisjoint(self._touched[words]):
                continue  # no word of the one is like a word of the other
            alike = self.wording.similarity(tokens, words)
            if alike <= 0.25:
                continue
            for phrase in phrases:
                score = alike * phrase.factor * says
                if phrase.slot not in best or score > best[phrase.slot].score:
                    best[phrase.slot] = Named(round(score, 4), phrase.text, phrase.origin)
        return best

    def unneeded(self, name: str, entities: Collection[str]) -> float:
        """0 … 1: how well the name fits something that no field of these entities takes."""
        own = {f"but_{e}" for e in entities}
        here = {f"in_{e}" for e in entities}
        return max(
            (
                n.score
                for (entity, whom), n in self.scores(name).items()
                if not entity and whom not in own and (whom in here or not whom.startswith("in_"))
            ),
            default=0.0,
        )

    def beside(self, name: str, entities: Collection[str]) -> float:
        """0 … 1: how well the name fits what files of these entities carry beside their fields."""
        found = self.scores(name) if name.strip() else {}
        return max((found[slot].score for e in entities if (slot := ("", f"in_{e}")) in found), default=0.0)

    def _says(self, tokens: tuple[Token, ...]) -> float:
        """0.7 … 1: `Name` or `Id` alone may be anything, whichever source once used it."""
        return min(1.0, 0.5 + 0.6 * sum(self.wording.weight(t) for t in tokens))

    def _all_phrases(self) -> Iterator[_Phrase]:
        seen: set[tuple[Slot, str, float]] = set()
        for slot, text, factor, origin in self._sayings():
            if slot[1] == "raw_status" and origin != _COMMON and "status" in self.dictionary.entities[slot[0]].fields:
                continue  # beside a status it only takes what a second column says of it
            if (slot, text, factor) not in seen:
                seen.add((slot, text, factor))
                tokens = self.wording.tokens(text)
                yield _Phrase(text, tokens, slot, factor * self._says(tokens), origin)

    def _sayings(self) -> Iterator[tuple[Slot, str, float, str]]:
        for entity in self.dictionary.entities.values():
            for field in entity.fields:
                meaning = self.dictionary.field(entity.name, field)
                yield (entity.name, field), field, 0.97, "the standard's own name"
                yield (entity.name, field), meaning.zh, 0.97, "the standard's own name"
        for key, phrases in self.wording.spec["fields"].items():
            owner, _, field = key.rpartition(".")
            for entity in self.dictionary.entities.values():
                if (owner in ("", entity.name)) and field.partition(":")[0] in entity.fields:
                    for phrase in phrases:
                        yield (entity.name, field), phrase.lstrip("~"), _LOOSE if phrase.startswith("~") else 1.0, _COMMON
        for whom, groups in self.wording.spec["unneeded"].items():
            for phrase in (p for group in groups for p in group):
                yield ("", whom), phrase, 1.0, "carried by no standard field"
        for source in self.sources:
            for slot, handle, factor in fed_slots(source):
                for alias in source.columns.get(handle, ()):
                    yield slot, alias, factor, source.name

    # ---- words in cells

    def words_of(self, vocabulary_slot: Slot) -> Mapping[str, str]:
        """Known wordings of a coded field's values: canonical word -> code, of the vocabulary and of every known source."""
        if vocabulary_slot not in self._words:
            self._words[vocabulary_slot] = self._known_words(vocabulary_slot)
        return self._words[vocabulary_slot]

    def _known_words(self, vocabulary_slot: Slot) -> dict[str, str]:
        if vocabulary_slot[1] == "channel":
            return {canonical_value(str(word)): code for word, code in self.wording.spec["platforms"].items()}
        meaning = self.dictionary.field(*vocabulary_slot)
        known = dict(self.dictionary.aliases(meaning.vocabulary)) if meaning.vocabulary else {}
        if meaning.vocabulary:
            for code, entry in self.dictionary.vocabularies[meaning.vocabulary].items():
                for title in ("en", "zh"):
                    known.setdefault(canonical_value(str(entry.get(title, code))), code)
        votes: dict[str, dict[str, int]] = {}
        for source in self.sources:
            for word, code in _mapped_words(self.dictionary, source, meaning.vocabulary):
                counts = votes.setdefault(canonical_value(word), {})
                counts[code] = counts.get(code, 0) + 1
        for word, counts in votes.items():
            known.setdefault(word, max(sorted(counts), key=lambda c: counts[c]))
        return {w: c for w, c in known.items() if c != "unmapped" and not w.isdigit()}


def _by_vote(phrases: list[_Phrase]) -> list[_Phrase]:
    """Where sources use the same words for different fields of an entity, the many count more than the one."""
    votes: dict[Slot, dict[str, float]] = {}
    for phrase in phrases:
        given = votes.setdefault(phrase.slot, {})
        weight = phrase.factor * (2.0 if phrase.origin == _COMMON else 1.0)
        given[phrase.origin] = max(given.get(phrase.origin, 0.0), weight)
    total = {slot: sum(given.values()) for slot, given in votes.items()}
    most: dict[str, float] = {}
    for (entity, _), count in total.items():
        most[entity] = max(most.get(entity, 0.0), count)
    return [replace(p, factor=p.factor * (1 - OUTVOTED * (1 - total[p.slot] / most[p.slot[0]]))) for p in phrases]


@cache
def wording() -> Wording:
    """The wording file, read once."""
    return Wording(read_yaml(FOLDER / "wording.yml"))


def fed_slots(source: Source) -> Iterator[tuple[Slot, str, float]]:
    """(slot, handle, how directly) of every column that feeds a field of a source."""
    for block in source.blocks:
        parts = [(role or f, handle, factor) for f, rule in block.fields.items() for handle, factor, role in _rule_parts(rule)]
        if (block.fields.get("kind") or {}).get("value") == "fee":
            parts = [("amount:fee" if f in ("amount", *_SPLIT.values()) else f, handle, factor) for f, handle, factor in parts]
        feeds: dict[str, set[str]] = {}
        for field, handle, _ in parts:
            feeds.setdefault(handle, set()).add(field)
        for field, handle, factor in parts:
            # A price that is also the list price, the amount and what is payable says little about any of them.
            if field == "description" and factor < 1.0:
                continue  # whatever stands in where there is no text
            if field in _MADE_UP and handle in (block.fields[field].get("concat") or ()):
                continue  # a number put together because the file has none
            spread = _SPREAD if field in _AMOUNTS and len(feeds[handle] & _AMOUNTS) > 1 else 1.0
            yield (block.entity, field), handle, factor * spread


def _rule_parts(rule: Mapping[str, Any]) -> Iterator[tuple[str, float, str | None]]:
    for operator, role in _SPLIT.items():
        given = rule.get(operator)
        for handle in [given] if isinstance(given, str) else given or ():
            yield handle, 1.0, role
    for handle in condition_handles((rule.get("sign") or {}).get("minus") or {}):
        yield handle, 0.9, "amount:direction"
    for case in rule.get("first_match", ()):
        for key in case.get("when") or {}:
            if key not in ("present", "absent", "nonzero", "not", "matches"):
                yield key, 0.85, None
    for operator, directness in _DIRECTNESS.items():
        given = rule.get(operator)
        handles = [given] if isinstance(given, str) else list(given or ())
        extracted = 0.8 if "extract" in rule else 1.0
        for place, handle in enumerate(handles):
            if handle in operands(rule):
                yield handle, directness * extracted * (_LATER_FALLBACK if place else 1.0), None


def _mapped_words(dictionary: Dictionary, source: Source, vocabulary: str | None) -> Iterator[tuple[str, str]]:
    """(word, code) pairs by which a source translates into a vocabulary."""
    if vocabulary is None:
        return
    for block in source.blocks:
        for field, rule in block.fields.items():
            if dictionary.field(block.entity, field).vocabulary != vocabulary:
                continue
            for word, code in (rule.get("map") or {}).items():
                yield str(word), str(code)
            for case in rule.get("first_match", ()):
                when = case.get("when") or {}
                if len(when) != 1 or "value" not in case:
                    continue  # a word that only counts together with another column says nothing alone
                for key, words in when.items():
                    if key not in ("present", "absent", "nonzero", "not", "matches"):
                        for word in [words] if isinstance(words, str) else words:
                            yield str(word), str(case["value"])
