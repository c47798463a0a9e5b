"""Text files: encodings, line ends, headers, footers, and every row accounted for in a real DuckDB."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.ingest.landing import as_member
from orders_pipeline.ingest.read import (
    DEFAULT,
    Dialect,
    Loaded,
    discard,
    footer_start,
    header_candidates,
    load_rows,
    normalise,
    open_table,
    read_csv_sql,
)
from orders_pipeline.kernel.faults import BadInput, Transient

Rows = list[tuple]


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


def write(folder: Path, data: bytes, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def opened(path: Path, **options):
    work = path.parent / "work"
    work.mkdir(exist_ok=True)
    return open_table(as_member(path), work, **options)


def load(connection, path: Path, header_line: int = 1, **options) -> tuple[Loaded, Rows]:
    """The rows of a file as (line, c0, c1, …)."""
    table = opened(path).tables[0]
    loaded = load_rows(connection, "body", normalise(table, header_line, work_dir=path.parent / "work", **options))
    names = ", ".join(loaded.csv.columns)
    return loaded, connection.execute(f"SELECT {loaded.line_sql}, {names} FROM body ORDER BY rowid").fetchall()


def refusal(path: Path, **options) -> BadInput:
    with pytest.raises(BadInput) as caught:
        opened(path, **options)
    assert caught.value.file == path.name
    return caught.value


# --- encodings


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("gb18030", b""),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end_gives_the_same_rows(tmp_path, connection, encoding, mark, newline):
    text = newline.join(["订单编号,买家", "1,张三", '2,"李,四"', "3,㐀𠀀"]) + newline
    path = write(tmp_path, mark + text.encode(encoding))
    table = opened(path).tables[0]
    assert table.head[0] == ["订单编号", "买家"]
    assert table.encoding == encoding
    assert table.line_count == 4
    assert table.facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    _, rows = load(connection, path)
    assert rows == [(2, "1", "张三"), (3, "2", "李,四"), (4, "3", "㐀𠀀")]


def test_western_and_japanese_text_is_not_taken_for_chinese(tmp_path):
    western = write(tmp_path, "order-id\tname\n1\tRenée Müller-Lüdenscheidt\n".encode("cp1252"), "amazon.txt")
    assert opened(western).tables[0].head[1][1] == "Renée Müller-Lüdenscheidt"
    japanese = write(tmp_path, "注文番号\tお届け先\n1\tたなかさま\n".encode("cp932"), "jp.txt")
    table = opened(japanese, encodings=("shift_jis", "gb18030")).tables[0]
    assert table.head[0] == ["注文番号", "お届け先"]


def test_damaged_utf8_is_refused_and_never_read_as_chinese(tmp_path):
    good = "订单编号,买家会员名称\n" + "1,张三丰先生\n" * 50
    damaged = write(tmp_path, good.encode() + b"2,\xff\xfe\n" + good.encode())
    fault = refusal(damaged)
    assert (fault.reason, fault.row) == ("encoding_unreadable", 52)
    assert f"byte {len(good.encode()) + 2}" in fault.message
    for cut in (1, 2):
        assert refusal(write(tmp_path, good.encode()[: -1 - cut])).reason == "text_truncated"


def test_gbk_cut_in_the_middle_of_a_character_is_refused(tmp_path):
    text = ("订单编号,买家\n" + "1,张三\n" * 10).encode("gb18030")
    assert refusal(write(tmp_path, text[:-2])).reason == "text_truncated"


def test_bad_byte_far_inside_a_gbk_file_is_named_with_its_line(tmp_path):
    line = "1,张三\n".encode("gb18030")
    data = "订单编号,买家\n".encode("gb18030") + line * 100_000 + b"\xff\xff\n" + line * 10
    fault = refusal(write(tmp_path, data))
    assert (fault.reason, fault.row) == ("encoding_unreadable", 100_002)


def test_characters_cut_by_the_chunks_of_the_reader_survive(tmp_path, connection, monkeypatch):
    from orders_pipeline.ingest.read import scan

    text = "订单,备注\n" + "".join(f"{number},备注𠀀{number}\r\n" for number in range(50))
    for encoding in ("utf-8", "gb18030", "utf-16"):
        for size in (1, 2, 3, 7, 64):
            monkeypatch.setattr(scan, "CHUNK_BYTES", size)
            _, rows = load(connection, write(tmp_path, text.encode(encoding)))
            assert [row[2] for row in rows] == [f"备注𠀀{number}" for number in range(50)]


# --- files that are no text


def test_empty_nul_and_endless_lines_are_refused(tmp_path):
    assert refusal(write(tmp_path, b"")).reason == "empty_file"
    assert refusal(write(tmp_path, b"\xef\xbb\xbf\r\n")).reason == "empty_file"
    nul = refusal(write(tmp_path, b"a,b\n1,2\n3,\x004\n"))
    assert (nul.reason, nul.row) == ("nul_bytes", 3)
    endless = write(tmp_path, b"a,b\n" + b"x" * (17 << 20) + b"\n")
    assert refusal(endless).reason == "line_too_long"
    assert refusal(write(tmp_path, "字".encode("gb18030") * (9 << 20))).reason == "line_too_long"


def test_a_gigabyte_on_one_line_is_refused_without_reading_it_all(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as out:
        out.write(b"x" * (20 << 20))
        out.truncate(20 << 20)
        out.seek(1 << 30)
        out.write(b"x")
    assert refusal(path).reason == "line_too_long"


def test_file_that_grows_while_it_is_read_waits(tmp_path, monkeypatch):
    from orders_pipeline.ingest.read import scan

    path = write(tmp_path, b"a,b\n1,2\n")
    feed = scan._Shape.feed

    def feed_and_grow(self, data):
        with path.open("ab") as out:
            out.write("3,半".encode()[:-1])
        feed(self, data)

    monkeypatch.setattr(scan._Shape, "feed", feed_and_grow)
    with pytest.raises(Transient, match="changed while it was read"):
        opened(path)


def test_ten_million_character_cell_costs_its_row_only(tmp_path, connection):
    path = write(tmp_path, b"a,b\n1,2\n3," + b"x" * 10_000_000 + b"\n5,6\n")
    loaded, rows = load(connection, path)
    assert rows == [(2, "1", "2"), (4, "5", "6")]
    assert [(row.line, row.reason, len(row.raw)) for row in loaded.broken] == [(3, "cell_too_long", DEFAULT.raw_chars)]


# --- structure


def test_dialects_are_guessed(tmp_path):
    cases = {
        b"a;b;c\n1,5;2,5;x\n": Dialect(";"),
        b'a\tb\n5" pipe\t"x\n': Dialect("\t", ""),
        b'a\tb\n"5 "" pipe"\tx\n': Dialect("\t"),
        b"a|b|c\n1|2|3\n": Dialect("|"),
        b"id,title\n1\t,a\n2\t,b\n": Dialect(","),
        b"only\n1\n": Dialect(","),
        "时间,单号\n`2021,`M1\n".encode(): Dialect(",`", ""),
    }
    for data, dialect in cases.items():
        assert opened(write(tmp_path, data)).tables[0].dialect == dialect, data


def test_preamble_with_blank_lines_and_footers_padded_or_not(tmp_path, connection):
    above = ["#账务明细,,", "", "#账号：[2088],,", "流水号,金额,备注"]
    lines = [*above, "1\t,5.00,", "2\t,6.00,x", "#结束,,", "", ",,", "#合计：2笔，共11.00元", ""]
    path = write(tmp_path, "\r\n".join(lines).encode("gb18030"))
    loaded, rows = load(connection, path, 4, footer_prefixes=["#"])
    assert rows == [(5, "1\t", "5.00", None), (6, "2\t", "6.00", "x")]
    assert loaded.csv.preamble == ["#账务明细,,", "", "#账号：[2088],,"]
    assert [text for text in loaded.csv.footers if text.startswith("#")] == ["#结束,,", "#合计：2笔，共11.00元"]
    assert loaded.broken == []


def test_wechat_bill_ends_at_its_second_header_and_keeps_commas_in_names(tmp_path, connection):
    body = ["`2021-02-01,`红色,大号,`12.80", "`2021-02-02,`x,`1"]
    text = "\n".join(["\ufeff交易时间,商品名称,金额", *body, "总交易单数,应结订单总金额", "`2,`13.80", ""])
    loaded, rows = load(connection, write(tmp_path, text.encode()), summary_header=["总交易单数"])
    assert [row[1:] for row in rows] == [("`2021-02-01", "红色,大号", "12.80"), ("`2021-02-02", "x", "1")]
    assert loaded.csv.footers == ["总交易单数,应结订单总金额", "`2,`13.80"]


def test_total_row_is_a_footer_and_order_numbers_with_a_hash_are_not(tmp_path):
    table = opened(write(tmp_path, "Name,Total\n#1001,5\n#1002,6\n合计,11\n".encode())).tables[0]
    assert footer_start(table, 1, total_words=["合计"]) == 4
    assert footer_start(table, 1) is None


def test_header_candidates_put_the_header_first_and_keep_duplicates(tmp_path):
    text = "导出时间,2026-01-01\n\n订单号,金额,金额,备注,\n1,2,3,x,\n"
    table = opened(write(tmp_path, text.encode())).tables[0]
    best = header_candidates(table)[0]
    assert (best.line, best.cells) == (3, ["订单号", "金额", "金额", "备注", ""])


def test_header_cell_with_a_line_break(tmp_path, connection):
    path = write(tmp_path, '"订单\n编号",金额\n1,2\n'.encode())
    table = opened(path).tables[0]
    assert table.head[0] == ["订单\n编号", "金额"]
    assert table.head[1] == []
    assert load(connection, path)[1] == [(3, "1", "2")]


def test_header_only_is_refused(tmp_path):
    for data in (b"a,b\n", b"a,b", b"a,b\r\n\r\n", b"a,b\n#end\n"):
        table = opened(write(tmp_path, data)).tables[0]
        with pytest.raises(BadInput) as caught:
            normalise(table, 1, footer_prefixes=["#"])
        assert caught.value.reason == "header_only"


def test_clean_utf8_file_is_read_in_place(tmp_path, connection):
    path = write(tmp_path, b'\xef\xbb\xbfa,b\r\n1,2\r\n3,"4,5"\r\n')
    loaded, rows = load(connection, path)
    assert loaded.csv.path == path
    assert not loaded.csv.numbered
    assert rows == [(2, "1", "2"), (3, "3", "4,5")]


def test_blank_lines_and_line_breaks_in_cells_keep_physical_lines(tmp_path, connection):
    loaded, rows = load(connection, write(tmp_path, b'a,b\n1,2\n\n3,"x\ny ""z"""\n,\n  \n5,6\n\n\n'))
    assert rows == [(2, "1", "2"), (4, "3", 'x\ny "z"'), (6, None, None), (8, "5", "6")]
    assert loaded.csv.has_quoted_newlines


