"""The audit of a month: what is expected of the published finance and summary tables, held by Great Expectations, decimals exact.

Its outcome is rows of quality.check_results, and pages (Data Docs) that ask nothing of any network. The library takes seconds to
import and is imported when an audit is made, never before.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orders_pipeline.dictionary.model import load_dictionary, read_yaml
from orders_pipeline.kernel.checks import RESULTS, SAMPLE_ROWS
from orders_pipeline.kernel.clock import month_after
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published

if TYPE_CHECKING:
    from orders_pipeline.pipeline import Session
    from orders_pipeline.publish.publisher import Publication

SUITE = Path(__file__).with_name("expectations.yml")
#: Results of audits are told from those of a run's checks by their run_id.
RUN = "audit"


@dataclass(frozen=True)
class Outcome:
    """What became of one claim."""

    table: str
    claim: str
    rows_checked: int
    rows_failing: int
    sample: Sequence[Any] = ()

    @property
    def passed(self) -> bool:
        return self.rows_failing == 0


@dataclass(frozen=True)
class Audit:
    """An audit of a month. `is_new`: made now; else it was made before of the same figures, and stands."""

    month: date
    run_id: str
    outcomes: tuple[Outcome, ...]
    pages: Path
    is_new: bool = True

    @property
    def failed(self) -> list[Outcome]:
        return [o for o in self.outcomes if not o.passed]


def pages_of(home: Home, month: date) -> Path:
    """The first page of a month's audit."""
    return home.published / "data_docs" / f"{month:%Y-%m}" / "index.html"


@cache
def suite() -> Mapping[str, Mapping[str, Any]]:
    """The expectations by table, as expectations.yml has them."""
    return read_yaml(SUITE)


def examine(home: Home, month: date) -> Audit:
    """Hold the published tables of the month to the suite, and write its pages. An audit of the same figures is not made twice.

    Raises Usage when nothing is published, or nothing of that month.
    """
    with open_published(home) as connection:
        if not connection.execute("SELECT 1 FROM finance.closes WHERE month = ?", [month]).fetchall():
            raise Usage(
                f"nothing of {month:%Y-%m} is published; `orders-pipeline close {month:%Y-%m} --check` says what there is"
            )
        run_id = fingerprint(connection, month)
        made = recorded(connection, run_id)
        if made and pages_of(home, month).exists():
            return Audit(month, run_id, tuple(made), pages_of(home, month), is_new=False)
        from orders_pipeline.publish.audit.expectations import validate
        from orders_pipeline.publish.audit.pages import write_pages

        found = validate({table: (frame(connection, table, month), claims(table, month)) for table in suite()})
    write_pages(home.published / "data_docs", month, run_id, found)
    return Audit(month, run_id, tuple(o for _, outcomes in found.values() for o in outcomes), pages_of(home, month))


def record(now: Session, audit: Audit) -> Publication:
    """Write the outcomes into quality.check_results and publish them. At one clock a month has one audit: the last one made."""
    connection = now.connection
    connection.execute(RESULTS)
    connection.execute(
        "DELETE FROM quality.check_results WHERE run_id = ? OR starts_with(run_id, ?) AND checked_at = ?",
        [audit.run_id, f"{RUN}-{audit.month:%Y-%m}-", now.as_of],
    )
    rows = [
        [audit.run_id, o.table, check_name(audit.month, o.claim), "error", o.passed, o.rows_checked, o.rows_failing, 0,
            json.dumps(o.sample, ensure_ascii=False, default=str), now.as_of]
        for o in audit.outcomes
    ]  # fmt: skip
    connection.executemany("INSERT INTO quality.check_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return now.publish(anew=True)


def check_name(month: date, claim: str) -> str:
    """The name of a claim about a month: each month's stands and falls by itself."""
    return f"{RUN}_{month:%Y_%m}_{claim}"


def fingerprint(connection: duckdb.DuckDBPyConnection, month: date) -> str:
    """The run_id of an audit of the month's figures as they are published: the same figures and suite, the same run_id."""
    digest = hashlib.sha256(SUITE.read_bytes())
    for table in suite():
        statement = f"SELECT count(*), coalesce(sum(hash(t)), 0) FROM ({suite()[table]['sql']}) AS t"
        digest.update(f"{table} {_execute(connection, statement, month).fetchall()}".encode())
    return f"{RUN}-{month:%Y-%m}-{digest.hexdigest()[:16]}"


def recorded(connection: duckdb.DuckDBPyConnection, run_id: str) -> list[Outcome]:
    """The outcomes of an audit that was made before, as they were published; none where another one has been made since."""
    prefix = len(f"{RUN}_2026_01_")
    rows = connection.execute(
        "SELECT table_name, check_name, rows_checked, rows_failing, sample FROM quality.check_results WHERE run_id = $run AND "
        "checked_at = (SELECT max(checked_at) FROM quality.check_results WHERE starts_with(run_id, $month)) "
        "ORDER BY table_name, check_name",
        {"run": run_id, "month": run_id[: len(f"{RUN}-2026-01-")]},
    ).fetchall()
    return [Outcome(table, name[prefix:], checked, failing, json.loads(sample)) for table, name, checked, failing, sample in rows]


def frame(connection: duckdb.DuckDBPyConnection, table: str, month: date) -> Any:
    """The rows a table's claims are about, as pandas; decimals stay Decimal."""
    return _execute(connection, suite()[table]["sql"], month, relation=True).to_arrow_table().to_pandas()


def claims(table: str, month: date) -> dict[str, dict[str, Any]]:
    """The claims about a table by name: the expectation and its arguments, spelled out for the month."""
    vocabularies = load_dictionary().vocabularies
    found = {}
    for name, spec in suite()[table]["claims"].items():
        arguments = dict(spec)
        if vocabulary := arguments.pop("vocabulary", None):
            arguments["value_set"] = sorted(vocabularies[vocabulary])
        if "value_set" in arguments:
            arguments["value_set"] = [f"{month:%Y-%m}" if value == "$month" else value for value in arguments["value_set"]]
        found[name] = arguments
    return found


def _execute(connection: duckdb.DuckDBPyConnection, statement: str, month: date, *, relation: bool = False) -> Any:
    values = {"month": month, "next": month_after(month)}
    named = {name: value for name, value in values.items() if re.search(rf"\${name}\b", statement)}
    return connection.sql(statement, params=named) if relation else connection.execute(statement, named)


def samples(values: Sequence[Any]) -> list[Any]:
    """The first of the values that break a claim."""
    return list(values)[:SAMPLE_ROWS]
