"""What finance does: exceptions, close, audit, workbook, shadow."""

from __future__ import annotations

import argparse
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orders_pipeline.cli.options import action, as_of_option, command, home_of, home_option, json_option, print_json
from orders_pipeline.kernel.faults import Usage


def add(commands) -> None:
    """These commands with their options."""
    exceptions = command(
        commands,
        "exceptions",
        "differences somebody has to look at: list, decide",
        None,
        example="orders-pipeline exceptions write-off 5f0c12 --by li.na --second-person wang.wei --why 'courier paid'",
        home=False,
    )
    _exception_commands(exceptions)

    close = command(
        commands,
        "close",
        "close a month for good, or say what stands against it",
        _close,
        example="orders-pipeline close 2026-01 --check",
    )
    _close_options(close)
    as_of_option(close)
    json_option(close)

    audit = command(
        commands,
        "audit",
        "hold the published finance and summary tables of a month to the auditor's expectations",
        _audit,
        example="orders-pipeline audit 2026-01",
    )
    audit.add_argument("month", help="the month, such as 2026-01")
    json_option(audit)

    workbook = command(
        commands,
        "workbook",
        "the finance workbook of a month, from what is published",
        _workbook,
        example="orders-pipeline workbook 2026-01 --language en --out january.xlsx",
    )
    workbook.add_argument("month", help="the month, such as 2026-01")
    workbook.add_argument("--language", choices=("zh", "en"), default="zh", help="language of its labels (default zh)")
    workbook.add_argument("--out", type=Path, help="file to write (default: published/workbooks/MONTH_LANGUAGE.xlsx in the home)")
    json_option(workbook)

    shadow = command(
        commands,
        "shadow",
        "dry run of a changed rule: what it would change in the match",
        _shadow,
        example="orders-pipeline shadow --set match_tolerance_amount=1.00",
    )
    shadow.add_argument("--set", action="append", default=[], metavar="THRESHOLD=NUMBER", help="a threshold; repeatable")
    shadow.add_argument("--model", action="append", default=[], metavar="TABLE=FILE", help="another SQL of a table; repeatable")
    json_option(shadow)


def _exception_commands(exceptions: argparse.ArgumentParser) -> None:
    inner = exceptions.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = action(inner, "list", "the queue, the oldest first", _exceptions_list)
    listed.add_argument("--state", help="only those that stand there: open, assigned, written_off …")
    listed.add_argument("--reason", help="only those of this reason")
    home_option(listed)
    json_option(listed)
    texts = {
        "assign": "give one to a person",
        "resolve": "settled: its counterpart was found, or it was booked",
        "write-off": "give the difference up; above the limit a second person has to agree",
        "carry-forward": "leave it for the next month",
        "reopen": "take the last decision back",
    }
    for name, text in texts.items():
        parser = action(inner, name, text, _exceptions_decide)
        parser.add_argument("exception", help="exception_guid, its first characters, or the order's number")
        parser.add_argument("--by", required=True, help="who decides")
        parser.add_argument("--why", required=True, help="why")
        parser.add_argument("--at", help="when it was decided, with offset (default: now); it counts from then on")
        if name == "assign":
            parser.add_argument("--to", required=True, help="person it is given to")
        if name == "resolve":
            parser.add_argument("--as", dest="how", choices=("match", "adjustment"), required=True, help="how it was settled")
        if name == "write-off":
            parser.add_argument("--second-person", help="who agrees, another person than --by")
        home_option(parser)


def _close_options(close: argparse.ArgumentParser) -> None:
    close.add_argument("month", help="the month, such as 2026-01")
    close.add_argument("--check", action="store_true", help="only list what stands against it")
    close.add_argument("--hold", action="store_true", help="put the month on hold: it may still go back")
    close.add_argument("--open", action="store_true", help="open it again from hold; a closed month never opens")
    close.add_argument("--restate", action="store_true", help="write the next numbered set of the month closed last")
    close.add_argument("--force", action="store_true", help="close against what stands")
    close.add_argument("--by", metavar="WHO", help="who decides (needed without --check)")
    close.add_argument("--why", default="", help="why (needed with --force and --restate)")


