"""The figures of mutation runs as a page, with what survived and why that may be."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

#: Faults that change nothing anybody can see, with the reason: [{rule, fault, why}].
EXPLAINED = Path(__file__).with_name("explained.yml")

HEAD = """# Faults the tests notice

Made by `python -m orders_pipeline_tests.mutation --collect`. Small faults are put into the rules of matching, sharing out and revenue, one at a time; a fault is
killed when a test fails: the given/expect cases of its table, or a scenario replayed on recorded runs. Of each rule a seeded sample of its faults is tried; those that
make no valid statement do not count. What survives is explained here, or a test is missing.
"""


def explanations() -> dict[tuple[str, str], str]:
    """(rule, fault) -> why it changes nothing."""
    entries = yaml.safe_load(EXPLAINED.read_text(encoding="utf-8")) or []
    return {(one["rule"], one["fault"]): one["why"] for one in entries}


def verdicts_of(logs: Iterable[Path]) -> list[dict[str, Any]]:
    """The verdicts in what runs have printed; of a rule that several runs have tried, those of the last one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for log in logs:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        by_rule: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in lines:
            by_rule[one["rule"]].append(one)
        found |= by_rule
    return [one for rule in found.values() for one in rule]


def page(verdicts: Sequence[Mapping[str, Any]], known: Mapping[tuple[str, str], str]) -> str:
    """The whole page."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sizes: dict[str, int] = {}
    explained: dict[tuple[str, str], int] = Counter()
    open_ones: list[tuple[str, str]] = []
    for one in verdicts:
        how, key = one["how"], (one["rule"], one["what"])
        if how in ("survived", "explained"):
            how = "explained" if key in known else "survived"
            explained.update([key] if how == "explained" else [])
            open_ones += [key] if how == "survived" else []
        counts[one["subject"], one["rule"]][how] += 1
        sizes[one["rule"]] = one["of"]
    rows = []
    for subject in dict.fromkeys(subject for subject, _ in counts):
        rules = {rule: n for (of, rule), n in counts.items() if of == subject}
        rows += [_row(subject, f"`{rule}`", sizes[rule], n) for rule, n in rules.items()]
        rows.append(_row(f"**{subject}**", "**together**", sum(sizes[r] for r in rules), sum(rules.values(), Counter())))
    table = "| subject | rule | faults there are | tried | killed | survived, explained | survived | killed |\n" + "| --- " * 8 + "|\n"
    parts = [HEAD, table + "\n".join(rows) + "\n", "## Explained\n"]
    parts.append("| rule | fault | why nobody can see it |\n| --- | --- | --- |\n" + "\n".join(
        f"| `{rule}` | {_cell(fault)} | {_cell(known[rule, fault])} |" for rule, fault in sorted(explained)
    ) + "\n")  # fmt: skip
    if open_ones:
        parts.append("## Not explained\n")
        parts.append("\n".join(f"- `{rule}`: {_cell(fault)}" for rule, fault in sorted(open_ones)) + "\n")
    return "\n".join(parts)


def _row(subject: str, rule: str, size: int, n: Mapping[str, int]) -> str:
    tried = n["killed"] + n["explained"] + n["survived"]
    share = n["killed"] / max(1, tried)
    return f"| {subject} | {rule} | {size} | {tried} | {n['killed']} | {n['explained']} | {n['survived']} | {share:.1%} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
