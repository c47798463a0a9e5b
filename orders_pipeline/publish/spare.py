"""The file published before, brought up to date to become the next one.

A new published file differs from the last by the rows of one load. Copying a gigabyte for a thousand rows takes longer than the
load; changing the file in place would show readers half of it. So two files take turns: while one is published, the other, which
says the same, waits outside the published folder. It gets the changes and is renamed over the first, which then gets them too,
when nobody waits for them any more. A file that anybody still has open is never changed: then, as whenever there is doubt, the
published file is copied.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import duckdb

from orders_pipeline.kernel.refresh import Refreshed
from orders_pipeline.kernel.warehouse import transaction

#: Whose fingerprint says which state of the file is relied on, and for which publication. Earlier versions had two such names.
MARK = "publication.spare"
#: Up to which batch a file has the tables of every run, and those made later; None: not at all.
Batches = tuple[int | None, ...]
#: Writing a row costs about as much as copying so many bytes.
ROW_BYTES = 500


class Spare:
    """The spare file of one warehouse. Everything that goes wrong with it only means that there is none."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
        self.connection = connection
        self.path = warehouse.with_name("published.spare")
        #: What is to become the spare file.
        self.draft = warehouse.with_name("published.spare.part")

    def take(self, fresh: Path, batches: Batches) -> bool:
        """Make the spare file the one to be changed, under the name `fresh`; False where none says what was published up to these
        batches, or somebody may be reading it."""
        marks = self.connection.execute("SELECT fingerprint FROM kernel.consumers WHERE consumer = ?", [MARK]).fetchall()
        if marks != [(_mark(self.path, batches),)] or not _is_unread(self.path):
            return False
        self._forget()  # Before anything is changed: a run that is killed now leaves no spare file.
        try:
            self.path.rename(fresh)
        except OSError:
            return False
        return True

    def set_aside(self, published: Path) -> None:
        """Make the published file the draft too, ahead of being replaced."""
        self.drop()
        with suppress(OSError):
            os.link(published, self.draft)

    def is_unread(self) -> bool:
        """Whether nobody reads the draft, so that it may be changed."""
        return _is_unread(self.draft)

    def copy(self, published: Path) -> None:
        """Make a copy of the published file the draft; none where there is no room for it."""
        try:
            self.draft.unlink()
            shutil.copyfile(published, self.draft)
        except OSError:
            self.drop()

    def rely_on(self, batches: Batches) -> None:
        """The draft, if there is one, says what was published up to these batches: it is the spare file from now on."""
        try:
            self.draft.replace(self.path)
        except OSError:
            return
        with transaction(self.connection):
            self.connection.execute(
                "INSERT INTO kernel.consumers (consumer, fingerprint) VALUES (?, ?)", [MARK, _mark(self.path, batches)]
            )

    def drop(self) -> None:
        """Have no spare file."""
        self._forget()
        for path in (self.path, self.draft):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _forget(self) -> None:
        with transaction(self.connection):
            self.connection.execute("DELETE FROM kernel.consumers WHERE starts_with(consumer, ?)", [MARK])


def is_cheaper(changes: Iterable[Refreshed], size: int) -> bool:
    """Whether writing changes costs less than copying a file of so many bytes."""
    return sum(c.rows if c.how == "whole" else min(c.rows, c.keys) for c in changes) * ROW_BYTES < size


def file_mark(path: Path) -> str:
    """Tells one state of a file from all others, whatever name it has."""
    try:
        state = path.stat()
    except OSError:
        return "none"
    return f"{state.st_ino}:{state.st_size}:{state.st_mtime_ns}"


def _mark(path: Path, batches: Batches) -> str:
    return f"{file_mark(path)} {batches}"


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
