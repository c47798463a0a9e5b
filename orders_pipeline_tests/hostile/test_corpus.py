"""Every hostile file of the corpus, all in one landing folder: each comes to its end, and the good files are loaded as ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orders_pipeline import pipeline
from orders_pipeline.ingest import intake as intake_module
from orders_pipeline.ingest.intake import Intake
from orders_pipeline.kernel.clock import parse_as_of
from orders_pipeline.kernel.faults import Permanent
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.hostile.corpus import CASES, Case, good
from orders_pipeline_tests.support import new_home

AS_OF = parse_as_of("2026-03-01T00:00:00+08:00")


class Looked:
    """What one look at a landing folder left behind."""

    def __init__(self, home: Home) -> None:
        with pipeline.session(home, AS_OF) as now:
            self.intake: Intake = now.ingest()
            self.files = {
                path: rest
                for path, *rest in now.connection.execute(
                    "SELECT path, status, coalesce(reason, ''), rows_read, rows_accepted, rows_quarantined, rows_duplicate "
                    "FROM raw.files"
                ).fetchall()
            }
            self.reasons = dict(
                now.connection.execute(
                    "SELECT f.path, string_agg(DISTINCT q.reason, ',' ORDER BY q.reason) FROM raw.quarantine q "
                    "JOIN raw.files f USING (file_id) GROUP BY f.path"
                ).fetchall()
            )
            self.orders = now.connection.execute("SELECT channel_order_id, buyer_note FROM raw.orders").fetchall()


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Looked:
    home = new_home(tmp_path_factory.mktemp("hostile") / "home")
    for case in CASES:
        path = home.landing / case.name.split("!/")[0]
        if not (path.exists() or path.is_symlink()):
            case.write(path)
    (home.landing / "00_first.csv").write_bytes(good("first"))
    (home.landing / "zz_last.csv").write_bytes(good("last"))
    found = Looked(home)
    found.left = sorted(p.name for p in home.work.rglob("*") if p.is_file())
    # The corpus itself puts an `outside.csv` beside the landing folder and a link to it inside; archives wanted to write more.
    found.escaped = [p for p in home.root.parent.rglob("outside.csv") if p.parent not in (home.root, home.landing)]
    return found


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_each_file_comes_to_its_end_with_a_reason(looked: Looked, case: Case) -> None:
    waiting = dict(looked.intake.waiting)
    if case.status == "ignored":
        assert case.name not in looked.files and case.name not in waiting
    elif case.status == "waiting":
        assert case.name not in looked.files
        assert waiting[case.name] == case.reason
    else:
        status, reason, read, accepted, quarantined, duplicate = looked.files[case.name]
        assert (status, accepted, quarantined, duplicate) == (case.status, case.accepted, case.quarantined, case.duplicate), reason
        assert read == accepted + quarantined + duplicate
        if status == "refused":
            assert f"[{case.reason}]" in reason or not case.reason
            assert reason.startswith(case.name) and " - " in reason, "a refusal names the file and a remedy"
        else:
            assert looked.reasons.get(case.name, "") == case.reason


def test_the_neighbours_are_loaded_and_nothing_else_is_lost_or_left(looked: Looked) -> None:
    for name in ("00_first.csv", "zz_last.csv"):
        assert looked.files[name] == ["loaded", "", 3, 3, 0, 0]
    assert len(looked.orders) == sum(f[3] for f in looked.files.values())
    assert looked.left == [] and looked.escaped == []


def test_no_content_of_this_machine_comes_in_and_formulas_stay_text(looked: Looked) -> None:
    notes = [note for _, note in looked.orders if note]
    assert not any("SECRET" in note for note in notes)
    assert "'; DROP TABLE raw.orders; --" in {f"'{n}" if not n.startswith("'") else n for n in notes}
    assert any(note.startswith("@SUM(1+1)*cmd|") for note in notes)


def test_a_second_look_changes_nothing(home: Home) -> None:
    for case in CASES[:12]:
        case.write(home.landing / case.name)
    first, second = Looked(home), Looked(home)
    assert first.files == second.files and not second.intake.loaded and not second.intake.refused


def test_a_file_that_cannot_be_read_waits_for_permission(home: Home) -> None:
    (home.landing / "good.csv").write_bytes(good("good"))
    locked, folder = home.landing / "locked.csv", home.landing / "closed"
    locked.write_bytes(good("locked"))
    folder.mkdir()
    (folder / "inner.csv").write_bytes(good("inner"))
    locked.chmod(0)
    folder.chmod(0)
    try:
        if os.access(locked, os.R_OK):
            pytest.skip("this account may read everything")
        found = Looked(home)
    finally:
        folder.chmod(0o700)
        locked.chmod(0o600)
    assert dict(found.intake.waiting) == {"locked.csv": "unreadable", "closed": "unreadable"}
    assert found.intake.loaded == ["good.csv"]
    assert sorted(Looked(home).intake.loaded) == ["closed/inner.csv", "locked.csv"]


def failing(home: Home, monkeypatch: pytest.MonkeyPatch, name: str, fail) -> None:
    """Let opening one file fail; the others open as ever."""
    real = intake_module.open_table

    def opens(member, work):
        if member.relative_path == name:
            fail(member.path)
        return real(member, work)

    monkeypatch.setattr(intake_module, "open_table", opens)
    for one in ("a.csv", name, "z.csv"):
        (home.landing / one).write_bytes(good(one))


def test_a_file_that_vanishes_during_the_run_is_left_out(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(path: Path) -> None:
        path.unlink(missing_ok=True)

    failing(home, monkeypatch, "m.csv", vanish)
    found = Looked(home)
    assert found.intake.loaded == ["a.csv", "z.csv"]
    assert found.intake.waiting == [("m.csv", "vanished")]


def test_a_reading_error_of_the_disk_leaves_the_file_for_the_next_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        failing(home, patch, "m.csv", fail)
        assert Looked(home).intake.waiting == [("m.csv", "unreadable")]
    assert Looked(home).intake.loaded == ["m.csv"], "size and time are what they were, and yet it is looked at again"


def test_a_full_disk_stops_the_run_and_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device")

    failing(home, monkeypatch, "m.csv", fail)
    with pytest.raises(Permanent, match="no space"):
        Looked(home)


def test_an_error_nobody_has_thought_of_refuses_its_file_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> None:
        raise ZeroDivisionError("cell content that must not be told")

    failing(home, monkeypatch, "m.csv", fail)
    found = Looked(home)
    assert found.intake.loaded == ["a.csv", "z.csv"]
    status, reason, *_ = found.files["m.csv"]
    assert status == "refused" and "[read_failed]" in reason and "ZeroDivisionError" in reason
    assert "must not be told" not in reason


def test_a_file_still_being_written_waits_and_comes_with_the_next_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look finds it longer than the one before; the reader does too."""
    whole = good("m.csv", 50)

    def grow(path: Path) -> None:
        with path.open("ab") as out:
            out.write(whole[200:])

    failing(home, monkeypatch, "m.csv", lambda path: None)
    (home.landing / "m.csv").write_bytes(whole[:200])
    from orders_pipeline.ingest.read import scan as scan_module

    real = scan_module._Shape.feed

    def feed(self, data):
        if b"MCSV" in data and (home.landing / "m.csv").stat().st_size < len(whole):
            grow(home.landing / "m.csv")
        return real(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(scan_module._Shape, "feed", feed)
        found = Looked(home)
    assert found.intake.loaded == ["a.csv", "z.csv"]
    assert found.intake.waiting[0][0] == "m.csv" and "changed while it was read" in found.intake.waiting[0][1]
    (home.landing / "m.csv").write_bytes(whole)
    assert Looked(home).files["m.csv"] == ["loaded", "", 50, 50, 0, 0]
