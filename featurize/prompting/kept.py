"""What the job keeps of its inputs, so that a question about prompts can say names: titles, and the impressions used.

Invariant: a row is written once per state it was read in, and an id stands for one impression for ever: for the member,
title, artwork, candidates and moment that were read first. So its rows, prompts and labels lie in one day. What comes
later under the id and is another impression is refused, whatever day it is of; a rebuild refuses it too.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from featurize.inference.letters import LETTERS
from featurize.storage import tables
from featurize.storage.generations import folder_of
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

WRITERS = 8


def titles(db: duckdb.DuckDBPyConnection, store: Store, origin: Origin, fence: Fence) -> None:
    """Commit what is new in table `given_title`. Errors: RunFailed."""
    store.register(db, "title_state")
    new = tables.arrow(db, sql("prompting", "new_titles"))
    _commit(store, "title_state", "", _rows("title_state", new, origin), fence)


def days(db: duckdb.DuckDBPyConnection) -> list[str]:
    """The days of the impressions in table `asked` that may have or get a prompt."""
    return [day for (day,) in db.execute("SELECT DISTINCT day FROM asked WHERE reason IS NULL ORDER BY day").fetchall()]


def refuse_changed(db: duckdb.DuckDBPyConnection, store: Store, recipe_key: str, member_key: str) -> None:
    """Give the impressions in `asked` that are others than their ids stand for a reason; leaves table `kept_state`.

    Ids are looked up in all days, and the rest of the columns is read of the days where they are.
    """
    store.register(db, "impression_state")
    found = [day for (day,) in db.execute(_KNOWN_DAYS).fetchall()]
    store.register(db, "impression_state", found)
    db.execute(sql("prompting", "kept_states"))
    # Versions that kept no impressions left prompts on days that have nothing kept. Only the prompts of this recipe are
    # looked at: reading all of them would cost much, and a second one under the same prompt_id comes from these alone.
    # Where only some of a day's impressions were kept since, the others are not known, and are taken as new.
    kept_days = {part.split("/")[1] for part in store.parts("impression_state")}
    earlier = {folder_of(part) for part in store.parts("prompt", recipe_key)}
    db.register(
        "earlier_prompt",
        store.dataset("prompt", sorted(each for each in earlier if each.rpartition("/")[2] not in kept_days)),
    )
    db.execute(sql("prompting", "known"), {"member_key": member_key, "letters": LETTERS})
    db.unregister("earlier_prompt")
    db.execute(sql("prompting", "changed_impressions"))


def until(db: duckdb.DuckDBPyConnection, store: Store, moment: datetime) -> None:
    """Make view `impression_state` of the days up to that of a moment; without a row where nothing is kept."""
    last = moment.astimezone(UTC).strftime("%Y-%m-%d")
    days = {part.split("/")[1] for part in store.parts("impression_state")}
    store.register(db, "impression_state", sorted(day for day in days if day <= last))


def changed(db: duckdb.DuckDBPyConnection) -> list[tuple[str, int, str]]:
    """What is other now of the impressions of table `new_impression`: of how many, and one of them in words."""
    found = db.execute(_CHANGED).fetchall()
    return [(what, rows, f"impression '{impression}', other {columns}") for what, rows, impression, columns in found]


def impressions(db: duckdb.DuckDBPyConnection, store: Store, member_key: str, origin: Origin, fence: Fence) -> None:
    """Commit table `new_impression`, by day. Errors: RunFailed."""
    new = tables.arrow(
        db, "SELECT * EXCLUDE (changed), $key::VARCHAR AS member_key FROM new_impression", {"key": member_key}
    )
    rows, days = _rows("impression_state", new, origin), new["day"]

    def commit(day: str) -> None:
        _commit(store, "impression_state", day, rows.filter(pc.equal(days, day)), fence)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(commit, days.unique().to_pylist()))


def _rows(table: str, new: pa.Table, origin: Origin) -> pa.Table:
    """Rows of the contract, checked. Errors: RunFailed."""
    carried = {**vars(origin), "computed_at": datetime.now(UTC)}
    schema = tables.contract(table).schema
    columns = [
        pa.repeat(pa.scalar(carried[field.name], field.type), len(new)) if field.name in carried else new[field.name]
        for field in schema
    ]
    rows = pa.table(columns, names=schema.names).cast(schema)
    tables.check(table, rows)
    return rows


def _commit(store: Store, table: str, folder: str, rows: pa.Table, fence: Fence) -> None:
    if rows.num_rows:
        # The moment they were read is one for all, and tells the states of an id apart.
        named = [*rows[tables.contract(table).key[0]].to_pylist(), str(rows["computed_at"][0])]
        store.commit(table, folder, part_name(named), rows, fence.check)


_KNOWN_DAYS = """SELECT DISTINCT strftime("at", '%Y-%m-%d') FROM impression_state
    SEMI JOIN (SELECT impression_id FROM asked WHERE reason IS NULL) USING (impression_id)"""
_CHANGED = """SELECT
        CASE WHEN changed SIMILAR TO '.*(propensit|policy).*' THEN 'propensity or policy' ELSE 'circumstances' END,
        count(*), min(impression_id), arg_min(changed, impression_id)
    FROM new_impression WHERE changed IS NOT NULL GROUP BY ALL ORDER BY ALL"""
