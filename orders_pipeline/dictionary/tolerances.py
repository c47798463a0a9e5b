"""Tolerances of the three-way match that a home states for one channel, in the section [matching.CHANNEL] of its settings.toml.

    [matching.douyin]
    amount = 0.10         money, either way; `over_amount` (paid too much) and `under_amount` (too little) go before it
    ratio = 0.001         fraction of the amount due, either way; `over_ratio` and `under_ratio` go before it
    qty = 1               pieces, either way

What a channel does not state is ruled by the thresholds `match_tolerance_*`. A channel that is not registered is `default`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from orders_pipeline.kernel.faults import Usage

TOLERANCES_DDL = (
    "channel VARCHAR, over_amount DECIMAL(18, 4), under_amount DECIMAL(18, 4), over_ratio DECIMAL(9, 6), "
    "under_ratio DECIMAL(9, 6), qty DECIMAL(18, 3)"
)
_KEYS = ("amount", "over_amount", "under_amount", "ratio", "over_ratio", "under_ratio", "qty")

Row = tuple[str, Decimal | None, Decimal | None, Decimal | None, Decimal | None, Decimal | None]


def tolerance_rows(channels: Sequence[str], matching: Mapping[str, Any]) -> list[Row]:
    """Rows of ref.match_tolerances, of the channels that state something; raises Usage naming the entry."""
    return [_row(channel, channels, stated) for channel, stated in sorted(matching.items())]


def _row(channel: str, channels: Sequence[str], stated: Any) -> Row:
    where = f"settings.toml: [matching.{channel}]"
    if channel not in channels:
        raise Usage(f"{where}: there is no channel '{channel}'; one of {', '.join(channels)}")
    if not isinstance(stated, Mapping):
        raise Usage(f"{where}: a section with some of {', '.join(_KEYS)}")
    values: dict[str, Decimal] = {}
    for key, value in stated.items():
        if key not in _KEYS:
            raise Usage(f"{where}: '{key}' is no tolerance; one of {', '.join(_KEYS)}")
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite() or value < 0:
            raise Usage(f"{where}: {key} is '{value}'; a number from 0 on")
        if key.endswith("ratio") and value > 1:
            raise Usage(f"{where}: {key} is {value}; a fraction from 0 to 1, as 0.005 for half a percent")
        values[key] = Decimal(value)
    amount, ratio = values.get("amount"), values.get("ratio")
    return (
        channel,
        values.get("over_amount", amount),
        values.get("under_amount", amount),
        values.get("over_ratio", ratio),
        values.get("under_ratio", ratio),
        values.get("qty"),
    )
