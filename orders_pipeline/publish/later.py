"""The tables that are made later: word left by the run of a file that they are behind, and when it is time for them.

A file's rows are published by a run that makes only what people act on at once. The summaries behind it (customers, health,
promotions, the books of the month) follow when the landing zone has been quiet for a while, at the latest after some minutes.
Whoever starts runs reads the word here, without opening the warehouse.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from orders_pipeline.kernel.home import Home

#: A pause between files that is long enough to make the later tables in.
QUIET_SECONDS = 15.0
#: While files keep coming, the later tables are made this often.
AT_MOST_SECONDS = 300.0


def _path(home: Home) -> Path:
    return home.warehouse.with_name("later.json")


def _read(home: Home) -> dict[str, float]:
    try:
        return json.loads(_path(home).read_text())
    except (OSError, ValueError):
        return {}


def _write(home: Home, state: dict[str, float]) -> None:
    draft = _path(home).with_suffix(".part")
    draft.write_text(json.dumps(state))
    draft.replace(_path(home))


def note(home: Home) -> None:
    """A run has left the later tables as they were."""
    now = time.time()
    _write(home, {"since": now, **_read(home), "last": now})


def done(home: Home) -> None:
    """They are up to date."""
    _path(home).unlink(missing_ok=True)


def tried(home: Home) -> None:
    """A run that makes them has been started: the next one, should it fail, only after another file and its time."""
    if state := _read(home):
        _write(home, {**state, "since": time.time()})


def are_behind(home: Home) -> bool:
    """Whether a run of files has left them, and none that makes them has been published since."""
    return bool(_read(home))


def is_due(home: Home, waiting: Collection[object] = (), *, now: float | None = None) -> bool:
    """Whether it is time to make them: after a quiet while, or, before the files that are `waiting`, when they are overdue."""
    state, now = _read(home), time.time() if now is None else now
    if not state or state["since"] > state["last"]:
        return False
    return _is_overdue(state, now) or (not waiting and now - state["last"] >= QUIET_SECONDS)


def is_overdue(home: Home) -> bool:
    """Whether they have been behind for so long that files wait for them, and not they for files."""
    return _is_overdue(_read(home), time.time())


def _is_overdue(state: Mapping[str, float], now: float) -> bool:
    return bool(state) and now - state["since"] >= AT_MOST_SECONDS
