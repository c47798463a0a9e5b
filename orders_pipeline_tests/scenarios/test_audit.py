"""The audit of a month: it holds exact figures to its claims, finds what is wrong, and its pages ask nothing of any network."""

from __future__ import annotations

import shutil
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from orders_pipeline import month_end
from orders_pipeline.cli import main
from orders_pipeline.finance.close import check
from orders_pipeline.kernel.home import Home
from orders_pipeline.publish import audit
from orders_pipeline.publish.audit.pages import POLICY, remote_requests, stand_alone
from orders_pipeline_tests.scenarios.test_workbook import MARCH, block, story
from orders_pipeline_tests.support import fingerprints, new_home, query

D = Decimal


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, audit.Audit]:
    """The story of the workbook, audited with every way to a network barred."""
    home = story(new_home(tmp_path_factory.mktemp("audited")))
    asked: list[Any] = []
    bar = pytest.MonkeyPatch()
    bar.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    bar.setattr(socket, "getaddrinfo", lambda *address, **more: asked.append(address) or [])
    try:
        made = month_end.audit_month(home, MARCH)
    finally:
        bar.undo()
    assert not asked, "analytics are off"
    return home, made


def test_every_expectation_holds_and_is_a_row(audited: tuple[Home, audit.Audit]) -> None:
    home, made = audited
    assert made.is_new and not made.failed, made.failed
    assert {o.table for o in made.outcomes} == set(audit.suite())
    rows = query(home, "SELECT table_name, check_name, passed, rows_checked FROM quality.check_results WHERE run_id = ?", [made.run_id])
    assert sorted(rows) == sorted((o.table, f"audit_2026_03_{o.claim}", True, o.rows_checked) for o in made.outcomes)
    assert sum(o.rows_checked for o in made.outcomes if o.table == "finance.month_end_orders") == 7 * 5


def test_the_same_figures_are_not_audited_twice(audited: tuple[Home, audit.Audit], capsys: pytest.CaptureFixture[str]) -> None:
    home, made = audited
    before = fingerprints(home), {p: p.stat().st_mtime_ns for p in made.pages.parent.iterdir()}
    again = month_end.audit_month(home, MARCH)
    assert not again.is_new and again.run_id == made.run_id
    assert {(o.table, o.claim, o.passed) for o in again.outcomes} == {(o.table, o.claim, o.passed) for o in made.outcomes}
    assert (fingerprints(home), {p: p.stat().st_mtime_ns for p in made.pages.parent.iterdir()}) == before
    assert main(["audit", "2026-03", "--home", str(home.root)]) == 0
    assert f"{len(made.outcomes)} of {len(made.outcomes)} expectations hold" in capsys.readouterr().out
    assert main(["audit", "2024-01", "--home", str(home.root)]) == 2
    assert "nothing of 2024-01 is published" in capsys.readouterr().err


def test_pages_ask_nothing_of_any_network(audited: tuple[Home, audit.Audit]) -> None:
    _, made = audited
    pages = sorted(made.pages.parent.parent.rglob("*.*"))
    assert {p.name for p in pages} >= {"index.html", *(f"{table}.html" for table in audit.suite())}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert page.suffix == ".html" and not remote_requests(text), page
        assert POLICY in text and "<script" not in text and "://" not in text
    orders = (made.pages.parent / "finance.month_end_orders.html").read_text(encoding="utf-8")
    assert "rolled_forward_amount" in orders and "must always be equal" in orders


@pytest.mark.parametrize(
    "page",
    [
        '<img src="https://x/y.png">', "<link rel=stylesheet href='//cdn/x.css'>", "<script>1</script>", "<body onload='go()'>",
        "<style>@import 'https://x';</style>", '<p style="background:url(https://x/y)">', "<a href='http://x'>", "<video poster=//x>",
    ],
)  # fmt: skip
def test_what_would_ask_a_network_is_found_and_taken_out(page: str) -> None:
    assert remote_requests(page)
    assert not remote_requests(stand_alone(f"<html><body>{page}<p>kept</p></body></html>", "t"))


def test_the_workbook_links_to_the_audit(audited: tuple[Home, audit.Audit]) -> None:
    from orders_pipeline.publish import workbook

    home, made = audited
    path, _ = workbook.write(home, MARCH, "en")
    sheet = openpyxl.load_workbook(path)["Summary"]
    number = len(made.outcomes)
    assert ["Audit", f"{number} of {number} expectations hold (Data Docs)"] in [row[:2] for row in block(sheet, "Month")]
    (link,) = [c.hyperlink.target for row in sheet.iter_rows() for c in row if c.hyperlink]
    # With the slashes Excel writes; LibreOffice follows them on every system.
    assert (path.parent / link.replace("\\", "/")).resolve() == made.pages.resolve()


def test_what_is_wrong_by_a_cent_is_found_stands_against_the_close_and_ends(audited: tuple[Home, audit.Audit], tmp_path: Path) -> None:
    """In figures no float could tell apart, and only in those that are published: the tables themselves are right."""
    home = Home(tmp_path / "spoilt")
    shutil.copytree(audited[0].root, home.root)
    good = shutil.copyfile(home.published_database, tmp_path / "good.duckdb")
    home.published_book.unlink()
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home.published_database}' AS book")
        connection.execute(
            "UPDATE book.finance.month_end_orders SET opening_amount = 9007199254740993.01, new_amount = 0, written_off_amount = 0, "
            "cleared_amount = 0, closing_amount = 9007199254740993.02 WHERE month = '2026-03-01' AND reason = 'over_paid' AND currency = 'USD'"
        )
        connection.execute("UPDATE book.finance.revenue SET rule = NULL WHERE entry_number = 1 AND recognised_on >= '2026-03-01'")
    made = month_end.audit_month(home, MARCH)
    failed = {(o.table, o.claim): o for o in made.failed}
    wrong = failed.pop(("finance.month_end_orders", "closing_is_rolled_forward"))
    assert wrong.rows_failing == 1 and [tuple(map(D, map(str, pair))) for pair in wrong.sample] == [
        (D("9007199254740993.02"), D("9007199254740993.01"))
    ]
    assert failed.pop(("finance.revenue", "every_entry_follows_a_rule")).rows_failing > 0
    assert set(failed) == {("finance.month_end_differences", "amount_is_that_of_the_list")}
    standing = {s.what: s for s in check(home, MARCH) if s.blocks}
    assert "audit_2026_03_closing_is_rolled_forward" in standing["checks fail"].detail
    alerts = query(home, "SELECT rule FROM ops.alerts WHERE cleared_at IS NULL AND rule IN ('audit_failed', 'publication_blocked')")
    assert alerts == [("audit_failed",)] * 3
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{home.published_database}' AS book; ATTACH '{good}' AS good (READ_ONLY)")
        for table in ("finance.month_end_orders", "finance.revenue"):
            connection.execute(f"DELETE FROM book.{table}")
            connection.execute(f"INSERT INTO book.{table} SELECT * FROM good.{table}")
    assert not month_end.audit_month(home, MARCH).failed
    assert "checks fail" not in {s.what for s in check(home, MARCH)}
    assert query(home, "SELECT count(*) FROM ops.alerts WHERE cleared_at IS NULL AND rule = 'audit_failed'") == [(0,)]
