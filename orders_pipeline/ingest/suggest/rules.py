"""From a reading of a file to the rules of a source: which column, sum, sign or value map makes each field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orders_pipeline.dictionary.model import REPEAT_NUMBER, canonical_value, operands, spelled_out
from orders_pipeline.ingest.suggest import words
from orders_pipeline.ingest.suggest.kinds import Reading
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.odds import concepts_of
from orders_pipeline.ingest.suggest.profile import Column, Profile
from orders_pipeline.ingest.suggest.relations import Relations
from orders_pipeline.ingest.suggest.settlement import kind_of

_MONEY = (
    "list_amount",
    "merchant_discount_amount",
    "platform_discount_amount",
    "freight_amount",
    "payable_amount",
    "paid_amount",
    "refunded_amount",
)
_AGGREGATES = {
    "created_at": "min",
    "paid_at": "min",
    "promised_ship_at": "min",
    "shipped_at": "max",
    "completed_at": "max",
    "status": "least_advanced",
}
_STAGES = (("cancelled_at", "cancelled"), ("completed_at", "completed"), ("shipped_at", "shipped"), ("paid_at", "paid"))
#: Of what a row's number is made where the file has none: entity -> (its number, fields that tell one row from another).
_NUMBERED = {
    "payments": (
        "payment_id",
        ("platform_txn_id", "channel_order_id", "payout_id", "occurred_at", "kind", "description", "amount", "amount:net",
         "amount:credit", "amount:debit"),
    ),
    "inventory_movements": ("movement_id", ("reference_id", "warehouse_id", "sku", "occurred_at", "kind", "quantity")),
    "returns": ("return_id", ("channel_order_id", "sub_order_id", "sku", "requested_at")),
}  # fmt: skip
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


@dataclass
class Rules:
    """A source's rules and the questions they leave open. `columns`: handle -> column; `notes`: handle or field -> remark."""

    columns: dict[str, Column] = field(default_factory=dict)
    blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def make_rules(
    names: Names, profile: Profile, relations: Relations, reading: Reading, order_groups: tuple[int, frozenset[int]]
) -> Rules:
    """The rules that a reading amounts to. `order_groups`: see `relations.constant_within`, for the order number."""
    return _Maker(names, profile, relations, reading, order_groups).make()


