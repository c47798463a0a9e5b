"""Scenario tests without the pipeline: every run of theirs is recorded once, and replayed for a changed rule.

A scenario lands files, runs the whole pipeline and asks the published tables. For one changed rule nearly all of that is the same
again. Recording keeps the warehouse and the published file of every run. Replaying answers a run with them, after the changed rule,
whatever reads what it makes, and the checks on those tables have been made anew: the tests' own assertions then judge.

    Recorder(folder)        a pytest plugin that records
    Replayer(store, world)  a pytest plugin that replays; `world` is what the rules are now
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orders_pipeline import pipeline
from orders_pipeline.ingest.intake import Intake
from orders_pipeline.kernel import models as sql
from orders_pipeline.kernel.checks import CheckResult
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.macros import macro_statements
from orders_pipeline.kernel.models import Model
from orders_pipeline.kernel.settings import Settings, load_settings
from orders_pipeline.kernel.sqltext import literal, quote
from orders_pipeline.kernel.statements import statement
from orders_pipeline.kernel.through import select_of
from orders_pipeline.kernel.warehouse import columns_of
from orders_pipeline.pipeline import RunResult


def module_of_test() -> str:
    """The test module at work, also while its fixtures are made."""
    return Path(os.environ["PYTEST_CURRENT_TEST"].split("::")[0]).stem


class Recorder:
    """Keeps what every run of the pipeline left, by module and number of the run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers, self.whole = folder, Counter[str](), pipeline.run

    def pytest_configure(self) -> None:
        pipeline.run = self.run

    def pytest_unconfigure(self) -> None:
        pipeline.run = self.whole

    def run(self, home: Home, as_of: datetime, **options: Any) -> RunResult:
        result = self.whole(home, as_of, **options)
        module = module_of_test()
        into = self.folder / module / f"{self.numbers[module]:03d}"
        self.numbers[module] += 1
        into.mkdir(parents=True)
        shutil.copy2(home.warehouse, into / "warehouse.duckdb")
        if home.published_database.exists():
            shutil.copy2(home.published_database, into / "published.duckdb")
        if home.settings_file.exists():
            shutil.copy2(home.settings_file, into / "settings.toml")
        (into / "run.json").write_text(json.dumps({"as_of": as_of.isoformat(), "is_blocked": bool(result.blocked_by)}))
        return result


