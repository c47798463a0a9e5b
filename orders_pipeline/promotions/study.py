"""One promotion looked at by itself: refusals that need no estimate, the counterfactual, raw leakage, placebos, pre-trend."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from orders_pipeline.promotions.counterfactual import Counterfactual, Prediction
from orders_pipeline.promotions.regressors import Controls
from orders_pipeline.promotions.series import Case, Role, World
from orders_pipeline.promotions.sharing import Share, shares

MAX_DAYS, MIN_CLEAN_DAYS, MIN_UNITS, PLACEBOS = 60, 28, 20, 6
#: Share of the base level of the goods that may be disturbed before a promotion is refused.
MAX_SHARE = 0.10


@dataclass
class Placebo:
    """A quiet window predicted as if a promotion had run: errors (observed less predicted) relative to it, in sd."""

    window: float
    window_z: float
    after: float
    substitute: float = np.nan


@dataclass
class Study:
    """What one promotion's series say, before anything is pooled. Amounts: list value over the window unless named otherwise."""

    case: Case
    observed: float = 0.0
    listed: float = 0.0
    reason: str | None = None
    is_overlapped: bool = False
    warnings: list[str] = field(default_factory=list)
    tier: str = "D"
    natural: float = 0.0
    variance: float = 0.0
    substitute: tuple[float, float] | None = None
    after: tuple[float, float, float] | None = None
    before: tuple[float, float, float] | None = None
    #: What was to be expected on the days after, and of the goods beside.
    after_due: float = 0.0
    substitute_due: float = 0.0
    price: float = 0.0
    substitute_price: float = 0.0
    existing_share: float | None = None
    event_share: float = 0.0
    pretrend_z: float | None = None
    placebos: list[Placebo] = field(default_factory=list)
    days: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    expected: np.ndarray = field(default_factory=lambda: np.zeros(0))
    errors: np.ndarray = field(default_factory=lambda: np.zeros(0))
    masked: list[str | None] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)

    @property
    def lift(self) -> float:
        return self.listed - self.natural


def look(world: World, controls: Controls, case: Case) -> Study:
    """The study of one promotion or joint. Its `reason` is the first that a person would find for estimating nothing."""
    study = Study(case)
    target = case.roles.get("target")
    first, last = max(case.start, 0), min(case.end, world.days - 1)
    window = np.zeros(world.days, bool)
    window[first : last + 1] = True
    running = np.zeros(world.days)
    if target is not None:
        run = case.running(world.days)
        study.observed, study.listed, running = round(float(run.observed.sum()), 2), float(run.listed.sum()), run.base
        study.is_overlapped = bool(target.sums["shared_amount"][window].sum() > MAX_SHARE * running.sum())
        study.days = np.arange(max(case.start - 28, 0), min(case.end + world.aftermath + 1, world.days))
        study.masked = _masks(case, target, study.days)
    study.reason = _refusal(world, case, target, running, study)
    if study.reason or target is None:
        return study
    study.tier = "B" if len(case.shops) < world.base.shape[1] else "C"
    study.price = target.unit_price
    near = np.zeros(world.days, bool)
    near[max(case.start - 300, 0) : case.end + world.aftermath + 121] = True
    own = np.zeros(world.days, bool)
    own[max(case.start - case.notice, 0) : case.end + world.aftermath + 1] = True
    clean = target.usable() & near
    training = clean & ~own
    if training[: case.start].sum() < MIN_CLEAN_DAYS or _young(target, case.start) > MAX_SHARE:
        study.reason = "insufficient_clean_history"
        return study
    model = Counterfactual(
        target.sums["clean_amount"], target.clean_base, controls.design(case, "target"), training, target.unit_price
    )
    days = study.days
    full = model.predict(days, target.base[days])
    inside, after = running[days] / np.maximum(target.base[days], 1e-9), days > case.end
    study.natural, study.variance = full.share(inside, model.phi)
    if study.natural / max(study.price, 1e-9) < MIN_UNITS:
        study.reason = "too_few_units"
    elif np.sqrt(study.variance) > 0.5 * study.natural:
        study.reason = "too_noisy"
    if study.reason:
        return study
    study.expected, study.errors = full.value, np.sqrt(np.maximum(np.diag(full.covariance), 0))
    study.after_due = float(full.value[after].sum())
    study.after = _leak(target, days, after & clean[days], after, inside, full, model, 7)
    if case.notice:
        before = (days < case.start) & (days >= case.start - case.notice)
        study.before = _leak(target, days, before & clean[days], before, inside, full, model, 1)
    study.existing_share = _existing(target, clean & ~own, case)
    study.event_share = _mean_share(controls.event_share(case), full.value, days, inside)
    if case.members:
        study.shares = shares(case, target, model, days, full)
    study.pretrend_z = _pretrend(model, case.start)
    if study.pretrend_z is not None and abs(study.pretrend_z) > 3:
        study.warnings.append("pretrend")
    if target.sums["shared_amount"][window].sum() > 0:
        study.warnings.append("partly_overlapping")
    beside = case.roles.get("substitute")
    second = None
    if beside is not None:
        second = _substitutes(world, controls, case, study, beside, near, window)
    if not case.members:
        study.placebos = _placebos(model, second, case.end - case.start + 1, world.aftermath)
    return study


