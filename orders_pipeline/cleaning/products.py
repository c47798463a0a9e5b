"""Product titles: what is left of one without promotion words and variants of writing, and which known name is nearest.

Pure functions of the text. `tidied` is the title as a person would write it in a product list; `key` is what two titles
share when they differ only in width, case, blanks, units (256G, 256GB) or the language of the brand (苹果, Apple).
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"

_BRACKETS = re.compile(r"[【\[(「『《<〖]([^】\])」』》>〗【\[(「『《<〖]*)[】\])」』》>〗]")
_LATIN_EDGE = r"(?<![A-Za-z]){}(?![A-Za-z])"
#: Sizes memory is sold in: "256G" is 256 GB, "250G" of tea is not.
_STORAGE = r"(?:16|32|64|128|256|512|1024)"
_MEMORY_PAIR = re.compile(r"(?<!\d)(\d{1,2})\s*(?:GB?)?\s*\+\s*(16|32|64|128|256|512|1)\s*(GB?|TB?)(?![A-Za-z])", re.I)
_STORAGE_SIZE = re.compile(rf"(?<![\d.])({_STORAGE})\s*(?:G|GB|Gb|gb)(?![A-Za-z])")
_STORAGE_TERA = re.compile(r"(?<![\d.])([1248])\s*(?:T|TB|Tb|tb)(?![A-Za-z])")
_ELECTRONIC = re.compile(
    r"iphone|ipad|mac|手机|平板|电脑|笔记本|硬盘|内存|固态|ssd|u盘|galaxy|mate|pura|redmi|xiaomi|小米|荣耀|vivo|oppo|华为|存储",
    re.I,
)
_FIGURE = re.compile(r"\d+(?:\.\d+)?")
_COLOURS = re.compile(
    r"黑|白|红|蓝|绿|黄|紫|粉|灰|银|金|橙|棕|米色|咖|black|white|red|blue|green|yellow|purple|pink|gr[ae]y|silver|gold|orange|brown|titanium|钛"
)
_VARIANTS = ("pro", "max", "plus", "mini", "ultra", "air", "lite", "se", "青春版", "尊享版", "大号", "小号", "中号")


class Words(NamedTuple):
    """The word lists of `data/product_words.csv`."""

    brands: Mapping[str, str]
    implied: tuple[tuple[str, str], ...]
    units: Mapping[str, str]
    promotions: tuple[str, ...]
    bracketed: tuple[str, ...]


@cache
def words() -> Words:
    with (DATA / "product_words.csv").open(encoding="utf-8") as rows:
        found: dict[str, list[tuple[str, str]]] = {}
        for row in csv.DictReader(rows):
            found.setdefault(row["kind"], []).append((row["word"], row["standard"]))
    longest = sorted((w for w, _ in found["promotion"]), key=len, reverse=True)
    return Words(
        dict(found["brand"]),
        tuple(found["implied"]),
        dict(found["unit"]),
        tuple(longest),
        tuple(w for w, _ in found["bracketed"]),
    )


@cache
def seeds() -> dict[str, str]:
    """Key -> product name of the names every home knows."""
    with (DATA / "product_names.csv").open(encoding="utf-8") as rows:
        pairs = [(r["title"], r["product_name"]) for r in csv.DictReader(rows)]
    return {key(text): name for title, name in pairs for text in (title, name)}


def tidied(title: str | None) -> str | None:
    """A title without promotion words, in one way of writing. Tidying twice changes nothing; nothing left: the title itself."""
    if title is None:
        return None
    text, before = " ".join(unicodedata.normalize("NFKC", title).split()), None
    plain = text
    while text != before:
        before = text
        text = _tidied_once(text)
    return text or plain or None


def _tidied_once(text: str) -> str:
    text = _BRACKETS.sub(_without_promotion, text)
    for word in words().promotions:
        # Only where it stands apart: 特价 at the end of a title is no part of the name, 特价版 is.
        text = re.sub(rf"(?:^|(?<=\s)){re.escape(word)}(?=\s|$)", " ", text, flags=re.I)
    text = _units(text)
    text = _brands(text)
    return " ".join(text.split()).strip(" -|/·,，!！~")


def _without_promotion(match: re.Match[str]) -> str:
    """A bracket is left out when its words are a promotion's; "(黑色)" stays."""
    inside = match.group(1).lower()
    if not inside.strip() or any(w in inside for w in words().bracketed):
        return " "
    return match.group()


