"""A table made whole and written by key: what came out otherwise is replaced, and known below."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orders_pipeline.kernel.batches import advance, next_batch
from orders_pipeline.kernel.models import Model, ModelError, Touch, read_model
from orders_pipeline.kernel.refresh import Refresher
from orders_pipeline.kernel.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RANKS = """-- grain: thing_guid
-- refresh: whole
-- changes at: always
-- replaces: rank by thing_guid
-- The two largest things.
SELECT thing_guid, row_number() OVER (ORDER BY amount DESC NULLS LAST) AS rank FROM raw.things QUALIFY rank <= 2
"""
NAMED = """-- grain: thing_guid
-- refresh: rank by thing_guid
-- The same, with a name.
SELECT thing_guid, 'number ' || CAST(rank AS VARCHAR) AS name FROM room.ranks
"""


#: Made again for a whole group, written for the things whose place in it is another one.
PLACES = """-- grain: thing_guid
-- refresh: group by group_guid
-- replaces: rank by thing_guid
-- touches: total by group_guid
-- The place of a thing in its group.
SELECT thing_guid, group_guid, row_number() OVER (PARTITION BY group_guid ORDER BY amount DESC NULLS LAST) AS rank FROM raw.members
"""
TOTALS = """-- grain: group_guid
-- refresh: total by group_guid
-- How many things a group has.
SELECT group_guid, count(*) AS n FROM room.places GROUP BY group_guid
"""


def read(tmp_path: Path, **texts: str) -> list[Model]:
    (tmp_path / "room").mkdir(exist_ok=True)
    for name, text in texts.items():
        (tmp_path / "room" / f"{name}.sql").write_text(text, encoding="utf-8")
    return [read_model(tmp_path / "room" / f"{name}.sql") for name in texts]


@pytest.fixture
def chain(tmp_path: Path) -> list[Model]:
    return read(tmp_path, ranks=RANKS, named=NAMED)


@pytest.fixture
def warehouse() -> duckdb.DuckDBPyConnection:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA raw; CREATE TABLE raw.things (thing_guid UUID, amount INTEGER)")
        yield connection


def put(connection: duckdb.DuckDBPyConnection, thing: int, amount: int) -> None:
    connection.execute("DELETE FROM raw.things WHERE thing_guid = md5(?)::UUID", [str(thing)])
    connection.execute("INSERT INTO raw.things VALUES (md5(?)::UUID, ?)", [str(thing), amount])


def look(connection: duckdb.DuckDBPyConnection, chain: list[Model], hour: int, full: bool = False) -> dict[str, tuple[str, int]]:
    """Refresh the chain: how, and how many keys."""
    refresher = Refresher(connection, chain, NOW + timedelta(hours=hour), Settings({}))
    refresher.plan(full)
    done = [refresher.refresh(model) for model in chain]
    refresher.settle()
    return {one.model.table: (one.how, one.keys) for one in done}


def named(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    rows = dict(connection.execute("SELECT CAST(thing_guid AS VARCHAR), name FROM room.named").fetchall())
    guid = "SELECT CAST(md5(?)::UUID AS VARCHAR)"
    numbers = {connection.execute(guid, [str(thing)]).fetchone()[0]: thing for thing in range(10)}
    return {numbers[guid]: name for guid, name in rows.items()}


def test_only_what_came_out_otherwise_is_replaced_and_followed(warehouse: duckdb.DuckDBPyConnection, chain: list[Model]) -> None:
    assert chain[0].by == Touch("rank", "thing_guid") == chain[1].by
    for thing, amount in ((1, 30), (2, 20), (3, 10)):
        put(warehouse, thing, amount)
    assert look(warehouse, chain, 0) == {"ranks": ("whole", 0), "named": ("whole", 0)}
    assert look(warehouse, chain, 1) == {"ranks": ("current", 0), "named": ("current", 0)}

    put(warehouse, 3, 25)  # the second is another one
    assert look(warehouse, chain, 2) == {"ranks": ("keys", 2), "named": ("keys", 2)}
    assert named(warehouse) == {1: "number 1", 3: "number 2"}
    assert look(warehouse, chain, 3) == {"ranks": ("current", 0), "named": ("current", 0)}

    put(warehouse, 3, 40)
    put(warehouse, 1, 1)
    assert look(warehouse, chain, 4)["named"] == ("keys", 3)
    assert named(warehouse) == {3: "number 1", 2: "number 2"}
    before = named(warehouse)
    assert look(warehouse, chain, 4, full=True)["named"] == ("whole", 0)
    assert named(warehouse) == before


def test_a_reader_by_other_means_hears_of_it(warehouse: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    count = "-- grain: rank\n-- refresh: whole\n-- How many.\nSELECT rank, count(*) AS n FROM room.ranks GROUP BY rank\n"
    chain = read(tmp_path, ranks=RANKS, counts=count)
    put(warehouse, 1, 30)
    look(warehouse, chain, 0)
    put(warehouse, 2, 20)
    assert look(warehouse, chain, 1) == {"ranks": ("keys", 1), "counts": ("whole", 0)}
    assert warehouse.execute("SELECT count(*) FROM room.counts").fetchone() == (2,)


def test_who_has_taken_in_an_earlier_batch_is_given_the_keys(warehouse: duckdb.DuckDBPyConnection, chain: list[Model]) -> None:
    put(warehouse, 1, 30)
    look(warehouse, chain, 0)
    advance(warehouse, "publication", next_batch(warehouse), "", NOW)
    put(warehouse, 2, 20)
    look(warehouse, chain, 1)
    refresher = Refresher(warehouse, chain, NOW, Settings({}))
    changes = refresher.changes(refresher.batch_of("publication"))
    assert {name: (c.how, c.keys) for name, c in changes.items()} == {"room.ranks": ("keys", 1), "room.named": ("keys", 1)}


def test_of_rows_made_again_by_key_only_what_came_out_otherwise_is_replaced(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    chain = read(tmp_path, places=PLACES, named=NAMED.replace("room.ranks", "room.places"), totals=TOTALS)
    assert (chain[0].by, chain[0].kinds) == (Touch("rank", "thing_guid"), {"group", "rank"})
    warehouse.execute("CREATE TABLE raw.members (thing_guid UUID, group_guid UUID, amount INTEGER)")

    def join(thing: int, group: str, amount: int) -> None:
        warehouse.execute("INSERT INTO raw.members VALUES (md5(?)::UUID, md5(?)::UUID, ?)", [str(thing), group, amount])

    def touch(*groups: str) -> None:
        for group in groups:
            warehouse.execute("INSERT INTO kernel.touched VALUES ('group', md5(?)::UUID, ?)", [group, next_batch(warehouse)])

    def rows() -> list[tuple]:
        return warehouse.execute("SELECT * FROM room.places ORDER BY ALL").fetchall()

    for thing, amount in ((1, 30), (2, 20), (3, 10)):
        join(thing, "a", amount)
    join(4, "b", 5)
    look(warehouse, chain, 0)
    advance(warehouse, "publication", next_batch(warehouse), "", NOW)
    join(5, "a", 15)  # between the second and the third: they and what is above stay
    touch("a", "b")
    assert look(warehouse, chain, 1) == {"places": ("keys", 2), "named": ("keys", 2), "totals": ("keys", 1)}
    assert named(warehouse) == {1: "number 1", 2: "number 2", 5: "number 3", 3: "number 4", 4: "number 1"}
    assert sorted(n for (n,) in warehouse.execute("SELECT n FROM room.totals").fetchall()) == [1, 4]

    refresher = Refresher(warehouse, chain, NOW, Settings({}))
    changes = refresher.changes(refresher.batch_of("publication"))
    assert {name: (c.how, c.keys) for name, c in changes.items()} == {
        "room.places": ("keys", 2),  # checked for both groups
        "room.named": ("keys", 2),
        "room.totals": ("keys", 1),
    }
    assert warehouse.execute("SELECT count(*) FROM touched_rank").fetchone() == (2,)  # published for two things

    warehouse.execute("DELETE FROM raw.members WHERE amount = 10")  # the last: nobody else moves
    touch("a")
    assert look(warehouse, chain, 2)["places"] == ("keys", 1)
    assert 3 not in named(warehouse)
    touch("a")
    assert look(warehouse, chain, 3) == {"places": ("current", 0), "named": ("current", 0), "totals": ("current", 0)}
    before = rows()
    look(warehouse, chain, 3, full=True)
    assert rows() == before


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("-- replaces: rank", "-- touches: rank", "says which rows it `-- replaces:`"),
        ("-- replaces: rank by thing_guid\n", "-- replaces: rank by thing_guid\n-- replaces: thing by thing_guid\n", "stated 2 times"),
        ("-- refresh: whole\n-- changes at: always\n", "-- refresh: view\n", "a view, or what a function makes"),
        ("-- changes at: always\n", "-- through: sums.total\n-- returns: thing_guid UUID\n", "no `-- replaces:`"),
        ("-- changes at: always\n", "-- ages at: rank\n", "`-- ages at:` is for tables refreshed by keys"),
    ],
)
def test_a_header_that_cannot_be_kept_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in RANKS
    with pytest.raises(ModelError, match=says):
        read(tmp_path, ranks=RANKS.replace(old, new))
