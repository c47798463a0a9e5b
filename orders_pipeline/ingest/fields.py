"""What each field of a source becomes: its rule as SQL over the staged cells, with the faults its cell can have.

A rule never sees a cell as the file shows it, only the staged forms of it (see `mapping.Mapper.staging`), and says here
which of them it needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orders_pipeline.dictionary.model import (
    DECLARED_ZONE,
    DUCKDB_TYPES,
    Block,
    canonical_value,
)
from orders_pipeline.dictionary.rules import operands, own_handles, rule_handles
from orders_pipeline.ingest.conditions import Conditions
from orders_pipeline.kernel.sqltext import literal, quote

UNMAPPED = "unmapped"
NUMERIC = ("money", "price", "quantity", "ratio", "integer")
LISTED_ROWS_MAX = 500
#: Before it nothing was sold that files tell of: `26/5/1` read as the year 26, a spreadsheet's day zero, a clock never set.
_EARLIEST = "TIMESTAMPTZ '1990-01-01 00:00:00+00'"
#: Beside the row's currency, not in it.
_IN_BOOK_CURRENCY = {"exchange_rate"}
#: What makes a rule for a time look at the whole text of its cell.
_READS_TEXT = {"extract", "format", "zone", "at"}


@dataclass(frozen=True)
class Value:
    """SQL of a typed value, and the faults its cell can have: (SQL condition, reason), first that holds."""

    sql: str
    faults: tuple[tuple[str, str], ...] = ()


class FieldRules(Conditions):
    """The rules of one file's fields, and which staged forms of its cells they read."""

    # ---- one field

    def field(self, block: Block, name: str) -> Value:
        return self._by_rule(block, name, block.fields.get(name))

    def _by_rule(self, block: Block, name: str, rule: Mapping[str, Any] | None) -> Value:
        """A rule with what limits it: the columns it `needs`, the rows `when` it holds, and what to take `otherwise`."""
        if rule is None or not rule.keys() & {"needs", "when", "otherwise"}:
            return self._unlimited(block, name, rule)
        found = []
        if self._applies(rule):
            value = self._unlimited(block, name, rule)
            if "when" in rule:
                meets = self.condition(rule["when"])
                faults = tuple((f"{meets} AND ({condition})", reason) for condition, reason in value.faults)
                value = Value(f"CASE WHEN {meets} THEN {value.sql} END", faults)
            found.append(value)
        if "otherwise" in rule:
            found.append(self._by_rule(block, name, rule["otherwise"]))
        if not found:
            return self._unlimited(block, name, None)
        faults = [*found[0].faults]
        for value in found[1:]:
            # What is not taken cannot be at fault.
            faults += [(f"{found[0].sql} IS NULL AND ({condition})", reason) for condition, reason in value.faults]
        return Value(f"coalesce({', '.join(v.sql for v in found)})" if len(found) > 1 else found[0].sql, tuple(faults))

    def _applies(self, rule: Mapping[str, Any]) -> bool:
        """Whether the file has what a rule by itself is made of."""
        if any(h not in self.binding for h in rule.get("needs", ())):
            return False
        return "value" in rule or "first_match" in rule or any(h in self.binding for h in own_handles(rule))

    def gives(self, rule: Mapping[str, Any]) -> bool:
        """Whether the file can give a value by this rule, or by one it falls back on."""
        return self._applies(rule) or ("otherwise" in rule and self.gives(rule["otherwise"]))

    def _unlimited(self, block: Block, name: str, rule: Mapping[str, Any] | None) -> Value:
        spec = self.dictionary.field(block.entity, name)
        if name == "raw_status" and (rule is None or not self.bound(rule)):
            rule = _words_of(block.fields.get("status"))
        if rule is not None and "first_match" in rule:
            return Value(self._first_match(rule["first_match"]))
        if rule is None or not self.bound(rule):
            constant = self.constants.get(name)
            if rule and "value" in rule:
                constant = rule["value"]
            if constant is None:
                return Value(f"CAST(NULL AS {spec.duckdb_type})")
            return Value(f"CAST({literal(str(constant))} AS {spec.duckdb_type})")
        if "map" in rule:
            return self._mapped(rule, spec.vocabulary)
        if spec.type == "code":
            value = self._coded(rule, spec.vocabulary)
            constant = self.constants.get(name) if name == "courier_code" else None
            return Value(f"coalesce({value.sql}, {literal(constant)})", value.faults) if constant else value
        if spec.type in NUMERIC:
            value = self._numeric(rule, spec.type)
            value = Value(value.sql, (*value.faults, *self._signs(block, name, rule, spec.type)))
        else:
            value = self._texted(rule, spec.type, spec.pii)
            if spec.case == "upper":
                value = Value(f"upper({value.sql})", value.faults)
            if spec.scrub:
                value = Value(f"scrubbed({value.sql})", value.faults)
        constant = self.constants.get(name)
        if constant is not None and "otherwise" not in rule:
            value = Value(f"coalesce({value.sql}, CAST({literal(constant)} AS {spec.duckdb_type}))", value.faults)
        return value

    def bound(self, rule: Mapping[str, Any]) -> bool:
        """Whether the file has at least one of the columns the rule reads."""
        return any(h in self.binding for h in rule_handles(rule))

    def _texted(self, rule: Mapping[str, Any], kind: str, pii: str | None) -> Value:
        handles = rule.get("from")
        if "concat" in rule:
            form = "value" if kind == "timestamp" else "id"
            # a part may be a word of our own: {value: receipt}
            parts = ", ".join(literal(h["value"]) if isinstance(h, Mapping) else self._text(h, form) for h in rule["concat"])
            text = f"nullif(concat_ws({literal(rule.get('separator', ''))}, {parts}), '')"
            return self._instant(text, self.instant_sql(text)) if kind == "timestamp" else Value(_suffixed(text, rule))
        handles = [handles] if isinstance(handles, str) else list(handles or ())
        form = "text"
        if kind == "id":
            form = "id"
        elif kind in ("timestamp", "date"):
            form = "value" if _READS_TEXT & rule.keys() or self._filled_down(handles) else "rest"
        texts = [self._text(h, form) for h in handles]
        text = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
        if "extract" in rule:
            text = f"nullif(regexp_extract({text}, {literal(rule['extract'])}, 1), '')"
        if kind == "timestamp" and "format" in rule:
            return self._instant(text, f"CAST(try_strptime({text}, {literal(rule['format'])}) AS TIMESTAMPTZ)")
        if kind == "timestamp" and "zone" in rule:
            # The column's own zone, whatever the zone of the file or the shop.
            text = f"CASE WHEN has_offset({text}) THEN {text} ELSE {text} || ' {rule['zone']}' END"
            return Value(f"instant({text})", ((f"{text} IS NOT NULL AND instant({text}) IS NULL", "unreadable_time"),))
        if kind in ("timestamp", "date"):
            return self._dated(text, handles, kind, rule)
        if kind == "bool":
            return Value(f"truth({text})", ((f"{text} IS NOT NULL AND truth({text}) IS NULL", "unreadable_bool"),))
        if kind == "id":
            return Value(_suffixed(text, rule), self._damage(text, handles))
        return Value(f"unmasked({text})" if pii == "account" else text)

    def _damage(self, text: str, handles: list[str]) -> tuple[tuple[str, str], ...]:
        faults = [(f"is_scientific({text})", "id_scientific"), (f"is_float({text})", "id_precision")]
        faults.append((f"is_formula({text})", "id_formula"))
        if self.damaged.intersection(handles):
            faults.append((f"lost_digits({text})", "id_precision"))
        for handle in handles:
            rows = self.numbered_cells.get(handle)
            if rows:
                these = f"row_number IN ({', '.join(map(str, rows))})" if len(rows) <= LISTED_ROWS_MAX else "true"
                faults.append((f"regexp_full_match({text}, '\\d{{15,}}') AND {these}", "id_precision"))
        return tuple(faults)

    def known_at(self, rule: Mapping[str, Any]) -> str:
        """SQL of an instant that tells how old the file is at most (when a row last changed), although no field keeps it."""
        return self._texted(rule, "timestamp", None).sql

    def instant_sql(self, text: str) -> str:
        """SQL of the instant a text names, in the file's zone."""
        if self.zone == DECLARED_ZONE or self.zone is None:
            return f"CASE WHEN has_offset({text}) THEN instant({text}) END"
        if self.date_order in ("mdy", "dmy"):
            days = {"mdy": ("%m/%d/%Y", "%m-%d-%Y"), "dmy": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y")}[self.date_order]
            formats = ", ".join(literal(d + t) for d in days for t in ("", " %H:%M", " %H:%M:%S", " %I:%M:%S %p", " %I:%M %p"))
            return f"coalesce(in_zone(try_strptime(unzoned({text}), [{formats}]), {text}), instant({text}))"
        return f"instant({text})"

    def day_sql(self, text: str) -> str:
        """SQL of the day a text names; of an instant with an offset the day it was in the file's zone."""
        if self.zone == DECLARED_ZONE or self.zone is None:
            return f"CAST(wall_clock({text}) AS DATE)"
        return f"CAST(CASE WHEN has_offset({text}) THEN CAST(instant({text}) AS TIMESTAMP) ELSE wall_clock({text}) END AS DATE)"

    def _filled_down(self, handles: list[str]) -> bool:
        """Whether blank cells of these take the text above: what is read of them is read after that."""
        return not set(handles).isdisjoint(self.source.get("fill_down", ()))

    def _dated(self, text: str, handles: list[str], kind: str, rule: Mapping[str, Any]) -> Value:
        """An instant or a day: staged with its handles, or read here out of a part of their text."""
        form, closely = ("m", self.instant_sql(text)) if kind == "timestamp" else ("d", self.day_sql(text))
        staged = ", ".join(self._use(form, h) for h in handles if h in self.binding)
        value = closely if "extract" in rule or self._filled_down(handles) else f"coalesce({staged})"
        if kind == "date":
            return Value(value, ((f"{text} IS NOT NULL AND {value} IS NULL", "unreadable_date"),))
        if rule.get("at") == "end_of_day":  # a day without a time: whatever happened on it had happened by its end
            last = f"CAST(CAST({value} AS DATE) + TIME '23:59:59' AS TIMESTAMPTZ)"
            bare = f"NOT contains({text}, ':') AND CAST(CAST({value} AS TIMESTAMP) AS TIME) = TIME '00:00:00'"
            value = f"CASE WHEN {bare} THEN {last} ELSE {value} END"
        return self._instant(text, value)

    def _instant(self, text: str, value: str) -> Value:
        unreadable = (f"{text} IS NOT NULL AND {value} IS NULL OR {value} < {_EARLIEST}", "unreadable_time")
        if self.zone == DECLARED_ZONE or self.zone is None:
            undeclared = f"{text} IS NOT NULL AND {value} IS NULL AND wall_clock({text}) IS NOT NULL"
            return Value(value, ((undeclared, "time_zone_undeclared"), unreadable))
        return Value(value, (unreadable,))

    # ---- numbers

    def amount(self, rule: str | list[str] | Mapping[str, Any]) -> str:
        """SQL of a column, the sum of several, or a rule, as a number that may be NULL; for controls."""
        rule = {"from": rule} if isinstance(rule, str) else {"sum": rule} if isinstance(rule, list) else rule
        numbers = {h: self.number(h) for h in operands(rule) if h in self.binding}
        unread = " OR ".join(f"({text} IS NOT NULL AND {value} IS NULL)" for value, text in numbers.values())
        total = self._combine(rule, {h: value for h, (value, _) in numbers.items()})
        return f"CASE WHEN NOT ({unread or 'false'}) THEN CAST({total} AS DECIMAL(28,6)) END"

    def _numeric(self, rule: Mapping[str, Any], kind: str) -> Value:
        if "extract" in rule:
            return self._extracted_number(rule, kind)
        handles = [h for h in operands(rule) if h in self.binding]
        numbers = {h: self.number(h) for h in handles}
        if kind == "ratio":
            numbers = {h: (f"coalesce({value}, percent({text}))", text) for h, (value, text) in numbers.items()}
        unread = [f"({text} IS NOT NULL AND {value} IS NULL)" for value, text in numbers.values()]
        total = self._combine(rule, {h: v for h, (v, _) in numbers.items()})
        target = DUCKDB_TYPES[kind]
        if "parts" in rule:
            return self._part(rule, total, target)
        value = f"CAST({total} AS {target})"
        if "product" in rule:  # of two large figures it has no room: a telephone number in the price's column
            value = f"TRY_{value}"
            unread.append(f"({total} IS NOT NULL AND {value} IS NULL)")
        faults = [(" OR ".join(unread), f"unreadable_{kind}")]
        if kind != "ratio" and (rule.get("rounding") or self.source.get("rounding")) != "half_up":
            faults.append((f"{value} <> {total}", "more_decimals_than_kept"))
        return Value(value, tuple(faults))

    def _signs(self, block: Block, name: str, rule: Mapping[str, Any], kind: str) -> tuple[tuple[str, str], ...]:
        """The fault of cells that name another currency than the row's, or that are no amounts and name any.

        Only a cell that cannot be cast as it stands is asked.
        """
        if "extract" in rule or name in _IN_BOOK_CURRENCY:
            return ()
        net = (rule.get("parts") or {}).get("net") or {}  # the other parts are asked each in its own field
        handles = dict.fromkeys((*operands(rule), *operands(net)))
        texts = [self.number(h)[1] for h in handles if h in self.binding]
        asked, reason = "has_sign({0})", f"unreadable_{kind}"
        if kind in ("money", "price"):
            currency = self._currency(block)
            asked, reason = f"is_other_money({{0}}, {currency})", "currency_differs"
            texts = texts if currency else []
        found = [f"CASE WHEN {text} IS NOT NULL THEN {asked.format(text)} ELSE false END" for text in texts]
        return ((" OR ".join(found), reason),) if found else ()

    def _currency(self, block: Block) -> str | None:
        """SQL of the currency of a block's amounts: its own, or that of another block of the source; None: nobody says it.

        Where the rows of an order are one, or the currency is another block's, a row with a blank cell says nothing.
        """
        for one in (block, *self.source.blocks):
            if "currency" not in self.dictionary.entities[one.entity].fields:
                continue
            rule = one.fields.get("currency")
            is_stated = rule is not None and self.bound(rule)
            constants = self.constants
            if is_stated and (one is not block or block.rows == "group"):
                self.constants = {**constants, "currency": None}
            sql = self.field(one, "currency").sql
            self.constants = constants
            if not sql.startswith("CAST(NULL"):
                return quote("currency") if one is block and block.rows != "group" else sql
        return None

    def _part(self, rule: Mapping[str, Any], value: str, target: str) -> Value:
        """One of a row's amounts. All of them are at fault when one is unreadable, or when they do not make the row's net."""
        parts = rule["parts"]
        read = [h for h in (*parts["of"], *operands(parts["net"] or {})) if h in self.binding]
        unread = " OR ".join(f"({t} IS NOT NULL AND {v} IS NULL)" for v, t in map(self.number, read))
        rounded = (f"CAST({value} AS {target}) <> {value}", "more_decimals_than_kept")
        if parts["net"] is None:
            return Value(f"CAST({value} AS {target})", ((unread, "unreadable_money"), rounded))
        net = f"coalesce({self.amount(parts['net'])}, 0)"
        groups = parts["either_sign"]
        free = {h: n for n, group in enumerate(groups) for h in group}
        sums = [
            " + ".join(f"coalesce({self.number(h)[0]}, 0)" for h in parts["of"] if h in self.binding and free.get(h) == n) or "0"
            for n in (None, *range(len(groups)))
        ]
        # Every way to read the signs, the file's own first; the first that makes the net is the right one.
        ways = sorted(itertools.product("+-", repeat=len(groups)), key=lambda way: (len(set(way)), way.count("-")))
        fits = {way: f"({sums[0]})" + "".join(f" {s} ({t})" for s, t in zip(way, sums[1:], strict=True)) for way in ways}
        adds_up = " OR ".join(f"{total} = {net}" for total in fits.values())
        if rule["from"] in free:
            turned = " ".join(f"WHEN {t} = {net} THEN {way[free[rule['from']]]}{value}" for way, t in fits.items())
            value = f"CASE {turned} ELSE {value} END"
        faults = ((unread, "unreadable_money"), (f"NOT ({adds_up})", "parts_differ"), rounded)
        return Value(f"CAST({value} AS {target})", faults)

    def _extracted_number(self, rule: Mapping[str, Any], kind: str) -> Value:
        """A number that stands inside a text; text without it is no fault, it just has none."""
        text = self._texted(rule, "text", None).sql
        value = f"CAST(number({text}) AS {DUCKDB_TYPES[kind]})"
        return Value(value, ((f"{text} IS NOT NULL AND {value} IS NULL", f"unreadable_{kind}"),))

    def _combine(self, rule: Mapping[str, Any], values: Mapping[str, str]) -> str:
        def at(handle: str) -> str:
            return values.get(handle, "CAST(NULL AS DECIMAL(18,6))")

        def blank_is_zero(parts: list[str], joined: str) -> str:
            known = " OR ".join(f"{p} IS NOT NULL" for p in parts)
            return f"CASE WHEN {known} THEN {joined} END"

        if "sum" in rule or "difference" in rule:
            parts = [at(h) for h in rule.get("sum") or rule["difference"]]
            sign = " + " if "sum" in rule else " - "
            less = "".join(f" - coalesce({at(h)}, 0)" for h in rule.get("less", ()))
            return blank_is_zero(parts, sign.join(f"coalesce({p}, 0)" for p in parts) + less)
        if "product" in rule:
            first, *others = map(at, rule["product"])  # two of DECIMAL(18) overflow, where one is wider there is room
            return " * ".join([f"CAST({first} AS DECIMAL(20,6))", *others])
        if "credit" in rule:
            parts = [at(rule["credit"]), at(rule["debit"])]
            return blank_is_zero(parts, " - ".join(f"abs(coalesce({p}, 0))" for p in parts))
        for operator, shape in (("negate", "-{}"), ("absolute", "abs({})"), ("negative", "-abs({})")):
            if operator in rule:
                return shape.format(at(rule[operator]))
        source = rule["from"]
        value = at(source) if isinstance(source, str) else f"coalesce({', '.join(at(h) for h in source)})"
        if "sign" in rule:
            condition = self.condition(rule["sign"]["minus"])
            value = f"CASE WHEN {condition} THEN -abs({value}) ELSE abs({value}) END"
        return value

    # ---- words

    def _mapped(self, rule: Mapping[str, Any], vocabulary: str | None) -> Value:
        codes = {canonical_value(str(k)): str(v) for k, v in rule["map"].items()}
        if "codes_of" not in rule:
            return self._decode(rule, codes, vocabulary)
        # The most detailed code that is known; the standard's own words are understood beside the service's codes.
        codes = {**self.dictionary.aliases(vocabulary or ""), **codes}
        handles = [h for h in operands(rule) if h in self.binding]
        known = [f"nullif({self._decode({**rule, 'from': h}, codes, vocabulary).sql}, {literal(UNMAPPED)})" for h in handles]
        stated = " OR ".join(f"{self._text(h)} IS NOT NULL" for h in handles)
        return Value(f"coalesce({', '.join(known)}, CASE WHEN {stated} THEN {literal(UNMAPPED)} END)")

    def _coded(self, rule: Mapping[str, Any], vocabulary: str | None) -> Value:
        if vocabulary is None:
            return self._texted(rule, "text", None)
        return self._decode(rule, self.dictionary.aliases(vocabulary), vocabulary)

    def _decode(self, rule: Mapping[str, Any], codes: Mapping[str, str], vocabulary: str | None) -> Value:
        """Words to codes. An unknown word is a value (`unmapped`) where the vocabulary has one, else a fault."""
        handles = [rule["from"]] if isinstance(rule["from"], str) else list(rule["from"])
        text = self._texted(rule, "text", None).sql
        spellings = None if "extract" in rule else self._spellings(handles)
        if spellings is None:
            text = f"lower({text})"
            pairs = list(codes.items())
        else:
            pairs = [(w, codes[c]) for w in spellings if (c := canonical_value(w)) in codes]
        cases = " ".join(f"WHEN {text} = {literal(word)} THEN {literal(code)}" for word, code in pairs)
        allowed = vocabulary is None or UNMAPPED in self.dictionary.vocabularies[vocabulary]
        value = f"CASE WHEN {text} IS NULL THEN NULL {cases} ELSE {literal(UNMAPPED) if allowed else 'NULL'} END"
        if allowed:
            return Value(value)
        return Value(value, ((f"{text} IS NOT NULL AND {value} IS NULL", "unknown_code"),))


def _suffixed(text: str, rule: Mapping[str, Any]) -> str:
    return f"{text} || {literal(rule['suffix'])}" if "suffix" in rule else text


def _words_of(rule: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A rule for the word itself that a status was read from, which is kept beside it."""
    handles = rule_handles(rule) if rule else []
    return {"from": list(dict.fromkeys(handles))} if handles else None
