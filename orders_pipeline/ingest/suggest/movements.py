"""The rules of rows that are movements of money or goods: amounts and signs, parts of a net, numbers where none is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orders_pipeline.dictionary.model import REPEAT_NUMBER
from orders_pipeline.ingest.suggest import words
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Column
from orders_pipeline.ingest.suggest.relations import Relations
from orders_pipeline.ingest.suggest.settlement import kind_of

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


#: Kinds of rows whose main amount is of that kind too.
_NO_RECEIPT = frozenset({"refund", "payout", "subsidy"})


@dataclass
class Rules:
    """A source's rules and the questions they leave open. `columns`: handle -> column; `notes`: handle or field -> remark."""

    columns: dict[str, Column] = field(default_factory=dict)
    blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


class Movements:
    """What a maker of rules does for payments, returns and stock movements."""

    names: Names
    relations: Relations
    rules: Rules
    handles: dict[str, list[str]]

    def _one(self, name: str) -> list[str]:
        return self.handles.get(name, [])[:1]

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
            # A number is unique with its kind: a row that is a fee itself must not share its own with the fee beside it.
            number = fee["payment_id"]
            number = {"concat": [number]} if isinstance(number, str) else number
            if "concat" in number:
                fee["payment_id"] = {**number, "suffix": "-fee"}
            fee |= {"kind": {"value": "fee"}, "amount": amount}
            # A sum takes every row: no condition asks whether one of several columns holds something.
            where = {"where": {"nonzero": listed[0]}} if len(listed) == 1 else {}
            self.rules.blocks["payments"].append({**where, "fields": fee})

    def _settle(self, fields: dict[str, Any]) -> None:
        """Several amounts in a row, each a movement of its own; together they make the row's net, or the row is set aside."""
        parts = self.handles["amount:part"]
        net: Any = self._one("amount:net")[0]
        if (out := self.relations.net.out) is not None:
            of_column = {self.rules.columns[h].index: h for h in self.handles["amount:net"]}
            net = {"credit": of_column[self.relations.net.column], "debit": of_column[out]}
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
        self.rules.open = [q for q in self.rules.open if not q.startswith("payments.kind:")]  # a part's name says its kind
        rest = {**row, "kind": {"value": "adjustment"}, "amount": net}
        if self.handles.get("kind"):
            rest["description"] = self._one("kind")[0]
        blocks = []
        for where, receipt in self._by_kind():
            # What a row of refunds or payouts moves is no receipt, whatever its column is called.
            renamed: dict[str, list[str]] = {}
            for kind, handles in of.items():
                renamed.setdefault(receipt if kind == "receipt" else kind, []).extend(handles)
            split = {"net": net, "of": renamed} | ({"either_sign": [turned]} if turned else {})
            blocks.append({"where": {**where, "some_nonzero": parts}, "parts": split, "fields": row})
        self.rules.blocks["payments"] = [*blocks, {"where": {"not": {"some_nonzero": parts}}, "fields": rest}]
        self.rules.remarks.append("whether an amount is receipt, refund, subsidy or fee is read off its name: check `parts`")

    def _by_kind(self) -> list[tuple[dict[str, Any], str]]:
        """(condition, kind of what comes in) for the rows a column's known words pick; one for all where none tells."""
        for handle in self._one("kind"):
            found, _ = words.meanings(self.names, ("payments", "kind"), self.rules.columns[handle].words)
            of: dict[str, list[str]] = {}
            for meaning in found:
                of.setdefault(meaning.code, []).append(meaning.word)
            other = {code: listed for code, listed in of.items() if code in _NO_RECEIPT}
            if other:
                named = sorted(w for listed in other.values() for w in listed)
                return [({"not": {handle: named}}, "receipt"), *(({handle: listed}, code) for code, listed in other.items())]
        return [({}, "receipt")]

    def _returns(self, block: dict[str, Any]) -> None:
        fields = block["fields"]
        self._number("returns", fields)
        if "kind" not in fields:
            fields["kind"] = {"value": "return_refund"}
            self.rules.notes["returns.kind"] = "no column tells the kind of case: taken as goods sent back for their money"
            self.rules.remarks.append(f"returns.kind: {self.rules.notes['returns.kind']}")

    def _inventory_movements(self, block: dict[str, Any]) -> None:
        self._number("inventory_movements", block["fields"])

    def _number(self, entity: str, fields: dict[str, Any]) -> None:
        """Where the file numbers nothing, what the row is about makes its number; equal rows are counted."""
        number, names = _NUMBERED[entity]
        if number == "payment_id" and self.handles.get("platform_txn_id") and self._tells_rows_apart("platform_txn_id"):
            fields.setdefault(number, self._one("platform_txn_id")[0])
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


def _zero(column: Column) -> float:
    return sum(s.strip("0.,-") == "" for s in column.samples) / max(1, len(column.samples))
