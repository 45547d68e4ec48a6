"""Why the artwork that led to a play was right, as a teacher might write it: a sentence from a template of the scene.

It says what the picture shows, and nothing of the member: what the plays of one member have in common is for the ranker
to find. Only the demo world has the truth of its scenes in a file.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from featurize.errors import RefusedInput
from featurize.storage import tables, views
from featurize.storage.store import Store
from featurize.storage.tables import sql


def write(store: Store, world: Path, file: Path) -> None:
    """Parquet of prompt_id and rationale, of the played prompts of split train. Errors: RefusedInput."""
    scenes = world / "truth/scene.parquet"
    if not scenes.is_file():
        raise RefusedInput(f"{scenes} is not there: rationales are told from the truth of the demo world")
    with views.connect(store) as db:
        try:
            rows = tables.arrow(db, sql("paper", "rationales"), {"scenes": str(scenes)})
        except duckdb.Error as error:
            raise RefusedInput(f"{scenes} cannot be read: {error}") from error
    pq.write_table(rows, file)
