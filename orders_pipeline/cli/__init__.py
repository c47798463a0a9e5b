"""`orders-pipeline`: thin. Every command calls a room; nothing is decided here.

Exit codes: 0 done, 1 a check failed or input was refused, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from orders_pipeline.cli import answers, files, money, running
from orders_pipeline.kernel.faults import Fault, Usage


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
    for room in (running, answers, files, money):
        room.add(commands)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return version("orders-pipeline")
