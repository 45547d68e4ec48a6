"""How often members watched whom: counted from the plays before each moment, and kept where a prompt says it.

A prompt says it of the people a member watched most, and of whoever is on a candidate. Counted in numpy: there are as
many sums as members have ever watched people, and arrays of whole numbers find them in a fraction of the time that
DuckDB's hash tables take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from featurize.prompting.template import Template
from featurize.prompting.words import keep
from featurize.storage import tables
from featurize.storage.tables import sql

ROWS = 2_000_000
"""Rows of history, and plays counted, at a time."""
THREADS = 2
Numbers = npt.NDArray[np.int64]


def count(db: duckdb.DuckDBPyConnection, template: Template) -> None:
    """Table `met`: moment_no, person_no, plays, and whether it is one of those watched most. Reads `event`, `past`."""
    found: list[tuple[npt.NDArray[Any], ...]] = []
    pool = tables.scalar(db, "SELECT count(*) FROM person")
    if template.people is not None and pool:
        cast, at_least, most = _cast(db), template.people.at_least, template.people.most
        said = tables.arrow(db, sql("prompting", "on_candidates"))
        wanted = said["moment"].to_numpy() * pool + said["person_no"].to_numpy()

        def of_block(block: tuple[int, Numbers, Numbers, Numbers]) -> tuple[npt.NDArray[Any], ...]:
            begin, first, end, titles = block
            sums, plays = _sums(first, end, cast[titles], pool)
            often = _most(sums, plays, pool, at_least, most)
            low, high = np.searchsorted(wanted, [begin * pool, (begin + len(first)) * pool])
            shown = wanted[low:high] - begin * pool
            near = np.minimum(np.searchsorted(sums, shown), len(sums) - 1)
            at = np.union1d(often, near[sums[near] == shown] if len(sums) else near)
            return begin + sums[at] // pool, sums[at] % pool, plays[at], np.isin(at, often)

        with ThreadPoolExecutor(THREADS) as threads:
            under_way: deque[Future[tuple[npt.NDArray[Any], ...]]] = deque()
            for block in _blocks(db):
                under_way.append(threads.submit(of_block, block))
                while len(under_way) > THREADS:
                    found.append(under_way.popleft().result())
            found += [future.result() for future in under_way]
    columns = [np.concatenate(each) for each in zip(*found, strict=True)] or [np.empty(0, int)] * 4
    numbers = tables.arrow(db, "SELECT moment_no FROM past ORDER BY first_row, end_row, moment_no")["moment_no"]
    moment, person, plays, often = columns
    rows = {"moment_no": numbers.take(pa.array(moment)).combine_chunks(), "person_no": pa.array(person, pa.int32())}
    keep(db, "met", pa.table(rows | {"plays": pa.array(plays, pa.int32()), "often": pa.array(often.astype(bool))}))


def _cast(db: duckdb.DuckDBPyConnection) -> npt.NDArray[np.int32]:
    """(titles, most): the people of each title; -1 where there are fewer."""
    rows = db.execute("SELECT title_no, place, person_no FROM title_cast").fetchnumpy()
    titles = tables.scalar(db, "SELECT count(*) FROM title")
    cast = np.full((titles, max(rows["place"], default=0) + 1), -1, np.int32)
    cast[rows["title_no"], rows["place"]] = rows["person_no"]
    return cast


def _blocks(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, Numbers, Numbers, Numbers]]:
    """The first of some moments in the order of history; of each the range of its plays in an array of titles."""
    past = db.execute("SELECT first_row, end_row FROM past ORDER BY first_row, end_row, moment_no").fetchnumpy()
    first, end = past["first_row"], past["end_row"]
    begin = 0
    while begin < len(first):
        # As many moments as lie in a stretch of the history, and have not too many plays together: one at least.
        near = np.searchsorted(first, first[begin] + ROWS)
        few = np.searchsorted((end[begin:near] - first[begin:near]).cumsum(), ROWS, side="right")
        stop = begin + max(1, int(few))
        low, high = int(first[begin]), int(end[begin:stop].max())
        rows = db.execute(
            "SELECT title_no, kind = 'play' AS play FROM event WHERE rowid >= $1 AND rowid < $2", [low, high]
        ).fetchnumpy()
        before = np.concatenate([[0], rows["play"].cumsum()])
        titles = rows["title_no"][rows["play"]]
        yield begin, before[first[begin:stop] - low], before[end[begin:stop] - low], titles
        begin = stop


def _sums(first: Numbers, end: Numbers, cast: npt.NDArray[np.int32], pool: int) -> tuple[Numbers, Numbers]:
    """For all plays from `first` to `end` of each moment: moment * pool + person in ascending order, and its plays."""
    lengths = end - first
    moment = np.repeat(np.arange(len(first)) * pool, lengths)
    play = np.arange(lengths.sum()) + np.repeat(first - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
    people = cast[play]
    keys = (moment[:, None] + people)[people >= 0]
    if len(first) * pool <= 4 * len(keys):  # few people: an array with a place for each sum is faster than sorting
        counted = np.bincount(keys)
        sums = np.flatnonzero(counted)
        return sums, counted[sums]
    return np.unique(keys, return_counts=True)


def _most(sums: Numbers, plays: Numbers, pool: int, at_least: int, most: int) -> Numbers:
    """The places of the sums that are among the `most` largest of their moment; of equals, those first by name."""
    enough = np.flatnonzero(plays >= at_least)
    if not len(enough):
        return enough
    moment, person, rows = sums[enough] // pool, sums[enough] % pool, int(plays.max()) + 1
    # By moment, the most plays, and name, in one number: to sort these is much faster than by three columns.
    order = np.sort((moment * rows + (rows - 1 - plays[enough])) * pool + person)
    moment = order // (rows * pool)
    starts = np.flatnonzero(np.concatenate([[True], moment[1:] != moment[:-1]]))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    top = order[rank < most]
    return np.searchsorted(sums, np.sort(top // (rows * pool) * pool + top % pool))
