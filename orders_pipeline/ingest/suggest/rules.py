"""From a reading of a file to the rules of a source: which column, sum, sign or value map makes each field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orders_pipeline.dictionary.model import OPEN, canonical_value
from orders_pipeline.dictionary.rules import operands, spelled_out
from orders_pipeline.ingest import signs
from orders_pipeline.ingest.suggest import words
from orders_pipeline.ingest.suggest.companions import PRESALE, in_order, yes
from orders_pipeline.ingest.suggest.hints import concepts_of
from orders_pipeline.ingest.suggest.kinds import FILLED, Reading
from orders_pipeline.ingest.suggest.movements import Movements, Rules
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Column, Profile
from orders_pipeline.ingest.suggest.relations import Relations

_MONEY = (
    "list_amount",
    "merchant_discount_amount",
    "platform_discount_amount",
    "freight_amount",
    "payable_amount",
    "paid_amount",
    "refunded_amount",
)
_DISCOUNTS = {"merchant_discount_amount": "merchant", "platform_discount_amount": "platform"}
_AGGREGATES = {
    "created_at": "min",
    "paid_at": "min",
    "promised_ship_at": "min",
    "shipped_at": "max",
    "completed_at": "max",
    "status": "least_advanced",
}
#: Words of a column that are told in a comment.
_WORDS_TOLD = 12
_STAGES = (("cancelled_at", "cancelled"), ("completed_at", "completed"), ("shipped_at", "shipped"), ("paid_at", "paid"))
#: An address that begins with its places, blanks between them, and where each of them stands.
_PLACES_FIRST = r"\S+\s+\S+\s+\S+\s+\S"
_IN_ADDRESS = {
    "province": r"^(\S+)\s+\S+\s",
    "city": r"^\S+\s+(\S+)\s",
    "district": r"^\S+\s+\S+\s+(\S+)\s",
}
#: Ways to write a time with its month in letters.
_SPELLINGS = tuple(
    day + clock
    for day in (
        "%b-%d-%y",
        "%b-%d-%Y",
        "%d-%b-%y",
        "%d-%b-%Y",
        "%b %d, %Y",
        "%b %d %Y",
        "%d %b %Y",
        "%d %b, %Y",
        "%B %d, %Y",
        "%d %B %Y",
    )
    for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
)
#: Said once for the whole file when no column does.
_PLACES = {"warehouse_id": "warehouse", "courier_code": "courier"}


def make_rules(
    names: Names, profile: Profile, relations: Relations, reading: Reading, order_groups: tuple[int, frozenset[int]]
) -> Rules:
    """The rules that a reading amounts to. `order_groups`: see `relations.constant_within`, for the order number."""
    return _Maker(names, profile, relations, reading, order_groups).make()


class _Maker(Movements):
    def __init__(
        self, names: Names, profile: Profile, relations: Relations, reading: Reading, groups: tuple[int, frozenset[int]]
    ) -> None:
        self.names, self.profile, self.relations, self.reading = names, profile, relations, reading
        self.repeated, self.constant = groups
        self.rules = Rules()
        self.asked: set[str] = set()
        self.handles: dict[str, list[str]] = {}
        seen: set[str] = set()
        for choice in sorted(reading.choices, key=lambda c: (-c.confidence, c.column.index)):
            if (
                choice.field and choice.column.name.strip() not in seen
            ):  # of two columns with one name only the first can be named
                seen.add(choice.column.name.strip())
                known = self.handles.setdefault(choice.field, [])
                stem = choice.field.removeprefix("amount:").partition(":")[0]
                if stem == "part":
                    stem = self._part_kind(choice.column)
                alike = sum(re.fullmatch(rf"{stem}(_\d+)?", h) is not None for h in self.rules.columns)
                handle = stem if not alike else f"{stem}_{alike + 1}"
                known.append(handle)
                self.rules.columns[handle] = choice.column

    def make(self) -> Rules:
        for entity in self.reading.entities:
            fields: dict[str, Any] = {}
            for name in self.names.dictionary.entities[entity].fields:
                rule = self._field(entity, name)
                if rule is not None:
                    fields[name] = rule
            block: dict[str, Any] = {"fields": fields}
            self._places(entity, fields)
            if entity == "orders":
                self._complete_order(fields)
                if self._one("channel_order_id") and ("order_lines" in self.reading.entities or self.repeated):
                    block = {"rows": "group", "group_by": self._one("channel_order_id"), "fields": fields}
                    self._aggregate(fields)
            self.rules.blocks[entity] = [block]
            getattr(self, f"_{entity}", lambda block: None)(block)
            self._ask(entity, fields)
        if "orders" in self.reading.entities or "order_lines" in self.reading.entities:
            self._discounts()
        self._fill_down()
        return self.rules

    # ---- single fields

    def _field(self, entity: str, name: str) -> Any:
        meaning = self.names.dictionary.field(entity, name)
        handles = self.handles.get(name)
        if name == "courier_name":
            handles = self.handles.get("courier_code")
        elif name == "line_status":
            handles = handles or (self.handles.get("status") if self._varies("status") else None)
        elif name == "item_quantity" and "order_lines" in self.reading.entities and not (self.repeated and entity == "orders"):
            return None
        elif entity == "order_lines" and name in _MONEY and self.repeated and handles and not self._varies(name):
            return None  # the order's own amount, repeated on its rows
        elif (
            entity == "order_lines"
            and name in ("payable_amount", "freight_amount")
            and not self.repeated
            and "orders" in self.reading.entities
        ):
            return None  # nothing in the file tells whether it is the line's or the order's: taken as the order's
        if name == "raw_status" and not handles:
            handles = self._one("status") or self._one("status_code")
        elif name == "platform_txn_id" and entity == "payments" and not handles:
            # A settlement of orders that numbers no transaction: what it settles is the order.
            handles = self._one("payment_id") or self._one("channel_order_id")
        elif name == "order_type" and not handles:
            return self._flagged()
        elif name == "outbound_id" and entity == "shipments" and not handles:
            return self._document()
        elif name == "channel" and entity == "shipments" and not handles:
            return self._channel_of_shop()
        elif name == "raw_channel_order_id":
            handles = self._one("channel_order_id")
        elif name == "description" and entity == "payments" and not handles:
            handles = self._one("kind")
        elif name == "description" and entity == "tracking" and not handles:
            handles = self._one("status_code") or self._one("raw_status")
        elif name == "item_quantity" and not handles and self.repeated and "quantity" in self.handles:
            return {"from": self._one("quantity")[0], "aggregate": "sum"}
        if not handles:
            return None
        if meaning.vocabulary or name == "channel":
            return self._coded(entity, name, handles[0])
        if name == "currency" and set(written := self.rules.columns[handles[0]].words) & signs.NAMES.keys():
            return {"from": handles[0], "map": {w: signs.NAMES.get(w, w) for w in written}}
        if name == "raw_status" and self.handles.get("status") and handles != self._one("status"):
            return {"concat": [*self._one("status"), *handles], "separator": " / "}
        if name == "buyer_name" and len(handles) > 1:
            halves = in_order(self.names, {h: self.rules.columns[h] for h in handles})
            return {"concat": halves, "separator": "" if self._chinese(halves) else " "}
        if name == "address" and len(handles) > 1:
            changed = [h for h in handles if "modify" in concepts_of(self.names, self.rules.columns[h])]
            if changed:  # what the address was changed to, else what it was
                return {"from": [*changed, *(h for h in handles if h not in changed)]}
            return {"concat": sorted(handles, key=lambda h: self.rules.columns[h].index), "separator": " "}
        if name in _DISCOUNTS:
            return self._taken_off(handles)
        if meaning.type == "timestamp" and (form := _spelling(self.rules.columns[handles[0]])):
            return {"from": handles[0], "format": form}
        return handles[0] if len(handles) == 1 else {"from": list(handles)}

    def _flagged(self) -> Any:
        """The type of an order by columns that say yes to one of them each."""
        flags = [(h, kind) for field, kind in ((PRESALE, "presale"), ("is_pickup", "pickup")) for h in self._one(field)]
        cases = [{"when": {h: said}, "value": kind} for h, kind in flags if (said := yes(self.rules.columns[h]))]
        return {"first_match": [*cases, {"value": "normal"}]} if cases else None

    def _chinese(self, handles: list[str]) -> bool:
        return all(self.rules.columns[h].share("cjk") > 0.5 for h in handles)

    def _taken_off(self, handles: list[str]) -> Any:
        """Discounts as what they take off, added up; some platforms write them with a minus."""
        less = [h for h in handles if self.rules.columns[h].share("negative") > 0]
        if len(handles) == 1:
            return {"absolute": handles[0]} if less else handles[0]
        return {"sum": [h for h in handles if h not in less]} | ({"less": less} if less else {})

    def _places(self, entity: str, fields: dict[str, Any]) -> None:
        """Province, city and district out of an address that begins with them, where no column of their own has them."""
        handles = operands(spelled_out(fields["address"])) if "address" in fields else []
        wanted = [n for n in _IN_ADDRESS if n in self.names.dictionary.entities[entity].fields]
        if not handles or not wanted or any(n in fields for n in wanted) or "concat" in spelled_out(fields["address"]):
            return
        samples = [s for h in handles for s in self.rules.columns[h].samples]
        provinces = self.names.wording.spec["provinces"]
        if samples and all(re.match(_PLACES_FIRST, s) and s.startswith(tuple(provinces)) for s in samples):
            for name in wanted:
                fields[name] = {"from": handles[0] if len(handles) == 1 else handles, "extract": _IN_ADDRESS[name]}

    def _document(self) -> Any:
        """Without a number of the outbound document what was sent together tells: the system's own order, else the parcel."""
        handles = [h for n in ("internal_order_id", "waybill_id", "channel_order_id") for h in self._one(n)]
        if not handles:
            return None
        self.rules.notes["shipments.outbound_id"] = (
            "the file does not number its outbound documents; what was sent together stands in"
        )
        # What every row has needs nothing to stand in for it.
        return handles[0] if len(handles) == 1 or self.rules.columns[handles[0]].filled >= FILLED else {"from": handles}

    def _channel_of_shop(self) -> Any:
        """The channel of each row by the name of its shop, where that names the platform: 京东旗舰店."""
        for handle in self._one("shop_id"):
            platforms = self.names.words_of(("shipments", "channel"))
            words = self.rules.columns[handle].words
            of = {w: next((c for k, c in platforms.items() if k in canonical_value(w)), None) for w in words}
            if words and all(of.values()):
                return {"from": handle, "map": of}
        return None

    def _coded(self, entity: str, name: str, handle: str) -> Any:
        if name == "courier_code":
            return handle  # the couriers' own vocabulary knows the names
        column = self.rules.columns[handle]
        found, unknown = words.meanings(self.names, (entity, name), column.words or column.samples)
        guessed = [f"{m.word} like {m.like}" for m in found if m.like != m.word]
        required = name in self.names.dictionary.entities[entity].required
        note = []
        if guessed:
            note.append("by likeness: " + "; ".join(guessed[:8]))
        if unknown and required:
            self.asked.add(handle)
            self.rules.open.append(
                f"{entity}.{name}: what {column.name.strip()} means by {', '.join(unknown[:_WORDS_TOLD])}"
                f"{f' and {len(unknown) - _WORDS_TOLD} more' if len(unknown) > _WORDS_TOLD else ''} is known nowhere; write the "
                f"standard word of each (vocabulary {self.names.dictionary.field(entity, name).vocabulary}), or `unmapped`"
            )
        elif unknown and handle not in self.asked:
            note.append("not understood, add them to the map: " + ", ".join(unknown[:_WORDS_TOLD]))
            self.rules.remarks.append(f"{column.name}: no standard word known for {', '.join(unknown[:_WORDS_TOLD])}")
        if not column.words and column.distinct:
            note.append(f"{column.distinct} different words, only the most frequent were looked at")
        if note:
            self.rules.notes[f"{entity}.{name}"] = ". ".join(note)
        # What a person must say is refused until it is said.
        return {"from": handle, "map": {m.word: m.code for m in found} | {w: OPEN for w in unknown if required}}

    def _varies(self, name: str) -> bool:
        handles = self.handles.get(name)
        return bool(handles) and bool(self.repeated) and self.rules.columns[handles[0]].index not in self.constant

    # ---- orders and their lines

    def _complete_order(self, fields: dict[str, Any]) -> None:
        if "payable_amount" not in fields and self.handles.get("paid_amount"):
            fields["payable_amount"] = self._one("paid_amount")[0]
            self.rules.notes["orders.payable_amount"] = "the file only states what was paid; no other column is the amount due"
        elif "payable_amount" not in fields and (goods := self._goods()):
            fields["payable_amount"] = goods
            note = "no column is the amount due: what the goods come to stands in, without freight and discounts"
            self.rules.notes["orders.payable_amount"] = note
            self.rules.remarks.append(f"orders.payable_amount: {note}")
        if "created_at" not in fields and self.handles.get("paid_at"):
            fields["created_at"] = self._one("paid_at")[0]
            self.rules.notes["orders.created_at"] = "the file has no time of creation; the time of payment stands in"
        if "status" not in fields:
            cases = [{"when": {"present": self._one(name)[0]}, "value": code} for name, code in _STAGES if self.handles.get(name)]
            if cases:
                fields["status"] = {"first_match": [*cases, {"value": "pending_payment"}]}
                self.rules.notes["orders.status"] = "the file has no status; read off its times"

    def _goods(self) -> Any:
        """What the goods of an order come to: of one column, or price × quantity; summed where its lines are rows."""
        lined = self._one("channel_order_id") and ("order_lines" in self.reading.entities or self.repeated)
        if self._one("list_amount"):
            handle = self._one("list_amount")[0]
            return {"from": handle, "aggregate": "sum"} if lined and self._varies("list_amount") else handle
        if self._one("unit_price") and self._one("quantity"):
            rule = {"product": [self._one("unit_price")[0], self._one("quantity")[0]], "rounding": "half_up"}
            return {**rule, "aggregate": "sum"} if lined else rule
        return None

    def _aggregate(self, fields: dict[str, Any]) -> None:
        for name, rule in list(fields.items()):
            source = (
                name if self.handles.get(name) else {"payable_amount": "paid_amount", "created_at": "paid_at"}.get(name, name)
            )
            if isinstance(rule, dict) and "aggregate" in rule:
                continue
            how = "sum" if name in _MONEY else _AGGREGATES.get(name)
            if how and self._varies(source):
                fields[name] = {**(rule if isinstance(rule, dict) else {"from": rule}), "aggregate": how}
        if not self.repeated:
            self.rules.remarks.append(
                "no order of this file has several rows, so nothing shows whether an amount is the order's (repeated on its "
                "rows) or the line's. Taken as the order's; a line's amount needs `aggregate: sum`"
            )

    def _order_lines(self, block: dict[str, Any]) -> None:
        fields = block["fields"]
        if "sku" not in fields and self.handles.get("product_title"):
            fields["sku"] = self._one("product_title")[0]
            self.rules.notes["order_lines.sku"] = "the file has no code of the goods; the title tells them apart"
        elif isinstance(fields.get("sku"), str) and self.handles.get("product_title"):
            fields["sku"] = {"from": [fields["sku"], self._one("product_title")[0]]}
        if (
            "quantity" not in fields
            and self.handles.get("sku")
            and (self.handles.get("sub_order_id") or self.handles.get("line_no"))
        ):
            fields["quantity"] = {"value": 1}
            self.rules.notes["order_lines.quantity"] = "the file has no quantity: taken as one row for each piece"
        if "list_amount" not in fields and self.handles.get("unit_price") and self.handles.get("quantity"):
            fields["list_amount"] = {"product": [self._one("unit_price")[0], self._one("quantity")[0]], "rounding": "half_up"}

    def _discounts(self) -> None:
        blocks = []
        for name, funder in _DISCOUNTS.items():
            for handle in self.handles.get(name, ()):
                fields: dict[str, Any] = {
                    "channel_order_id": self._one("channel_order_id")[0] if self._one("channel_order_id") else None
                }
                if not fields["channel_order_id"]:
                    return
                lined = self._varies(name) or self.reading.entities == ("order_lines",)
                if self.handles.get("sub_order_id") and lined:
                    fields["sub_order_id"] = self._one("sub_order_id")[0]
                if self.repeated and not lined:
                    continue  # one discount of the order stands on each of its rows: as a row each it would count twice
                fields |= {"funder": {"value": funder}, "scope": {"value": "line" if lined else "order"}}
                fields |= {"description": {"value": self.rules.columns[handle].name.strip()}, "amount": {"absolute": handle}}
                blocks.append({"where": {"nonzero": handle}, "fields": fields})
        if blocks:
            self.rules.blocks["discounts"] = blocks

    def _fill_down(self) -> None:
        """Order numbers blank after an order's first row."""
        for handle in self._one("channel_order_id"):
            column = self.rules.columns[handle]
            lines = [self.rules.columns[h] for n in ("sku", "product_title", "quantity") for h in self._one(n)]
            if column.filled < 0.95 and any(c.filled > column.filled + 0.1 for c in lines):
                self.rules.top["fill_down"] = [handle]

    # ---- what stays open

    def _ask(self, entity: str, fields: Mapping[str, Any]) -> None:
        supplied = {"channel", "shop_id", "account", "currency", *fields}
        if entity == "payments" and self.handles.get("amount:net"):
            supplied |= {"kind", "amount"}
        for name in self.names.dictionary.entities[entity].required:
            if name in supplied or any(
                q.startswith(f"{other}.{name} ") for q in self.rules.open for other in self.reading.entities
            ):
                continue
            if name in _PLACES:
                self.rules.top[_PLACES[name]] = {"default": "main"} if name == "warehouse_id" else "?"
                continue
            meaning = self.names.dictionary.field(entity, name)
            candidates = [
                f"{c.column.name} ({k.confidence:.2f})" for c in self.reading.choices for k in c.candidates if k.field == name
            ]
            told = f"candidates: {', '.join(candidates)}" if candidates else "no column is like it"
            if name == "status":
                told += "; where all rows are in one, as in a list of orders to send, write `status: {value: paid}`"
            self.rules.open.append(f"{entity}.{name} ({meaning.en} / {meaning.zh}): {told}")


def _spelling(column: Column) -> str | None:
    """The form of times with the month in letters, where all cells at hand have it; other times are read as they are."""
    from datetime import datetime

    def reads(form: str) -> bool:
        try:
            return all(datetime.strptime(s, form) for s in column.samples)  # noqa: DTZ007 - only whether it can be read
        except ValueError:
            return False

    if not column.samples or column.share("iso") > 0.5 or not all(re.search("[A-Za-z]{3}", s) for s in column.samples):
        return None
    return next((form for form in _SPELLINGS if reads(form)), None)
