"""Tables made by a function: their header, their types, their refresh by key, their lineage."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

from orders_pipeline.kernel import batches, refresh, through
from orders_pipeline.kernel.lineage import column_lineage, output_columns
from orders_pipeline.kernel.models import Model, ModelError, read_model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings

SQL = """-- grain: thing_guid
-- refresh: thing by thing_guid
-- through: sums.total
-- returns: thing_guid UUID, total DECIMAL(18, 2),
-- returns: parts BIGINT
-- The sum of each thing's parts.
SELECT p.thing_guid, p.amount FROM raw.parts AS p
"""
WHOLE_SQL = SQL.replace("-- refresh: thing by thing_guid\n", "-- refresh: whole\n-- changes at: always\n")


def a_model(tmp_path: Path, sql: str = SQL, code: str = "def total(rows): ...") -> Model:
    room = tmp_path / "room"
    room.mkdir(exist_ok=True)
    (room / "sums.py").write_text(code, encoding="utf-8")
    path = room / "totals.sql"
    path.write_text(sql, encoding="utf-8")
    return read_model(path)


def total(rows: pa.Table) -> pa.Table:
    found: dict[str, list[Decimal]] = {}
    for row in rows.to_pylist():
        found.setdefault(row["thing_guid"], []).append(row["amount"])
    return pa.table({
        "parts": pa.array([len(v) for v in found.values()], pa.int32()),
        "thing_guid": pa.array(list(found), pa.string()),
        "total": pa.array([sum(v) for v in found.values()], pa.decimal128(20, 2)),
    })


def test_the_header_gives_function_and_columns(tmp_path: Path) -> None:
    model = a_model(tmp_path)
    assert model.through == "sums.total"
    assert dict(model.returns) == {"thing_guid": "UUID", "total": "DECIMAL(18, 2)", "parts": "BIGINT"}
    assert output_columns(model) == ("thing_guid", "total", "parts")
    schema = {"raw.parts": {"thing_guid": "UUID", "amount": "DECIMAL(18, 2)"}}
    traced = column_lineage(model, schema)
    assert traced["thing_guid"] == [("raw.parts", "thing_guid")]
    assert traced["total"] == [("raw.parts", "amount"), ("raw.parts", "thing_guid")]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("-- through: sums.total\n", "", "needs `-- through"),
        ("-- returns: parts BIGINT\n-- ", "-- ", None),
        ("sums.total", "other.total", "no other.py"),
        ("parts BIGINT", "parts", "needs `-- through"),
        ("sums.total", "sums.total each", "needs `-- through"),
        ("sums.total", "sums.total each total", "is for a table made whole, or by that key"),
    ],
)
def test_a_header_that_says_half_is_refused(tmp_path: Path, old: str, new: str, says: str | None) -> None:
    if says is None:
        assert list(a_model(tmp_path, SQL.replace(old, new)).returns) == ["thing_guid", "total"]
        return
    with pytest.raises(ModelError, match=says):
        a_model(tmp_path, SQL.replace(old, new))


def test_rows_of_touched_keys_are_replaced_and_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "_function", lambda model: total)
    model = a_model(tmp_path)
    one, two = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts (thing_guid UUID, amount DECIMAL(18, 2))")
        refresher = Refresher(connection, [model], datetime(2026, 1, 1, tzinfo=UTC), Settings({}))
        refresher.plan()
        refresher.refresh(model)
        assert connection.execute("SELECT count(*) FROM room.totals").fetchone() == (0,)
        connection.execute("INSERT INTO raw.parts VALUES (?, 1.10), (?, 2), (?, 5)", [one, one, two])
        batch = batches.next_batch(connection)
        connection.execute("INSERT INTO kernel.touched VALUES ('thing', ?, ?)", [one, batch])
        later = Refresher(connection, [model], datetime(2026, 1, 1, tzinfo=UTC), Settings({}))
        later.plan()
        assert later.refresh(model).how == "keys"
        assert connection.execute("SELECT thing_guid::VARCHAR, total, parts FROM room.totals").fetchall() == [(one, Decimal("3.10"), 2)]


@pytest.mark.parametrize("sql", [WHOLE_SQL, SQL])
def test_of_very_many_rows_a_function_gets_one_block_of_values_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    asked = []
    monkeypatch.setattr(through, "_function", lambda model: lambda rows: asked.append(rows.column("thing_guid").to_pylist()) or total(rows))
    monkeypatch.setattr(through, "BLOCK_ROWS", 10)
    model = a_model(tmp_path, sql.replace("sums.total", "sums.total each thing_guid"))
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts (thing_guid UUID, amount DECIMAL(18, 2))")
        for key in range(15):
            connection.execute("INSERT INTO raw.parts VALUES ($1, 1.10), ($1, $2)", [UUID(int=key), key])
        refresher = Refresher(connection, [model], datetime(2026, 1, 1, tzinfo=UTC), Settings({}))
        refresher.plan()
        refresher.refresh(model)
        rows = connection.execute("SELECT thing_guid, total, parts FROM room.totals ORDER BY ALL").fetchall()
    assert rows == [(UUID(int=key), Decimal(key) + Decimal("1.10"), 2) for key in range(15)]
    assert [len(block) for block in asked] != [30]
    assert sum(len(set(block)) for block in asked) == 15  # no value in two blocks


def test_changed_code_is_a_changed_table(tmp_path: Path) -> None:
    assert a_model(tmp_path).function_sha != a_model(tmp_path, code="def total(rows): return rows").function_sha


def test_a_function_that_returns_other_columns_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(through, "_function", lambda model: lambda rows: rows)
    with pytest.raises(ModelError, match=r"room\.totals: sums\.total returned"):
        through.apply(a_model(tmp_path), pa.table({"thing_guid": ["a"]}))


def test_a_function_is_not_asked_again_about_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table made whole at every look: its function runs when its rows are others, when it is forced, and at no other time."""
    asked = []
    monkeypatch.setattr(through, "_function", lambda model: lambda rows: asked.append(len(rows)) or total(rows))
    model = a_model(tmp_path, WHOLE_SQL)
    thing = "00000000-0000-0000-0000-000000000001"
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts (thing_guid UUID, amount DECIMAL(18, 2))")

        def look(hour: int, full: bool = False) -> str:
            refresher = Refresher(connection, [model], datetime(2026, 1, 1, hour, tzinfo=UTC), Settings({}))
            refresher.plan(full)
            return refresher.refresh(model).how

        connection.execute("INSERT INTO raw.parts VALUES (?, 1.10), (?, 2)", [thing, thing])
        assert (look(0), look(1), asked) == ("whole", "current", [2])
        connection.execute("DELETE FROM raw.parts WHERE amount = 2")
        connection.execute("INSERT INTO raw.parts VALUES (?, 2)", [thing])
        assert (look(2), asked) == ("current", [2])
        connection.execute("INSERT INTO raw.parts VALUES (?, 2)", [thing])
        assert (look(3), look(4), asked) == ("whole", "current", [2, 3])
        assert connection.execute("SELECT total, parts FROM room.totals").fetchall() == [(Decimal("5.10"), 3)]
        assert (look(5, full=True), asked) == ("whole", [2, 3, 3])


