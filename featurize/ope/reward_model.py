"""The reward model of the doubly robust estimator: ridge regression, fitted on other members than it is used on.

Rows of a member are in one fold, and what is expected of them comes from the other folds. So the model has never seen
the reward that it is corrected by, nor another of the same member.
"""

from __future__ import annotations

import numpy as np

from featurize.ope.estimators import Array

FOLDS = 5
RIDGE = 1.0
FEWEST = 20
"""Rows to fit on; from fewer the model is their mean."""


def folds(clusters: Array, seed: int, count: int = FOLDS) -> Array:
    """(n,) fold of each row: clusters are dealt out at random, whole."""
    names, at = np.unique(clusters, return_inverse=True)
    return np.asarray((np.random.default_rng(seed).permutation(len(names)) % count)[at])


def cross_fit(features: Array, reward: Array, fold: Array, asked: Array, asked_fold: Array) -> Array:
    """(m, K) expected rewards from 0 to 1 of `asked` (m, K, f), each by a model of the other folds.

    `features` (n, f) and `reward` (n,) are of what was shown, `fold` (n,) and `asked_fold` (m,) from `folds`.
    """
    found = np.empty(asked.shape[:2])
    for number in np.unique(asked_fold):
        elsewhere, here = fold != number, asked_fold == number
        found[here] = _expect(features[elsewhere], reward[elsewhere], asked[here])
    return np.clip(found, 0, 1)


def _expect(x: Array, y: Array, asked: Array) -> Array:
    if len(y) < FEWEST:
        return np.full(asked.shape[:2], y.mean() if len(y) else 0.0)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 1e-9, spread, np.inf)  # what never varies says nothing
    x = (x - centre) / spread
    slope = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return np.asarray(y.mean() + ((asked - centre) / spread) @ slope)
