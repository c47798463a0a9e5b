"""The report in Chromium: it asks for nothing, complains of nothing, speaks both languages, fits a phone, works by keyboard, axe is content."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from orders_pipeline_tests.report.browser import NoBrowser, Page, browsing, program

WIDTHS = (390, 768, 1280)


@pytest.fixture(scope="module")
def page(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if program() is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    try:
        with browsing(tmp_path_factory.mktemp("profile")) as page:
            yield page
    except NoBrowser as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core as a Python package carries it."""
    try:
        found = next((f for f in files("axe-core-python") or () if f.name == "axe.min.js"), None)
    except PackageNotFoundError:
        found = None
    if found is None:
        pytest.skip("axe-core-python is not installed (make setup)")
    return Path(str(found.locate())).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_asked_for_and_nothing_overflows(page: Page, report: Path, width: int, language: str) -> None:
    page.requests.clear(), page.complaints.clear()
    page.open(report, width)
    page.run(f"document.querySelector('[data-language={language}]').click()")
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.requests == [report.as_uri()]
    assert page.complaints == []


def test_language_is_switched_by_mouse_and_keyboard(page: Page, report: Path) -> None:
    page.open(report, 1280)
    heading = "document.querySelector('h1').innerText"
    assert (page.run(heading), page.run("document.title")) == ("订单运营报告", "订单运营报告")
    page.run("document.querySelector('[data-language=en]').focus()")
    page.press("Enter")
    assert (page.run(heading), page.run("document.title")) == ("Orders report", "Orders report")
    assert page.run("document.documentElement.lang") == "en"
    assert page.run("[...document.querySelectorAll('[data-language]')].map((b) => b.ariaPressed)") == ["false", "true"]
    shown = page.run("document.body.innerText")
    assert "三方对账结论" not in shown and "Three-way match by verdict" in shown


def test_a_cell_of_the_heat_map_shows_its_orders_by_keyboard(page: Page, report: Path) -> None:
    page.open(report, 1280)
    last = "[...document.querySelectorAll('#heat tbody tr')].map((r) => r.querySelector('td:last-child button')).find((b) => b)"
    stage, waiting = page.run(f"(() => {{ const b = {last}; b.focus(); return [b.dataset.stage, Number(b.dataset.orders)]; }})()")
    page.press("Enter")
    shown = page.run("[...document.querySelectorAll('#waiting tbody tr')].filter((r) => r.offsetParent).map((r) => r.dataset.stage)")
    assert shown == [stage] * min(waiting, 60)
    assert page.run("document.getElementById('told').checkVisibility()")
    assert str(waiting) in page.run("document.getElementById('told').innerText")
    page.run("document.getElementById('every').click()")
    assert page.run("[...document.querySelectorAll('#waiting tbody tr')].every((r) => r.offsetParent)")


def test_the_first_tab_leads_past_the_contents(page: Page, report: Path) -> None:
    page.open(report, 1280)
    page.press("Tab")
    assert page.run("document.activeElement.className") == "skip"


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_axe_finds_nothing_serious(page: Page, report: Path, axe: str, width: int, scheme: str) -> None:
    page.open(report, width, scheme=scheme)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    page.run(f"{axe};0")
    looked, found = page.run(
        "axe.run(document, {resultTypes: ['violations']}).then((r) => [r.passes.map((p) => p.id), r.violations.map((v) => "
        "[v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + ' ' + n.failureSummary)])])"
    )
    assert [f for f in found if f[0] in ("serious", "critical")] == []
    assert {"color-contrast", "role-img-alt", "button-name", "scope-attr-valid"} <= set(looked), "axe has looked at the page"


def test_it_prints_without_its_controls(page: Page, report: Path) -> None:
    page.open(report, 1280)
    page.call("Emulation.setEmulatedMedia", media="print")
    hidden = page.run("[...document.querySelectorAll('nav, .switch, summary')].every((e) => getComputedStyle(e).display === 'none')")
    assert hidden and page.run("document.querySelectorAll('figure').length") > 20
