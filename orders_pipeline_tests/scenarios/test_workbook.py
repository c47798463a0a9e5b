"""The finance workbook: what it says is what is published, its formulas come to what it shows, and nothing in it runs."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import uuid
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from orders_pipeline.cli import main
from orders_pipeline.finance.close import close
from orders_pipeline.kernel.home import Home
from orders_pipeline.publish import workbook
from orders_pipeline_tests.scenarios.stories import Book
from orders_pipeline_tests.scenarios.test_close import at, clock, sale
from orders_pipeline_tests.support import land, new_home, query, run

D = Decimal
MARCH = date(2026, 3, 1)
HOSTILE = "@SUM(1+1)*cmd|' /C calc'!A0"
SHEETS = {
    "en": ["Summary", "Differences", "Orders", "Revenue", "Liabilities", "Payouts", "Cut-off"],
    "zh": ["汇总", "差异汇总", "差异订单", "收入", "负债", "提现与结算", "截止测试"],
}


def story(home: Home) -> Home:
    """A March with one difference of every fate in two currencies, an order on its way at the end, a payout, and a hostile order number."""
    b = Book()
    sale(b, "feb", "2026-02-10", "100.00", "90.00")
    sale(b, "fits", "2026-03-05", "100.00", "100.00")
    sale(b, "over", "2026-03-10", "100.00", "145.00")
    sale(b, "given up", "2026-03-12", "100.00", "99.90")
    sale(b, HOSTILE, "2026-03-15", "60.10", "50.05")
    sale(b, "late parcel", "2026-03-30", "70.00", "70.00")
    b.rows["payments"].append(
        {
            "account": "acc", "payment_id": "W1", "kind": "withdrawal", "amount": "-100.00", "currency": "CNY",
            "occurred_at": at("2026-03-20"), "payout_id": "PO1",
        }
    )  # fmt: skip
    b.rows["payments"][0]["payout_id"] = "PO1"
    b.land(home)
    us = Book("shopify", "us", "USD")
    us.count = 500
    sale(us, "U1", "2026-03-11", "20.00", "25.50")
    us.land(home, "us-")
    # An exception is known by its order and reason (differences.sql).
    guid = guid_of(f"{guid_of('taobao|main|given up')}|under_paid")
    decision = {
        "exception_guid": guid, "action": "write_off", "decided_by": "li.na", "decided_at": at("2026-03-25"), "why": "+rounding",
        "reason": "under_paid", "amount": "-0.10", "second_person": "wang.wei",
    }  # fmt: skip
    land(home, "decisions/given_up", [decision])
    run(home, clock("2026-04-02"))
    return home


def guid_of(text: str) -> uuid.UUID:
    return uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return story(new_home(tmp_path_factory.mktemp("told")))


def read(path: Path | bytes, *, values: bool = True) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(path) if isinstance(path, bytes) else path, data_only=values)


def rows_of(sheet: Any, first: int = 4) -> list[dict[str, Any]]:
    """The rows of a list by head; it ends with the first empty row."""
    rows = [list(r) for r in sheet.iter_rows(min_row=first, values_only=True)]
    found = []
    for row in rows[1:]:
        if not any(v is not None for v in row):
            break
        found.append(dict(zip(rows[0], row, strict=True)))
    return found


def block(sheet: Any, title: str) -> list[list[Any]]:
    """The rows below a title of the first sheet, up to the next empty one."""
    rows = [list(r) for r in sheet.iter_rows(values_only=True)]
    start = next(n for n, r in enumerate(rows) if r[0] == title)
    found = []
    for row in rows[start + 1 :]:
        if row[0] is None:
            break
        found.append(row)
    return found


def cents(value: Any) -> Decimal:
    return D(str(value)).quantize(D("0.01"))


def test_the_sheets_say_what_is_published(told: Home) -> None:
    path, _ = workbook.write(told, MARCH, "en")
    book = read(path)
    assert book.sheetnames == SHEETS["en"]
    listed = rows_of(book["Orders"])
    wanted = query(
        told,
        "SELECT m.channel_order_id, d.currency, d.opening_amount, d.new_amount, d.cleared_amount, d.written_off_amount, d.closing_amount "
        "FROM finance.month_end_orders d JOIN reconciliation.three_way_match m USING (order_guid) WHERE month = ? ORDER BY 1",
        [MARCH],
    )
    assert len(wanted) == 5, "one from February, three of March, one abroad"
    names = ("Opening amount", "New amount", "Cleared amount", "Written off amount", "Closing amount")
    shown = [(r["Channel order id"].removeprefix("'"), r["Currency"], *(cents(r[n]) for n in names)) for r in listed]
    assert sorted(shown) == sorted(wanted)
    totals = {tuple(r[:2]): [cents(v) for v in r[2:]] for r in block(book["Summary"], "Roll-forward of differences")[2:]}
    by_currency = query(
        told,
        "SELECT currency, sum(opening_amount), sum(new_amount), sum(cleared_amount), sum(written_off_amount), sum(closing_amount) "
        "FROM finance.month_end_orders WHERE month = ? GROUP BY 1",
        [MARCH],
    )
    for currency, *amounts in by_currency:
        assert totals[currency, "Amount"][:5] == amounts and totals[currency, "Amount"][5:] == [amounts[-1], 0]
    assert totals["CNY", "Number"] == [1, 3, 0, 1, 3, 3, 0]
    assert [r["Outcome"] for r in listed if r["Channel order id"] == "given up"] == ["Written off"]
    assert {cents(r["Payout amount"]) for r in rows_of(book["Payouts"])} == {D("100.00")}
    assert [r["Channel order id"] for r in rows_of(book["Cut-off"])] == ["late parcel"]
    revenue = query(told, "SELECT sum(amount) FROM finance.revenue_months WHERE month = ?", [MARCH])[0][0]
    assert sum(cents(r["Amount"]) for r in rows_of(book["Revenue"])) == revenue != 0
    liabilities = query(told, "SELECT sum(closing_amount) FROM finance.liabilities WHERE month = ?", [MARCH])[0][0]
    assert sum(cents(r["Closing amount"]) for r in rows_of(book["Liabilities"])) == liabilities


def test_every_identity_holds_and_is_a_formula(told: Home) -> None:
    path, _ = workbook.write(told, MARCH, "en")
    held = block(read(path)["Summary"], "Identities")[2:]
    assert len(held) == 9 and {r[4] for r in held} == {"OK"}, held
    formulas = block(read(path, values=False)["Summary"], "Identities")[2:]
    assert all(str(r[3]).startswith("=ROUND(") and str(r[4]).startswith("=IF(") for r in formulas)


def test_evidence_leads_to_the_line(told: Home) -> None:
    path, _ = workbook.write(told, MARCH, "en")
    (over,) = [r for r in rows_of(read(path)["Orders"]) if r["Channel order id"] == "over"]
    for head in ("Order rows (file:line)", "Payment rows (file:line)", "Shipment rows (file:line)"):
        file, line = over[head].rsplit(":", 1)
        assert "over" in (told.landing / file).read_text(encoding="utf-8").splitlines()[int(line) - 1]


def test_text_that_starts_like_a_formula_stays_text(told: Home) -> None:
    path, _ = workbook.write(told, MARCH, "zh")
    cells = [c for sheet in read(path, values=False) for row in sheet.iter_rows() for c in row if c.value is not None]
    hostile = [c.value for c in cells if "SUM(1+1)" in str(c.value) or "rounding" in str(c.value)]
    assert sorted(hostile) == ["'+rounding", f"'{HOSTILE}"]
    with zipfile.ZipFile(path) as parts:
        formulas = [f for n in parts.namelist() if "sheets/" in n for f in re.findall(r"<f>(.*?)</f>", parts.read(n).decode())]
        assert formulas and not [f for f in formulas if "cmd" in f]
        assert not [n for n in parts.namelist() if "externalLink" in n or n.endswith(".bin")]


def test_a_reader_finds_formats_frozen_heads_and_widths(told: Home) -> None:
    book = read(workbook.write(told, MARCH, "en")[0])
    for name in SHEETS["en"][1:]:
        sheet = book[name]
        assert sheet.freeze_panes == "C5" and sheet.column_dimensions["A"].width >= 10
        assert sheet.print_title_rows == "$4:$4"
    orders = book["Orders"]
    heads = {c.value: c.column for c in orders[4]}
    assert orders.cell(5, heads["Closing amount"]).number_format.startswith("#,##0.00")
    assert orders.cell(5, heads["Opened on"]).number_format == "yyyy-mm-dd"
    assert orders.cell(5, heads["Channel order id"]).data_type == "s", "order numbers are text: a spreadsheet cuts long ones"


def test_both_languages_show_the_same_figures(told: Home) -> None:
    english, chinese = (read(workbook.write(told, MARCH, language)[0]) for language in ("en", "zh"))
    assert chinese.sheetnames == SHEETS["zh"]
    for one, other in zip(english, chinese, strict=True):
        numbers = [[c for row in s.iter_rows(values_only=True) for c in row if isinstance(c, int | float)] for s in (one, other)]
        assert numbers[0] == numbers[1], one.title
    heads = [c.value for c in chinese["差异订单"][4]]
    assert "渠道订单号" in heads and "期末金额" in heads and "差异原因" in heads
    assert {r["差异原因"] for r in rows_of(chinese["差异订单"])} == {"多付", "少付"}


def test_the_same_book_gives_the_same_bytes(told: Home) -> None:
    path, _ = workbook.write(told, MARCH, "zh")
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    assert workbook.write(told, MARCH, "zh") == (path, False)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_closed_month_shows_its_frozen_set(told: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "closed")
    shutil.copytree(told.root, home.root)
    close(home, MARCH, "li.na", "agreed with the books", force=True)
    run(home, clock("2026-04-02"))
    before = read(workbook.write(home, MARCH, "en")[0])
    facts = {r[0]: r[1] for r in block(before["Summary"], "Month") if r[0]}
    assert (facts["State"], facts["Set"], facts["Closed by"]) == ("Closed for good", 1, "li.na")
    assert facts["Hash of the rows"] == query(home, "SELECT content_sha256 FROM finance.closes WHERE month = ?", [MARCH])[0][0]
    late = Book()
    late.count = 900
    late.pay("over", "-45.00", kind="refund", occurred_at=at("2026-03-30"))
    late.case("over", "refund_only", "refunded", requested_at=at("2026-03-30"), refunded_at=at("2026-03-30"), refund_amount="45.00")
    sale(late, "late sale", "2026-03-25", "80.00", "80.00")
    late.land(home, "late-")
    run(home, clock("2026-04-03"))
    after = read(workbook.write(home, MARCH, "en")[0])
    for name in ("Differences", "Orders", "Revenue", "Liabilities"):
        sheets = [[[c for n, c in enumerate(row) if (name, n) != ("Orders", 3)] for row in b[name].iter_rows(values_only=True)] for b in (before, after)]
        assert sheets[0] == sheets[1], f"{name}: frozen, but for the cause as known now"
    assert {r[4] for r in block(after["Summary"], "Identities")[2:]} == {"OK"}
    april = rows_of(read(workbook.write(home, date(2026, 4, 1), "en")[0])["Orders"])
    (over,) = [r for r in april if r["Channel order id"] == "over"]
    assert over["Outcome"] == "Cleared" and "late-payments" in over["Payment rows (file:line)"]


def test_a_month_without_data_says_so(told: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["workbook", "2024-01", "--home", str(told.root)]) == 2
    assert "nothing of 2024-01 is published: there are the months 2026-02 to 2026-04" in capsys.readouterr().err
    assert main(["workbook", "2026-03", "--home", str(told.root), "--out", str(told.root)]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_spreadsheet_comes_to_the_same_values(told: Home, tmp_path: Path) -> None:
    """LibreOffice calculates every formula itself: the values we cached are taken out before."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("LibreOffice is not installed (Debian: libreoffice-calc-nogui)")
    path, _ = workbook.write(told, MARCH, "en", tmp_path / "shown.xlsx")
    bare = tmp_path / "bare.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(bare, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if "worksheets/sheet" in name:
                content = re.sub(rb"(<f>[^<]*</f>)<v>[^<]*</v>", rb"\1", content)
            target.writestr(name, content)
    assert not [c for s in read(bare) for row in s.iter_rows() for c in row if c.value == "OK"]
    made = tmp_path / "made"
    subprocess.run(
        [office, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless", "--convert-to", "xlsx", "--outdir", made, bare],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    shown, formulas, recalculated = read(path), read(path, values=False), read(made / "bare.xlsx")
    compared = 0
    for sheet in formulas:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    ours, theirs = shown[sheet.title][cell.coordinate].value, recalculated[sheet.title][cell.coordinate].value
                    same = abs(ours - theirs) < 1e-9 if isinstance(ours, int | float) else (ours or "") == (theirs or "")
                    assert same, f"{sheet.title}!{cell.coordinate}: {ours} is {theirs} in LibreOffice ({cell.value})"
                    compared += 1
    assert compared > 100
    assert {r[4] for r in block(recalculated["Summary"], "Identities")[2:]} == {"OK"}
