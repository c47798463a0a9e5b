"""The fold and its clocks against a plain machine that takes one event after the other, and against itself in any order."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from chinese_calendar import is_workday
from hypothesis import given, settings
from hypothesis import strategies as st

from orders_pipeline import pipeline
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.dictionary.stages import load_stages
from orders_pipeline.ingest.raw import create_raw_tables
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.batches import STATE, next_batch
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings, declared_thresholds, load_settings

START = datetime(2026, 2, 1, tzinfo=UTC)
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
CHAIN = ("fulfilment.events", "fulfilment.stage_visits", "fulfilment.clocks", "fulfilment.order_stages")
PROVENANCE = {"file_id", "row_number"}

#: Saturdays off, a lunch break, public holidays, a half day of its own, longer hours from a day on.
HOURS = """
[[calendars.office]]
hours = {mon-fri = "09:00-12:00 13:30-18:00"}
holidays = "china"
exceptions = {2026-02-14 = "10:00-12:00"}
[[calendars.office]]
valid_from = 2026-02-27
hours = {mon-sun = "08:00-20:00"}
"""


def guid(text: str) -> str:
    return str(uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))


def warehouse_of(options: Settings) -> duckdb.DuckDBPyConnection:
    """Every table there is, empty."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for statement in (*macro_statements(), STATE):
        connection.execute(statement)
    dictionary = load_dictionary()
    create_raw_tables(connection, dictionary)
    create_reference_tables(connection, dictionary, options)
    refresher = Refresher(connection, pipeline.models(), AS_OF, options)
    refresher.plan(full=True)
    for model in refresher.models:
        refresher.refresh(model)
    return connection


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("hours") / "settings.toml"
    file.write_text(HOURS, encoding="utf-8")
    return load_settings(file)


@pytest.fixture(scope="module")
def warehouse(options: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse_of(options) as connection:
        yield connection


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        names = list(dict.fromkeys(name for row in rows for name in row))
        marks = ", ".join(f"({', '.join('?' * len(names))})" for _ in rows)
        values = [row.get(name) for row in rows for name in names]
        connection.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES {marks}", values)


def folded(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Sequence[Mapping[str, Any]]], as_of: datetime = AS_OF
) -> list[dict[str, Any]]:
    """The stages that the chain of models makes of these rows."""
    models = {m.name: m for m in pipeline.models()}
    thresholds = {name: threshold.value for name, threshold in declared_thresholds().items()}
    connection.execute("BEGIN TRANSACTION")
    try:
        for table, rows in tables.items():
            insert(connection, table, rows)
        for name in CHAIN:
            statement = sql.render(sql.bind(models[name], as_of, thresholds, {}))
            connection.execute(f"CREATE OR REPLACE TABLE {name} AS {statement}")
        found = connection.execute("SELECT * FROM fulfilment.order_stages ORDER BY order_guid, stage_number")
        columns = [d[0] for d in found.description]
        return [{k: v for k, v in zip(columns, row, strict=True) if k not in PROVENANCE} for row in found.fetchall()]
    finally:
        connection.execute("ROLLBACK")


# ---- any order, any repetition

hours = st.integers(0, 24 * 20)
numbers = st.integers(1, 2)
scans = st.tuples(
    st.just("scan"),
    numbers,
    st.sampled_from(["collected", "in_transit", "out_for_delivery", "delivered", "returning", "exception"]),
    hours,
)
cases = st.tuples(st.just("case"), numbers, st.sampled_from(["requested", "approved", "refunded", "closed"]), hours)
money = st.tuples(st.just("money"), numbers, st.sampled_from([6, 10, -4, -10]), hours)
views = st.tuples(
    st.just("view"), numbers, st.sampled_from(["pending_payment", "paid", "on_hold", "released", "cancelled"]), hours
)
facts = st.lists(st.one_of(scans, cases, money, views), min_size=1, max_size=14, unique=True)


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def told(rows: Sequence[tuple]) -> dict[str, list[dict[str, Any]]]:
    """Facts as the rows of the tables that the fold reads, in the order given."""
    out: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in (1, 2):
        order = {"order_guid": guid(f"A{number}"), "order_type": "normal", "timezone": "Asia/Shanghai", "created_at": START}
        views = sorted({(hour, word) for kind, n, word, hour in rows if kind == "view" and n == number})
        status = views[-1][1] if views else "paid"
        out["orders.orders"].append({**order, "status": status, "payable_amount": 10, "paid_at": at(2) if number == 1 else None})
        for version, (hour, word) in enumerate(views, 1):
            out["orders.order_versions"].append(
                {"order_guid": order["order_guid"], "version_number": version, "valid_from_at": at(hour), "status": word}
            )
        out["fulfilment.shipment_lines"].append(
            {
                "order_guid": order["order_guid"], "shipment_line_guid": guid(f"L{number}"), "parcel_guid": guid(f"w{number}"),
                "warehouse_id": "W1", "outbound_id": f"O{number}", "released_at": at(5), "shipped_at": at(9),
            }
        )  # fmt: skip
    for place, (kind, number, word, hour) in enumerate(rows):
        order = guid(f"A{number}")
        if kind == "scan":
            out["raw.tracking"].append(
                {
                    "parcel_guid": guid(f"w{number}"),
                    "parcel_status": word,
                    "occurred_at": at(hour),
                    "description": word,
                    "row_number": place,
                }
            )
        elif kind == "money":
            out["payments.allocations"].append(
                {
                    "order_guid": order,
                    "payment_guid": guid(f"{number}{word}{hour}"),
                    "kind": "receipt" if word > 0 else "refund",
                    "amount": word,
                    "occurred_at": at(hour),
                }
            )
        elif kind == "case":
            out["raw.returns"].append(
                {
                    "order_guid": order,
                    "return_id": f"R{number}",
                    "status": word,
                    "requested_at": at(1),
                    "exported_at": at(hour),
                    "row_number": place,
                }
            )
    return out


