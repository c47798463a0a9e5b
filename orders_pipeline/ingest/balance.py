"""Controls inside the rows: a running balance, and totals that a row of the file states for others.

A statement with a balance proves itself: the balance before a row plus its amount is the balance after it, from the first
row to the last, oldest first or newest first. A row that was cut out, added or edited breaks the chain there.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import duckdb

from orders_pipeline.ingest.mapping import Mapper
from orders_pipeline.kernel.faults import BadInput

_REMEDY = "download the statement again and drop it unchanged"

#: Most files agree row by row in one of the two directions, which one pass tells; only the others are followed link by link.
_ROW_BY_ROW = """
SELECT count(*) FILTER (WHERE amount IS NULL OR balance_before + amount <> balance),
    count(*) FILTER (WHERE amount IS NULL OR balance_after <> balance)
FROM (
    SELECT {amount} AS amount, {balance} AS balance, lag({balance}) OVER w AS balance_before,
        lag({balance} - {amount}) OVER w AS balance_after
    FROM src WHERE {condition} AND {balance} IS NOT NULL WINDOW w AS (PARTITION BY {chain} ORDER BY record)
)
"""

#: Rows of one instant are one link: platforms write them in any order within the second. `step` is the link's place in time.
_CHAIN = """
WITH rows_ AS (
    SELECT record, row_number, {chain} AS chain, {moment} AS moment, {amount} AS amount, {balance} AS balance
    FROM src WHERE {condition} AND {balance} IS NOT NULL
),
-- A row whose amount cannot be read is set aside; the chain starts anew behind it.
pieces AS (
    SELECT *, concat_ws('|', chain, count(*) FILTER (WHERE amount IS NULL) OVER (PARTITION BY chain ORDER BY record)) AS piece
    FROM rows_
),
changes AS (
    SELECT *, CASE WHEN moment IS NULL OR moment IS DISTINCT FROM lag(moment) OVER (PARTITION BY piece ORDER BY record)
        THEN 1 ELSE 0 END AS is_new
    FROM pieces WHERE amount IS NOT NULL
),
numbered AS (SELECT *, sum(is_new) OVER (PARTITION BY piece ORDER BY record) AS link FROM changes),
links AS (
    SELECT piece, link * {sign} AS step, min(row_number) AS row_number, sum(amount) AS amount, count(*) AS row_count,
        list(balance) AS after_, list(balance - amount) AS before_
    FROM numbered GROUP BY piece, link
),
firsts AS (
    SELECT piece, row_count, before_, after_ FROM links
    WHERE (piece, step) IN (SELECT (piece, min(step)) FROM links GROUP BY piece)
),
starts AS (
    SELECT piece, CASE WHEN row_count = 1 THEN before_[1] ELSE coalesce(list_filter(before_, lambda x:
        len(list_filter(before_, lambda y: y = x)) > len(list_filter(after_, lambda y: y = x)))[1], before_[1]) END AS opening
    FROM firsts
),
followed AS (
    SELECT links.*, opening + coalesce(sum(amount) OVER (PARTITION BY piece ORDER BY step
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS expected_before,
        count(*) OVER (PARTITION BY piece ORDER BY step) AS passed
    FROM links JOIN starts USING (piece)
)
SELECT row_number, expected_before, amount, after_[len(after_)], passed, (SELECT count(*) FROM links)
FROM followed
WHERE NOT list_contains(after_, expected_before + amount) OR NOT list_contains(before_, expected_before)
ORDER BY passed LIMIT 1
"""


def check_running_balance(connection: duckdb.DuckDBPyConnection, mapper: Mapper, control: Mapping[str, Any]) -> None:
    """Follow the balance through the file; raises BadInput `control_total` naming the first row that breaks it."""
    if control["balance"] not in mapper.binding:
        return
    values = {
        "balance": mapper.amount(control["balance"]),
        "amount": mapper.amount(control["of"]),
        "moment": _joined(mapper, control.get("time", ())),
        "chain": _joined(mapper, control.get("by", ())),
        "condition": mapper.kept(control.get("where")),
    }
    if 0 in connection.execute(_ROW_BY_ROW.format(**values)).fetchall()[0]:
        return
    breaks = []
    for sign in (1, -1):
        found = connection.execute(_CHAIN.format(sign=sign, **values)).fetchall()
        if not found:
            return
        breaks.append(found[0])
    # The way the file really runs is the one in which more of it agrees.
    row, before, amount, balance, _, _ = max(breaks, key=lambda b: b[4])
    raise BadInput(
        f"the running balance breaks at row {row}: {_plain(before)} before it and {_plain(amount)} give "
        f"{_plain(before + amount)}, the file states {_plain(balance)}: difference {_plain(balance - before - amount)}. "
        "The file is cut, edited or sorted anew",
        reason="control_total",
        row=row,
        remedy=_REMEDY,
    )


def check_stated_total(connection: duckdb.DuckDBPyConnection, mapper: Mapper, control: Mapping[str, Any]) -> None:
    """Compare the total that a row states for its group with the group's rows; raises BadInput `control_total`."""
    stated_here = mapper.condition(control.get("stated_where") or {})
    stated = mapper.amount(control["stated"])
    group = _joined(mapper, control.get("by", ()))
    rows = connection.execute(
        f"SELECT {group} AS name, sum({stated}) FILTER (WHERE {stated_here}), coalesce(sum({mapper.amount(control['of'])}) "
        f"FILTER (WHERE {mapper.kept(control.get('where'))}), 0) FROM src GROUP BY name ORDER BY name"
    ).fetchall()
    for name, total, found in rows:
        if name is None and control.get("by"):
            continue  # rows of no group, such as transactions not yet paid out
        if total is None and control.get("required"):
            raise BadInput(
                f"{control['what']} {name or ''}: the row that states its total is missing. The file is cut off or was edited",
                reason="control_total",
                remedy=_REMEDY,
            )
        if total is not None and total != found:
            raise BadInput(
                f"the file states {control['what']} {name or ''} {_plain(total)}, its rows give {_plain(found)}: difference "
                f"{_plain(found - total)}. The file is cut off or was edited",
                reason="control_total",
                remedy=_REMEDY,
            )


def _joined(mapper: Mapper, handles: Any) -> str:
    texts = [mapper.text(h) for h in handles if h in mapper.binding]
    return f"nullif(concat_ws(' ', {', '.join(texts)}), '')" if texts else "CAST(NULL AS VARCHAR)"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}" if value != value.quantize(Decimal("0.01")) else f"{value:.2f}"
