"""Which place a Chinese address text means: province, city and district of the national standard, or an honest "not sure".

Pure functions over the tables in `data/`. A text is read from the left: each name must lie inside the place named before it
("浙江" "杭州" "西湖"), levels may be missing, names may be short, old or full. What several places could mean, and nothing
before it decides, stays unresolved: a wrong district costs more than a missing one.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
FULL, SHORT, OLD, LETTER = "full", "short", "old", "letter"

#: Words that fill a column without naming a place.
FILLERS = frozenset(
    [
        "市辖区",
        "县",
        "郊县",
        "省直辖县级行政区划",
        "省直辖行政单位",
        "省直辖县级行政单位",
        "省直辖行政区划",
        "自治区直辖县级行政区划",
        "自治区直辖县级行政单位",
        "直辖县级",
        "直辖",
        "其他",
        "其它",
        "其他区",
        "其它区",
        "其他市",
        "其它市",
        "不限",
        "未知",
        "暂无",
        "全部",
        "中国",
        "中国大陆",
        "中华人民共和国",
        "无",
    ]
)
#: After a short name: what shows that a street, a village or a building is meant ("西湖大道", "南京东路"), not the place.
_ROAD = re.compile(
    r"[东西南北中环]{0,2}[一二三四五六七八九十0-9]{0,2}(?:支路|路|街|大街|大道|道|巷|弄|胡同|高速|国道|立交|广场|公园|大厦|机场|火车站|站|医院|"
    r"大学|学院|中学|小学|饭店|酒店|宾馆|花园|小区|新村|新苑|家园|山庄|公馆)"
    r"|[镇乡村屯桥寺祠河江港湾岛庙苑里门]"
)
_NOISE = re.compile(r"[\s,，.。·、;；:：/\\|\-_—>＞~～()（）\[\]【】\"'“”‘’]+")
_HEAD = re.compile(
    r"^(?:(?:详细|收货|收件|寄件)?地址|中华人民共和国|中国(?=[\u4e00-\u9fff])(?!银行|移动|联通|电信)|[0-9]{6}(?=[\u4e00-\u9fff]))+"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class Node(NamedTuple):
    """A place of the standard. `level` 1 province, 2 prefecture, 3 county; `parent` is empty for a province."""

    code: str
    parent: str
    level: int
    name: str


@dataclass(frozen=True)
class Region:
    """What a text means. `resolution`: exact (full current names), completed, renamed, or unresolved; None: not Chinese.

    Unresolved keeps the levels that are certain; `code` is that of the deepest of them.
    """

    province: str | None = None
    city: str | None = None
    district: str | None = None
    code: str | None = None
    resolution: str | None = "unresolved"


class _Step(NamedTuple):
    """Part of a reading: the place reached, where in the text, and by which kinds of name for each level."""

    node: Node | None
    end: int
    kinds: tuple[str, ...]
    levels: frozenset[int]


class Gazetteer:
    """The places, findable by any of their names. `aliases` gives (name, code, kind)."""

    def __init__(self, nodes: Iterable[tuple[Node, str]], aliases: Iterable[tuple[str, str, str]]) -> None:
        self.nodes: dict[str, Node] = {}
        names: dict[str, dict[str, str]] = {}
        for node, short in nodes:
            self.nodes[node.code] = node
            names.setdefault(node.name, {})[node.code] = FULL
            if short:
                names.setdefault(short, {}).setdefault(node.code, SHORT)
        for alias, code, kind in aliases:
            names.setdefault(alias, {}).setdefault(code, kind)
        self.names: Mapping[str, Mapping[str, str]] = names
        starts: dict[str, set[str]] = {}
        for name in names:
            starts.setdefault(name[0], set()).add(name)
        self.starts = {c: tuple(sorted(found, key=len, reverse=True)) for c, found in starts.items()}
        self.parents = {n.parent for n in self.nodes.values()}

    def line(self, node: Node | None) -> list[Node]:
        """A place and all it lies in, from the province down."""
        found: list[Node] = []
        while node is not None:
            found.insert(0, node)
            node = self.nodes.get(node.parent)
        return found

    def inside(self, node: Node, outer: Node | None) -> bool:
        """Whether a place is another one, or lies in it (anything lies in None)."""
        return outer is None or any(n.code == outer.code for n in self.line(node))

    def is_deepest(self, node: Node) -> bool:
        """Whether the standard knows nothing below this place (a county; a city without districts)."""
        return node.level == 3 or node.code not in self.parents

    def readings(self, text: str, start: _Step) -> list[_Step]:
        """The ends of the readings of a text that use up most of it; only `start` when it names nothing."""
        best: list[_Step] = []
        waiting = [start]
        while waiting:
            step = waiting.pop()
            following = list(self._next(text, step))
            waiting.extend(following)
            if step.kinds and step.kinds[-1] == LETTER and step.end < len(text) and not following:
                continue  # one character of a longer word
            if not best or step.end > best[0].end:
                best = [step]
            elif step.end == best[0].end:
                best.append(step)
        return best

    def _next(self, text: str, step: _Step) -> Iterable[_Step]:
        for name in self.starts.get(text[step.end : step.end + 1], ()):
            if not text.startswith(name, step.end):
                continue
            length = len(name)
            end = step.end + length
            for code, kind in self.names[name].items():
                node = self.nodes[code]
                if not self.inside(node, step.node):
                    continue
                if node is step.node and node.level == 3 and kind != OLD:
                    continue  # "海淀海淀大街"
                if kind != FULL and self._is_street(text, end, length) and not self._goes_on(text, end, node):
                    continue
                if kind == LETTER and step.node is not None:
                    continue
                if step.node is None and not self._stands_alone(node, name, kind):
                    continue
                yield _Step(node, end, (*step.kinds, kind), step.levels | {node.level})

    def _is_street(self, text: str, end: int, length: int) -> bool:
        """Whether a name that is short or old, ending here, is only the beginning of a street's or village's name.

        An old name that ends in what it is (闸北区) cannot be taken for another word.
        """
        if length > 2 and text[end - 1] in "区县市":
            return False
        return _ROAD.match(text, end) is not None

    def _goes_on(self, text: str, end: int, outer: Node) -> bool:
        """Whether a place inside this one is named next: 天津 in "天津河东区", though 河 may begin a river's name."""
        return any(
            text.startswith(name, end) and any(self.inside(self.nodes[c], outer) and c != outer.code for c in self.names[name])
            for name in self.starts.get(text[end : end + 1], ())
            if len(name) > 1
        )

    def _stands_alone(self, node: Node, name: str, kind: str) -> bool:
        """Whether a name means the place without a province: of counties' short names only cities', and no common words."""
        if kind in (FULL, LETTER) or (node.level < 3 and kind != OLD) or name[-1] in "区县市":
            return True
        return kind == SHORT and node.name.endswith("市") and node.name not in _COMMON_WORDS


