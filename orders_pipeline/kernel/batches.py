"""What has been touched and who has taken it in: the keys that a load, or a table, leaves for those that go by them.

Touched keys lie in `kernel.touched`, by kind, under the number of a batch. Every consumer (each model, and the publication)
remembers in `kernel.consumers` the last batch it has taken in: what it has still to do is what was touched after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import duckdb

from orders_pipeline.kernel.known import Known
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.statements import touched_name
from orders_pipeline.kernel.warehouse import transaction

STATE = """
CREATE SCHEMA IF NOT EXISTS kernel;
CREATE TABLE IF NOT EXISTS kernel.touched (kind VARCHAR, key UUID, batch BIGINT);
CREATE TABLE IF NOT EXISTS kernel.consumers (
    consumer VARCHAR, batch BIGINT, fingerprint VARCHAR, as_of TIMESTAMPTZ, rebuilt BIGINT);
CREATE TABLE IF NOT EXISTS kernel.given (consumer VARCHAR, mark VARCHAR);
CREATE TABLE IF NOT EXISTS kernel.given_keys (consumer VARCHAR, key VARCHAR, mark VARCHAR);
CREATE SEQUENCE IF NOT EXISTS kernel.batches;
"""


class Gathered(NamedTuple):
    """What a temporary table of touched keys holds: those of so many `touches` after a batch, the earliest in the batch `first`
    (None: there are none); how many keys they are, the first batch any of them was met in (None where all are new), and whether
    the new ones are written down by now."""

    after: int
    first: int | None
    touches: int
    keys: int
    since: int | None
    is_written: bool = False


class Touched:
    """The touched keys of one warehouse, while a run lasts.

    `gathered`: kind -> what its temporary table holds, as last asked for.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, known: Known) -> None:
        self.connection = connection
        self.gathered: dict[str, Gathered] = {}
        self._known = known
        self._added_since: set[str] = set()

    @cached_property
    def batch(self) -> int:
        """The number under which this run passes touches on: above all that was pending when it began."""
        return next_batch(self.connection)

    @cached_property
    def last(self) -> dict[str, int]:
        """The last batch in which keys of each kind were touched."""
        return dict(self.connection.execute("SELECT kind, max(batch) FROM kernel.touched GROUP BY kind").fetchall())

    def table(self, kind: str) -> str:
        """The temporary table of touched keys of a kind, as last asked for."""
        return touched_name(kind)

    def add(self, kind: str, keys: str, values: Sequence[object] = ()) -> None:
        """Write down the keys a SELECT gives, each once, as touched in this run."""
        insert = f"INSERT INTO kernel.touched SELECT ?, found.key, ? FROM ({keys}) AS found(key)"
        if self._one(insert, [kind, self.batch, *values]):
            self._added_since.add(kind)
            self.last[kind] = self.batch

    def gather(self, kind: str, batch: int) -> Gathered:
        """Have the touched keys of a kind after a batch in their temporary table, with the batch they were met in (`since`; null:
        not yet). While a run lasts touches are only added, and here alone: those from one batch on that are as many as the last
        time, or of as many keys, are of the same keys."""
        last = self.gathered.get(kind)
        if last is not None and last.after == batch and kind not in self._added_since:
            return last
        name, values = self.table(kind), [kind, batch]
        after = "FROM kernel.touched WHERE kind = ? AND batch > ?"
        first, touches = self.connection.execute(f"SELECT min(batch), count(*) {after}", values).fetchall()[0]
        if last is None or (last.first, last.touches) != (first, touches):
            if last is not None and last.first == first and last.keys == self._one(f"SELECT count(DISTINCT key) {after}", values):
                last = last._replace(touches=touches)
            else:
                keys = self._one(
                    f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT t.key, k.batch AS since "
                    f"FROM (SELECT DISTINCT key {after}) AS t LEFT JOIN {self._known.table(kind)} AS k ON t.key = k.key",
                    values,
                )
                last = Gathered(batch, first, touches, keys, self._one(f"SELECT min(since) FROM {name}"))
        self._added_since.discard(kind)
        self.gathered[kind] = last._replace(after=batch)
        return self.gathered[kind]

    def met(self, model: Model, kind: str, batch: int) -> str | None:
        """A SELECT of those touched keys of a kind, as last asked for, of which a model's table may have had rows at a batch;
        None where all are new."""
        touched, since = self.table(kind), self.gathered[kind].since
        if not self._known.relies_on(model, kind):
            return f"SELECT key FROM {touched}"
        if since is None or since > batch:
            return None
        return f"SELECT key FROM {touched} WHERE since <= {batch}"

    def write_down(self, kind: str) -> None:
        """Write down the touched keys of a kind that are new, before any table gets a row of them."""
        if self.gathered[kind].is_written:
            return
        with transaction(self.connection):
            keys = f"(SELECT key FROM {self.table(kind)} WHERE since IS NULL)"
            self._known.add(kind, keys, self.batch, were_new=True)
        self.gathered[kind] = self.gathered[kind]._replace(is_written=True)

    def _one(self, statement: str, values: Sequence[object] = ()) -> int:
        return self.connection.execute(statement, list(values)).fetchall()[0][0]


def next_batch(connection: duckdb.DuckDBPyConnection) -> int:
    """A number above all batches so far."""
    return connection.execute("SELECT nextval('kernel.batches')").fetchall()[0][0]


def advance(
    connection: duckdb.DuckDBPyConnection,
    consumer: str,
    batch: int,
    fingerprint: str,
    as_of: datetime,
    rebuilt: bool = False,
) -> None:
    """Remember that a consumer has taken in everything up to a batch, and whether it was built anew to get there."""
    known = connection.execute(
        "UPDATE kernel.consumers SET batch = $batch, fingerprint = $fingerprint, as_of = $as_of, "
        "rebuilt = CASE WHEN $anew THEN $batch ELSE rebuilt END WHERE consumer = $consumer",
        {"consumer": consumer, "batch": batch, "fingerprint": fingerprint, "as_of": as_of, "anew": rebuilt},
    ).fetchall()[0][0]
    if not known:
        connection.execute("INSERT INTO kernel.consumers VALUES (?, ?, ?, ?, ?)", [consumer, batch, fingerprint, as_of, batch])


def forget_taken(connection: duckdb.DuckDBPyConnection, consumers: Iterable[str]) -> None:
    """Drop touched keys that every consumer has taken in."""
    names = list(consumers)
    marks = ", ".join("?" * len(names))
    connection.execute(
        f"DELETE FROM kernel.touched WHERE batch <= (SELECT min(batch) FROM kernel.consumers WHERE consumer IN ({marks}) "
        f"HAVING count(*) = {len(names)})",
        names,
    )
