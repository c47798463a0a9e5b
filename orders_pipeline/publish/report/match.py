"""Where the orders stand, and whether order, goods and money agree."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.publish.report.book import Book, Section
from orders_pipeline.publish.report.charts import (
    BAR,
    Head,
    bar,
    cut,
    figure,
    legend,
    num,
    split,
    table,
)
from orders_pipeline.publish.report.markup import Safe
from orders_pipeline.publish.report.words import channel, column, label, money, percent, say, whole

#: Colour of each verdict, in the order in which they are drawn.
TONES = {
    "MATCHED": "good",
    "MATCHED_WITHIN_TOLERANCE": "fair",
    "TIMING": "wait",
    "MISMATCH": "warn",
    "UNMATCHED_SO": "bad",
    "UNMATCHED_LOG": "bad2",
    "UNMATCHED_PAY": "bad3",
    "AMBIGUOUS": "odd",
    "DUPLICATE_KEY": "odd2",
    "EXCLUDED": "mute",
}
GOOD = ("MATCHED", "MATCHED_WITHIN_TOLERANCE")
#: Rows of a list; orders from which a share is worth a sentence.
CHANNELS, ENOUGH = 30, 30
MATCH = "reconciliation.three_way_match"


def section(book: Book) -> Section:
    """Orders by status; the match by verdict and by channel with its money."""
    return Section("match", say("match_title"), [_orders(book), _verdicts(book), _channels(book)])


def _orders(book: Book) -> Safe:
    rows = book.rows("SELECT status, count(*) AS orders FROM orders.orders GROUP BY status")
    order = list(load_dictionary().vocabularies["order_status"])
    rows.sort(key=lambda r: (order.index(r.status) if r.status in order else len(order), r.status))
    total, largest = sum(r.orders for r in rows), max((r.orders for r in rows), default=0)
    heads = [
        Head(column("orders.orders", "status")),
        num(say("orders")),
        num(say("share")),
        BAR,
    ]
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
    heads = [Head(column(MATCH, "status")), num(say("orders")), num(say("share")), BAR]
    made = [
        (label("match_status", s), whole(counts[s]), percent(counts[s] / total), bar(counts[s], largest, TONES.get(s, "a")))
        for s in ordered
    ]
    behind = table(
        [Head(column(MATCH, "status")), Head(column(MATCH, "reason")), num(say("orders"))],
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
        "SELECT channel, currency, status, count(*) AS orders, coalesce(sum(due_amount), 0) AS due, "
        "coalesce(sum(paid_amount), 0) AS paid, "
        f"coalesce(sum(amount_diff), 0) AS diff FROM {MATCH} GROUP BY ALL"
    )
    groups: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for r in rows:
        groups[r.channel or "", r.currency or ""][r.status] = r
    sizes = {g: sum(r.orders for r in found.values()) for g, found in groups.items()}
    ordered = sorted(groups, key=lambda g: (-sizes[g], g))
    heads = [
        Head(column(MATCH, "channel")),
        Head(column(MATCH, "currency")),
        num(say("orders")),
        BAR,
        num(say("matched_share")),
        num(column(MATCH, "due_amount")),
        num(column(MATCH, "paid_amount")),
        num(column(MATCH, "amount_diff")),
    ]
    made, behind = [], []
    for group in ordered[:CHANNELS]:
        found = groups[group]
        known = [s for s in TONES if s in found] + sorted(set(found) - set(TONES))
        matched = sum(found[s].orders for s in GOOD if s in found)
        total = [sum(getattr(r, n) for r in found.values()) for n in ("due", "paid", "diff")]
        made.append(
            (
                channel(group[0]),
                group[1] or "–",
                whole(sizes[group]),
                split([(found[s].orders, TONES.get(s, "a")) for s in known]),
                percent(matched / sizes[group]),
                *map(money, total),
            )
        )
        behind += [
            (
                channel(group[0]),
                group[1] or "–",
                label("match_status", s),
                whole(found[s].orders),
                money(found[s].due),
                money(found[s].paid),
                money(found[s].diff),
            )
            for s in known
        ]
    more = table(
        [*heads[:2], Head(column(MATCH, "status")), heads[2], *heads[5:]],
        behind,
        say("match_by_channel_status"),
        "match-channel-status",
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
        "match-by-channel",
        title,
        says,
        table(heads, made, title, "match-channels"),
        key=key,
        behind=more,
        note=cut(len(made), len(groups)),
    )