#: County-level cities whose short name is a word of its own.
_COMMON_WORDS = frozenset(
    [
        "东方市",
        "新民市",
        "兴平市",
        "五常市",
        "海城市",
        "大安市",
        "和平市",
        "永安市",
        "东兴市",
        "新星市",
        "双河市",
        "中江市",
        "南宫市",
        "老河口市",
        "高平市",
        "新乐市",
        "平度市",
    ]
)


@cache
def gazetteer() -> Gazetteer:
    """The places of `data/`."""
    with (DATA / "regions.csv").open(encoding="utf-8") as rows:
        nodes = [(Node(r["code"], r["parent"], int(r["level"]), r["name"]), r["short"]) for r in csv.DictReader(rows)]
    with (DATA / "region_aliases.csv").open(encoding="utf-8") as rows:
        aliases = [(r["alias"], r["code"], r["kind"]) for r in csv.DictReader(rows)]
    return Gazetteer(nodes, aliases)


@cache
def _simplified() -> dict[int, str]:
    with (DATA / "traditional.csv").open(encoding="utf-8") as rows:
        return {ord(r["traditional"]): r["simplified"] for r in csv.DictReader(rows)}


def tidied(text: str | None) -> str:
    """A text without width variants, blanks and punctuation, in simplified characters."""
    plain = _NOISE.sub("", unicodedata.normalize("NFKC", text or "")).translate(_simplified())
    return _HEAD.sub("", plain)


