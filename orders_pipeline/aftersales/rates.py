"""Return rates with their uncertainty: a rate of three pieces sold says little, and must not look like one of three thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Two-sided 95 %.
Z = 1.959963984540054


def wilson(hits: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of the Wilson score interval (E. B. Wilson, 1927) of hits in trials; NaN without trials."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        # More may come back in a month than was sold in it: the share of a population is 1 at most.
        share = np.minimum(hits / trials, 1.0)
        middle = (share + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
        half = Z / (1 + Z**2 / trials) * np.sqrt(share * (1 - share) / trials + Z**2 / (4 * trials**2))
    known = trials > 0
    return np.where(known, np.maximum(middle - half, 0.0), np.nan), np.where(known, np.minimum(middle + half, 1.0), np.nan)


def with_intervals(rows: pa.Table) -> pa.Table:
    """Ratios, intervals and the change from the month before; changed means that the two intervals do not overlap."""
    import numpy as np
    import pyarrow as pa

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.float64()).to_numpy()

    def optional(values: np.ndarray) -> pa.Array:
        return pa.array(np.round(values, 6), mask=np.isnan(values))

    hits, trials = numbers("returned_qty"), numbers("sold_qty")
    hits_before, trials_before = numbers("previous_returned_qty"), numbers("previous_sold_qty")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(trials > 0, hits / trials, np.nan)
        before = np.where(trials_before > 0, hits_before / trials_before, np.nan)
    low, high = wilson(hits, trials)
    low_before, high_before = wilson(hits_before, trials_before)
    return pa.table(
        {
            **{name: rows.column(name) for name in ("month", "sku", "reason", "returned_qty", "sold_qty")},
            "return_ratio": optional(ratio),
            "interval_low": optional(low),
            "interval_high": optional(high),
            "previous_ratio": optional(before),
            "change_ratio": optional(ratio - before),
            # A comparison with NaN is false: nothing is said about a month without sales.
            "is_changed": pa.array((low > high_before) | (high < low_before)),
        }
    )
