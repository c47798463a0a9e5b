"""A home in which all is well, and copies of it into which faults are planted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orders_pipeline.checkup import desk
from orders_pipeline.checkup.findings import Report
from orders_pipeline.checkup.scene import Scene
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline_tests import support
from orders_pipeline_tests.scenarios.stories import AS_OF, Book, ago

Found = set[tuple[str, str]]


def land_all_is_well(home: Home) -> None:
    """Four orders of February, paid, shipped, delivered; stock, products, one warehouse."""
    book = Book()
    for number, age in (("A1", 9), ("A2", 8), ("A3", 7), ("A4", 6)):
        book.order(number, 100, status="completed", age=age, paid_at=ago(age - 0.1), buyer_account=f"buyer {number}")
        book.line(number, unit_price=100, product_title="Cup", payable_amount=100)
        book.pay(number, 100, age=age - 0.1)
        book.ship(number, age=age - 1, shipped_at=ago(age - 1))
        book.track(f"WB-{number}", "delivered", age=age - 3)
    book.rows["products"].append({"sku": "S1", "title": "Cup", "category": "home", "cost": 40, "list_price": 100})
    book.rows["warehouses"].append({"warehouse_id": "W1", "kind": "warehouse", "timezone": "Asia/Shanghai"})
    book.rows["inventory_snapshots"].append(
        {"warehouse_id": "W1", "sku": "S1", "counted_at": ago(hours=2), "on_hand_qty": 50, "safety_stock_qty": 5}
    )
    book.land(home)


@dataclass
class World:
    """A copy of the home in which all is well; what is planted, and what the checkup must then say."""

    home: Home
    environ: dict[str, str] = field(default_factory=lambda: {KEY_VARIABLE: "a key for tests only"})
    scene: dict[str, Any] = field(default_factory=dict)
    undo: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def copy(cls, home: Home, root: Path) -> World:
        """The databases are linked until somebody writes to them; all else is copied."""

        def link(source: str, target: str) -> None:
            os.link(source, target) if source.endswith(".duckdb") else shutil.copy2(source, target)

        shutil.copytree(home.root, root, copy_function=link)
        return cls(Home(root))

    def sql(self, *statements: str, where: str = "warehouse") -> None:
        """Write to the warehouse, or `where="published"`, by hand."""
        path = self.home.warehouse if where == "warehouse" else self.home.published_database
        self._own(path)
        # Under another name: the published file is called like a schema in it.
        with duckdb.connect() as connection:
            connection.execute(f"SET TimeZone = 'UTC'; ATTACH '{path}' AS book; USE book")
            for statement in statements:
                connection.execute(statement)

    def both(self, statement: str) -> None:
        """The same change in the warehouse and in what is published."""
        self.sql(statement)
        self.sql(statement, where="published")

    def _own(self, path: Path) -> None:
        if path.stat().st_nlink > 1:
            own = path.with_suffix(".own")
            shutil.copy2(path, own)
            own.replace(path)

    def age(self, path: Path, hours: float) -> Path:
        """As if the file had been written that long before the clock."""
        moment = (AS_OF - timedelta(hours=hours)).timestamp()
        os.utime(path, (moment, moment), follow_symlinks=False)
        return path

    def settings(self, text: str) -> None:
        with self.home.settings_file.open("a", encoding="utf-8") as out:
            out.write(text + "\n")

    def examine(self, as_of: datetime = AS_OF) -> Report:
        scene = Scene(self.home, as_of, environ=self.environ, **self.scene)
        try:
            return desk.examine(scene)
        finally:
            scene.close()


def found(report: Report, level: str = "info") -> Found:
    """(probe, place) of the findings at this level or above."""
    levels = ("info", "warn", "error")
    return {(f.probe, f.place) for f in report.findings if levels.index(f.severity) >= levels.index(level)}


def make_clean(root: Path) -> Home:
    home = support.new_home(root)
    land_all_is_well(home)
    support.run(home, AS_OF)
    return home


