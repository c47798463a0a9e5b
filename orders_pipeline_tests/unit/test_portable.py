"""The portable-subset lint: every denied construct is caught, and what is allowed is left in peace."""

from __future__ import annotations

import pytest

from orders_pipeline.kernel.portable import lint
from orders_pipeline.kernel.portable import rules as deny_list

# Expressions over raw.t; a text that starts with SELECT, WITH or PIVOT is a whole query.
DENIED: dict[str, list[str]] = {
    "select_star": [
        "SELECT * FROM raw.t",
        "SELECT t.* FROM raw.t AS t",
        "FROM raw.t",
        "WITH a AS (SELECT x FROM raw.t) SELECT x FROM a UNION ALL SELECT * FROM a",
    ],
    "star_except": [
        "WITH a AS (SELECT * EXCLUDE (x) FROM raw.t) SELECT y FROM a",
        "WITH a AS (SELECT * REPLACE (x + 1 AS x) FROM raw.t) SELECT y FROM a",
    ],
    "columns_function": ["SELECT columns('x') FROM raw.t"],
    "pivot": [
        "PIVOT raw.t ON g USING sum(d) GROUP BY h",
        "SELECT a FROM raw.t PIVOT (sum(d) FOR g IN ('a', 'b'))",
        "SELECT a FROM raw.t UNPIVOT (v FOR k IN (b, c))",
    ],
    "join_method": [
        "SELECT t.a FROM raw.t AS t ASOF JOIN raw.u AS u ON t.a >= u.a",
        "SELECT t.a FROM raw.t AS t POSITIONAL JOIN raw.u AS u",
        "SELECT a FROM raw.t NATURAL JOIN raw.u",
    ],
    "union_by_name": ["SELECT a, b FROM raw.t UNION ALL BY NAME SELECT b, a FROM raw.u"],
    "distinct_on": ["SELECT DISTINCT ON (g) g, a FROM raw.t ORDER BY g, a"],
    "group_by_all": ["SELECT g, count(*) AS n FROM raw.t GROUP BY ALL"],
    "order_by_all": ["SELECT g FROM raw.t ORDER BY ALL"],
    "having_alias": ["SELECT g, count(*) AS n FROM raw.t GROUP BY g HAVING n > 1"],
    "limit": [
        "SELECT a FROM raw.t ORDER BY a LIMIT 2",
        "SELECT a FROM raw.t ORDER BY a OFFSET 2",
        "SELECT a FROM raw.t ORDER BY a FETCH FIRST 2 ROWS ONLY",
        "SELECT a FROM raw.t TABLESAMPLE 10%",
    ],
    "recursion": ["WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r"],
    "materialized": ["WITH a AS MATERIALIZED (SELECT x FROM raw.t) SELECT x FROM a"],
    "row_generator": [
        "unnest(x)",
        "CAST(unnest(generate_series(1, 3)) AS INTEGER)",
        "SELECT n FROM range(3) AS r(n)",
        "SELECT n FROM generate_series(1, 3) AS r(n)",
        "SELECT t.a FROM raw.t AS t, unnest(t.b) AS u(c)",
    ],
    "file_reader": ["SELECT a FROM read_parquet('x')", "SELECT a FROM read_csv('x')"],
    "schema_qualified_column": ["SELECT raw.t.a FROM raw.t"],
    "bare_null": ["NULL", "SELECT a FROM raw.t UNION ALL SELECT NULL FROM raw.t"],
    "in_subquery_as_value": ["x IN (SELECT y FROM raw.u)", "CASE WHEN x IN (SELECT y FROM raw.u) THEN 1 END"],
    "tuple_in": ["SELECT a FROM raw.t WHERE (a, b) IN ((1, 2), (3, 4))"],
    "window_without_order": ["row_number() OVER ()", "lag(x) OVER (PARTITION BY g)", "rank() OVER (PARTITION BY g)"],
    "window_distinct": ["count(DISTINCT x) OVER (PARTITION BY g)"],
    "window_frame": [
        "sum(x) OVER (ORDER BY y GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "sum(x) OVER (ORDER BY y ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW)",
    ],
    "unordered_text_aggregate": ["string_agg(s, ',')", "string_agg(DISTINCT s, ',')", "listagg(s, ',')"],
    "any_row": [
        "first(x)", "last(x)", "any_value(x)", "arg_max(s, x)", "arg_min(s, x)", "max_by(s, x)", "min_by(s, x)",
        "mode(x)",
    ],
    "quantile": [
        "quantile_cont(x, 0.5)", "quantile_disc(x, 0.5)", "quantile(x, 0.5)", "median(x)", "approx_quantile(x, 0.5)",
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY x)", "percentile_disc(0.5) WITHIN GROUP (ORDER BY x)",
        "approx_count_distinct(x)",
    ],
    "average": ["avg(x)"],
    "float_sum": ["sum(CAST(x AS DOUBLE))", "sum(ratio(x, y))", "sum(x * ratio(y, z))"],
    "statistics": ["stddev(x)", "variance(x)", "corr(x, y)", "kurtosis(x)", "skewness(x)", "stddev_pop(x)"],
    "histogram": ["histogram(x)"],
    "division": ["x / y", "x / 2", "CAST(x AS DOUBLE) / y", "CAST(x AS DOUBLE) / 0", "1.0 / NULLIF(y, 0)"],
    "integer_division": ["x // 2", "CAST(x AS DECIMAL(18, 2)) // 2"],
    "cast_to_integer": [
        "CAST(x AS INTEGER)", "x::BIGINT", "CAST(x * 100 AS BIGINT)", "CAST(2.7 AS INT)",
        "CAST(round(x, 2) AS INTEGER)",
        "CAST(CASE WHEN x > 1 THEN x ELSE 0 END AS INTEGER)", "CAST('2.7' AS INTEGER)", "CAST(ratio(x, y) AS INTEGER)",
    ],
    "try_cast": ["TRY_CAST(s AS INTEGER)", "TRY_CAST(s AS DECIMAL(18, 2))"],
    "floor_type": ["floor(x)", "ceil(x) + 1", "100 * (floor(x))"],
    "round_digits": ["round(x, 2)", "round(CAST(x AS DOUBLE), 1)", "round(x, y)"],
    "sign": ["sign(x)"],
    "transcendental": ["exp(x)", "ln(x)", "log(x)", "log10(x)", "power(x, 2)", "x ** 2", "sqrt(x)"],
    "not_a_number": ["isfinite(x)", "isnan(x)", "isinf(x)"],
    "clock": ["now()", "current_date", "current_timestamp", "today()", "get_current_timestamp()", "current_time"],
    "chance": ["random()", "uuid()", "gen_random_uuid()"],
    "date_difference": [
        "date_diff('day', a, b)", "datediff('month', a, b)", "date_diff('hour', a, b)", "date_sub('day', a, b)",
        "datesub('month', a, b)", "age(a, b)",
    ],
    "date_minus_date": ["CAST(a AS DATE) - CAST(b AS DATE)", "local_date(a, 'UTC') - b", "DATE '2026-01-01' - b"],
    "interval": [
        "a + INTERVAL 1 DAY", "a - INTERVAL '30' MINUTE", "n * INTERVAL 1 HOUR", "to_days(n)", "to_hours(n)",
        "to_months(n)",
        "date_add(a, INTERVAL 1 DAY)",
    ],
    "extract_part": [
        "extract(isodow FROM a)", "extract(dow FROM a)", "extract(week FROM a)", "extract(isoyear FROM a)",
        "extract(epoch FROM a)", "extract(second FROM a)",
    ],
    "weekday_or_week": [
        "dayofweek(a)", "isodow(a)", "weekday(a)", "dayname(a)", "monthname(a)", "week(a)", "weekofyear(a)",
        "yearweek(a)",
        "isoyear(a)", "date_part('dow', a)",
    ],
    "time_bucket": ["time_bucket(INTERVAL 1 HOUR, a)"],
    "time_zone": ["a AT TIME ZONE 'Asia/Shanghai'", "timezone('Asia/Shanghai', a)"],
    "date_trunc_type": ["date_trunc('month', a)", "date_trunc('day', a) = b"],
    "time_from_text": ["strptime(s, '%Y-%m-%d')", "try_strptime(s, '%Y-%m-%d')", "make_timestamp(2026, 1, 2, 3, 4, 5)"],
    "time_format": [
        "strftime(a, '%G-W%V')", "strftime(a, '%b')", "strftime(a, '%j')", "strftime(a, '%-d')", "strftime(a, f)",
    ],
    "epoch": ["epoch(a)", "epoch_ms(a)", "epoch_us(a)", "to_timestamp(n)"],
    "cast_to_text": ["CAST(ratio(x, y) AS VARCHAR)", "CAST(as_of() AS VARCHAR)", "CAST(a AS TIMESTAMPTZ)::TEXT"],
    "concatenated_type": ["s || ratio(x, y)", "s || add_hours(a, 1)"],
    "concat": ["concat(s, x)"],
    "format": ["format('{}', s)", "printf('%s', s)"],
    "like_backslash": [r"s LIKE 'a\_b'", "s LIKE p", r"s ILIKE '%\%'"],
    "glob": ["s GLOB 'a*'", "s SIMILAR TO 'a.*'"],
    "regexp_full_match": ["regexp_full_match(s, 'a.*')"],
    "regexp_pattern": ["regexp_matches(s, 'a$')", "regexp_matches(s, p)", "regexp_extract(s, '(a)$', 1)", "s ~ 'a$'"],
    "regexp_replacement": [
        "regexp_replace(s, 'a', 'b')", r"regexp_replace(s, '(a)', '<\1>', 'g')", "regexp_replace(s, 'a', 'b', 'i')",
    ],
    "substring_start": ["substring(s, 0, 2)", "substr(s, -2)", "substring(s, 2, -1)"],
    "negative_length": ["left(s, -1)", "right(s, -1)"],
    "reverse": ["reverse(s)"],
    "suffix": ["suffix(s, 'a')", "prefix(s, 'a')"],
    "hash": ["hash(s)"],
    "json": [
        "from_json(s, '[\"x\"]')", "json_array_length(s, '$.a')", "json_extract(s, '$.a')", "s ->> 'a'",
        "SELECT e.value FROM raw.t, json_each(t.s) AS e",
    ],
    "json_type": ["CAST(s AS JSON)"],
    "nested_value": [
        "[1, 2]", "{'a': 1}", "MAP {'a': 1}", "x[1]", "list(x ORDER BY y)", "array_agg(x)", "string_split(s, ',')",
        "list_filter(x, lambda e: e > 1)", "list_transform(x, lambda e: e + 1)",
    ],
    "unverified_function": ["levenshtein(a, b)", "bit_count(x)", "soundex(s)", "some_macro(x)"],
}  # fmt: skip

