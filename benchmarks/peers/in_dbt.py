"""The work of the floor as dbt models (`dbt_project/`) in DuckDB. A second run on the same database takes only further files.

    python -m benchmarks.peers.in_dbt LANDING OUT 2026-02-21T12:00:00+08:00

Beside dbt it does what dbt cannot: the files in GBK are transcoded first.
"""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path

from benchmarks import floor

PROJECT = Path(__file__).parent / "dbt_project"
DATABASE = "dbt.duckdb"


def build(landing: Path, folder: Path, as_of: str) -> None:
    """Run the models into `folder`/dbt.duckdb. Raises RuntimeError with dbt's words when one fails."""
    from dbt.cli.main import dbtRunner

    utf8 = folder / "utf8"
    utf8.mkdir(parents=True, exist_ok=True)
    floor.transcode(landing, utf8)
    relations = tomllib.loads((floor.STEPS / "files.toml").read_text(encoding="utf-8"))
    places = {"{utf8}": str(utf8), "{landing}": str(landing)}
    files = {name: floor.filled(relation, places).strip() for name, relation in relations.items()}
    os.environ["PEERS_DATABASE"] = str(folder / DATABASE)
    own = {"--project-dir": PROJECT, "--profiles-dir": PROJECT, "--target-path": folder / "target", "--log-path": folder / "logs"}
    options = [str(part) for pair in own.items() for part in pair]
    done = dbtRunner().invoke(["--quiet", "run", *options, "--vars", json.dumps({"files": files, "as_of": as_of})])
    if not done.success:
        failed = [r.message for r in getattr(done.result, "results", []) if r.status not in ("success", "skipped")]
        raise RuntimeError(f"dbt failed: {done.exception or failed}")


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
