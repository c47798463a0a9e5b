"""Takes news of alerts to people: once when an alert is raised, once when it is cleared.

Who hears of what stands in the home's settings.toml; the address is a secret and comes from the environment:

    [alerts.finance_group]
    url_env = "ORDERS_PIPELINE_WECOM_URL"     # an Apprise address: wecombot://…, dingtalk://…, feishu://…, slack://…, mailto://…
    minimum = "warn"                          # from which severity on (default warn)
    language = "zh"                           # en or zh (default en)
    rules = ["large_difference"]              # these rules only (default all)

Every piece of news is also appended to `<home>/alerts.jsonl`; when that is full it becomes `alerts.before.jsonl`, in place of the
one before (all of it stands in `ops.alerts`). What could not be delivered is tried again by later runs,
less and less often; it never stops a run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from orders_pipeline.alerts.book import TABLE
from orders_pipeline.alerts.rules import SEVERITIES, load_rules
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import records, transaction

FILE = "file"
FILE_BYTES = 16_000_000
#: Minutes after the first, second … failure; then the last one again and again.
PATIENCE = (1, 5, 15, 60)
#: A message names this many; the rest are counted.
LISTED = 20
SECONDS_PER_TRY = 5
OUTBOX = """
CREATE TABLE IF NOT EXISTS ops.alert_deliveries (
    alert_id VARCHAR, event VARCHAR, target VARCHAR, attempts INTEGER, next_try_at TIMESTAMPTZ, delivered_at TIMESTAMPTZ,
    error VARCHAR);
"""

Send = Callable[[str, str, str], str]


@dataclass(frozen=True)
class Target:
    """One place people read: a chat group, a mailbox."""

    name: str
    url_env: str
    minimum: str = "warn"
    language: str = "en"
    rules: tuple[str, ...] = ()

    def wants(self) -> str:
        """SQL over the book's columns."""
        severities = ", ".join(f"'{s}'" for s in SEVERITIES[SEVERITIES.index(self.minimum) :])
        chosen = "" if not self.rules else " AND rule IN (" + ", ".join(f"'{r}'" for r in self.rules) + ")"
        return f"severity IN ({severities}){chosen}"


def read_targets(given: Mapping[str, Mapping[str, Any]]) -> tuple[Target, ...]:
    """The targets of settings.toml. Raises Usage naming what is wrong with one."""
    known = {r.name for r in load_rules()}
    found = []
    for name, spec in given.items():
        target = Target(
            name,
            str(spec.get("url_env", "")),
            spec.get("minimum", "warn"),
            spec.get("language", "en"),
            tuple(spec.get("rules", ())),
        )
        wrong = set(spec) - {"url_env", "minimum", "language", "rules"}
        if wrong or not target.url_env or target.minimum not in SEVERITIES or target.language not in ("en", "zh"):
            raise Usage(
                f"settings.toml: [alerts.{name}] takes url_env (the name of an environment variable), minimum "
                f"({', '.join(SEVERITIES)}), language (en, zh) and rules" + (f"; not {', '.join(sorted(wrong))}" if wrong else "")
            )
        if set(target.rules) - known:
            raise Usage(f"settings.toml: [alerts.{name}] names no rule of ours: {', '.join(sorted(set(target.rules) - known))}")
        found.append(target)
    return tuple(found)


def deliver(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    targets: Sequence[Target],
    now: datetime | None = None,
    send: Send | None = None,
) -> list[str]:
    """Tell every target what it has not been told; returns a line for each that could not be reached.

    `send(url, title, body)` returns "" or why it failed.
    """
    moment = now or datetime.now(UTC)
    connection.execute(OUTBOX)
    with transaction(connection):
        _queue(connection, FILE, "TRUE", moment)
        for target in targets:
            _queue(connection, target.name, target.wants(), moment)
    _append(connection, home, moment)
    failed = []
    for target in targets:
        failed += _tell(connection, target, moment, send or send_now)
    return failed


