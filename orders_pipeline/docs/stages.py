"""The page of the stages: the state machine drawn from `stages.yml`, and who owes what until when."""

from __future__ import annotations

from orders_pipeline.dictionary.stages import AXES, Stage, load_stages
from orders_pipeline.docs.markdown import code, codes, table

TITLES = {"order": "Order", "payment": "Payment", "fulfilment": "Fulfilment, per parcel", "after_sale": "After-sales, per case"}


def page() -> list[str]:
    """The page of the stages, a diagram and a table per axis."""
    stages = load_stages().values()
    lines = [
        "# Stages of an order",
        "",
        "Source: `orders_pipeline/dictionary/stages.yml`. Table: `fulfilment.order_stages`. A step that no arrow allows is kept "
        "and marked `is_legal = false`. Dashed arrows are for orders that wait for no payment (paid on delivery, exchanged, sent "
        "again). Limits are [thresholds](thresholds.md).",
        "",
    ]
    for axis in AXES:
        own = [one for one in stages if one.axis == axis]
        lines += [f"## {TITLES[axis]}", "", "```mermaid", "flowchart LR", *_diagram(own), "```", ""]
        rows = (_row(one) for one in own)
        lines += table(("stage", "English", "中文", "owner", "clock", "the buyer reads", "买家看到", "may be followed by"), rows)
    return lines


def _row(stage: Stage) -> tuple[str, ...]:
    after = codes((*stage.next, *stage.next_unpaid))
    label, buyer = stage.label, stage.buyer
    return code(stage.name), label["en"], label["zh"], stage.owner, _clock(stage), buyer["en"], buyer["zh"], after


def _diagram(stages: list[Stage]) -> list[str]:
    ends = {True: ("([", "])"), False: ("[", "]")}
    boxes = [f'    {s.name}{ends[s.final][0]}"{s.label["en"]}<br>{s.label["zh"]}"{ends[s.final][1]}' for s in stages]
    arrows = [f"    {s.name} --> {to}" for s in stages for to in s.next]
    return boxes + arrows + [f"    {s.name} -.-> {to}" for s in stages for to in s.next_unpaid]


def _clock(stage: Stage) -> str:
    clock = stage.clock
    if not clock:
        return "pauses the others" if stage.pauses else ""
    parts = [code(clock["promise"])] if "promise" in clock else []
    if "limit" in clock:
        fresh = f", fresh {code(clock['limit_fresh'])}" if "limit_fresh" in clock else ""
        parts.append(code(clock["limit"]) + fresh)
    ends = clock.get("until", "next stage")
    pause = "; pauses the others" if stage.pauses else ""
    cutoff = ", cut-off" if clock.get("cutoff") else ""
    return f"{' or else '.join(parts)} until {ends}, calendar {clock['calendar']}{cutoff}{pause}"
