"""A cell is freed of what spreadsheets and platforms wrap it in, whichever of the short ways is taken."""

import itertools

import duckdb
import pytest

from orders_pipeline.ingest import cells

WRAPPINGS = [
    "",
    "\t",
    "`",
    "'",
    '"',
    "=",
    " ",
    "\u00a0",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\n",
    "\r",
    "  ",
    "\t ",
    "``",
    '="',
    " \t",
]
CONTENTS = ["", "a", "1", "中文", "￥5", "—", "a b", "-", "0", "~x", "é", "9\u00a0x", "\ufb00", "!x", "{a}", "x'y", "1.0"]


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        cells.install(connection, b"a key of the tests")
        yield connection


def wrapped() -> list[str]:
    return [a + content + b for a, content, b in itertools.product(WRAPPINGS, CONTENTS, WRAPPINGS)]


def test_what_stands_around_a_text_is_taken_off(connection):
    found = connection.execute("SELECT x, bare(x) FROM (SELECT unnest($1) AS x)", [wrapped()]).fetchall()
    assert [(x, bare) for x, bare in found if bare != x.strip(cells._BLANKS)] == []


def test_what_disguises_an_identifier_is_taken_off(connection):
    texts = [x for x in wrapped() if not (x.startswith('="') and x.endswith('"'))]
    found = connection.execute("SELECT x, undisguised(x) FROM (SELECT unnest($1) AS x)", [texts]).fetchall()
    assert [(x, plain) for x, plain in found if plain != (x.strip(cells._DISGUISES) or None)] == []


def test_a_formula_that_is_a_text_is_that_text(connection):
    cases = {'="123"': "123", '=" 12 "': "12", '="0012"': "0012", '=""': None, '="中"': "中"}
    assert {x: connection.execute("SELECT undisguised($1)", [x]).fetchall()[0][0] for x in cases} == cases


def test_only_whole_words_mean_nothing(connection):
    words = ("", "-", "--", "N/A", "NULL", "无")
    texts = {"-": True, "--": True, "---": False, "N": False, "/": False, "NULL": True, "N/A": True, "NULL-": False, "无": True}
    asked = f"SELECT {cells.is_one_of('x', words)} FROM (SELECT $1 AS x)"
    assert {x: connection.execute(asked, [x]).fetchall()[0][0] for x in texts} == texts


def test_scientific_notation_is_seen_in_either_case(connection):
    cases = {"1.23E+17": True, "1.23e17": True, "3E18": True, "E18": False, "12E3": False, "SKU-E1": False, "123": False}
    assert {x: connection.execute("SELECT is_scientific($1)", [x]).fetchall()[0][0] for x in cases} == cases


def read_as(connection, macro: str, texts) -> dict[str, str | None]:
    found = connection.execute(f"SELECT x, CAST({macro}(halfwidth(x)) AS VARCHAR) FROM (SELECT unnest($1) AS x)", [list(texts)])
    return dict(found.fetchall())


def test_a_number_is_read_in_every_plain_way_to_write_it_and_in_no_other(connection):
    cases = {
        "1,234.50": "1234.500000", "￥1,234.50": "1234.500000", "１，２３４．５": "1234.500000", "12.30元": "12.300000", "1e3": "1000.000000",
        "(12.30)": "-12.300000", "（12.30）": "-12.300000", "¥(12.30)": "-12.300000", "(¥12.30)": "-12.300000", "12.30-": "-12.300000",
        "1,234.5-": "-1234.500000", "−5": "-5.000000", "－5": "-5.000000", "-¥5": "-5.000000", ".5": "0.500000", "1.0E7": "10000000.000000",
        "US$5": "5.000000", "-US$ 1,234.5": "-1234.500000", "12.30 usd": "12.300000", "$12.30 CAD": "12.300000", "(12.30) EUR": "-12.300000",
        "12.30- EUR": "-12.300000", "12.30美元": "12.300000", "¥12.30元": "12.300000", "R$5": "5.000000", "＄5": "5.000000",
    } | dict.fromkeys(
        ["1.23E+05", "1.23e+05", "1_2", "1,23", "1,234,5", "1 200", "3件", "2.5kg", "30天", "5%", "NaN", "inf", "-inf", "#REF!", "#N/A", "=1+2",
         "--5", "-(5)", "((5))", "1-2-", "1.2.3", "TRUE", "0x10", "1万", "131.77(已退款89.84)", "1234567890123.5", "X$5", "1$2", "12 EURO", "$", "元", "-", "."]
    )  # fmt: skip
    assert read_as(connection, "number", cases) == cases


