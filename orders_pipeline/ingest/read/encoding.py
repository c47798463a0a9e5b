"""Which encoding a text file is in: byte order mark, then strict UTF-8, then GB18030, then what the caller names.

The order matters: GB18030 accepts almost any bytes, so it is only believed when UTF-8 is impossible *and* the bytes
look like Chinese (most Chinese text stays inside the GB2312 rows, where both bytes are 0xA1 or more; Western and
Japanese encodings do not). Shift-JIS is believed where the bytes are kana. And a file that was clearly UTF-8 up to a
damaged byte is damaged UTF-8, not GB18030.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

from orders_pipeline.kernel.faults import BadInput

DEFAULT_ENCODINGS = ("utf-8", "gb18030", "cp932", "cp1252")

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_GB2312_PAIR = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]")
_KANA = re.compile(rb"\x82[\x9f-\xf1]|\x83[\x40-\x7e\x80-\x96]")
_JAPANESE = ("cp932", "shift_jis", "shift_jisx0213", "shift_jis_2004")
_ASCII = bytes(range(128))
_SAMPLE_BYTES = 1 << 18
_PIECE_BYTES = 1 << 18
_REMEDY = "export the file again as UTF-8, or name its encoding in the source's YAML file"


class UndecodableError(Exception):
    """Bytes that are not text in ``encoding``: ``offset`` is the first bad one, ``at_end`` says the file just stops."""

    def __init__(self, encoding: str, offset: int, at_end: bool) -> None:
        super().__init__(encoding, offset, at_end)
        self.encoding, self.offset, self.at_end = encoding, offset, at_end


class StreamDecoder:
    """Strict decoding chunk by chunk in any encoding Python knows."""

    def __init__(self, encoding: str, line_bytes: int) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._read = 0

    def decode(self, chunk: bytes, *, final: bool) -> str:
        """The text of the next chunk; raises `UndecodableError`."""
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            offset = self._read - (len(error.object) - len(chunk)) + error.start
            raise UndecodableError(self.encoding, offset, final) from None
        finally:
            self._read += len(chunk)


class GbDecoder:
    """Strict GB18030, faster than Python's incremental decoder.

    Line feeds never are part of a character, so whole lines are decoded in pieces that fit into the processor's
    cache: with the GBK codec, which is quicker and gives the same characters, and where it meets a four-byte
    character with GB18030.
    """

    def __init__(self, encoding: str, line_bytes: int) -> None:
        self.encoding = encoding
        self._line_bytes = line_bytes
        self._rest = b""
        self._decoded = 0

    def decode(self, chunk: bytes, *, final: bool) -> str:
        """The text of the next whole lines; raises `UndecodableError`."""
        data = self._rest + chunk
        end = len(data) if final else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if len(data) - end > self._line_bytes:
            raise line_too_long(self._line_bytes)
        self._rest, texts, start = data[end:], [], 0
        while start < end:
            stop = end if end - start <= _PIECE_BYTES else data.rfind(b"\n", start, start + _PIECE_BYTES) + 1 or end
            texts.append(self._piece(data[start:stop], final and stop == end))
            start = stop
        return "".join(texts)

    def _piece(self, piece: bytes, last: bool) -> str:
        try:
            text = piece.decode("gbk")
        except UnicodeDecodeError:
            try:
                text = piece.decode("gb18030")
            except UnicodeDecodeError as error:
                cut = last and error.reason.startswith("incomplete")
                raise UndecodableError(self.encoding, self._decoded + error.start, cut) from None
        self._decoded += len(piece)
        return text


def line_too_long(line_bytes: int, line: int | None = None) -> BadInput:
    """The refusal of a file with a line no table has."""
    return BadInput(
        f"a line is longer than {line_bytes >> 20} MiB",
        reason="line_too_long",
        row=line,
        remedy="this is not a table; export it again as CSV or XLSX",
    )


def nul_bytes(offset: int, line: int) -> BadInput:
    """The refusal of a file with zero bytes in it."""
    return BadInput(
        f"NUL byte at byte {offset}: this is not text, or the copy was interrupted",
        reason="nul_bytes",
        row=line,
        remedy="download the file again, or save it as UTF-8 text",
    )


def by_mark(start: bytes) -> tuple[str, int] | None:
    """Encoding and length of the byte order mark a file starts with, or None."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding, len(mark)
    return None


