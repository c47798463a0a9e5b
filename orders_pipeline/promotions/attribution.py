"""Promotion attribution: observed GMV = natural + repurchase + competitor + cannibalised + pulled forward + incremental.

The method is a masked counterfactual with pooled leakage: what the promoted goods would have sold without the promotion is
predicted from undisturbed days on both sides (`counterfactual.py`) and from controls (`regressors.py`); what was taken from
the goods beside them and from later days is estimated per promotion (`study.py`) and pooled (`leakage.py`); intervals are widened
to what placebo windows show. Promotions that overlap are looked at together, and told apart where they can be (`sharing.py`).
Observational: a randomised hold-out would be better, and no row claims to be one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orders_pipeline.promotions import leakage, study
from orders_pipeline.promotions.leakage import Evidence, Slope
from orders_pipeline.promotions.regressors import Controls
from orders_pipeline.promotions.series import World, read
from orders_pipeline.promotions.study import Placebo, Study

if TYPE_CHECKING:
    import pyarrow as pa

METHOD = "masked-pooled-3"
COLUMNS = (
    "promotion_id", "row_no", "status", "reason", "warning", "tier", "method_version", "observed_gmv_amount", "natural_amount",
    "repurchase_amount", "competitor_amount", "competitor_status", "cannibalised_amount", "pulled_forward_amount",
    "incremental_amount", "incremental_low_amount", "incremental_high_amount", "verdict", "gross_lift_amount", "gross_low_amount",
    "gross_high_amount", "discount_cost_amount", "roi_ratio", "pretrend_z", "placebo_count", "placebo_coverage_ratio",
    "interval_factor", "direct_check_z", "day", "observed_amount", "counterfactual_amount", "standard_error_amount",
    "masked_reason", "part", "joint_guid", "member_id", "alone_gmv_amount", "shared_gmv_amount",
)  # fmt: skip
Row = dict[str, Any]


@dataclass
class Pooled:
    """What the promotions of one run say together."""

    cannibalised: dict[str, Slope]
    pulled: dict[str, Slope]
    delayed: dict[str, Slope]
    factor: dict[str, float]
    coverage: dict[str, float]
    count: dict[str, int]
    bias: dict[str, float]
    correlation: float


def attribute(rows: pa.Table) -> pa.Table:
    """The rows of `promotions.attribution_fits` from those of `promotions.panels`."""
    import pyarrow as pa
    import scipy.linalg  # noqa: F401  its BLAS must be loaded before its threads can be limited
    from threadpoolctl import threadpool_limits

    made: list[Row] = []
    if rows.num_rows:
        extent = [row for row in rows.filter(_is(rows, "extent")).to_pylist() if row["day_on"] is not None]
        if extent:
            # Matrices of a few hundred rows: more threads would wait for each other longer than they compute.
            with threadpool_limits(limits=1, user_api="blas"):
                made = _attribute(read(rows))
        else:
            made = [_empty(row["promotion_id"], "no_target_goods") for row in rows.filter(_is(rows, "promotion")).to_pylist()]
    return pa.Table.from_pylist([{name: row.get(name) for name in COLUMNS} for row in made], schema=_schema())


def _attribute(world: World) -> list[Row]:
    controls = Controls(world)
    studies = [study.look(world, controls, case) for case in world.cases if not case.members]
    pooled = pool([one for one in studies if one.reason is None])
    overlapped = {one.case.promotion_id for one in studies if one.is_overlapped}
    joint_of, made = {}, []
    for case in world.cases:
        # Where each of the overlapping promotions can be told by itself there is nothing to tell of them together.
        if overlapped & {name for name, _, _ in case.members}:
            joint_of |= {name: case.promotion_id for name, _, _ in case.members}
            made.extend(_joint(study.look(world, controls, case), pooled, controls, world))
    for one in studies:
        joint = joint_of.get(one.case.promotion_id)
        made.append(decompose(one, pooled, controls, world) | {"joint_guid": joint})
        made.extend(_daily(one, world))
    return made


def _joint(one: Study, pooled: Pooled, controls: Controls, world: World) -> list[Row]:
    """Row 0 of overlapping promotions looked at as one, and a row for each of them: what of it is told apart.

    What is taken from other goods and days is handed out in proportion to the lifts. Where all are told apart the increments add
    up to that of the joint to the cent.
    """
    whole = decompose(one, pooled, controls, world) | {"part": "joint", "joint_guid": one.case.promotion_id}
    made, known = [whole], whole["status"] != "not_estimable"
    rises = [max(share.lift, 0.0) for share in one.shares] if known else []
    left = round(whole["incremental_amount"] * 100) if known else 0
    for number, (name, _, _) in enumerate(one.case.members, 1):
        row = {"promotion_id": one.case.promotion_id, "row_no": number, "part": "member", "joint_guid": one.case.promotion_id}
        row |= {"member_id": name, "status": "not_estimable", "reason": whole["reason"]}
        share = next((s for s in one.shares if s.promotion_id == name), None)
        if share is not None:
            row |= {"alone_gmv_amount": _cents(share.alone), "shared_gmv_amount": _cents(share.shared)}
        if known and (share is None or not share.is_known):
            row["reason"] = "same_goods_and_days"
        elif known and share is not None:
            tier, gross = pooled.factor.get(one.tier, 1.2), whole["gross_lift_amount"]
            leak = gross - whole["incremental_amount"]
            part = max(share.lift, 0.0) / sum(rises) if sum(rises) > 0 else 1 / len(one.shares)
            kept = float(np.clip(1 - leak / gross, 0, 1)) if gross > 0 else 1.0
            error = (whole["incremental_high_amount"] - whole["incremental_low_amount"]) / (2 * 1.96 * tier)
            own = np.sqrt(kept**2 * share.variance + part**2 * max(error**2 - kept**2 * one.variance, 0.0))
            net = share.lift - part * leak
            last = number == len(one.case.members) and all(s.is_known for s in one.shares)
            net, left = (left / 100, 0) if last else (_cents(net), left - round(net * 100))
            half, gross_half = 1.96 * tier * own, 1.96 * tier * np.sqrt(share.variance)
            row |= {
                "status": whole["status"],
                "gross_lift_amount": _cents(share.lift),
                "gross_low_amount": _cents(share.lift - gross_half),
                "gross_high_amount": _cents(share.lift + gross_half),
                "incremental_amount": net,
                "incremental_low_amount": _cents(net - half),
                "incremental_high_amount": _cents(net + half),
                "verdict": _verdict(net - half, net + half),
            }
        made.append(row)
    return made


# ---- pooling


def pool(studies: list[Study]) -> Pooled:
    """Interval factors and biases from placebos, then leakage from the lifts corrected for them."""
    by_tier: dict[str, list[Placebo]] = {}
    for one in studies:
        by_tier.setdefault(one.tier, []).extend(one.placebos)
    every = [p for placebos in by_tier.values() for p in placebos]
    factor, coverage, count = {}, {}, {}
    for tier, placebos in by_tier.items():
        z = np.abs([p.window_z for p in placebos])
        count[tier] = len(z)
        factor[tier] = float(max(1.0, np.quantile(z, 0.95) / 1.96)) if len(z) >= 60 else 1.2
        coverage[tier] = float(np.mean(z <= 1.96 * factor[tier])) if len(z) else 1.0
    bias = {name: _middle([getattr(p, name) for p in every]) for name in ("window", "after", "substitute")}
    pairs = np.array([(p.window, p.substitute) for p in every if np.isfinite(p.substitute)])
    correlation = float(np.corrcoef(_clipped(pairs.T))[0, 1]) if len(pairs) >= 30 else 0.2
    made = Pooled({}, {}, {}, factor, coverage, count, bias, correlation)
    made.cannibalised = leakage.pool([e for e in (cannibalised(o, made) for o in studies) if e], leakage.PRIORS["cannibalised"])
    made.pulled = leakage.pool([e for e in (pulled(o, made) for o in studies) if e], leakage.PRIORS["pulled_forward"])
    made.delayed = leakage.pool([e for e in (delayed(o) for o in studies) if e], leakage.PRIORS["delayed"])
    return made


def cannibalised(one: Study, pooled: Pooled) -> Evidence | None:
    """Lift and loss of the goods beside, in units of what was promoted, less what quiet windows lose as well."""
    if one.substitute is None or one.substitute_price <= 0 or one.price <= 0:
        return None
    loss, variance = one.substitute
    loss += pooled.bias["substitute"] * one.substitute_due
    covariance = -pooled.correlation * np.sqrt(variance * one.variance)
    scale = one.price / one.substitute_price
    return Evidence(one.case.kind, one.lift, loss * scale, one.variance, variance * scale**2, covariance * scale)


def pulled(one: Study, pooled: Pooled) -> Evidence | None:
    """Lift and what is missing on the days after, less what is missing after quiet windows as well."""
    if one.after is None:
        return None
    missing = one.after[0] + pooled.bias["after"] * one.after_due
    return Evidence(one.case.kind, one.lift, missing, one.variance, one.after[1], one.after[2])


def delayed(one: Study) -> Evidence | None:
    if one.before is None:
        return None
    return Evidence(one.case.kind, one.lift, one.before[0], one.variance, one.before[1], one.before[2])


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -1.0, 1.0)


def _middle(values: list[float]) -> float:
    """A mean that a few wild windows do not move."""
    known = np.array([v for v in values if np.isfinite(v)])
    return float(np.mean(np.clip(known, -0.5, 0.5))) if len(known) >= 60 else 0.0


# ---- one promotion


def decompose(one: Study, pooled: Pooled, controls: Controls, world: World) -> Row:
    """Row 0 of a promotion: its parts in exact cents, or the reason why there are none."""
    row = _empty(one.case.promotion_id, one.reason)
    row |= {"observed_gmv_amount": one.observed, "tier": one.tier, "discount_cost_amount": one.case.cost}
    row |= {"warning": ", ".join(one.warnings) or None, "pretrend_z": one.pretrend_z}
    if one.reason:
        return row
    tier = one.tier
    widened, coverage = pooled.factor.get(tier, 1.2), pooled.coverage.get(tier, 1.0)
    row |= {"placebo_count": pooled.count.get(tier, 0), "placebo_coverage_ratio": coverage, "interval_factor": widened}
    factor = 1.96 * widened
    effect = controls.event_effect(one.case)
    share = one.event_share
    competitor = one.natural * (1 - np.exp(-effect * share)) if share > 0 else 0.0
    baseline = one.natural - competitor
    gross, gross_error = one.observed - one.natural, np.sqrt(one.variance)
    row |= {
        "gross_lift_amount": _cents(gross),
        "gross_low_amount": _cents(gross - factor * gross_error),
        "gross_high_amount": _cents(gross + factor * gross_error),
        "competitor_status": "listed" if share > 0 else "none_listed" if world.event.any() else "not_observed",
    }
    kind = one.case.kind
    c, f = (slopes.get(kind, slopes[""]) for slopes in (pooled.cannibalised, pooled.pulled))
    a = pooled.delayed.get(kind, pooled.delayed[""])
    if coverage < 0.85 or abs(pooled.bias["window"]) > 0.05:
        return row | {"status": "not_estimable", "reason": "placebo_failed"}
    if max(c.prior_weight, f.prior_weight) > 0.5 or max(c.error, f.error) > 0.15:
        return row | {"status": "not_estimable", "reason": "prior_driven"}
    taken, moved, net, error, direct = _net(one, pooled, c, f, a if one.case.notice else None)
    parts = exact(one.observed, baseline, competitor, taken, moved, one.existing_share)
    net = parts["incremental_amount"]
    low, high = net - factor * error, net + factor * error
    open_after = one.case.end + world.aftermath >= world.days
    if one.existing_share is None:
        row["warning"] = ", ".join([*one.warnings, "buyers_unknown"])
    cost = one.case.cost
    return row | parts | {
        "status": "provisional" if open_after else "estimated",
        "reason": "post_window_open" if open_after else None,
        "incremental_low_amount": _cents(low),
        "incremental_high_amount": _cents(high),
        "verdict": _verdict(low, high),
        "roi_ratio": round(net / cost, 6) if cost and cost > 0 else None,
        "direct_check_z": direct,
    }  # fmt: skip


def _verdict(low: float, high: float) -> str:
    return "positive" if low > 0 else "negative" if high < 0 else "inconclusive"


def _net(one: Study, pooled: Pooled, c: Slope, f: Slope, a: Slope | None) -> tuple[float, float, float, float, float | None]:
    """Cannibalised, pulled forward (with what was put off), net, its standard error, and the distance of the raw data alone."""
    lift, lift_v = one.lift, one.variance
    back = one.substitute_price / one.price if one.substitute and one.price > 0 else 1.0
    own_c, own_f = cannibalised(one, pooled), pulled(one, pooled)
    k_c, k_f = c.weight(own_c) if own_c else 0.0, f.weight(own_f) if own_f else 0.0
    leak_c = own_c.leak if own_c else 0.0
    leak_f = own_f.leak if own_f else 0.0
    taken = back * ((1 - k_c) * c.mean * lift + k_c * leak_c)
    moved = (1 - k_f) * f.mean * lift + k_f * leak_f
    own_a = delayed(one) if a else None
    k_a = a.weight(own_a) if a and own_a else 0.0
    put_off = (1 - k_a) * a.mean * lift + k_a * (own_a.leak if own_a else 0.0) if a else 0.0
    gross = one.observed - one.natural
    net = gross - taken - moved - put_off
    g = 1 - back * (1 - k_c) * c.mean - (1 - k_f) * f.mean - ((1 - k_a) * a.mean if a else 0.0)
    variance = g**2 * lift_v
    if own_c:
        variance += (back * k_c) ** 2 * own_c.leak_variance - 2 * g * back * k_c * own_c.covariance
    if own_f:
        variance += k_f**2 * own_f.leak_variance - 2 * g * k_f * own_f.covariance
    spread_c, spread_f = c.between + c.error**2, f.between + f.error**2
    real = max(lift**2 - lift_v, 0.25 * lift**2)
    variance += real * ((back * (1 - k_c)) ** 2 * spread_c + (1 - k_f) ** 2 * spread_f)
    if a:
        variance += real * (1 - k_a) ** 2 * (a.between + a.error**2)
    if own_a:
        variance += k_a**2 * own_a.leak_variance - 2 * g * k_a * own_a.covariance
    direct = None
    if own_c and own_f:
        raw = gross - back * own_c.leak - own_f.leak - put_off
        spread = lift_v + back**2 * own_c.leak_variance + own_f.leak_variance - 2 * back * own_c.covariance - 2 * own_f.covariance
        direct = float((net - raw) / np.sqrt(max(spread, 1e-12)))
    return taken, moved + put_off, net, float(np.sqrt(max(variance, 1e-12))), direct


def exact(
    observed: float, baseline: float, competitor: float, cannibalised: float, pulled: float, existing: float | None
) -> dict[str, float]:
    """The parts in cents: each rounded once, natural and incremental take what rounding leaves, so that the sum is exact.

    Without known buyers the baseline is not split and stands whole under natural.
    """
    total = round(observed * 100)
    base, rival, taken, moved = (round(part * 100) for part in (baseline, competitor, cannibalised, pulled))
    repurchase = round((existing or 0.0) * base)
    made = {
        "natural_amount": base - repurchase,
        "repurchase_amount": repurchase,
        "competitor_amount": rival,
        "cannibalised_amount": taken,
        "pulled_forward_amount": moved,
        "incremental_amount": total - base - rival - taken - moved,
    }
    return {name: cents / 100 for name, cents in made.items()}


# ---- rows


def _daily(one: Study, world: World) -> list[Row]:
    seen = one.case.roles["target"].sums["observed_amount"] if len(one.days) else np.zeros(0)
    return [
        {
            "promotion_id": one.case.promotion_id,
            "row_no": number + 1,
            "part": "day",
            "day": world.day(int(day)),
            "observed_amount": _cents(seen[day]),
            "counterfactual_amount": _cents(one.expected[number]) if len(one.expected) else None,
            "standard_error_amount": _cents(one.errors[number]) if len(one.expected) else None,
            "masked_reason": one.masked[number],
        }
        for number, day in enumerate(one.days)
    ]


def _empty(promotion_id: str, reason: str | None) -> Row:
    return {
        "promotion_id": promotion_id,
        "row_no": 0,
        "part": "promotion",
        "status": "not_estimable",
        "reason": reason,
        "tier": "D",
        "method_version": METHOD,
        "observed_gmv_amount": 0.0,
    }


def _cents(amount: float) -> float:
    return round(float(amount), 2)


def _is(rows: pa.Table, role: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return pc.equal(rows["role"], role)


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts = {
        "promotion_id",
        "status",
        "reason",
        "warning",
        "tier",
        "method_version",
        "competitor_status",
        "verdict",
        "masked_reason",
        "part",
        "joint_guid",
        "member_id",
    }
    whole = {"row_no": pa.int32(), "placebo_count": pa.int64(), "day": pa.date32()}
    return pa.schema([(name, pa.string() if name in texts else whole.get(name, pa.float64())) for name in COLUMNS])
