"""Table `choice`: which artwork each member sees of each title, from the rankings of nightly prompts.

Invariant: a prompt and ranker have one row, in the folder that the hash of the member names, sorted by member and
title: a key-value store takes each part as it lies. Rows are added night by night; the newest of a pair counts.
"""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

BUCKETS = "0123456789abcdef"
"""First digits of the MD5 of a member: folders of the table."""


def choose(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    recipe: str,
    model_key: str,
    *,
    seed: int,
    explores: bool,
    origin: Origin,
    fence: Fence,
) -> int:
    """Write the rows that are missing; returns how many. Memory is that of a bucket. Errors: RunFailed."""
    store.register(db, "prompt", [recipe])
    store.register(db, "ranking", [model_key])
    written = 0
    for bucket in BUCKETS:
        store.register(db, "choice", [bucket])
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
            part = part_name([model_key, *rows["prompt_id"].to_pylist()])
            store.commit("choice", bucket, part, rows, fence.check)
            written += rows.num_rows
    for name in ("prompt", "ranking", "choice"):
        db.unregister(name)
    return written
