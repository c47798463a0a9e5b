"""What promotions really added: the parts of what was sold, and each day beside what would have been sold without."""

from __future__ import annotations

from typing import Any

from orders_pipeline.publish.report.book import Book, Section
from orders_pipeline.publish.report.charts import BAR, Head, Series, bar, cut, figure, legend, lines, num, table
from orders_pipeline.publish.report.markup import Safe, foreign, tag
from orders_pipeline.publish.report.words import column, day, label, money, percent, say, whole
from orders_pipeline.publish.report.words import figure as number
from orders_pipeline.publish.report.words import table as titled

NAME, DAILY = "promotions.attribution", "promotions.attribution_daily"
JOINT, SHARES = "promotions.joint_attribution", "promotions.joint_shares"
#: The parts that add up to the observed GMV, with their colours.
PARTS = {
    "natural_amount": "mute",
    "repurchase_amount": "fair",
    "competitor_amount": "odd",
    "cannibalised_amount": "warn",
    "pulled_forward_amount": "wait",
    "incremental_amount": "good",
}
LISTED, DRAWN = 50, 6
#: Days before and after a promotion that its picture shows.
AROUND = 21


def section(book: Book) -> Section | None:
    """All promotions with their verdict; the largest drawn."""
    if not book.has(NAME):
        return None
    rows = book.rows(f"SELECT * FROM {NAME} ORDER BY abs(incremental_amount) DESC NULLS LAST, promotion_id")
    drawn = [r for r in rows if r.incremental_amount is not None][:DRAWN]
    return Section("promotions", titled(NAME), [_all(rows), *_joints(book), *(_one(book, r, i) for i, r in enumerate(drawn, 1))])


def _all(rows: list[Any]) -> Safe:
    names = (
        "promotion_id",
        "observed_gmv_amount",
        "incremental_amount",
        "incremental_low_amount",
        "incremental_high_amount",
        "verdict",
        "discount_cost_amount",
        "roi_ratio",
        "reason",
    )
    heads = [Head(column(NAME, n), "number" if n.endswith(("_amount", "_ratio")) else "text") for n in names]
    made = [
        (
            foreign(r.promotion_id),
            money(r.observed_gmv_amount),
            money(r.incremental_amount),
            money(r.incremental_low_amount),
            money(r.incremental_high_amount),
            label("attribution_verdict", r.verdict),
            money(r.discount_cost_amount),
            number(r.roi_ratio, 2),
            label("attribution_reason", r.reason),
        )
        for r in rows[:LISTED]
    ]
    told = [r for r in rows if r.incremental_amount is not None]
    positive = sum(r.verdict == "positive" for r in told)
    says = say("promotions_says", all=whole(len(rows)), told=whole(len(told)), positive=whole(positive))
    return figure(
        "promotion-list", titled(NAME), says, table(heads, made, titled(NAME), "promotion-rows"), note=cut(len(made), len(rows))
    )


def _joints(book: Book) -> list[Safe]:
    """Promotions that overlap: what they added together, and below it what each of them did where that can be told."""
    if not (book.has(JOINT) and book.has(SHARES)):
        return []
    rows = book.rows(f"SELECT * FROM {JOINT} ORDER BY abs(incremental_amount) DESC NULLS LAST, promotion_ids")
    if not rows:
        return []
    members: dict[Any, list[Any]] = {}
    for row in book.rows(f"SELECT * FROM {SHARES} ORDER BY promotion_id"):
        members.setdefault(row.joint_guid, []).append(row)
    amounts = ("gross_lift_amount", "incremental_amount", "incremental_low_amount", "incremental_high_amount")
    heads = [
        Head(column(JOINT, "promotion_ids")),
        num(column(JOINT, "observed_gmv_amount")),
        num(column(SHARES, "alone_gmv_amount")),
    ]
    heads += [num(column(JOINT, name)) for name in amounts] + [Head(column(JOINT, "verdict")), Head(column(JOINT, "reason"))]
    made = []
    for joint in rows[:DRAWN]:
        for row in (joint, *members.get(joint.joint_guid, ())):
            made.append(
                (
                    foreign(joint.promotion_ids) if row is joint else [say("of_these"), " ", foreign(row.promotion_id)],
                    money(row.observed_gmv_amount) if row is joint else "",
                    "" if row is joint else money(row.alone_gmv_amount),
                    *(money(getattr(row, name)) for name in amounts),
                    label("attribution_verdict", row.verdict),
                    label("attribution_reason", row.reason),
                )
            )
    says = say("joints_says", all=whole(len(rows)))
    return [figure("promotion-joints", titled(JOINT), says, table(heads, made, titled(JOINT), "joint-rows"),
                   note=cut(min(len(rows), DRAWN), len(rows)))]  # fmt: skip


