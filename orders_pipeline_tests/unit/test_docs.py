"""The pages: generated ones are current, links lead somewhere, commands exist, READMEs agree, how-to pages work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orders_pipeline import docs
from orders_pipeline.cli import main, make_parser
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.docs.markdown import anchor
from orders_pipeline.kernel.settings import declared_thresholds

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh.md")
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
WRITTEN = [*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), *HOW_TO]
GENERATED = sorted((ROOT / "docs" / "generated").glob("*.md"))
PAGES = [*WRITTEN, *GENERATED]
STEP = "=== step "


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """(language, text) of the fenced blocks of these languages, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [(language, text) for language, text in found if language in languages]


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def _headings(page: Path) -> list[str]:
    return re.findall(r"^#+ .+$", _prose(page), re.MULTILINE)


# ---- generated pages


def test_generated_pages_are_current() -> None:
    stale = docs.write(ROOT / "docs" / "generated", check=True)
    assert not stale, f"run `orders-pipeline docs` for {[p.name for p in stale]}"


def test_pages_are_written_once_and_the_same_each_time(tmp_path: Path) -> None:
    assert {p.name for p in docs.write(tmp_path)} == set(docs.PAGES)
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert docs.write(tmp_path) == []
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == first


def test_check_lists_what_is_stale_and_changes_nothing(tmp_path: Path) -> None:
    docs.write(tmp_path)
    (tmp_path / "checks.md").write_text("old")
    (tmp_path / "tables.md").unlink()
    gone = tmp_path / "gone.md"
    gone.write_text(docs.NOTE)
    (tmp_path / "mine.md").write_text("a note of somebody's own")
    assert {p.name for p in docs.write(tmp_path, check=True)} == {"checks.md", "tables.md", "gone.md"}
    assert (tmp_path / "checks.md").read_text() == "old"
    docs.write(tmp_path)
    assert not gone.exists()
    assert (tmp_path / "mine.md").exists()


def test_every_field_source_threshold_and_code_is_on_its_page() -> None:
    known = load_dictionary()
    wanted = {
        "dictionary.md": {f"| `{name}` |" for name in known.fields} | {f"### {name}\n" for name in known.entities},
        "sources.md": {f"## {s.name}\n" for s in known.sources.values() if not s.is_standard},
        "thresholds.md": {f"| `{name}` |" for name in declared_thresholds()},
        "vocabularies.md": {f"| `{code}` |" for codes in known.vocabularies.values() for code in codes},
    }
    for page, texts in wanted.items():
        rendered = docs.render(page)
        assert not {t for t in texts if t not in rendered}, page


