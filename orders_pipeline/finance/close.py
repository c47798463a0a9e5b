"""The command `close`: what stands against closing a month, and closing it.

A close is a decision like any other: files in landing/decisions, taken in by the ordinary ingest. `month_close_rows` holds what
is frozen, `month_close_files` which files it was made of, `month_closes` who decided and the hash of the rows. The last one is
written last: a set without all its rows does not count.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.ingest.landing import scan
from orders_pipeline.kernel.clock import month_after
from orders_pipeline.kernel.faults import BadInput, Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.warehouse import open_warehouse, table_exists

DECISIONS = "decisions"
#: The columns of a frozen row; their texts in this order are what is hashed (check closed_rows_are_as_they_were).
ROW_COLUMNS = {
    "section": "VARCHAR", "month": "DATE", "channel": "VARCHAR", "item": "VARCHAR", "order_guid": "UUID", "currency": "VARCHAR",
    "opened_on": "DATE", "qty_diff": "DECIMAL(18, 3)", "is_opening": "BOOLEAN", "is_closing": "BOOLEAN",
    "is_written_off": "BOOLEAN", "opening_amount": "DECIMAL(18, 2)", "increase_amount": "DECIMAL(18, 2)",
    "decrease_amount": "DECIMAL(18, 2)", "written_off_amount": "DECIMAL(18, 2)", "closing_amount": "DECIMAL(18, 2)",
    "prior_period_amount": "DECIMAL(18, 2)",
}  # fmt: skip
STATES = ("open", "hold")


@dataclass(frozen=True)
class Standing:
    """One thing that stands against a close. What does not block is listed all the same."""

    what: str
    count: int
    detail: str
    blocks: bool = True


@dataclass(frozen=True)
class Close:
    """A close that was written: its files are in the landing zone, the next run takes them in."""

    month: date
    set_number: int
    content_sha256: str
    rows: int
    files: int
    paths: tuple[str, ...]


def parse_month(text: str) -> date:
    """`2026-01` as its first day. Raises Usage."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Usage(f"'{text}' is no month; write it as 2026-01") from None


def check(home: Home, month: date) -> list[Standing]:
    """What stands against closing the month, from the tables as the last run left them; the blocking things first."""
    with _tables(home) as connection:
        found = list(_standing(connection, home, month))
    return sorted(found, key=lambda s: not s.blocks)


def as_of_tables(home: Home) -> datetime:
    """The clock of the run that made the tables."""
    with _tables(home) as connection:
        return _as_of(connection)


def closed_set(home: Home, month: date) -> int | None:
    """The number of the set a month is closed with; 0 for one that the first close took with it; None while it is open."""
    with _tables(home) as connection:
        closed = _closed(connection)
    return closed.get(month, 0) if closed and month <= max(closed) else None


def mark(home: Home, month: date, state: str, by: str, why: str = "", now: datetime | None = None) -> Path:
    """Put a month on hold, or open it again from hold. A closed one is refused."""
    if state not in STATES:
        raise Usage(f"a month is put on {' or '.join(STATES)}, not '{state}'")
    moment = now or datetime.now(UTC)
    with _tables(home) as connection:
        _require_open(connection, month)
    row = {"month": month, "set_number": 1, "state": state, "decided_by": by, "decided_at": moment, "reason": why}
    return _write(home, f"month_closes_{month:%Y%m}_{state}_{_stamp(moment)}", [row])


def close(
    home: Home, month: date, by: str, why: str = "", *, force: bool = False, restate: bool = False, now: datetime | None = None
) -> Close:
    """Freeze a month: write its rows, files and the decision. `force` closes against what stands, `restate` writes the next
    numbered set of the month that was closed last; both need a reason. Raises Usage, or BadInput naming what stands against it.
    """
    if (force or restate) and not why:
        raise Usage("say why with --why: closing against what stands, or restating, is kept with its reason")
    moment = now or datetime.now(UTC)
    with _tables(home) as connection:
        number = _next_set(connection, month, restate)
        standing = [s for s in _standing(connection, home, month, restate) if s.blocks]
        if standing and not force:
            listed = "; ".join(f"{s.what} ({s.count})" for s in standing)
            raise BadInput(
                f"{month:%Y-%m} cannot be closed yet: {listed}", reason="not_ready",
                remedy=f"`orders-pipeline close {month:%Y-%m} --check` says more; --force --why closes all the same",
            )  # fmt: skip
        _freeze(connection, month, restate)
        return _write_set(connection, home, month, number, by, why, moment)