def _one(book: Book, row: Any, place: int) -> Safe:
    name = f"promotion-{place}"
    at, bars = 0.0, []
    edges = [0.0, float(row.observed_gmv_amount)]
    for part in PARTS:
        bars.append((part, at, getattr(row, part)))
        at += float(getattr(row, part) or 0)
        edges.append(at)
    low, width = min(edges), max(edges) - min(edges) or 1.0
    heads = [Head(say("part")), num(say("amount")), num(say("of_observed")), BAR]
    observed = float(row.observed_gmv_amount) or None
    made = [
        (
            column(NAME, p),
            money(v),
            percent(float(v or 0) / observed) if observed and float(v or 0) > 0 else "–",
            bar(v, width, PARTS[p], start - low),
        )
        for p, start, v in bars
    ]
    made.append(
        (
            column(NAME, "observed_gmv_amount"),
            money(row.observed_gmv_amount),
            "100.0%",
            bar(row.observed_gmv_amount, width, "line", -low),
        )
    )
    title = say("promotion_title", promotion=row.promotion_id)
    says = say(
        "promotion_says",
        observed=money(row.observed_gmv_amount),
        added=money(row.incremental_amount),
        low=money(row.incremental_low_amount),
        high=money(row.incremental_high_amount),
        verdict=label("attribution_verdict", row.verdict),
    )
    parts = table(heads, made, title, f"{name}-parts")
    return figure(name, title, says, parts, *_daily(book, row, name))


def _daily(book: Book, row: Any, name: str) -> list[Safe]:
    if not book.has(DAILY):
        return []
    days = book.rows(
        f"SELECT * FROM {DAILY} WHERE promotion_id = ? AND day BETWEEN "
        f"(SELECT min(day) FROM {DAILY} WHERE promotion_id = ? AND masked_reason = 'promotion') - {AROUND} AND "
        f"(SELECT max(day) FROM {DAILY} WHERE promotion_id = ? AND masked_reason = 'promotion') + {AROUND} ORDER BY day",
        [row.promotion_id] * 3,
    )
    if not days:
        return []
    known = [d.counterfactual_amount is not None and d.standard_error_amount is not None for d in days]
    low = [
        float(d.counterfactual_amount) - 1.96 * float(d.standard_error_amount) if k else None
        for d, k in zip(days, known, strict=True)
    ]
    high = [
        float(d.counterfactual_amount) + 1.96 * float(d.standard_error_amount) if k else None
        for d, k in zip(days, known, strict=True)
    ]
    series = [
        Series(column(DAILY, "observed_amount"), [d.observed_amount for d in days], "a"),
        Series(column(DAILY, "counterfactual_amount"), [d.counterfactual_amount for d in days], "warn"),
    ]
    inside = [d.masked_reason == "promotion" for d in days]
    chart = lines([f"{d.day:%m-%d}" for d in days], series, f"{name}-daily-says", band=(low, high), marked=inside)
    names = ("day", "observed_amount", "counterfactual_amount", "standard_error_amount", "masked_reason")
    heads = [Head(column(DAILY, n), "number" if n.endswith("_amount") else "text") for n in names]
    listed = [
        (
            day(d.day),
            money(d.observed_amount),
            money(d.counterfactual_amount),
            money(d.standard_error_amount),
            label("masked_reason", d.masked_reason),
        )
        for d in days
    ]
    spent = [d.day for d, i in zip(days, inside, strict=True) if i]
    says = say("daily_says", first=day(spent[0]), last=day(spent[-1]))
    key = legend([*((s.label, f"line-{s.tone}") for s in series), (say("band"), "band"), (say("window"), "shade")])
    behind = tag("details", tag("summary", say("as_table")), table(heads, listed, says, f"{name}-days"))
    return [tag("p", says, id=f"{name}-daily-says", class_="says"), key, chart, behind]
