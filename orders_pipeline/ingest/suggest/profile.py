"""What the cells of an unknown file look like: shapes per column, measured by DuckDB on the first rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orders_pipeline.dictionary.model import GLOBAL_NULLS
from orders_pipeline.ingest import cells, signs
from orders_pipeline.ingest.cells import is_one_of
from orders_pipeline.ingest.load import DEFAULT_TOTAL_WORDS
from orders_pipeline.ingest.read import Table, discard, load_rows, normalise, read_csv_sql
from orders_pipeline.kernel.faults import BadInput
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.warehouse import records

SAMPLE = "suggest_sample"
#: Rows looked at: enough for shapes and relations, and a file of a gigabyte is answered at once.
SAMPLE_ROWS = 5_000
WORDS_MAX = 60
_NULLS = (*GLOBAL_NULLS, "任意时间", "无退款申请")

_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
#: Ways of writing an instant: name -> pattern of the whole cell. `readable` ones the mapper reads as they are.
TIME_FORMS = {
    "iso": r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?([ t]\s*\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?\s*(z|utc|[+-]\d{2}:?\d{2}|[+-]\d{2})?",
    "numeric": r"\d{1,2}[/.\-]\d{1,2}[/.\-]\d{4}([ ,t]+\d{1,2}:\d{2}(:\d{2})?(\s*[ap]m)?)?",
    "worded": rf"({_MONTH}[a-z]*[ .\-]+\d{{1,2}},?[ \-]+\d{{2,4}}|\d{{1,2}}[ .\-]+{_MONTH}[a-z]*[ .\-,]+\d{{2,4}})"
    r"([ ,]+\d{1,2}:\d{2}.*)?",
}
_SHAPES = {
    "time": " OR ".join(f"regexp_full_match(lower(x), {literal(p)})" for p in TIME_FORMS.values()),
    "iso": f"regexp_full_match(lower(x), {literal(TIME_FORMS['iso'])})",
    "numeric_date": f"regexp_full_match(lower(x), {literal(TIME_FORMS['numeric'])})",
    "clock": r"regexp_matches(x, '\d{1,2}:\d{2}')",
    "offset": "has_offset(x)",
    "number": "number(x) IS NOT NULL",
    "comma": r"regexp_full_match(x, '-?\d{1,3}(\.\d{3})*,\d{1,4}|-?\d+,\d{1,2}')",
    "decimals": r"regexp_full_match(regexp_replace(x, '[^0-9.,]', '', 'g'), '.*[.,]\d{1,6}')",
    "integer": r"regexp_full_match(x, '-?\d{1,9}(\.0)?')",
    "negative": r"regexp_matches(x, '^\s*[-(（]')",
    "money_sign": "has_sign(x) AND number(x) IS NOT NULL",
    "id": r"regexp_full_match(x, '[A-Za-z0-9][A-Za-z0-9_/\-]{5,60}') AND regexp_matches(x, '\d')",
    "long_digits": r"regexp_full_match(x, '\d{9,}')",
    "phone": r"regexp_full_match(x, '\+?[\d\-() .]{7,20}') AND length(regexp_replace(x, '[^0-9]', '', 'g')) BETWEEN 7 AND 15",
    "masked": r"contains(x, '*') OR starts_with(x, '##') OR starts_with(x, '$$')",
    "truth": "truth(x) IS NOT NULL",
    "email": r"regexp_full_match(x, '[^@\s]+@[^@\s]+\.[^@\s]+')",
    "url": r"regexp_matches(x, '^https?://')",
    "percent": r"regexp_full_match(x, '-?[\d.]+\s*%')",
    "cjk": r"regexp_matches(x, '[\x{4e00}-\x{9fff}]')",
    "currency": f"regexp_full_match(x, '[A-Za-z]{{3}}|{'|'.join(signs.NAMES)}')",
    "spaced": "contains(x, ' ')",
    "letters": r"NOT regexp_matches(x, '\d')",
}

#: Whether cells count the rows: from how many on, and from where.
_COUNTER = (
    "count(*) >= 8 AND count(DISTINCT x) = count(*) AND count(TRY_CAST(x AS BIGINT)) = count(*) "
    "AND min(TRY_CAST(x AS BIGINT)) IN (0, 1) AND max(TRY_CAST(x AS BIGINT)) - min(TRY_CAST(x AS BIGINT)) = count(*) - 1"
)


@dataclass(frozen=True)
class Column:
    """One column of the file: its place and name, and shares (0 … 1) of its filled cells that have each shape.

    `counter`: its cells are 1, 2, 3 … or 0, 1, 2 … down the file.
    """

    index: int
    name: str
    filled: float
    distinct: int
    count: int
    shapes: Mapping[str, float]
    length: float
    words: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    counter: bool = False

    @property
    def handle(self) -> str:
        return f"c{self.index}"

    def share(self, shape: str) -> float:
        return self.shapes.get(shape, 0.0)

    @property
    def blank(self) -> bool:
        return self.count == 0

    @property
    def constant(self) -> bool:
        return self.count > 1 and self.distinct == 1

    @property
    def unique(self) -> bool:
        return self.count > 1 and self.distinct == self.count


@dataclass
class Profile:
    """A file's table: header line (1-based), columns, and where its sample lies in the connection (`SAMPLE`)."""

    table: Table
    header_line: int
    columns: list[Column]
    rows: int
    whole: bool
    preamble: list[str] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)
    decimal: str | None = None
    date_order: str | None = None
    date_examples: tuple[str, ...] = ()


