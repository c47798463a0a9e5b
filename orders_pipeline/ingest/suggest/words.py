"""The words of a coded column in standard words, by how known sources word them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orders_pipeline.dictionary.model import canonical_value
from orders_pipeline.ingest.suggest.names import Names, Slot

#: From this likeness on a word counts as the same as a known one; the person who reads the proposal sees both.
ALIKE = 0.8
#: Words that turn a word into its opposite: 未付款 is not like 付款.
_NEGATIONS = ("未", "不", "非", "无", "待", "部分", "un", "not ", "non", "pending", "partial", "awaiting", "in")


@dataclass(frozen=True)
class Meaning:
    """A word, its code, and the known word it is like (the same word where it is known itself)."""

    word: str
    code: str
    like: str


def meanings(names: Names, slot: Slot, words: Sequence[str]) -> tuple[list[Meaning], list[str]]:
    """(what the words mean, words nobody knows)."""
    known = names.words_of(slot)
    found, unknown = [], []
    for word in words:
        key = canonical_value(word)
        if key in known:
            found.append(Meaning(word, known[key], key))
            continue
        like = _nearest(key, known)
        if like:
            found.append(Meaning(word, known[like], like))
        else:
            unknown.append(word)
    return found, unknown


def _nearest(word: str, known: Mapping[str, str]) -> str | None:
    from rapidfuzz import fuzz

    def strip(text: str) -> str:
        for blank in ("_", "-", " ", "，", ",", "/"):
            text = text.replace(blank, "")
        return text

    best: tuple[float, str] | None = None
    bare = strip(word)
    for candidate in sorted(known):
        other = strip(candidate)
        if _negated(bare) != _negated(other) or not other:
            continue
        score = fuzz.ratio(bare, other) / 100
        if len(other) >= 3 and (bare.startswith(other) or bare.endswith(other)) and len(other) / len(bare) > 0.4:
            score = max(score, ALIKE + 0.001 * len(other))
        if score >= ALIKE and (best is None or score > best[0]):
            best = (score, candidate)
    return best[1] if best else None


def _negated(word: str) -> frozenset[str]:
    return frozenset(n for n in _NEGATIONS if word.startswith(n.strip()) or (n[0] > "\u2e7f" and n in word))


def outgoing(words: Sequence[str]) -> list[str]:
    """The words of a direction column that mean money going out; empty when they do not tell."""
    out = ("支出", "出账", "支", "付款", "出", "扣", "debit", "out", "expense", "withdrawal", "dr", "payment out", "-")
    into = ("收入", "入账", "收", "入", "credit", "in", "income", "deposit", "cr", "+")
    lowered = {w: canonical_value(w) for w in words}
    minus = [w for w, low in lowered.items() if any(low == o or (len(o) > 1 and low.startswith(o)) for o in out)]
    plus = [w for w, low in lowered.items() if any(low == i or (len(i) > 1 and low.startswith(i)) for i in into)]
    return minus if minus and not set(minus) & set(plus) else []
