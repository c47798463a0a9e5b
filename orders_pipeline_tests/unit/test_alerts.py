"""Alerts: once per rule and thing until it ends; told once to whoever asked; never lost, never in the way of a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.alerts import delivery, desk
from orders_pipeline.alerts.book import News, look
from orders_pipeline.alerts.delivery import LISTED, PATIENCE, Target, compose, deliver, read_targets, send_now
from orders_pipeline.alerts.rules import Rule, load_rules
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import Settings
from orders_pipeline_tests import support

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = Rule(
    "file_refused", "warn", "thing", {"en": "Late", "zh": "迟到"},
    "SELECT id AS entity_id, 'jd' AS channel, 'late by ' || days AS message, '迟 ' || days AS message_zh FROM raw.things WHERE days > 2",
)
GROUP = Target("group", "TEST_ALERT_URL", language="zh")


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE TABLE raw.things (id VARCHAR, days INTEGER)")
        yield connection


def see(connection: duckdb.DuckDBPyConnection, moment: datetime, **days: int) -> News:
    connection.execute("DELETE FROM raw.things")
    for thing, late in days.items():
        connection.execute("INSERT INTO raw.things VALUES (?, ?)", [thing, late])
    return look(connection, moment, Settings({}), [RULE])


def book(connection: duckdb.DuckDBPyConnection) -> list[tuple]:
    return connection.execute(
        "SELECT entity_id, first_seen_at, last_seen_at, cleared_at, message FROM ops.alerts ORDER BY entity_id, first_seen_at"
    ).fetchall()


def test_an_alert_is_raised_once_and_ends_when_it_is_no_longer_seen(warehouse: duckdb.DuckDBPyConnection) -> None:
    assert see(warehouse, NOON, a=3, b=1) == News(raised=1, cleared=0, standing=1)
    assert see(warehouse, NOON + HOUR, a=4) == News(0, 0, 1)
    assert book(warehouse) == [("a", NOON, NOON + HOUR, None, "late by 4")]
    assert see(warehouse, NOON + 2 * HOUR, a=1) == News(0, 1, 0)
    assert see(warehouse, NOON + 3 * HOUR, a=9) == News(1, 0, 1)
    assert [(row[1], row[3]) for row in book(warehouse)] == [(NOON, NOON + 2 * HOUR), (NOON + 3 * HOUR, None)]
    assert warehouse.execute("SELECT count(DISTINCT alert_id) FROM ops.alerts").fetchone() == (2,)


def test_looking_again_or_back_in_time_changes_nothing(warehouse: duckdb.DuckDBPyConnection) -> None:
    see(warehouse, NOON, a=3)
    before = book(warehouse)
    assert not see(warehouse, NOON, a=3)
    assert not see(warehouse, NOON - HOUR, b=3)
    assert book(warehouse) == before


def test_a_rule_whose_table_is_not_there_yet_leaves_its_alerts(warehouse: duckdb.DuckDBPyConnection) -> None:
    see(warehouse, NOON, a=3)
    warehouse.execute("DROP TABLE raw.things")
    assert look(warehouse, NOON + HOUR, Settings({}), [RULE]) == News(0, 0, 1)


def test_the_same_thing_in_two_rows_is_one_alert(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("INSERT INTO raw.things VALUES ('a', 3), ('a', 5)")
    assert look(warehouse, NOON, Settings({}), [RULE]).raised == 1


class Post:
    """A chat group that can be out of order."""

    def __init__(self) -> None:
        self.error, self.got = "", []

    def __call__(self, url: str, title: str, body: str) -> str:
        if not self.error:
            self.got.append((title, body))
        return self.error


def test_each_piece_of_news_is_told_once(warehouse: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROUP.url_env, "json://somewhere")
    post = Post()
    see(warehouse, NOON, a=3)
    for _ in range(2):
        assert deliver(warehouse, home, [GROUP], NOON, post) == []
    see(warehouse, NOON + HOUR)
    deliver(warehouse, home, [GROUP], NOON + HOUR, post)
    assert [title for title, _ in post.got] == ["订单管道: 新增 1", "订单管道: 已解除 1"]
    assert "迟 3" in post.got[0][1]
    told = [json.loads(line) for line in (home.root / "alerts.jsonl").read_text().splitlines()]
    assert [(row["event"], row["entity_id"]) for row in told] == [("raised", "a"), ("cleared", "a")]


def test_a_full_file_makes_way(warehouse: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FILE_BYTES", 100)
    for hour, thing in enumerate("abc"):
        see(warehouse, NOON + hour * HOUR, **{thing: 3})
        deliver(warehouse, home, [], NOON + hour * HOUR)
    told = {name: (home.root / name).read_text().splitlines() for name in ("alerts.jsonl", "alerts.before.jsonl")}
    # A look raises one and clears the one before; each file was full after one look.
    assert [[json.loads(line)["entity_id"] for line in lines] for lines in told.values()] == [["c", "b"], ["b", "a"]]


def test_what_fails_is_tried_again_less_and_less_often(
    warehouse: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GROUP.url_env, "json://secret-token@somewhere")
    post = Post()
    post.error = "no route"
    see(warehouse, NOON, a=3)
    assert deliver(warehouse, home, [GROUP], NOON, post) == ["alerts for group wait: no route"]
    assert deliver(warehouse, home, [GROUP], NOON, post) == []  # not yet
    moment = NOON
    for minutes in (*PATIENCE, PATIENCE[-1]):
        moment += timedelta(minutes=minutes)
        assert deliver(warehouse, home, [GROUP], moment - timedelta(seconds=1), post) == []
        assert deliver(warehouse, home, [GROUP], moment, post) != []
    post.error = ""
    assert deliver(warehouse, home, [GROUP], moment + HOUR, post) == []
    assert len(post.got) == 1


def test_what_began_and_ended_untold_is_not_told(
    warehouse: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GROUP.url_env, "json://somewhere")
    post = Post()
    see(warehouse, NOON, a=3)
    see(warehouse, NOON + HOUR)
    deliver(warehouse, home, [GROUP], NOON + HOUR, post)
    assert post.got == []


def test_an_address_that_is_missing_is_named_and_the_news_waits(
    warehouse: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(GROUP.url_env, raising=False)
    see(warehouse, NOON, a=3)
    assert deliver(warehouse, home, [GROUP], NOON) == [f"alerts for group wait: the environment variable {GROUP.url_env} is not set"]


def test_targets_hear_what_they_asked_for(warehouse: duckdb.DuckDBPyConnection, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROUP.url_env, "json://somewhere")
    post = Post()
    see(warehouse, NOON, a=3)
    severe, other = Target("severe", GROUP.url_env, minimum="critical"), Target("other", GROUP.url_env, rules=("large_difference",))
    deliver(warehouse, home, [severe, other], NOON, post)
    assert post.got == []


def test_a_storm_is_one_message() -> None:
    rows = [{"event": "raised", "severity": "warn", "rule": RULE.name, "message": f"order {n}"} for n in range(500)]
    title, body = compose(rows, "en")
    assert title == "Orders pipeline: new 500"
    assert len(body.splitlines()) == LISTED + 1 and body.endswith(f"and {500 - LISTED} more")


def test_a_real_service_is_reached_through_its_address() -> None:
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert send_now(f"json://127.0.0.1:{server.server_port}/", "title", "body") == ""
    finally:
        server.shutdown()
        server.server_close()
    assert (got[0]["title"], got[0]["message"]) == ("title", "body")
    failed = send_now(f"json://user:token@127.0.0.1:{server.server_port}/", "title", "body")
    assert failed and "token" not in failed
    assert send_now("nothing", "title", "body") == "the address is not one Apprise knows"


@pytest.mark.parametrize(
    "spec",
    [{}, {"url": "slack://token"}, {"url_env": "X", "minimum": "loud"}, {"url_env": "X", "rules": ["unheard_of"]}, {"url_env": "X", "language": "fr"}],
)
def test_a_mistake_in_the_settings_is_named(spec: dict) -> None:
    with pytest.raises(Usage, match=r"\[alerts\.finance\]"):
        read_targets({"finance": spec})


@pytest.mark.parametrize(
    ("wrong", "said"), [("severity: loud", "late needs severity"), ("severity: info, pace: soon", "late has `pace: soon`")]
)
def test_an_incomplete_rule_is_refused(tmp_path: Path, wrong: str, said: str) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "alerts.yml").write_text(f"late: {{{wrong}, entity: order, title: {{en: a, zh: b}}, sql: SELECT 1}}\n")
    with pytest.raises(Usage, match=said):
        load_rules(tmp_path)


def test_every_rule_can_be_asked(sample_home: Home) -> None:
    """Each rule of each room runs over the tables there are, and gives what an alert needs."""
    with duckdb.connect(str(sample_home.warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        from orders_pipeline.alerts.book import _found
        from orders_pipeline.kernel.macros import macro_statements
        from orders_pipeline.kernel.settings import load_settings

        for statement in macro_statements():
            connection.execute(statement.replace("CREATE OR REPLACE MACRO", "CREATE OR REPLACE TEMP MACRO"))
        for rule in load_rules():
            rows = connection.execute(_found(rule, NOON, load_settings(sample_home.settings_file))).fetchall()
            assert all(row[3] and row[5] and row[6] for row in rows), rule.name


def test_a_run_raises_and_clears_and_publishes_it(home: Home) -> None:
    (home.landing / "strange.csv").write_text("a,b\n1,2\n")
    first = pipeline.run(home, NOON)
    assert first.news.raised == 1
    assert [(a["rule"], a["cleared_at"]) for a in desk.alerts(home)] == [("file_refused", None)]
    assert "strange.csv" in support.query(home, "SELECT message FROM ops.alerts")[0][0]
    again = pipeline.run(home, NOON)
    assert not again.news and not again.publication.done
