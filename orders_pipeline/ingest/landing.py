"""What lies in the landing folder: complete files only, in a stable order, archives opened safely."""

from __future__ import annotations

import os
import stat
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from orders_pipeline.ingest.read.limits import DEFAULT, Limits
from orders_pipeline.ingest.read.opening import CHECKED_ABOVE_BYTES
from orders_pipeline.ingest.read.scan import sha256_of
from orders_pipeline.kernel.faults import BadInput

HINT_KEYS = frozenset({"shop", "account", "timezone", "channel", "courier", "warehouse", "owner", "exported", "dates"})
#: Reasons for waiting that pass without anybody doing anything.
PASSING = frozenset({"still_changing", "too_young", "vanished"})
#: States (`Landed.key`) of files that somebody saw being renamed into the landing folder: whole at once, however young.
#: Of this process and of those it forks; after `settle_seconds` nobody asks for it any more.
whole: set[tuple[str, int, int]] = set()
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".download", ".filepart")


@dataclass(frozen=True)
class Landed:
    """A file in the landing folder.

    ``relative_path`` is NFC with forward slashes, so that one file has one name on every system. ``hints`` come from
    path segments such as ``shop=main/`` or ``timezone=Asia%2FShanghai/`` (percent-encoding allowed); the innermost
    folder wins.
    """

    path: Path
    relative_path: str
    size: int
    mtime_ns: int
    hints: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def key_of(root: Path, path: Path, state: os.stat_result) -> tuple[str, int, int]:
        """One state of one file: its path below the resolved landing folder, size and time."""
        return _relative(root, path), state.st_size, state.st_mtime_ns


@dataclass(frozen=True)
class Waiting:
    """A file that is not taken this time, and why.

    ``still_changing``, ``too_young`` and ``vanished`` pass by themselves; ``symlink`` (leads out of the landing folder, or
    nowhere), ``unreadable`` (no permission) and ``no_file`` (a pipe, a device) need a person.
    """

    relative_path: str
    reason: str


@dataclass(frozen=True)
class Scan:
    """One look at the landing folder; iterating gives the files to take."""

    files: list[Landed]
    waiting: list[Waiting]

    def __iter__(self) -> Iterator[Landed]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@dataclass
