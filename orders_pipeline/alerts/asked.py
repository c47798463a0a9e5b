"""When each rule was last asked: one that no clock moves says the same as long as its tables do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from orders_pipeline.alerts.rules import Rule
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.warehouse import transaction


class LastAsked:
    """What the warehouse remembers of the rules, beside how far its tables have come."""

    def __init__(self, refresher: Refresher) -> None:
        self._refresher = refresher
        self._models = {model.name for model in refresher.models}

    def among(self, rules: Iterable[Rule]) -> list[Rule]:
        """Those that may say something else than the last time."""
        return [rule for rule in rules if self._may_differ(rule)]

    def _may_differ(self, rule: Rule) -> bool:
        before = self._refresher.last_of(_name(rule))
        return (
            "as_of(" in rule.sql
            or not rule.tables <= self._models
            or before.batch is None
            or before.fingerprint != self._fingerprint(rule)
            or self._refresher.changed_since(rule.tables, before.batch)
        )

    def note(self, rules: Sequence[Rule]) -> None:
        """Remember that these were asked now, when their tables were up to date."""
        connection, batch = self._refresher.connection, self._refresher.touched.batch
        rows = [(_name(rule), batch, self._fingerprint(rule)) for rule in rules]
        if rows:
            with transaction(connection):
                self._forget([name for name, _, _ in rows])
                marks = ", ".join(["(?, ?, ?)"] * len(rows))
                connection.execute(
                    f"INSERT INTO kernel.consumers (consumer, batch, fingerprint) VALUES {marks}",
                    [value for row in rows for value in row],
                )

    def forget(self, rules: Iterable[Rule]) -> None:
        """They were not asked although they might have said something else."""
        with transaction(self._refresher.connection):
            self._forget([_name(rule) for rule in rules])

    def _forget(self, names: list[str]) -> None:
        self._refresher.connection.execute("DELETE FROM kernel.consumers WHERE list_contains(?, consumer)", [names])

    def _fingerprint(self, rule: Rule) -> str:
        thresholds = sorted((name, str(value)) for name, value in self._refresher.settings.thresholds.items())
        return hashlib.sha256(f"{rule.severity}{rule.sql}{thresholds}".encode()).hexdigest()[:16]


def _name(rule: Rule) -> str:
    return f"alerts.{rule.name}"
