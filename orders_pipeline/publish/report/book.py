"""The published tables as the report reads them: rows by name, the clock they were made for, and the zone they are shown in."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.kernel.warehouse import columns_of, table_exists
from orders_pipeline.publish.report.markup import Both, Safe
from orders_pipeline.publish.report.words import say

#: A chart over time has at most so many columns (longer times are told by week or month), and at least so many.
COLUMNS, FEWEST = 62, 14


@dataclass(frozen=True)
class Section:
    """A part of the page: its figures under a title."""

    name: str
    title: Both
    figures: Sequence[Safe]


@dataclass(frozen=True)
class Book:
    """One published file, open for reading."""

    connection: duckdb.DuckDBPyConnection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a statement, their columns as attributes."""
        found = self.connection.execute(sql, list(values))
        kind = namedtuple("Row", [d[0] for d in found.description])  # type: ignore[misc]
        return [kind(*row) for row in found.fetchall()]

    def one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The only row of a statement."""
        return self.rows(sql, values)[0]

    def has(self, table: str, *columns: str) -> bool:
        """Whether this table, with these columns, is published and has rows."""
        if not table_exists(self.connection, table) or not set(columns) <= set(columns_of(self.connection, table)):
            return False
        return bool(self.rows(f"SELECT 1 AS one FROM {table} LIMIT 1"))

    @cached_property
    def as_of(self) -> datetime | None:
        """The clock of the newest publication: None when nothing was ever checked."""
        return self.one("SELECT max(checked_at) AS at FROM quality.check_results").at

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone times are shown in: that of most orders."""
        found = self.rows(
            "SELECT timezone FROM reconciliation.three_way_match WHERE timezone IS NOT NULL "
            "GROUP BY timezone ORDER BY count(*) DESC, timezone LIMIT 1"
        )
        return ZoneInfo(found[0].timezone if found else load_dictionary().channel("default")["timezone"])


@dataclass(frozen=True)
class Days:
    """A stretch of days cut into columns of a day, a week or a month."""

    unit: str
    starts: tuple[date, ...]

    @classmethod
    def between(cls, first: date | None, last: date | None) -> Days:
        """The finest cut with at most COLUMNS columns; of what is longer than that in months, the newest."""
        if first is None or last is None:
            return cls("day", ())
        # A few wide columns would be all one sees.
        first = min(first, last - timedelta(days=FEWEST - 1))
        length = (last - first).days + 1
        if length <= COLUMNS:
            return cls("day", tuple(first + timedelta(days=i) for i in range(length)))
        if length <= COLUMNS * 7 - 7:
            monday = first - timedelta(days=first.weekday())
            return cls("week", tuple(monday + timedelta(weeks=i) for i in range(((last - monday).days) // 7 + 1)))
        months = (last.year - first.year) * 12 + last.month - first.month
        return cls("month", tuple(_month(first, i) for i in range(max(0, months + 1 - COLUMNS), months + 1)))

    @property
    def ticks(self) -> list[str]:
        return [d.strftime("%Y-%m" if self.unit == "month" else "%m-%d") for d in self.starts]

    @property
    def names(self) -> list[str]:
        return [d.strftime("%Y-%m" if self.unit == "month" else "%Y-%m-%d") for d in self.starts]

    @property
    def said(self) -> Both:
        """`day`, `week` or `month`, in words."""
        return say(f"unit_{self.unit}")

    def column(self, name: str) -> str:
        """SQL: the beginning of the column that a day falls into."""
        return f"CAST(date_trunc('{self.unit}', {name}) AS DATE)"


def _month(first: date, count: int) -> date:
    number = first.year * 12 + first.month - 1 + count
    return date(number // 12, number % 12 + 1, 1)
