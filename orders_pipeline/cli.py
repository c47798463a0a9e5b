"""`orders-pipeline`: thin. Every command calls a room; nothing is decided here.

Exit codes: 0 done, 1 a check failed or input was refused, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from orders_pipeline.kernel.faults import Fault, Usage
from orders_pipeline.kernel.home import Home, find_home

#: A file changed within this time may still be being copied.
SETTLE_SECONDS = 0.5
EXAMPLES = {
    "run": "orders-pipeline run --home data --as-of 2026-02-20T09:00:00+08:00",
    "dev": "orders-pipeline dev --home data --port 3000",
    "explain": "orders-pipeline explain 3302710287203084298",
    "promise": "orders-pipeline promise --sku SKU0001 --quantity 20 --by 2026-03-25 --policy partial",
    "files": "orders-pipeline files --status refused",
    "alerts": "orders-pipeline alerts --test finance_group",
    "close": "orders-pipeline close 2026-01 --check",
    "audit": "orders-pipeline audit 2026-01",
    "workbook": "orders-pipeline workbook 2026-01 --language en --out january.xlsx",
    "checkup": "orders-pipeline checkup --home data --json",
    "quarantine": "orders-pipeline quarantine fix 5f0c… 17 --set 买家应付货款=120.50 --by li.na --why 'typed with a comma'",
    "channel": "orders-pipeline channel check my_source.yml",
    "exceptions": "orders-pipeline exceptions write-off 5f0c12 --by li.na --second-person wang.wei --why 'courier paid'",
    "lists": "orders-pipeline lists --weekly",
    "mark": "orders-pipeline mark 3302710287203084298 urgent --by li.na --why 'birthday present'",
    "products": "orders-pipeline products suggest --accept --by li.na --at-least 0.9",
    "shadow": "orders-pipeline shadow --set match_tolerance_amount=1.00",
    "simulate": "orders-pipeline simulate --orders 1000 --months 2 --seed 7 --out /tmp/sample",
    "report": "orders-pipeline report --out orders.html --language en",
    "docs": "orders-pipeline docs",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; every error a user can cause becomes one clear line on stderr."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options) or 0
    except Usage as error:
        print(f"orders-pipeline: {error}", file=sys.stderr)
        return 2
    except Fault as error:
        print(f"orders-pipeline: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        print("orders-pipeline: stopped; the next run completes what was begun", file=sys.stderr)
        return 1


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options, help and an example each."""
    parser = argparse.ArgumentParser(prog="orders-pipeline", description="One order book from every channel's exports.")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = _command(commands, "run", "load what is new, build, check, publish", _run)
    run.add_argument("--full", action="store_true", help="build every table anew")
    run.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb", help="what runs the models (default duckdb)")
    run.add_argument("--master", help="Spark master, e.g. spark://host:7077 (default: a local cluster)")
    _as_of(run)
    _json(run)

    dev = _command(commands, "dev", "Dagster UI, daemon, sensors and schedules on this machine", _dev)
    dev.add_argument("--port", type=int, default=3000, help="port of the UI (default 3000)")
    dev.add_argument("--host", default="127.0.0.1", help="address the UI listens on (default 127.0.0.1)")
    dev.add_argument(
        "--no-worker", action="store_true", help="no process that waits for files: less memory, some seconds more per file"
    )

    explain = _command(
        commands, "explain", "one order, SKU, customer or score, from the published row back to file and line", _explain
    )
    explain.add_argument(
        "number",
        help="guid, channel, transaction, internal, sub-order or waybill number; or sku:SKU, customer:ID, health:CHANNEL",
    )
    explain.add_argument(
        "detail", nargs="?", help="of a SKU: only this warehouse; of a channel's health: the day (default the last)"
    )
    _json(explain)

    promise = _command(commands, "promise", "from when on goods can be promised", _promise)
    _promise_options(promise)
    _json(promise)

    files = _command(commands, "files", "the ledger of files", _files)
    files.add_argument("--status", choices=("loaded", "refused", "duplicate", "held"))
    _json(files)

    close = _command(commands, "close", "close a month for good, or say what stands against it", _close)
    _close_options(close)
    _as_of(close)
    _json(close)

    audit = _command(commands, "audit", "hold the published finance tables of a month to the auditor's expectations", _audit)
    audit.add_argument("month", help="the month, such as 2026-01")
    _json(audit)

    workbook = _command(commands, "workbook", "the finance workbook of a month, from what is published", _workbook)
    workbook.add_argument("month", help="the month, such as 2026-01")
    workbook.add_argument("--language", choices=("zh", "en"), default="zh", help="language of its labels (default zh)")
    workbook.add_argument("--out", type=Path, help="file to write (default: published/workbooks/MONTH_LANGUAGE.xlsx in the home)")
    _json(workbook)

    alerts = _command(commands, "alerts", "what stands now that somebody must hear of", _alerts)
    alerts.add_argument("--all", action="store_true", help="also those that have ended")
    alerts.add_argument("--test", metavar="TARGET", help="send a test message to this target of settings.toml")
    _json(alerts)

    checkup = _command(
        commands, "checkup", "known traps of configuration and data: what is wrong, why it matters, how to fix it", _checkup
    )
    checkup.epilog += ". Exit code: 0 nothing at warn or above, 3 warnings only, 1 errors (2 is wrong use)"
    checkup.add_argument(
        "--record", action="store_true", help="keep the findings (quality.checkup_findings); errors raise alerts"
    )
    checkup.add_argument("--language", choices=("en", "zh"), default="en", help="of the text (default en; --json has both)")
    _as_of(checkup)
    _json(checkup)

    exceptions = _command(commands, "exceptions", "differences somebody has to look at: list, decide", None, home=False)
    _exception_commands(exceptions)

    quarantine = _command(commands, "quarantine", "rows that were set aside: list, show, fix, release", None, home=False)
    _quarantine_commands(quarantine)

    channel = _command(commands, "channel", "the sources of the dictionary", None, home=False)
    inner = channel.add_subparsers(dest="action", required=True, metavar="ACTION")
    _json(_plain(inner, "list", "every known source with its channel and entities", _channel_list))
    suggest = _plain(inner, "suggest", "propose a source description for a file of an unknown platform", _channel_suggest)
    suggest.epilog = "example: orders-pipeline channel suggest orders.csv --channel kuaishou --out kuaishou_orders.yml"
    suggest.add_argument("file", type=Path, help="a file as the platform gives it")
    suggest.add_argument("--out", type=Path, help="write the YAML here (default: print it)")
    suggest.add_argument("--channel", help="code of the channel (default: made of the file's name)")
    _json(suggest)
    check = _plain(inner, "check", "check a source description before it is added", _channel_check)
    check.add_argument("file", type=Path, nargs="?", help="a source YAML; without one: words nobody has mapped")
    _home_option(check)
    _json(check)

    report = _plain(inner, "report", "the health report of a month's channels, as CSV and workbook", _channel_report)
    report.epilog = "example: orders-pipeline channel report 2026-01"
    report.add_argument("month", help="the month, such as 2026-01")
    _home_option(report)
    _json(report)

    release = _plain(
        inner, "release", "take the files of a channel that is held because paid orders are missing", _channel_release
    )
    release.add_argument("channel", help="code of the channel")
    release.add_argument("--by", required=True, help="who decides")
    release.add_argument("--why", required=True, help="why")
    release.add_argument("--at", help="when it was decided, with offset (default: now); it counts from then on")
    _home_option(release)

    lists = _command(commands, "lists", "shipping lists of the day per warehouse, as CSV and workbook", _lists)
    lists.add_argument("--weekly", action="store_true", help="instead last week's orders to look at: late, complained of, large")
    _json(lists)

    mark = _command(commands, "mark", "say that an order is urgent or normal, whatever the rules of the review say", _mark)
    mark.add_argument("order", help="the channel's number, or the order_guid")
    mark.add_argument(
        "mark", choices=("urgent", "normal"), help="urgent: goes first, without review; normal: looked at, nothing found"
    )
    mark.add_argument("--by", required=True, help="who decides")
    mark.add_argument("--why", required=True, help="why")
    mark.add_argument("--at", help="when it was decided, with offset (default: now); the newest of an order counts")

    products = _command(commands, "products", "product titles and their standard names", None, home=False)
    named = products.add_subparsers(dest="action", required=True, metavar="ACTION")
    suggest = _plain(named, "suggest", "titles without a standard name, each with the nearest known one", _products_suggest)
    suggest.add_argument("--accept", action="store_true", help="write the near ones as a decision file; the next run takes it in")
    suggest.add_argument("--at-least", type=float, default=0.9, help="confidence from which --accept takes one (default 0.9)")
    suggest.add_argument("--by", help="who decides (needed with --accept)")
    suggest.add_argument("--why", default="nearest known name", help="why")
    _home_option(suggest)
    _json(suggest)

    report = _command(commands, "report", "one HTML file with charts of what is published; it needs no network", _report)
    report.add_argument("--out", type=Path, help="write it here (default: published/report.html of the home)")
    report.add_argument(
        "--language", choices=("zh", "en"), default="zh", help="language it opens in (default zh); it can be switched"
    )
    _json(report)

    shadow = _command(commands, "shadow", "dry run of a changed rule: what it would change in the match", _shadow)
    shadow.add_argument("--set", action="append", default=[], metavar="THRESHOLD=NUMBER", help="a threshold; repeatable")
    shadow.add_argument("--model", action="append", default=[], metavar="TABLE=FILE", help="another SQL of a table; repeatable")
    _json(shadow)

    simulate = _command(commands, "simulate", "realistic exports, with the truth of every injected fault", _simulate, home=False)
    simulate.add_argument("--orders", type=int, required=True)
    simulate.add_argument("--months", type=int, default=1)
    simulate.add_argument("--seed", type=int, default=1)
    simulate.add_argument("--out", type=Path, required=True)
    simulate.add_argument("--stock", type=int, default=0, help="SKUs with stock files and oversells beside the orders")
    simulate.add_argument(
        "--lives", type=int, default=0, help="how often each story of stages, parcels, changes, returns is told"
    )
    simulate.add_argument("--faults", type=Path, help="YAML: fault kind -> {rate: …} or {count: …}")

    docs = _command(commands, "docs", "write the dictionary and table pages anew", _docs, home=False)
    docs.add_argument("--check", action="store_true", help="only say whether they are up to date")
    docs.add_argument("--out", type=Path, default=Path("docs/generated"), help="folder (default docs/generated)")
    return parser


