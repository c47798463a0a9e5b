"""The checks of the rooms as Dagster asset checks, made in the body of the step that makes their table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from orders_pipeline.kernel.checks import Check, CheckResult
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.orchestration.layers import Layer
from orders_pipeline.kernel.orchestration.metadata import asset_key, sample
from orders_pipeline.kernel.statements import tables_in
from orders_pipeline.pipeline import Session

LAST_RESULT = """
SELECT passed, rows_checked, rows_failing, sample, run_id FROM quality.check_results
WHERE table_name = ? AND check_name = ? ORDER BY checked_at DESC, passed LIMIT 1
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
    for check in wanted:
        result = results.get((check.table, check.name))
        if result is not None:
            yield _result(result, {"checked": "in this run"})
        else:
            yield from _last(now, check)


def _last(now: Session, check: Check) -> Iterator[dg.AssetCheckResult]:
    rows = now.connection.execute(LAST_RESULT, [check.table, check.name]).fetchall()
    for _, rows_checked, rows_failing, found, run_id in rows:
        note = f"in run {run_id}; its table has not changed since it was published"
        yield _result(CheckResult(check, rows_checked, rows_failing, found), {"checked": note})


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