ALLOWED = [
    "count(*)", "count(DISTINCT x)", "sum(x)", "sum(x) FILTER (WHERE y > 1)", "min(s)", "max(a)", "bool_and(f)",
    "count_if(x > 1)",
    "string_agg(s, ',' ORDER BY s)", "string_agg(DISTINCT s, ',' ORDER BY s)",
    "row_number() OVER (PARTITION BY g ORDER BY a DESC NULLS LAST, b)", "lag(x IGNORE NULLS) OVER (ORDER BY b)",
    "first_value(x) OVER (PARTITION BY g ORDER BY b)", "sum(x) OVER (PARTITION BY g)", "rank() OVER w2 ",
    "sum(x) OVER (ORDER BY b RANGE BETWEEN INTERVAL 5 DAY PRECEDING AND CURRENT ROW)",
    "CASE WHEN x > 0 THEN 'a' ELSE 'b' END", "coalesce(x, 0)", "NULLIF(s, '')", "greatest(x, 0)", "abs(x)",
    "x % 3", "x * y - 1",
    "x IS DISTINCT FROM y", "x BETWEEN 1 AND 2", "x IN (1, 2)", "f IS NOT TRUE", "if(x > 1, 1, 2)",
    "CAST(x AS DECIMAL(18, 2))", "CAST(s AS VARCHAR)", "CAST(12 AS VARCHAR)", "CAST(NULL AS INTEGER)",
    "CAST(a AS DATE)",
    "CAST(round(x) AS BIGINT)", "CAST(floor(x) AS INTEGER)", "CAST(count(*) AS INTEGER)", "CAST(x > 1 AS INTEGER)",
    "CAST(sum(CASE WHEN f THEN 1 ELSE 0 END) AS INTEGER)", "CAST(days_between(a, b) AS BIGINT)",
    "CAST(row_number() OVER (ORDER BY a) AS INTEGER)", "CAST(round(x) AS BIGINT) // CAST(round(y) AS BIGINT)",
    "ratio(x, y)", "CAST(x AS DOUBLE) / 3", "CAST(x AS DOUBLE) / NULLIF(y, 0)", "round_half_up(x * y)",
    "round(CAST(x AS DECIMAL(38, 8)), 2)", "round(x)",
    "as_of()", "threshold('a')", "setting('b')", "x > threshold('a') * 2",
    "local_date(a, 'Asia/Shanghai')", "from_utc_timestamp(a, z)", "to_utc_timestamp(a, z)", "seconds_between(a, b)",
    "add_days(a, 1)", "add_hours(a, 1)", "add_minutes(a, -5)", "add_calendar_months(a, 1)", "iso_weekday(a)",
    "CAST(date_trunc('month', a) AS DATE)", "extract(year FROM a)", "year(a)", "hour(a)",
    "strftime(a, '%Y-%m-%d')", "a + 1",
    "TIMESTAMPTZ '2026-01-01 00:00:00+00'", "DATE '2026-01-01'",
    "s || '|' || x", "upper(trim(s))", "substring(s, 1, 3)", "left(s, 2)", "replace(s, 'a', 'b')",
    "split_part(s, ' ', 1)",
    "s LIKE 'a%'", "s LIKE 'a!_%' ESCAPE '!'", "contains(s, 'a')", "starts_with(s, 'a')", "lpad(s, 3, '0')",
    r"regexp_matches(s, '^a\d+\z')", r"regexp_extract(s, '(\d+)', 1)", "regexp_replace(s, '[^0-9]', '', 'g')",
    "md5(s)", "guid_of(s || '|' || t)", "concat_ws('-', s, p)", "EXISTS (SELECT 1 FROM raw.u AS u WHERE u.a = t.a)",
    "(SELECT max(u.a) FROM raw.u AS u)",
    "SELECT a FROM raw.t WHERE a IN (SELECT b FROM raw.u)", "SELECT a FROM raw.t WHERE a NOT IN (SELECT b FROM raw.u)",
    "WITH a AS (SELECT * FROM raw.t) SELECT x FROM a", "SELECT a FROM raw.t QUALIFY row_number() OVER (ORDER BY a) = 1",
    "SELECT coalesce(t.a, u.a) AS a FROM raw.t AS t FULL JOIN raw.u AS u ON u.a = t.a AND t.x - u.x BETWEEN 0 AND 1",
    "SELECT a FROM raw.t UNION ALL SELECT a FROM raw.u", "SELECT a FROM raw.t EXCEPT SELECT a FROM raw.u",
    "SELECT a, b FROM raw.t SEMI JOIN raw.u USING (a)",
    "SELECT g, sum(x) AS x FROM raw.t GROUP BY g HAVING sum(t.x) > 1",
    "SELECT t.a FROM (VALUES (1, 'x'), (2, 'y')) AS t(a, b) ORDER BY t.a DESC",
]  # fmt: skip


