"""Tables that SQL alone cannot make: the model's SELECT gives the rows, a plain function of its room turns them into the table's.

    -- through: solver.allocate                        function `allocate` of `<room>/solver.py`
    -- through: causes.causes_of each exception_guid    the same; it treats each value of the column by itself
    -- returns: order_guid UUID, quantity DECIMAL(18, 3)     the table's columns, in DuckDB's types

The function takes a `pyarrow.Table` and returns one with the columns named (any order); it sees nothing else, so that what it
needs of the clock or the thresholds stands in the SELECT. Guids come as dashed text, times in UTC. Everything around it
(scope, order, checks, both engines) is that of any other model. Of a table refreshed by key the function gets the rows of
the touched keys only, and must treat each key by itself. Of a table made whole it is not asked again while its rows are the
same: a long calculation does not run because of an event it has nothing to do with. Where it treats each value of a column by
itself (`each`) it is asked again for those only whose rows are others, and of very many rows it gets one block of values after
the other: what it is given lies in memory, beside what it makes of it, until DuckDB, which knows how much there is, has that.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import duckdb

from orders_pipeline.kernel.models import Model, ModelError
from orders_pipeline.kernel.sqltext import quote

if TYPE_CHECKING:
    import pyarrow as pa

_RESULT, _GIVEN, _MADE = "through_result", "through_given", "through_made"
#: Of so many rows a function that treats each value of a column by itself gets all at once: a kilobyte each, Arrow and Python.
BLOCK_ROWS = 500_000


def select_of(connection: duckdb.DuckDBPyConnection, model: Model, statement: str) -> str:
    """The SELECT of a model's rows: the statement itself, or one over what the model's function makes of its rows.

    The latter is good until the next call on this connection. Raises ModelError when the function returns other columns.
    """
    if model.through is None:
        return statement
    give(connection, statement)
    return select_made(connection, model)


def give(connection: duckdb.DuckDBPyConnection, statement: str) -> str:
    """Put the rows of a statement where `select_made` finds them; what is returned changes with any row, not with their order."""
    connection.execute(f"DROP TABLE IF EXISTS {_MADE}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_GIVEN} AS {statement}")
    count, total = connection.execute(f"SELECT count(*), sum(hash(given)) FROM {_GIVEN} AS given").fetchall()[0]
    return f"{count}:{total}"


def select_made(connection: duckdb.DuckDBPyConnection, model: Model) -> str:
    """The same for the rows that were given last."""
    blocks = 1
    if model.through_each:
        rows = connection.execute(f"SELECT count(*) FROM {_GIVEN}").fetchall()[0][0]
        blocks = math.ceil(rows / BLOCK_ROWS)
    if blocks > 1:
        _make_in_blocks(connection, model, blocks)
    else:
        connection.register(_RESULT, apply(model, connection.table(_GIVEN).to_arrow_table()))
    connection.execute(f"DROP TABLE {_GIVEN}")
    return typed(model, _RESULT if blocks <= 1 else _MADE)


def _make_in_blocks(connection: duckdb.DuckDBPyConnection, model: Model, blocks: int) -> None:
    begin = f"CREATE OR REPLACE TEMP TABLE {_MADE} AS"
    for block in range(blocks):
        rows = connection.sql(f"SELECT * FROM {_GIVEN} WHERE hash({quote(model.through_each)}) % {blocks} = {block}")
        connection.register(_RESULT, apply(model, rows.to_arrow_table()))
        connection.execute(f"{begin} {typed(model, _RESULT)}")
        connection.unregister(_RESULT)
        begin = f"INSERT INTO {_MADE} BY NAME"


def marks_of(connection: duckdb.DuckDBPyConnection, column: str, table: str) -> None:
    """Make a temporary table of each value of a column in the rows given last (`key`, as text) and what changes with any row of
    it (`mark`)."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT CAST({quote(column)} AS VARCHAR) AS key, "
        f"count(*) || ':' || sum(hash(given)) AS mark FROM {_GIVEN} AS given GROUP BY 1"
    )


def give_only(connection: duckdb.DuckDBPyConnection, column: str, keys: str) -> None:
    """Of the rows given last, leave those whose value of a column a table `keys` (column `key`, as text) holds."""
    connection.execute(f"DELETE FROM {_GIVEN} WHERE CAST({quote(column)} AS VARCHAR) NOT IN (SELECT key FROM {keys})")


def apply(model: Model, rows: pa.Table) -> pa.Table:
    """What the model's function makes of these rows."""
    made = _function(model)(rows)
    if set(made.column_names) != set(model.returns):
        raise ModelError(f"{model.name}: {model.through} returned {made.column_names}, the header says {list(model.returns)}")
    return made


def typed(model: Model, relation: str) -> str:
    """A SELECT of the columns a function returns, from a relation that holds them, in the types of the header."""
    columns = ", ".join(f"CAST({quote(name)} AS {kind}) AS {quote(name)}" for name, kind in model.returns.items())
    return f"SELECT {columns} FROM {relation}"


def shape(model: Model, statement: str) -> str:
    """A SELECT with the columns and types of the model's table; never run."""
    if model.through is None:
        return statement
    return "SELECT " + ", ".join(f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in model.returns.items())


def _function(model: Model) -> Callable[[pa.Table], pa.Table]:
    module, _, name = (model.through or "").rpartition(".")
    return getattr(importlib.import_module(f"orders_pipeline.{model.room}.{module}"), name)
