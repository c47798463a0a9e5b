"""Names and texts inside a statement. For what cannot be bound; values are bound wherever they can be."""

from __future__ import annotations


def quote(name: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
