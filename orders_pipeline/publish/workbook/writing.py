"""Tables and cells of a workbook. Every sum and identity is a formula, and holds the value it must come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orders_pipeline.publish.spreadsheet import cell_text
from orders_pipeline.publish.workbook.reading import Column, Month, Table

if TYPE_CHECKING:
    import xlsxwriter
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

#: Rows above the data of a sheet: title, note, an empty one, heads.
HEAD_ROW = 3
FIRST_ROW = HEAD_ROW + 1
NUMBER_FORMATS = {
    "money": "#,##0.00;[Red]-#,##0.00",
    "count": "#,##0;[Red]-#,##0",
    "quantity": "General",
    "ratio": "0.00%",
    "date": "yyyy-mm-dd",
}
#: Places in files stand one below the other.
LOOKS = {"places": {"text_wrap": True}, "verdict": {"align": "center", "bold": True}, "date": {"align": "left"}}
NUMBERS = frozenset({"money", "count", "quantity", "ratio"})
NARROWEST, WIDEST, WIDEST_PLACE = 10, 46, 64
LINE_HEIGHT = 15
#: A sheet with more columns is printed two pages wide.
MOST_COLUMNS = 16
WORDS = {
    "total": {"en": "Total", "zh": "合计"},
    "not_frozen": {
        "en": "As known now: not part of the set the month was closed with.",
        "zh": "按当前数据：不属于结账冻结的内容。",
    },
    "page": {"en": "Page &P of &N", "zh": "第 &P 页，共 &N 页"},
}


@dataclass(frozen=True)
class Formula:
    """A formula without its `=`, and what it must come to."""

    text: str
    value: Decimal | int | str


class Places:
    """Where the columns of a table lie in the workbook."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.columns = {column.name: number for number, column in enumerate(table.columns)}

    def cell(self, name: str, row: int) -> str:
        """The cell of a column in a row of its own sheet."""
        return f"{_letters(self.columns[name])}{row + 1}"

    def range(self, name: str, *, here: bool = False) -> str:
        """All cells of a column; of a table without rows, the empty one below its head."""
        letters = _letters(self.columns[name])
        last = FIRST_ROW + max(len(self.table.rows), 1)
        cells = f"${letters}${FIRST_ROW + 1}:${letters}${last}"
        return cells if here else f"'{self.table.title}'!{cells}"