def test_mixed_line_ends(tmp_path, connection):
    _, rows = load(connection, write(tmp_path, b"a,b\r\n1,2\n3,4\r5,6\r\n7,8"))
    assert rows == [(2, "1", "2"), (3, "3", "4"), (4, "5", "6"), (5, "7", "8")]


def test_tab_after_the_closing_quote_is_mended(tmp_path, connection):
    loaded, rows = load(connection, write(tmp_path, b'a,b,c\n"1"\t,2,"3" \n4,"5, 5"\t,6\n'))
    assert rows == [(2, "1", "2", "3"), (3, "4", "5, 5", "6")]
    assert loaded.broken == []


def test_quotes_inside_unquoted_cells_are_characters(tmp_path, connection):
    loaded, rows = load(connection, write(tmp_path, b'a,b\n5" pipe,1\n6"x7",2\n'))
    assert rows == [(2, '5" pipe', "1"), (3, '6"x7"', "2")]
    assert loaded.broken == []


def test_unbalanced_quote_swallows_nothing(tmp_path, connection):
    body = [f"{number},x,y" for number in range(2, 5000)]
    body[1000] = '1002,"x,y'
    body[3000] = '3002,"x",y'
    body[4000] = '4002,x,"y" z'
    path = write(tmp_path, ("a,b,c\n" + "\n".join(body) + "\n").encode())
    loaded, rows = load(connection, path)
    assert [(row.line, row.reason) for row in loaded.broken] == [(1002, "quote_not_closed"), (4002, "text_after_quote")]
    assert loaded.broken[0].raw == '1002,"x,y'
    assert [row[0] for row in rows] == [line for line in range(2, 5000) if line not in (1002, 4002)]
    assert all(row[1] == str(row[0]) for row in rows)


