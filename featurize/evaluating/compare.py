"""Every policy by every estimator, on all rounds and on slices, as rows of table `policy_value`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featurize.evaluating.rounds import LOGGED, Log, Policy
from featurize.ope import estimators, intervals
from featurize.ope.estimators import ESTIMATORS, Array, Estimator, Rounds
from featurize.ope.intervals import Interval, Resampling, Statistic

CONFIDENCE = 0.95
TRUTH = "truth"
MEAN = Estimator(2, lambda x: estimators.per_round(x.reward), estimators.ratio, estimators.ratio_slope)
"""Of the mean of `reward`, whatever that is."""
FEWEST_ROUNDS = 30
"""Of which a part of a slice is told."""


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


def compare(
    log: Log,
    policies: Sequence[Policy],
    expected: Array,
    slices: Sequence[Slice],
    wanted: Wanted,
    truth: Array | None = None,
) -> list[dict[str, Any]]:
    """Rows without what says where they came from. `expected` and, in the demo world, `truth` are (n, K) rewards."""
    draws = Resampling(log.member, wanted.draws, wanted.seed)
    rounds = {policy.name: _rounds(log, policy, expected) for policy in policies}
    baseline = next(policy for policy in policies if policy.name == wanted.baseline)
    true = {} if truth is None else {policy.name: _true(log, policy, truth) for policy in policies}
    uniform = is_uniform(log)
    found: list[dict[str, Any]] = []
    for name, estimator in ESTIMATORS.items():
        trusted = name != "replay" or uniform
        judged = [
            _judge(draws, estimator, rounds[policy.name], rounds[baseline.name], policy.rows & baseline.rows)
            for policy in policies
        ]
        found += _rows(log, policies, rounds, judged, baseline, name, wanted, trusted=trusted)
    if true:
        judged = [
            _judge(draws, MEAN, true[policy.name], true[baseline.name], policy.rows & baseline.rows)
            for policy in policies
        ]
        found += _rows(log, policies, rounds, judged, baseline, TRUTH, wanted)
    found += [_clipped(log, policy, rounds[policy.name], baseline, wanted) for policy in policies]
    for each in slices:
        for name, estimator, of in [(wanted.estimator, ESTIMATORS[wanted.estimator], rounds), (TRUTH, MEAN, true)]:
            for policy in policies if of else ():
                rows = each.rows & policy.rows & baseline.rows
                if rows.sum() < FEWEST_ROUNDS:
                    continue
                one = _judge(draws, estimator, of[policy.name], of[baseline.name], rows)
                found.append(_row(log, policy, rounds[policy.name], rows, one, baseline, name, wanted, each))
    return found


def paired_truth(log: Log, policies: Sequence[Policy], truth: Array, baseline: str, draws: int, seed: int) -> list[Any]:
    """(value, lift over the baseline) of each policy as `Interval`s, by true rewards (n, K): no estimate, but of these
    held-out rounds as a sample of all."""
    resampling = Resampling(log.member, draws, seed)
    base = next(policy for policy in policies if policy.name == baseline)
    return [
        _judge(resampling, MEAN, _true(log, policy, truth), _true(log, base, truth), policy.rows & base.rows)
        for policy in policies
    ]


def is_uniform(log: Log) -> bool:
    """Whether every candidate was as likely, and there were as many in every round: where replay is right."""
    return bool(np.ptp(log.candidates) == 0 and np.allclose(log.propensity * log.candidates, 1, atol=1e-6))


def _rounds(log: Log, policy: Policy, expected: Array) -> Rounds:
    at = np.arange(len(log)), log.shown
    shown = np.where(policy.rows, policy.of_shown(log), 0)
    q_shown, q_policy = expected[at], (policy.probability * expected).sum(axis=1)
    if policy.name == LOGGED:  # its value is known without a model: the mean reward
        q_shown = q_policy = np.zeros(len(log))
    return Rounds(log.reward, log.propensity, shown, q_shown, q_policy)


def _true(log: Log, policy: Policy, truth: Array) -> Rounds:
    """With the true value of the policy's choice in the place of the reward."""
    probability = np.nan_to_num(log.propensities) if policy.name == LOGGED else policy.probability
    nothing = np.zeros(len(log))
    return Rounds((probability * truth).sum(axis=1), log.propensity, nothing, nothing, nothing)


def _judge(
    draws: Resampling, estimator: Estimator, policy: Rounds, baseline: Rounds, rows: Array
) -> tuple[Interval, Interval]:
    columns = np.concatenate([estimator.columns(policy), estimator.columns(baseline)], axis=1)
    asked: list[Statistic] = [intervals.value(estimator), intervals.lift(estimator, estimator)]
    value, lift = draws.intervals(columns, asked, CONFIDENCE, np.flatnonzero(rows))
    # A mean of rewards lies from 0 to 1, and so no reward at all is the worst there is.
    return replace(value, low=max(value.low, 0.0), high=min(value.high, 1.0)), replace(lift, low=max(lift.low, -1.0))


def _rows(
    log: Log,
    policies: Sequence[Policy],
    rounds: Mapping[str, Rounds],
    judged: Sequence[tuple[Interval, Interval]],
    baseline: Policy,
    name: str,
    wanted: Wanted,
    *,
    trusted: bool = True,
) -> list[dict[str, Any]]:
    others = [number for number, policy in enumerate(policies) if policy is not baseline]
    at_once = dict(zip(others, intervals.simultaneous([judged[k][1] for k in others], CONFIDENCE), strict=True))
    found = []
    for number, (policy, both) in enumerate(zip(policies, judged, strict=True)):
        row = _row(log, policy, rounds[policy.name], policy.rows & baseline.rows, both, baseline, name, wanted)
        row["lift_low_of_all"], row["lift_high_of_all"] = map(_known, at_once.get(number, (np.nan, np.nan)))
        if not trusted:
            row |= dict.fromkeys(("low", "high", "lift_low", "lift_high", "lift_low_of_all", "lift_high_of_all"))
        found.append(row)
    return found


def _row(
    log: Log,
    policy: Policy,
    rounds: Rounds,
    rows: Array,
    judged: tuple[Interval, Interval],
    baseline: Policy,
    name: str,
    wanted: Wanted,
    part: Slice | None = None,
) -> dict[str, Any]:
    value, lift = judged
    weight = rounds.weight[rows]
    return {
        "policy": policy.name,
        "model_key": policy.model_key,
        "estimator": name,
        "slice": part.name if part else "all",
        "part": part.part if part else "all",
        "rounds": int(rows.sum()),
        "members": len(np.unique(log.member[rows])),
        "effective_rounds": estimators.effective_sample_size(weight),
        "mean_weight": float(weight.mean()) if len(weight) else 0.0,
        "value": _known(value.value),
        "low": _known(value.low),
        "high": _known(value.high),
        "baseline": baseline.name,
        "lift": _known(lift.value),
        "lift_low": _known(lift.low),
        "lift_high": _known(lift.high),
        "lift_low_of_all": None,
        "lift_high_of_all": None,
        "main": name == wanted.estimator,
        "confidence": CONFIDENCE,
    }


def _clipped(log: Log, policy: Policy, rounds: Rounds, baseline: Policy, wanted: Wanted) -> dict[str, Any]:
    """A value and no interval: its error is bias."""
    rows = policy.rows & baseline.rows
    value = float(estimators.clipped_ips(rounds.weight, rounds.reward, wanted.clip)[rows].mean())
    nothing = Interval(np.nan, np.nan, np.nan, np.nan, np.empty(0))
    return _row(log, policy, rounds, rows, (replace(nothing, value=value), nothing), baseline, "clipped", wanted)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
