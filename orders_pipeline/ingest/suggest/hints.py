"""What single words, gaps and a column's neighbours say for or against a field, beside its whole name and its cells."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orders_pipeline.ingest.suggest.names import Names, Slot
from orders_pipeline.ingest.suggest.profile import Column, Profile

#: What gaps take from a column for a required field (the row's own number: more), and the share of rows from which it has none.
_HAS_GAPS, _NO_NUMBER, _MOSTLY = -0.7, -8.0, 0.9
#: The row's own number, which the rules make up where the file has none.
NUMBERS = frozenset({"payment_id", "movement_id", "return_id", "outbound_id"})
_BORNE, _NET, _NOT_THE_ORDER, _OWN_CODE, _PIECES, _THE_MERCHANTS, _NOT_OF_GOODS, _A_PLACE = 1.8, 1.8, 2.0, 0.6, 3.0, 1.5, 1.0, 1.5
_OF_ITS_NAME, _NOT_BEFORE, _OF_ALL = 1.2, 4.0, 1.0
#: Log-odds of a column called just `id` for the row's own number.
BARE_NUMBER = 1.5
_MONEY = frozenset({"amount", "price", "fee", "pay", "payable", "total", "discount", "refund"})
#: Words of the money itself in the name of a number.
_MOVED = frozenset({"pay", "trade", "ledger", "settle", "refund", "payout"})
#: What an address has columns of its own for.
_OF_AN_ADDRESS = frozenset({"name", "phone", "city", "province", "district", "country", "postcode"})
_BARE_TOTAL = frozenset({"total", "amount", "order"})
_PLAIN_ORDER = frozenset({"order", "number", "code", "reference"})
#: What the rows of an entity lie in, where a file nests them.
_WHOLE_OF = {"orders": "order", "order_lines": "order", "returns": "order", "tracking": "waybill"}
_OF_PARCELS = frozenset({"courier", "event", "location", "waybill"})


@dataclass(frozen=True)
class Beside:
    """What the other columns of a file say. `said_as`: column index -> what its name is taken to say."""

    said_as: Mapping[int, str]
    gross: bool
    plain_order: bool
    stand_ins: frozenset[str]
    own_words: tuple[str, ...]


def beside_of(names: Names, profile: Profile, entities: Collection[str]) -> Beside:
    """Names in the company of the others: where no column speaks of orders the invoice is the order; where a warehouse's list
    has the shop's order number in a column of its own, the number it calls the order's is its own; and the bare number of what
    the rows lie in (`/number` beside the columns of a line) is that of the order or the parcel."""
    wording = names.wording
    said = {c.index: concepts_of(names, c) for c in profile.columns}
    plain = {i for i, words in said.items() if "order" in words and words <= _PLAIN_ORDER}
    foreign = any(words & {"online", "original"} and words & {"order", "number"} for i, words in said.items() if i not in plain)
    all_stand_ins = frozenset(wording.spec["order_stand_ins"])
    stand_ins = set() if any("order" in words for words in said.values()) else all_stand_ins
    whole = next((_WHOLE_OF[e] for e in entities if e in _WHOLE_OF), None)
    if whole == "waybill" and not any(words & _OF_PARCELS for words in said.values()):
        whole = None
    said_as = {}
    for column in profile.columns:
        said_as[column.index] = column.name
        tokens = wording.tokens(column.name)
        if "address" in said[column.index] and said[column.index] & _OF_AN_ADDRESS:
            # `Shipping address city` is the city; the address is only what all of these are of.
            said_as[column.index] = " ".join(t.text for t in tokens if "address" not in t.concepts)
        if stand_ins & said[column.index]:
            said_as[column.index] = " ".join("order" if t.concepts & stand_ins else t.text for t in tokens)
        elif "shipments" in entities and foreign and column.index in plain:
            said_as[column.index] = "internal order number"
        elif column.name.startswith("/"):
            last = re.split(r"[/.]", column.name)[-1]
            if whole and _is_bare_number(names, last):
                said_as[column.index] = f"{whole} {last}"
    own = tuple(w for w in wording.spec["words"]["merchant"] if len(w) > 1)
    return Beside(said_as, any("gross" in words for words in said.values()), bool(plain), all_stand_ins, own)


def _is_bare_number(names: Names, name: str) -> bool:
    tokens = names.wording.tokens(name)
    return bool(tokens) and all("number" in t.concepts for t in tokens)


def hint(names: Names, column: Column, slot: Slot, beside: Beside, slots: Mapping[str, list[Slot]]) -> float:
    """Log-odds beside those of name and cells."""
    said = concepts_of(names, column)
    return _gaps(names, column, slot) + _words(column, said, slot[1], beside) + _whole_or_part(said, slot[1], slots)


def row_number(names: Names, column: Column, said: set[str], slots: Mapping[str, list[Slot]]) -> str | None:
    """The field of the row's own number, where the column is called a number and nothing else and is another one in every row."""
    known = all(t.concepts for t in names.wording.tokens(column.name))
    if not (column.unique and known and said and said <= {"number", "code"} and column.share("id") >= 0.9):
        return None
    return next((f for f in ("payment_id", "return_id", "movement_id", "review_id") if f in slots), None)


