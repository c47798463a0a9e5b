"""The differences somebody has to look at: since when, why, how much, and the largest."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.publish.report.book import Book, Days, Section
from orders_pipeline.publish.report.charts import (
    BAR,
    Head,
    Series,
    bar,
    columns,
    cut,
    figure,
    legend,
    num,
    signed_bar,
    table,
)
from orders_pipeline.publish.report.markup import Safe, foreign, tag
from orders_pipeline.publish.report.words import NONE, channel, column, day, label, money, quantity, say, whole
from orders_pipeline.publish.report.words import table as titled

#: States in which somebody still has to act.
OPEN = "('open', 'assigned')"
#: Rows of a list, and of the list of the largest per currency.
LISTED, LARGEST = 30, 20
EXCEPTIONS, DAILY = "reconciliation.exceptions", "reconciliation.daily_comparison"
#: What was due beside what was received; currencies that are drawn.
RECEIVED, CURRENCIES = "metric LIKE 'received_amount%'", 3


def section(book: Book) -> Section:
    """What has to be looked at: since when, why, how much, and the largest."""
    body = [_over_time(book), *_money_over_time(book), _reasons(book), _causes(book), _ages(book), _largest(book)]
    return Section("differences", titled(EXCEPTIONS), [f for f in body if f])


def _over_time(book: Book) -> Safe:
    edge = book.one(f"SELECT min(opened_on) AS first, max(opened_on) AS last FROM {EXCEPTIONS}")
    days = Days.between(edge.first, edge.last)
    rows = book.rows(
        f"SELECT {days.column('opened_on')} AS start, count(*) FILTER (WHERE state IN {OPEN}) AS open, "
        f"count(*) FILTER (WHERE state NOT IN {OPEN}) AS decided FROM {EXCEPTIONS} GROUP BY ALL"
    )
    by = {r.start: r for r in rows}
    series = [
        Series(say("still_open"), [by[d].open if d in by else 0 for d in days.starts], "warn"),
        Series(say("decided"), [by[d].decided if d in by else 0 for d in days.starts], "mute"),
    ]
    title = say("differences_over_time")
    if not rows:
        return figure("differences-over-time", title, say("differences_none"))
    listed = [
        (n, whole(series[0].values[i]), whole(series[1].values[i])) for i, n in enumerate(days.names) if days.starts[i] in by
    ]
    if None in by:  # Nothing about it has a day.
        listed.append((NONE, whole(by[None].open), whole(by[None].decided)))
    behind = table(
        [Head(column(EXCEPTIONS, "opened_on")), num(series[0].label), num(series[1].label)],
        listed,
        title,
        "differences-days",
    )
    still, top = sum(r.open for r in rows), max(rows, key=lambda r: (r.open + r.decided, str(r.start)))
    says = say(
        "differences_says",
        open=whole(still),
        decided=whole(sum(r.decided for r in rows)),
        unit=days.said,
        top=days.names[days.starts.index(top.start)] if top.start in days.starts else day(top.start),
        count=whole(top.open + top.decided),
    )
    chart = columns(days.ticks, days.names, series, "differences-over-time-says")
    return figure("differences-over-time", title, says, chart, key=legend((s.label, s.tone) for s in series), behind=behind)


def _money_over_time(book: Book) -> list[Safe]:
    """What is due and neither received, on its way nor settled: a picture for each of the currencies with most orders."""
    if not book.has(DAILY, "accounted_difference"):
        return []
    found = book.rows(
        f"SELECT currency, min(day) AS first, max(day) AS last, sum(order_count) AS orders FROM {DAILY} WHERE {RECEIVED} "
        f"AND currency IS NOT NULL GROUP BY currency ORDER BY orders DESC, currency LIMIT {CURRENCIES}"
    )
    return [_money(book, r.currency, Days.between(r.first, r.last), place) for place, r in enumerate(found, 1)]


def _money(book: Book, currency: str, days: Days, place: int) -> Safe:
    rows = book.rows(
        f"SELECT {days.column('day')} AS start, coalesce(sum(left_value), 0) AS due, coalesce(sum(right_value), 0) AS received, "
        "coalesce(sum(difference), 0) AS diff, coalesce(sum(difference - coalesce(accounted_difference, 0)), 0) AS unaccounted "
        f"FROM {DAILY} WHERE {RECEIVED} AND currency = ? GROUP BY ALL",
        [currency],
    )
    by = {r.start: r for r in rows}
    series = Series(say("unaccounted"), [by[d].unaccounted if d in by else 0 for d in days.starts], "warn")
    title = say("money_over_time", currency=currency)
    listed = [
        (n, money(by[d].due), money(by[d].received), money(by[d].diff), money(by[d].unaccounted))
        for n, d in zip(days.names, days.starts, strict=True)
        if d in by
    ]
    heads = [Head(column(DAILY, "day")), *(num(say(w)) for w in ("due", "received", "due_less_received", "unaccounted"))]
    says = say(
        "money_says",
        due=money(sum(r.due for r in rows)),
        received=money(sum(r.received for r in rows)),
        unaccounted=money(sum(r.unaccounted for r in rows)),
        currency=currency,
        unit=days.said,
    )
    name = f"money-over-time-{place}"
    chart = columns(days.ticks, days.names, [series], f"{name}-says")
    return figure(name, title, says, chart, behind=table(heads, listed, title, f"money-days-{place}"))


def _reasons(book: Book) -> Safe | None:
    rows = book.rows(
        "SELECT reason, currency, count(*) AS orders, coalesce(sum(amount_diff), 0) AS diff, "
        "coalesce(sum(qty_diff), 0) AS pieces "
        f"FROM {EXCEPTIONS} WHERE state IN {OPEN} GROUP BY ALL ORDER BY orders DESC, reason, currency"
    )
    if not rows:
        return None
    largest = rows[0].orders
    heads = [
        Head(column(EXCEPTIONS, "reason")),
        Head(column(EXCEPTIONS, "currency")),
        num(say("open_exceptions")),
        BAR,
        num(column(EXCEPTIONS, "amount_diff")),
        num(column(EXCEPTIONS, "qty_diff")),
    ]
    made = [
        (
            label("match_reason", r.reason),
            r.currency or "–",
            whole(r.orders),
            bar(r.orders, largest, "warn"),
            money(r.diff),
            quantity(r.pieces),
        )
        for r in rows[:LISTED]
    ]
    title = say("differences_by_reason")
    says = say(
        "reasons_says", top=label("match_reason", rows[0].reason), count=whole(largest), all=whole(sum(r.orders for r in rows))
    )
    return figure("differences-by-reason", title, says, table(heads, made, title, "reasons"), note=cut(len(made), len(rows)))


def _causes(book: Book) -> Safe | None:
    name = "reconciliation.difference_causes"
    if not book.has(name):
        return None
    rows = book.rows(
        f"SELECT c.cause, e.currency, count(DISTINCT c.exception_guid) AS orders, coalesce(sum(c.explained_amount), 0) AS amount "
        f"FROM {name} AS c JOIN {EXCEPTIONS} AS e USING (exception_guid) WHERE e.state IN {OPEN} GROUP BY ALL "
        "ORDER BY e.currency, abs(coalesce(sum(c.explained_amount), 0)) DESC, c.cause"
    )
    if not rows:
        return None
    largest: dict[Any, float] = defaultdict(float)
    for r in rows:
        largest[r.currency] = max(largest[r.currency], abs(float(r.amount)))
    heads = [
        Head(column(name, "cause")),
        Head(column(EXCEPTIONS, "currency")),
        num(say("open_exceptions")),
        num(column(name, "explained_amount")),
        BAR,
    ]
    made = [
        (
            label("difference_cause", r.cause),
            r.currency or "–",
            whole(r.orders),
            money(r.amount),
            signed_bar(r.amount, largest[r.currency]),
        )
        for r in rows[:LISTED]
    ]
    lost = [r for r in rows if r.cause == "unexplained"]
    says = say("causes_says", count=whole(sum(r.orders for r in lost)))
    title = say("differences_by_cause")
    return figure("differences-by-cause", title, says, table(heads, made, title, "causes"), note=cut(len(made), len(rows)))


def _ages(book: Book) -> Safe | None:
    rows = book.rows(f"SELECT age_bucket, count(*) AS orders FROM {EXCEPTIONS} WHERE state IN {OPEN} GROUP BY ALL")
    if not rows:
        return None
    counts = {r.age_bucket: r.orders for r in rows}
    order = list(load_dictionary().vocabularies["age_bucket"])
    known = [a for a in order if a in counts] + sorted(set(counts) - set(order))
    heads = [Head(column(EXCEPTIONS, "age_bucket")), num(say("open_exceptions")), BAR]
    made = [(label("age_bucket", a), whole(counts[a]), bar(counts[a], max(counts.values()), "warn")) for a in known]
    oldest = book.one(f"SELECT max(age_days) AS days FROM {EXCEPTIONS} WHERE state IN {OPEN}").days
    title = say("differences_by_age")
    return figure("differences-by-age", title, say("ages_says", days=whole(oldest)), table(heads, made, title, "ages"))


def _largest(book: Book) -> Safe | None:
    rows = book.rows(
        "SELECT *, count(*) OVER () AS all_rows FROM (SELECT *, row_number() OVER (PARTITION BY currency "
        "ORDER BY abs(amount_diff) DESC, "
        f"exception_guid) AS place FROM {EXCEPTIONS} WHERE state IN {OPEN} AND amount_diff <> 0) AS ranked "
        f"QUALIFY place <= {LARGEST} ORDER BY count(*) OVER (PARTITION BY currency) DESC, currency, place LIMIT {LARGEST * 3}"
    )
    if not rows:
        return None
    names = (
        "channel_order_id",
        "amount_diff",
        "currency",
        "channel",
        "opened_on",
        "age_days",
        "reason",
        "cause",
        "qty_diff",
        "state",
    )
    heads = [Head(column(EXCEPTIONS, n), "number" if n in ("amount_diff", "qty_diff", "age_days") else "text") for n in names]
    made = [
        (
            foreign(r.channel_order_id) or "–",
            money(r.amount_diff),
            r.currency or "–",
            channel(r.channel),
            day(r.opened_on),
            whole(r.age_days),
            label("match_reason", r.reason),
            label("difference_cause", r.cause),
            quantity(r.qty_diff),
            label("exception_state", r.state),
        )
        for r in rows
    ]
    title, first = say("largest_differences"), rows[0]
    says = say(
        "largest_says",
        amount=money(first.amount_diff),
        currency=first.currency or "–",
        reason=label("match_reason", first.reason),
    )
    hint = tag("p", say("explain_hint"), " ", tag("code", "orders-pipeline explain …"), class_="note")
    return figure(
        "largest-differences", title, says, table(heads, made, title, "largest"), hint, note=cut(len(made), rows[0].all_rows)
    )
