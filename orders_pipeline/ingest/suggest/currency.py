"""Which currency a file's amounts are in, where no column says it."""

from __future__ import annotations

import re

from orders_pipeline.ingest.suggest.hints import concepts_of
from orders_pipeline.ingest.suggest.names import Names
from orders_pipeline.ingest.suggest.profile import Column, Profile

#: Signs and scripts that tell the currency of a file without a currency column.
_SIGNS = {"￥": "CNY", "元": "CNY", "€": "EUR", "£": "GBP", "₩": "KRW", "rmb": "CNY", "円": "JPY"}
_CODES = (
    "CNY", "USD", "EUR", "GBP", "JPY", "KRW", "BRL", "SGD", "MYR", "THB", "PHP", "IDR", "VND", "TWD", "HKD", "AUD", "CAD", "MXN",
    "PLN", "CZK", "SEK", "NOK", "DKK", "CHF", "CLP", "COP", "PEN", "ARS", "TRY", "INR", "AED", "SAR", "ZAR", "NZD", "RUB", "KZT",
)  # fmt: skip


def currency_of(names: Names, profile: Profile) -> tuple[str, str]:
    """(ISO code, why); `?` when neither header, signs, script nor the places goods are sent to tell it."""
    headers = " ".join(c.name for c in profile.columns).lower()
    cells = " ".join(s for c in profile.columns if c.share("money_sign") > 0.5 for s in c.samples)
    for code in _CODES:
        if re.search(rf"\b{code.lower()}\b", headers):
            return code, "named in the header"
    for sign, code in _SIGNS.items():
        if sign in cells or re.search(rf"[(\[（]\s*[+\-]?{sign}", headers):
            return code, f"amounts carry {sign}"
    if re.search(r"[\u3040-\u30ff]", headers):
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
