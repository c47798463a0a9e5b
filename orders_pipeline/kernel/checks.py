"""Checks: each is a claim (`order_total_equals_lines`) with SQL that returns the rows that break it.

`checks.yml` of a room: `claim: {table, severity: error|warn, sql}`. Where a table was refreshed by
keys, its checks look at the rows of those keys only. The grain of every table is checked without being listed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.refresh import Refreshed, Refresher
from orders_pipeline.kernel.statements import statement
from orders_pipeline.kernel.warehouse import records

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

    Where only keys changed, the claim is checked on the rows of those keys.
    """
    connection = refresher.connection
    connection.execute(RESULTS)
    results = []
    for check in checks:
        what = changed.get(check.table)
        if what is not None:
            results.append(_run(refresher, check, what))
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
        connection.executemany("INSERT INTO quality.check_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        _forget_old(refresher)
    return results


def _forget_old(refresher: Refresher) -> None:
    """Results are kept for so many days, the last one of each check for good."""
    days = refresher.settings.thresholds["check_history_days"]
    refresher.connection.execute(
        "DELETE FROM quality.check_results AS r WHERE checked_at < ? AND EXISTS (SELECT 1 FROM quality.check_results AS n "
        "WHERE n.table_name = r.table_name AND n.check_name = r.check_name AND n.checked_at > r.checked_at)",
        [refresher.as_of - timedelta(days=int(days))],
    )


def _run(refresher: Refresher, check: Check, what: Refreshed) -> CheckResult:
    within = what.model if what.how == "keys" else None
    connection = refresher.connection
    body = statement(check.sql, refresher.as_of, refresher.settings.thresholds, within=within, columns=refresher.columns)
    failing = connection.execute(f"SELECT count(*) FROM ({body})").fetchall()[0][0]
    sample = "[]"
    if failing:
        rows = records(connection, f"SELECT * FROM ({body}) LIMIT {SAMPLE_ROWS}")
        sample = json.dumps([{name: str(value) for name, value in row.items()} for row in rows], ensure_ascii=False)
    return CheckResult(check, what.keys or what.rows, failing, sample)