def query(text: str) -> str:
    return text if text.startswith(("SELECT", "WITH", "PIVOT", "FROM")) else f"SELECT {text} AS y FROM raw.t AS t"


def rules(text: str) -> set[str]:
    return {finding.rule for finding in lint(query(text))}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in DENIED.items() for text in texts])
def test_denied_construct_is_caught(rule: str, text: str) -> None:
    assert rule in rules(text)


def test_every_rule_has_an_example() -> None:
    assert set(deny_list()) == set(DENIED)


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed_construct_is_left_alone(text: str) -> None:
    assert rules(text) == set()


def test_finding_has_line_reason_and_alternative() -> None:
    (finding,) = lint("-- grain: a\n-- A table.\nSELECT a,\n    avg(x) AS mean\nFROM raw.t\nGROUP BY a")
    assert (finding.rule, finding.line) == ("average", 4)
    assert finding.message.startswith("AVG(x): of decimals")
    assert "instead: ratio(sum(x), count(x))" in finding.message


def test_text_that_does_not_parse_is_a_finding() -> None:
    assert [one.rule for one in lint("SELECT FROM WHERE")] == ["syntax"]


SCHEMA = {"raw.t": {"n": "INTEGER", "q": "DECIMAL(18, 3)", "x": "DOUBLE", "a": "TIMESTAMPTZ", "d": "DATE",
"s": "VARCHAR"}}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("CAST(n AS BIGINT)", set()),
        ("CAST(q AS BIGINT)", {"cast_to_integer"}),
        ("round(q, 2)", set()),
        ("round(x, 2)", {"round_digits"}),
        ("x / 3", set()),
        ("q / 3", {"division"}),
        ("n // 2", set()),
        ("q // 2", {"integer_division"}),
        ("sum(q)", set()),
        ("sum(x)", {"float_sum"}),
        ("CAST(q AS VARCHAR)", set()),
        ("CAST(a AS VARCHAR)", {"cast_to_text"}),
        ("s || n", set()),
        ("s || a", {"concatenated_type"}),
        ("d - 1", set()),
        ("d - d", {"date_minus_date"}),
    ],
)
def test_schema_sharpens_the_typed_rules(expression: str, expected: set[str]) -> None:
    sql = f"WITH c AS (SELECT {expression} AS y FROM raw.t) SELECT y FROM c"
    assert {finding.rule for finding in lint(sql, SCHEMA)} == expected
