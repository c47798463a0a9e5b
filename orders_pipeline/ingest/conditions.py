"""The cells of one file as its source's rules name them, and what is asked of them: words, presence, being a number.

A cell is never seen as the file shows it, only in the staged forms of it (see `mapping.Mapper.staging`); what is used is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orders_pipeline.dictionary.model import (
    GLOBAL_NULLS,
    NO_TIME,
    NOT_A_NUMBER,
    REPEAT_NUMBER,
    Dictionary,
    Source,
    canonical_value,
)
from orders_pipeline.kernel.sqltext import literal

#: Above this many different words a column is no vocabulary; it is compared by SQL instead of word by word.
WORDS_MAX = 5_000


class Conditions:
    """What the rules of one file read, by the source's handles.

    `binding` maps the source's handles to cell columns; `constants` holds what the file's place says (channel, shop_id,
    account, currency); `words` returns the different texts of a staged column. `damaged` is set once the cells are read:
    handles whose ids end in more zeros than chance gives (a spreadsheet has been at them). `numbered_cells`: rows of a
    workbook in which an id was kept as a number, whose digits past the fifteenth nobody knows.
    """

    def __init__(
        self,
        dictionary: Dictionary,
        source: Source,
        binding: Mapping[str, str],
        constants: Mapping[str, str | None],
        zone: str | None,
        words: Callable[[str], list[str]],
    ) -> None:
        self.dictionary = dictionary
        self.source = source
        self.binding = binding
        self.constants = constants
        self.zone = zone
        self.words = words
        own = tuple(str(n) for n in source.get("nulls", ()))
        self.nulls = GLOBAL_NULLS + own
        self.number_nulls = tuple(word for word in GLOBAL_NULLS if word not in NOT_A_NUMBER) + own
        self.time_nulls = self.nulls + NO_TIME
        self.id_nulls = self.nulls + tuple(str(n) for n in source.get("id_nulls", ()))
        self.damaged: frozenset[str] = frozenset()
        #: What the file's own cells say where the source leaves it to them (see `habits`).
        self.decimal: str | None = source.get("decimal")
        self.date_order: str | None = source.get("date_order")
        self.context: Mapping[str, Any] = {}
        self.numbered_cells: Mapping[str, Sequence[int]] = {}
        self._used: set[str] = set()

    def _use(self, form: str, handle: str) -> str:
        name = f"{form}_{handle}"
        self._used.add(name)
        return name

    def _text(self, handle: str, kind: str = "text") -> str:
        """A handle's cleaned text in `src` (see `mapping.Mapper.staging`); NULL where the file lacks the column."""
        if handle == REPEAT_NUMBER:
            return f"CAST({REPEAT_NUMBER} AS VARCHAR)"
        if handle not in self.binding:
            return "CAST(NULL AS VARCHAR)"
        return self._use({"id": "i", "text": "t", "value": "x", "rest": "r"}[kind], handle)

    def text(self, handle: str) -> str:
        """SQL of a column's text; NULL where the file lacks it."""
        return self._text(handle)

    def number(self, handle: str) -> tuple[str, str]:
        """(value, text where it is none as it stands) of a handle read as a number; the names of two columns of `src`."""
        return self._use("n", handle), self._text(handle, "rest")

    def _spellings(self, handles: list[str]) -> list[str] | None:
        """The different cleaned texts the handles' columns really hold; None when they are too many to be words."""
        found: set[str] = set()
        for handle in handles:
            if handle in self.binding:
                words = self.words(self._text(handle))
                if len(words) > WORDS_MAX:
                    return None
                found.update(words)
        return sorted(found)

    def condition(self, wanted: Mapping[str, Any]) -> str:
        """A boolean over raw texts: {handle: [words]} (all of them), plus present, absent, nonzero, some_nonzero, matches, not.

        A cell that should be a number and is none counts as not zero: its row must come to a fault, not to nothing.
        """
        terms = []
        for key, value in wanted.items():
            if key == "not":  # several are denied one by one
                denied = [value] if isinstance(value, Mapping) else value
                terms += [f"NOT coalesce({self.condition(one)}, false)" for one in denied]
            elif key == "matches":
                terms += [f"coalesce(regexp_matches({self._text(h)}, {literal(p)}), false)" for h, p in value.items()]
            elif key in ("nonzero", "some_nonzero"):
                found = [self._is_nonzero(h) for h in ([value] if isinstance(value, str) else value)]
                terms.append("(" + (" AND " if key == "nonzero" else " OR ").join(found) + ")")
            elif key in ("present", "absent"):
                for handle in [value] if isinstance(value, str) else value:
                    terms.append(f"{self._text(handle)} IS {'NOT ' if key == 'present' else ''}NULL")
            else:
                terms.append(self._word_in(key, [value] if isinstance(value, str) else value))
        return "(" + (" AND ".join(terms) or "true") + ")"

    def _is_nonzero(self, handle: str) -> str:
        if handle not in self.binding:
            return "false"
        value, text = self.number(handle)
        return f"(coalesce({value} <> 0, {text} IS NOT NULL))"

    def _word_in(self, handle: str, words: list[str]) -> str:
        if handle not in self.binding:
            return "false"
        wanted = {canonical_value(str(w)) for w in words}
        spellings = self._spellings([handle])
        text = self._text(handle)
        if spellings is None:
            text, spellings = f"lower({text})", sorted(wanted)
        listed = ", ".join(literal(w) for w in spellings if canonical_value(w) in wanted)
        return f"coalesce({text} IN ({listed}), false)" if listed else "false"

    def _first_match(self, cases: list[Mapping[str, Any]]) -> str:
        whens, otherwise = [], "NULL"
        for case in cases:
            if "when" in case:
                whens.append(f"WHEN {self.condition(case['when'])} THEN {literal(str(case['value']))}")
            else:
                otherwise = literal(str(case["value"]))
        return f"CASE {' '.join(whens)} ELSE {otherwise} END"
