"""Shared fixtures: an empty home, and where the evaluation material lies (tests that need it skip where it is absent)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orders_pipeline import pipeline
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline_tests import support

ROOT = Path(__file__).parents[1]
#: The moment at which `make run` looks at the bundled sample (see the Makefile).
SAMPLE_AS_OF = parse_as_of("2026-03-21T12:00:00+08:00")
#: Folders and files whose tests take minutes together: another engine, many random worlds, long histories, killed and crowded
#: processes, browsers. `make test` leaves them to `make test-slow`.
SLOW = (
    "properties", "spark", "report/test_browser.py", "hostile/test_large.py",
    *(f"scenarios/test_{name}.py" for name in ("kill", "later_tables", "readers", "spare_file")),
    *(f"dagster/test_{name}.py" for name in ("crowd", "dev", "runs", "soak")),
    *(f"acceptance/test_{name}.py" for name in ("complete_journey", "olist", "promotion_worlds", "simulated_lives", "six_months")),
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def one_customer_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same keyed hash in every home, so that two homes can be compared."""
    monkeypatch.setenv(KEY_VARIABLE, "a key for tests only")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return support.new_home(tmp_path / "home")


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """A path below the shared folder; the test is skipped, with the reason, where it is absent."""

    def find(relative: str) -> Path:
        path = support.SHARED / relative
        if not path.exists():
            pytest.skip(f"{relative} is not in the shared folder (set {support.SHARED_VARIABLE} to where it lies)")
        return path

    return find


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The bundled sample, run once for the whole session; tests only read it."""
    home = Home(tmp_path_factory.mktemp("sample"))
    shutil.copytree(ROOT / "data" / "landing", home.landing)
    pipeline.run(home.create(), SAMPLE_AS_OF)
    return home
