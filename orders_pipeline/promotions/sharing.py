"""What of a joint's lift each of its promotions made, where the data can tell them apart.

The sales under promotion fall into segments, by who runs together. On each, lift = natural sales x the sum of its promotions'
effects: effects add up, so that a share of the lift belongs to one promotion only. Who runs alone somewhere for long enough, on
some days or on some goods, is told apart; promotions of the same goods on the same days never are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orders_pipeline.promotions.counterfactual import Counterfactual, Prediction
from orders_pipeline.promotions.series import Case, Role

#: Standard deviations of a promotion's relative effect (wide: 2 is threefold sales), and of its change between segments.
EFFECT_SD, CHANGE_SD = 2.0, 0.2
#: A share whose standard error is above this part of the natural sales it stands on says nothing (as of whole promotions).
MAX_ERROR = 0.5


@dataclass
class Share:
    """One promotion's part of its joint: GMV where it runs alone and where others run too, gross lift with its variance."""

    promotion_id: str
    alone: float
    shared: float
    lift: float
    variance: float
    is_known: bool


def shares(case: Case, target: Role, model: Counterfactual, days: np.ndarray, full: Prediction) -> list[Share]:
    """The parts of a joint; the lifts of all its members add up to that of the joint."""
    segments = sorted(case.segments)
    base = np.maximum(target.base[days], 1e-9)
    weights = np.array([case.segments[one].base[days] / base for one in segments])
    latent = full.covariance - np.diag(model.phi * full.value)
    natural = weights @ full.value
    noise = weights @ latent @ weights.T + np.diag(model.phi * natural)
    seen = np.array([case.segments[one].observed.sum() for one in segments])
    pairs = [(row, member) for row, one in enumerate(segments) for member in one]
    row = np.array([r for r, _ in pairs])
    member = np.array([m for _, m in pairs])
    adds = (row[None, :] == np.arange(len(segments))[:, None]).astype(float)
    same = (member[:, None] == member[None, :]) * (EFFECT_SD**2 + CHANGE_SD**2 * (row[:, None] == row[None, :]))
    prior = same * np.outer(natural[row], natural[row])
    gain = np.linalg.solve(adds @ prior @ adds.T + noise, adds @ prior).T
    # What the effects leave unexplained goes to the promotions of its segment in equal parts: the whole lift is handed out.
    split = gain + (adds / adds.sum(axis=1, keepdims=True)).T @ (np.eye(len(segments)) - adds @ gain)
    missed = split @ adds - np.eye(len(pairs))
    error = missed @ prior @ missed.T + split @ noise @ split.T
    lift = split @ (seen - natural)
    made = []
    for number, (promotion_id, _, _) in enumerate(case.members):
        mine = (member == number).astype(float)
        if not mine.any():
            continue
        lone = [r for r, one in enumerate(segments) if one == (number,)]
        variance, stands_on = float(mine @ error @ mine), float(natural[row[member == number]].sum())
        alone = float(seen[lone].sum())
        known = stands_on > 0 and np.sqrt(variance) <= MAX_ERROR * stands_on
        whole = float(seen[row[member == number]].sum())
        made.append(Share(promotion_id, alone, whole - alone, float(mine @ lift), variance, bool(known)))
    return made
