"""The SQL text of models, their touch queries and checks, made once per process.

Binding, narrowing and writing out a tree takes longer than a small load's statement runs, and from run to run only the clock
differs: texts are kept with a mark in its place. A worker's forks inherit what it has kept, and tell it what they have made.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import BinaryIO

from sqlglot import exp

from orders_pipeline.kernel.models import WHOLE, Model, bind, parse, part_of, render, scoped, tables_read

#: Stands for the clock in the texts that are kept; no clock of ours shows it.
_ANY_TIME = datetime(1987, 6, 5, 4, 3, 2, 198765, UTC)
_MARK = _ANY_TIME.isoformat(sep=" ")
_kept: dict[tuple[object, ...], str] = {}

Thresholds = Mapping[str, Decimal | int | str]
Columns = Callable[[str], Collection[str]]


def statement(
    of: Model | str,
    as_of: datetime,
    thresholds: Thresholds,
    *,
    within: Model | None = None,
    columns: Columns | None = None,
    kept: Mapping[str, str] | None = None,
    views: Collection[str] = (),
) -> str:
    """The text of a model's SELECT (or of bare SQL) at one `as_of`; `within` a model's touched keys only, which lie in the
    tables `touched_<kind>`. `columns` gives a table's columns; `kept` says which tables' rows of these keys lie in another one
    (among others); `views` are no tables.
    """
    sql = of.sql if isinstance(of, Model) else of
    if within is None:
        return _at(as_of, ("", sql, _values(thresholds)), lambda: render(bind(of, _ANY_TIME, thresholds, {})), of)
    narrowed = narrowed_tables(sql, within, columns)

    def make() -> str:
        known = dict.fromkeys(narrowed, (within.key,))
        tree = bind(of, _ANY_TIME, thresholds, {})
        return render(scoped(tree, within, lambda name: known.get(name, ()), touched_name, dict(nearer), placed))

    nearer = frozenset((name, table) for name, table in (kept or {}).items() if name in narrowed)
    placed = narrowed.difference(views)
    return _at(as_of, (within.refresh, within.key, narrowed, nearer, placed, sql, _values(thresholds)), make, of)


def narrowed_tables(sql: str, within: Model, columns: Columns) -> frozenset[str]:
    """The tables of which a SELECT narrowed to a model's touched keys reads these rows only."""
    return frozenset(n for n in tables_in(sql) if n not in within.lookups and within.key in columns(n))


def parts(model: Model, as_of: datetime, thresholds: Thresholds, columns: Columns, number: int) -> Iterator[str]:
    """The texts that make a model's rows range of keys by range of keys, in so many parts."""
    tree = bind(model, as_of, thresholds, {})
    for part in range(number):
        yield render(part_of(tree, model, columns, part, number))


def touching(model: Model, as_of: datetime, thresholds: Thresholds, kept: Mapping[tuple[str, str], str] | None = None) -> str:
    """The text of a model's touch query, which reads touched keys from the tables `touched_<kind>`; `kept` says which tables'
    rows of the keys in a column lie in another one (among others)."""
    nearer = kept or {}

    def make() -> str:
        tree = bind(model.touch_sql, _ANY_TIME, thresholds, {})
        for table, column, _ in list(_met_by_key(tree)):
            if near := nearer.get((f"{table.db}.{table.name}", column)):
                table.replace(exp.table_(near, alias=table.alias_or_name))
        for table in list(tree.find_all(exp.Table)):
            if table.db == "touched":
                table.replace(exp.table_(touched_name(_kind(table)), alias=table.alias_or_name))
        return render(tree)

    return _at(as_of, ("touch", model.touch_sql, frozenset(nearer.items()), _values(thresholds)), make, model.touch_sql)


@dataclass(frozen=True)
class TouchQuery:
    """What a touch query reads: `kinds` of touched keys; `met`, the tables it joins with those by a column, by kind and column;
    and whether it gives keys `only_of_touched` ones, so that it gives none where there are none."""

    kinds: tuple[str, ...]
    met: Mapping[tuple[str, str], frozenset[str]]
    only_of_touched: bool


