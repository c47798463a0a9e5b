"""What a rule of a source reads: the columns it names, in whichever of its places.

A rule makes one standard field of a file's columns. Columns go by their handles, the source's own names for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Operators whose value names the columns they work on.
OPERATORS = ("from", "sum", "less", "difference", "product", "concat", "credit", "debit", "negate", "absolute", "negative")


def spelled_out(rule: Any) -> Mapping[str, Any]:
    """A rule as a mapping, as is the one it falls back on: a bare name is the column of that name."""
    if not isinstance(rule, dict):
        return {"from": rule}
    return {**rule, "otherwise": spelled_out(rule["otherwise"])} if "otherwise" in rule else rule


def operands(rule: Mapping[str, Any]) -> list[str]:
    """The handles a rule makes its value of, in order."""
    found: list[str] = []
    for key in OPERATORS:
        given = rule.get(key)
        if given is not None:
            found += [given] if isinstance(given, str) else [g for g in given if isinstance(g, str)]
    return found


def rule_handles(rule: Mapping[str, Any]) -> list[str]:
    """Every column handle a rule reads: its operands, those its conditions look at, and those of what it falls back on."""
    handles = own_handles(rule)
    handles += condition_handles(rule.get("when") or {})
    handles += rule.get("needs", ())
    if "otherwise" in rule:
        handles += rule_handles(rule["otherwise"])
    return handles


def own_handles(rule: Mapping[str, Any]) -> list[str]:
    """The column handles that a rule's value is made of."""
    handles = operands(rule)
    handles += condition_handles((rule.get("sign") or {}).get("minus") or {})
    for case in rule.get("first_match", ()):
        handles += condition_handles(case.get("when") or {})
        if "from" in case:
            handles.append(case["from"])
    if "parts" in rule:
        handles += [h for h in (*rule["parts"]["of"], *rule_handles(rule["parts"]["net"] or {})) if h not in handles]
    return handles


def condition_handles(wanted: Mapping[str, Any]) -> list[str]:
    """Every column handle a condition looks at."""
    handles: list[str] = []
    for key, value in wanted.items():
        if key == "not":
            for denied in [value] if isinstance(value, Mapping) else value:
                handles += condition_handles(denied)
        elif key == "matches":
            handles += list(value)
        elif key in ("present", "absent", "nonzero", "some_nonzero"):
            handles += [value] if isinstance(value, str) else list(value)
        else:
            handles.append(key)
    return handles
