"""What members were shown and what came of it: the true reward and the log of the production policy.

**True reward.** An impression ends in a quality play (reward 1) with probability `sigmoid(u)`, where

    u = -3.2 + 2.0 · interest(member, title) + appeal(artwork)
        + 2.6 · taste(member, theme of the artwork) + 0.9 · taste(member, mood of the artwork)
        + 0.6 · close(member) · closeness(shot) + 0.4 · crowd(member) · (people_count - 1.5)
        + 2.4 · liking(member, the depicted actor they like most)
        + 0.8 · nearness(device) · closeness(shot)
        - 0.6 · min(3, times)

and appeal(artwork) = 0.25 · closeness(shot) + 0.15 if it carries its title + (0.15 for one or two people, else -0.1).
The tastes and likings are those of `members`, interest is in a title's themes and cast. Closeness runs from 1
(close-up) to -1 (wide shot), nearness is 1 on a phone, 0.4 on a tablet, -0.2 on the web and -1 on a television. `times`
is how often the log shows this artwork to this member for this title before, without a quality play. Nothing else
enters: no position, no hour, no country, no hidden cause shared by policy and reward; and all of it can be told from
histories, impressions and what is said of titles and artworks.

The policy and its exact propensities are described in `policy`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from featurize.demo import policy
from featurize.demo.members import (
    DAYS,
    DEVICES,
    HISTORY,
    LOGGED_FROM,
    MICROSECONDS_A_DAY,
    PLACES,
    START,
    THEME_NAMES,
    Seen,
    member_id,
    title_actors,
)
from featurize.demo.policy import MILLION, Pictures
from featurize.demo.titles import Title
from featurize.demo.visits import Visits, occurrences, visits
from featurize.demo.vocabulary import MOODS, SHOTS

_STREAM = 3

IMPRESSION = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("member_id", pa.string(), nullable=False),
        pa.field("title_id", pa.string(), nullable=False),
        pa.field("artwork_id", pa.string(), nullable=False),
        pa.field("candidates", pa.list_(pa.string()), nullable=False),
        pa.field("propensity", pa.float64(), nullable=False),
        pa.field("propensities", pa.list_(pa.float64()), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("reward", pa.float64(), nullable=False),
        pa.field("minutes", pa.float64(), nullable=False),
        pa.field("policy", pa.string(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
        pa.field("country", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("time_zone", pa.string(), nullable=False),
    ]
)
TRUE_REWARD = pa.schema(
    [
        pa.field("impression_id", pa.string(), nullable=False),
        pa.field("artwork_id", pa.string(), nullable=False),
        pa.field("expected_reward", pa.float64(), nullable=False),
    ]
)

_CLOSENESS = np.array(
    [
        {"close-up": 1.0, "medium shot": 0.4, "still life": 0.0, "full shot": -0.3, "wide shot": -1.0}[shot]
        for shot in SHOTS
    ]
)
_NEARNESS = np.array([{"phone": 1.0, "tablet": 0.4, "web": -0.2, "television": -1.0}[device] for device in DEVICES])
_TIRING, _TIRED = 0.6, 3


def pictures_of(catalogue: Sequence[Title]) -> Pictures:
    """In the order of titles and, in each, of its artworks."""
    artworks = [artwork for title in catalogue for artwork in title.artworks]
    scenes = [artwork.scene for artwork in artworks]
    numbers = [actor.number for title in catalogue for actor in title.cast]
    number_of = dict(zip((actor.name for title in catalogue for actor in title.cast), numbers, strict=True))
    depicted = [[number_of[name] for name in scene.depicts] for scene in scenes]
    counts = np.array([len(title.artworks) for title in catalogue])
    slots = np.arange(counts.max())
    return Pictures(
        theme=np.array([THEME_NAMES.index(scene.theme) for scene in scenes]),
        mood=np.array([MOODS.index(scene.mood) for scene in scenes]),
        shot=np.array([SHOTS.index(scene.shot) for scene in scenes]),
        people=np.array([scene.people_count for scene in scenes]),
        lettered=np.array([scene.title_text is not None for scene in scenes], dtype=int),
        actors=np.array([[*each, *[-1] * (5 - len(each))] for each in depicted]),
        candidates=np.where(slots < counts[:, None], (counts.cumsum() - counts)[:, None] + slots, -1),
    )


def utility(now: Visits, shown: np.ndarray, pictures: Pictures) -> np.ndarray:
    """(n, k) `u` of showing artworks `shown` (n, k) for the first time; numbers below 0 in `shown` mean nothing."""
    theme, mood = pictures.theme[shown], pictures.mood[shown]
    close, people = _CLOSENESS[pictures.shot[shown]], pictures.people[shown]
    tastes, rows = now.tastes, np.arange(len(shown))[:, None]
    appeal = 0.25 * close + 0.15 * pictures.lettered[shown] + np.where((people == 1) | (people == 2), 0.15, -0.1)
    nobody = np.zeros((len(shown), 1))  # the actor with the number -1
    liked = np.concatenate([tastes.actors, nobody], axis=1)[rows[..., None], pictures.actors[shown]].max(axis=2)
    return np.asarray(
        -3.2
        + 2.0 * now.liking[:, None]
        + appeal
        + 2.6 * tastes.themes[rows, theme]
        + 0.9 * tastes.moods[rows, mood]
        + 0.6 * tastes.close[:, None] * close
        + 0.4 * tastes.crowd[:, None] * (people - 1.5)
        + 2.4 * liked
        + 0.8 * _NEARNESS[now.device][:, None] * close
    )


def outcomes(
    rng: np.random.Generator, now: Visits, candidates: np.ndarray, chosen: np.ndarray, pictures: Pictures
) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) probability of a quality play, to six decimals, of each candidate (0 where there is none), and (n,)
    whether the chosen one, by its column, led to one.

    What a member has tired of depends on what came of their earlier visits to the title, so all first visits are
    decided before all second ones, and so on.
    """
    u = utility(now, candidates, pictures)
    dice = rng.integers(0, MILLION, len(chosen))
    pair, nth = occurrences(now.member, now.title)
    shown = np.zeros((int(pair.max(initial=0)) + 1, candidates.shape[1]))
    truth, reward = np.zeros(candidates.shape), np.zeros(len(chosen), dtype=bool)
    order = np.argsort(nth, kind="stable")
    for rows in np.split(order, np.bincount(nth).cumsum()[:-1]):
        tired = _TIRING * np.minimum(shown[pair[rows]], _TIRED)
        truth[rows] = np.where(candidates[rows] < 0, 0.0, np.round(1 / (1 + np.exp(tired - u[rows])), 6))
        reward[rows] = dice[rows] < np.rint(truth[rows, chosen[rows]] * MILLION)
        shown[pair[rows], chosen[rows]] += ~reward[rows]
    return truth, reward


