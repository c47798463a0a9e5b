"""Probes of the landing zone, the ledger of files and the raw tables."""

from __future__ import annotations

from collections.abc import Iterator

from orders_pipeline.checkup.probes import Fact, fact, probe
from orders_pipeline.checkup.scene import Scene
from orders_pipeline.ingest.intake import dictionary_fingerprint
from orders_pipeline.ingest.landing import PASSING, scan, unfinished
from orders_pipeline.kernel.orchestration import taken
from orders_pipeline.kernel.sqltext import quote
from orders_pipeline.kernel.tables import load_tables


@probe
def unfinished_upload(scene: Scene) -> Iterator[Fact]:
    limit = float(scene.threshold("landing_wait_max_hours"))
    for path in unfinished(scene.home.landing):
        if scene.age_hours(path) > limit:
            yield fact(str(path.relative_to(scene.home.root)), hours=int(scene.age_hours(path)))


@probe
def landing_unreadable(scene: Scene) -> Iterator[Fact]:
    for one in scan(scene.home.landing).waiting:
        if one.reason not in PASSING:
            yield fact(f"landing/{one.relative_path}", reason=one.reason)


@probe
def file_not_taken(scene: Scene) -> Iterator[Fact]:
    limit = float(scene.threshold("landing_wait_max_hours"))
    known = taken.read(scene.home)
    accepted = ("", dictionary_fingerprint())
    for one in scan(scene.home.landing):
        is_taken = known.get(taken.digest(one.relative_path, one.size, one.mtime_ns)) in accepted
        if not is_taken and scene.age_hours(one.path) > limit:
            yield fact(f"landing/{one.relative_path}", hours=int(scene.age_hours(one.path)))


@probe
def landed_file_gone(scene: Scene) -> Iterator[Fact]:
    scene.need("raw.files")
    there = {one.relative_path for one in scan(scene.home.landing)}
    for (path,) in scene.rows("SELECT path FROM raw.files WHERE status = 'loaded' ORDER BY path"):
        # An entry of an archive, a sheet of a workbook: the file is what comes before.
        if path not in there and path.split("!/")[0] not in there and path.rpartition("#")[0].split("!/")[0] not in there:
            yield fact(f"landing/{path}")


@probe
def rows_of_no_file(scene: Scene) -> Iterator[Fact]:
    scene.need("raw.files")
    tables = scene.rows(
        "SELECT schema_name, table_name FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name IN ('raw', 'held') AND column_name = 'file_id' AND table_name <> 'files'"
    )
    for schema, table in tables:
        name = f"{schema}.{quote(table)}"
        count = scene.rows(f"SELECT count(*) FROM {name} WHERE file_id NOT IN (SELECT file_id FROM raw.files)")[0][0]
        if count:
            yield fact(f"{schema}.{table}", count=count)


@probe
def published_parquet_orphaned(scene: Scene) -> Iterator[Fact]:
    folder = scene.home.published / "parquet"
    public = {name for name, spec in load_tables().items() if spec.public}
    for path in sorted(folder.glob("*/*.parquet")):
        if f"{path.parent.name}.{path.stem}" not in public:
            yield fact(str(path.relative_to(scene.home.root)))
