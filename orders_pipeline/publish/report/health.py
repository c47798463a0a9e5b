"""How each channel does: its score, what cost points, where orders are lost on their way, when problems arise."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from orders_pipeline.publish.report.book import Book, Section
from orders_pipeline.publish.report.charts import BAR, Head, Series, bar, cut, figure, legend, lines, num, table
from orders_pipeline.publish.report.markup import Safe, tag
from orders_pipeline.publish.report.words import channel, column, component, day, label, percent, say, whole
from orders_pipeline.publish.report.words import figure as number
from orders_pipeline.publish.report.words import table as titled

DAILY, PARTS, MONTHLY = "health.channel_daily", "health.score_components", "health.channel_monthly"
FUNNEL, PROBLEMS = "health.funnel", "health.problem_heatmap"
#: Days of the score's line; channels drawn; components listed; days of the funnel and of the map of problems.
DAYS, DRAWN, LISTED, REACH = 62, 5, 25, 28
TONES = {"healthy": "good", "watch": "warn", "risk": "bad"}
LINES = ("a", "warn", "good", "odd", "bad")


def section(book: Book) -> Section | None:
    """Whatever of the room `health` is published."""
    makers = ((DAILY, _scores), (PARTS, _points), (MONTHLY, _months), (FUNNEL, _funnel), (PROBLEMS, _problems))
    figures = [f for name, make in makers if book.has(DAILY) and book.has(name) for f in make(book)]
    return Section("health", say("health_title"), figures) if figures else None


def _scores(book: Book) -> list[Safe]:
    rows = book.rows(
        f"SELECT * FROM {DAILY} QUALIFY row_number() OVER (PARTITION BY channel, dimension "
        "ORDER BY is_scored DESC, day DESC) = 1 "
        "ORDER BY dimension, score NULLS LAST, channel"
    )
    heads = [
        Head(column(DAILY, "channel")),
        Head(column(DAILY, "dimension")),
        Head(column(DAILY, "day")),
        num(column(DAILY, "score")),
        BAR,
        Head(column(DAILY, "band")),
        num(say("interval")),
        num(column(DAILY, "order_count")),
    ]
    made = [
        (
            channel(r.channel),
            label("health_dimension", r.dimension),
            day(r.day),
            number(r.score),
            bar(r.score, 100, TONES.get(r.band, "mute")),
            label("health_band", r.band),
            f"{number(r.score_low)} – {number(r.score_high)}" if r.score_low is not None else "–",
            whole(r.order_count),
        )
        for r in rows[: LISTED * 2]
    ]
    scored = [r for r in rows if r.score is not None]
    title = titled(DAILY)
    says = (
        say(
            "scores_says",
            channel=channel(scored[0].channel),
            dimension=label("health_dimension", scored[0].dimension),
            score=number(scored[0].score),
        )
        if scored
        else say("scores_none")
    )
    shown = [figure("channel-scores", title, says, table(heads, made, title, "scores"), note=cut(len(made), len(rows)))]
    return shown + [f for d in sorted({r.dimension for r in rows}) for f in _score_lines(book, d)]


def _score_lines(book: Book, dimension: str) -> list[Safe]:
    rows = book.rows(
        f"SELECT day, channel, score FROM {DAILY} WHERE dimension = ? AND score IS NOT NULL "
        f"AND day > (SELECT max(day) FROM {DAILY}) - {DAYS} ORDER BY day, channel",
        [dimension],
    )
    if not rows:
        return []
    counts: dict[str, int] = defaultdict(int)
    for r in rows:
        counts[r.channel] += 1
    chosen = sorted(counts, key=lambda c: (-counts[c], c))[:DRAWN]
    first, last = rows[0].day, rows[-1].day
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    of = {(r.channel, r.day): float(r.score) for r in rows}
    series = [Series(channel(c), [of.get((c, d)) for d in days], tone) for c, tone in zip(chosen, LINES, strict=False)]
    name = f"scores-{dimension}".replace("_", "-")
    title = say("scores_over_time", dimension=label("health_dimension", dimension))
    heads = [Head(column(DAILY, "day")), *(num(channel(c)) for c in chosen)]
    listed = [(day(d), *(number(of.get((c, d))) for c in chosen)) for d in days]
    says = say("scores_time_says", first=day(first), last=day(last), channels=whole(len(chosen)))
    return [
        figure(
            name,
            title,
            says,
            lines([f"{d:%m-%d}" for d in days], series, f"{name}-says", top=100),
            key=legend((s.label, f"line-{s.tone}") for s in series),
            behind=table(heads, listed, title),
            note=cut(len(chosen), len(counts)),
        )
    ]


def _points(book: Book) -> list[Safe]:
    rows = book.rows(
        f"""
        SELECT c.*, count(*) OVER () AS all_rows FROM {PARTS} AS c
        JOIN (SELECT channel, dimension, max(day) AS day FROM {DAILY} WHERE is_scored GROUP BY channel, dimension) AS newest
            USING (channel, dimension, day)
        WHERE points_lost > 0
        ORDER BY points_lost DESC, channel, dimension, component LIMIT {LISTED}
        """
    )
    if not rows:
        return []
    heads = [
        Head(column(PARTS, "component")),
        Head(column(PARTS, "channel")),
        Head(column(PARTS, "day")),
        num(column(PARTS, "points_lost")),
        BAR,
        num(column(PARTS, "value")),
        num(column(PARTS, "target")),
        num(column(PARTS, "floor")),
        num(column(PARTS, "sample_count")),
    ]
    made = [
        (
            component(r.component),
            channel(r.channel),
            day(r.day),
            number(r.points_lost),
            bar(r.points_lost, float(rows[0].points_lost), "bad"),
            number(r.value, 4),
            number(r.target, 4),
            number(r.floor, 4),
            whole(r.sample_count),
        )
        for r in rows
    ]
    title, top = say("points_lost"), rows[0]
    says = say("points_says", component=component(top.component), channel=channel(top.channel), points=number(top.points_lost))
    return [figure("points-lost", title, says, table(heads, made, title, "points"), note=cut(len(made), rows[0].all_rows))]


def _months(book: Book) -> list[Safe]:
    numbers = ("creation_success_ratio", "mean_settlement_hours", "abnormal_ratio", "score")
    rows = book.rows(f"SELECT *, count(*) OVER () AS all_rows FROM {MONTHLY} ORDER BY month DESC, channel LIMIT {LISTED * 2}")
    heads = [
        Head(column(MONTHLY, "month")),
        Head(column(MONTHLY, "channel")),
        *(num(column(MONTHLY, n)) for n in numbers),
    ]
    made = [
        (
            day(r.month)[:7],
            channel(r.channel),
            percent(r.creation_success_ratio),
            number(r.mean_settlement_hours),
            percent(r.abnormal_ratio),
            number(r.score),
        )
        for r in rows
    ]
    title = titled(MONTHLY)
    says = say("months_says", month=day(rows[0].month)[:7])
    return [figure("channel-months", title, says, table(heads, made, title, "months"), note=cut(len(made), rows[0].all_rows))]


def _funnel(book: Book) -> list[Safe]:
    rows = book.rows(
        f'SELECT step, min(step_number) AS step_number, sum("count")::BIGINT AS orders FROM {FUNNEL} '
        f"WHERE day > (SELECT max(day) FROM {FUNNEL}) - {REACH} GROUP BY step ORDER BY step_number, step"
    )
    largest = max((r.orders for r in rows), default=0)
    if not largest:
        return []
    heads = [Head(column(FUNNEL, "step")), num(say("count")), num(say("of_step_before")), BAR]
    before = [None, *(r.orders for r in rows[:-1])]
    made = [
        (label("funnel_step", r.step), whole(r.orders), percent(r.orders / b) if b else "–", bar(r.orders, largest, "a"))
        for r, b in zip(rows, before, strict=True)
    ]
    title = titled(FUNNEL)
    says = say("funnel_says", first=whole(rows[0].orders), last=whole(rows[-1].orders), days=whole(REACH))
    return [figure("funnel", title, says, table(heads, made, title, "funnel-steps"))]


def _problems(book: Book) -> list[Safe]:
    rows = book.rows(
        f"SELECT problem, hour, sum(order_count)::BIGINT AS orders FROM {PROBLEMS} "
        f"WHERE day > (SELECT max(day) FROM {PROBLEMS}) - {REACH} GROUP BY ALL"
    )
    of = {(r.problem, int(r.hour)): r.orders for r in rows if r.orders}
    if not of:
        return []
    largest, total = max(of.values()), sum(of.values())
    names = sorted({p for p, _ in of}, key=lambda p: (-sum(v for (q, _), v in of.items() if q == p), p))
    top = tag(
        "tr",
        tag("th", column(PROBLEMS, "problem"), scope="col"),
        [tag("th", f"{h:02d}", scope="col", class_="n") for h in range(24)],
    )
    body = [
        tag(
            "tr",
            tag("th", component(p), scope="row"),
            [
                tag(
                    "td",
                    whole(of[p, h]) if (p, h) in of else "·",
                    class_=f"h{1 + min(5, int(6 * of[p, h] / largest * 0.999)) if (p, h) in of else 0}",
                )
                for h in range(24)
            ],
        )
        for p in names
    ]
    grid = tag(
        "table",
        tag("caption", titled(PROBLEMS), class_="unseen"),
        tag("thead", top),
        tag("tbody", body),
        class_="heat",
        id="problems",
    )
    worst = max(of, key=lambda c: (of[c], c))
    says = say(
        "problems_says",
        total=whole(total),
        problem=component(worst[0]),
        hour=f"{worst[1]:02d}:00",
        count=whole(of[worst]),
        days=whole(REACH),
    )
    return [figure("problem-map", titled(PROBLEMS), says, tag("div", grid, class_="wide", tabindex="0"))]
