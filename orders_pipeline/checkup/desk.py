"""Runs the probes and says what they found. One that fails is a finding itself and stops none of the others."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orders_pipeline.checkup.findings import Finding, Report
from orders_pipeline.checkup.probes import FAILED, SEVERITIES, Fact, Probe, load_probes
from orders_pipeline.checkup.scene import Scene, Unavailable
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home

if TYPE_CHECKING:
    from orders_pipeline.pipeline import Session

#: A probe names this many places; the rest are counted.
LISTED = 20


def examine(scene: Scene, probes: Sequence[Probe] | None = None) -> Report:
    """Make every probe once. The scene's connections stay open for the caller to close."""
    asked = [p for p in (load_probes() if probes is None else probes) if p.name != FAILED]
    failed = next(p for p in load_probes() if p.name == FAILED)
    findings: list[Finding] = []
    left_out: dict[str, str] = {}
    for one in asked:
        try:
            findings += _findings(one, scene)
        except Unavailable as error:
            left_out[one.name] = str(error)
        except Exception as error:
            # Whatever it is, the others are made: the failure is named, and is a finding like any other.
            last = traceback.extract_tb(error.__traceback__)[-1]
            values = {"kind": type(error).__name__, "file": Path(last.filename).name, "line": last.lineno}
            findings.append(_finding(failed, Fact(one.name, values)))
    findings.sort(key=lambda f: (-SEVERITIES.index(f.severity), f.area, f.probe, f.place))
    return Report(scene.as_of, len(asked), tuple(findings), left_out)


def checkup(home: Home, as_of: datetime) -> Report:
    """Look at a home without changing anything in it. Raises Usage when there is none."""
    if not home.root.is_dir():
        raise Usage(f"there is no home {home.root}; give one with --home")
    scene = Scene(home, as_of)
    try:
        return examine(scene)
    finally:
        scene.close()


def record(home: Home, as_of: datetime) -> Report:
    """Look at a home and keep what was found; errors raise alerts, and alerts go out."""
    from orders_pipeline import pipeline

    if not home.warehouse.exists():
        raise Usage(f"{home.root} has no warehouse yet: look without --record, or start with `orders-pipeline run`")
    with pipeline.session(home, as_of) as now:
        return record_in(now)


def record_in(now: Session) -> Report:
    """The same in a run that has the warehouse open already."""
    from orders_pipeline.alerts.book import look
    from orders_pipeline.alerts.delivery import deliver, read_targets
    from orders_pipeline.alerts.rules import load_rules
    from orders_pipeline.checkup import book

    scene = Scene(now.home, now.as_of, connection=now.connection)
    try:
        report = examine(scene)
    finally:
        scene.close()
    book.record(now.connection, report)
    look(now.connection, now.as_of, now.settings, [rule for rule in load_rules() if rule.name == book.RULE])
    now.undelivered = deliver(now.connection, now.home, read_targets(now.settings.alerts))
    return report


def _findings(probe: Probe, scene: Scene) -> list[Finding]:
    facts = sorted(probe.look(scene) if probe.look else _rows(probe, scene), key=lambda f: f.place)
    shown = facts if len(facts) <= LISTED else facts[: LISTED - 1]
    found = [_finding(probe, one) for one in shown]
    if len(facts) > len(shown):
        rest = len(facts) - len(shown)
        worst = max((f.severity or probe.severity for f in facts[len(shown) :]), key=SEVERITIES.index)
        more = {"found": f"{rest} more of the same", "found_zh": f"另有 {rest} 处相同问题", "severity": worst}
        found.append(Finding(**{**asdict(found[0]), **more, "place": f"and {rest} more"}))
    return found


def _finding(probe: Probe, one: Fact) -> Finding:
    values = {"place": one.place, **one.values}
    texts = {
        part + suffix: probe.texts[part][language].format_map(values)
        for part in ("found", "why", "fix")
        for language, suffix in (("en", ""), ("zh", "_zh"))
    }
    return Finding(probe.name, probe.area, one.severity or probe.severity, one.place, **texts)


def _rows(probe: Probe, scene: Scene) -> Iterable[Fact]:
    scene.need(*probe.tables)
    statement = sql.render(sql.bind(probe.sql, scene.as_of, scene.settings.thresholds, {}))
    found = scene.warehouse.execute(statement)
    names = [d[0] for d in found.description]
    for row in found.fetchall():
        values = dict(zip(names, row, strict=True))
        yield Fact(str(values.pop("place")), values, values.pop("severity", None))


# ---- for people


def text(report: Report, language: str = "en") -> str:
    """The report as lines for a terminal, the worst first."""
    zh = language == "zh"
    words = ("原因", "处理") if zh else ("why", "fix")
    suffix = "_zh" if zh else ""
    lines = []
    for f in report.findings:
        lines.append(f"{f.severity.upper():5}  {f.probe}  {f.place}")
        for word, part in zip(("", *words), ("found", "why", "fix"), strict=True):
            lines.append(f"       {word + ': ' if word else ''}{getattr(f, part + suffix)}")
        lines.append("")
    counts = [(sum(f.severity == s for f in report.findings), s) for s in reversed(SEVERITIES)]
    told = ", ".join(f"{count} {severity}" for count, severity in counts)
    lines.append(f"{report.probes} 项检查：{told}" if zh else f"{report.probes} probes: {told}")
    for why in sorted(set(report.left_out.values())):
        names = ", ".join(name for name, reason in report.left_out.items() if reason == why)
        lines.append(f"未检查（{why}）：{names}" if zh else f"not looked at ({why}): {names}")
    return "\n".join(lines)
