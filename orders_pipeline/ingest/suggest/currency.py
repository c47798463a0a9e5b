"""Which currency a file's amounts are in, where no column says it."""

from __future__ import annotations

import re

from orders_pipeline.ingest.signs import FIGURES, SIGNS
from orders_pipeline.ingest.suggest.hints import concepts_of
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Column, Profile

#: Signs of several currencies that a file without a column of currencies hardly means another one by, unless it is Japanese.
_USUAL = {"￥": "CNY", "¥": "CNY", "元": "CNY"}
_CODES = sorted({code for meanings in SIGNS.values() for code in meanings.split()})
_BARE = str.maketrans("", "", FIGURES)
_NAMED = re.compile(rf"(?<![A-Z])(?:{'|'.join(_CODES)})(?![A-Z])")
#: The unit of a figure, as headers give it: `单价(元/件)`, `Betrag [€]`.
_UNIT = re.compile(r"[(\[（]\s*[+\-]?([^()\[\]（）\s\d/]+)")


def currency_of(names: Names, profile: Profile) -> tuple[str, str]:
    """(ISO code, why); `?` when neither header, signs, script nor the places goods are sent to tell it."""
    headers = " ".join(c.name for c in profile.columns).upper()
    for code in _NAMED.findall(headers):
        return code, "named in the header"
    is_japanese = re.search(r"[\u3040-\u30ff]", headers)
    usual = {} if is_japanese else _USUAL
    cells = [cell for c in profile.columns if c.share("money_sign") > 0.5 for cell in c.samples]
    for sign in [cell.upper().translate(_BARE) for cell in cells] + _UNIT.findall(headers):
        code = usual.get(sign) or SIGNS.get(sign, "")
        if len(code) == 3:
            return code, f"amounts carry {sign}"
    if is_japanese:
        return "JPY", "the header is Japanese: check"
    if re.search(r"[\uac00-\ud7af]", headers):
        return "KRW", "the header is Korean: check"
    if re.search(r"[\u4e00-\u9fff]", headers):
        return "CNY", "the header is Chinese and names no currency: check"
    for column in profile.columns:
        code = _of_place(names, column)
        if code:
            return code, f"every {column.name.strip()} is of one country: check"
    return "?", ""


def _of_place(names: Names, column: Column) -> str | None:
    """The currency of the one country that all cells of a column of countries, or of its states, name."""
    said, places = concepts_of(names, column), names.wording.spec["currencies"]
    known = places["countries"] if "country" in said else places["states"] if "province" in said else {}
    of = {str(word).casefold(): code for code, words in known.items() for word in words}
    found = {of.get(word.casefold()) for word in column.words}
    return found.pop() if column.count > 1 and len(found) == 1 else None
