"""Tables and code marks in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def cell(value: Any) -> str:
    """A value inside a table: one line, its bars kept from ending the cell."""
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ").strip()


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """The lines of a table and a blank one after it."""
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    return [*lines, *(f"| {' | '.join(cell(c) for c in row)} |" for row in rows), ""]


def facts(pairs: Iterable[tuple[str, Any]]) -> list[str]:
    """A table of two columns without a head; what has no value is left out."""
    return table(("", ""), ((name, value) for name, value in pairs if value))


def code(value: Any) -> str:
    """A value in code marks."""
    return f"`{value}`" if "`" not in str(value) else f"`` {value} ``"


def codes(values: Iterable[Any]) -> str:
    """Several values in code marks."""
    return ", ".join(code(v) for v in values)


def titles(title: Mapping[str, str]) -> str:
    """A title in both languages."""
    return " · ".join(t for t in (title.get("en"), title.get("zh")) if t)


def anchor(heading: str) -> str:
    """What a link to a heading of the same page ends in."""
    return "".join(c for c in heading.lower() if c.isalnum() or c in " -_").replace(" ", "-")
