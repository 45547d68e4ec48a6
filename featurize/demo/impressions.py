"""What members were shown and what came of it: the true reward, the production policy, and its log.

**True reward.** An impression ends in a quality play (reward 1) with probability `sigmoid(u)`, where

    u = -3.2 + 2.0 · interest(member, title) + appeal(artwork)
        + 2.6 · taste(member, theme of the artwork) + 0.9 · taste(member, mood of the artwork)
        + 0.6 · close(member) · closeness(shot) + 0.4 · crowd(member) · (people_count - 1.5)

and appeal(artwork) = 0.25 · closeness(shot) + 0.15 if it carries its title + (0.15 for one or two people, else -0.1).
The tastes are those of `members`, closeness runs from 1 (close-up) to -1 (wide shot). Nothing else enters: no position,
no hour, no hidden cause shared by policy and reward.

**Production policy.** A contextual bandit: a ridge regression on what the log knows (how often the member played each
theme before logging began; theme, shot, people and lettering of the artwork), fitted on an earlier window in which
artworks were shown uniformly. It shows candidate k with probability 0.8 · softmax(score / temperature) + 0.2 / K,
rounded to millionths; draws are made from the rounded numbers, so the propensities are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from featurize.demo.members import (
    BATCH,
    DAYS,
    HISTORY,
    LOGGED_FROM,
    MICROSECONDS_A_DAY,
    START,
    THEME_NAMES,
    Tastes,
    draw_titles,
    interest,
    member_id,
    tastes_of,
    title_themes,
)
from featurize.demo.titles import Title
from featurize.demo.vocabulary import MOODS, SHOTS

_STREAM = 3
POLICY = "production-bandit-1"
MILLION = 1_000_000
_EXPLORE, _TEMPERATURE = 0.2, 0.02

IMPRESSION = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("member_id", pa.string(), nullable=False),
        pa.field("title_id", pa.string(), nullable=False),
        pa.field("artwork_id", pa.string(), nullable=False),
        pa.field("candidates", pa.list_(pa.string()), nullable=False),
        pa.field("propensity", pa.float64(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("reward", pa.float64(), nullable=False),
        pa.field("minutes", pa.float64(), nullable=False),
        pa.field("policy", pa.string(), nullable=False),
    ]
)
TRUE_REWARD = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("artwork_id", pa.string(), nullable=False),
        pa.field("expected_reward", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Pictures:
    """What decides about an artwork, one row each, and the artworks of each title.

    `candidates` is (titles, most), numbers of artworks, -1 where a title has fewer.
    """

    ids: pa.Array
    theme: np.ndarray
    mood: np.ndarray
    shot: np.ndarray
    people: np.ndarray
    lettered: np.ndarray
    candidates: np.ndarray


def pictures_of(catalogue: Sequence[Title]) -> Pictures:
    artworks = [artwork for title in catalogue for artwork in title.artworks]
    scenes = [artwork.scene for artwork in artworks]
    most = max(len(title.artworks) for title in catalogue)
    candidates = np.full((len(catalogue), most), -1)
    first = 0
    for row, title in enumerate(catalogue):
        candidates[row, : len(title.artworks)] = np.arange(first, first + len(title.artworks))
        first += len(title.artworks)
    return Pictures(
        ids=pa.array([artwork.artwork_id for artwork in artworks]),
        theme=np.array([THEME_NAMES.index(scene.theme) for scene in scenes]),
        mood=np.array([MOODS.index(scene.mood) for scene in scenes]),
        shot=np.array([SHOTS.index(scene.shot) for scene in scenes]),
        people=np.array([scene.people_count for scene in scenes]),
        lettered=np.array([scene.title_text is not None for scene in scenes], dtype=int),
        candidates=candidates,
    )


_CLOSENESS = np.array(
    [
        {"close-up": 1.0, "medium shot": 0.4, "still life": 0.0, "full shot": -0.3, "wide shot": -1.0}[shot]
        for shot in SHOTS
    ]
)


def expected_reward(tastes: Tastes, liking: np.ndarray, shown: np.ndarray, pictures: Pictures) -> np.ndarray:
    """(n, k) probability of a quality play, to six decimals, of showing artworks `shown` (n, k) to the members of
    `tastes` (n rows) whose interest in the title is `liking` (n,). Numbers below 0 in `shown` give 0."""
    theme, mood = pictures.theme[shown], pictures.mood[shown]
    close, people = _CLOSENESS[pictures.shot[shown]], pictures.people[shown]
    rows = np.arange(len(shown))[:, None]
    appeal = 0.25 * close + 0.15 * pictures.lettered[shown] + np.where((people == 1) | (people == 2), 0.15, -0.1)
    u = (
        -3.2
        + 2.0 * liking[:, None]
        + appeal
        + 2.6 * tastes.themes[rows, theme]
        + 0.9 * tastes.moods[rows, mood]
        + 0.6 * tastes.close[:, None] * close
        + 0.4 * tastes.crowd[:, None] * (people - 1.5)
    )
    return np.where(shown < 0, 0.0, np.round(1 / (1 + np.exp(-u)), 6))


@dataclass(frozen=True)
class Visits:
    """Moments at which a member is about to be shown a title; one row each."""

    member: np.ndarray
    title: np.ndarray
    at: np.ndarray
    tastes: Tastes
    liking: np.ndarray


def visits(
    rng: np.random.Generator, count: int, members: int, catalogue: Sequence[Title], seed: int, days: tuple[int, int]
) -> Visits:
    """`count` visits between two days, in the order of time; titles are drawn by interest, members evenly."""
    shares = title_themes(catalogue)
    member = np.sort(np.concatenate([rng.permutation(members) for _ in range(count // members + 1)])[:count])
    parts = []
    title = np.empty(count, dtype=np.int64)
    liking = np.empty(count)
    for batch in range((members + BATCH - 1) // BATCH):
        low, high = np.searchsorted(member, (batch * BATCH, (batch + 1) * BATCH))
        all_tastes = tastes_of(batch, min(BATCH, members - batch * BATCH), seed)
        own = member[low:high] - batch * BATCH
        tastes = _rows(all_tastes, own)
        interests = interest(tastes, shares)
        title[low:high] = draw_titles(rng, interests * 0.5, 1)[:, 0] if high > low else 0
        liking[low:high] = interests[np.arange(high - low), title[low:high]]
        parts.append(tastes)
    tastes = Tastes(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("themes", "moods", "close", "crowd"))
    )
    first, last = (START + day * MICROSECONDS_A_DAY for day in days)
    at = first + (rng.random(count) * (last - first)).astype(np.int64)
    order = np.argsort(at, kind="stable")
    return Visits(member[order], title[order], at[order], _rows(tastes, order), liking[order])


def _rows(tastes: Tastes, rows: np.ndarray) -> Tastes:
    return Tastes(tastes.themes[rows], tastes.moods[rows], tastes.close[rows], tastes.crowd[rows])


def features(seen: np.ndarray, shown: np.ndarray, pictures: Pictures) -> np.ndarray:
    """(n, k, f): what the production policy knows of members with play counts `seen` (n, 10) and artworks (n, k)."""
    profile = (seen + 1) / (seen.sum(axis=1, keepdims=True) + len(THEME_NAMES))
    theme = pictures.theme[shown]
    match = profile[np.arange(len(shown))[:, None], theme]
    people = np.minimum(pictures.people[shown], 3)
    return np.concatenate(
        [
            np.ones((*shown.shape, 1)),
            match[..., None] * 4,
            np.eye(len(THEME_NAMES))[theme],
            np.eye(len(SHOTS))[pictures.shot[shown]],
            np.eye(4)[people],
            pictures.lettered[shown][..., None],
        ],
        axis=2,
    )


def fit_policy(
    rng: np.random.Generator, count: int, seen: np.ndarray, catalogue: Sequence[Title], seed: int
) -> np.ndarray:
    """Weights of the production policy, from `count` uniformly logged impressions of the month before the log."""
    pictures = pictures_of(catalogue)
    past = visits(rng, count, len(seen), catalogue, seed, (90, 120))
    candidates = pictures.candidates[past.title]
    pick = (rng.random(count) * (candidates >= 0).sum(axis=1)).astype(np.int64)
    shown = candidates[np.arange(count), pick][:, None]
    reward = rng.random(count) < expected_reward(past.tastes, past.liking, shown, pictures)[:, 0]
    x = features(seen[past.member], shown, pictures)[:, 0]
    return np.round(np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ reward), 4)


def propensities(weights: np.ndarray, seen: np.ndarray, candidates: np.ndarray, pictures: Pictures) -> np.ndarray:
    """(n, k) millionths that sum to a million in each row; 0 where there is no candidate."""
    real = candidates >= 0
    score = np.where(real, features(seen, candidates, pictures) @ weights, -np.inf)
    odds = np.exp((score - score.max(axis=1, keepdims=True)) / _TEMPERATURE)
    share = (1 - _EXPLORE) * odds / odds.sum(axis=1, keepdims=True) + _EXPLORE * real / real.sum(axis=1, keepdims=True)
    parts: np.ndarray = np.rint(share * MILLION).astype(np.int64)
    parts[np.arange(len(parts)), parts.argmax(axis=1)] += MILLION - parts.sum(axis=1)
    return parts


def log(count: int, seen: np.ndarray, catalogue: Sequence[Title], seed: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """`count` impressions, the true expected reward of each of their candidates, and the plays they led to as history.

    `seen` is (members, 10): plays of each theme before logging began.
    """
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    pictures = pictures_of(catalogue)
    weights = fit_policy(rng, min(count, 30_000), seen, catalogue, seed)
    now = visits(rng, count, len(seen), catalogue, seed, ((LOGGED_FROM - START) // MICROSECONDS_A_DAY, DAYS))
    candidates = pictures.candidates[now.title]
    parts = propensities(weights, seen[now.member], candidates, pictures)
    chosen = (rng.integers(0, MILLION, count)[:, None] >= parts.cumsum(axis=1)).sum(axis=1)
    rows = np.arange(count)
    truth = expected_reward(now.tastes, now.liking, candidates, pictures)
    reward = rng.integers(0, MILLION, count) < np.rint(truth[rows, chosen] * MILLION)
    sampled = ~reward & (rng.integers(0, 5, count) == 0)
    minutes = np.where(reward, rng.integers(20, 140, count), np.where(sampled, rng.integers(1, 10, count), 0)).astype(
        float
    )
    impression_ids = pa.array([f"i{number + 1:07d}" for number in range(count)])
    title_ids = pa.array([title.title_id for title in catalogue]).take(pa.array(now.title))
    member_ids = pa.array([member_id(number) for number in now.member])
    at = pa.array(now.at).cast(pa.timestamp("us", tz="UTC"))
    real = candidates >= 0
    flat = pictures.ids.take(pa.array(candidates[real]))
    ends = np.concatenate([[0], real.sum(axis=1).cumsum()])
    impressions = pa.table(
        {
            "impression_id": impression_ids,
            "member_id": member_ids,
            "title_id": title_ids,
            "artwork_id": pictures.ids.take(pa.array(candidates[rows, chosen])),
            "candidates": pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat),
            "propensity": parts[rows, chosen] / MILLION,
            "at": at,
            "reward": reward.astype(float),
            "minutes": minutes,
            "policy": pa.array([POLICY]).take(pa.array(np.zeros(count, dtype=int))),
        },
        schema=IMPRESSION,
    )
    true_rewards = pa.table(
        {
            "impression_id": impression_ids.take(pa.array(np.nonzero(real)[0])),
            "artwork_id": flat,
            "expected_reward": truth[real],
        },
        schema=TRUE_REWARD,
    )
    played = pa.array(np.nonzero(minutes > 0)[0])
    after = pa.array(now.at + 5_000_000).cast(pa.timestamp("us", tz="UTC"))
    plays = pa.table(
        {
            "member_id": member_ids.take(played),
            "title_id": title_ids.take(played),
            "event": pa.array(["play"]).take(pa.array(np.zeros(len(played), dtype=int))),
            "at": after.take(played),
            "minutes": pa.array(minutes).take(played),
        },
        schema=HISTORY,
    )
    return impressions, true_rewards, plays
