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
