"""Confidence intervals of estimates and of their ratio to a baseline: a bootstrap over members, studentized.

Rounds of one member are alike, so members are drawn, not rounds; and every estimate of one draw sees the same members,
so that a difference between two policies is taken within the draw (paired). Denominators are drawn anew with the rest.

Why studentized: rewards times weights are skewed, and then percentiles of a bootstrap lie on the wrong side: they cover
less than they say on logs of a few hundred rounds (tests/ope/test_coverage.py measures both). Dividing each draw's
error by its own standard error puts the skew where it belongs. Standard errors are linear in the means of clusters (the
delta method), so a draw costs two matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from featurize.ope.estimators import Array, Estimator

IN_MEMORY = 2**23
"""Counts of draws that are in memory as floats at once."""
MOST_UNDEFINED = 0.05
"""Share of draws in which an estimate may be undefined (no weight at all, no reward) before there is no interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate, its standard error, and where it lies with the confidence asked for. NaN where that is unknown."""

    value: float
    error: float
    low: float
    high: float
    t: Array
    """(draws,) errors of the draws over their own standard errors."""


@dataclass(frozen=True)
class Statistic:
    """A smooth function of means: `value` (..., k) to (...), and its gradient `slope` (..., k) to (..., k)."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


class Resampling:
    """Draws of clusters with replacement, the same for everything that is estimated with it."""

    def __init__(self, clusters: Array, draws: int, seed: int) -> None:
        """`clusters` (n,): the cluster of each round, any values."""
        names, self.cluster = np.unique(clusters, return_inverse=True)
        self.size, self.draws = len(names), draws
        random = np.random.default_rng(seed)
        # How often each cluster is in each draw, (clusters, draws).
        self._counts = np.empty((self.size, draws), np.uint8 if self.size * draws > IN_MEMORY else float)
        for draw in range(draws):
            chosen = random.integers(0, self.size, self.size, dtype=np.int32)
            self._counts[:, draw] = np.minimum(np.bincount(chosen, minlength=self.size), 255)

    def intervals(
        self, columns: Array, statistics: Sequence[Statistic], confidence: float, rows: Array | None = None
    ) -> list[Interval]:
        """Of statistics of the means of `columns` (n, k); `rows` (m,) are the rounds to use, where not all."""
        cluster = self.cluster if rows is None else self.cluster[rows]
        columns = columns if rows is None else columns[rows]
        present, at = np.unique(cluster, return_inverse=True)
        sums = np.stack([np.bincount(at, column, len(present)) for column in columns.T], axis=1)
        upper = np.triu_indices(sums.shape[1])
        both = np.concatenate([sums, sums[:, upper[0]] * sums[:, upper[1]]], axis=1)
        all_in_all = both.sum(axis=0, keepdims=True) / self.size
        drawn = self._drawn(both, present)
        found = []
        for each in statistics:
            estimate, error = self._with_error(all_in_all, upper, each)
            values, errors = self._with_error(drawn, upper, each)
            with np.errstate(invalid="ignore", divide="ignore"):
                t = (values - estimate[0]) / errors
            found.append(_interval(float(estimate[0]), float(error[0]), t, confidence))
        return found

    def _drawn(self, columns: Array, present: Array) -> Array:
        """(draws, k) means over the drawn clusters; those that are not in `present` count as zeros."""
        found = np.zeros((columns.shape[1], self.draws))
        step = max(1, IN_MEMORY // self.draws)
        for begin in range(0, len(present), step):
            counts = self._counts[present[begin : begin + step]]
            found += columns[begin : begin + step].T @ counts.astype(float, copy=False)
        return found.T / self.size

    def _with_error(self, means: Array, upper: tuple[Array, ...], statistic: Statistic) -> tuple[Array, Array]:
        """(draws,) values and standard errors, from means of cluster sums and of their products."""
        first, second = np.split(means, [means.shape[1] - len(upper[0])], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            gradient = statistic.slope(first)
            twice = np.where(upper[0] == upper[1], 1.0, 2.0)
            covariance = second - first[:, upper[0]] * first[:, upper[1]]
            variance = (gradient[:, upper[0]] * gradient[:, upper[1]] * covariance * twice).sum(axis=1)
            return statistic.value(first), np.sqrt(np.maximum(variance, 0) / max(self.size - 1, 1))


def _interval(value: float, error: float, t: Array, confidence: float) -> Interval:
    if not np.isfinite(value) or not np.isfinite(error):
        return Interval(value, np.nan, np.nan, np.nan, np.full_like(t, np.nan))
    if error < 1e-12 * max(1.0, abs(value)):  # nothing varies, as of a policy against itself
        return Interval(value, 0.0, value, value, np.zeros_like(t))
    known = t[np.isfinite(t)]
    if len(known) < (1 - MOST_UNDEFINED) * len(t):
        return Interval(value, error, np.nan, np.nan, t)
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, error, float(value - high * error), float(value - low * error), t)


def simultaneous(found: list[Interval], confidence: float = 0.95) -> list[tuple[float, float]]:
    """Intervals that hold for all estimates at once, so also for one that was picked for being the highest.

    By the largest error, in standard errors, of each draw. Those without an interval stay without.
    """
    judged = [each for each in found if np.isfinite(each.low) and each.error > 0]
    if not judged:
        return [(each.low, each.high) for each in found]
    worst = np.max([np.where(np.isfinite(each.t), np.abs(each.t), 0) for each in judged], axis=0)
    reach = float(np.quantile(worst, confidence))
    return [
        (each.value - reach * each.error, each.value + reach * each.error)
        if np.isfinite(each.low) and each.error > 0
        else (each.low, each.high)
        for each in found
    ]


def value(policy: Estimator) -> Statistic:
    """An estimator's value, of means whose first columns are its own."""
    k = policy.width

    def slope(m: Array) -> Array:
        return np.concatenate([policy.slope(m[..., :k]), np.zeros_like(m[..., k:])], axis=-1)

    return Statistic(lambda m: policy.value(m[..., :k]), slope)


def lift(policy: Estimator, baseline: Estimator) -> Statistic:
    """policy / baseline - 1, of means whose first columns are the policy's and whose other ones the baseline's."""
    k = policy.width

    def parts(m: Array) -> tuple[Array, Array]:
        below = baseline.value(m[..., k:])
        return policy.value(m[..., :k]), np.where(below > 0, below, np.nan)

    def ratio(m: Array) -> Array:
        above, below = parts(m)
        return np.asarray(above / below - 1)

    def slope(m: Array) -> Array:
        above, below = (each[..., None] for each in parts(m))
        return np.concatenate(
            [policy.slope(m[..., :k]) / below, -above / below**2 * baseline.slope(m[..., k:])], axis=-1
        )

    return Statistic(ratio, slope)
