"""The health score: shares into points, points into a score that what was lost adds up to, and how sure it is.

Of one channel, day and dimension: each component gets 0 to 100 points from its share by three knots (`points`), the score is the
mean by weight, and what it lacks to 100 is shared out to the components in tenths, exactly (`shared_out`). A gate caps the score
and stands in a line of its own, so that the sum still closes. After OECD/JRC, Handbook on Constructing Composite Indicators
(2008): normalise by fixed knots, add linearly, test the weights; Wilson (1927) for the interval of a share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.aftersales.rates import wilson

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

#: Points of a share that is just acceptable.
MIDDLE = 60.0
GATE = "gate:"
#: Each weight is varied by this share to see whether the score stands on one of them.
VARIED = 0.25
GROUP = ("day", "channel", "dimension")
COMPONENTS = (
    *(*GROUP, "component", "value", "shrunk_value", "peer_value", "sample_count", "failed_count"),
    *("interval_low", "interval_high", "target", "acceptable", "floor", "weight", "counted_weight", "component_score"),
    *("points_lost", "swing_down", "swing_up"),
    *("is_scored", "not_scored_reason", "meets_target", "measure", "from_day", "to_day", "rule_version", "gate_cap"),
)
TOTALS = (
    *(*GROUP, "score", "band", "order_count", "is_scored", "score_low", "score_high", "scored_weight_ratio", "is_capped"),
    *("equal_weight_score", "weight_low_score", "weight_high_score"),
)


def shrunk(hits: np.ndarray, trials: np.ndarray, peer_share: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The share, drawn towards its peers' as if `strength` more units had come in at their share; NaN without any unit."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(strength > 0, (hits + strength * peer_share) / (trials + strength), hits / trials)


def points(share: np.ndarray, target: np.ndarray, acceptable: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """0 to 100: 100 at the target and beyond, 60 where acceptable, 0 at the floor; straight between. The floor may lie on either
    side of the target. Without an acceptable share (NaN) straight from target to floor."""
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        straight = 100 * (floor - share) / (floor - target)
        upper = MIDDLE + (100 - MIDDLE) * (acceptable - share) / (acceptable - target)
        lower = MIDDLE * (floor - share) / (floor - acceptable)
    # Which of the two lines holds is told by the nearer one: they meet at 60.
    made = np.where(np.isnan(acceptable), straight, np.where(upper >= MIDDLE, upper, lower))
    return np.clip(made, 0.0, 100.0)


def meets(share: np.ndarray, target: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Better than the target. The target itself does not do: it is a limit to stay under (of what failed) or above."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        # Nothing is above all.
        return np.where(floor > target, share < target, (share > target) | (share == 1.0))


def shared_out(lost: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """What was lost in each group (beginning at `starts`) in whole tenths of a point.

    They add up to the group's loss, rounded half up: each has its whole tenths, the rest goes by largest remainder (of equal ones
    to the earlier)."""
    import numpy as np

    if not len(lost):
        return lost.astype(np.int64)
    # A float such as 14.999999999 is 15.
    tenths = np.round(lost * 10, 6)
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(lost))))
    whole = np.floor(tenths)
    wanted = np.floor(np.round(np.add.reduceat(tenths, starts), 6) + 0.5)
    left = wanted - np.add.reduceat(whole, starts)
    order = np.lexsort((np.arange(len(lost)), whole - tenths, group))
    place = np.empty(len(lost))
    place[order] = np.arange(len(lost)) - starts[group[order]]
    return (whole + (place < left[group])).astype(np.int64)


def components(rows: pa.Table) -> pa.Table:
    """Every component with its share, interval, points and what it cost, and a line for each gate that has fallen.

    A component is scored with enough units to look at and a weight; the others are shown. Where less than the needed share of the
    weight is scored nothing is lost and there is no score.
    """
    import numpy as np
    import pyarrow as pa

    rows = rows.sort_by([(name, "ascending") for name in (*GROUP, "component")])
    if not rows.num_rows:
        return _nothing(COMPONENTS)

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)

    n, failed, weight = numbers("sample_count"), numbers("failed_count"), numbers("weight")
    peers, peers_failed = numbers("peer_count"), numbers("peer_failed_count")
    target, acceptable, floor = numbers("target"), numbers("acceptable"), numbers("floor")
    counts_passed, by_unit = _words(rows, "measure") == "passed", _words(rows, "weight_per") == "unit"
    starts, group = _groups(rows)

    hits = np.where(counts_passed, n - failed, failed)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = hits / n
        peer_share = np.where(counts_passed, peers - peers_failed, peers_failed) / peers
    low, high = wilson(hits, n)
    judged = np.where(n > 0, shrunk(hits, n, peer_share, np.where(by_unit, 0.0, numbers("shrink_count"))), np.nan)
    enough = n >= np.where(by_unit, 1.0, numbers("min_count"))
    own = np.where(enough, points(judged, target, acceptable, floor), np.nan)
    scored = enough & (weight > 0)
    counted = np.where(scored, weight * np.where(by_unit, n, 1.0), 0.0)
    total = _sum(counted, starts)
    # A dimension weighed by units has no share of weight to miss: what was not checked has no unit.
    known = (
        _sum(np.where(scored, weight, 0.0), starts)
        >= numbers("min_weight_ratio")[starts] * _sum(np.where(by_unit, 0.0, weight), starts) - 1e-9
    )
    is_scored = (known & (total > 0))[group]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(is_scored, counted / total[group], 0.0)
    lost = np.where(scored & is_scored, shared_out(np.where(part > 0, part * (100 - np.nan_to_num(own)), 0.0), starts), 0)
    best, worst = (np.fmax, np.fmin)
    ends = points(low, target, acceptable, floor), points(high, target, acceptable, floor)
    swing_down = np.where(part > 0, part * np.maximum(own - worst(*ends), 0.0), 0.0)
    swing_up = np.where(part > 0, part * np.maximum(best(*ends) - own, 0.0), 0.0)
    reason = np.where(weight == 0, "gate_only", np.where(n == 0, "nothing_to_check", np.where(enough, "", "too_few")))

    made = {name: rows.column(name) for name in (*GROUP, "component")} | {
        "value": _known(value),
        "shrunk_value": _known(judged),
        "peer_value": _known(peer_share),
        "sample_count": rows.column("sample_count"),
        "failed_count": rows.column("failed_count"),
        "interval_low": _known(low),
        "interval_high": _known(high),
        **{name: rows.column(name) for name in ("target", "acceptable", "floor", "weight")},
        "counted_weight": _known(counted),
        "component_score": _known(own, 4),
        "points_lost": _shown(lost / 10, ~(is_scored & scored)),
        "swing_down": _known(swing_down),
        "swing_up": _known(swing_up),
        "is_scored": pa.array(scored & is_scored),
        "not_scored_reason": _text(np.where((reason == "") & ~is_scored, "too_little_weight", reason)),
        "meets_target": pa.array(meets(value, target, floor), mask=n == 0),
        **{name: rows.column(name) for name in ("measure", "from_day", "to_day", "rule_version", "gate_cap")},
    }
    table = pa.table(made)
    limit = numbers("gate_limit")
    with np.errstate(invalid="ignore"):
        beyond = np.where(floor > target, value >= limit, value <= limit)
    fallen = np.flatnonzero(beyond & enough & is_scored & ~np.isnan(limit))
    return pa.concat_tables([table, _gates(table, fallen, lost, starts, group, limit)])


def _gates(
    table: pa.Table, fallen: np.ndarray, lost: np.ndarray, starts: np.ndarray, group: np.ndarray, limit: np.ndarray
) -> pa.Table:
    """A line for each gate that has fallen: what it takes off the score beyond what is lost already, the mildest first."""
    import numpy as np
    import pyarrow as pa

    cap = table.column("gate_cap").cast(pa.float64()).to_numpy(zero_copy_only=False)
    now = 1000 - _sum(lost, starts)
    taken = np.zeros(len(fallen), dtype=np.int64)
    order = np.lexsort((fallen, -cap[fallen]))
    for place in order:
        row = fallen[place]
        taken[place] = max(0, now[group[row]] - cap[row] * 10)
        now[group[row]] -= taken[place]
    lines = table.take(pa.array(fallen))
    names = ("shrunk_value", "acceptable", "component_score", "floor")
    blank = {name: pa.nulls(len(fallen), lines.schema.field(name).type) for name in names}
    zero = pa.array(np.zeros(len(fallen)))
    made = blank | {
        "component": pa.array([GATE + name for name in lines.column("component").to_pylist()], pa.string()),
        "target": pa.array(limit[fallen]).cast(lines.schema.field("target").type),
        "weight": zero.cast(lines.schema.field("weight").type),
        "points_lost": _shown(taken / 10, np.zeros(len(fallen), dtype=bool)),
        "counted_weight": zero,
        "swing_down": zero,
        "swing_up": zero,
        "is_scored": pa.array(np.zeros(len(fallen), dtype=bool)),
        "not_scored_reason": pa.array(["gate"] * len(fallen), pa.string()),
        "meets_target": pa.array(np.zeros(len(fallen), dtype=bool)),
    }
    for name, column in made.items():
        lines = lines.set_column(lines.schema.get_field_index(name), table.schema.field(name), column)
    return lines


def totals(rows: pa.Table) -> pa.Table:
    """The score of each channel, day and dimension, from the rows of its components.

    The interval is the root of the summed squares of what each component alone would change between the ends of its own
    interval. The band is told where the interval crosses one border at most; else it is provisional. `weight_low_score` and
    `weight_high_score` are the scores with the one weight a quarter smaller or greater that moves them most,
    `equal_weight_score` that with all weights equal.
    """
    import numpy as np
    import pyarrow as pa

    rows = rows.sort_by([(name, "ascending") for name in (*GROUP, "component")])
    if not rows.num_rows:
        return _nothing(TOTALS)

    def numbers(name: str) -> np.ndarray:
        return rows.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)

    starts, group = _groups(rows)
    counted = np.nan_to_num(numbers("counted_weight")) * rows.column("is_scored").to_numpy(zero_copy_only=False)
    own, total = np.nan_to_num(numbers("component_score")), _sum(counted, starts)
    is_scored = total > 0
    lost = _sum(np.round(np.nan_to_num(numbers("points_lost")) * 10), starts)
    score = np.where(is_scored, (1000 - lost) / 10, np.nan)
    cap = np.where(_words(rows, "not_scored_reason") == "gate", numbers("gate_cap"), 100.0)
    cap = np.minimum.reduceat(np.nan_to_num(cap, nan=100.0), starts)
    low = np.clip(score - np.sqrt(_sum(numbers("swing_down") ** 2, starts)), 0, 100)
    high = np.minimum(np.clip(score + np.sqrt(_sum(numbers("swing_up") ** 2, starts)), 0, 100), cap)
    healthy, watch = numbers("healthy_min")[starts], numbers("watch_min")[starts]
    borders = ((low < healthy) & (healthy <= high)).astype(int) + ((low < watch) & (watch <= high))
    band = np.where(score >= healthy, "healthy", np.where(score >= watch, "watch", "risk"))
    band = np.where(is_scored, np.where(borders > 1, "provisional", band), "not_scored")

    points_of = _sum(counted * own, starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        varied = [
            (points_of[group] + sign * VARIED * counted * own) / (total[group] + sign * VARIED * counted) for sign in (-1, 1)
        ]
        equal = _sum(np.where(counted > 0, own, 0.0), starts) / _sum((counted > 0).astype(float), starts)
    inside = counted > 0
    least = np.minimum.reduceat(np.where(inside, np.minimum(*varied), np.inf), starts)
    most = np.maximum.reduceat(np.where(inside, np.maximum(*varied), -np.inf), starts)
    gone = ~is_scored
    return pa.table(
        {
            **{name: rows.column(name).take(pa.array(starts)) for name in GROUP},
            "score": _shown(score, gone),
            "band": pa.array(band.tolist(), pa.string()),
            "order_count": rows.column("order_count").take(pa.array(starts)),
            "is_scored": pa.array(is_scored),
            "score_low": _shown(low, gone),
            "score_high": _shown(high, gone),
            "scored_weight_ratio": _known(
                np.where(
                    _sum(numbers("weight"), starts) > 0,
                    _sum(np.where(inside, numbers("weight"), 0.0), starts) / np.maximum(_sum(numbers("weight"), starts), 1e-9),
                    np.nan,
                )
            ),
            "is_capped": pa.array(cap < 100),
            "equal_weight_score": _shown(np.minimum(equal, cap), gone),
            "weight_low_score": _shown(np.minimum(least, cap), gone),
            "weight_high_score": _shown(np.minimum(most, cap), gone),
        }
    )


def _groups(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Where each group of sorted rows begins, and the number of the group of each row."""
    import numpy as np

    changed = np.zeros(rows.num_rows, dtype=bool)
    changed[:1] = True
    for name in GROUP:
        codes = rows.column(name).combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
        changed[1:] |= codes[1:] != codes[:-1]
    return np.flatnonzero(changed), np.cumsum(changed) - 1


def _sum(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.add.reduceat(values, starts)


def _words(rows: pa.Table, name: str) -> np.ndarray:
    import numpy as np

    return np.array(rows.column(name).to_pylist(), dtype=object)


def _known(values: np.ndarray, digits: int = 6) -> pa.Array:
    """The numbers, empty where there is none."""
    import numpy as np
    import pyarrow as pa

    return pa.array(np.round(values, digits), mask=np.isnan(values))


def _shown(values: np.ndarray, is_blank: np.ndarray) -> pa.Array:
    """Points to the tenth."""
    import numpy as np
    import pyarrow as pa

    return pa.array(np.round(values, 1), mask=is_blank)


def _text(values: np.ndarray) -> pa.Array:
    import pyarrow as pa

    return pa.array([v or None for v in values.tolist()], pa.string())


def _nothing(columns: tuple[str, ...]) -> pa.Table:
    import pyarrow as pa

    return pa.table({name: pa.nulls(0) for name in columns})
