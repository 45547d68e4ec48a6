"""What the job keeps of its inputs, so that a question about prompts can say names: titles, and the impressions used.

Invariant: a row is written once per state it was read in; the days of other impressions are not read.
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


def impressions(db: duckdb.DuckDBPyConnection, store: Store, origin: Origin, fence: Fence) -> None:
    """Commit what is new of the impressions in table `asked` that have or get a prompt, by day. Errors: RunFailed."""
    days = db.execute("SELECT DISTINCT strftime(asked_at, '%Y-%m-%d') FROM asked WHERE reason IS NULL").fetchall()
    store.register(db, "impression_state", [day for (day,) in days])
    new = tables.arrow(db, sql("prompting", "new_impressions"))

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
