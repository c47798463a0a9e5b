"""How well the cells of a column suit a slot, in log-odds beside the name's, with the reason in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orders_pipeline.dictionary.model import Field, canonical_value
from orders_pipeline.ingest.suggest.names import Names, Slot
from orders_pipeline.ingest.suggest.profile import Column, Profile
from orders_pipeline.ingest.suggest.relations import Relations

#: No cell of the right shape: whatever the name says, it is not that.
IMPOSSIBLE = -12.0
Reasoned = tuple[float, str]


def numeric_share(column: Column, profile: Profile) -> float:
    """Share of cells that are numbers as this file writes them."""
    if profile.decimal == "comma":
        return min(1.0, max(column.share("comma") + column.share("integer"), column.share("number")))
    return column.share("number")


def shape(names: Names, profile: Profile, column: Column, slot: Slot) -> Reasoned:
    """Log-odds of the cells, and what they look like."""
    field = names.dictionary.field(slot[0], slot[1].partition(":")[0])
    if column.blank:
        return -0.8, "no filled cell to look at"
    if column.counter and slot[1] != "line_no":
        return IMPOSSIBLE, "it only numbers the rows"
    if slot[1] == "amount:direction":
        few = 1 < column.distinct <= 6 and column.share("number") < 0.2
        return (0.8, f"{column.distinct} words") if few else (IMPOSSIBLE, "not a pair of words")
    if field.type in ("timestamp", "date"):
        return _time(column, field)
    if field.type in ("money", "price", "quantity", "integer", "ratio"):
        return _number(profile, column, field)
    if field.type == "bool":
        fine = column.share("truth") >= 0.95 and column.distinct <= 2
        return (0.8, "yes or no") if fine else (IMPOSSIBLE, "not yes or no")
    if column.share("time") >= 0.9 and column.share("clock") >= 0.5:
        return IMPOSSIBLE, "the cells are times"
    if field.type == "code":
        return _code(names, column, slot, field)
    if field.type == "id":
        return _id(column, slot)
    return _text(names, column, slot, field)


def _time(column: Column, field: Field) -> Reasoned:
    if column.share("time") < _bar(column):
        # Spreadsheets show a time as days since 1900.
        return IMPOSSIBLE, "the cells are no times"
    if field.type == "date" and column.share("clock") >= 0.5:
        return -1.5, "times, not days"
    if column.share("clock") < 0.5 and field.event and field.type == "timestamp":
        return 0.4, "every cell is a date"
    return 0.8, "every cell is a time"


def _bar(column: Column) -> float:
    """The share of cells that must have a shape: nearly all, and in a short file all but one."""
    return min(0.9, 1 - 1.01 / column.count) if column.count >= 4 else 0.99


#: What a buyer pays is written without a sign; columns of such amounts below zero are what the seller is charged.
_NEVER_NEGATIVE = frozenset({"freight_amount", "payable_amount", "paid_amount", "unit_price", "list_amount", "list_price"})


def _number(profile: Profile, column: Column, field: Field) -> Reasoned:
    if numeric_share(column, profile) < _bar(column) or column.share("iso") > 0.5 or column.share("percent") > 0.5:
        return IMPOSSIBLE, "the cells are no numbers"
    if column.share("long_digits") > 0.5:
        return IMPOSSIBLE, "the numbers are as long as identifiers"
    whole = column.share("integer") >= 0.98
    if field.type in ("money", "price"):
        if column.share("money_sign") > 0.5:
            return 1.0, "amounts with a currency sign"
        if field.name in _NEVER_NEGATIVE and column.share("negative") > 0.2:
            return -3.0, "amounts taken off"
        return (0.6, "amounts with decimals") if not whole else (-0.3, "whole numbers")
    if field.type in ("quantity", "integer"):
        return (0.7, "whole numbers") if whole else (-1.5, "numbers with decimals")
    return (0.3, "numbers") if not whole else (-1.0, "whole numbers")


#: Coded fields a row can do without: of words nobody knows nothing would come.
_ONLY_BY_WORDS = frozenset({"order_type", "fulfilled_by"})


def _code(names: Names, column: Column, slot: Slot, field: Field) -> Reasoned:
    known = names.words_of(slot)
    if not known:
        return _text(names, column, slot, field)
    words = [canonical_value(w) for w in column.words]
    if not words:
        return (-2.0, "too many different words") if column.distinct > 80 else (0.0, "words")
    share = sum(w in known for w in words) / len(words)
    if field.vocabulary == "courier":
        share = sum(any(len(k) > 1 and k in w for k in known) for w in words) / len(words)
    if slot[1] == "channel" and share < 0.5:
        return IMPOSSIBLE, "no names of platforms"
    if column.share("number") > 0.9 and share < 0.3:
        return -2.0, "numbers, not words"
    if share >= 0.3:
        return 1.4 * share, f"{round(share * len(words))} of {len(words)} words are known {field.zh or field.en}"
    if field.name in _ONLY_BY_WORDS:
        return -7.0, "none of the words is known"
    if slot[1] == "kind" and column.constant and column.count >= _ROWS_TELLING:
        return -6.0, "one word nobody knows in every row"
    return (-0.6, "none of the words is known") if column.distinct > 3 else (-0.2, "none of the words is known")


#: Fields whose words say what they are, whatever the column is called, and between how many different words.
_BY_WORDS, _WORDS_FEW, _WORDS_MANY = frozenset({"kind", "status", "courier_code"}), 2, 20


def words_say(names: Names, column: Column, slot: Slot) -> bool:
    """Whether every word of a column is a known one of the field."""
    if slot[1] not in _BY_WORDS or not _WORDS_FEW <= len(column.words) <= _WORDS_MANY or column.share("number") > 0:
        return False
    known = names.words_of(slot)
    return len(known) > 0 and all(canonical_value(w) in known for w in column.words)


#: Ids that people also write as names: the warehouse, the shop, the account, the pickup point, the code of an article.
_NAMED_IDS = frozenset(
    {"warehouse_id", "shop_id", "account", "pickup_store_id", "sku", "owner", "promotion_id", "buyer_ref", "reference_id"}
)


def _id(column: Column, slot: Slot) -> Reasoned:
    field = slot[1]
    if column.share("decimals") > 0.5 and column.share("number") > 0.9:
        return IMPOSSIBLE, "amounts, not identifiers"
    if column.share("email") > 0.5 or column.share("url") > 0.5:
        return -3.0, "addresses, not identifiers"
    distinct = _distinct(column, slot)
    if distinct:
        return distinct
    if field == "sku":
        if column.share("spaced") > 0.5 or column.share("cjk") > 0.8 or column.length > 40:
            return -2.5, "texts, not codes"
        if column.share("integer") >= 0.98 and column.length < 3:
            return -2.5, "small numbers, not codes"
        if column.share("letters") > 0.9 and column.length > 4:
            return -1.0, "words, not codes"
        return 0.3, "short codes"
    if field == "buyer_ref" and (column.share("letters") > 0.5 or column.share("cjk") > 0.3):
        return -2.0, "names, not keys"
    if field in _NAMED_IDS:
        return 0.0, "names or codes"
    if column.share("cjk") > 0.3:
        return IMPOSSIBLE, "Chinese texts, not identifiers"
    if column.share("letters") > 0.5:
        return -3.0, "words, not identifiers"
    if column.share("integer") >= 0.98 and column.length < 3:
        return (-4.0 if field != "sub_order_id" else -2.0), "small numbers, not identifiers"
    if column.share("id") >= 0.9:
        return 0.6, "every cell is an identifier"
    return 0.0, "short identifiers"


#: From so many rows on it tells something whether a number is another one in every row, or always the same.
_ROWS_TELLING = 8


def _distinct(column: Column, slot: Slot) -> Reasoned | None:
    """What repetition says of a number, as far as it decides: an order's line has one of its own, goods come again."""
    if column.count < _ROWS_TELLING:
        return None
    entity, field = slot
    if column.constant and (field in ("sku", "sub_order_id") or (field == "channel_order_id" and entity != "payments")):
        return -2.5, "the same in every row"
    if field == "sku" and column.share("currency") > 0.95 and column.distinct <= 3:
        return -2.5, "currency codes"
    if field == "sku" and column.unique and column.share("long_digits") > 0.9 and column.length >= 12:
        return -1.5, "a long number, another one in every row"
    if field == "sub_order_id" and column.unique and column.share("id") > 0.9:
        return 1.0, "another number in every row"
    return None


