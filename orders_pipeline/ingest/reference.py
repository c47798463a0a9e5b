"""Reference tables: what models read of the dictionary and the settings. Each is filled only where its rows are others than the
last time: every run looks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version as package_version

import duckdb

from orders_pipeline.dictionary import calendars, health, revenue, stages, tags, tolerances
from orders_pipeline.dictionary.model import Dictionary
from orders_pipeline.kernel.batches import STATE
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.sqltext import literal

#: Days ahead that models can count: no row generator means the same on both engines.
DAYS_AHEAD = 400
_CHANNEL_COLUMNS = ("timezone", "currency", "logistics_leg", "payment_leg", "subsidy_leg")
#: With `restates` a movement steps back for one of its kind, with `restates_whole` for any of its transaction.
_RESTATEMENTS = (("restates", False), ("restates_whole", True))


def create_reference_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """All of them, in the transaction of the caller."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS ref")
    create_channel_tables(connection, dictionary, settings)
    create_return_tables(connection, dictionary)
    create_revenue_tables(connection, dictionary, settings)
    create_match_tables(connection, dictionary, settings)
    create_stage_tables(connection, settings)
    create_calendars(connection, settings)
    create_customer_tables(connection, dictionary, settings)
    create_unit_tables(connection, dictionary)
    create_health_tables(connection, dictionary, settings)


def _put(connection: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Iterable[tuple]) -> bool:
    """Fill ref.<name>, unless it holds just these rows. Whether it was filled."""
    rows = list(rows)
    made_of = hashlib.sha256(repr((columns, rows)).encode()).hexdigest()[:16]
    if _is_made_of(connection, name, made_of):
        return False
    connection.execute(f"CREATE OR REPLACE TABLE ref.{name} ({columns})")
    if rows:
        values = ", ".join("(" + ", ".join("NULL" if v is None else literal(str(v)) for v in row) + ")" for row in rows)
        connection.execute(f"INSERT INTO ref.{name} VALUES {values}")
    _remember(connection, name, made_of)
    return True


def _is_made_of(connection: duckdb.DuckDBPyConnection, name: str, made_of: str) -> bool:
    connection.execute("CREATE TABLE IF NOT EXISTS ref.made_of (name VARCHAR, made_of VARCHAR)")
    return connection.execute("SELECT made_of FROM ref.made_of WHERE name = ?", [name]).fetchall() == [(made_of,)]


def _remember(connection: duckdb.DuckDBPyConnection, name: str, made_of: str) -> None:
    connection.execute("DELETE FROM ref.made_of WHERE name = ?", [name])
    connection.execute("INSERT INTO ref.made_of VALUES (?, ?)", [name, made_of])


def create_channel_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """Channels, accounts, which statements restate which, the categories of fast movers, how goods are shared out, and numbers
    of days."""
    texts = ", ".join(f"{column} VARCHAR" for column in ("channel", *_CHANNEL_COLUMNS))
    channels = [(code, *(dictionary.channel(code)[c] for c in _CHANNEL_COLUMNS)) for code in dictionary.channels]
    _put(connection, "channels", texts, channels)
    accounts = [(account, spec.get("channel"), spec.get("shop_id")) for account, spec in settings.accounts.items()]
    _put(connection, "accounts", "account VARCHAR, channel VARCHAR, shop_id VARCHAR", accounts)
    restated = [
        (s.name, other, whole) for s in dictionary.sources.values() for way, whole in _RESTATEMENTS for other in s.get(way, ())
    ]
    _put(connection, "restatements", "source VARCHAR, restates VARCHAR, is_whole BOOLEAN", restated)
    _put(connection, "fast_categories", "category VARCHAR", [(category,) for category in settings.fast_categories])
    _put(connection, "allocation", "strategy VARCHAR", [(settings.allocation,)])
    _put(connection, "days", "day_number INTEGER", [(day,) for day in range(DAYS_AHEAD + 1)])


