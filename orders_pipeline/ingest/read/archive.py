"""Archives as merchants download them: zip with GBK entry names, gzip, archives inside archives - and hostile ones."""

from __future__ import annotations

import errno
import gzip
import hashlib
import lzma
import os
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.kernel.faults import BadInput

if TYPE_CHECKING:
    from orders_pipeline.ingest.landing import Landed, Member

_CHUNK = MIB
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_OTHER_ARCHIVES = ((b"Rar!", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"BZh", "bzip2"), (b"\xfd7zXZ", "xz"))
_AGAIN = "download or copy the archive again"
#: What one entry may suffer from while its neighbours are fine.
_ENTRY_FAULTS = {
    "archive_encrypted": ("it is encrypted", "unpack it with its password and put the files inside into the landing folder"),
    "archive_damaged": ("it is damaged or was cut off", _AGAIN),
    "archive_unsupported": ("it uses a compression that is not read", "unpack it, or pack it as plain zip"),
    "archive_empty": ("there is no file in it", _AGAIN),
}


class _Budget:
    """What one landed archive may still unpack, nested archives included."""

    def __init__(self, limits: Limits, packed: int) -> None:
        self.packed = packed
        self.limits, self.entries, self.size = limits, 0, 0
        self.written: list[Path] = []

    def take_entry(self) -> None:
        self.entries += 1
        if self.entries > self.limits.archive_entries:
            raise _refused(f"more than {self.limits.archive_entries} files in one archive", "archive_too_many_files")

    def take_bytes(self, count: int, entry_size: int, packed: int) -> None:
        self.size += count
        if self.size > self.limits.archive_bytes:
            raise _refused(f"it unpacks to more than {self.limits.archive_bytes >> 20:,} MiB", "archive_too_large")
        bomb = entry_size > self.limits.archive_ratio * max(packed, 1)
        if bomb and entry_size > self.limits.archive_ratio_floor_bytes:
            raise _refused(f"a file in it unpacks to over {self.limits.archive_ratio} times its size", "archive_bomb")
        if self.size > max(self.limits.archive_ratio * self.packed, 4 * self.limits.archive_ratio_floor_bytes):
            raise _refused(f"it unpacks to over {self.limits.archive_ratio} times its size", "archive_bomb")


def _refused(what: str, reason: str, remedy: str = "unpack it and put the tables here one by one") -> BadInput:
    return BadInput(f"the archive is refused: {what}", reason=reason, remedy=remedy)


def unpack(member: Member, work_dir: Path, limits: Limits) -> Iterator[Member]:
    """`landing.expand`: the member itself, or the members of the archive it is.

    Raises `BadInput`: ``archive_encrypted``, ``archive_damaged``, ``archive_bomb``, ``archive_too_large``,
    ``archive_too_many_files``, ``archive_too_deep``, ``archive_unsafe_name``, ``archive_unsupported``,
    ``archive_empty``.
    """
    budget = _Budget(limits, member.size)
    try:
        yield from _members(member, work_dir, limits, budget, 0)
    except BaseException as error:
        for path in budget.written:
            path.unlink(missing_ok=True)
        if isinstance(error, BadInput):
            error.in_file(member.relative_path)
        raise


def _members(member: Member, work_dir: Path, limits: Limits, budget: _Budget, depth: int) -> list[Member]:
    with member.path.open("rb") as stream:
        start = stream.read(8)
    for mark, name in _OTHER_ARCHIVES:
        if start.startswith(mark):
            raise _refused(f"{name} archives are not read", "archive_unsupported", "unpack it, or pack it as zip")
    packed = start.startswith((b"PK\x03\x04", b"PK\x05\x06")) and not _is_office(member.path, limits)
    if not packed and not start.startswith(b"\x1f\x8b"):
        return [member]
    if depth >= limits.archive_depth:
        raise _refused(f"archives are nested more than {limits.archive_depth} deep", "archive_too_deep")
    work_dir.mkdir(parents=True, exist_ok=True)
    inner = _unzip(member, work_dir, budget) if packed else [_gunzip(member, work_dir, budget)]
    found = []
    for entry in inner:
        if entry.fault:
            found.append(entry)
            continue
        try:
            deeper = _members(entry, work_dir, limits, budget, depth + 1)
        except BadInput as fault:
            if fault.reason not in _ENTRY_FAULTS:
                raise
            deeper = [_unreadable(entry.landed, entry.relative_path, entry.size, fault.reason)]
        if deeper != [entry]:
            entry.path.unlink()
        found.extend(deeper)
    if all(entry.fault for entry in found):
        reason = found[0].fault.reason if found and found[0].fault else "archive_empty"
        raise _refused(_ENTRY_FAULTS[reason][0], reason, _ENTRY_FAULTS[reason][1])
    return found


