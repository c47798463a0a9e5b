"""The finance workbook of a month: what is published of it, as sheets that add up before the reader's eyes."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home

LANGUAGES = ("zh", "en")


def default_path(home: Home, month: date, language: str) -> Path:
    """Where the workbook lies when nobody says where."""
    return home.published / "workbooks" / f"{month:%Y-%m}_{language}.xlsx"


def write(home: Home, month: date, language: str = LANGUAGES[0], out: Path | None = None) -> tuple[Path, bool]:
    """Write the workbook of a month; the file and whether it changed. The same book gives the same bytes.

    Raises Usage when nothing is published, or nothing of that month.
    """
    from orders_pipeline.publish.spreadsheet import replace_when_changed
    from orders_pipeline.publish.workbook.reading import read
    from orders_pipeline.publish.workbook.rendering import render

    path = out or default_path(home, month, language)
    content = render(read(home, month, language), path)
    try:
        return path, replace_when_changed(path, content)
    except OSError as error:
        raise Usage(f"cannot write {path}: {error.strerror}; name another file with --out") from error
