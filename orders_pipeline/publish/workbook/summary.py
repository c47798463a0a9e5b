"""The first sheet: what the month is, its roll-forwards by currency, and the identities that hold it together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from orders_pipeline.dictionary.model import load_dictionary, read_yaml
from orders_pipeline.publish.spreadsheet import cell_text
from orders_pipeline.publish.workbook.reading import Month, Table
from orders_pipeline.publish.workbook.writing import Formula, Places, Styles, text_width, total, write

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

SHEET = {"en": "Summary", "zh": "汇总"}
OK = "OK"
Cells = list[Any]
Line = Callable[[int], Cells]


@dataclass(frozen=True)
class Link:
    """A link to a file beside the workbook."""

    target: str
    text: str


@dataclass(frozen=True)
class Block:
    """A titled table of the sheet. A line is made for the row it comes to stand in, as its formulas name their neighbours."""

    title: str
    heads: Sequence[str]
    kinds: Sequence[str]
    lines: Sequence[Line]
    note: str = ""

    def write(self, sheet: Worksheet, row: int, styles: Styles, widths: dict[int, int]) -> int:
        """Write it from this row on; the next free row."""
        sheet.write_string(row, 0, self.title, styles.get(bold=True, font_size=12))
        row += 1
        if self.note:
            sheet.write_string(row, 0, self.note, styles.note)
            row += 1
        for column, head in enumerate(self.heads):
            sheet.write_string(row, column, head, styles.head(self.kinds[column]))
            widths[column] = max(widths.get(column, 0), text_width(head))
        row += bool(self.heads)
        for line in self.lines:
            cells = line(row)
            for column, value in enumerate(cells):
                self._cell(sheet, row, column, value, styles)
                if self.heads or column == 0:  # What a month is may run over into the empty cells beside it.
                    widths[column] = max(widths.get(column, 0), _shown_width(value))
            row += 1
        return row

    def _cell(self, sheet: Worksheet, row: int, column: int, value: Any, styles: Styles) -> None:
        kind = self.kinds[column]
        if isinstance(value, Link):
            sheet.write_url(row, column, f"external:{value.target}", styles.get(font_color="#0563C1", underline=1), value.text)
            return
        if isinstance(value, tuple):  # A value with a kind of its own.
            value, kind = value
        if kind == "verdict":
            broken = {"type": "cell", "criteria": "!=", "value": f'"{OK}"', "format": styles.get(font_color="#C00000")}
            sheet.conditional_format(row, column, row, column, broken)
        write(sheet, row, column, value, kind, styles, **({} if self.heads or column == 0 else {"align": "left"}))


def _shown_width(value: Any) -> int:
    if isinstance(value, tuple):
        value = value[0]
    if isinstance(value, Formula):
        value = value.value
    if isinstance(value, Link):
        return text_width(value.text)
    return text_width(f"{value:,.2f}" if isinstance(value, Decimal) else "" if value is None else str(value)[:44])


def blocks(month: Month, places: Mapping[str, Places], data_docs: str | None) -> list[Block]:
    """The blocks of the sheet, top down. `data_docs`: where the audit's pages lie, seen from the workbook."""
    text = {name: given[month.language] for name, given in read_yaml(Path(__file__).with_name("words.yml")).items()}
    parts = (_differences, _liabilities, _revenue, _payouts, _cut_off, _identities)
    return [_facts(month, text, data_docs), *(part(month, places, text) for part in parts)]


# ---- what the month is


def _facts(month: Month, text: Mapping[str, str], data_docs: str | None) -> Block:
    f, states = month.facts, load_dictionary().vocabularies["close_state"]

    def instant(value: datetime | None) -> str | None:
        return f"{value.astimezone(ZoneInfo(month.timezone)):%Y-%m-%d %H:%M %z}" if value else None

    def ratio(row: int) -> Cells:
        value = Decimal(f["difference_count"]) / f["order_count"] if f["order_count"] else ""
        return [text["difference_ratio"], (Formula(f'IF(B{row - 1}=0,"",B{row}/B{row - 1})', value), "ratio")]

    about = [
        (text["month"], f"{month.month:%Y-%m}"),
        (text["state"], states[f["state"]][month.language]),
        (text["set_number"], f["set_number"] and (f["set_number"], "count")),
        (text["closed_at"], instant(f["closed_at"])),
        (text["closed_by"], f["closed_by"]),
        (text["reason"], f["reason"]),
        (text["content_sha256"], f["content_sha256"]),
        (text["rule_versions"], f["rule_versions"]),
        (text["files_sha256"], f["files_sha256"]),
        (text["file_count"], f["file_count"] and (f["file_count"], "count")),
    ]
    lines: list[Line] = [_same([label, value]) for label, value in about if value]
    lines += [_same([text[name], (f[name], "count")]) for name in ("order_count", "difference_count")]
    lines += [ratio, _same([text["checked_at"], instant(month.checked_at)])]
    said = text["no_audit"]
    if month.audit.expectations:
        said = text["audited"].format(held=month.audit.held, expectations=month.audit.expectations)
    elif month.audit.is_of_others:
        said = text["old_audit"]
    lines.append(_same([text["audit"], Link(data_docs, said) if data_docs else said]))
    note = text["closed_note"] if month.is_closed else text["open_note"]
    return Block(text["about"], (), ("text", "text"), lines, note)