def _units(text: str) -> str:
    text = _MEMORY_PAIR.sub(lambda m: f"{m.group(1)}GB+{m.group(2)}{m.group(3)[0].upper()}B", text)
    # A capital G after such a number is memory anywhere, a small one only in the title of something electronic.
    text = _STORAGE_SIZE.sub(r"\1GB", text)
    if _ELECTRONIC.search(text):
        text = re.sub(rf"(?<![\d.])({_STORAGE})\s*g(?![A-Za-z])", r"\1GB", text)
        text = _STORAGE_TERA.sub(r"\1TB", text)
    for word, unit in sorted(words().units.items(), key=lambda w: -len(w[0])):
        edge = r"(?![A-Za-z])" if word.isascii() else ""
        text = re.sub(rf"(\d)\s*{re.escape(word)}{edge}", rf"\g<1>{unit}", text, flags=re.I)
    return re.sub(r"(\d)\s*(ml|kg|g|mm|cm|gb|tb)(?![A-Za-z])", _unit_case, text, flags=re.I)


def _unit_case(match: re.Match[str]) -> str:
    unit = match.group(2).lower()
    return match.group(1) + (unit.upper() if unit in ("gb", "tb") else unit)


def _brands(text: str) -> str:
    """The brand once, in Chinese; not at all where the product's name says it (iPhone)."""
    for word, brand in words().brands.items():
        text = re.sub(_LATIN_EDGE.format(re.escape(word)), brand, text, flags=re.I)
    for brand in set(words().brands.values()):
        text = re.sub(rf"{brand}(?:[\s/()（）|·-]*{brand})+", brand, text)
        text = re.sub(rf"{brand}\s*\(\s*\)", brand, text)
    for brand, product in words().implied:
        text = re.sub(rf"{brand}[\s/|·-]*(?={product})", "", text, flags=re.I)
    return text


def key(title: str | None) -> str | None:
    """What titles of one product share: letters, figures and Chinese characters only, in lower case."""
    text = tidied(title)
    if text is None:
        return None
    bare = re.sub(r"(?<=\d)\.(?=\d)", "\u2024", text.lower())
    return (
        re.sub(r"[^0-9a-z\u00c0-\u024f\u0400-\u04ff\u3040-\u30ff\u4e00-\u9fff+\u2024]", "", bare).replace("\u2024", ".")
        or text.lower()
    )


class Suggestion(NamedTuple):
    """An unknown title, the known name nearest to it (None: none is near) and how near, 0 to 1."""

    title: str
    product_name: str | None
    confidence: float


def suggestions(titles: Iterable[str], known: Iterable[str], at_least: float = 0.6) -> Iterator[Suggestion]:
    """The nearest known name of each title. Capacities, colours and variants (Pro, Max) must agree."""
    from rapidfuzz import fuzz, process

    by_marks: dict[tuple, list[tuple[str, str]]] = {}
    for name in dict.fromkeys(known):
        by_marks.setdefault(_marks(name), []).append((key(name) or name, name))
    for title in titles:
        candidates = by_marks.get(_marks(title), [])
        keys: Sequence[str] = [k for k, _ in candidates]
        found = process.extractOne(key(title) or title, keys, scorer=fuzz.ratio, score_cutoff=at_least * 100) if keys else None
        if found is None:
            yield Suggestion(title, None, 0.0)
        else:
            yield Suggestion(title, candidates[found[2]][1], round(found[1] / 100, 3))


def _marks(title: str) -> tuple:
    """What must be equal in two titles of one product."""
    text = key(title) or ""
    variants = tuple(v for v in _VARIANTS if v in text)
    return tuple(sorted(_FIGURE.findall(text))), tuple(sorted(set(_COLOURS.findall(text)))), variants
