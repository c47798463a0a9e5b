"""The one pass over the bytes of a text file: fingerprint, encoding, line ends, line count and what could go wrong.

A UTF-8 file with one kind of line end is only looked at; everything else is rewritten as UTF-8 with LF into the work
directory in the same pass. Nothing here loops over lines: a 250 MB file takes well under a second.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orders_pipeline.ingest.read import encoding as enc
from orders_pipeline.ingest.read.limits import MIB, Limits
from orders_pipeline.ingest.read.model import TextFacts
from orders_pipeline.kernel.faults import BadInput, Transient

CHUNK_BYTES = 4 * MIB
_PIECE_BYTES = 1 << 18  # decoded text of this size stays in the processor's cache: twice as fast as whole chunks
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"\n')
_LONE_RETURN = re.compile(rb"\r[^\n]")
_TAB_AFTER_QUOTE = re.compile(rb'"[\t ]+[,;\r\n]')


@dataclass(frozen=True)
class Scanned:
    """Where the UTF-8 text is, what it was, and what the pass saw. ``copied`` = ``path`` is our own copy."""

    path: Path
    encoding: str
    copied: bool
    facts: TextFacts


class _MixedLineEndsError(Exception):
    """The file mixes line ends (or uses CR alone), so it has to be rewritten."""


class _Shape:
    """Counts what matters for the structure, chunk by chunk, over UTF-8 bytes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.position = 0
        self.newlines = 0
        self.carriage_returns = 0
        self.odd_quotes = False
        self.longest = 0
        self.ends_open = False
        self.tab_after_quote = False
        self._quotes = b""
        self._after_return = False
        self._line_start = 0

    def feed(self, data: bytes) -> None:
        if not data:
            return
        nul = data.find(b"\0")
        if nul >= 0:
            line = self.newlines + data.count(b"\n", 0, nul) + 1
            raise enc.nul_bytes(self.position + nul, line)
        if self.position == 0:
            self.tab_after_quote = _TAB_AFTER_QUOTE.search(data, 0, MIB) is not None
        if self._after_return and not data.startswith(b"\n"):
            raise _MixedLineEndsError
        self._after_return = data.endswith(b"\r")
        if b"\r" in data:
            self.carriage_returns += data.count(b"\r")
            if _LONE_RETURN.search(data):
                raise _MixedLineEndsError
        self._measure_lines(data)
        structure = data.translate(None, _NOT_STRUCTURE)
        self.newlines += structure.count(b"\n")
        # Pairs cancel out: a quote that is left over belongs to a line with an odd number of them.
        if self._quotes or b'"' in structure:
            complete, end, rest = (self._quotes + structure).rpartition(b"\n")
            self.odd_quotes |= b'"' in complete.replace(b'""', b"") if end else False
            self._quotes = rest.replace(b'""', b"")
        self.position += len(data)
        self.ends_open = not data.endswith((b"\n", b"\r"))
        if self.carriage_returns and abs(self.carriage_returns - self.newlines) > 1:
            raise _MixedLineEndsError

    def _measure_lines(self, data: bytes) -> None:
        """Every megabyte must hold a line end; only lines that cross megabytes are measured."""
        for start in range(0, len(data), MIB):
            first = data.find(b"\n", start, start + MIB)
            reach = self.position + (first if first >= 0 else min(start + MIB, len(data)))
            self.longest = max(self.longest, reach - self._line_start)
            if self.longest > self.limits.line_bytes:
                raise enc.line_too_long(self.limits.line_bytes, self.newlines + 1)
            if first >= 0:
                self._line_start = self.position + data.rfind(b"\n", start, start + MIB) + 1

    def finish(self, size: int, sha256: str) -> TextFacts:
        if self._after_return or self.carriage_returns not in (0, self.newlines):
            raise _MixedLineEndsError
        return TextFacts(
            size=size,
            lines=self.newlines + self.ends_open,
            newline="\r\n" if self.carriage_returns else "\n",
            odd_quotes=self.odd_quotes or b'"' in self._quotes,
            longest_bytes=self.longest if self.longest > MIB else 0,
            sha256=sha256,
            tab_after_quote=self.tab_after_quote,
        )


