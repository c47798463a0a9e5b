"""From names, cells and relations to a proposal: which entity the rows are, and which column feeds which field, how surely.

For every (column, field) the evidence is summed as log-odds. A column's fields compete with one another and with "no field
takes this"; a field's columns compete among themselves. What is left after both is the confidence. The fields of an entity
are then dealt out by the assignment with the highest total, so that one column's second-best field may be another's best.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orders_pipeline.ingest.suggest.assign import SEVERAL, STAND_IN, assign
from orders_pipeline.ingest.suggest.evidence import related
from orders_pipeline.ingest.suggest.names import Names, Slot
from orders_pipeline.ingest.suggest.odds import concepts_of, confidence_of, evidence
from orders_pipeline.ingest.suggest.profile import Column, Profile
from orders_pipeline.ingest.suggest.relations import Relations
from orders_pipeline.ingest.suggest.settlement import kind_of, may_be_part

#: A field is proposed from this confidence on, listed as a candidate from the second one on.
PROPOSED, CANDIDATE = 0.62, 0.15
#: One a row can do without is proposed from here on: a gap costs less than a wrong figure.
OPTIONAL = 0.7
_WORTH_DEALING = 0.5
#: Scores of two readings this far apart: one is 2.7 times as probable as the other.
READING_SPREAD = 0.9
#: What a file of each kind consists of. Orders with their lines in one file are a kind of their own.
MODELS: tuple[tuple[str, ...], ...] = (
    ("orders",),
    ("orders", "order_lines"),
    ("order_lines",),
    ("payments",),
    ("shipments",),
    ("tracking",),
    ("inventory_snapshots",),
    ("inventory_movements",),
    ("returns",),
    ("inbound",),
    ("products",),
    ("reviews",),
    ("buyers",),
    ("promotions",),
    ("courier_rates",),
    ("warehouses",),
    ("categories",),
    ("postcodes",),
)
#: Written beside another field by themselves, or said once for the whole file.
_GIVEN = frozenset({"courier_name", "exported_at", "raw_channel_order_id"})
#: Share of filled cells from which a column needs no other to stand in.
_FILLED = 0.98
#: Fields of which one column decides what the rows are: the entity, and how much it speaks for it.
_DECISIVE = {
    "outbound_id": ("shipments", 5.0),
    "return_id": ("returns", 2.0),
    "disposition": ("returns", 3.0),
    "on_hand_qty": ("inventory_snapshots", 2.0),
    "payout_id": ("payments", 7.0),
    "label_printed_at": ("shipments", 5.0),
}
#: Rows of lines repeat their order's number, rows of orders do not: how much that speaks, in files of at least so many rows.
_REPEATS, _REPEATS_ROWS = 3.0, 8
#: How sure it is that columns that make up the net in every row are its parts; of one without a figure only its name speaks.
_ADDS_UP, _NAMED_LIKE_A_PART = 0.95, 0.7
#: What rows with so many amounts speak for money that is settled: orders have a handful.
_MANY_PARTS, _FEES, _FOR_SETTLEMENT = 4, 2, 6.0
_SETTLED = 2.0
#: What an amount nobody takes speaks against a kind of file that has no money, and how many of them count.
_STRAY_AMOUNT, _STRAYS_MAX = 0.35, 6
_MONEYLESS = frozenset(
    {"shipments", "tracking", "inventory_snapshots", "inventory_movements", "inbound", "warehouses", "categories", "postcodes",
     "buyers", "reviews"}
)  # fmt: skip
#: Faint likenesses, however many, make no kind of file: a share of 0.3 counts as 0.16.
_FAINT = 1.5
#: Fields that stand in where the file has no column for a required one.
_FOR_REQUIRED = ("paid_amount", "paid_at", "product_title", "platform_txn_id", "return_id")
_PAYMENT_ROLES = ("amount:credit", "amount:debit", "amount:fee", "amount:direction")
#: Fields whose lack makes an entity improbable even where the standard can do without.
_TELLING = {
    "returns": ("return_id", "requested_at", "reason", "refund_amount"),
    "payments": ("payment_id", "amount", "occurred_at"),
    "tracking": ("waybill_id", "occurred_at", "description"),
    "shipments": ("outbound_id", "sku", "quantity"),
    "inventory_snapshots": ("sku", "on_hand_qty"),
    "inventory_movements": ("movement_id", "sku", "quantity", "occurred_at"),
    "inbound": ("inbound_id", "sku", "quantity"),
}


@dataclass(frozen=True)
class Candidate:
    """A field a column may feed, how surely (0 … 1), and why."""

    field: str
    confidence: float
    evidence: tuple[str, ...]


@dataclass
class Choice:
    """What is proposed for one column: a field, an open question with its candidates, or nothing."""

    column: Column
    outcome: str
    candidates: list[Candidate] = field(default_factory=list)

    @property
    def field(self) -> str | None:
        return self.candidates[0].field if self.outcome == "proposed" else None

    @property
    def confidence(self) -> float:
        return self.candidates[0].confidence if self.candidates else 0.0


@dataclass
class Reading:
    """The file read as rows of these entities."""

    entities: tuple[str, ...]
    choices: list[Choice]
    score: float
    missing: list[str]

    def columns_of(self, name: str) -> list[Column]:
        """The columns proposed for a field, surest first."""
        found = [c for c in self.choices if c.field == name]
        return [c.column for c in sorted(found, key=lambda c: (-c.confidence, c.column.index))]


def readings(names: Names, profile: Profile, relations: Relations, title: str = "") -> list[Reading]:
    """The file as each kind of file, best first. `title`: what file name, sheet and preamble say."""
    cues = _cues(names, [c.name for c in profile.columns], title)
    found = [_reading(names, profile, relations, model, cues) for model in MODELS]
    found.sort(key=lambda r: -r.score)
    _doubt(found)
    return found


def _doubt(found: list[Reading]) -> None:
    """What is proposed is as sure as the readings that propose it: a field only orders have is no surer than the orders."""
    best = found[0]
    weights = [math.exp((r.score - best.score) / READING_SPREAD) for r in found]
    total = sum(weights)
    for place, choice in enumerate(best.choices):
        listed = []
        for candidate in choice.candidates:
            name = candidate.field.partition(":")[0]
            backed = sum(
                w
                / total
                * max((k.confidence for k in r.choices[place].candidates if k.field.partition(":")[0] == name), default=0.0)
                for w, r in zip(weights, found, strict=True)
            )
            listed.append(replace(candidate, confidence=round(min(candidate.confidence, backed), 3)))
        choice.candidates = listed
        if choice.outcome == "proposed" and listed[0].confidence < PROPOSED:
            choice.outcome = "unsure"
    best.missing = sorted(f for f in best.missing if not any(c.field == f for c in best.choices))


def _cues(names: Names, headers: Sequence[str], title: str) -> Mapping[str, float]:
    """Entity -> how strongly single words of header and title speak for it."""
    wording = names.wording
    in_header = {c for h in headers for t in wording.tokens(h) for c in t.concepts}
    in_title = {c for t in wording.tokens(title) for c in t.concepts}
    score = {}
    for entity, words in wording.spec["cues"].items():
        score[entity] = sum(w * ((c in in_header) + 1.5 * (c in in_title)) for c, w in words.items())
    return score


def slots_of(names: Names, entities: Collection[str]) -> dict[str, list[Slot]]:
    """Field (or role) -> the slots it stands for in these entities."""
    slots: dict[str, list[Slot]] = {}
    for entity in entities:
        fields = list(names.dictionary.entities[entity].fields)
        if entity == "payments":
            fields += _PAYMENT_ROLES
        for name in fields:
            if name == "channel" and entity != "shipments":
                continue  # one export, one channel; only a warehouse ships for several
            if name not in _GIVEN and not (name in ("shop_id", "account") and entity in ("orders", "order_lines")):
                slots.setdefault(name, []).append((entity, name))
    if "order_lines" in entities and "orders" in entities:
        slots.pop("line_no", None)
    if "status_code" in slots:
        slots.pop("raw_status", None)
    return slots


def _reading(
    names: Names, profile: Profile, relations: Relations, entities: tuple[str, ...], cues: Mapping[str, float]
) -> Reading:
    slots = slots_of(names, entities)
    odds, reasons = evidence(names, profile, slots)
    confidence = confidence_of(names, profile, entities, odds)
    roles = _first_choice(confidence)
    for column in profile.columns:
        for name, places in slots.items():
            for more, why in related(column, places[0], relations, roles):
                if (column.index, name) in odds:
                    odds[column.index, name] += more
                    reasons[column.index, name].append(why)
    _in_order(profile, relations, roles, odds, reasons)
    if entities == ("payments",) and relations.net:
        _when_settled(names, profile, odds)
    confidence = confidence_of(names, profile, entities, odds)
    if entities == ("payments",):
        _take_parts(names, profile, relations, confidence, reasons)
    bars = {f: PROPOSED for e in entities for f in (*names.dictionary.entities[e].required, *_PAYMENT_ROLES, *_FOR_REQUIRED)}
    choices = _choose(profile, confidence, reasons, bars)
    return _judge(names, profile, entities, choices, cues)


def _take_parts(names: Names, profile: Profile, relations: Relations, confidence: dict, reasons: dict) -> None:
    """The parts of the rows' net, and the net itself, instead of whatever else these columns might be."""
    net = relations.net
    if net is None or (len(net.parts) == 2 and frozenset(net.parts) in relations.exclusive):
        return  # what came in and what went out, one of them in a row, is one amount
    roles = dict.fromkeys(net.parts, ("amount:part", _ADDS_UP, "with the others it makes the net of every row"))
    roles[net.column] = ("amount:net", _ADDS_UP, f"it is the sum of {len(net.parts)} other amounts in every row")
    if len(net.parts) >= _MANY_PARTS:
        for column in profile.columns:
            silent = column.index not in roles and (not column.count or _is_zero(column))
            if silent and may_be_part(column, names.wording):
                why = "named like a part of the net; no row at hand has a figure in it"
                roles[column.index] = ("amount:part", _NAMED_LIKE_A_PART, why)
    for index, name in [key for key in confidence if key[0] in roles or key[1].startswith("amount")]:
        del confidence[index, name]
    for column in profile.columns:
        # Where each order has a row, its number is the order's: the rows' own number is made of it.
        own, order = (column.index, "payment_id"), (column.index, "channel_order_id")
        if own in confidence and order in confidence and "order" in concepts_of(names, column):
            confidence[order] = max(confidence[order], confidence.pop(own))
    for index, (name, sure, why) in roles.items():
        confidence[index, name] = sure
        reasons[index, name] = [why]


