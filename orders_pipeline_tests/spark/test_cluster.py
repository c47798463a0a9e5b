"""What `run --engine spark` says when it cannot, and the queries it takes apart: no Spark needed."""

from __future__ import annotations

import importlib.util

import pytest

from orders_pipeline import cli, cluster, pipeline
from orders_pipeline.kernel import models
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.spark_sql import take_out_shared


def run(home: Home, *more: str) -> int:
    return cli.main(["run", "--home", str(home.root), "--engine", "spark", *more])


def test_missing_pyspark_is_one_line_with_the_remedy(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(home) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs PySpark" in line
    assert "make setup-spark" in line
    assert not home.warehouse.exists(), "nothing is read before it is known that Spark is there"


def test_missing_java_is_one_line_with_the_remedy(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert run(home) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "install Java 17" in line


@pytest.mark.parametrize("master", ["host:7077", "local-cluster[2]", "spark://", "http://host"])
def test_a_master_that_is_none_is_wrong_use(home: Home, master: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "--master", master) == 2
    assert "spark://host:7077" in capsys.readouterr().err


def test_inputs_are_what_no_model_makes() -> None:
    found = cluster.inputs(pipeline.models())
    assert {name.partition(".")[0] for name in found} <= {"raw", "ref", "kernel"}
    assert {"raw.orders", "ref.channels"} <= set(found)


def shared(sql: str) -> tuple[dict[str, str], str]:
    """The views taken out of a query, and what is left of it."""
    expression = models.parse(sql).copy()
    views = take_out_shared(expression, "room__t")
    return {name: one.sql("duckdb") for name, one in views.items()}, expression.sql("duckdb")


UNION = "SELECT a FROM y UNION ALL SELECT a FROM y UNION ALL SELECT y.a FROM y"


def test_cte_read_often_becomes_a_view_with_the_ctes_it_reads() -> None:
    views, rest = shared(f"WITH x AS (SELECT a FROM raw__t), y AS (SELECT a FROM x) {UNION}")
    assert views == {"room__t__y": "WITH x AS (SELECT a FROM raw__t) SELECT a FROM x"}
    assert rest == "WITH x AS (SELECT a FROM raw__t) " + UNION.replace("FROM y", "FROM room__t__y AS y")


def test_view_may_read_a_view() -> None:
    views, rest = shared(f"WITH x AS (SELECT a FROM raw__t), y AS (SELECT x.a FROM x, x AS b, x AS c) {UNION}")
    assert views == {
        "room__t__x": "SELECT a FROM raw__t",
        "room__t__y": "SELECT x.a FROM room__t__x AS x, room__t__x AS b, room__t__x AS c",
    }
    assert rest.startswith("SELECT a FROM room__t__y AS y UNION ALL")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM raw__t",
        "WITH x AS (SELECT a FROM raw__t) SELECT x.a FROM x, x AS b",
        f"WITH y AS (SELECT a FROM raw__t), z AS (WITH y AS (SELECT 1 AS a) SELECT a FROM y) {UNION}",
        f"WITH y AS (WITH x AS (SELECT 1 AS a) SELECT a FROM x) {UNION}",
    ],
)
def test_other_queries_are_left_alone(sql: str) -> None:
    assert shared(sql) == ({}, models.parse(sql).sql("duckdb"))
