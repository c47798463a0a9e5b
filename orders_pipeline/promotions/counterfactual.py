"""What a series would have been without a promotion: a log-linear mean with priors, and two memories that krige its residuals.

    mu_t = e_t exp(x_t'b),  z = x'b + (y - mu) / mu
    V    = diag(phi / mu) + s_f^2 0.6^|d| + s_s^2 0.97^|d| + X diag(v) X'

Days of both sides of the window teach; the days left out are predicted with their joint covariance, because the error of a
sum over days is mostly what the days have in common. Same series, same answer: nothing here is drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAST, SLOW = 0.6, 0.97
LEARN_DAYS = 180
_LOG_START = np.log(np.array([2.0, 0.08, 0.08]))
_LOG_SD = np.array([0.5, 0.7, 0.7])


@dataclass
class Design:
    """The regressors of a series over all days, with the prior mean and standard deviation of each coefficient."""

    x: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


@dataclass
class Prediction:
    """Expected values of some days (list value), and the covariance of the error of what these days would really have been."""

    value: np.ndarray
    covariance: np.ndarray

    def total(self, days: np.ndarray) -> tuple[float, float]:
        """Sum over a mask of its days, and the variance of that sum's error."""
        return float(self.value[days].sum()), float(self.covariance[np.ix_(days, days)].sum())

    def share(self, weights: np.ndarray, phi: float) -> tuple[float, float]:
        """The same for a share (0 to 1) of each day's base level: what the days have in common scales with it, the noise `phi` of
        single sales with its root."""
        latent = self.covariance - np.diag(phi * self.value)
        return float(weights @ self.value), float(weights @ latent @ weights + phi * (weights @ self.value))


class Counterfactual:
    """A series learnt on its training days."""

    def __init__(self, sales: np.ndarray, expected: np.ndarray, design: Design, training: np.ndarray, price: float) -> None:
        self.design, self.days, self.price = design, np.flatnonzero(training), max(price, 1e-6)
        self.y, self.e = sales[self.days], expected[self.days]
        self.x = design.x[self.days]
        self.b = design.mean.copy()
        self.hyper = _LOG_START.copy()
        # Noise and memories are learnt on the days nearest to those left out: it costs the cube of the number of days.
        near = _nearest(self.days, LEARN_DAYS)
        self._prepare(near)
        for _ in range(2):
            self._solve(near)
        self._learn_hyper(near)
        whole = np.arange(len(self.days))
        self._prepare(whole)
        for _ in range(2):
            self._solve(whole)

    # ---- learning

    def _prepare(self, used: np.ndarray) -> None:
        days, x = self.days[used], self.x[used]
        gap = np.abs(days[:, None] - days[None, :])
        self.fast, self.slow = (FAST ** np.arange(gap.max() + 1))[gap], (SLOW ** np.arange(gap.max() + 1))[gap]
        self.linear = (x * self.design.sd**2) @ x.T

    def _working(self, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean of the days, and the working response less the prior mean."""
        x = self.x[used]
        mu = self.e[used] * np.exp(np.clip(x @ self.b, -3, 3))
        return mu, x @ (self.b - self.design.mean) + (self.y[used] - mu) / mu

    def _covariance(self, hyper: np.ndarray, mu: np.ndarray) -> np.ndarray:
        phi, fast, slow = np.exp(hyper)
        made = self.linear + fast**2 * self.fast + slow**2 * self.slow
        made[np.diag_indices_from(made)] += phi * self.price / mu
        return made

    def _solve(self, used: np.ndarray) -> None:
        mu, residual = self._working(used)
        self.precision = _inverse(self._covariance(self.hyper, mu))
        self.weighted = self.precision @ residual
        self.b = self.design.mean + self.design.sd**2 * (self.x[used].T @ self.weighted)
        self.mu = self.e[used] * np.exp(np.clip(self.x[used] @ self.b, -3, 3))

    def _learn_hyper(self, used: np.ndarray) -> None:
        """By marginal likelihood, held near what series of sales usually show."""
        from scipy.linalg import cholesky, solve_triangular
        from scipy.optimize import minimize

        mu, residual = self._working(used)

        def loss(hyper: np.ndarray) -> float:
            root = cholesky(self._covariance(hyper, mu), lower=True, check_finite=False, overwrite_a=True)
            white = solve_triangular(root, residual, lower=True, check_finite=False)
            return float(np.log(np.diag(root)).sum() + white @ white / 2 + (((hyper - _LOG_START) / _LOG_SD) ** 2).sum() / 2)

        simplex = np.vstack([self.hyper, self.hyper + np.diag([0.5, 0.6, 0.6])])
        options = {"maxfev": 32, "initial_simplex": simplex, "xatol": 0.05, "fatol": 0.05}
        self.hyper = minimize(loss, self.hyper, method="Nelder-Mead", options=options).x

    # ---- predicting

    @property
    def phi(self) -> float:
        return float(np.exp(self.hyper[0]) * self.price)

    def predict(self, days: np.ndarray, expected: np.ndarray) -> Prediction:
        """The days (indices) as they would have been at the given base level."""
        _, fast, slow = np.exp(self.hyper)
        x = self.design.x[days]
        gap = np.abs(days[:, None] - self.days[None, :])
        memory = fast**2 * FAST**gap + slow**2 * SLOW**gap
        cross = memory + (x * self.design.sd**2) @ self.x.T
        within = np.abs(days[:, None] - days[None, :])
        prior = fast**2 * FAST**within + slow**2 * SLOW**within + (x * self.design.sd**2) @ x.T
        latent = prior - cross @ self.precision @ cross.T
        delta = np.clip(memory @ self.weighted, -0.8, 3.0)
        value = expected * np.exp(np.clip(x @ self.b, -3, 3)) * (1 + delta)
        covariance = latent * value[:, None] * value[None, :]
        covariance[np.diag_indices_from(covariance)] += self.phi * value
        return Prediction(value, covariance)

    def left_out(self, block: np.ndarray) -> Prediction:
        """The errors (observed less predicted) of training days, as positions in `days`, all left out at once."""
        inner = np.linalg.inv(self.precision[np.ix_(block, block)])
        mu = self.mu[block]
        return Prediction(mu * (inner @ self.weighted[block]), inner * mu[:, None] * mu[None, :])


def _nearest(days: np.ndarray, count: int) -> np.ndarray:
    """Positions of the days nearest to the longest gap, which is where the promotion was; in order."""
    if len(days) <= count:
        return np.arange(len(days))
    gap = int(np.argmax(np.diff(days)))
    distance = np.minimum(np.abs(days - days[gap]), np.abs(days - days[gap + 1]))
    return np.sort(np.argsort(distance, kind="stable")[:count])


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Of a positive definite matrix."""
    from scipy.linalg import lapack

    root, failed = lapack.dpotrf(matrix, lower=1)
    if failed:
        raise np.linalg.LinAlgError("covariance is not positive definite")
    half, _ = lapack.dpotri(root, lower=1)
    return np.tril(half) + np.tril(half, -1).T