def _queue(connection: duckdb.DuckDBPyConnection, target: str, wants: str, moment: datetime) -> None:
    for event, when in (("raised", "TRUE"), ("cleared", "b.cleared_at IS NOT NULL")):
        # Who was never told that something began is not told that it ended.
        told = (
            ""
            if event == "raised"
            else (
                "AND EXISTS (SELECT 1 FROM ops.alert_deliveries AS r WHERE r.alert_id = b.alert_id AND r.target = $target "
                "AND r.event = 'raised' AND r.delivered_at IS NOT NULL) "
            )
        )
        skip = "" if event == "cleared" or target == FILE else "AND b.cleared_at IS NULL "
        connection.execute(
            "INSERT INTO ops.alert_deliveries SELECT b.alert_id, $event, $target, 0, $moment, NULL, NULL "
            f"FROM {TABLE} AS b WHERE {when} AND ({wants}) {told}{skip}AND NOT EXISTS (SELECT 1 FROM ops.alert_deliveries AS d "
            "WHERE d.alert_id = b.alert_id AND d.target = $target AND d.event = $event)",
            {"event": event, "target": target, "moment": moment},
        )


def _pending(connection: duckdb.DuckDBPyConnection, target: str, moment: datetime) -> list[dict[str, Any]]:
    return records(
        connection,
        f"SELECT d.event, b.* FROM ops.alert_deliveries AS d JOIN {TABLE} AS b ON b.alert_id = d.alert_id "
        "WHERE d.target = ? AND d.delivered_at IS NULL AND d.next_try_at <= ? "
        "ORDER BY d.event DESC, list_position(['critical', 'warn', 'info'], b.severity), b.rule, b.entity_id",
        [target, moment],
    )


def _append(connection: duckdb.DuckDBPyConnection, home: Home, moment: datetime) -> None:
    rows = _pending(connection, FILE, moment)
    if rows:
        file = home.root / "alerts.jsonl"
        if file.exists() and file.stat().st_size >= FILE_BYTES:
            file.replace(file.with_name("alerts.before.jsonl"))
        with file.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        _settle(connection, FILE, moment, "")


def _tell(connection: duckdb.DuckDBPyConnection, target: Target, moment: datetime, send: Send) -> list[str]:
    rows = _pending(connection, target.name, moment)
    if not rows:
        return []
    url = os.environ.get(target.url_env, "")
    title, body = compose(rows, target.language)
    error = send(url, title, body) if url else f"the environment variable {target.url_env} is not set"
    _settle(connection, target.name, moment, error)
    return [f"alerts for {target.name} wait: {error}"] if error else []


def _settle(connection: duckdb.DuckDBPyConnection, target: str, moment: datetime, error: str) -> None:
    waits = " ".join(f"WHEN attempts = {n} THEN {minutes}" for n, minutes in enumerate(PATIENCE))
    done = (
        "delivered_at = $moment, error = NULL"
        if not error
        else (f"error = $error, next_try_at = $moment + to_minutes(CASE {waits} ELSE {PATIENCE[-1]} END)")
    )
    values = {"moment": moment, "target": target} | ({"error": error} if error else {})
    connection.execute(
        f"UPDATE ops.alert_deliveries SET attempts = attempts + 1, {done} "
        "WHERE target = $target AND delivered_at IS NULL AND next_try_at <= $moment",
        values,
    )


def compose(rows: Sequence[Mapping[str, Any]], language: str) -> tuple[str, str]:
    """Title and body of one message: what is new, what has ended, the most severe first."""
    titles = {r.name: r.title for r in load_rules()}
    words = {"en": ("new", "ended", "and {} more"), "zh": ("新增", "已解除", "另有 {} 条")}[language]
    counts = [sum(r["event"] == event for r in rows) for event in ("raised", "cleared")]
    parts = [f"{word} {count}" for word, count in zip(words, counts, strict=False) if count]
    lines = []
    for row in rows[:LISTED]:
        title = titles.get(row["rule"], {}).get(language, row["rule"])
        ended = f" ({words[1]})" if row["event"] == "cleared" else ""
        lines.append(f"[{row['severity']}] {title}{ended}: {row['message_zh' if language == 'zh' else 'message'] or ''}")
    if len(rows) > LISTED:
        lines.append(words[2].format(len(rows) - LISTED))
    heading = {"en": "Orders pipeline", "zh": "订单管道"}[language]
    return f"{heading}: {', '.join(parts)}", "\n".join(lines)


def send_now(url: str, title: str, body: str) -> str:
    """Hand a message to the service behind an Apprise address; "" or why it failed, without the address."""
    import logging

    import apprise

    # Its log and its errors may hold the address, which is a secret.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    mark = "&" if "?" in url else "?"
    service = apprise.Apprise()
    if not service.add(f"{url}{mark}cto={SECONDS_PER_TRY}&rto={SECONDS_PER_TRY}"):
        return "the address is not one Apprise knows"
    return "" if service.notify(body=body, title=title) else "the service did not take the message"
