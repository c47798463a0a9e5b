"""Parts over tables with the columns of the contract: channel health (what is lowest, what cost points, funnel, problems), tickets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import pytest

from orders_pipeline.publish.report import data, health
from orders_pipeline.publish.report.book import Book
from orders_pipeline.publish.report.markup import html
from orders_pipeline_tests.report.reading import Reader, rows

LAST = date(2026, 3, 20)
DAYS = 40
TABLES = """
CREATE SCHEMA health;
CREATE TABLE health.channel_daily (day DATE, channel VARCHAR, dimension VARCHAR, score DECIMAL(6, 1), band VARCHAR, order_count BIGINT,
    is_scored BOOLEAN, score_low DECIMAL(6, 1), score_high DECIMAL(6, 1));
CREATE TABLE health.score_components (day DATE, channel VARCHAR, dimension VARCHAR, component VARCHAR, value DOUBLE, shrunk_value DOUBLE,
    sample_count BIGINT, target DECIMAL(9, 6), acceptable DECIMAL(9, 6), floor DECIMAL(9, 6), weight DECIMAL(9, 3), points_lost DECIMAL(6, 1),
    interval_low DOUBLE, interval_high DOUBLE);
CREATE TABLE health.channel_monthly (month DATE, channel VARCHAR, creation_success_ratio DOUBLE, mean_settlement_hours DECIMAL(18, 2),
    abnormal_ratio DOUBLE, score DECIMAL(6, 1));
CREATE TABLE health.funnel (day DATE, channel VARCHAR, step VARCHAR, step_number INTEGER, count BIGINT, conversion_ratio DOUBLE);
CREATE TABLE health.problem_heatmap (day DATE, hour INTEGER, problem VARCHAR, order_count BIGINT);
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def shown(connection: duckdb.DuckDBPyConnection) -> Reader:
    """Two channels over forty days; the newest day of one of them is not scored."""
    connection.execute(TABLES)
    for number in range(DAYS):
        day = LAST - timedelta(days=DAYS - 1 - number)
        scored = number < DAYS - 1
        for channel, score, band in (("taobao", 90, "healthy"), ("douyin", 50 + number % 3, "risk")):
            told = channel == "taobao" or scored
            connection.execute("INSERT INTO health.channel_daily VALUES (?, ?, 'operations', ?, ?, 100, ?, 40, 95)",
                               [day, channel, score if told else None, band if told else "not_scored", told])  # fmt: skip
            for component, points in (("late_shipping", number), ("difference", 1)):
                connection.execute("INSERT INTO health.score_components VALUES (?, ?, 'operations', ?, 0.1, 0.1, 100, 0.02, 0.06, 0.15, 20, ?, 0, 1)",
                                   [day, channel, component, points])  # fmt: skip
        for place, (step, count) in enumerate((("submitted", 10), ("paid", 8), ("shipped", 4)), 3):
            connection.execute("INSERT INTO health.funnel VALUES (?, 'taobao', ?, ?, ?, NULL)", [day, step, place, count])
        connection.execute("INSERT INTO health.problem_heatmap VALUES (?, 9, 'refund', 2), (?, 10, 'refund', 1)", [day, day])
    connection.execute("INSERT INTO health.channel_monthly VALUES ('2026-03-01', 'taobao', 0.9996, 31.5, 0.04, 90)")
    section = health.section(Book(connection))
    assert section
    reader = Reader("en")
    reader.feed(html(*section.figures))
    return reader


def test_each_channel_shows_its_last_scored_day_the_lowest_first(shown: Reader) -> None:
    found = [(r[0], r[2], r[3], r[5], r[6]) for r in rows(shown, "scores")]
    assert found == [
        ("Douyin shop", "2026-03-19", "52.0", "At risk", "40.0 – 95.0"),
        ("Taobao / Tmall", "2026-03-20", "90.0", "Healthy", "40.0 – 95.0"),
    ]
    assert "Douyin shop" in shown.sentences["channel-scores"] and "52.0" in shown.sentences["channel-scores"]


def test_points_are_those_of_the_day_that_is_shown(shown: Reader) -> None:
    found = [(r[1], r[2], r[3]) for r in rows(shown, "points")]
    assert found == [
        ("Taobao / Tmall", "2026-03-20", "39.0"), ("Douyin shop", "2026-03-19", "38.0"),
        ("Douyin shop", "2026-03-19", "1.0"), ("Taobao / Tmall", "2026-03-20", "1.0"),
    ]  # fmt: skip


def test_funnel_and_problems_add_up_the_last_four_weeks(shown: Reader) -> None:
    assert [r[:3] for r in rows(shown, "funnel-steps")] == [
        ["Submitted", "280", "–"], ["Paid", "224", "80.0%"], ["Shipped", "112", "50.0%"],
    ]  # fmt: skip
    refund = rows(shown, "problems")[0]
    assert (refund[10], refund[11], refund[12]) == ("56", "28", "·")
    assert rows(shown, "months")[0] == ["2026-03", "Taobao / Tmall", "99.9%", "31.5", "4.0%", "90.0"]


def test_without_its_tables_the_part_is_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    assert health.section(Book(connection)) is None
    connection.execute(TABLES)
    assert health.section(Book(connection)) is None


def test_open_tickets_are_listed_the_oldest_first(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE SCHEMA quality;
        CREATE TABLE quality.tickets (ticket_id VARCHAR, metric VARCHAR, channel VARCHAR, opened_on DATE, closed_on DATE, ratio DOUBLE, examples VARCHAR);
        INSERT INTO quality.tickets VALUES ('1', 'address_standardisation', 'taobao', '2026-03-02', NULL, 0.9, '[]'),
            ('2', 'address_standardisation', 'douyin', '2026-03-01', NULL, 0.5, '[]'), ('3', 'x', 'y', '2026-02-01', '2026-02-02', 1, '[]')
    """)
    reader = Reader("en")
    reader.feed(html(data._tickets(Book(connection))))
    assert rows(reader, "open-tickets") == [
        ["Addresses standardised", "Douyin shop", "2026-03-01", "50.0%"],
        ["Addresses standardised", "Taobao / Tmall", "2026-03-02", "90.0%"],
    ]
    connection.execute("UPDATE quality.tickets SET closed_on = '2026-03-03'")
    assert "No ticket is open" in html(data._tickets(Book(connection)))
