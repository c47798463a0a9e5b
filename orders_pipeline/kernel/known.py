"""Which keys there have ever been, and since when: of a key that is new there are no rows to look for.

Most keys of a file are of orders nobody has seen. That its rows are to be replaced would be found out by looking through every
table of the way, and years of history make that the dearest part of taking a file in. So each key is written down, by kind, with
the batch of the run that met it first, before any table gets a row of it. A table whose last refresh lies before that batch has
none; the published file neither, if its last publication does.

Relied on only for tables whose keys are all written down: those made whole since this is done. For others, everything is looked
for. A key stays when its rows have gone: then a look is wasted, no more.
"""

from __future__ import annotations

from functools import cached_property

import duckdb

from orders_pipeline.kernel.models import Model

STATE = """
CREATE TABLE IF NOT EXISTS kernel.known_tables (name VARCHAR, kind VARCHAR);
"""


class Known:
    """The keys one warehouse has met."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._kinds_made_whole: set[str] = set()

    def relies_on(self, model: Model, kind: str) -> bool:
        """Whether all keys of a kind that a model's rows have are written down."""
        return (model.name, kind) in self._tables

    def table(self, kind: str) -> str:
        """The table of the keys of a kind: `key`, and `batch`, in which it was met. Not to be called in a transaction the first
        time: what it makes must stay."""
        name = f"kernel.known_{kind}"
        if kind not in self._kinds:
            self.connection.execute(f"CREATE TABLE IF NOT EXISTS {name} (key UUID, batch BIGINT)")
            self._kinds.add(kind)
        return name

    def add(self, kind: str, keys: str, batch: int, *, were_new: bool = False) -> None:
        """Write down those keys of a relation `keys` (column `key`) that are new. `were_new`: in this run all were found to be,
        and they still are unless a table's keys have been added since; not looking again saves reading years of keys."""
        table = self.table(kind)
        are_new = were_new and kind not in self._kinds_made_whole
        only = "" if are_new else f"ANTI JOIN {table} AS k ON n.key = k.key "
        self.connection.execute(
            f"INSERT INTO {table} SELECT DISTINCT n.key, ? FROM {keys} AS n {only}WHERE n.key IS NOT NULL", [batch]
        )

    def add_all(self, model: Model, batch: int) -> None:
        """Write down the keys of a table made whole, in the transaction that made it; from then on it can be relied on."""
        self._kinds_made_whole.add(model.refresh)
        self.add(model.refresh, f"(SELECT {model.key} AS key FROM {model.name})", batch)
        self.connection.execute("DELETE FROM kernel.known_tables WHERE name = ?", [model.name])
        self.connection.execute("INSERT INTO kernel.known_tables VALUES (?, ?)", [model.name, model.refresh])
        self._tables.add((model.name, model.refresh))

    @cached_property
    def _tables(self) -> set[tuple[str, ...]]:
        return set(self.connection.execute("SELECT name, kind FROM kernel.known_tables").fetchall())

    @cached_property
    def _kinds(self) -> set[str]:
        rows = self.connection.execute(
            "SELECT substr(table_name, 7) FROM duckdb_tables() "
            "WHERE database_name = current_database() AND schema_name = 'kernel' AND starts_with(table_name, 'known_')"
        ).fetchall()
        return {kind for (kind,) in rows}