def directory_bytes(path: Path) -> int:
    """How long a zip file says its directory is; 0 when it does not say. (All of it is read to open the file.)"""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16) - 22 - 20))
        end = stream.read()
        place = end.rfind(b"PK\x05\x06")
        if place < 0 or len(end) - place < 22:
            return 0
        (length,) = struct.unpack_from("<I", end, place + 12)
        locator = end.rfind(b"PK\x06\x07", 0, place)
        if locator < 0:
            return length
        (record,) = struct.unpack_from("<Q", end, locator + 8)
        stream.seek(min(record, size))
        large = stream.read(56)
        return struct.unpack_from("<Q", large, 40)[0] if len(large) == 56 and large.startswith(b"PK\x06\x06") else length


def _is_office(path: Path, limits: Limits) -> bool:
    """Whether a zip is a workbook or another office document, to be read as such and not unpacked."""
    if directory_bytes(path) > limits.archive_directory_bytes:
        raise _refused("its directory lists far more files than an export has", "archive_too_many_files")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise _damaged() from error
    return "[Content_Types].xml" in names or any(name.startswith("xl/") for name in names)


def _damaged() -> BadInput:
    return _refused("it is damaged or was cut off", "archive_damaged", _AGAIN)


def _unzip(member: Member, work_dir: Path, budget: _Budget) -> list[Member]:
    entries: list[Member] = []
    names: set[str] = set()
    try:
        with zipfile.ZipFile(member.path) as archive:
            for info in archive.infolist():
                name = _entry_name(info)
                if info.is_dir() or _is_litter(name):
                    continue
                _check(name)
                name = _unlike(name, names)
                budget.take_entry()
                entries.append(_unpacked(member, archive, info, name, work_dir, budget))
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _damaged() from error
    return sorted(entries, key=lambda entry: entry.relative_path)


def _unpacked(
    member: Member, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, work_dir: Path, budget: _Budget
) -> Member:
    """One entry of a zip, or what stands for it when it alone cannot be read."""
    written = len(budget.written)
    try:
        if info.flag_bits & _ENCRYPTED:
            reason = "archive_encrypted"
        else:
            with archive.open(info) as source:
                path, size, digest = _write(source, work_dir, name, budget, info.compress_size)
            return _entry(member, path, name, size, digest)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError):
        reason = "archive_damaged"
    except NotImplementedError:
        reason = "archive_unsupported"
    for path in budget.written[written:]:
        path.unlink(missing_ok=True)
    return _unreadable(member.landed, f"{member.relative_path}!/{name}", info.file_size, reason)


def _unreadable(landed: Landed, relative_path: str, size: int, reason: str) -> Member:
    from orders_pipeline.ingest.landing import Member

    what, remedy = _ENTRY_FAULTS[reason]
    fault = BadInput(f"this file of the archive is refused: {what}", reason=reason, file=relative_path, remedy=remedy)
    return Member(landed, landed.path, relative_path, size, dict(landed.hints), fault=fault)


def _entry_name(info: zipfile.ZipInfo) -> str:
    """The name as its maker meant it: without the UTF-8 flag it is GBK that zipfile has read as cp437."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME and not name.isascii():
        raw = name.encode("cp437")
        for encoding in ("utf-8", "gb18030"):
            try:
                name = raw.decode(encoding)
                break
            except UnicodeDecodeError:
                continue
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _unlike(name: str, names: set[str]) -> str:
    """A name that no entry before had: an archive may hold two files of one name, and the ledger names files."""
    stem, dot, suffix = name.rpartition(".")
    number, candidate = 1, name
    while candidate in names:
        number += 1
        candidate = f"{stem} ({number}){dot}{suffix}" if dot else f"{name} ({number})"
    names.add(candidate)
    return candidate


def _is_litter(name: str) -> bool:
    from orders_pipeline.ingest.landing import is_ignored

    return name.startswith("__MACOSX/") or is_ignored(name.rsplit("/", 1)[-1])


def _check(name: str) -> None:
    if name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0] or "\0" in name:
        raise _refused("a file in it has a path that leads out of the archive", "archive_unsafe_name")


def _gunzip(member: Member, work_dir: Path, budget: _Budget) -> Member:
    budget.take_entry()
    name = member.relative_path.rsplit("/", 1)[-1]
    name = name[:-3] if name.lower().endswith(".gz") else name
    try:
        with gzip.open(member.path) as source:
            path, size, digest = _write(source, work_dir, name, budget, member.size)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _damaged() from error
    return _entry(member, path, name, size, digest)


def _write(source: BinaryIO, work_dir: Path, name: str, budget: _Budget, packed: int) -> tuple[Path, int, str]:
    """Unpack one entry under a name of ours; its size and SHA-256."""
    suffix = Path(name).suffix if Path(name).suffix.isascii() and len(Path(name).suffix) <= 8 else ""
    path, size, digest = work_dir / f"entry-{os.urandom(6).hex()}{suffix}", 0, hashlib.sha256()
    budget.written.append(path)
    with path.open("wb") as out:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            budget.take_bytes(len(chunk), size, packed)
            digest.update(chunk)
            out.write(chunk)
    return path, size, digest.hexdigest()


def _entry(member: Member, path: Path, name: str, size: int, digest: str) -> Member:
    from orders_pipeline.ingest.landing import Member, hints_of

    landed: Landed = member.landed
    return Member(landed, path, f"{member.relative_path}!/{name}", size, {**member.hints, **hints_of(name)}, digest)