@lru_cache(maxsize=256)
def touch_query(sql: str) -> TouchQuery:
    """What a touch query reads, looked up once per text."""
    tree = parse(sql)
    met: dict[tuple[str, str], set[str]] = {}
    for table, column, kind in _met_by_key(tree):
        met.setdefault((kind, column), set()).add(f"{table.db}.{table.name}")
    kinds = tuple(sorted({_kind(table) for table in tree.find_all(exp.Table) if table.db == "touched"}))
    ctes = {cte.alias: cte.this for cte in tree.find_all(exp.CTE)}
    return TouchQuery(kinds, {key: frozenset(names) for key, names in met.items()}, _follows(tree, ctes))


def _met_by_key(tree: exp.Expression) -> Iterator[tuple[exp.Table, str, str]]:
    """Each table that a SELECT joins with touched keys: the table, its column, the kind of the keys."""
    for select in tree.find_all(exp.Select):
        joins = select.args.get("joins") or []
        tables = {t.alias_or_name: t for t in (select.args["from_"].this, *(j.this for j in joins)) if isinstance(t, exp.Table)}
        for join in joins:
            condition = join.args.get("on")
            if not isinstance(condition, exp.EQ) or join.side or getattr(join.this, "db", "") != "touched":
                continue
            column, key = condition.this, condition.expression
            if (key.table, key.name) == (join.this.alias_or_name, "key") and column.table in tables:
                yield tables[column.table], column.name, _kind(join.this)


def _follows(query: exp.Expression, ctes: Mapping[str, exp.Expression]) -> bool:
    """Whether every row of a query comes of a touched key: one it reads, or joins, or asks for in its WHERE."""
    if isinstance(query, exp.Union):
        return _follows(query.left, ctes) and _follows(query.right, ctes)
    where = query.args.get("where")
    asked = where.this.flatten() if where and isinstance(where.this, exp.And) else [where.this] if where else []
    sources = [query.args["from_"].this, *(join.this for join in query.args.get("joins") or [] if not join.side)]
    return any(_gives_touched(source, ctes) for source in sources) or any(
        isinstance(one, exp.Exists) and _follows(one.this, ctes) for one in asked
    )


def _gives_touched(source: exp.Expression, ctes: Mapping[str, exp.Expression]) -> bool:
    if isinstance(source, exp.Subquery):
        return _follows(source.this, ctes)
    return source.db == "touched" or (not source.db and source.name in ctes and _follows(ctes[source.name], ctes))


def _kind(table: exp.Table) -> str:
    return table.name.removesuffix("_keys")


@lru_cache(maxsize=1024)
def shows_the_clock(sql: str) -> bool:
    """Whether one of a SELECT's columns is `as_of()` itself: its rows are others at every time."""
    columns = (column.unalias() for column in parse(sql).selects)
    return any(isinstance(column, exp.Anonymous) and column.name.lower() == "as_of" for column in columns)


def touched_name(kind: str) -> str:
    """The temporary table that holds the touched keys of a kind."""
    if kind == WHOLE:
        raise ValueError("a table made whole has no touched keys")
    return f"touched_{kind}"


def _at(as_of: datetime, key: tuple[object, ...], make: Callable[[], str], of: Model | str) -> str:
    if as_of.tzinfo is None:
        bind(of, as_of, {}, {})  # raises, naming the model
    if key not in _kept:
        _kept[key] = make()
    return _kept[key].replace(_MARK, as_of.astimezone(UTC).isoformat(sep=" "))


def tell(file: BinaryIO, since: int) -> None:
    """Write the texts made since there were so many, for the process that this one was forked from."""
    pickle.dump(list(islice(_kept.items(), since, None)), file)
    file.flush()


def learn(file: BinaryIO) -> None:
    """Keep the texts that a forked process has told; one that died may have told nothing, or half."""
    file.seek(0)
    try:
        _kept.update(pickle.load(file))  # noqa: S301  # an unnamed file of our own
    except (EOFError, pickle.UnpicklingError):
        return


def count() -> int:
    """How many texts are kept."""
    return len(_kept)


def _values(thresholds: Thresholds) -> frozenset[tuple[str, object]]:
    return frozenset(thresholds.items())


@lru_cache(maxsize=1024)
def tables_in(sql: str) -> frozenset[str]:
    """The tables (`schema.table`) a SELECT reads, looked up once per text."""
    return tables_read(parse(sql))
