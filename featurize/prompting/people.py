"""How often members watched whom: counted from the plays before each moment, and kept where a prompt says it.

A prompt says it of the people a member watched most, and of whoever is on a candidate. Counted in numpy: there are as
many sums as members have ever watched people, and a sort of whole numbers finds them in a quarter of the time that
DuckDB's hash tables take.
"""

from __future__ import annotations

from collections.abc import Iterator
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
Numbers = npt.NDArray[np.int64]


def count(db: duckdb.DuckDBPyConnection, template: Template) -> None:
    """Table `met`: moment_no, person_no, plays, and whether it is one of those watched most. Reads `event`, `past`."""
    found: list[tuple[npt.NDArray[Any], ...]] = []
    pool = tables.scalar(db, "SELECT count(*) FROM person")
    if template.people is not None and pool:
        cast = _cast(db)
        said = tables.arrow(db, sql("prompting", "on_candidates"))
        wanted = said["moment"].to_numpy() * pool + said["person_no"].to_numpy()
        for moments, first, end, titles in _blocks(db):
            sums, plays = _sums(first, end, cast[titles], pool)
            most = _most(sums // pool, plays, sums % pool, template.people.at_least, template.people.most)
            begin = np.searchsorted(wanted, moments[0] * pool)
            shown = wanted[begin : np.searchsorted(wanted, (moments[-1] + 1) * pool)] - moments[0] * pool
            at = np.flatnonzero(np.isin(sums, shown, assume_unique=True) | most)
            found.append((moments[0] + sums[at] // pool, sums[at] % pool, plays[at], most[at]))
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


def _blocks(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[Numbers, Numbers, Numbers, Numbers]]:
    """Moments, by their place in the order of history; of each the range of its plays in an array of titles."""
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
        yield np.arange(begin, stop), before[first[begin:stop] - low], before[end[begin:stop] - low], titles
        begin = stop


def _sums(first: Numbers, end: Numbers, cast: npt.NDArray[np.int32], pool: int) -> tuple[Numbers, Numbers]:
    """For all plays from `first` to `end` of each moment: moment * pool + person in ascending order, and its plays."""
    lengths = end - first
    moment = np.repeat(np.arange(len(first)), lengths)
    play = np.arange(lengths.sum()) + np.repeat(first - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
    people = cast[play]
    keys = np.sort((moment[:, None] * pool + people)[people >= 0])
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, int)
    return keys[starts], np.diff(np.append(starts, len(keys)))


def _most(moment: Numbers, plays: Numbers, person: Numbers, at_least: int, most: int) -> npt.NDArray[np.bool_]:
    """Which of the sums are among the `most` largest of their moment; of equals, those that are first by name."""
    chosen = np.zeros(len(moment), bool)
    enough = np.flatnonzero(plays >= at_least)
    order = enough[np.lexsort((person[enough], -plays[enough], moment[enough]))]
    starts = np.searchsorted(moment[order], moment[order])
    chosen[order[np.arange(len(order)) - starts < most]] = True
    return chosen
