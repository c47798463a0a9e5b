"""Physical lines to records and cells, with the rules DuckDB's strict mode applies - and a resynchronising repair.

A cell that starts with a quote is quoted: it ends at the next single quote, which a delimiter or the end of the line
must follow (blanks and tabs in between are forgiven, `"123"<tab>,` is what some exporters write). A quote further
inside an unquoted cell is an ordinary character. When a quote opens and never closes sensibly, only the line it is on
is broken, and reading goes on with the next line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from orders_pipeline.ingest.read.limits import Limits
from orders_pipeline.ingest.read.model import Dialect

QUOTE_NOT_CLOSED = "quote_not_closed"
TEXT_AFTER_QUOTE = "text_after_quote"

Line = tuple[int, str]


@dataclass(frozen=True)
class Record:
    """A record's text on lines ``line`` … ``last_line`` without its line end; ``problem`` is "" or a broken reason."""

    line: int
    last_line: int
    text: str
    problem: str = ""


@dataclass(frozen=True)
class _Grammar:
    whole: re.Pattern[str]
    opened: re.Pattern[str]
    still_open: re.Pattern[str]
    closed: re.Pattern[str]
    inside: re.Pattern[str]
    cell: re.Pattern[str]
    padded_quote: re.Pattern[str]


@cache
def _grammar(delimiter: str) -> _Grammar:
    d = re.escape(delimiter)
    inside = r'(?:[^"]++|"")*+'
    padding = "[ ]" if delimiter == "\t" else r"[ \t]"
    quoted = rf'[ ]*+"{inside}"{padding}*+(?={d}|\Z)'
    plain = rf'(?![ ]*+")[^{d}]*+'
    cell = rf"(?:{quoted}|{plain})"
    opening = rf'[ ]*+"{inside}\Z'
    after = rf'{inside}"{padding}*+(?={d}|\Z)'
    flags = re.DOTALL
    return _Grammar(
        whole=re.compile(rf"{cell}(?:{d}{cell})*+\Z", flags),
        opened=re.compile(rf"(?:{cell}{d})*+{opening}", flags),
        still_open=re.compile(rf"{after}(?:{d}{cell})*+{d}{opening}", flags),
        closed=re.compile(rf"{after}(?:{d}{cell})*+\Z", flags),
        inside=re.compile(rf"{inside}\Z", flags),
        cell=re.compile(rf"(?:\A|{d})({cell})", flags),
        padded_quote=re.compile(rf'"{padding}+(?:{d}|\n|\Z)'),
    )


def records(
    lines: Iterable[Line],
    dialect: Dialect,
    limits: Limits,
    *,
    verify: bool = True,
    ahead: deque[Line] | None = None,
    fits: Callable[[str], bool] | None = None,
) -> Iterator[Record]:
    """Group numbered physical lines into records; every line ends up in exactly one record.

    Without ``verify`` only lines with an odd number of quotes are looked at (the others are left for DuckDB to judge).
    ``ahead`` holds the lines that were looked at and not used yet; a caller that stops early finds them there.
    ``fits`` says whether lines joined by an open quote make a sensible record; if not, the quote was a stray one.
    """
    source = iter(lines)
    ahead = deque() if ahead is None else ahead
    while True:
        number, text = ahead.popleft() if ahead else next(source, (0, ""))
        if not number:
            return
        if not dialect.quote or '"' not in text or not (verify or text.count('"') % 2):
            yield Record(number, number, text)
            continue
        grammar = _grammar(dialect.delimiter)
        if grammar.whole.match(text):
            yield Record(number, number, text)
        elif not grammar.opened.match(text):
            yield Record(number, number, text, TEXT_AFTER_QUOTE)
        else:
            joined = _join(number, text, source, ahead, grammar, limits, fits)
            yield joined or Record(number, number, text, QUOTE_NOT_CLOSED)


def _join(
    number: int,
    text: str,
    source: Iterator[Line],
    ahead: deque[Line],
    grammar: _Grammar,
    limits: Limits,
    fits: Callable[[str], bool] | None,
) -> Record | None:
    """Add lines until the quoted cell closes; None when it does not, and the lines wait in ``ahead`` again."""
    parts, length, taken = [text], len(text), 0
    while taken < limits.record_lines and length <= limits.cell_chars:
        if taken == len(ahead):
            following = next(source, None)
            if following is None:
                return None
            ahead.append(following)
        line, more = ahead[taken]
        taken += 1
        parts.append(more)
        length += len(more) + 1
        if '"' not in more or grammar.inside.match(more) or grammar.still_open.match(more):
            continue
        if not grammar.closed.match(more):
            return None
        joined = "\n".join(parts)
        if fits is not None and not fits(joined):
            return None
        for _ in range(taken):
            ahead.popleft()
        return Record(number, line, joined)
    return None


