"""What all commands share: options of the same meaning, and how an answer is printed."""

from __future__ import annotations

import argparse
import json
from datetime import date
from decimal import Decimal, InvalidOperation

from orders_pipeline.kernel.home import Home, find_home


def command(commands, name: str, text: str, run, example: str, home: bool = True) -> argparse.ArgumentParser:
    """A command with an example; `run` takes the options and gives the exit code, None where actions follow."""
    parser = action(commands, name, text, run)
    parser.epilog = f"example: {example}"
    if home:
        home_option(parser)
    return parser


def action(commands, name: str, text: str, run) -> argparse.ArgumentParser:
    """A command, or an action of one, that takes only the options it is given."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def home_option(parser: argparse.ArgumentParser) -> None:
    """Which installation."""
    parser.add_argument("--home", help="folder of the installation (default: $ORDERS_PIPELINE_HOME, else data)")


def as_of_option(parser: argparse.ArgumentParser) -> None:
    """The clock."""
    parser.add_argument("--as-of", help="the clock of this run, with offset (default: now)")


def json_option(parser: argparse.ArgumentParser) -> None:
    """For scripts."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def home_of(options: argparse.Namespace) -> Home:
    """The installation the options name."""
    return find_home(getattr(options, "home", None))


def print_json(value: object) -> None:
    """An answer for scripts."""
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def number(text: str) -> Decimal:
    """A number without loss."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None


def day(text: str) -> date:
    """A day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day; write 2026-03-25") from None
