"""Every policy by every estimator, on all rounds and on slices, as rows of table `policy_value`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurize.evaluating.rounds import LOGGED, Log, Policy
from featurize.ope import estimators, intervals
from featurize.ope.estimators import ESTIMATORS, Array, Estimator, Rounds
from featurize.ope.intervals import Interval, Resampling

CONFIDENCE = 0.95
TRUTH = "truth"
MEAN = Estimator(2, lambda x: estimators.per_round(x.reward), estimators.ratio, estimators.ratio_slope)
"""Of the mean of `reward`, whatever that is. The value of what is known needs no weights."""
FEWEST_ROUNDS = 30
"""Of which a part of a slice is told."""
Judged = tuple[Interval, Interval]
"""Value and lift."""
UNKNOWN = Interval(np.nan, np.nan, np.nan, np.nan, np.empty(0))


@dataclass(frozen=True)
class Slice:
    """One part of the rounds, as they are cut by `name`; `rows` (n,)."""

    name: str
    part: str
    rows: Array


@dataclass(frozen=True)
class Wanted:
    """What to compare by: the estimator and the baseline that were named before looking, and how."""

    estimator: str
    baseline: str
    clip: float
    draws: int
    seed: int


class Comparison:
    """The policies on these rounds. All estimates see the same draws of members, and so are paired."""

    def __init__(self, log: Log, policies: Sequence[Policy], expected: Array, wanted: Wanted) -> None:
        """`expected` (n, K): what the reward model expects of each candidate."""
        self.log, self.policies, self.wanted = log, policies, wanted
        self.baseline = next(policy for policy in policies if policy.name == wanted.baseline)
        self.draws = Resampling(log.member, wanted.draws, wanted.seed)
        self.rounds = {policy.name: _rounds(log, policy, expected) for policy in policies}
        self.weights = {name: rounds.weight for name, rounds in self.rounds.items()}

    def rows(self, slices: Sequence[Slice], truth: Array | None = None) -> list[dict[str, Any]]:
        """All rows, without what says where they came from. `truth` (n, K) are the true rewards of a demo world."""
        every = Slice("all", "all", np.ones(len(self.log), bool))
        found = []
        for name in ESTIMATORS:
            judged = self.judged(self._estimated(name), every)
            found += self._told(name, every, judged if name != "replay" or is_uniform(self.log) else _values(judged))
        for policy in self.policies:
            rows = policy.rows & self.baseline.rows
            clipped = estimators.clipped_ips(self.weights[policy.name], self.log.reward, self.wanted.clip)
            value = replace(UNKNOWN, value=float(clipped[rows].mean()))  # its error is bias: no interval
            found.append(self._row(policy, "clipped", every, (value, UNKNOWN)))
        if truth is not None:
            found += self._told(TRUTH, every, self.judged(true_values(self.log, truth), every))
        for each in slices:
            if each.rows.sum() >= FEWEST_ROUNDS:
                main = self.wanted.estimator
                found += self._told(main, each, self.judged(self._estimated(main), each))
                if truth is not None:
                    found += self._told(TRUTH, each, self.judged(true_values(self.log, truth), each))
        return found

    def judged(self, of: Callable[[Policy], tuple[Estimator, Array]], part: Slice) -> list[Judged]:
        """Value and lift of each policy on a part of the rounds; `of` gives its estimator and the columns of that."""
        base, base_columns = of(self.baseline)
        asked = []
        for policy in self.policies:
            estimator, columns = of(policy)
            both = np.concatenate([columns, base_columns], axis=1)
            both[~(policy.rows & self.baseline.rows)] = 0
            asked.append((both, [intervals.value(estimator), intervals.lift(estimator, base)]))
        found = self.draws.intervals(asked, CONFIDENCE, np.flatnonzero(part.rows))
        return [(value, lift) for value, lift in found]

    def _estimated(self, name: str) -> Callable[[Policy], tuple[Estimator, Array]]:
        def of(policy: Policy) -> tuple[Estimator, Array]:
            estimator = MEAN if policy.name == LOGGED else ESTIMATORS[name]
            return estimator, estimator.columns(self.rounds[policy.name])

        return of

    def _told(self, name: str, part: Slice, judged: Sequence[Judged]) -> list[dict[str, Any]]:
        """A row of each policy that has enough rounds there."""
        others = [number for number, policy in enumerate(self.policies) if policy is not self.baseline]
        at_once = dict(zip(others, intervals.simultaneous([judged[k][1] for k in others], CONFIDENCE), strict=True))
        found = []
        for number, (policy, both) in enumerate(zip(self.policies, judged, strict=True)):
            least = 1 if part.name == "all" else FEWEST_ROUNDS
            if (part.rows & policy.rows & self.baseline.rows).sum() >= least:
                row = self._row(policy, name, part, both)
                if part.name == "all" and number in at_once:
                    low, high = at_once[number]
                    row |= {"lift_low_of_all": _known(max(low, -1.0)), "lift_high_of_all": _known(high)}
                found.append(row)
        return found

    def _row(self, policy: Policy, name: str, part: Slice, judged: Judged) -> dict[str, Any]:
        value, lift = judged
        rows = part.rows & policy.rows & self.baseline.rows
        weight = self.weights[policy.name][rows]
        return {
            "policy": policy.name,
            "model_key": policy.model_key,
            "estimator": name,
            "slice": part.name,
            "part": part.part,
            "rounds": int(rows.sum()),
            "members": len(np.unique(self.log.member[rows])),
            "effective_rounds": estimators.effective_sample_size(weight),
            "mean_weight": float(weight.mean()),
            "value": _known(value.value),
            # A mean of rewards lies from 0 to 1, and so no reward at all is the worst there is.
            "low": _known(max(value.low, 0.0)),
            "high": _known(min(value.high, 1.0)),
            "baseline": self.baseline.name,
            "lift": _known(lift.value),
            "lift_low": _known(max(lift.low, -1.0)),
            "lift_high": _known(lift.high),
            "lift_low_of_all": None,
            "lift_high_of_all": None,
            "main": name == self.wanted.estimator,
            "confidence": CONFIDENCE,
        }


def true_values(log: Log, truth: Array) -> Callable[[Policy], tuple[Estimator, Array]]:
    """What `Comparison.judged` needs to judge policies by true rewards (n, K): the expected reward of their choices.

    No estimate, but its interval is: these held-out rounds are a sample of all.
    """

    def of(policy: Policy) -> tuple[Estimator, Array]:
        probability = log.propensities if policy.name == LOGGED else policy.probability
        return MEAN, estimators.per_round((np.nan_to_num(probability) * truth).sum(axis=1))

    return of


def is_uniform(log: Log) -> bool:
    """Whether every candidate was as likely, and there were as many in every round: where replay is right."""
    return bool(np.ptp(log.candidates) == 0 and np.allclose(log.propensity * log.candidates, 1, atol=1e-6))


def _rounds(log: Log, policy: Policy, expected: Array) -> Rounds:
    shown = np.where(policy.rows, policy.of_shown(log), 0)
    q_shown = expected[np.arange(len(log)), log.shown]
    return Rounds(log.reward, log.propensity, shown, q_shown, (policy.probability * expected).sum(axis=1))


def _values(judged: Sequence[Judged]) -> list[Judged]:
    """The same without intervals."""
    return [(replace(UNKNOWN, value=value.value), replace(UNKNOWN, value=lift.value)) for value, lift in judged]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