def _when_settled(names: Names, profile: Profile, odds: dict) -> None:
    """Of the times in a settlement the one that counts is when the money moved, not when the order was placed."""
    for column in profile.columns:
        key = (column.index, "occurred_at")
        if key in odds:
            said = concepts_of(names, column)
            odds[key] += _SETTLED if said & {"settle", "ledger"} else -_SETTLED if said & {"create", "order"} else 0.0


def _is_zero(column: Column) -> bool:
    return all(s.strip("0.,- ") == "" for s in column.samples)


def _first_choice(confidence: Mapping[tuple[int, str], float]) -> dict[int, str]:
    best: dict[int, tuple[float, str]] = {}
    for (index, name), value in confidence.items():
        if value >= 0.3 and (index not in best or value > best[index][0]):
            best[index] = (value, name)
    return {i: n for i, (_, n) in best.items()}


_SEQUENCE = ("created_at", "paid_at", "shipped_at", "completed_at")


def _in_order(profile: Profile, relations: Relations, roles: Mapping[int, str], odds, reasons) -> None:
    """created ≤ paid ≤ shipped ≤ completed: backs those that keep the order, doubts those that break it."""
    places = {name: i for i, name in roles.items() if name in _SEQUENCE}
    for earlier, later in ((a, b) for i, a in enumerate(_SEQUENCE) for b in _SEQUENCE[i + 1 :]):
        if earlier not in places or later not in places:
            continue
        share = relations.before.get((places[earlier], places[later]))
        if share is None:
            continue
        for name in (earlier, later):
            key = (places[name], name)
            if share >= 0.95:
                odds[key] += 0.25
                reasons[key].append(f"{earlier} ≤ {later} in {share:.0%} of rows")
            elif share < 0.5:
                odds[key] -= 1.5
                reasons[key].append(f"{earlier} ≤ {later} in only {share:.0%} of rows")


