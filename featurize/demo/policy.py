"""The production policy: a contextual bandit such as a good team would have in place.

A ridge regression on what the log knows: how often the member played each theme before logging began; theme, shot,
people and lettering of the artwork; whether an actor is on it, and how popular the most popular of them is (plays of
their titles by everybody, per title). It is fitted on an earlier window in which artworks were shown uniformly. It
shows candidate k with probability 0.8 · softmax(score / temperature) + 0.2 / K, rounded to millionths; draws are made
from the rounded numbers, so the propensities are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from featurize.demo.members import THEME_NAMES, Seen
from featurize.demo.vocabulary import SHOTS

NAME = "production-bandit-2"
MILLION = 1_000_000
_EXPLORE, _TEMPERATURE = 0.2, 0.02


@dataclass(frozen=True)
class Pictures:
    """What decides about an artwork, one row each, and the artworks of each title.

    `actors` is (artworks, most), numbers of those depicted, -1 where there are fewer. `candidates` is (titles, most),
    numbers of artworks, -1 where a title has fewer.
    """

    theme: np.ndarray
    mood: np.ndarray
    shot: np.ndarray
    people: np.ndarray
    lettered: np.ndarray
    actors: np.ndarray
    candidates: np.ndarray


def popularity(seen: Seen, cast: np.ndarray) -> np.ndarray:
    """(POOL,) logarithm of the plays per title of each actor against those of all; `cast` is (titles, POOL)."""
    per_title = (seen.titles @ cast + 1) / (cast.sum(axis=0) + 1)
    return np.asarray(np.round(np.log(per_title / (seen.titles.mean() + 1e-9)), 4))


def features(seen: np.ndarray, popular: np.ndarray, shown: np.ndarray, pictures: Pictures) -> np.ndarray:
    """(n, k, f): what the policy knows of members with play counts `seen` (n, 10) and artworks `shown` (n, k)."""
    profile = (seen + 1) / (seen.sum(axis=1, keepdims=True) + len(THEME_NAMES))
    theme = pictures.theme[shown]
    match = profile[np.arange(len(shown))[:, None], theme]
    people = np.minimum(pictures.people[shown], 3)
    depicted = pictures.actors >= 0
    known = np.asarray(depicted.any(axis=1))
    best = np.where(depicted, popular[pictures.actors], -np.inf).max(axis=1, initial=-np.inf)
    return np.concatenate(
        [
            np.ones((*shown.shape, 1)),
            match[..., None] * 4,
            np.eye(len(THEME_NAMES))[theme],
            np.eye(len(SHOTS))[pictures.shot[shown]],
            np.eye(4)[people],
            pictures.lettered[shown][..., None],
            known[shown][..., None],
            np.where(known, best, 0)[shown][..., None] * 10,
        ],
        axis=2,
    )


def fit(x: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """Weights of the ridge regression of `reward` (n,) on features `x` (n, f)."""
    return np.asarray(np.round(np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ reward), 4))


def propensities(score: np.ndarray, real: np.ndarray) -> np.ndarray:
    """(n, k) millionths that sum to a million in each row; 0 where there is no candidate, that is where not `real`."""
    score = np.where(real, score, -np.inf)
    odds = np.exp((score - score.max(axis=1, keepdims=True)) / _TEMPERATURE)
    share = (1 - _EXPLORE) * odds / odds.sum(axis=1, keepdims=True) + _EXPLORE * real / real.sum(axis=1, keepdims=True)
    parts: np.ndarray = np.rint(share * MILLION).astype(np.int64)
    parts[np.arange(len(parts)), parts.argmax(axis=1)] += MILLION - parts.sum(axis=1)
    return parts