def split(text: str, dialect: Dialect) -> list[str]:
    """The cells of a record, unquoted. Broken text is split at every delimiter."""
    if dialect.delimiter == TICKED:  # header lines have no backticks
        return text[1:].split(TICKED) if text.startswith("`") else text.split(",")
    if not dialect.quote or '"' not in text:
        return text.split(dialect.delimiter)
    grammar = _grammar(dialect.delimiter)
    if not grammar.whole.match(text):
        return text.split(dialect.delimiter)
    return [_unquote(cell) for cell in grammar.cell.findall(text)]


def count_cells(text: str, dialect: Dialect) -> int:
    """Number of cells of a well-formed record."""
    if not dialect.quote or '"' not in text:
        return text.count(dialect.delimiter) + 1
    return len(_grammar(dialect.delimiter).cell.findall(text))


def has_padded_quotes(text: str, dialect: Dialect) -> bool:
    """Whether blanks stand between a quote and the delimiter or line end after it, which strict readers refuse."""
    return bool(dialect.quote) and _grammar(dialect.delimiter).padded_quote.search(text) is not None


def _unquote(cell: str) -> str:
    bare = cell.strip(" \t")
    if len(bare) >= 2 and bare[0] == '"' and bare[-1] == '"':
        return bare[1:-1].replace('""', '"')
    return cell


def join_cells(cells: list[str], dialect: Dialect) -> str:
    """Cells as one well-formed record, quoted where needed."""
    return dialect.delimiter.join(_quote(cell, dialect) for cell in cells)


def _quote(cell: str, dialect: Dialect) -> str:
    if dialect.quote and ('"' in cell or dialect.delimiter in cell or "\n" in cell or "\r" in cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell


#: What separates the cells of a bill that puts a backtick before every value.
TICKED = ",`"
_CANDIDATES = (",", "\t", ";", "|")


def guess_dialect(lines: list[str]) -> Dialect:
    """Delimiter and quoting from the first lines.

    The delimiter is the one that most lines agree on (cells per line × lines that have exactly so many). Quoting is
    off for bills whose every value starts with a backtick - their cells are separated by ``,` `` so that a comma
    inside a product name does no harm - and for tab-separated files that use quotes as inch marks.
    """
    sample = [line for line in lines if line.strip()]
    first_ticked = next((number for number, line in enumerate(sample) if line.startswith("`")), None)
    if first_ticked is not None:
        names = max((line.count(",") for line in sample[:first_ticked]), default=0)
        return Dialect(TICKED if sample[first_ticked].count(TICKED) == names > 0 else ",", "")
    best, best_score = ",", 0
    for delimiter in _CANDIDATES:
        dialect = Dialect(delimiter)
        counts = [count_cells(line, dialect) - 1 if _well_formed(line, dialect) else 0 for line in sample]
        frequent = max(set(counts) - {0}, key=lambda n: (counts.count(n) * n, n), default=0)
        score = frequent * counts.count(frequent)
        if score > best_score:
            best, best_score = delimiter, score
    if best == "\t" and not _quotes_consistent(sample, Dialect("\t")):
        return Dialect("\t", "")
    return Dialect(best)


def _well_formed(line: str, dialect: Dialect) -> bool:
    return '"' not in line or _grammar(dialect.delimiter).whole.match(line) is not None


def _quotes_consistent(lines: list[str], dialect: Dialect) -> bool:
    """For tab-separated text: quotes wrap whole cells on every sampled line, and at least one cell is wrapped."""
    quoted = [line for line in lines if '"' in line]
    grammar = _grammar(dialect.delimiter)
    cells = [cell for line in quoted if grammar.whole.match(line) for cell in grammar.cell.findall(line)]
    wrapped = sum(cell.startswith('"') for cell in cells)
    return bool(quoted) and all(grammar.whole.match(line) for line in quoted) and wrapped > 0