def test_unbalanced_quote_on_the_last_line(tmp_path, connection):
    loaded, rows = load(connection, write(tmp_path, b'a,b\n1,2\n3,"4\n'))
    assert rows == [(2, "1", "2")]
    assert [(row.line, row.reason) for row in loaded.broken] == [(3, "quote_not_closed")]


def test_short_and_long_rows_are_broken_unless_only_blank_cells_differ(tmp_path, connection):
    path = write(tmp_path, b"a,b,c\n1,2,3\n1,2\n1,2,3,4\n1,2,3,\n1,2,3,,\n4,5,6\n")
    loaded, rows = load(connection, path)
    assert [row[0] for row in rows if row[0] in (2, 5, 7)] == [2, 5, 7]
    assert {(row.line, row.reason) for row in loaded.broken} >= {(3, "missing_columns"), (4, "too_many_columns")}
    assert len(rows) + len(loaded.broken) == 6
    loaded, rows = load(connection, path, allow_short=True)
    assert [(row.line, row.reason) for row in loaded.broken] == [(4, "too_many_columns")]
    assert (3, "1", "2", None) in rows


def test_trailing_unnamed_column_on_either_side(tmp_path, connection):
    assert load(connection, write(tmp_path, b"a,b,\n1,2\n3,4\n"))[1] == [(2, "1", "2"), (3, "3", "4")]
    assert load(connection, write(tmp_path, b"a,b\n1,2,\n3,4,\n"))[1] == [(2, "1", "2", None), (3, "3", "4", None)]


