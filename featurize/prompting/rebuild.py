"""Prompts made again: what the input asks for takes the place of what was committed under the same ids.

Invariant: recipe, ids and splits stay; words and candidates change as far as the data did. Renewed are the days of the
questions of the input: their prompts that it does not ask for are taken over as they are, what can no longer be asked
goes, and other days are left alone. `storage.switch` says what readers see meanwhile. Whoever keeps something computed
from the words, under a prompt_id, has to look at the prompt's run_id.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.switch import fresh, staged, switch
from featurize.storage.tables import sql


def look(db: duckdb.DuckDBPyConnection, store: Store, recipe_key: str) -> bool:
    """Make the ids committed on the days of table `planned` a table `committed`; False where there are none."""
    _register(db, store, recipe_key, _days(db))
    db.execute("CREATE OR REPLACE TEMP TABLE committed AS SELECT prompt_id FROM prompt")
    db.unregister("prompt")
    return bool(tables.scalar(db, "SELECT count(*) FROM committed"))


def counts(db: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """What becomes of the committed prompts of these days; after table `question` is made."""
    found = db.execute(sql("prompting", "rebuilt")).fetchall()[0]
    return dict(zip(("made again", "no longer possible", "left as they are"), found, strict=True))


def stage(store: Store, folder: str, rows: pa.Table, fence: Fence) -> None:
    """Write a part that readers do not see yet. Errors: RunFailed."""
    store.commit(staged("prompt"), folder, fresh(part_name(rows["prompt_id"].to_pylist())), rows, fence.check)


def finish(db: duckdb.DuckDBPyConnection, store: Store, recipe_key: str, fence: Fence, part: int) -> None:
    """Stage what is taken over, in parts of up to `part` rows, and switch to what is staged. Errors: RunFailed."""
    days = _days(db)
    left = "FROM prompt ANTI JOIN planned USING (prompt_id)"
    for day in days:
        _register(db, store, recipe_key, [day])
        rows = tables.arrow(db, f"{left} ORDER BY member_id, asked_at, prompt_id").cast(
            tables.contract("prompt").schema
        )
        for begin in range(0, rows.num_rows, part):
            stage(store, f"{recipe_key}/{day}", rows.slice(begin, part), fence)
    db.unregister("prompt")
    switch(store, "prompt", recipe_key, days, fence.check)


def _days(db: duckdb.DuckDBPyConnection) -> list[str]:
    return [day for (day,) in db.execute("SELECT DISTINCT day FROM planned ORDER BY day").fetchall()]


def _register(db: duckdb.DuckDBPyConnection, store: Store, recipe_key: str, days: list[str]) -> None:
    store.register(db, "prompt", [f"{recipe_key}/{day}" for day in days])
