"""Control totals: a statement that says how many rows and how much money it holds is held to it."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

import duckdb

from orders_pipeline.dictionary.model import canonical_header
from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.kernel.faults import BadInput


def check_control_totals(connection: duckdb.DuckDBPyConnection, mapper: Mapper, footers: list[str]) -> None:
    """Compare what the file states about itself with its rows; raises BadInput `control_total` naming the difference."""
    summary = _summary_cells(footers, mapper.source.get("summary_header", ()))
    for control in mapper.source.get("control", ()):
        stated = dict(_stated(control, footers, summary))
        if not stated or control["of"] not in mapper.binding:
            continue
        count, amount = connection.execute(f"SELECT {_measure(mapper, control)} FROM src").fetchall()[0]
        for what, found in (("count", Decimal(count)), ("amount", amount)):
            if what in stated and stated[what] != found:
                raise BadInput(
                    f"the file states {control['what']} {what} {stated[what]}, its rows give {found}: difference "
                    f"{found - stated[what]}. The file is cut off or was edited",
                    reason="control_total",
                    remedy="download the statement again and drop it unchanged",
                )


def _measure(mapper: Mapper, control: Mapping) -> str:
    handle = control["of"]
    number, text = mapper.number(handle)
    condition = mapper.condition(control["where"]) if "where" in control else "true"
    counts_money = "amount" in control or control.get("footer")
    counted = f"coalesce({number}, 0) <> 0" if counts_money and "where" not in control else f"{text} IS NOT NULL"
    return (
        f"count(*) FILTER (WHERE {counted} AND {condition}), "
        f"CAST(coalesce(sum(abs({number})) FILTER (WHERE {condition}), 0) AS DECIMAL(38,2))"
    )


def _stated(control: Mapping, footers: list[str], summary: Mapping[str, str]) -> Iterator[tuple[str, Decimal]]:
    if "footer" in control:
        found = re.search(control["footer"], "\n".join(footers))
        for what in ("count", "amount"):
            if found and what in control:
                groups = control[what] if isinstance(control[what], list) else [control[what]]
                yield what, sum((_number(found.group(g)) for g in groups), Decimal(0))
    for what, name in (control.get("summary") or {}).items():
        cell = summary.get(canonical_header(name))
        if cell is not None:
            yield what, _number(cell)


def _summary_cells(footers: list[str], heads: list[str]) -> dict[str, str]:
    """The second header of a statement with the values on the line below it."""
    wanted = {canonical_header(h) for h in heads}
    lines = [next(csv.reader([line]), []) for line in footers]
    for names, values in itertools.pairwise(lines):
        if names and canonical_header(names[0]) in wanted:
            return {canonical_header(n): v for n, v in zip(names, values, strict=False)}
    return {}


def _number(text: str) -> Decimal:
    bare = text.strip().strip("`'\"\t ").replace(",", "").replace("，", "")
    try:
        return abs(Decimal(bare))
    except InvalidOperation as error:
        raise BadInput(
            f"the file states a total that is no number: '{bare[:40]}'",
            reason="control_total",
            remedy="download the statement again and drop it unchanged",
        ) from error
