"""The benchmark of the stock tables on a world of a few rows: both sides make the same tables, and a change is followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import inventory


def test_both_sides_agree_and_the_change_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--skus", "30", "--nodes", "2", "--movements", "500", "--changed", "3", "--data", str(tmp_path)]
    assert inventory.main(small) == 0
    said = capsys.readouterr().out
    assert "equal rows" in said
    assert "3 SKUs / full recompute" in said
