"""From a source's rules to SQL: one SELECT per block, cell texts in, standard fields and the first fault out.

DuckDB does the work on all rows at once; Python only writes the statement. The input is the table `src`
(row_number, family, row_hash and the cells c0, c1 … as text). A row's `fault` is `reason|field` of the first field that
could not be read, or NULL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orders_pipeline.dictionary.model import REPEAT_NUMBER, Block
from orders_pipeline.dictionary.rules import rule_handles
from orders_pipeline.ingest.cells import is_one_of, narrowed
from orders_pipeline.ingest.fields import FieldRules, Value
from orders_pipeline.kernel.sqltext import literal, quote

#: Rows of these entities go to quarantine together with the rest of their order, document or case.
FAMILIES = {
    "orders": "channel_order_id",
    "order_lines": "channel_order_id",
    "discounts": "channel_order_id",
    "shipments": "outbound_id",
    "returns": "return_id",
}


class Mapper(FieldRules):
    """Writes the SELECTs of one file: the one that stages it, and one per block of its source."""

    def select(self, block: Block) -> tuple[list[str], str]:
        """(columns, SELECT) of a block: row_number, row_hash, repeat_number, the entity's fields and fault."""
        entity = self.dictionary.entities[block.entity]
        values = {name: self.field(block, name) for name in entity.fields}
        columns = [f"{v.sql} AS {quote(n)}" for n, v in values.items()]
        faults = [
            f"WHEN {condition} THEN {literal(f'{reason}|{name}')}"
            for name, value in values.items()
            for condition, reason in value.faults
        ]
        fault = f"CASE {' '.join(faults)} END" if faults else "CAST(NULL AS VARCHAR)"
        repeat = REPEAT_NUMBER if self.source.repeated_rows == "marked" else "1"
        rows = (
            f"SELECT row_number, family, row_hash, {repeat} AS {REPEAT_NUMBER}, {', '.join(columns)}, {fault} AS fault "
            f"FROM src{self._where(block)}"
        )
        if block.rows == "group":
            rows = self._grouped(block, entity.fields, rows)
        # What must hold is asked of the finished row: in a group, of what its rows say together.
        broken = self._constraints(block, values)
        judged = f"CASE WHEN fault IS NOT NULL THEN fault {' '.join(broken)} END" if broken else "fault"
        names = ["row_number", "row_hash", REPEAT_NUMBER, *entity.fields]
        if block.entity == "discounts" and not self.source.is_standard:
            # An export has a column for every kind of discount; nothing in it is no discount.
            rows = f"SELECT * FROM ({rows}) WHERE coalesce(amount, 0) <> 0 OR fault IS NOT NULL"
        return [*names, "fault"], f"SELECT {', '.join(quote(n) for n in names)}, {judged} AS fault FROM ({rows})"

    # ---- what others ask

    def staging(self, relation: str, columns: Sequence[str], total_words: Sequence[str], numbered: bool) -> str:
        """The SELECT that stages a file: the cells that are used, cleaned, nulled and read once, each step from the one below.

        A step per macro: a macro inside a macro is written out as often as the outer one names its parameter.

        Of a handle h: i_h as an identifier, t_h as text, x_h as the text of a value, n_h as a number, m_h as an instant,
        d_h as a date, r_h as the text of a value that is none of these as it stands in the file; beside them row_hash
        (of the whole row) and is_total (of rows that are left out: totals, and blank rows of a sheet saved as text). Cells
        nobody asks for are not kept.
        """
        self._ask_everything()
        whole = f"concat({', chr(31), '.join(columns)})"  # || would copy the row so far at every column
        first = sorted({columns[0], *(self.binding[h] for h in self.source.signature[:1] if h in self.binding)})
        total = " OR ".join(f"({c} LIKE '%计%' AND {is_one_of(f'bare({c})', total_words)})" for c in first)
        blank = f"coalesce({', '.join([*first, *columns])}) IS NULL"
        steps: list[list[str]] = [
            [f"CAST(md5_number({whole}) AS UUID) AS row_hash", f"(coalesce({total}, false) OR {blank}) AS is_total"],
            *([] for _ in range(6)),
        ]
        kept = ["row_hash", "is_total"]
        for handle, cell in self.binding.items():
            forms = {f for f in "itxnmdr" if f"{f}_{handle}" in self._used}
            kept += [f"{f}_{handle}" for f in sorted(forms)]
            self._clean(steps, forms, handle, cell)
            self._read(steps, forms, handle, cell)
        query = relation
        for step in filter(None, steps):
            query = f"(SELECT {', '.join(['*', *step])} FROM {query})"
        return f"SELECT {', '.join((['line'] if numbered else []) + kept)} FROM {query}"

    def _clean(self, steps: list[list[str]], forms: set[str], handle: str, cell: str) -> None:
        """The steps to the texts of a cell."""
        if forms & {"i", "x"}:
            steps[0].append(f"undisguised({cell}) AS u_{handle}")
            steps[1].append(f"plain_id(u_{handle}) AS id_{handle}")
        if "t" in forms:
            steps[0].append(f"bare({cell}) AS b_{handle}")
            steps[1].append(f"unquoted(b_{handle}) AS text_{handle}")
        for form, clean, nulls in (("i", "id_", self.id_nulls), ("t", "text_", self.nulls), ("x", "id_", self.time_nulls)):
            if form in forms:
                steps[2].append(f"{_unless(clean + handle, nulls)} AS {form}_{handle}")

    def _read(self, steps: list[list[str]], forms: set[str], handle: str, cell: str) -> None:
        """The steps to the values of a cell. Nearly every cell can be cast as it stands; only the others are cleaned."""
        readings = {f: self._reading(f) for f in "nmd" if f in forms}
        if not readings:
            return
        casts = {f: f"q{f}_{handle}" for f, (cast, _) in readings.items() if cast}
        steps[0] += [f"{readings[f][0].format(cell)} AS {name}" for f, name in casts.items()]
        unread = " OR ".join(f"{name} IS NULL" for name in casts.values()) if len(casts) == len(readings) else "true"
        steps[1].append(f"CASE WHEN {unread} THEN {cell} END AS c_{handle}")
        steps[2].append(f"halfwidth(undisguised(c_{handle})) AS v_{handle}")
        steps[3].append(f"plain_id(v_{handle}) AS w_{handle}")
        nulls = self.number_nulls if "n" in forms else self.time_nulls
        steps[4].append(f"{_unless(f'w_{handle}', narrowed(nulls))} AS r_{handle}")
        if "n" in forms:
            steps[5].append(f"CASE WHEN r_{handle} IS NOT NULL THEN unsigned(r_{handle}) END AS f_{handle}")
        for form, (_, closely) in readings.items():
            text = f"f_{handle}" if form == "n" else f"r_{handle}"
            value = f"CASE WHEN r_{handle} IS NOT NULL THEN {closely.format(text)} END"
            steps[6].append(f"{f'coalesce({casts[form]}, {value})' if form in casts else value} AS {form}_{handle}")

    def _reading(self, form: str) -> tuple[str, str]:
        """(the cast that reads a value as it stands in the file, '' where that could mislead; the SQL that reads its text)."""
        if form == "n":
            closely = "plain_number_comma({0})" if self.decimal == "comma" else "plain_number({0})"
            direct, kind = self.decimal != "comma", "DECIMAL(18,6)"
        elif form == "d":
            closely = self.day_sql("{0}")
            direct, kind = True, "TIMESTAMP"
        else:
            closely = self.instant_sql("{0}")
            direct, kind = closely == "instant({0})", "TIMESTAMPTZ"
        # A null word with digits in it could pass for a value.
        if not direct or any(c.isdigit() for word in self.nulls for c in word):
            return "", closely
        # A cast that fails costs more than a look at the first character.
        wanted = "({0} BETWEEN '0' AND ':' OR {0} BETWEEN '-0' AND '-:')"
        if form == "n":
            wanted += " AND NOT (contains({0}, '+') OR contains({0}, '_'))"  # see `lost_figures`
        elif form == "d":
            wanted += " AND strlen({0}) <= 10"  # behind a time there may be an offset
        cast = f"CASE WHEN {wanted} THEN try_cast({{0}} AS {kind}) END"
        return (f"CAST({cast} AS DATE)" if form == "d" else cast), closely

    def _ask_everything(self) -> None:
        """Write every statement once, to learn which forms of which cells are needed."""
        words, self.words = self.words, lambda handle: []
        self.family()
        self.repeat_key()
        self.uncovered()
        self.event_times()
        for block in self.source.blocks:
            self.select(block)
        for control in self.source.get("control", ()):
            for rule in (control[k] for k in ("of", "balance", "stated") if k in control):
                self.amount(rule)
            for handle in (*control.get("time", ()), *control.get("by", ())):
                self.text(handle)
            for wanted in (control[k] for k in ("where", "stated_where") if k in control):
                self.condition(wanted)
        for handles in self.source.get("by_file", {}).values():
            for handle in handles:
                self._text(handle, "value")
        self.words = words

    def family(self) -> str:
        """SQL of what keeps rows together in quarantine (their order, document or case); NULL where rows stand alone.

        Rows that are added up to one (the states of one article's stock) stay together as well.
        """
        field = FAMILIES.get(self.source.primary.entity)
        if field is not None:
            return self.field(self.source.primary, field).sql
        grouped = next((b.group_by for b in self.source.blocks if b.rows == "group"), ())
        parts = [f"coalesce({self._text(h, 'id')}, '')" for h in grouped if h in self.binding]
        return f"concat_ws(chr(31), {', '.join(parts)})" if parts else "CAST(NULL AS VARCHAR)"

    def repeat_key(self) -> str:
        """SQL of what makes rows of one file equal to each other."""
        handles = self.source.get("repeats_of", ())
        return ", ".join(self._text(h, "id") for h in handles if h in self.binding) or "row_hash"

    def event_times(self) -> list[str]:
        """SQL of every instant the rows tell of (not plans, not deadlines)."""
        rules = [{"from": given} if isinstance(given, str) else given for given in self.source.get("known_at", ())]
        found = [self.known_at(rule) for rule in rules if self.bound(rule)]
        for block in self.source.blocks:
            for name in block.fields:
                spec = self.dictionary.field(block.entity, name)
                if spec.event and spec.type == "timestamp" and self.bound(block.fields[name]):
                    found.append(self.field(block, name).sql)
        return list(dict.fromkeys(found))

    def identifiers(self) -> list[str]:
        """Handles that are read as identifiers somewhere."""
        return [h for h in self.binding if f"i_{h}" in self._used]

    def columns_of(self, handles: Sequence[str]) -> list[str]:
        """The staged columns of these handles."""
        return [f"{form}_{h}" for h in handles for form in "itx" if f"{form}_{h}" in self._used]

    def has_value(self, block: Block, name: str) -> bool:
        """Whether the file can give a field of a block at all."""
        rule = block.fields.get(name)
        return rule is not None and self.gives(rule)

    def headers(self, block_entity: str, field: str) -> list[str]:
        """The cell columns a field is read from, for messages."""
        rules = [b.fields[field] for b in self.source.blocks if b.entity == block_entity and field in b.fields]
        return [self.binding[h] for r in rules for h in rule_handles(r) if h in self.binding]

    def impersonal_columns(self) -> list[int]:
        """Indexes of the columns that feed fields, none of them about a person or free text of one."""
        used: dict[str, bool] = {}
        for block in self.source.blocks:
            for name, rule in block.fields.items():
                personal = self.dictionary.field(block.entity, name).pii is not None
                for handle in rule_handles(rule):
                    used[handle] = used.get(handle, True) and not personal
        return sorted({int(self.binding[h][1:]) for h, fine in used.items() if fine and h in self.binding})

    def uncovered(self) -> str | None:
        """SQL of the rows that no block takes; None when one block takes all."""
        if not all(b.where for b in self.source.blocks):
            return None
        taken = [self.condition(b.where) for b in self.source.blocks]
        if self.source.get("leave_out"):
            taken.append(self._left_out())
        return f"NOT ({' OR '.join(taken)})"

    # ---- rows

    def _left_out(self) -> str:
        """SQL of the rows the source leaves out: one condition, or a list of which any does."""
        given = self.source.get("leave_out")
        return f"({' OR '.join(self.condition(one) for one in ([given] if isinstance(given, Mapping) else given))})"

    def _where(self, block: Block) -> str:
        wanted = [self.condition(block.where)] if block.where else []
        if self.source.get("leave_out"):
            wanted.append(f"NOT {self._left_out()}")
        return f" WHERE {' AND '.join(wanted)}" if wanted else ""

    def kept(self, wanted: Mapping[str, Any] | None) -> str:
        """SQL of the rows that a condition names and that are not left out."""
        here = self.condition(wanted or {})
        return f"{here} AND NOT {self._left_out()}" if self.source.get("leave_out") else here

    def _constraints(self, block: Block, values: Mapping[str, Value]) -> list[str]:
        entity = self.dictionary.entities[block.entity]
        out = []
        for name in entity.required:
            if name not in self.source.optional_fields and not _filled_later(name, values[name]):
                out.append(f"WHEN {quote(name)} IS NULL THEN {literal(f'required_missing|{name}')}")
        for name in values:
            spec = self.dictionary.field(block.entity, name)
            if name in block.fields and spec.min is not None:
                out.append(f"WHEN {quote(name)} < {spec.min} THEN {literal(f'below_minimum|{name}')}")
            if name in block.fields and spec.pattern is not None:
                wrong = f"NOT regexp_full_match({quote(name)}, {literal(spec.pattern)})"
                out.append(f"WHEN {wrong} THEN {literal(f'not_in_form|{name}')}")
            if name in block.fields and spec.max is not None:
                out.append(f"WHEN {quote(name)} > {spec.max} THEN {literal(f'above_maximum|{name}')}")
        return out

    def _grouped(self, block: Block, fields: tuple[str, ...], rows: str) -> str:
        parts = ["min(row_number) AS row_number", "arg_min(row_hash, row_number) AS row_hash", f"1 AS {REPEAT_NUMBER}"]
        parts += [f"{self._aggregate(block, name)} AS {quote(name)}" for name in fields]
        parts.append("min(fault) AS fault")
        # A row whose key cannot be read stands alone: it must not drag strangers into one group.
        key = "coalesce(family, CAST(row_number AS VARCHAR))"
        return f"SELECT {', '.join(parts)} FROM ({rows}) GROUP BY {key}"

    def _aggregate(self, block: Block, name: str) -> str:
        spec = self.dictionary.field(block.entity, name)
        how = (block.fields.get(name) or {}).get("aggregate", "first")
        column = quote(name)
        if how == "sum":
            return f"CAST(sum({column}) AS {spec.duckdb_type})"
        if how in ("min", "max"):
            return f"{how}({column})"
        if how == "least_advanced":
            vocabulary = self.dictionary.vocabularies[spec.vocabulary]
            # A closed part (a returned gift) does not close the order: closed counts as furthest.
            ranks = " ".join(f"WHEN {literal(c)} THEN {e.get('rank') or 100}" for c, e in vocabulary.items())
            return f"arg_min({column}, CASE {column} {ranks} ELSE 50 END)"
        return f"arg_min({column}, row_number)"


def _filled_later(name: str, value: Value) -> bool:
    """Constants cannot be missing; checking them would cost a comparison per row."""
    return value.sql.startswith("CAST('")


def _unless(text: str, words: Sequence[str]) -> str:
    """SQL of a text, NULL where it is one of the words that mean nothing."""
    return f"CASE WHEN {text} IS NULL OR {is_one_of(text, words)} THEN NULL ELSE {text} END"
