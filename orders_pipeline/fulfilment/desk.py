"""What the command `lists` does: the shipping lists of the day as files, one CSV and one workbook per warehouse."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records

#: Column of the list -> its head in the files. Nothing about a person: who and where stand on the label.
HEADS = {
    "region": "region 区域",
    "parcel": "parcel 包裹",
    "priority": "priority 优先级",
    "channel": "channel 渠道",
    "channel_order_id": "order 订单号",
    "sku_count": "goods 商品种数",
    "quantity": "pieces 件数",
}
LISTED = """
SELECT
    CAST(list_on AS VARCHAR) AS list_on, warehouse_id, region, parcel_group, priority, channel, channel_order_id,
    sku_count, quantity
FROM fulfilment.shipping_list
ORDER BY
    list_on, warehouse_id,
    min(CASE priority WHEN 'urgent' THEN 0 WHEN 'due' THEN 1 ELSE 2 END) OVER (PARTITION BY parcel_group),
    region, parcel_group, channel, channel_order_id
"""
#: A cell that begins like this is a formula to a spreadsheet, whoever wrote it.
FORMULA = re.compile(r"^\s*[=+\-@\t\r|%]")


def harmless(value: Any) -> Any:
    """The value as a spreadsheet shows it and never runs it: an apostrophe before what looks like a formula."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def write_lists(home: Home) -> list[Path]:
    """Write the published shipping lists to `published/lists/<day>/<warehouse>.csv` and `.xlsx`; returns the files.

    Urgent parcels first, then by region; orders of one parcel stand together under one number. Raises Usage before the first run.
    """
    with open_published(home) as connection:
        rows = records(connection, LISTED)
    by_list: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_list[row["list_on"], row["warehouse_id"]].append(row)
    written = []
    for (day, warehouse), listed in by_list.items():
        numbers: dict[str, int] = {}
        for row in listed:
            row["parcel"] = numbers.setdefault(row["parcel_group"], len(numbers) + 1)
        lines = [[harmless(row[name]) for name in HEADS] for row in listed]
        # A warehouse's code is somebody else's text, the name of a file is ours.
        stem = home.published / "lists" / day / (re.sub(r"[^\w-]", "_", warehouse) or "_")
        stem.parent.mkdir(parents=True, exist_ok=True)
        written += [_csv(stem.with_name(stem.name + ".csv"), lines), _workbook(stem.with_name(stem.name + ".xlsx"), lines)]
    return written


def _csv(path: Path, lines: list[list[Any]]) -> Path:
    draft = path.with_name(f".{path.name}.draft")
    # The mark at the beginning tells Excel that this is UTF-8.
    with draft.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows([list(HEADS.values()), *lines])
    draft.replace(path)
    return path


def _workbook(path: Path, lines: list[list[Any]]) -> Path:
    import xlsxwriter

    draft = path.with_name(f".{path.stem}.draft.xlsx")
    with xlsxwriter.Workbook(str(draft), {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("list 清单")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(HEADS) - 1, 18)
        for place, line in enumerate([list(HEADS.values()), *lines]):
            for column, value in enumerate(line):
                # Numbers of orders stay text: a spreadsheet cuts them to 15 digits.
                write = sheet.write_string if isinstance(value, str) else sheet.write_number
                write(place, column, value if isinstance(value, str) else float(value))
    draft.replace(path)
    return path
