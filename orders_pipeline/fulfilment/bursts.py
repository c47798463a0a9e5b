"""How many cancellations an hour usually has, and when there are more than chance explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def expected(rows: pa.Table) -> pa.Table:
    """Usual count, interval and verdict of each hour.

    `history_count` cancellations fell on this hour of the day during the `day_count` days before. Counts are taken as
    Poisson; their square root (Anscombe 1948: of the count plus 3/8) has a variance of 1/4 whatever the mean, so the next
    count lies within sqrt(mean + 3/8) -+ deviation / 2 * sqrt(1 + 1 / days), squared. Without a single day of history
    nothing can be said: the interval is empty and there is no burst.
    """
    import numpy as np
    import pyarrow as pa

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).to_numpy(zero_copy_only=False).astype(float)

    counts, days, deviation = numbers("cancelled_count"), numbers("day_count"), numbers("deviation")
    known = days > 0
    safe = np.where(known, days, 1.0)
    usual = numbers("history_count") / safe
    centre, width = np.sqrt(usual + 0.375), deviation / 2 * np.sqrt(1 + 1 / safe)
    low = np.maximum(0.0, np.maximum(0.0, centre - width) ** 2 - 0.375)
    high = (centre + width) ** 2 - 0.375
    burst = known & (counts > high) & (counts >= numbers("min_count"))
    blank = pa.array(~known)
    made = {name: rows.column(name) for name in ("channel", "hour_at", "hour_local", "cancelled_count", "day_count")}
    for name, values in (("usual_count", usual), ("interval_low", low), ("interval_high", high)):
        made[name] = pa.array(np.round(values, 6), mask=blank.to_numpy(zero_copy_only=False))
    return pa.table({**made, "is_burst": pa.array(burst)})
