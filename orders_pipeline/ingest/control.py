"""Control totals: a statement that says how many rows and how much money it holds is held to it."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import duckdb

from orders_pipeline.dictionary.model import canonical_header
from orders_pipeline.dictionary.rules import operands
from orders_pipeline.ingest.balance import check_running_balance, check_stated_total
from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.kernel.faults import BadInput


def check_control_totals(
    connection: duckdb.DuckDBPyConnection, mapper: Mapper, footers: list[str], preamble: Sequence[str] = ()
) -> None:
    """Compare what the file states about itself with its rows; raises BadInput `control_total` naming the difference."""
    summary = _summary_cells(footers, mapper.source.get("summary_header", ()))
    for control in mapper.source.get("control", ()):
        if "balance" in control:
            check_running_balance(connection, mapper, control)
        elif "stated" in control:
            check_stated_total(connection, mapper, control)
        elif "of" in control:
            _check_footer(connection, mapper, control, footers, summary)
        else:
            _check_end(control, footers, preamble)


def _check_footer(
    connection: duckdb.DuckDBPyConnection,
    mapper: Mapper,
    control: Mapping[str, Any],
    footers: list[str],
    summary: Mapping[str, str],
) -> None:
    stated = dict(_stated(control, footers, summary))
    if not stated or not any(h in mapper.binding for h in _columns(control["of"])):
        return
    count, amount = connection.execute(f"SELECT {_measure(mapper, control)} FROM src").fetchall()[0]
    for what, found in (("count", Decimal(count)), ("amount", amount)):
        if what in stated and stated[what] != found:
            told = f"{control['what'].removesuffix(' ' + what)} {what}"
            raise BadInput(
                f"the file states {told} {stated[what]}, its rows give {found}: difference "
                f"{found - stated[what]}. The file is cut off or was edited",
                reason="control_total",
                remedy="download the statement again and drop it unchanged",
            )


def _check_end(control: Mapping[str, Any], footers: list[str], preamble: Sequence[str]) -> None:
    """A file that opens like a download has the end of one: without it, it was cut off somewhere above."""
    opened = control.get("opened_by")
    if opened and not re.search(opened, "\n".join(preamble)):
        return
    if not re.search(control["closed_by"], "\n".join(footers)):
        raise BadInput(
            f"the file ends without {control['what']}, which every download of this kind has: it is cut off or was edited",
            reason="control_total",
            remedy="download the statement again and drop it unchanged",
        )


def _columns(of: str | list[str] | Mapping[str, Any]) -> list[str]:
    return operands(of) if isinstance(of, Mapping) else [of] if isinstance(of, str) else of


def _measure(mapper: Mapper, control: Mapping[str, Any]) -> str:
    of = control["of"]
    condition = mapper.condition(control["where"]) if "where" in control else "true"
    number = mapper.amount(of)
    text = mapper.number(of)[1] if isinstance(of, str) else "''"
    counts_money = "amount" in control or control.get("footer")
    given = f"({number} IS NOT NULL OR {text} IS NOT NULL)"
    counted = f"coalesce({number}, 0) <> 0" if counts_money and "where" not in control else given
    value = number if control.get("signed") else f"abs({number})"
    return (
        f"count(*) FILTER (WHERE {counted} AND {condition}), "
        f"CAST(coalesce(sum({value}) FILTER (WHERE {condition}), 0) AS DECIMAL(38,2))"
    )


def _stated(control: Mapping[str, Any], footers: list[str], summary: Mapping[str, str]) -> Iterator[tuple[str, Decimal]]:
    if "footer" in control:
        found = re.search(control["footer"], "\n".join(footers))
        for what in ("count", "amount"):
            if found and what in control:
                groups = control[what] if isinstance(control[what], list) else [control[what]]
                yield what, sum((_number(found.group(g), control) for g in groups), Decimal(0))
    for what, name in (control.get("summary") or {}).items():
        cell = summary.get(canonical_header(name))
        if cell is not None:
            yield what, _number(cell, control)


def _summary_cells(footers: list[str], heads: list[str]) -> dict[str, str]:
    """The second header of a statement with the values on the line below it."""
    wanted = {canonical_header(h) for h in heads}
    lines = [next(csv.reader([line]), []) for line in footers]
    for names, values in itertools.pairwise(lines):
        if names and canonical_header(names[0]) in wanted:
            return {canonical_header(n): v for n, v in zip(names, values, strict=False)}
    return {}


def _number(text: str, control: Mapping[str, Any]) -> Decimal:
    bare = text.strip().strip("`'\"\t ").replace(",", "").replace("，", "")
    try:
        return Decimal(bare) if control.get("signed") else abs(Decimal(bare))
    except InvalidOperation as error:
        raise BadInput(
            f"the file states a total that is no number: '{bare[:40]}'",
            reason="control_total",
            remedy="download the statement again and drop it unchanged",
        ) from error
