"""Probes of the data that SQL alone does not say plainly."""

from __future__ import annotations

from collections.abc import Iterator

from orders_pipeline.checkup.probes import Fact, fact, probe
from orders_pipeline.checkup.scene import Scene

#: Entity of decisions -> what a decision is about, and what it says.
DECISIONS = {
    "product_synonyms": ("title", "product_name"),
    "exception_decisions": ("exception_guid", "concat_ws(' ', action, assignee, amount)"),
    "channel_decisions": ("channel", "action"),
    "order_marks": ("concat_ws(' ', channel, shop_id, channel_order_id)", "mark"),
    "corrections": ("concat_ws(' ', file, row, field)", "coalesce(value, '')"),
}
CLOSED_ROWS = "closed_rows_are_as_they_were"


@probe
def contradicting_decisions(scene: Scene) -> Iterator[Fact]:
    scene.need(*(f"raw.{entity}" for entity in DECISIONS))
    for entity, (about, says) in DECISIONS.items():
        found = scene.rows(
            f"SELECT about, count(DISTINCT says), string_agg(DISTINCT says, ' / ' ORDER BY says) FROM (SELECT {about} AS about, "
            f"{says} AS says, decided_at FROM raw.{entity}) GROUP BY about, decided_at HAVING count(DISTINCT says) > 1"
        )
        for name, count, values in found:
            # A correction may hold anything of a row: what it says stays where it is.
            yield fact(f"{entity} {name}", count=count, values="-" if entity == "corrections" else values[:200])


@probe
def closed_month_changed(scene: Scene) -> Iterator[Fact]:
    from orders_pipeline import pipeline
    from orders_pipeline.kernel.models import bind, render
    from orders_pipeline.kernel.statements import tables_in

    check = next(c for c in pipeline.checks() if c.name == CLOSED_ROWS)
    scene.need(*tables_in(check.sql))
    for month, number, _ in scene.rows(render(bind(check.sql, scene.as_of, scene.settings.thresholds, {}))):
        yield fact(f"{month:%Y-%m}", set=number)
