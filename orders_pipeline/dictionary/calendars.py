"""Business calendars (`calendars.yml`, and a home's own): working hours, public holidays, cut-offs, as one row per local day.

A calendar knows no zone: its days are those of the place the clock runs in. So that working time is a subtraction, every day
carries the working seconds before it; so that a deadline is a look-up, the days are found by working hours elapsed as well.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.kernel.faults import Usage

FILE = Path(__file__).with_name("calendars.yml")
#: The calendar of clocks that never stand still; it has no days, its seconds are counted as they are.
ALWAYS = "always"
FIRST, LAST = dt.date(2004, 1, 1), dt.date(2035, 12, 31)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 86400
#: Working seconds per step of the look-up from working time to day (order_stages.sql divides by the same).
BUCKET_SECONDS = 86400

CALENDAR_DDL = (
    "calendar VARCHAR, version_number INTEGER, valid_from DATE, valid_to DATE, day DATE, worked_before BIGINT, "
    "opens_1 INTEGER, closes_1 INTEGER, opens_2 INTEGER, closes_2 INTEGER, worked_seconds INTEGER, cutoff_second INTEGER, "
    "holiday VARCHAR"
)
DEADLINE_DDL = "calendar VARCHAR, version_number INTEGER, bucket BIGINT, day DATE"

_SHIFT = re.compile(r"^(\d{2}):(\d{2})-(\d{2}):(\d{2})$")
_TIME = re.compile(r"^(\d{2}):(\d{2})$")

Shifts = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Version:
    """One version of a calendar: valid for clocks that start on `valid_from` or later, until the next version's day."""

    calendar: str
    number: int
    valid_from: dt.date
    valid_to: dt.date
    hours: tuple[Shifts, ...]
    holidays: str
    cutoff: int | None
    exceptions: Mapping[dt.date, Shifts]


def load_calendars(own: Mapping[str, Any] | None = None) -> list[Version]:
    """Every version of every calendar; those of a home replace the ones of the same name. Raises Usage naming the fault."""
    specs = {**read_yaml(FILE), **(own or {})}
    found = []
    for name, versions in specs.items():
        if not isinstance(versions, Sequence) or isinstance(versions, str) or not versions or name == ALWAYS:
            raise Usage(f"calendars: {name} must be a list of versions ('{ALWAYS}' has no pauses and cannot be changed)")
        try:
            starts = [_date(v.get("valid_from", FIRST)) for v in versions]
            if starts != sorted(set(starts)):
                raise Usage("its versions must begin on different days, oldest first")
            ends = [*starts[1:], dt.date(9999, 12, 31)]
            found += [_version(name, n, FIRST if n == 0 else starts[n], ends[n], spec) for n, spec in enumerate(versions)]
        except Usage as error:
            raise Usage(f"calendars: {name}: {error}") from error
    return found


def _version(name: str, number: int, start: dt.date, end: dt.date, spec: Mapping[str, Any]) -> Version:
    odd = set(spec) - {"valid_from", "hours", "holidays", "cutoff", "exceptions"}
    if odd or spec.get("holidays", "none") not in ("none", "china"):
        raise Usage(f"unknown {', '.join(sorted(odd)) or 'holidays'}; holidays are 'china' or 'none'")
    hours: list[Shifts] = [()] * 7
    for days, shifts in (spec.get("hours") or {}).items():
        first, _, last = str(days).partition("-")
        if first not in WEEKDAYS or (last or first) not in WEEKDAYS:
            raise Usage(f"'{days}' is no weekday or range of weekdays ({', '.join(WEEKDAYS)})")
        for weekday in range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1):
            hours[weekday] = _shifts(shifts)
    if not any(hours):
        raise Usage("hours: no weekday is worked, so that no clock would ever end")
    exceptions = {_date(day): _shifts(shifts) for day, shifts in (spec.get("exceptions") or {}).items()}
    cutoff = _TIME.match(str(spec["cutoff"])) if "cutoff" in spec else None
    if "cutoff" in spec and not cutoff:
        raise Usage(f"cutoff '{spec['cutoff']}' is not HH:MM")
    second = int(cutoff[1]) * 3600 + int(cutoff[2]) * 60 if cutoff else None
    return Version(name, number + 1, start, end, tuple(hours), spec.get("holidays", "none"), second, exceptions)


def _date(value: object) -> dt.date:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError as error:
        raise Usage(f"'{value}' is no date (2026-02-17)") from error


def _shifts(text: object) -> Shifts:
    found = []
    for part in str(text or "").split():
        match = _SHIFT.match(part)
        if not match:
            raise Usage(f"'{part}' is no shift (09:00-18:00)")
        opens, closes = (int(match[i]) * 3600 + int(match[i + 1]) * 60 for i in (1, 3))
        if not (found[-1][1] if found else 0) <= opens < closes <= DAY:
            raise Usage(f"'{text}': shifts must follow each other within the day (a night is two: '00:00-04:00 20:00-24:00')")
        found.append((opens, closes))
    if len(found) > 2:
        raise Usage(f"'{text}' has more than two shifts")
    return tuple(found)


@cache
def _china() -> tuple[Mapping[dt.date, str], frozenset[dt.date]]:
    """Public holidays with their names, and the weekend days worked in their place."""
    from chinese_calendar import constants  # heavy, and only where clocks are built

    return {**constants.holidays, **constants.in_lieu_days}, frozenset(constants.workdays)


def last_known_holidays() -> dt.date:
    """The last day of the last year whose public holidays are known."""
    return dt.date(max(_china()[0]).year, 12, 31)


def shifts_of(version: Version, day: dt.date) -> tuple[Shifts, str | None]:
    """The shifts of one day, and the holiday or reason why they are not those of its weekday."""
    if day in version.exceptions:
        return version.exceptions[day], "exception"
    if version.holidays == "china":
        holidays, workdays = _china()
        if day in workdays:
            monday = next((shifts for shifts in version.hours if shifts), ())
            return version.hours[day.weekday()] or monday, "make-up working day"
        if day in holidays:
            return (), str(holidays[day])
    return version.hours[day.weekday()], None


def calendar_rows(versions: Sequence[Version]) -> Iterator[tuple]:
    """The rows of `ref.calendar` (CALENDAR_DDL): every version, every day, with the working seconds before it."""
    days = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    for version in versions:
        before = 0
        for day in days:
            shifts, holiday = shifts_of(version, day)
            (o1, c1), (o2, c2) = (*shifts, (DAY, DAY), (DAY, DAY))[:2]
            worked = c1 - o1 + c2 - o2
            yield (
                *(version.calendar, version.number, version.valid_from, version.valid_to, day, before),
                *(o1, c1, o2, c2, worked, version.cutoff, holiday),
            )
            before += worked


def deadline_rows(days: Sequence[tuple]) -> Iterator[tuple]:
    """The rows of `ref.calendar_deadlines` (DEADLINE_DDL): for each step of working time the days it may fall on."""
    for calendar, number, _, _, day, before, _, _, _, _, worked, _, _ in days:
        if worked:
            for bucket in range((before + 1) // BUCKET_SECONDS, (before + worked) // BUCKET_SECONDS + 1):
                yield calendar, number, bucket, day