def _refusal(world: World, case: Case, target: Role | None, running: np.ndarray, study: Study) -> str | None:
    if target is None:
        return "no_target_goods"
    if case.end >= min(world.today, world.days):
        return "window_open"
    if len(case.currencies) > 1:
        return "several_currencies"
    if case.end - case.start + 1 > MAX_DAYS:
        return "promotion_too_long"
    base, window = running.sum(), slice(max(case.start, 0), case.end + 1)
    if _young(target, case.start) > MAX_SHARE:
        return "insufficient_clean_history"
    if base <= 0 or study.observed <= 0:
        return "too_few_units"
    if study.is_overlapped:
        return "overlapping_promotion"
    if target.sums["out_amount"][window].sum() > MAX_SHARE * base:
        return "stockout"
    if len(case.categories) == world.base.shape[0] and len(case.shops) == world.base.shape[1]:
        return "no_controls"
    return None


def _young(target: Role, start: int) -> float:
    """Share of the base level whose goods were first sold less than four weeks before the start, or later."""
    whole = target.young_base.sum()
    return float(target.young_base[max(start - MIN_CLEAN_DAYS + 1, 0) :].sum() / whole) if whole > 0 else 1.0


def _masks(case: Case, target: Role, days: np.ndarray) -> list[str | None]:
    """Why a day teaches nothing; null for a day that does."""
    usable, out = target.usable()[days], target.sums["out_amount"][days] > 0
    made: list[str | None] = []
    for number, day in enumerate(days):
        if case.start <= day <= case.end:
            made.append("promotion")
        elif case.start - case.notice <= day < case.start:
            made.append("notice")
        elif day > case.end:
            made.append("aftermath")
        else:
            made.append(None if usable[number] else "stockout" if out[number] else "other_promotion")
    return made


def _leak(
    role: Role,
    days: np.ndarray,
    clean: np.ndarray,
    whole: np.ndarray,
    inside: np.ndarray,
    full: Prediction,
    model: Counterfactual,
    least: int,
) -> tuple[float, float, float] | None:
    """What is missing on the clean days, scaled to all of them: (amount, variance, covariance with the lift's error)."""
    if clean.sum() < least:
        return None
    share = role.clean_base[days] / np.maximum(role.base[days], 1e-9)
    value = full.value * share
    scale = full.value[whole].sum() / max(value[clean].sum(), 1e-9)
    missing = value[clean].sum() - role.sums["clean_amount"][days][clean].sum()
    weights = np.where(clean, share, 0.0)
    latent = full.covariance - np.diag(model.phi * full.value)
    variance = weights @ latent @ weights + model.phi * value[clean].sum()
    covariance = -(inside @ full.covariance @ weights)
    return float(missing * scale), float(variance * scale**2), float(covariance * scale)


