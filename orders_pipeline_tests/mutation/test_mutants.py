"""A few faults put into the rules each time: the given/expect cases alone must notice nearly all of them.

The full measurement, scenario tests included, is run by hand: `python -m orders_pipeline_tests.mutation` (docs/generated/mutation.md).
"""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest

from orders_pipeline_tests.models.test_tables import CASES, empty_warehouse
from orders_pipeline_tests.mutation.__main__ import Range, faults_of, faulty
from orders_pipeline_tests.mutation.mutants import of_python, of_sql
from orders_pipeline_tests.mutation.page import explanations, page
from orders_pipeline_tests.mutation.replay import Store

MODEL = """-- grain: a
-- refresh: whole
-- Things.
SELECT t.a, sum(t.b) AS b FROM raw.things AS t LEFT JOIN raw.more AS m ON t.a = m.a WHERE t.b > 1 AND NOT t.c GROUP BY t.a
"""


def test_every_fault_is_one_change_at_one_place() -> None:
    texts = {one.what.split(":")[0]: one.make().split("Things.\n")[1] for one in of_sql(MODEL)}
    assert texts.keys() >= {
        "GT -> GTE",
        "And -> Or",
        "NOT dropped",
        "number + 1",
        "Sum -> Max",
        "LEFT -> INNER",
        "Where dropped",
        "EQ -> NEQ",
    }
    assert "t.b >= 1" in texts["GT -> GTE"] and "MAX(t.b)" in texts["Sum -> Max"] and "WHERE" not in texts["Where dropped"]
    assert len({one.make() for one in of_sql(MODEL)}) == len(of_sql(MODEL))
    python = of_python("LIMIT = 3\n\ndef fits(a, b):\n    return a < b + 1 and not b\n")
    assert [one.what.split(":")[0] for one in python] == [
        "and <-> or",
        "last operand dropped",
        "Lt -> LtE",
        "sign or not dropped",
        "+ <-> -",
        "number + 1",
    ]
    assert "return a <= b + 1" in python[2].make() and "LIMIT = 3" in python[2].make()


def test_a_faulty_function_is_used_and_then_forgotten() -> None:
    from orders_pipeline.reconciliation.rules import plain

    fault = "def plain(text):\n    return 'other'\n" + "\n".join(
        f"def {name}(*a): ..." for name in ("amount_matches", "date_matches", "text_matches", "_near", "distance", "rule_matches", "_holds",
                                            "any_rule_matches")
    ) + "\nclass Criterion: ...\n"  # fmt: skip
    with faulty("reconciliation/rules.py", fault):
        assert plain(" A ") == "other"
    assert plain(" A ") == "a"


def test_the_page_tells_what_was_killed_explained_and_left() -> None:
    seen = [("killed", "a > 1"), ("killed", "b"), ("survived", "c|d"), ("survived", "e"), ("invalid", "f")]
    found = page([{"subject": "revenue", "of": 9, "rule": "x.y", "what": what, "how": how} for how, what in seen], {("x.y", "c|d"): "unseen"})
    assert "| revenue | `x.y` | 9 | 4 | 2 | 1 | 1 | 50.0% |" in found
    assert "| `x.y` | c\\|d | unseen |" in found and "- `x.y`: e" in found and "f |" not in found


def test_explanations_are_of_faults_there_are() -> None:
    """One whose fault is gone explains nothing any more."""
    there: dict[str, set[str]] = {}
    for rule, fault in explanations():
        texts = there.setdefault(rule, {one.what for one in faults_of(rule)})
        assert fault in texts, f"{rule}: {fault}"


@pytest.mark.parametrize("rule", ["payments.links", "aftersales.order_shares"])
def test_cases_notice_faults(rule: str, tmp_path: Path) -> None:
    """Without the scenario tests; the share is far below what all tests reach."""
    (tmp_path / "store").mkdir()
    assert any(name == rule for name, _ in CASES)
    with empty_warehouse() as warehouse:
        there = Range(warehouse, Store(tmp_path / "store"), tmp_path)
        chosen = random.Random(3).sample(faults_of(rule), 20)
        found = [there.judge(rule, one, ()) for one in chosen]
        with pytest.raises(duckdb.Error):
            warehouse.execute("SELECT * FROM no.such_table")
    valid = [one for one in found if one.how != "invalid"]
    assert len(valid) >= 15
    assert sum(one.how == "killed" for one in valid) / len(valid) > 0.4, [one.what for one in valid if one.how != "killed"]