def _same(cells: Cells) -> Line:
    """A line that is the same wherever it stands."""
    return lambda row: cells


# ---- roll-forwards and sums


def _sum(place: Places, name: str, **chosen: tuple[str, str]) -> Formula:
    """Sum of a column where other columns have a value: column -> (cell that shows it, code in the rows)."""
    conditions = "*".join(f"({place.range(column)}={cell})" for column, (cell, _) in chosen.items())
    value = total(place.table.rows, name, **{column: code for column, (_, code) in chosen.items()})
    return Formula(f"SUMPRODUCT({conditions}*{place.range(name)})", value)


def _shown(table: Table, column: str, code: str) -> str:
    words = next(c.words for c in table.columns if c.name == column)
    return cell_text(words.get(code, code))


def _pairs(table: Table, column: str) -> list[tuple[str, str]]:
    return sorted({(row[column] or "", row["currency"] or "") for row in table.rows})


def _differences(month: Month, places: Mapping[str, Places], text: Mapping[str, str]) -> Block:
    place, listed = places["differences"], places["orders"]
    heads = [
        text[n] for n in ("currency", "measure", "opening", "new", "cleared", "written_off", "closing", "per_list", "difference")
    ]
    lines: list[Line] = []
    for currency in place.table.currencies:
        for measure in ("count", "amount"):

            def line(row: int, currency: str = currency, measure: str = measure) -> Cells:
                kind = "count" if measure == "count" else "money"
                here = {"currency": (f"$A{row + 1}", currency)}
                parts = [_sum(place, f"{n}_{measure}", **here) for n in ("opening", "new", "cleared", "written_off")]
                closing = parts[0].value + parts[1].value - parts[2].value - parts[3].value
                r = row + 1
                if measure == "amount":
                    in_list = _sum(listed, "closing_amount", **here)
                else:
                    carried = _shown(listed.table, "outcome", "carried")
                    found = sum(1 for o in listed.table.rows if (o["currency"] or "") == currency and o["outcome"] == "carried")
                    in_list = Formula(
                        f'SUMPRODUCT(({listed.range("currency")}=$A{r})*({listed.range("outcome")}="{carried}"))', found
                    )
                cells = [*parts, Formula(f"ROUND(C{r}+D{r}-E{r}-F{r},2)", closing), in_list]
                cells.append(Formula(f"ROUND(G{r}-H{r},2)", closing - in_list.value))
                return [currency, text[measure], *((c, kind) for c in cells)]

            lines.append(line)
    return Block(text["differences"], heads, ("text", "text", *["money"] * 7), lines, text["differences_note"])


def _liabilities(month: Month, places: Mapping[str, Places], text: Mapping[str, str]) -> Block:
    place = places["liabilities"]
    heads = [text[n] for n in ("liability", "currency", "opening", "increase", "decrease", "closing", "per_list", "difference")]
    lines: list[Line] = []
    for kind, currency in _pairs(place.table, "kind"):

        def line(row: int, kind: str = kind, currency: str = currency) -> Cells:
            r = row + 1
            here = {"kind": (f"$A{r}", kind), "currency": (f"$B{r}", currency)}
            parts = [_sum(place, f"{n}_amount", **here) for n in ("opening", "increase", "decrease")]
            closing = parts[0].value + parts[1].value - parts[2].value
            in_list = _sum(place, "closing_amount", **here)
            end = [Formula(f"ROUND(C{r}+D{r}-E{r},2)", closing), in_list, Formula(f"ROUND(F{r}-G{r},2)", closing - in_list.value)]
            return [_shown(place.table, "kind", kind), currency, *parts, *end]

        lines.append(line)
    return Block(text["liabilities"], heads, ("text", "text", *["money"] * 6), lines)


def _revenue(month: Month, places: Mapping[str, Places], text: Mapping[str, str]) -> Block:
    place = places["revenue"]
    heads = [text[n] for n in ("entry_kind", "currency", "amount", "prior_period", "current")]
    lines: list[Line] = []
    for kind, currency in _pairs(place.table, "entry_kind"):

        def line(row: int, kind: str = kind, currency: str = currency) -> Cells:
            here = {"entry_kind": (f"$A{row + 1}", kind), "currency": (f"$B{row + 1}", currency)}
            sums = [_sum(place, name, **here) for name in ("amount", "prior_period_amount", "current_amount")]
            return [_shown(place.table, "entry_kind", kind), currency, *sums]

        lines.append(line)
    return Block(text["revenue"], heads, ("text", "text", *["money"] * 3), lines)