def take_profile(connection: duckdb.DuckDBPyConnection, table: Table, header_line: int, work: Path) -> Profile:
    """Sample a table below its header and measure its columns. The sample stays in `SAMPLE` as cleaned text.

    Raises BadInput when the body cannot be read at all.
    """
    cells.install(connection, b"suggestions hash nothing")
    marks = ("#",) if _hash_lines(table, header_line) else ()
    csv = normalise(table, header_line, footer_prefixes=marks, work_dir=work, total_words=DEFAULT_TOTAL_WORDS)
    columns = csv.columns
    try:
        try:
            relation = read_csv_sql(csv, rejects=None if csv.parquet else SAMPLE)
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {SAMPLE}_raw AS SELECT {', '.join(columns)} FROM {relation} LIMIT {SAMPLE_ROWS}"
            )
        except duckdb.Error:  # the fast way cannot read it: the careful one says what is wrong, row by row
            loaded = load_rows(connection, f"{SAMPLE}_raw", csv, temporary=True)
            discard(loaded.csv, table)
        _clean(connection, columns)
    finally:
        discard(csv, table)
    rows = connection.execute(f"SELECT count(*) FROM {SAMPLE}").fetchall()[0][0]
    header = [*table.header_cells(header_line), *[""] * len(columns)]
    measured = _measure(connection, header[: len(columns)], rows)
    found = Profile(table, header_line, measured, rows, rows < SAMPLE_ROWS, csv.preamble, csv.footers)
    found.decimal = _decimal(measured)
    _date_order(connection, found)
    return found


def _hash_lines(table: Table, header_line: int) -> bool:
    above = [line for line in table.head_text[: header_line - 1] if line.strip()]
    return bool(above) and above[0].startswith("#")


