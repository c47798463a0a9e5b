"""The score, by the functions the tables are made with: the study's vectors, and what must hold for any counts and rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orders_pipeline.aftersales.rates import wilson
from orders_pipeline.dictionary import health
from orders_pipeline.health import scoring
from orders_pipeline.kernel.faults import Usage

DAY = date(2026, 2, 1)
RULE = {
    "day": DAY, "channel": "kiosk", "dimension": "operations", "measure": "failed", "weight_per": "component", "acceptable": None,
    "weight": 1.0, "gate_limit": None, "gate_cap": None, "rule_version": 1, "from_day": DAY, "to_day": DAY, "shrink_count": 20.0,
    "min_count": 30.0, "min_weight_ratio": 0.6,
}  # fmt: skip
TYPES = {
    **dict.fromkeys(("day", "from_day", "to_day"), pa.date32()),
    **dict.fromkeys(("channel", "dimension", "component", "measure", "weight_per"), pa.string()),
    **dict.fromkeys(("sample_count", "failed_count", "peer_count", "peer_failed_count", "rule_version", "gate_cap"), pa.int64()),
}


def component(name: str, failed: int, checked: int, target: float, floor: float, **more: Any) -> dict[str, Any]:
    """A component of a channel that has no others to be compared with."""
    counts = {"failed_count": failed, "sample_count": checked, "peer_failed_count": failed, "peer_count": checked}
    return {**RULE, "component": name, **counts, "target": target, "floor": floor, **more}


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.table({name: pa.array([r[name] for r in rows], TYPES.get(name, pa.float64())) for name in rows[0]})


def score(*rows: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The one score of these components, and its lines by name."""
    lines = scoring.components(table(rows))
    more = {"order_count": pa.array([0] * lines.num_rows), "healthy_min": pa.array([80.0] * lines.num_rows)}
    for name, values in (more | {"watch_min": pa.array([60.0] * lines.num_rows)}).items():
        lines = lines.append_column(name, values)
    (total,) = scoring.totals(lines).to_pylist()
    return total, {line["component"]: line for line in lines.to_pylist()}


@pytest.fixture
def examples(shared: Callable[[str], Path]) -> dict[str, dict[str, Any]]:
    return {e["id"]: e for e in yaml.safe_load(shared("vectors/channel_health.yaml").read_text(encoding="utf-8"))["examples"]}


def test_the_target_itself_is_not_met(examples: dict[str, dict[str, Any]]) -> None:
    e = examples["CHX-01"]
    _, lines = score(component("seller_cancelled", e["seller_cancelled"], e["orders"], 0.025, 0.05))
    assert (lines["seller_cancelled"]["value"], lines["seller_cancelled"]["meets_target"]) == (e["rate"], e["meets_2_5_percent_strict"])


def test_without_orders_nothing_is_scored(examples: dict[str, dict[str, Any]]) -> None:
    e = examples["CHX-02"]
    empty = component("late_first_scan", 0, e["orders"], 0.03, 0.2, weight=1.0)
    total, lines = score(empty, component("late_shipping", 5, 100, 0.04, 0.08, weight=3.0))
    assert (lines["late_first_scan"]["value"], lines["late_first_scan"]["points_lost"]) == (e["rate"], None)
    assert lines["late_first_scan"]["not_scored_reason"] == "nothing_to_check"
    assert total["score"] == 75.0, "the weights of the rest are scaled to the whole"
    alone, _ = score(empty)
    assert (alone["score"], alone["band"], alone["is_scored"]) == (None, "not_scored", False)


def test_data_quality_is_passed_units_of_all_units(examples: dict[str, dict[str, Any]]) -> None:
    e = examples["CHX-03"]
    units = {"dimension": "data_quality", "measure": "passed", "weight_per": "unit"}
    total, lines = score(*(
        component(name, u["all"] - u["pass"], u["all"], 1.0, 0.0, weight=float(u["weight"]), **units)
        for name, u in e["units"].items()
    ))  # fmt: skip
    assert total["score"] == e["score"]
    assert sum(line["points_lost"] for line in lines.values()) == 100 - e["score"]


def test_the_channel_score_is_the_weighted_mean_of_its_metrics(examples: dict[str, dict[str, Any]]) -> None:
    e = examples["CHX-04"]
    found = {
        name: component(name, round((m["value"] or 0) * 1000), 0 if m["value"] is None else 1000, m.get("target", 0.03),
                        m.get("floor", 0.2), weight=float(m["weight"]))
        for name, m in e["metrics"].items()
    }  # fmt: skip
    total, lines = score(*found.values())
    assert {n: line["component_score"] for n, line in lines.items() if line["is_scored"]} == e["sub_scores"]
    assert total["score"] == e["score"]


