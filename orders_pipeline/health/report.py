"""The monthly report of the channels as files: `published/reports/channel_health_<month>.xlsx` and `.csv`, in both languages."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from orders_pipeline.health.explain import titles
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records
from orders_pipeline.publish.spreadsheet import PLAIN, harmless, replace_when_changed

STEM = "channel_health"
#: Sheet -> its rows and, in order, its columns with their heads. `_ratio` is shown in percent.
SHEETS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "channels 渠道": (
        "SELECT * FROM health.channel_monthly WHERE month = $month ORDER BY score NULLS LAST, channel",
        {
            "channel": "channel 渠道",
            "score": "operations score 运营健康分",
            "lowest_score": "lowest 最低",
            "data_quality_score": "data quality score 数据质量分",
            "creation_success_ratio": "order creation success 建单成功率",
            "mean_settlement_hours": "hours to settlement 结算时延(小时)",
            "abnormal_ratio": "abnormal orders 异常订单占比",
            "order_count": "orders 订单数",
            "abnormal_count": "abnormal 异常订单数",
            "not_created_count": "not created 未建单",
            "settled_count": "settled 已结算",
            "worst_component": "most points lost by 扣分最多",
            "worst_points_lost": "points a day 日均扣分",
            "scored_day_count": "days scored 计分天数",
            "is_complete": "month is over 是否完整月",
        },
    ),
    "points 扣分": (
        "SELECT channel, dimension, component, sum(points_lost) / count(*) AS points, count(*) AS day_count, "
        "max_by(value, day) AS value_ratio, max_by(interval_low, day) AS low_ratio, max_by(interval_high, day) AS high_ratio, "
        "max_by(sample_count, day) AS sample_count, max_by(target, day) AS target_ratio, max_by(measure, day) AS measure "
        "FROM health.score_components WHERE date_trunc('month', day) = $month AND points_lost IS NOT NULL "
        "GROUP BY ALL ORDER BY channel, dimension DESC, points DESC, component",
        {
            "channel": "channel 渠道",
            "dimension": "dimension 维度",
            "component": "component 指标",
            "points": "points lost a day 日均扣分",
            "day_count": "days 天数",
            "measure": "measured 方向",
            "value_ratio": "last value 期末值",
            "low_ratio": "from 区间下限",
            "high_ratio": "to 区间上限",
            "target_ratio": "target 目标",
            "sample_count": "sample 样本数",
        },
    ),
    "days 每日": (
        "SELECT * FROM health.channel_daily WHERE date_trunc('month', day) = $month ORDER BY channel, dimension DESC, day",
        {
            "channel": "channel 渠道",
            "dimension": "dimension 维度",
            "day": "day 日期",
            "score": "score 分数",
            "band": "band 等级",
            "score_low": "from 下限",
            "score_high": "to 上限",
            "order_count": "orders 订单数",
        },
    ),
    "problems 问题": (
        "SELECT channel, problem AS component, count(*) AS problem_count FROM health.problems "
        "WHERE date_trunc('month', counted_on) = $month GROUP BY ALL ORDER BY channel, problem_count DESC, component",
        {"channel": "channel 渠道", "component": "problem 问题", "problem_count": "orders 订单数"},
    ),
    "funnel 漏斗": (
        "SELECT channel, step, step_number, sum(count)::BIGINT AS reached, sum(lost_count)::BIGINT AS lost, "
        "CASE WHEN sum(count + lost_count) > 0 THEN sum(count) / sum(count + lost_count) END AS conversion_ratio "
        "FROM health.funnel WHERE date_trunc('month', day) = $month GROUP BY ALL ORDER BY channel, step_number",
        {
            "channel": "channel 渠道",
            "step": "step 步骤",
            "reached": "reached 到达",
            "lost": "lost 流失",
            "conversion_ratio": "conversion 转化率",
        },
    ),
}


def write(home: Home, month: date) -> list[Path]:
    """Write a month's report from what is published; returns the files. The same book gives the same bytes.

    Raises Usage when nothing is published, or nothing of that month.
    """
    with open_published(home) as connection:
        sheets = {name: records(connection, sql, {"month": month}) for name, (sql, _) in SHEETS.items()}
        known = connection.execute("SELECT min(month), max(month) FROM health.channel_monthly").fetchone()
    first = next(iter(SHEETS))
    if not sheets[first]:
        span = f"there are {known[0]:%Y-%m} to {known[1]:%Y-%m}" if known and known[0] else "no month has an order"
        raise Usage(f"no channel has an order of {month:%Y-%m}; {span}")
    named = {name: f"{name} {title['zh']}" for name, title in titles().items()}
    for rows in sheets.values():
        for row in rows:
            for column in ("component", "worst_component"):
                if row.get(column):
                    row[column] = named.get(row[column], row[column])
    stem = home.published / "reports" / f"{STEM}_{month:%Y-%m}"
    made = {
        stem.with_name(stem.name + ".csv"): _csv(SHEETS[first][1], sheets[first]),
        stem.with_name(stem.name + ".xlsx"): _workbook(month, sheets),
    }
    try:
        for path, content in made.items():
            replace_when_changed(path, content)
    except OSError as error:
        raise Usage(f"cannot write into {stem.parent}: {error.strerror}") from error
    return list(made)


def _csv(heads: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([list(heads.values()), *([harmless(row[name]) for name in heads] for row in rows)])
    # The mark at the beginning tells Excel that this is UTF-8.
    return out.getvalue().encode("utf-8-sig")


def _workbook(month: date, sheets: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {**PLAIN, "in_memory": True}) as book:
        # Of the month, not of the clock: the same figures are the same file.
        book.set_properties({"created": datetime(month.year, month.month, 1, tzinfo=UTC).replace(tzinfo=None)})
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        percent, day = book.add_format({"num_format": "0.00%"}), book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in sheets.items():
            heads = SHEETS[name][1]
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 1)
            sheet.set_column(0, len(heads) - 1, 18)
            sheet.write_row(0, 0, list(heads.values()), bold)
            for line, row in enumerate(rows, 1):
                for place, column in enumerate(heads):
                    value = row[column]
                    if isinstance(value, bool):
                        sheet.write_string(line, place, "yes 是" if value else "no 否")
                    elif isinstance(value, date):
                        sheet.write_datetime(line, place, value, day)
                    elif isinstance(value, int | float | Decimal):
                        sheet.write_number(line, place, value, percent if column.endswith("_ratio") else None)
                    elif value is not None:
                        sheet.write_string(line, place, harmless(str(value)))
    return out.getvalue()