# ---- what stands against it


def _standing(connection: duckdb.DuckDBPyConnection, home: Home, month: date, restate: bool = False) -> Iterator[Standing]:
    closed = _closed(connection)
    if month in closed and not restate:
        yield Standing("the month is closed", 1, f"set {closed[month]}; later rows stand in the first open month")
    elif closed and not restate and month != month_after(max(closed)):
        wanted = month_after(max(closed))
        yield Standing("months are closed one after the other", 1, f"the next one is {wanted:%Y-%m}")
    as_of, zone = _as_of(connection), _one(connection, "SELECT timezone FROM ref.channels WHERE channel = 'default'")
    today = _one(connection, "SELECT local_date(?, ?)", [as_of, zone])
    if today < month_after(month):
        yield Standing("the month is not over", 1, f"the tables are of {today}; run again after its last day")
    waiting = _waiting(connection, home)
    if waiting:
        yield Standing("files wait to be taken in", len(waiting), _some(waiting) + "; `orders-pipeline run`")
    refused = _column(connection, "SELECT path FROM raw.files WHERE status = 'refused' ORDER BY path")
    if refused:
        yield Standing("files were refused", len(refused), _some(refused) + "; `orders-pipeline files --status refused`")
    aside = _one(connection, "SELECT count(*) FROM raw.quarantine WHERE released_at IS NULL")
    if aside:
        yield Standing("rows are set aside", aside, "`orders-pipeline quarantine list`")
    yield from _failed_checks(connection)
    yield from _differences(connection, month)


def _failed_checks(connection: duckdb.DuckDBPyConnection) -> Iterator[Standing]:
    rows = connection.execute(
        "SELECT severity, table_name || ': ' || check_name AS name, rows_failing FROM ("
        "SELECT *, row_number() OVER (PARTITION BY table_name, check_name ORDER BY checked_at DESC, run_id DESC) AS newest_first "
        "FROM quality.check_results) WHERE newest_first = 1 AND NOT passed ORDER BY name"
    ).fetchall()
    for severity, text in (("error", "checks fail"), ("warn", "checks warn")):
        names = [f"{name} ({failing})" for s, name, failing in rows if s == severity]
        if names:
            yield Standing(text, len(names), _some(names, 5), severity == "error")


def _differences(connection: duckdb.DuckDBPyConnection, month: date) -> Iterator[Standing]:
    found = connection.execute(
        "SELECT difference_count, order_count, is_above_limit FROM finance.closes WHERE month = ?", [month]
    ).fetchall()
    if not found:
        yield Standing("there are no orders of this month", 1, f"nothing of {month:%Y-%m} is in the tables")
        return
    count, orders, is_above_limit = found[0]
    undecided = _one(
        connection,
        "SELECT count(*) FROM reconciliation.exceptions WHERE lower(state) = 'open' AND opened_on < ?",
        [month_after(month)],
    )
    if count:
        detail = f"{count} of {orders} orders, {undecided} exceptions nobody has decided on; they are carried forward"
        yield Standing("differences are open", count, detail, is_above_limit)


def _waiting(connection: duckdb.DuckDBPyConnection, home: Home) -> list[str]:
    seen = {tuple(row) for row in connection.execute("SELECT path, size, modified FROM kernel.seen").fetchall()}
    found = scan(home.landing, settle_seconds=0)
    new = [f.relative_path for f in found if (f.relative_path, f.size, f.mtime_ns) not in seen]
    return sorted([*new, *(w.relative_path for w in found.waiting)])


