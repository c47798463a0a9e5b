"""Claims about single rows are counted in one pass, and that changes no result."""

from __future__ import annotations

import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel import checks
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import load_settings
from orders_pipeline.kernel.warehouse import connect
from orders_pipeline_tests.conftest import SAMPLE_AS_OF


@pytest.mark.parametrize(
    ("text", "is_claim"),
    [
        ("SELECT * FROM a.b WHERE x < 0", True),
        ("SELECT x FROM a.b AS t WHERE t.x < 0 OR t.y IS NULL", True),
        ("SELECT * FROM a.b", False),
        ("SELECT * FROM a.c WHERE x < 0", False),
        ("SELECT DISTINCT x FROM a.b WHERE x < 0", False),
        ("SELECT x FROM a.b WHERE x < 0 GROUP BY x", False),
        ("SELECT sum(x) FROM a.b WHERE x < 0", False),
        ("SELECT * FROM a.b WHERE x < 0 LIMIT 3", False),
        ("SELECT * FROM a.b WHERE x IN (SELECT x FROM a.b)", False),
        ("SELECT * FROM a.b WHERE EXISTS (SELECT 1)", False),
        ("SELECT t.x FROM a.b AS t LEFT JOIN a.b AS u ON t.x = u.x WHERE u.x IS NULL", False),
        ("WITH k AS (SELECT * FROM a.b) SELECT * FROM k WHERE x < 0", False),
        ("SELECT * FROM (SELECT * FROM a.b) AS t WHERE x < 0", False),
        ("SELECT * FROM a.b WHERE x < 0 QUALIFY row_number() OVER (ORDER BY x) > 1", False),
        ("SELECT * FROM a.b WHERE x < 0 UNION ALL SELECT * FROM a.b WHERE y < 0", False),
    ],
)
def test_a_claim_about_single_rows_is_told_from_others(text: str, is_claim: bool) -> None:
    assert (checks.row_claim(text, "a.b") is not None) == is_claim


def test_counting_together_gives_what_each_claim_alone_gives(sample_home: Home) -> None:
    settings = load_settings(sample_home.settings_file)
    counted = 0
    with connect(sample_home.warehouse, sample_home.work, read_only=True) as connection:
        for check in pipeline.checks():
            claim = checks.row_claim(check.sql, check.table)
            if claim is None:
                continue
            one, pass_over_all = (
                sql.render(sql.bind(text, SAMPLE_AS_OF, settings.thresholds, {}))
                for text in (check.sql, checks.counting(check.table, claim[0], (check.sql,)))
            )
            alone = connection.execute(f"SELECT count(*) FROM ({one})").fetchall()
            assert connection.execute(pass_over_all).fetchall() == alone, check.name
            counted += 1
    assert counted > 10


def test_a_check_that_does_not_fit_into_memory_is_named(tmp_path) -> None:
    from orders_pipeline.kernel.faults import Permanent
    from orders_pipeline.kernel.models import Model
    from orders_pipeline.kernel.refresh import Refreshed, Refresher
    from orders_pipeline.kernel.settings import Settings

    model = Model("orders.t", "orders", "t", tmp_path, "", ("x",), "whole", "", (), frozenset(), "", None, frozenset(), None)
    with connect(":memory:", tmp_path) as connection:
        connection.execute("CREATE SCHEMA orders; CREATE TABLE orders.t AS SELECT range AS x FROM range(3000000)")
        refresher = Refresher(connection, [model], SAMPLE_AS_OF, Settings({"check_history_days": 400}))
        connection.execute("SET memory_limit = '60MB'; SET max_temp_directory_size = '1MB'")
        large = "SELECT hash(x) AS x, count(*) AS n FROM orders.t GROUP BY ALL HAVING n > 1"
        with pytest.raises(Permanent, match=r"orders\.t: the check repeats takes more memory.*ORDERS_PIPELINE_MEMORY"):
            asked = [checks.Check("repeats", "orders.t", "warn", large)]
            checks.run_checks(refresher, asked, {"orders.t": Refreshed(model, "whole", 1)}, "r1")


def test_results_of_a_pass_are_those_of_the_claims(tmp_path) -> None:
    from orders_pipeline.kernel.models import Model
    from orders_pipeline.kernel.refresh import Refreshed, Refresher
    from orders_pipeline.kernel.settings import Settings

    model = Model("orders.t", "orders", "t", tmp_path, "", ("x",), "whole", "", (), frozenset(), "", None, frozenset(), None)
    with connect(":memory:", tmp_path) as connection:
        connection.execute("CREATE SCHEMA orders; CREATE TABLE orders.t AS SELECT range AS x, nullif(range, 3) AS y FROM range(10)")
        refresher = Refresher(connection, [model], SAMPLE_AS_OF, Settings({"check_history_days": 400}))
        wanted = {"x < 0": 0, "x > 6": 3, "y > 6": 3, "y IS NULL": 1, "t.x = 1": 1}
        asked = [
            checks.Check(where, "orders.t", "warn", f"SELECT x FROM orders.t{' AS t' if 't.' in where else ''} WHERE {where}")
            for where in wanted
        ]
        asked.append(checks.Check("sum", "orders.t", "warn", "SELECT sum(x) AS x FROM orders.t HAVING sum(x) > 1"))
        results = checks.run_checks(refresher, asked, {"orders.t": Refreshed(model, "whole", 10)}, "r1")
        assert {r.check.name: r.rows_failing for r in results} == {**wanted, "sum": 1}
        assert [r.check.name for r in results] == [c.name for c in asked]
        assert results[1].sample == '[{"x": "7"}, {"x": "8"}, {"x": "9"}]'
        assert connection.execute("SELECT count(*), sum(rows_failing) FROM quality.check_results").fetchall() == [(6, 9)]
