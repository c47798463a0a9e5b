"""Parquet files: DuckDB reads them as they are; only names and types are looked at here."""

from __future__ import annotations

from pathlib import Path

from orders_pipeline.ingest.read.limits import Limits
from orders_pipeline.ingest.read.model import Dialect, Table
from orders_pipeline.kernel.faults import BadInput


def open_parquet(path: Path, work_dir: Path, limits: Limits) -> list[Table]:
    """One table whose head is the column names.

    Raises `BadInput` ``parquet_damaged``, or ``header_only`` when there is no row.
    """
    import duckdb

    with duckdb.connect() as connection:
        try:
            relation = "SELECT * FROM read_parquet(?)"
            columns = connection.execute(f"DESCRIBE {relation}", [str(path)]).fetchall()
            rows = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()[0][0]
        except duckdb.Error as error:
            raise BadInput(
                "the Parquet file is damaged", reason="parquet_damaged", remedy="write or download it again"
            ) from error
    if not rows:
        raise BadInput(
            "the file has columns but no rows",
            reason="header_only",
            remedy="delete it when there was nothing to export, else export it again",
        )
    names = [str(column[0]) for column in columns]
    return [
        Table(
            kind="parquet",
            path=path,
            encoding="",
            dialect=Dialect(),
            line_count=rows,
            head=[names],
            head_ends=[1],
            head_text=[],
            tail=[],
            tail_lines=[],
            head_offsets=[0, 0],
            tail_offsets=[],
            record_count=rows,
            column_types=[str(column[1]) for column in columns],
            limits=limits,
        )
    ]
