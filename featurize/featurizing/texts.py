"""The texts of a store that get vectors: what is said of titles and their artworks, from the tables that say it."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from featurize.intake import inputs
from featurize.storage.tables import sql

SAYING = ("title_state", "description", "clip_description", "transcript", "sound_description")
"""Tables without a row of which nothing is said."""


def collect(db: duckdb.DuckDBPyConnection, titles: str | None, descriptions: str) -> None:
    """Table `said` (title_id, kind, text) in `db`, which has the views of a store's catalog.

    `titles` is the table of titles at that address, or None for those that the store has seen; `descriptions` the model
    key of the captions. Errors: RefusedInput.
    """
    given: pa.Table | None = None if titles is None else inputs.read("title", titles)
    if given is None:
        db.execute("CREATE OR REPLACE TEMP VIEW given_title AS SELECT title_id, name, synopsis FROM title")
    else:
        db.register("given_title", given)
    db.execute("CREATE OR REPLACE TEMP TABLE describer AS SELECT $1 AS model_key", [descriptions])
    db.execute(sql("featurizing", "texts"))
