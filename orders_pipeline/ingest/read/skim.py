"""A quick proof that a piece of a sheet's XML holds nothing but cells placed in the plain way, with nothing to tell of them.

What is proved is what `span` looks for in every cell, but of a whole piece at once and with arrays: of a large sheet nearly every
piece is plain. A piece that is not proved plain is not at fault: it is looked at cell by cell.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOP_BITS = 0x8080808080808080
_CELL, _ROW = b'<c r="', b"><row r="


def is_plain(block: bytes, end: int, letter: str, digits: int, first_digit: int) -> bool:
    """Whether all cells before `end` are spelled ``<c r="B7"``, up to the columns `letter`Z and rows of these figures, without
    a formula or an error in any of them.

    Every `r=` is that of a cell, or of a row directly behind a tag (where it is in no cell); every ``<c`` is one of these cells.
    Texts of cells are not told from tags: one that looks like any of it only costs the closer look.
    """
    codes = np.frombuffer(block, np.uint8)
    lead, follower = codes[:end][:-1], codes[:end][1:]
    # No name begins with c or f (b or g, for the sake of a comparison less) except for those cells'.
    names = np.count_nonzero(((lead == ord("<")) | (lead == ord(":"))) & (follower & 0xFA == 0x62))
    equals = np.flatnonzero(codes[:end] == ord("="))
    if not names or not len(equals) or equals[0] < _CELL.index(b"=") or equals[-1] + 12 > len(block):
        return False
    before = codes[equals - 1]
    if (before <= ord(" ")).any() or (codes[1:][equals] <= ord(" ")).any() or (codes[2:][equals] == ord("e")).any():
        return False  # blanks round an equals sign; an error is a cell with t="e"
    placed = equals[before == ord("r")]
    words = np.ndarray((len(block) - 7,), "<u8", block, strides=(1,))
    is_cell = words[placed - _CELL.index(b"=")] << 16 == _word(_CELL) << 16
    others = placed[~is_cell]
    if len(others) and (others[0] < 7 or (words[others - 7] != _word(_ROW[:8])).any()):
        return False
    cells = placed[is_cell] + 2
    if len(cells) != names:
        return False
    letters = _letters(letter)[np.ndarray((len(block) - 1,), "<u2", block, strides=(1,))[cells]]
    return bool(letters.all()) and _are_rows(words[cells + letters], digits, first_digit)


@lru_cache
def _letters(letter: str) -> NDArray[np.uint8]:
    """How many letters a place has, by its first two bytes; 0 where it is beyond `letter`Z or spelled in another way."""
    found = np.zeros(1 << 16, np.uint8)
    for last in range(ord("A"), ord("Z") + 1):
        for figure in b"0123456789":
            found[last | figure << 8] = 1
        for first in range(ord("A"), ord(letter or "@") + 1):
            found[first | last << 8] = 2
    return found


def _are_rows(words: NDArray[np.uint64], digits: int, first_digit: int) -> bool:
    """Whether all words begin with a number of so many digits, the first not above this one, or of fewer, and a quote."""
    for count in range(digits, 0, -1):
        whole = (1 << 8 * (count + 1)) - 1
        over_nine = _word(b"\x76" * count + b"\x7f")  # has the top bit set of what is no digit, and of what is no quote
        if count == digits:
            over_nine += 9 - first_digit
        figures = (words ^ _word(b"0" * count + b'"')) & whole
        words = words[((figures + over_nine) | figures) & _TOP_BITS != 0]
        if not len(words):
            return True
    return False


def _word(text: bytes) -> int:
    return int.from_bytes(text, "little")