def _existing(target: Role, clean: np.ndarray, case: Case) -> float | None:
    """Share of sales to buyers of before on clean days near the window; null where too few buyers are known."""
    known, seen = target.sums["identified_amount"].sum(), target.sums["observed_amount"].sum()
    if seen <= 0 or known < 0.8 * seen:
        return None
    days = np.arange(len(clean))
    weight = np.exp(-np.maximum(np.maximum(case.start - days, days - case.end), 0) / 45.0) * clean
    whole = (weight * target.sums["clean_observed_amount"]).sum()
    return float(np.clip((weight * target.sums["existing_amount"]).sum() / whole, 0, 1)) if whole > 0 else None


def _mean_share(share: np.ndarray, value: np.ndarray, days: np.ndarray, inside: np.ndarray) -> float:
    total = (value * inside).sum()
    return float((share[days] * value * inside).sum() / total) if total > 0 else 0.0


def _pretrend(model: Counterfactual, start: int) -> float | None:
    block = np.flatnonzero(model.days < start)[-14:]
    if len(block) < 7:
        return None
    error, variance = model.left_out(block).total(np.ones(len(block), bool))
    return float(error / np.sqrt(max(variance, 1e-12)))


def _substitutes(
    world: World, controls: Controls, case: Case, study: Study, beside: Role, near: np.ndarray, window: np.ndarray
) -> Counterfactual | None:
    """The goods beside the promoted ones in the same shops; sets what they lack in the window."""
    clean = beside.usable() & near
    training = clean & ~window
    used = clean & window
    if training.sum() < MIN_CLEAN_DAYS or used.sum() < 0.5 * window.sum():
        return None
    design = controls.design(case, "substitute")
    model = Counterfactual(beside.sums["clean_amount"], beside.clean_base, design, training, beside.unit_price)
    days = np.flatnonzero(window)
    full = model.predict(days, beside.base[days])
    leak = _leak(beside, days, used[days], np.ones(len(days), bool), np.zeros(len(days)), full, model, 1)
    if leak is not None:
        study.substitute, study.substitute_price = leak[:2], beside.unit_price
        study.substitute_due = float(full.value.sum())
    return model


def _placebos(model: Counterfactual, second: Counterfactual | None, length: int, aftermath: int) -> list[Placebo]:
    """Up to six quiet windows of the promotion's length, spread over the training days, the days after left out too."""
    starts, found = model.days, []
    for start in starts:
        inside = (model.days >= start) & (model.days < start + length)
        if inside.sum() == length or (inside.sum() >= max(0.8 * length, 1) and length > 5):
            found.append(start)
    chosen, last = [], -(10**9)
    step = max(length + aftermath, len(found) // PLACEBOS if found else 1)
    for start in found:
        if start >= last + step and len(chosen) < PLACEBOS:
            chosen.append(start)
            last = start
    made = []
    for start in chosen:
        block = np.flatnonzero((model.days >= start) & (model.days < start + length + aftermath))
        error = model.left_out(block)
        inside = model.days[block] < start + length
        amount, variance = error.total(inside)
        due = float((model.y[block][inside]).sum() - amount)
        late, _ = error.total(~inside)
        late_due = float((model.y[block][~inside]).sum() - late)
        if due <= 0:
            continue
        one = Placebo(amount / due, amount / np.sqrt(max(variance, 1e-12)), late / late_due if late_due > 0 else np.nan)
        if second is not None:
            mine = np.flatnonzero((second.days >= start) & (second.days < start + length))
            if len(mine) >= 0.8 * length:
                amount, _ = second.left_out(mine).total(np.ones(len(mine), bool))
                due = float(second.y[mine].sum() - amount)
                one.substitute = amount / due if due > 0 else np.nan
        made.append(one)
    return made
