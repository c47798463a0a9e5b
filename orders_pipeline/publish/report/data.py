"""What the figures rest on: files, rows set aside, checks, how well texts are standardised, and what somebody must hear of."""

from __future__ import annotations

from collections import defaultdict

from orders_pipeline.publish.report.book import Book, Days, Section
from orders_pipeline.publish.report.charts import BAR, Head, Series, bar, cut, figure, legend, lines, num, table, with_note
from orders_pipeline.publish.report.markup import Both, Safe, foreign, shortened
from orders_pipeline.publish.report.words import channel, column, day, label, moment, percent, say, source, whole
from orders_pipeline.publish.report.words import table as titled

METRICS, CHECKS, FILES, QUARANTINE, ALERTS = (
    "quality.metrics",
    "quality.check_results",
    "ops.files",
    "ops.quarantine",
    "ops.alerts",
)
TICKETS = "quality.tickets"
LISTED = 30
URGENT = "CASE severity WHEN 'critical' THEN 0 WHEN 'warn' THEN 1 ELSE 2 END"
LINES = ("a", "warn", "good", "odd", "bad")


def section(book: Book) -> Section:
    """Quality of the data, the checks, and what became of every file and row."""
    made = [_metrics(book), _metric_lines(book), _tickets(book), _checks(book), _files(book), _refused(book), _quarantine(book)]
    return Section("data", say("data_title"), [f for f in made if f])


def alerts(book: Book) -> Safe | None:
    """What stands now, by rule."""
    if not book.has(ALERTS):
        return None
    rules = book.rows(
        f"SELECT rule, severity, count(*) AS standing, min(first_seen_at) AS since FROM {ALERTS} "
        "WHERE cleared_at IS NULL GROUP BY rule, severity "
        f"ORDER BY {URGENT}, standing DESC, rule"
    )
    if not rules:
        return None
    tones = {"critical": "bad", "warn": "warn"}
    heads = [
        Head(column(ALERTS, "rule")),
        Head(column(ALERTS, "severity")),
        Head(say("since")),
        num(say("standing")),
        BAR,
    ]
    most = max(rules, key=lambda r: (r.standing, r.rule))
    made = [
        (
            _rule(r.rule),
            label("alert_severity", r.severity),
            moment(r.since, book.zone),
            whole(r.standing),
            bar(r.standing, most.standing, tones.get(r.severity, "wait")),
        )
        for r in rules
    ]
    listed = book.rows(
        f"SELECT rule, severity, first_seen_at, message, message_zh FROM {ALERTS} WHERE cleared_at IS NULL "
        f"ORDER BY {URGENT}, first_seen_at, rule, entity_id LIMIT {LISTED}"
    )
    behind = table(
        [
            Head(column(ALERTS, "rule")),
            Head(column(ALERTS, "severity")),
            Head(column(ALERTS, "first_seen_at")),
            Head(say("what"), "long"),
        ],
        [
            (
                _rule(r.rule),
                label("alert_severity", r.severity),
                moment(r.first_seen_at, book.zone),
                Both(shortened(r.message or ""), shortened(r.message_zh or r.message or "")),
            )
            for r in listed
        ],
        say("alerts_listed"),
        "alerts-listed",
    )
    title, all_ = titled(ALERTS), sum(r.standing for r in rules)
    says = say(
        "alerts_says",
        all=whole(all_),
        critical=whole(sum(r.standing for r in rules if r.severity == "critical")),
        top=_rule(most.rule),
        count=whole(most.standing),
    )
    return figure("alerts", title, says, table(heads, made, title, "alert-rules"), behind=with_note(behind, len(listed), all_))


def _rule(name: str) -> Both:
    from orders_pipeline.alerts.rules import load_rules

    found = next((r.title for r in load_rules() if r.name == name), None)
    return Both(found["en"], found["zh"]) if found else label("", name)


def _metrics(book: Book) -> Safe | None:
    if not book.has(METRICS):
        return None
    rows = book.rows(
        "SELECT metric, channel, sum(checked_count)::BIGINT AS checked, sum(passed_count)::BIGINT AS passed, "
        "max(target_ratio) AS target "
        f"FROM {METRICS} GROUP BY ALL ORDER BY metric, checked DESC, channel"
    )
    heads = [
        Head(column(METRICS, "metric")),
        Head(column(METRICS, "channel")),
        num(column(METRICS, "checked_count")),
        num(column(METRICS, "passed_count")),
        num(column(METRICS, "ratio")),
        num(column(METRICS, "target_ratio")),
        BAR,
    ]
    made = [
        (
            label("quality_metric", r.metric),
            channel(r.channel),
            whole(r.checked),
            whole(r.passed),
            percent(_ratio(r)),
            percent(r.target),
            bar(r.passed, r.checked, "warn" if _below(r) else "good"),
        )
        for r in rows[: LISTED * 2]
    ]
    below = sum(_below(r) for r in rows)
    title = titled(METRICS)
    says = say("metrics_says", below=whole(below), all=whole(len(rows)))
    return figure("quality-metrics", title, says, table(heads, made, title, "metrics"), note=cut(len(made), len(rows)))


