"""Dry run of changed thresholds or of a changed rule: the match as it would be beside the match as it is. Changes nothing.

The warehouse is attached read-only. The models that use what is changed, and those between them and the match, are made anew in
memory; everything else is read as it stands, at the `as_of` of the last run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.sqltext import literal, quote
from orders_pipeline.kernel.through import select_of
from orders_pipeline.kernel.warehouse import connect, records

MATCH = "reconciliation.three_way_match"
COMPARED = ("status", "reason", "rule", "amount_diff", "qty_diff")


@dataclass(frozen=True)
class Shadow:
    """What would differ: the rows, each with the columns as they are (`now_…`) and would be (`then_…`); what was made anew."""

    rows: list[dict[str, Any]]
    made: tuple[str, ...]
    as_of: datetime
    orders: int


def shadow(
    home: Home, models: Sequence[Model], changed: Mapping[str, Decimal | int], files: Mapping[str, Path] | None = None
) -> Shadow:
    """Match with these thresholds and these SQL files in the place of models. Raises Usage for an unknown name."""
    if not home.warehouse.exists():
        raise Usage("nothing has been built yet; `orders-pipeline run` first")
    thresholds = dict(load_settings(home.settings_file).thresholds)
    for name in changed:
        if name not in thresholds:
            raise Usage(f"there is no threshold '{name}'; docs/generated/thresholds.md lists them")
    known = {m.name: m for m in models}
    for name, path in (files or {}).items():
        if name not in known:
            raise Usage(f"there is no table {name}")
        if not path.exists():
            raise Usage(f"there is no file {path}")
        known[name] = replace(known[name], sql=path.read_text(encoding="utf-8"))
    ordered = [known[m.name] for m in models]
    anew = _to_make(ordered, set(changed), set(files or {}))
    if not anew:
        raise Usage(f"nothing on the way to the match uses {', '.join(sorted(changed))}")
    connection = connect(":memory:", home.work)
    try:
        connection.execute(f"ATTACH {literal(str(home.warehouse))} AS warehouse (READ_ONLY); USE warehouse")
        as_of = _as_of(connection)
        for model in anew:
            _make(connection, model, as_of, {**thresholds, **changed}, {m.name for m in anew})
        return Shadow(_different(connection), tuple(m.name for m in anew), as_of, _count(connection))
    finally:
        connection.close()


def _to_make(models: Sequence[Model], names: set[str], replaced: set[str]) -> list[Model]:
    """The models that change, and those that read one of them, as far as the match reads them; each after what it reads."""
    needed = {MATCH}
    for model in reversed(models):
        if model.name in needed:
            needed |= model.after
    changing: set[str] = set()
    for model in models:
        uses = sql.used_names([model]).thresholds & names
        if model.name in needed and (uses or model.name in replaced or model.after & changing):
            changing.add(model.name)
    return [m for m in models if m.name in changing] if MATCH in changing else []


def _as_of(connection: duckdb.DuckDBPyConnection) -> datetime:
    found = connection.execute("SELECT as_of FROM kernel.consumers WHERE consumer = ?", [MATCH]).fetchall()
    if not found:
        raise Usage("the last run was not completed; `orders-pipeline run` first")
    moment = found[0][0]
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _make(
    connection: duckdb.DuckDBPyConnection, model: Model, as_of: datetime, thresholds: Mapping[str, Any], anew: set[str]
) -> None:
    expression = sql.bind(model, as_of, thresholds, {})
    for table in list(expression.find_all(exp.Table)):
        if f"{table.db}.{table.name}" in anew:
            alias = table.alias_or_name
            table.replace(exp.table_(f"{table.db}.{table.name}", db="main", catalog="memory", quoted=True, alias=alias))
    statement = select_of(connection, model, sql.render(expression))
    connection.execute(f"CREATE TABLE memory.main.{quote(model.name)} AS {statement}")


def _different(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    pairs = ", ".join(f"a.{c} AS now_{c}, b.{c} AS then_{c}" for c in COMPARED)
    differ = " OR ".join(f"a.{c} IS DISTINCT FROM b.{c}" for c in COMPARED)
    return records(
        connection,
        "SELECT coalesce(a.channel, b.channel) AS channel, coalesce(a.channel_order_id, b.channel_order_id) AS channel_order_id, "
        f"CAST(coalesce(a.order_guid, b.order_guid) AS VARCHAR) AS order_guid, {pairs} FROM {MATCH} AS a "
        f"FULL OUTER JOIN memory.main.{quote(MATCH)} AS b ON a.order_guid = b.order_guid WHERE {differ} ORDER BY 1, 2, 3",
    )


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    return connection.execute(f"SELECT count(*) FROM {MATCH}").fetchall()[0][0]
