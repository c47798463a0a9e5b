"""What the report says is what the published tables say; what others wrote stays text; the same tables give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orders_pipeline import cli
from orders_pipeline.dictionary.model import load_dictionary
from orders_pipeline.kernel.home import Home
from orders_pipeline.publish.report import words
from orders_pipeline.publish.report.book import COLUMNS, Days
from orders_pipeline.publish.report.charts import _Scale
from orders_pipeline.publish.report.markup import Both, foreign, html, tag
from orders_pipeline.publish.report.write import write_report
from orders_pipeline_tests import support
from orders_pipeline_tests.acceptance.test_promotions import PROMOTIONS
from orders_pipeline_tests.report.conftest import HOSTILE
from orders_pipeline_tests.report.reading import Reader, read, rows

MATCH, OPEN = "reconciliation.three_way_match", "state IN ('open', 'assigned')"


@pytest.fixture(scope="module")
def english(report: Path) -> Reader:
    return read(report, "en")


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").removesuffix("%"))


def label(vocabulary: str, code: str) -> str:
    return load_dictionary().vocabularies[vocabulary][code]["en"]


def figures(reader: Reader, table: str, *places: int) -> list[Any]:
    """First cell and the numbers at these places of every row."""
    return sorted((row[0], *(number(row[p]) for p in places)) for row in rows(reader, table))


# ---- the numbers are those of the tables

COUNTS = [
    ("statuses", "order_status", "SELECT status, count(*) FROM orders.orders GROUP BY 1", 1),
    ("verdicts", "match_status", f"SELECT status, count(*) FROM {MATCH} GROUP BY 1", 1),
    ("ages", "age_bucket", f"SELECT age_bucket, count(*) FROM reconciliation.exceptions WHERE {OPEN} GROUP BY 1", 1),
    ("file-statuses", "file_status", "SELECT status, count(*) FROM ops.files GROUP BY 1", 1),
]


@pytest.mark.parametrize(("table", "vocabulary", "sql", "place"), COUNTS, ids=lambda v: v if isinstance(v, str) and "-" in v else None)
def test_counts_are_those_of_the_table(rich_home: Home, english: Reader, table: str, vocabulary: str, sql: str, place: int) -> None:
    wanted = sorted((label(vocabulary, code), Decimal(count)) for code, count in support.query(rich_home, sql))
    assert figures(english, table, place) == wanted


def test_money_per_channel_is_that_of_the_match(rich_home: Home, english: Reader) -> None:
    wanted = {
        (words.channel(channel).en, currency or "–", str(orders), str(due), str(paid), str(diff))
        for channel, currency, orders, due, paid, diff in support.query(
            rich_home,
            f"SELECT channel, currency, count(*), coalesce(sum(due_amount), 0), coalesce(sum(paid_amount), 0), coalesce(sum(amount_diff), 0) "
            f"FROM {MATCH} GROUP BY 1, 2",
        )
    }
    shown = {(r[0], r[1], r[2].replace(",", ""), *(str(number(c)) for c in r[5:8])) for r in rows(english, "match-channels")}
    assert shown == {(*w[:3], *(str(Decimal(c).quantize(Decimal("0.01"))) for c in w[3:])) for w in wanted}


def test_money_of_each_verdict_adds_up_to_its_channel(english: Reader) -> None:
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for channel, currency, _, orders, *amounts in rows(english, "match-channel-status"):
        before = sums.get((channel, currency), [Decimal(0)] * 4)
        sums[channel, currency] = [b + number(v) for b, v in zip(before, (orders, *amounts), strict=True)]
    # Two codes may share a label (no channel and an unknown one), so the whole is compared by label.
    whole: dict[tuple[str, str], list[Decimal]] = {}
    for row in rows(english, "match-channels"):
        before = whole.get((row[0], row[1]), [Decimal(0)] * 4)
        whole[row[0], row[1]] = [b + number(row[p]) for b, p in zip(before, (2, 5, 6, 7), strict=True)]
    assert sums == whole


def test_differences_by_day_add_up_to_all(rich_home: Home, english: Reader) -> None:
    still, decided = support.query(
        rich_home, f"SELECT count(*) FILTER (WHERE {OPEN}), count(*) FILTER (WHERE NOT {OPEN}) FROM reconciliation.exceptions"
    )[0]
    listed = rows(english, "differences-days")
    assert (sum(number(r[1]) for r in listed), sum(number(r[2]) for r in listed)) == (still, decided)


def test_money_over_time_adds_up_to_the_daily_comparison(rich_home: Home, english: Reader) -> None:
    wanted = support.query(
        rich_home,
        "SELECT sum(left_value), sum(right_value), sum(difference), sum(difference - accounted_difference) "
        "FROM reconciliation.daily_comparison WHERE metric LIKE 'received_amount%' AND currency = 'CNY'",
    )[0]
    listed = rows(english, "money-days-1")
    assert [sum(number(r[p]) for r in listed) for p in (1, 2, 3, 4)] == list(wanted)


def test_causes_and_reasons_carry_the_money_of_the_tables(rich_home: Home, english: Reader) -> None:
    wanted = support.query(
        rich_home,
        "SELECT c.cause, e.currency, count(DISTINCT exception_guid), coalesce(sum(explained_amount), 0) "
        f"FROM reconciliation.difference_causes AS c JOIN reconciliation.exceptions AS e USING (exception_guid) WHERE e.{OPEN} GROUP BY 1, 2",
    )
    shown = sorted((r[0], r[1], number(r[2]), number(r[3])) for r in rows(english, "causes"))
    assert shown == sorted((label("difference_cause", c), currency or "–", Decimal(n), Decimal(a)) for c, currency, n, a in wanted)
    reasons = support.query(
        rich_home, f"SELECT sum(n), sum(a) FROM (SELECT count(*) AS n, sum(amount_diff) AS a FROM reconciliation.exceptions WHERE {OPEN} GROUP BY reason)"
    )[0]
    listed = rows(english, "reasons")
    assert (sum(number(r[2]) for r in listed), sum(number(r[4]) for r in listed)) == reasons


def test_the_largest_open_differences_are_listed_first(rich_home: Home, english: Reader) -> None:
    wanted = support.query(
        rich_home,
        f"SELECT amount_diff FROM reconciliation.exceptions WHERE {OPEN} AND currency = 'CNY' ORDER BY abs(amount_diff) DESC, exception_guid LIMIT 20",
    )
    shown = [number(r[1]) for r in rows(english, "largest") if r[2] == "CNY"]
    assert shown == [w[0] for w in wanted]


def test_stock_risks_are_those_of_the_atp(rich_home: Home, english: Reader) -> None:
    known = "atp_signed_qty IS NOT NULL AND stock_record NOT IN ('no_stock_record', 'not_stocked')"
    oversold, pieces, safety, stale = support.query(
        rich_home,
        "SELECT count(CASE WHEN oversold_qty > 0 THEN 1 END), sum(oversold_qty), "
        "count(CASE WHEN oversold_qty = 0 AND safety_breach_qty > 0 THEN 1 END), count(CASE WHEN is_stale THEN 1 END) "
        f"FROM inventory.atp WHERE {known}",
    )[0]
    listed = rows(english, "risks")
    assert [number(listed[p][1]) for p in (0, 1, 3)] == [oversold, safety, stale]
    assert number(listed[0][4]) == pieces


def test_shortages_ahead_count_places_that_stay_as_they_are(rich_home: Home, english: Reader) -> None:
    """Written another way than the report does: day by day, each place by its newest row up to then."""
    for day, short, *_ in rows(english, "ahead"):
        wanted = support.query(
            rich_home,
            "SELECT count(*) FROM (SELECT owner, sku, warehouse_id, arg_max(atp_signed_qty, day) AS atp, max(day) AS newest, count(*) AS n "
            "FROM inventory.atp_by_day WHERE day <= ?::DATE GROUP BY ALL) WHERE atp < 0",
            [day],
        )[0][0]
        assert number(short) == wanted, day


def test_time_outs_are_those_of_the_table(rich_home: Home, english: Reader) -> None:
    wanted = support.query(rich_home, "SELECT level, sum(n) FROM (SELECT level, count(*) AS n FROM fulfilment.timeouts GROUP BY 1) GROUP BY 1")
    shown: dict[str, Decimal] = {}
    for _, level, _, count, _ in rows(english, "late"):
        shown[level] = shown.get(level, Decimal(0)) + number(count)
    assert shown == {label("timeout_level", level): n for level, n in wanted}


def test_heat_map_and_the_orders_behind_it(rich_home: Home, report: Path, english: Reader) -> None:
    cells = [known for name, known in english.tags if name == "button" and known.get("data-stage")]
    last = max(str(c["data-hour"]) for c in cells)
    now = {str(c["data-stage"]): int(str(c["data-orders"])) for c in cells if c["data-hour"] == last}
    wanted = support.query(
        rich_home, "SELECT stage, sum(order_count) FROM fulfilment.backlog_hourly WHERE hour_at = (SELECT max(hour_at) FROM fulfilment.backlog_hourly) GROUP BY 1"
    )
    assert now == dict(wanted)
    listed = [known for name, known in english.tags if name == "tr" and known.get("data-stage")]
    behind = dict(support.query(rich_home, "SELECT stage, count(*) FROM fulfilment.backlog_orders GROUP BY 1"))
    until = {str(c["data-stage"]): str(c["data-until"]) for c in cells if c["data-hour"] == last}
    for stage, count in behind.items():
        mine = [k for k in listed if k["data-stage"] == stage]
        assert len(mine) == min(count, 60)
        assert all(str(k["data-entered"]) <= until[stage] for k in mine), "the cell of the running hour shows all that wait"


def test_waterfall_adds_up_to_what_was_sold(rich_home: Home, english: Reader) -> None:
    told = support.query(rich_home, "SELECT promotion_id, observed_gmv_amount FROM promotions.attribution WHERE incremental_amount IS NOT NULL")
    assert len(told) >= 2, "the home has promotions that can be told"
    drawn = [rows(english, f"promotion-{i}-parts") for i in range(1, len(told) + 1)]
    for parts in drawn:
        assert sum(number(r[1]) for r in parts[:-1]) == number(parts[-1][1])
    assert sorted(number(parts[-1][1]) for parts in drawn) == sorted(amount for _, amount in told)
    assert {r[0] for r in rows(english, "promotion-rows")} >= set(PROMOTIONS)


def test_files_and_quarantine_are_those_of_the_ledger(rich_home: Home, english: Reader) -> None:
    wanted = support.query(
        rich_home, "SELECT count(*), sum(rows_read), sum(rows_accepted), sum(rows_quarantined), sum(rows_duplicate) FROM ops.files"
    )[0]
    listed = rows(english, "file-statuses")
    assert tuple(sum(number(r[p]) for r in listed) for p in range(1, 6)) == wanted
    assert wanted[1] == sum(wanted[2:])
    aside = support.query(rich_home, "SELECT count(*) FROM ops.quarantine")[0][0]
    assert sum(number(r[3]) for r in rows(english, "quarantined")) == aside
    assert [r[0] for r in rows(english, "refused-files")] == ["hostile/unknown <b>file.csv"]


def test_rates_and_checks_are_those_of_quality(rich_home: Home, english: Reader) -> None:
    wanted = support.query(rich_home, "SELECT sum(checked_count), sum(passed_count) FROM quality.metrics")[0]
    listed = rows(english, "metrics")
    assert (sum(number(r[2]) for r in listed), sum(number(r[3]) for r in listed)) == wanted
    failing = support.query(rich_home, "SELECT count(*) FROM quality.check_results WHERE NOT passed")[0][0]
    assert len(rows(english, "failing")) == failing


# ---- what others wrote, and what may not be in it


def test_texts_of_others_stay_text(report: Path, english: Reader) -> None:
    text = report.read_text(encoding="utf-8")
    assert "<script>alert" not in text and "<img" not in text
    shown = [r[0] for r in rows(english, "worst")]
    assert f"{HOSTILE}sku" in shown
    assert f"{HOSTILE}title" in [r[1] for r in rows(english, "worst")] or any("…" in r[1] for r in rows(english, "worst"))
    assert any(f"{HOSTILE}1" == r[0] for r in rows(english, "largest"))
    assert {t for t, _ in english.tags} <= {
        "html", "head", "meta", "title", "style", "body", "a", "header", "div", "h1", "h2", "h3", "p", "span", "button", "nav", "ul", "li", "main",
        "section", "figure", "figcaption", "table", "caption", "thead", "tbody", "tr", "th", "td", "bdi", "svg", "rect", "line", "path", "text",
        "tspan", "details", "summary", "strong", "small", "br", "code", "footer", "script",
    }  # fmt: skip


def test_nothing_in_it_reaches_out_or_runs_but_its_own_script(report: Path, english: Reader) -> None:
    assert not [(t, k) for t, k in english.tags for name, value in k.items()
                if name.startswith("on") or name in ("src", "srcset", "style", "action") or (name == "href" and not str(value).startswith("#"))]  # fmt: skip
    assert "http" not in re.sub(r"http-equiv", "", report.read_text(encoding="utf-8"))
    policy = next(str(k["content"]) for t, k in english.tags if t == "meta" and k.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(english.raw[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"


def test_no_person_is_in_it(rich_home: Home, report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    for (customer,) in support.query(rich_home, "SELECT DISTINCT customer_id FROM orders.orders WHERE customer_id IS NOT NULL"):
        assert customer not in text
    assert not re.search(r"(?<!\d)1[3-9]\d{9}(?!\d)", text)


def test_same_tables_give_the_same_bytes_and_a_small_file(rich_home: Home, report: Path, tmp_path: Path) -> None:
    assert write_report(rich_home, tmp_path / "again.html").read_bytes() == report.read_bytes()
    assert report.stat().st_size < 1_000_000


def test_every_table_and_picture_has_a_name_and_a_sentence(english: Reader) -> None:
    assert all(known.get("aria-labelledby") for tag_, known in english.tags if known.get("role") == "img")
    ids = [str(known["id"]) for _, known in english.tags if known.get("id")]
    assert len(ids) == len(set(ids))
    figures_ = [str(k["id"]) for t, k in english.tags if t == "figure"]
    assert len(figures_) > 20
    assert all(english.sentences.get(name, "").strip() for name in figures_)
    named = {str(known["aria-labelledby"]) for _, known in english.tags if known.get("aria-labelledby")}
    assert named <= set(ids)


def test_both_languages_tell_the_same_numbers(report: Path) -> None:
    english, chinese = read(report, "en"), read(report, "zh")
    assert english.tables.keys() == chinese.tables.keys()
    for name in english.tables:
        assert [len(r) for r in english.tables[name]] == [len(r) for r in chinese.tables[name]]
    assert rows(english, "match-channels")[0][2:] == rows(chinese, "match-channels")[0][2:]
    assert "三方对账结论" in "".join(chinese.texts) and "三方对账结论" not in "".join(english.texts)


def test_a_home_with_one_order_has_a_report_too(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    support.land(home, "orders", [{"channel": "taobao", "shop_id": "s", "channel_order_id": "1", "status": "paid", "currency": "CNY",
                                   "payable_amount": "1.00", "created_at": "2026-01-01T00:00:00+08:00"}])  # fmt: skip
    support.run(home, "2026-01-01T01:00:00+08:00")
    out = tmp_path / "deep" / "r.html"
    assert cli.main(["report", "--home", str(home.root), "--out", str(out), "--language", "en"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    made = read(out)
    assert number(rows(made, "statuses")[0][1]) == 1
    assert dict(made.tags)["html"]["lang"] == "en"
    assert cli.main(["report", "--home", str(home.root)]) == 0
    assert (home.published / "report.html").exists()


def test_out_that_cannot_be_written_is_said(rich_home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["report", "--home", str(rich_home.root), "--out", str(tmp_path / "file" / "r.html")]) == 2
    assert "--out" in capsys.readouterr().err


# ---- the parts


def test_markup_escapes_everything_it_did_not_make() -> None:
    assert html("<b>", tag("i", "&"), None, ["\x00"]) == "&lt;b&gt;<i>&amp;</i>\ufffd"
    assert tag("p", title='"<', data_x=True, hidden=False) == '<p title="&quot;&lt;" data-x></p>'
    assert tag("text", Both("a<", "b")) == '<text><tspan lang="en">a&lt;</tspan><tspan lang="zh">b</tspan></text>'
    assert foreign("</bdi>") == "<bdi>&lt;/bdi&gt;</bdi>" and foreign(None) is None
    assert len(str(foreign("x" * 10_000))) < 250


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0.0%"), (0.0004, "<0.1%"), (0.9996, "99.9%"), (1, "100.0%"), (0.125, "12.5%"), (None, "–")]
)
def test_a_share_is_never_rounded_to_all_or_nothing(value: float | None, shown: str) -> None:
    assert words.percent(value) == shown


def test_numbers_are_shortened_in_the_way_of_each_language() -> None:
    assert words.short(12_000) == Both("12k", "1.2万")
    assert words.short(250_000_000) == Both("250M", "2.5亿")
    assert words.quantity(Decimal("1200.500")) == "1,200.5" and words.quantity(Decimal("1200.000")) == "1,200"
    assert words.money(Decimal("-1234.5")) == "-1,234.50"


@pytest.mark.parametrize("values", [(0, 0), (0, 1), (-3, 17), (0, 99_999), (-0.02, 0.001)])
def test_scale_has_few_round_steps_and_holds_all(values: Sequence[float]) -> None:
    scale = _Scale.over(values)
    assert scale.low <= min(values) and scale.high >= max(values)
    assert 2 <= len(scale.ticks) <= 8


def test_counts_have_no_steps_of_half_a_piece() -> None:
    assert _Scale.over([0, 1, 2]).ticks == [0, 1, 2]
    assert _Scale.over([0, 0.5]).step < 1


@pytest.mark.parametrize(("days", "unit"), [(1, "day"), (62, "day"), (63, "week"), (300, "week"), (900, "month"), (9000, "month")])
def test_time_is_cut_into_few_columns(days: int, unit: str) -> None:
    from datetime import date, timedelta

    last = date(2026, 3, 31)
    cut = Days.between(last - timedelta(days=days - 1), last)
    assert cut.unit == unit and len(cut.starts) <= COLUMNS
    assert cut.starts[-1] <= last and (unit == "day") <= (cut.starts[-1] == last)


def test_overlapping_promotions_are_shown_together_with_what_is_told_apart(english: Reader, rich_home: Home) -> None:
    (joint,) = support.records(rich_home, "SELECT * FROM promotions.joint_attribution WHERE promotion_ids LIKE 'overlapped%'")
    shown = {row[0]: row for row in rows(english, "joint-rows")}
    assert number(shown[joint["promotion_ids"]][1]) == joint["observed_gmv_amount"]
    assert number(shown[joint["promotion_ids"]][4]) == joint["incremental_amount"]
    assert {name for name in shown if name.startswith("of these ")} >= {"of these overlapped", "of these overlapping"}