@settings(max_examples=10, deadline=None)
@given(facts=facts, data=st.data())
def test_order_and_repetition_of_events_change_nothing(
    warehouse: duckdb.DuckDBPyConnection, facts: list, data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from([f for f in facts if f[0] != "money"] or facts[:0] or [None]), max_size=6))
    shuffled = data.draw(st.permutations(facts + [f for f in again if f]))
    assert folded(warehouse, told(facts)) == folded(warehouse, told(shuffled))


@settings(max_examples=6, deadline=None)
@given(before=facts, late=st.one_of(scans, cases, money))
def test_an_event_that_comes_late_is_as_if_it_had_been_there(
    warehouse: duckdb.DuckDBPyConnection, options: Settings, before: list, late: tuple
) -> None:
    """Followed by its keys, as a load leaves them: the state and clocks of a fold that had it from the start."""
    first, whole = told(before), told([*before, late])
    table = {"scan": "raw.tracking", "case": "raw.returns", "money": "payments.allocations"}[late[0]]
    added = whole[table][len(first[table]) :]
    kind, key = ("parcel", guid(f"w{late[1]}")) if late[0] == "scan" else ("order", guid(f"A{late[1]}"))
    chain = [m for m in pipeline.models() if m.name in CHAIN]
    try:
        for name, rows in first.items():
            insert(warehouse, name, rows)
        refresher = Refresher(warehouse, chain, AS_OF, options)
        refresher.plan(full=True)
        for model in chain:
            refresher.refresh(model)
        insert(warehouse, table, added)
        warehouse.execute("INSERT INTO kernel.touched VALUES (?, ?, ?)", [kind, key, next_batch(warehouse)])
        refresher = Refresher(warehouse, chain, AS_OF, options)
        refresher.plan()
        assert {refresher.refresh(model).how for model in chain} == {"keys"}
        found = warehouse.execute("SELECT * FROM fulfilment.order_stages ORDER BY order_guid, stage_number")
        columns = [d[0] for d in found.description]
        made = [{k: v for k, v in zip(columns, row, strict=True) if k not in PROVENANCE} for row in found.fetchall()]
    finally:
        for name in (*whole, *CHAIN, "kernel.touched"):
            warehouse.execute(f"DELETE FROM {name}")
    assert made == folded(warehouse, whole)


# ---- a plain machine

STAGES = load_stages()


def machine(events: Sequence[tuple[datetime, str]]) -> list[tuple[str, bool, bool]]:
    """(stage, legal, overtaken) of one unit's events, taken one after the other."""
    found, said, stands, final, standing = [], None, None, None, False
    for _, stage in sorted(events, key=lambda e: (e[0], STAGES[e[1]].rank)):
        if stage == said:
            continue
        said = stage
        leaves = final is not None and stage in STAGES[final].next
        overtaken = standing and not STAGES[stage].final and not leaves
        found.append((stage, not overtaken and (stands is None or stage in STAGES[stands].next), overtaken))
        if STAGES[stage].final or leaves:
            standing = STAGES[stage].final
        final = stage if STAGES[stage].final else final
        stands = stands if overtaken else stage
    return found


WORDS = {"collected": "collected", "in_transit": "in_transit", "out_for_delivery": "out_for_delivery", "delivered": "delivered", "refused": "refused",
         "returning": "returning", "returned_to_sender": "returned_to_sender", "exception": "delivery_exception", "lost": "lost"}  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(events=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(sorted(WORDS))), min_size=1, max_size=12, unique=True))
def test_a_parcel_is_where_a_plain_machine_says(warehouse: duckdb.DuckDBPyConnection, events: list[tuple[int, str]]) -> None:
    rows = told([("scan", 1, word, hour) for hour, word in events])
    for line in rows["fulfilment.shipment_lines"]:
        line |= {"released_at": None, "shipped_at": None}
    models = folded(warehouse, rows)
    own = [r for r in models if str(r["unit_guid"]) == guid("w1")]
    wanted = machine([(at(hour), WORDS[word]) for hour, word in events])
    assert [(r["stage"], r["is_legal"]) for r in own] == [(stage, legal) for stage, legal, _ in wanted]
    standing = [stage for stage, _, overtaken in wanted if not overtaken]
    assert [r["stage"] for r in own if r["is_current"]] == standing[-1:]