class _Background:
    """Hashing and writing on a second thread (both release the interpreter lock), one chunk behind the reader."""

    def __init__(self, known_sha256: str | None, out: BinaryIO | None = None) -> None:
        self._known = known_sha256
        self._out = out
        self._digest = hashlib.sha256()
        self._pool = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None

    def put(self, chunk: bytes, text: bytes = b"") -> None:
        self._wait()
        self._pending = self._pool.submit(self._work, chunk, text)

    def _work(self, chunk: bytes, text: bytes) -> None:
        if self._known is None:
            self._digest.update(chunk)
        if self._out is not None:
            self._out.write(text)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def sha256(self) -> str:
        self._wait()
        return self._known or self._digest.hexdigest()

    def __enter__(self) -> _Background:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex; memory stays at one chunk."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def scan(path: Path, work_dir: Path, encodings: Sequence[str], limits: Limits, known_sha256: str | None) -> Scanned:
    """Read ``path`` once (twice when it is not UTF-8 after all) and say what it is.

    Raises `BadInput` with ``empty_file``, ``nul_bytes``, ``line_too_long``, ``text_truncated`` or
    ``encoding_unreadable``, and `Transient` when the file changes while it is read.
    """
    with path.open("rb") as stream:
        start = stream.read(64)
    if not start or (path.stat().st_size < 64 and not start.lstrip(b"\xef\xbb\xbf\xff\xfe").strip(b" \t\r\n\0")):
        raise BadInput("the file is empty", reason="empty_file", remedy="export it again")
    mark = enc.by_mark(start)
    if mark is not None and mark[0] == "utf-32":
        raise BadInput("UTF-32 text is not supported", reason="encoding_unreadable", remedy="save the file as UTF-8")
    wide = mark[0] if mark is not None and mark[0] != "utf-8" else enc.unmarked_utf16(start)
    if wide:
        return _rewrite(path, work_dir, [wide], limits, known_sha256)
    try:
        return _look(path, limits, known_sha256)
    except _MixedLineEndsError:
        tries = ["utf-8"]
    except enc.UndecodableError as fault:
        if mark is not None:
            raise enc.unreadable(path, fault) from None
        tries = enc.after_utf8(path, fault, encodings)
    try:
        return _rewrite(path, work_dir, tries, limits, known_sha256)
    except enc.UndecodableError as fault:  # mixed line ends hid bytes that are not UTF-8
        return _rewrite(path, work_dir, enc.after_utf8(path, fault, encodings), limits, known_sha256)


@contextlib.contextmanager
def _steady(path: Path) -> Iterator[BinaryIO]:
    """The open file; afterwards it must be what it was, or it is still being written."""
    with path.open("rb") as stream:
        before = os.fstat(stream.fileno())
        try:
            yield stream
        except (BadInput, enc.UndecodableError):
            _refuse_changed(path, before)  # half a file looks damaged
            raise
        _refuse_changed(path, before)


def _refuse_changed(path: Path, before: os.stat_result) -> None:
    after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise Transient(f"{path.name} changed while it was read", remedy="it is read again once the copy is complete")


def _look(path: Path, limits: Limits, known_sha256: str | None) -> Scanned:
    shape, decoder = _Shape(limits), codecs.getincrementaldecoder("utf-8")()
    with _Background(known_sha256) as background:
        with _steady(path) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                background.put(chunk)
                _decode(decoder, chunk, shape.position)
                shape.feed(chunk)
            _decode(decoder, b"", shape.position, final=True)
        return Scanned(path, "utf-8", False, shape.finish(shape.position, background.sha256()))


def _decode(decoder: codecs.IncrementalDecoder, chunk: bytes, position: int, final: bool = False) -> None:
    view, start = memoryview(chunk), 0
    while start < len(chunk) or final:
        piece = view[start : start + _PIECE_BYTES]
        try:
            decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(piece)
            offset = position + start - pending + error.start
            raise enc.UndecodableError("utf-8", offset, final) from None
        if final:
            return
        start += len(piece)


def _rewrite(path: Path, work_dir: Path, tries: list[str], limits: Limits, known_sha256: str | None) -> Scanned:
    """Write a UTF-8 copy in the first encoding of ``tries`` that fits; the last one's failure is raised."""
    target = work_dir / f"{path.name[:40]}.{os.urandom(4).hex()}.utf8"
    for number, encoding in enumerate(tries, 1):
        try:
            try:
                facts = _transcode(path, target, encoding, limits, known_sha256, one_newline=False)
            except _MixedLineEndsError:
                facts = _transcode(path, target, encoding, limits, known_sha256, one_newline=True)
        except enc.UndecodableError as fault:
            target.unlink(missing_ok=True)
            if encoding == "utf-8":
                raise
            if number == len(tries):
                raise enc.unreadable(path, fault) from None
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        else:
            return Scanned(target, encoding, True, facts)
    raise AssertionError("no encoding to try")


def _transcode(
    path: Path, target: Path, encoding: str, limits: Limits, known_sha256: str | None, *, one_newline: bool
) -> TextFacts:
    """Write the copy; ``one_newline`` turns every kind of line end into LF."""
    shape, size = _Shape(limits), 0
    decoder = (enc.GbDecoder if encoding == "gb18030" else enc.StreamDecoder)(encoding, limits.line_bytes)
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    with target.open("wb") as out, _Background(known_sha256, out) as background:
        with _steady(path) as stream:
            chunk = stream.read(CHUNK_BYTES)
            while True:
                text = decoder.decode(chunk, final=not chunk)
                if one_newline:
                    text = newlines.decode(text, final=not chunk)
                data = (text.removeprefix("\ufeff") if shape.position == 0 else text).encode()
                shape.feed(data)
                background.put(chunk, data)
                size += len(chunk)
                if not chunk:
                    break
                chunk = stream.read(CHUNK_BYTES)
        return shape.finish(size, background.sha256())