#: Letters of a country's code (ISO 3166).
COUNTRY_CODE = 2
#: What names of provinces and prefectures end in, where they are written whole.
_PROVINCE_ENDS = ("省", "都", "府", "県", "縣", "州")


def _text(names: Names, column: Column, slot: Slot, field: Field) -> Reasoned:
    name = field.name
    numeric = column.share("number") > 0.9
    if name == "currency":
        fine = column.share("currency") >= 0.95 and column.distinct <= 20
        return (2.0, "currency codes") if fine else (IMPOSSIBLE, "no currency codes")
    if name == "country":
        codes = column.share("letters") >= 0.95 and column.length == COUNTRY_CODE
        return (1.0, "country codes") if codes else (IMPOSSIBLE, "no country codes")
    if field.pii == "phone":
        if column.share("phone") >= 0.6 or column.share("masked") >= 0.6:
            return 0.6, "phone numbers"
        return IMPOSSIBLE, "no phone numbers"
    if name == "status_code":
        return 0.0, "codes"
    if name in ("latitude", "longitude"):
        return (0.6, "degrees with decimals") if numeric and column.share("decimals") > 0.5 else (-4.0, "no degrees")
    if numeric and name not in (
        "description",
        "raw_status",
        "counterparty",
        "buyer_account",
        "buyer_note",
        "seller_note",
        "unit",
    ):
        return (-4.0 if column.share("masked") < 0.5 else 0.0), "numbers, not texts"
    if name == "province":
        provinces = tuple(names.wording.spec["provinces"])
        share = sum(w.startswith(provinces) or w.endswith(_PROVINCE_ENDS) for w in column.words) / max(1, len(column.words))
        if share < 0.2 and column.share("cjk") > 0.5:
            return -4.0, "no known province"
        return (2.0, "names of provinces") if share >= 0.6 else (-0.3, "no known province")
    if name in ("city", "district"):
        return (-3.0, "addresses, not places") if column.length > 20 else (0.0, "short texts")
    if name == "address":
        short = column.length < 6 and column.share("masked") < 0.5
        return (-3.0, "too short for addresses") if short or column.share("email") > 0.5 else (0.3, "long texts")
    if name == "buyer_name":
        if column.length > 40 or column.share("email") > 0.5:
            return -3.0, "too long for names"
        return (0.6, "names") if column.share("letters") > 0.9 else (0.1, "short texts")
    if name in ("product_title", "title"):
        return (
            (-2.0, "too short for titles") if column.length < 3 or (column.distinct < 2 and column.count > 20) else (0.2, "texts")
        )
    if column.share("email") > 0.5:
        return (1.0, "e-mail addresses") if field.pii == "account" else (-4.0, "e-mail addresses")
    return 0.0, "texts"


