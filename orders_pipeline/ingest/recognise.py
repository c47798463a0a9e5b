"""Which source a table is, by the names in its header; never by file name, extension or folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from orders_pipeline.dictionary.model import Dictionary, Source, canonical_header
from orders_pipeline.ingest.read import Table
from orders_pipeline.kernel.faults import BadInput


class Unrecognised(BadInput):
    """No known source. `columns`: how many of the nearest one the header has; `is_near`: enough to be a list of that kind."""

    columns = 0
    is_near = False


@dataclass(frozen=True)
class Recognised:
    """A table, its source, the header line (1-based) and handle -> column index."""

    table: Table
    source: Source
    header_line: int
    binding: Mapping[str, int]


#: Columns of a known source from which on a table is taken for a list of that kind.
_NEAR = 4


@cache
def _aliases(source_key: tuple[str, ...]) -> Mapping[str, str]:
    return {canonical_header(a): a for a in source_key}


def bind(source: Source, header: list[str]) -> dict[str, int]:
    """Handle -> index of the first column with one of its names; an earlier alias beats a later one."""
    places: dict[str, int] = {}
    for index, name in enumerate(header):
        if name:
            places.setdefault(name, index)
    bound = {}
    for handle, aliases in source.columns.items():
        for alias in _aliases(aliases):
            if alias in places:
                bound[handle] = places[alias]
                break
    return bound


def _with_a_name_of(dictionary: Dictionary, header: list[str]) -> list[Source]:
    """The sources that know at least one of these names, in the dictionary's order: most lines of a file are no header,
    and there are far more sources than one line can be."""
    names = dictionary.source_names_by_header
    found = set().union(*(names.get(name, ()) for name in header))
    return [source for name, source in dictionary.sources.items() if name in found]


def fits(source: Source, bound: Mapping[str, int]) -> bool:
    """Whether a header that binds these handles can be the source."""
    if any(handle not in bound for handle in source.signature):
        return False
    return not any(handle in bound for handle in source.get("unless", ()))


def recognise(dictionary: Dictionary, table: Table) -> Recognised:
    """The source of a table and where its header is.

    The source that explains most columns wins. Raises BadInput `unrecognised` (naming the nearest sources and what they
    miss) or `ambiguous_source`.
    """
    best: list[tuple[int, int, int, Source, dict[str, int]]] = []
    nearest: tuple[int, str, list[str]] = (0, "", [])
    joined: dict[int, list[str]] = {}
    for number, cells in _headers(table):
        header = [canonical_header(c) for c in cells]
        if sum(1 for c in header if c) < 2:
            continue
        if number < 0:
            joined[-number] = cells
        for source in _with_a_name_of(dictionary, header):
            if (source.kind == "json") != (table.kind == "json") and not source.is_standard:
                continue
            bound = bind(source, header)
            if bound and fits(source, bound) and not _is_stranger(source, header):
                best.append((len(set(bound.values())), len(source.signature), -abs(number), source, bound))
            elif len(bound) > nearest[0]:
                missing = [source.columns[h][0] for h in source.signature if h not in bound]
                nearest = (len(bound), source.name, missing)
    if not best:
        raise _unrecognised(nearest)
    best.sort(key=lambda b: (-b[0], -b[1], -b[2], b[3].name))
    columns, _, line, source, bound = best[0]
    rivals = {b[3].name for b in best if b[0] == columns and b[1] == best[0][1] and b[2] == line}
    if len(rivals) > 1:
        raise BadInput(
            f"the header fits {' and '.join(sorted(rivals))} equally well",
            reason="ambiguous_source",
            remedy="keep more of the platform's columns in the export",
        )
    if -line in joined and len(bind(source, [canonical_header(c) for c in table.head[-line - 1]])) < len(bound):
        table.head[-line - 1] = joined[-line]
    return Recognised(table, source, -line, bound)


def _headers(table: Table) -> Iterator[tuple[int, list[str]]]:
    """Every line that may be the header, with its number; a header of two lines (titles over groups of columns, names that
    reach over both) as the second of them with its number negative, once as what stands lowest, once group and name together."""
    above: list[str] = []
    for number, cells in enumerate(table.head, 1):
        yield number, cells
        if table.numbered and table.kind != "json" and any(c.strip() for c in above) and any(c.strip() for c in cells):
            pairs = [(a.strip(), c.strip()) for a, c in zip(_padded(above, cells), _padded(cells, above), strict=True)]
            if any(a and not c for a, c in pairs):
                yield -number, [c or a for a, c in pairs]
            group, grouped = "", []
            for a, c in pairs:
                group = a or (group if c else "")
                grouped.append(group + c if c else a)
            yield -number, grouped
        above = cells


def _padded(cells: list[str], other: list[str]) -> list[str]:
    return cells + [""] * (len(other) - len(cells))


def stacked(dictionary: Dictionary, table: Table) -> list[int]:
    """The rows of a sheet at which another table begins below the first: after blank rows, under a header of a known source."""
    found: dict[int, None] = {}
    for first, _, cells in table.after_gaps:
        try:
            recognise(dictionary, replace(table, head=[cells], after_gaps=[]))
        except BadInput:
            continue
        found[first] = None
    try:
        top = recognise(dictionary, table).header_line if found else 0
    except BadInput:
        top = 0
    # A preamble may end with a blank row too: what comes before or holds the first header is no second table.
    return [first for first in found if first > top and top]


def _is_stranger(source: Source, header: list[str]) -> bool:
    """A standard file of few required fields must have no other columns: `sku` alone would claim half the world's files."""
    if not source.is_standard or len(source.signature) >= 4:
        return False
    return not {c for c in header if c} <= {canonical_header(name) for name in source.columns}


def _unrecognised(nearest: tuple[int, str, list[str]]) -> Unrecognised:
    count, name, missing = nearest
    if count < 2:
        message = "no line looks like the header of a known source"
    else:
        message = f"no known source; nearest is {name} ({count} columns), without {', '.join(missing) or 'a clear match'}"
    fault = Unrecognised(
        message,
        reason="unrecognised",
        remedy="`orders-pipeline channel list` shows what is known; docs/how-to/add-a-channel.md adds one",
    )
    fault.columns = count
    fault.is_near = count >= _NEAR and count > len(missing)
    return fault
