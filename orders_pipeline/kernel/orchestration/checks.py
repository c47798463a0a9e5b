"""The checks of the rooms as Dagster asset checks, made in the body of the step that makes their table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import dagster as dg

from orders_pipeline.kernel.checks import Check, CheckResult
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.orchestration.layers import Layer
from orders_pipeline.kernel.orchestration.metadata import asset_key, sample
from orders_pipeline.kernel.statements import tables_in
from orders_pipeline.pipeline import Session

LAST_RESULTS = """
SELECT table_name, check_name, rows_checked, rows_failing, sample, run_id FROM quality.check_results
WHERE list_contains(?, table_name)
QUALIFY row_number() OVER (PARTITION BY table_name, check_name ORDER BY checked_at DESC, passed) = 1
"""


def check_spec(check: Check) -> dg.AssetCheckSpec:
    """Error level stops everything behind the table, publication with it; warnings are only shown."""
    claim = check.name.replace("_", " ")
    return dg.AssetCheckSpec(
        check.name,
        asset=asset_key(check.table),
        description=check.description or f"{claim[0].upper()}{claim[1:]}.",
        blocking=check.severity == "error",
        metadata={"offending rows": dg.MetadataValue.md(f"```sql\n{check.sql.strip()}\n```")},
    )


def refuse_early(layers: Sequence[Layer], checks: Iterable[Check]) -> None:
    """A check is made as soon as its table is: it can not look at tables that are made later. Raises Usage."""
    step = {model.name: n for n, layer in enumerate(layers) for model in layer.models}
    for check in checks:
        for table in sorted(tables_in(check.sql)):
            if step.get(table, -1) > step[check.table]:
                raise Usage(
                    f"check {check.name} belongs to {check.table} but reads {table}, which is made later. "
                    f"Write `table: {table}` in its checks.yml: a check belongs to the last table it reads."
                )


def check_results(now: Session, wanted: Sequence[Check], made: Iterable[CheckResult]) -> Iterator[dg.AssetCheckResult]:
    """A result for each check: of now, or the last one where nothing has changed since it was published."""
    results = {(r.check.table, r.check.name): r for r in made}
    last = _last(now, [check for check in wanted if (check.table, check.name) not in results])
    for check in wanted:
        name = check.table, check.name
        if name in results:
            yield _result(results[name], {"checked": "in this run"})
        elif name in last:
            result, run_id = last[name]
            yield _result(result, {"checked": f"in run {run_id}; its table has not changed since it was published"})


def _last(now: Session, checks: Sequence[Check]) -> Mapping[tuple[str, str], tuple[CheckResult, str]]:
    """The last results of checks, each with the run that made it."""
    if not checks:
        return {}
    by_name = {(c.table, c.name): c for c in checks}
    rows = now.connection.execute(LAST_RESULTS, [sorted({c.table for c in checks})]).fetchall()
    return {
        (table, name): (CheckResult(by_name[table, name], rows_checked, rows_failing, found), run_id)
        for table, name, rows_checked, rows_failing, found, run_id in rows
        if (table, name) in by_name
    }


def _result(result: CheckResult, note: dict[str, str]) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if result.check.severity == "error" else dg.AssetCheckSeverity.WARN
    rows = {"rows failing": result.rows_failing, "rows checked": result.rows_checked}
    shown = {"sample": sample(result.sample)} if result.rows_failing else {}
    return dg.AssetCheckResult(
        passed=result.passed,
        asset_key=asset_key(result.check.table),
        check_name=result.check.name,
        severity=severity,
        metadata={**rows, **shown, **note},
    )
