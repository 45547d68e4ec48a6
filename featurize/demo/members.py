"""Members: what they like, and the history of what they watched.

A member has a taste for each theme between 0 and 1, strong for few. Tastes for looks (moods, close shots, crowded
pictures) follow from the themes, plus a whim of their own. Titles are watched as often as their themes are liked, and
liked titles are watched longer and thumbed up; so the history tells the tastes, and nothing else decides it.

Weights are rounded to integers before anything is drawn with them, so that the last bits in which processors differ
cannot change a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from featurize.demo.titles import Title
from featurize.demo.vocabulary import MOODS, THEMES

_STREAM = 2
MICROSECONDS_A_DAY = 86_400_000_000
START = 1_735_689_600_000_000
"""First moment of the history: 2025-01-01 00:00 UTC, in microseconds."""
DAYS = 180
LOGGED_FROM = START + 120 * MICROSECONDS_A_DAY
"""Impressions are logged in the last 60 days."""
BATCH = 1000
"""Members that share a random stream; one batch is one row group of the history."""

THEME_NAMES = tuple(THEMES)
EVENTS = ("play", "thumbs_up", "thumbs_down", "list_add")

HISTORY = pa.schema(
    [
        pa.field("member_id", pa.string(), nullable=False),
        pa.field("title_id", pa.string(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("minutes", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Tastes:
    """One row per member: `themes` (n, 10) from 0 to 1; `moods` (n, 8), `close` (n,) and `crowd` (n,) around 0."""

    themes: np.ndarray
    moods: np.ndarray
    close: np.ndarray
    crowd: np.ndarray


def member_id(number: int) -> str:
    return f"m{number + 1:06d}"


def _stream(seed: int, batch: int, use: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, _STREAM, batch, use]))


def tastes_of(batch: int, size: int, seed: int) -> Tastes:
    """Tastes of `size` members of a batch."""
    rng = _stream(seed, batch, 0)
    themes = np.square(np.square(rng.random((size, len(THEME_NAMES)))))
    habits = np.array([[THEMES[theme].moods.get(mood, 0) for mood in MOODS] for theme in THEME_NAMES], dtype=float)
    habits /= habits.sum(axis=1, keepdims=True)
    liked = themes / (themes.sum(axis=1, keepdims=True) + 0.2)
    crowded = np.array([np.dot(THEMES[theme].people, range(6)) / sum(THEMES[theme].people) for theme in THEME_NAMES])
    whims = rng.random((size, len(MOODS) + 2)) * 2 - 1
    return Tastes(
        themes=themes,
        moods=liked @ habits * 3 - 0.375 + 0.3 * whims[:, 2:],
        close=0.8 * whims[:, 0],
        crowd=(liked @ crowded - 1.6) * 0.5 + 0.3 * whims[:, 1],
    )


def title_themes(catalogue: Sequence[Title]) -> np.ndarray:
    """(titles, 10): the share each theme has in each title; the first counts most."""
    shares = np.zeros((len(catalogue), len(THEME_NAMES)))
    for row, title in enumerate(catalogue):
        for rank, theme in enumerate(title.themes):
            shares[row, THEME_NAMES.index(theme)] = (3, 2, 1)[rank]
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def interest(tastes: Tastes, shares: np.ndarray) -> np.ndarray:
    """(members, titles) from 0 to 1: how far a title's themes are liked."""
    return np.asarray(tastes.themes @ shares.T)


def draw_titles(rng: np.random.Generator, liking: np.ndarray, draws: int) -> np.ndarray:
    """(members, draws) title numbers, drawn in proportion to integer weights that grow with the interest."""
    weights = np.rint(np.exp(5 * liking) * 256).astype(np.int64)
    ends = weights.cumsum(axis=1)
    at = (rng.random((len(liking), draws)) * ends[:, -1:]).astype(np.int64)
    return np.stack([np.searchsorted(end, row, side="right") for end, row in zip(ends, at, strict=True)])


def history_batch(
    batch: int, size: int, mean_rows: int, catalogue: Sequence[Title], seed: int
) -> tuple[pa.Table, np.ndarray]:
    """History of the members of a batch, and (size, 10) how many plays of each theme each had before `LOGGED_FROM`.

    One member in forty has no history at all. Times of a member are distinct and ascending.
    """
    rng = _stream(seed, batch, 1)
    shares = title_themes(catalogue)
    liking = interest(tastes_of(batch, size, seed), shares)
    counts = rng.integers(mean_rows // 20 + 1, 2 * mean_rows, size) * (rng.integers(40, size=size) > 0)
    longest = int(counts.max())
    drawn = draw_titles(rng, liking, longest)
    member, slot = np.nonzero(np.arange(longest) < counts[:, None])
    title = drawn[member, slot]
    liked = (liking[member, title] * 1000).astype(np.int64)
    span = DAYS * MICROSECONDS_A_DAY // np.maximum(counts, 1)
    at = START + slot * span[member] + (rng.random(len(slot)) * span[member]).astype(np.int64)
    dice = rng.integers(0, 1000, len(slot))
    up, down = 20 + liked // 4, 60 - liked // 8
    event = np.select([dice < up, dice < up + np.maximum(down, 5), dice > 930], [1, 2, 3], 0)
    minutes = rng.integers(20, 1000, len(slot)) * (400 + liked) // 1400 * 120 // 1000 + 1
    themes = (shares > 0).astype(np.int64)
    seen = np.zeros((size, len(THEME_NAMES)), dtype=np.int64)
    early = (event == 0) & (at < LOGGED_FROM)
    np.add.at(seen, member[early], themes[title[early]])
    names = pa.array([title.title_id for title in catalogue])
    table = pa.table(
        {
            "member_id": pa.array([member_id(batch * BATCH + row) for row in range(size)]).take(pa.array(member)),
            "title_id": names.take(pa.array(title)),
            "event": pa.array(EVENTS).take(pa.array(event)),
            "at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
            "minutes": pa.array(minutes.astype(float), mask=event != 0),
        },
        schema=HISTORY,
    )
    return table, seen