class Styles:
    """The formats of the workbook, each made once."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self._book = book
        self._made: dict[tuple[Any, ...], Format] = {}

    def get(self, kind: str = "text", **more: Any) -> Format:
        key = (kind, *sorted(more.items()))
        if key not in self._made:
            # A little room before a text: it may stand beside a number.
            room = {} if kind in NUMBERS or kind == "verdict" or more.get("font_size") else {"indent": 1}
            properties = {"valign": "vcenter", **room, **LOOKS.get(kind, {}), **more}
            if kind in NUMBER_FORMATS:
                properties["num_format"] = NUMBER_FORMATS[kind]
            self._made[key] = self._book.add_format(properties)
        return self._made[key]

    @property
    def title(self) -> Format:
        return self.get(bold=True, font_size=14)

    @property
    def note(self) -> Format:
        return self.get(italic=True, font_color="#595959")

    def head(self, kind: str) -> Format:
        align = "right" if kind in NUMBERS else "center" if kind == "verdict" else "left"
        return self.get(
            kind if kind in NUMBERS or kind == "verdict" else "text",
            bold=True,
            bg_color="#DCE6F1",
            bottom=1,
            text_wrap=True,
            align=align,
        )


def table_sheet(sheet: Worksheet, table: Table, places: Places, styles: Styles, month: Month) -> None:
    """A table on a sheet of its own: heads, rows, sums by currency."""
    note = table.note if table.is_frozen or not month.is_closed else f"{table.note} {WORDS['not_frozen'][month.language]}"
    sheet.write_string(0, 0, f"{table.title} {month.month:%Y-%m}", styles.title)
    sheet.write_string(1, 0, note, styles.note)
    sheet.set_row(HEAD_ROW, 2 * LINE_HEIGHT)
    for number, column in enumerate(table.columns):
        sheet.write_string(HEAD_ROW, number, column.head, styles.head(column.kind))
        if column.meaning != column.head:
            sheet.write_comment(HEAD_ROW, number, column.meaning, {"author": "", "x_scale": 1.6})
    for place, row in enumerate(table.rows, FIRST_ROW):
        for number, column in enumerate(table.columns):
            value = row[column.name]
            if column.formula:
                cells = {name: places.cell(name, place) for name in places.columns}
                value = Formula(column.formula.format(**cells), "" if value is None else value)
            write(sheet, place, number, value, column.kind, styles, words=column.words)
        lines = max((str(row[c.name]).count("\n") + 1 for c in table.columns if c.kind == "places"), default=1)
        if lines > 1:
            sheet.set_row(place, lines * LINE_HEIGHT)
    last = FIRST_ROW + len(table.rows)
    if table.rows:
        sheet.autofilter(HEAD_ROW, 0, last - 1, len(table.columns) - 1)
    _totals(sheet, table, places, styles, month, last + 1)
    for number, column in enumerate(table.columns):
        sheet.set_column(number, number, _width(column, table.rows))
    sheet.freeze_panes(FIRST_ROW, 2)
    paper(sheet, month, 1 if len(table.columns) <= MOST_COLUMNS else 2)
    sheet.repeat_rows(HEAD_ROW)
    sheet.repeat_columns(0, 1)


def _totals(sheet: Worksheet, table: Table, places: Places, styles: Styles, month: Month, row: int) -> None:
    """Sums by currency: amounts of different currencies are never added."""
    if not table.totals:
        return
    kinds = {column.name: column.kind for column in table.columns}
    for place, currency in enumerate(table.currencies, row):
        for number in range(len(table.columns)):
            sheet.write_blank(place, number, None, styles.get(top=1))
        sheet.write_string(place, 0, WORDS["total"][month.language], styles.get(bold=True, top=1))
        write(sheet, place, places.columns["currency"], currency, "text", styles, bold=True, top=1)
        for name in table.totals:
            chosen = f"({places.range('currency', here=True)}={places.cell('currency', place)})"
            value = total(table.rows, name, currency=currency)
            formula = Formula(f"SUMPRODUCT({chosen}*{places.range(name, here=True)})", value)
            write(sheet, place, places.columns[name], formula, kinds[name], styles, bold=True, top=1)


def total(rows: Iterable[Mapping[str, Any]], name: str, **chosen: Any) -> Decimal:
    """The sum of a column over the rows that have these values; an empty text also stands for a missing one."""
    return sum((r[name] or 0 for r in rows if all((r[k] or "") == v for k, v in chosen.items())), Decimal(0))


def paper(sheet: Worksheet, month: Month, pages_wide: int = 1, pages_high: int = 0) -> None:
    """How a sheet is printed."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(pages_wide, pages_high)
    sheet.set_footer(f"&L&A&R{WORDS['page'][month.language]}")


def write(
    sheet: Worksheet,
    row: int,
    column: int,
    value: Any,
    kind: str,
    styles: Styles,
    *,
    words: Mapping[str, str] | None = None,
    **look: Any,
) -> None:
    """One cell, by the kind of its column. Text never becomes a formula."""
    style = styles.get(kind, **look)
    if isinstance(value, Formula):
        shown = value.value if isinstance(value.value, str) else float(value.value)
        sheet.write_formula(row, column, f"={value.text}", style, shown)
    elif value is None or value == "":
        sheet.write_blank(row, column, None, style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    elif isinstance(value, int | float | Decimal):
        sheet.write_number(row, column, float(value), style)
    else:
        text = str(value)
        sheet.write_string(row, column, cell_text((words or {}).get(text, text)), style)


def _width(column: Column, rows: Sequence[Mapping[str, Any]]) -> int:
    def shown(value: Any) -> str:
        if value is None:
            return ""
        if column.kind == "money":
            return f"{value:,.2f}"
        return column.words.get(str(value), str(value))

    longest = max((text_width(line) for row in rows for line in shown(row[column.name]).split("\n")), default=0)
    # A head may take two lines.
    return min(
        max(longest + 2, (text_width(column.head) + 1) // 2 + 3, NARROWEST), WIDEST_PLACE if column.kind == "places" else WIDEST
    )


def text_width(text: str) -> int:
    """Width of a text in digits: a Chinese character is as wide as two."""
    return sum(2 if ord(c) > 0x2E7F else 1 for c in text)


def _letters(number: int) -> str:
    from xlsxwriter.utility import xl_col_to_name

    return xl_col_to_name(number)
