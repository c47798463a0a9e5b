"""What the last recorded checkup found, and since when: the table quality.checkup_findings.

Like the results of checks it tells what was seen when somebody looked; a rebuild keeps it. The rule `checkup_error` of
quality/alerts.yml makes alerts of it.
"""

from __future__ import annotations

from dataclasses import asdict, fields

import duckdb

from orders_pipeline.checkup.findings import Finding, Report
from orders_pipeline.kernel.warehouse import transaction

TABLE = "quality.checkup_findings"
RULE = "checkup_error"
STATE = f"""
CREATE SCHEMA IF NOT EXISTS quality;
CREATE TABLE IF NOT EXISTS {TABLE} ({", ".join(f"{f.name} VARCHAR" for f in fields(Finding))},
    first_seen_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ);
"""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table when it is missing."""
    connection.execute(STATE)


def record(connection: duckdb.DuckDBPyConnection, report: Report) -> None:
    """Put what was found in the place of what was found before; what stands on keeps the time it was first seen at.

    What a probe found before stays where the probe could not be made this time.
    """
    prepare(connection)
    since = {
        (probe, place): at
        for probe, place, at in connection.execute(f"SELECT probe, place, first_seen_at FROM {TABLE}").fetchall()
    }
    rows = [[*asdict(f).values(), since.get((f.probe, f.place), report.as_of), report.as_of] for f in report.findings]
    with transaction(connection):
        connection.execute(f"DELETE FROM {TABLE} WHERE NOT list_contains(?, probe)", [list(report.left_out)])
        if rows:
            connection.executemany(f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(rows[0]))})", rows)
