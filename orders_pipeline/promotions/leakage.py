"""What a promotion takes from other goods and from later days, as a share of its lift: pooled over promotions (empirical Bayes).

One promotion cannot tell; many can. The lift is noisy itself and its error runs against that of the leakage, so the slope is
moment-corrected: b = sum w (L X - cov(L, X)) / sum w (L^2 - s_L^2). Kinds of promotion shrink to their common mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: What the literature lets expect before any data: mean and standard deviation of the share.
PRIORS = {"cannibalised": (0.25, 0.15), "pulled_forward": (0.20, 0.15), "delayed": (0.05, 0.10)}
BETWEEN_FLOOR = 0.02


@dataclass
class Evidence:
    """One promotion's lift and leakage in the same unit, with the errors' covariance."""

    kind: str
    lift: float
    leak: float
    lift_variance: float
    leak_variance: float
    covariance: float


@dataclass
class Slope:
    """The share of the lift that leaks: mean, standard error, and variance between promotions, weight of the prior."""

    mean: float
    error: float
    between: float
    prior_weight: float

    def weight(self, one: Evidence) -> float:
        """How much of its own evidence a promotion keeps."""
        own = self.between * one.lift**2
        noise = one.leak_variance + self.mean**2 * one.lift_variance - 2 * self.mean * one.covariance
        return own / (own + max(noise, 1e-12)) if own > 0 else 0.0


def pool(evidence: list[Evidence], prior: tuple[float, float]) -> dict[str, Slope]:
    """The slope of each kind; `""` is the one of kinds without evidence."""
    whole = _slope(evidence)
    mean, variance, between = whole if whole else (prior[0], prior[1] ** 2 * 1e6, 0.1**2)
    prior_weight = variance / (variance + prior[1] ** 2)
    mean = (1 - prior_weight) * mean + prior_weight * prior[0]
    variance = variance * prior[1] ** 2 / (variance + prior[1] ** 2)
    found = {}
    for kind in sorted({one.kind for one in evidence}):
        one = _slope([e for e in evidence if e.kind == kind])
        if one:
            found[kind] = one
    spread = 0.05**2
    if len(found) > 1:
        weights = np.array([1 / v for _, v, _ in found.values()])
        means = np.array([m for m, _, _ in found.values()])
        centre = np.average(means, weights=weights)
        excess = (weights * (means - centre) ** 2).sum() - (len(found) - 1)
        spread = float(np.clip(excess / (weights.sum() - (weights**2).sum() / weights.sum()), 0.02**2, 0.2**2))
    between = max(between, BETWEEN_FLOOR) if evidence else between
    slopes = {"": Slope(mean, float(np.sqrt(variance + spread)), between, prior_weight)}
    for kind, (own, own_variance, _) in found.items():
        share = spread / (spread + own_variance)
        shrunk = mean + share * (own - mean)
        error = np.sqrt(share * own_variance + (1 - share) ** 2 * variance)
        slopes[kind] = Slope(float(shrunk), float(error), between, prior_weight)
    return slopes


def _slope(evidence: list[Evidence]) -> tuple[float, float, float] | None:
    """Slope, its variance, and the variance of single promotions around it; None where the lifts are all noise."""
    if len(evidence) < 3:
        return None
    lift, leak = np.array([e.lift for e in evidence]), np.array([e.leak for e in evidence])
    lift_v, leak_v = np.array([e.lift_variance for e in evidence]), np.array([e.leak_variance for e in evidence])
    both = np.array([e.covariance for e in evidence])
    b, between = 0.25, 0.04
    for _ in range(30):
        noise = leak_v + b**2 * lift_v - 2 * b * both
        spread = between * np.maximum(lift**2 - lift_v, 0.0)
        w = 1 / np.maximum(noise + spread, 1e-12)
        signal = (w * (lift**2 - lift_v)).sum()
        if signal <= 0.2 * (w * lift_v).sum():
            return None
        b = float(np.clip((w * (lift * leak - both)).sum() / signal, -1.0, 1.5))
        left = leak - b * lift
        own = w * np.maximum(lift**2 - lift_v, 0.0)
        excess = (w * (left**2 - noise)).sum()
        between = float(np.clip(excess / max(own.sum(), 1e-12), 0.0, 0.25)) if own.sum() > 0 else 0.0
    variance = float((w**2 * (lift * (leak - b * lift) - both + b * lift_v) ** 2).sum() / signal**2)
    return b, max(variance, 1e-6), between
