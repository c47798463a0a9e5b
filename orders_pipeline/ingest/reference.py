"""The reference tables of stages and clocks: what models read of `stages.yml`, the limits in force and the business calendars."""

from __future__ import annotations

import hashlib
from importlib.metadata import version as package_version

import duckdb

from orders_pipeline.dictionary import calendars, stages
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.settings import Settings


def create_stage_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The stages with their limits, what may follow what, which words mean which stage, and the business calendars."""
    for table, columns, rows in (
        ("stages", stages.STAGES_DDL, stages.stage_rows(settings)),
        ("stage_transitions", stages.TRANSITIONS_DDL, stages.transition_rows()),
        ("stage_words", stages.WORDS_DDL, stages.word_rows()),
    ):
        marks = ", ".join(f"({', '.join('?' * len(rows[0]))})" for _ in rows)
        connection.execute(f"CREATE OR REPLACE TABLE ref.{table} ({columns})")
        connection.execute(f"INSERT INTO ref.{table} VALUES {marks}", [value for row in rows for value in row])
    create_calendars(connection, settings)


def create_calendars(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The days of the business calendars; made once, and again when a calendar or the library of holidays has changed."""
    versions = calendars.load_calendars(settings.calendars)
    known = {version.calendar for version in versions} | {calendars.ALWAYS}
    strange = sorted({one.clock["calendar"] for one in stages.load_stages().values() if one.clock} - known)
    if strange:
        raise Usage(f"stages.yml names the calendar {', '.join(strange)}; there are {', '.join(sorted(known))}")
    text = repr(versions) + package_version("chinesecalendar") + str(calendars.LAST) + calendars.CALENDAR_DDL
    made_of = hashlib.sha256(text.encode()).hexdigest()[:16]
    connection.execute("CREATE TABLE IF NOT EXISTS ref.calendar_versions (made_of VARCHAR)")
    if connection.execute("SELECT made_of FROM ref.calendar_versions").fetchall() == [(made_of,)]:
        return
    days = list(calendars.calendar_rows(versions))
    for table, columns, rows in (
        ("calendar", calendars.CALENDAR_DDL, days),
        ("calendar_deadlines", calendars.DEADLINE_DDL, list(calendars.deadline_rows(days))),
    ):
        lists = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(f"CREATE OR REPLACE TABLE ref.{table} ({columns})")
        connection.execute(f"INSERT INTO ref.{table} SELECT {', '.join(['unnest(?)'] * len(lists))}", lists)
    connection.execute("DELETE FROM ref.calendar_versions")
    connection.execute("INSERT INTO ref.calendar_versions VALUES (?)", [made_of])
