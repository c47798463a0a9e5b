"""Working time by plain addition, day by day: the second opinion on every clock of the simulated lives.

Nothing of the pipeline's calendars is used: what is wrong there would be wrong in the truth as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

#: What the simulation's home states as its hours (written to its settings.toml).
SETTINGS = """\
# Working hours of the simulated company; `orders-pipeline simulate --lives` has counted its truth with them.
[[calendars.office]]
hours = {mon-fri = "09:00-12:00 13:00-18:00"}
holidays = "china"

[[calendars.warehouse]]
hours = {mon-sat = "08:00-20:00"}
holidays = "china"
cutoff = "17:00"
"""
_DAYS_LOOKED_AT = 400

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Hours:
    """Shifts of the weekdays that are worked; `always`: every second counts. Times are local, without zone."""

    weekdays: int = 7
    shifts: tuple[tuple[time, time], ...] = ()
    cutoff: time | None = None

    def of(self, day: date) -> tuple[tuple[time, time], ...]:
        from chinese_calendar import constants  # heavy, and only for this

        if day in constants.workdays:
            return self.shifts
        if day in constants.holidays or day in constants.in_lieu_days or day.weekday() >= self.weekdays:
            return ()
        return self.shifts

    def spans(self, start: datetime, end: datetime) -> Iterator[Span]:
        """What is worked between two times."""
        if not self.shifts:
            yield start, end
            return
        day = start.date()
        while day <= end.date():
            for opens, closes in self.of(day):
                span = max(start, datetime.combine(day, opens)), min(end, datetime.combine(day, closes))
                if span[0] < span[1]:
                    yield span
            day += timedelta(days=1)

    def begin(self, start: datetime) -> datetime:
        """When a clock begins that is started then: after the cut-off, with the next day."""
        if self.cutoff is None or start.time() < self.cutoff:
            return start
        return datetime.combine(start.date() + timedelta(days=1), time())


ALWAYS = Hours()
OFFICE = Hours(5, ((time(9), time(12)), (time(13), time(18))))
WAREHOUSE = Hours(6, ((time(8), time(20)),))
PICKING_LIST = Hours(6, ((time(8), time(20)),), time(17))


@dataclass(frozen=True)
class Clock:
    """One clock of one order: when it started, what it waits for, and how long it may take."""

    stage: str
    hours: Hours
    limit: timedelta
    start: datetime
    stop: datetime | None = None
    cancelled: datetime | None = None
    pauses: Sequence[tuple[datetime, datetime | None]] = field(default=())

    def reading(self, now: datetime) -> dict[str, object]:
        """due_at, elapsed_seconds and clock_status of the clock, read at a time."""
        ends = [t for t in (self.stop, self.cancelled) if t is not None and t <= now]
        end = min(ends) if ends else None
        until = end or now
        pauses = [(a, min(b or until, until)) for a, b in self.pauses if a < until]
        elapsed = self._worked(until, pauses)
        due = self._due(pauses, now)
        used = elapsed >= self.limit * 0.8
        if end is not None and end == self.cancelled:
            status = "void" if end <= due else "breached"
        elif end is not None:
            status = "met" if elapsed <= self.limit else "met_late"
        elif now > due:
            status = "breached"
        elif any(b is None for a, b in self.pauses if a < now):
            status = "paused"
        else:
            status = "at_risk" if used else "running"
        return {"stage": self.stage, "due_at": due, "elapsed_seconds": int(elapsed.total_seconds()), "clock_status": status}

    def _worked(self, until: datetime, pauses: Sequence[Span]) -> timedelta:
        start = self.hours.begin(self.start)
        return sum((b - a for a, b in self._open(start, until, pauses)), timedelta())

    def _open(self, start: datetime, until: datetime, pauses: Sequence[Span]) -> Iterator[Span]:
        for a, b in self.hours.spans(start, until):
            for stops, goes_on in sorted(pauses):
                if stops < b and goes_on > a:
                    if a < stops:
                        yield a, stops
                    a = max(a, goes_on)
            if a < b:
                yield a, b

    def _due(self, pauses: Sequence[Span], now: datetime) -> datetime:
        left, start = self.limit, self.hours.begin(self.start)
        for a, b in self._open(start, max(start, now) + timedelta(days=_DAYS_LOOKED_AT), pauses):
            if b - a >= left:
                return a + left
            left -= b - a
        raise ValueError(f"the clock of {self.stage} is not due within {_DAYS_LOOKED_AT} days")
