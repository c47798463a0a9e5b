"""The peers of the benchmark give the floor's answers, and the comparison notices when one does not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from benchmarks import data, every_table, floor, only_answers, report
from benchmarks.compare import QUESTIONS, differences
from benchmarks.peers import PEERS, Peer
from benchmarks.process import Used
from orders_pipeline import pipeline
from orders_pipeline.kernel.home import Home

ROOT = Path(__file__).parents[2]
ORDERS = 400
#: One of several files of its kind: what it tells of is missing until it comes.
LATE = Path("standard", "standard_shipments_youzan_202601.csv")


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> data.Files:
    return data.full_month(tmp_path_factory.mktemp("month"), ORDERS, lambda text: None)


@pytest.fixture(scope="module")
def answers(month: data.Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    target = tmp_path_factory.mktemp("floor") / "floor.duckdb"
    floor.build(month.landing, target, month.as_of)
    yield target


def _give(peer: Peer, landing: Path, folder: Path, as_of: str) -> Path:
    """Run a peer as the benchmark does; returns where its answers are."""
    subprocess.run(peer.command(landing, folder, datetime.fromisoformat(as_of)), cwd=ROOT, check=True, timeout=120)
    return folder / peer.answers


@pytest.mark.parametrize("peer", [p for p in PEERS if p.name != "spark"], ids=lambda p: p.name)
def test_a_peer_gives_the_floors_answers_also_when_a_file_comes_later(
    peer: Peer, month: data.Files, answers: Path, tmp_path: Path
) -> None:
    if reason := peer.missing():
        pytest.skip(reason)
    landing = tmp_path / "landing"
    data.place(month.landing, landing)
    late = landing / LATE
    held = late.rename(tmp_path / late.name)
    assert differences(answers, _give(peer, landing, tmp_path / "out", month.as_of), peer.name)
    held.rename(late)
    assert differences(answers, _give(peer, landing, tmp_path / "out", month.as_of), peer.name) == []


def test_a_cent_too_much_is_noticed(month: data.Files, answers: Path, tmp_path: Path) -> None:
    peer = next(p for p in PEERS if p.name == "pandas")
    given = _give(peer, month.landing, tmp_path, month.as_of)
    assert differences(answers, given, peer.name) == []
    _change_a_cent(given / "payments.allocations.parquet")
    assert {line.split(":")[0] for line in differences(answers, given, peer.name)} == {"payments by order"}


def _change_a_cent(table: Path) -> None:
    changed = table.with_suffix(".new")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (CASE row_number() OVER () WHEN 7 THEN CAST(amount + 0.01 AS DECIMAL(18, 2)) ELSE amount END AS amount)"
            f" FROM '{table}') TO '{changed}' (FORMAT parquet)"
        )
    changed.rename(table)


@pytest.fixture(scope="module")
def whole(month: data.Files, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("whole"))
    data.place(month.landing, home.landing)
    pipeline.run(home, datetime.fromisoformat(month.as_of))
    return home


def test_the_bare_script_makes_every_table_of_a_run_and_a_changed_row_is_noticed(
    month: data.Files, whole: Home, tmp_path: Path
) -> None:
    target = tmp_path / "every.duckdb"
    every_table.build(month.landing, target, datetime.fromisoformat(month.as_of), whole)
    assert every_table.differences(target, whole) == []
    with duckdb.connect(str(target)) as connection:
        connection.execute("DELETE FROM orders.orders WHERE order_guid = (SELECT min(order_guid) FROM orders.orders)")
    assert [line.split(":")[0] for line in every_table.differences(target, whole)] == ["orders.orders"]


def test_the_tables_of_the_others_alone_are_those_of_the_whole_run(
    month: data.Files, whole: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    data.place(month.landing, home.landing)
    monkeypatch.setattr("sys.argv", ["only_answers", str(home.root), month.as_of])
    assert only_answers.main() == 0
    assert differences(whole.published_database, home.published_database) == []
    with duckdb.connect(str(home.published_database), read_only=True) as connection:
        there = connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()").fetchall()
    assert {name for (name,) in there if not name.startswith(("quality.", "ops."))} == only_answers.TABLES


def test_every_question_is_about_something(answers: Path) -> None:
    with duckdb.connect(str(answers), read_only=True) as connection:
        for claim, question in QUESTIONS.items():
            assert connection.execute(question).fetchall(), claim


def test_the_page_says_what_was_measured_and_what_was_missed(tmp_path: Path) -> None:
    names = [n for n in report.LABELS if not n.startswith(("dbt", "spark"))]
    used = {name: Used(wall=2.0, cpu=1.0, peak_gb=0.5) for name in names} | {"full": Used(3.5, 1.25, 4.5), "one_file": Used(0.35, 0.1, 1.0)}
    month = data.Files(tmp_path, "2026-02-21T12:00:00+08:00", 420_000, 33, 4_000_000, 845_000_000)
    taking_part = [p for p in PEERS if p.name in ("pandas", "polars")]
    machine = {"system": "Linux", "cores": 2, "memory_gb": 8, "load": 3.0, "busy": True, "python": "3.11", "versions": {"pandas": "3"}}
    figures = report.summarise([used], month, taking_part, machine | {"measured_at": "2026-01-01"})
    report.store(figures | {"left_out": {"dbt-duckdb": "not installed"}}, tmp_path)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "one round only" in page
    assert "busy" in page
    assert "left out: dbt-duckdb, not installed" in page
    met = {t["what"]: (t["met"], t["met_cpu"]) for t in json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))["targets"]}
    assert met == {
        "full / every": (False, True),
        "full / floor": (False, True),
        "full / tables": (False, True),
        "full / pandas": (False, False),
        "full / polars": (False, False),
        **{f"only / {name}": (True, True) for name in ("floor", "tables", "pandas", "polars")},
        "one_file / full": (True, True),
        "one_file / pandas_one": (True, True),
        "one_file / polars_one": (True, True),
        "peak memory of any run": (False, False),
    }
