"""Brings the models up to date: touched rows only where that is enough, everything where it is not; one way for both.

A load leaves the keys it touched, and every consumer remembers the last of them it has taken in (see `batches`).
Refreshing a model replaces exactly the rows of its touched keys, records the keys that this touches further down, and
advances its batch, all in one transaction: a run that is killed anywhere is completed by the next one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import duckdb

from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.appended import STATE as APPENDED_STATE
from orders_pipeline.kernel.appended import Appended
from orders_pipeline.kernel.batches import STATE as BATCHES_STATE
from orders_pipeline.kernel.batches import Touched, advance
from orders_pipeline.kernel.known import STATE as KNOWN_STATE
from orders_pipeline.kernel.known import Known
from orders_pipeline.kernel.models import WHOLE, Model, Touch
from orders_pipeline.kernel.nearby import Nearby, kept_name
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.sqltext import quote
from orders_pipeline.kernel.statements import narrowed_tables, parts, shows_the_clock, statement, touch_query, touching
from orders_pipeline.kernel.through import give, give_only, marks_of, select_made, select_of
from orders_pipeline.kernel.warehouse import (
    columns_of,
    described,
    every_column,
    sizes,
    tables_there,
    transaction,
    views_there,
    within_memory,
)

#: When more than this share of a kind's keys is touched, replacing them one by one costs more than building anew.
WHOLE_SHARE = 0.2
#: When more than this share of the values that a function treats one by one have other rows, it makes them all.
ANEW_SHARE = 0.5
#: Of so many rows of its largest input a table is made at once, of more in as many ranges of its keys; where one of these takes
#: more memory than there is, in so many times more, at most so many.
PART_ROWS, PARTS_MORE, PARTS_MOST = 8_000_000, 8, 512
#: What a table refreshed whole looks like now, until it is known whether that is anything new.
_ANEW = "made_anew"
#: What a function is given now, by the column it goes by, and those for which that is something new.
_MARKS, _OTHERS = "given_now", "given_others"
#: Which thresholds a model uses, by its texts: finding out means parsing them.
_used: dict[tuple[str, str | None], sql.UsedNames] = {}


@dataclass(frozen=True)
class Refreshed:
    """What happened to one model: `whole`, `keys` (rows of touched keys replaced) or `current` (nothing to do)."""

    model: Model
    how: str
    rows: int
    keys: int = 0


class State(NamedTuple):
    """How far a consumer has come: the last batch it has taken in, by what text and at what time, and the last in which its table
    was made anew."""

    batch: int | None = None
    fingerprint: str | None = None
    as_of: datetime | None = None
    rebuilt: int | None = None


class Refresher:
    """Refreshes models in one warehouse at one `as_of`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, ordered: Iterable[Model], as_of: datetime, settings: Settings
    ) -> None:
        self.connection = connection
        self.models = list(ordered)
        self.as_of = as_of
        self.settings = settings
        #: Whether this run brings numbers up to date that only say how long something has been going on (`ages at`).
        self.reads_clocks = True
        with transaction(connection):
            connection.execute(BATCHES_STATE + KNOWN_STATE + APPENDED_STATE)
            for room in {m.room for m in self.models}:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {room}")
        self._fingerprints: dict[str, str] = {}
        self._known: dict[str, State] | None = None
        self._rows: dict[str, int] = {}
        self._passed: list[Model] = []
        self._columns: dict[str, dict[str, str]] = {}
        self._references: dict[str, str] = {}
        self.known = Known(connection)
        for kind in {kind for model in self.models for kind in model.kinds}:
            self.known.table(kind)
        self.touched = Touched(connection, self.known)
        self.appended = Appended(connection)
        self.nearby = Nearby(connection, lambda: self._sizes, self._met, self._begin)

    # ---- what is to be done

    def fingerprint(self, model: Model) -> str:
        """Changes when the model's SQL, its function, a threshold or a reference table it uses changes; its table is then
        built anew. Worked out once."""
        if model.name not in self._fingerprints:
            self._fingerprints[model.name] = self._fingerprint(model)
        return self._fingerprints[model.name]

    def _fingerprint(self, model: Model) -> str:
        texts = model.sql, model.touch_sql
        used = _used.get(texts) or _used.setdefault(texts, sql.used_names([model]))
        values = sorted((n, str(self.settings.thresholds[n])) for n in used.thresholds)
        values += [(name, self._contents(name)) for name in sorted(model.after) if name.startswith("ref.")]
        return hashlib.sha256(f"{model.sql}{model.touch_sql}{model.function_sha}{values}".encode()).hexdigest()[:16]

    def _contents(self, name: str) -> str:
        """Changes with any row of a reference table; looked up once."""
        if name not in self._references:
            count, total = self.connection.execute(f"SELECT count(*), sum(hash(t)) FROM {name} AS t").fetchall()[0]
            self._references[name] = f"{count}:{total}"
        return self._references[name]

    def plan(self, full: bool = False) -> None:
        """Decide what must be built whole and write that down before anything is touched."""
        state, there = self._state(), tables_there(self.connection)
        whole: set[str] = set()
        for model in self.models:
            batch, fingerprint, as_of, _ = state.get(model.name, State())
            stale = batch is None or fingerprint != self.fingerprint(model) or model.name not in there
            back = (model.clock or model.reading) and as_of is not None and as_of > self.as_of
            if full or stale or back or model.after & whole:
                whole.add(model.name)
        with transaction(self.connection):
            for name in whole & state.keys():
                self.connection.execute("DELETE FROM kernel.consumers WHERE consumer = ?", [name])
        self._known = None

    def _touch_by_clock(self, model: Model, last: datetime | None) -> None:
        """Touch the rows that the clock alone has changed since the model was last refreshed: those whose verdict is another,
        and, where this run reads clocks, those that show the time gone by."""
        if last is None:
            return
        found, values = [], []
        if model.clock and last < self.as_of:
            found.append(f"{model.clock} > ? AND {model.clock} <= ?")
            values += [last, self.as_of]
        if model.reading and self.reads_clocks:
            found.append(f"{model.reading} <= ?")
            values.append(self.as_of)
        if found:
            with transaction(self.connection):
                self.touched.add(
                    model.refresh, f"SELECT DISTINCT {model.key} FROM {model.name} WHERE {' OR '.join(found)}", values
                )

    # ---- doing it

    def refresh(self, model: Model) -> Refreshed:
        """Bring one model up to date. Whatever it reads must be so already. Raises Permanent where the memory is too small."""
        with within_memory(f"{model.name}: making it"):
            return self._refresh(model)

    def _refresh(self, model: Model) -> Refreshed:
        batch, _, as_of, _ = self.last_of(model.name)
        if batch is None:
            return self._whole(model)
        if model.refresh == WHOLE:
            # A table refreshed whole that looks at the clock (`changes at: always`) ages with every new as_of.
            aged = model.clock is not None and as_of != self.as_of
            if aged or self.changed_since(model.after, batch):
                # A table that shows the time is another one: comparing it with what is there would be the dearest part.
                return self._whole(model, is_stale=aged and model.by is None and shows_the_clock(model.sql))
            return self._current(model)
        self._touch_by_clock(model, as_of)
        self._spread(model, batch)
        touched = self.touched.gather(model.refresh, batch)
        return self._keys(model, batch, touched.keys) if touched.keys else self._current(model)

    def changed_since(self, names: Collection[str], batch: int) -> bool:
        """Whether any of these tables, models' or others, has changed since a batch."""
        by_name = self._by_name
        kinds = {name for name in names if name not in by_name} | {
            by_name[n].by.kind for n in names if n in by_name and by_name[n].by
        }
        return any(self.touched.last.get(kind, 0) > batch for kind in kinds) or any(
            (self.last_of(name).rebuilt or 0) > batch for name in names if name in by_name
        )

    def last_of(self, consumer: str) -> State:
        """How far a consumer has come, as known in this run."""
        return self._state().get(consumer, State())

    def _current(self, model: Model) -> Refreshed:
        self._passed.append(model)
        return Refreshed(model, "current", self.row_count(model))

    def settle(self) -> None:
        """Write down that the tables with nothing to do are up to date: together, for each commit waits for the disk."""
        passed, self._passed = self._passed, []
        if passed:
            names = [model.name for model in passed]
            with transaction(self.connection):
                self.connection.execute(
                    "UPDATE kernel.consumers SET batch = ?, as_of = ? WHERE list_contains(?, consumer)",
                    [self.touched.batch, self.as_of, names],
                )
            for name in names:
                self._state()[name] = self._state()[name]._replace(batch=self.touched.batch, as_of=self.as_of)

    def _whole(self, model: Model, is_stale: bool = True) -> Refreshed:
        """Make a table anew. Where nothing but its inputs or the clock has changed and the same comes out, it stays, and with it
        all that reads it; one made by a function stays where the function would get the rows it was made of."""
        text = statement(model, self.as_of, self.settings.thresholds)
        if model.through is None or model.refresh != WHOLE:
            if is_stale or model.is_view:
                return self._build(model, text)
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_ANEW} AS {text}")
            if model.replaces:
                return self._replace_others(model, model.replaces)
            return self._current(model) if self._is_same(model) else self.replace(model, f"SELECT * FROM {_ANEW}")
        given = [model.name, give(self.connection, text)]
        if model.through_each:
            return self._whole_by_each(model, model.through_each, is_stale)
        same = "SELECT count(*) FROM kernel.given WHERE consumer = ? AND mark = ?"
        if not is_stale and self._one(same, given):
            return self._current(model)
        with transaction(self.connection):
            self.connection.execute("DELETE FROM kernel.given WHERE consumer = ?", given[:1])
        done = self.replace(model, select_made(self.connection, model))
        with transaction(self.connection):
            self.connection.execute("INSERT INTO kernel.given VALUES (?, ?)", given)
        return done

    def _build(self, model: Model, text: str) -> Refreshed:
        """Make a table anew from its own SELECT: at once, or, where that would take more memory than there is, range of keys by
        range of keys. Raises OutOfMemoryException when it does not fit either way."""
        number = self._parts(model)
        while True:
            try:
                if number == 1:
                    return self.replace(model, select_of(self.connection, model, text))
                return self._build_in_parts(model, number)
            except duckdb.OutOfMemoryException:
                if model.refresh == WHOLE or number * PARTS_MORE > PARTS_MOST:
                    raise
            number *= PARTS_MORE

    def _parts(self, model: Model) -> int:
        """In how many ranges of keys a table is made: rows that do not fit into the memory cost more than reading again does."""
        if model.refresh == WHOLE:
            return 1
        there = sizes(self.connection)
        inputs = [n for n in model.after - model.lookups if n in there and model.key in self.columns(n)]
        return max(1, math.ceil(max((there[n] for n in inputs), default=0) / PART_ROWS))

    def _build_in_parts(self, model: Model, number: int) -> Refreshed:
        begin = f"CREATE OR REPLACE TABLE {model.name} AS"
        with transaction(self.connection):
            for text in parts(model, self.as_of, self.settings.thresholds, self.columns, number):
                self.connection.execute(f"{begin} {select_of(self.connection, model, text)}")
                begin = f"INSERT INTO {model.name} BY NAME"
            self.known.add_all(model, self.touched.batch)
            self._appended(model, self._one(f"SELECT count(*) FROM {model.name}"), anew=True)
            self._advance(model, rebuilt=True)
        return self._made_anew(model)

    def _whole_by_each(self, model: Model, column: str, is_stale: bool) -> Refreshed:
        """Make a table anew by a function that treats each value of a column by itself: from the rows given, of those values only
        whose rows are others than the last time."""
        marks_of(self.connection, column, _MARKS)
        known = self._one("SELECT count(*) FROM kernel.given_keys WHERE consumer = ?", [model.name])

        def anew() -> Refreshed:
            done = self.replace(model, select_made(self.connection, model))
            with transaction(self.connection):
                self.connection.execute(f"INSERT INTO kernel.given_keys SELECT ?, key, mark FROM {_MARKS}", [model.name])
            return done

        if is_stale or (not known and self.row_count(model)):  # A run was killed before it wrote down what it had given.
            return anew()
        others = self._one(
            f"CREATE OR REPLACE TEMP TABLE {_OTHERS} AS SELECT coalesce(now.key, before.key) AS key FROM {_MARKS} AS now "
            "FULL JOIN (SELECT key, mark FROM kernel.given_keys WHERE consumer = ?) AS before ON now.key = before.key "
            "WHERE now.mark IS DISTINCT FROM before.mark",
            [model.name],
        )
        if not others:
            return self._current(model)
        if others > known * ANEW_SHARE:
            return anew()
        give_only(self.connection, column, _OTHERS)
        text = select_made(self.connection, model)
        inside = f"IN (SELECT key FROM {_OTHERS})"
        with transaction(self.connection):
            self.connection.execute(f"DELETE FROM {model.name} WHERE CAST({quote(column)} AS VARCHAR) {inside}")
            self.connection.execute(f"INSERT INTO {model.name} BY NAME {text}")
            self.connection.execute(f"DELETE FROM kernel.given_keys WHERE consumer = ? AND key {inside}", [model.name])
            self.connection.execute(
                f"INSERT INTO kernel.given_keys SELECT ?, key, mark FROM {_MARKS} WHERE key {inside}", [model.name]
            )
            self._advance(model, rebuilt=True)
        self.nearby.forget(model.name)
        self._rows.pop(model.name, None)
        return Refreshed(model, "whole", self.row_count(model))

    def _replace_others(self, model: Model, by: Touch, among: str = "TRUE") -> Refreshed:
        """Of rows made anew, all or those `among` which a condition holds, replace those of the keys only whose rows came out
        otherwise."""
        column = quote(by.column)
        sides = (
            f"(SELECT {column} AS key, count(*) AS n, sum(hash(t)) AS h FROM {rows} AS t GROUP BY 1)"
            for rows in (_ANEW, f"(SELECT * FROM {model.name} WHERE {among})")
        )
        others = self._one(
            f"CREATE OR REPLACE TEMP TABLE {_OTHERS} AS SELECT coalesce(now.key, before.key) AS key "
            f"FROM {' AS now FULL JOIN '.join(sides)} AS before ON now.key = before.key "
            "WHERE (now.n, now.h) IS DISTINCT FROM (before.n, before.h)"
        )
        if not others:
            return self._current(model)
        inside = f"{column} IN (SELECT key FROM {_OTHERS})"
        with transaction(self.connection):
            self._pass_on(model, model.name, f"{among} AND {inside}")
            self.connection.execute(f"DELETE FROM {model.name} WHERE {among} AND {inside}")
            self._appended(model, self._one(f"INSERT INTO {model.name} BY NAME SELECT * FROM {_ANEW} WHERE {inside}"))
            self._pass_on(model, _ANEW, inside)
            self.touched.add(by.kind, f"SELECT key FROM {_OTHERS}")
            self._advance(model)
        self.nearby.forget(model.name)
        self._rows.pop(model.name, None)
        return Refreshed(model, "keys", self.row_count(model), others)

    def _is_same(self, model: Model) -> bool:
        """Whether the rows made anew are those of the table, in any order."""
        before, now = (
            self.connection.execute(f"SELECT count(*), sum(hash(t)) FROM {name} AS t").fetchall() for name in (model.name, _ANEW)
        )
        return before == now

    def replace(self, model: Model, text: str) -> Refreshed:
        """Make a model's table anew from a SELECT: its own, or one over what another engine has made of the model.

        A view is its own SELECT whoever has made its inputs."""
        kind, other = ("VIEW", "TABLE") if model.is_view else ("TABLE", "VIEW")
        if model.is_view:
            text = statement(model, self.as_of, self.settings.thresholds)
        with transaction(self.connection):
            if model.is_view != (model.name in self._views):
                # An earlier version may have kept the other kind.
                self.connection.execute(f"DROP {other} IF EXISTS {model.name}")
            made = self.connection.execute(f"CREATE OR REPLACE {kind} {model.name} AS {text}").fetchall()
            if model.through_each:
                self.connection.execute("DELETE FROM kernel.given_keys WHERE consumer = ?", [model.name])
            if model.refresh != WHOLE:
                self.known.add_all(model, self.touched.batch)
                self._appended(model, made[0][0], anew=True)
            self._advance(model, rebuilt=True)
        return self._made_anew(model)

    def _made_anew(self, model: Model) -> Refreshed:
        self.nearby.forget(model.name)
        self._columns.pop(model.name, None)
        self._rows.pop(model.name, None)
        return Refreshed(model, "whole", self.row_count(model))

    def _keys(self, model: Model, batch: int, keys: int) -> Refreshed:
        touched = self.touched.table(model.refresh)
        self.touched.write_down(model.refresh)
        text = statement(
            model,
            self.as_of,
            self.settings.thresholds,
            within=model,
            columns=self.columns,
            views=self.views,
            kept=self.kept_rows(model.sql, model),
        )
        inside = f"{model.key} IN (SELECT key FROM {touched})"
        if model.replaces:
            self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {_ANEW} AS {select_of(self.connection, model, text)}")
            return self._replace_others(model, model.replaces, inside)
        met = self.touched.met(model, model.refresh, batch)
        replaced = f"{self.at_the_end(model)}{model.key} IN ({met})" if met else None
        is_large = self.nearby.is_worth_it(model.name)
        mine, made = kept_name(model.name, model.key), 0
        with transaction(self.connection):
            if replaced:
                self._pass_on(model, model.name, replaced)
            text = select_of(self.connection, model, text)
            if is_large:
                made = self._one(f"CREATE OR REPLACE TEMP TABLE {mine} AS {text}")
                text = f"SELECT * FROM {mine}"
            if replaced:
                self.connection.execute(f"DELETE FROM {model.name} WHERE {replaced}")
            self._appended(model, self._one(f"INSERT INTO {model.name} BY NAME {text}"))
            self._pass_on(model, *((mine, "TRUE") if is_large else (model.name, inside)))
            self._advance(model)
        self._rows.pop(model.name, None)
        if is_large:
            self.nearby.put(model.name, model.key, mine, made, keys)
        else:
            self.nearby.forget(model.name)
        return Refreshed(model, "keys", self.row_count(model), keys)

    def _appended(self, model: Model, rows: int, *, anew: bool = False) -> None:
        if model.refresh != WHOLE and self.is_written_down(model, model.name):
            self.appended.note(model.name, self.touched.batch, rows, anew=anew)

    def is_written_down(self, model: Model, table: str) -> bool:
        """Whether it is to be written down what a model's table, or a copy of it, is given: of large ones, from then on."""
        return self.nearby.is_worth_it(model.name) or self.appended.covers(table)

    def _met(self, name: str, column: str) -> str | None:
        """The table that says when each key in a table's column was met first; None where that is not known of all."""
        model = self._by_name.get(name)
        if model is None or model.key != column or not self.known.relies_on(model, model.refresh):
            return None
        return self.known.table(model.refresh)

    def _begin(self, name: str, batch: int) -> int:
        """Where in a model's table rows that came in a batch or later can begin."""
        return self.appended.begin(name, batch, self.row_count(self._by_name[name]))

    def at_the_end(self, model: Model, copy: tuple[str, int] | None = None) -> str:
        """The beginning of a condition for rows of a model's touched keys, as last asked for: where they can be in its table, or
        in a copy of it with so many rows."""
        since = self.touched.gathered[model.by.kind].since
        if since is None or model.replaces or not self._met(model.name, model.key):
            return ""
        table, count = copy or (model.name, self.row_count(model))
        return f"rowid >= {self.appended.begin(table, since, count)} AND "

    def kept_rows(self, sql: str, within: Model) -> dict[str, str]:
        """By table that a SELECT reads, where else its rows of a model's touched keys, as last asked for, lie among others."""
        self._gather_nearby(within.refresh, within.key)
        return self.nearby.of(self._own_tables(narrowed_tables(sql, within, self.columns)), within.key)

    def near(self, model: Model) -> str | None:
        """Where else a table's rows of its touched keys, as last asked for, lie among others; None: in the table only."""
        by = model.by
        if by is None or model.name in self.views or not self.nearby.is_worth_it(model.name):
            return None
        self._gather_nearby(by.kind, by.column)
        return self.nearby.of([model.name], by.column).get(model.name)

    def _gather_nearby(self, kind: str, column: str) -> None:
        last = self.touched.gathered[kind]
        self.nearby.gather(column, self.touched.table(kind), (kind, last.first, last.keys))

    def _own_tables(self, names: Iterable[str]) -> list[str]:
        """Those that are tables, of models or of what was read: reference tables are small, and whoever takes files in says so
        (`changed_outside`)."""
        return sorted({name for name in names if name in self._by_name or name.startswith("raw.")} - self.views)

    def changed_outside(self) -> None:
        """Files have been taken in since this refresher was made: forget what it knows of their rows."""
        self.nearby.clear()
        self.touched.__dict__.pop("last", None)

    @cached_property
    def _by_name(self) -> dict[str, Model]:
        return {model.name: model for model in self.models}

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """About how many rows each table had when this run began."""
        return sizes(self.connection)

    def _spread(self, model: Model, batch: int) -> None:
        """Add the keys that other kinds of touched rows make stale here (a payment whose order has arrived)."""
        if model.touch_sql is None:
            return
        query = touch_query(model.touch_sql)
        found = {kind for kind in query.kinds if self.touched.gather(kind, batch).keys}
        if query.only_of_touched and not found:
            return
        kept: dict[tuple[str, str], str] = {}
        for (kind, column), names in query.met.items():
            if kind in found:
                self._gather_nearby(kind, column)
                kept |= {(name, column): near for name, near in self.nearby.of(self._own_tables(names), column).items()}
        text = touching(model, self.as_of, self.settings.thresholds, kept)
        with transaction(self.connection):
            self.touched.add(
                model.refresh,
                f"SELECT DISTINCT key FROM ({text}) AS found(key) WHERE key IS NOT NULL AND NOT EXISTS "
                "(SELECT 1 FROM kernel.touched t WHERE t.kind = ? AND t.key = found.key AND t.batch > ?)",
                [model.refresh, batch],
            )

    def _pass_on(self, model: Model, table: str, inside: str) -> None:
        for touch in model.touches:
            self.touched.add(
                touch.kind, f"SELECT DISTINCT {touch.column} FROM {table} WHERE {inside} AND {touch.column} IS NOT NULL"
            )

    @cached_property
    def views(self) -> frozenset[str]:
        """What is a view, or is to be one."""
        return frozenset(self._views | {m.name for m in self.models if m.is_view})

    @cached_property
    def _views(self) -> set[str]:
        """The views that were there when this run began."""
        return views_there(self.connection)

    def _advance(self, model: Model, rebuilt: bool = False) -> None:
        batch, fingerprint = self.touched.batch, self.fingerprint(model)
        advance(self.connection, model.name, batch, fingerprint, self.as_of, rebuilt)
        known = self._state().get(model.name)
        self._state()[model.name] = State(batch, fingerprint, self.as_of, batch if rebuilt or not known else known.rebuilt)

    def changes(self, batch: int | None, among: Iterable[Model] | None = None) -> dict[str, Refreshed]:
        """What has changed since a batch, by table, among these models or all; everything where the batch is None.

        Leaves the touched keys of each kind in the temporary table `touched_<kind>`.
        """
        self.settle()
        return self.changes_so_far(batch, self.models if among is None else among)

    def changes_so_far(self, batch: int | None, among: Iterable[Model]) -> dict[str, Refreshed]:
        """The same among models that are up to date, while others are still to be refreshed."""
        among = list(among)
        touched = {k: self.touched.gather(k, batch or 0).keys for k in {kind for model in among for kind in model.kinds}}
        out = {}
        for model in among:
            rows = self.row_count(model)
            if batch is None or (self.last_of(model.name).rebuilt or 0) > batch:
                out[model.name] = Refreshed(model, "whole", rows)
            elif any(touched[kind] for kind in model.kinds):
                # Checked on all rows that were made again; published, where it says so, those it has replaced.
                kind = model.by.kind if model.refresh == WHOLE else model.refresh
                out[model.name] = Refreshed(model, "keys", rows, touched[kind])
        return out

    def batch_of(self, consumer: str) -> int | None:
        """The last batch a consumer has taken in; None where it has taken in nothing."""
        return self.batches_of([consumer])[0]

    def batches_of(self, consumers: Iterable[str]) -> tuple[int | None, ...]:
        """The same of several."""
        state = self._read_state()
        return tuple(state.get(name, State()).batch for name in consumers)

    def as_of_of(self, consumer: str) -> datetime | None:
        """The time at which a consumer has last taken anything in."""
        return self._read_state().get(consumer, State()).as_of

    def columns(self, name: str) -> dict[str, str]:
        """Column -> type of a table of the warehouse, looked up once.

        Of the warehouse alone: while the publication is attached, it holds tables of the same names with other types.
        """
        if not self._columns:
            self._columns = every_column(self.connection)
        if name not in self._columns:
            is_made = name in self._state()
            self._columns[name] = (described if is_made else columns_of)(self.connection, name)
        return self._columns[name]

    def row_count(self, model: Model) -> int:
        """Rows of a model's table; counted once until this refresher changes it."""
        if model.name not in self._rows:
            self._rows[model.name] = self._one(f"SELECT count(*) FROM {model.name}")
        return self._rows[model.name]

    def _state(self) -> dict[str, State]:
        """How far each consumer has come; read once, for this refresher alone moves the models on."""
        if self._known is None:
            self._known = self._read_state()
        return self._known

    def _read_state(self) -> dict[str, State]:
        rows = self.connection.execute("SELECT consumer, batch, fingerprint, as_of, rebuilt FROM kernel.consumers").fetchall()
        return {name: State(*state) for name, *state in rows}

    def _one(self, statement: str, values: list | None = None) -> int:
        return self.connection.execute(statement, values or []).fetchall()[0][0]
