"""What the history before each moment comes to: the events that are said, and plays counted by genre and by people.

The rows before a moment are a range of table `event`. So this is done in numpy, a stretch of history at a time: arrays
of whole numbers count ranges in a fraction of the time that joins and hash tables take. What is found goes into tables
at once; memory is bounded by `ROWS` and `CELLS`, however much history there is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurize.prompting.template import Template
from featurize.storage import tables
from featurize.storage.tables import sql

ROWS = 2_000_000
"""Rows of history, and of ranges of it, at a time."""
CELLS = 500_000
"""Counts at a time: one for each moment and each of what is counted."""
THREADS = 2
ON_CANDIDATES = {"genre": "genres_on_candidates", "person": "people_on_candidates"}
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Stretch:
    """Some moments in the order of history, the first of which is number `begin`, and the rows of `event` before them.

    `first` and `end` are the range of each among the rows; `low` is the row id of the first row.
    """

    begin: int
    first: Numbers
    end: Numbers
    low: int
    events: pa.Table

    @cached_property
    def titles(self) -> npt.NDArray[np.int32]:
        return self.events["title_no"].to_numpy()  # type: ignore[no-any-return]

    @cached_property
    def plays(self) -> tuple[npt.NDArray[np.int32], Numbers]:
        """Titles of the rows that are plays; and how many of them are before each row, and before the end."""
        play = self.events["play"].to_numpy()
        return self.titles[play], np.concatenate([[0], play.cumsum()])


@dataclass(frozen=True)
class _Kind:
    """What plays are counted by. `of_title` is (titles, most): numbers below `pool`, and that where there are fewer."""

    of_title: npt.NDArray[np.int64]
    pool: int
    most: int
    at_least: int
    asked: Numbers
    """What is told though it is not among the most, as moment * pool + number, in order."""
    but: int = 0
    """Rows right before the moment that do not count."""


def recall(db: duckdb.DuckDBPyConnection, template: Template) -> None:
    """Tables `recent` (the events that are said), `older` (plays by genre) and `met` (plays by people).

    Both of plays have the `most` of each moment that a prompt says, which are `often`, and also what is on a
    candidate. Reads `event` and `past`.
    """
    said, people = template.history, template.people
    genres = _kind(db, "title_genre", "genre", said.genres, 1, but=0 if said.all_genres else said.recent)
    known = people and _kind(db, "title_cast", "person", people.most, people.at_least)
    db.execute(sql("prompting", "found_in_history"))

    def of_stretch(stretch: _Stretch) -> dict[str, pa.Table]:
        moment, row = _last(stretch, said.recent, said.titles)
        rows = stretch.events.select(["title_no", "kind", "minutes", "happened_at"]).take(pa.array(row))
        recent = pa.table({"moment": stretch.begin + moment, "place": stretch.low + row})
        for name in rows.column_names:
            recent = recent.append_column(name, rows[name])
        found = {"found_recent": recent, "found_older": _counted(stretch, genres)}
        return found | {"found_met": _counted(stretch, known)} if known else found

    def keep(found: dict[str, pa.Table]) -> None:
        for name, rows in found.items():
            db.register("rows_to_keep", rows)
            db.execute(f"INSERT INTO {name} BY NAME FROM rows_to_keep")
            db.unregister("rows_to_keep")

    with ThreadPoolExecutor(THREADS) as threads:
        under_way: deque[Future[dict[str, pa.Table]]] = deque()
        for stretch in _stretches(db):
            under_way.append(threads.submit(of_stretch, stretch))
            while len(under_way) > THREADS:
                keep(under_way.popleft().result())
        for future in under_way:
            keep(future.result())
    db.execute(sql("prompting", "recalled"), {"until_then": bool(said.until_then)})
    db.execute("DROP TABLE found_recent; DROP TABLE found_older; DROP TABLE found_met")


def _kind(db: duckdb.DuckDBPyConnection, table: str, name: str, most: int, at_least: int, *, but: int = 0) -> _Kind:
    """Of a table of title_no and `<name>_no`."""
    rows = db.execute(
        f"SELECT title_no, row_number() OVER (PARTITION BY title_no) - 1 AS place, {name}_no AS number FROM {table}"
    ).fetchnumpy()
    pool, titles = (tables.scalar(db, f"SELECT count(*) FROM {each}") for each in (name, "title"))
    of_title = np.full((titles, max(rows["place"], default=0) + 1), pool, np.int64)
    of_title[rows["title_no"], rows["place"]] = rows["number"]
    on = tables.arrow(db, sql("prompting", ON_CANDIDATES[name]))
    asked = on["moment"].to_numpy() * pool + on["number"].to_numpy()
    return _Kind(of_title, pool, most, at_least, asked, but)


def _stretches(db: duckdb.DuckDBPyConnection) -> Iterator[_Stretch]:
    """As many moments each as lie in `ROWS` of history, and have as many before them together: one at least."""
    past = db.execute("SELECT first_row, end_row FROM past ORDER BY rowid").fetchnumpy()
    first, end = past["first_row"], past["end_row"]
    begin = 0
    while begin < len(first):
        near = np.searchsorted(first, first[begin] + ROWS)
        few = np.searchsorted((end[begin:near] - first[begin:near]).cumsum(), ROWS, side="right")
        stop = begin + max(1, int(few))
        low, high = int(first[begin]), int(end[begin:stop].max())
        query = "SELECT *, kind = 'play' AS play FROM event WHERE rowid >= $low AND rowid < $high"
        events = tables.arrow(db, query, {"low": low, "high": high})
        yield _Stretch(begin, first[begin:stop] - low, end[begin:stop] - low, low, events)
        begin = stop


def _last(stretch: _Stretch, recent: int, most: int | None) -> tuple[Numbers, Numbers]:
    """The `recent` rows right before each moment; with `most` those of the titles that come last. Moments, and rows."""
    row = stretch.end[:, None] - 1 - np.arange(recent)
    there = row >= stretch.first[:, None]
    if most is not None:
        title = stretch.titles[np.where(there, row, stretch.end[:, None] - 1)]
        said = np.full((len(row), most), -1)
        count = np.zeros(len(row), int)
        for column in range(recent):
            known = (said == title[:, column, None]).any(axis=1)
            new = np.flatnonzero(there[:, column] & ~known & (count < most))
            said[new, count[new]] = title[new, column]
            count[new] += 1
            known[new] = True
            there[:, column] &= known
    return np.nonzero(there)[0], row[there]


def _counted(stretch: _Stretch, kind: _Kind) -> pa.Table:
    """moment, number, plays and whether it is `often` one of the most; of what a moment has plays of."""
    titles, before = stretch.plays
    first, end = before[stretch.first], before[np.maximum(stretch.first, stretch.end - kind.but)]
    step = max(1, CELLS // max(1, kind.pool))
    found = [
        _of_some(first[begin : begin + step], end[begin : begin + step], stretch.begin + begin, titles, kind)
        for begin in range(0, len(first), step)
    ]
    names = ["moment", "number", "plays", "often"]
    return pa.table({name: np.concatenate(each) for name, each in zip(names, zip(*found, strict=True), strict=True)})


def _of_some(
    first: Numbers, end: Numbers, begin: int, titles: npt.NDArray[np.int32], kind: _Kind
) -> tuple[npt.NDArray[np.generic], ...]:
    """The same as arrays, for plays from `first` to `end` of moments from number `begin` on."""
    # A column of the counts for each that is there at all, and a last one for `pool`, which is nobody.
    there = np.zeros(kind.pool + 1, bool)
    there[kind.of_title[titles[first.min() : end.max()]]] = True
    there[-1] = True
    numbers, column = np.flatnonzero(there), there.cumsum() - 1
    width, of_title = len(numbers), column[kind.of_title]
    # The moments of a member begin with the same play: each counts what is new since the one before, and adds that.
    again = np.concatenate([[False], first[1:] == first[:-1]])
    new = np.where(again, np.concatenate([[0], end[:-1]]), first)
    lengths = end - new
    play = np.arange(lengths.sum()) + np.repeat(new - (lengths.cumsum() - lengths), lengths)
    place = np.repeat(np.arange(len(first)) * width, lengths)[:, None] + of_title[titles[play]]
    plays = np.bincount(place.ravel(), minlength=len(first) * width).reshape(-1, width)[:, :-1]
    for later in np.flatnonzero(again):
        plays[later] += plays[later - 1]
    often = _most(plays, kind.most, kind.at_least)
    told = often.copy()
    low, high = np.searchsorted(kind.asked, [begin * kind.pool, (begin + len(first)) * kind.pool])
    moment, number = np.divmod(kind.asked[low:high], kind.pool)
    seen = there[number]
    told[moment[seen] - begin, column[number[seen]]] = True
    at = np.nonzero(told & (plays > 0))
    return begin + at[0], numbers[at[1]], plays[at], often[at]


def _most(plays: Numbers, most: int, at_least: int) -> npt.NDArray[np.bool_]:
    """Whether a count is at least so high, and among the `most` highest of its row; of equals, the first are."""
    left = np.where(plays >= at_least, plays, 0)
    among = np.zeros(plays.shape, bool)
    rows = np.arange(len(plays))
    for _ in range(min(most, plays.shape[1])):
        best = left.argmax(axis=1)
        among[rows, best] |= left[rows, best] > 0
        left[rows, best] = 0
    return among
