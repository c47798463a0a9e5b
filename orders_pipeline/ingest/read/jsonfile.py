"""JSON and JSON lines: lists of records as tables of text, numbers with the digits they were written with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from orders_pipeline.ingest.read.encoding import by_mark
from orders_pipeline.ingest.read.grid import write_grid
from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.ingest.read.model import Table
from orders_pipeline.kernel.faults import BadInput

Record = dict[str, str]
_COLUMNS = 2_000
_DEPTH = 6
#: So many objects of a list are looked at to learn where lists lie inside.
_SAMPLE = 100


def open_json(path: Path, work_dir: Path, limits: Limits) -> list[Table]:
    """One table per place in the document that holds records; ``Table.sheet`` is its path (see `read_json`)."""
    document = _load(path, limits)
    found = []
    for place in record_paths(document):
        table = _table(document, place, path.name, work_dir, limits)
        if table is not None:
            found.append(table)
    return found


def read_json(path: Path, records_path: str, work_dir: Path, limits: Limits) -> Table:
    """The records at ``records_path`` (``orders``, ``data.items``; "" is the top) as a table.

    Columns are the records' keys in order of appearance; nested objects give ``a.b``, lists stay JSON text. The
    values around the records come as ``/key`` columns, also where the path leads through lists (``parcels.events``
    of many parcels: ``/parcels.number`` beside each event). When the document is a list, each element is a top of its
    own. Row 1 of the table is the header and record ``n`` (from 1) is row ``n + 1``. null is an empty cell.

    Raises `BadInput` ``json_too_large``, ``json_damaged``, ``json_no_records`` or ``encoding_unreadable``.
    """
    table = _table(_load(path, limits), records_path, path.name, work_dir, limits)
    if table is None:
        raise BadInput(
            f"the JSON file has no records at '{records_path or 'top'}'",
            reason="json_no_records",
            remedy="check the records path of the source",
        )
    return table


def _load(path: Path, limits: Limits) -> Any:
    if path.stat().st_size > limits.json_bytes:
        raise BadInput(
            f"the JSON file is larger than {limits.json_bytes // MIB} MiB",
            reason="json_too_large",
            remedy="export it in parts, or as CSV",
        )
    data = path.read_bytes()
    mark = by_mark(data[:4])
    try:
        text = data.decode(mark[0] if mark else "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"byte {error.start} is not UTF-8 text", reason="encoding_unreadable", remedy="save it as UTF-8"
        ) from error
    try:
        return _parse(text)
    except RecursionError as error:
        raise BadInput(
            "the JSON is nested too deep", reason="json_damaged", remedy="this is no list of records; download it again"
        ) from error
    except json.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or not lines[0][1].lstrip().startswith("{"):
            raise _damaged(error, error.lineno) from error
        return [_parse_line(number, line) for number, line in lines]


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=lambda _: None)


def _parse_line(number: int, line: str) -> Any:
    try:
        return _parse(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _damaged(error, number) from error


def _damaged(error: Exception, line: int) -> BadInput:
    what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep"
    return BadInput(f"the JSON is damaged: {what}", reason="json_damaged", row=line, remedy="download the file again")


def record_paths(document: Any) -> list[str]:
    """Where a document holds lists of objects, outermost first ("" is the document itself)."""
    tops = document if isinstance(document, list) else [document]
    tops = [top for top in tops if isinstance(top, dict)]
    paths = [""] if tops else []
    for top in tops[:_SAMPLE]:
        for path in _inside(top, "", 0):
            if path not in paths:
                paths.append(path)
    return paths


def _inside(value: dict[str, Any], prefix: str, depth: int) -> Iterator[str]:
    for key, inner in value.items():
        path = f"{prefix}.{key}" if prefix else key
        if isinstance(inner, list) and any(isinstance(item, dict) for item in inner):
            yield path
            for item in inner[:_SAMPLE] if depth < _DEPTH else ():
                if isinstance(item, dict):
                    yield from _inside(item, path, depth + 1)
        elif isinstance(inner, dict) and depth < _DEPTH:
            yield from _inside(inner, path, depth + 1)


def _table(document: Any, place: str, name: str, work_dir: Path, limits: Limits) -> Table | None:
    records = list(_records(document, place))
    columns = list(dict.fromkeys(key for record in records for key in record))
    if not records or not columns:
        return None
    if len(columns) > _COLUMNS:
        raise BadInput(
            f"the records have more than {_COLUMNS:,} different keys",
            reason="json_too_wide",
            remedy="keys look like values; export a list of records",
        )
    if len(columns) * len(records) > limits.json_cells:
        raise BadInput(
            f"the records make a table of {len(records):,} rows and {len(columns):,} columns",
            reason="json_too_large",
            remedy="export it in parts, or as CSV",
        )
    rows = chain([columns], ([record.get(column, "") for column in columns] for record in records))
    return write_grid(enumerate(rows, 1), len(columns), name=name, kind="json", sheet=place, work_dir=work_dir, limits=limits)


def _records(document: Any, place: str) -> Iterator[Record]:
    for top in document if isinstance(document, list) else [document]:
        if not isinstance(top, dict):
            continue
        if not place:
            yield _flat(top)
            continue
        yield from _below(top, place.split("."), [], {})


def _below(value: dict[str, Any], path: list[str], above: list[str], around: Record) -> Iterator[Record]:
    """The records at a path below one object, each with the plain values of the objects it lies in."""
    inner, depth = value, 0
    while depth < len(path) and isinstance(inner, dict):  # objects in objects, up to the next list
        inner = inner.get(path[depth])
        depth += 1
    rest = _flat(_without(value, path[:depth]))  # without what is handed out below
    prefix = "".join(f"{key}." for key in above)
    around = {**around, **{f"/{prefix}{key}": text for key, text in rest.items()}}
    for item in inner if isinstance(inner, list) else [inner]:
        if not isinstance(item, dict):
            continue
        if depth == len(path):
            yield {**_flat(item), **around}
        else:
            yield from _below(item, path[depth:], above + path[:depth], around)


def _without(top: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The object without the value at a path, so that it is not repeated beside each of its own records."""
    rest = dict(top)
    inner = rest.pop(keys[0], None)
    if len(keys) > 1 and isinstance(inner, dict):
        rest[keys[0]] = _without(inner, keys[1:])
    return rest


def _flat(record: dict[str, Any], prefix: str = "", depth: int = 0) -> Record:
    flat: Record = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and depth < _DEPTH:
            flat.update(_flat(value, f"{name}.", depth + 1))
        else:
            flat[name] = _text(value)
    return flat


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return json.dumps(value, ensure_ascii=False)
