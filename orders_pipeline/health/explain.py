"""`orders-pipeline explain health:CHANNEL [DAY]`: a channel's two scores point by point, with the orders behind each."""

from __future__ import annotations

from datetime import date
from typing import Any

from orders_pipeline.dictionary import health
from orders_pipeline.dictionary.model import read_yaml
from orders_pipeline.health.scoring import GATE
from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home
from orders_pipeline.kernel.warehouse import open_published, records

PREFIX = "health:"
#: Orders shown of each component; all stand in health.problems.
SHOWN = 5
REASONS = {
    "nothing_to_check": "nothing to check",
    "too_few": "too few to say",
    "gate_only": "judged by a gate only",
    "too_little_weight": "the dimension has no score",
}
BEHIND = """
SELECT p.problem, p.channel_order_id, p.reference_id, p.occurred_at, p.detail, f.path AS file, p.row_number
FROM health.problems AS p LEFT JOIN ops.files AS f ON p.file_id = f.file_id
WHERE p.channel = $channel AND p.problem = $component AND p.counted_on BETWEEN $from_day AND $to_day
ORDER BY p.counted_on DESC, p.occurred_at DESC, p.reference_id
"""


def titles() -> dict[str, dict[str, str]]:
    """Component -> its title in English and Chinese, as first stated."""
    found: dict[str, dict[str, str]] = {}
    for entry in read_yaml(health.FILE)["components"]:
        found.setdefault(entry["component"], {"en": entry.get("en", ""), "zh": entry.get("zh", "")})
    return found


def explain(home: Home, channel: str, day: date | None = None) -> dict[str, Any]:
    """Both scores of a channel's day (the last one where none is named), what each component cost, how that changed since the day
    before, and the orders. Raises Usage when there is no score of that day."""
    with open_published(home) as connection:
        known = {"channel": channel}
        days = records(
            connection, "SELECT min(day) AS first, max(day) AS last FROM health.channel_daily WHERE channel = $channel", known
        )[0]
        if days["last"] is None:
            raise Usage(f"no order of a channel '{channel}' is known; its code is written as in channels.yml")
        if day is None:
            day = days["last"]
        elif not days["first"] <= day <= days["last"]:
            raise Usage(f"{channel} is scored from {days['first']} to {days['last']}; {day} is not among these days")
        at = {**known, "day": day}
        scores = records(
            connection, "SELECT * FROM health.channel_daily WHERE channel = $channel AND day = $day ORDER BY dimension DESC", at
        )
        lines = records(
            connection,
            "SELECT n.*, n.points_lost - b.points_lost AS lost_since_before FROM health.score_components AS n "
            "LEFT JOIN health.score_components AS b ON b.day = n.day - 1 AND b.channel = n.channel AND b.component = n.component "
            "WHERE n.channel = $channel AND n.day = $day ORDER BY n.points_lost DESC NULLS LAST, n.weight DESC, n.component",
            at,
        )
        for line in lines:
            window = {**known, "component": line["component"], "from_day": line["from_day"], "to_day": line["to_day"]}
            line["orders"] = records(connection, BEHIND, window) if line["points_lost"] else []
    for score in scores:
        score["components"] = [line for line in lines if line["dimension"] == score["dimension"]]
    if not scores:
        raise Usage(f"nothing of {channel} was looked at on {day} or in the days before that count")
    return {"channel": channel, "day": day, "dimensions": scores}


def text(found: dict[str, Any]) -> str:
    """From 100 down to the score, a line for each component that cost something, its orders below it."""
    named = titles()
    lines = [f"health   {found['channel']} on {found['day']}"]
    for score in found["dimensions"]:
        lines += ["", _head(score)]
        counted = [c for c in score["components"] if c["points_lost"] is not None]
        if score["is_scored"]:
            lines.append(f"  {'100.0':>8}")
        for c in counted:
            lines.append(_line(c, named))
            lines += [_order(o) for o in c["orders"][:SHOWN]]
            if len(c["orders"]) > SHOWN:
                lines.append(f"{'':14}… and {len(c['orders']) - SHOWN} more in health.problems")
        if score["is_scored"]:
            lines.append(f"  {'= ' + str(score['score']):>8}")
        for c in (c for c in score["components"] if c["points_lost"] is None):
            seen = f"{c['failed_count']} of {c['sample_count']} failed; " if c["sample_count"] else ""
            lines.append(f"  {'-':>8}  {c['component']}: {seen}not scored: {REASONS[c['not_scored_reason']]}")
    return "\n".join(lines)


def _head(score: dict[str, Any]) -> str:
    if not score["is_scored"]:
        return f"{score['dimension']}: not scored, {_percent(score['scored_weight_ratio'])} of the weight is known"
    capped = ", capped by a gate" if score["is_capped"] else ""
    return (
        f"{score['dimension']}: {score['score']} of 100, {score['band']} "
        f"(between {score['score_low']} and {score['score_high']}){capped}; with other weights {score['weight_low_score']} "
        f"to {score['weight_high_score']}, with equal ones {score['equal_weight_score']}"
    )


def _line(c: dict[str, Any], named: dict[str, dict[str, str]]) -> str:
    lost = f"- {c['points_lost']}"
    if c["component"].startswith(GATE):
        what = c["component"].removeprefix(GATE)
        return (
            f"  {lost:>8}  gate of {what}: {_percent(c['value'])}, limit {_percent(c['target'])}; at most {c['gate_cap']} points"
        )
    title = named.get(c["component"], {"en": c["component"], "zh": ""})
    changed = f" ({c['lost_since_before']:+} since the day before)" if c["lost_since_before"] else ""
    middle = f", acceptable {_percent(c['acceptable'])}" if c["acceptable"] is not None else ""
    scored = "" if c["shrunk_value"] == c["value"] else f", scored at {_percent(c['shrunk_value'])}"
    interval = f"{_percent(c['interval_low'])} to {_percent(c['interval_high'])}"
    return (
        f"  {lost:>8}  {c['component']} · {title['en']} · {title['zh']}{changed}: {c['measure']} {_percent(c['value'])} of "
        f"{c['sample_count']} ({interval}){scored}; target {_percent(c['target'])}{middle}, floor {_percent(c['floor'])}; "
        f"weight {c['weight'].normalize():f}, {c['from_day']} to {c['to_day']}, rule {c['rule_version']}"
    )


def _order(o: dict[str, Any]) -> str:
    where = f"   <- {o['file']}" + (f" line {o['row_number']}" if o["row_number"] is not None else "") if o["file"] else ""
    detail = f" {o['detail']}" if o["detail"] else ""
    return f"{'':14}{o['channel_order_id'] or o['reference_id']}  {o['occurred_at']:%Y-%m-%d %H:%M%z}{detail}{where}"


def _percent(share: Any) -> str:
    return f"{float(share):.2%}".replace(".00%", "%").replace("%", " %")
