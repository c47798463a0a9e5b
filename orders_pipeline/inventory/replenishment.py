"""Safety stock, reorder point and suggested quantity: the function of the model `inventory.replenishment`.

The textbook (s, S) policy of continuous review with normally distributed demand (Silver, Pyke, Thomas: Inventory and Production
Management in Supply Chains, chapter 6), all quantities in pieces, all times in days:

    deviation      s = sqrt((sum of squares - sum^2 / n) / (n - 1))       of a day's demand over n full days
    safety stock   z(service level) * s * sqrt(lead time), rounded up;    or what the warehouse states
    reorder point  mean * lead time + safety stock, rounded up
    target         reorder point + mean * cover days
    suggestion     target - position, where the position is not above the reorder point; least order and whole multiples kept

The service level is the share of order cycles without a shortage; z is the quantile of the normal distribution.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: A figure this close to a whole piece is that piece: binary fractions of thousandths add up to a little more or less.
_TOLERANCE = 1e-6


def plan(rows: pa.Table) -> pa.Table:
    """The table of the rows; column by column, however many there are."""
    import numpy as np
    import pyarrow as pa

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)

    history, total, squares = numbers("history_days"), numbers("demand_qty"), numbers("demand_squares")
    lead, position, given = numbers("lead_time_days"), numbers("position_qty"), numbers("safety_stock_qty")
    mean = np.divide(total, history, out=np.zeros_like(total), where=history > 0)
    variance = np.divide(squares - total * mean, history - 1, out=np.zeros_like(total), where=history > 1)
    deviation = np.sqrt(np.maximum(variance, 0))
    quantile = _quantile(rows)
    is_given = ~np.isnan(given)
    safety = np.where(is_given, given, _up(np.maximum(0, quantile * deviation * np.sqrt(lead))))
    reorder = _up(mean * lead + safety)
    target = reorder + _up(mean * numbers("cover_days"))
    is_due = (position <= reorder) & ((reorder > 0) | (position < 0))
    suggested = np.where(is_due, _ordered(target - position, numbers("min_order_qty"), numbers("order_multiple_qty")), 0)
    reason = np.select(
        [is_due & (position < 0), is_due, total > 0],
        ["oversold", "below_reorder_point", "enough"],
        default="no_demand",
    )
    kept = ("sku_guid", "owner", "sku", "warehouse_id", "atp_qty", "position_qty", "next_change_at")
    made: dict[str, Any] = {name: rows.column(name) for name in kept} | {
        "daily_demand_qty": mean,
        "demand_deviation_qty": deviation,
        "history_days": rows.column("history_days"),
        "lead_time_days": rows.column("lead_time_days"),
        "safety_stock_qty": safety,
        "is_safety_given": is_given,
        "reorder_point_qty": reorder,
        "target_qty": target,
        "suggested_qty": suggested,
        "reason": pa.array(reason.tolist(), pa.string()),
    }
    return pa.table(made)


def _quantile(rows: pa.Table) -> float:
    """z of the service level: of a share of cycles without a shortage, how many deviations above the mean."""
    if not rows.num_rows:
        return 0.0
    level = float(rows.column("service_level_ratio")[0].as_py())
    return NormalDist().inv_cdf(min(max(level, 0.000001), 0.999999))


def _up(quantity: np.ndarray) -> np.ndarray:
    """Whole pieces, upwards."""
    import numpy as np

    return np.ceil(quantity - _TOLERANCE)


def _ordered(missing: np.ndarray, least: np.ndarray, multiple: np.ndarray) -> np.ndarray:
    """What is missing as it can be ordered; NaN: nobody states a least order or a multiple."""
    import numpy as np

    quantity = np.maximum(_up(missing), np.nan_to_num(least, nan=0.0))
    step = np.where(np.isnan(multiple) | (multiple <= 0), 1.0, multiple)
    return np.ceil(quantity / step - _TOLERANCE) * step
