"""Every probe finds its fault where it was planted, and nothing else; a home in which all is well has notes only."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from orders_pipeline.checkup import desk
from orders_pipeline.checkup.probes import FAILED, LANGUAGES, Probe, fact, load_probes, named_values
from orders_pipeline.checkup.scene import Scene, Unavailable
from orders_pipeline.kernel.home import Home
from orders_pipeline_tests.checkup.plants import PLANTS
from orders_pipeline_tests.checkup.world import World, found
from orders_pipeline_tests.scenarios.stories import AS_OF

#: What may be said of the home in which all is well.
NOTES = {("nobody_hears_alerts", "settings.toml"), ("never_served", "this home")}


def test_every_probe_has_a_fault_that_it_must_find() -> None:
    planted = {one.probe for group in PLANTS.values() for one in group}
    assert planted == {p.name for p in load_probes()} - {FAILED}
    assert len(planted) >= 25


@pytest.mark.parametrize("group", PLANTS)
def test_faults_are_found_where_they_are_and_nowhere_else(group: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    if group == "versions":
        asked = ["duckdb==1.0.0", "no-such-library>=2", "sqlglot", 'pyspark==9; extra == "spark"']
        monkeypatch.setattr(metadata, "requires", lambda name: asked)
    for one in PLANTS[group]:
        one.fault(world)
    expected = {(one.probe, place) for one in PLANTS[group] for place in one.places}
    report = world.examine()
    notes = {note for note in NOTES if note in found(report)} if group != "clean" else set()
    assert found(report) - notes == expected
    for one in report.findings:
        texts = (one.found, one.found_zh, one.why, one.why_zh, one.fix, one.fix_zh)
        assert all(texts) and not any("{" in text or str(world.home.root) in text for text in texts), one
    if group not in ("dictionary", "bad settings", "in use", "unreadable", "behind", "machine"):
        assert report.left_out == {}


def test_a_home_in_which_all_is_well_has_notes_only(world: World) -> None:
    report = world.examine()
    assert found(report, "warn") == set()
    assert (report.exit_code, report.left_out) == (0, {})
    assert report.probes == len(load_probes()) - 1


def test_a_home_before_its_first_run_is_no_fault(tmp_path: Path) -> None:
    report = World(Home(tmp_path / "new").create()).examine()
    assert found(report) == NOTES
    assert set(report.left_out.values()) >= {"nothing has been run in this home yet", "nothing is published yet"}


def test_a_probe_that_fails_is_a_finding_and_stops_no_other(world: World) -> None:
    def fails(scene: object) -> list:
        raise ZeroDivisionError

    def lacks(scene: object) -> list:
        raise Unavailable("there is no moon")

    texts = {part: dict.fromkeys(LANGUAGES, "{place}") for part in ("found", "why", "fix")}
    made = {name: Probe(name, "x", "warn", texts, look=look) for name, look in (("bad", fails), ("absent", lacks))}
    made["good"] = Probe("good", "x", "warn", texts, look=lambda scene: [fact("here")])
    made["wrong_sql"] = Probe("wrong_sql", "x", "warn", texts, sql="SELECT nothing_of_this_name AS place FROM orders.orders")
    made["no_table"] = Probe("no_table", "x", "warn", texts, sql="SELECT 1 AS place FROM orders.never_made")
    report = desk.examine(_scene(world), list(made.values()))
    assert found(report) == {(FAILED, "bad"), (FAILED, "wrong_sql"), ("good", "here")}
    assert report.left_out == {"absent": "there is no moon", "no_table": "there is no table orders.never_made yet"}
    assert report.exit_code == 1


def _scene(world: World) -> Scene:
    return Scene(world.home, AS_OF)


def test_many_places_of_one_probe_are_counted(world: World) -> None:
    texts = {part: dict.fromkeys(LANGUAGES, "at {place}") for part in ("found", "why", "fix")}

    def look(scene: object) -> list:
        return [fact(f"{n:03}") for n in range(99)] + [fact("100", "error")]

    report = desk.examine(_scene(world), [Probe("many", "x", "info", texts, look=look)])
    assert len(report.findings) == desk.LISTED
    assert [(f.place, f.severity, f.found) for f in report.findings if "more" in f.place] == [
        (f"and {101 - desk.LISTED} more", "error", f"{101 - desk.LISTED} more of the same")
    ]


@pytest.mark.parametrize(("severities", "code"), [((), 0), (("info",), 0), (("info", "warn"), 3), (("warn", "error", "info"), 1)])
def test_the_exit_code_is_that_of_the_worst(severities: tuple[str, ...], code: int, world: World) -> None:
    texts = {part: dict.fromkeys(LANGUAGES, "x") for part in ("found", "why", "fix")}
    probes = [Probe(s, "x", s, texts, look=lambda scene: [fact("here")]) for s in severities]
    assert desk.examine(_scene(world), probes).exit_code == code


@pytest.mark.parametrize("one", load_probes(), ids=lambda p: p.name)
def test_the_texts_of_a_probe_name_the_same_values_in_both_languages(one: Probe) -> None:
    named = {language: {part: named_values(one.texts[part][language]) for part in one.texts} for language in LANGUAGES}
    extra = {"detail", "what", "may"}
    for part in one.texts:
        english, chinese = ({n.removesuffix("_zh") for n in named[language][part]} for language in LANGUAGES)
        assert english - extra == chinese - extra, part
    assert any(ord(c) > 0x4E00 for part in one.texts.values() for c in part["zh"])


