"""Lists as files in `published/lists/`, CSV and workbook: what each warehouse ships today, what the weekly meeting looks at."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orders_pipeline.dictionary.stages import load_stages
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records
from orders_pipeline.publish.spreadsheet import PLAIN, harmless

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
REVIEW_HEADS = {
    "reasons": "reasons 原因",
    "channel": "channel 渠道",
    "channel_order_id": "order 订单号",
    "stage": "stage 超时环节",
    "owner_role": "owner 责任",
    "lost_hours": "hours late 超时小时",
    "complaint_class": "complaint 投诉类别",
    "review_score": "score 评分",
    "is_disputed": "signature disputed 签收争议",
    "payable_amount": "amount 金额",
    "currency": "currency 币种",
    "status": "status 状态",
    "created_at": "created 下单时间",
}
REVIEWED = """
SELECT
    CAST(r.week_on AS VARCHAR) AS week_on, r.reasons, r.channel, r.channel_order_id, r.stage, r.owner_role, r.lost_hours,
    r.complaint_class, r.review_score, CASE WHEN r.is_disputed THEN 'yes 是' END AS is_disputed, r.payable_amount, r.currency,
    r.status, strftime(timezone(o.timezone, r.created_at), '%Y-%m-%d %H:%M') AS created_at
FROM fulfilment.weekly_review AS r
INNER JOIN orders.orders AS o ON r.order_guid = o.order_guid
ORDER BY
    r.week_on, length(r.reasons) - length(replace(r.reasons, ',', '')) DESC, r.lost_hours DESC NULLS LAST,
    r.payable_amount DESC NULLS LAST, r.channel, r.channel_order_id
"""


def write_lists(home: Home, anew: bool = True) -> list[Path]:
    """Write the published shipping lists to `published/lists/<day>/<warehouse>.csv` and `.xlsx`; returns the files.

    Urgent parcels first, then by region; orders of one parcel stand together under one number. Not `anew`: a list that is there
    stays as it is, for somebody is working from it. Raises Usage before the first run.
    """
    by_list: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in _published(home, LISTED):
        by_list[row["list_on"], row["warehouse_id"]].append(row)
    written = []
    for (day, warehouse), listed in by_list.items():
        numbers: dict[str, int] = {}
        for row in listed:
            row["parcel"] = numbers.setdefault(row["parcel_group"], len(numbers) + 1)
        # A warehouse's code is somebody else's text, the name of a file is ours.
        stem = home.published / "lists" / day / (re.sub(r"[^\w-]", "_", warehouse) or "_")
        written += _files(stem, HEADS, listed, anew)
    return written


def write_review(home: Home, anew: bool = True) -> list[Path]:
    """Write the published weekly review to `published/lists/weekly/<Monday>.csv` and `.xlsx`; returns the files.

    Orders with most reasons first, then by hours late. Raises Usage before the first run.
    """
    by_week: dict[str, list[dict[str, Any]]] = defaultdict(list)
    labels = {name: f"{name} {stage.label['zh']}" for name, stage in load_stages().items()}
    for row in _published(home, REVIEWED):
        row["stage"] = labels.get(row["stage"])
        by_week[row["week_on"]].append(row)
    folder = home.published / "lists" / "weekly"
    return [path for week, listed in by_week.items() for path in _files(folder / week, REVIEW_HEADS, listed, anew)]


def _published(home: Home, statement: str) -> list[dict[str, Any]]:
    with open_published(home) as connection:
        return records(connection, statement)


def _files(stem: Path, heads: Mapping[str, str], listed: Sequence[Mapping[str, Any]], anew: bool) -> list[Path]:
    csv_path, workbook = stem.with_name(stem.name + ".csv"), stem.with_name(stem.name + ".xlsx")
    if not anew and csv_path.exists() and workbook.exists():
        return []
    stem.parent.mkdir(parents=True, exist_ok=True)
    lines = [[harmless(row[name]) for name in heads] for row in listed]
    return [_csv(csv_path, heads, lines), _workbook(workbook, heads, lines)]


def _csv(path: Path, heads: Mapping[str, str], lines: list[list[Any]]) -> Path:
    draft = path.with_name(f".{path.name}.draft")
    # The mark at the beginning tells Excel that this is UTF-8.
    with draft.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows([list(heads.values()), *lines])
    draft.replace(path)
    return path


def _workbook(path: Path, heads: Mapping[str, str], lines: list[list[Any]]) -> Path:
    import xlsxwriter

    draft = path.with_name(f".{path.stem}.draft.xlsx")
    with xlsxwriter.Workbook(str(draft), PLAIN) as book:
        sheet = book.add_worksheet("list 清单")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(heads) - 1, 18)
        for place, line in enumerate([list(heads.values()), *lines]):
            for column, value in enumerate(line):
                if value is None:
                    continue
                # Numbers of orders stay text: a spreadsheet cuts them to 15 digits.
                write = sheet.write_string if isinstance(value, str) else sheet.write_number
                write(place, column, value if isinstance(value, str) else float(value))
    draft.replace(path)
    return path
