"""`alerts.yml` of each room: what somebody must hear of.

    order_difference:
      severity: warn                # info | warn | critical
      entity: order                 # what an alert is about: one alert per rule and entity, until it clears
      title: {en: Order differs, zh: 订单有差异}
      sql: |
        SELECT order_guid AS entity_id, channel, 'due 10, paid 9' AS message, '应收10 实收9' AS message_zh FROM ...
      pace: later                   # optional: not asked in the run of a file but soon after, with the tables made later

The SELECT returns what stands now: a row for each entity, none when all is well. `as_of()` and `threshold('name')` may be used.
Messages are for people of the trade and go to chat groups: numbers of orders and files, never anything about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.statements import tables_in

ROOMS = Path(__file__).parents[1]
SEVERITIES = ("info", "warn", "critical")
#: The pace of a rule that the run of a file does not ask.
LATER = "later"


@dataclass(frozen=True)
class Rule:
    """One kind of alert. `sql` selects entity_id, channel, message, message_zh of all that stands now; `later`: not asked in the
    run of a file."""

    name: str
    severity: str
    entity: str
    title: Mapping[str, str]
    sql: str
    later: bool = False

    @property
    def tables(self) -> frozenset[str]:
        return tables_in(self.sql)


@cache
def load_rules(rooms: Path = ROOMS) -> tuple[Rule, ...]:
    """Every rule of every room, by name. Raises Usage for one that is incomplete, or a name used twice."""
    found: dict[str, Rule] = {}
    for path in sorted(rooms.glob("*/alerts.yml")):
        for name, spec in (read_yaml(path) or {}).items():
            if spec.get("severity") not in SEVERITIES or not spec.get("entity") or not {"en", "zh"} <= set(spec.get("title", ())):
                raise Usage(f"{path}: {name} needs severity ({', '.join(SEVERITIES)}), entity and title (en, zh)")
            if spec.get("pace", LATER) != LATER:
                raise Usage(f"{path}: {name} has `pace: {spec['pace']}`; it may say `{LATER}`, or nothing")
            if name in found:
                raise Usage(f"{path}: {name} is the name of another room's rule")
            found[name] = Rule(name, spec["severity"], spec["entity"], spec["title"], spec["sql"], "pace" in spec)
    return tuple(found.values())
