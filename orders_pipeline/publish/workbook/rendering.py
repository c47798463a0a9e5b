"""A month as the bytes of a workbook: the summary in front, a sheet for each table behind it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orders_pipeline.publish.spreadsheet import PLAIN
from orders_pipeline.publish.workbook.reading import Month
from orders_pipeline.publish.workbook.summary import SHEET, blocks
from orders_pipeline.publish.workbook.writing import NARROWEST, NUMBER_FORMATS, WIDEST, Places, Styles, paper, table_sheet

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet


def render(month: Month, path: Path) -> bytes:
    """The workbook's bytes; they depend on the month and, for the link to the audit, on the folder it is written to."""
    import xlsxwriter

    out = io.BytesIO()
    # Made in memory: the parts get no time and no permissions of this machine.
    with xlsxwriter.Workbook(out, {**PLAIN, "in_memory": True, "default_date_format": NUMBER_FORMATS["date"]}) as book:
        book.set_calc_mode("auto")
        made_at = (month.checked_at or datetime(month.month.year, month.month.month, 1, tzinfo=UTC)).astimezone(UTC)
        title = f"{SHEET[month.language]} {month.month:%Y-%m}"
        book.set_properties({"title": title, "created": made_at.replace(tzinfo=None, microsecond=0)})
        styles = Styles(book)
        front = book.add_worksheet(SHEET[month.language])
        places = {name: Places(table) for name, table in month.tables.items()}
        for table in month.tables.values():
            table_sheet(book.add_worksheet(table.title), table, places[table.name], styles, month)
        link = os.path.relpath(month.audit.pages, path.parent) if month.audit.pages.exists() else None
        _front(front, title, blocks(month, places, link), styles, month)
        front.activate()
    return out.getvalue()


def _front(sheet: Worksheet, title: str, made: Sequence[Any], styles: Styles, month: Month) -> None:
    sheet.write_string(0, 0, title, styles.title)
    row = 2
    widths: dict[int, int] = {}
    for block in made:
        row = block.write(sheet, row, styles, widths) + 1
    for number, width in widths.items():
        sheet.set_column(number, number, min(max(width + 2, NARROWEST + 2), WIDEST))
    sheet.freeze_panes(1, 0)
    paper(sheet, month, pages_high=1)