def _require_open(connection: duckdb.DuckDBPyConnection, month: date) -> None:
    closed = _closed(connection)
    if closed and month <= max(closed):
        number = closed.get(month)
        raise Usage(
            f"{month:%Y-%m} is closed" + (f" (set {number})" if number else f" with {min(closed):%Y-%m}")
            + ": a closed month never changes. Later rows stand in the first open month, flagged prior-period"
        )  # fmt: skip


def _next_set(connection: duckdb.DuckDBPyConnection, month: date, restate: bool) -> int:
    closed = _closed(connection)
    if not restate:
        _require_open(connection, month)
        return 1
    if month not in closed:
        raise Usage(f"{month:%Y-%m} is not closed: there is nothing to restate")
    if month != max(closed):
        raise Usage(
            f"{month:%Y-%m} cannot be restated: {max(closed):%Y-%m} was closed after it and opens with its figures. "
            "The correction belongs into the first open month"
        )
    return closed[month] + 1


# ---- freezing


def _freeze(connection: duckdb.DuckDBPyConnection, month: date, restate: bool) -> None:
    """The rows to be frozen, as the temporary table `frozen`: those of the month, with the first close those before it as well.

    A restatement is the set as it was with what has come since, which the first open month shows as its prior-period part.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE frozen ({', '.join(f'{n} {t}' for n, t in ROW_COLUMNS.items())})")
    statements = _restated() if restate else _current()
    first = not restate and not _closed(connection)
    for statement in statements:
        connection.execute(
            f"INSERT INTO frozen BY NAME {statement}", {"month": month, "next": month_after(month), "first": first}
        )


_NO_FLAGS = "NULL::UUID AS order_guid, NULL::DATE AS opened_on, NULL::DECIMAL(18, 3) AS qty_diff, false AS is_opening, "
_NO_FLAGS += "false AS is_closing, false AS is_written_off"
_MINE = "NOT is_closed AND (month = $month OR ($first AND month < $month)) AND $next IS NOT NULL"


def _current() -> Sequence[str]:
    return (
        "SELECT 'differences' AS section, month, channel, reason AS item, order_guid, currency, opened_on, qty_diff, "
        "is_opening, is_closing, is_written_off, opening_amount, new_amount AS increase_amount, "
        "cleared_amount AS decrease_amount, "
        f"written_off_amount, closing_amount, 0 AS prior_period_amount FROM finance.month_end_orders WHERE {_MINE}",
        f"SELECT 'liabilities' AS section, month, channel, kind AS item, currency, {_NO_FLAGS}, opening_amount, increase_amount, "
        f"decrease_amount, 0 AS written_off_amount, closing_amount, prior_period_amount FROM finance.liabilities WHERE {_MINE}",
        f"SELECT 'revenue' AS section, month, channel, entry_kind AS item, currency, {_NO_FLAGS}, 0 AS opening_amount, "
        f"amount AS increase_amount, 0 AS decrease_amount, 0 AS written_off_amount, 0 AS closing_amount, prior_period_amount "
        f"FROM finance.revenue_months WHERE {_MINE}",
    )


def _restated() -> Sequence[str]:
    return (
        # An order's difference as the month after knows it: gone since, changed since, or come since.
        """SELECT 'differences' AS section, $month AS month, coalesce(a.channel, b.channel) AS channel,
            coalesce(a.reason, b.reason) AS item, coalesce(a.order_guid, b.order_guid) AS order_guid,
            coalesce(a.currency, b.currency) AS currency, coalesce(a.opened_on, b.opened_on) AS opened_on,
            coalesce(b.qty_diff, a.qty_diff) AS qty_diff, coalesce(a.is_opening, false) AS is_opening,
            coalesce(b.is_closing, a.is_closing) AS is_closing, coalesce(b.is_written_off, a.is_written_off) AS is_written_off,
            coalesce(a.opening_amount, 0) AS opening_amount,
            coalesce(a.new_amount, 0) + coalesce(b.new_amount, 0) AS increase_amount,
            coalesce(a.cleared_amount, 0) + coalesce(b.cleared_amount, 0) AS decrease_amount,
            coalesce(a.written_off_amount, 0) + coalesce(b.written_off_amount, 0) AS written_off_amount,
            coalesce(b.closing_amount, a.closing_amount) AS closing_amount, 0 AS prior_period_amount
        FROM (SELECT * FROM finance.month_end_orders WHERE month = $month) AS a
        FULL JOIN (SELECT * FROM finance.month_end_orders WHERE month = $next AND opened_on < $next) AS b
            ON a.order_guid = b.order_guid AND a.reason = b.reason
        WHERE $first IS NOT NULL""",
        f"""SELECT 'liabilities' AS section, $month AS month, coalesce(a.channel, b.channel) AS channel,
            coalesce(a.kind, b.kind) AS item, coalesce(a.currency, b.currency) AS currency, {_NO_FLAGS},
            coalesce(a.opening_amount, 0) AS opening_amount,
            coalesce(a.increase_amount, 0) + greatest(coalesce(b.prior_period_amount, 0), 0) AS increase_amount,
            coalesce(a.decrease_amount, 0) + greatest(-coalesce(b.prior_period_amount, 0), 0) AS decrease_amount,
            0 AS written_off_amount, coalesce(a.closing_amount, 0) + coalesce(b.prior_period_amount, 0) AS closing_amount,
            coalesce(a.prior_period_amount, 0) AS prior_period_amount
        FROM (SELECT * FROM finance.liabilities WHERE month = $month) AS a
        FULL JOIN (SELECT * FROM finance.liabilities WHERE month = $next AND prior_period_amount <> 0) AS b
            ON a.channel = b.channel AND a.kind = b.kind
        WHERE $first IS NOT NULL""",
        f"""SELECT 'revenue' AS section, $month AS month, coalesce(a.channel, b.channel) AS channel,
            coalesce(a.entry_kind, b.entry_kind) AS item, coalesce(a.currency, b.currency) AS currency, {_NO_FLAGS},
            0 AS opening_amount, coalesce(a.amount, 0) + coalesce(b.prior_period_amount, 0) AS increase_amount,
            0 AS decrease_amount, 0 AS written_off_amount, 0 AS closing_amount,
            coalesce(a.prior_period_amount, 0) AS prior_period_amount
        FROM (SELECT * FROM finance.revenue_months WHERE month = $month) AS a
        FULL JOIN (SELECT * FROM finance.revenue_months WHERE month = $next AND prior_period_amount <> 0) AS b
            ON a.channel = b.channel AND a.entry_kind = b.entry_kind AND a.currency = b.currency
        WHERE $first IS NOT NULL""",
        # Months that only the first set holds stay as they are.
        """SELECT f.section, f.month, f.channel, f.item, CASE WHEN f.section = 'differences' THEN f.order_guid END AS order_guid,
            f.currency, f.opened_on, f.qty_diff, f.is_opening, f.is_closing, f.is_written_off, f.opening_amount,
            f.increase_amount, f.decrease_amount, f.written_off_amount, f.closing_amount, f.prior_period_amount
        FROM finance.frozen_rows AS f
        WHERE f.closed_month = $month AND f.month < $month AND $next IS NOT NULL AND $first IS NOT NULL""",
    )


def _write_set(
    connection: duckdb.DuckDBPyConnection, home: Home, month: date, number: int, by: str, why: str, moment: datetime
) -> Close:
    texts = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in ROW_COLUMNS)
    sha, rows = connection.execute(
        f"SELECT coalesce(sha256(string_agg(concat_ws('|', {texts}), chr(10) ORDER BY section, month, channel, item, currency, "
        "CAST(order_guid AS VARCHAR))), sha256('')), count(*) FROM frozen"
    ).fetchall()[0]
    files_sha, files = connection.execute(
        "SELECT coalesce(sha256(string_agg(CAST(file_id AS VARCHAR), ',' ORDER BY file_id)), sha256('')), count(*) "
        "FROM (SELECT DISTINCT file_id FROM raw.files WHERE status = 'loaded')"
    ).fetchall()[0]
    orders, differences = connection.execute(
        "SELECT (SELECT count(*) FROM orders.orders WHERE created_on >= $1 AND created_on < $2), "
        "(SELECT count(*) FROM frozen WHERE section = 'differences' AND month = $1 AND is_closing)",
        [month, month_after(month)],
    ).fetchall()[0]
    name, key = f"{month:%Y%m}_{number}_{_stamp(moment)}", {"closed_month": month, "set_number": number, "content_sha256": sha}
    paths = []
    if rows:
        statement = f"SELECT {_constants(key)}, * FROM frozen ORDER BY ALL"
        paths.append(_copy(connection, home, f"month_close_rows_{name}", statement))
    statement = (
        f"SELECT {_constants(key)}, CAST(file_id AS VARCHAR) AS closed_file_id, min(path) AS path FROM raw.files "
        "WHERE status = 'loaded' GROUP BY file_id ORDER BY file_id"
    )
    paths.append(_copy(connection, home, f"month_close_files_{name}", statement))
    decision = {
        "month": month, "set_number": number, "state": "closed", "decided_by": by, "decided_at": moment, "reason": why,
        "closed_as_of": _as_of(connection), "content_sha256": sha, "row_count": rows, "rule_versions": _rules(connection, month),
        "file_count": files, "files_sha256": files_sha, "order_count": orders, "difference_count": differences,
    }  # fmt: skip
    paths.append(_write(home, f"month_closes_{name}", [decision]))
    return Close(month, number, sha, rows, files, tuple(map(str, paths)))


def _rules(connection: duckdb.DuckDBPyConnection, month: date) -> str:
    found = _column(
        connection,
        "SELECT DISTINCT name FROM (SELECT rule || ' v' || rule_version AS name FROM finance.revenue "
        "WHERE recognised_on >= $1 AND recognised_on < $2 "
        "UNION ALL SELECT rule FROM reconciliation.three_way_match WHERE created_on >= $1 AND created_on < $2) "
        "WHERE name IS NOT NULL ORDER BY name",
        [month, month_after(month)],
    )
    return "; ".join(found)


# ---- small things


@contextmanager
def _tables(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    if not home.warehouse.exists():
        raise Usage(f"{home.root} has no warehouse yet; start with `orders-pipeline run --home {home.root}`")
    with open_warehouse(home) as connection:
        if not table_exists(connection, "finance.closes") or not table_exists(connection, "quality.check_results"):
            raise Usage("the finance tables are not built yet; start with `orders-pipeline run`")
        yield connection


def _closed(connection: duckdb.DuckDBPyConnection) -> dict[date, int]:
    return dict(connection.execute("SELECT month, set_number FROM finance.closed_sets").fetchall())


def _as_of(connection: duckdb.DuckDBPyConnection) -> datetime:
    return _one(connection, "SELECT as_of FROM kernel.consumers WHERE consumer = 'finance.closes'")


def _one(connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[Any] = ()) -> Any:
    found = connection.execute(statement, list(values)).fetchall()
    if not found:
        raise Usage("the last run did not finish; `orders-pipeline run` completes it")
    return found[0][0]


def _column(connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[Any] = ()) -> list[str]:
    return [row[0] for row in connection.execute(statement, list(values)).fetchall()]


def _some(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _constants(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{literal(str(value))} AS {name}" for name, value in values.items())


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def _place(home: Home, name: str) -> tuple[Path, Path]:
    folder = home.landing / DECISIONS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    return path, path.with_name(path.name + ".part")


def _copy(connection: duckdb.DuckDBPyConnection, home: Home, name: str, statement: str) -> Path:
    path, partial = _place(home, name)
    connection.execute(f"COPY ({statement}) TO {literal(str(partial))} (FORMAT csv, HEADER)")
    partial.rename(path)
    return path


def _write(home: Home, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    path, partial = _place(home, name)
    with partial.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()} for row in rows)
    partial.rename(path)
    return path


def listed(standing: Sequence[Standing]) -> list[dict[str, Any]]:
    """As rows of a table or of JSON."""
    return [asdict(s) for s in standing]