# ---- hand-written pages


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_resolves(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{_name(page)} links to {target}"
        if fragment:
            anchors = {anchor(h.lstrip("# ")) for h in _headings(file)}
            assert fragment in anchors, f"{_name(page)} links to {target}, which has no such heading"


def _commands(page: Path) -> list[str]:
    shell = [line for _, text in _blocks(page, "sh") for line in text.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", _prose(page))
    found = []
    for text in [*shell, *inline]:
        for call in re.findall(r"(?:^|[\s(=])orders-pipeline (.+)", text):
            bare = re.split(r"\s(?:\|\||\||&&|>|;)\s|\s#\s|\)$", call)[0]
            found.append(bare.replace("NUMBER", "1"))
    return found


@pytest.mark.parametrize("page", [*READMES, *HOW_TO, ROOT / "docs" / "ARCHITECTURE.md"], ids=_name)
def test_every_command_shown_exists(page: Path) -> None:
    commands = _commands(page)
    assert commands
    for command in commands:
        try:
            make_parser().parse_args(shlex.split(command))
        except SystemExit:
            pytest.fail(f"{_name(page)} shows `orders-pipeline {command}`, which the command line refuses")


def test_every_command_is_in_the_readme() -> None:
    listed = {command.split()[0] for command in _commands(READMES[0])}
    actions = next(a for a in make_parser()._actions if a.dest == "command")
    assert listed == set(actions.choices)


def test_both_readmes_say_the_same() -> None:
    english, chinese = READMES
    assert [h.split()[0] for h in _headings(english)] == [h.split()[0] for h in _headings(chinese)]
    for language in ("sh", "text"):
        without_remarks = [
            [re.sub(r"\s+#.*", "", text) for _, text in _blocks(page, language)] for page in (english, chinese)
        ]
        assert without_remarks[0] == without_remarks[1]
    settings = [tomllib.loads(_blocks(page, "toml")[0][1]) for page in (english, chinese)]
    assert settings[0] == settings[1]

    def targets(page: Path) -> set[str]:
        return {t for t in re.findall(r"\]\(([^)\s]+)\)", _prose(page)) if t.startswith("docs/")}

    assert targets(english) == targets(chinese)

    def codes(page: Path) -> list[str]:
        return re.findall(r"`([a-z]+(?:_[a-z]+)+)`", _prose(page))

    assert sorted(codes(english)) == sorted(codes(chinese))


def test_readme_lists_every_verdict_the_match_can_give() -> None:
    sql = (ROOT / "orders_pipeline" / "reconciliation" / "three_way_match.sql").read_text(encoding="utf-8")
    given = set(re.findall(r"'([A-Z_]+)\|([a-z_]+)'", sql))
    for page in READMES:
        listed: set[tuple[str, str]] = set()
        status = ""
        for row in re.findall(r"^\| .* \|$", _prose(page), re.MULTILINE):
            cells = row.strip("| ").split(" | ") if not row.startswith("| |") else ["", "", "", row]
            first = re.fullmatch(r"`([A-Z_]+)`", cells[0].strip())
            status = first.group(1) if first else status if cells[0] == "" else ""
            if status:
                listed |= {(status, reason) for reason in re.findall(r"`([a-z_]+)`", cells[-1])}
        assert listed == given, _name(page)


def test_settings_of_the_readme_name_thresholds_that_exist() -> None:
    settings = tomllib.loads(_blocks(READMES[0], "toml")[0][1])
    assert set(settings["thresholds"]) <= set(declared_thresholds())


@pytest.mark.slow
def test_readme_shows_what_the_sample_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "data"
    shutil.copytree(ROOT / "data" / "landing", home / "landing")
    as_of = re.search(r"^SAMPLE_AS_OF\s*:=\s*(\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert as_of
    assert main(["run", "--home", str(home), "--as-of", as_of.group(1)]) == 0
    printed = capsys.readouterr().out
    for line in filter(str.strip, _blocks(READMES[0], "text")[0][1].splitlines()):
        assert re.search(_pattern(line), printed), f"the sample does not give: {line}"
    number = re.search(r"`orders-pipeline explain (\d+)`", _prose(READMES[0]))
    assert number
    assert main(["explain", number.group(1), "--home", str(home)]) == 0


#: Absolute paths of one machine, package mirrors, credentials: nothing a reader elsewhere could use.
FORBIDDEN = re.compile(
    r"(?<![\w.$…}/-])/(?:home|root|work|Users|mnt|opt|tmp|var)/|[A-Z]:\\Users|\bpypi\.|files\.pythonhosted|artifactory|\bnexus\b"
    r"|\bTODO\b|\bFIXME\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_pages_name_nothing_of_one_machine(page: Path) -> None:
    assert not FORBIDDEN.findall(page.read_text(encoding="utf-8"))


# ---- the how-to pages, followed to the letter


def _pattern(line: str) -> str:
    """A line of expected output: `…` stands for anything, spaces for any spaces."""
    words = [re.escape(word) for word in line.split()]
    return r"\s+".join(words).replace(re.escape("…"), ".*")


def _scratch(folder: Path) -> Path:
    """A copy of what the pages touch, with the programs the pages call; the environment itself is the test's."""
    for name in ("orders_pipeline", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data" / "landing", folder / "data" / "landing")
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, arguments in (("python", ""), ("orders-pipeline", "-m orders_pipeline.cli ")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments}"$@"\n')
        script.chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", HOW_TO, ids=lambda p: p.stem)
def test_how_to_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    """Every shell block is run, in order, in a copy of the repository; what the page shows must come out."""
    scratch = _scratch(tmp_path / "repository")
    script, expected = [], {}
    for language, text in _blocks(page, "sh", "text"):
        if language == "sh":
            script += [f"echo '{STEP}{len(script)}'", text]
        else:
            expected[len(script) - 2] = text
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = os.environ | {"PYTHONPATH": str(scratch), "TMPDIR": str(temporary)}
    command = ["bash", "-e", "-c", "\n".join(script)]
    ran = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr or ran.stdout
    printed = {int(n): text for n, text in re.findall(rf"{STEP}(\d+)\n(.*?)(?={STEP}|\Z)", ran.stdout, re.DOTALL)}
    for number, text in expected.items():
        for line in filter(str.strip, text.splitlines()):
            assert re.search(_pattern(line), printed[number]), f"step {number} of {page.name} does not print: {line}"