def _payouts(month: Month, places: Mapping[str, Places], text: Mapping[str, str]) -> Block:
    place = places["payouts"]
    heads = [text[n] for n in ("currency", "number", "paid_out", "payout_diff", "unexplained", "arrived")]
    lines: list[Line] = []
    for currency in place.table.currencies:

        def line(row: int, currency: str = currency) -> Cells:
            here = {"currency": (f"$A{row + 1}", currency)}
            found = sum(1 for p in place.table.rows if (p["currency"] or "") == currency)
            number = Formula(f"SUMPRODUCT(--({place.range('currency')}=$A{row + 1}))", found)
            sums = [_sum(place, name, **here) for name in ("payout_amount", "payout_diff", "unexplained_amount", "bank_amount")]
            return [currency, (number, "count"), *sums]

        lines.append(line)
    return Block(text["payouts"], heads, ("text", "count", *["money"] * 4), lines)


def _cut_off(month: Month, places: Mapping[str, Places], text: Mapping[str, str]) -> Block:
    place = places["cut_off"]
    heads = [text[n] for n in ("cut_off_kind", "currency", "number", "recognised", "later")]
    lines: list[Line] = []
    for kind, currency in _pairs(place.table, "cut_off"):

        def line(row: int, kind: str = kind, currency: str = currency) -> Cells:
            here = {"cut_off": (f"$A{row + 1}", kind), "currency": (f"$B{row + 1}", currency)}
            chosen = "*".join(f"({place.range(column)}={cell})" for column, (cell, _) in here.items())
            found = sum(1 for o in place.table.rows if (o["cut_off"], o["currency"] or "") == (kind, currency))
            sums = [_sum(place, name, **here) for name in ("recognised_amount", "later_amount")]
            return [_shown(place.table, "cut_off", kind), currency, (Formula(f"SUMPRODUCT({chosen})", found), "count"), *sums]

        lines.append(line)
    return Block(text["cut_off"], heads, ("text", "text", "count", "money", "money"), lines)


# ---- identities


def _identities(month: Month, places: Mapping[str, Places], text: Mapping[str, str]) -> Block:
    differences, listed, revenue = places["differences"], places["orders"], places["revenue"]
    liabilities, before = places["liabilities"], month.before
    carried = _shown(listed.table, "outcome", "carried")
    found = sum(1 for row in listed.table.rows if row["outcome"] == "carried")
    number = Formula(f'COUNTIF({listed.range("outcome")},"{carried}")', found)
    pairs: list[tuple[str, str, Any, Any]] = [
        ("rows_roll_forward", "count", _broken(differences, "amount_check", "count_check"), 0),
        ("sheet_is_the_list", "money", _whole(differences, "closing_amount"), _whole(listed, "closing_amount")),
        ("list_is_published", "money", _whole(listed, "closing_amount"), before["published_closing"]),
        ("count_is_published", "count", number, month.facts["difference_count"]),
        ("opens_as_closed", "money", _whole(listed, "opening_amount"), before["differences_closed"]),
        ("liabilities_roll_forward", "count", _broken(liabilities, "amount_check"), 0),
        ("liabilities_open_as_closed", "money", _whole(liabilities, "opening_amount"), before["liabilities_closed"]),
        ("payouts_add_up", "count", _broken(places["payouts"], "amount_check"), 0),
    ]
    if not month.is_closed:
        # A closed month keeps the entries as they were known then: later ones stand in the first open month.
        pairs.append(("revenue_is_entries", "money", _whole(revenue, "current_amount"), before["entries"]))
    lines: list[Line] = []
    for name, kind, left, right in pairs:

        def line(row: int, name: str = name, kind: str = kind, left: Any = left, right: Any = right) -> Cells:
            r, values = row + 1, [getattr(side, "value", side) for side in (left, right)]
            holds = OK if values[0] == values[1] else text["broken"]
            result = Formula(f'IF(D{r}=0,"{OK}","{text["broken"]}")', holds)
            difference = Formula(f"ROUND(B{r}-C{r},2)", values[0] - values[1])
            return [text[name], (left, kind), (right, kind), (difference, kind), result]

        lines.append(line)
    heads = [text[n] for n in ("identity", "left", "right", "difference", "holds")]
    return Block(text["identities"], heads, ("text", "money", "money", "money", "verdict"), lines, text["identities_note"])


def _whole(place: Places, name: str) -> Formula:
    return Formula(f"SUM({place.range(name)})", total(place.table.rows, name))


def _broken(place: Places, *names: str) -> Formula:
    """How many cells of these check columns are not zero."""
    parts = [f'COUNTIF({place.range(n)},">0.004")+COUNTIF({place.range(n)},"<-0.004")' for n in names]
    return Formula("+".join(parts), sum(1 for n in names for row in place.table.rows if row[n]))