@dataclass
class Recording:
    """What one run left. Its tables are views in a connection of its own, in which a changed rule may put others."""

    folder: Path
    #: Model -> whether it gives the recorded rows when nothing is changed.
    steady: dict[str, bool] = field(default_factory=dict)

    @cached_property
    def as_of(self) -> datetime:
        return datetime.fromisoformat(json.loads((self.folder / "run.json").read_text())["as_of"])

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.folder / "settings.toml")

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        connection.execute(f"ATTACH {literal(str(self.folder / 'warehouse.duckdb'))} AS recorded (READ_ONLY)")
        for macro in macro_statements():
            connection.execute(macro)
        for schema, table in connection.execute(
            "SELECT DISTINCT schema_name, table_name FROM duckdb_columns() WHERE database_name = 'recorded' AND NOT internal"
        ).fetchall():
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
            connection.execute(f"CREATE VIEW {quote(schema)}.{quote(table)} AS FROM recorded.{quote(schema)}.{quote(table)}")
        return connection

    def rendered(self, model: Model) -> str:
        """The statement of a model as it stands."""
        return statement(model, self.as_of, self.settings.thresholds)

    def differs(self, model: Model) -> bool:
        """Make a model anew beside what is recorded; whether its rows are others. They stay in `made` until the next call."""
        columns = ", ".join(quote(c) for c in columns_of_recorded(self.connection, model.name))
        text = select_of(self.connection, model, self.rendered(model))
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE made AS SELECT {columns} FROM ({text})")
        both = f"SELECT {columns} FROM made", f"SELECT {columns} FROM recorded.{model.name}"
        return any(
            self.connection.execute(f"SELECT 1 FROM ({one} EXCEPT ALL {other}) LIMIT 1").fetchall()
            for one, other in (both, both[::-1])
        )

    def notices(self, name: str, now: Model, then: Model) -> bool:
        """Whether a changed model gives other rows; never of one that did so before it was changed."""
        if not self.differs(now):
            return False
        if now is not then and name not in self.steady:
            self.steady[name] = not self.differs(then)
        return self.steady.get(name, True)

    @contextmanager
    def changed(self, changed: Mapping[str, Model], suspects: set[str]) -> Iterator[dict[str, Model]]:
        """The tables that come out otherwise while some rules are others, in place of the recorded ones for as long as this lasts.

        `suspects` are models to make anew in any case: a function of theirs was changed."""
        others: dict[str, Model] = {}
        self.connection.execute("BEGIN TRANSACTION")
        try:
            for model in pipeline.models():
                now = changed.get(model.name, model)
                is_due = model.name in changed or model.name in suspects or not model.after.isdisjoint(others)
                if is_due and self.steady.get(model.name, True) and self.differs(now):
                    self.connection.execute(f"DROP VIEW {model.name}")
                    self.connection.execute(f"CREATE TABLE {model.name} AS FROM made")
                    others[model.name] = model
            yield others
        finally:
            self.connection.execute("ROLLBACK")

    def failing(self, others: Mapping[str, Model]) -> list[CheckResult]:
        """Checks that would keep a run with these tables from being published."""
        found = []
        for check in pipeline.checks():
            if check.table in others and check.severity == "error":
                body = statement(check.sql, self.as_of, self.settings.thresholds)
                rows = self.connection.execute(f"SELECT * FROM ({body}) LIMIT 3").fetchall()
                if rows:
                    found.append(CheckResult(check, 0, len(rows), str(rows)))
        return found

    def publish(self, home: Home, others: Mapping[str, Model]) -> None:
        """The recorded publication, with the tables that are others."""
        target = home.published_database
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        home.published_book.unlink(missing_ok=True)
        recorded = self.folder / "published.duckdb"
        if not recorded.exists():
            return
        if not others:
            os.link(recorded, target)
            os.link(recorded, home.published_book)
            return
        shutil.copy2(recorded, target)
        with duckdb.connect(str(target), config={"threads": 1}) as published:
            published.execute("SET TimeZone = 'UTC'")
            for name in others:
                types = columns_of(published, name)
                if not types:
                    continue
                columns = ", ".join(f"CAST({quote(c)} AS {kind}) AS {quote(c)}" for c, kind in types.items())
                rows = self.connection.execute(f"SELECT {columns} FROM {name}").to_arrow_table()
                published.execute(f"DELETE FROM {name}")
                published.register("rows", rows)
                published.execute(f"INSERT INTO {name} BY NAME FROM rows")
                published.unregister("rows")
        os.link(target, home.published_book)


def columns_of_recorded(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE recorded.{name}").fetchall()]


@dataclass
class Store:
    """All that was recorded."""

    folder: Path

    @cached_property
    def modules(self) -> dict[str, list[Recording]]:
        return {
            path.name: [Recording(one) for one in sorted(path.iterdir())]
            for path in sorted(self.folder.iterdir())
            if path.is_dir()
        }


class Listener:
    """Hears which tests fail."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


class Replayer(Listener):
    """Answers the runs of a test module with recordings, under changed rules."""

    def __init__(self, store: Store, changed: Mapping[str, Model], suspects: set[str]) -> None:
        super().__init__()
        self.store, self.changed, self.suspects = store, changed, suspects
        self.numbers, self.whole = Counter[str](), pipeline.run

    def pytest_configure(self) -> None:
        pipeline.run = self.run

    def pytest_unconfigure(self) -> None:
        pipeline.run = self.whole

    def run(self, home: Home, as_of: datetime, **_: Any) -> RunResult:
        module = module_of_test()
        recording = self.store.modules[module][self.numbers[module]]
        self.numbers[module] += 1
        if recording.as_of != as_of:
            raise RuntimeError(f"{module}: run {self.numbers[module]} was recorded at {recording.as_of}, replayed at {as_of}")
        result = RunResult("replay", as_of, Intake())
        with recording.changed(self.changed, self.suspects) as others:
            result.checks = recording.failing(others)
            recording.publish(home, others)
        return result


def with_sql(model: Model, text: str) -> Model:
    """A model with another SELECT."""
    return replace(model, sql=text, after=sql.tables_read(sql.parse(text)))
