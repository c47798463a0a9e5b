"""What a checkup comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from orders_pipeline.checkup.probes import SEVERITIES

#: What the command ends with, by the worst finding. 2 is wrong use, as everywhere.
EXIT_CODES = {None: 0, "info": 0, "warn": 3, "error": 1}


@dataclass(frozen=True)
class Finding:
    """One trap at one place: what was found, why it matters and how to fix it, in both languages."""

    probe: str
    area: str
    severity: str
    place: str
    found: str
    found_zh: str
    why: str
    why_zh: str
    fix: str
    fix_zh: str


@dataclass(frozen=True)
class Report:
    """What one checkup found, the worst first; and which probes could not be made, with the reason."""

    as_of: datetime
    probes: int
    findings: tuple[Finding, ...]
    left_out: Mapping[str, str]

    @property
    def worst(self) -> str | None:
        return max((f.severity for f in self.findings), key=SEVERITIES.index, default=None)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.worst]

    def as_json(self) -> dict[str, Any]:
        return {
            "as_of": self.as_of.isoformat(),
            "probes": self.probes,
            "worst": self.worst,
            "findings": [asdict(f) for f in self.findings],
            "left_out": [{"probe": name, "why": why} for name, why in self.left_out.items()],
        }
