"""Places: a corpus of addresses, every place of the standard found by its names, and what must hold of any text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders_pipeline.cleaning.regions import FULL, SHORT, Node, Region, gazetteer, resolve
from orders_pipeline.cleaning.regions import _names as names_of

HERE = Path(__file__).parent
LINES = [line.split(" => ") for line in (HERE / "addresses.txt").read_text(encoding="utf-8").splitlines() if "=>" in line and line[0] != "#"]


def given_text(left: str) -> Region:
    parts: list[str | None] = [*left.split("|")] if "|" in left else [None, None, None, left]
    return resolve(*(p or None for p in parts))


def shown(found: Region) -> str:
    if found.resolution is None:
        return "-"
    place = "/".join(p for p in (found.province, found.city, found.district) if p)
    return place + ("?" if found.resolution == "unresolved" else "")


@pytest.mark.parametrize(("left", "right"), LINES, ids=[left for left, _ in LINES])
def test_addresses_mean_the_place_a_reader_sees(left: str, right: str) -> None:
    assert shown(given_text(left)) == right


def test_the_corpus_is_large() -> None:
    assert len(LINES) >= 150


COUNTIES = [n for n in gazetteer().nodes.values() if n.level == 3]


def short_name(node: Node) -> str:
    return next((name for name, codes in gazetteer().names.items() if codes.get(node.code) == SHORT), node.name)


def test_every_place_is_found_by_its_full_names() -> None:
    for node in gazetteer().nodes.values():
        line = gazetteer().line(node)
        written = "".join(n.name for n in line)
        assert resolve(None, None, None, written + "文化路12号").code == node.code, written
        if node.level == 3:
            found = resolve(*names_of(line))
            assert (found.code, found.resolution) == (node.code, "exact"), written


def test_every_county_is_found_by_its_short_names() -> None:
    short: dict[str, str] = {}
    for name, codes in gazetteer().names.items():
        for code, kind in codes.items():
            if kind == SHORT and len(name) > 1:
                short.setdefault(code, name)
    for node in COUNTIES:
        written = "".join(short.get(n.code, n.name) for n in gazetteer().line(node))
        assert resolve(None, None, None, written + "文化路12号").code == node.code, written


def test_a_name_that_stands_for_several_places_is_never_guessed() -> None:
    by_name: dict[str, set[str]] = {}
    for name, codes in gazetteer().names.items():
        by_name[name] = {c for c, kind in codes.items() if kind == FULL and gazetteer().nodes[c].level == 3}
    several = {name for name, codes in by_name.items() if len(codes) > 1}
    assert {"朝阳区", "鼓楼区", "和平区", "市中区"} <= several
    for name in several:
        assert resolve(None, None, name).resolution == "unresolved", name


def test_province_and_district_suffice_where_the_province_has_one_of_that_name() -> None:
    places = gazetteer()
    for node in COUNTIES:
        province = places.line(node)[0]
        known = [c for c in places.names[node.name] if places.inside(places.nodes[c], province)]
        found = resolve(province.name, None, node.name)
        assert (found.code == node.code and found.resolution != "unresolved") == (len(known) == 1), (province.name, node.name)


texts = st.lists(
    st.sampled_from([*"路街区县市省中山西湖东南北京上海", *[n.name for n in COUNTIES[::97]], "浙江", "杭州市", "西湖区", " ", "１２", "abc", "，"]),
    max_size=6,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(texts, texts, texts, texts)
def test_a_resolved_place_resolves_to_itself(province: str, city: str, district: str, address: str) -> None:
    found = resolve(province, city, district, address)
    if found.resolution in ("exact", "completed", "renamed"):
        again = resolve(found.province, found.city, found.district)
        assert (again.province, again.city, again.district, again.code) == (found.province, found.city, found.district, found.code)
        assert again.resolution == "exact"


@settings(max_examples=200, deadline=None)
@given(texts)
def test_width_and_blanks_make_no_difference(text: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    assert resolve(None, None, None, wide) == resolve(None, None, None, text) == resolve(None, None, None, " ".join(text))
