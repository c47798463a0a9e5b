"""Where one installation keeps its things: a home folder with the landing zone, the warehouse and what is published."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from orders_pipeline.kernel.faults import Usage

HOME_VARIABLE = "ORDERS_PIPELINE_HOME"
KEY_VARIABLE = "ORDERS_PIPELINE_CUSTOMER_KEY"


@dataclass(frozen=True)
class Home:
    """The folders of one installation."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse" / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def published_database(self) -> Path:
        return self.published / "orders.duckdb"

    @property
    def published_book(self) -> Path:
        """The same file under a name that is not also the name of a schema in it, for tools that write `orders.orders`."""
        return self.published / "order_book.duckdb"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def work(self) -> Path:
        return self.root / "tmp"

    @property
    def settings_file(self) -> Path:
        return self.root / "settings.toml"

    def create(self) -> Home:
        """Make the folders that are missing; raises Usage when the place cannot be written to."""
        try:
            for folder in (self.landing, self.warehouse.parent, self.decisions, self.work):
                # Names and addresses of buyers lie there: nobody else's business. Only what is published is for all.
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            self.published.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Usage(
                f"cannot create the home {self.root}: {error.strerror}. Give a folder you may write to with --home."
            ) from error
        return self

    def customer_key(self) -> bytes:
        """The key of the customer hash: from the environment, else made once for this home and never committed."""
        given = os.environ.get(KEY_VARIABLE)
        if given:
            return given.encode()
        path = self.root / "customer.key"
        if not path.exists():
            fresh = path.with_suffix(".part")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_hex(32))
            fresh.replace(path)
        return path.read_text().strip().encode()


def find_home(given: str | None) -> Home:
    """The home named on the command line, else by ORDERS_PIPELINE_HOME, else `data` in the current folder."""
    return Home(Path(given or os.environ.get(HOME_VARIABLE) or "data").expanduser().absolute())
