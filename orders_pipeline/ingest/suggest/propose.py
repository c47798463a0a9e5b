"""From names, cells and relations to a proposal: which entity the rows are, and which column feeds which field, how surely.

For every (column, field) the evidence is summed as log-odds. A column's fields compete with one another and with "no field
takes this"; a field's columns compete among themselves. What is left after both is the confidence. The fields of an entity
are then dealt out by the assignment with the highest total, so that one column's second-best field may be another's best.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from orders_pipeline.ingest.suggest.assign import SEVERAL, STAND_IN, assign
from orders_pipeline.ingest.suggest.companions import take_companions
from orders_pipeline.ingest.suggest.due import find_due
from orders_pipeline.ingest.suggest.evidence import related
from orders_pipeline.ingest.suggest.hints import BARE_NUMBER, NUMBERS, concepts_of
from orders_pipeline.ingest.suggest.kinds import (
    CANDIDATE,
    FILLED,
    MANY_PARTS,
    MODELS,
    OPTIONAL,
    PROPOSED,
    Candidate,
    Choice,
    Reading,
    cues_of,
    judge,
)
from orders_pipeline.ingest.suggest.names import Names, Slot
from orders_pipeline.ingest.suggest.odds import confidence_of, evidence
from orders_pipeline.ingest.suggest.profile import Column, Profile
from orders_pipeline.ingest.suggest.relations import UNIT, Relations
from orders_pipeline.ingest.suggest.settlement import may_be_part

_WORTH_DEALING = 0.5
#: From where on a column is taken for a required field no other is taken for, and how many times as sure as the next it must be.
_BEST_THERE_IS, _AHEAD = 0.4, 1.6
#: Scores of two readings this far apart: one is 2.7 times as probable as the other.
READING_SPREAD = 0.9
#: Written beside another field by themselves, or said once for the whole file.
_GIVEN = frozenset({"courier_name", "exported_at", "raw_channel_order_id"})
#: How sure a second column must be to stand in for one without gaps: a later file may have some.
_SURE = 0.9
#: How sure it is that columns that make up the net in every row are its parts; of one without a figure only its name speaks;
#: and of what is left to the person.
_ADDS_UP, _NAMED_LIKE_A_PART, _OPEN = 0.95, 0.7, 0.5
_SETTLED = 2.0
#: Log-odds of a column for the price, of which nothing but a product speaks, and for the goods' amount of one named like a price.
_PRICED, _MULTIPLIED = 1.6, 3.0
#: What is taken off what the merchant gets, not off what the buyer owes.
_KEPT_BACK = frozenset({"fee", "freight", "tax", "rate", "settle"})
_GIVEN_AWAY = frozenset({"discount", "coupon", "promotion", "points", "bear", "agreed price"})
_FUNDERS = ("merchant_discount_amount", "platform_discount_amount")
#: What a column between goods and amount due may be named like.
_BETWEEN = frozenset({*_FUNDERS, "freight_amount", "refunded_amount", "deposit_amount"})
#: A movement's kind describes it where nothing else does: a column named like a description is proposed from here on.
_BESIDE_KIND = 0.6
#: Fields that stand in where the file has no column for a required one, and the words beside a status.
_FOR_REQUIRED = ("paid_amount", "paid_at", "product_title", "platform_txn_id", "return_id", "raw_status")
#: What all rows of an order share, what it takes off a column that differs among them, and from which share of the orders on.
_SHARED = frozenset(
    {"platform_txn_id", "buyer_name", "buyer_account", "buyer_ref", "address", "province",
     "city", "district", "buyer_note", "seller_note"}
)  # fmt: skip
_DIFFERS, _SOMETIMES = 6.0, 0.34
#: Words of a number that may be the row's own, where the order's repeats.
_ROW_NUMBER = frozenset({"number", "code", "trade", "movement", "line", "sub"})
_PAYMENT_ROLES = ("amount:credit", "amount:debit", "amount:fee", "amount:direction")


def readings(names: Names, profile: Profile, relations: Relations, title: str = "") -> list[Reading]:
    """The file as each kind of file, best first. `title`: what file name, sheet and preamble say."""
    cues = cues_of(names, [c.name for c in profile.columns], title)
    found = [_reading(names, profile, relations, model, cues) for model in MODELS]
    found.sort(key=lambda r: -r.score)
    _doubt(found)
    take_companions(names, found[0])
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
    best.missing = best.owed()
    _take_for_required(best)
    best.missing = best.owed()


def _take_for_required(reading: Reading) -> None:
    """A field every row must have comes from a column that is well ahead of all others, though not sure by itself.

    A person answers the question with the same column; the proposal says how sure it is.
    """
    for name in set(reading.missing) - NUMBERS:
        wanted = sorted(
            ((k.confidence, -c.column.index, c) for c in reading.choices for k in c.candidates[:1] if k.field == name),
            reverse=True,
        )
        rest = (
            max(
                (k.confidence for c in reading.choices for k in c.candidates if k.field == name and c is not wanted[0][2]),
                default=0.0,
            )
            if wanted
            else 0.0
        )
        if wanted and wanted[0][0] >= max(_BEST_THERE_IS, _AHEAD * rest) and wanted[0][2].outcome == "unsure":
            wanted[0][2].outcome = "proposed"


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
    confidence = confidence_of(names, profile, entities, odds, relations.same)
    roles = _first_choice(confidence)
    for column in profile.columns:
        for name, places in slots.items():
            for more, why in related(column, places[0], relations, roles):
                if (column.index, name) in odds:
                    odds[column.index, name] += more
                    reasons[column.index, name].append(why)
    _priced(profile, relations, roles, slots, odds, reasons)
    _in_order(profile, relations, roles, odds, reasons)
    _within_orders(names, profile, relations, confidence, slots, odds, reasons)
    if entities == ("payments",) and relations.net:
        _when_settled(names, profile, odds)
    confidence = confidence_of(names, profile, entities, odds, relations.same)
    if entities == ("payments",):
        _take_parts(names, profile, relations, confidence, reasons)
    bars = {"description": _BESIDE_KIND} if entities == ("payments",) else {}
    bars |= {f: PROPOSED for e in entities for f in (*names.dictionary.entities[e].required, *_PAYMENT_ROLES, *_FOR_REQUIRED)}
    several = SEVERAL
    if "payable_amount" in slots and _take_discounts(names, profile, relations, entities, confidence, reasons):
        several = SEVERAL | {*_FUNDERS}
    choices = _choose(profile, confidence, reasons, bars, several)
    return judge(names, entities, choices, cues)


def _priced(profile: Profile, relations: Relations, roles: Mapping[int, str], slots: Collection[str], odds, reasons) -> None:
    """A column that times the quantity gives another one is a price of a piece, whatever its name: where none is named so.

    And one named like a price that is always a multiple of the quantity is what the line's goods come to.
    """
    for amount, quantity in relations.multiples:
        if roles.get(amount) == "unit_price" and roles.get(quantity) == "quantity" and "list_amount" not in roles.values():
            key = (amount, "list_amount")
            odds[key] = max(odds.get(key, 0.0), _MULTIPLIED)
            reasons[key] = [*reasons.get(key, ()), "a multiple of the quantity in every row"]
    if "unit_price" not in slots or "unit_price" in roles.values():
        return
    for price, quantity, _ in relations.products:
        if roles.get(quantity) == "quantity" and price not in roles:
            key = (price, "unit_price")
            odds[key] = max(odds.get(key, 0.0), _PRICED)
            reasons[key] = [*reasons.get(key, ()), "times the quantity it gives another amount"]


def _within_orders(
    names: Names, profile: Profile, relations: Relations, confidence: Mapping, slots: Collection[str], odds, reasons
) -> None:
    """What the rows of an order must share, and what tells them apart: a file of lines repeats the one, the other is theirs."""
    keys = [(sure, i) for (i, name), sure in confidence.items() if name == "channel_order_id" and i in relations.differs_in]
    if "sub_order_id" not in slots or not keys or max(keys)[0] < _BEST_THERE_IS:
        return
    key = max(keys)[1]
    differs = relations.differs_in[key]
    for index, name in odds:
        if name in _SHARED and differs[index] > _SOMETIMES:
            odds[index, name] -= _DIFFERS
            reasons[index, name].append("differs among the rows of an order")
        elif name == "sub_order_id" and differs[index] < _SOMETIMES:
            odds[index, name] -= _DIFFERS
            reasons[index, name].append("the same in all rows of an order")
    for column in profile.columns:
        said = concepts_of(names, column)
        known = all(t.concepts for t in names.wording.tokens(column.name))
        if column.unique and column.share("id") >= FILLED and known and "number" in said and said <= _ROW_NUMBER:
            if odds.get((column.index, "sub_order_id"), 0.0) < BARE_NUMBER:
                odds[column.index, "sub_order_id"] = BARE_NUMBER
                reasons[column.index, "sub_order_id"] = ["another number in every row, where orders have several"]
            odds.pop((column.index, "channel_order_id"), None)


def _take_parts(names: Names, profile: Profile, relations: Relations, confidence: dict, reasons: dict) -> None:
    """The parts of the rows' net, and the net itself, instead of whatever else these columns might be."""
    net = relations.net
    if net is None or (len(net.parts) == 2 and frozenset(net.parts) in relations.exclusive):
        return  # what came in and what went out, one of them in a row, is one amount
    roles = dict.fromkeys(net.parts, ("amount:part", _ADDS_UP, "with the others it makes the net of every row"))
    for column in (net.column, *(() if net.out is None else (net.out,))):
        roles[column] = ("amount:net", _ADDS_UP, f"it is the sum of {len(net.parts)} other amounts in every row")
    if len(net.parts) >= MANY_PARTS:
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


