"""Checks: each is a claim (`order_total_equals_lines`) with SQL that returns the rows that break it.

`checks.yml` of a room: `claim: {table, severity: error|warn, sql}`. Where a table was refreshed by
keys, its checks look at the rows of those keys only. The grain of every table is checked without being listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from sqlglot import exp

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.models import WHOLE, Model, parse, render
from orders_pipeline.kernel.refresh import Refreshed, Refresher
from orders_pipeline.kernel.statements import statement, tables_in
from orders_pipeline.kernel.warehouse import records, transaction, within_memory

SEVERITIES = ("error", "warn")
SAMPLE_ROWS = 5

RESULTS = """
CREATE SCHEMA IF NOT EXISTS quality;
CREATE TABLE IF NOT EXISTS quality.check_results (
    run_id VARCHAR, table_name VARCHAR, check_name VARCHAR, severity VARCHAR, passed BOOLEAN, rows_checked BIGINT,
    rows_failing BIGINT, threshold BIGINT, sample VARCHAR, checked_at TIMESTAMPTZ);
"""


@dataclass(frozen=True)
class Check:
    """A claim about a table. `sql` selects the rows that break it."""

    name: str
    table: str
    severity: str
    sql: str
    description: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check in one run."""

    check: Check
    rows_checked: int
    rows_failing: int
    sample: str

    @property
    def passed(self) -> bool:
        return self.rows_failing == 0

    @property
    def blocks(self) -> bool:
        """Whether this result keeps the run from being published."""
        return not self.passed and self.check.severity == "error"


def load_checks(rooms_dir: Path, models: Mapping[str, Model]) -> list[Check]:
    """Every declared check and the grain check of every model; raises Usage for one that names no table of ours."""
    checks = [grain_check(m) for m in models.values()]
    for path in sorted(rooms_dir.glob("*/checks.yml")):
        for name, spec in (read_yaml(path) or {}).items():
            if spec.get("table") not in models or spec.get("severity") not in SEVERITIES:
                raise Usage(f"{path}: check {name} needs `table` (one of ours) and `severity` (error or warn)")
            late = sorted(t for t in tables_in(spec["sql"]) if t in models and models[t].later)
            if late and not models[spec["table"]].later:
                raise Usage(f"{path}: check {name} belongs to {spec['table']} but reads {late[0]}, which is made later (`pace`)")
            checks.append(Check(name, spec["table"], spec["severity"], spec["sql"], spec.get("description", "")))
    return checks


def grain_check(model: Model) -> Check:
    """The declared grain is unique and never null."""
    columns = ", ".join(model.grain)
    nulls = " OR ".join(f"{c} IS NULL" for c in model.grain)
    body = f"SELECT {columns}, count(*) AS row_count FROM {model.name} GROUP BY {columns} HAVING count(*) > 1 OR {nulls}"
    return Check(f"grain_is_unique_{model.table}", model.name, "error", body, f"{columns} identify a row")


