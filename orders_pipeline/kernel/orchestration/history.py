"""The run history of a home in SQLite, written in bulk.

Dagster's own SQLite storage opens the file anew for every event, commits it to the disk and closes it again. A run of ours
has above a thousand events (each table and each check is planned, made and put out), which took several times as long as
the work they tell of. Here a process keeps its files open, and a run hands its events over by the second.

Only the way of writing differs: files, tables and rows are Dagster's, and either storage reads what the other has written.
A process that is killed loses at most the last second of its events; whoever starts runs marks the run as failed. Not to be
used across a fork: a forked process makes an instance of its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as db
from dagster import DagsterInstance
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

#: How long a run keeps its events to itself.
HOLD_SECONDS = 1.0
#: Files of runs kept open beside the index: the webserver reads those of the runs people look at.
OPEN_FILES = 4


class BulkEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log with its files kept open, and with events that may be held back and written together."""

    def __init__(self, base_dir: str) -> None:
        self._open: OrderedDict[str, tuple[Engine, Connection]] = OrderedDict()
        self._tables: dict[str, bool] = {}
        self._held: list[EventLogEntry] = []
        self._holders = 0
        self._writing = threading.local()
        #: Guards the files: whoever has it may read and write. Taken before `_held_lock`, never after.
        self._files = threading.RLock()
        self._held_lock = threading.Lock()
        super().__init__(base_dir)

    # ---- files

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        """The file of a run (or the index), in a transaction of its own or in the one that `_together` has open."""
        shard = shard or ""
        with self._files:
            together = getattr(self._writing, "open", None)
            if together is None:
                self._write_held()
                with self._transaction(shard) as connection:
                    yield connection
                return
            stack, connections = together
            if shard not in connections:
                connections[shard] = stack.enter_context(self._transaction(shard))
            yield connections[shard]

    @contextmanager
    def _transaction(self, shard: str) -> Iterator[Connection]:
        connection = self._file(shard)
        if connection.in_transaction():
            yield connection
        else:
            with connection.begin():
                yield connection

    def _file(self, shard: str) -> Connection:
        if shard not in self._open:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            if shard not in self._initialized_dbs:
                self._initdb(engine, for_index_shard=shard == INDEX_SHARD_NAME)
                self._initialized_dbs.add(shard)
            connection = engine.connect()
            # With a write-ahead log, what is lost with the power is the last events, never the file.
            connection.execute(db.text("PRAGMA synchronous = NORMAL"))
            connection.commit()
            self._open[shard] = (engine, connection)
        self._open.move_to_end(shard)
        for name in [n for n in self._open if n not in (shard, INDEX_SHARD_NAME)][: -OPEN_FILES or None]:
            if not self._open[name][1].in_transaction():
                self._close(name)
        return self._open[shard][1]

    def _close(self, shard: str) -> None:
        engine, connection = self._open.pop(shard)
        connection.close()
        engine.dispose()

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._tables:
            found = super().has_table(table_name)
            if not found:
                return False  # A migration may still make it.
            self._tables[table_name] = True
        return True

    def has_asset_key_col(self, column_name: str) -> bool:
        return self._tables.get(f"asset_keys.{column_name}") or super().has_asset_key_col(column_name)

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        name = f"asset_keys.{column_name}"
        if name not in self._tables:
            self._tables[name] = super()._has_asset_key_col_on_connection(conn, column_name)
        return self._tables[name]

    def has_secondary_index(self, name: str) -> bool:
        found = self._tables.get(f"index {name}") or super().has_secondary_index(name)
        self._tables[f"index {name}"] = found
        return found

    # ---- events

    def store_event(self, event: EventLogEntry) -> None:
        """Keep an event; while somebody holds events back, in memory until the next second or the next reader."""
        if self._holders and not hasattr(self._writing, "open"):
            with self._held_lock:
                self._held.append(event)
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Keep several events in one transaction."""
        if self._holders:
            with self._held_lock:
                self._held.extend(events)
        else:
            with self._files:
                self._write_held()
                self._write(events)

    def _write_held(self) -> None:
        """Write what is held back. Whoever calls has the files."""
        with self._held_lock:
            events, self._held = self._held, []
        if events:
            self._write(events)

    def _write(self, events: Sequence[EventLogEntry]) -> None:
        with ExitStack() as stack:
            self._writing.open = (stack, {})
            try:
                for event in events:
                    super().store_event(event)
            finally:
                del self._writing.open

    @contextmanager
    def holding_back(self) -> Iterator[None]:
        """Inside, events are written together every HOLD_SECONDS and before anything is read."""
        done = threading.Event()

        def write_by_the_second() -> None:
            while not done.wait(HOLD_SECONDS):
                with self._files:
                    self._write_held()

        writer = threading.Thread(target=write_by_the_second, name="events", daemon=True)
        self._holders += 1
        writer.start()
        try:
            yield
        finally:
            self._holders -= 1
            done.set()
            writer.join()
            with self._files:
                self._write_held()

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events with their file, and the outcomes of its checks: Dagster's own storage leaves both."""
        super().delete_events(run_id)
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run_id))
        with self._files:
            if run_id in self._open:
                self._close(run_id)
            self._initialized_dbs.discard(run_id)
            for suffix in ("", "-wal", "-shm"):
                Path(self.path_for_shard(run_id) + suffix).unlink(missing_ok=True)

    def dispose(self) -> None:
        with self._files:
            self._write_held()
            for shard in list(self._open):
                self._close(shard)
        super().dispose()


class Runs(SqliteRunStorage):
    """Dagster's SQLite run storage; a run that is deleted takes its tags with it."""

    def delete_run(self, run_id: str) -> None:
        super().delete_run(run_id)
        with self.connect() as connection:
            connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run_id))


class BulkStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with the event log above; named in the dagster.yaml of a home."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._run_storage = Runs.from_local(str(Path(base_dir, "history")))
        self._event_log_storage = BulkEventLog(str(Path(base_dir, "history", "runs")))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: dict[str, str]) -> BulkStorage:
        return cls.from_local(inst_data=inst_data, **config_value)


@contextmanager
def holding_back(instance: DagsterInstance) -> Iterator[None]:
    """Events of this process are written in bulk, where the storage can."""
    log = instance.event_log_storage
    if isinstance(log, BulkEventLog):
        with log.holding_back():
            yield
    else:
        yield
