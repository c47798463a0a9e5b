"""The probes: what each looks for, in words and as SQL or a function.

    negative_on_hand:
      severity: warn                # info | warn | error
      found: {en: "{count} SKUs lie below zero", zh: ...}     # filled from the columns of a row, or the values of a fact
      why: {en: ..., zh: ...}
      fix: {en: ..., zh: ...}
      sql: |                        # a row for each finding: `place`, what the texts name, and `severity` where it varies
        SELECT warehouse_id AS place, count(*) AS count FROM ...

SQL may use as_of() and threshold('name') and reads tables of the warehouse. A probe without SQL is a function of its name in the
module beside its file; the thresholds it may ask for are listed under `thresholds`.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.statements import tables_in

if TYPE_CHECKING:
    from orders_pipeline.checkup.scene import Scene

FOLDER = Path(__file__).parent
SEVERITIES = ("info", "warn", "error")
LANGUAGES = ("en", "zh")
#: Found by the run of the probes itself.
FAILED = "probe_failed"

Look = Callable[["Scene"], Iterable["Fact"]]
_FUNCTIONS: dict[tuple[str, str], Look] = {}


@dataclass(frozen=True)
class Fact:
    """One thing a probe found: where (file, key, table), and the values its texts name."""

    place: str
    values: Mapping[str, Any] = field(default_factory=dict)
    severity: str | None = None


@dataclass(frozen=True)
class Probe:
    """One trap that is looked for. `area` is the file it stands in; `sql` or `look` finds it."""

    name: str
    area: str
    severity: str
    texts: Mapping[str, Mapping[str, str]]
    sql: str = ""
    look: Look | None = None
    thresholds: tuple[str, ...] = ()

    @property
    def tables(self) -> frozenset[str]:
        return tables_in(self.sql) if self.sql else frozenset()


def probe(function: Look) -> Look:
    """Marks the function of the probe of the same name."""
    _FUNCTIONS[(function.__module__.rsplit(".", 1)[-1], function.__name__)] = function
    return function


def fact(place: str, severity: str | None = None, **values: Any) -> Fact:
    """A finding at a place, with the values its texts name."""
    return Fact(place, values, severity)


@cache
def load_probes(folder: Path = FOLDER) -> tuple[Probe, ...]:
    """Every probe, by area and name. Raises Usage for one that is incomplete, has neither SQL nor function, or is there twice."""
    found: dict[str, Probe] = {}
    for path in sorted(folder.glob("*.yml")):
        area = path.stem
        if (folder / f"{area}.py").exists():
            import_module(f"orders_pipeline.checkup.{area}")
        for name, spec in (read_yaml(path) or {}).items():
            texts = {part: spec.get(part, {}) for part in ("found", "why", "fix")}
            lacking = [part for part, text in texts.items() if set(text) != set(LANGUAGES)]
            if spec.get("severity") not in SEVERITIES or lacking:
                raise Usage(f"{path.name}: {name} needs severity ({', '.join(SEVERITIES)}) and {', '.join(texts)} in en and zh")
            look = _FUNCTIONS.get((area, name))
            if name != FAILED and bool(spec.get("sql")) == bool(look):
                raise Usage(f"{path.name}: {name} needs either `sql` or a function of its name in {area}.py")
            if name in found:
                raise Usage(f"{path.name}: {name} is the name of another probe")
            found[name] = Probe(name, area, spec["severity"], texts, spec.get("sql", ""), look, tuple(spec.get("thresholds", ())))
    strays = [f"{area}.{name}" for area, name in _FUNCTIONS if (folder / f"{area}.yml").exists() and name not in found]
    if strays:
        raise Usage(f"checkup: no YAML describes {', '.join(strays)}")
    return tuple(found.values())


def named_values(text: str) -> set[str]:
    """The values a text names."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
