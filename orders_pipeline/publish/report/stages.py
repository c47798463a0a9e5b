"""Where orders wait: the heat map with the orders behind it, what is late, where hours are lost, what left in time."""

from __future__ import annotations

from datetime import timedelta

from orders_pipeline.dictionary.stages import load_stages
from orders_pipeline.publish.report.book import Book, Days, Section
from orders_pipeline.publish.report.charts import BAR, Head, Series, bar, cut, figure, lines, num, table, with_note
from orders_pipeline.publish.report.markup import Safe, foreign, tag
from orders_pipeline.publish.report.words import channel, column, label, moment, percent, say, span, stage, whole
from orders_pipeline.publish.report.words import figure as number
from orders_pipeline.publish.report.words import table as titled

HOURLY, WAITING, LATE = "fulfilment.backlog_hourly", "fulfilment.backlog_orders", "fulfilment.timeouts"
DELAYS, ON_TIME = "fulfilment.stage_delays", "fulfilment.on_time_daily"
#: Hours of the heat map that fit beside each other; orders kept per stage for a look behind it; rows of a list.
HOURS, BEHIND, LISTED = 24, 60, 20
#: Shades of the heat map, from the palest to the darkest.
SHADES = 6


def section(book: Book) -> Section | None:
    """The heat map, time-outs, hours lost, on-time shipping: whatever of them is published."""
    makers = ((HOURLY, _heat), (LATE, _late), (DELAYS, _lost), (ON_TIME, _on_time))
    figures = [make(book) for name, make in makers if book.has(name)]
    found = [f for f in figures if f]
    return Section("stages", say("stages_title"), found) if found else None


def _rank(name: str) -> tuple[int, str]:
    known = load_stages().get(name)
    return (known.rank if known else 999, name)


def _heat(book: Book) -> Safe | None:
    rows = book.rows(
        f"SELECT stage, hour_at, sum(order_count)::BIGINT AS orders, sum(overdue_count)::BIGINT AS overdue FROM {HOURLY} "
        "GROUP BY ALL"
    )
    last = max(r.hour_at for r in rows)
    hours = [last - timedelta(hours=HOURS - 1 - i) for i in range(HOURS)]
    cells = {(r.stage, r.hour_at): r for r in rows if r.hour_at >= hours[0]}
    stages = sorted({s for s, _ in cells}, key=_rank)
    if not stages:
        return None
    largest = max(r.orders for r in cells.values())
    local = [h.astimezone(book.zone) for h in hours]
    top = tag(
        "tr",
        tag("th", column(HOURLY, "stage"), scope="col"),
        [tag("th", tag("span", f"{h:%H}", title=f"{h:%Y-%m-%d %H:00}"), scope="col", class_="n") for h in local],
    )
    body = []
    for name in stages:
        line = []
        for hour, here in zip(hours, local, strict=True):
            cell = cells.get((name, hour))
            if cell is None:
                line.append(tag("td", "·", class_="h0"))
                continue
            shade = 1 + min(SHADES - 1, int(SHADES * (cell.orders / largest) ** 0.5 * 0.999))
            line.append(
                tag(
                    "td",
                    tag(
                        "button",
                        whole(cell.orders),
                        type="button",
                        class_=f"h{shade}",
                        data_stage=name,
                        data_until=_until(book, hour),
                        data_hour=f"{here:%m-%d %H:00}",
                        data_orders=cell.orders,
                        data_overdue=cell.overdue,
                        aria_controls="behind-cell",
                        aria_pressed="false",
                    ),
                )
            )
        body.append(tag("tr", tag("th", stage(name), scope="row"), line))
    grid = tag(
        "table", tag("caption", titled(HOURLY), class_="unseen"), tag("thead", top), tag("tbody", body), class_="heat", id="heat"
    )
    now = {s: cells[s, last].orders for s in stages if (s, last) in cells}
    most = max(now, key=lambda s: (now[s], s), default=None)
    says = (
        say(
            "heat_says",
            total=whole(sum(now.values())),
            hour=f"{local[-1]:%Y-%m-%d %H:%M}",
            stage=stage(most),
            count=whole(now[most]),
            overdue=whole(sum(cells[s, last].overdue for s in now)),
        )
        if most
        else say("heat_none")
    )
    reach = len({r.hour_at for r in rows})
    return figure(
        "backlog",
        titled(HOURLY),
        says,
        tag("div", grid, class_="wide", tabindex="0"),
        _behind(book),
        note=say("heat_note", hours=HOURS, reach=whole(reach)),
    )