def related(column: Column, slot: Slot, relations: Relations, roles: Mapping[int, str]) -> Iterator[Reasoned]:
    """What sums and products say, given what other columns probably are (`roles`: index -> field)."""
    field = slot[1]
    here = column.index
    for price, quantity, amount in relations.products:
        others = {price: "unit_price", quantity: "quantity", amount: "amount"}
        if here not in others:
            continue
        role = others[here]
        fits = field == role or (role == "amount" and field in ("list_amount", "payable_amount", "paid_amount"))
        rest = [roles.get(i) for i in others if i != here]
        backed = sum(r in ("unit_price", "quantity", "list_amount", "payable_amount") for r in rest)
        if fits and backed:
            yield 0.5 * backed, "price × quantity = amount holds"
        elif role == "amount" and field == "unit_price" and backed == 2:
            yield -2.0, "it is price × quantity, not the price"
        elif role == "unit_price" and field in ("list_amount", "payable_amount", "paid_amount") and "quantity" in rest:
            yield -2.0, "times the quantity it gives another amount"
    if field == "unit_price" and any(amount == here and roles.get(q) == "quantity" for amount, q in relations.multiples):
        yield -6.0, "it is a multiple of the quantity in every row: the line's amount, not the price of a piece"
    parts_of = {
        "payable_amount": ("list_amount", "freight_amount"),
        "list_amount": ("payable_amount", "merchant_discount_amount", "platform_discount_amount"),
    }
    for one, two, whole in relations.sums:
        if here == whole and field in parts_of and any(roles.get(i) in parts_of[field] for i in (one, two)):
            yield 0.6, "it is the sum of two other amounts"
        if here in (one, two):
            total, other = roles.get(whole), roles.get(two if here == one else one)
            if (field, other) in _PARTS and total in parts_of:
                yield 0.4, "with another amount it makes up the total"
            if field in ("payable_amount",) and other == "freight_amount":
                yield -0.5, "the total less freight"


_PARTS = {
    ("list_amount", "freight_amount"),
    ("freight_amount", "list_amount"),
    ("freight_amount", "payable_amount"),
    ("merchant_discount_amount", "payable_amount"),
    ("platform_discount_amount", "payable_amount"),
}
