"""Files that ask for too much, taken in by a process of its own: bounded time, bounded memory, the good files beside them loaded.

`ORDERS_PIPELINE_LARGE=16` makes them full size (a line of 1 GiB and the like); it takes minutes and some GB of disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orders_pipeline_tests.conftest import ROOT
from orders_pipeline_tests.hostile.large import LARGE

SCALE = int(os.environ.get("ORDERS_PIPELINE_LARGE", "1"))
#: What taking in nothing but small files needs is about 130 MiB; a bomb that goes off needs gigabytes.
PEAK_MIB = 700
SECONDS_EACH = 20 * SCALE


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> dict:
    home = tmp_path_factory.mktemp("large") / "home"
    done = subprocess.run(
        [sys.executable, "-m", "orders_pipeline_tests.hostile.large", str(home), str(SCALE)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120 * SCALE, check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    found["home"] = home
    found["ledger"] = {path: (status, reason, adds_up) for path, status, reason, adds_up in found["files"]}
    for path in (home / "landing").iterdir():
        path.unlink()
    return found


@pytest.mark.parametrize("name", sorted(LARGE))
def test_it_comes_to_its_end_with_a_reason_in_bounded_time(looked: dict, name: str) -> None:
    _, status, code = LARGE[name]
    found, reason, adds_up = looked["ledger"][name]
    assert (found, adds_up) == (status, True), reason
    seconds, _ = looked["peaks"][name]
    assert seconds < SECONDS_EACH
    if status == "refused":
        assert f"[{code}]" in reason or not code, reason
        assert " - " in reason, "a refusal names a remedy"
    else:
        assert {r for path, r in looked["reasons"] if path == name} == {code} - {""}


def test_memory_is_bounded_the_neighbours_are_loaded_and_nothing_is_left(looked: dict) -> None:
    assert looked["peak_mib"] < PEAK_MIB
    assert looked["waiting"] == []
    for name in ("00_first.csv", "zz_last.csv"):
        assert looked["ledger"][name] == ("loaded", "", True)
    assert [p for p in Path(looked["home"], "tmp").rglob("*") if p.is_file()] == []