def _gaps(names: Names, column: Column, slot: Slot) -> float:
    """What every row must have is rather the column that has it in every row."""
    entity, name = slot
    if name not in names.dictionary.entities[entity].required or not 0 < column.filled < _MOSTLY:
        return 0.0
    return _NO_NUMBER if name in NUMBERS else _HAS_GAPS


def _words(column: Column, said: set[str], name: str, beside: Beside) -> float:
    """What single words decide between columns that are both named like the field."""
    if name == "sku" and any(w in column.name.lower() for w in beside.own_words):
        return _OWN_CODE  # the merchant's own code, where there is one
    if name in ("merchant_discount_amount", "platform_discount_amount") and {"bear", "real"} & said:
        return _BORNE  # of discounts what was borne in the end counts
    if name == "merchant_discount_amount" and "proper" in said:
        return -_OF_ITS_NAME  # coins and vouchers that bear a platform's name are the platform's
    if name.endswith("_at") and "earliest" in said:
        return -_NOT_BEFORE  # from when on it may happen, not when it did
    if name.startswith("amount") and beside.gross and "net" in said:
        return -_NET  # fees are movements of their own beside the gross amount: the net would count them twice
    if "amount" in name and "quantity" in said and not said & _MONEY:
        return -_PIECES
    if name == "on_hand_qty" and "total" in said:
        return -_OF_ALL  # of all batches or places, where the row's own figure stands beside it
    if name == "list_amount" and "total" in said and said <= _BARE_TOTAL:
        return -_NOT_OF_GOODS  # a total of nothing said is what is to be paid rather than what the goods cost
    if name == "payment_id" and "order" in said and not said & _MOVED:
        return -_NOT_THE_ORDER  # an order has several movements
    if name == "shop_id" and "physical store" in said:
        return -_A_PLACE  # where goods are handed over, not who sells them
    if name == "channel_order_id" and beside.stand_ins & said and "order" not in said and beside.plain_order:
        return -_NOT_BEFORE  # the invoice is no order where the order has a number
    if name == "channel_order_id" and "business" in said and beside.plain_order:
        return -_NOT_BEFORE  # whatever business it is, the order has a number of its own
    if name == "channel_order_id" and "merchant" in said and beside.plain_order:
        return -_THE_MERCHANTS  # beside the platform's number of the order
    return 0.0


def _whole_or_part(said: set[str], name: str, slots: Mapping[str, list[Slot]]) -> float:
    """A quantity beside lines is the line's unless its name says total; a status is the order's unless its name says line."""
    if name == "line_status" and "status" in slots:
        return 0.0 if said & {"line", "sub", "goods", "sku"} else -6.0
    if name not in ("quantity", "item_quantity"):
        return 0.0
    total = "total" in said
    if name == "quantity":
        return -2.0 if total and "item_quantity" in slots else 0.0
    return 0.0 if total else -6.0 if "quantity" in slots else -1.0


def concepts_of(names: Names, column: Column) -> set[str]:
    return {concept for token in names.wording.tokens(column.name) for concept in token.concepts}
