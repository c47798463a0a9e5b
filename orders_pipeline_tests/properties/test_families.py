"""An order, its lines and its discounts stay together in quarantine across files, whichever comes first, and come back together."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from orders_pipeline.cli import main
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.properties.test_release import BY_CONTENT, listed, told
from orders_pipeline_tests.scenarios.stories import AS_OF, Book
from orders_pipeline_tests.support import land, new_home, query, run, same

FILES = ("orders", "order_lines", "discounts")


def spoiled(entity: str, column: str) -> Book:
    book = told()
    book.rows[entity][0][column] = "#VALUE!"
    return book


def arrive(home: Home, book: Book, order: tuple[str, ...], each_alone: bool) -> None:
    """Land the files in this order, with a run after each or after all."""
    for entity in [*order, *(e for e in book.rows if e not in order)]:
        if book.rows[entity]:
            land(home, entity, book.rows[entity])
            if each_alone and entity in order:
                run(home, AS_OF)
    run(home, AS_OF)


@pytest.mark.parametrize(("entity", "column"), [("orders", "payable_amount"), ("order_lines", "quantity")])
def test_the_order_in_which_files_come_makes_no_difference(tmp_path: Path, entity: str, column: str) -> None:
    homes = []
    for number, order in enumerate([FILES, *list(itertools.permutations(FILES))[1:6:2]]):
        homes.append(new_home(tmp_path / str(number)))
        arrive(homes[-1], spoiled(entity, column), order, each_alone=number > 0)
        assert query(homes[-1], "SELECT count(*) FROM orders.orders") == [(1,)]
        assert query(homes[-1], "SELECT count(DISTINCT order_guid) FROM orders.order_lines") == [(1,)]
        assert query(homes[-1], "SELECT count(*) FROM ops.quarantine") == [(4,)]
        assert query(homes[-1], "SELECT count(*) FROM ops.files WHERE rows_read <> rows_accepted + rows_quarantined + rows_duplicate") == [(0,)]
    for other in homes[1:]:
        same(homes[0], other)


def test_a_file_that_tells_the_order_right_brings_its_rows_back(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Without anybody doing anything; and the row with the fault stays what it is."""
    late, at_once = new_home(tmp_path / "late"), new_home(tmp_path / "at_once")
    for home, between in ((late, True), (at_once, False)):
        arrive(home, spoiled("orders", "payable_amount"), FILES, each_alone=False) if between else spoiled(
            "orders", "payable_amount"
        ).land(home)
        land(home, "orders-again", told().rows["orders"])
        run(home, AS_OF)
    same(late, at_once)
    assert [(r["path"], r["reason"]) for r in listed(late, capsys)] == [("orders.csv", "unreadable_money")]
    assert query(late, "SELECT count(*) FROM orders.orders") == [(2,)]
    assert query(late, "SELECT count(*) FROM orders.order_lines") == [(4,)]


def test_a_held_row_says_which_row_it_waits_for(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    home = new_home(tmp_path / "home")
    spoiled("orders", "payable_amount").land(home)
    run(home, AS_OF)
    held = next(r for r in listed(home, capsys) if r["path"] == "order_lines.csv")
    where = [held["file_id"], str(held["row_number"]), "--home", str(home.root)]
    assert main(["quarantine", "show", *where]) == 0
    assert "orders.csv line 2" in capsys.readouterr().out
    assert main(["quarantine", "release", *where, "--by", "li.na", "--why", "x"]) == 2
    assert "orders.csv line 2" in capsys.readouterr().err
    assert main(["quarantine", "fix", *where, "--set", "quantity=1", "--by", "li.na", "--why", "x"]) == 2


def test_a_rebuild_holds_and_releases_the_same(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    home, again = new_home(tmp_path / "home"), new_home(tmp_path / "again")
    book = spoiled("orders", "payable_amount")
    book.land(home)
    run(home, AS_OF)
    bad = next(r for r in listed(home, capsys) if r["reason"] != "family")
    where = [bad["file_id"], str(bad["row_number"]), "--home", str(home.root), "--by", "li.na", "--why", "shop page"]
    assert main(["quarantine", "fix", *where, "--set", "payable_amount=100.00"]) == 0
    assert main(["quarantine", "release", *where, "--as-of", AS_OF.isoformat()]) == 0
    run(home, AS_OF)
    book.land(again)
    (again.decisions / "corrections.jsonl").write_bytes((home.decisions / "corrections.jsonl").read_bytes())
    run(again, AS_OF)
    same(home, again, BY_CONTENT)
    assert query(home, "SELECT count(*) FROM orders.order_lines") == [(4,)]
