"""The end of a month, as the command line and Dagster take it: the run that takes a close in, and the audit."""

from __future__ import annotations

from datetime import date, datetime

from orders_pipeline import pipeline
from orders_pipeline.finance import close
from orders_pipeline.kernel.home import Home
from orders_pipeline.pipeline import RunResult
from orders_pipeline.publish import audit
from orders_pipeline.publish.audit import Audit


def take_in(home: Home, as_of: datetime | None = None) -> RunResult:
    """Take a decision about a month into the tables. It is a file by now; without another clock nothing but it changes."""
    return pipeline.run(home, as_of or close.as_of_tables(home))


def audit_month(home: Home, month: date) -> Audit:
    """Audit what is published of a month and keep the outcome; an audit of the same figures is not made twice."""
    found = audit.examine(home, month)
    if found.is_new:
        with pipeline.session(home, close.as_of_tables(home)) as now:
            audit.record(now, found)
    return found
