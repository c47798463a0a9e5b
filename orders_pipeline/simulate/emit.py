"""Writing the files: lines from SQL, a head and a tail around them, the encoding of the channel."""

from __future__ import annotations

import codecs
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb

BLOCK = 4 * 1024 * 1024
BOM = "\ufeff"


@dataclass(frozen=True)
class WrittenFile:
    """A landing file: path below the landing folder, source, data rows (with the quarantined and repeated ones)."""

    path: str
    source: str
    rows: int
    quarantined: int
    duplicates: int


class Emitter:
    """Writes landing files from queries whose only column is the finished line.

    DuckDB writes the lines as UTF-8 (no quoting: a line is what the channel prints), a second thread puts head, lines
    and tail together and transcodes them in blocks, so memory does not grow with the file.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, landing: Path, work: Path) -> None:
        self.connection = connection
        self.landing = landing
        self.work = work
        self.files: list[WrittenFile] = []
        self._parts = 0
        self._assembler = ThreadPoolExecutor(max_workers=1)
        self._pending: list[Future[None]] = []

    def write(
        self,
        path: str,
        source: str,
        head: str,
        *lines: str,
        repeated: str | None = None,
        tail: str = "",
        encoding: str = "utf-8",
        quarantined: int = 0,
    ) -> int:
        """Writes one file and returns its data rows; a file without rows is not written.

        Args:
            lines: queries of one text column, the data lines in file order.
            repeated: query of lines that occur once more, at the end.
            tail: what follows the data lines, line ends included (as in `head`).
            quarantined: how many of the rows ingestion must set aside.
        """
        parts = [self._copy(query) for query in lines]
        if repeated is not None:
            parts.append(self._copy(repeated))
        rows = sum(count for _, count in parts)
        if rows == 0:
            return 0
        target = self.landing / path
        target.parent.mkdir(parents=True, exist_ok=True)
        bodies = [part for part, _ in parts]
        self._pending.append(self._assembler.submit(_assemble, target, head, bodies, tail, encoding))
        self.files.append(WrittenFile(path, source, rows, quarantined, sum(count for _, count in parts[len(lines) :])))
        return rows

    def scalar(self, query: str) -> int:
        """The single integer a query returns (a null counts as 0)."""
        return int(self.connection.execute(query).fetchall()[0][0] or 0)

    def close(self) -> None:
        """Waits for the files; raises what went wrong while they were put together."""
        self._assembler.shutdown(wait=True)
        for future in self._pending:
            future.result()

    def _copy(self, query: str) -> tuple[Path, int]:
        self._parts += 1
        part = self.work / f"part{self._parts}.txt"
        count = self.connection.execute(
            f"COPY ({query}) TO '{quoted(part)}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '')"
        ).fetchall()[0][0]
        return part, count


def _assemble(target: Path, head: str, bodies: Sequence[Path], tail: str, encoding: str) -> None:
    with target.open("wb") as out:
        out.write(head.encode(encoding))
        for body in bodies:
            with body.open("rb") as lines:
                if encoding == "utf-8":
                    shutil.copyfileobj(lines, out, BLOCK)
                else:
                    decoder = codecs.getincrementaldecoder("utf-8")()
                    while block := lines.read(BLOCK):
                        out.write(decoder.decode(block).encode(encoding))
            body.unlink()
        out.write(tail.encode(encoding))


def quoted(path: Path) -> str:
    """A path for use inside an SQL string literal."""
    return str(path).replace("'", "''")


def line_of(cells: Sequence[str], end: str = "") -> str:
    """SQL expression of one line of comma-separated cells.

    A cell is printed text; what stands in ⟨angle brackets⟩ is an SQL expression (null prints nothing). Text of
    neighbouring cells becomes one literal, so that a line of fifty cells costs no more than the few that vary.
    """
    pieces = re.split("⟨(.*?)⟩", ",".join(cells) + end, flags=re.DOTALL)
    parts = [piece if number % 2 else _literal(piece) for number, piece in enumerate(pieces) if piece]
    return f"concat({', '.join(parts)})"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def row_of(header: Sequence[str], cells: dict[str, str], default: str = "", template: str = "{}") -> list[str]:
    """The cells of a row in header order; names not given print `default`; `template` wraps every cell.

    Raises:
        ValueError: when a given name is not in the header.
    """
    unknown = set(cells) - set(header)
    if unknown:
        raise ValueError(f"not in the header: {', '.join(sorted(unknown))}")
    return [template.format(cells.get(name, default)) for name in header]
