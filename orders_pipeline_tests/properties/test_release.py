"""A row that was set aside, mended and released leaves the tables as they would be had the file been right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orders_pipeline.cli import main
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago
from orders_pipeline_tests.support import new_home, query, run, same

#: What the content of a file gives: a file with another cell is another file.
BY_CONTENT = {"*": ["file_id"], "ops.files": "*", "ops.quarantine": "*"}

#: entity, column with a bad cell, the right value, and the rows that are kept back with it: those of its order in other files
#: too (an order, its two lines and its discount), unless the order cannot be told.
FAULTS = [
    ("orders", "payable_amount", "100.00", 4),
    ("orders", "channel_order_id", "O1", 1),
    ("order_lines", "quantity", "1", 4),
    ("payments", "amount", "100.00", 1),
    ("shipments", "quantity", "1", 2),
    ("tracking", "occurred_at", ago(2), 1),
    ("returns", "refund_amount", "20.00", 1),
    ("discounts", "amount", "5.00", 4),
]
BAD = {"channel_order_id": "3.30271E+18"}


def told() -> Book:
    """Two orders with all that belongs to them; the first row of each entity is that of order O1."""
    book = Book()
    for number in ("O1", "O2"):
        book.order(number, "100.00", "delivered", exported_at=ago(1))
        for sku in ("S1", "S2"):
            book.line(number, 1, sku=sku)
            book.ship(number, 1, sku=sku)
        book.pay(number, "100.00")
        book.track(f"WB-{number}", "delivered", 2)
        book.rows["discounts"].append(
            {**book.shop, "channel_order_id": number, "funder": "merchant", "scope": "order", "amount": "5.00"}
        )
    book.case("O1", "refund_only", "refunded", age=3, refunded_at=ago(2.5), refund_amount="20.00")
    book.pay("O1", "-20.00", kind="refund", age=2.4)
    return book


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = new_home(tmp_path_factory.mktemp("release") / "right")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDERS_PIPELINE_CUSTOMER_KEY", "a key for tests only")
        told().land(home)
        run(home, AS_OF)
    return home


def listed(home: Home, capsys: pytest.CaptureFixture) -> list[dict]:
    capsys.readouterr()
    assert main(["quarantine", "list", "--home", str(home.root), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("entity", "column", "value", "kept_back"), FAULTS, ids=[f"{e}.{c}" for e, c, *_ in FAULTS])
def test_mended_and_released_is_as_if_the_file_had_been_right(
    right: Home, tmp_path: Path, capsys: pytest.CaptureFixture, entity: str, column: str, value: str, kept_back: int
) -> None:
    home, book = new_home(tmp_path / "home"), told()
    assert book.rows[entity][0][column] == value or str(book.rows[entity][0][column]) == value
    book.rows[entity][0][column] = BAD.get(column, "#VALUE!")
    book.land(home)
    run(home, AS_OF)
    rows = listed(home, capsys)
    assert len(rows) == kept_back, rows
    bad = next(r for r in rows if r["reason"] != "family")
    assert (bad["entity"], bad["field"], bad["row_number"]) == (entity, column, 2)
    where = [
        bad["file_id"],
        str(bad["row_number"]),
        "--home",
        str(home.root),
        "--by",
        "li.na",
        "--why",
        "read from the shop's page",
    ]
    assert main(["quarantine", "fix", *where, "--set", f"{column}={value}"]) == 0
    assert main(["quarantine", "release", *where, "--as-of", AS_OF.isoformat()]) == 0
    run(home, AS_OF)
    same(home, right, BY_CONTENT)
    assert listed(home, capsys) == []
    read, accepted, aside = query(
        home, "SELECT rows_read, rows_accepted, rows_quarantined FROM ops.files WHERE path = ?", [f"{entity}.csv"]
    )[0]
    assert (read, aside) == (accepted, 0)


def test_releasing_what_is_still_wrong_keeps_it_aside(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    home, book = new_home(tmp_path / "home"), told()
    book.rows["orders"][0]["payable_amount"] = "#VALUE!"
    book.land(home)
    run(home, AS_OF)
    match = "SELECT * EXCLUDE next_change_at FROM reconciliation.three_way_match ORDER BY ALL"
    before = query(home, match)
    row = next(r for r in listed(home, capsys) if r["reason"] != "family")
    where = [row["file_id"], str(row["row_number"]), "--home", str(home.root), "--by", "li.na", "--why", "try"]
    assert main(["quarantine", "release", *where, "--as-of", AS_OF.isoformat()]) == 1
    assert len(listed(home, capsys)) == 4
    run(home, AS_OF)
    assert query(home, match) == before
    assert query(
        home,
        "SELECT rows_read - rows_accepted - rows_quarantined - rows_duplicate FROM ops.files WHERE path = 'orders.csv'",
    ) == [(0,)]


def test_a_correction_has_an_author_and_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    home, book = new_home(tmp_path / "home"), told()
    book.rows["orders"][0]["payable_amount"] = "#VALUE!"
    book.land(home)
    run(home, AS_OF)
    row = next(r for r in listed(home, capsys) if r["reason"] != "family")
    where = [row["file_id"], str(row["row_number"]), "--home", str(home.root), "--by", "li.na", "--why", "shop page"]
    assert main(["quarantine", "fix", *where, "--set", "payable_amount=100.00"]) == 0
    assert main(["quarantine", "fix", *where, "--set", "no such column=1"]) == 2
    decisions = [
        json.loads(line) for path in home.decisions.glob("*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert [(d["by"], d["why"], d["set"]) for d in decisions] == [("li.na", "shop page", {"payable_amount": "100.00"})]
