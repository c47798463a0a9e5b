"""Pictures of the attribution for the asset's page: what a promotion's goods sold, and what they would have sold without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from html import escape

import duckdb

#: The promotions with the largest observed GMV are drawn; the report has all.
DRAWN = 6
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 220, 70, 30, 24
#: Half the width of a 95 % interval of one day, in standard errors.
Z = 1.96

_LARGEST = f"""SELECT promotion_id, status, verdict, incremental_amount, incremental_low_amount, incremental_high_amount
FROM promotions.attribution ORDER BY observed_gmv_amount DESC NULLS LAST, promotion_id LIMIT {DRAWN}"""
_DAYS = """SELECT d.day, CAST(d.observed_amount AS DOUBLE), CAST(d.counterfactual_amount AS DOUBLE),
    CAST(d.standard_error_amount AS DOUBLE), d.day BETWEEN c.starts_on AND c.ends_on
FROM promotions.attribution_daily AS d JOIN promotions.calendars AS c USING (promotion_id)
WHERE promotion_id = ? ORDER BY d.day"""

Day = tuple[date, float | None, float | None, float | None, bool]


def attribution_daily(connection: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    """Promotion -> an SVG of its days: observed, counterfactual with its band, and the days it ran shaded."""
    found = {}
    for promotion, status, verdict, net, low, high in connection.execute(_LARGEST).fetchall():
        days = connection.execute(_DAYS, [promotion]).fetchall()
        if days:
            told = f"net {net:,.0f} ({low:,.0f} to {high:,.0f}), {verdict}" if net is not None and low is not None else status
            found[promotion] = draw(f"{promotion}: {told}", days)
    return found


#: Table -> what draws it: name of the picture -> SVG.
PLOTS: Mapping[str, Callable[[duckdb.DuckDBPyConnection], Mapping[str, str]]] = {"attribution_daily": attribution_daily}


def draw(title: str, days: Sequence[Day]) -> str:
    """One picture; amounts upwards from zero, a day's width each. Blank days (masked, unknown) leave a gap."""
    tops = [value + Z * (error or 0) for _, _, value, error, _ in days if value is not None]
    most = max([*tops, *(value for _, value, *_ in days if value is not None), 1.0])
    step = (WIDTH - LEFT - 10) / len(days)

    def x(place: float) -> float:
        return LEFT + step * (place + 0.5)

    def y(amount: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(amount, 0.0) / most, 1.0))

    shaded = "".join(
        f'<rect x="{x(n - 0.5):.1f}" y="{TOP}" width="{step:.1f}" height="{HEIGHT - TOP - BOTTOM}" fill="#f3e9c8"/>'
        for n, day in enumerate(days)
        if day[4]
    )
    middle = [day[2] for day in days]
    half = [Z * (day[3] or 0.0) for day in days]
    band = ""
    for run in _runs(middle):
        upper = [f"{x(n):.1f} {y((middle[n] or 0.0) + half[n]):.1f}" for n in run]
        lower = [f"{x(n):.1f} {y((middle[n] or 0.0) - half[n]):.1f}" for n in reversed(run)]
        band += f'<path d="M{" L".join([*upper, *lower])} Z" fill="#9bb8d3" opacity="0.5"/>'
    lines = _line(middle, x, y, "#2f6690", ' stroke-dasharray="5 3"') + _line([day[1] for day in days], x, y, "#b0413e", "")
    labels = "".join(
        f'<text x="{x(n):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{days[n][0]:%m-%d}</text>'
        for n in sorted({0, len(days) // 2, len(days) - 1})
    )
    amounts = "".join(f'<text x="{LEFT - 6}" y="{y(a) + 4:.1f}" text-anchor="end">{a:,.0f}</text>' for a in (0.0, most))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="11"><rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="12" font-weight="bold">{escape(title)}</text>'
        f'<text x="{LEFT}" y="25"><tspan fill="#b0413e">— observed 实际</tspan>  '
        '<tspan fill="#2f6690">- - without it 无促销</tspan>  '
        f"promotion days shaded 阴影为促销期</text>{shaded}{band}{lines}{labels}{amounts}</svg>"
    )


def _runs(values: Sequence[float | None]) -> list[list[int]]:
    """Stretches of neighbouring places that have a value."""
    runs: list[list[int]] = []
    for place, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs


def _line(
    values: Sequence[float | None], x: Callable[[float], float], y: Callable[[float], float], colour: str, more: str
) -> str:
    return "".join(
        f'<polyline points="{" ".join(f"{x(n):.1f},{y(values[n] or 0.0):.1f}" for n in run)}" fill="none" stroke="{colour}" '
        f'stroke-width="1.8"{more}/>'
        for run in _runs(values)
    )
