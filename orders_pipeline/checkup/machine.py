"""Probes of the machine, the runs and the publication."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Collection, Iterator
from importlib import metadata
from pathlib import Path

import duckdb

from orders_pipeline.checkup.probes import Fact, fact, probe
from orders_pipeline.checkup.scene import Scene, Unavailable, made_later
from orders_pipeline.dev import PG_VARIABLE
from orders_pipeline.kernel.tables import load_tables
from orders_pipeline.kernel.warehouse import tables_there
from orders_pipeline.publish import later
from orders_pipeline.publish.publisher import CONSUMER, HISTORY

DISTRIBUTION = "orders-pipeline"


@probe
def warehouse_in_use(scene: Scene) -> Iterator[Fact]:
    if _why_closed(scene).startswith("another process"):
        yield fact(str(scene.home.warehouse.relative_to(scene.home.root)))


@probe
def warehouse_unreadable(scene: Scene) -> Iterator[Fact]:
    if _why_closed(scene).startswith("the warehouse can not"):
        try:
            duckdb.connect(str(scene.home.warehouse), read_only=True).close()
            detail = "the settings of this pipeline are refused"
        except duckdb.Error as error:
            detail = str(error).splitlines()[0].replace(str(scene.home.root), "")[:200]
        yield fact(str(scene.home.warehouse.relative_to(scene.home.root)), detail=detail)


def _why_closed(scene: Scene) -> str:
    try:
        _ = scene.warehouse
    except Unavailable as error:
        return str(error)
    return ""


@probe
def publication_behind(scene: Scene) -> Iterator[Fact]:
    if _pending(scene):
        yield fact("published/orders.duckdb")


def _pending(scene: Scene) -> bool:
    """Whether the warehouse holds what was not published yet; the publisher asks the same (Refresher.changes)."""
    scene.need("kernel.consumers", "kernel.touched")
    return scene.rows(
        "SELECT (SELECT count(*) FROM kernel.consumers WHERE consumer <> $1 AND rebuilt > p.batch) "
        "+ (SELECT count(*) FROM kernel.touched WHERE batch > p.batch) > 0 "
        "FROM (SELECT coalesce(max(batch), 0) AS batch FROM kernel.consumers WHERE consumer = $1) AS p",
        [CONSUMER],
    )[0][0]


@probe
def published_file_missing(scene: Scene) -> Iterator[Fact]:
    scene.need("kernel.consumers")
    if scene.rows("SELECT count(*) FROM kernel.consumers WHERE consumer = ?", [CONSUMER])[0][0]:
        for path in (scene.home.published_database, scene.home.published_book):
            if not path.exists():
                yield fact(str(path.relative_to(scene.home.root)))


@probe
def published_differs(scene: Scene) -> Iterator[Fact]:
    if _pending(scene):
        return
    # What checks and alerts write down is published with the next change of a table.
    public = {name for name, spec in load_tables().items() if spec.public} - {*HISTORY}
    if later.are_behind(scene.home):  # A run that died may have made them and not published them: the next one does.
        public -= made_later()
    here, there = (_row_counts(connection, public) for connection in (scene.warehouse, scene.published))
    for name, count in sorted(here.items()):
        if count != there.get(name, 0):
            yield fact(name, published=there.get(name, 0), warehouse=count)


def _row_counts(connection: duckdb.DuckDBPyConnection, names: Collection[str]) -> dict[str, int]:
    counts = [f"SELECT '{name}', count(*) FROM {name}" for name in sorted(tables_there(connection)) if name in names]
    return dict(connection.execute(" UNION ALL ".join(counts)).fetchall()) if counts else {}


@probe
def disk_nearly_full(scene: Scene) -> Iterator[Fact]:
    home = scene.home
    sizes = (path.stat().st_size for path in (home.warehouse, home.published_database) if path.exists())
    needed = max(int(scene.threshold("disk_free_min_mb")), 2 * sum(sizes) // 1_000_000)
    free = shutil.disk_usage(home.root).free // 1_000_000
    if free < needed:
        yield fact("the home", free=free, needed=needed)


@probe
def leftovers(scene: Scene) -> Iterator[Fact]:
    home, limit = scene.home, float(scene.threshold("landing_wait_max_hours"))
    found = [*home.work.glob("**/*"), *home.published.glob(".orders-*"), *home.published.glob("**/*.part")]
    for path in sorted(p for p in found if p.is_file()):
        if scene.age_hours(path) > limit:
            place = str(path.relative_to(home.root))
            yield fact(place, hours=int(scene.age_hours(path)), mb=round(path.stat().st_size / 1e6, 1))


@probe
def storage_mismatch(scene: Scene) -> Iterator[Fact]:
    file = scene.home.dagster / "dagster.yaml"
    if not file.exists():
        return
    is_postgres, is_set = "postgres_url" in file.read_text(encoding="utf-8"), bool(scene.environ.get(PG_VARIABLE))
    if is_postgres != is_set:
        configured = "Postgres" if is_postgres else "the home (SQLite)"
        yield fact("dagster/dagster.yaml", configured=configured, variable=PG_VARIABLE, state="set" if is_set else "not set")


@probe
def daemon_not_running(scene: Scene) -> Iterator[Fact]:
    if _serving_file(scene).exists() and not _is_served(scene):
        yield fact("this home")


@probe
def never_served(scene: Scene) -> Iterator[Fact]:
    if not _serving_file(scene).exists():
        yield fact("this home")


def _serving_file(scene: Scene) -> Path:
    return scene.home.dagster / "serving"


def _is_served(scene: Scene) -> bool:
    """Whether a `dev` holds the lock it takes on the home."""
    with _serving_file(scene).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@probe
def schedule_off(scene: Scene) -> Iterator[Fact]:
    if not (scene.home.dagster / "dagster.yaml").exists() or not _serving_file(scene).exists():
        return
    if "postgres_url" in (scene.home.dagster / "dagster.yaml").read_text(encoding="utf-8"):
        raise Unavailable("the run history lies in Postgres")
    from dagster import DagsterInstance  # 1.5 s

    with DagsterInstance.from_config(str(scene.home.dagster)) as instance:
        for state in instance.all_instigator_state():
            if state.status.value == "STOPPED":
                yield fact(f"{state.instigator_type.value.lower()} {state.instigator_name}")


@probe
def library_version_differs(scene: Scene) -> Iterator[Fact]:
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in metadata.requires(DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        raise Unavailable(f"{DISTRIBUTION} is not installed as a package") from None
    for one in wanted:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            installed = "missing"
        if installed == "missing" or not one.specifier.contains(re.sub(r"\+.*", "", installed), prereleases=True):
            yield fact(one.name, installed=installed, wanted=str(one.specifier) or "any version")
