"""Where the orders stand, and whether order, goods and money agree."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.publish.report.book import Book, Days, Section
from orders_pipeline.publish.report.charts import Head, Series, bar, columns, cut, figure, legend, signed_bar, split, table
from orders_pipeline.publish.report.markup import Safe, foreign, tag
from orders_pipeline.publish.report.words import channel, column, day, label, money, percent, quantity, say, whole
from orders_pipeline.publish.report.words import table as titled

#: Colour of each verdict, in the order in which they are drawn.
TONES = {
    "MATCHED": "good", "MATCHED_WITHIN_TOLERANCE": "fair", "TIMING": "wait", "MISMATCH": "warn", "UNMATCHED_SO": "bad",
    "UNMATCHED_LOG": "bad2", "UNMATCHED_PAY": "bad3", "AMBIGUOUS": "odd", "DUPLICATE_KEY": "odd2", "EXCLUDED": "mute",
}  # fmt: skip
GOOD = ("MATCHED", "MATCHED_WITHIN_TOLERANCE")
#: States in which somebody still has to act.
OPEN = "('open', 'assigned')"
#: Rows of a list; orders from which a share is worth a sentence.
CHANNELS, LARGEST, ENOUGH = 30, 20, 30
MATCH, EXCEPTIONS = "reconciliation.three_way_match", "reconciliation.exceptions"


def overview(book: Book) -> Section:
    """Orders by status; the match by verdict and by channel with its money."""
    return Section("match", say("match_title"), [_orders(book), _verdicts(book), _channels(book)])


def _orders(book: Book) -> Safe:
    rows = book.rows("SELECT status, count(*) AS orders FROM orders.orders GROUP BY status")
    order = list(load_dictionary().vocabularies["order_status"])
    rows.sort(key=lambda r: (order.index(r.status) if r.status in order else len(order), r.status))
    total, largest = sum(r.orders for r in rows), max((r.orders for r in rows), default=0)
    heads = [Head(column("orders.orders", "status")), Head(say("orders"), "number"), Head(say("share"), "number"), Head("", "bar")]
    made = [(label("order_status", r.status), whole(r.orders), percent(r.orders / total), bar(r.orders, largest)) for r in rows]
    top = max(rows, key=lambda r: (r.orders, r.status), default=None)
    says = (
        say("orders_says", total=whole(total), top=label("order_status", top.status), share=percent(top.orders / total))
        if top
        else say("orders_none")
    )
    title = say("orders_by_status")
    return figure("orders-by-status", title, says, table(heads, made, title, "statuses"), half=True)


def _verdicts(book: Book) -> Safe:
    rows = book.rows(f"SELECT status, reason, count(*) AS orders FROM {MATCH} GROUP BY ALL ORDER BY orders DESC, status, reason")
    counts: dict[str, int] = defaultdict(int)
    for r in rows:
        counts[r.status] += r.orders
    total, largest = sum(counts.values()), max(counts.values(), default=0)
    ordered = sorted(counts, key=lambda s: list(TONES).index(s) if s in TONES else len(TONES))
    heads = [Head(column(MATCH, "status")), Head(say("orders"), "number"), Head(say("share"), "number"), Head("", "bar")]
    made = [
        (label("match_status", s), whole(counts[s]), percent(counts[s] / total), bar(counts[s], largest, TONES.get(s, "a")))
        for s in ordered
    ]
    behind = table(
        [Head(column(MATCH, "status")), Head(column(MATCH, "reason")), Head(say("orders"), "number")],
        [(label("match_status", r.status), label("match_reason", r.reason), whole(r.orders)) for r in rows],
        say("match_by_reason"),
        "match-reasons",
    )
    matched = sum(counts[s] for s in GOOD)
    says = say("match_says", total=whole(total), matched=whole(matched), share=percent(matched / total if total else None))
    title = say("match_by_status")
    return figure("match-by-status", title, says, table(heads, made, title, "verdicts"), behind=behind, half=True)


def _channels(book: Book) -> Safe:
    rows = book.rows(
        "SELECT channel, currency, status, count(*) AS orders, coalesce(sum(due_amount), 0) AS due, coalesce(sum(paid_amount), 0) AS paid, "
        f"coalesce(sum(amount_diff), 0) AS diff FROM {MATCH} GROUP BY ALL"
    )
    groups: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for r in rows:
        groups[r.channel or "", r.currency or ""][r.status] = r
    sizes = {g: sum(r.orders for r in found.values()) for g, found in groups.items()}
    ordered = sorted(groups, key=lambda g: (-sizes[g], g))
    heads = [
        Head(column(MATCH, "channel")), Head(column(MATCH, "currency")), Head(say("orders"), "number"), Head("", "bar"),
        Head(say("matched_share"), "number"), Head(column(MATCH, "due_amount"), "number"), Head(column(MATCH, "paid_amount"), "number"),
        Head(column(MATCH, "amount_diff"), "number"),
    ]  # fmt: skip
    made, behind = [], []
    for group in ordered[:CHANNELS]:
        found = groups[group]
        known = [s for s in TONES if s in found] + sorted(set(found) - set(TONES))
        matched = sum(found[s].orders for s in GOOD if s in found)
        total = [sum(getattr(r, n) for r in found.values()) for n in ("due", "paid", "diff")]
        made.append((
            channel(group[0]), group[1] or "–", whole(sizes[group]), split([(found[s].orders, TONES.get(s, "a")) for s in known]),
            percent(matched / sizes[group]), *map(money, total),
        ))  # fmt: skip
        behind += [
            (channel(group[0]), group[1] or "–", label("match_status", s), whole(found[s].orders), money(found[s].due),
             money(found[s].paid), money(found[s].diff))
            for s in known
        ]  # fmt: skip
    more = table(
        [*heads[:2], Head(column(MATCH, "status")), heads[2], *heads[5:]], behind, say("match_by_channel_status"), "match-channel-status"
    )
    seen = {r.status for r in rows}
    key = legend((label("match_status", s), t) for s, t in TONES.items() if s in seen)
    shares = {g: sum(groups[g][s].orders for s in GOOD if s in groups[g]) / sizes[g] for g in ordered}
    least = min((g for g in ordered if sizes[g] >= ENOUGH), key=lambda g: (shares[g], g), default=ordered[0] if ordered else None)
    says = (
        say("channels_says", channels=whole(len({g[0] for g in groups})), least=channel(least[0]), share=percent(shares[least]))
        if least
        else say("orders_none")
    )
    title = say("match_by_channel")
    return figure(
        "match-by-channel", title, says, table(heads, made, title, "match-channels"), key=key, behind=more, note=cut(len(made), len(groups))
    )


# ---- differences


def differences(book: Book) -> Section:
    """What has to be looked at: since when, why, how much, and the largest."""
    body = [_over_time(book), _money_over_time(book), _reasons(book), _causes(book), _ages(book), _largest(book)]
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
    listed = [(n, whole(series[0].values[i]), whole(series[1].values[i])) for i, n in enumerate(days.names) if days.starts[i] in by]
    behind = table(
        [Head(column(EXCEPTIONS, "opened_on")), Head(series[0].label, "number"), Head(series[1].label, "number")], listed, title,
        "differences-days",
    )  # fmt: skip
    still, top = sum(r.open for r in rows), max(rows, key=lambda r: (r.open + r.decided, r.start))
    says = say(
        "differences_says", open=whole(still), decided=whole(sum(r.decided for r in rows)), unit=days.said,
        top=days.names[days.starts.index(top.start)] if top.start in days.starts else day(top.start), count=whole(top.open + top.decided),
    )  # fmt: skip
    chart = columns(days.ticks, series, "differences-over-time-says")
    return figure("differences-over-time", title, says, chart, key=legend((s.label, s.tone) for s in series), behind=behind)


def _money_over_time(book: Book) -> Safe | None:
    name = "reconciliation.daily_comparison"
    if not book.has(name, "accounted_difference"):
        return None
    where = "metric LIKE 'received_amount%'"
    top = book.rows(
        f"SELECT currency, min(day) AS first, max(day) AS last, sum(order_count) AS orders FROM {name} WHERE {where} AND currency IS NOT NULL "
        "GROUP BY currency ORDER BY orders DESC, currency LIMIT 1"
    )
    if not top:
        return None
    currency, days = top[0].currency, Days.between(top[0].first, top[0].last)
    rows = book.rows(
        f"SELECT {days.column('day')} AS start, sum(left_value) AS due, sum(right_value) AS received, sum(difference) AS diff, "
        f"sum(difference - coalesce(accounted_difference, 0)) AS unaccounted FROM {name} WHERE {where} AND currency = ? GROUP BY ALL",
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
    heads = [Head(column(name, "day")), *(Head(say(w), "number") for w in ("due", "received", "due_less_received", "unaccounted"))]
    says = say("money_says", due=money(sum(r.due for r in rows)), received=money(sum(r.received for r in rows)),
               unaccounted=money(sum(r.unaccounted for r in rows)), currency=currency, unit=days.said)  # fmt: skip
    chart = columns(days.ticks, [series], "money-over-time-says")
    return figure("money-over-time", title, says, chart, behind=table(heads, listed, title, "money-days"))


def _reasons(book: Book) -> Safe | None:
    rows = book.rows(
        f"SELECT reason, currency, count(*) AS orders, coalesce(sum(amount_diff), 0) AS diff, coalesce(sum(qty_diff), 0) AS pieces "
        f"FROM {EXCEPTIONS} WHERE state IN {OPEN} GROUP BY ALL ORDER BY orders DESC, reason, currency"
    )
    if not rows:
        return None
    largest = rows[0].orders
    heads = [
        Head(column(EXCEPTIONS, "reason")), Head(column(EXCEPTIONS, "currency")), Head(say("open_exceptions"), "number"), Head("", "bar"),
        Head(column(EXCEPTIONS, "amount_diff"), "number"), Head(column(EXCEPTIONS, "qty_diff"), "number"),
    ]  # fmt: skip
    made = [
        (label("match_reason", r.reason), r.currency or "–", whole(r.orders), bar(r.orders, largest, "warn"), money(r.diff), quantity(r.pieces))
        for r in rows[:CHANNELS]
    ]
    title = say("differences_by_reason")
    says = say("reasons_says", top=label("match_reason", rows[0].reason), count=whole(largest), all=whole(sum(r.orders for r in rows)))
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
        Head(column(name, "cause")), Head(column(EXCEPTIONS, "currency")), Head(say("open_exceptions"), "number"),
        Head(column(name, "explained_amount"), "number"), Head("", "bar"),
    ]  # fmt: skip
    made = [
        (label("difference_cause", r.cause), r.currency or "–", whole(r.orders), money(r.amount), signed_bar(r.amount, largest[r.currency]))
        for r in rows[:CHANNELS]
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
    heads = [Head(column(EXCEPTIONS, "age_bucket")), Head(say("open_exceptions"), "number"), Head("", "bar")]
    made = [(label("age_bucket", a), whole(counts[a]), bar(counts[a], max(counts.values()), "warn")) for a in known]
    oldest = book.one(f"SELECT max(age_days) AS days FROM {EXCEPTIONS} WHERE state IN {OPEN}").days
    title = say("differences_by_age")
    return figure("differences-by-age", title, say("ages_says", days=whole(oldest)), table(heads, made, title, "ages"))


def _largest(book: Book) -> Safe | None:
    rows = book.rows(
        f"SELECT *, count(*) OVER () AS all_rows FROM (SELECT *, row_number() OVER (PARTITION BY currency ORDER BY abs(amount_diff) DESC, "
        f"exception_guid) AS place FROM {EXCEPTIONS} WHERE state IN {OPEN} AND amount_diff <> 0) AS ranked "
        f"QUALIFY place <= {LARGEST} ORDER BY count(*) OVER (PARTITION BY currency) DESC, currency, place LIMIT {LARGEST * 3}"
    )
    if not rows:
        return None
    names = ("channel_order_id", "amount_diff", "currency", "channel", "opened_on", "age_days", "reason", "cause", "qty_diff", "state")
    heads = [Head(column(EXCEPTIONS, n), "number" if n in ("amount_diff", "qty_diff", "age_days") else "text") for n in names]
    made = [
        (foreign(r.channel_order_id) or "–", money(r.amount_diff), r.currency or "–", channel(r.channel), day(r.opened_on), whole(r.age_days),
         label("match_reason", r.reason), label("difference_cause", r.cause), quantity(r.qty_diff), label("exception_state", r.state))
        for r in rows
    ]  # fmt: skip
    title, first = say("largest_differences"), rows[0]
    says = say("largest_says", amount=money(first.amount_diff), currency=first.currency or "–", reason=label("match_reason", first.reason))
    hint = tag("p", say("explain_hint"), " ", tag("code", "orders-pipeline explain …"), class_="note")
    return figure(
        "largest-differences", title, says, table(heads, made, title, "largest"), hint, note=cut(len(made), rows[0].all_rows)
    )
