"""What can be promised, and where more has been promised than there is."""

from __future__ import annotations

from orders_pipeline.publish.report.book import COLUMNS, Book, Days, Section
from orders_pipeline.publish.report.charts import BAR, Head, Series, bar, columns, cut, figure, num, table, with_note
from orders_pipeline.publish.report.markup import Safe, foreign, shortened
from orders_pipeline.publish.report.words import channel, column, day, label, moment, percent, quantity, say, span, whole
from orders_pipeline.publish.report.words import table as titled

ATP, BY_DAY, OVERSELLS, REORDER = "inventory.atp", "inventory.atp_by_day", "inventory.oversells", "inventory.replenishment"
LISTED = 20
#: Of goods that are kept in stock and that some figure or movement speaks of.
KNOWN = "atp_signed_qty IS NOT NULL AND stock_record NOT IN ('no_stock_record', 'not_stocked')"


def section(book: Book) -> Section | None:
    """Risks now and in the days to come, the goods concerned, orders that cannot be served."""
    if not book.has(ATP):
        return None
    figures = [_risks(book), _ahead(book), _worst(book), _oversells(book), _reorder(book)]
    return Section("stock", titled(ATP), [f for f in figures if f])


def _risks(book: Book) -> Safe:
    found = book.one(
        f"SELECT count(*) AS places, count(DISTINCT sku) AS skus, count(*) FILTER (WHERE oversold_qty > 0) AS oversold, "
        "count(*) FILTER (WHERE oversold_qty = 0 AND safety_breach_qty > 0) AS below_safety, "
        "count(*) FILTER (WHERE atp_qty <= 0 AND oversold_qty = 0 AND safety_breach_qty = 0) AS empty, "
        "count(*) FILTER (WHERE is_stale) AS stale, count(*) FILTER (WHERE is_stale IS FALSE) AS fresh, "
        "max(age_seconds) AS oldest, "
        "coalesce(sum(oversold_qty), 0) AS oversold_qty, "
        "coalesce(sum(safety_breach_qty) FILTER (WHERE oversold_qty = 0), 0) AS breach_qty "
        f"FROM {ATP} WHERE {KNOWN}"
    )
    kinds = (
        ("risk_oversold", found.oversold, "bad", found.oversold_qty),
        ("risk_below_safety", found.below_safety, "warn", found.breach_qty),
        ("risk_empty", found.empty, "mute", None),
        ("risk_stale", found.stale, "wait", None),
    )
    heads = [
        Head(say("risk")),
        num(say("places")),
        num(say("share")),
        BAR,
        num(say("pieces")),
    ]
    rows = [
        (
            say(name),
            whole(count),
            percent(count / found.places if found.places else None),
            bar(count, found.places, tone),
            quantity(pieces),
        )
        for name, count, tone, pieces in kinds
    ]
    says = say(
        "risks_says", places=whole(found.places), skus=whole(found.skus), oversold=whole(found.oversold), stale=whole(found.stale)
    )
    title = say("risks")
    return figure("stock-risks", title, says, table(heads, rows, title, "risks"), note=say("risks_note", age=span(found.oldest)))


def _ahead(book: Book) -> Safe | None:
    """Places that will be short on each of the next days. A place with one row has nothing due and nothing expected: it stays."""
    if not book.has(BY_DAY):
        return None
    rows = book.rows(
        f"""
        WITH spread AS (SELECT *, count(*) OVER (PARTITION BY owner, sku, warehouse_id) AS days FROM {BY_DAY}),
        summed AS (
            SELECT day, days = 1 AS stays, count(*) FILTER (WHERE atp_signed_qty < 0) AS short,
                coalesce(sum(-atp_signed_qty) FILTER (WHERE atp_signed_qty < 0), 0) AS pieces,
                sum(receipts_qty) AS receipts, sum(demand_qty) AS demand
            FROM spread GROUP BY ALL
        )
        SELECT h.day, coalesce(sum(s.short), 0)::BIGINT AS short, coalesce(sum(s.pieces), 0) AS pieces,
            coalesce(sum(s.receipts) FILTER (WHERE s.day = h.day), 0) AS receipts,
            coalesce(sum(s.demand) FILTER (WHERE s.day = h.day), 0) AS demand
        FROM (SELECT DISTINCT day FROM {BY_DAY}) AS h
        JOIN summed AS s ON s.day = h.day OR (s.stays AND s.day < h.day)
        GROUP BY h.day ORDER BY h.day
        """
    )[:COLUMNS]
    days = Days("day", tuple(r.day for r in rows))
    series = Series(say("places_short"), [r.short for r in rows], "bad")
    heads = [
        Head(column(BY_DAY, "day")),
        *(num(say(w)) for w in ("places_short", "pieces_short", "receipts", "demand")),
    ]
    listed = [(day(r.day), whole(r.short), quantity(r.pieces), quantity(r.receipts), quantity(r.demand)) for r in rows]
    title = say("stock_ahead")
    first, last = rows[0], rows[-1]
    says = say(
        "ahead_says",
        now=whole(first.short),
        last=whole(last.short),
        day=day(last.day),
        receipts=quantity(sum(r.receipts for r in rows)),
    )
    # Where nothing is short on any day there is nothing to draw.
    chart = (
        columns(days.ticks, days.names, [series], "stock-ahead-says") if len(rows) > 1 and any(r.short for r in rows) else None
    )
    return figure("stock-ahead", title, says, chart, behind=table(heads, listed, title, "ahead"))


