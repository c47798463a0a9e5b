"""`tables.yml` of each room: what every table is, who owns it, and which of its columns leave the house.

order_lines:
  title: {en: Order lines, zh: 订单明细}
  owner: operations
  public: true
  columns: [order_guid, line_no, sub_order_id]     # each described by the dictionary's field of that name
  describe: {line_no: {en: ..., zh: ...}}          # only for columns the dictionary does not know
  private: [contact_hash]                          # never published
  caveats: one sentence a user must know
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from orders_pipeline.dictionary.model import read_yaml

ROOMS = Path(__file__).parents[1]


@dataclass(frozen=True)
class TableSpec:
    """One table as `tables.yml` describes it. `columns` are the public ones, in order."""

    name: str
    title: Mapping[str, str]
    owner: str
    public: bool
    columns: tuple[str, ...]
    private: tuple[str, ...] = ()
    describe: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    caveats: str = ""

    @property
    def room(self) -> str:
        return self.name.split(".")[0]

    @property
    def table(self) -> str:
        return self.name.split(".")[1]


@cache
def load_tables(rooms: Path = ROOMS) -> Mapping[str, TableSpec]:
    """Every described table by name."""
    found = {}
    for path in sorted(rooms.glob("*/tables.yml")):
        for table, spec in read_yaml(path).items():
            name = f"{path.parent.name}.{table}"
            found[name] = TableSpec(
                name,
                spec["title"],
                spec["owner"],
                bool(spec.get("public", True)),
                tuple(spec["columns"]),
                tuple(spec.get("private", ())),
                spec.get("describe", {}),
                spec.get("caveats", ""),
            )
    return found
