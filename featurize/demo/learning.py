"""What can be learnt from the log of a demo world: a logistic regression on everything the log knows, crossed.

Invariant: it is fitted on the observed rewards of what was shown, and sees nothing but the inputs that any ranker may
read: plays before logging began, titles, what is drawn on the artworks, and the impressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from featurize.demo import world
from featurize.demo.members import DEVICES, THEME_NAMES
from featurize.demo.visits import occurrences
from featurize.demo.vocabulary import MOODS, SHOTS
from featurize.storage import tables

_TIRED = 3


@dataclass(frozen=True)
class Log:
    """Impressions in the order of time, with what is known of their members and artworks.

    Of each impression (n rows): `member`, `title`, `device`, the column of what was `shown`, `reward`, and (n, k) its
    `candidates` as numbers of artworks, -1 where there is none, their `propensities`, and how often each was shown
    `before` in vain. Of each artwork: `looks` (artworks, f) and `depicts` (artworks, actors). Of each title: `themes`
    and `cast`. Of each member: plays of each of the `titles_played`.
    """

    member: np.ndarray
    title: np.ndarray
    device: np.ndarray
    shown: np.ndarray
    reward: np.ndarray
    candidates: np.ndarray
    propensities: np.ndarray
    before: np.ndarray
    looks: np.ndarray
    depicts: np.ndarray
    themes: np.ndarray
    cast: np.ndarray
    plays_of_themes: np.ndarray
    plays_of_actors: np.ndarray


def read(folder: Path) -> Log:
    """The log of the world in `folder`. Errors: RefusedInput naming a file that is not whole."""
    titles = world.table(folder / "title.parquet").to_pylist()
    scenes = world.table(folder / "truth/scene.parquet").to_pylist()
    logged = world.table(folder / "impression.parquet")
    title_at = {row["title_id"]: at for at, row in enumerate(titles)}
    actors = sorted({name for row in titles for name in row["cast"]})
    members = sorted(set(logged["member_id"].to_pylist()))
    member = _numbers(logged["member_id"], members)
    title = _numbers(logged["title_id"], list(title_at))
    ids = [row["artwork_id"] for row in scenes]
    candidates = _padded(logged["candidates"], _numbers(_flat(logged["candidates"]), ids), -1)
    shown = (candidates == _numbers(logged["artwork_id"], ids)[:, None]).argmax(axis=1)
    reward = logged["reward"].to_numpy()
    themes = _marks([row["genres"] for row in titles], THEME_NAMES)
    cast = _marks([row["cast"] for row in titles], actors)
    with tables.connect() as db:
        db.register("impression", logged)
        db.register("history", world.table(folder / "history.parquet"))
        plays = tables.arrow(db, tables.sql("demo", "plays_before"))
    who, what = _numbers(plays["member_id"], members), _numbers(plays["title_id"], list(title_at))
    known = who >= 0
    who, what, often = who[known], what[known], plays["plays"].to_numpy()[known]
    return Log(
        member=member,
        title=title,
        device=_numbers(logged["device"], DEVICES),
        shown=shown,
        reward=reward,
        candidates=candidates,
        propensities=_padded(logged["propensities"], _flat(logged["propensities"]).to_numpy(), 0.0),
        before=_before(member, title, shown, reward, candidates.shape),
        looks=_looks(scenes),
        depicts=_marks([row["depicts"] for row in scenes], actors),
        themes=themes,
        cast=cast,
        plays_of_themes=_summed(who, what, often, themes, len(members)),
        plays_of_actors=_summed(who, what, often, cast, len(members)),
    )


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks().flatten()


def _numbers(column: Any, names: Any) -> np.ndarray:
    """Where each value stands among the names; -1 when it is none of them."""
    found = pa.compute.index_in(column, pa.array(names))
    return np.asarray(found.fill_null(-1).to_numpy(), dtype=np.int64)


def _padded(column: pa.ChunkedArray, flat: np.ndarray, pad: float) -> np.ndarray:
    """(n, longest) of a column of lists, given its values on end."""
    counts = pa.compute.list_value_length(column).to_numpy()
    rows = np.full((len(counts), counts.max()), pad, dtype=flat.dtype)
    rows[np.arange(counts.max()) < counts[:, None]] = flat
    return rows


def _marks(lists: list[list[str]], names: Any) -> np.ndarray:
    marks = np.zeros((len(lists), len(names)))
    at = {name: column for column, name in enumerate(names)}
    for row, each in enumerate(lists):
        marks[row, [at[name] for name in each]] = 1
    return marks


def _summed(who: np.ndarray, what: np.ndarray, often: np.ndarray, marks: np.ndarray, members: int) -> np.ndarray:
    """(members, f): `often` times the marks of what they played."""
    columns = [np.bincount(who, often * marks[what, column], members) for column in range(marks.shape[1])]
    return np.stack(columns, axis=1)


def _before(
    member: np.ndarray, title: np.ndarray, shown: np.ndarray, reward: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    pair, nth = occurrences(member, title)
    counts = np.zeros((pair.max() + 1, shape[1]))
    before = np.zeros(shape)
    for rows in np.split(np.argsort(nth, kind="stable"), np.bincount(nth).cumsum()[:-1]):
        before[rows] = counts[pair[rows]]
        counts[pair[rows], shown[rows]] += reward[rows] < 0.5
    return before


def _looks(scenes: list[dict[str, Any]]) -> np.ndarray:
    """(artworks, 28): theme, mood, shot, people and lettering, one-hot."""
    shots = [row["composition"].partition(",")[0] for row in scenes]
    people = [min(row["people_count"], 3) for row in scenes]
    lettered = [row["text_on_artwork"] is not None for row in scenes]
    return np.concatenate(
        [
            _marks([[row["theme"]] for row in scenes], THEME_NAMES),
            _marks([[row["mood"]] for row in scenes], MOODS),
            _marks([[shot] for shot in shots], SHOTS),
            np.eye(4)[people],
            np.array(lettered, dtype=float)[:, None],
        ],
        axis=1,
    )


_SHOTS_AT = slice(len(THEME_NAMES) + len(MOODS), len(THEME_NAMES) + len(MOODS) + len(SHOTS))


def features(log: Log, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(len(rows), f) of showing, in each of these impressions, the candidate in one column."""
    artwork, title, member = log.candidates[rows, columns], log.title[rows], log.member[rows]
    plays, of_actors = log.plays_of_themes[member], log.plays_of_actors[member]
    profile = (plays + 1) / (plays.sum(axis=1, keepdims=True) + plays.shape[1])
    usual = (log.plays_of_actors.sum(axis=0) + 1) / (log.plays_of_actors.sum() + 1)
    fan = np.log((of_actors + 1) / (of_actors.sum(axis=1, keepdims=True) * usual + 1))
    looks, depicts, cast = log.looks[artwork], log.depicts[artwork] > 0, log.cast[title] > 0
    device = np.eye(len(DEVICES))[log.device[rows]]
    times = np.eye(_TIRED + 1)[np.minimum(log.before[rows, columns], _TIRED).astype(int)]
    shares = log.themes[title] / log.themes[title].sum(axis=1, keepdims=True)
    return np.concatenate(
        [
            np.ones((len(rows), 1)),
            looks,
            (profile[:, :, None] * looks[:, None, :]).reshape(len(rows), -1),
            (device[:, :, None] * looks[:, None, _SHOTS_AT]).reshape(len(rows), -1),
            times,
            depicts.any(axis=1)[:, None],
            _hinges(np.where(depicts, fan, -9).max(axis=1)),
            _hinges(np.where(cast, fan, -9).max(axis=1)),
            shares,
            _hinges(np.log((profile * shares).sum(axis=1) * plays.shape[1])),
        ],
        axis=1,
    )


def _hinges(value: np.ndarray) -> np.ndarray:
    """(n, 4): lets a linear model bend."""
    return np.asarray(np.maximum(value[:, None] - np.array([0.0, 0.4, 0.8, 1.2]), 0))


def fit(log: Log, rows: np.ndarray, ridge: float = 0.1) -> np.ndarray:
    """Weights of a logistic regression of the rewards of what these impressions showed, by Newton's method."""
    x, y = features(log, rows, log.shown[rows]), log.reward[rows]
    weights: np.ndarray = np.zeros(x.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-(x @ weights)))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + ridge * np.eye(len(weights))
        step = np.linalg.solve(curvature, x.T @ (y - p) - ridge * weights)
        weights += step
        if np.abs(step).max() < 1e-4:
            break
    return weights


def scores(log: Log, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(len(rows), k) of each candidate; -inf where there is none."""
    found = np.full((len(rows), log.candidates.shape[1]), -np.inf)
    for first in range(0, len(rows), 4096):  # all at once would need gigabytes
        some = rows[first : first + 4096]
        row, column = np.nonzero(log.candidates[some] >= 0)
        found[first + row, column] = features(log, some[row], column) @ weights
    return found
