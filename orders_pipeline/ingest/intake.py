"""The landing zone, once through: every file that is new is taken, refused with a reason, or found to be a copy.

One bad file never stops the others. A file unchanged since the last look (path, size, time) is not read again; a refused
one is tried again when the dictionary has changed.
"""

from __future__ import annotations

import errno
import hashlib
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from orders_pipeline.dictionary import model as dictionary_files
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.ingest import cells, holds, ledger
from orders_pipeline.ingest.corrections import waiting_rows
from orders_pipeline.ingest.decisions import FOLDER as DECISIONS_FOLDER
from orders_pipeline.ingest.decisions import released_rows
from orders_pipeline.ingest.families import reunite
from orders_pipeline.ingest.landing import Landed, Member, expand, reason_of, scan
from orders_pipeline.ingest.load import Load, clean_up, load_staged, stage
from orders_pipeline.ingest.raw import MEMBERS, create_raw_tables
from orders_pipeline.ingest.read import Sniffed, Table, check_start, open_table, split_grid
from orders_pipeline.ingest.recognise import Recognised, Unrecognised, recognise, stacked
from orders_pipeline.ingest.reference import create_reference_tables
from orders_pipeline.ingest.release import read_again
from orders_pipeline.ingest.touched import touch, touch_ledger
from orders_pipeline.kernel.batches import STATE
from orders_pipeline.kernel.faults import BadInput, Fault, Permanent, Transient
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import Settings
from orders_pipeline.kernel.warehouse import transaction


@dataclass
class Intake:
    """What one look at the landing zone did."""

    loaded: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.loaded)


