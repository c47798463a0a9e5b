"""Rows of touched keys, found once per run: looking for them again would mean looking through a large table once for each of the
models and checks that read it.

The keys a run has asked for are gathered by the column that holds them, whatever kind of touch they came from. What is kept of a
table are its rows of all keys gathered so far; whoever reads them picks his own. Where it is known when a table's keys were met
first (see `known`), only the end of the table that was appended since is looked through.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass

import duckdb

#: Of tables of so many rows, unless more than so many would be kept, or so many keys are asked for: then making them costs more.
KEPT_FROM, KEPT_MOST, KEYS_MOST = 200_000, 500_000, 50_000


@dataclass
class _Rows:
    """A temporary table with a table's rows of the keys gathered in the first so many rounds."""

    table: str
    round: int
    count: int


class Nearby:
    """What is kept near in one run. `sizes` gives about how many rows each table had when it began; `met` the table that says
    when each key in a table's column was met first (None: it is not known); `begin` where in a table rows of a batch begin."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        sizes: Callable[[], Mapping[str, int]],
        met: Callable[[str, str], str | None],
        begin: Callable[[str, int], int],
    ) -> None:
        self.connection = connection
        self._sizes = sizes
        self._met = met
        self._begin = begin
        self._first: dict[tuple[str, str, int, int], int | None] = {}
        self._rounds: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._asked: set[Hashable] = set()
        self._rows: dict[tuple[str, str], _Rows] = {}
        self._too_many: set[str] = set()

    def gather(self, column: str, keys: str, mark: Hashable) -> None:
        """Ask for the rows of the keys in a temporary table `keys`, column `key`; `mark` tells its contents from others."""
        if (column, mark) in self._asked:
            return
        gathered = f"gathered_{column}"
        if column not in self._rounds:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {gathered} (key UUID, round INTEGER)")
        number = self._rounds.get(column, 0) + 1
        added = self.connection.execute(
            f"INSERT INTO {gathered} SELECT n.key, ? FROM {keys} AS n ANTI JOIN {gathered} AS g ON n.key = g.key", [number]
        ).fetchall()[0][0]
        if added or column not in self._rounds:
            self._rounds[column] = number
            self._keys[column] = self._keys.get(column, 0) + added
        self._asked.add((column, mark))

    def of(self, names: Collection[str], column: str) -> dict[str, str]:
        """By table, where else its rows of the gathered keys of a column lie; those not named are looked for in the table."""
        found = {name: self._find(name, column) for name in names}
        return {name: table for name, table in found.items() if table}

    def _find(self, name: str, column: str) -> str | None:
        here = self._rows.get((name, column))
        last = self._rounds[column]
        if here is None:
            if not self.is_worth_it(name) or self._keys[column] > KEYS_MOST:
                return None
            here = _Rows(kept_name(name, column), 0, 0)
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {here.table} AS SELECT * FROM {name} LIMIT 0")
            self._rows[name, column] = here
        if here.round < last:
            here.count += self._keep(here, name, column)
            here.round = last
        if here.count > KEPT_MOST:
            self._too_many.add(name)
            self.forget(name)
            return None
        return here.table

    def _keep(self, here: _Rows, name: str, column: str) -> int:
        """Copy the rows of the keys gathered since the last time; how many there are."""
        keys, begin, met = f"SELECT key FROM gathered_{column} WHERE round > {here.round}", 0, self._met(name, column)
        if met:
            asked = met, column, here.round, self._rounds[column]
            if asked not in self._first:
                query = f"SELECT min(batch) FROM {met} WHERE key IN ({keys})"
                self._first[asked] = self.connection.execute(query).fetchall()[0][0]
            if (batch := self._first[asked]) is None:
                return 0
            begin = self._begin(name, batch)
        # By their place: see `models.scoped`.
        return self.connection.execute(
            f"INSERT INTO {here.table} SELECT * FROM {name} WHERE rowid >= {begin} AND rowid IN "
            f"(SELECT rowid FROM {name} WHERE rowid >= {begin} AND {column} IN ({keys}))"
        ).fetchall()[0][0]

    def is_worth_it(self, name: str) -> bool:
        """Whether a table is so large that its rows are kept."""
        return self._sizes().get(name, 0) >= KEPT_FROM and name not in self._too_many

    def put(self, name: str, column: str, table: str, count: int, keys: int) -> None:
        """A temporary table of this name holds the table's rows of that many of the gathered keys, as just made."""
        self.forget(name, but=table)
        if count > KEPT_MOST:
            self._too_many.add(name)
        if keys == self._keys[column] and count <= KEPT_MOST:
            self._rows[name, column] = _Rows(table, self._rounds[column], count)
        else:
            self.connection.execute(f"DROP TABLE {table}")

    def forget(self, name: str, but: str = "") -> None:
        """The table has other rows now."""
        for key in [key for key in self._rows if key[0] == name]:
            rows = self._rows.pop(key)
            if rows.table != but:
                self.connection.execute(f"DROP TABLE {rows.table}")

    def clear(self) -> None:
        """Keep nothing."""
        for name, _ in list(self._rows):
            self.forget(name)
        for column in self._rounds:
            self.connection.execute(f"DROP TABLE gathered_{column}")
        for memory in (self._rounds, self._keys, self._asked, self._first):
            memory.clear()


def kept_name(name: str, column: str) -> str:
    """The temporary table for a table's rows by the keys in a column."""
    return f"kept_{name.replace('.', '_')}_by_{column}"