def _choose(
    profile: Profile, confidence: Mapping[tuple[int, str], float], reasons: Mapping, bars: Mapping[str, float]
) -> list[Choice]:
    """A field for each column as far as one is sure enough; `bars`: fields with a bar lower than `OPTIONAL`."""
    fields = sorted({name for _, name in confidence})
    wanted = [f for f in fields if f not in SEVERAL]
    # What would not be proposed is nothing to be dealt out: two faint pairs must not outbid a sure one.
    gain = [[max(0.0, confidence.get((c.index, name), 0.0) - _WORTH_DEALING) for c in profile.columns] for name in wanted]
    dealt = assign(gain)
    given: dict[int, str] = {}
    for name, place in zip(wanted, dealt, strict=True):
        if place is not None:
            given[profile.columns[place].index] = name
    for (index, name), value in sorted(confidence.items(), key=lambda item: -item[1]):
        if name in SEVERAL and value > confidence.get((index, given.get(index, "")), 0.0):
            given[index] = name
    _only_the_surest(profile, given, confidence)
    if not any(n == "amount:debit" and confidence[i, n] >= CANDIDATE for i, n in given.items()):
        # Income without a column for what goes out is simply the amount.
        for index in [i for i, n in given.items() if n == "amount:credit"]:
            given[index] = "amount"
            confidence = {**confidence, (index, "amount"): confidence[index, "amount:credit"]}
            reasons.setdefault((index, "amount"), reasons[index, "amount:credit"])
    choices = []
    for column in profile.columns:
        index = column.index
        ranked = sorted(((v, n) for (i, n), v in confidence.items() if i == index and v >= CANDIDATE), reverse=True)
        mine = given.get(index)
        ranked.sort(key=lambda pair: (pair[1] != mine, -pair[0]))
        listed = [Candidate(n, round(v, 3), tuple(reasons[index, n])) for v, n in ranked[:3]]
        sure = bool(listed) and listed[0].field == mine and listed[0].confidence >= bars.get(listed[0].field, OPTIONAL)
        outcome = "proposed" if sure else "unsure" if listed else "not needed"
        choices.append(Choice(column, outcome, listed))
    return choices


