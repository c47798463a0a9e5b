"""How many rows each table was given, batch by batch: rows of a key that was met late lie at its end.

A refresh deletes rows and appends others, and DuckDB keeps the order in which rows were appended, also when it moves them
together. The rows of a key first met in some batch were all appended in that batch or later. Let those appended since be n, and
the rows there are now c: at least c - n of these were appended before, and lie before. So the row numbers looked for are c - n or
higher, whatever was deleted or moved meanwhile; only that end of the table, a few days of a year's, need be looked through.

Written down for large tables only. What was appended before the first batch of which it is, counts as of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import duckdb

STATE = """
CREATE TABLE IF NOT EXISTS kernel.appended (name VARCHAR, batch BIGINT, row_count BIGINT);
"""
#: Of more entries than this, all but those of the newest batches become one for each table.
ENTRIES_MOST, BATCHES_KEPT = 20_000, 200


class Appended:
    """What one warehouse's tables were given."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._since: dict[int, dict[str, int]] = {}

    def covers(self, name: str) -> bool:
        """Whether all rows a table was given were written down when this run began."""
        return name in self._names

    def note(self, name: str, batch: int, rows: int, *, anew: bool = False, before: int | None = None) -> None:
        """A table was given so many rows in a batch, or made anew of so many. To be called in the transaction that does it, or,
        where the table is in another file, before that counts; then with the rows it had `before`, and not with `anew`: should it
        never count, what was written down too much makes ends longer."""
        if anew:
            self.connection.execute("DELETE FROM kernel.appended WHERE name = ?", [name])
            self._since.clear()
        elif not self.covers(name) and not self._count("FROM kernel.appended WHERE name = ?", [name]):
            self._insert(name, batch - 1, self._count(f"FROM {name}") - rows if before is None else before)
        if rows or anew:
            self._insert(name, batch, rows)
        for sums in self._since.values():
            sums[name] = sums.get(name, 0) + rows

    def begin(self, name: str, batch: int, count: int) -> int:
        """The row number before which a table, of so many rows now, has none that was appended in this batch or later."""
        if not self.covers(name):
            return 0
        if batch not in self._since:
            query = "SELECT name, CAST(sum(row_count) AS BIGINT) FROM kernel.appended WHERE batch >= ? GROUP BY name"
            self._since[batch] = dict(self.connection.execute(query, [batch]).fetchall())
        return max(0, count - self._since[batch].get(name, 0))

    def _insert(self, name: str, batch: int, rows: int) -> None:
        self.connection.execute("INSERT INTO kernel.appended VALUES (?, ?, ?)", [name, batch, rows])

    def _count(self, what: str, values: Sequence[object] = ()) -> int:
        return self.connection.execute(f"SELECT count(*) {what}", list(values)).fetchall()[0][0]

    @cached_property
    def _names(self) -> set[str]:
        self._fold()
        return {name for (name,) in self.connection.execute("SELECT DISTINCT name FROM kernel.appended").fetchall()}

    def _fold(self) -> None:
        """Keep the entries few. What is put off to a later batch than it came in, or is there twice because a run was killed
        here, makes ends longer, never shorter."""
        if self._count("FROM kernel.appended") <= ENTRIES_MOST:
            return
        edge = self.connection.execute(
            "SELECT min(batch) FROM (SELECT DISTINCT batch FROM kernel.appended ORDER BY batch DESC LIMIT ?)", [BATCHES_KEPT]
        ).fetchall()[0][0]
        self.connection.execute(
            "INSERT INTO kernel.appended SELECT name, $edge, sum(row_count) FROM kernel.appended WHERE batch < $edge "
            "GROUP BY name",
            {"edge": edge},
        )
        self.connection.execute("DELETE FROM kernel.appended WHERE batch < ?", [edge])
