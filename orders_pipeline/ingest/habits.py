"""What a platform writes one way in one country and another way in the next: the decimal mark and the order of day and month.

The cells of a file decide together, never row by row; where they cannot decide, the file is refused and the folder has to say it.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.kernel.faults import BadInput


def habits_of(connection: duckdb.DuckDBPyConnection, mapper: Mapper, table: str, hints: Mapping[str, str]) -> dict[str, str]:
    """`decimal` and `date_order` of a staged file whose source leaves them to the file (`by_file`).

    Raises BadInput `date_order_unknown` when every day could be a month as well and no folder `dates=dmy` says which.
    """
    found = {}
    by_file = mapper.source.get("by_file", {})
    amounts = [f"x_{h}" for h in by_file.get("decimal", ()) if h in mapper.binding]
    if amounts:
        comma, point = (_any(connection, table, amounts, rf"[{mark}]\d{{1,2}}\s*[^\d]*$") for mark in ",.")
        found["decimal"] = "comma" if comma and not point else "point"
    days = [f"x_{h}" for h in by_file.get("date_order", ()) if h in mapper.binding]
    if days:
        if hints.get("dates") not in (None, "dmy", "mdy"):
            raise BadInput(
                f"the folder dates={hints['dates']} names no order of day and month",
                reason="date_order_unknown",
                remedy="name the folder dates=mdy (month first) or dates=dmy (day first)",
            )
        stated = hints.get("dates") or _date_order(connection, table, days)
        if stated:
            found["date_order"] = stated
    return found


def _any(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str], pattern: str) -> bool:
    asked = " OR ".join(f"regexp_matches({c}, ?)" for c in columns)
    found = connection.execute(f"SELECT coalesce(bool_or({asked}), false) FROM {table}", [pattern] * len(columns)).fetchall()
    return bool(found[0][0])


def _date_order(connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> str | None:
    """`dmy` or `mdy`; None when no date is written with slashes, dots or dashes behind a day or month."""
    parts = " UNION ALL ".join(
        f"SELECT try_cast(regexp_extract({c}, '^(\\d{{1,2}})[/.-]', 1) AS INTEGER) AS a, "
        f"try_cast(regexp_extract({c}, '^\\d{{1,2}}[/.-](\\d{{1,2}})[/.-]', 1) AS INTEGER) AS b FROM {table}"
        for c in columns
    )
    first, second, open_ = connection.execute(
        f"SELECT max(a), max(b), count(*) FILTER (WHERE a <> b) FROM ({parts}) WHERE b IS NOT NULL"
    ).fetchall()[0]
    if first is None:
        return None
    if first > 12 and second > 12:
        raise BadInput(
            "some dates begin with the day, others with the month",
            reason="date_order_unknown",
            remedy="download the statement again in one language and drop it unchanged",
        )
    if first > 12 or not open_:
        return "dmy"
    if second > 12:
        return "mdy"
    raise BadInput(
        "every date could begin with the day or with the month",
        reason="date_order_unknown",
        remedy="put the file into a folder dates=mdy/ (month first) or dates=dmy/ (day first), as the account's language has it",
    )
