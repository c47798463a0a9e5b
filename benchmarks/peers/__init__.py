"""The same work in other people's tools: how each is started, what it needs, where its answers are."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import data


@dataclass(frozen=True)
class Peer:
    """One tool: `again` says what its usual way is when a file comes on top."""

    name: str
    label: str
    packages: tuple[str, ...]
    again: str
    answers: str = ""

    def missing(self) -> str | None:
        """Why it cannot take part here, or None."""
        for package in self.packages:
            try:
                version(package)
            except PackageNotFoundError:
                return f"{package} is not installed (make {'setup-spark' if self.name == 'spark' else 'setup-bench'})"
        if self.name == "spark" and shutil.which("java") is None:
            return "Java is not installed"
        return None

    def command(self, landing: Path, folder: Path, as_of: datetime) -> list[str]:
        """What is measured: the files of `landing` as result tables in `folder`, as they stand at `as_of`."""
        if self.name == "spark":
            data.place(landing, folder / "landing")
            program = Path(sys.executable).with_name("orders-pipeline")
            engine = ["--engine", "spark", "--master", "local[*]"]
            return [str(program), "run", *engine, "--home", str(folder), "--as-of", as_of.isoformat(), "--json"]
        return [sys.executable, "-m", f"benchmarks.peers.in_{self.name}", str(landing), str(folder), as_of.isoformat()]


PEERS = (
    Peer("pandas", "pandas", ("pandas", "pyarrow"), "everything again"),
    Peer("polars", "Polars", ("polars",), "everything again"),
    Peer("dbt", "dbt-duckdb", ("dbt-core", "dbt-duckdb"), "staging models incremental, the rest again", "dbt.duckdb"),
    Peer("spark", "pipeline on Spark, local", ("pyspark",), "the file read, every model anew", "published/orders.duckdb"),
)