def _command(commands, name: str, text: str, run, home: bool = True) -> argparse.ArgumentParser:
    parser = _plain(commands, name, text, run)
    parser.epilog = f"example: {EXAMPLES[name]}"
    if home:
        _home_option(parser)
    return parser


def _home_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--home", help="folder of the installation (default: $ORDERS_PIPELINE_HOME, else data)")


def _plain(commands, name: str, text: str, run) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def _quarantine_commands(quarantine: argparse.ArgumentParser) -> None:
    inner = quarantine.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _plain(inner, "list", "what is set aside, by file and reason", _quarantine_list)
    listed.add_argument("--reason")
    listed.add_argument("--summary", action="store_true", help="how many rows for which reason, by file and field")
    _json(listed)
    show = _plain(inner, "show", "one row: its text and what the rule wanted", _quarantine_show)
    fix = _plain(inner, "fix", "correct cells of a row; kept with author and reason", _quarantine_fix)
    release = _plain(inner, "release", "read a row and its family again, with its corrections", _quarantine_release)
    for parser in (listed, show, fix, release):
        _home_option(parser)
    for parser, given in ((show, None), (fix, "?"), (release, "?")):
        parser.add_argument("file_id", nargs=given, help="file_id, or its first characters")
        parser.add_argument("row", nargs=given, type=int, help="line of the file")
    fix.add_argument("--set", action="append", default=[], metavar="COLUMN=VALUE", help="a cell of the row; repeatable")
    fix.add_argument("--from", dest="source", type=Path, metavar="FILE", help="a CSV of corrections: file,row,field,value,by,why")
    release.add_argument("--reason", help="all rows set aside for this reason, instead of one row")
    release.add_argument("--path", help="with --reason: those of this file only")
    for parser in (fix, release):
        parser.add_argument("--by", help="who decides")
        parser.add_argument("--why", help="why")
    _as_of(release)