def create_return_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """What the room `aftersales` reads of the dictionary: classes of cases with the words that tell them, and stages."""
    classes = list(dictionary.vocabularies["return_class"].items())
    _put(
        connection,
        "return_classes",
        "class VARCHAR, place INTEGER, route VARCHAR, owner_role VARCHAR, limit_hours INTEGER, needs_evidence BOOLEAN, "
        "is_complaint BOOLEAN",
        [
            (code, place, *(c[n] for n in ("route", "owner_role", "limit_hours", "needs_evidence", "is_complaint")))
            for place, (code, c) in enumerate(classes)
        ],
    )
    words = [(str(word).lower(), code, place) for place, (code, c) in enumerate(classes) for word in c["aliases"]]
    _put(connection, "return_words", "word VARCHAR, class VARCHAR, place INTEGER", words)
    _put(
        connection,
        "return_stages",
        "stage VARCHAR, rank INTEGER, owner_role VARCHAR, limit_hours INTEGER",
        [(code, s["rank"], s["owner_role"], s["limit_hours"]) for code, s in dictionary.vocabularies["return_stage"].items()],
    )


def create_stage_tables(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The stages with their limits, what may follow what, and which words mean which stage."""
    _put(connection, "stages", stages.STAGES_DDL, stages.stage_rows(settings))
    _put(connection, "stage_transitions", stages.TRANSITIONS_DDL, stages.transition_rows())
    _put(connection, "stage_words", stages.WORDS_DDL, stages.word_rows())


def create_health_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """ref.health_components: what the health score is made of. What reads it is made anew where its contents have changed."""
    rows = health.component_rows(tuple(dictionary.channels), settings.health)
    _put(connection, "health_components", health.COMPONENTS_DDL, rows)


def create_calendars(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """The days of the business calendars; made once, and again when a calendar or the library of holidays has changed."""
    versions = calendars.load_calendars(settings.calendars)
    known = {version.calendar for version in versions} | {calendars.ALWAYS}
    strange = sorted({one.clock["calendar"] for one in stages.load_stages().values() if one.clock} - known)
    if strange:
        raise Usage(f"stages.yml names the calendar {', '.join(strange)}; there are {', '.join(sorted(known))}")
    # Working the days out takes longer than looking whether they would be others.
    text = repr(versions) + package_version("chinesecalendar") + str(calendars.LAST) + calendars.CALENDAR_DDL
    made_of = hashlib.sha256(text.encode()).hexdigest()[:16]
    if _is_made_of(connection, "calendar", made_of):
        return
    days = list(calendars.calendar_rows(versions))
    for table, columns, rows in (
        ("calendar", calendars.CALENDAR_DDL, days),
        ("calendar_deadlines", calendars.DEADLINE_DDL, list(calendars.deadline_rows(days))),
    ):
        lists = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(f"CREATE OR REPLACE TABLE ref.{table} ({columns})")
        connection.execute(f"INSERT INTO ref.{table} SELECT {', '.join(['unnest(?)'] * len(lists))}", lists)
    _remember(connection, "calendar", made_of)


def create_revenue_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """ref.revenue_rules and ref.vat_ratios. Where they have changed, what the room `finance` has made of them is made anew."""
    channels, kinds = tuple(dictionary.channels), tuple(dictionary.vocabularies["order_type"])
    filled = [
        _put(connection, "revenue_rules", revenue.RULES_DDL, revenue.rule_rows(channels, kinds, settings.revenue)),
        _put(connection, "vat_ratios", revenue.VAT_DDL, revenue.vat_rows(channels, settings.revenue)),
    ]
    if any(filled):
        connection.execute(STATE)
        connection.execute("DELETE FROM kernel.consumers WHERE starts_with(consumer, 'finance.')")


def create_match_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """ref.match_tolerances: how far a channel's differences may go where the home says so; blank where the threshold holds."""
    rows = tolerances.tolerance_rows(tuple(dictionary.channels), settings.matching)
    _put(connection, "match_tolerances", tolerances.TOLERANCES_DDL, rows)


def create_unit_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """ref.piece_words: the words of a stock file that mean the single piece, in capitals."""
    words = sorted({word.upper() for word in dictionary.aliases("count_unit")})
    _put(connection, "piece_words", "word VARCHAR", [(word,) for word in words])


def create_customer_tables(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary, settings: Settings) -> None:
    """What the room `customers` reads of the dictionary: definitions of tags, RFM scores, and words that tell who cancelled."""
    words = [
        (alias.lower(), cause, place)
        for place, (cause, spec) in enumerate(dictionary.vocabularies["cancel_cause"].items())
        for alias in spec.get("aliases", ())
    ]
    _put(connection, "customer_tags", tags.TAGS_DDL, tags.tag_rows(settings))
    _put(connection, "rfm_cut_points", tags.SCORES_DDL, tags.score_rows())
    _put(connection, "cancel_words", "word VARCHAR, cause VARCHAR, place INTEGER", words)
