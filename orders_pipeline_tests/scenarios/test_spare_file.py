"""Two published files take turns: what is published is right whatever became of the other one, and nobody's file is changed."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel import nearby
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.publish import publisher, spare
from orders_pipeline.publish.publisher import Publisher
from orders_pipeline_tests.dagster.conftest import AS_OF, land, land_orders, order, payment
from orders_pipeline_tests.support import differences

NOW = datetime.fromisoformat(AS_OF).astimezone(UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv(KEY_VARIABLE, "the same in both homes")
    return Home(tmp_path / "home").create()


def publish(home: Home, *numbers: str) -> int:
    """Load a file with these orders and publish; the published file's inode."""
    land_orders(home, f"{'-'.join(numbers)}.csv", *numbers)
    assert pipeline.run(home, NOW).publication.done
    return home.published_database.stat().st_ino


def as_if_built_anew(home: Home, folder: Path) -> list[str]:
    """How the published file differs from one that a new home makes of the same files."""
    other = Home(folder).create()
    for file in home.landing.iterdir():
        os.link(file, other.landing / file.name)
    pipeline.run(other, NOW)
    return differences(home.published_database, other.published_database)


def test_two_files_take_turns_and_every_doubt_ends_in_a_copy(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = home.warehouse.with_name("published.spare")
    first = publish(home, "A1", "A2")
    second = publish(home, "B1")
    assert second != first
    # The first one says the same by now, gets what comes next, and is published again.
    assert waiting.stat().st_ino == first
    assert not differences(waiting, home.published_database)
    later = {**order("A1"), "status": "completed", "exported_at": "2026-02-19T06:00:00+08:00"}
    land(home, "later.csv", [later])
    land(home, "payments.csv", [payment("P1", "B1")])
    assert publish(home, "C1") == first
    assert home.published_book.stat().st_ino == first
    assert not as_if_built_anew(home, tmp_path / "third")

    # Somebody still reads the one that is to be changed: it stays as it is, and the published one is copied.
    with duckdb.connect(str(waiting), read_only=True) as reader:
        seen = reader.execute("SELECT count(*) FROM orders.orders").fetchall()
        fourth = publish(home, "D1")
        assert fourth not in (first, second)
        assert reader.execute("SELECT count(*) FROM orders.orders").fetchall() == seen == [(4,)]

    # Somebody still reads the one published before: it stays as it is, and what waits is a copy.
    with duckdb.connect(str(home.published_database), read_only=True) as reader:
        fifth = publish(home, "E1")
        assert waiting.stat().st_ino not in (fourth, fifth)
        assert reader.execute("SELECT count(*) FROM orders.orders.orders").fetchall() == [(5,)]
    assert not differences(waiting, home.published_database)

    # Somebody has changed the file: it is not relied on.
    with waiting.open("ab") as file:
        file.write(b"\0")
    publish(home, "F1")
    assert not as_if_built_anew(home, tmp_path / "last")


@pytest.mark.parametrize("file", [0, 1], ids=["the file to be published", "the one that waits"])
def test_run_that_dies_writing_either_file_costs_a_copy(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int
) -> None:
    publish(home, "A1")
    before = publish(home, "B1")
    writes, written = Publisher._write, []

    def die(self: Publisher, *arguments: object) -> object:
        written.append(arguments)
        if len(written) > file:
            raise KeyboardInterrupt
        return writes(self, *arguments)

    monkeypatch.setattr(Publisher, "_write", die)
    land_orders(home, "c.csv", "C1")
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(home, NOW)
    monkeypatch.setattr(Publisher, "_write", writes)
    assert (home.published_database.stat().st_ino == before) is (file == 0)
    publish(home, "D1")
    assert not as_if_built_anew(home, tmp_path / "other")
    assert not differences(home.warehouse.with_name("published.spare"), home.published_database)


@pytest.mark.parametrize("is_prompt", [True, False], ids=["some tables follow later", "all at once"])
def test_run_that_dies_once_its_file_is_published_leaves_no_row_twice(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_prompt: bool
) -> None:
    publish(home, "A1")
    publish(home, "B1")

    def die(self: Publisher, *arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as changed:
        changed.setattr(Publisher, "_parquet", die)
        land_orders(home, "c.csv", "C1")
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(home, NOW, prompt=is_prompt)
        if is_prompt:  # The one that makes the rest of the tables dies there, too.
            with pytest.raises(KeyboardInterrupt):
                pipeline.run(home, NOW)
    land_orders(home, "d.csv", "D1")
    pipeline.run(home, NOW, prompt=is_prompt)
    pipeline.run(home, NOW)
    assert not as_if_built_anew(home, tmp_path / "other")
    assert not differences(home.warehouse.with_name("published.spare"), home.published_database)


@pytest.mark.parametrize("is_whole", [True, False], ids=["written whole", "some rows"])
def test_rows_are_replaced_at_the_end_of_large_tables_whatever_a_killed_run_has_written_down(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_whole: bool
) -> None:
    monkeypatch.setattr(nearby, "KEPT_FROM", 0)
    for name in "ABCD":
        publish(home, f"{name}1", f"{name}2")

    def die(fresh: Path, target: Path) -> None:
        raise KeyboardInterrupt

    at_the_end, told = Refresher.at_the_end, []

    def listen(self: Refresher, model: Model, copy: tuple[str, int] | None = None) -> str:
        end = at_the_end(self, model, copy)
        if copy and model.name == "orders.orders":
            told.append(end)
        return end

    monkeypatch.setattr(Refresher, "at_the_end", listen)
    with monkeypatch.context() as changed:
        changed.setattr(publisher, "_swap", die)
        land_orders(home, "e.csv", "E1")
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(home, NOW, full=is_whole)
    for number, name in enumerate("DBEF"):
        if name == "F":
            publish(home, "F1")
        later = {**order(f"{name}1"), "status": "completed", "exported_at": f"2026-02-19T06:0{number}:00+08:00"}
        land(home, f"later-{name}.csv", [later])
        told.clear()
        assert pipeline.run(home, NOW).publication.done
        # In the file that is published, and in the one that waits; the first to follow a killed whole run writes all again.
        assert len(told) == (0 if is_whole and name == "D" else 2), told
    assert all(int(text.removeprefix("rowid >= ").removesuffix(" AND ")) > 5 for text in told), told
    assert not as_if_built_anew(home, tmp_path / "other")
    assert not differences(home.warehouse.with_name("published.spare"), home.published_database)


def test_file_that_is_open_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("content")
    if not spare._is_unread(path):
        pytest.skip("this file system cannot say who has a file open")
    with path.open():
        assert not spare._is_unread(path)
    assert spare._is_unread(path)
