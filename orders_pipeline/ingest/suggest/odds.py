"""How likely each column is each field: log-odds of names and cells, and the shares after all columns and fields had theirs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence

from orders_pipeline.ingest.suggest.assign import dealt_shares
from orders_pipeline.ingest.suggest.evidence import IMPOSSIBLE, shape
from orders_pipeline.ingest.suggest.names import Named, Names, Slot
from orders_pipeline.ingest.suggest.profile import Column, Profile

#: Log-odds of a name: STEEPNESS × (likeness - EVEN). At EVEN it says neither yes nor no.
STEEPNESS, EVEN = 11.0, 0.58
#: How much a file without a column for a required field is less to be expected than one without another.
_REQUIRED = 0.25
#: Weight of a word up to which two names that differ in it alone are one.
_SAYS_NOTHING = 0.1
#: What gaps take from a column for a required field, and the share of filled rows from which it has none.
_HAS_GAPS, _MOSTLY = -0.7, 0.9
_BORNE, _NOT_THE_ORDER, _OWN_CODE, _PIECES = 1.0, 2.0, 0.6, 3.0
_MONEY = frozenset({"amount", "price", "fee", "pay", "payable", "total", "discount", "refund"})
#: Words of the money itself in the name of a number.
_MOVED = frozenset({"pay", "trade", "ledger", "settle", "refund", "payout"})


def evidence(names: Names, profile: Profile, slots: Mapping[str, list[Slot]]):
    odds: dict[tuple[int, str], float] = {}
    reasons: dict[tuple[int, str], list[str]] = {}
    needed = {name: _groups(words) for name, words in names.wording.spec["needs"].items()}
    said_as = _said_as(names, profile)
    gross = any("gross" in concepts_of(names, c) for c in profile.columns)
    own = tuple(w for w in names.wording.spec["words"]["merchant"] if len(w) > 1)
    prefix = _common_prefix([c.name for c in profile.columns if c.name.strip()])
    for column in profile.columns:
        known = dict(names.scores(said_as[column.index])) if column.name.strip() else {}
        if prefix and column.name.startswith(prefix) and column.name != prefix:
            for slot, named in names.scores(column.name[len(prefix) :]).items():
                if slot not in known or named.score > known[slot].score:
                    known[slot] = named
        said = concepts_of(names, column)
        for name, places in slots.items():
            named = max((known[p] for p in places if p in known), key=lambda n: n.score, default=None)
            if named is None:
                continue
            if name in needed and not all(group & said for group in needed[name]):
                continue
            cells, why = shape(names, profile, column, places[0])
            total = STEEPNESS * (named.score - EVEN) + cells + _whole_or_part(names, column, name, slots)
            total += _gaps(names, column, places) + _hints(said, name, gross)
            total += _OWN_CODE if name == "sku" and any(w in column.name.lower() for w in own) else 0.0
            if cells > IMPOSSIBLE and total > -4.0:
                odds[column.index, name] = total
                reasons[column.index, name] = [_named(named), why]
    return odds, reasons


def _groups(words: Sequence[str | Sequence[str]]) -> list[set[str]]:
    """Words of which a name must have one; of a list of lists one of each."""
    return [set(group) for group in words] if words and isinstance(words[0], list) else [set(words)]


def _said_as(names: Names, profile: Profile) -> dict[int, str]:
    """What each name is taken to say: where no column speaks of orders, the invoice (basket, receipt) is the order."""
    wording = names.wording
    stand_ins = set(wording.spec["order_stand_ins"])
    if any("order" in concepts_of(names, c) for c in profile.columns):
        return {c.index: c.name for c in profile.columns}
    return {
        c.index: " ".join("order" if t.concepts & stand_ins else t.text for t in wording.tokens(c.name))
        if stand_ins & concepts_of(names, c)
        else c.name
        for c in profile.columns
    }


def _gaps(names: Names, column: Column, places: Sequence[Slot]) -> float:
    """What every row must have is rather the column that has it in every row."""
    entity, name = places[0]
    return _HAS_GAPS if name in names.dictionary.entities[entity].required and 0 < column.filled < _MOSTLY else 0.0


def _hints(said: set[str], name: str, gross: bool) -> float:
    """What single words decide between columns that are both named like the field."""
    if name in ("merchant_discount_amount", "platform_discount_amount") and {"bear", "real"} & said:
        return _BORNE  # of discounts what was borne in the end counts
    if name.startswith("amount") and gross and "net" in said:
        return -_BORNE  # fees are movements of their own beside the gross amount: the net would count them twice
    if "amount" in name and "quantity" in said and not said & _MONEY:
        return -_PIECES
    if name == "payment_id" and "order" in said and not said & _MOVED:
        return -_NOT_THE_ORDER  # an order has several movements
    return 0.0


def _whole_or_part(names: Names, column: Column, name: str, slots: Mapping[str, list[Slot]]) -> float:
    """A quantity beside lines is the line's unless its name says total; a status is the order's unless its name says line."""
    if name == "line_status" and "status" in slots:
        parts = {"line", "sub", "goods", "sku"}
        return 0.0 if any(parts & t.concepts for t in names.wording.tokens(column.name)) else -6.0
    if name not in ("quantity", "item_quantity"):
        return 0.0
    total = any("total" in t.concepts for t in names.wording.tokens(column.name))
    if name == "quantity":
        return -2.0 if total and "item_quantity" in slots else 0.0
    return 0.0 if total else -6.0 if "quantity" in slots else -1.0


def _common_prefix(headers: Sequence[str]) -> str:
    """A first word nearly all names share (`review_score`, `review_title` …): it tells them apart from nothing."""
    first: dict[str, int] = {}
    for header in headers:
        match = re.match(r"[A-Za-z]+[_. -]", header)
        if match:
            first[match[0]] = first.get(match[0], 0) + 1
    best = max(first, key=lambda p: first[p], default="")
    return best if best and len(headers) >= 3 and first[best] >= 0.6 * len(headers) else ""


def _named(named: Named) -> str:
    return f"name like '{named.phrase}' ({named.origin}) {named.score:.2f}"


def confidence_of(
    names: Names, profile: Profile, entities: Collection[str], odds: Mapping[tuple[int, str], float]
) -> dict[tuple[int, str], float]:
    """Log-odds to shares: what a column gives a field after its other fields, and the field's other columns, had theirs."""
    alone = {}
    said_as = _said_as(names, profile)
    for column in profile.columns:
        text = said_as[column.index]
        other = names.unneeded(text, entities) if text.strip() else 0.0
        best = max((n.score for (entity, _), n in names.scores(text).items() if entity in entities), default=0.0)
        # A name that is a field's own is not what something else is nearly called.
        alone[column.index] = max(0.0, STEEPNESS * (min(other, 2 * other - best) - EVEN) + 0.6)
    required = {f for e in entities for f in names.dictionary.entities[e].required}
    edges = {(index, name): math.exp(value - alone[index]) for (index, name), value in odds.items()}
    return dealt_shares(edges, {name: _REQUIRED if name in required else 1.0 for _, name in edges}, _twins(names, profile))


def _twins(names: Names, profile: Profile) -> dict[int, object]:
    """What each name says without the words that say nearly nothing: platform, zone, unit of measure."""
    wording = names.wording
    said = {
        c.index: tuple(t.concepts or t.text for t in wording.tokens(c.name) if wording.weight(t) > _SAYS_NOTHING)
        for c in profile.columns
    }
    return {index: words or index for index, words in said.items()}


def concepts_of(names: Names, column: Column) -> set[str]:
    return {concept for token in names.wording.tokens(column.name) for concept in token.concepts}
