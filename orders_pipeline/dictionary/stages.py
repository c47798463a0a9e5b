"""The stages of `stages.yml`: loaded, held against themselves, and as rows of the reference tables the models read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from orders_pipeline.dictionary.calendars import ALWAYS
from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.settings import Settings, declared_thresholds

FILE = Path(__file__).with_name("stages.yml")
AXES = ("order", "payment", "fulfilment", "after_sale")
SECONDS = {"minutes": 60, "hours": 3600, "days": 86400}
PROMISES = ("promised_ship_at", "promised_delivery_at")
_KEYS = {"rank", "en", "zh", "owner", "buyer", "says", "pauses", "final", "next", "next_unpaid", "clock"}
_CLOCK_KEYS = {"until", "limit", "limit_fresh", "promise", "calendar", "cutoff"}

STAGES_DDL = (
    "axis VARCHAR, axis_number INTEGER, stage VARCHAR, rank INTEGER, label_en VARCHAR, label_zh VARCHAR, buyer_en VARCHAR, "
    "buyer_zh VARCHAR, owner_role VARCHAR, is_pause BOOLEAN, is_final BOOLEAN, has_clock BOOLEAN, until_rank INTEGER, "
    "limit_seconds BIGINT, limit_fresh_seconds BIGINT, promise VARCHAR, calendar VARCHAR, has_cutoff BOOLEAN"
)
TRANSITIONS_DDL = "from_stage VARCHAR, to_stage VARCHAR, is_unpaid_only BOOLEAN"
WORDS_DDL = "vocabulary VARCHAR, word VARCHAR, stage VARCHAR"


@dataclass(frozen=True)
class Stage:
    """One stage of one axis, as stages.yml describes it."""

    name: str
    axis: str
    rank: int
    label: Mapping[str, str]
    buyer: Mapping[str, str]
    owner: str
    pauses: bool
    final: bool
    next: tuple[str, ...]
    next_unpaid: tuple[str, ...]
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clock: Mapping[str, Any] = field(default_factory=dict)


@cache
def load_stages(path: Path = FILE) -> Mapping[str, Stage]:
    """Every stage by name. Raises Usage for a name used twice, an unknown key, threshold or following stage."""
    found: dict[str, Stage] = {}
    for axis, stages in read_yaml(path).items():
        if axis not in AXES:
            raise Usage(f"{path.name}: there is no axis {axis!r}; there are {', '.join(AXES)}")
        for name, spec in stages.items():
            found_before = name in found
            found[name] = _stage(path, axis, name, spec)
            if found_before:
                raise Usage(f"{path.name}: {name} is the name of two stages")
    _hold_together(path, found)
    return found


def _stage(path: Path, axis: str, name: str, spec: Mapping[str, Any]) -> Stage:
    missing = [k for k in ("rank", "en", "zh", "owner", "buyer", "next") if k not in spec]
    odd = sorted(set(spec) - _KEYS) + sorted(set(spec.get("clock", {})) - _CLOCK_KEYS)
    if missing or odd or not {"en", "zh"} <= set(spec["buyer"]):
        fault = f"unknown {', '.join(odd)}" if odd else f"lacks {', '.join(missing) or 'buyer (en, zh)'}"
        raise Usage(f"{path.name}: {name}: {fault}")
    return Stage(
        name,
        axis,
        int(spec["rank"]),
        {"en": spec["en"], "zh": spec["zh"]},
        spec["buyer"],
        spec["owner"],
        bool(spec.get("pauses")),
        bool(spec.get("final")),
        tuple(spec["next"]),
        tuple(spec.get("next_unpaid", ())),
        {vocabulary: tuple(words) for vocabulary, words in (spec.get("says") or {}).items()},
        spec.get("clock", {}),
    )


def _hold_together(path: Path, stages: Mapping[str, Stage]) -> None:
    words: dict[tuple[str, str], str] = {}
    ranks: dict[tuple[str, int], str] = {}
    for stage in stages.values():
        if ranks.setdefault((stage.axis, stage.rank), stage.name) != stage.name:
            raise Usage(f"{path.name}: {ranks[stage.axis, stage.rank]} and {stage.name} have one rank")
        following = [*stage.next, *stage.next_unpaid, *filter(None, [stage.clock.get("until")])]
        strangers = [name for name in following if name not in stages or stages[name].axis != stage.axis]
        if strangers:
            raise Usage(f"{path.name}: {stage.name} names {', '.join(strangers)}, which the axis {stage.axis} does not have")
        for name in thresholds_of(stage):
            if name not in declared_thresholds():
                raise Usage(f"{path.name}: {stage.name} names the threshold {name}, which thresholds.toml does not have")
        if stage.clock and (not stage.clock.get("calendar") or stage.clock.get("promise") not in (None, *PROMISES)):
            raise Usage(f"{path.name}: the clock of {stage.name} needs a calendar; a promise is one of {', '.join(PROMISES)}")
        for vocabulary, said in stage.says.items():
            for word in said:
                if words.setdefault((vocabulary, word.lower()), stage.name) != stage.name:
                    raise Usage(f"{path.name}: {word!r} of {vocabulary} means {words[vocabulary, word.lower()]} and {stage.name}")


def thresholds_of(stage: Stage) -> list[str]:
    """The thresholds a stage's clock uses."""
    return [stage.clock[key] for key in ("limit", "limit_fresh") if key in stage.clock]


def stage_rows(settings: Settings) -> list[tuple]:
    """The rows of `ref.stages` (STAGES_DDL), limits in seconds."""

    def seconds(name: str | None) -> int | None:
        if name is None:
            return None
        value = settings.thresholds.get(name, declared_thresholds()[name].value)
        return round(value * SECONDS[declared_thresholds()[name].unit])

    rows = []
    stages = load_stages()
    for one in stages.values():
        clock = one.clock
        until = clock.get("until")
        rows.append(
            (
                *(one.axis, AXES.index(one.axis) + 1, one.name, one.rank, one.label["en"], one.label["zh"]),
                *(one.buyer["en"], one.buyer["zh"], one.owner, one.pauses, one.final, bool(clock)),
                stages[until].rank if until else one.rank + 1,
                *(seconds(clock.get("limit")), seconds(clock.get("limit_fresh", clock.get("limit")))),
                *(clock.get("promise"), clock.get("calendar", ALWAYS), bool(clock.get("cutoff"))),
            )
        )
    return rows


def transition_rows() -> list[tuple[str, str, bool]]:
    """The rows of `ref.stage_transitions`: what may follow what, and whether only for orders that wait for no payment."""
    return [
        (one.name, following, unpaid)
        for one in load_stages().values()
        for names, unpaid in ((one.next, False), (one.next_unpaid, True))
        for following in names
    ]


def word_rows() -> list[tuple[str, str, str]]:
    """The rows of `ref.stage_words`: vocabulary, word in lower case, stage."""
    return [
        (vocabulary, word.lower(), one.name)
        for one in load_stages().values()
        for vocabulary, words in one.says.items()
        for word in words
    ]
