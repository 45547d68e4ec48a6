"""Labels of impressions, which may come late: table `label` has what the log said first, and each change as a row more.

Invariant: a prompt is committed after the label it was made with. So what is known of an impression is in `label`, a
revision follows from what is committed, and a run that is killed and run again says nothing twice.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import duckdb

from featurize.prompting import kept
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

WRITERS = 8


def read(db: duckdb.DuckDBPyConnection, store: Store) -> None:
    """Make the committed labels of the days in table `asked` a view `label` of `db`; other days are not read."""
    store.register(db, "label", kept.days(db))


def changed(db: duckdb.DuckDBPyConnection) -> int:
    """How many labels of table `new_label` replace an earlier one."""
    return int(tables.scalar(db, "SELECT count(*) FROM new_label WHERE revision > 1"))


def write(db: duckdb.DuckDBPyConnection, store: Store, origin: Origin, fence: Fence) -> None:
    """Commit table `new_label`, a part per day. Errors: RunFailed."""
    days = db.execute("SELECT day, count(*) FROM new_label GROUP BY day ORDER BY day").fetchall()
    origins = {**vars(origin), "now": datetime.now(UTC)}
    rows = tables.arrow(db, sql("prompting", "label_rows"), origins).cast(tables.contract("label").schema)
    tables.check("label", rows)
    begins = [sum(count for _, count in days[:number]) for number in range(len(days))]

    def commit(begin: int, day: str, count: int) -> None:
        some = rows.slice(begin, count)
        said = (some[name].to_pylist() for name in ("impression_id", "revision", "reward", "minutes"))
        store.commit("label", day, part_name(map(str, zip(*said, strict=True))), some, fence.check)

    with ThreadPoolExecutor(WRITERS) as writers:
        for done in [writers.submit(commit, begin, *day) for begin, day in zip(begins, days, strict=True)]:
            done.result()
