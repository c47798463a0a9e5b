"""The floor: what a competent engineer would write by hand, in bare DuckDB, for exactly the simulated files.

No dictionary, no recognition of files, no quarantine, no history of changes, no checks, no increments: every format's traps
are hard-coded in `floor_sql/`, rows that cannot be read are dropped, and a second run starts from nothing. The same result
tables as the pipeline's come out, under the same names, so that both can be compared first.

It comes in two sizes. The first only answers: it reads of each file what the questions need and writes the result tables.
The second delivers what the pipeline's users get: every row of every file kept with file and line beside the published
tables, and each of these as Parquet too.

    python -m benchmarks.floor LANDING OUT.duckdb 2026-02-21T12:00:00+08:00 [--deliver]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import duckdb

STEPS = Path(__file__).parent / "floor_sql"
GBK_FILES = ("taobao/*.csv", "zz_late/taobao/*.csv", "alipay/*.csv")


def build(landing: Path, target: Path, as_of: str, *, deliver: bool = False) -> None:
    """Write every result table of the files below `landing` to the DuckDB file `target`, as they stand at `as_of`.

    With `deliver`, also every row of the files to `<target>.raw.duckdb` (a file of its own: it holds names and telephone
    numbers) and the result tables as Parquet to the folder `<target>.parquet`.
    """
    relations = tomllib.loads((STEPS / "files.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir=target.parent) as utf8, duckdb.connect(str(target)) as connection:
        transcode(landing, Path(utf8))
        places = {"{utf8}": utf8, "{landing}": str(landing), "{as_of}": f"TIMESTAMPTZ '{as_of}'"}
        relations = {name: filled(relation, places) for name, relation in relations.items()}
        if deliver:
            keep_rows(connection, target.with_suffix(".raw.duckdb"), relations)
            relations = {name: f"kept.raw.{name}" for name in relations}
        places |= {f"{{{name}}}": relation for name, relation in relations.items()}
        for step in sorted(STEPS.glob("*.sql")):
            connection.execute(filled(step.read_text(encoding="utf-8"), places))
        connection.execute("CHECKPOINT")
        if deliver:
            export(connection, target.with_suffix(".parquet"))


def filled(text: str, places: dict[str, str]) -> str:
    """The text with its places filled."""
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def keep_rows(connection: duckdb.DuckDBPyConnection, path: Path, relations: dict[str, str]) -> None:
    """Every row of every file, in its order: `filename` says which, and raw.files where its rows begin, so that the line of
    a row is its rowid less the first one's."""
    connection.execute(f"ATTACH '{path}' AS kept; CREATE SCHEMA kept.raw")
    connection.execute("CREATE TABLE kept.raw.files (kind VARCHAR, filename VARCHAR, first_row BIGINT, rows BIGINT)")
    for name, relation in relations.items():
        connection.execute(f"CREATE TABLE kept.raw.{name} AS SELECT * FROM {relation}")
        connection.execute(
            f"INSERT INTO kept.raw.files SELECT '{name}', filename, min(rowid), count(*) FROM kept.raw.{name} GROUP BY filename"
        )
    connection.execute("CHECKPOINT kept")


def export(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Each result table as Parquet."""
    folder.mkdir()
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT temporary"
    ).fetchall()
    for schema, table in tables:
        connection.execute(f"COPY {schema}.{table} TO '{folder / f'{schema}.{table}.parquet'}' (FORMAT parquet)")


def transcode(landing: Path, folder: Path) -> None:
    """Stream the GBK files as UTF-8 into `folder`, all at once, one iconv each: DuckDB alone cannot read them. A file that is
    there already is left as it is."""
    paths = [path for pattern in GBK_FILES for path in sorted(landing.glob(pattern)) if not (folder / path.name).exists()]
    if not shutil.which("iconv"):
        for path in paths:
            with path.open(encoding="gb18030", newline="") as text, (folder / path.name).open("wb") as out:
                while block := text.read(1 << 18):
                    out.write(block.encode())
        return
    running = []
    for path in paths:
        with (folder / path.name).open("wb") as out:
            running.append(subprocess.Popen(["iconv", "-f", "gb18030", "-t", "utf-8", str(path)], stdout=out))
    failed = [process.args for process in running if process.wait()]
    if failed:
        raise RuntimeError(f"iconv failed: {failed}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.floor")
    parser.add_argument("landing", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("as_of")
    parser.add_argument("--deliver", action="store_true", help="keep every row and write Parquet as well")
    options = parser.parse_args()
    build(options.landing, options.target, options.as_of, deliver=options.deliver)