def _clean(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    """The sample as clean text: once as it was (`SAMPLE`) and once as one row per filled cell (`SAMPLE_cells`: r, c, x)."""
    listed = ", ".join(columns)
    total = " OR ".join(f"({is_one_of(f'coalesce(trim({c}), chr(0))', DEFAULT_TOTAL_WORDS)})" for c in columns[:2])
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {SAMPLE}_cells AS SELECT r, c, x FROM (SELECT r, c, plain_id(undisguised(v)) AS x FROM "
        f"(UNPIVOT (SELECT rowid AS r, {listed} FROM {SAMPLE}_raw WHERE NOT ({total}) LIMIT {SAMPLE_ROWS}) "
        f"ON {listed} INTO NAME c VALUE v)) "
        f"WHERE x IS NOT NULL AND NOT ({is_one_of('x', _NULLS)})"
    )
    wide = ", ".join(f"max(x) FILTER (c = {literal(c)}) AS {c}" for c in columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {SAMPLE} AS SELECT r, {wide} FROM {SAMPLE}_cells GROUP BY r ORDER BY r")


def _measure(connection: duckdb.DuckDBPyConnection, names: Sequence[str], rows: int) -> list[Column]:
    shares = ", ".join(f"avg(CAST(({sql}) AS INTEGER)) AS {shape}" for shape, sql in _SHAPES.items())
    measured = records(
        connection,
        f"SELECT c, count(*) AS n, count(DISTINCT x) AS d, avg(length(x)) AS l, {_COUNTER} AS counter, {shares} "
        f"FROM {SAMPLE}_cells GROUP BY c",
    )
    facts = {row["c"]: row for row in measured}
    listed: dict[str, list[str]] = {}
    for cell, word in connection.execute(
        f"SELECT c, x FROM (SELECT c, x, count(*) AS n FROM {SAMPLE}_cells GROUP BY ALL) "
        f"QUALIFY row_number() OVER (PARTITION BY c ORDER BY n DESC, x) <= {WORDS_MAX + 1} ORDER BY c, n DESC, x"
    ).fetchall():
        listed.setdefault(cell, []).append(word)
    columns = []
    for index, name in enumerate(names):
        fact, words = facts.get(f"c{index}", {}), tuple(listed.get(f"c{index}", ()))
        shapes = {shape: float(fact.get(shape) or 0.0) for shape in _SHAPES}
        count = fact.get("n", 0)
        columns.append(
            Column(
                index, name, count / rows if rows else 0.0, fact.get("d", 0), count, shapes, float(fact.get("l") or 0.0),
                words if len(words) <= WORDS_MAX else (), words[:5], bool(fact.get("counter")),
            )
        )  # fmt: skip
    return columns


def _decimal(columns: Sequence[Column]) -> str | None:
    """`comma` when money is written 1.234,50: columns of such numbers that are none with a point."""
    commas = [c for c in columns if c.count and c.share("comma") >= 0.5 and c.share("comma") > c.share("number")]
    points = [c for c in columns if c.count and c.share("decimals") >= 0.5 and c.share("number") >= 0.95 and c.share("iso") < 0.5]
    return "comma" if commas and len(commas) >= len(points) else None


def _date_order(connection: duckdb.DuckDBPyConnection, profile: Profile) -> None:
    """mdy or dmy where some day is above twelve; `?` where every date could be either."""
    dated = [c for c in profile.columns if c.share("numeric_date") >= 0.5]
    if not dated:
        return
    first = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-]\d{4}")
    day_first = month_first = False
    examples: list[str] = []
    for column in dated:
        for (text,) in connection.execute(
            f"SELECT DISTINCT {column.handle} FROM {SAMPLE} WHERE {column.handle} IS NOT NULL"
        ).fetchall():
            match = first.match(text)
            if match:
                day_first |= int(match[1]) > 12
                month_first |= int(match[2]) > 12
                examples = [*examples, text][:3]
    profile.date_order = "dmy" if day_first and not month_first else "mdy" if month_first and not day_first else "?"
    profile.date_examples = tuple(examples)


def find_header(table: Table, likely: Sequence[float]) -> int:
    """The header's line (1-based): where `likely`, a number for each head line, is highest. Raises BadInput when none is one."""
    best = max(range(len(likely)), key=lambda i: (likely[i], -i), default=None)
    if best is None or likely[best] <= 0:
        raise BadInput(
            "no line of the file looks like a header", reason="no_header", remedy="give the file's column names in one line"
        )
    return best + 1
