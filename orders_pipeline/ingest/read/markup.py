"""HTML tables, usually named .xls by what exports them. No XML parser is involved: nothing is expanded or fetched."""

from __future__ import annotations

import html.parser
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


class _Tables(html.parser.HTMLParser):
    """Collects the rows of every table; nested tables count as text of the outer cell's table."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self._depth = 0
        self._cell: list[str] | None = None
        self._span = 1
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._silent += 1
        elif tag == "table":
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
            self._cell, span = [], dict(attrs).get("colspan") or "1"
            self._span = min(int(span), _SPAN_LIMIT) if span.isdigit() else 1
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._silent = max(0, self._silent - 1)
        elif tag in ("td", "th", "tr"):
            self._end_cell()
        elif tag == "table":
            self._end_cell()
            self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._silent:
            self._cell.append(data)

    def close(self) -> None:
        super().close()
        self._end_cell()

    def _end_cell(self) -> None:
        if self._cell is not None:
            text = _BLANKS.sub(" ", "".join(self._cell)).strip(" ")
            self.tables[-1][-1].extend([text] + [""] * (max(self._span, 1) - 1))
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
    parser = _Tables()
    parser.feed(_decoded(path.read_bytes()))
    parser.close()
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
