"""HTML tables, usually named .xls by what exports them. No XML parser is involved: nothing is expanded or fetched."""

from __future__ import annotations

import html
import re
from pathlib import Path

from orders_pipeline.ingest.read.encoding import by_mark, looks_chinese
from orders_pipeline.ingest.read.grid import write_grid
from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.ingest.read.model import Table
from orders_pipeline.kernel.faults import BadInput

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\u00a0]+")
_SPAN_LIMIT = 1_000
# A tag, or markup that is none of ours. Nothing in it can be long without an end: time stays in proportion to the file.
_TAG = re.compile(
    r"""<!--|<(/?)([a-zA-Z][\w:]{0,30})((?:[^<>"']|"[^"<]{0,2000}"|'[^'<]{0,2000}')*+)>|<[!?][^<>]*+>""",
)
_SPAN = re.compile(r"""colspan\s*=\s*["']?\s*(\d{1,9})""", re.IGNORECASE)


class _Tables:
    """Collects the rows of every table; nested tables count as text of the outer cell's table."""

    def __init__(self, limits: Limits) -> None:
        self.tables: list[list[list[str]]] = []
        self._spanned_left = limits.spanned_cells
        self._depth = 0
        self._cell: list[str] | None = None
        self._span = 1

    def feed(self, text: str) -> None:
        """Read a whole document. Comments, scripts and styles that are never closed reach to its end, as in a browser."""
        position, end = 0, len(text)
        while position < end:
            found = _TAG.search(text, position)
            if found is None:
                self._text(text[position:])
                break
            self._text(text[position : found.start()])
            position = found.end()
            if found[0] == "<!--":
                close = text.find("-->", position)
                position = close + 3 if close >= 0 else end
                continue
            name = (found[2] or "").lower()
            if name in ("script", "style") and not found[1]:
                closing = re.compile(f"</{name}", re.IGNORECASE).search(text, position)
                position = closing.start() if closing else end
            elif found[1]:
                self._end(name)
            else:
                self._start(name, found[3] or "")
        self._end_cell()

    def _start(self, tag: str, attributes: str) -> None:
        if tag == "table":
            self._end_cell()
            self.tables.append([])
            self._depth += 1
        elif tag == "tr" and self._depth:
            self._end_cell()
            self.tables[-1].append([])
        elif tag in ("td", "th") and self._depth:
            self._end_cell()
            if not self.tables[-1]:
                self.tables[-1].append([])
            span = _SPAN.search(attributes)
            self._cell, self._span = [], min(int(span[1]), _SPAN_LIMIT) if span else 1
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def _end(self, tag: str) -> None:
        if tag in ("td", "th", "tr"):
            self._end_cell()
        elif tag == "table":
            self._end_cell()
            self._depth = max(0, self._depth - 1)

    def _text(self, text: str) -> None:
        if self._cell is not None and text:
            self._cell.append(html.unescape(text))

    def _end_cell(self) -> None:
        if self._cell is not None:
            text = _BLANKS.sub(" ", "".join(self._cell)).strip(" ")
            more = max(self._span, 1) - 1
            self._spanned_left -= more
            if self._spanned_left < 0:
                raise BadInput(
                    "cells of the HTML table claim more columns than a table has",
                    reason="html_too_large",
                    remedy="export it as CSV or XLSX",
                )
            self.tables[-1][-1].extend([text] + [""] * more)
            self._cell = None


def open_html(path: Path, work_dir: Path, limits: Limits) -> list[Table]:
    """The tables of an HTML document, row numbers counting the rows of each.

    Raises `BadInput` ``html_too_large``, ``encoding_unreadable`` or ``not_a_table`` (XML or a page without a table).
    """
    if path.stat().st_size > limits.html_bytes:
        raise BadInput(
            f"the HTML file is larger than {limits.html_bytes // MIB} MiB",
            reason="html_too_large",
            remedy="export it as CSV or XLSX",
        )
    parser = _Tables(limits)
    parser.feed(_decoded(path.read_bytes()))
    tables = []
    for number, rows in enumerate(parser.tables, 1):
        table = write_grid(
            enumerate(rows, 1),
            max(map(len, rows), default=0),
            name=path.name,
            kind="html",
            sheet=f"table {number}" if len(parser.tables) > 1 else None,
            work_dir=work_dir,
            limits=limits,
        )
        if table is not None:
            tables.append(table)
    if not tables:
        raise BadInput("the file is markup without a table", reason="not_a_table", remedy="export it as CSV or XLSX")
    return tables


def _decoded(data: bytes) -> str:
    mark = by_mark(data[:4])
    declared = _CHARSET.search(data[: 4 * 1024])
    names = [mark[0]] if mark else ["utf-8"]
    if not mark and declared and declared[1].lower() not in (b"utf-8", b"gb2312", b"gbk"):
        names.append(declared[1].decode("ascii"))
    names += ["gb18030"] if looks_chinese(data) else ["cp1252", "gb18030"]
    for name in names:
        try:
            return data.decode(name).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            continue
    raise BadInput("the text is in no known encoding", reason="encoding_unreadable", remedy="save it as UTF-8")
