"""Kinds of file: what each consists of, and how well a file read as one of them fits it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Column
from orders_pipeline.ingest.suggest.settlement import kind_of

#: A field is proposed from this confidence on, listed as a candidate from the second one on.
PROPOSED, CANDIDATE = 0.62, 0.15
#: One a row can do without is proposed from here on: a gap costs less than a wrong figure.
OPTIONAL = 0.66
#: Share of filled cells from which a column needs no other to stand in.
FILLED = 0.98
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
    ("kits",),
    ("product_units",),
    ("safety_stocks",),
    ("channel_stock",),
    ("holds",),
    ("behaviour_events",),
    ("exchange_rates",),
    ("coupon_products",),
    ("coupon_targets",),
    ("coupon_redemptions",),
    ("coupon_grants",),
)
#: Fields of which one column decides what the rows are: the entity, and how much it speaks for it.
_DECISIVE = {
    "outbound_id": ("shipments", 5.0),
    "return_id": ("returns", 2.0),
    "disposition": ("returns", 3.0),
    "on_hand_qty": ("inventory_snapshots", 2.0),
    "payout_id": ("payments", 7.0),
    "label_printed_at": ("shipments", 5.0),
}
#: Rows of lines repeat their order's number: how much that speaks for them, and how much no repetition does for orders (all may
#: be of one line), in files of at least so many rows.
_REPEATS, _ONCE, _REPEATS_ROWS = 3.0, 2.2, 8
#: What rows with so many amounts speak for money that is settled: orders have a handful.
MANY_PARTS, _FEES, _FOR_SETTLEMENT, _FOR_FEES = 4, 2, 6.0, 3.0
#: What orders speak of, and bills of them hardly.
_GOODS_AND_PLACES = frozenset({"sku", "receiver", "address", "phone"})
#: What an amount nobody takes speaks against a kind of file that has no money, and how many of them count.
_STRAY_AMOUNT, _STRAYS_MAX = 0.35, 6
#: What amounts of both signs in one column speak for movements of money: what an order costs has one sign.
_BOTH_SIGNS, _SOME = 4.0, 0.02
#: What a column speaks for a kind of file whose files carry it though no field takes it, and how near its name must be.
_BESIDE, _BESIDE_LIKE = 0.6, 0.8
#: A book of orders says when, who or where to; what names orders and says none of it lists something else of them.
_OF_AN_ORDER = ("created_at", "paid_at", "buyer_name", "buyer_account", "buyer_ref", "buyer_phone", "address", "city", "province")
_NOTHING_OF_ITS_OWN = 4.0
#: What a first word that most names share (`payment_type`, `payment_value`) speaks for the kind of file it names.
_PREFIX = 3.0
_MARKS = {"shipments": ("outbound_id", "warehouse_id", "channel")}
_MONEYLESS = frozenset(
    {"shipments", "tracking", "inventory_snapshots", "inventory_movements", "inbound", "warehouses", "categories", "postcodes",
     "buyers", "reviews", "kits", "product_units", "safety_stocks", "channel_stock", "holds", "behaviour_events",
     "coupon_products", "coupon_targets", "coupon_redemptions"}
)  # fmt: skip
#: Faint likenesses, however many, make no kind of file: a share of 0.3 counts as 0.16.
_FAINT = 1.5
#: What a required field without any column takes from a kind of file, and of what else the rules make some of them.
_OWED, _STOOD_IN = 2.5, 0.7
#: Those without which a row says nothing at all, and what their lack takes more.
_CORE = frozenset({"amount", "quantity", "on_hand_qty", "waybill_id", "channel_order_id", "sku", "payable_amount"})
_SAYS_NOTHING = 2.0
_STAND_INS = {
    "payable_amount": (("paid_amount",), ("list_amount",), ("unit_price", "quantity")),
    "created_at": (("paid_at",),),
    "status": (("paid_at",), ("shipped_at",)),
    "payment_id": (("platform_txn_id",), ("channel_order_id", "occurred_at")),
    "movement_id": (("sku", "occurred_at", "quantity"),),
    "outbound_id": (("waybill_id",), ("internal_order_id",)),
    "return_id": (("channel_order_id", "requested_at"),),
}
#: A file of several channels is a warehouse's (or an ERP's for it): a platform exports its own orders only.
_SEVERAL_CHANNELS = 7.0
#: Fields whose lack makes an entity improbable even where the standard can do without.
_TELLING = {
    "returns": ("return_id", "requested_at", "reason", "refund_amount"),
    "payments": ("payment_id", "amount", "occurred_at"),
    "tracking": ("waybill_id", "occurred_at", "description"),
    "shipments": ("outbound_id", "sku", "quantity"),
    "inventory_snapshots": ("sku", "on_hand_qty"),
    "inventory_movements": ("movement_id", "sku", "quantity", "occurred_at"),
    "inbound": ("inbound_id", "sku", "quantity"),
    "products": ("title", "category"),
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
    """The file read as rows of these entities. `missing`: those of its `required` fields that no column is proposed for."""

    entities: tuple[str, ...]
    choices: list[Choice]
    score: float
    missing: list[str]
    required: frozenset[str] = frozenset()

    def owed(self) -> list[str]:
        return sorted(f for f in self.required if not any(c.field == f for c in self.choices))

    def columns_of(self, name: str) -> list[Column]:
        """The columns proposed for a field, surest first."""
        found = [c for c in self.choices if c.field == name]
        return [c.column for c in sorted(found, key=lambda c: (-c.confidence, c.column.index))]


def common_prefix(headers: Sequence[str]) -> str:
    """A first word nearly all names share (`review_score`, `review_title` …): it tells them apart from nothing."""
    first: dict[str, int] = {}
    for header in headers:
        match = re.match(r"[A-Za-z]+[_. -]", header)
        if match:
            first[match[0]] = first.get(match[0], 0) + 1
    best = max(first, key=lambda p: first[p], default="")
    return best if best and len(headers) >= 3 and first[best] >= 0.6 * len(headers) else ""


def cues_of(names: Names, headers: Sequence[str], title: str) -> Mapping[str, float]:
    """Entity -> how strongly single words of header and title speak for it."""
    wording = names.wording
    in_header = {c for h in headers for t in wording.tokens(h) for c in t.concepts}
    in_title = {c for t in wording.tokens(title) for c in t.concepts}
    score = {}
    for entity, words in wording.spec["cues"].items():
        score[entity] = sum(w * ((c in in_header) + 1.5 * (c in in_title)) for c, w in words.items())
    shared = {c for t in wording.tokens(common_prefix(headers)) for c in t.concepts}
    for entity, concepts in wording.spec["prefixes"].items():
        score[entity] = score.get(entity, 0.0) + _PREFIX * (not shared.isdisjoint(concepts))
    return score


def _speaks_of_goods(names: Names, choices: Sequence[Choice]) -> bool:
    """Whether a column says what was sold or where it goes."""
    wording = names.wording
    return any(t.concepts & _GOODS_AND_PLACES for c in choices for t in wording.tokens(c.column.name))


def judge(names: Names, entities: tuple[str, ...], choices: list[Choice], cues: Mapping[str, float]) -> Reading:
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
        score += value**_FAINT * (2.0 if name in required else 1.6 if name in telling else 1.0)
    if (
        "quantity" in required
        and best.get("sku", 0.0) >= CANDIDATE
        and best.get("sub_order_id", best.get("line_no", 0.0)) >= CANDIDATE
    ):
        required.discard("quantity")  # a row for every piece
    if best.get("product_title", 0.0) >= PROPOSED:
        required.discard("sku")  # the title stands in
    for name, ways in _STAND_INS.items():
        if (
            name in required
            and best.get(name, 0.0) < CANDIDATE
            and any(all(best.get(f, 0.0) >= PROPOSED for f in w) for w in ways)
        ):
            required.discard(name)
            telling.discard(name)
            score -= _STOOD_IN
    missing = sorted(f for f in required if best.get(f, 0.0) < CANDIDATE)
    if not _CORE & set(missing):
        for name, (entity, speaks) in _DECISIVE.items():
            score += speaks * best.get(name, 0.0) if entity in entities and best.get(name, 0.0) >= PROPOSED else 0.0
    score -= sum(_OWED + (_SAYS_NOTHING if f in _CORE else 0.0) for f in missing) + sum(
        1.2 for f in telling if best.get(f, 0.0) < CANDIDATE and f not in missing
    )
    score += max(cues.get(e, 0.0) for e in entities)
    if all(any(best.get(f, 0.0) >= PROPOSED for f in _MARKS.get(e, best)) for e in entities):
        score += _BESIDE * sum(
            c.outcome != "proposed" and c.column.count > 0 and names.beside(c.column.name, entities) >= _BESIDE_LIKE
            for c in choices
        )
    if "orders" in entities and all(best.get(f, 0.0) < CANDIDATE for f in _OF_AN_ORDER):
        score -= _NOTHING_OF_ITS_OWN
    if set(entities) <= _MONEYLESS:
        strays = sum(c.column.count > 0 and c.column.share("decimals") > 0.9 and c.column.share("number") > 0.9 for c in choices)
        score -= _STRAY_AMOUNT * min(strays, _STRAYS_MAX)
    if any(c.field == "channel" and c.column.distinct > 1 for c in choices):
        score += _SEVERAL_CHANNELS
    numbers = [c.column for c in choices if c.field == "channel_order_id"]
    if numbers and numbers[0].count >= _REPEATS_ROWS and "orders" in entities:
        lined = len(entities) > 1
        score += _ONCE * (not lined) if numbers[0].unique else _REPEATS * lined
    moved = [c.column for c in choices if c.field in ("amount", "amount:net")]
    if any(_SOME < c.share("negative") < 1 - _SOME and c.count >= _REPEATS_ROWS for c in moved):
        score += _BOTH_SIGNS
    parts = [c.column for c in choices if c.field == "amount:part"]
    if len(parts) >= MANY_PARTS and sum(kind_of(c, names.wording, 1) == "fee" for c in parts) >= _FEES:
        score += _FOR_SETTLEMENT
    elif any(c.field == "amount:net" for c in choices) and any(kind_of(c, names.wording, 1) == "fee" for c in parts):
        score += _FOR_FEES * (1 if _speaks_of_goods(names, choices) else 2)
    owed = sorted(f for f in required if not any(c.field == f for c in choices))
    return Reading(entities, choices, round(score, 3), owed, frozenset(required))
