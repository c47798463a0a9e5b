"""The quick look at large sheets: what it lets pass has no cell that the close look would stop at."""

from __future__ import annotations

import pytest

from orders_pipeline.ingest.read import skim
from orders_pipeline_tests.workbooks import number, row, text

PLAIN = "<sheetData>" + "".join(row(n, text(f"A{n}", "订单"), number(f"Z{n}", "1.5"), number(f"BC{n}", "7", style=2)) for n in range(9_990, 10_020))
AT = '<c r="Z10000"'


def is_plain(xml: str, letter: str = "B", digits: int = 5, first_digit: int = 1) -> bool:
    block = (xml + "</sheetData></worksheet>").encode()
    return skim.is_plain(block, len(block), letter, digits, first_digit)


def test_plain_cells_pass_up_to_the_bounds_and_no_further():
    assert is_plain(PLAIN)
    assert is_plain(PLAIN, letter="C", digits=7, first_digit=9)
    assert not is_plain(PLAIN, letter="A")
    assert not is_plain(PLAIN, letter="")
    assert not is_plain(PLAIN, digits=4, first_digit=9)
    assert not is_plain(PLAIN.replace(AT, '<c r="Z20000"'))
    assert is_plain(PLAIN.replace(AT, '<c r="Z20000"'), first_digit=2)


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="Z100000"',
        '<c r="XFD10000"',
        '<c r="CA10000"',
        '<c r="z10000"',
        '<c r="Z"',
        '<c r=""',
        '<c r="10000"',
        '<c r="Z1000:"',
        "<c r='Z10000'",
        '<c  r="Z10000"',
        '<c\nr="Z10000"',
        '<c r ="Z10000"',
        '<c r= "Z10000"',
        '<c s="1" r="Z10000"',
        '<c r="Z10000" r="XFD1048576"',
        '<c r="Z10000" a="><row r=" r="XFD1048576"',
        '<c r="Z10000" a=">" r="XFD1048576"',
        '<c r="Z10000"/><c',
        '<c r="Z10000"/><c s="1"',
        '<c r="Z10000"/><x:c r="Z10000"',
        '<c r="Z10000" t="e"',
        "<c r=\"Z10000\" t='e'",
        '<c r="Z10000"><f>1+2</f></c><c r="Z10000"',
        '<c r="Z10000"><x:f>1+2</x:f></c><c r="Z10000"',
    ],
)
def test_any_other_cell_is_left_to_the_close_look(cell):
    assert not is_plain(PLAIN.replace(AT, cell))


@pytest.mark.parametrize("end", ["=", "r=", "<c", '<c r="', "<c r=", '<c r="A'])
def test_a_piece_that_breaks_off_is_left_to_the_close_look(end):
    for block in (end.encode(), (PLAIN + end).encode()):
        assert not skim.is_plain(block, len(block), "B", 5, 1)
