"""What the command `report` and the Dagster asset do: make the page of the published file and put it in place."""

from __future__ import annotations

from pathlib import Path

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published
from orders_pipeline.publish.report.book import Book

NAME = "report.html"


def write_report(home: Home, out: Path | None = None, language: str = "zh") -> Path:
    """Write the report of what is published now to `out` (default `published/report.html`), renamed into place; returns the file.

    `language`: the one the page opens in. Raises Usage before the first run, and where `out` cannot be written.
    """
    from orders_pipeline.publish.report.page import page

    with open_published(home) as connection:
        text = page(Book(connection), language)
    target = out or home.published / NAME
    draft = target.with_name(f".{target.name}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(target)
    except OSError as error:
        raise Usage(f"cannot write {target}: {error.strerror}; give another place with --out") from error
    return target