def _ratio(row) -> float | None:
    return row.passed / row.checked if row.checked else None


def _below(row) -> bool:
    ratio = _ratio(row)
    return ratio is not None and row.target is not None and ratio < float(row.target)


def _metric_lines(book: Book) -> Safe | None:
    if not book.has(METRICS):
        return None
    edge = book.one(f"SELECT min(day) AS first, max(day) AS last FROM {METRICS}")
    days = Days.between(edge.first, edge.last)
    rows = book.rows(
        f"SELECT metric, {days.column('day')} AS start, sum(checked_count)::BIGINT AS checked, "
        "sum(passed_count)::BIGINT AS passed "
        f"FROM {METRICS} GROUP BY ALL"
    )
    sizes: dict[str, int] = defaultdict(int)
    for r in rows:
        sizes[r.metric] += r.checked
    chosen = sorted(sizes, key=lambda m: (-sizes[m], m))[: len(LINES)]
    of = {(r.metric, r.start): _ratio(r) for r in rows}
    series = [
        Series(label("quality_metric", m), [_times_100(of.get((m, d))) for d in days.starts], tone)
        for m, tone in zip(chosen, LINES, strict=False)
    ]
    title = say("metrics_over_time")
    heads = [Head(column(METRICS, "day")), *(num(label("quality_metric", m)) for m in chosen)]
    listed = [(n, *(percent(of.get((m, d))) for m in chosen)) for n, d in zip(days.names, days.starts, strict=True)]
    says = say("metrics_time_says", unit=days.said, first=days.names[0], last=days.names[-1])
    chart = lines(days.ticks, series, "metrics-over-time-says", top=100)
    key = legend((s.label, f"line-{s.tone}") for s in series)
    return figure(
        "metrics-over-time",
        title,
        says,
        chart,
        key=key,
        behind=table(heads, listed, title, "metric-days"),
        note=cut(len(chosen), len(sizes)),
    )


def _tickets(book: Book) -> Safe | None:
    """Rates that stand below their target until they are mended."""
    if not book.has(TICKETS):
        return None
    rows = book.rows(
        f"SELECT metric, channel, opened_on, ratio, count(*) OVER () AS all_rows FROM {TICKETS} WHERE closed_on IS NULL "
        f"ORDER BY opened_on, metric, channel, ticket_id LIMIT {LISTED}"
    )
    title = titled(TICKETS)
    if not rows:
        return figure("tickets", title, say("tickets_none"))
    names = ("metric", "channel", "opened_on")
    made = [(label("quality_metric", r.metric), channel(r.channel), day(r.opened_on), percent(r.ratio)) for r in rows]
    heads = [*(Head(column(TICKETS, n)) for n in names), num(column(TICKETS, "ratio"))]
    says = say("tickets_says", count=whole(rows[0].all_rows), day=day(rows[0].opened_on))
    return figure("tickets", title, says, table(heads, made, title, "open-tickets"), note=cut(len(made), rows[0].all_rows))


