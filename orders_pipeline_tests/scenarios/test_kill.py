"""A run that is killed, anywhere, leaves the published file whole, and the next run completes to what an undisturbed one makes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.scenarios.crowd import AS_OF, land_orders
from orders_pipeline_tests.support import differences, new_home, query, run

FIRST, SECOND = 1_500, 2_500
ROOT = Path(__file__).parents[2]


def start(home: Home) -> subprocess.Popen:
    """The command line in a process of its own, as a scheduler would start it."""
    command = [sys.executable, "-m", "orders_pipeline.cli", "run", "--home", str(home.root), "--as-of", AS_OF]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def finish(home: Home) -> float:
    """An undisturbed run in a process of its own; returns how long it took."""
    began = time.perf_counter()
    process = start(home)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    return time.perf_counter() - began


def kill_when(home: Home, ready: Callable[[float], bool]) -> bool:
    """Start a run and SIGKILL it as soon as `ready` (of its age in seconds) says so; False when it was done before that."""
    process = start(home)
    began = time.perf_counter()
    while process.poll() is None:
        if ready(time.perf_counter() - began):
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return process.returncode == -signal.SIGKILL
        time.sleep(0.001)
    process.communicate()
    assert process.returncode == 0
    return False


def orders_published(home: Home) -> tuple[int, int, int]:
    """(orders, orders in the match, orders paid): read from the published file; fails when it cannot be read."""
    return query(
        home,
        "SELECT (SELECT count(*) FROM orders.orders), count(*) FILTER (WHERE has_order), count(paid_amount) "
        "FROM reconciliation.three_way_match",
    )[0]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the first files published and the second ones waiting."""
    home = new_home(tmp_path_factory.mktemp("kill") / "template")
    land_orders(home, 0, FIRST)
    run(home, AS_OF)
    land_orders(home, FIRST, SECOND)
    return home


@pytest.fixture(scope="module")
def undisturbed(template: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, float]:
    home = Home(tmp_path_factory.mktemp("kill") / "undisturbed")
    shutil.copytree(template.root, home.root)
    return home, finish(home)


OLD, NEW = (FIRST,) * 3, (FIRST + SECOND,) * 3


def test_a_run_killed_at_many_moments_leaves_old_or_new_and_is_completed(
    template: Home, undisturbed: tuple[Home, float], tmp_path: Path
) -> None:
    """Killed again and again on one home, at moments spread over the whole run; then once undisturbed."""
    home, seconds = Home(tmp_path / "home"), undisturbed[1]
    shutil.copytree(template.root, home.root)
    chance = random.Random(7)
    killed = 0
    for part in range(8):
        moment = seconds * (part + chance.random()) / 8
        killed += kill_when(home, lambda age, moment=moment: age >= moment)
        assert orders_published(home) in (OLD, NEW)
    assert killed >= 4
    finish(home)
    assert not differences(home.published_database, undisturbed[0].published_database)


def test_a_run_killed_while_it_publishes_leaves_old_or_new_and_is_completed(
    template: Home, undisturbed: tuple[Home, float], tmp_path: Path
) -> None:
    """Killed when the new file is there, when the swap is done, and just after: the seams of publishing."""

    def new_file(home: Home) -> bool:
        return any(home.published.glob(".orders-*.duckdb"))

    for name, extra in (("new file there", 0.0), ("being written", 0.03), ("swapped", 0.15)):
        home = Home(tmp_path / name)
        shutil.copytree(template.root, home.root)
        seen: list[float] = []

        def ready(age: float, home: Home = home, seen: list[float] = seen, extra: float = extra) -> bool:
            if not seen and new_file(home):
                seen.append(age)
            return bool(seen) and age >= seen[0] + extra

        kill_when(home, ready)
        assert orders_published(home) in (OLD, NEW)
        finish(home)
        assert orders_published(home) == NEW
        assert not differences(home.published_database, undisturbed[0].published_database), name
        assert not list(home.published.glob(".orders-*")), "what the killed run left beside the published file is gone"


def test_a_first_run_that_is_killed_publishes_nothing_or_all(
    template: Home, undisturbed: tuple[Home, float], tmp_path: Path
) -> None:
    home = new_home(tmp_path / "home")
    shutil.copytree(template.landing, home.landing, dirs_exist_ok=True)
    chance = random.Random(11)
    for _ in range(3):
        moment = undisturbed[1] * (0.2 + 0.7 * chance.random())
        kill_when(home, lambda age, moment=moment: age >= moment)
        assert not home.published_database.exists() or orders_published(home) == NEW
    finish(home)
    assert not differences(home.published_database, undisturbed[0].published_database)
