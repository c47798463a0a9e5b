"""The peers of the benchmark give the floor's answers, and the comparison notices when one does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from benchmarks import data, floor
from benchmarks.compare import QUESTIONS, differences

ROOT = Path(__file__).parents[2]
ORDERS = 400


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> data.Files:
    return data.full_month(tmp_path_factory.mktemp("month"), ORDERS, lambda text: None)


@pytest.fixture(scope="module")
def answers(month: data.Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    target = tmp_path_factory.mktemp("floor") / "floor.duckdb"
    floor.build(month.landing, target, month.as_of)
    yield target


@pytest.mark.parametrize("peer", ["pandas", "polars"])
def test_a_peer_gives_the_floors_answers(peer: str, month: data.Files, answers: Path, tmp_path: Path) -> None:
    if find_spec(peer) is None:
        pytest.skip(f"{peer} is not installed (make setup-bench)")
    command = [sys.executable, "-m", f"benchmarks.peers.in_{peer}", str(month.landing), str(tmp_path), month.as_of]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    assert differences(answers, tmp_path, peer) == []
    with duckdb.connect() as connection:
        verdicts = connection.execute(
            f"SELECT count(*), count(DISTINCT reason) FROM '{tmp_path}/reconciliation.three_way_match.parquet'"
        ).fetchall()[0]
    assert verdicts[0] > ORDERS * 0.9
    assert verdicts[1] > 5
    _change_a_cent(tmp_path / "payments.allocations.parquet")
    assert {line.split(":")[0] for line in differences(answers, tmp_path, peer)} == {"payments by order"}


def _change_a_cent(table: Path) -> None:
    changed = table.with_suffix(".new")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (CASE row_number() OVER () WHEN 7 THEN CAST(amount + 0.01 AS DECIMAL(18, 2)) ELSE amount END AS amount)"
            f" FROM '{table}') TO '{changed}' (FORMAT parquet)"
        )
    changed.rename(table)


def test_every_question_is_about_something(answers: Path) -> None:
    with duckdb.connect(str(answers), read_only=True) as connection:
        for claim, question in QUESTIONS.items():
            assert connection.execute(question).fetchall(), claim