class Member:
    """One file to read: a landed file itself or an entry unpacked from an archive.

    ``relative_path`` of an entry is ``a.zip!/detail.csv``; ``path`` is where its bytes are (in the work directory
    for entries). ``known_sha256`` is set once somebody has read the bytes anyway. ``fault``: why an entry could not be
    unpacked, while others of its archive could; ``path`` is the archive then.
    """

    landed: Landed
    path: Path
    relative_path: str
    size: int
    hints: dict[str, str]
    known_sha256: str | None = None
    fault: BadInput | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the content in hex; reads the file the first time."""
        if self.known_sha256 is None:
            self.known_sha256 = sha256_of(self.path)
        return self.known_sha256

    @property
    def cheap_sha256(self) -> str | None:
        """The SHA-256 if somebody has read the bytes anyway or they are soon read; None for a large file refused at once."""
        if self.known_sha256 is None and self.size > CHECKED_ABOVE_BYTES:
            return None
        return self.sha256

    @property
    def is_archived(self) -> bool:
        """Whether the bytes are a copy of ours, unpacked from an archive."""
        return self.path != self.landed.path

    def close(self) -> None:
        """Delete the unpacked copy once it is loaded (a landed file stays)."""
        if self.is_archived:
            self.path.unlink(missing_ok=True)


def as_member(path: Path, relative_path: str | None = None) -> Member:
    """A single file as a member, for commands that take a file instead of the landing folder."""
    status = path.stat()
    name = unicodedata.normalize("NFC", relative_path or path.name)
    landed = Landed(path, name, status.st_size, status.st_mtime_ns, hints_of(name))
    return Member(landed, path, name, status.st_size, landed.hints)


def scan(landing: Path, settle_seconds: float = 0.0) -> Scan:
    """The files that are ready, ordered by path, and those that are not yet.

    Hidden files and folders and unfinished downloads (``.part``, ``.crdownload``, ``~$…`` …) are ignored. A file is
    left for later when its size or time differs between the beginning and the end of the scan, or when it is younger
    than ``settle_seconds`` and not known to be `whole`. Links that lead out of the landing folder are not followed; they
    and whatever cannot be read are named, so that nothing lies there unnoticed.
    """
    root = landing.resolve()
    if not root.is_dir():
        return Scan([], [])
    first, waiting = _walk(root)
    files = []
    now = time.time()
    for path in sorted(first, key=lambda found: _relative(root, found)):
        relative, before = _relative(root, path), first[path]
        try:
            after = path.stat()
        except OSError as error:
            waiting.append(Waiting(relative, reason_of(error)))
            continue
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            waiting.append(Waiting(relative, "still_changing"))
        elif 0 <= now - after.st_mtime < settle_seconds and Landed.key_of(root, path, after) not in whole:
            waiting.append(Waiting(relative, "too_young"))
        elif not os.access(path, os.R_OK):
            waiting.append(Waiting(relative, "unreadable"))
        else:
            files.append(Landed(path, relative, after.st_size, after.st_mtime_ns, hints_of(relative)))
    return Scan(files, sorted(waiting, key=lambda one: one.relative_path))


def settle(landing: Path, seconds: float) -> None:
    """Wait, at most twice `seconds`, until no file is younger: a copy that is under way when a run is asked for may end."""
    until = time.monotonic() + 2 * seconds
    while any(w.reason in PASSING for w in scan(landing, seconds).waiting) and time.monotonic() < until:
        time.sleep(seconds / 4)


def reason_of(error: OSError) -> str:
    """Why a file cannot be read now, as a waiting reason."""
    return "vanished" if isinstance(error, FileNotFoundError) else "unreadable"


def _walk(root: Path) -> tuple[dict[Path, os.stat_result], list[Waiting]]:
    """The files below the folder with their state, and what lies there that is no file to read."""
    found: dict[Path, os.stat_result] = {}
    waiting: list[Waiting] = []

    def no_entry(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a folder deleted while we look holds nothing
            waiting.append(Waiting(_relative(root, Path(error.filename)), "unreadable"))

    for folder, folders, names in os.walk(root, onerror=no_entry, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(folder, name).is_symlink()]
        for name in [*links, *names]:
            path = Path(folder, name)
            if is_ignored(name):
                continue
            try:
                # A link that leads nowhere, in a circle, out of the folder, or to a whole folder is not followed.
                followed = path.resolve(strict=True) if path.is_symlink() else path
                if followed.is_dir() or not followed.is_relative_to(root):
                    waiting.append(Waiting(_relative(root, path), "symlink"))
                    continue
                state = path.stat()
            except (OSError, RuntimeError) as error:  # resolve() reports a circle as RuntimeError before Python 3.13
                reason = "symlink" if path.is_symlink() or not isinstance(error, OSError) else reason_of(error)
                if reason != "vanished":
                    waiting.append(Waiting(_relative(root, path), reason))
                continue
            if stat.S_ISREG(state.st_mode):
                found[path] = state
            else:
                waiting.append(Waiting(_relative(root, path), "no_file"))
    return found, waiting


def is_ignored(name: str) -> bool:
    """Whether a file name says: hidden, a lock file of an office program, or a download in progress."""
    lowered = name.lower()
    return name.startswith((".", "~$")) or lowered.endswith(_UNFINISHED) or lowered in ("thumbs.db", "desktop.ini")


def unfinished(landing: Path) -> list[Path]:
    """The files whose name says that they are still being written, by path."""
    found = (Path(folder, name) for folder, _, names in os.walk(landing) for name in names)
    return sorted(path for path in found if path.name.lower().endswith(_UNFINISHED))


def _relative(root: Path, path: Path) -> str:
    return unicodedata.normalize("NFC", path.relative_to(root).as_posix())


def hints_of(relative_path: str) -> dict[str, str]:
    """``key=value`` folders of a path, for the keys that mean something (`HINT_KEYS`)."""
    hints = {}
    for segment in relative_path.split("/")[:-1]:
        key, equals, value = segment.partition("=")
        if equals and key.strip().lower() in HINT_KEYS and value.strip():
            hints[key.strip().lower()] = unquote(value.strip())
    return hints


def expand(landed: Landed, work_dir: Path, limits: Limits = DEFAULT) -> Iterator[Member]:
    """The files to read in a landed file: its entries when it is an archive (zip, gzip, nested), else itself.

    An archive is unpacked before its first member is handed over. One that is meant to do harm, or of which no entry can be
    read, is refused whole; else an entry that cannot be read comes with its ``fault``. Entries are written under names of
    our own into ``work_dir``, never under theirs; the caller deletes that folder when it is done.

    Raises `BadInput` with a reason ``archive_*`` (see `read.archive`).
    """
    from orders_pipeline.ingest.read.archive import unpack

    whole = Member(landed, landed.path, landed.relative_path, landed.size, dict(landed.hints))
    yield from unpack(whole, work_dir, limits)
