"""Rows that carry several amounts: each amount becomes a movement of its own kind, and together they must make the row's net.

A block of a source may say

    parts:
      net: settled                      # a column, or a rule: what the amounts have to add up to, where the row states it
      of: {receipt: [paid, freight], fee: [commission, service_fee]}
      either_sign: [[commission]]       # groups of columns whose sign differs from file to file: the row's net tells which it is

The block then stands for one block per amount that is not zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def blocks_of(block: Mapping[str, Any], columns: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Any]]:
    """The block itself, or one per amount: the same fields with a payment number, kind and description of the amount's own."""
    parts = block.get("parts")
    if parts is None:
        yield block
        return
    handles = [h for listed in parts["of"].values() for h in listed]
    net = parts.get("net")
    net = {"from": net} if isinstance(net, str) else net
    together = {"net": net, "of": handles, "either_sign": [list(g) for g in parts.get("either_sign", ())]}
    where = block.get("where") or {}
    for kind, listed in parts["of"].items():
        for handle in listed:
            fields = dict(block["fields"])
            number = fields["payment_id"]
            fields["payment_id"] = {**(number if isinstance(number, dict) else {"from": number}), "suffix": f"-{handle}"}
            fields["kind"] = {"value": kind}
            fields["amount"] = {"from": handle, "parts": together}
            if "description" not in fields:
                fields["description"] = {"value": columns[handle][0]}
            also = where.get("nonzero", ())
            yield {
                **{k: v for k, v in block.items() if k != "parts"},
                "fields": fields,
                "where": {**where, "nonzero": [*([also] if isinstance(also, str) else also), handle]},
            }
