"""Ranks to rows of `recommendation_value`: means over cases and seeds, intervals by members, paired with a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from featurize.ope.intervals import Resampling, Statistic
from featurize.recommending import metrics
from featurize.recommending.plays import Split

CONFIDENCE = 0.95
Ints = NDArray[np.int64]


class Trial(NamedTuple):
    """A split as one training meets it. The trials of a seed ask different cases."""

    seed: int
    split: Split


@dataclass(frozen=True)
class Judged:
    """One recommender on a split: by trial the ranks of the cases it was asked. `without`: titles without a vector."""

    features: str
    model: str
    without: int
    ranks: Sequence[Ints]


def rows(
    name: str, trials: Sequence[Trial], found: Sequence[Judged], baseline: str, draws: int
) -> list[dict[str, Any]]:
    """A row of each, but for where it comes from. All intervals see the same draws of members."""
    first = trials[0].split
    asked_by = np.bincount(np.concatenate([split.which for _, split in trials]), minlength=len(first.of))
    cases = asked_by > 0
    member = first.of[cases]
    resampling = Resampling(member, draws, seed=0)
    means = {(each.features, each.model): _sums(each, trials)[cases] / asked_by[cases, None] for each in found}
    base = {model: mean for (features, model), mean in means.items() if features == baseline}
    asked = []
    for each in found:
        against = base.get(each.model, next(iter(base.values())))
        columns = np.concatenate([means[each.features, each.model], against, np.ones((len(member), 1))], axis=1)
        asked.append((columns, [_more(0), _more(1), _more(0, 2), _more(1, 3)]))
    made = []
    for each, intervals in zip(found, resampling.intervals(asked, CONFIDENCE), strict=True):
        row: dict[str, Any] = {
            "split": name,
            "features": each.features,
            "model": each.model,
            "cases": len(member),
            "members": len(np.unique(member)),
            "titles": max(_ranked(split) for _, split in trials),
            "without": each.without,
            "baseline": baseline,
            "ndcg_by_seed": _by_seed(each, trials),
            "confidence": CONFIDENCE,
        }
        for figure, interval in zip(("hr", "ndcg", "hr_more", "ndcg_more"), intervals, strict=True):
            low, high = _known(interval.low), _known(interval.high)
            row |= {figure: _known(interval.value), f"{figure}_low": low, f"{figure}_high": high}
        made.append(row)
    return made


def _ranked(split: Split) -> int:
    """How many titles are ranked."""
    return split.plays.titles - (0 if split.test.absent is None else int(split.test.absent.sum()))


def _by_seed(judged: Judged, trials: Sequence[Trial]) -> list[float]:
    """Mean nDCG of all cases of each seed."""
    ranks: dict[int, list[Ints]] = {}
    for rank, (seed, _) in zip(judged.ranks, trials, strict=True):
        ranks.setdefault(seed, []).append(rank)
    return [float(metrics.gains(np.concatenate(each)).mean()) for each in ranks.values()]


def _sums(judged: Judged, trials: Sequence[Trial]) -> NDArray[np.float64]:
    """(cases, 2) HR and nDCG of each case, added up over the trials that asked it."""
    sums = np.zeros((len(trials[0].split.of), 2))
    for rank, (_, split) in zip(judged.ranks, trials, strict=True):
        sums[split.which] += np.stack([metrics.hits(rank), metrics.gains(rank)], 1)
    return sums


def _more(column: int, other: int | None = None) -> Statistic:
    """A column's mean per case, less that of another one; the last column counts the cases."""

    def value(m: NDArray[Any]) -> NDArray[Any]:
        above = m[..., column] - (0 if other is None else m[..., other])
        return np.asarray(above / m[..., -1])

    def slope(m: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros_like(m)
        found[..., column] = 1 / m[..., -1]
        if other is not None:
            found[..., other] = -1 / m[..., -1]
        found[..., -1] = -value(m) / m[..., -1]
        return found

    return Statistic(value, slope)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
