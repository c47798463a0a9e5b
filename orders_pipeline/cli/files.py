"""What is read, and what could not be: channel, quarantine, products."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from orders_pipeline.cli.options import action, as_of_option, command, home_of, home_option, json_option, print_json
from orders_pipeline.kernel.faults import Usage


def add(commands) -> None:
    """These commands with their options."""
    channel = command(
        commands,
        "channel",
        "the sources of the dictionary",
        None,
        example="orders-pipeline channel check my_source.yml",
        home=False,
    )
    inner = channel.add_subparsers(dest="action", required=True, metavar="ACTION")
    json_option(action(inner, "list", "every known source with its channel and entities", _channel_list))
    suggest = action(inner, "suggest", "propose a source description for a file of an unknown platform", _channel_suggest)
    suggest.epilog = "example: orders-pipeline channel suggest orders.csv --channel kuaishou --out kuaishou_orders.yml"
    suggest.add_argument("file", type=Path, help="a file as the platform gives it")
    suggest.add_argument("--out", type=Path, help="write the YAML here (default: print it)")
    suggest.add_argument("--channel", help="code of the channel (default: made of the file's name)")
    json_option(suggest)
    check = action(inner, "check", "check a source description before it is added", _channel_check)
    check.add_argument("file", type=Path, nargs="?", help="a source YAML; without one: words nobody has mapped")
    home_option(check)
    json_option(check)

    report = action(inner, "report", "the health report of a month's channels, as CSV and workbook", _channel_report)
    report.epilog = "example: orders-pipeline channel report 2026-01"
    report.add_argument("month", help="the month, such as 2026-01")
    home_option(report)
    json_option(report)

    release = action(
        inner, "release", "take the files of a channel that is held because paid orders are missing", _channel_release
    )
    release.add_argument("channel", help="code of the channel")
    release.add_argument("--by", required=True, help="who decides")
    release.add_argument("--why", required=True, help="why")
    release.add_argument("--at", help="when it was decided, with offset (default: now); it counts from then on")
    home_option(release)

    quarantine = command(
        commands,
        "quarantine",
        "rows that were set aside: list, show, fix, release",
        None,
        example="orders-pipeline quarantine fix 5f0c… 17 --set 买家应付货款=120.50 --by li.na --why 'typed with a comma'",
        home=False,
    )
    _quarantine_commands(quarantine)

    products = command(
        commands,
        "products",
        "product titles and their standard names",
        None,
        example="orders-pipeline products suggest --accept --by li.na --at-least 0.9",
        home=False,
    )
    named = products.add_subparsers(dest="action", required=True, metavar="ACTION")
    suggest = action(named, "suggest", "titles without a standard name, each with the nearest known one", _products_suggest)
    suggest.add_argument("--accept", action="store_true", help="write the near ones as a decision file; the next run takes it in")
    suggest.add_argument("--at-least", type=float, default=0.9, help="confidence from which --accept takes one (default 0.9)")
    suggest.add_argument("--by", help="who decides (needed with --accept)")
    suggest.add_argument("--why", default="nearest known name", help="why")
    home_option(suggest)
    json_option(suggest)


def _quarantine_commands(quarantine: argparse.ArgumentParser) -> None:
    inner = quarantine.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = action(inner, "list", "what is set aside, by file and reason", _quarantine_list)
    listed.add_argument("--reason")
    listed.add_argument("--summary", action="store_true", help="how many rows for which reason, by file and field")
    json_option(listed)
    show = action(inner, "show", "one row: its text and what the rule wanted", _quarantine_show)
    fix = action(inner, "fix", "correct cells of a row; kept with author and reason", _quarantine_fix)
    release = action(inner, "release", "read a row and its family again, with its corrections", _quarantine_release)
    for parser in (listed, show, fix, release):
        home_option(parser)
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
    as_of_option(release)


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
    print_json(rows) if options.json else print(table(rows, ("source", "channel", "timezone", "entities", "title", "title_zh")))
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
        print_json(proposal)
    elif options.out:
        print(suggest.summary(found, options.out))
    else:
        print(proposal["yaml"], end="")
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


def _channel_unmapped(options: argparse.Namespace) -> int:
    from orders_pipeline.cleaning import desk
    from orders_pipeline.ingest.desk import table

    rows = desk.unmapped(home_of(options))
    print_json(rows) if options.json else print(
        table(rows, ("source", "field", "raw_value", "value_count", "path", "row_number")) if rows else "every word is mapped"
    )
    return 0


def _channel_report(options: argparse.Namespace) -> int:
    from orders_pipeline.finance.close import parse_month
    from orders_pipeline.health import report

    written = [str(path) for path in report.write(home_of(options), parse_month(options.month))]
    print(json.dumps(written, ensure_ascii=False) if options.json else "\n".join(written))
    return 0


def _channel_release(options: argparse.Namespace) -> int:
    from orders_pipeline.kernel.clock import parse_as_of
    from orders_pipeline.reconciliation import desk

    at = parse_as_of(options.at) if options.at else None
    path = desk.release(home_of(options), options.channel, options.by, options.why, at)
    print(f"{path}\n`orders-pipeline run` takes the files that wait")
    return 0


def _quarantine_list(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    if options.summary:
        rows = desk.reasons(home_of(options))
        print_json(rows) if options.json else print(desk.table(rows, ("rows", "reason", "path", "entity", "field", "first_row")))
        return 0
    rows = desk.quarantined(home_of(options), options.reason)
    print_json(rows) if options.json else print(
        desk.table(rows, ("file_id", "row_number", "path", "entity", "reason", "field", "detail"))
    )
    return 0


def _quarantine_show(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    print(desk.show(home_of(options), options.file_id, options.row))
    return 0


def _quarantine_fix(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk

    if options.source:
        print(desk.fix_from(home_of(options), options.source))
        return 0
    _row_and_author(options)
    pairs = [text.partition("=") for text in options.set]
    if not pairs or any(not name or not sign for name, sign, _ in pairs):
        raise Usage("--set takes COLUMN=VALUE, with the column's name as in the file")
    changes = {name: value for name, _, value in pairs}
    print(desk.fix(home_of(options), options.file_id, options.row, changes, options.by, options.why))
    return 0


def _row_and_author(options: argparse.Namespace) -> None:
    """A decision about one row names it, its author and the reason."""
    if options.file_id is None or options.row is None or not options.by or not options.why:
        raise Usage("give the row (FILE_ID and line), --by and --why; `orders-pipeline quarantine --help` shows examples")


def _quarantine_release(options: argparse.Namespace) -> int:
    from orders_pipeline.ingest import desk
    from orders_pipeline.kernel.clock import parse_as_of

    home, as_of = home_of(options), parse_as_of(options.as_of)
    if options.reason and options.file_id is None and options.by and options.why:
        outcome = desk.release_all(home, options.reason, options.path, options.by, options.why, as_of)
    else:
        _row_and_author(options)
        outcome = desk.release(home, options.file_id, options.row, options.by, options.why, as_of)
    print(outcome.text)
    return 0 if outcome.released else 1


def _products_suggest(options: argparse.Namespace) -> int:
    from orders_pipeline.cleaning import desk
    from orders_pipeline.ingest.desk import table

    if options.accept and not options.by:
        raise Usage("--accept writes a decision: say who decides with --by")
    if not 0 < options.at_least <= 1:
        raise Usage("--at-least is a share above 0 and up to 1, such as 0.9")
    rows = desk.suggest(home_of(options))
    if options.accept:
        near = [r for r in rows if r["product_name"] and r["confidence"] >= options.at_least]
        path = desk.accept(home_of(options), near, options.by, options.why)
        print(f"{len(near)} of {len(rows)} titles named in {path}; `orders-pipeline run` brings them into the tables")
        return 0
    print_json(rows) if options.json else print(table(rows, ("title", "line_count", "product_name", "confidence")))
    return 0
