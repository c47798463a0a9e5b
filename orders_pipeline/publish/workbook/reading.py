"""Reads a month from the published tables, sheet by sheet as `sheets.yml` describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import load_dictionary, read_yaml
from orders_pipeline.kernel.clock import month_after
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.tables import load_tables
from orders_pipeline.kernel.warehouse import open_published, records
from orders_pipeline.publish import audit

HERE = Path(__file__).parent
#: Rows of a sheet, less what we write above and below.
MOST_ROWS = 1_048_000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column of a sheet: how its cells are written, its head and the dictionary's word on it."""

    name: str
    kind: str
    head: str
    meaning: str
    words: Mapping[str, str] = field(default_factory=dict)
    formula: str = ""


@dataclass(frozen=True)
class Table:
    """The rows of one sheet."""

    name: str
    title: str
    note: str
    is_frozen: bool
    columns: tuple[Column, ...]
    totals: tuple[str, ...]
    rows: Sequence[Row]

    @cached_property
    def currencies(self) -> list[str]:
        return sorted({row["currency"] or "" for row in self.rows})


@dataclass(frozen=True)
class Audited:
    """What the audit of these figures said. `is_of_others`: there is one, but of figures that have changed since."""

    pages: Path
    expectations: int
    held: int
    is_of_others: bool


@dataclass(frozen=True)
class Month:
    """All that is written about one month. `facts` is its row of finance.closes, `before` what it is held against."""

    month: date
    language: str
    timezone: str
    facts: Row
    before: Row
    tables: Mapping[str, Table]
    checked_at: datetime | None
    audit: Audited

    @property
    def is_closed(self) -> bool:
        return self.facts["state"] == "closed"


def read(home: Home, month: date, language: str) -> Month:
    """The month as it is published. Raises Usage when nothing is published, or nothing of that month."""
    with open_published(home) as connection:
        facts = _facts(connection, month)
        closed_with = _closed_with(connection, month) if facts["state"] == "closed" else None
        values = {
            "month": month,
            "next": month_after(month),
            "set_month": closed_with,
            "set_number": facts["set_number"] if closed_with else None,
            "closed_at": facts["closed_at"] if closed_with else None,
        }
        for statement in (HERE / "inputs.sql").read_text(encoding="utf-8").split(";\n\n"):
            _execute(connection, statement, values)
        described = read_yaml(HERE / "sheets.yml")
        words = described.pop("words")
        tables = {
            name: _table(name, spec, words, language, _rows(connection, spec["sql"], values, name))
            for name, spec in described.items()
        }
        before = _rows(connection, BEFORE, values, "before")[0]
        checked_at = connection.execute("SELECT max(checked_at) FROM quality.check_results").fetchall()[0][0]
        audited = _audited(connection, home, month)
    zone = load_dictionary().channel("default")["timezone"]
    return Month(month, language, zone, facts, before, tables, checked_at, audited)


#: What the month is held against: the closing sums of the month before, the published sums, and the entries behind the revenue.
BEFORE = """
SELECT
    coalesce((SELECT sum(closing_amount) FROM finance.month_end_differences
        WHERE month = CAST($month AS DATE) - INTERVAL 1 MONTH), 0)::DECIMAL(18, 2) AS differences_closed,
    coalesce((SELECT sum(closing_amount) FROM finance.liabilities
        WHERE month = CAST($month AS DATE) - INTERVAL 1 MONTH), 0)::DECIMAL(18, 2) AS liabilities_closed,
    coalesce((SELECT sum(closing_amount) FROM finance.month_end_differences
        WHERE month = $month), 0)::DECIMAL(18, 2) AS published_closing,
    coalesce((SELECT sum(amount) FROM finance.revenue
        WHERE recognised_on >= $month AND recognised_on < $next), 0)::DECIMAL(18, 2) AS entries
"""


