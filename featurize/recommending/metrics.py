"""Ranks of the right titles among all, and what they are worth: functions of arrays, which trec_eval agrees with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from featurize.recommending.plays import Cases, Plays

TOP = 10
Floats = NDArray[np.float64]


def ranks(scores: NDArray[np.floating], cases: Cases, plays: Plays) -> NDArray[np.int64]:
    """(n,) from 1: one more than the titles, less those that are out, which score as high as the right one or higher.

    `scores` (n, titles). Out is what the member had played by `cases.masked`. Equal scores count against, and so does
    one that is no number.
    """
    rows = np.arange(len(cases))
    own = scores[rows, cases.title]
    lengths = cases.masked - cases.begin
    case = np.repeat(rows, lengths)
    within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    against = ~(scores < own[:, None])
    against[case, plays.title[np.repeat(cases.begin, lengths) + within]] = False
    against[rows, cases.title] = False
    if cases.absent is not None:
        against[:, cases.absent] = False
    return np.asarray(1 + against.sum(axis=1))


def hits(rank: NDArray[np.int64]) -> Floats:
    """HR@10 of each case: whether it is among the first ten."""
    return (rank <= TOP).astype(float)


def gains(rank: NDArray[np.int64]) -> Floats:
    """nDCG@10 of each case, which has one right title."""
    return np.where(rank <= TOP, 1 / np.log2(rank + 1), 0.0)


def popularity(cases: Cases, plays: Plays, days: int | None = None) -> Floats:
    """(n, titles) plays before the moment of each case, or in so many days before it."""
    from featurize.recommending.plays import DAY

    order = np.argsort(plays.at, kind="stable")
    at, title = plays.at[order], plays.title[order]
    found = np.zeros((len(cases), plays.titles))
    moments, which = np.unique(cases.at, return_inverse=True)
    counts = np.zeros((len(moments), plays.titles))
    for number, moment in enumerate(moments):
        low = 0 if days is None else np.searchsorted(at, moment - days * DAY)
        some = title[low : np.searchsorted(at, moment)]
        counts[number] = np.bincount(some, minlength=plays.titles)
    found = counts[which]
    return found
