"""The helper functions models may call: one meaning, written once for DuckDB and once for Spark.

Each is a SQL expression over its parameters. DuckDB gets them as macros (`macro_statements`); on the way to Spark a
call is replaced by the Spark expression (`expand_for_spark`). Both are compared value by value in the Spark tests.

All of them assume a session time zone of UTC and give null for a null argument.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlglot
from sqlglot import exp


class Macro(NamedTuple):
    """A helper function: its parameter names, its result type (as DuckDB names it), then its body in each dialect."""

    parameters: tuple[str, ...]
    returns: str
    duckdb: str
    spark: str


# A clock set back shows the same local hour twice. Spark takes the first of the two instants and DuckDB the second, so
# DuckDB's answer is moved an hour back when that instant reads the same on the wall.
_TO_UTC_DUCKDB = """CASE
    WHEN timezone(zone, timezone(zone, CAST(local_time AS TIMESTAMP)) - INTERVAL 1 HOUR) = CAST(local_time AS TIMESTAMP)
    THEN timezone(zone, CAST(local_time AS TIMESTAMP)) - INTERVAL 1 HOUR
    ELSE timezone(zone, CAST(local_time AS TIMESTAMP)) END"""


def _add_duckdb(microseconds: int) -> str:
    # 18 digits would end at twelve days of seconds.
    count = f"CAST(round(CAST(n AS DECIMAL(28, 6)) * {microseconds}) AS BIGINT)"
    return f"CAST(moment AS TIMESTAMPTZ) + to_microseconds({count})"


def _add_spark(microseconds: int) -> str:
    count = f"CAST(round(CAST(n AS DECIMAL(18, 6)) * {microseconds}) AS BIGINT)"
    return f"timestamp_micros(unix_micros(CAST(moment AS TIMESTAMP)) + {count})"


MACROS: dict[str, Macro] = {
    # Instant -> wall clock of a zone, as a TIMESTAMP without zone.
    "from_utc_timestamp": Macro(
        ("moment", "zone"),
        "TIMESTAMP",
        "timezone(zone, CAST(moment AS TIMESTAMPTZ))",
        "CAST(from_utc_timestamp(CAST(moment AS TIMESTAMP), zone) AS TIMESTAMP_NTZ)",
    ),
    # Wall clock of a zone -> instant; the earlier instant when the clock showed that time twice.
    "to_utc_timestamp": Macro(
        ("local_time", "zone"),
        "TIMESTAMPTZ",
        _TO_UTC_DUCKDB,
        "to_utc_timestamp(CAST(local_time AS TIMESTAMP), zone)",
    ),
    # The calendar day on which an instant falls in a zone.
    "local_date": Macro(
        ("moment", "zone"),
        "DATE",
        "CAST(timezone(zone, CAST(moment AS TIMESTAMPTZ)) AS DATE)",
        "CAST(from_utc_timestamp(CAST(moment AS TIMESTAMP), zone) AS DATE)",
    ),
    # Whole calendar days from the earlier date to the later one (INTEGER, negative the other way round).
    "days_between": Macro(
        ("later", "earlier"),
        "INTEGER",
        "CAST(date_diff('day', CAST(earlier AS DATE), CAST(later AS DATE)) AS INTEGER)",
        "datediff(CAST(later AS DATE), CAST(earlier AS DATE))",
    ),
    # Full seconds elapsed between two instants (BIGINT, cut towards zero).
    "seconds_between": Macro(
        ("later", "earlier"),
        "BIGINT",
        "(epoch_us(CAST(later AS TIMESTAMPTZ)) - epoch_us(CAST(earlier AS TIMESTAMPTZ))) // 1000000",
        "(unix_micros(CAST(later AS TIMESTAMP)) - unix_micros(CAST(earlier AS TIMESTAMP))) DIV 1000000",
    ),
    # A date some days later (DATE; n a whole number, may be negative).
    "add_days": Macro(
        ("day", "n"),
        "DATE",
        "CAST(day AS DATE) + CAST(n AS INTEGER)",
        "date_add(CAST(day AS DATE), CAST(n AS INT))",
    ),
    # The same day some months later, the last day of the month where that one is shorter (DATE).
    "add_calendar_months": Macro(
        ("day", "n"),
        "DATE",
        "CAST(CAST(day AS DATE) + to_months(CAST(n AS INTEGER)) AS DATE)",
        "add_months(CAST(day AS DATE), CAST(n AS INT))",
    ),
    # 1 = Monday … 7 = Sunday.
    "iso_weekday": Macro(
        ("day",),
        "INTEGER",
        "CAST(isodow(CAST(day AS DATE)) AS INTEGER)",
        "weekday(CAST(day AS DATE)) + 1",
    ),
    # An instant some hours / minutes / seconds later (TIMESTAMPTZ; n may be a fraction or negative).
    "add_hours": Macro(("moment", "n"), "TIMESTAMPTZ", _add_duckdb(3_600_000_000), _add_spark(3_600_000_000)),
    "add_minutes": Macro(("moment", "n"), "TIMESTAMPTZ", _add_duckdb(60_000_000), _add_spark(60_000_000)),
    "add_seconds": Macro(("moment", "n"), "TIMESTAMPTZ", _add_duckdb(1_000_000), _add_spark(1_000_000)),
    # An instant as text, the same in every engine: 2026-01-31 09:30:00Z.
    "utc_text": Macro(
        ("moment",),
        "VARCHAR",
        "strftime(timezone('UTC', CAST(moment AS TIMESTAMPTZ)), '%Y-%m-%d %H:%M:%S') || 'Z'",
        "concat(date_format(CAST(moment AS TIMESTAMP), 'yyyy-MM-dd HH:mm:ss'), 'Z')",
    ),
    # Our identifier of a text: its MD5 as a UUID (in Spark, which has no such type, the dashed lower-case text).
    "guid_of": Macro(
        ("content",),
        "UUID",
        "CAST(unhex(md5(content)) AS UUID)",  # half the cost of the cast from text, and the same value
        "regexp_replace(md5(content), '^(.{8})(.{4})(.{4})(.{4})(.{12})$', '$1-$2-$3-$4-$5')",
    ),
    # numerator / denominator as DOUBLE; null when the denominator is 0.
    "ratio": Macro(
        ("numerator", "denominator"),
        "DOUBLE",
        "CASE WHEN denominator = 0 THEN NULL ELSE CAST(numerator AS DOUBLE) / CAST(denominator AS DOUBLE) END",
        "CASE WHEN denominator = 0 THEN NULL ELSE CAST(numerator AS DOUBLE) / CAST(denominator AS DOUBLE) END",
    ),
    # Money to the cent, half away from zero. Through a decimal first: round(2.675 as DOUBLE) differs between engines.
    "round_half_up": Macro(
        ("amount",),
        "DECIMAL(18, 2)",
        "CAST(round(CAST(amount AS DECIMAL(38, 8)), 2) AS DECIMAL(18, 2))",
        "CAST(round(CAST(amount AS DECIMAL(38, 8)), 2) AS DECIMAL(18, 2))",
    ),
}


def macro_statements() -> list[str]:
    """The statements that define every helper in a DuckDB database; harmless to run again."""
    return [f"CREATE OR REPLACE MACRO {name}({', '.join(macro.parameters)}) AS {macro.duckdb}" for name, macro in MACROS.items()]


def expand_for_spark(expression: exp.Expression) -> exp.Expression:
    """A copy of the expression in which every helper call is its Spark body."""
    return expression.copy().transform(_expand, copy=False)


def _expand(node: exp.Expression) -> exp.Expression:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
    if name not in MACROS:
        return node
    macro = MACROS[name]
    if len(node.expressions) != len(macro.parameters):
        raise ValueError(f"{name}({', '.join(macro.parameters)}) is called with {len(node.expressions)} arguments")
    arguments = dict(zip(macro.parameters, node.expressions, strict=True))
    body = sqlglot.parse_one(macro.spark, read="spark")
    for column in list(body.find_all(exp.Column)):
        # Brackets, so that an argument such as `a + b` keeps together inside the body.
        argument = exp.Paren(this=arguments[column.name].transform(_expand))
        if column is body:
            return argument
        column.replace(argument)
    return exp.Paren(this=body)
