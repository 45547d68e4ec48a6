"""What makes the figures doubtful or worthless, in words.

Of the log (`of_log`): the whole comparison rests on it. Of one policy (`of_policy`): stands beside its figures, in the
column `warnings` and under the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featurize.evaluating.rounds import GREEDY, LOGGED, Log, Policy
from featurize.ope import checks, estimators
from featurize.ope.estimators import Array

IMPROBABLE = 1e-5
"""How probable a mean weight so far off must be, at least, if the propensities are right."""
MOST_UNSEEN = 0.01
"""Share of a policy's choices that the log can say nothing about."""
MOST_OF_ONE = 0.2
"""Share of a policy's value that one round may carry."""
FEWEST_MEMBERS = 50
"""Intervals are by members; of fewer they are wishful."""


def of_log(log: Log) -> str | None:
    """Why no figure from this log can be trusted: its propensities are not those it was made with. None: they may be.

    By the weights of the uniform policy, which must average to one where everything could be shown.
    """
    uniform = np.where(log.real, 1 / log.candidates[:, None], 0)
    weight = estimators.weights(1 / log.candidates, log.propensity)
    found = _mean_weight(log, weight, uniform, np.ones(len(log), bool))
    if found.p_value >= IMPROBABLE:
        return None
    return (
        "the propensities of the held-out prompts do not fit what was shown: the weights of showing any candidate alike"
        f" average to {found.mean:.3f} and should to {found.expected:.3f}, {abs(found.z):.0f} standard errors away"
    )


def _mean_weight(log: Log, weight: Array, policy: Array, rows: Array) -> checks.MeanWeight:
    told = log.propensities[rows] if log.told[rows].all() else None
    return checks.mean_weight(weight[rows], policy[rows], told, log.member[rows])


def of_policy(log: Log, policy: Policy, possible: Array, min_effective: float) -> list[str]:
    """`possible` (n, K): what the log may have shown."""
    if policy.name == LOGGED:
        return []
    rows = policy.rows
    weight = estimators.weights(np.where(rows, policy.of_shown(log), 0), log.propensity)
    found = []
    mean = _mean_weight(log, weight, policy.probability, rows)
    if mean.p_value < IMPROBABLE:
        found.append(f"its weights average to {mean.mean:.2f} and should to {mean.expected:.2f}")
    unseen = checks.unsupported(policy.probability[rows], possible[rows])
    if unseen > MOST_UNSEEN:
        found.append(
            f"{unseen:.1%} of its choices the log could never show: of those it says nothing, and IPS takes them for 0"
        )
    effective = estimators.effective_sample_size(weight[rows])
    if effective < min_effective:
        found.append(
            f"its {rows.sum():,} rounds say as much as {effective:.0f}, fewer than evaluate.min_effective = "
            f"{min_effective:g}"
        )
    largest = checks.largest_share((weight * log.reward)[rows])
    if largest > MOST_OF_ONE:
        found.append(f"one round carries {largest:.0%} of its value")
    return found


def possible(log: Log, ever_shown: Array) -> Array:
    """(n, K) candidates with a propensity above 0; where the log did not say, those `ever_shown` (n, K) to anyone."""
    return np.where(log.told[:, None], log.propensities > 0, ever_shown)


def of_comparison(log: Log, policies: Sequence[Policy]) -> list[str]:
    """What to keep in mind of all figures together."""
    found = []
    members = len(np.unique(log.member))
    if members == 1:
        found.append("there is one member, and intervals are by members: so there are none")
    elif members < FEWEST_MEMBERS:
        found.append(f"there are {members} members, and intervals are by members: of so few they promise too much")
    if not log.reward.any():
        found.append("no held-out prompt has a reward: there is nothing to compare")
    known = log.table["member_trained"].to_numpy(zero_copy_only=False).astype(bool)
    if known.any():
        found.append(
            f"{known.mean():.0%} of the held-out prompts are of members with other prompts in training: this says how "
            "well members who are known are served; slice member tells the others"
        )
    pairs = log.table["pair_trained"].to_numpy(zero_copy_only=False).astype(bool)
    if pairs.any():
        found.append(
            f"{pairs.mean():.0%} of the held-out prompts are of a member and title that training has too: right where "
            "prompts.held_out_from cuts by time, and a leak where pairs are held out"
        )
    judged = [policy for policy in policies if policy.name not in (LOGGED, GREEDY)]
    if len(judged) > 1:
        found.append(
            f"{len(judged)} rankers are compared on the same prompts: who picks the best of them reads its lift in "
            "'any', which holds for all at once, or judges it again on prompts that came later"
        )
    counts = {int(policy.rows.sum()) for policy in policies}
    if len(counts) > 1:
        found.append("the policies are not judged on the same prompts: compare lifts, which are, and not values")
    return found
