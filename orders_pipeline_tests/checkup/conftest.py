"""The home in which all is well, made once, and a copy of it for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orders_pipeline.kernel.home import KEY_VARIABLE, Home
from orders_pipeline_tests.checkup.world import World, make_clean


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a key for tests only")
        home = make_clean(tmp_path_factory.mktemp("checkup") / "home")
    yield home
    shutil.rmtree(home.root.parent)


@pytest.fixture
def world(clean: Home, tmp_path: Path) -> Iterator[World]:
    made = World.copy(clean, tmp_path / "home")
    yield made
    for undo in made.undo:
        undo()
    shutil.rmtree(made.home.root)
