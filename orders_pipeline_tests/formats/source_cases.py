"""`sources/<source>.yml`: a file given, the standard rows expected of it. Anyone who knows the platform can read and extend them.

A case of a source:

    - case: what it shows
      headers: jd_order_2016       # optional: write the file with this whole header list (where the shared folder has it);
                                   # without it the header is the columns that the rows name, in order of first appearance
      every_row: {column: cell}    # optional: cells all rows share
      rows:                        # one mapping header -> cell per row of the file; a column left out is blank
        - {订单号: '="123"', 商品名称: 茶杯}
      expect:                      # entity -> its rows in the columns that matter; an entity not named here must get no row
        orders:
          - {channel_order_id: "123", status: paid, paid_at: 2026-05-01 10:00:00+08:00}
      quarantine:                  # optional, default none: rows set aside, in the columns that matter
        - {row_number: 3, reason: unreadable_money, field: payable_amount}
      refused: control_total       # instead of expect: the file as a whole is refused with this reason

How the file is written, all optional: `format` csv (default) | tsv | xlsx | json | text, `encoding` (utf-8), `quoting` (yes | no),
`name` of the file, `folder` it lies in (`shop=7`), `before` and `after`: physical lines around the table (in a sheet: rows of cells),
`numbers`: columns that a sheet keeps as numbers, `json` or `text`: the content itself instead of rows.

The YAML is read as text throughout: `0012` stays 0012, a blank is nothing. An expected value is cast to the column's type, so
`12.5` equals 12.50 and a time may be written in any zone (UTC where it names none).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orders_pipeline.kernel.sqltext import quote
from orders_pipeline_tests import support

FOLDER = Path(__file__).parent / "sources"
Case = Mapping[str, Any]
KNOWN = {
    "case", "headers", "every_row", "rows", "expect", "quarantine", "refused", "format", "encoding", "quoting", "name", "folder",
    "before", "after", "numbers", "json", "text",
}
ENDINGS = {"csv": "csv", "tsv": "txt", "xlsx": "xlsx", "json": "json", "text": "csv"}


def load_cases() -> list[tuple[str, Case]]:
    """(source, case) of every file in `sources/`."""
    found = []
    for path in sorted(FOLDER.glob("*.yml")):
        for case in yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader):  # noqa: S506 - makes nothing but text
            assert case.keys() <= KNOWN, f"{path.name}, {case.get('case')}: unknown keys {sorted(case.keys() - KNOWN)}"
            found.append((path.stem, case))
    return found


def write_file(case: Case, folder: Path, stem: str) -> Path:
    """The case's file, written into the folder."""
    kind = case.get("format", "csv")
    path = folder / case.get("folder", "") / case.get("name", f"{stem}.{ENDINGS[kind]}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "xlsx":
        _write_workbook(path, case)
    elif kind == "json":
        path.write_text(case["json"] if isinstance(case["json"], str) else json.dumps(case["json"]), encoding="utf-8")
    else:
        text = case["text"] if kind == "text" else _delimited(case, "\t" if kind == "tsv" else ",")
        path.write_bytes(text.encode(case.get("encoding", "utf-8")))
    return path


def header_of(case: Case) -> list[str]:
    """The header the case's file gets."""
    named = list(dict.fromkeys([*case.get("every_row", {}), *(column for row in case["rows"] for column in row)]))
    path = support.SHARED / "formats" / "headers.json"
    if "headers" not in case or not path.exists():
        return named
    header = json.loads(path.read_text(encoding="utf-8"))[case["headers"]]
    assert set(named) <= set(header), f"not in {case['headers']}: {sorted(set(named) - set(header))}"
    return header


def _cells(case: Case) -> list[list[str]]:
    header = header_of(case)
    rows = [{**case.get("every_row", {}), **row} for row in case["rows"]]
    return [header, *([row.get(column, "") for column in header] for row in rows)]


def _delimited(case: Case, delimiter: str) -> str:
    out = io.StringIO()
    if case.get("quoting", "yes") == "no":
        out.writelines(delimiter.join(row) + "\n" for row in _cells(case))
    else:
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(_cells(case))
    around = ["".join(f"{line}\n" for line in case.get(key, ())) for key in ("before", "after")]
    return around[0] + out.getvalue() + around[1]


def _write_workbook(path: Path, case: Case) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    for line in case.get("before", ()):
        sheet.append([line] if isinstance(line, str) else line)
    header, *rows = _cells(case)
    sheet.append(header)
    for row in rows:
        sheet.append([_sheet_cell(cell, name in case.get("numbers", ())) for name, cell in zip(header, row, strict=True)])
    for line in case.get("after", ()):
        sheet.append([line] if isinstance(line, str) else line)
    book.save(path)


def _sheet_cell(cell: str, is_number: bool) -> str | float | None:
    return float(cell) if cell and is_number else cell or None


def expected_rows(
    connection: duckdb.DuckDBPyConnection, table: str, wanted: Sequence[Mapping[str, str]]
) -> tuple[list[str], list[tuple]]:
    """(columns that any wanted row names, wanted rows as the table would hold them)."""
    types = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}
    columns = list(dict.fromkeys(column for row in wanted for column in row))
    assert set(columns) <= types.keys(), f"{table} has no column {sorted(set(columns) - types.keys())}"
    made = []
    for row in wanted:
        casts = ", ".join(f"CAST(nullif(?, '') AS {types[c]})" for c in columns)
        made.append(connection.execute(f"SELECT {casts}", [row.get(c, "") for c in columns]).fetchall()[0])
    return columns, made


def rows_of(connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], path: str) -> list[tuple]:
    """The rows of a raw table that came from the file, or from a table inside it, at a landing path."""
    chosen = ", ".join(f"t.{quote(c)}" for c in columns) or "1"
    return connection.execute(
        f"SELECT {chosen} FROM {table} AS t JOIN raw.files AS f USING (file_id) WHERE f.path = $path OR starts_with(f.path, $path || '#')",
        {"path": path},
    ).fetchall()
