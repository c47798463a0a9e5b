"""One key per telephone number, however it is written, as SQL macros.

A number of mainland China is its national digits (`13800000000`, `02112345678`), any other its E.164 form (`+14155552671`). An
extension stays part of the key (`13800000000x1234`): the numbers platforms lend (virtual numbers) and switchboards are shared
by many people, who must not become one. What is masked, too short or one digit over and over is no key at all.
"""

from __future__ import annotations

import csv
from functools import cache

from orders_pipeline.cleaning.regions import DATA
from orders_pipeline.kernel.sqltext import literal


@cache
def _calling_codes() -> str:
    """Every country's calling code, trunk prefix, fewest and most digits of a national number, as text: `;US:1:1:10:10;…;`.

    (A MAP in the statement is a thousand times slower: DuckDB copies it for every row.)
    """
    with (DATA / "calling_codes.csv").open(encoding="utf-8") as rows:
        return literal(";" + "".join(":".join(row) + ";" for row in list(csv.reader(rows))[1:]))


_WIDE, _NARROW = "０１２３４５６７８９＋－（）＃＊—–‐　", "0123456789+-()#*--- "

#: What stands before an extension, and the numbers after which a dash alone does.
_EXTENSION = r"(?:转接?|轉|分机号?|分機|ext\.?n?|x)"
_WHOLE = r"1\d{10}|1\d{2}-\d{4}-\d{4}|0\d{2,3}-?\d{7,8}|400-?\d{3}-?\d{4}"

MACROS = {
    # In narrow characters, without blanks and brackets; of several numbers the first.
    "phone_text": rf"""(x) AS regexp_replace(regexp_replace(translate(x, '{_WIDE}', '{_NARROW}'), '[/、;；,，|].*$', ''),
        '[\s().·\x{{a0}}]', '', 'g')""",
    "phone_is_masked": r"""(t) AS regexp_matches(t, '[*#$•●×]|[xX]{2,}|[xX]\d{0,3}[xX]')""",
    # A landline or service number takes one to six figures after a dash, a mobile number up to eight.
    "phone_extension": rf"""(t) AS nullif(coalesce(nullif(regexp_extract(t, '{_EXTENSION}[:：.-]?(\d{{1,8}})$', 1, 'i'), ''),
        regexp_extract(t, '^(?:(?:\+|00)?86-?)?(?:{_WHOLE})-(\d{{1,8}})$', 1)), '')""",
    "phone_base": rf"""(t, e) AS CASE WHEN e IS NULL THEN t ELSE regexp_replace(left(t, length(t) - length(e)),
        '{_EXTENSION}?[:：.-]?$', '', 'i') END""",
    "phone_national": r"""(d, c) AS CASE
        WHEN c[2] <> '' AND starts_with(d, c[2]) AND length(d) - length(c[2]) >= CAST(c[3] AS INTEGER)
            AND (c[2] = '0' OR length(d) > CAST(c[4] AS INTEGER)) THEN '+' || c[1] || substr(d, length(c[2]) + 1)
        WHEN starts_with(d, c[1]) AND length(d) > CAST(c[4] AS INTEGER) THEN '+' || d
        ELSE '+' || c[1] || d END""",
    # b: the number without its extension, d: its digits, c: what is known of its country (NULL: mainland China, or not told).
    "phone_canonical": r"""(b, d, c) AS CASE
        WHEN regexp_matches(b, '^(?:\+|00)86') THEN CASE
            WHEN regexp_matches(d, '^(?:00)?860?1\d{10}$') THEN right(d, 11)
            ELSE '0' || regexp_replace(d, '^(?:00)?860?', '') END
        WHEN starts_with(b, '+') THEN '+' || d
        WHEN regexp_matches(b, '^00[1-9]') THEN '+' || substr(d, 3)
        WHEN c IS NOT NULL THEN phone_national(d, c)
        ELSE regexp_replace(d, '^86(1\d{10})$', '\1') END""",
    "phone_judged": r"""(n, e) AS CASE WHEN length(n) BETWEEN 7 AND 16
        AND ltrim(n, '+') <> repeat(right(n, 1), length(ltrim(n, '+')))
        THEN n || coalesce('x' || e, '') END""",
    # A lambda is how SQL names a value: written out in every place, the text of a macro would grow without bound.
    "phone_by_country": r"""(x, c) AS CASE WHEN c IS NULL AND length(x) = 11 AND regexp_full_match(x, '1[3-9]\d{9}')
        THEN phone_judged(x, NULL)
        ELSE list_transform([phone_text(x)], lambda t: CASE WHEN phone_is_masked(t) THEN NULL ELSE
            list_transform([phone_extension(t)], lambda e:
                list_transform([phone_base(t, e)], lambda b:
                    phone_judged(phone_canonical(b, regexp_replace(b, '\D', '', 'g'), c), e))[1])[1] END)[1] END""",
    # country: ISO 3166 alpha-2; NULL where it is not told.
    # What is known of a country (ISO 3166 alpha-2); NULL of mainland China and of what is no country.
    "calling_code": f"""(country) AS list_transform([strpos({_calling_codes()}, ';' || country || ':')], lambda place:
        CASE WHEN place > 0 THEN string_split(split_part(substr({_calling_codes()}, place + 4, 20), ';', 1), ':') END)[1]""",
    "phone_number": """(x, country) AS CASE WHEN country IS NULL THEN phone_by_country(x, CAST(NULL AS VARCHAR[]))
        ELSE list_transform([calling_code(country)], lambda c: phone_by_country(x, c))[1] END""",
    # A normalised number with all but its ends covered; of a short one two figures stay. Extensions are left out.
    "phone_shown": """(n) AS CASE WHEN length(split_part(n, 'x', 1)) >= 11
        THEN left(n, 3) || '****' || right(split_part(n, 'x', 1), 4)
        WHEN n IS NOT NULL THEN '****' || right(split_part(n, 'x', 1), 2) END""",
    "phone_digits": "(x) AS phone_by_country(x, CAST(NULL AS VARCHAR[]))",
}