def test_text_that_looks_like_sql_or_a_formula_stays_text(tmp_path, connection):
    path = write(tmp_path, b"a,b\n=1+1,@SUM(A1)\n\"=cmd|' /C calc'!A0\",'; DROP TABLE body; --\n", "it's.csv")
    _, rows = load(connection, path)
    assert rows == [(2, "=1+1", "@SUM(A1)"), (3, "=cmd|' /C calc'!A0", "'; DROP TABLE body; --")]


def test_null_like_and_comment_like_cells_stay_text(tmp_path, connection):
    _, rows = load(connection, write(tmp_path, b'a,b\nNULL,-\n#1001,""\n'))
    assert rows == [(2, "NULL", "-"), (3, "#1001", None)]


def test_a_file_of_nothing_but_broken_rows_is_refused(tmp_path, connection):
    path = write(tmp_path, b"a,b\n" + b"1,2,3,4\n" * 2_000)
    table = opened(path, limits=replace(DEFAULT, broken_rows=1_000)).tables[0]
    with pytest.raises(BadInput) as caught:
        load_rows(connection, "body", normalise(table, 1))
    assert caught.value.reason == "too_many_broken_rows"


def test_rows_keep_their_order_in_parallel_reading(tmp_path, connection):
    path = tmp_path / "large.csv"
    with path.open("w") as out:
        out.write("id,note\n")
        out.writelines(f'{number},"note, {number}"\n' for number in range(600_000))
    loaded, _ = load(connection, path)
    misplaced = f"SELECT count(*) FROM body WHERE {loaded.line_sql} <> CAST(c0 AS BIGINT) + 2"
    wrong = connection.execute(misplaced).fetchall()
    assert (loaded.rows, wrong) == (600_000, [(0,)])
    assert loaded.csv.path == path


def test_relation_can_be_selected_with_names_of_the_callers_choice(tmp_path, connection):
    table = opened(write(tmp_path, b"a,b\n1,2\n")).tables[0]
    relation = read_csv_sql(normalise(table, 1), ["order no", "paid"])
    assert connection.execute(f'SELECT "order no" || paid FROM {relation}').fetchall() == [("12",)]


