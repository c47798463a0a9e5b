"""What the wording of a discount says: kind, threshold, amount or share taken off, and who pays for it.

Pure functions of the text ("满300减50", "第二件半价", "店铺优惠券满199减20", "10% off over $50"). Wording that is not understood
is `unmapped`; text that names a sum of discounts and no promotion ("平台承担优惠金额") has no kind at all.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import NamedTuple

UNMAPPED = "unmapped"


class Promotion(NamedTuple):
    """A wording, understood. `threshold_qty` pieces, `discount_ratio` the share taken off (0.05 for 95 折)."""

    kind: str | None = UNMAPPED
    threshold_amount: Decimal | None = None
    threshold_qty: Decimal | None = None
    discount_amount: Decimal | None = None
    discount_ratio: float | None = None
    funder: str | None = None


_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10000}
#: Chinese numerals only where a number of pieces, money or a discount is meant: 一口价, 百亿补贴 and 三只松鼠 are words.
_NUMERAL = re.compile(
    r"(?<=[满减第买送付抵立降打购])[零〇一二两三四五六七八九十百千]+|[零〇一二两三四五六七八九十百千]+(?=[件元折块](?!套))"
)

_N = r"(\d+(?:\.\d+)?)"
_CNY = r"(?:元|块钱?|rmb)?"
_OFF = r"(?:立减|直减|减免|减|立省|省|优惠|抵扣|抵|-)"
_DOLLAR = r"(?:us\$|[$€£¥]|usd|eur|gbp)?\s*"

_TIER = re.compile(rf"满{_N}{_CNY}(?:可用?|即可|享|就|再|,)*{_OFF}{_CNY}{_N}")
_TIER_BARE = re.compile(rf"(?<![\d.]){_N}{_CNY}{_OFF}{_N}(?![\d.折件])")
_TIER_PIECES = re.compile(rf"满?{_N}件(?:可|即可|享|,)*(?:立减|减|省|-){_N}(?!件)")
_PIECES_RATIO = re.compile(rf"满?{_N}件(?:及以上)?(?:可|即可|享|,)*(?:打)?{_N}折")
_AMOUNT_RATIO = re.compile(rf"满{_N}{_CNY}(?:可|即可|享|,)*打?{_N}折")
_NTH = re.compile(r"第(\d+)件")
_RATIO = re.compile(rf"(?<![\d.]){_N}折")
_REDUCED = re.compile(rf"(?:立减|直降|直减|减免|立省|减|降|省|优惠|抵扣|抵){_CNY}{_N}")
_THRESHOLD = re.compile(rf"满{_N}(?!件)")
_VALUE = re.compile(rf"(?<![\d.])[¥]?{_N}(?:元|块)")
_BUY_GET = re.compile(r"买(\d+)[送赠](\d+)")
_BUNDLE = re.compile(rf"(?:{_N}(?:元|块)(?:任选)?(\d+)件|(?:任选)?(\d+)件(?:装|共|仅|只要)?{_N}(?:元|块))")
_DEPOSIT = re.compile(rf"(?:定金|订金|预付|付)?{_N}{_CNY}(?:可|立)?(?:抵|膨胀(?:到|至|为|成|抵)?){_N}")

_EN_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent)")
_EN_OVER = re.compile(
    rf"(?:over|above|orders? of|spend(?:ing)?|minimum(?: spend)?|min\.?(?: spend)?|when you spend|purchases? of)\s*(?:of\s*)?{_DOLLAR}{_N}"  # noqa: E501
)
_EN_OFF = re.compile(rf"(?:(?:us\$|[$€£¥]|usd|eur|gbp)\s*{_N}\s*off|(?:save|get|take)\s*(?:us\$|[$€£¥])\s*{_N})")
_EN_CODE = re.compile(r"(?<![\d.])(\d+)\s*off\b")
_EN_BOGO = re.compile(r"buy\s*(\d+)[, ]*(?:and\s*)?get\s*(\d+)")
_EN_WORDS = {
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "second": "2nd",
    "third": "3rd",
    "half price": "50%",
    "half off": "50% off",
}

#: Which words show a kind, most telling first.
_KINDS = (
    ("deposit_expansion", re.compile(r"膨胀|(?:定金|订金|预付).*(?:抵|立减)|deposit")),
    ("points", re.compile(r"积分|淘金币|京豆|金币抵|points")),
    ("red_packet", re.compile(r"红包|red packet|red envelope")),
    ("free_freight", re.compile(r"包邮|免邮|免运费|运费券|free\s*(?:shipping|delivery|freight)|shipping free")),
    ("coupon", re.compile(r"券|coupon|voucher|promo ?code")),
    ("nth_piece", re.compile(r"第\d+件|(?:2nd|3rd|\dth) (?:item|one|piece|unit)")),
    (
        "gift",
        re.compile(
            r"买\d+[送赠]\d+|[满买下拍].{0,12}[送赠]|赠品|加赠|赠送|bogo|buy \d+[, ]*(?:and )?get \d+|free gift|gift with"
        ),
    ),
    ("flash_sale", re.compile(r"秒杀|限时[购抢折特]|抢购|闪购|flash sale|lightning deal")),
    (
        "bundle",
        re.compile(r"套装|套餐|组合[价购优]|任选\d+件|\d+(?:元|块)\d+件|\d+件(?:共|仅|只要)?\d+(?:\.\d+)?(?:元|块)|bundle"),
    ),
)
_FUNDERS = (
    (
        "platform",
        re.compile(
            r"平台|官方|天猫|淘宝|淘金币|京东|京豆|京贴|拼多多|抖音|快手|微信|支付宝|花呗|百亿补贴|88vip|plus会员|政府补贴|国家补贴|国补|platform|marketplace|amazon"
        ),
    ),
    ("merchant", re.compile(r"店铺|商家|卖家|本店|商户|seller|shop\b|store\b|merchant")),
    ("influencer", re.compile(r"达人|主播|网红|团长|\bkol\b|creator|influencer|affiliate")),
    ("brand", re.compile(r"品牌方?(?:券|补贴|出资|承担|优惠)|厂家|brand|vendor")),
)
#: Names of a total, not of a promotion.
_TOTAL = re.compile(
    r"(?:(?:平台|商家|店铺|达人|主播|支付|订单|其他|其它|总)*(?:实际)?(?:承担|出资)?(?:的)?(?:总?优惠|折扣|促销)?(?:总?金?额|合计)?(?:承担)?)"
    r"|[\u4e00-\u9fff]+(?:金额|支付)(?:[-+][\u4e00-\u9fff]+)*"
    r"|(?:total |order |line |item |merchant |seller |platform )*discounts?(?: amount| total| allocation)?"
)


def understand(wording: str | None) -> Promotion:
    """What a wording says. None, an empty text and the name of a total have no kind."""
    text = _tidied(wording)
    if not text or _TOTAL.fullmatch(text):
        return Promotion(kind=None)
    funder = _funder(text)
    is_chinese = re.search(r"[\u4e00-\u9fff]", text) or re.fullmatch(_TIER_BARE, text)
    found = _in_chinese(text) if is_chinese else _in_english(text)
    return found._replace(funder=funder)


def _tidied(wording: str | None) -> str:
    text = unicodedata.normalize("NFKC", wording or "").lower().strip()
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    if re.search(r"[\u4e00-\u9fff]", text):
        text = (
            re.sub(r"[\s¥￥【】\[\]()「」!！~]+", "", text)
            .replace("，", ",")
            .replace("每满", "满")
            .replace("—", "-")
            .replace("–", "-")
        )
        text = text.replace("第二", "第2").replace("半价", "5折").replace("免费", "0元").replace("打骨折", "")
        text = _NUMERAL.sub(lambda m: _number(m.group()), text)
        text = re.sub(r"第(\d+)件0元", r"第\1件0折", text)
        return re.sub(r"(?<=\d)\.0+(?=\D|$)", "", text)
    for word, number in _EN_WORDS.items():
        text = re.sub(rf"\b{word}\b", number, text)
    return re.sub(r"\s+", " ", text)


def _number(numeral: str) -> str:
    """A Chinese numeral in digits: 三百 -> 300, 二十五 -> 25; a row of digits as it stands: 九五 -> 95."""
    if not any(c in _UNITS for c in numeral):
        return "".join(str(_DIGITS[c]) for c in numeral)
    total = current = 0
    unit = 1
    for char in numeral:
        if char in _UNITS:
            unit = _UNITS[char]
            total += (current or 1) * unit
            current = 0
        else:
            current = _DIGITS[char]
    # 三百五 is 350: the unit after the last one is left out in speech.
    return str(total + current * (unit // 10 if current and unit >= 100 and "零" not in numeral else 1))


def _funder(text: str) -> str | None:
    """Who pays, where exactly one is named."""
    found = [name for name, pattern in _FUNDERS if pattern.search(text)]
    return found[0] if len(found) == 1 else None


def _share(fold: str) -> float:
    """The share taken off by 折: 95 and 9.5 -> 0.05, 8 -> 0.2, 0 -> 1."""
    number = Decimal(fold)
    kept = number / 100 if number >= 10 else number / 10
    return float(1 - kept)


def _in_chinese(text: str) -> Promotion:
    kind = next((name for name, pattern in _KINDS if pattern.search(text)), None)
    if kind == "deposit_expansion":
        tiers = set(_DEPOSIT.findall(text))
        if len(tiers) == 1:
            paid, counts = map(Decimal, tiers.pop())
            return Promotion(kind, discount_amount=counts - paid) if counts > paid else Promotion(kind)
        reduced = _REDUCED.search(text)
        return Promotion(kind, discount_amount=Decimal(reduced.group(1)) if reduced else None)
    if kind == "gift":
        buy = _BUY_GET.search(text)
        above, pieces = _THRESHOLD.search(text), re.search(r"满(\d+)件", text)
        quantity = buy.group(1) if buy else pieces.group(1) if pieces else None
        return Promotion(kind, Decimal(above.group(1)) if above else None, Decimal(quantity) if quantity else None)
    if kind == "bundle":
        found = _BUNDLE.search(text)
        quantity = next((g for g in found.groups()[1:3] if g), None) if found else None
        return Promotion(kind, threshold_qty=Decimal(quantity) if quantity else None)
    if kind == "nth_piece":
        number, ratio, reduced = _NTH.search(text), _RATIO.search(text), _REDUCED.search(text)
        return Promotion(
            kind,
            threshold_qty=Decimal(number.group(1)) if number else None,
            discount_amount=Decimal(reduced.group(1)) if reduced and not ratio else None,
            discount_ratio=_share(ratio.group(1)) if ratio else None,
        )
    found = _numbers(text)
    if kind is not None:
        if kind in ("coupon", "red_packet") and found.discount_amount is None and found.discount_ratio is None:
            value = _VALUE.search(re.sub(r"满\d+(?:\.\d+)?(?:元|块)?", "", text)) or re.search(
                r"(?<![\d.])(\d+(?:\.\d+)?)(?=券|红包)", text
            )
            found = found._replace(discount_amount=Decimal(value.group(1)) if value else None)
        if "无门槛" in text:
            found = found._replace(threshold_amount=Decimal(0))
        return found._replace(kind=kind)
    if found.kind == UNMAPPED and re.search(r"满减|满立减", text):
        return Promotion("threshold_reduction")
    if found.kind == UNMAPPED and re.search(r"立减|直降|补贴|减免", text):
        value = _VALUE.search(text)
        return Promotion("direct_reduction", discount_amount=Decimal(value.group(1)) if value else None)
    if found.kind == UNMAPPED and re.search(r"折扣|打折|折上折", text):
        return Promotion("percentage")
    return found


def _numbers(text: str) -> Promotion:
    """Threshold and reduction of a wording, with the kind these show. Several steps are several offers: no figure is given."""
    for pattern, fields, kind in (
        (_PIECES_RATIO, ("threshold_qty", "discount_ratio"), "percentage"),
        (_AMOUNT_RATIO, ("threshold_amount", "discount_ratio"), "percentage"),
        (_TIER, ("threshold_amount", "discount_amount"), "threshold_reduction"),
        (_TIER_PIECES, ("threshold_qty", "discount_amount"), "threshold_reduction"),
        (_TIER_BARE, ("threshold_amount", "discount_amount"), "threshold_reduction"),
    ):
        steps = set(pattern.findall(text))
        if len(steps) > 1:
            return Promotion(kind)
        if steps:
            above, off = steps.pop()
            value = _share(off) if fields[1] == "discount_ratio" else Decimal(off)
            if fields[1] == "discount_amount" and fields[0] == "threshold_amount" and Decimal(off) > Decimal(above):
                return Promotion()
            return Promotion(kind)._replace(**{fields[0]: Decimal(above), fields[1]: value})
    above = _THRESHOLD.search(text)
    threshold = Decimal(above.group(1)) if above else None
    ratio = _RATIO.search(text)
    if ratio:
        return Promotion("percentage", threshold, discount_ratio=_share(ratio.group(1)))
    reduced = _REDUCED.search(text)
    if reduced:
        return Promotion("direct_reduction", threshold, discount_amount=Decimal(reduced.group(1)))
    return Promotion(UNMAPPED, threshold)


def _in_english(text: str) -> Promotion:
    kind = next((name for name, pattern in _KINDS if pattern.search(text)), None)
    percent, over, off = _EN_PERCENT.search(text), _EN_OVER.search(text), _EN_OFF.search(text)
    threshold = Decimal(over.group(1)) if over else None
    ratio = float(Decimal(percent.group(1)) / 100) if percent and Decimal(percent.group(1)) <= 100 else None
    amount = Decimal(next(g for g in off.groups() if g)) if off else None
    pieces = _EN_BOGO.search(text)
    if kind == "gift" and (pieces or "bogo" in text):
        quantity = Decimal(pieces.group(1)) if pieces else Decimal(1)
        if ratio is not None and ratio < 1:
            return Promotion("nth_piece", threshold_qty=quantity + 1, discount_ratio=ratio)
        return Promotion("gift", threshold_qty=quantity)
    if kind == "nth_piece":
        number = re.search(r"(\d)(?:nd|rd|th)", text)
        return Promotion(
            kind, threshold_qty=Decimal(number.group(1)) if number else None, discount_amount=amount, discount_ratio=ratio
        )
    if kind is not None:
        return Promotion(kind, threshold, None, amount, ratio)
    if ratio is not None and re.search(r"off|discount|save|sale|reduction|less", text):
        return Promotion("percentage", threshold, discount_ratio=ratio)
    if amount is not None:
        return Promotion("threshold_reduction" if threshold else "direct_reduction", threshold, discount_amount=amount)
    return Promotion(UNMAPPED, threshold)