def run_checks(refresher: Refresher, checks: Iterable[Check], changed: Mapping[str, Refreshed], run_id: str) -> list[CheckResult]:
    """Check every table that changed since the last publication; results are kept in quality.check_results.

    Claims about single rows of a table are counted in one pass over it. Where only keys changed, a claim is checked on the
    rows of those keys. Raises Permanent, naming the check, where the memory is too small.
    """
    connection = refresher.connection
    connection.execute(RESULTS)
    asked = [c for c in checks if c.table in changed]
    failing: dict[Check, int] = {}
    for table in dict.fromkeys(c.table for c in asked):
        failing |= _count_rows(refresher, [c for c in asked if c.table == table], changed[table])
    results = []
    for check in asked:
        with within_memory(f"{check.table}: the check {check.name}"):
            results.append(_run(refresher, check, changed[check.table], failing.get(check)))
    rows = [
        [
            run_id,
            r.check.table,
            r.check.name,
            r.check.severity,
            r.passed,
            r.rows_checked,
            r.rows_failing,
            0,
            r.sample,
            refresher.as_of,
        ]
        for r in results
    ]
    if rows:
        with transaction(connection):
            connection.executemany("INSERT INTO quality.check_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return results


def forget_old(refresher: Refresher) -> None:
    """Results are kept for so many days, the last one of each check for good."""
    days = refresher.settings.thresholds["check_history_days"]
    refresher.connection.execute(
        "DELETE FROM quality.check_results AS r WHERE checked_at < ? AND EXISTS (SELECT 1 FROM quality.check_results AS n "
        "WHERE n.table_name = r.table_name AND n.check_name = r.check_name AND n.checked_at > r.checked_at)",
        [refresher.as_of - timedelta(days=int(days))],
    )


@cache
def row_claim(sql: str, table: str) -> tuple[str, exp.Expression] | None:
    """Alias of the table and condition of a claim that looks at rows of its table one by one; None for any other."""
    expression = parse(sql)
    if not isinstance(expression, exp.Select):
        return None
    given = {name.rstrip("_") for name, value in expression.args.items() if value}
    tables = list(expression.find_all(exp.Table))
    is_plain = "where" in given and not given - {"kind", "expressions", "from", "where"}
    if not is_plain or len(tables) != 1 or len(list(expression.find_all(exp.Select))) != 1:
        return None
    if f"{tables[0].db}.{tables[0].name}" != table or expression.find(exp.AggFunc, exp.Window, exp.Subquery, exp.Unnest):
        return None
    return tables[0].alias, expression.args["where"].this


def _count_rows(refresher: Refresher, checks: Iterable[Check], what: Refreshed) -> dict[Check, int]:
    """How many rows break each claim that looks at rows one by one: all of a table's in one pass."""
    by_alias: dict[str, list[Check]] = {}
    for check in checks:
        claim = row_claim(check.sql, check.table)
        if claim is not None:
            by_alias.setdefault(claim[0], []).append(check)
    counts: dict[Check, int] = {}
    for alias, claims in by_alias.items():
        body = counting(what.model.name, alias, tuple(check.sql for check in claims))
        with within_memory(f"{what.model.name}: checking its rows"):
            row = refresher.connection.execute(_text(refresher, body, what)).fetchall()[0]
        counts |= dict(zip(claims, row, strict=True))
    return counts


@cache
def counting(table: str, alias: str, claims: tuple[str, ...]) -> str:
    """A SELECT of one row: how many rows of the table break each claim."""
    conditions = [row_claim(sql, table)[1] for sql in claims]
    columns = [exp.Count(this=exp.Case().when(c.copy(), exp.Literal.number(1))) for c in conditions]
    return render(exp.select(*columns).from_(exp.to_table(table, alias=alias or None)))


def _text(refresher: Refresher, sql: str, what: Refreshed) -> str:
    within = what.model if _is_narrowed(what) else None
    kept = refresher.kept_rows(sql, within) if within else None
    return statement(
        sql,
        refresher.as_of,
        refresher.settings.thresholds,
        within=within,
        columns=refresher.columns,
        kept=kept,
        views=refresher.views,
    )


def _run(refresher: Refresher, check: Check, what: Refreshed, failing: int | None) -> CheckResult:
    """The result of one check; `failing` where its rows are counted already."""
    connection = refresher.connection
    body = _text(refresher, check.sql, what) if failing != 0 else ""
    if failing is None:
        failing = connection.execute(f"SELECT count(*) FROM ({body})").fetchall()[0][0]
    sample = "[]"
    if failing:
        rows = records(connection, f"SELECT * FROM ({body}) LIMIT {SAMPLE_ROWS}")
        sample = json.dumps([{name: str(value) for name, value in row.items()} for row in rows], ensure_ascii=False)
    return CheckResult(check, what.keys if _is_narrowed(what) else what.rows, failing, sample)


def _is_narrowed(what: Refreshed) -> bool:
    """Whether claims are checked on the rows of touched keys: what is made whole may be wrong beside them."""
    return what.how == "keys" and what.model.refresh != WHOLE