def unmarked_utf16(start: bytes) -> str | None:
    """UTF-16 without a byte order mark, told by a first line of ASCII names: every other byte is zero."""
    even, odd = start[0:64:2], start[1:64:2]
    if len(odd) >= 8 and not any(odd) and all(even):
        return "utf-16-le"
    if len(odd) >= 8 and not any(even) and all(odd):
        return "utf-16-be"
    return None


def looks_japanese(sample: bytes) -> bool:
    """Whether a good part of the non-ASCII bytes is kana in Shift-JIS, which Chinese and Western text hardly ever shows."""
    high = len(sample.translate(None, _ASCII))
    kana = len(_KANA.findall(sample))
    return kana >= 2 and 20 * kana >= 3 * high


def looks_chinese(sample: bytes) -> bool:
    """Whether at least half of the non-ASCII bytes are pairs inside the GB2312 rows."""
    high = len(sample.translate(None, _ASCII))
    return high > 0 and 2 * len(_GB2312_PAIR.findall(sample)) >= high / 2


def _was_utf8(path: Path, offset: int) -> bool:
    """Whether the text before a bad byte is so much UTF-8 that it can not be another encoding by accident."""
    with path.open("rb") as stream:
        stream.seek(max(0, offset - _SAMPLE_BYTES))
        before = stream.read(min(offset, _SAMPLE_BYTES))
    # Pairs of GBK bytes can pass as two-byte UTF-8 characters (the famous 联通); runs of three-byte ones can not.
    return sum(character > "\u07ff" for character in before.decode("utf-8", "ignore")) >= 5


def after_utf8(path: Path, fault: UndecodableError, encodings: Sequence[str]) -> list[str]:
    """The encodings to try once strict UTF-8 has failed, best first.

    Raises `BadInput` (``text_truncated`` or ``encoding_unreadable``) when the file is damaged UTF-8 or nothing is left.
    """
    if _was_utf8(path, fault.offset):
        raise unreadable(path, fault)
    with path.open("rb") as stream:
        stream.seek(fault.offset)
        sample = stream.read(_SAMPLE_BYTES)
    others = [name for name in encodings if name not in ("utf-8", "utf-8-sig")]
    if looks_japanese(sample):
        others.sort(key=lambda name: name not in _JAPANESE)
    elif not looks_chinese(sample):
        # The stricter ones first: GB18030 takes almost anything.
        others.sort(key=lambda name: (name.startswith("gb"), name in _JAPANESE))
    elif any(name.startswith("gb") for name in others):
        others = [name for name in others if name.startswith("gb")]
    if not others:
        raise unreadable(path, fault)
    return others


def unreadable(path: Path, fault: UndecodableError) -> BadInput:
    """The refusal for bytes that are no text, with the line and the byte (1-based line, 0-based offset)."""
    line = _line_of(path, fault.offset)
    if fault.at_end:
        return BadInput(
            f"the file stops in the middle of a character (byte {fault.offset}, {fault.encoding}): it was cut off",
            reason="text_truncated",
            row=line,
            remedy="download or copy the file again",
        )
    return BadInput(f"byte {fault.offset} is not {fault.encoding} text", reason="encoding_unreadable", row=line, remedy=_REMEDY)


def _line_of(path: Path, offset: int) -> int:
    line = 1
    with path.open("rb") as stream:
        while offset > 0 and (chunk := stream.read(min(offset, 1 << 22))):
            line += chunk.count(b"\n")
            offset -= len(chunk)
    return line