def _until(book: Book, hour) -> str:
    """The end of an hour, which of the running one is now."""
    end = hour + timedelta(hours=1)
    return f"{min(end, book.as_of) if book.as_of else end:%Y%m%d%H%M%S}"


def _behind(book: Book) -> Safe | None:
    """The orders that wait now, the longest first; a cell of the heat map picks those of its stage that had come by then."""
    if not book.has(WAITING):
        return None
    rows = book.rows(
        f"SELECT *, count(*) OVER (PARTITION BY stage) AS in_stage FROM {WAITING} "
        f"QUALIFY row_number() OVER (PARTITION BY stage ORDER BY entered_at, order_guid, stage) <= {BEHIND} "
        "ORDER BY stage, entered_at, order_guid"
    )
    rows.sort(key=lambda r: _rank(r.stage))
    names = (
        "channel_order_id",
        "stage",
        "channel",
        "warehouse_id",
        "entered_at",
        "waiting_hours",
        "is_overdue",
        "wait_reason",
        "short_sku",
    )
    top = tag("tr", [tag("th", column(WAITING, n), scope="col", class_="n" if n == "waiting_hours" else None) for n in names])
    body = [
        tag(
            "tr",
            tag("th", foreign(r.channel_order_id), scope="row"),
            tag("td", stage(r.stage)),
            tag("td", channel(r.channel)),
            tag("td", foreign(r.warehouse_id)),
            tag("td", moment(r.entered_at, book.zone)),
            tag("td", number(r.waiting_hours), class_="n"),
            tag("td", say("answer_yes" if r.is_overdue else "answer_no")),
            tag("td", label("wait_reason", r.wait_reason)),
            tag("td", foreign(r.short_sku) or "–"),
            data_stage=r.stage,
            data_entered=f"{r.entered_at:%Y%m%d%H%M%S}",
        )
        for r in rows
    ]
    caption = tag("caption", titled(WAITING), class_="unseen")
    listed = tag("table", caption, tag("thead", top), tag("tbody", body), id="waiting")
    told = tag(
        "p",
        say("behind_cell"),
        tag("span", data_fill="stage"),
        " · ",
        tag("span", data_fill="hour"),
        ": ",
        say("cell_waited"),
        tag("span", data_fill="orders"),
        " · ",
        say("cell_overdue"),
        tag("span", data_fill="overdue"),
        " · ",
        say("cell_listed"),
        tag("span", data_fill="listed"),
        id="told",
        hidden=True,
    )
    every = tag("button", say("show_all"), type="button", id="every", hidden=True)
    sizes = {r.stage: r.in_stage for r in rows}
    note = cut(len(rows), sum(sizes.values()))
    inner = [
        tag("summary", titled(WAITING)),
        tag("div", told, role="status"),
        every,
        tag("div", listed, class_="wide", tabindex="0"),
    ]
    return tag("details", inner, tag("p", note, class_="note") if note else None, id="behind-cell")


def _late(book: Book) -> Safe:
    rows = book.rows(
        f"SELECT level, stage, reason, count(*) AS orders FROM {LATE} GROUP BY ALL ORDER BY orders DESC, level, stage, reason"
    )
    tones = {"reminder": "wait", "overdue": "warn", "suspended": "bad"}
    heads = [
        Head(column(LATE, "stage")),
        Head(column(LATE, "level")),
        Head(column(LATE, "reason")),
        num(say("orders")),
        BAR,
    ]
    made = [
        (
            stage(r.stage),
            label("timeout_level", r.level),
            label("timeout_reason", r.reason),
            whole(r.orders),
            bar(r.orders, rows[0].orders, tones.get(r.level, "a")),
        )
        for r in rows[:30]
    ]
    worst = book.rows(
        f"SELECT * FROM {LATE} WHERE level <> 'reminder' ORDER BY overdue_seconds DESC, order_guid, stage LIMIT {LISTED}"
    )
    names = ("channel_order_id", "channel", "stage", "level", "owner_role", "due_at", "overdue_seconds")
    listed = [
        (
            foreign(r.channel_order_id),
            channel(r.channel),
            stage(r.stage),
            label("timeout_level", r.level),
            label("owner_role", r.owner_role),
            moment(r.due_at, book.zone),
            span(r.overdue_seconds),
        )
        for r in worst
    ]
    by = {level: sum(r.orders for r in rows if r.level == level) for level in tones}
    says = say("late_says", **{level: whole(count) for level, count in by.items()})
    title = titled(LATE)
    behind = table([Head(column(LATE, n)) for n in names], listed, say("late_longest"), "late-longest")
    all_late = sum(r.orders for r in rows if r.level != "reminder")
    return figure("timeouts", title, says, table(heads, made, title, "late"), behind=with_note(behind, len(listed), all_late))