@pytest.mark.parametrize("data", [b"a,b\n1,2\n", b'a,b\n\n1,"2"" \n3"\n4\n', "甲,乙\n1,2\n#\n".encode("gb18030")])
def test_nothing_is_left_in_the_work_directory(tmp_path, connection, data):
    path = write(tmp_path, data)
    found = opened(path)
    (table,) = found.tables
    csv = normalise(table, 1, footer_prefixes=["#"], work_dir=tmp_path / "work")
    load_rows(connection, "body", csv)
    discard(csv, table)
    found.close()
    assert path.exists()
    assert list((tmp_path / "work").iterdir()) == []


def test_numbered_copy_can_be_asked_for(tmp_path, connection):
    loaded, rows = load(connection, write(tmp_path, b"a\n1\n2\n"), numbered=True)
    assert loaded.line_sql == "line"
    assert rows == [(2, "1"), (3, "2")]


# --- properties

_CELL = st.text(st.sampled_from("ab1,;\"\n\r\t =`#'汉é\\"), max_size=6)
_TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(_CELL, min_size=width, max_size=width), max_size=12))
_ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16"])
_BAD_LINES = st.lists(st.sampled_from(['1,"2', '"', "1,2", '1,""2', ",", "", '"1"\t,2', "1,2,3"]))
_QUOTED_LINES = st.lists(
    st.sampled_from(['1,"2', '3",4', '5,"6"', "7,8", '9,""', '"1""2",3', '"4\t', "5,6,7", "8"]), min_size=1
)
_FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_FUZZ
@given(rows=_TABLE.filter(bool), encoding=_ENCODINGS, crlf=st.booleans())
def test_what_a_csv_writer_wrote_is_what_duckdb_holds(tmp_path, connection, rows, encoding, crlf):
    names = [f"名称{number}" for number in range(len(rows[0]))]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n" if crlf else "\n", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    path = write(tmp_path, out.getvalue().encode(encoding, "ignore"))
    expected = [[cell.replace("\r\n", "\n").replace("\r", "\n") or None for cell in row] for row in rows]
    blank = ' \t\n\r\u3000"'
    expected = [row for row in expected if any((cell or "").strip(blank) for cell in row)]
    try:
        _, found = load(connection, path, dialect=Dialect())
    except BadInput as fault:
        assert fault.reason == "header_only" and not expected
        return
    found = [list(row[1:]) for row in found]
    assert [[_folded(cell) for cell in row] for row in found if any((c or "").strip(blank) for c in row)] == [
        [_folded(cell) for cell in row] for row in expected
    ]


def _folded(cell: str | None) -> str | None:
    return cell.replace("\r\n", "\n").replace("\r", "\n") if cell else cell


@_FUZZ
@given(data=st.binary(max_size=300), lines=_BAD_LINES)
def test_any_bytes_end_in_rows_broken_rows_or_a_reason(tmp_path, connection, data, lines):
    path = write(tmp_path, b"a,b\n" + "\n".join(lines).encode() + data)
    try:
        loaded, rows = load(connection, path)
    except BadInput as fault:
        assert fault.reason and str(fault)
        return
    assert loaded.rows == len(rows)
    numbers = sorted([row[0] for row in rows] + [row.line for row in loaded.broken])
    assert len(set(numbers)) == len(numbers)
    assert numbers[-1:] <= [opened(path).tables[0].line_count]


@_FUZZ
@given(lines=_QUOTED_LINES)
def test_every_line_is_a_row_a_broken_row_or_inside_one(tmp_path, connection, lines):
    path = write(tmp_path, ("a,b\n" + "\n".join(lines) + "\n").encode())
    loaded, rows = load(connection, path, dialect=Dialect())
    starts = {row[0] for row in rows} | {row.line for row in loaded.broken}
    inside = {
        line
        for row in rows
        for line in range(row[0] + 1, row[0] + 1 + sum((cell or "").count("\n") for cell in row[1:]))
    }
    assert not starts & inside
    assert starts | inside == set(range(2, len(lines) + 2))


def test_memory_stays_bounded(tmp_path):
    import tracemalloc

    path = tmp_path / "large.csv"
    line = '1,订单,备注,"x,y"\r\n'
    with path.open("wb") as out:
        out.write("a,b,c,d\r\n".encode("gb18030"))
        for _ in range(60):
            out.write(line.encode("gb18030") * 50_000)
    assert path.stat().st_size > 50 << 20
    tracemalloc.start()
    opened(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48 << 20