def test_a_function_that_treats_each_value_by_itself_is_asked_about_others_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def told(rows: pa.Table) -> pa.Table:
        asked.append(sorted({guid[-1] for guid in rows["thing_guid"].to_pylist()}))
        return total(rows)

    monkeypatch.setattr(through, "_function", lambda model: told)
    monkeypatch.setattr(refresh, "ANEW_SHARE", 1)
    model = a_model(tmp_path, WHOLE_SQL.replace("sums.total", "sums.total each thing_guid"))
    things = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(4)]
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.parts (thing_guid UUID, amount DECIMAL(18, 2))")

        def put(number: int, amount: int) -> None:
            connection.execute("INSERT INTO raw.parts VALUES (?, ?)", [things[number], amount])

        def look(hour: int, full: bool = False) -> str:
            refresher = Refresher(connection, [model], datetime(2026, 1, 1, hour, tzinfo=UTC), Settings({}))
            refresher.plan(full)
            done = refresher.refresh(model)
            refresher.settle()
            expected = connection.execute("SELECT thing_guid, sum(amount), count(*) FROM raw.parts GROUP BY 1 ORDER BY 1").fetchall()
            assert connection.execute("SELECT thing_guid, total, parts FROM room.totals ORDER BY 1").fetchall() == expected
            assert done.rows == len(expected)
            return done.how

        put(0, 1)
        put(1, 2)
        assert (look(0), look(1), asked) == ("whole", "current", [["0", "1"]])
        put(1, 3)
        put(2, 4)
        assert (look(2), look(3), asked[1:]) == ("whole", "current", [["1", "2"]])
        connection.execute("DELETE FROM raw.parts WHERE thing_guid = ?", [things[0]])
        assert (look(4), asked[2:]) == ("whole", [[]])
        assert (look(5, full=True), asked[3:]) == ("whole", [["1", "2"]])
        put(3, 1)
        connection.execute("DELETE FROM kernel.given_keys; DELETE FROM raw.parts WHERE amount = 4")
        assert (look(6), asked[4:]) == ("whole", [["1", "3"]]), "killed before it was written down: all of it"
        assert look(7) == "current"
