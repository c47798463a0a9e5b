"""What people ask of the published tables: explain, promise, files, alerts, lists, mark, report."""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from orders_pipeline.cli.options import command, day, home_of, json_option, number, print_json
from orders_pipeline.kernel.faults import Usage


def add(commands) -> None:
    """These commands with their options."""
    explain = command(
        commands,
        "explain",
        "one order, SKU, customer or score, from the published row back to file and line",
        _explain,
        example="orders-pipeline explain 3302710287203084298",
    )
    explain.add_argument(
        "number",
        help="guid, channel, transaction, internal, sub-order or waybill number; or sku:SKU, customer:ID, health:CHANNEL",
    )
    explain.add_argument(
        "detail", nargs="?", help="of a SKU: only this warehouse; of a channel's health: the day (default the last)"
    )
    json_option(explain)

    promise = command(
        commands,
        "promise",
        "from when on goods can be promised",
        _promise,
        example="orders-pipeline promise --sku SKU0001 --quantity 20 --by 2026-03-25 --policy partial",
    )
    _promise_options(promise)
    json_option(promise)

    files = command(commands, "files", "the ledger of files", _files, example="orders-pipeline files --status refused")
    files.add_argument("--status", choices=("loaded", "refused", "duplicate", "held"))
    json_option(files)

    alerts = command(
        commands,
        "alerts",
        "what stands now that somebody must hear of",
        _alerts,
        example="orders-pipeline alerts --test finance_group",
    )
    alerts.add_argument("--all", action="store_true", help="also those that have ended")
    alerts.add_argument("--test", metavar="TARGET", help="send a test message to this target of settings.toml")
    json_option(alerts)

    lists = command(
        commands,
        "lists",
        "shipping lists of the day per warehouse, as CSV and workbook",
        _lists,
        example="orders-pipeline lists --weekly",
    )
    lists.add_argument("--weekly", action="store_true", help="instead last week's orders to look at: late, complained of, large")
    json_option(lists)

    mark = command(
        commands,
        "mark",
        "say that an order is urgent or normal, whatever the rules of the review say",
        _mark,
        example="orders-pipeline mark 3302710287203084298 urgent --by li.na --why 'birthday present'",
    )
    mark.add_argument("order", help="the channel's number, or the order_guid")
    mark.add_argument(
        "mark", choices=("urgent", "normal"), help="urgent: goes first, without review; normal: looked at, nothing found"
    )
    mark.add_argument("--by", required=True, help="who decides")
    mark.add_argument("--why", required=True, help="why")
    mark.add_argument("--at", help="when it was decided, with offset (default: now); the newest of an order counts")

    report = command(
        commands,
        "report",
        "one HTML file with charts of what is published; it needs no network",
        _report,
        example="orders-pipeline report --out orders.html --language en",
    )
    report.add_argument("--out", type=Path, help="write it here (default: published/report.html of the home)")
    report.add_argument(
        "--language", choices=("zh", "en"), default="zh", help="language it opens in (default zh); it can be switched"
    )
    json_option(report)


def _promise_options(promise: argparse.ArgumentParser) -> None:
    promise.add_argument("--sku", action="append", required=True, help="goods or bundle; several lines are one basket")
    promise.add_argument("--quantity", action="append", required=True, type=number, help="pieces, one for each --sku")
    promise.add_argument("--by", type=day, metavar="DAY", help="day asked for (default: the day of the figures)")
    promise.add_argument(
        "--policy",
        choices=("full", "late", "partial"),
        default="partial",
        help="full: all on the day or nothing; late: all at once, if late; partial (default): what is there, then the rest",
    )
    promise.add_argument("--max-late-days", type=int, help="no delivery later than this many days after --by")
    promise.add_argument("--min-quantity", type=number, help="no delivery smaller than this, nor a rest")
    promise.add_argument("--warehouse", help="only out of this warehouse")
    promise.add_argument("--hold", metavar="NUMBER", help="the asker's own hold or order: its claim is left out")
    promise.add_argument("--pickup", metavar="STORE", help="to be fetched there")
    promise.add_argument(
        "--sources",
        choices=("local", "all"),
        default="all",
        help="for pick-up: local: only what the store has; all (default): the store first, then what warehouses send it",
    )


def _explain(options: argparse.Namespace) -> int:
    from orders_pipeline import explain
    from orders_pipeline.customers import explain as customers
    from orders_pipeline.health import explain as health
    from orders_pipeline.inventory import explain as stock

    if options.number.startswith(customers.PREFIX):
        person = customers.explain(home_of(options), options.number.removeprefix(customers.PREFIX))
        print_json(person) if options.json else print(customers.text(person))
        return 0
    if options.number.startswith(stock.PREFIX):
        found = stock.explain(home_of(options), options.number.removeprefix(stock.PREFIX), options.detail)
        print_json(found) if options.json else print(stock.text(found))
        return 0
    if options.number.startswith(health.PREFIX):
        try:
            day = date.fromisoformat(options.detail) if options.detail else None
        except ValueError:
            raise Usage(f"'{options.detail}' is no day; write 2026-03-25") from None
        score = health.explain(home_of(options), options.number.removeprefix(health.PREFIX), day)
        print_json(score) if options.json else print(health.text(score))
        return 0
    chain = explain.explain(home_of(options), options.number)
    print_json(chain) if options.json else print(explain.text(chain))
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
    found = promise.promise(home_of(options), request)
    print_json(found) if options.json else print(promise.text(found))
    return 0


def _files(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    rows = desk.files(home_of(options), options.status)
    print_json(rows) if options.json else print(
        desk.table(
            rows, ("path", "source", "status", "rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate", "reason")
        )
    )
    return 0


def _alerts(options: argparse.Namespace) -> int:
    from orders_pipeline.alerts import desk
    from orders_pipeline.ingest.desk import table

    if options.test:
        print(desk.test(home_of(options), options.test))
        return 0
    rows = desk.alerts(home_of(options), ended=options.all)
    print_json(rows) if options.json else print(
        table(rows, ("first_seen_at", "severity", "rule", "entity_type", "entity_id", "cleared_at", "message"))
    )
    return 0


def _lists(options: argparse.Namespace) -> int:
    from orders_pipeline.fulfilment.lists import write_lists, write_review

    written = [str(path) for path in (write_review if options.weekly else write_lists)(home_of(options))]
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
    path = desk.mark(home_of(options), options.order, options.mark, options.by, options.why, at)
    print(f"{path}\n`orders-pipeline run` brings it into the tables")
    return 0


def _report(options: argparse.Namespace) -> int:
    from orders_pipeline.publish.report.write import write_report

    written = write_report(home_of(options), options.out, options.language)
    print_json({"report": str(written), "bytes": written.stat().st_size}) if options.json else print(written)
    return 0
