"""How one cell of text becomes one typed value: the SQL macros that every source shares.

A cell arrives as the file shows it: wrapped by a spreadsheet (`="123"`, `'123`, a backtick, tabs), with currency signs,
thousands separators, one of a dozen date spellings. What cannot be read becomes NULL here and a quarantined row in
`mapping`, never a zero. Macros expect the session's TimeZone to be the zone the source writes its times in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import duckdb

from orders_pipeline.ingest import phones, signs

#: Spaces of all widths, tabs, line ends, zero-width characters, the byte order mark and the backtick of WeChat bills.
_BLANKS = " \t\r\n\u00a0\u3000\u200b\ufeff`"
_DISGUISES = _BLANKS + "'\"="


def _text(characters: str) -> str:
    return "'" + characters.replace("'", "''") + "'"


def _trimmed(characters: str, wrapped: str = "") -> str:
    """SQL: x without any of these at its ends; `wrapped` is a WHEN … THEN … for cells wrapped in more than these.

    trim() costs ten times as much as seeing that there is nothing to trim, and four times as much as taking off the one
    character that most platforms add (a tab or backtick in front, a tab behind). Kept short: every cell of a file becomes
    several of these, and planning a long statement takes longer than running it on a small file.
    """
    listed = _text(characters)
    return f"""CASE WHEN x IS NULL OR NOT (contains({listed}, left(x, 1)) OR contains({listed}, x[-1])) THEN x {wrapped}
        WHEN contains('\t`', left(x, 1)) AND NOT (contains({listed}, x[2]) OR contains({listed}, x[-1])) THEN substr(x, 2)
        WHEN ends_with(x, '\t') AND NOT (contains({listed}, left(x, 1)) OR contains({listed}, x[-2])) THEN left(x, -1)
        ELSE trim(x, {listed}) END"""


def is_one_of(column: str, words: Sequence[str]) -> str:
    """SQL: is a text one of these words? (Not `IN`: DuckDB plans a long list as a join.)

    Each test is dearer than the one before and asked only of what has passed that one.
    """
    longest = max(len(w.encode()) for w in words)
    listed = _text("\x1f" + "\x1f".join(words) + "\x1f")
    whole = f"contains({listed}, concat('\x1f', {column}, '\x1f'))"
    return f"strlen({column}) <= {longest} AND contains({listed}, {column}) AND {whole}"


def narrowed(words: Sequence[str]) -> tuple[str, ...]:
    """The words as `halfwidth` writes them."""
    return tuple(dict.fromkeys(word.translate(str.maketrans(_WIDE, _NARROW)) for word in words))


_FORMULA = """WHEN starts_with(x, '="') AND ends_with(x, '"') AND strlen(x) = length(x)
        THEN trim(substr(x, 3, strlen(x) - 3))"""
#: Full-width figures and signs as an input method writes them, the minus of typography, and blanks that keep figures together.
_WIDE, _NARROW = "０１２３４５６７８９：－−／．，＋（）％　\u00a0\u202f", "0123456789:--/.,+()%   "
#: Digits in groups of three or none, so that a decimal comma (95,00) is refused instead of becoming 9500.
_NUMBER = r"^[+-]?\s*(?:\d{1,3}(?:[,，]\d{3})+|\d*)(?:\.\d+|\.)?$"
#: The same with a decimal comma, so that 12.30 is refused instead of becoming 1230; blanks group figures as well there.
_NUMBER_COMMA = r"^[+-]?\s*(?:\d{1,3}(?:\.\d{3})+|\d{1,3}(?: \d{3})+|\d*)(?:,\d+)?$"

_MINUTES = {
    "UTC": 0, "GMT": 0, "WET": 0, "BST": 60, "CET": 60, "WEST": 60, "CEST": 120, "EET": 120, "EEST": 180, "MSK": 180,
    "EST": -300, "EDT": -240, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480,
    "HST": -600, "BRT": -180, "SGT": 480, "HKT": 480, "JST": 540, "KST": 540, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}  # fmt: skip
_ZONES = " ".join(f"WHEN x = '{name}' THEN {minutes}" for name, minutes in _MINUTES.items())

MACROS = {
    # Whole columns are written as `="123"`.
    "undisguised": f"(x) AS nullif({_trimmed(_DISGUISES, _FORMULA)}, '')",
    # `10160070484512.0` is how a spreadsheet shows a whole number; beyond fifteen digits it is a damaged one.
    # A line break inside an identifier is a spreadsheet's too.
    "plain_id": """(x) AS CASE WHEN x IS NULL THEN x WHEN ends_with(x, '.0') AND regexp_full_match(x, '\\d{1,15}\\.0') THEN x[:-3]
        WHEN strlen(x) <> length(x) AND regexp_full_match(x, '[０-９]+') THEN halfwidth(x)
        WHEN contains(x, '\n') OR contains(x, '\r') OR contains(x, '\t') OR contains(x, '  ')
        THEN regexp_replace(x, '\\s+', ' ', 'g') ELSE x END""",
    "bare": f"(x) AS {_trimmed(_BLANKS)}",
    "unquoted": """(x) AS nullif(CASE WHEN x IS NULL OR x >= '>' THEN x
        WHEN starts_with(x, '="') AND ends_with(x, '"') THEN x[3:-2] WHEN starts_with(x, '''') THEN x[2:] ELSE x END, '')""",
    "halfwidth": f"(x) AS translate(x, {_text(_WIDE)}, {_text(_NARROW)})",
    # Less than nothing, as books have it: (12.30), and 12.30- of SAP.
    "unbracketed": """(x) AS CASE WHEN x LIKE '(%)' OR x LIKE '（%）' THEN '-' || x[2:-2]
        WHEN x LIKE '%_-' THEN '-' || x[:-2] ELSE x END""",
    # 1.23E+05 is what a spreadsheet shows of 123,456.78: the rest is gone. 1_2 is two figures.
    "lost_figures": "(x) AS regexp_matches(x, '[eE]\\+|_')",
    # ---- figures; what stands beside them: see `signs.py`
    **signs.MACROS,
    "number_text": f"(x) AS translate(regexp_extract(unbracketed(x), '{_NUMBER}'), ',， ', '')",
    "plain_number": """(x) AS CASE WHEN NOT lost_figures(x)
        THEN coalesce(try_cast(x AS DECIMAL(18,6)), try_cast(number_text(x) AS DECIMAL(18,6))) END""",
    "plain_number_comma": f"""(x) AS try_cast(replace(replace(replace(regexp_extract(unbracketed(x), '{_NUMBER_COMMA}'),
        '.', ''), ' ', ''), ',', '.') AS DECIMAL(18,6))""",
    "number": "(x) AS plain_number(unsigned(x))",
    "number_comma": "(x) AS plain_number_comma(unsigned(x))",
    "percent": r"""(x) AS try_cast(regexp_extract(x, '^([+-]?\d+(?:\.\d+)?)\s*%$', 1) AS DECIMAL(18,6)) / 100""",
    # 2026年5月1日15时04分05秒, 2026.05.01, 2026/5/1, and offsets as DuckDB reads them.
    "time_text": r"""(x) AS rtrim(regexp_replace(regexp_replace(regexp_replace(rtrim(translate(x, '时点分秒', ':::'), ':'),
        '^(\d{4})年(\d{1,2})月(\d{1,2})日?\s*', '\1-\2-\3 '), '^(\d{4})[./](\d{1,2})[./](\d{1,2})', '\1-\2-\3'),
        '\s*([+-]\d{2}):?(\d{2})$', '\1:\2'))""",
    # A clock of twelve hours: 下午3:04, 3:04:05 PM. DuckDB passes over a PM that it does not expect.
    "is_half_day": r"""(x) AS regexp_matches(x, '[上下]午|\d\s*[AaPp]\.?[Mm]')""",
    "half_day": r"""(x) AS try_strptime(replace(replace(time_text(
        regexp_replace(x, '\s*([上下]午)\s*(\d{1,2}:\d{2}(?::\d{2})?)$', ' \2 \1')), '上午', 'AM'), '下午', 'PM'),
        ['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p', '%Y-%m-%d %I:%M:%S%p', '%Y-%m-%d %I:%M%p'])""",
    # Figures alone: serial days of a spreadsheet (1982 to 2119), seconds and milliseconds since 1970, 20260501150405.
    "figures_time": r"""(x) AS CASE WHEN NOT regexp_full_match(x, '\d+(\.\d+)?') THEN NULL
        WHEN regexp_full_match(x, '1\d{9}') THEN to_timestamp(try_cast(x AS DOUBLE))
        WHEN regexp_full_match(x, '1\d{12}') THEN to_timestamp(try_cast(x AS DOUBLE) / 1000)
        WHEN regexp_full_match(x, '20\d{6}(\d{4}(\d{2})?)?')
        THEN CAST(try_strptime(x, ['%Y%m%d%H%M%S', '%Y%m%d%H%M', '%Y%m%d']) AS TIMESTAMPTZ)
        WHEN regexp_full_match(x, '[3-7]\d{4}(\.\d+)?') THEN CAST(TIMESTAMP '1899-12-30'
        + to_seconds(CAST(round(try_cast(x AS DOUBLE) * 86400) AS BIGINT)) AS TIMESTAMPTZ) END""",
    # The zone a platform writes behind a time, in minutes east of UTC. CST is China's or Chicago's: the file's own zone tells.
    "zone_minutes": f"""(x) AS CASE {_ZONES} WHEN x = 'CST' AND starts_with(current_setting('TimeZone'), 'Asia/') THEN 480
        WHEN x = 'CST' AND starts_with(current_setting('TimeZone'), 'America/') THEN -360 END""",
    "zone_of": r"""(x) AS regexp_extract(x, '([A-Z]{3,4})$', 1)""",
    "unzoned": r"""(x) AS regexp_replace(x, '\s*[A-Z]{3,4}$', '')""",
    "in_zone": """(moment, x) AS CASE WHEN zone_of(x) = '' THEN CAST(moment AS TIMESTAMPTZ)
        ELSE (moment - to_minutes(zone_minutes(zone_of(x)))) AT TIME ZONE 'UTC' END""",
    "wall_clock": """(x) AS CASE WHEN is_half_day(x) THEN half_day(x) WHEN regexp_matches(x, '\\d')
        THEN coalesce(try_cast(x AS TIMESTAMP), try_cast(time_text(x) AS TIMESTAMP), CAST(figures_time(x) AS TIMESTAMP)) END""",
    # Jun 8, 2025 10:23:05 PM PDT; the other spellings followed by a zone's short name.
    "spelled_instant": """(x) AS CASE WHEN regexp_matches(x, '\\d') AND regexp_matches(x, '[A-Za-z]{3}|午|[AaPp]\\.?[Mm]')
        THEN in_zone(coalesce(
        try_strptime(unzoned(x), ['%b %d, %Y %I:%M:%S %p', '%B %d, %Y %I:%M:%S %p', '%d %b %Y %H:%M:%S', '%d %B %Y %H:%M:%S']),
        CASE WHEN is_half_day(x) THEN half_day(unzoned(x))
        ELSE coalesce(try_cast(unzoned(x) AS TIMESTAMP), try_cast(time_text(unzoned(x)) AS TIMESTAMP)) END), x) END""",
    # DuckDB by itself takes CST for Chicago's everywhere, and knows words for the beginning and the end of time.
    "instant": r"""(x) AS coalesce(CASE WHEN regexp_matches(x, '\d') AND NOT (ends_with(x, 'CST') OR is_half_day(x)) THEN
        coalesce(try_cast(x AS TIMESTAMPTZ), try_cast(time_text(x) AS TIMESTAMPTZ), figures_time(x)) END, spelled_instant(x))""",
    "has_offset": r"""(x) AS regexp_matches(x, ':\d{2}(\.\d+)?\s*(Z|z|UTC|[+-]\d{2}(:?\d{2})?)$')""",
    "truth": """(x) AS CASE WHEN lower(x) IN ('true', 't', '1', 'yes', 'y', '是', '已', 'on') THEN true
        WHEN lower(x) IN ('false', 'f', '0', 'no', 'n', '否', '未', 'off') THEN false END""",
    # A spreadsheet keeps fifteen digits and writes zeros for the rest. One such id may be chance: see `Mapper.damaged`.
    "lost_digits": r"""(x) AS strlen(x) >= 17 AND ends_with(x, '00') AND regexp_full_match(x, '[1-9]\d{14}0+')""",
    "is_float": r"""(x) AS ends_with(x, '.0') AND regexp_full_match(x, '\d{16,}\.0')""",
    "is_scientific": r"""(x) AS (contains(x, 'E') OR contains(x, 'e')) AND regexp_full_match(upper(x), '\d(\.\d+)?E\+?\d+')""",
    # What a spreadsheet shows where a formula failed, and a formula (its `=` may be gone): no identifier. `BAG(XL)` is one.
    "is_formula": r"""(x) AS (starts_with(x, '#') OR contains(x, '(')) AND regexp_full_match(x,
        '#(REF|VALUE|NAME|NULL|NUM|DIV/0|N/A|SPILL|CALC)[!?]?|=.*\(.*|(HYPERLINK|[VHX]LOOKUP|INDEX|IFERROR|CONCATENATE|WEBSERVICE)\(.*')""",
    # ---- telephone numbers: one key per number, however it is written; see `phones.py`
    **phones.MACROS,
    # Mobile, landline and service numbers inside free text.
    "scrubbed": r"""(x) AS CASE WHEN regexp_matches(x, '\d{7}|\d{3}-\d{4}') THEN regexp_replace(x,
        '(?:\+?86[- ]?)?1[3-9]\d{9}|\b0\d{2,3}-?\d{7,8}\b|\b400-?\d{3}-?\d{4}\b', '***', 'g') ELSE x END""",
    # Names and accounts that the platform shows in part, or in code, are nobody's: never a key.
    "is_masked": r"""(x) AS contains(x, '*') OR contains(x, '＊') OR contains(x, '•') OR contains(x, '●')
        OR regexp_matches(x, '^(?:##|\$\$|~)|^\$\d\$|[xX×]{3,}\d*$')""",
    "unmasked": """(x) AS CASE WHEN is_masked(x) THEN NULL ELSE x END""",
    # The beginning of an address that can name a region: no name and telephone number before it, up to the first figure.
    "address_head": r"""(x) AS nullif(left(regexp_extract(regexp_replace(
        regexp_replace(x, '^[^,，\d]{1,20}[,，]\s*[+0-9*][-0-9* 转]{6,}[,，]\s*(?:[-0-9* ]{6,}[,，]\s*)?', ''),
        '[\s,，.。、·;；:：/|-]+', '', 'g'), '^(?:\d{6})?(\D*)', 1), 24), '')""",
    # HMAC-SHA-256 (RFC 2104) over DuckDB's sha256; the padded keys are session variables, never text of a statement.
    "keyed_hash": """(x) AS sha256(getvariable('outer_pad') || unhex(sha256(getvariable('inner_pad') || encode(x))))""",
}


def install(connection: duckdb.DuckDBPyConnection, customer_key: bytes) -> None:
    """Define the macros on a connection and hand it the key of the customer hash."""
    connection.execute(f"SET VARIABLE {signs.VARIABLE} = ?", [signs.listed()])
    for name, definition in MACROS.items():
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {name}{definition}")
    block = (hashlib.sha256(customer_key).digest() if len(customer_key) > 64 else customer_key).ljust(64, b"\0")
    connection.execute("SET VARIABLE inner_pad = ?::BLOB", [bytes(b ^ 0x36 for b in block)])
    connection.execute("SET VARIABLE outer_pad = ?::BLOB", [bytes(b ^ 0x5C for b in block)])
