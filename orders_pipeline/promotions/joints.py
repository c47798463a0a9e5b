"""Which promotions can only be looked at together: those that overlap, and those that overlap with these."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def group(rows: pa.Table) -> pa.Table:
    """Every promotion that overlaps another one, with the joint it belongs to and its number there.

    Takes both directions of every overlapping pair. A joint carries the guid of its first member, and members are numbered by
    their id: nothing depends on the order of the rows.
    """
    import pyarrow as pa

    guids, first = {}, {}
    pairs = rows.to_pylist()
    for pair in pairs:
        guids[pair["promotion_id"]] = pair["joint_guid"]
        first[pair["promotion_id"]] = pair["promotion_id"]

    def root(name: str) -> str:
        while first[name] != name:
            first[name] = first[first[name]]
            name = first[name]
        return name

    for pair in pairs:
        low, high = sorted((root(pair["promotion_id"]), root(pair["other_id"])))
        first[high] = low
    members: dict[str, list[str]] = {}
    for name in sorted(first):
        members.setdefault(root(name), []).append(name)
    made = [
        {"promotion_id": name, "joint_guid": guids[joint], "member_no": number}
        for joint, names in members.items()
        for number, name in enumerate(names)
    ]
    kinds = [("promotion_id", pa.string()), ("joint_guid", pa.string()), ("member_no", pa.int32())]
    return pa.Table.from_pylist(made, schema=pa.schema(kinds))