def _exception_commands(exceptions: argparse.ArgumentParser) -> None:
    inner = exceptions.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _plain(inner, "list", "the queue, the oldest first", _exceptions_list)
    listed.add_argument("--state", help="only those that stand there: open, assigned, written_off …")
    listed.add_argument("--reason", help="only those of this reason")
    _home_option(listed)
    _json(listed)
    texts = {
        "assign": "give one to a person",
        "resolve": "settled: its counterpart was found, or it was booked",
        "write-off": "give the difference up; above the limit a second person has to agree",
        "carry-forward": "leave it for the next month",
        "reopen": "take the last decision back",
    }
    for name, text in texts.items():
        parser = _plain(inner, name, text, _exceptions_decide)
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
        _home_option(parser)


def _close_options(close: argparse.ArgumentParser) -> None:
    close.add_argument("month", help="the month, such as 2026-01")
    close.add_argument("--check", action="store_true", help="only list what stands against it")
    close.add_argument("--hold", action="store_true", help="put the month on hold: it may still go back")
    close.add_argument("--open", action="store_true", help="open it again from hold; a closed month never opens")
    close.add_argument("--restate", action="store_true", help="write the next numbered set of the month closed last")
    close.add_argument("--force", action="store_true", help="close against what stands")
    close.add_argument("--by", metavar="WHO", help="who decides (needed without --check)")
    close.add_argument("--why", default="", help="why (needed with --force and --restate)")


