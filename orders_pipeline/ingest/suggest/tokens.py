"""Header names as sequences of concepts: `订单付款时间`, `Order payment date` and `pagado_fecha` speak of the same three things.

A name is cut into the longest words the wording (`dictionary/wording.yml`) knows; what it does not know is compared by
its characters. Units in brackets say nothing about what a column is and are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

_UNITS = re.compile(
    r"[(\[【]\s*(?:[+\-±]?\s*(?:元|圆|rmb|[a-z]{2}\$|[¥￥$€£%]|"
    r"cny|usd|eur|gbp|jpy|krw|sgd|myr|thb|php|idr|vnd|twd|hkd|aud|cad|brl|mxn|inr)|件|个|单|克|千克|kg|g|cm|utc|gmt|天|小时|必填|选填|optional|"
    r"(?:inc|incl|including|ex|excl|excluding)\.?\s*(?:tax|vat|gst)|税込|税抜|含税|不含税|未税|-\s*[a-z ]+)\s*[)\]】]",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    {
        *("的", "の", "of", "the", "for", "to", "and", "及", "与", "和", "从", "from", "您", "a", "in", "by"),
        *("de", "del", "la", "el", "los", "las", "du", "des", "le", "les", "di", "da", "do", "dos", "das", "della", "dei", "al"),
        *("der", "dem", "den", "und", "von", "für", "van", "voor", "och", "og", "et", "y", "e", "i", "w", "na", "z", "ve", "của"),
        *("в", "на", "и", "по", "от", "к", "для", "с", "за", "у"),
    }
)
#: Scripts that write words without blanks between them; Thai among them.
_CJK = re.compile(r"[\u0e00-\u0e7f\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")
#: Traditional characters and their simplified forms, of the words of the trade: 訂單編號 is 订单编号.
_SIMPLIFIED = str.maketrans(
    "訂單號碼編狀態時間買賣會員顧電話郵貨運費實際應額優購總計結帳賬幣別類選項規數種質備註訊網舖鋪倉庫儲發遞達區縣鄉鎮門國銀領驗處辦審創開關閉確認簽據憑證稅價錢減贈點積劃撥轉戶資紀錄動變異餘損壞鎖凍預佔銷補"
    "進揀裝條圖鏈連說標題稱蹤車機構務業來參與團體臺灣東聯絡係對賠償換還歸檢測萬圓鐘週歷頁專屬權設調線級給終統經營維護組細約紅顏張長寬頻顯寫導層屆帶幫廠廣後從復擇擔暫樣樓殘滿漲無獎環產當盤禮筆節範籤續臨舊虛術複評詢詳誤請諾讓負責貼貿輸適遲錯隨險雙順須頭風駁",
    "订单号码编状态时间买卖会员顾电话邮货运费实际应额优购总计结账账币别类选项规数种质备注讯网铺铺仓库储发递达区县乡镇门国银领验处办审创开关闭确认签据凭证税价钱减赠点积划拨转户资纪录动变异余损坏锁冻预占销补"
    "进拣装条图链连说标题称踪车机构务业来参与团体台湾东联络系对赔偿换还归检测万圆钟周历页专属权设调线级给终统经营维护组细约红颜张长宽频显写导层届带帮厂广后从复择担暂样楼残满涨无奖环产当盘礼笔节范签续临旧虚术复评询详误请诺让负责贴贸输适迟错随险双顺须头风驳",
)
#: What leaving something unread costs against one more word: the fewest, longest words win.
_UNKNOWN_CJK, _UNKNOWN_WORD, _DIGITS = 1.6, 2.2, 0.5
#: How much figures and abbreviations nobody knows say (`MP fee amount`, `Net (NC)`), and how long the latter are.
_ABBREVIATED, _SHORT = 0.4, 2
#: Another form of a known word: what it costs, the letters both begin with at least, and how long the rest may be.
_INFLECTED, _STEM_MIN, _ENDING_MAX = 1.5, 5, 3
#: A word within a word: what it costs, how long it is at least, and the short ones that may end it.
_GLUED, _PIECE_MIN = 1.1, 4
_GLUED_SHORT = frozenset({"id", "no", "nr", "qty", "sku", "ort", "plz", "typ"})


class Token(NamedTuple):
    """One word of a name: the concepts it may stand for, or the text itself where nobody knows it."""

    text: str
    concepts: frozenset[str]


class Wording:
    """The word knowledge, ready for use; `spec` is the content of wording.yml."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.light: Mapping[str, float] = spec["light"]
        self.near = {frozenset((a, b)): share for a, b, share in spec["near"]}
        self._words: dict[str, set[str]] = {}
        for concept, words in spec["words"].items():
            for word in words:
                self._words.setdefault(plain(str(word)), set()).add(concept)
        self._rank = {concept: place for place, concept in enumerate(spec["words"])}

    def sense(self, tokens: Sequence[Token]) -> tuple[str, ...]:
        """What a name says, whatever its language: the first sense of each of its words."""
        return tuple(min(t.concepts, key=lambda c: self._rank[c]) if t.concepts else t.text for t in tokens)

    @cached_property
    def _by_first(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for word in sorted(self._words, key=lambda w: (-len(w), w)):
            if word:
                found.setdefault(word[0], []).append(word)
        return found

    @lru_cache(maxsize=20_000)  # noqa: B019 - one Wording lives as long as a command
    def tokens(self, name: str) -> tuple[Token, ...]:
        """The words of a name, particles left out."""
        text = plain(self._without_asides(name))
        best: list[tuple[float, int, str, bool]] = [(0.0, len(text), "", True)] * (len(text) + 1)
        for i in range(len(text) - 1, -1, -1):
            best[i] = min(self._steps(text, i, best), key=lambda step: step[0])
        found: list[Token] = []
        i = 0
        while i < len(text):
            _, end, word, known = best[i]
            if known and word:
                if word not in _PARTICLES or word in ("by", "to", "in"):
                    found.append(Token(word, frozenset(self._words.get(word) or self._words.get(_singular(word)) or ())))
            elif word and word not in _PARTICLES:
                glue = found and not found[-1].concepts and _CJK.match(word) and _CJK.match(found[-1].text) and best[i][0] > 0
                if glue and text[:i].endswith(found[-1].text):
                    found[-1] = Token(found[-1].text + word, frozenset())
                else:
                    found.append(Token(word, frozenset()))
            i = end
        return tuple(found)

    def _without_asides(self, name: str) -> str:
        """The name without brackets that hold no known word: `Gross Credit (GC)`."""

        def kept(match: re.Match[str]) -> str:
            words = re.findall(r"[a-z]+|[^\x00-\x7f]+", plain(match[1]))
            return match[0] if any(w in self._words or not w.isascii() for w in words) else " "

        return re.sub(r"[(（\[]([^()（）\[\]]*)[)）\]]", kept, name)

    def _steps(self, text: str, i: int, best: Sequence[tuple[float, int, str, bool]]):
        ch = text[i]
        if ch == " ":
            yield (best[i + 1][0], i + 1, "", True)
            return
        for word in self._by_first.get(ch, ()):
            if text.startswith(word, i) and _at_boundary(text, i, i + len(word)):
                yield (best[i + len(word)][0] + 1.0, i + len(word), word, True)
        if _CJK.match(ch) or not ch.isalnum():
            cost = 0.1 if ch in _PARTICLES or not ch.isalnum() else _UNKNOWN_CJK
            yield (best[i + 1][0] + cost, i + 1, ch if ch.isalnum() else "", False)
            return
        end = i
        while end < len(text) and text[end].isalnum() and not _CJK.match(text[end]):
            end += 1
        word = text[i:end]
        known = word in self._words or _singular(word) in self._words
        cost = 1.0 if known else 0.1 if word in _PARTICLES else _DIGITS if word.isdigit() else _UNKNOWN_WORD
        yield (best[end][0] + cost, end, word, known)
        if known:
            return
        cuts = self._cuts(word)
        yield from ((best[i + cut][0] + _GLUED, i + cut, word[:cut], True) for cut in cuts)
        if not cuts and (form := self._inflected(word)):
            yield (best[end][0] + _INFLECTED, end, form, True)

    @lru_cache(maxsize=20_000)  # noqa: B019
    def _inflected(self, word: str) -> str | None:
        """The known word of which an unknown one is another form: `kupującego` of `kupujący`. Only endings may differ."""
        if len(word) <= _STEM_MIN:
            return None
        alike = [
            w
            for w in self._by_first.get(word[0], ())
            if w.startswith(word[:_STEM_MIN]) and abs(len(w) - len(word)) <= _ENDING_MAX
        ]
        nearest = max(alike, key=lambda w: (_shared(w, word), -len(w), w), default="")
        ending = max(len(nearest), len(word)) - _shared(nearest, word)
        return nearest if ending <= _ENDING_MAX else None

    @lru_cache(maxsize=20_000)  # noqa: B019
    def _cuts(self, word: str) -> tuple[int, ...]:
        """Where an unknown word falls into known ones written together: `trackingno`, `Bestelldatum`, `reference1`."""

        def rest_known(rest: str) -> bool:
            return (
                rest in _GLUED_SHORT
                or rest.isdigit()
                or (len(rest) >= _PIECE_MIN and (rest in self._words or _singular(rest) in self._words or bool(self._cuts(rest))))
            )

        def known(piece: str) -> bool:
            # Words of German are joined by an s: `Zahlungsdatum`.
            return piece in self._words or (piece.endswith("s") and len(piece) > _PIECE_MIN and piece[:-1] in self._words)

        return tuple(k for k in range(_PIECE_MIN, len(word)) if known(word[:k]) and rest_known(word[k:]))

    def touches(self, tokens: Sequence[Token], near: bool = True) -> frozenset[str]:
        """The concepts words stand for, with those `near` them; `?` for all words nobody knows: they are compared as text."""
        said = {c for t in tokens for c in t.concepts or ("?",)}
        return frozenset(said | {c for pair in self.near if near and pair & said for c in pair})

    @lru_cache(maxsize=20_000)  # noqa: B019
    def weight(self, token: Token) -> float:
        """How much a word says: a word of several concepts as much as their mean."""
        if not token.concepts:
            return _ABBREVIATED if token.text.isdigit() or (token.text.isascii() and len(token.text) <= _SHORT) else 1.0
        return sum(self.light.get(c, 1.0) for c in token.concepts) / len(token.concepts)

    @lru_cache(maxsize=400_000)  # noqa: B019
    def likeness(self, one: Token, other: Token) -> float:
        """0 … 1: whether two words speak of the same thing."""
        if one.concepts and other.concepts:
            shared = len(one.concepts & other.concepts)
            if one.text == other.text:
                return 1.0
            if shared:  # a word of several senses may have been meant in another one
                return 0.5 + 0.5 * shared / max(len(one.concepts), len(other.concepts))
            return max((self.near.get(frozenset((a, b)), 0.0) for a in one.concepts for b in other.concepts), default=0.0)
        if one.concepts or other.concepts:
            return 0.0
        from rapidfuzz.fuzz import ratio

        alike = ratio(one.text, other.text) / 100
        return alike if alike >= 0.8 else 0.0

    @lru_cache(maxsize=1_000_000)  # noqa: B019
    def similarity(self, name: tuple[Token, ...], phrase: tuple[Token, ...]) -> float:
        """0 … 1: how much of both is the same; a word of the name the phrase does not have weighs more than the other way."""
        pairs = [(s, -abs(i - j), i, j) for i, n in enumerate(name) for j, p in enumerate(phrase) if (s := self.likeness(n, p))]
        if not pairs:
            return 0.0
        pairs.sort(reverse=True)
        of_name, of_phrase = [self.weight(t) for t in name], [self.weight(t) for t in phrase]
        taken_name: set[int] = set()
        taken_phrase: set[int] = set()
        shared, lost = 0.0, 0.0
        for share, _, i, j in pairs:
            if i in taken_name or j in taken_phrase:
                continue
            taken_name.add(i)
            taken_phrase.add(j)
            both = (of_name[i] + of_phrase[j]) / 2
            shared += share * both
            lost += (1 - share) * both
        missing_name = sum(w for i, w in enumerate(of_name) if i not in taken_name)
        missing_phrase = sum(w for j, w in enumerate(of_phrase) if j not in taken_phrase)
        whole = shared + lost + 0.95 * missing_name + 0.75 * missing_phrase
        return shared / whole if whole else 0.0


def _shared(one: str, other: str) -> int:
    """How many letters both begin with."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def plain(name: str) -> str:
    """A name in small letters, one width, words apart: `lineItemPrice (USD)` -> `line item price`."""
    text = unicodedata.normalize("NFKC", str(name))
    text = re.sub(r"[\u200b-\u200f\u2060\ufeff\u00ad]", "", text).strip().strip("\"'`=").removeprefix("*:").removeprefix("col:")
    if text.startswith("/"):  # a value beside the records of a JSON document: its path's end is its name
        text = ".".join(re.split(r"[./]", text)[-2:])
    text = _UNITS.sub(" ", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    text = re.sub(r"[_\-./\\:：,，;；()\[\]{}【】<>|*+?&'\"]+", " ", text)
    return re.sub(r"\s+", " ", text).strip().translate(_SIMPLIFIED).replace("帐", "账").casefold().replace("i̇", "i")


def _at_boundary(text: str, start: int, end: int) -> bool:
    """A Latin word is a word only between blanks, digits' neighbours or Chinese; a Chinese one anywhere."""

    def latin(ch: str) -> bool:
        return ch.isalnum() and not _CJK.match(ch)

    before = start > 0 and latin(text[start - 1]) and latin(text[start])
    after = end < len(text) and latin(text[end]) and latin(text[end - 1])
    return not before and not after


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
