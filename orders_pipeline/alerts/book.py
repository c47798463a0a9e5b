"""Which alerts stand, since when: raised when first seen, kept while seen, cleared when no longer seen.

The book is history, like the results of checks: it depends on when somebody looked, and a rebuild keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from orders_pipeline.alerts.rules import Rule, load_rules
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.statements import statement
from orders_pipeline.kernel.warehouse import tables_there, transaction

TABLE = "ops.alerts"
STATE = f"""
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS {TABLE} (
    alert_id VARCHAR, rule VARCHAR, severity VARCHAR, entity_type VARCHAR, entity_id VARCHAR, channel VARCHAR,
    first_seen_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ, cleared_at TIMESTAMPTZ, message VARCHAR, message_zh VARCHAR);
"""


@dataclass(frozen=True)
class News:
    """What a look at the rules has changed."""

    raised: int = 0
    cleared: int = 0
    standing: int = 0

    def __bool__(self) -> bool:
        return bool(self.raised or self.cleared)


def look(
    connection: duckdb.DuckDBPyConnection,
    as_of: datetime,
    settings: Settings,
    rules: Sequence[Rule] | None = None,
    *,
    is_brief: bool = False,
) -> News:
    """Compare what the rules say now with the book, and write down the difference. A look back in time changes nothing.

    A rule whose tables do not exist yet is left as it stands. A brief look writes down what is raised and cleared, and not that
    all the others still stand: that is a change of every row.
    """
    connection.execute(STATE)
    last = connection.execute(f"SELECT max(greatest(last_seen_at, cleared_at)) FROM {TABLE}").fetchall()[0][0]
    there = tables_there(connection)
    asked = [r for r in (load_rules() if rules is None else rules) if r.tables <= there]
    if not asked or (last is not None and as_of < last):
        return News(standing=_standing(connection))
    parts = [_found(rule, as_of, settings) for rule in asked]
    names = ", ".join(literal(r.name) for r in asked)
    with transaction(connection):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE alerts_now AS {' UNION ALL BY NAME '.join(parts)}")
        same = "b.cleared_at IS NULL AND b.rule = n.rule AND b.entity_id = n.entity_id"
        if not is_brief:
            connection.execute(
                f"UPDATE {TABLE} AS b SET last_seen_at = ?, message = n.message, message_zh = n.message_zh "
                f"FROM alerts_now AS n WHERE {same}",
                [as_of],
            )
        cleared = connection.execute(
            f"UPDATE {TABLE} AS b SET cleared_at = ? WHERE b.cleared_at IS NULL AND b.rule IN ({names}) "
            f"AND NOT EXISTS (SELECT 1 FROM alerts_now AS n WHERE {same})",
            [as_of],
        ).fetchall()[0][0]
        # The same entity may be raised again at the moment it was cleared: the count of earlier alerts tells them apart.
        raised = connection.execute(
            f"INSERT INTO {TABLE} SELECT md5(concat_ws('|', n.rule, n.entity_id, (SELECT count(*) FROM {TABLE} AS e "
            "WHERE e.rule = n.rule AND e.entity_id = n.entity_id))), n.rule, n.severity, n.entity_type, n.entity_id, "
            f"n.channel, ?, ?, NULL, n.message, n.message_zh FROM alerts_now AS n "
            f"WHERE NOT EXISTS (SELECT 1 FROM {TABLE} AS b WHERE {same})",
            [as_of, as_of],
        ).fetchall()[0][0]
    return News(raised, cleared, _standing(connection))


def _found(rule: Rule, as_of: datetime, settings: Settings) -> str:
    body = statement(rule.sql, as_of, settings.thresholds)
    return (
        f"SELECT {literal(rule.name)} AS rule, {literal(rule.severity)} AS severity, {literal(rule.entity)} AS entity_type, "
        "CAST(entity_id AS VARCHAR) AS entity_id, min(CAST(channel AS VARCHAR)) AS channel, min(message) AS message, "
        f"min(message_zh) AS message_zh FROM ({body}) WHERE entity_id IS NOT NULL GROUP BY ALL"
    )


def _standing(connection: duckdb.DuckDBPyConnection) -> int:
    return connection.execute(f"SELECT count(*) FROM {TABLE} WHERE cleared_at IS NULL").fetchall()[0][0]
