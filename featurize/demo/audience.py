"""Members of the clip world: what they care for, and what they played.

There are three kinds, as many of each: `watchers` care for what is seen in clips, `listeners` for what is said in them,
`readers` for what titles are about. A member likes each setting, mood, topic and theme by u⁴, where u is drawn evenly
from 0 to 1: few, and these much. How much they like a title is

    watchers   0.6 · (the setting of its clip) + 0.4 · (the mood of its clip)
    listeners  (the topic of the line in its clip), 0 where nobody speaks
    readers    (its themes, the first counts most)

and they play 6 to 18 titles, once each, drawn one after the other with weights exp(5 · liking) of those left. When they
play what is left to chance, so that what was played before says whom they are and never what comes next. Nothing else
enters: watchers cannot tell two lines apart, nor listeners two scenes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from featurize.demo.lines import TOPICS
from featurize.demo.members import DAYS, HISTORY, MICROSECONDS_A_DAY, START, member_id, title_themes
from featurize.demo.titles import Title
from featurize.demo.vocabulary import MOODS, SETTINGS

if TYPE_CHECKING:
    from featurize.demo.clips import Clip

_STREAM = 8
KINDS = ("watchers", "listeners", "readers")
COUNT = 1500
FEWEST, MOST = 6, 18
"""Titles that a member plays."""
MEMBER = pa.schema([pa.field("member_id", pa.string(), nullable=False), pa.field("kind", pa.string(), nullable=False)])


def kind_of(number: int) -> str:
    return KINDS[number % len(KINDS)]


def members() -> pa.Table:
    """Of which kind each member is."""
    numbers = range(COUNT)
    return pa.table([[member_id(n) for n in numbers], [kind_of(n) for n in numbers]], schema=MEMBER)


def liking(catalogue: Sequence[Title], clips: Sequence[Clip], seed: int) -> np.ndarray:
    """(members, titles) from 0 to 1, by the formula above."""
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM, 0]))

    def tastes(width: int) -> np.ndarray:
        return np.asarray(rng.random((COUNT, width)) ** 4)

    scenes = [clip.scene for clip in clips]
    settings = tastes(len(SETTINGS))[:, [SETTINGS.index(scene.setting) for scene in scenes]]
    moods = tastes(len(MOODS))[:, [MOODS.index(scene.mood) for scene in scenes]]
    spoken = np.array([TOPICS.index(clip.topic) if clip.topic else -1 for clip in clips])
    topics = np.where(spoken < 0, 0, tastes(len(TOPICS))[:, spoken])
    shares = title_themes(catalogue)
    themes = tastes(shares.shape[1]) @ shares.T
    by_kind = {"watchers": 0.6 * settings + 0.4 * moods, "listeners": topics, "readers": themes}
    found = np.zeros((COUNT, len(catalogue)))
    for place, kind in enumerate(KINDS):
        found[place :: len(KINDS)] = by_kind[kind][place :: len(KINDS)]
    return found


def history(catalogue: Sequence[Title], clips: Sequence[Clip], seed: int) -> pa.Table:
    """Rows of `HISTORY`, by member and time."""
    liked = liking(catalogue, clips, seed)
    rng = np.random.Generator(np.random.PCG64([seed, _STREAM, 1]))
    counts = rng.integers(FEWEST, MOST + 1, COUNT)
    rows: list[tuple[str, str, int, float]] = []
    for number in range(COUNT):
        # Weights are rounded to integers before anything is drawn, as in `members`.
        weights = np.rint(np.exp(5 * liked[number]) * 256).astype(np.int64)
        played = []
        for _ in range(counts[number]):
            at = int(np.searchsorted(weights.cumsum(), int(rng.integers(weights.sum())), side="right"))
            played.append(at)
            weights[at] = 0
        span = DAYS * MICROSECONDS_A_DAY // len(played)
        for slot, place in enumerate(rng.permutation(len(played))):
            title = played[place]
            moment = START + slot * span + int(rng.integers(span))
            minutes = 1.0 + int(rng.integers(10, 60)) + int(60 * liked[number, title])
            rows.append((member_id(number), catalogue[title].title_id, moment, minutes))
    names, title_ids, moments, minutes_ = zip(*rows, strict=True)
    return pa.table(
        {
            "member_id": pa.array(names),
            "title_id": pa.array(title_ids),
            "event": pa.array(["play"] * len(rows)),
            "at": pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            "minutes": pa.array(minutes_),
        },
        schema=HISTORY,
    )


def of_kind(history: pa.Table, kind: str) -> pa.Table:
    """The rows of the members of one kind."""
    names = {member_id(number) for number in range(COUNT) if kind_of(number) == kind}
    return history.filter(pa.array([name in names for name in history["member_id"].to_pylist()]))
