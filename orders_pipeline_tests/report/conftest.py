"""One rich home for all tests of the report: a tangled book, promotions, hostile texts; and its report."""

from __future__ import annotations

import fcntl
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline.publish.report.write import write_report
from orders_pipeline_tests import support
from orders_pipeline_tests.acceptance import test_promotions
from orders_pipeline_tests.spark.tangle import Tangle

#: What somebody may write into a field that a report shows.
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u202eoben"
AS_OF = "2026-03-21T12:00:00+08:00"


def _hostile(home: Home) -> None:
    """Titles and numbers that would be markup, where the report shows such: stock at risk, orders that wait, differences."""
    key = {"channel": "kiosk", "shop_id": "k", "channel_order_id": f"{HOSTILE}1"}
    support.land(home, "hostile/products", [{"sku": f"{HOSTILE}sku", "title": f"{HOSTILE}title"}])
    support.land(home, "hostile/stock", [
        {"warehouse_id": f"{HOSTILE}place", "sku": f"{HOSTILE}sku", "counted_at": "2026-03-20T10:00:00+08:00", "on_hand_qty": 0}])  # fmt: skip
    support.land(home, "hostile/orders", [
        {**key, "status": "paid", "currency": "CNY", "payable_amount": "98765.43", "created_at": "2026-03-01T10:00:00+08:00",
         "paid_at": "2026-03-01T10:00:00+08:00"}])  # fmt: skip
    support.land(home, "hostile/lines", [{**key, "sku": f"{HOSTILE}sku", "quantity": 900, "payable_amount": "98765.43"}])
    (home.landing / "hostile" / "unknown <b>file.csv").write_text("a,b\n1,2\n", encoding="utf-8")


def _build(home: Home) -> None:
    as_of = parse_as_of(AS_OF)
    Tangle(3, 120, as_of).land(home)
    for entity, rows in test_promotions.world(as_of.date() - timedelta(days=test_promotions.DAYS)).items():
        support.land(home, f"promoted/{entity}", rows)
    _hostile(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a key for tests only")
        result = pipeline.run(home, as_of)
    assert not result.blocked_by


@pytest.fixture(scope="session")
def rich_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Every section of the report has something to show here; tests only read it. Made once, also where several workers ask for it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    ready = base / "report_home_is_ready"
    with (base / "report_home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(base / "report_home", ignore_errors=True)
            _build(support.new_home(base / "report_home"))
            ready.touch()
    return Home(base / "report_home")


@pytest.fixture(scope="session")
def report(rich_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the rich home, opened in Chinese."""
    return write_report(rich_home, tmp_path_factory.mktemp("report") / "report.html")