def test_a_gate_caps_the_score_in_a_line_of_its_own(examples: dict[str, dict[str, Any]]) -> None:
    e = examples["CHX-05"]
    metric = component("late_shipping", 80, 1000, 0.0, 1.0)
    gate = {"weight": 0.0, "gate_limit": 0.01, "gate_cap": e["score"]}
    free, _ = score(metric, component("order_defect", 9, 1000, 0.005, 0.02, **gate))
    assert (free["score"], free["is_capped"]) == (e["metrics_score"], False)
    for defects in (10, round(e["order_defect_rate"] * 1000)):
        total, lines = score(metric, component("order_defect", defects, 1000, 0.005, 0.02, **gate))
        assert (total["score"], total["is_capped"]) == (e["score"], True)
        assert lines["gate:order_defect"]["points_lost"] == e["metrics_score"] - e["score"]
        assert lines["late_shipping"]["points_lost"] == 100 - e["metrics_score"]


def test_few_orders_are_shown_with_their_interval_and_not_graded(examples: dict[str, dict[str, Any]]) -> None:
    e = examples["CHX-06"]
    total, lines = score(component("late_shipping", e["late"], e["orders"], 0.04, 0.08))
    line = lines["late_shipping"]
    assert [line["value"], line["sample_count"]] == [e["raw_rate"], e["orders"]]
    assert [round(line["interval_low"], 3), round(line["interval_high"], 3)] == e["wilson_95"]
    assert (line["not_scored_reason"], total["band"]) == ("too_few", "not_scored")


def test_three_knots_in_both_directions() -> None:
    def at(share: float, target: float, acceptable: float | None, floor: float) -> float:
        knots = (np.array([np.nan if v is None else v]) for v in (share, target, acceptable, floor))
        return round(float(scoring.points(*knots)[0]), 6)

    assert [at(v, 0.02, 0.06, 0.15) for v in (0.0, 0.02, 0.04, 0.06, 0.105, 0.15, 0.5)] == [100, 100, 80, 60, 30, 0, 0]
    assert [at(v, 0.98, 0.94, 0.85) for v in (1.0, 0.98, 0.96, 0.94, 0.895, 0.85, 0.5)] == [100, 100, 80, 60, 30, 0, 0]
    assert [at(v, 0.04, None, 0.08) for v in (0.04, 0.05, 0.06, 0.09)] == [100, 75, 50, 0]


def test_a_share_of_few_is_drawn_to_its_peers() -> None:
    _, lines = score(component("refund", 10, 40, 0.1, 0.3) | {"peer_failed_count": 50, "peer_count": 1000})
    # (10 + 20 * 0.05) / (40 + 20)
    assert lines["refund"]["shrunk_value"] == round(11 / 60, 6)
    assert lines["refund"]["component_score"] == round(100 * (0.3 - 11 / 60) / 0.2, 4)


def test_with_too_little_weight_known_there_is_no_score() -> None:
    total, lines = score(component("a", 1, 100, 0.0, 0.1, weight=59.0), component("b", 0, 0, 0.0, 0.1, weight=41.0))
    assert (total["score"], lines["a"]["points_lost"], lines["a"]["not_scored_reason"]) == (None, None, "too_little_weight")
    total, _ = score(component("a", 1, 100, 0.0, 0.1, weight=60.0), component("b", 0, 0, 0.0, 0.1, weight=40.0))
    assert total["score"] == 90.0


def test_the_band_is_told_where_the_interval_crosses_one_border_at_most() -> None:
    sure, _ = score(component("a", 10, 100_000, 0.0, 0.1))
    assert (sure["band"], sure["score_low"] > 80) == ("healthy", True)
    wide, _ = score(component("a", 2, 40, 0.0, 0.2))
    assert wide["score_low"] < 60 < 80 <= wide["score_high"] and wide["band"] == "provisional"
    risk, _ = score(component("a", 900, 1000, 0.0, 1.0))
    assert risk["band"] == "risk"


def test_several_gates_take_their_parts_one_after_the_other() -> None:
    gates = [component(n, 9, 100, 0.0, 0.5, weight=0.0, gate_limit=0.05, gate_cap=cap) for n, cap in (("a", 40), ("b", 59))]
    total, lines = score(component("m", 8, 100, 0.0, 1.0), *gates)
    assert (total["score"], lines["gate:b"]["points_lost"], lines["gate:a"]["points_lost"]) == (40, 33, 19)


def test_a_gate_on_what_passed_falls_below_its_limit() -> None:
    quality = {"dimension": "data_quality", "measure": "passed", "weight_per": "unit", "gate_limit": 0.9, "gate_cap": 59}
    for failed, expected in ((9, 91.0), (10, 59.0), (11, 59.0)):
        total, _ = score(component("rows_accepted", failed, 100, 1.0, 0.0, **quality))
        assert total["score"] == expected


