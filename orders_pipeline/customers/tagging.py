"""From what counts to tags: each definition applied to every day on which something changed, the days joined into stretches.

A row of the input is one customer, one tag, and what counted from `point_on` until his next row (the last one: until today).
The rules below are those of `customer_tags.yml`; they see whole columns at once and know nothing of days. Holding days with fewer
than `off_after_days` failing days between them are one stretch: `since_on` is where the latest begins, and the tag stands until
it has failed that long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_pipeline.aftersales.rates import wilson

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Rounding of floating point figures, so that every engine writes the same digits.
DIGITS = 6


@dataclass
class Counted:
    """Columns of the input rows of one tag, as floats; see `tags.sql` and `tag_evidence.sql` for what is counted."""

    sample: np.ndarray
    hits: np.ndarray
    base: np.ndarray
    expected: np.ndarray
    variety: np.ndarray
    bar: np.ndarray
    age_days: np.ndarray
    sample_min: np.ndarray
    limit_value: np.ndarray
    hits_min: np.ndarray
    variety_min: np.ndarray
    factor: np.ndarray
    confirm_value: np.ndarray


@dataclass
class Finding:
    """What a rule says of each row: the figure, what it is held against, whether the rule holds, its interval (NaN: none).

    `unsure`: it holds, but too little is known to confirm it. `barred`: not even to be kept up from the days before.
    """

    value: np.ndarray
    threshold: np.ndarray
    holds: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    unsure: np.ndarray | None = None
    barred: np.ndarray | None = None


def _part(hits: np.ndarray, whole: np.ndarray) -> np.ndarray:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, hits / whole, np.nan)


def high_potential(c: Counted) -> Finding:
    """Basket by the median basket of the peers, strictly above the limit."""
    value = _part(_part(c.base, c.sample), c.bar)
    return Finding(value, c.limit_value, value > c.limit_value)


def price_sensitive(c: Counted) -> Finding:
    """Share of orders with a coupon, strictly above the limit, and not one order at the full price (counted in `base`)."""
    value, (low, high) = _part(c.hits, c.sample), wilson(c.hits, c.sample)
    return Finding(
        value,
        c.limit_value,
        (value > c.limit_value) & (c.base == 0),
        low,
        high,
        unsure=~(low > c.confirm_value),
        # One order at the full price ends it at once: a customer is never both this and loyal to full prices.
        barred=c.base > 0,
    )


def frequent_canceller(c: Counted) -> Finding:
    """Share of orders the customer cancelled: enough of them, above the limit, and surely above the channel's rate (`bar`)."""
    value, (low, high) = _part(c.hits, c.sample), wilson(c.hits, c.sample)
    return Finding(value, c.limit_value, (c.hits >= c.hits_min) & (value > c.limit_value) & (low > c.bar), low, high)


def repeated_modifier(c: Counted) -> Finding:
    """Orders changed again and again, at least so many."""
    low, high = wilson(c.hits, c.sample)
    return Finding(c.hits, c.hits_min, c.hits >= c.hits_min, low, high)


def rfm_champion(c: Counted) -> Finding:
    """An order lately (`hits`), orders (`factor`) and money (`bar`) from the upper scores on; the money is the figure shown."""
    return Finding(c.base, c.bar, (c.hits > 0) & (c.sample >= c.factor) & (c.base >= c.bar))


def at_risk_high_value(c: Counted) -> Finding:
    """Money from the upper scores on, and longer away than his limit (`factor`): then `hits` is 1."""
    return Finding(c.age_days, c.factor, (c.hits > 0) & (c.base >= c.bar))


def by_dates(c: Counted) -> Finding:
    """New and dormant: the evidence is there on exactly the days on which the tag holds."""
    return Finding(c.age_days, c.limit_value, c.sample > 0)


def high_returner(c: Counted) -> Finding:
    """Share of delivered pieces that came back, surely above what is usual for their categories; enough returns (`variety`)."""
    value, (low, high) = _part(c.hits, c.sample), wilson(c.hits, c.sample)
    usual = _part(c.expected, c.sample)
    return Finding(value, usual, (c.variety >= c.variety_min) & (low > usual), low, high)


def promo_hunter(c: Counted) -> Finding:
    """Share of money spent in promotions, at least the limit and a multiple of what the days of promotions explain."""
    value, usual = _part(c.hits, c.base), _part(c.expected, c.base)
    holds = (value >= c.limit_value) & (value >= c.factor * usual) & (c.variety >= c.variety_min) & (c.hits > 0)
    return Finding(value, c.limit_value, holds)


def full_price_loyal(c: Counted) -> Finding:
    """Share of lines at the full price, at least the limit, and at least one order wholly so (`variety`)."""
    value, (low, high) = _part(c.hits, c.base), wilson(c.hits, c.base)
    return Finding(value, c.limit_value, (value >= c.limit_value) & (c.variety > 0), low, high)


def bulk_or_reseller(c: Counted) -> Finding:
    """Orders with an unusual quantity, or different addresses (`variety`): the one that holds is the figure shown."""
    import numpy as np

    many = c.variety >= c.variety_min
    large = c.hits >= c.hits_min
    by_address = many & ~large
    return Finding(np.where(by_address, c.variety, c.hits), np.where(by_address, c.variety_min, c.hits_min), many | large)