# ---- working time

ZONE = ZoneInfo("Asia/Shanghai")
CHANGE = date(2026, 2, 27)


def shifts(day: date, begun: date) -> list[tuple[time, time]]:
    """The hours of HOURS, said once more, for a clock that began on a day."""
    if begun >= CHANGE:
        return [(time(8), time(20))]
    if day == date(2026, 2, 14):
        return [(time(10), time(12))]
    return [(time(9), time(12)), (time(13, 30), time(18))] if is_workday(day) else []


def working_seconds(start: datetime, end: datetime, begun: date) -> int:
    total, day = 0, start.astimezone(ZONE).date()
    while day <= end.astimezone(ZONE).date():
        for opens, closes in shifts(day, begun):
            a = max(start, datetime.combine(day, opens, ZONE))
            b = min(end, datetime.combine(day, closes, ZONE))
            total += max(0, int((b - a).total_seconds()))
        day += timedelta(days=1)
    return total


def test_clocks_count_the_working_time_that_hours_holidays_and_pauses_leave(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Three hundred clocks around the Spring Festival: used time by plain addition, and a deadline is where the limit is used up."""
    chance, tables, wanted = random.Random(6), defaultdict(list), {}
    for number in range(300):
        order = guid(f"C{number}")
        start = START + timedelta(seconds=chance.randrange(28 * 86400))
        holds = sorted(start + timedelta(seconds=chance.randrange(3 * 86400)) for _ in range(chance.choice([0, 0, 2, 4])))
        end = max([start, *holds]) + timedelta(seconds=chance.randrange(1, 4 * 86400))
        tables["orders.orders"].append(
            {
                "order_guid": order,
                "order_type": "normal",
                "status": "released",
                "timezone": "Asia/Shanghai",
                "created_at": start,
                "paid_at": start,
            }
        )
        changes = [(start, "paid"), *zip(holds, ["on_hold", "paid"] * 2, strict=False), (end, "released")]
        for version, (moment, status) in enumerate(changes, 1):
            tables["orders.order_versions"].append(
                {"order_guid": order, "version_number": version, "valid_from_at": moment, "status": status}
            )
        wanted[order] = (start, end, list(zip(holds[::2], holds[1::2], strict=True)))
    rows = {
        str(r["order_guid"]): r
        for r in folded(warehouse, tables, AS_OF + timedelta(days=30))
        if r["stage"] == "paid" and r["came_from"] != "on_hold"
    }
    assert rows.keys() == wanted.keys()
    for order, (start, end, pauses) in wanted.items():
        row, begun = rows[order], start.astimezone(ZONE).date()
        paused = sum(working_seconds(a, b, begun) for a, b in pauses)
        assert row["elapsed_seconds"] == working_seconds(start, end, begun) - paused
        assert row["paused_seconds"] == paused
        used = working_seconds(start, row["due_at"], begun) - sum(
            working_seconds(a, min(b, row["due_at"]), begun) for a, b in pauses if a < row["due_at"]
        )
        assert used == row["limit_seconds"] == 7200
        before = row["due_at"] - timedelta(seconds=1)
        assert working_seconds(before, row["due_at"], begun) == 1, "it falls due while somebody works"
        assert row["clock_status"] == ("met" if row["elapsed_seconds"] <= 7200 else "met_late")
    assert {r["calendar_version"] for r in rows.values()} == {1, 2}


def test_a_cut_off_counts_from_the_next_working_day(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[[calendars.warehouse]]\nhours = {mon-fri = "08:00-20:00"}\ncutoff = "17:00"\n', encoding="utf-8")
    with warehouse_of(load_settings(file)) as connection:
        rows = {}
        for name, released in (
            ("BEFORE", "2026-01-09T16:59:59+08:00"),
            ("AFTER", "2026-01-09T17:00:00+08:00"),
            ("NIGHT", "2026-01-09T23:00:00+08:00"),
        ):
            tables = {
                "orders.orders": [
                    {
                        "order_guid": guid(name),
                        "order_type": "normal",
                        "status": "paid",
                        "timezone": "Asia/Shanghai",
                        "created_at": START,
                    }
                ],
                "fulfilment.shipment_lines": [
                    {
                        "order_guid": guid(name),
                        "shipment_line_guid": guid(name),
                        "warehouse_id": "W1",
                        "outbound_id": "O1",
                        "released_at": released,
                    }
                ],
            }
            rows[name] = next(r["due_at"] for r in folded(connection, tables) if r["stage"] == "allocated")
    local = {name: due.astimezone(ZONE).strftime("%a %H:%M:%S") for name, due in rows.items()}
    assert local == {"BEFORE": "Fri 18:59:59", "AFTER": "Mon 10:00:00", "NIGHT": "Mon 10:00:00"}
