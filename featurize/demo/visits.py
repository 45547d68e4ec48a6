"""Visits: when, where and on what a member is about to be shown an artwork of a title.

A title comes back: it is put before the same member one to six times, a day to four apart, whatever came of it.
Members come evenly, mostly in the evening of their own time zone and mostly on the device they use most. Nothing here
knows what was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featurize.demo.members import (
    BATCH,
    MICROSECONDS_A_DAY,
    PLACES,
    START,
    Tastes,
    draw_devices,
    draw_titles,
    homes_of,
    interest,
    tastes_of,
)
from featurize.demo.titles import Title

_COMES_BACK = (40, 20, 14, 10, 8, 8)
"""Weights of 1, 2, … 6 visits to a title."""
_HOURS = np.repeat(np.arange(24), (1, 1, 0, 0, 0, 0, 1, 2, 2, 1, 1, 2, 3, 2, 2, 2, 2, 3, 5, 7, 9, 10, 7, 3))
"""Local hours, each as often as people watch in it."""


@dataclass(frozen=True)
class Visits:
    """One row each, in the order of time. `place` and `device` number `members.PLACES` and `members.DEVICES`."""

    member: np.ndarray
    title: np.ndarray
    at: np.ndarray
    place: np.ndarray
    device: np.ndarray
    tastes: Tastes
    liking: np.ndarray


def visits(
    rng: np.random.Generator, count: int, members: int, catalogue: Sequence[Title], seed: int, days: tuple[int, int]
) -> Visits:
    """`count` visits between two days; titles are drawn by interest, members evenly."""
    lengths = np.repeat(np.arange(1, 7), _COMES_BACK)[rng.integers(0, sum(_COMES_BACK), count)]
    runs = int(np.searchsorted(lengths.cumsum(), count)) + 1
    lengths = lengths[:runs]
    lengths[-1] -= lengths.sum() - count
    who = np.sort(np.concatenate([rng.permutation(members) for _ in range(runs // members + 1)])[:runs])
    title = np.empty(runs, dtype=np.int64)
    liking = np.empty(runs)
    tastes, places, devices = [], [], []
    for batch in range((members + BATCH - 1) // BATCH):
        low, high = np.searchsorted(who, (batch * BATCH, (batch + 1) * BATCH))
        size = min(BATCH, members - batch * BATCH)
        own = who[low:high] - batch * BATCH
        tastes.append(tastes_of(batch, size, seed).rows(own))
        homes = homes_of(batch, size, seed)
        places.append(homes.place[own])
        devices.append(homes.device[own])
        if high > low:
            interests = interest(tastes[-1], catalogue)
            title[low:high] = draw_titles(rng, interests * 0.5, 1)[:, 0]
            liking[low:high] = interests[np.arange(high - low), title[low:high]]
    run = np.repeat(np.arange(runs), lengths)
    place = np.concatenate(places)[run]
    mostly = np.concatenate(devices)[run]
    device = np.where(rng.integers(0, 3, count) > 0, mostly, draw_devices(rng, count))
    at = _moments(rng, run, lengths, place, days)
    order = np.argsort(at, kind="stable")
    run = run[order]
    return Visits(
        who[run], title[run], at[order], place[order], device[order], Tastes.together(tastes).rows(run), liking[run]
    )


def _moments(
    rng: np.random.Generator, run: np.ndarray, lengths: np.ndarray, place: np.ndarray, days: tuple[int, int]
) -> np.ndarray:
    """When each visit of each run is, in microseconds: on days of its own in ascending order, at a likely local hour.

    A day is kept free at either end of `days`, since a member's day is not that of UTC.
    """
    gaps = rng.integers(1, 5, len(run))
    firsts = lengths.cumsum() - lengths
    gaps[firsts] = 0
    since = gaps.cumsum()
    since -= since[firsts][run]
    room = days[1] - days[0] - 2 - since[firsts + lengths - 1]
    day = days[0] + 1 + (rng.random(len(lengths)) * room).astype(np.int64)[run] + since
    ahead = np.array([hours for *_, hours in PLACES])[place]
    hour = MICROSECONDS_A_DAY // 24
    local = _HOURS[rng.integers(0, len(_HOURS), len(run))]
    return np.asarray(START + day * MICROSECONDS_A_DAY + (local - ahead) * hour + rng.integers(0, hour, len(run)))


def occurrences(member: np.ndarray, title: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) numbers of the pairs of member and title, and (n,) how many rows of the same pair come before each row."""
    _, pair = np.unique(member * (title.max(initial=0) + 1) + title, return_inverse=True)
    order = np.argsort(pair, kind="stable")
    sizes = np.bincount(pair)
    nth = np.empty(len(pair), dtype=np.int64)
    nth[order] = np.arange(len(pair)) - np.repeat(sizes.cumsum() - sizes, sizes)
    return pair, nth
