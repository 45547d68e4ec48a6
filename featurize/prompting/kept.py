"""What the job keeps of its inputs, so that a question about prompts can say names: titles, and the impressions used.

Invariant: a row is written once per state it was read in, and all rows of an impression lie in the day of the first,
as do its prompts and labels. Other days are only searched for ids that their own day does not know.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

WRITERS = 8


def titles(db: duckdb.DuckDBPyConnection, store: Store, origin: Origin, fence: Fence) -> None:
    """Commit what is new in table `given_title`. Errors: RunFailed."""
    store.register(db, "title_state")
    _commit(store, "title_state", "", tables.arrow(db, sql("prompting", "new_titles")), origin, fence)


def days(db: duckdb.DuckDBPyConnection) -> list[str]:
    """The days of the impressions in table `asked` that may have or get a prompt."""
    return [day for (day,) in db.execute("SELECT DISTINCT day FROM asked WHERE reason IS NULL ORDER BY day").fetchall()]


def read(db: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Make what is kept of the impressions in `asked` a view `impression_state`, and their `day` the first known."""
    store.register(db, "impression_state", days(db))
    unknown = tables.scalar(db, _SOME_UNKNOWN)
    if unknown:
        store.register(db, "impression_state")
    db.execute(sql("prompting", "first_days"))
    if unknown:
        store.register(db, "impression_state", days(db))


def changed(db: duckdb.DuckDBPyConnection) -> tuple[int, str]:
    """How many impressions of table `new_impression` are other than they were, and one of them in words."""
    found = db.execute(_CHANGED).fetchall()[0]
    return found[0], f"impression '{found[1]}', other {found[2]}"


def impressions(db: duckdb.DuckDBPyConnection, store: Store, origin: Origin, fence: Fence) -> None:
    """Commit table `new_impression`, by day. Errors: RunFailed."""
    new = tables.arrow(db, "SELECT * EXCLUDE (changed) FROM new_impression")

    def commit(day: str) -> None:
        _commit(
            store, "impression_state", day, new.filter(pc.equal(new["day"], day)).drop_columns("day"), origin, fence
        )

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(commit, new["day"].unique().to_pylist()))


def _commit(store: Store, table: str, folder: str, new: pa.Table, origin: Origin, fence: Fence) -> None:
    if not new.num_rows:
        return
    now = datetime.now(UTC)
    said = {name: new[name].to_pylist() for name in new.schema.names}
    carried = {**origin.columns(new.num_rows), "computed_at": [now] * new.num_rows}
    part = part_name([*map(str, zip(*said.values(), strict=True)), now.isoformat()])
    store.commit(table, folder, part, tables.rows(table, said | carried), fence.check)


_SOME_UNKNOWN = "SELECT count(*) > 0 FROM asked ANTI JOIN impression_state USING (impression_id) WHERE reason IS NULL"
_CHANGED = """SELECT count(*), min(impression_id), arg_min(changed, impression_id)
    FROM new_impression WHERE changed IS NOT NULL"""
