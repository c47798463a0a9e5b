"""Reference tables: what models read of `stages.yml`, the limits in force, the business calendars, the revenue rules, tolerances,
the definitions of customer tags and what the health score is made of."""

from __future__ import annotations

import hashlib
from importlib.metadata import version as package_version

import duckdb

from orders_pipeline.dictionary import calendars, health, revenue, stages, tags, tolerances
from orders_pipeline.dictionary.model import Dictionary
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.refresh import STATE
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.sqltext import literal


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


def create_health_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """ref.health_components: what the health score is made of. What reads it is made anew where its contents have changed."""
    rows = health.component_rows(tuple(dictionary.channels), settings.health)
    values = ", ".join("(" + ", ".join("NULL" if v is None else literal(str(v)) for v in row) + ")" for row in rows)
    connection.execute(f"CREATE OR REPLACE TABLE ref.health_components ({health.COMPONENTS_DDL})")
    connection.execute(f"INSERT INTO ref.health_components VALUES {values}")


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


def create_revenue_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """ref.revenue_rules and ref.vat_ratios. Where they have changed, what the room `finance` has made of them is made anew."""
    connection.execute(STATE)
    channels, kinds = tuple(dictionary.channels), tuple(dictionary.vocabularies["order_type"])
    tables = {
        "revenue_rules": (
            "channel VARCHAR, order_type VARCHAR, valid_from DATE, valid_to DATE, rule VARCHAR, version INTEGER, "
            "control_point VARCHAR, hold_hours INTEGER, auto_confirm_days INTEGER, platform_discount VARCHAR, "
            "return_days INTEGER, return_ratio DECIMAL(9, 6), without_history VARCHAR",
            revenue.rule_rows(channels, kinds, settings.revenue),
        ),
        "vat_ratios": (
            "channel VARCHAR, category VARCHAR, valid_from DATE, valid_to DATE, vat_ratio DECIMAL(9, 6), "
            "vat_share DECIMAL(18, 12)",
            revenue.vat_rows(channels, settings.revenue),
        ),
    }
    for name, (columns, rows) in tables.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE revenue_now ({columns})")
        values = ", ".join("(" + ", ".join("NULL" if v is None else literal(str(v)) for v in row) + ")" for row in rows)
        connection.execute(f"INSERT INTO revenue_now VALUES {values}")
        connection.execute(f"CREATE TABLE IF NOT EXISTS ref.{name} ({columns})")
        changed = connection.execute(
            f"SELECT count(*) FROM ((TABLE revenue_now EXCEPT TABLE ref.{name}) "
            f"UNION ALL (TABLE ref.{name} EXCEPT TABLE revenue_now))"
        ).fetchall()[0][0]
        if changed:
            connection.execute(f"DELETE FROM ref.{name}")
            connection.execute(f"INSERT INTO ref.{name} SELECT * FROM revenue_now")
            connection.execute("DELETE FROM kernel.consumers WHERE starts_with(consumer, 'finance.')")
    connection.execute("DROP TABLE revenue_now")


def create_match_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """ref.match_tolerances: how far a channel's differences may go where the home says so; blank where the threshold holds."""
    rows = tolerances.tolerance_rows(tuple(dictionary.channels), settings.matching)
    connection.execute(f"CREATE OR REPLACE TABLE ref.match_tolerances ({tolerances.TOLERANCES_DDL})")
    for row in rows:
        connection.execute(f"INSERT INTO ref.match_tolerances VALUES ({', '.join('?' * len(row))})", row)


def create_unit_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """ref.piece_words: the words of a stock file that mean the single piece, in capitals."""
    words = sorted({word.upper() for word in dictionary.aliases("count_unit")})
    connection.execute("CREATE OR REPLACE TABLE ref.piece_words (word VARCHAR)")
    connection.execute(f"INSERT INTO ref.piece_words VALUES {', '.join(['(?)'] * len(words))}", words)


def create_customer_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """What the room `customers` reads of the dictionary: definitions of tags, RFM scores, and words that tell who cancelled."""
    words = [
        (alias.lower(), cause, place)
        for place, (cause, spec) in enumerate(dictionary.vocabularies["cancel_cause"].items())
        for alias in spec.get("aliases", ())
    ]
    for table, columns, rows in (
        ("customer_tags", tags.TAGS_DDL, tags.tag_rows(settings)),
        ("rfm_cut_points", tags.SCORES_DDL, tags.score_rows()),
        ("cancel_words", "word VARCHAR, cause VARCHAR, place INTEGER", words),
    ):
        marks = ", ".join(f"({', '.join('?' * len(rows[0]))})" for _ in rows)
        connection.execute(f"CREATE OR REPLACE TABLE ref.{table} ({columns})")
        connection.execute(f"INSERT INTO ref.{table} VALUES {marks}", [value for row in rows for value in row])
