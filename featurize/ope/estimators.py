"""Estimators of a policy's value, each as values of rounds whose plain mean is the estimate.

    w = policy's probability of what was shown / propensity

    ips       mean(w r)                                     Horvitz & Thompson 1952
    clipped   mean(min(w, limit) r)                         Ionides 2008
    snips     sum(w r) / sum(w)                             Swaminathan & Joachims 2015
    dr        mean(sum_k policy_k q_k + w (r - q_shown))    Dudik, Langford & Li 2011
    beta_ips  mean(w r - beta (w - 1)), beta of the least variance    Gupta et al. 2024 (arXiv 2405.05736)
    replay    mean of r where the policy shows the same     Li et al. 2011

The same estimators as functions of means of columns, which is what a bootstrap needs, are `ESTIMATORS`. A test holds
the two forms equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
TINY = 1e-12


@dataclass(frozen=True)
class Rounds:
    """What the estimators read of n rounds and one policy, each (n,).

    `reward`; `propensity` of what was shown; `shown`, the policy's probability of it; of a reward model `q_shown`, what
    it expects of what was shown, and `q_policy`, what it expects of the policy's choice.
    """

    reward: Array
    propensity: Array
    shown: Array
    q_shown: Array
    q_policy: Array

    @property
    def weight(self) -> Array:
        return weights(self.shown, self.propensity)


def weights(shown: Array, propensity: Array) -> Array:
    """(n,) the policy's probability of what was shown over the logging policy's.

    Errors: ValueError when a propensity is missing, zero or above one, or a probability is none.
    """
    if not np.all(np.isfinite(propensity) & (propensity > 0) & (propensity <= 1)):
        raise ValueError("a propensity must be above 0 and at most 1")
    if not np.all(np.isfinite(shown) & (shown >= 0) & (shown <= 1 + 1e-9)):
        raise ValueError("a policy's probability must be from 0 to 1")
    return np.asarray(shown / propensity, dtype=float)


def ips(weight: Array, reward: Array) -> Array:
    """(n,) inverse propensity score: without bias, and noisy where weights are large."""
    return np.asarray(weight * reward)


def clipped_ips(weight: Array, reward: Array, limit: float) -> Array:
    """(n,) IPS with weights of at most `limit`: less noise, and with rewards from 0 up too low in expectation."""
    return np.asarray(np.minimum(weight, limit) * reward)


def snips(weight: Array, reward: Array) -> Array:
    """(n,) self-normalised IPS: the scale of the weights cancels. NaN where all weights are 0."""
    mean = weight.mean()
    return weight * reward / mean if mean > 0 else np.full(len(weight), np.nan)


def dr(weight: Array, reward: Array, q_shown: Array, q_policy: Array) -> Array:
    """(n,) doubly robust: what a reward model expects, corrected by IPS of what it got wrong."""
    return np.asarray(q_policy + weight * (reward - q_shown))


def best_baseline(weight: Array, reward: Array) -> float:
    """The beta of least variance: cov(w r, w) / var(w), which is E[(w² - w) r] / E[w² - w] as weights average to one.

    As a regression it divides by a variance, which is never below 0. 0 where all weights are equal.
    """
    return float(_beta(_mean(_beta_columns(weight, reward))))


def beta_ips(weight: Array, reward: Array) -> Array:
    """(n,) IPS less the baseline of least variance, which weights that average to one take away again."""
    return np.asarray(weight * reward - best_baseline(weight, reward) * (weight - 1))


def replay(shown: Array, reward: Array) -> Array:
    """(n,) the reward where policy and log agree, by the policy's probability of that. NaN where they never do.

    It is the policy's value only where logging was uniform over a constant number of candidates.
    """
    mean = shown.mean()
    return shown * reward / mean if mean > 0 else np.full(len(shown), np.nan)


@dataclass(frozen=True)
class Estimator:
    """An estimator as a smooth function of means: `columns` of rounds (n, k), `value` (..., k) to (...), and `slope`.

    `slope` is the gradient of `value`, (..., k).
    """

    width: int
    """k"""
    columns: Callable[[Rounds], Array]
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


def _mean(columns: Array) -> Array:
    return np.asarray(columns.mean(axis=0))


def ratio(means: Array) -> Array:
    """The first column over the second; NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(means[..., 1] > TINY, means[..., 0] / means[..., 1], np.nan)


def ratio_slope(means: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([1 / means[..., 1], -means[..., 0] / means[..., 1] ** 2], axis=-1)


def per_round(values: Array) -> Array:
    """(n, 2): values and ones, so that the mean of rounds is a ratio of means of clusters, which differ in size."""
    return np.stack([values, np.ones(len(values))], axis=1)


def _beta_columns(weight: Array, reward: Array) -> Array:
    return np.stack([weight * reward, weight, weight**2, weight**2 * reward, np.ones(len(weight))], axis=1)


def _beta(m: Array) -> Array:
    m = m / m[..., -1:]
    variance = m[..., 2] - m[..., 1] ** 2
    known = variance > TINY
    return np.where(known, (m[..., 3] - m[..., 1] * m[..., 0]) / np.where(known, variance, 1), 0.0)


def _beta_value(m: Array) -> Array:
    n = m[..., 4]
    return np.asarray(m[..., 0] / n - _beta(m) * (m[..., 1] / n - 1))


def _beta_slope(m: Array) -> Array:
    """With beta held fixed: its own part is a product of two errors, its and that of the mean weight."""
    n, beta = m[..., 4], _beta(m)
    zero = np.zeros_like(n)
    return np.stack([1 / n, -beta / n, zero, zero, -(m[..., 0] - beta * m[..., 1]) / n**2], axis=-1)


ESTIMATORS = {
    "ips": Estimator(2, lambda x: per_round(ips(x.weight, x.reward)), ratio, ratio_slope),
    "snips": Estimator(2, lambda x: np.stack([x.weight * x.reward, x.weight], axis=1), ratio, ratio_slope),
    "dr": Estimator(2, lambda x: per_round(dr(x.weight, x.reward, x.q_shown, x.q_policy)), ratio, ratio_slope),
    "beta_ips": Estimator(5, lambda x: _beta_columns(x.weight, x.reward), _beta_value, _beta_slope),
    "replay": Estimator(2, lambda x: np.stack([x.shown * x.reward, x.shown], axis=1), ratio, ratio_slope),
}
"""Those with an interval, by name. Clipped IPS has none: its error is bias, which no resampling sees."""


def effective_sample_size(weight: Array) -> float:
    """Rounds without weights that would say as much: (sum w)² / sum w². 0 where all are 0."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
