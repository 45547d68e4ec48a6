"""What lies in which part: prompts of a day, in the order of member, moment and id, under a name made of their ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from featurize.storage import tables
from featurize.storage.generations import folder_of
from featurize.storage.store import Store, part_name
from featurize.storage.tables import sql

PART = 20_000
"""Rows of a part, at most."""


@dataclass(frozen=True)
class Part:
    """What becomes a part: prompts of one day, by the numbers of their first and last question."""

    day: str
    first: int
    last: int


def leave_out_committed(db: duckdb.DuckDBPyConnection, store: Store, recipe_key: str, buckets: int) -> int:
    """Remove from `planned` what is committed. The parts of a day that is all there, name by name, are not read."""
    there: dict[str, set[str]] = defaultdict(set)
    for part in store.parts("prompt", recipe_key):
        day, name = folder_of(part).rpartition("/")[2], part.rpartition("/")[2]
        there[day].add(name.removesuffix(".parquet").partition("-")[0])
    db.execute("CREATE OR REPLACE TEMP TABLE committed (prompt_id VARCHAR)")
    unsure: list[str] = []
    names: dict[str, list[str]] = defaultdict(list)
    for row in tables.arrow(db, sql("prompting", "ids"), {"days": sorted(there), "buckets": buckets}).to_pylist():
        ids = row["ids"]
        names[row["day"]] += [part_name(ids[begin : begin + PART]) for begin in range(0, len(ids), PART)]
    for day, expected in names.items():
        if there[day].issuperset(expected):
            db.execute("INSERT INTO committed SELECT prompt_id FROM planned WHERE day = $1", [day])
        else:
            unsure.append(f"{recipe_key}/{day}")
    if unsure:
        store.register(db, "prompt", unsure)
        db.execute("INSERT INTO committed SELECT prompt_id FROM prompt")
        db.unregister("prompt")
    before = tables.scalar(db, "SELECT count(*) FROM planned")
    db.execute("DELETE FROM planned WHERE prompt_id IN (FROM committed)")
    return int(before - tables.scalar(db, "SELECT count(*) FROM planned"))


def batches(db: duckdb.DuckDBPyConnection) -> Iterator[list[Part]]:
    """All parts of table `question` in order, as many at once as have up to `PART` prompts together."""
    batch: list[Part] = []
    days = db.execute("SELECT day, min(question_no), max(question_no) FROM question GROUP BY day ORDER BY day")
    for day, first, last in days.fetchall():
        for begin in range(first, last + 1, PART):
            part = Part(day, begin, min(begin + PART - 1, last))
            if batch and part.last - batch[0].first >= PART:
                yield batch
                batch = []
            batch.append(part)
    if batch:
        yield batch
