"""Publishes what changed, whole or not at all: a new file is written beside the old one and renamed over it.

Readers never meet the writer's lock and never see a half state: whoever has the old file open keeps reading it, the next
one to open gets the new one. Nothing is published while an error-level check fails.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import duckdb

from orders_pipeline.kernel.batches import advance, forget_taken, next_batch
from orders_pipeline.kernel.checks import CheckResult
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.refresh import Refreshed, Refresher
from orders_pipeline.kernel.sqltext import literal, quote
from orders_pipeline.kernel.tables import TableSpec, load_tables
from orders_pipeline.kernel.warehouse import table_exists, transaction, within_memory
from orders_pipeline.publish.spare import Batches, Spare, file_mark, is_cheaper

#: Who remembers up to which batch the published file has the tables: those of every run, and those that are made later.
CONSUMER, LATER_CONSUMER = CONSUMERS = ("publication", "publication.later")
#: The same of the file with their fingerprint, from before it is published: a run that is killed may not get to say that it was.
FILE = tuple(f"{name}.file" for name in CONSUMERS)
#: Readable by the DuckDB drivers inside BI tools, which trail the newest release.
STORAGE_VERSION = "v1.5.0"
#: Tables that no model makes: what checks and alerts write down, run by run. Published beside the models.
HISTORY = ("quality.check_results", "quality.checkup_findings", "ops.alerts")
#: Of such a table, its key and when a row was last written: the rows written since the last publication are enough.
WRITTEN = {"ops.alerts": ("alert_id", "greatest(first_seen_at, last_seen_at, cleared_at)")}
#: Unless they are more than this share of all.
WHOLE_SHARE = 0.2


@dataclass(frozen=True)
class Publication:
    """What was published: `done` is False when a check stands against it or nothing has changed."""

    done: bool
    path: Path
    tables: tuple[str, ...] = ()
    blocked_by: tuple[str, ...] = ()
    parquet_skipped: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=dict)


class _State(NamedTuple):
    """Up to which batches a file has the tables of each pace, and at what time HISTORY was written into it; None: never."""

    batches: Batches
    as_of: datetime | None


class Publisher:
    """Publishes tables of one warehouse after one run: those of these models, or of all. The others stay as published."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        home: Home,
        refresher: Refresher,
        run_id: str,
        models: Iterable[Model] | None = None,
    ) -> None:
        self.connection = connection
        self.home = home
        self.refresher = refresher
        self.run_id = run_id
        self.models = list(refresher.models if models is None else models)
        self.specs = load_tables()

    @cached_property
    def changes(self) -> dict[str, Refreshed]:
        """What has changed since the last publication, by table."""
        changed = self._since(self._published)
        if changed and not self.home.published_database.exists():
            return {n: Refreshed(c.model, "whole", c.rows) for n, c in self._since(None).items()}
        return changed

    def changes_so_far(self) -> dict[str, Refreshed]:
        """The same, of models that are up to date, while the run goes on with others."""
        published = self._published
        mine = [published[pace] for pace in self._paces]
        batch = None if None in mine or not self.home.published_database.exists() else min(mine, default=0)
        return self.refresher.changes_so_far(batch, self.models)

    def _since(self, batches: Batches | None) -> dict[str, Refreshed]:
        """What has changed in a file that has the tables of each pace up to these batches; everything where there is none."""
        mine = [None] if batches is None else [batches[pace] for pace in self._paces]
        return self.refresher.changes(None if None in mine else min(mine, default=0), self.models)

    @property
    def _paces(self) -> set[int]:
        """Which of CONSUMERS has the tables of this publication."""
        return {int(model.later) for model in self.models}

    @property
    def _published(self) -> Batches:
        return self.refresher.batches_of(CONSUMERS)

    def publish(self, results: Sequence[CheckResult], *, anew: bool = False) -> Publication:
        """Swap in a new file with what changed, and the Parquet copies; unless a check stands against it. `anew`: even when
        no table but those of HISTORY has changed."""
        target = self.home.published_database
        blocked = tuple(f"{r.check.table}: {r.check.name}" for r in results if r.blocks)
        if blocked:
            return Publication(False, target, blocked_by=blocked)
        if not self.changes and target.exists() and not anew:
            return Publication(False, target)
        self.home.published.mkdir(parents=True, exist_ok=True)
        fresh = self.home.published / f".orders-{self.run_id}.duckdb"
        for left in self.home.published.glob(".orders-*"):
            left.unlink()
        batch = next_batch(self.connection)
        public = self._public(self.changes)
        begun = self._begin(target, fresh, public)
        given = self._write(fresh, public, begun)
        if target.exists():
            self._spare.set_aside(target)
        with transaction(self.connection):
            for name, (before, rows) in given.items():
                self.refresher.appended.note(name, batch, rows, before=before)
            for pace, held in enumerate(begun.batches):
                held = batch if pace in self._paces else held
                advance(self.connection, FILE[pace], held, file_mark(fresh), self.refresher.as_of)
        _swap(fresh, target)
        _link(target, self.home.published_book)
        skipped = self._parquet(public)
        with transaction(self.connection):
            for pace in self._paces:
                advance(self.connection, CONSUMERS[pace], batch, "", self.refresher.as_of)
        self._bring_up_to_date(target, public, begun)
        self.refresher.nearby.clear()
        forget_taken(self.connection, [*(m.name for m in self.refresher.models), *CONSUMERS])
        return Publication(True, target, tuple(public), parquet_skipped=skipped, rows={n: c.rows for n, c in public.items()})

    # ---- the DuckDB file

    @cached_property
    def _spare(self) -> Spare:
        return Spare(self.connection, self.home.warehouse)

    def _public(self, changes: Mapping[str, Refreshed]) -> dict[str, Refreshed]:
        return {n: c for n, c in changes.items() if self.specs[n].public}

    def _begin(self, target: Path, fresh: Path, public: Mapping[str, Refreshed]) -> _State:
        """Put a file in the new one's place that lacks only the changes; returns the state it is in: of no time where all
        is to be written."""
        keep = [n for n, s in self.specs.items() if s.public and n not in public]
        if not target.exists() or not (keep or any(c.how == "keys" for c in public.values())):
            return _State(self._published, None)
        held = self._held(target)
        if not self._spare.take(fresh, self._published):
            shutil.copyfile(target, fresh)
        return _State(held, self.refresher.as_of_of(CONSUMER))

    def _held(self, target: Path) -> Batches:
        """Up to which batches the published file has the tables of each pace: what a run published that was killed before it
        wrote that down is to be replaced too."""
        rows = self.connection.execute(
            "SELECT consumer, batch FROM kernel.consumers WHERE list_contains(?, consumer) AND fingerprint = ?",
            [list(FILE), file_mark(target)],
        ).fetchall()
        noted = dict(rows)
        return tuple(noted.get(name, batch) for name, batch in zip(FILE, self._published, strict=True))

    def _bring_up_to_date(self, target: Path, public: Mapping[str, Refreshed], begun: _State) -> None:
        """Have the file published before say what is published now, where there is one: the next publication begins with it."""
        if not self._spare.draft.exists():
            return
        if begun.as_of and is_cheaper(public.values(), target.stat().st_size) and self._spare.is_unread():
            self._write(self._spare.draft, public, begun)
        else:
            self._spare.copy(target)
        self._spare.rely_on(self._published)

    def _write(self, fresh: Path, public: Mapping[str, Refreshed], state: _State) -> dict[str, tuple[int, int]]:
        """Write the changes into the new file, which is in this state, or all of it; returns, of each table of which that is
        written down, how many rows it had and how many it was given."""
        given = {}
        # Nobody reads the new file before it is whole: a log of what it will hold would be written for nothing.
        options = f"STORAGE_VERSION {literal(STORAGE_VERSION)}, RECOVERY_MODE 'NO_WAL_WRITES'"
        self.connection.execute(f"ATTACH {literal(str(fresh))} AS published ({options})")
        try:
            self.connection.execute("BEGIN TRANSACTION")
            for name, change in public.items():
                with within_memory(f"{name}: publishing it"):
                    rows = self._write_table(self.specs[name], change, state.batches)
                if rows:
                    given[_copy_of(self.specs[name])] = rows
            for name in HISTORY:
                if table_exists(self.connection, name):
                    self._write_history(self.specs[name], state.as_of)
            with within_memory("the published file: writing it"):
                self.connection.execute("COMMIT")
                self.connection.execute("CHECKPOINT published")
        except BaseException:
            self._detach_quietly()
            raise
        self.connection.execute("DETACH published")
        return given

    def _detach_quietly(self) -> None:
        """Leave the session usable after a failure whose own error is about to be raised."""
        for statement in ("ROLLBACK", "DETACH published"):
            try:
                self.connection.execute(statement)
            except duckdb.Error as error:
                self.connection.execute("SELECT ?", [str(error)])

    def _write_table(self, spec: TableSpec, change: Refreshed, batches: Batches) -> tuple[int, int] | None:
        """Write what has changed in a table; returns its rows before and those given to it, where they are to be written down."""
        model, by, copy = change.model, change.model.by, _copy_of(spec)
        if by is None or by.column not in spec.columns:
            self._replace(spec)
            return None
        is_written_down = self.refresher.is_written_down(model, copy)
        if change.how != "keys":
            rows = self._replace(spec)
            return (0, rows) if is_written_down else None
        before = self._count(f"SELECT count(*) FROM {copy}") if is_written_down else 0
        met = self.refresher.touched.met(model, by.kind, batches[int(model.later)] or 0)
        if met:
            end = self.refresher.at_the_end(model, (copy, before))
            keys = f"SELECT CAST(key AS VARCHAR) FROM ({met})"
            self.connection.execute(f"DELETE FROM {copy} WHERE {end}{by.column} IN ({keys})")
        rows, near = f"{by.column} IN (SELECT key FROM {self.refresher.touched.table(by.kind)})", self.refresher.near(model)
        if near is None:
            # By their place: see `models.scoped`.
            rows = f"rowid IN (SELECT rowid FROM {spec.name} WHERE {rows})"
        inserted = self._count(f"INSERT INTO {copy} BY NAME {self._select(spec, near)} WHERE {rows}")
        return (before, inserted) if is_written_down else None

    def _write_history(self, spec: TableSpec, as_of: datetime | None) -> None:
        """Write what has been written into a table of HISTORY since a file's time, or all of it."""
        key, written_at = WRITTEN.get(spec.name, (None, None))
        if key is None or as_of is None or not self._holds(spec):
            self._replace(spec)
            return
        count = "SELECT count(*) FILTER (WHERE {}), count(*) FROM {}"
        since = f"{written_at} >= {literal(as_of.isoformat())}::TIMESTAMPTZ"
        some, every = self.connection.execute(count.format(since, spec.name)).fetchall()[0]
        if some > every * WHOLE_SHARE:
            self._replace(spec)
        elif some:
            keys = f"SELECT {key} FROM {spec.name} WHERE {since}"
            self.connection.execute(f"DELETE FROM {_copy_of(spec)} WHERE {key} IN ({keys})")
            self.connection.execute(f"INSERT INTO {_copy_of(spec)} BY NAME {self._select(spec)} WHERE {since}")

    def _holds(self, spec: TableSpec) -> bool:
        """Whether the file to be published has a table with these columns."""
        rows = self.connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = 'published' AND schema_name = ? AND table_name = ?",
            [spec.room, spec.table],
        ).fetchall()
        return {name for (name,) in rows} == set(spec.columns)

    def _replace(self, spec: TableSpec) -> int:
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS published.{spec.room}")
        return self._count(f"CREATE OR REPLACE TABLE {_copy_of(spec)} AS {self._select(spec)}")

    def _count(self, statement: str) -> int:
        return self.connection.execute(statement).fetchall()[0][0]

    def _select(self, spec: TableSpec, table: str | None = None) -> str:
        """The public columns, of the table or of another with rows of it; our identifiers as text, which every BI tool shows and
        compares."""
        types = self.refresher.columns(spec.name)
        columns = [f"CAST({quote(c)} AS VARCHAR) AS {quote(c)}" if types.get(c) == "UUID" else quote(c) for c in spec.columns]
        return f"SELECT {', '.join(columns)} FROM {table or spec.name}"

    # ---- Parquet

    def _parquet(self, public: Mapping[str, Refreshed]) -> tuple[str, ...]:
        """Write the changed tables as Parquet. Large ones follow only when they were rebuilt: the manifest says so."""
        folder = self.home.published / "parquet"
        manifest_path = folder / "manifest.json"
        manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
        skipped = []
        limit = self.refresher.settings.thresholds["parquet_inline_max_rows"]
        for name, change in public.items():
            if change.how == "keys" and change.rows > limit:
                manifest[name] = {**manifest.get(name, {}), "current": False}
                skipped.append(name)
                continue
            self._copy(self.specs[name], folder)
            manifest[name] = {"run_id": self.run_id, "rows": change.rows, "current": True}
        folder.mkdir(parents=True, exist_ok=True)
        draft = manifest_path.with_suffix(".part")
        draft.write_text(json.dumps(manifest, indent=1, sort_keys=True))
        draft.replace(manifest_path)
        return tuple(skipped)

    def _copy(self, spec: TableSpec, folder: Path) -> None:
        path = folder / spec.room / f"{spec.table}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        self.connection.execute(f"COPY ({self._select(spec)}) TO {literal(str(draft))} (FORMAT parquet)")
        draft.replace(path)


def _copy_of(spec: TableSpec) -> str:
    """A table's name in the file to be published, while it is attached."""
    return f"published.{spec.name}"


def _link(target: Path, book: Path) -> None:
    """Give the published file its second name, atomically; a copy where the file system has no hard links."""
    draft = book.with_name(f".{book.name}.part")
    draft.unlink(missing_ok=True)
    try:
        os.link(target, draft)
    except OSError:
        shutil.copyfile(target, draft)
    draft.replace(book)


def _swap(fresh: Path, target: Path) -> None:
    """Rename the new file over the old one, durably; a leftover log beside it would be replayed by the next reader."""
    if fresh.with_name(fresh.name + ".wal").exists():
        raise RuntimeError(f"{fresh.name} still has a write-ahead log; it must be checkpointed before it is published")
    descriptor = os.open(fresh, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