def _lost(book: Book) -> Safe:
    rows = book.rows(
        f"SELECT stage, owner_role, sum(due_count)::BIGINT AS due, sum(late_count)::BIGINT AS late, sum(lost_hours) AS lost, "
        f"bool_or(is_top) AS is_top FROM {DELAYS} GROUP BY ALL ORDER BY lost DESC NULLS LAST, stage, owner_role"
    )
    largest = float(max((r.lost or 0 for r in rows), default=0))
    heads = [
        Head(column(DELAYS, "stage")),
        Head(column(DELAYS, "owner_role")),
        num(column(DELAYS, "due_count")),
        num(column(DELAYS, "late_count")),
        num(column(DELAYS, "lost_hours")),
        BAR,
    ]
    made = [
        (
            stage(r.stage),
            label("owner_role", r.owner_role),
            whole(r.due),
            whole(r.late),
            number(r.lost),
            bar(r.lost, largest, "warn"),
        )
        for r in rows
    ]
    title = titled(DELAYS)
    says = say("lost_says", hours=number(sum(r.lost or 0 for r in rows)), stage=stage(rows[0].stage))
    return figure("hours-lost", title, says, table(heads, made, title, "lost"))


def _on_time(book: Book) -> Safe:
    edge = book.one(f"SELECT min(day) AS first, max(day) AS last FROM {ON_TIME}")
    days = Days.between(edge.first, edge.last)
    rows = book.rows(
        f"SELECT {days.column('day')} AS start, sum(due_count)::BIGINT AS due, sum(on_time_count)::BIGINT AS kept "
        f"FROM {ON_TIME} GROUP BY ALL"
    )
    by = {r.start: r for r in rows if r.due}
    series = Series(
        column(ON_TIME, "on_time_ratio"), [by[d].kept / by[d].due * 100 if d in by else None for d in days.starts], "a"
    )
    channels = book.rows(
        f"SELECT channel, sum(due_count)::BIGINT AS due, sum(on_time_count)::BIGINT AS kept FROM {ON_TIME} "
        "GROUP BY channel ORDER BY due DESC, channel"
    )
    heads = [
        Head(column(ON_TIME, "channel")),
        num(column(ON_TIME, "due_count")),
        num(column(ON_TIME, "on_time_count")),
        num(column(ON_TIME, "on_time_ratio")),
        BAR,
    ]
    made = [
        (channel(r.channel), whole(r.due), whole(r.kept), percent(_ratio(r)), bar(r.kept, r.due, "good")) for r in channels[:30]
    ]
    listed = [
        (n, whole(by[d].due), whole(by[d].kept), percent(_ratio(by[d])))
        for n, d in zip(days.names, days.starts, strict=True)
        if d in by
    ]
    due, kept = sum(r.due for r in rows), sum(r.kept for r in rows)
    says = say("on_time_says", kept=whole(kept), due=whole(due), share=percent(kept / due if due else None), unit=days.said)
    title = titled(ON_TIME)
    chart = lines(days.ticks, [series], "on-time-says", top=100)
    return figure(
        "on-time",
        title,
        says,
        chart,
        table(heads, made, say("by_channel"), "on-time-channels"),
        behind=table([Head(column(ON_TIME, "day")), *heads[1:4]], listed, title, "on-time-days"),
    )


def _ratio(row) -> float | None:
    return row.kept / row.due if row.due else None
