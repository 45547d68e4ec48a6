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
    new = tables.arrow(db, sql("prompting", "new_titles"))
    _commit(store, "title_state", "", _rows("title_state", new, origin), fence)


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
        said = zip(*(rows[name].to_pylist() for name in tables.contract(table).key), strict=True)
        store.commit(table, folder, part_name(map(str, said)), rows, fence.check)


_SOME_UNKNOWN = "SELECT count(*) > 0 FROM asked ANTI JOIN impression_state USING (impression_id) WHERE reason IS NULL"
_CHANGED = """SELECT count(*), min(impression_id), arg_min(changed, impression_id)
    FROM new_impression WHERE changed IS NOT NULL"""
