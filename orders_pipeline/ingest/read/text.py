"""Text files (CSV, TSV and the like) as tables: scanned once, then only the two ends are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orders_pipeline.ingest.read.encoding import DEFAULT_ENCODINGS
from orders_pipeline.ingest.read.limits import DEFAULT, MIB, Limits
from orders_pipeline.ingest.read.model import Dialect, Table
from orders_pipeline.ingest.read.records import guess_dialect, records, split
from orders_pipeline.ingest.read.scan import scan


def open_text(
    path: Path,
    work_dir: Path,
    *,
    encodings: Sequence[str] = DEFAULT_ENCODINGS,
    limits: Limits = DEFAULT,
    sha256: str | None = None,
    dialect: Dialect | None = None,
) -> Table:
    """The table in a text file. ``sha256`` saves hashing when it is known; ``dialect`` overrides the guess.

    Raises `BadInput` and `Transient` as `scan` does.
    """
    found = scan(path, work_dir, encodings, limits, sha256)
    head_text, head_offsets = read_head(found.path, limits)
    chosen = dialect or guess_dialect(head_text)
    head, head_ends = split_head(head_text, chosen, limits)
    ends = read_tail(found.path, found.facts.lines, limits)
    return Table(
        kind="text",
        path=found.path,
        encoding=found.encoding,
        dialect=chosen,
        line_count=found.facts.lines,
        head=head,
        head_ends=head_ends,
        head_text=head_text,
        tail=ends.texts,
        tail_lines=ends.numbers,
        head_offsets=head_offsets,
        tail_offsets=ends.offsets,
        facts=found.facts,
        limits=limits,
    )


def read_head(path: Path, limits: Limits) -> tuple[list[str], list[int]]:
    """The first physical lines without line ends (blank ones kept), and the byte offset of each and of what follows."""
    with path.open("rb") as stream:
        block = stream.read(MIB)
        while block.count(b"\n") < limits.head_lines and (more := stream.read(limits.line_bytes)):
            block += more
    lines, offsets = [], [0]
    while len(lines) < limits.head_lines and offsets[-1] < len(block):
        end = block.find(b"\n", offsets[-1]) + 1 or len(block)
        lines.append(block[offsets[-1] : end].decode("utf-8", "replace").rstrip("\r\n"))
        offsets.append(end)
    lines[0] = lines[0].removeprefix("\ufeff")
    return lines, offsets


def split_head(lines: list[str], dialect: Dialect, limits: Limits) -> tuple[list[list[str]], list[int]]:
    """Cells of each line (a record spanning lines sits on its first) and the line each record ends on."""
    head: list[list[str]] = [[] for _ in lines]
    ends = list(range(1, len(lines) + 1))
    for record in records(enumerate(lines, 1), dialect, limits):
        head[record.line - 1] = split(record.text, dialect) if record.text.strip() else []
        ends[record.line - 1] = record.last_line
    return head, ends


@dataclass(frozen=True)
class Tail:
    """The last physical lines: their texts, 1-based line numbers and byte offsets in the UTF-8 text."""

    texts: list[str]
    numbers: list[int]
    offsets: list[int]


def read_tail(path: Path, line_count: int, limits: Limits) -> Tail:
    """The last lines of a UTF-8 text of ``line_count`` physical lines."""
    size = path.stat().st_size
    length = min(size, MIB)
    while True:
        with path.open("rb") as stream:
            stream.seek(size - length)
            block = stream.read(length)
        if length == size or block.count(b"\n") > limits.tail_lines + 1 or length > 4 * limits.line_bytes:
            break
        length = min(size, length * 4)
    start = size - length
    if start:
        cut = block.find(b"\n") + 1
        start, block = start + cut, block[cut:]
    pieces = block.split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    offsets = []
    for piece in pieces:
        offsets.append(start)
        start += len(piece) + 1
    kept = pieces[-limits.tail_lines :]
    texts = [piece.removesuffix(b"\r").decode("utf-8", "ignore").removeprefix("\ufeff") for piece in kept]
    numbers = list(range(line_count - len(kept) + 1, line_count + 1))
    return Tail(texts, numbers, offsets[-len(kept) :] if kept else [])
