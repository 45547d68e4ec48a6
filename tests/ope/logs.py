"""Simulated logs whose truth is known: members of different taste, a policy that explores, and another to judge."""

import dataclasses

import numpy as np

from featurize.ope import estimators
from featurize.ope.estimators import Estimator, Rounds

LOGGED = Estimator(2, lambda x: estimators.per_round(x.reward), estimators.ratio, estimators.ratio_slope)
"""The mean reward of the log, as the baseline of a lift."""


@dataclasses.dataclass
class Simulated:
    member: np.ndarray
    shown: np.ndarray
    rounds: Rounds
    policy: np.ndarray
    propensities: np.ndarray
    truth: np.ndarray

    @property
    def value(self) -> float:
        """Of the policy, by the truth."""
        return float((self.policy * self.truth).sum(axis=1).mean())

    @property
    def logged(self) -> float:
        return float((self.propensities * self.truth).sum(axis=1).mean())


def simulate(seed, members, *, candidates=4, uniform=False):
    """1 to 5 rounds of each member, who like one candidate more than the others and differ in how easily they play."""
    rng = np.random.default_rng(seed)
    member = np.repeat(np.arange(members), rng.integers(1, 6, members))
    n, k = len(member), candidates
    likes = rng.integers(0, k, members)[member]
    scores = np.exp(rng.normal(size=(n, k)))
    propensities = np.full((n, k), 1 / k) if uniform else 0.1 / k + 0.9 * scores / scores.sum(axis=1, keepdims=True)
    easily = np.clip(0.15 + 0.1 * rng.normal(size=members)[member], 0.02, 0.6)[:, None]
    truth = np.clip(easily + 0.15 * (np.arange(k) == likes[:, None]), 0, 1)
    policy = np.eye(k)[np.where(rng.random(n) < 0.7, likes, rng.integers(0, k, n))]
    row = np.arange(n)
    shown = (propensities.cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
    reward = (rng.random(n) < truth[row, shown]).astype(float)
    model = 0.18 + 0.1 * (np.arange(k) == likes[:, None])  # right about the taste, wrong about the rest
    rounds = Rounds(
        reward=reward,
        propensity=propensities[row, shown],
        shown=policy[row, shown],
        q_shown=model[row, shown],
        q_policy=(policy * model).sum(axis=1),
    )
    return Simulated(member, shown, rounds, policy, propensities, truth)
