"""What each candidate would earn, as method `reward_model` learns it.

A linear model of the reward, of the features that `linucb` has, says what to expect of every candidate. Where it is not
simply believed, what was shown is corrected by what came of it, divided by its propensity (the doubly robust values of
Dudík, Langford and Li 2011). The model of a member has seen no row of that member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from featurize.errors import RefusedInput
from featurize.inference import linear_bandit
from featurize.inference.features import Features, Floats, Ints, Told
from featurize.inference.letters import LETTERS
from featurize.inference.ranker import Data
from featurize.ope import reward_model
from featurize.report import Progress

VERSION = 1
"""Raised whenever the same rows would have other values."""
_ROWS = 4_096


class Expected(NamedTuple):
    """Rewards (n, most candidates), nan beyond the candidates, and their mean before they were corrected."""

    rewards: Floats
    mean: float


def expected(data: Data, table: pa.Table, clip: float, seed: int) -> Expected:
    """What to expect of the candidates of each row of `table`, sql/rows_reward_model.sql.

    `clip` is the most that 1 / propensity counts in the correction: the smaller, the more the model is believed.
    Errors: RefusedInput where no candidate is told from another.
    """
    features = Features(data)
    members, moments, devices, artworks, answers = (
        table[name].to_pylist() for name in ("member_id", "asked_at", "device", "artwork_ids", "answer")
    )
    reward = table["reward"].to_numpy().astype(np.float64)
    told = features.told(members, moments, devices, artworks)
    counts = np.array([len(each) for each in artworks], dtype=np.int64)
    begins = np.cumsum(counts) - counts
    shown = begins + np.array([LETTERS.index(answer) for answer in answers], dtype=np.int64)
    fold = reward_model.folds(np.array(members), seed)
    expected = np.empty(counts.sum())
    with Progress("reward model", len(shown) + len(expected), "candidate") as progress:
        own = [
            linear_bandit.sums(_shown(features, told, shown[some], reward[some], progress), features.width)
            for some in (fold == number for number in range(fold.max() + 1))
        ]
        nothing = linear_bandit.sums((), features.width)
        others = [sum((*own[:number], *own[number + 1 :]), start=nothing) for number in range(len(own))]
        slopes = np.stack([each.posterior().mean for each in others], axis=1)
        for begin in range(0, len(expected), _ROWS):
            some = slice(begin, begin + _ROWS)
            said = features.of(told, some) @ slopes
            expected[some] = said[np.arange(len(said)), fold[told.of[some]]].clip(0, 1)
            progress.advance(len(said))
    mean = float(expected.mean())
    weight = np.minimum(1 / table["propensity"].to_numpy(), clip)
    expected[shown] += weight * (reward - expected[shown])
    same = all(np.ptp(expected[begin : begin + count]) == 0 for begin, count in zip(begins, counts, strict=True))
    if same or mean <= 0:
        raise RefusedInput(
            f"the reward model tells no candidate from another: it is fitted to {len(counts):,} prompts of"
            f" {len(set(members)):,} members, and knows what `make featurize` says of the artworks; method reward_model"
            " needs more of these"
        )
    found = np.full((len(counts), counts.max()), np.nan)
    found[told.of, np.arange(len(expected)) - begins[told.of]] = expected
    return Expected(found, mean)


def _shown(
    features: Features, told: Told, shown: Ints, reward: Floats, progress: Progress
) -> Iterator[tuple[Floats, Floats]]:
    for begin in range(0, len(shown), _ROWS):
        some = slice(begin, begin + _ROWS)
        yield features.of(told, shown[some]), reward[some]
        progress.advance(len(shown[some]))
