"""The run history of a home in SQLite, written in bulk.

Dagster's own SQLite storage opens the file anew for every event, commits it to the disk and closes it again. A run of ours
has above a thousand events (each table and each check is planned, made and put out), which took several times as long as
the work they tell of. Here a process keeps its files open, and a run hands its events over by the second.

Only the way of writing differs: files, tables and rows are Dagster's, and either storage reads what the other has written.
A process that is killed loses at most what it held back last; whoever starts runs marks the run as failed. Not to be
used across a fork: a forked process makes an instance of its own.

What a run has made itself, its later steps and checks ask the log for. Asked while that is held back, the log answers from
memory; such an event has no number yet, so that a negative one stands for it and is replaced wherever it is named, when it
is written.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as db
from dagster import AssetCheckEvaluation, AssetKey, AssetRecordsFilter, DagsterInstance, EventRecordsResult
from dagster._core.definitions.data_version import INPUT_EVENT_POINTER_TAG_PREFIX
from dagster._core.event_api import EventLogRecord
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.base import AssetEntry, AssetRecord
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from dagster_shared.record import copy
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

#: How long a run keeps its events to itself.
HOLD_SECONDS = 1.0
#: Then so many are written at once, with a pause for whoever asks the files meanwhile: a thousand take a second.
PORTION, PAUSE_SECONDS = 50, 0.01
#: Files of runs kept open beside the index: the webserver reads those of the runs people look at.
OPEN_FILES = 4
#: A run's file nobody has asked for since is closed: three handles each, and the disk space of a file that is deleted meanwhile.
IDLE_SECONDS = 60.0


class BulkEventLog(SqliteEventLogStorage):
    """Dagster's SQLite event log with its files kept open, and with events that may be held back and written together."""

    def __init__(self, base_dir: str) -> None:
        #: Files by run, the one used last at the end; and when each was.
        self._open: OrderedDict[str, tuple[Engine, Connection]] = OrderedDict()
        self._used: dict[str, float] = {}
        self._tables: dict[str, bool] = {}
        #: Events held back; those that tell of a table made, with the number that stands for them (0: none).
        self._held: list[tuple[int, EventLogEntry]] = []
        self._holders = 0
        #: The last events held back, or written since, that tell of a table made; the numbers they have got by those they had.
        self._made: dict[AssetKey, EventLogRecord] = {}
        self._numbers: dict[int, int] = {}
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
                if not getattr(self._writing, "is_looking_past", False):
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
        now = self._used[shard] = time.monotonic()
        others = [name for name in self._open if name not in (shard, INDEX_SHARD_NAME)]
        for left, name in zip(range(len(others), 0, -1), others, strict=True):
            is_spare = left > OPEN_FILES or now - self._used[name] > IDLE_SECONDS
            if is_spare and not self._open[name][1].in_transaction():
                self._close(name)
        return self._open[shard][1]

    def _close(self, shard: str) -> None:
        engine, connection = self._open.pop(shard)
        self._used.pop(shard, None)
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
        """Keep an event; while somebody holds events back, in memory until they are written together or read."""
        if self._holders and not hasattr(self._writing, "open"):
            self._hold([event])
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Keep several events in one transaction."""
        if self._holders:
            self._hold(events)
        else:
            with self._files:
                self._write_held()
                self._write((0, event) for event in events)

    def _hold(self, events: Iterable[EventLogEntry]) -> None:
        with self._held_lock:
            for event in events:
                number = 0
                if event.dagster_event and event.dagster_event.is_step_materialization:
                    number = -1 - len(self._numbers)
                    self._numbers[number] = number
                    self._made[event.dagster_event.asset_key] = EventLogRecord(number, event)
                self._held.append((number, event))

    def get_asset_records(self, asset_keys: Sequence[AssetKey] | None = None) -> Sequence[AssetRecord]:
        """What is known of assets; while events are held back, of those made meanwhile only what a step asks: the last making."""
        with self._held_lock:
            made = {key: self._made[key] for key in asset_keys or () if key in self._made}
        left = None if asset_keys is None else [key for key in asset_keys if key not in made]
        # What is held back tells nothing of the others' last making: it need not be written before they are looked up.
        with self._looking_past(left is not None):
            found = [] if left == [] else list(super().get_asset_records(left))
        return found + [
            AssetRecord(
                storage_id=0,
                asset_entry=AssetEntry(asset_key=key, last_materialization_record=record, last_run_id=record.run_id),
            )
            for key, record in made.items()
        ]

    def fetch_observations(
        self, records_filter: AssetKey | AssetRecordsFilter, limit: int, cursor: str | None = None, ascending: bool = False
    ) -> EventRecordsResult:
        """What has been seen of assets. A step asks it of each that it reads and that no run has made yet."""
        with self._held_lock:
            is_held = any(e.dagster_event.is_asset_observation for _, e in self._held if e.dagster_event)
        with self._looking_past(not is_held):
            return super().fetch_observations(records_filter, limit, cursor, ascending)

    @contextmanager
    def _looking_past(self, past: bool) -> Iterator[None]:
        """Read the files as they are, where what is held back tells nothing of what is asked for."""
        self._writing.is_looking_past = past
        try:
            yield
        finally:
            self._writing.is_looking_past = False

    def _write_held(self, most: int | None = None) -> None:
        """Write what is held back, or this many of it. Whoever calls has the files."""
        with self._held_lock:
            events, self._held = self._held[:most], [] if most is None else self._held[most:]
        if events:
            self._write(events)

    def _write(self, events: Iterable[tuple[int, EventLogEntry]]) -> None:
        with ExitStack() as stack:
            self._writing.open = (stack, {})
            try:
                for number, event in events:
                    self._writing.number = number
                    super().store_event(self._numbered(event))
            finally:
                del self._writing.open

    def _numbered(self, event: EventLogEntry) -> EventLogEntry:
        """An event that names those it tells of by the numbers they have been written under."""
        told = event.dagster_event.event_specific_data if event.dagster_event else None
        if isinstance(told, StepMaterializationData):
            stood = {str(mine): str(written) for mine, written in self._numbers.items()}
            tags = {
                name: stood.get(value, value) if name.startswith(INPUT_EVENT_POINTER_TAG_PREFIX) else value
                for name, value in (told.materialization.tags or {}).items()
            }
            told = told._replace(materialization=told.materialization._replace(tags=tags))
        elif isinstance(told, AssetCheckEvaluation) and told.target_materialization_data is not None:
            target = told.target_materialization_data
            written = self._numbers.get(target.storage_id, target.storage_id)
            told = copy(told, target_materialization_data=copy(target, storage_id=written))
        else:
            return event
        return event._replace(dagster_event=event.dagster_event._replace(event_specific_data=told))

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        number = getattr(self._writing, "number", 0) if hasattr(self._writing, "open") else 0
        if number:
            self._numbers[number] = event_id
            with self._held_lock:
                key = event.dagster_event.asset_key
                if key in self._made and self._made[key].storage_id == number:
                    self._made[key] = EventLogRecord(event_id, event)
        super()._store_asset_event(conn, event, event_id)

    @contextmanager
    def holding_back(self, seconds: float = HOLD_SECONDS) -> Iterator[None]:
        """Inside, events are written together every so many seconds and before anything is read that only the files know.
        Held back inside of another such block, they are written when that one says."""
        if self._holders:
            yield
            return
        done = threading.Event()

        def write_in_turn() -> None:
            while not done.wait(seconds):
                while self._held and not done.wait(PAUSE_SECONDS):
                    with self._files:
                        self._write_held(PORTION)

        writer = threading.Thread(target=write_in_turn, name="events", daemon=True)
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
            with self._held_lock:
                self._made, self._numbers = {}, {}

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
def holding_back(instance: DagsterInstance, seconds: float = HOLD_SECONDS) -> Iterator[None]:
    """Events of this process are written in bulk, every so many seconds, where the storage can."""
    log = instance.event_log_storage
    if isinstance(log, BulkEventLog):
        with log.holding_back(seconds):
            yield
    else:
        yield
