"""Linear bandits on features of a member and an artwork: the reward as a linear function, and how sure that is.

LinUCB after Li et al. 2010 and Chu et al. 2011, Thompson sampling after Agrawal & Goyal 2013, each with one vector for
all artworks, since these change. Both begin from the same ridge regression, which is computed at once from a log: the
order of its rows does not matter, and updates row by row end at the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """What is known of the reward's weights: their `mean` (d,) and `covariance` (d, d), in units of the noise."""

    mean: Floats
    covariance: Floats

    def upper(self, features: Floats, alpha: float) -> Floats:
        """LinUCB's scores (n,) of `features` (n, d): what is expected, and `alpha` times how unsure that is."""
        unsure: Floats = np.sqrt(np.einsum("nd,nd->n", features @ self.covariance, features))
        return self.expected(features) + alpha * unsure

    def expected(self, features: Floats) -> Floats:
        """(n,) of `features` (n, d)."""
        scores: Floats = features @ self.mean
        return scores

    def wins(self, features: Floats, width: float, draws: int, dice: np.random.Generator) -> Floats:
        """How often (n,) each row of `features` (n, d) has the largest reward when the weights are drawn at random.

        Thompson sampling draws once for a choice and takes what is best then; so these are its propensities. `width` is
        the standard deviation of the noise. Drawn are the n rewards, which are normal as the weights are.
        """
        spread = width**2 * features @ self.covariance @ features.T
        values, vectors = np.linalg.eigh(spread)  # candidates alike make it singular, for which Cholesky has no root
        root = vectors * np.sqrt(np.maximum(values, 0))
        drawn = self.expected(features) + dice.standard_normal((draws, len(features))) @ root.T
        best = drawn >= drawn.max(axis=1, keepdims=True) - 1e-9
        shares: Floats = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
        return shares


@dataclass(frozen=True)
class Sums:
    """What a ridge regression needs of a log: of its features the products (d, d), and those with the rewards (d,).

    Sums of parts of a log add up to those of the whole.
    """

    squares: Floats
    rewarded: Floats

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.squares + other.squares, self.rewarded + other.rewarded)

    def posterior(self, ridge: float = 1.0) -> Posterior:
        precision = self.squares + ridge * np.eye(len(self.rewarded))
        covariance: Floats = np.linalg.inv(precision).astype(np.float64)
        return Posterior(covariance @ self.rewarded, covariance)


def sums(log: Iterable[tuple[Floats, Floats]], width: int) -> Sums:
    """Of a log in blocks: `features` (n, width) of what was shown, and what came of it (n,)."""
    squares, rewarded = np.zeros((width, width)), np.zeros(width)
    for features, rewards in log:
        squares += features.T @ features
        rewarded += features.T @ rewards
    return Sums(squares, rewarded)
