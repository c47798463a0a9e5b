"""The command, what a recorded checkup leaves behind, and the job of every night."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from orders_pipeline.checkup.findings import Finding, Report
from orders_pipeline.cli import main
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import connect
from orders_pipeline_tests.checkup.world import World
from orders_pipeline_tests.scenarios.stories import AS_OF

NOW = AS_OF.isoformat()


def command(world: World, *more: str) -> int:
    return main(["checkup", "--home", str(world.home.root), "--as-of", NOW, *more])


def kept(home: Home, statement: str) -> list[tuple]:
    with connect(home.warehouse, home.work, read_only=True) as connection:
        return connection.execute(statement).fetchall()


def break_something(world: World) -> None:
    """One error, one warning."""
    world.both("UPDATE orders.orders SET currency = 'USD' WHERE channel_order_id = 'A2'")
    world.settings("[typo]")


def test_the_command_says_what_why_and_how_and_ends_with_the_worst(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(world) == 0
    assert "0 error, 0 warn, 2 info" in capsys.readouterr().out
    world.settings("[typo]")
    assert command(world) == 3
    out = capsys.readouterr().out
    assert out.startswith("WARN   settings_section_unknown  settings.toml [typo]")
    assert "why: " in out and "fix: Sections are thresholds" in out
    world.both("UPDATE orders.orders SET currency = 'USD' WHERE channel_order_id = 'A2'")
    assert command(world) == 1
    assert capsys.readouterr().out.startswith("ERROR  exchange_rate_missing  USD")


def test_json_has_every_finding_in_both_languages(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    break_something(world)
    assert command(world, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["worst"], told["left_out"], datetime.fromisoformat(told["as_of"])) == ("error", [], AS_OF)
    first = told["findings"][0]
    assert {k: first[k] for k in ("probe", "area", "severity", "place")} == {
        "probe": "exchange_rate_missing", "area": "figures", "severity": "error", "place": "USD",
    }  # fmt: skip
    assert all(first[k] for k in ("found", "found_zh", "why", "why_zh", "fix", "fix_zh"))
    assert [f["severity"] for f in told["findings"]] == ["error", "warn", "info", "info"]


def test_the_text_can_be_chinese(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    break_something(world)
    command(world, "--language", "zh")
    out = capsys.readouterr().out
    assert "处理: " in out and "fix: " not in out


def test_no_home_and_no_warehouse_are_wrong_use(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checkup", "--home", str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "nowhere").exists()
    assert main(["checkup", "--home", str(Home(tmp_path / "new").create().root), "--record"]) == 2
    assert "without --record" in capsys.readouterr().err


def test_looking_changes_nothing(world: World) -> None:
    def state() -> dict:
        return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in world.home.root.rglob("*") if p.is_file()}

    before = state()
    command(world)
    assert state() == before


def test_a_recorded_error_is_an_alert_until_it_is_mended(world: World) -> None:
    world._own(world.home.warehouse)
    break_something(world)
    assert command(world, "--record") == 1
    rule = "SELECT entity_id, cleared_at IS NULL FROM ops.alerts WHERE rule = 'checkup_error'"
    assert kept(world.home, rule) == [("exchange_rate_missing USD", True)]
    assert "USD" in (world.home.root / "alerts.jsonl").read_text()
    later = (AS_OF.replace(hour=13)).isoformat()
    main(["checkup", "--home", str(world.home.root), "--as-of", later, "--record"])
    times = "SELECT count(*), count(DISTINCT first_seen_at), count(DISTINCT last_seen_at) FROM quality.checkup_findings"
    assert kept(world.home, times) == [(4, 1, 1)]
    assert kept(world.home, f"SELECT count(*) FROM quality.checkup_findings WHERE first_seen_at = TIMESTAMPTZ '{NOW}'") == [(4,)]
    world.both("UPDATE orders.orders SET currency = 'CNY'")
    main(["checkup", "--home", str(world.home.root), "--as-of", later, "--record"])
    assert kept(world.home, rule) == [("exchange_rate_missing USD", False)]
    assert kept(world.home, "SELECT DISTINCT severity FROM quality.checkup_findings ORDER BY ALL") == [("info",), ("warn",)]


def test_what_could_not_be_looked_at_again_stands(world: World) -> None:
    from orders_pipeline.checkup import book

    world._own(world.home.warehouse)
    with connect(world.home.warehouse, world.home.work) as connection:
        finding = Finding("a_probe", "x", "error", "here", *["text"] * 6)
        book.record(connection, Report(AS_OF, 1, (finding,), {}))
        book.record(connection, Report(AS_OF, 1, (), {"a_probe": "the table is gone"}))
        assert connection.execute(f"SELECT count(*) FROM {book.TABLE}").fetchall() == [(1,)]
        book.record(connection, Report(AS_OF, 1, (), {}))
        assert connection.execute(f"SELECT count(*) FROM {book.TABLE}").fetchall() == [(0,)]


def test_the_job_of_the_night_keeps_and_shows_what_it_finds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster as dg

    from orders_pipeline.definitions import defs
    from orders_pipeline.kernel.orchestration.resources import AS_OF_TAG

    schedule = defs.resolve_schedule_def("checkup_every_night")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * *", "Asia/Shanghai")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    world._own(world.home.warehouse)
    break_something(world)
    monkeypatch.setenv("ORDERS_PIPELINE_HOME", str(world.home.root))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("checkup").execute_in_process(instance=instance, tags={AS_OF_TAG: NOW})
    assert result.success
    shown = next(e for e in result.all_events if e.is_successful_output).step_output_data.metadata
    assert (shown["error"].value, shown["warn"].value) == (1, 1)
    assert "exchange_rate_missing" in shown["findings"].value
    assert kept(world.home, "SELECT count(*) FROM ops.alerts WHERE rule = 'checkup_error'") == [(1,)]
