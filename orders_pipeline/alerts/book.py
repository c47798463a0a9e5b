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
    """What a look at the rules has changed; `is_late`: nothing, for there has been a look at a later time."""

    raised: int = 0
    cleared: int = 0
    standing: int = 0
    is_late: bool = False

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
    is_late = last is not None and as_of < last
    if not asked or is_late:
        return News(standing=_standing(connection), is_late=is_late)
    # What an alert says is worked out for those of which it is written down.
    now = " UNION ALL ".join(f"SELECT rule, entity_id FROM ({_found(rule, as_of, settings)})" for rule in asked)
    names = ", ".join(literal(r.name) for r in asked)
    before = f"SELECT rule, entity_id FROM {TABLE} WHERE cleared_at IS NULL AND rule IN ({names})"
    with transaction(connection):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE alerts_changed AS SELECT coalesce(n.rule, b.rule) AS rule, "
            "coalesce(n.entity_id, b.entity_id) AS entity_id, n.rule IS NOT NULL AS stands, b.rule IS NOT NULL AS stood "
            f"FROM ({now}) AS n FULL JOIN ({before}) AS b "
            f"ON n.rule = b.rule AND n.entity_id = b.entity_id{' WHERE n.rule IS NULL OR b.rule IS NULL' if is_brief else ''}"
        )
        changed = connection.execute(
            "SELECT rule, count(*) FILTER (WHERE stands AND NOT stood), count(*) FILTER (WHERE NOT stands), "
            "count(*) FILTER (WHERE stands AND stood) FROM alerts_changed GROUP BY rule"
        ).fetchall()
        raised, cleared, kept = (sum(row[n] for row in changed) for n in (1, 2, 3))
        same = "b.cleared_at IS NULL AND b.rule = n.rule AND b.entity_id = n.entity_id"
        if cleared:
            connection.execute(
                f"UPDATE {TABLE} AS b SET cleared_at = ? FROM alerts_changed AS n WHERE {same} AND NOT n.stands", [as_of]
            )
        told = {rule for rule, new, _, still in changed if new or still}
        if told:
            parts = " UNION ALL BY NAME ".join(_found(rule, as_of, settings) for rule in asked if rule.name in told)
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE alerts_told AS SELECT f.*, c.stood FROM ({parts}) AS f "
                "JOIN alerts_changed AS c ON f.rule = c.rule AND f.entity_id = c.entity_id"
            )
        if kept:
            connection.execute(
                f"UPDATE {TABLE} AS b SET last_seen_at = ?, message = n.message, message_zh = n.message_zh "
                f"FROM alerts_told AS n WHERE {same} AND n.stood",
                [as_of],
            )
        if raised:
            # The same entity may be raised again at the moment it was cleared: the count of earlier alerts tells them apart.
            connection.execute(
                f"INSERT INTO {TABLE} SELECT md5(concat_ws('|', n.rule, n.entity_id, (SELECT count(*) FROM {TABLE} AS e "
                "WHERE e.rule = n.rule AND e.entity_id = n.entity_id))), n.rule, n.severity, n.entity_type, n.entity_id, "
                f"n.channel, ?, ?, NULL, n.message, n.message_zh FROM alerts_told AS n WHERE NOT n.stood",
                [as_of, as_of],
            )
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