def _take_discounts(
    names: Names, profile: Profile, relations: Relations, entities: Collection[str], confidence: dict, reasons: dict
) -> bool:
    """What was taken off the goods' amount, where the figures show it, instead of whatever else. Whether they do."""
    roles = _first_choice(confidence)
    of_role = {name: index for index, name in roles.items() if index in relations.values}
    goods = [relations.values[of_role["list_amount"]]] if "list_amount" in of_role else []
    if {"unit_price", "quantity"} <= of_role.keys():
        goods.append(relations.values[of_role["unit_price"]] * relations.values[of_role["quantity"]] // UNIT)
    dues = [of_role[name] for name in ("payable_amount", "paid_amount") if name in of_role]
    named = [i for i in relations.values if roles.get(i, "freight_amount") in _BETWEEN]
    due = find_due(relations.values, dues or sorted(named, key=lambda i: -relations.values[i].sum()), goods, named)
    taken = [profile.columns[i] for i, sign in due.parts.items() if sign < 0] if due else []
    kept_back = [c for c in taken if concepts_of(names, c) & _KEPT_BACK and not concepts_of(names, c) & _GIVEN_AWAY]
    if dues and kept_back:
        return False  # what fees are taken off is the merchant's income, not the amount due
    if not dues:  # what nobody calls the amount due may be that income: then only what is named so was taken off for the buyer
        taken = [c for c in taken if concepts_of(names, c) & _GIVEN_AWAY]
    if not taken:
        return False
    funders = {c.index: _funder(names, c, entities) for c in taken}
    for index, name in [key for key in confidence if key[0] in funders or key[1] in _FUNDERS]:
        del confidence[index, name]
    for index, (name, sure) in funders.items():
        confidence[index, name] = sure
        reasons[index, name] = ["what lies between goods and amount due is made of it, to the cent"]
    if not dues and "settle" not in concepts_of(names, profile.columns[due.column]):
        confidence[due.column, "payable_amount"] = _NAMED_LIKE_A_PART
        reasons[due.column, "payable_amount"] = ["goods with what is added and taken off come to it, to the cent"]
    return True


def _funder(names: Names, column: Column, entities: Collection[str]) -> tuple[str, float]:
    """Who bears a discount, by its name: the platform where it says so, else the merchant, whose shop it is.

    Points are the platform's in one place and the merchant's in another: that is left to the person.
    """
    scores = names.scores(column.name)
    likeness = {
        name: max((n.score for (entity, field), n in scores.items() if field == name and entity in entities), default=0.0)
        for name in _FUNDERS
    }
    merchant, platform = (likeness[name] for name in _FUNDERS)
    said = concepts_of(names, column)
    if "points" in said and not said & {"merchant", "platform"}:
        return _FUNDERS[0], _OPEN
    if said & {"platform", "proper"} and "merchant" not in said:
        return _FUNDERS[1], _ADDS_UP
    return (_FUNDERS[0], _ADDS_UP) if "merchant" in said else (_FUNDERS[merchant < platform], _NAMED_LIKE_A_PART)


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
    profile: Profile,
    confidence: Mapping[tuple[int, str], float],
    reasons: Mapping,
    bars: Mapping[str, float],
    several: Collection[str],
) -> list[Choice]:
    """A field for each column as far as one is sure enough.

    bars: fields with a bar lower than `OPTIONAL`; several: those that several columns may feed.
    """
    fields = sorted({name for _, name in confidence})
    wanted = [f for f in fields if f not in several]
    # What would not be proposed is nothing to be dealt out: two faint pairs must not outbid a sure one.
    gain = [[max(0.0, confidence.get((c.index, name), 0.0) - _WORTH_DEALING) for c in profile.columns] for name in wanted]
    dealt = assign(gain)
    given: dict[int, str] = {}
    for name, place in zip(wanted, dealt, strict=True):
        if place is not None:
            given[profile.columns[place].index] = name
    for (index, name), value in sorted(confidence.items(), key=lambda item: -item[1]):
        mine = given.get(index, "")
        # The words of a status stand beside it by themselves: a column that can be the status is.
        beside = name == "raw_status" and mine in ("status", "status_code") and confidence[index, mine] >= PROPOSED
        if name in several and not beside and value > confidence.get((index, mine), 0.0):
            given[index] = name
    for index in [i for i, n in given.items() if n == "description" and "kind" not in given.values()]:
        if confidence.get((index, "kind"), 0.0) >= PROPOSED:
            given[index] = "kind"  # a movement's kind describes it too
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
        kept = ranked[:1] if ranked and profile.columns[ranked[0]].filled >= FILLED else ranked
        second = [i for i in ranked[1:2] if confidence[i, name] >= _SURE and profile.columns[i].share("spaced") <= 0.5]
        for index in set(ranked) - {*kept, *second}:
            del given[index]