def _times_100(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 100


def _checks(book: Book) -> Safe:
    latest = (
        f"(SELECT * FROM {CHECKS} "
        "QUALIFY row_number() OVER (PARTITION BY table_name, check_name ORDER BY checked_at DESC, rowid DESC) = 1)"
    )
    found = book.one(
        f"SELECT count(*) AS checks, count(*) FILTER (WHERE passed) AS held, count(DISTINCT table_name) AS tables FROM {latest}"
    )
    rows = book.rows(
        f"SELECT *, count(*) OVER () AS all_rows FROM {latest} WHERE NOT passed "
        f"ORDER BY severity, rows_failing DESC, table_name, check_name LIMIT {LISTED}"
    )
    heads = [
        Head(column(CHECKS, "table_name")),
        Head(column(CHECKS, "check_name")),
        Head(column(CHECKS, "severity")),
        num(column(CHECKS, "rows_failing")),
        num(column(CHECKS, "rows_checked")),
    ]
    made = [
        (
            titled(r.table_name),
            r.check_name.replace("_", " "),
            label("severity", {"warn": "warning"}.get(r.severity, r.severity)),
            whole(r.rows_failing),
            whole(r.rows_checked),
        )
        for r in rows
    ]
    title = titled(CHECKS)
    says = say("checks_says", held=whole(found.held), all=whole(found.checks), tables=whole(found.tables))
    failing = [table(heads, made, say("checks_failing"), "failing")] if made else []
    return figure("checks", title, says, *failing, note=cut(len(made), rows[0].all_rows) if rows else None)


def _files(book: Book) -> Safe:
    numbers = ("rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate")
    sums = ", ".join(f"coalesce(sum({n}), 0)::BIGINT AS {n}" for n in numbers)
    rows = book.rows(f"SELECT status, count(*) AS files, {sums} FROM {FILES} GROUP BY status ORDER BY files DESC, status")
    kinds = book.rows(
        f"SELECT source, status, count(*) AS files, {sums} FROM {FILES} GROUP BY ALL "
        "ORDER BY rows_quarantined DESC, rows_read DESC, source, status"
    )
    heads = [Head(column(FILES, "status")), num(say("files")), *(num(column(FILES, n)) for n in numbers)]
    made = [(label("file_status", r.status), whole(r.files), *(whole(getattr(r, n)) for n in numbers)) for r in rows]
    listed = [
        (source(r.source), label("file_status", r.status), whole(r.files), *(whole(getattr(r, n)) for n in numbers))
        for r in kinds[: LISTED * 2]
    ]
    all_ = {name: sum(getattr(r, name) for r in rows) for name in ("files", *numbers)}
    of = {r.status: r.files for r in rows}
    title = titled(FILES)
    says = say(
        "files_says",
        files=whole(all_["files"]),
        loaded=whole(of.get("loaded", 0)),
        refused=whole(of.get("refused", 0)),
        read=whole(all_["rows_read"]),
        accepted=whole(all_["rows_accepted"]),
        quarantined=whole(all_["rows_quarantined"]),
        duplicate=whole(all_["rows_duplicate"]),
    )
    behind = table([Head(column(FILES, "source")), *heads], listed, say("files_by_source"), "file-sources")
    return figure(
        "files", title, says, table(heads, made, title, "file-statuses"), behind=with_note(behind, len(listed), len(kinds))
    )


def _refused(book: Book) -> Safe | None:
    rows = book.rows(
        f"SELECT path, status, reason, count(*) OVER () AS all_rows FROM {FILES} WHERE status IN ('refused', 'held') "
        f"ORDER BY path, file_id LIMIT {LISTED}"
    )
    if not rows:
        return None
    heads = [Head(column(FILES, "path")), Head(column(FILES, "status")), Head(column(FILES, "reason"), "long")]
    made = [(foreign(r.path), label("file_status", r.status), foreign(r.reason) or "–") for r in rows]
    title = say("refused_title")
    return figure(
        "refused",
        title,
        say("refused_says", count=whole(rows[0].all_rows)),
        table(heads, made, title, "refused-files"),
        note=cut(len(made), rows[0].all_rows),
    )


def _quarantine(book: Book) -> Safe:
    rows = book.rows(
        "SELECT reason, entity, field, count(*) AS rows, count(*) FILTER (WHERE released_at IS NULL) AS waiting "
        f"FROM {QUARANTINE} "
        "GROUP BY ALL ORDER BY waiting DESC, rows DESC, reason, entity, field"
    )
    title = titled(QUARANTINE)
    if not rows:
        return figure("quarantine", title, say("quarantine_none"))
    heads = [
        Head(column(QUARANTINE, "reason")),
        Head(column(QUARANTINE, "entity")),
        Head(column(QUARANTINE, "field")),
        num(say("rows")),
        num(say("rows_waiting")),
        BAR,
    ]
    made = [
        (
            label("quarantine_reason", r.reason),
            _entity(r.entity),
            foreign(r.field) or "–",
            whole(r.rows),
            whole(r.waiting),
            bar(r.waiting, max(x.waiting for x in rows), "warn"),
        )
        for r in rows[:LISTED]
    ]
    says = say("quarantine_says", rows=whole(sum(r.rows for r in rows)), waiting=whole(sum(r.waiting for r in rows)))
    return figure("quarantine", title, says, table(heads, made, title, "quarantined"), note=cut(len(made), len(rows)))


def _entity(name: str | None) -> Both:
    from orders_pipeline.dictionary.model import load_dictionary

    found = load_dictionary().entities.get(name or "")
    return Both(found.title["en"], found.title["zh"]) if found else label("", name)