COUNTS = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
RULES = st.tuples(st.floats(0, 0.4), st.floats(0.41, 1), st.integers(0, 30), st.none() | st.tuples(st.floats(0, 0.5), st.integers(0, 99)))


@given(st.lists(st.tuples(COUNTS, RULES), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_points_lost_and_score_make_a_hundred(drawn: list) -> None:
    rows = [
        component(f"c{n}", failed, checked, target, floor, weight=float(weight), gate_limit=gate and gate[0],
                  gate_cap=gate and gate[1])
        for n, ((failed, checked), (target, floor, weight, gate)) in enumerate(drawn)
    ]  # fmt: skip
    total, lines = score(*rows)
    lost = [line["points_lost"] for line in lines.values() if line["points_lost"] is not None]
    if total["is_scored"]:
        assert round(sum(lost) * 10) + round(total["score"] * 10) == 1000
        assert 0 <= total["score_low"] <= total["score"] <= total["score_high"] <= 100
        assert total["weight_low_score"] <= total["weight_high_score"]
    else:
        assert not lost and total["score"] is None
    # Scored alone or beside another channel, the score is the same.
    other = [r | {"channel": "aaa", "failed_count": r["sample_count"]} for r in rows]
    both = {line["component"]: line for line in scoring.components(table([*other, *rows])).to_pylist() if line["channel"] == "kiosk"}
    assert both == {name: {k: line[k] for k in both[name]} for name, line in lines.items()}


@given(st.lists(st.floats(0, 30), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, database=None, derandomize=True)
def test_tenths_are_shared_out_by_largest_remainder(lost: list[float]) -> None:
    tenths = scoring.shared_out(np.array(lost), np.array([0]))
    assert abs(int(tenths.sum()) - sum(lost) * 10) <= 0.5 + 1e-5
    assert all(abs(t - x * 10) < 1 + 1e-5 for t, x in zip(tenths.tolist(), lost, strict=True))


def test_wilson_is_that_of_the_textbook() -> None:
    low, high = wilson(np.array([0.0, 15.0]), np.array([30.0, 30.0]))
    assert np.allclose([low[0], high[0], low[1], high[1]], [0.0, 0.11351, 0.33154, 0.66846], atol=1e-5)


# ---- the rules as data


def rules(**home: Any) -> dict[tuple[str, str], list[dict[str, Any]]]:
    names = [part.split()[0] for part in health.COMPONENTS_DDL.replace("DECIMAL(9, ", "D(").split(", ")]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in health.component_rows(("amazon", "default"), home):
        line = dict(zip(names, row, strict=True))
        found.setdefault((line["channel"], line["component"]), []).append(line)
    return found


def test_the_weights_of_operations_make_a_hundred() -> None:
    for channel in ("amazon", "default"):
        made = [lines[0] for (c, _), lines in rules().items() if c == channel]
        assert sum(r["weight"] for r in made if r["dimension"] == "operations") == 100


def test_a_channel_has_rules_of_its_own() -> None:
    made = rules()
    assert [(made[c, "order_defect"][0]["gate_cap"], made[c, "seller_cancelled"][0]["window_days"]) for c in ("amazon", "default")] == [
        (59, 7), (None, 30),
    ]  # fmt: skip


def test_a_home_changes_a_rule_from_a_day_on() -> None:
    made = rules(components=[{"component": "refund", "valid_from": date(2026, 3, 1), "version": 2, "acceptable": 0.2}])
    before, after = made["default", "refund"]
    assert (before["valid_to"], float(before["acceptable"])) == (date(2026, 3, 1), 0.12)
    assert (after["valid_from"], after["rule_version"], float(after["acceptable"]), after["weight"]) == (
        date(2026, 3, 1), 2, 0.2, before["weight"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"component": "refund", "valid_from": "soon"}, "is no day"),
        ({"component": "refund", "valid_from": date(2026, 1, 1), "target": 0.5}, "must get worse"),
        ({"component": "refund", "valid_from": date(2026, 1, 1), "goal": 1}, "unknown field goal"),
        ({"component": "refund", "valid_from": date(2000, 1, 1)}, "no other entry"),
        ({"component": "gifts", "valid_from": date(2026, 1, 1)}, "no dimension"),
        ({"component": "refund", "valid_from": date(2026, 1, 1), "gate": {"limit": 0.1}}, "a gate is"),
        ({"component": "refund", "valid_from": date(2026, 1, 1), "measure": "some"}, "must be one of failed, passed"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(Usage, match=message):
        rules(components=[entry])