def _promise_options(promise: argparse.ArgumentParser) -> None:
    promise.add_argument("--sku", action="append", required=True, help="goods or bundle; several lines are one basket")
    promise.add_argument("--quantity", action="append", required=True, type=_number, help="pieces, one for each --sku")
    promise.add_argument("--by", type=_day, metavar="DAY", help="day asked for (default: the day of the figures)")
    promise.add_argument(
        "--policy",
        choices=("full", "late", "partial"),
        default="partial",
        help="full: all on the day or nothing; late: all at once, if late; partial (default): what is there, then the rest",
    )
    promise.add_argument("--max-late-days", type=int, help="no delivery later than this many days after --by")
    promise.add_argument("--min-quantity", type=_number, help="no delivery smaller than this, nor a rest")
    promise.add_argument("--warehouse", help="only out of this warehouse")
    promise.add_argument("--hold", metavar="NUMBER", help="the asker's own hold or order: its claim is left out")
    promise.add_argument("--pickup", metavar="STORE", help="to be fetched there")
    promise.add_argument(
        "--sources",
        choices=("local", "all"),
        default="all",
        help="for pick-up: local: only what the store has; all (default): the store first, then what warehouses send it",
    )


def _as_of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--as-of", help="the clock of this run, with offset (default: now)")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def _version() -> str:
    from importlib.metadata import version

    return version("orders-pipeline")


def _home(options: argparse.Namespace) -> Home:
    return find_home(getattr(options, "home", None))


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))


# ---- commands


def _run(options: argparse.Namespace) -> int:
    from orders_pipeline import pipeline, summary
    from orders_pipeline.ingest.landing import settle
    from orders_pipeline.kernel.clock import parse_as_of

    home, as_of = _home(options), parse_as_of(options.as_of)
    if not home.landing.exists():
        home.create()
    progress = summary.progress_line(sys.stderr)
    settle(home.landing, SETTLE_SECONDS)
    if options.engine == "spark":
        from orders_pipeline import cluster

        result = cluster.run(home, as_of, master=options.master, progress=progress, settle_seconds=SETTLE_SECONDS)
    else:
        result = pipeline.run(home, as_of, full=options.full, progress=progress, settle_seconds=SETTLE_SECONDS)
    progress("")
    facts = summary.collect(home, result)
    _print_json(facts) if options.json else print(summary.text(facts))
    return 1 if result.blocked_by or result.intake.refused else 0


def _dev(options: argparse.Namespace) -> int:
    from orders_pipeline.dev import serve

    return serve(_home(options).create(), options.host, options.port, worker=not options.no_worker)


def _explain(options: argparse.Namespace) -> int:
    from orders_pipeline import explain
    from orders_pipeline.customers import explain as customers
    from orders_pipeline.health import explain as health
    from orders_pipeline.inventory import explain as stock

    if options.number.startswith(customers.PREFIX):
        person = customers.explain(_home(options), options.number.removeprefix(customers.PREFIX))
        _print_json(person) if options.json else print(customers.text(person))
        return 0
    if options.number.startswith(stock.PREFIX):
        found = stock.explain(_home(options), options.number.removeprefix(stock.PREFIX), options.detail)
        _print_json(found) if options.json else print(stock.text(found))
        return 0
    if options.number.startswith(health.PREFIX):
        try:
            day = date.fromisoformat(options.detail) if options.detail else None
        except ValueError:
            raise Usage(f"'{options.detail}' is no day; write 2026-03-25") from None
        score = health.explain(_home(options), options.number.removeprefix(health.PREFIX), day)
        _print_json(score) if options.json else print(health.text(score))
        return 0
    chain = explain.explain(_home(options), options.number)
    _print_json(chain) if options.json else print(explain.text(chain))
    return 0


