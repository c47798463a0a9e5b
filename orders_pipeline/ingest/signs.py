"""Signs and codes of currencies as they stand beside an amount (`US$12.30`, `12.30 EUR`, `¥5`), and what each can mean.

A sign is no part of the figure, but it says what the figure counts: where it names another currency than the row does,
one of the two is wrong, and the row is set aside.
"""

from __future__ import annotations

_MEANINGS = {
    "¥ ￥": "CNY JPY",
    "CN¥ RMB CNH 人民币": "CNY",
    "JP¥ 円 日元 日圆": "JPY",
    # The word of every currency that calls its unit so; 圆 is its formal character.
    "元 圆": "CNY TWD HKD MOP",
    "$ ＄": "USD CAD AUD NZD SGD HKD TWD MXN CLP COP ARS",
    "US$ 美元": "USD",
    "C$ CA$ 加元": "CAD",
    "A$ AU$ 澳元": "AUD",
    "NZ$": "NZD",
    "S$ SG$ 新元 新加坡元": "SGD",
    "HK$ 港元 港币": "HKD",
    "NT$ 新台币 台币": "TWD",
    "MX$": "MXN",
    "R$": "BRL",
    "€ 欧元": "EUR",
    "£ ￡ 英镑": "GBP",
    "₩ ￦ 韩元": "KRW",
    "₹": "INR",
    "₽ 卢布": "RUB",
    "฿ 泰铢": "THB",
    "₫ 越南盾": "VND",
    "₱": "PHP",
    "RM 林吉特": "MYR",
    "RP 印尼盾": "IDR",
    "KR": "SEK NOK DKK",
    "ZŁ": "PLN",
    "₺": "TRY",
    "₪": "ILS",
}
#: Codes that have no sign of their own here.
_CODES = "CHF CZK HUF RON BGN MOP AED SAR ZAR PEN KZT"
VARIABLE = "money_signs"
#: What an amount is made of beside its sign.
FIGURES = "0123456789.,，+-()（） "


def _signs() -> dict[str, str]:
    """What stands beside an amount, in capitals -> the currencies it can mean; sign and code together as well (`$12.30 CAD`)."""
    found = {sign: currencies for signs, currencies in _MEANINGS.items() for sign in signs.split()}
    codes = sorted({code for currencies in [*_MEANINGS.values(), _CODES] for code in currencies.split()})
    both = {sign + code: code for sign, currencies in found.items() for code in currencies.split()}
    return {**both, **found, **{code: code for code in codes}, "¥元": "CNY", "￥元": "CNY"}


SIGNS = _signs()
#: What a column of currencies writes in words instead of the code, where that means one currency only.
NAMES = {
    name: currency
    for names, currency in _MEANINGS.items()
    for name in names.split()
    if currency.isalpha() and (name == "RMB" or (len(name) > 1 and name.isalpha() and not name.isascii()))
}
MACROS = {
    "sign_of": f"(x) AS upper(translate(x, '{FIGURES}', ''))",
    "has_sign": f"(x) AS contains(getvariable('{VARIABLE}'), '|' || sign_of(x) || ' ')",
    # The amount without its sign, where that is known.
    "unsigned": """(x) AS CASE WHEN NOT has_sign(x) THEN x
        WHEN contains('+-(（', x[1]) THEN x[1] || trim(upper(x[2:]), sign_of(x) || ' ')
        ELSE trim(upper(x), sign_of(x) || ' ') END""",
    # NULL, which is no fault, where nobody knows the row's currency.
    "is_other_money": f"""(x, currency) AS has_sign(x)
        AND NOT contains(getvariable('{VARIABLE}'), '|' || sign_of(x) || ' ' || currency || '|')""",
}


def listed() -> str:
    """Every sign with every currency it can mean as one text, `|¥ CNY|¥ JPY|US$ USD|`: quick to plan in many statements."""
    return "".join(f"|{sign} {currency}" for sign, currencies in SIGNS.items() for currency in currencies.split()) + "|"
