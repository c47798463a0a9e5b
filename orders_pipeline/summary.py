"""What a run did, for a person at a terminal or (as data) for a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO

from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published
from orders_pipeline.pipeline import RunResult

#: Reason for which a file was not taken -> what a person should know.
WAITING = {
    "still_changing": "it is still being written; the next run takes it",
    "too_young": "it may still be being written; the next run takes it",
    "vanished": "it was deleted while the run looked at it",
    "symlink": "a link out of the landing folder, or to nothing, is not followed; put the file itself here",
    "unreadable": "it may not be read; give the account of the pipeline permission to read it",
    "no_file": "it is a pipe or a device, not a file; remove it",
}


def progress_line(stream: TextIO) -> Callable[[str], None]:
    """A single line that is overwritten as work goes on; silent where nobody is watching."""
    if not stream.isatty():
        return lambda text: None

    def show(text: str) -> None:
        stream.write(f"\r\x1b[K{text[:100]}")
        stream.flush()

    return show


def collect(home: Home, result: RunResult) -> dict[str, Any]:
    """The figures of a run and of what is published now."""
    published = home.published_database
    book = home.published_book
    facts: dict[str, Any] = {
        "run_id": result.run_id,
        "as_of": result.as_of.isoformat(),
        "new_files": {
            "loaded": len(result.intake.loaded),
            "copies": len(result.intake.copies),
            "refused": [message for _, message in result.intake.refused],
            "waiting": [list(one) for one in result.intake.waiting],
        },
        "checks": {
            "run": len(result.checks),
            "failed": [
                {
                    "table": r.check.table,
                    "check": r.check.name,
                    "severity": r.check.severity,
                    "rows": r.rows_failing,
                    "sample": r.sample,
                }
                for r in result.checks
                if not r.passed
            ],
        },
        "alerts": {"raised": result.news.raised, "cleared": result.news.cleared, "standing": result.news.standing},
        "undelivered": result.undelivered,
        "published": bool(result.publication and result.publication.done),
        "blocked": bool(result.blocked_by),
        "database": str(book) if published.exists() else None,
        "parquet": str(home.published / "parquet") if published.exists() else None,
        "parquet_waiting": list(result.publication.parquet_skipped) if result.publication else [],
        "seconds": {k: round(v, 2) for k, v in result.seconds.items()},
        "orders": {},
        "files": {},
        "match": [],
    }
    if published.exists():
        facts |= _published_figures(home)
    return facts


def _published_figures(home: Home) -> dict[str, Any]:
    with open_published(home) as connection:
        loaded = connection.execute(
            "SELECT count(*) FILTER (WHERE status = 'loaded'), count(*) FILTER (WHERE status = 'refused'), "
            "count(*) FILTER (WHERE status = 'duplicate'), coalesce(sum(rows_read), 0), coalesce(sum(rows_accepted), 0), "
            "coalesce(sum(rows_quarantined), 0), coalesce(sum(rows_duplicate), 0) FROM ops.files"
        ).fetchall()[0]
        orders = connection.execute("SELECT count(*), count(DISTINCT channel) FROM orders.orders").fetchall()[0]
        match = connection.execute(
            "SELECT coalesce(currency, '-'), status, reason, count(*), coalesce(sum(due_amount), 0), "
            "coalesce(sum(paid_amount), 0), coalesce(sum(amount_diff), 0) FROM reconciliation.three_way_match "
            "GROUP BY ALL ORDER BY 1, 4 DESC, 2, 3"
        ).fetchall()
        exceptions = connection.execute("SELECT count(*) FROM reconciliation.exceptions").fetchall()[0][0]
    names = ("loaded", "refused", "copies", "rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate")
    columns = ("currency", "status", "reason", "orders", "due_amount", "paid_amount", "amount_diff")
    return {
        "files": dict(zip(names, map(int, loaded), strict=True)),
        "orders": {"orders": orders[0], "channels": orders[1], "exceptions": exceptions},
        "match": [dict(zip(columns, row, strict=True)) for row in match],
    }


def text(facts: dict[str, Any]) -> str:
    """The summary a person reads."""
    from orders_pipeline.ingest.desk import table

    files, new = facts["files"], facts["new_files"]
    lines = [f"as of {facts['as_of']}   run {facts['run_id'][:8]}   {sum(facts['seconds'].values()):.1f} s", ""]
    if not files:
        lines += ["Nothing is published yet.", "Put channel files into the landing folder and run again."]
    else:
        lines += [
            f"Files    {files['loaded']} loaded, {files['copies']} copies, {files['refused']} refused"
            f"   (this run: {new['loaded']} new)",
            f"Rows     {files['rows_read']:,} read = {files['rows_accepted']:,} accepted + {files['rows_quarantined']:,} "
            f"quarantined + {files['rows_duplicate']:,} duplicate",
            f"Orders   {facts['orders']['orders']:,} on {facts['orders']['channels']} channels, "
            f"{facts['orders']['exceptions']:,} open exceptions",
            "",
            table(
                [
                    {
                        **m,
                        "orders": f"{m['orders']:,}",
                        "due_amount": f"{m['due_amount']:,.2f}",
                        "paid_amount": f"{m['paid_amount']:,.2f}",
                        "amount_diff": f"{m['amount_diff']:+,.2f}",
                    }
                    for m in facts["match"]
                ],
                ("currency", "status", "reason", "orders", "due_amount", "paid_amount", "amount_diff"),
            ),
            "",
        ]
    lines += _checks(facts["checks"])
    alerts = facts["alerts"]
    lines.append(f"Alerts   {alerts['standing']} stand ({alerts['raised']} new, {alerts['cleared']} ended)")
    lines += [f"         {line}" for line in facts["undelivered"]]
    for message in new["refused"]:
        lines.append(f"Refused  {message}")
    for path, reason in new["waiting"]:
        lines.append(f"Waiting  {path}: {WAITING.get(reason, reason)}")
    lines += _where(facts)
    return "\n".join(lines)


def _checks(checks: dict[str, Any]) -> list[str]:
    failed = checks["failed"]
    if not checks["run"]:
        return ["Checks   nothing has changed since the last publication"]
    lines = [f"Checks   {checks['run'] - len(failed)} of {checks['run']} hold"]
    lines += [
        f"         {f['severity']}: {f['table']} {f['check']}: {f['rows']:,} row(s), e.g. {f['sample'][:160]}" for f in failed
    ]
    return lines


def _where(facts: dict[str, Any]) -> list[str]:
    if facts["blocked"]:
        return ["", "Nothing was published: a check stands against it. The last good tables stay in place."]
    if not facts["database"]:
        return []
    lines = [
        "",
        f"Database {facts['database']}   (open read-only, e.g. in DuckDB, Metabase, Superset)",
        f"Parquet  {facts['parquet']}",
    ]
    if facts["parquet_waiting"]:
        lines.append(f"         {len(facts['parquet_waiting'])} large table(s) follow with the next full run (see manifest.json)")
    return [
        *lines,
        "",
        "Next     orders-pipeline explain <any order, payment or waybill number>",
        "         orders-pipeline quarantine list",
        "         orders-pipeline alerts",
        "         orders-pipeline report   (charts, one HTML file)",
        "         orders-pipeline dev   (Dagster UI)",
    ]
