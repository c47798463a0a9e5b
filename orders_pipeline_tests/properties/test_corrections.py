"""Correction files: kept like any file, applied whichever comes first, surviving a rebuild; and releases of many rows at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orders_pipeline.cli import main
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.properties.test_release import BY_CONTENT, listed, told
from orders_pipeline_tests.scenarios.stories import AS_OF, Book
from orders_pipeline_tests.support import fingerprints, land, new_home, query, run, same, write_csv

AUTHOR = {"by": "li.na", "why": "read from the shop's page"}
MENDED = [
    {"file": "orders.csv", "row": 2, "field": "payable_amount", "value": "100.00", **AUTHOR},
    {"file": "order_lines.csv", "row": 4, "field": "quantity", "value": "1", **AUTHOR},
]
#: The correction file itself stands in the ledger of one home and not of the other.
WITHOUT = {**BY_CONTENT}


def spoiled() -> Book:
    """A fault in the order O1 and one in a line of O2."""
    book = told()
    book.rows["orders"][0]["payable_amount"] = "#VALUE!"
    book.rows["order_lines"][2]["quantity"] = "two"
    return book


@pytest.mark.parametrize("first", ["files", "corrections", "together"])
def test_a_correction_file_works_whichever_comes_first(tmp_path: Path, first: str, capsys: pytest.CaptureFixture) -> None:
    home, right = new_home(tmp_path / "home"), new_home(tmp_path / "right")
    told().land(right)
    run(right, AS_OF)
    if first != "files":
        land(home, "decisions/mended", MENDED)
    if first == "corrections":
        run(home, AS_OF)
    spoiled().land(home)
    run(home, AS_OF)
    if first == "files":
        assert query(home, "SELECT count(*) FROM orders.orders") == [(0,)]
        source = write_csv(tmp_path / "mended.csv", MENDED)
        assert main(["quarantine", "fix", "--from", str(source), "--home", str(home.root)]) == 0
        run(home, AS_OF)
    same(home, right, WITHOUT)
    assert listed(home, capsys) == []
    assert query(home, "SELECT sum(rows_quarantined), bool_and(rows_read = rows_accepted + rows_duplicate) FROM ops.files") == [(0, True)]
    before = fingerprints(home)
    run(home, AS_OF)
    assert fingerprints(home) == before


def test_a_correction_that_mends_nothing_leaves_the_row_and_is_not_tried_again_and_again(
    home: Home, capsys: pytest.CaptureFixture
) -> None:
    spoiled().land(home)
    land(home, "decisions/wrong", [{**MENDED[0], "value": "a lot"}])
    run(home, AS_OF)
    before = query(home, "SELECT * FROM ops.quarantine ORDER BY ALL")
    run(home, AS_OF.replace(hour=23))
    assert query(home, "SELECT * FROM ops.quarantine ORDER BY ALL") == before
    assert {r["reason"] for r in listed(home, capsys)} == {"unreadable_money", "unreadable_quantity", "family"}


def test_a_row_without_structure_is_mended_by_giving_its_cells(home: Home, capsys: pytest.CaptureFixture) -> None:
    book = told()
    book.land(home)
    path = home.landing / "orders.csv"
    header, bad, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, bad + ",one,too,many", *rest]) + "\n")
    cells = [
        {"file": "orders.csv", "row": 2, "field": name, "value": value, **AUTHOR}
        for name, value in zip(header.split(","), bad.split(","), strict=True)
    ]
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM orders.orders") == [(1,)]
    land(home, "decisions/cells", cells)
    run(home, AS_OF)
    assert query(home, "SELECT count(*) FROM orders.orders") == [(2,)]
    assert listed(home, capsys) == []


def test_what_is_no_correction_file_is_refused_by_the_command(tmp_path: Path, home: Home, capsys: pytest.CaptureFixture) -> None:
    source = write_csv(tmp_path / "x.csv", [{"file": "a", "row": 1}])
    assert main(["quarantine", "fix", "--from", str(source), "--home", str(home.root)]) == 2
    assert "no column field, by, why" in capsys.readouterr().err
    assert main(["quarantine", "release", "--reason", "family", "--home", str(home.root)]) == 2


def test_all_rows_of_a_reason_are_released_and_listed_together(home: Home, capsys: pytest.CaptureFixture) -> None:
    book = told()
    for row in book.rows["payments"]:
        row["amount"] = "#VALUE!"
    book.land(home)
    run(home, AS_OF)
    count = len(book.rows["payments"])
    capsys.readouterr()
    assert main(["quarantine", "list", "--summary", "--json", "--home", str(home.root)]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["reason"], line["path"], line["field"], line["rows"]) == ("unreadable_money", "payments.csv", "amount", count)
    land(home, "decisions/amounts", [{"file": "payments.csv", "row": 2, "field": "amount", "value": "100.00", **AUTHOR}])
    run(home, AS_OF)
    assert len(listed(home, capsys)) == count - 1
    where = ["--home", str(home.root), "--by", "li.na", "--why", "tried", "--as-of", AS_OF.isoformat()]
    assert main(["quarantine", "release", "--reason", "unreadable_money", *where]) == 1, "nothing has changed"
    assert len(listed(home, capsys)) == count - 1
