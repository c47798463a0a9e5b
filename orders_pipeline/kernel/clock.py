"""The one clock: every age, deadline and expiry is computed against `as_of`, never against the machine's time."""

from __future__ import annotations

from datetime import UTC, date, datetime

from orders_pipeline.kernel.faults import Usage


def parse_as_of(text: str | None) -> datetime:
    """`as_of` as a UTC instant; the present when nothing is given. A time without an offset is refused, not guessed."""
    if not text:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Usage(f"--as-of '{text}' is no time; write for example 2026-02-20T09:00:00+08:00") from error
    if moment.tzinfo is None:
        raise Usage(f"--as-of '{text}' has no offset; add one, for example {moment:%Y-%m-%dT%H:%M:%S}+08:00")
    return moment.astimezone(UTC)


def month_after(month: date) -> date:
    """The first day of the month after the one whose first day this is."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
