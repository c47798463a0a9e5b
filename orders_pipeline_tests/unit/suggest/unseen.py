"""Files of platforms the dictionary has no source for, with their true map, written before the method saw them.

Words that older ones showed to be missing have since gone into the wording; a fair figure takes files added after its last change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orders_pipeline.ingest.suggest import Suggestion, suggest
from orders_pipeline.ingest.suggest.names import Names

FOLDER = Path(__file__).parent / "unseen"


@dataclass(frozen=True)
class Unseen:
    """One file. `map`: column -> the fields it may feed; `also`: the same for columns another reading of the file may take."""

    name: str
    entities: tuple[str, ...]
    map: dict[str, frozenset[str]]
    also: dict[str, frozenset[str]]
    text: str


def cases() -> Iterator[Unseen]:
    for path in sorted(FOLDER.glob("*.yml")):
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield Unseen(path.stem, tuple(spec["entities"]), _fields(spec["map"]), _fields(spec.get("also", {})), spec["file"])


def _fields(given: dict[str, Any]) -> dict[str, frozenset[str]]:
    listed = {str(c).strip(): frozenset([f] if isinstance(f, str) else f) for c, f in given.items()}
    return {c: f for c, f in listed.items() if f != {"nothing"}}


def judge(case: Unseen, names: Names, folder: Path) -> tuple[Counter, list[str], Suggestion]:
    """right, wrong and unsure as the benchmark counts them, with a line for each column that was not right."""
    path = folder / "export.csv"
    path.write_text(case.text, encoding="utf-8")
    found = suggest(path, names, channel=case.name)
    counts: Counter = Counter()
    told = []
    for choice in found.reading.choices:
        column = choice.column.name.strip()
        said = choice.field.partition(":")[0] if choice.field else None
        fed, also = case.map.get(column), case.also.get(column, frozenset())
        if said is None and fed is None:
            continue
        verdict = "unsure" if said is None else "right" if said in (fed or frozenset()) | also else "wrong"
        counts[verdict] += 1
        if verdict != "right":
            guesses = ", ".join(f"{c.field} {c.confidence:.2f}" for c in choice.candidates)
            told.append(f"{verdict:6} {column} -> [{guesses}] truly {sorted(fed or ['nothing'])}")
    return counts, told, found
