"""Bounds of volumes and rates: as wide as chance, no wider than history, and said only where there is a history."""

from __future__ import annotations

import math
import random
from typing import Any

import pyarrow as pa
import pytest

from orders_pipeline.quality.habits import compared

DEVIATION = 3.5


def judged(history: list[tuple[int, int]], today: tuple[int, int], kind: str, min_samples: int = 4) -> dict[str, Any]:
    """The row made of a day with this history of (passed, checked); a volume's checked is 1."""
    values = [p / c for p, c in history]
    row = {
        "day": "d", "metric": "m", "channel": "c", "kind": kind, "value": today[0] / today[1], "checked_count": today[1],
        "sample_count": len(history), "value_sum": sum(values), "square_sum": sum(v * v for v in values),
        "history_passed_count": sum(p for p, _ in history), "history_checked_count": sum(c for _, c in history),
        "deviation": DEVIATION, "min_samples": min_samples,
    }  # fmt: skip
    return compared(pa.Table.from_pylist([row])).to_pylist()[0]


def volume(history: list[int], today: int) -> dict[str, Any]:
    return judged([(n, 1) for n in history], (today, 1), "volume")


def test_a_steady_count_is_allowed_what_chance_gives() -> None:
    row = volume([100] * 8, 100)
    width = DEVIATION * math.sqrt(100) * math.sqrt(1 + 1 / 8)
    assert (row["usual_value"], row["interval_low"], row["interval_high"]) == (
        100, pytest.approx(100 - width, abs=1e-6), pytest.approx(100 + width, abs=1e-6),
    )  # fmt: skip
    assert not row["is_anomaly"]
    assert volume([100] * 8, math.ceil(100 + width))["is_anomaly"] and volume([100] * 8, 0)["is_anomaly"]


def test_a_restless_count_is_allowed_its_own_spread() -> None:
    history = [50, 150, 60, 140, 40, 160]
    spread = math.sqrt(sum((n - 100) ** 2 for n in history) / 5)
    assert volume(history, 30)["interval_high"] == pytest.approx(100 + DEVIATION * spread * math.sqrt(1 + 1 / 6), abs=1e-5)
    assert not volume(history, 30)["is_anomaly"]


def test_a_rate_without_a_fault_so_far_still_allows_for_one() -> None:
    assert not judged([(50, 50)] * 5, (49, 50), "rate")["is_anomaly"]
    assert judged([(50, 50)] * 5, (40, 50), "rate")["is_anomaly"]
    row = judged([(50, 50)] * 5, (50, 50), "rate")
    assert (row["interval_high"], row["usual_value"]) == (1, 1)


def test_bounds_end_where_values_end() -> None:
    assert volume([1, 0, 2, 1], 0)["interval_low"] == 0
    assert judged([(1, 10)] * 5, (0, 10), "rate")["interval_low"] == 0


@pytest.mark.parametrize("weeks", [0, 1, 3])
def test_without_history_nothing_is_said(weeks: int) -> None:
    row = volume([100] * weeks, 5000)
    assert (row["usual_value"], row["interval_low"], row["interval_high"], row["is_anomaly"]) == (None, None, None, False)


def test_chance_alone_cries_rarely_and_a_doubled_volume_always() -> None:
    rng = random.Random(5)

    def draw(mean: float) -> int:
        return sum(rng.random() < mean / 1000 for _ in range(1000))

    rows = [volume([draw(60) for _ in range(8)], draw(60)) for _ in range(400)]
    assert sum(row["is_anomaly"] for row in rows) <= 4
    assert all(volume([draw(60) for _ in range(8)], 120)["is_anomaly"] for _ in range(50))
