"""Which of the first lines could be the header. The recogniser decides; this only puts the likely ones first."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orders_pipeline.ingest.read.model import Table

_VALUE = re.compile(r"[\s\"'`=]*[-+¥￥$€£]?[\d.,:/\-\s%]+[\s\"']*")


@dataclass(frozen=True)
class HeaderCandidate:
    """A line (1-based) with its cells, and how header-like it is (0 … 1)."""

    line: int
    cells: list[str]
    score: float


def header_candidates(table: Table, limit: int = 60) -> list[HeaderCandidate]:
    """Lines that may be the header, best first, ties in file order.

    A header fills the width of the rows below it, has names rather than numbers, and hardly repeats itself. Lines
    with a single cell are only candidates when the whole table is one column wide.
    """
    widths = [sum(1 for cell in cells if cell.strip()) for cells in table.head]
    widest = max(widths, default=0)
    found = []
    for number, cells in enumerate(table.head[:limit], 1):
        names = [cell.strip() for cell in cells if cell.strip()]
        if not names or (len(names) < 2 <= widest):
            continue
        wordy = sum(not _VALUE.fullmatch(name) and len(name) <= 60 for name in names) / len(names)
        distinct = len(set(names)) / len(names)
        found.append(HeaderCandidate(number, cells, round(wordy * distinct * min(1.0, len(names) / widest), 3)))
    return sorted(found, key=lambda candidate: (-candidate.score, candidate.line))