def test_with_a_decimal_comma_a_point_only_groups(connection):
    cases = {
        "95,00": "95.000000", "1.210,00 €": "1210.000000", "-1.210,5": "-1210.500000", "1 210,00": "1210.000000", "1\u202f210": "1210.000000",
        "1.234": "1234.000000", "(12,30)": "-12.300000", "12,30-": "-12.300000", "12.30": None, "1.2345": None, "1.5E+02": None, ".5": None,
        "12,": None, "1,2,3": None, "$12.30": None,
    }  # fmt: skip
    assert read_as(connection, "number_comma", cases) == cases


def test_a_sign_or_code_says_which_currencies_it_can_mean(connection):
    cases = {
        "$5": "USD CAD HKD", "US$5": "USD", "5 usd": "USD", "HK$5": "HKD", "¥5": "CNY JPY", "￥5": "CNY JPY", "5元": "CNY HKD", "5美元": "USD",
        "(€5)": "EUR", "-£5": "GBP", "$5 CAD": "CAD", "5 kr": "SEK", "5": "USD CAD HKD CNY JPY EUR GBP SEK", "5 PCS": "USD CAD HKD CNY JPY EUR GBP SEK",
    }  # fmt: skip
    for text, fitting in cases.items():
        for currency in ("USD", "CAD", "HKD", "CNY", "JPY", "EUR", "GBP", "SEK"):
            differs = connection.execute("SELECT is_other_money($1, $2)", [text, currency]).fetchall()[0][0]
            assert differs == (currency not in fitting.split()), (text, currency)
    assert connection.execute("SELECT coalesce(is_other_money('$5', CAST(NULL AS VARCHAR)), false)").fetchall() == [(False,)]


def test_a_share_may_be_written_in_percent(connection):
    cases = {"12.5%": 0.125, "12.5％": 0.125, "-3 %": -0.03, "%": None, "1,5%": None, "0.1": None}
    assert {x: value and float(value) for x, value in read_as(connection, "percent", cases).items()} == cases


def test_a_time_is_read_in_every_plain_way_to_write_it_and_in_no_other(connection):
    connection.execute("SET TimeZone = 'Asia/Shanghai'")
    afternoon, minute = "2026-02-10 15:04:05+08", "2026-02-10 15:04:00+08"
    cases = dict.fromkeys(
        ["2026-02-10 下午3:04:05", "2026年2月10日 下午3:04:05", "2026年2月10日15时04分05秒", "2026/2/10 3:04:05 PM", "2026-02-10 3:04:05pm",
         "20260210150405", "1770707045", "1770707045000", "２０２６-０２-１０ 15：04：05", "2026-02-10T07:04:05Z", "2026-02-10 15:04:05 CST",
         "Feb 10, 2026 3:04:05 PM", "2026-02-10 3:04:05 PM CST", "2026.02.10 15:04:05", "2026年2月10日15:04:05", "46063.62783564815"], afternoon
    ) | dict.fromkeys(["2026/2/10 下午3:04", "2026-02-10 03:04 PM", "202602101504", "2026年02月10日15时04分"], minute) | {
        "2026-02-10 24:00:00": "2026-02-11 00:00:00+08", "2026/2/10 上午12:30": "2026-02-10 00:30:00+08", "20260210": "2026-02-10 00:00:00+08",
        "2026年02月10日": "2026-02-10 00:00:00+08",
    } | dict.fromkeys(
        ["2026/2/30", "24:00:00", "上午10:00", "2026-02-10 25:00", "2026-02-10 13:00 PM", "0000-00-00 00:00:00", "infinity", "-infinity", "epoch",
         "now", "today", "99999", "12345.6", "2026", "5-1", "May-26", "26", "0", "2026-02-10 15:04:05 BC", "1234567890123456"]
    )  # fmt: skip
    assert read_as(connection, "instant", cases) == cases
    days = {x: None if value is None else value[:10] for x, value in cases.items() if x[-1] not in "ZTC" and "," not in x}
    assert {x: value and value[:10] for x, value in read_as(connection, "wall_clock", days).items()} == days


def test_figures_of_an_input_method_make_the_same_identifier(connection):
    cases = {"６９１７９２６": "6917926", "杯子（红）": "杯子（红）", "Ａ１": "Ａ１", "123.0": "123", "１２３.0": "１２３.0"}
    asked = "SELECT plain_id($1)"
    assert {x: connection.execute(asked, [x]).fetchall()[0][0] for x in cases} == cases
