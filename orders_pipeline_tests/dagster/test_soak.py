"""The soak of benchmarks/soak.py in seconds: it sees what is served, and says what grows, is lost or double."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import soak
from orders_pipeline.kernel.home import Home


@pytest.mark.slow
def test_some_seconds_of_arrivals_leave_everything_bounded(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--minutes", "0.15", "--gap", "1", "--orders", "20", "--keep-records", "5", "--json", str(figures)]
    assert soak.main(options) == 0
    report = json.loads(figures.read_text())
    assert report["faults"] == []
    assert report["files"] >= 6
    assert set(report["runs"]) == {"SUCCESS"}
    last = report["thirds"][-1]
    assert last["memory_mb"] > 50 and last["handles"] > 2, "the worker was looked at"
    assert last["warehouse_mb"] > 1 and last["run_records_mb"] > 0.1, "so was the disk"


def test_what_grows_or_is_lost_is_told(home: Home) -> None:
    looks = {"memory_mb": 100.0, "handles": 20.0, "landing_mb": 1.0, "warehouse_mb": 1.0, "spare_mb": 0.0, "published_mb": 0.0}
    watch = soak.Watch(home)
    watch.looks = [(gone, {**looks, "tmp_mb": 0.0, "run_records_mb": 0.0}) for gone in (0.1, 0.5, 0.9)]
    arrivals = soak.Arrivals(home, None, 1, None)
    assert _faults(home, arrivals, watch) == []
    watch.looks[-1][1]["memory_mb"] = 131.0
    watch.looks[-1][1]["handles"] = 29.0
    (home.work / "left").write_bytes(b"x" * 2_000_000)
    home.warehouse.write_bytes(b"x" * 70_000_000)
    arrivals.orders = 1
    found = _faults(home, arrivals, watch)
    assert [one.split()[0] for one in found] == ["memory_mb", "handles", "warehouse_mb", "tmp_mb", "orders,"]


def test_who_holds_more_files_open_is_named(home: Home, tmp_path: Path) -> None:
    watch = soak.Watch(home)
    kept, opened = Counter({"daemon: runs/.db": 1, "daemon: pipe:": 2}), Counter({"daemon: runs/.db": 4, "daemon: pipe:": 2})
    watch.held = [(0.1, kept), (0.5, kept), (0.8, opened), (0.9, opened), (1.0, kept)]
    assert watch.more_held() == ["daemon: runs/.db 1 -> 4"]
    path = tmp_path / "0f6b2c1e-1111-4222-8333-944455556666.db"
    with path.open("w"):
        assert any(one.endswith(f"{tmp_path.name}/.db") for one in soak._handles(os.getpid())), "without the run's number"


def test_a_process_that_ends_with_its_run_is_not_counted() -> None:
    sleeping = "import sys, time; print(flush=True); time.sleep(60)"
    others = [
        subprocess.Popen([sys.executable, "-c", f"{sleeping} # {told}"], stdout=subprocess.PIPE)
        for told in ("from multiprocessing.spawn import spawn_main", "from multiprocessing.resource_tracker import main")
    ]
    try:
        assert all(other.stdout.readline() for other in others)
        assert {other.pid for other in others} & set(soak._lasting_processes()) == {others[1].pid}
    finally:
        for other in others:
            other.kill()
            other.communicate()


def _faults(home: Home, arrivals: soak.Arrivals, watch: soak.Watch) -> list[str]:
    return soak.faults(home, arrivals, watch, anew_mb=1.0, keep_records=5, runs={"SUCCESS": 1})
