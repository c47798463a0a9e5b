"""Models in Spark's dialect. `raw.orders` is the view `raw__orders`: Spark has no schemas of ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from sqlglot import exp

from orders_pipeline.kernel.faults import Permanent
from orders_pipeline.kernel.models import Model, Value, bind, render
from orders_pipeline.kernel.portable import Schema, lint

#: A CTE read this often is worked out once and kept. DuckDB does so by itself, Spark would work it out each time.
SHARED_FROM = 3


def spark_sql(
    model: Model,
    as_of: datetime,
    thresholds: Mapping[str, Decimal | int | str],
    settings: Mapping[str, Value],
    schema: Schema | None = None,
) -> str:
    """The model in Spark's dialect, reading views named `schema__table`.

    Raises Permanent when the model leaves the portable subset: outside it the transpiler changes values without a word.
    `schema` ({table: {column: DuckDB type}}) lets that judgement know the columns' types.
    """
    return render(bound_for_spark(model, as_of, thresholds, settings, schema), "spark")


def bound_for_spark(
    model: Model,
    as_of: datetime,
    thresholds: Mapping[str, Decimal | int | str],
    settings: Mapping[str, Value],
    schema: Schema | None = None,
) -> exp.Expression:
    """The model's tree with literals for the pseudo functions and views for tables. See `spark_sql`."""
    findings = lint(model.sql, schema)
    if findings:
        listed = "; ".join(f"line {one.line}: {one.message}" for one in findings)
        raise Permanent(f"{model.name} can not run on Spark: {listed}")
    expression = bind(model, as_of, thresholds, settings)
    for table in list(expression.find_all(exp.Table)):
        if table.db:
            _read_instead(table, view_name(f"{table.db}.{table.name}"))
    return expression


def view_name(table: str) -> str:
    """The view a table is known by in Spark: `raw__orders` for `raw.orders`."""
    return table.replace(".", "__")


def _read_instead(table: exp.Table, view: str) -> None:
    other = exp.to_table(view, alias=table.alias_or_name)
    other.set("joins", table.args.get("joins"))
    table.replace(other)


def take_out_shared(expression: exp.Expression, prefix: str) -> dict[str, exp.Expression]:
    """Take the CTEs that are read `SHARED_FROM` times or more out of a query, which then reads views `prefix__<cte>`.

    Returns what each of these views is, in the order in which they can be made.
    """
    shared: dict[str, exp.Expression] = {}
    clause = expression.args.get("with_")
    inner = [one.alias for one in expression.find_all(exp.CTE) if one.parent is not clause]
    for cte in list(clause.expressions) if clause else ():
        readers = [one for one in expression.find_all(exp.Table) if not one.db and one.name == cte.alias]
        # A name that a subquery gives to a CTE of its own, or a query with its own WITH, is left as it is.
        if len(readers) < SHARED_FROM or cte.alias in inner or cte.this.args.get("with_"):
            continue
        query = cte.this.copy()
        before = [one.copy() for one in clause.expressions[: clause.expressions.index(cte)]]
        if before:
            query.set("with_", exp.With(expressions=before))
        view = f"{prefix}__{cte.alias}"
        for reader in readers:
            _read_instead(reader, view)
        cte.pop()
        shared[view] = query
    if clause and not clause.expressions:
        clause.pop()
    return shared
