"""What every workbook we write needs: text that stays text, and files that are replaced whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

#: A cell that begins like this is a formula to a spreadsheet, whoever wrote it.
FORMULA = re.compile(r"^\s*[=+\-@\t\r|%]")
#: What a cell of a workbook holds at most; xlsxwriter drops a longer text without a word.
LONGEST_TEXT = 32_767
#: Nothing in a cell becomes a formula or a link unless we write one.
PLAIN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def harmless(value: Any) -> Any:
    """The value as a spreadsheet shows it and never runs it: an apostrophe before what looks like a formula."""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def cell_text(value: str) -> str:
    """A text as a cell holds it: harmless, and cut where it is too long."""
    text = harmless(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def replace_when_changed(path: Path, content: bytes) -> bool:
    """Put the content in place, whole or not at all; the same content leaves the file untouched. Whether it changed."""
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)
    return True
