"""Members: what they like, where they live, and the history of what they watched.

A member has a taste for each theme between 0 and 1, strong for few, and likes a few actors, strongly. Tastes for looks
(moods, close shots, crowded pictures) follow from the themes, plus a whim of their own. Titles are watched as often as
their themes and their cast are liked, and liked titles are watched longer and thumbed up; so the history tells the
tastes, and nothing else decides it. Where a member lives decides the hours at which they watch, and nothing else.

Weights are rounded to integers before anything is drawn with them, so that the last bits in which processors differ
cannot change a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from featurize.demo.actors import POOL, actors
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

FANDOM = 0.35
"""What a liked actor in the cast adds to the interest in a title; one all of whose themes are liked has 1."""

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
    """One row per member: `themes` (n, 10) and `actors` (n, POOL) from 0 to 1; `moods` (n, 8), `close` (n,) and `crowd`
    (n,) around 0."""

    themes: np.ndarray
    actors: np.ndarray
    moods: np.ndarray
    close: np.ndarray
    crowd: np.ndarray

    def rows(self, which: np.ndarray) -> Tastes:
        return Tastes(*(getattr(self, field.name)[which] for field in fields(self)))

    @staticmethod
    def together(parts: Sequence[Tastes]) -> Tastes:
        return Tastes(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Tastes)))


@dataclass(frozen=True)
class Seen:
    """Plays before logging began: `themes` (members, 10) of each theme, `titles` (titles,) of each title by all."""

    themes: np.ndarray
    titles: np.ndarray

    @staticmethod
    def together(parts: Sequence[Seen]) -> Seen:
        return Seen(np.concatenate([part.themes for part in parts]), np.sum([part.titles for part in parts], axis=0))


PLACES = (
    ("US", "en", "America/New_York", -5),
    ("US", "en", "America/Chicago", -6),
    ("US", "en", "America/Los_Angeles", -8),
    ("US", "es", "America/Los_Angeles", -8),
    ("BR", "pt", "America/Sao_Paulo", -3),
    ("BR", "pt", "America/Sao_Paulo", -3),
    ("MX", "es", "America/Mexico_City", -6),
    ("GB", "en", "Europe/London", 0),
    ("DE", "de", "Europe/Berlin", 1),
    ("FR", "fr", "Europe/Paris", 1),
    ("IN", "en", "Asia/Kolkata", 5),
    ("JP", "ja", "Asia/Tokyo", 9),
)
"""Country, language, time zone and its hours ahead of UTC in winter, each as likely as another."""
DEVICES = ("phone", "tablet", "television", "web")
_DEVICE_SHARES = (4, 1, 4, 1)


@dataclass(frozen=True)
class Homes:
    """One row per member: number of the place they live in and of the device they mostly use."""

    place: np.ndarray
    device: np.ndarray


def homes_of(batch: int, size: int, seed: int) -> Homes:
    rng = _stream(seed, batch, 3)
    return Homes(place=rng.integers(0, len(PLACES), size), device=draw_devices(rng, size))


def draw_devices(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbers of devices, as common as they are."""
    return np.repeat(np.arange(len(DEVICES)), _DEVICE_SHARES)[rng.integers(0, sum(_DEVICE_SHARES), count)]


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
    fans = _stream(seed, batch, 2)
    fame = np.array([actor.fame for actor in actors(seed)])
    return Tastes(
        themes=themes,
        actors=np.where(fans.random((size, POOL)) < fame, 0.6 + 0.4 * fans.random((size, POOL)), 0.0),
        moods=liked @ habits * 3 - 0.375 + 0.3 * whims[:, 2:],
        close=0.8 * whims[:, 0],
        crowd=(liked @ crowded - 1.6) * 0.5 + 0.3 * whims[:, 1],
    )


def title_themes(catalogue: Sequence[Title]) -> np.ndarray:
    """(titles, 10): the share each theme has in each title; the first counts most."""
    shares = np.zeros((len(catalogue), len(THEME_NAMES)))
    rows = np.repeat(np.arange(len(catalogue)), [len(title.themes) for title in catalogue])
    themes = [THEME_NAMES.index(theme) for title in catalogue for theme in title.themes]
    shares[rows, themes] = [3 - rank for title in catalogue for rank in range(len(title.themes))]
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def title_actors(catalogue: Sequence[Title]) -> np.ndarray:
    """(titles, POOL): 1 for who is in the cast."""
    cast = np.zeros((len(catalogue), POOL))
    rows = np.repeat(np.arange(len(catalogue)), [len(title.cast) for title in catalogue])
    cast[rows, [actor.number for title in catalogue for actor in title.cast]] = 1
    return cast


def interest(tastes: Tastes, catalogue: Sequence[Title]) -> np.ndarray:
    """(members, titles) from 0: how far a title's themes are liked, and its cast."""
    return np.asarray(tastes.themes @ title_themes(catalogue).T + FANDOM * tastes.actors @ title_actors(catalogue).T)


def draw_titles(rng: np.random.Generator, liking: np.ndarray, draws: int) -> np.ndarray:
    """(members, draws) title numbers, drawn in proportion to integer weights that grow with the interest."""
    weights = np.rint(np.exp(5 * liking) * 256).astype(np.int64)
    ends = weights.cumsum(axis=1)
    at = (rng.random((len(liking), draws)) * ends[:, -1:]).astype(np.int64)
    return np.stack([np.searchsorted(end, row, side="right") for end, row in zip(ends, at, strict=True)])


def history_batch(
    batch: int, size: int, mean_rows: int, catalogue: Sequence[Title], seed: int
) -> tuple[pa.Table, Seen]:
    """History of the members of a batch, and what was played before `LOGGED_FROM`.

    One member in forty has no history at all. Times of a member are distinct and ascending.
    """
    rng = _stream(seed, batch, 1)
    liking = interest(tastes_of(batch, size, seed), catalogue)
    counts = rng.integers(mean_rows // 20 + 1, 2 * mean_rows, size) * (rng.integers(40, size=size) > 0)
    longest = int(counts.max())
    drawn = draw_titles(rng, liking, longest)
    member, slot = np.nonzero(np.arange(longest) < counts[:, None])
    title = drawn[member, slot]
    liked = (np.minimum(liking[member, title], 1) * 1000).astype(np.int64)
    span = DAYS * MICROSECONDS_A_DAY // np.maximum(counts, 1)
    at = START + slot * span[member] + (rng.random(len(slot)) * span[member]).astype(np.int64)
    dice = rng.integers(0, 1000, len(slot))
    up, down = 20 + liked // 4, 60 - liked // 8
    event = np.select([dice < up, dice < up + np.maximum(down, 5), dice > 930], [1, 2, 3], 0)
    minutes = rng.integers(20, 1000, len(slot)) * (400 + liked) // 1400 * 120 // 1000 + 1
    themes = (title_themes(catalogue) > 0).astype(np.int64)
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
    return table, Seen(seen, np.bincount(title[early], minlength=len(catalogue)))
