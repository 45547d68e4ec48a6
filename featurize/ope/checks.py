"""What makes off-policy figures worthless, as numbers: a caller turns them into words.

Above all the mean weight: with the right propensities the weights of any policy average to the share of its choices
that the logging policy could have made, so to one where it could show everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from featurize.ope.estimators import Array


@dataclass(frozen=True)
class MeanWeight:
    """The mean weight of a policy, what it should be, and how many standard errors lie between them."""

    mean: float
    expected: float
    error: float

    @property
    def z(self) -> float:
        if self.error > 0:
            return (self.mean - self.expected) / self.error
        return 0.0 if abs(self.mean - self.expected) < 1e-9 else float("inf")

    @property
    def p_value(self) -> float:
        return 2 * NormalDist().cdf(-abs(self.z))


def mean_weight(weight: Array, policy: Array, propensities: Array | None, clusters: Array) -> MeanWeight:
    """Of weights (n,); `policy` and, where the log knows them, `propensities` of all candidates are (n, K), 0 or NaN
    where there is none.

    With them, mean and variance of each weight are known before looking, so a rare large weight that did not happen
    cannot pass for a wrong propensity. Without them the error is the sample's, by clusters.
    """
    n = len(weight)
    if propensities is None or not np.all(np.isfinite(propensities.sum(axis=1))):
        _, at = np.unique(clusters, return_inverse=True)
        off = np.bincount(at, weight - weight.mean())
        size = len(off)
        error = float(np.sqrt((off**2).sum() * size / max(size - 1, 1)) / n)
        return MeanWeight(float(weight.mean()), 1.0, error)
    possible = propensities > 0
    expected = np.where(possible, policy, 0).sum(axis=1)
    square = (np.where(possible, policy, 0) ** 2 / np.where(possible, propensities, 1)).sum(axis=1)
    error = float(np.sqrt(np.maximum(square - expected**2, 0).sum()) / n)
    return MeanWeight(float(weight.mean()), float(expected.mean()), error)


def unsupported(policy: Array, possible: Array) -> float:
    """Mean share of a policy's choices (n, K) that the log can say nothing about: those not in `possible` (n, K)."""
    return float(np.where(possible, 0, policy).sum(axis=1).mean())


def largest_share(values: Array) -> float:
    """The part of a sum of terms from 0 up that is its largest; 0 where there is nothing."""
    total = float(values.sum())
    return float(values.max()) / total if total > 0 else 0.0
