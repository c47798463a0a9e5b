"""What one simulation is: its calendar, its number ranges and where each fault falls. Pure functions, no database."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from orders_pipeline.simulate.catalogue import FaultKind

MAX_ORDERS = 10_000_000
AFTER_PERIOD = timedelta(days=20)
ORPHANS_FROM = MAX_ORDERS  # row numbers of payments and parcels that have no order lie above every order's

# Orders by day of week (Monday first) and hour of day: evenings and weekends are busy, the small hours are not.
DAY_WEIGHTS = (95, 95, 97, 100, 108, 112, 110)
HOUR_WEIGHTS = (30, 16, 9, 6, 5, 8, 16, 28, 44, 60, 72, 70, 66, 62, 60, 60, 60, 62, 66, 76, 92, 98, 82, 54)


@dataclass(frozen=True)
class Plan:
    """The calendar is Beijing wall time without zone (as the Chinese exports print it); `starts` holds each month's
    first instant plus the end of the period as last element."""

    orders: int
    seed: int
    starts: tuple[datetime, ...]

    @property
    def months(self) -> int:
        return len(self.starts) - 1

    @property
    def period_end(self) -> datetime:
        return self.starts[-1]

    @property
    def as_of(self) -> datetime:
        """The instant the truth holds for: noon, 20 days after the period."""
        return self.period_end + AFTER_PERIOD + timedelta(hours=12)

    @property
    def event_months(self) -> tuple[tuple[datetime, datetime], ...]:
        """(first instant, end) of every month in which something happens: the period's and the one it spills into."""
        return (*zip(self.starts, self.starts[1:], strict=False), (self.period_end, self.as_of))

    @property
    def tag(self) -> str:
        """Seven digits that keep the numbers of runs with another seed or start apart: yyMM of the start, seed."""
        return f"{self.starts[0]:%y%m}{self.seed % 1000:03d}"

    def exported_at(self, month: int) -> datetime:
        """When the final order export of a month is taken: all its orders have settled by then."""
        return self.starts[month + 1] + timedelta(days=19, hours=18)

    @property
    def early_export_at(self) -> datetime:
        """When the early (later superseded) export of the first month is taken."""
        return self.starts[0] + timedelta(days=16, hours=8, minutes=30)

    @property
    def late_arrival_export_at(self) -> datetime:
        """Export time of the file that arrives after the final one although it is older."""
        return self.starts[0] + timedelta(days=16, hours=9, minutes=15)


def make_plan(orders: int, months: int, seed: int, start: str) -> Plan:
    """Checks the arguments of `simulate` and lays out the calendar.

    Raises:
        ValueError: when a number is out of range or `start` is not the first day of a month.
    """
    if not 100 <= orders <= MAX_ORDERS:
        raise ValueError(f"orders must lie between 100 and {MAX_ORDERS:,}, not {orders:,}")
    if not 1 <= months <= 120:
        raise ValueError(f"months must lie between 1 and 120, not {months}")
    if seed < 0:
        raise ValueError(f"seed must not be negative: {seed}")
    first = datetime.fromisoformat(start)
    if first != first.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None):
        raise ValueError(f"start must be the first day of a month (YYYY-MM-01), not {start}")
    index = first.year * 12 + first.month - 1
    starts = tuple(datetime((index + m) // 12, (index + m) % 12 + 1, 1) for m in range(months + 1))  # noqa: DTZ001
    return Plan(orders=orders, seed=seed, starts=starts)


@dataclass(frozen=True)
class Placement:
    """Pairs `first + stride * ((k * step + offset) % size)` for k in [begin, begin + number) carry `kind`."""

    kind: FaultKind
    number: int
    begin: int
    first: int
    stride: int
    size: int
    step: int
    offset: int


def place_faults(plan: Plan, catalogue: dict[str, FaultKind], row_at: dict[str, int]) -> list[Placement]:
    """Spreads the faults over the pairs of neighbouring orders, each pair at most once.

    Args:
        row_at: number of the first order of the last month (`last_month`), of the end of its early part (`early_end`),
            of the late days (`late`), and of the first month's `mid_begin` and `mid_end`.

    Raises:
        ValueError: when a window has too few orders for the faults asked for.
    """
    pairs = plan.orders // 2
    late = (row_at["late"] + 1) // 2
    mid_first = (row_at["mid_begin"] + 1) // 2 // 4 * 4 + 4
    # Windows overlap in time; remainders modulo 4 keep their pairs apart.
    windows = {
        "early": (0, 2, row_at["early_end"] // 2 // 2),
        "any": (1, 4, late // 4),
        "mid": (mid_first + 3, 4, max(0, (row_at["mid_end"] // 2 - mid_first) // 4)),
        "late": (late, 1, pairs - late),
    }
    used = dict.fromkeys(windows, 0)
    placements = []
    orphans = 0
    for kind in catalogue.values():
        base = plan.orders - row_at["last_month"] if kind.window == "late" else plan.orders
        number = kind.number(base, plan.seed)
        if kind.pair and kind.count is None:
            number = (number + 1) // 2
        if kind.window == "none":
            placements.append(Placement(kind, number, orphans, ORPHANS_FROM, 1, 1_000_000, 1, 0))
            orphans += number
            continue
        first, stride, size = windows[kind.window]
        if kind.count is None:
            number = min(number, size - used[kind.window])
        if used[kind.window] + number > size:
            raise ValueError(
                f"{kind.name}: {number} faults do not fit, the run has room for {size - used[kind.window]} more "
                f"in the window {kind.window!r}; simulate more orders or ask for fewer faults"
            )
        step = _coprime_step(size)
        placements.append(Placement(kind, number, used[kind.window], first, stride, max(size, 1), step, plan.seed % max(size, 1)))
        used[kind.window] += number
    return [placement for placement in placements if placement.number]


def _coprime_step(size: int) -> int:
    """A step near the golden section of `size` that visits every residue once before it repeats."""
    step = max(1, int(size * 0.618))
    while math.gcd(step, max(size, 1)) != 1:
        step += 1
    return step