def _facts(connection: duckdb.DuckDBPyConnection, month: date) -> Row:
    rows = records(connection, "SELECT * FROM finance.closes WHERE month = ?", [month])
    if rows:
        return rows[0]
    known = [m for (m,) in connection.execute("SELECT month FROM finance.closes ORDER BY month").fetchall()]
    there = f"there are the months {known[0]:%Y-%m} to {known[-1]:%Y-%m}" if known else "there is no month at all yet"
    raise Usage(f"nothing of {month:%Y-%m} is published: {there}. Land its files and `orders-pipeline run`")


def _audited(connection: duckdb.DuckDBPyConnection, home: Home, month: date) -> Audited:
    outcomes = audit.recorded(connection, audit.fingerprint(connection, month))
    others = "SELECT count(*) FROM quality.check_results WHERE starts_with(run_id, ?)"
    there = connection.execute(others, [f"{audit.RUN}-{month:%Y-%m}-"]).fetchall()[0][0]
    return Audited(audit.pages_of(home, month), len(outcomes), sum(o.passed for o in outcomes), bool(there and not outcomes))


def _closed_with(connection: duckdb.DuckDBPyConnection, month: date) -> date | None:
    """The month whose set holds this one: months before the first close were closed with it."""
    return connection.execute("SELECT min(month) FROM finance.close_files WHERE month >= ?", [month]).fetchall()[0][0]


def _execute(connection: duckdb.DuckDBPyConnection, statement: str, values: Row) -> duckdb.DuckDBPyConnection:
    named = {name: value for name, value in values.items() if re.search(rf"\${name}\b", statement)}
    return connection.execute(statement, named)


def _rows(connection: duckdb.DuckDBPyConnection, statement: str, values: Row, name: str) -> list[Row]:
    found = _execute(connection, statement, values)
    names = [d[0] for d in found.description]
    rows = found.fetchall()
    if len(rows) > MOST_ROWS:
        raise Usage(f"the sheet {name} would have {len(rows):,} rows, more than a workbook holds; read the tables themselves")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _table(name: str, spec: Row, words: Row, language: str, rows: Sequence[Row]) -> Table:
    columns = tuple(_column(column, given or {}, spec["table"], words, language) for column, given in spec["columns"].items())
    return Table(
        name,
        spec["title"][language],
        spec["note"][language],
        spec.get("frozen", True),
        columns,
        tuple(spec.get("totals", ())),
        rows,
    )


def _column(name: str, given: Row, table: str, words: Row, language: str) -> Column:
    meaning = _meaning(given.get("table", table), name, given)
    # The dictionary explains in English and names in Chinese: in English a column's head is its standard name.
    head = _spoken(name.removeprefix("is_")) if language == "en" and "en" not in given else meaning[language]
    return Column(
        name, given.get("kind", "text"), head, meaning[language], _words(given, words, language), given.get("formula", "")
    )


def _meaning(table: str, name: str, given: Row) -> Mapping[str, str]:
    """What a column means in both languages: stated here, by its table, or by the dictionary."""
    if "zh" in given:
        return given
    known = load_dictionary().fields.get(name)
    described = load_tables()[table].describe.get(name) or (known and {"en": known.en, "zh": known.zh})
    if not described:
        raise Usage(f"sheets.yml: nothing describes the column {name} of {table}; state `en` and `zh`")
    return described


def _words(given: Row, words: Row, language: str) -> Mapping[str, str]:
    if given.get("kind") == "channel":
        entries: Mapping[str, Any] = load_dictionary().channels
    elif "vocabulary" in given:
        entries = load_dictionary().vocabularies[given["vocabulary"]]
    else:
        entries = words.get(given.get("words"), {})
    found = {code: entry[language] for code, entry in entries.items()}
    return {code: _spoken(code) for code in found} if language == "en" and given.get("english") == "code" else found


def _spoken(name: str) -> str:
    return name.replace("_", " ").capitalize()