class Taker:
    """Takes files into one warehouse."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, home: Home, settings: Settings, as_of: datetime) -> None:
        self.connection = connection
        self.home = home
        self.dictionary = load_dictionary()
        self.as_of = as_of
        self._fresh: list[str] = []
        self.load = Load(self.dictionary, settings, as_of, home.work)
        cells.install(connection, home.customer_key())
        with transaction(connection):  # One commit: each waits for the disk.
            create_raw_tables(connection, self.dictionary)
            connection.execute(STATE)
            create_reference_tables(connection, self.dictionary, settings)

    def take_all(self, settle_seconds: float = 0.0, progress: Callable[[str], None] = lambda text: None) -> Intake:
        """Take everything new in the landing zone that has not changed for `settle_seconds`."""
        done = Intake()
        _clear_work(self.home.work)
        found = scan(self.home.landing, settle_seconds=settle_seconds)
        done.waiting = [(w.relative_path, w.reason) for w in found.waiting]
        fingerprint = dictionary_fingerprint()
        seen = self._seen()
        # Decisions first: one of them may release what waits.
        for landed in sorted(found, key=lambda one: not one.relative_path.startswith(f"{DECISIONS_FOLDER}/")):
            key = (landed.relative_path, landed.size, landed.mtime_ns)
            if seen.get(key) in ("", fingerprint):
                continue
            progress(landed.relative_path)
            waiting = len(done.waiting)
            refused = self._take_landed(landed, done)
            if len(done.waiting) > waiting:
                continue  # Not taken, and not to be remembered: its size and time may be the same next time.
            with transaction(self.connection):
                self.connection.execute("DELETE FROM kernel.seen WHERE path = ?", [landed.relative_path])
                self.connection.execute("INSERT INTO kernel.seen VALUES (?, ?, ?, ?)", [*key, fingerprint if refused else ""])
        self._correct()
        return done

    def _correct(self) -> None:
        """Read again the set-aside rows for which a correction has come, or whose correction was there before them."""
        fresh, self._fresh = self._fresh, []
        for file_id, rows in waiting_rows(self.connection, fresh).items() if fresh else ():
            self.release(file_id, rows)

    def release(self, file_id: str, rows: Sequence[int]) -> tuple[int, int]:
        """(released, kept): rows of a file and their families read again, and what that brings back in other files."""
        (source,) = self.connection.execute("SELECT source FROM raw.files WHERE file_id = ?", [file_id]).fetchall()[0]
        try:
            with transaction(self.connection):
                released, kept = read_again(self.connection, self.load, self.home, file_id, rows)
                touch(self.connection, self.dictionary, {b.entity for b in self.dictionary.sources[source].blocks}, file_id)
                reunite(self.connection, self.dictionary)
        finally:
            clean_up(self.connection)
        return released, kept

    def _seen(self) -> dict[tuple[str, int, int], str]:
        rows = self.connection.execute("SELECT path, size, modified, dictionary FROM kernel.seen").fetchall()
        return {(path, size, modified): mark for path, size, modified, mark in rows}

    def _take_landed(self, landed: Landed, done: Intake) -> bool:
        """Take a file or every entry of an archive; returns whether anything in it was refused."""
        refused = False
        try:
            for member in expand(landed, self.home.work):
                refused |= self._take_member(member, done)
        except BadInput as fault:
            whole = Member(landed, landed.path, landed.relative_path, landed.size, landed.hints)
            self._refuse(whole, landed.relative_path, fault, done)
            refused = True
        except OSError as error:
            self._leave(landed.relative_path, error, done)
        return refused

    def _take_member(self, member: Member, done: Intake) -> bool:
        """Take one file; returns whether it was refused. One that is still being written waits for the next look."""
        try:
            if member.fault is not None:
                raise member.fault
            check_start(member.path, member.size)
            if self._copy_of(ledger.content_id(member.sha256), member.relative_path, done) and not self._has_more(member):
                return False
            with closing(open_table(member, self.home.work)) as sniffed:
                return self._take_tables(member, sniffed, done)
        except BadInput as fault:
            self._refuse(member, member.relative_path, fault, done)
            return True
        except Transient as fault:
            done.waiting.append((member.relative_path, str(fault)))
            return True
        except OSError as error:
            self._leave(member.relative_path, error, done)
            return True
        except (Fault, duckdb.Error):
            raise
        except Exception as error:
            # Some content nobody has thought of: this file is refused and named, the others are taken.
            self._refuse(member, member.relative_path, _unforeseen(error), done)
            return True
        finally:
            member.close()

    def _take_tables(self, member: Member, sniffed: Sniffed, done: Intake) -> bool:
        for table in list(sniffed.tables):
            if rows := stacked(self.dictionary, table):
                sniffed.tables += split_grid(table, rows, self.home.work)
                sniffed.tables.remove(table)
                table.path.unlink(missing_ok=True)
        found: list[Recognised] = []
        unknown: list[tuple[Table, BadInput]] = []
        for table in sniffed.tables:
            try:
                found.append(recognise(self.dictionary, table))
            except BadInput as fault:
                unknown.append((table, fault.in_file(member.relative_path)))
        if not found:
            raise max((fault for _, fault in unknown), key=lambda fault: getattr(fault, "columns", 0))
        if len(sniffed.tables) == 1:
            self._take_table(member, found[0], "", done)
            return False
        return self._take_several(member, found, unknown, done)

    def _take_several(self, member: Member, found: list[Recognised], unknown: list[tuple[Table, BadInput]], done: Intake) -> bool:
        """Take each table of a file by itself; returns whether one was refused. What is no list of a known kind (a cover, a
        pivot) is passed over, what nearly is one is told."""
        refused = [
            (f"{member.relative_path}#{table.sheet}", fault)
            for table, fault in unknown
            if table.kind == "sheet" and (not isinstance(fault, Unrecognised) or fault.is_near)
        ]
        empty, taken = 0, self._source_of(ledger.content_id(member.sha256))
        for number, one in enumerate(found):
            if one.source.name == taken:  # when it was the only table of the file that a source was known for
                taken = None
                continue
            part = one.table.sheet or str(number) if len(found) > 1 else ""
            path = member.relative_path + (f"#{part}" if part else "")
            try:
                self._take_table(member, one, part, done)
            except BadInput as fault:
                empty += fault.reason == "header_only"
                if fault.reason != "header_only" or empty == len(found):  # a list without rows beside others loses nothing
                    refused.append((path, fault))
            except Transient as fault:
                done.waiting.append((path, str(fault)))
        for path, fault in refused:
            fault.file = path
            self._refuse(member, path, fault, done)
        return bool(refused)

    def _has_more(self, member: Member) -> bool:
        """Whether a table of a file was refused while another was taken."""
        asked = "SELECT count(*) FROM raw.files WHERE sha256 = ? AND status = 'refused' AND starts_with(path, ?)"
        return bool(self.connection.execute(asked, [member.sha256, f"{member.relative_path}#"]).fetchall()[0][0])

    def _source_of(self, file_id: str) -> str | None:
        found = self.connection.execute(
            "SELECT source FROM raw.files WHERE file_id = ? AND status = 'loaded'", [file_id]
        ).fetchall()
        return found[0][0] if found else None

    def _copy_of(self, file_id: str, path: str, done: Intake) -> bool:
        known = self.connection.execute(
            "SELECT path FROM raw.files WHERE file_id = ? AND status = 'loaded'", [file_id]
        ).fetchall()
        if known and known[0][0] != path:
            with transaction(self.connection):
                ledger.record_copy(self.connection, file_id, path, self.as_of)
                touch_ledger(self.connection, file_id)
            done.copies.append(path)
        return bool(known)

    def _take_table(self, member: Member, found: Recognised, part: str, done: Intake) -> None:
        path = member.relative_path + (f"#{part}" if part else "")
        file_id = ledger.content_id(member.sha256, part)
        if part and self._copy_of(file_id, path, done):
            return
        if found.source.ignore:
            raise BadInput(f"{found.source.name}: {found.source.ignore}", reason="summary_only", file=path)
        staged = None
        try:
            staged = stage(self.connection, self.load, found, member.hints, path)
            with transaction(self.connection):
                ledger.forget_refusal(self.connection, path, member.sha256, member.size)
                outcome = load_staged(self.connection, self.load, staged, file_id, path)
                holds.check(self.connection, {b.entity for b in found.source.blocks}, file_id, self.as_of)
                ledger.record_loaded(
                    self.connection, file_id, path, member.sha256, member.size, found.table.encoding, outcome, self.as_of
                )
                marked = found.source.repeated_rows == "marked"
                ledger.count_repeats(self.connection, found.source.primary.entity, found.source.name, file_id, marked)
                read_again(self.connection, self.load, self.home, file_id, released_rows(self.home, file_id))
                entities = {b.entity for b in found.source.blocks}
                touch(self.connection, self.dictionary, entities, file_id)
                if entities.intersection(MEMBERS):
                    reunite(self.connection, self.dictionary, file_id)
        except holds.Held as fault:
            with transaction(self.connection):
                waits = ledger.record_held(self.connection, path, member.sha256, member.size, str(fault), self.as_of)
                if waits:
                    touch_ledger(self.connection, waits)
            raise
        except duckdb.Error as error:
            # The statement is ours, the content is not: the file is refused and named, the rest goes on.
            raise BadInput(
                f"could not be loaded as {found.source.name}: {str(error).splitlines()[0][:300]}",
                reason="load_failed",
                file=path,
                remedy="report this message together with the file's header line",
            ) from error
        finally:
            clean_up(self.connection)
            if staged is not None:
                staged.discard(found.table)
        done.loaded.append(path)
        self._fresh.append(file_id)

    def _leave(self, path: str, error: OSError, done: Intake) -> None:
        """A file that cannot be read now is left where it is. Raises Permanent when it is our disk that is full."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Permanent(
                f"no space is left on the disk of {self.home.root}", remedy="make room and run again; nothing is half done"
            ) from error
        done.waiting.append((path, reason_of(error)))

    def _refuse(self, member: Member, path: str, fault: BadInput, done: Intake) -> None:
        fault.in_file(path)
        with transaction(self.connection):
            file_id = ledger.record_refused(self.connection, path, member.cheap_sha256, member.size, fault, self.as_of)
            touch_ledger(self.connection, file_id)
        done.refused.append((path, str(fault)))


def _clear_work(work: Path) -> None:
    """Delete the copies that a killed run has left behind: whoever takes files in is alone here."""
    for pattern in ("entry-*", "*.utf8", "*.numbered", "*.body", "*.grid", "fetched-*"):
        for path in work.glob(pattern):
            path.unlink(missing_ok=True)


def _unforeseen(error: Exception) -> BadInput:
    """The refusal of a file on which a reader failed in a way it does not know; says where, without the file's content."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return BadInput(
        f"the reader failed on it ({type(error).__name__} in {Path(place.filename).name} line {place.lineno})",
        reason="read_failed",
        remedy="report this message together with the file's header line",
    )


def dictionary_fingerprint() -> str:
    """Changes with any file of the dictionary: refused files are then tried again."""
    digest = hashlib.sha256()
    for path in sorted(Path(dictionary_files.FOLDER).rglob("*.yml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