def _promise(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from orders_pipeline.inventory import promise, rules

    policy = rules.POLICIES[options.policy]
    if options.max_late_days is not None:
        policy = replace(policy, max_late_days=options.max_late_days)
    if options.min_quantity is not None:
        policy = replace(policy, min_quantity=options.min_quantity)
    lines = promise.lines_of(options.sku, options.quantity)
    request = promise.Request(
        lines, options.by, policy, options.warehouse, options.hold, options.pickup, options.sources == "local"
    )
    found = promise.promise(_home(options), request)
    _print_json(found) if options.json else print(promise.text(found))
    return 0


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day; write 2026-03-25") from None


def _files(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    rows = desk.files(_home(options), options.status)
    _print_json(rows) if options.json else print(
        desk.table(
            rows, ("path", "source", "status", "rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate", "reason")
        )
    )
    return 0


def _close(options: argparse.Namespace) -> int:
    from orders_pipeline import month_end
    from orders_pipeline.finance import close
    from orders_pipeline.ingest.desk import table
    from orders_pipeline.kernel.clock import parse_as_of

    home, month = _home(options), close.parse_month(options.month)
    if options.check:
        standing = close.check(home, month)
        rows = close.listed(standing)
        text = table(rows, ("what", "count", "detail", "blocks")) if rows else f"nothing stands against closing {month:%Y-%m}"
        _print_json(rows) if options.json else print(text)
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
    _print_json({"month": f"{month:%Y-%m}", "result": text}) if options.json else print(text)
    return 1 if result.blocked_by else 0


def _audit(options: argparse.Namespace) -> int:
    from orders_pipeline import month_end
    from orders_pipeline.finance.close import parse_month
    from orders_pipeline.ingest.desk import table

    audit = month_end.audit_month(_home(options), parse_month(options.month))
    rows = [{"table": o.table, "claim": o.claim, "rows": o.rows_checked, "failing": o.rows_failing} for o in audit.outcomes]
    if options.json:
        _print_json({"month": options.month, "run_id": audit.run_id, "pages": str(audit.pages), "expectations": rows})
    else:
        if audit.failed:
            print(table([row for row in rows if row["failing"]], ("table", "claim", "rows", "failing")))
        print(f"{len(rows) - len(audit.failed)} of {len(rows)} expectations hold: {audit.pages}")
    return 1 if audit.failed else 0


def _workbook(options: argparse.Namespace) -> int:
    from orders_pipeline.finance.close import parse_month
    from orders_pipeline.publish import workbook

    path, changed = workbook.write(_home(options), parse_month(options.month), options.language, options.out)
    if options.json:
        _print_json({"month": options.month, "path": str(path), "changed": changed})
    else:
        print(path if changed else f"{path}\nnothing had changed")
    return 0


def _alerts(options: argparse.Namespace) -> int:
    from orders_pipeline.alerts import desk
    from orders_pipeline.ingest.desk import table

    if options.test:
        print(desk.test(_home(options), options.test))
        return 0
    rows = desk.alerts(_home(options), ended=options.all)
    _print_json(rows) if options.json else print(
        table(rows, ("first_seen_at", "severity", "rule", "entity_type", "entity_id", "cleared_at", "message"))
    )
    return 0


def _checkup(options: argparse.Namespace) -> int:
    from orders_pipeline.checkup import desk
    from orders_pipeline.kernel.clock import parse_as_of

    home, as_of = _home(options), parse_as_of(options.as_of)
    report = desk.record(home, as_of) if options.record else desk.checkup(home, as_of)
    _print_json(report.as_json()) if options.json else print(desk.text(report, options.language))
    return report.exit_code


def _exceptions_list(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest.desk import table
    from orders_pipeline.reconciliation import desk

    rows = desk.exceptions(_home(options), options.state, options.reason)
    columns = ("exception_guid", "channel", "channel_order_id", "reason", "cause", "amount_diff", "qty_diff", "currency",
               "age_days", "state", "owner_role", "assignee")  # fmt: skip
    _print_json(rows) if options.json else print(table(rows, columns))
    return 0


def _exceptions_decide(options: argparse.Namespace) -> int:
    from orders_pipeline.kernel.clock import parse_as_of
    from orders_pipeline.reconciliation import desk

    action = desk.RESOLUTIONS[options.how] if options.action == "resolve" else options.action.replace("-", "_")
    more = {"assignee": getattr(options, "to", None), "second_person": getattr(options, "second_person", None)}
    at = parse_as_of(options.at) if options.at else None
    path = desk.decide(_home(options), options.exception, action, options.by, options.why, at, **more)
    print(f"{path}\n`orders-pipeline run` brings it into the tables")
    return 0


def _quarantine_list(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    if options.summary:
        rows = desk.reasons(_home(options))
        _print_json(rows) if options.json else print(desk.table(rows, ("rows", "reason", "path", "entity", "field", "first_row")))
        return 0
    rows = desk.quarantined(_home(options), options.reason)
    _print_json(rows) if options.json else print(
        desk.table(rows, ("file_id", "row_number", "path", "entity", "reason", "field", "detail"))
    )
    return 0


def _quarantine_show(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    print(desk.show(_home(options), options.file_id, options.row))
    return 0


def _quarantine_fix(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    if options.source:
        print(desk.fix_from(_home(options), options.source))
        return 0
    _row_and_author(options)
    pairs = [text.partition("=") for text in options.set]
    if not pairs or any(not name or not sign for name, sign, _ in pairs):
        raise Usage("--set takes COLUMN=VALUE, with the column's name as in the file")
    changes = {name: value for name, _, value in pairs}
    print(desk.fix(_home(options), options.file_id, options.row, changes, options.by, options.why))
    return 0


def _row_and_author(options: argparse.Namespace) -> None:
    """A decision about one row names it, its author and the reason."""
    if options.file_id is None or options.row is None or not options.by or not options.why:
        raise Usage("give the row (FILE_ID and line), --by and --why; `orders-pipeline quarantine --help` shows examples")


def _quarantine_release(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk
    from orders_pipeline.kernel.clock import parse_as_of

    home, as_of = _home(options), parse_as_of(options.as_of)
    if options.reason and options.file_id is None and options.by and options.why:
        outcome = desk.release_all(home, options.reason, options.path, options.by, options.why, as_of)
    else:
        _row_and_author(options)
        outcome = desk.release(home, options.file_id, options.row, options.by, options.why, as_of)
    print(outcome.text)
    return 0 if outcome.released else 1


def _channel_list(options: argparse.Namespace) -> int:
    from orders_pipeline.dictionary.model import load_dictionary
    from orders_pipeline.ingest.desk import table

    rows = [
        {
            "source": s.name,
            "channel": s.channel or "-",
            "timezone": s.timezone,
            "entities": ", ".join(dict.fromkeys(b.entity for b in s.blocks)) or "-",
            "title": s.title.get("en", ""),
            "title_zh": s.title.get("zh", ""),
        }
        for s in load_dictionary().sources.values()
    ]
    _print_json(rows) if options.json else print(table(rows, ("source", "channel", "timezone", "entities", "title", "title_zh")))
    return 0


def _lists(options: argparse.Namespace) -> int:
    from orders_pipeline.fulfilment.lists import write_lists, write_review

    written = [str(path) for path in (write_review if options.weekly else write_lists)(_home(options))]
    nothing = "nothing of last week is to be looked at" if options.weekly else "nothing is to be shipped"
    if options.json:
        print(json.dumps(written, ensure_ascii=False))
    else:
        print("\n".join(written) or nothing)
    return 0


def _mark(options: argparse.Namespace) -> int:
    from orders_pipeline.fulfilment import desk
    from orders_pipeline.kernel.clock import parse_as_of

    at = parse_as_of(options.at) if options.at else None
    path = desk.mark(_home(options), options.order, options.mark, options.by, options.why, at)
    print(f"{path}\n`orders-pipeline run` brings it into the tables")
    return 0


def _report(options: argparse.Namespace) -> int:
    from orders_pipeline.publish.report.write import write_report

    written = write_report(_home(options), options.out, options.language)
    _print_json({"report": str(written), "bytes": written.stat().st_size}) if options.json else print(written)
    return 0


def _products_suggest(options: argparse.Namespace) -> int:
    from orders_pipeline.cleaning import desk
    from orders_pipeline.ingest.desk import table

    if options.accept and not options.by:
        raise Usage("--accept writes a decision: say who decides with --by")
    if not 0 < options.at_least <= 1:
        raise Usage("--at-least is a share above 0 and up to 1, such as 0.9")
    rows = desk.suggest(_home(options))
    if options.accept:
        near = [r for r in rows if r["product_name"] and r["confidence"] >= options.at_least]
        path = desk.accept(_home(options), near, options.by, options.why)
        print(f"{len(near)} of {len(rows)} titles named in {path}; `orders-pipeline run` brings them into the tables")
        return 0
    _print_json(rows) if options.json else print(table(rows, ("title", "line_count", "product_name", "confidence")))
    return 0


def _channel_unmapped(options: argparse.Namespace) -> int:
    from orders_pipeline.cleaning import desk
    from orders_pipeline.ingest.desk import table

    rows = desk.unmapped(_home(options))
    _print_json(rows) if options.json else print(
        table(rows, ("source", "field", "raw_value", "value_count", "path", "row_number")) if rows else "every word is mapped"
    )
    return 0


def _channel_suggest(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import suggest

    found = suggest.suggest(options.file, channel=options.channel)
    proposal = suggest.as_json(found)
    if options.out:
        if options.out.exists():
            raise Usage(f"{options.out} exists already; a proposal does not overwrite it")
        options.out.write_text(proposal["yaml"], encoding="utf-8")
    if options.json:
        _print_json(proposal)
    elif options.out:
        print(suggest.summary(found, options.out))
    else:
        print(proposal["yaml"], end="")
    return 0


def _channel_report(options: argparse.Namespace) -> int:
    from orders_pipeline.finance.close import parse_month
    from orders_pipeline.health import report

    written = [str(path) for path in report.write(_home(options), parse_month(options.month))]
    print(json.dumps(written, ensure_ascii=False) if options.json else "\n".join(written))
    return 0


def _channel_release(options: argparse.Namespace) -> int:
    from orders_pipeline.kernel.clock import parse_as_of
    from orders_pipeline.reconciliation import desk

    at = parse_as_of(options.at) if options.at else None
    path = desk.release(_home(options), options.channel, options.by, options.why, at)
    print(f"{path}\n`orders-pipeline run` takes the files that wait")
    return 0


def _channel_check(options: argparse.Namespace) -> int:
    if options.file is None:
        return _channel_unmapped(options)
    from orders_pipeline.dictionary.model import load_dictionary, parse_source, read_yaml

    if not options.file.exists():
        raise Usage(f"there is no file {options.file}")
    dictionary = load_dictionary()
    source = parse_source(read_yaml(options.file), dictionary.fields, dictionary.entities, origin=options.file.name)
    entities = ", ".join(dict.fromkeys(b.entity for b in source.blocks))
    print(
        f"{source.name}: {len(source.columns)} columns, entities {entities or 'none'}, times in {source.timezone}. "
        "It can be added."
    )
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
    found = shadow(_home(options), pipeline.models(), changed, files)
    if options.json:
        _print_json({"as_of": found.as_of, "orders": found.orders, "made_anew": found.made, "differences": found.rows})
        return 0
    print(f"{len(found.rows)} of {found.orders} orders would differ as of {found.as_of.isoformat()}; nothing was changed")
    if found.rows:
        columns = ("channel", "channel_order_id", "now_status", "now_reason", "then_status", "then_reason", "then_amount_diff")
        print(table(found.rows, columns))
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from orders_pipeline.simulate import simulate

    try:
        made = simulate(
            orders=options.orders,
            out=options.out,
            months=options.months,
            seed=options.seed,
            faults=options.faults,
            stock=options.stock,
            lives=options.lives,
        )
    except (ValueError, FileExistsError) as error:
        raise Usage(str(error)) from error
    print(
        f"{made.orders:,} orders in {len(made.files)} files, {made.size_bytes / 1e6:,.1f} MB: {made.landing}\n"
        f"truth of every injected fault: {made.truth}\n"
        f"next: orders-pipeline run --home {options.out} --as-of {made.as_of.isoformat()}"
    )
    return 0


def _docs(options: argparse.Namespace) -> int:
    from orders_pipeline import docs

    stale = docs.write(options.out, check=options.check)
    for path in stale:
        print(f"{'stale' if options.check else 'written'}: {path}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
