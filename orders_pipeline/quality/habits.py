"""What a volume or a rate usually is on a weekday, and between which bounds chance keeps the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = ("day", "metric", "channel", "sample_count")


def compared(rows: pa.Table) -> pa.Table:
    """Usual value, interval and verdict of each day.

    The next value of n like it has a standard error of s * sqrt(1 + 1/n) around their mean. s is the spread of the n values, but
    never less than chance alone gives: the root of the mean for a count (Poisson), sqrt(p (1 - p) / checked) for a rate
    (binomial; p is drawn half a case towards one half, so that a history without a single fault still allows for one). Bounds end
    at 0, those of a rate at 1. With fewer than `min_samples` weeks nothing can be said: no interval, no anomaly.
    """
    import numpy as np
    import pyarrow as pa

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)

    value, count, deviation = numbers("value"), numbers("sample_count"), numbers("deviation")
    is_rate = np.array(rows.column("kind").to_pylist(), dtype=object) == "rate"
    known = count >= np.maximum(2.0, numbers("min_samples"))
    n = np.where(known, count, 2.0)
    passed, checked = numbers("history_passed_count"), np.maximum(1.0, numbers("history_checked_count"))
    usual = np.where(is_rate, passed / checked, numbers("value_sum") / n)
    mean = numbers("value_sum") / n
    spread = np.sqrt(np.maximum(0.0, numbers("square_sum") - n * mean**2) / (n - 1))
    share = np.minimum(1.0, (passed + 0.5) / (checked + 1))
    chance = np.where(
        is_rate, np.sqrt(share * (1 - share) / np.maximum(1.0, numbers("checked_count"))), np.sqrt(np.maximum(usual, 1.0))
    )
    width = deviation * np.maximum(spread, chance) * np.sqrt(1 + 1 / n)
    low = np.round(np.maximum(0.0, usual - width), 6)
    high = np.round(np.where(is_rate, np.minimum(1.0, usual + width), usual + width), 6)
    blank = ~known
    made = {name: rows.column(name) for name in _KEPT}
    made["value"] = pa.array(np.round(value, 6))
    for name, found in (("usual_value", np.round(usual, 6)), ("interval_low", low), ("interval_high", high)):
        made[name] = pa.array(found, mask=blank)
    made["is_anomaly"] = pa.array(known & ((np.round(value, 6) < low) | (np.round(value, 6) > high)))
    return pa.table(made)