def _only_the_surest(profile: Profile, given: dict[int, str], confidence: Mapping[tuple[int, str], float]) -> None:
    """Of several columns for a field of which the first filled one counts, those after the surest only where it has gaps."""
    for name in STAND_IN:
        ranked = sorted((i for i, n in given.items() if n == name), key=lambda i: (-confidence[i, name], i))
        if ranked and profile.columns[ranked[0]].filled >= _FILLED:
            for index in ranked[1:]:
                del given[index]


def _judge(
    names: Names, profile: Profile, entities: tuple[str, ...], choices: list[Choice], cues: Mapping[str, float]
) -> Reading:
    """How well a file fits a kind: the fields it gives, those it owes, and the words that speak for it."""
    best: dict[str, float] = {}
    for choice in choices:
        if choice.candidates:
            top = choice.candidates[0]
            best[top.field] = max(best.get(top.field, 0.0), top.confidence)
    for role in ("amount:credit", "amount:net"):
        best["amount"] = max(best.get("amount", 0.0), best.get(role, 0.0))
    required = {f for e in entities for f in names.dictionary.entities[e].required}
    required -= {"channel", "shop_id", "account", "currency", "warehouse_id", "courier_code"}
    telling = {f for e in entities for f in _TELLING.get(e, ())}
    score = 0.0
    for name, value in best.items():
        entity, speaks = _DECISIVE.get(name, ("", 0.0))
        if value >= PROPOSED and entity in entities:
            score += speaks * value
        score += value**_FAINT * (2.0 if name in required else 1.6 if name in telling else 1.0)
    if (
        "quantity" in required
        and best.get("sku", 0.0) >= CANDIDATE
        and best.get("sub_order_id", best.get("line_no", 0.0)) >= CANDIDATE
    ):
        required.discard("quantity")  # a row for every piece
    if best.get("product_title", 0.0) >= PROPOSED:
        required.discard("sku")  # the title stands in
    missing = sorted(f for f in required if best.get(f, 0.0) < CANDIDATE)
    score -= 2.0 * len(missing) + sum(1.2 for f in telling if best.get(f, 0.0) < CANDIDATE and f not in missing)
    score += max(cues.get(e, 0.0) for e in entities)
    if set(entities) <= _MONEYLESS:
        strays = sum(c.column.count > 0 and c.column.share("decimals") > 0.9 and c.column.share("number") > 0.9 for c in choices)
        score -= _STRAY_AMOUNT * min(strays, _STRAYS_MAX)
    numbers = [c.column for c in choices if c.field == "channel_order_id"]
    if numbers and numbers[0].count >= _REPEATS_ROWS and "orders" in entities:
        score += _REPEATS * ((len(entities) > 1) != numbers[0].unique)
    parts = [c.column for c in choices if c.field == "amount:part"]
    if len(parts) >= _MANY_PARTS and sum(kind_of(c, names.wording, 1) == "fee" for c in parts) >= _FEES:
        score += _FOR_SETTLEMENT
    owed = sorted(f for f in required if not any(c.field == f for c in choices))
    return Reading(entities, choices, round(score, 3), owed)


def explained(reading: Reading) -> Iterator[tuple[str, str, float]]:
    """(column name, outcome or field, confidence) of every column, in file order."""
    for choice in reading.choices:
        yield choice.column.name, choice.field or choice.outcome, choice.confidence
