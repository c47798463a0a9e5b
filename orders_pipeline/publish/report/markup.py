"""HTML and SVG as nested calls: text is escaped unless it was made here, so that no title of a product becomes markup."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

#: Characters of a text that a table shows at most.
LONGEST = 200
VOID = frozenset({"br", "col", "hr", "meta", "link"})
#: Control characters have no place in HTML, and a browser may not show them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


class Safe(str):
    """Markup that is finished: it is not escaped again."""

    __slots__ = ()


@dataclass(frozen=True)
class Both:
    """The same in English and Chinese; the page shows one of them."""

    en: str
    zh: str


def tag(element: str, *content: Any, **attributes: Any) -> Safe:
    """An element. Names of attributes: `class_`, `for_`, `data_x` for data-x; None and False leave one out."""
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    if element in VOID:
        return Safe(f"<{element}{given}>")
    return Safe(f"<{element}{given}>{html(*content, within=element)}</{element}>")


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(_clean(str(value)))}"'


def html(*content: Any, within: str = "") -> Safe:
    """The content as markup: finished as it is, texts escaped, both languages side by side, lists one after the other."""
    return Safe("".join(_one(part, within) for part in content))


def _one(part: Any, within: str) -> str:
    if part is None:
        return ""
    if isinstance(part, Safe):
        return part
    if isinstance(part, Both):
        if part.en == part.zh:
            return escape(_clean(part.en), quote=False)
        # SVG text knows no span.
        name = "tspan" if within == "text" else "span"
        return f'<{name} lang="en">{escape(_clean(part.en), quote=False)}</{name}>' + (
            f'<{name} lang="zh">{escape(_clean(part.zh), quote=False)}</{name}>'
        )
    if isinstance(part, list | tuple):
        return html(*part, within=within)
    return escape(_clean(str(part)), quote=False)


def _clean(text: str) -> str:
    return _CONTROL.sub("\ufffd", text)


def foreign(text: Any) -> Safe | None:
    """Somebody else's text: kept apart, so that its direction of writing turns nothing over beside it, and not endless."""
    return None if text is None else tag("bdi", shortened(str(text)))


def shortened(text: str, longest: int = LONGEST) -> str:
    """The text, or its beginning where it is longer than this."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