def _worst(book: Book) -> Safe | None:
    rows = book.rows(
        f"SELECT a.*, p.title, count(*) OVER () AS all_rows FROM {ATP} AS a "
        "LEFT JOIN (SELECT sku, min(title) AS title FROM orders.products GROUP BY sku) AS p USING (sku) "
        f"WHERE {KNOWN} AND (a.oversold_qty > 0 OR a.safety_breach_qty > 0) "
        f"ORDER BY a.oversold_qty DESC, a.safety_breach_qty DESC, a.sku, a.warehouse_id, a.owner LIMIT {LISTED}"
    )
    if not rows:
        return None
    numbers = (
        "oversold_qty",
        "safety_breach_qty",
        "atp_signed_qty",
        "sellable_qty",
        "reserved_qty",
        "held_qty",
        "safety_stock_qty",
    )
    heads = [
        Head(column(ATP, "sku")),
        Head(column("orders.products", "title"), "long"),
        Head(column(ATP, "warehouse_id")),
        *(num(column(ATP, n)) for n in numbers),
        Head(column(ATP, "last_event_at")),
    ]
    made = [
        (
            foreign(r.sku),
            foreign(r.title and shortened(r.title, 60)) or "–",
            foreign(r.warehouse_id),
            *(quantity(getattr(r, n)) for n in numbers),
            moment(r.last_event_at, book.zone),
        )
        for r in rows
    ]
    title = say("stock_worst")
    says = say("worst_says", count=whole(rows[0].all_rows), sku=rows[0].sku, pieces=quantity(rows[0].oversold_qty))
    return figure("stock-worst", title, says, table(heads, made, title, "worst"), note=cut(len(made), rows[0].all_rows))


def _oversells(book: Book) -> Safe | None:
    if not book.has(OVERSELLS):
        return None
    edge = book.one(
        f"SELECT min(day) AS first, max(day) AS last, count(*) AS rows, count(DISTINCT order_guid) AS orders FROM {OVERSELLS}"
    )
    days = Days.between(edge.first, edge.last)
    per = {
        r.start: r.orders
        for r in book.rows(
            f"SELECT {days.column('day')} AS start, count(DISTINCT order_guid) AS orders FROM {OVERSELLS} GROUP BY ALL"
        )
    }
    causes = book.rows(
        f"SELECT cause, channel, count(DISTINCT order_guid) AS orders, coalesce(sum(short_qty), 0) AS pieces FROM {OVERSELLS} "
        "GROUP BY ALL ORDER BY orders DESC, cause, channel"
    )
    heads = [
        Head(column(OVERSELLS, "cause")),
        Head(column(OVERSELLS, "channel")),
        num(say("orders")),
        num(column(OVERSELLS, "short_qty")),
    ]
    listed = [
        (label("oversell_cause", r.cause), channel(r.channel), whole(r.orders), quantity(r.pieces)) for r in causes[:LISTED]
    ]
    title = titled(OVERSELLS)
    says = say("oversells_says", orders=whole(edge.orders), cause=label("oversell_cause", causes[0].cause), unit=days.said)
    chart = columns(
        days.ticks, days.names, [Series(say("orders"), [per.get(d, 0) for d in days.starts], "bad")], "oversells-says"
    )
    return figure(
        "oversells",
        title,
        says,
        chart,
        behind=with_note(table(heads, listed, title, "oversell-causes"), len(listed), len(causes)),
    )


def _reorder(book: Book) -> Safe | None:
    if not book.has(REORDER):
        return None
    numbers = ("atp_qty", "safety_stock_qty", "reorder_point_qty", "suggested_qty")
    rows = book.rows(
        f"SELECT *, count(*) OVER () AS all_rows FROM {REORDER} WHERE suggested_qty > 0 "
        f"ORDER BY suggested_qty DESC, sku, warehouse_id, owner LIMIT {LISTED}"
    )
    if not rows:
        return None
    heads = [
        Head(column(REORDER, "sku")),
        Head(column(REORDER, "warehouse_id")),
        *(num(column(REORDER, n)) for n in numbers),
    ]
    made = [(foreign(r.sku), foreign(r.warehouse_id), *(quantity(getattr(r, n)) for n in numbers)) for r in rows]
    title = titled(REORDER)
    says = say("reorder_says", count=whole(rows[0].all_rows))
    return figure("replenishment", title, says, table(heads, made, title, "reorder"), note=cut(len(made), rows[0].all_rows))
