"""A home with three orders and their payments in the standard format, and Dagster runs on it in this process."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest

from orders_pipeline import dev
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline.kernel.orchestration.assets import SETTLE_SECONDS

AS_OF = "2026-02-20T09:00:00+08:00"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, which is the one ORDERS_PIPELINE_HOME names."""
    made = Home(tmp_path / "home").create()
    monkeypatch.setenv("ORDERS_PIPELINE_HOME", str(made.root))
    monkeypatch.setenv(KEY_VARIABLE, "the same in every home of the tests")
    return made


@pytest.fixture
def small_home(home: Home) -> Home:
    """A home with three orders and their payments to be taken in."""
    land_orders(home, "orders.csv", "A1", "A2", "A3")
    land(home, "payments.csv", [payment("P1", "A1"), payment("P2", "A2")])
    return home


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as one:
        yield one


@pytest.fixture
def served(home: Home) -> Iterator[dg.DagsterInstance]:
    """The instance of a home, as `dev` makes it."""
    home.dagster.mkdir()
    dev.write_configuration(home, postgres=False)
    with dg.DagsterInstance.from_config(str(home.dagster)) as one:
        yield one


def order(number: str) -> dict[str, str]:
    return {
        "channel": "taobao", "shop_id": "main", "channel_order_id": number, "status": "paid", "currency": "CNY",
        "payable_amount": "120.50", "paid_amount": "120.50", "created_at": "2026-02-18T10:00:00+08:00",
        "paid_at": "2026-02-18T10:05:00+08:00", "exported_at": "2026-02-19T00:00:00+08:00",
    }


def payment(number: str, order_number: str) -> dict[str, str]:
    return {
        "account": "alipay_main", "payment_id": number, "kind": "receipt", "amount": "120.50", "currency": "CNY",
        "occurred_at": "2026-02-18T10:05:00+08:00", "channel": "taobao", "shop_id": "main",
        "channel_order_id": order_number,
    }


def land_orders(home: Home, name: str, *numbers: str) -> Path:
    return land(home, name, [order(n) for n in numbers])


def land(home: Home, name: str, rows: list[Mapping[str, str]], *, settled: bool = True) -> Path:
    """A CSV file in the landing zone; settled: as if it had been written a while ago."""
    path = home.landing / name
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    if settled:
        past = time.time() - 10 * SETTLE_SECONDS
        os.utime(path, (past, past))
    return path


@pytest.fixture
def execute(instance: dg.DagsterInstance) -> Callable[..., dg.ExecuteInProcessResult]:
    """Runs a job of ours in this process."""

    def run(job: str = "load_and_publish", **arguments: object) -> dg.ExecuteInProcessResult:
        from orders_pipeline.definitions import defs

        tags = {"orders_pipeline/as_of": AS_OF}
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance, tags=tags, raise_on_error=False, **arguments
        )

    return run