def _exceptions_list(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest.desk import table
    from orders_pipeline.reconciliation import desk

    rows = desk.exceptions(home_of(options), options.state, options.reason)
    columns = ("exception_guid", "channel", "channel_order_id", "reason", "cause", "amount_diff", "qty_diff", "currency",
               "age_days", "state", "owner_role", "assignee")  # fmt: skip
    print_json(rows) if options.json else print(table(rows, columns))
    return 0


def _exceptions_decide(options: argparse.Namespace) -> int:
    from orders_pipeline.kernel.clock import parse_as_of
    from orders_pipeline.reconciliation import desk

    action = desk.RESOLUTIONS[options.how] if options.action == "resolve" else options.action.replace("-", "_")
    more = {"assignee": getattr(options, "to", None), "second_person": getattr(options, "second_person", None)}
    at = parse_as_of(options.at) if options.at else None
    path = desk.decide(home_of(options), options.exception, action, options.by, options.why, at, **more)
    print(f"{path}\n`orders-pipeline run` brings it into the tables")
    return 0


def _close(options: argparse.Namespace) -> int:
    from orders_pipeline import month_end
    from orders_pipeline.finance import close
    from orders_pipeline.ingest.desk import table
    from orders_pipeline.kernel.clock import parse_as_of

    home, month = home_of(options), close.parse_month(options.month)
    if options.check:
        standing = close.check(home, month)
        rows = close.listed(standing)
        text = table(rows, ("what", "count", "detail", "blocks")) if rows else f"nothing stands against closing {month:%Y-%m}"
        print_json(rows) if options.json else print(text)
        return 1 if any(s.blocks for s in standing) else 0
    if not options.by:
        raise Usage("say who decides with --by, or look first with --check")
    if options.hold or options.open:
        close.mark(home, month, "hold" if options.hold else "open", options.by, options.why)
        text = f"{month:%Y-%m} is {'on hold' if options.hold else 'open'}"
    else:
        made = close.close(home, month, options.by, options.why, force=options.force, restate=options.restate)
        text = f"{month:%Y-%m} is closed: set {made.set_number}, {made.rows} rows, {made.files} files, {made.content_sha256}"
    result = month_end.take_in(home, parse_as_of(options.as_of) if options.as_of else None)
    print_json({"month": f"{month:%Y-%m}", "result": text}) if options.json else print(text)
    return 1 if result.blocked_by else 0


def _audit(options: argparse.Namespace) -> int:
    from orders_pipeline import month_end
    from orders_pipeline.finance.close import parse_month
    from orders_pipeline.ingest.desk import table

    audit = month_end.audit_month(home_of(options), parse_month(options.month))
    rows = [{"table": o.table, "claim": o.claim, "rows": o.rows_checked, "failing": o.rows_failing} for o in audit.outcomes]
    if options.json:
        print_json({"month": options.month, "run_id": audit.run_id, "pages": str(audit.pages), "expectations": rows})
    else:
        if audit.failed:
            print(table([row for row in rows if row["failing"]], ("table", "claim", "rows", "failing")))
        print(f"{len(rows) - len(audit.failed)} of {len(rows)} expectations hold: {audit.pages}")
    return 1 if audit.failed else 0


def _workbook(options: argparse.Namespace) -> int:
    from orders_pipeline.finance.close import parse_month
    from orders_pipeline.publish import workbook

    path, changed = workbook.write(home_of(options), parse_month(options.month), options.language, options.out)
    if options.json:
        print_json({"month": options.month, "path": str(path), "changed": changed})
    else:
        print(path if changed else f"{path}\nnothing had changed")
    return 0


def _shadow(options: argparse.Namespace) -> int:
    from orders_pipeline import pipeline
    from orders_pipeline.ingest.desk import table
    from orders_pipeline.reconciliation.shadow import shadow

    given = [text.partition("=") for text in (*options.set, *options.model)]
    if not given or any(not name or not value for name, _, value in given):
        raise Usage("say what is changed: --set THRESHOLD=NUMBER or --model TABLE=FILE")
    try:
        changed = {name: Decimal(value) for name, _, value in given[: len(options.set)]}
    except InvalidOperation:
        raise Usage("--set takes THRESHOLD=NUMBER, such as match_tolerance_amount=1.00") from None
    files = {name: Path(value) for name, _, value in given[len(options.set) :]}
    found = shadow(home_of(options), pipeline.models(), changed, files)
    if options.json:
        print_json({"as_of": found.as_of, "orders": found.orders, "made_anew": found.made, "differences": found.rows})
        return 0
    print(f"{len(found.rows)} of {found.orders} orders would differ as of {found.as_of.isoformat()}; nothing was changed")
    if found.rows:
        columns = ("channel", "channel_order_id", "now_status", "now_reason", "then_status", "then_reason", "then_amount_diff")
        print(table(found.rows, columns))
    return 0
