"""Every command that reads says what to do first where nothing has been run yet: one line, exit 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from orders_pipeline import cli

READING = (
    "alerts", "report", "exceptions list", "lists", "products suggest", "explain 123", "explain sku:A", "promise --sku A --quantity 1",
    "close 2026-01 --check", "audit 2026-01", "workbook 2026-01", "quarantine list", "files", "channel check",
)  # fmt: skip


@pytest.mark.parametrize("command", READING)
def test_a_command_before_the_first_run_says_what_to_do(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command.split(), "--home", str(tmp_path / "new")]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert "`orders-pipeline run" in said