RULES: dict[str, Callable[[Counted], Finding]] = {
    "high_potential": high_potential,
    "price_sensitive": price_sensitive,
    "frequent_canceller": frequent_canceller,
    "repeated_modifier": repeated_modifier,
    "rfm_champion": rfm_champion,
    "at_risk_high_value": at_risk_high_value,
    "new_customer": by_dates,
    "dormant": by_dates,
    "high_returner": high_returner,
    "promo_hunter": promo_hunter,
    "full_price_loyal": full_price_loyal,
    "bulk_or_reseller": bulk_or_reseller,
}
#: Tags whose figure is held against the length of their window: it has no limit of its own.
_BY_WINDOW = ("new_customer", "dormant")


def judge(rows: pa.Table) -> pa.Table:
    """The tags of every customer, of the rows `tags.sql` gives; the order of the rows does not matter."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # A number for each customer: comparing long texts row by row would cost more than all the rest.
    encoded = rows.column("customer_id").dictionary_encode().combine_chunks()
    numbered = rows.drop_columns(["customer_id"]).append_column("customer", encoded.indices)
    return pa.concat_tables(
        [_judged(tag, numbered.filter(pc.equal(numbered.column("tag"), tag)), encoded.dictionary) for tag in RULES]
    )


def _judged(tag: str, rows: pa.Table, names: pa.Array) -> pa.Table:
    """The same of one tag; `names` are the customers that the column `customer` counts from 0."""
    import numpy as np
    import pyarrow as pa

    rows = rows.sort_by([("customer", "ascending"), ("point_on", "ascending")])

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)

    def days(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False).astype(np.int64)

    counted = Counted(**{name: numbers(name) for name in Counted.__annotations__})
    window, off_after = (numbers(name).astype(np.int64) for name in ("window_days", "off_after_days"))
    as_on, point_on = days("as_on"), days("point_on")
    if tag in _BY_WINDOW:
        counted.limit_value = window.astype(float)
    finding = RULES[tag](counted)
    # A comparison with NaN is false: without a bar, or with too few orders, no rule holds.
    enough = (counted.sample >= np.nan_to_num(counted.sample_min, nan=0.0)) & ~np.isnan(counted.bar)
    holds = finding.holds & enough

    customers = numbers("customer").astype(np.int64)
    count = len(customers)
    last = np.ones(count, dtype=bool)
    last[:-1] = customers[1:] != customers[:-1]
    until_on = np.where(last, as_on + 1, np.append(point_on[1:], 0))
    since_on, failing_days = _stretches(customers, point_on, until_on, holds, off_after, as_on)

    since_on, failing_days = since_on[last], failing_days[last]
    barred = np.zeros(count, dtype=bool) if finding.barred is None else finding.barred
    stands = (failing_days < off_after[last]) & ~barred[last]
    unsure = np.zeros(count, dtype=bool) if finding.unsure is None else finding.unsure
    short = ~enough[last] & (counted.sample[last] > 0)
    status = np.where(stands, np.where(unsure[last], "provisional", "on"), np.where(short, "insufficient", ""))

    kept = status != ""
    rest = rows.filter(pa.array(last)).filter(pa.array(kept))
    stands = stands[kept]

    def shown(values: np.ndarray | None) -> pa.Array:
        if values is None:
            return pa.nulls(int(kept.sum()), pa.float64())
        chosen = np.round(values[last][kept].astype(float), DIGITS)
        return pa.array(chosen, mask=np.isnan(chosen))

    as_days = (as_on - window + 1)[last][kept]
    return pa.table(
        {
            "customer_id": names.take(rest.column("customer").combine_chunks()),
            "tag": rest.column("tag"),
            "status": pa.array(status[kept], pa.string()),
            "value": shown(finding.value),
            "threshold": shown(finding.threshold),
            "sample_count": pa.array(np.round(counted.sample[last][kept]).astype(np.int64)),
            "interval_low": shown(finding.low),
            "interval_high": shown(finding.high),
            "since_on": pa.array(since_on[kept].astype(np.int32), mask=~stands).cast(pa.date32()),
            "is_met": pa.array(holds[last][kept]),
            "window_from_on": pa.array(as_days.astype(np.int32)).cast(pa.date32()),
            "as_on": rest.column("as_on").cast(pa.date32()),
            "rule_version": rest.column("rule_version").cast(pa.int32()),
        }
    )


def _stretches(
    customers: np.ndarray, point_on: np.ndarray, until_on: np.ndarray, holds: np.ndarray, off_after: np.ndarray, as_on: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each row: where the latest stretch up to it begins, and how many days the rule has failed today since it last held.

    Both count only on a customer's last row. One who never met the rule has failed for ever.
    """
    import numpy as np

    never = np.iinfo(np.int32).max
    count = len(customers)
    since, failing = np.zeros(count, dtype=np.int64), np.full(count, never, dtype=np.int64)
    held = np.flatnonzero(holds)
    if not len(held):
        return since, failing
    who, starts, ends = customers[held], point_on[held], until_on[held]
    begins = np.ones(len(held), dtype=bool)
    begins[1:] = (who[1:] != who[:-1]) | (starts[1:] - ends[:-1] >= off_after[held][1:])
    start_of = starts[np.flatnonzero(begins)][np.cumsum(begins) - 1]
    # The latest holding row at or before each row, if it is of the same customer.
    latest = np.searchsorted(held, np.arange(count), side="right") - 1
    known = (latest >= 0) & (who[np.maximum(latest, 0)] == customers)
    since[known] = start_of[latest[known]]
    failing[known] = (as_on + 1 - ends[np.maximum(latest, 0)])[known]
    return since, failing
