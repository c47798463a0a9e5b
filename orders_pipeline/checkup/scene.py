"""What a probe may look at: one home, its settings and tables, the environment, the dictionary, and one clock.

Everything is opened when first asked for. What cannot be had raises `Unavailable`: the probe is then reported as not made, and
the probe of that very thing says what is wrong with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from orders_pipeline.dictionary import model as dictionary_files
from orders_pipeline.dictionary.model import Dictionary, load_dictionary
from orders_pipeline.kernel.faults import Transient, Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.settings import THRESHOLDS, Settings, load_settings
from orders_pipeline.kernel.sqltext import literal
from orders_pipeline.kernel.warehouse import connect, table_exists
from orders_pipeline.publish import later

T = TypeVar("T")


class Unavailable(Exception):
    """What a probe looks at is not to be had; says what."""


def made_later() -> set[str]:
    """The tables that a file's run leaves as they are (`pace` of a model)."""
    from orders_pipeline import pipeline

    return {model.name for model in pipeline.models() if model.later}


@dataclass
class Scene:
    """One home at one moment. `connection` is the warehouse where the caller has it open already."""

    home: Home
    as_of: datetime
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    dictionary_folder: Path = dictionary_files.FOLDER
    thresholds_file: Path = THRESHOLDS
    connection: duckdb.DuckDBPyConnection | None = None
    _had: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self._once("settings", lambda: load_settings(self.home.settings_file))

    @property
    def dictionary(self) -> Dictionary:
        return self._once("dictionary", lambda: load_dictionary(self.dictionary_folder))

    @property
    def warehouse(self) -> duckdb.DuckDBPyConnection:
        """The warehouse, for reading only."""
        return self.connection or self._once("warehouse", self._open_warehouse)

    @property
    def published(self) -> duckdb.DuckDBPyConnection:
        """The published tables, as schema.table of the connection's catalogue."""
        return self._once("published", self._open_published)

    def threshold(self, name: str) -> Any:
        return self.settings.thresholds[name]

    def age_hours(self, path: Path) -> float:
        """How long ago a file was last written, by the scene's clock."""
        return (self.as_of.timestamp() - path.lstat().st_mtime) / 3600

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple]:
        """Rows of a statement over the warehouse."""
        return self.warehouse.execute(statement, list(values)).fetchall()

    def need(self, *tables: str) -> None:
        """Raises Unavailable unless the warehouse has these tables, all as of one run."""
        missing = [name for name in sorted(tables) if not table_exists(self.warehouse, name)]
        if missing:
            raise Unavailable(f"there is no table {', '.join(missing)} yet")
        if later.are_behind(self.home) and (late := made_later() & {*tables}) and late != {*tables}:
            raise Unavailable(f"{', '.join(sorted(late))} will be made in the next quiet while")

    def close(self) -> None:
        """Let go of what was opened here."""
        for opened in self._had.values():
            if isinstance(opened, duckdb.DuckDBPyConnection):
                opened.close()
        self._had.clear()

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._had:
            try:
                self._had[name] = make()
            except Usage as error:
                self._had[name] = Unavailable(f"the {name} can not be read: {error}")
            except Unavailable as error:
                self._had[name] = error
        if isinstance(self._had[name], Unavailable):
            raise self._had[name]
        return self._had[name]

    def _open_warehouse(self) -> duckdb.DuckDBPyConnection:
        if not self.home.warehouse.exists():
            raise Unavailable("nothing has been run in this home yet")
        try:
            return connect(self.home.warehouse, self.home.work, read_only=True)
        except Transient as error:
            raise Unavailable("another process has the warehouse open") from error
        except duckdb.Error as error:
            raise Unavailable("the warehouse can not be opened") from error

    def _open_published(self) -> duckdb.DuckDBPyConnection:
        if not self.home.published_database.exists():
            raise Unavailable("nothing is published yet")
        connection = connect(":memory:", self.home.work)
        try:
            connection.execute(f"ATTACH {literal(str(self.home.published_database))} AS published (READ_ONLY); USE published")
        except duckdb.Error as error:
            connection.close()
            raise Unavailable("the published file can not be opened") from error
        return connection
