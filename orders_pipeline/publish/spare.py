"""The published file before this one, kept to become the next one.

A new published file differs from the last by the rows of one load. Copying a gigabyte for a thousand rows takes longer than the
load; changing the file in place would show readers half of it. So two files take turns: while one is published, the other
waits outside the published folder, gets the changes of two publications, and is renamed over the first. A file that anybody
still has open is never changed: then, as whenever there is doubt, the published file is copied.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import duckdb

from orders_pipeline.kernel.batches import advance
from orders_pipeline.kernel.refresh import Refreshed
from orders_pipeline.kernel.warehouse import transaction

#: Remember which publications the spare file holds, as any consumer of the tables does: of the tables of every run, and of those
#: made later. Their fingerprint is the file's state.
CONSUMERS = ("publication.spare", "publication.spare.later")
#: Up to which batch a file has the tables of every run, and those made later; None: not at all.
Batches = tuple[int | None, ...]
#: Writing a row costs about as much as copying so many bytes.
ROW_BYTES = 500


class Spare:
    """The spare file of one warehouse. Everything that goes wrong with it only means that there is none."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
        self.connection = connection
        self.path = warehouse.with_name("published.spare")
        self._draft = warehouse.with_name("published.spare.part")

    @property
    def batches(self) -> Batches | None:
        """The last batches the spare file has taken in; None where there is no spare file to rely on."""
        rows = self.connection.execute(
            "SELECT batch, fingerprint FROM kernel.consumers WHERE consumer IN (?, ?) ORDER BY consumer", CONSUMERS
        ).fetchall()
        is_whole = len(rows) == len(CONSUMERS) and {state for _, state in rows} == {_state(self.path)}
        return tuple(batch for batch, _ in rows) if is_whole else None

    @property
    def as_of(self) -> datetime | None:
        """The time of the publication that the spare file was."""
        rows = self.connection.execute("SELECT as_of FROM kernel.consumers WHERE consumer = ?", CONSUMERS[:1]).fetchall()
        return rows[0][0] if rows else None

    def take(self, fresh: Path) -> bool:
        """Make the spare file the one to be changed, under the name `fresh`; False where somebody may be reading it."""
        if self.batches is None or not _is_unread(self.path):
            return False
        self._forget()  # Before anything is changed: a run that is killed now leaves no spare file.
        try:
            self.path.rename(fresh)
        except OSError:
            return False
        return True

    def set_aside(self, published: Path) -> bool:
        """Give the published file the name of the spare one too, ahead of being replaced; False where that is impossible."""
        self._forget()
        with suppress(OSError):
            self._draft.unlink(missing_ok=True)
            os.link(published, self._draft)
            self._draft.replace(self.path)
            return True
        return False

    def keep(self, batches: Batches, as_of: datetime | None) -> None:
        """Rely on the file set aside: it has taken in everything up to these batches, and was published at this time."""
        for name, batch in zip(CONSUMERS, batches, strict=True):
            advance(self.connection, name, batch, _state(self.path), as_of)

    def drop(self) -> None:
        """Have no spare file."""
        self._forget()
        for path in (self.path, self._draft):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _forget(self) -> None:
        with transaction(self.connection):
            self.connection.execute("DELETE FROM kernel.consumers WHERE consumer IN (?, ?)", CONSUMERS)


def is_cheaper(spare: Mapping[str, Refreshed], published: Mapping[str, Refreshed], size: int) -> bool:
    """Whether the spare file's changes cost less to write than copying the published file (bytes) and writing its own."""

    def rows(changes: Mapping[str, Refreshed]) -> int:
        return sum(c.rows if c.how == "whole" else min(c.rows, c.keys) for c in changes.values())

    return (rows(spare) - rows(published)) * ROW_BYTES < size


def _state(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "none"
    return f"{state.st_ino}:{state.st_size}:{state.st_mtime_ns}"


def _is_unread(path: Path) -> bool:
    """Whether no process has the file open. Nobody can open it anew: its only name is ours. False where the system cannot say."""
    lease = getattr(fcntl, "F_SETLEASE", None)
    if lease is None:
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(descriptor, lease, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, lease, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