class _Maker:
    def __init__(
        self, names: Names, profile: Profile, relations: Relations, reading: Reading, groups: tuple[int, frozenset[int]]
    ) -> None:
        self.names, self.profile, self.relations, self.reading = names, profile, relations, reading
        self.repeated, self.constant = groups
        self.rules = Rules()
        self.handles: dict[str, list[str]] = {}
        seen: set[str] = set()
        for choice in sorted(reading.choices, key=lambda c: (-c.confidence, c.column.index)):
            if (
                choice.field and choice.column.name.strip() not in seen
            ):  # of two columns with one name only the first can be named
                seen.add(choice.column.name.strip())
                known = self.handles.setdefault(choice.field, [])
                stem = choice.field.removeprefix("amount:")
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

    def _one(self, name: str) -> list[str]:
        return self.handles.get(name, [])[:1]

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
            handles = self._one("payment_id")
        elif name == "channel" and entity == "shipments" and not handles:
            return self._channel_of_shop()
        elif name == "raw_channel_order_id":
            handles = self._one("channel_order_id")
        elif name == "description" and entity == "payments" and not handles:
            handles = self._one("kind")
        elif name == "item_quantity" and not handles and self.repeated and "quantity" in self.handles:
            return {"from": self._one("quantity")[0], "aggregate": "sum"}
        if not handles:
            return None
        if meaning.vocabulary or name == "channel":
            return self._coded(entity, name, handles[0])
        if name == "raw_status" and self.handles.get("status") and handles != self._one("status"):
            return {"concat": [*self._one("status"), *handles], "separator": " / "}
        if name == "address" and len(handles) > 1:
            changed = [h for h in handles if "modify" in concepts_of(self.names, self.rules.columns[h])]
            if changed:  # what the address was changed to, else what it was
                return {"from": [*changed, *(h for h in handles if h not in changed)]}
            return {"concat": sorted(handles, key=lambda h: self.rules.columns[h].index), "separator": " "}
        if meaning.type == "timestamp" and (form := _spelling(self.rules.columns[handles[0]])):
            return {"from": handles[0], "format": form}
        return handles[0] if len(handles) == 1 else {"from": list(handles)}

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
        note = []
        if guessed:
            note.append("by likeness: " + "; ".join(guessed[:8]))
        if unknown:
            note.append("not understood, add them to the map: " + ", ".join(unknown[:12]))
            self.rules.remarks.append(f"{column.name}: no standard word known for {', '.join(unknown[:12])}")
        if not column.words and column.distinct:
            note.append(f"{column.distinct} different words, only the most frequent were looked at")
        if note:
            self.rules.notes[f"{entity}.{name}"] = ". ".join(note)
        return {"from": handle, "map": {m.word: m.code for m in found}}

    def _varies(self, name: str) -> bool:
        handles = self.handles.get(name)
        return bool(handles) and bool(self.repeated) and self.rules.columns[handles[0]].index not in self.constant

    # ---- orders and their lines

    def _complete_order(self, fields: dict[str, Any]) -> None:
        if "payable_amount" not in fields and self.handles.get("paid_amount"):
            fields["payable_amount"] = self._one("paid_amount")[0]
            self.rules.notes["orders.payable_amount"] = "the file only states what was paid; no other column is the amount due"
        if "created_at" not in fields and self.handles.get("paid_at"):
            fields["created_at"] = self._one("paid_at")[0]
            self.rules.notes["orders.created_at"] = "the file has no time of creation; the time of payment stands in"
        if "status" not in fields:
            cases = [{"when": {"present": self._one(name)[0]}, "value": code} for name, code in _STAGES if self.handles.get(name)]
            if cases:
                fields["status"] = {"first_match": [*cases, {"value": "pending_payment"}]}
                self.rules.notes["orders.status"] = "the file has no status; read off its times"

    def _aggregate(self, fields: dict[str, Any]) -> None:
        for name, rule in list(fields.items()):
            source = (
                name if self.handles.get(name) else {"payable_amount": "paid_amount", "created_at": "paid_at"}.get(name, name)
            )
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
        for name, funder in (("merchant_discount_amount", "merchant"), ("platform_discount_amount", "platform")):
            for handle in self._one(name):
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

    # ---- money

    def _payments(self, block: dict[str, Any]) -> None:
        fields = block["fields"]
        fields.pop("account", None)
        if self.handles.get("account"):
            self.rules.top["account"] = {"from": self._one("account")[0]}
        if self.handles.get("amount:net"):
            self._settle(fields)
            return
        credit, debit = self._one("amount:credit"), self._one("amount:debit")
        if credit and debit:
            fields["amount"] = {"credit": credit[0], "debit": debit[0]}
        elif fields.get("amount"):
            fields["amount"] = self._signed(fields["amount"])
        if "payment_id" not in fields and self.handles.get("platform_txn_id") and self._tells_rows_apart("platform_txn_id"):
            fields["payment_id"] = self._one("platform_txn_id")[0]
        self._number("payments", fields)
        fees = [(h, self.rules.columns[h]) for h in self.handles.get("amount:fee", ()) if not self.rules.columns[h].blank]
        if fees and "payment_id" in fields:
            listed = [h for h, c in fees if c.share("negative") > 0.5 * (1 - _zero(c))]
            amount: dict[str, Any] = {"sum": listed}
            if not listed:  # positive figures of what is taken off; several have no sum with a sign turned
                listed, amount = [fees[0][0]], {"negative": fees[0][0]}
            left = [self.rules.columns[h].name for h, _ in fees if h not in listed]
            if left:
                self.rules.remarks.append(f"{', '.join(left)}: fees that are not booked yet; add a block for each, or a sum")
            fee = {k: v for k, v in fields.items() if k not in ("kind", "amount", "description")}
            fee |= {"kind": {"value": "fee"}, "amount": amount}
            # A sum takes every row: no condition asks whether one of several columns holds something.
            where = {"where": {"nonzero": listed[0]}} if len(listed) == 1 else {}
            self.rules.blocks["payments"].append({**where, "fields": fee})

    def _settle(self, fields: dict[str, Any]) -> None:
        """Several amounts in a row, each a movement of its own; together they make the row's net, or the row is set aside."""
        net, parts = self._one("amount:net")[0], self.handles["amount:part"]
        of: dict[str, list[str]] = {}
        for handle in parts:
            of.setdefault(self._part_kind(self.rules.columns[handle]), []).append(handle)
        signs = self.relations.net.parts
        turned = [h for h in parts if signs.get(self.rules.columns[h].index, 1) < 0]
        row = {k: v for k, v in fields.items() if k not in ("amount", "kind", "description")}
        self._number("payments", row)
        fields.clear()
        fields.update(row)
        self.rules.notes.pop("payments.kind", None)
        rest = {**row, "kind": {"value": "adjustment"}, "amount": net}
        if self.handles.get("kind"):
            rest["description"] = self._one("kind")[0]
        split = {"net": net, "of": of} | ({"either_sign": [turned]} if turned else {})
        self.rules.blocks["payments"] = [
            {"where": {"some_nonzero": parts}, "parts": split, "fields": row},
            {"where": {"not": {"some_nonzero": parts}}, "fields": rest},
        ]
        self.rules.remarks.append("whether an amount is receipt, refund, subsidy or fee is read off its name: check `parts`")

    def _returns(self, block: dict[str, Any]) -> None:
        self._number("returns", block["fields"])

    def _inventory_movements(self, block: dict[str, Any]) -> None:
        self._number("inventory_movements", block["fields"])

    def _number(self, entity: str, fields: dict[str, Any]) -> None:
        """Where the file numbers nothing, what the row is about makes its number; equal rows are counted."""
        number, names = _NUMBERED[entity]
        made_of = [h for name in names for h in self._one(name)]
        if number in fields or len(made_of) < 2:
            return
        fields[number] = {"concat": [*made_of, REPEAT_NUMBER], "separator": "|"}
        self.rules.top["repeated_rows"] = "legitimate"
        self.rules.notes[f"{entity}.{number}"] = (
            "the file has no number of its own; rows alike in all of these are told apart by counting"
        )

    def _tells_rows_apart(self, name: str) -> bool:
        column = self.rules.columns[self._one(name)[0]]
        return column.distinct >= 0.9 * column.count

    def _part_kind(self, column: Column) -> str:
        return kind_of(column, self.names.wording, self.relations.net.parts.get(column.index, 1))

    def _signed(self, handle: Any) -> Any:
        column = self.rules.columns[handle] if isinstance(handle, str) else None
        for way in self._one("amount:direction"):
            minus = words.outgoing(self.rules.columns[way].words)
            if column is not None and column.share("negative") < 0.02 and minus:
                return {"from": handle, "sign": {"minus": {way: minus}}}
        if column is not None and column.share("negative") < 0.02:
            self.rules.remarks.append(
                f"{column.name}: no amount is negative and no column says which way the money went; check refunds and fees"
            )
        return handle

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


def _zero(column: Column) -> float:
    return sum(s.strip("0.,-") == "" for s in column.samples) / max(1, len(column.samples))