def fit_policy(
    rng: np.random.Generator, count: int, seen: Seen, catalogue: Sequence[Title], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the production policy, from `count` uniformly logged impressions of the month before the log; and how
    popular it holds each actor to be."""
    pictures = pictures_of(catalogue)
    past = visits(rng, count, len(seen.themes), catalogue, seed, (90, 120))
    candidates = pictures.candidates[past.title]
    pick = (rng.random(count) * (candidates >= 0).sum(axis=1)).astype(np.int64)
    _, reward = outcomes(rng, past, candidates, pick, pictures)
    popular = policy.popularity(seen, title_actors(catalogue))
    shown = candidates[np.arange(count), pick][:, None]
    return policy.fit(policy.features(seen.themes[past.member], popular, shown, pictures)[:, 0], reward), popular


def log(count: int, seen: Seen, catalogue: Sequence[Title], seed: int) -> tuple[pa.Table, pa.Table, pa.Table]:
    """`count` impressions, the true reward of each of their candidates, and the plays they led to as history."""
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM]))
    pictures = pictures_of(catalogue)
    weights, popular = fit_policy(rng, min(count, 30_000), seen, catalogue, seed)
    now = visits(rng, count, len(seen.themes), catalogue, seed, ((LOGGED_FROM - START) // MICROSECONDS_A_DAY, DAYS))
    candidates = pictures.candidates[now.title]
    real = candidates >= 0
    score = policy.features(seen.themes[now.member], popular, candidates, pictures) @ weights
    parts = policy.propensities(score, real)
    chosen = (rng.integers(0, MILLION, count)[:, None] >= parts.cumsum(axis=1)).sum(axis=1)
    truth, reward = outcomes(rng, now, candidates, chosen, pictures)
    sampled = ~reward & (rng.integers(0, 5, count) == 0)
    minutes = np.where(reward, rng.integers(20, 140, count), np.where(sampled, rng.integers(1, 10, count), 0)).astype(
        float
    )
    rows = np.arange(count)
    artwork_ids = pa.array([artwork.artwork_id for title in catalogue for artwork in title.artworks])
    title_ids = pa.array([title.title_id for title in catalogue]).take(pa.array(now.title))
    impression_ids = pa.array([f"i{number + 1:07d}" for number in range(count)])
    member_ids = pa.array([member_id(number) for number in now.member])
    at = pa.array(now.at).cast(pa.timestamp("us", tz="UTC"))
    flat = artwork_ids.take(pa.array(candidates[real]))
    ends = pa.array(np.concatenate([[0], real.sum(axis=1).cumsum()]), pa.int32())
    place, device = pa.array(now.place), pa.array(now.device)
    countries, languages, zones, _ = (pa.array(column) for column in zip(*PLACES, strict=True))
    impressions = pa.table(
        {
            "impression_id": impression_ids,
            "member_id": member_ids,
            "title_id": title_ids,
            "artwork_id": artwork_ids.take(pa.array(candidates[rows, chosen])),
            "candidates": pa.ListArray.from_arrays(ends, flat),
            "propensity": parts[rows, chosen] / MILLION,
            "propensities": pa.ListArray.from_arrays(ends, pa.array(parts[real] / MILLION)),
            "at": at,
            "reward": reward.astype(float),
            "minutes": minutes,
            "policy": pa.array([policy.NAME]).take(pa.array(np.zeros(count, dtype=int))),
            "device": pa.array(DEVICES).take(device),
            "country": countries.take(place),
            "language": languages.take(place),
            "time_zone": zones.take(place),
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
