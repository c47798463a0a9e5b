"""Charts as inline SVG and tables: shapes stretch with the page, words do not.

A bar chart is a table with a bar in each row, so that it needs no other form to be read. Charts over time are pictures with a
sentence (their accessible name) and a table behind them. Colours are classes: a content security policy that forbids inline
style holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orders_pipeline.publish.report.markup import Both, Safe, html, tag
from orders_pipeline.publish.report.words import say, short, whole

#: Height of the plot and the room above and below it, in pixels.
PLOT, ABOVE, BELOW = 200, 10, 26
#: Labels of days that fit beside each other on a phone.
DAY_LABELS = 5


@dataclass(frozen=True)
class Head:
    """The head of a column. `kind`: text, long (text that takes several lines), number or bar."""

    label: Any
    kind: str = "text"


#: The head of a column of bars, for those who hear the table.
BAR = Head(tag("span", say("bar"), class_="unseen"), "bar")


def num(label: Any) -> Head:
    """The head of a column of numbers."""
    return Head(label, "number")


@dataclass(frozen=True)
class Series:
    """One line or one layer of columns; `tone` is its colour class."""

    label: Any
    values: Sequence[float | None]
    tone: str


def table(heads: Sequence[Head], rows: Iterable[Sequence[Any]], name: Any, id_: str | None = None) -> Safe:
    """A table whose first column heads its rows; it scrolls by itself where it is wider than the page."""
    classes = {"number": "n", "bar": "b", "long": "w"}
    top = tag("tr", [tag("th", h.label, scope="col", class_=classes.get(h.kind)) for h in heads])
    body = [
        tag("tr", [_cell(number, h, value, classes) for number, (h, value) in enumerate(zip(heads, row, strict=True))])
        for row in rows
    ]
    caption = tag("caption", name, class_="unseen")
    inner = tag("table", caption, tag("thead", top), tag("tbody", body), id=id_)
    return tag("div", inner, class_="wide", tabindex="0")


def _cell(number: int, head: Head, value: Any, classes: dict[str, str]) -> Safe:
    kind = classes.get(head.kind)
    return tag("th", value, scope="row", class_=kind) if number == 0 else tag("td", value, class_=kind)


def bar(value: float | None, largest: float, tone: str = "a", start: float = 0.0) -> Safe:
    """A bar of a row: from `start` to `start + value`, where the whole width is `largest`."""
    low, high = sorted((start, start + float(value or 0)))
    return _strip([_rect(low, high, largest, tone)])


def signed_bar(value: float | None, largest: float) -> Safe:
    """A bar to the right for what is above zero, to the left for what is below."""
    amount = float(value or 0) / 2
    low, high = sorted((largest / 2, largest / 2 + amount))
    zero = tag("rect", class_="t-line", x="49.8", width="0.4", y="0", height="8")
    return _strip([_rect(low, high, largest, "bad" if amount < 0 else "a"), zero])


def split(parts: Sequence[tuple[float, str]]) -> Safe:
    """One bar shared out among parts with a tone each."""
    total = sum(p for p, _ in parts) or 1.0
    rects, at = [], 0.0
    for part, tone in parts:
        if part:
            rects.append(_rect(at, at + part, total, tone))
        at += part
    return _strip(rects)


def _rect(low: float, high: float, largest: float, tone: str) -> Safe:
    scale = 100 / largest if largest else 0
    width = max((high - low) * scale, 0.4 if high > low else 0)
    return tag("rect", class_=f"t-{tone}", x=_n(low * scale), width=_n(width), y="0", height="8")


def _strip(rects: Sequence[Safe]) -> Safe:
    return tag("svg", rects, class_="bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")


def legend(entries: Iterable[tuple[Any, str]]) -> Safe:
    """What the colours mean."""
    swatch = [
        tag(
            "li",
            tag("svg", tag("rect", class_=f"t-{tone}", width="12", height="12"), width="12", height="12", aria_hidden="true"),
            label,
        )
        for label, tone in entries
    ]
    return tag("ul", swatch, class_="legend")


def columns(ticks: Sequence[str], names: Sequence[str], series: Sequence[Series], named_by: str) -> Safe:
    """Columns over time, the series on top of each other; below zero they hang. `names`: times in full, shown at the pointer."""
    tops = [sum(max(float(s.values[i] or 0), 0) for s in series) for i in range(len(ticks))]
    depths = [sum(min(float(s.values[i] or 0), 0) for s in series) for i in range(len(ticks))]
    scale = _Scale.over([*tops, *depths, 0])
    shapes = []
    for i in range(len(ticks)):
        up, down = 0.0, 0.0
        for s in series:
            value = float(s.values[i] or 0)
            if not value:
                continue
            base = up if value > 0 else down
            high, low = max(base, base + value), min(base, base + value)
            y = scale.y(high)
            told = tag("title", f"{names[i]}: {value:,.10g}")
            size = {"x": i * 10 + 1, "width": 8, "y": _n(y), "height": _n(max(scale.y(low) - y, 0.7))}
            shapes.append(tag("rect", told, class_=f"t-{s.tone}", **size))
            up, down = (up + value, down) if value > 0 else (up, down + value)
    return _plot(ticks, scale, shapes, len(ticks) * 10, named_by)


def lines(
    ticks: Sequence[str],
    series: Sequence[Series],
    named_by: str,
    band: tuple[Sequence[float | None], Sequence[float | None]] | None = None,
    marked: Sequence[bool] = (),
    from_zero: bool = True,
    top: float | None = None,
) -> Safe:
    """Lines over time; `band` is a low and a high edge, `marked` the times to be shaded."""
    values = [float(v) for s in series for v in s.values if v is not None]
    edges = [float(v) for edge in band or () for v in edge if v is not None]
    scale = _Scale.over([*values, *edges, *([0] if from_zero else []), *([top] if top is not None else [])])
    step = 1000 / max(len(ticks) - 1, 1)
    shapes = [
        tag("rect", class_="t-shade", x=_n(max(i * step - step / 2, 0)), width=_n(step), y=0, height=PLOT)
        for i, shaded in enumerate(marked)
        if shaded
    ]
    if band:
        shapes += [
            tag("path", class_="t-band", d=_area(run, band, scale, step))
            for run in _runs(range(len(ticks)), lambda i: band[0][i] is not None)
        ]
    for s in series:
        for run in _runs(range(len(ticks)), lambda i, s=s: s.values[i] is not None):
            points = [(i * step, scale.y(float(s.values[i] or 0))) for i in run]
            if len(points) == 1:
                points.append((points[0][0] + 1, points[0][1]))
            shapes.append(tag("path", class_=f"l-{s.tone}", d="M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)))
    return _plot(ticks, scale, shapes, 1000, named_by)


def _runs(places: Iterable[int], known: Any) -> list[list[int]]:
    """Stretches without a gap: a day nobody knows is no zero."""
    runs: list[list[int]] = [[]]
    for place in places:
        if known(place):
            runs[-1].append(place)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _area(run: Sequence[int], band: tuple[Sequence[float | None], Sequence[float | None]], scale: _Scale, step: float) -> str:
    over = [f"{_n(i * step)} {_n(scale.y(float(band[1][i] or 0)))}" for i in run]
    under = [f"{_n(i * step)} {_n(scale.y(float(band[0][i] or 0)))}" for i in reversed(run)]
    return "M" + "L".join([*over, *under]) + "Z"


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Scale:
        """A scale of round steps that holds all values."""
        low, high = min(values, default=0.0), max(values, default=0.0)
        if high - low <= 0:
            high = low + 1
        rough = (high - low) / 4
        power = 10 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
        if all(float(v).is_integer() for v in values):  # There is no half an order.
            step = max(float(math.ceil(step)), 1.0)
        return cls(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step)

    def y(self, value: float) -> float:
        return PLOT * (self.high - value) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + i * self.step for i in range(count + 1)]


def _plot(ticks: Sequence[str], scale: _Scale, shapes: Sequence[Safe], width: int, named_by: str) -> Safe:
    """The frame: labels left and below keep their size, the shapes between them stretch."""
    height = ABOVE + PLOT + BELOW
    left = [tag("text", short(round(v, 10)), x=48, y=_n(ABOVE + scale.y(v) + 4), text_anchor="end") for v in scale.ticks]
    grid = [
        tag(
            "line",
            x1="0",
            x2="100%",
            y1=_n(ABOVE + scale.y(v)),
            y2=_n(ABOVE + scale.y(v)),
            class_="zero" if abs(v) < 1e-12 else "grid",
        )
        for v in scale.ticks
    ]
    inner = tag(
        "svg", shapes, x=0, y=ABOVE, width="100%", height=PLOT, viewBox=f"0 0 {max(width, 1)} {PLOT}", preserveAspectRatio="none"
    )
    below = []
    shown = sorted({round(i * (len(ticks) - 1) / (DAY_LABELS - 1)) for i in range(DAY_LABELS)}) if ticks else []
    for i in shown:
        share = (i + 0.5) / len(ticks) if width == len(ticks) * 10 else i / max(len(ticks) - 1, 1)
        anchor = "start" if share < 0.1 else "end" if share > 0.9 else "middle"
        below.append(tag("text", ticks[i], x=f"{_n(share * 100)}%", y=height - 6, text_anchor=anchor))
    return tag(
        "div",
        tag("svg", left, class_="left", width="52", height=height, aria_hidden="true"),
        tag("svg", grid, inner, below, class_="area", width="100%", height=height, aria_hidden="true"),
        class_="plot",
        role="img",
        aria_labelledby=named_by,
    )


def _n(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".") if isinstance(number, float) else str(number)


def figure(
    id_: str,
    title: Any,
    says: Any,
    *body: Any,
    key: Safe | None = None,
    behind: Safe | None = None,
    note: Any = None,
    half: bool = False,
) -> Safe:
    """A chart with its title, the sentence that says what it shows, and the table behind it. `half`: two stand side by side."""
    caption = tag("figcaption", tag("h3", title), tag("p", says, id=f"{id_}-says", class_="says"))
    more = tag("details", tag("summary", say("as_table")), behind) if behind else None
    return tag(
        "figure",
        caption,
        key,
        html(*body),
        more,
        tag("p", note, class_="note") if note else None,
        id=id_,
        class_="half" if half else None,
    )


def with_note(rows: Safe, shown: int, all_: int) -> Safe:
    """A table to stand behind a chart, with the word that it is not whole where it is not."""
    note = cut(shown, all_)
    return html(rows, tag("p", note, class_="note") if note else None)


def cut(shown: int, all_: int) -> Both | None:
    """Says that a list is not whole; None where it is."""
    return say("list_is_cut", shown=whole(shown), all=whole(all_)) if all_ > shown else None
