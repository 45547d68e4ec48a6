"""What policies are worth in a demo world, by the truth: how much there is to win, and how much of it can be learnt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from featurize.demo import learning, world
from featurize.errors import RefusedInput

FITTED_ON = 0.7
"""Share of the log, its first part, that the regression learns from; all policies are judged on the rest."""


@dataclass(frozen=True)
class Values:
    """Mean expected reward of choosing as each policy does, on the last part of the log."""

    impressions: int
    random: float
    production: float
    greedy: float
    regression: float
    oracle: float

    @property
    def gap(self) -> float:
        """How far the oracle is above greedy production, as a share of the latter."""
        return self.oracle / self.greedy - 1

    @property
    def learnt(self) -> float:
        """The part of that gap that the regression closes."""
        return (self.regression - self.greedy) / (self.oracle - self.greedy)

    def __str__(self) -> str:
        told = {
            "random": "any candidate, each as likely",
            "production": "as logged",
            "greedy": "production without its exploration",
            "regression": f"learnt from the first {FITTED_ON:.0%} of the log; closes {self.learnt:.0%} of the gap",
            "oracle": f"knows the truth; {self.gap:.1%} above greedy",
        }
        lines = [f"{name:14}{getattr(self, name):.4f}  {words}" for name, words in told.items()]
        return "\n".join([*lines, f"(mean true reward of the last {self.impressions:,} impressions)"])


def values(folder: Path) -> Values:
    """Of the world in `folder`; its pictures are not read. Errors: RefusedInput naming a file that is not whole."""
    log = learning.read(folder)
    real = log.candidates >= 0
    truth = np.zeros(real.shape)
    rewards = world.table(folder / "truth/reward.parquet")
    if len(rewards) != real.sum():
        raise RefusedInput(f"{folder}/truth/reward.parquet is of another log than impression.parquet beside it")
    truth[real] = rewards["expected_reward"].to_numpy()
    first, rest = np.split(np.arange(len(real)), [int(len(real) * FITTED_ON)])
    learnt = learning.scores(log, rest, learning.fit(log, first))
    truth, propensities, real = truth[rest], log.propensities[rest], real[rest]
    rows = np.arange(len(rest))
    return Values(
        impressions=len(rest),
        random=float((truth.sum(axis=1) / real.sum(axis=1)).mean()),
        production=float((truth * propensities).sum(axis=1).mean()),
        greedy=float(truth[rows, propensities.argmax(axis=1)].mean()),
        regression=float(truth[rows, learnt.argmax(axis=1)].mean()),
        oracle=float(truth.max(axis=1).mean()),
    )
