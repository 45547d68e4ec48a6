"""Table `choice`: which artwork each member sees of each title, from the rankings of nightly prompts.

Invariant: a prompt and ranker have one row, in the folder that the hash of the member names, sorted by member and
title: a key-value store takes each part as it lies. The rows of a night that has few of them are one part of folder
`all`, sorted alike. Rows are added night by night; the newest of a pair counts.
"""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

BUCKETS = "0123456789abcdef"
"""First digits of the MD5 of a member: folders of the table."""
ALL = "all"
FEW = 100_000
"""Rows of a night that are not worth a part per bucket."""


def choose(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    folder: str,
    model_key: str,
    *,
    seed: int,
    explores: bool,
    origin: Origin,
    fence: Fence,
) -> int:
    """Write the rows that are missing of the prompts in a folder of their table; returns how many.

    Memory is that of a bucket. Errors: RunFailed.
    """
    store.register(db, "prompt", [folder])
    store.register(db, "ranking", [model_key])
    found: dict[str, pa.Table] = {}
    written = 0

    def commit(folder: str, rows: pa.Table) -> None:
        part = part_name([model_key, *rows["prompt_id"].to_pylist()])
        store.commit("choice", folder, part, rows, fence.check)

    for bucket in BUCKETS:
        store.register(db, "choice", [bucket, ALL])
        parameters = {
            "bucket": bucket,
            "model_key": model_key,
            "seed": seed,
            "explores": explores,
            "run_id": origin.run_id,
            "code_version": origin.code_version,
            "computed_at": datetime.now(UTC),
        }
        rows = tables.arrow(db, sql("ranking", "choices"), parameters).cast(tables.contract("choice").schema)
        if rows.num_rows:
            tables.check("choice", rows)
            found[bucket] = rows
            written += rows.num_rows
        while found and written > FEW:
            commit(*found.popitem())
    if found:
        order = [(column, "ascending") for column in ("member_id", "title_id", "valid_from")]
        commit(ALL, pa.concat_tables(list(found.values())).sort_by(order))
    for name in ("prompt", "ranking", "choice"):
        db.unregister(name)
    return written
