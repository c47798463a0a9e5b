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

#: So many rows of every source, the newest, are held to the dictionary.
ROWS_LOOKED_AT = 500


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
def rows_outside_the_dictionary(scene: Scene) -> Iterator[Fact]:
    import pandas as pd

    from orders_pipeline.dictionary.schemas import entity_schema, faults

    sources = scene.dictionary.sources
    for entity, spec in scene.dictionary.entities.items():
        table = f"raw.{quote(entity)}"
        scene.need(f"raw.{entity}")
        names = [*spec.fields, "file_id", "row_number"]
        columns = ", ".join(map(quote, names))
        for (source,) in scene.rows(f"SELECT DISTINCT source FROM {table} WHERE source IS NOT NULL ORDER BY source"):
            if source not in sources:
                continue
            newest = f"WHERE source = ? ORDER BY exported_at DESC, file_id, row_number LIMIT {ROWS_LOOKED_AT}"
            cells = scene.rows(f"SELECT {columns} FROM {table} {newest}", [source])
            rows = pd.DataFrame(cells, columns=names, dtype=object)
            schema = entity_schema(scene.dictionary, entity, optional=sources[source].optional_fields)
            found = faults(schema, rows.where(rows.notna(), None))
            # What breaks a rule may be a person's name: the place is told, not the value.
            for (column, rule), cases in found.groupby(["column", "check"], dropna=False):
                *_, file_id, line = cells[int(cases["index"].min())]
                place = f"raw.{entity} {column} of {source}"
                yield fact(place, rule=str(rule).partition("(")[0], count=len(cases), file=str(file_id), line=line)


@probe
def published_parquet_orphaned(scene: Scene) -> Iterator[Fact]:
    folder = scene.home.published / "parquet"
    public = {name for name, spec in load_tables().items() if spec.public}
    for path in sorted(folder.glob("*/*.parquet")):
        if f"{path.parent.name}.{path.stem}" not in public:
            yield fact(str(path.relative_to(scene.home.root)))