def resolve(province: str | None, city: str | None, district: str | None, address: str | None = None) -> Region:
    """The place that the columns name and, where they leave something open, the beginning of the address.

    Columns are somebody's choice from a list and must be understood whole; the address only completes them. A column that
    contradicts the one before it leaves the rest unresolved.
    """
    columns = [t for t in map(tidied, (province, city, district)) if t and t not in FILLERS]
    head = tidied(address)
    if not any(_CHINESE.search(t) for t in (*columns, head)):
        return Region(resolution=None)
    places = gazetteer()
    frontier = [_Step(None, 0, (), frozenset())]
    for number, text in enumerate(columns):
        found = _read_column(places, text, frontier)
        if found is None:
            if all(s.node is not None and places.is_deepest(s.node) for s in frontier):
                break  # a town or street below a place that has no further level
            return _result(places, frontier, complete=False) if number else Region()
        frontier = found
    if head and not (len(frontier) == 1 and frontier[0].node is not None and places.is_deepest(frontier[0].node)):
        frontier = _read_address(places, head, frontier)
    named = bool(head) or len(columns) > 2 or (len(columns) == 1 and len(columns[0]) > 5)
    return _result(places, frontier, complete=True, wants_all=named)


def _read_column(places: Gazetteer, text: str, frontier: list[_Step]) -> list[_Step] | None:
    """The places a whole column can mean after what came before; None when it means none."""
    ends = [r for s in frontier for r in places.readings(text, s._replace(end=0)) if r.end]
    if not ends:
        return None
    furthest = max(r.end for r in ends)
    best = [r for r in ends if r.end == furthest]
    if furthest < len(text) and not (best[0].kinds[-1] == FULL or furthest >= 4):
        return None
    return _same_place(best)


def _read_address(places: Gazetteer, text: str, frontier: list[_Step]) -> list[_Step]:
    """The places that the beginning of an address leaves possible; those of before where it says nothing that fits."""
    onward = [r for s in frontier for r in places.readings(text, s._replace(end=0)) if r.end]
    # Many people write the address in full although the columns have named its province and city.
    anew = [r for r in places.readings(text, _Step(None, 0, (), frozenset())) if r.end]
    whole = [
        r._replace(kinds=s.kinds + r.kinds, levels=s.levels | r.levels)
        for r in _same_place(anew)
        for s in frontier
        if r.node is not None and places.inside(r.node, s.node)
    ]
    ends = onward + whole
    if not ends:
        return frontier
    furthest = max(r.end for r in ends)
    named = [s for s in frontier if s.node is not None]
    return _same_place([r for r in ends if r.end == furthest], again=bool(named))


def _same_place(steps: list[_Step], again: bool = False) -> list[_Step]:
    """One step per place, by the best names; of a place and one inside it the one that is meant.

    "本溪" is the city, "本溪本溪" the county of that name in it; but after columns that have named the city (`again`), the
    address may only repeat it.
    """
    order = {FULL: 0, SHORT: 1, LETTER: 1, OLD: 2}
    best: dict[str, _Step] = {}
    for step in sorted(steps, key=lambda s: (sum(order[k] for k in s.kinds), -len(s.levels), s.kinds)):
        best.setdefault(step.node.code if step.node else "", step)
    places, kept = gazetteer(), list(best.values())

    def is_left_out(step: _Step) -> bool:
        for other in kept:
            if other is step or step.node is None or other.node is None:
                continue
            if places.inside(step.node, other.node) and (again or not other.levels < step.levels):
                return True
            if places.inside(other.node, step.node) and not again and step.levels < other.levels:
                return True
        return False

    return [s for s in kept if not is_left_out(s)]


def _result(places: Gazetteer, frontier: list[_Step], complete: bool, wants_all: bool = True) -> Region:
    lines = [places.line(s.node) for s in frontier]
    common = [nodes[0] for nodes in zip(*lines, strict=False) if len({n.code for n in nodes}) == 1]
    if not common:
        return Region()
    last = common[-1]
    province, city, district = _names(common)
    if not complete or len(frontier) > 1 or (wants_all and not places.is_deepest(last)):
        return Region(province, city, district, last.code, "unresolved")
    step = frontier[0]
    if OLD in step.kinds:
        how = "renamed"
    elif set(step.kinds) == {FULL} and {n.level for n in common} <= step.levels:
        how = "exact"
    else:
        how = "completed"
    return Region(province, city, district, last.code, how)


def _names(line: list[Node]) -> tuple[str | None, str | None, str | None]:
    """Province, city and district as columns hold them.

    A municipality and a special region is its own city; so is a county-level city that answers to the province directly.
    """
    by_level = {n.level: n.name for n in line}
    province, city, district = (by_level.get(n) for n in (1, 2, 3))
    if city is None and line[0].code[:2] in ("11", "12", "31", "50", "81", "82"):
        city = province
    elif city is None and district is not None:
        city = district
    return province, city, district
