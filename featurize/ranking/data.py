"""What rankers that learn from the store are given: a DuckDB with the views of `inference/ranker.py`."""

from __future__ import annotations

from pathlib import Path

from featurize.config import Settings
from featurize.inference.letters import LETTERS
from featurize.inference.ranker import Data
from featurize.intake import inputs
from featurize.storage import views
from featurize.storage.store import Store
from featurize.storage.tables import sql

_FAULTLESS = """CREATE TEMP VIEW history AS
SELECT member_id, title_id, event, "at", minutes FROM given_history
WHERE member_id IS NOT NULL AND title_id IS NOT NULL AND event IS NOT NULL AND "at" IS NOT NULL"""
_NONE = """CREATE TEMP TABLE history
(member_id VARCHAR, title_id VARCHAR, event VARCHAR, "at" TIMESTAMPTZ, minutes DOUBLE)"""


def open_data(store: Store, settings: Settings, recipe: str, demo: Path, scratch: Path) -> Data:
    """The data of the logged prompts of a recipe. Errors: RefusedInput for a history that cannot be read; RunFailed."""
    db = views.connect(store)
    db.execute(f"SET memory_limit = '{settings.prompts.memory}'")
    text = sql("ranking", "data")
    for name, value in (("recipe", recipe), ("letters", LETTERS)):
        text = text.replace(f"${name}", "'" + value.replace("'", "''") + "'")  # a view takes no parameters
    db.execute(text)
    given = settings.input
    uri = given.history
    if uri is None and not (given.titles or given.impressions) and (demo / "history.parquet").exists():
        uri = str(demo / "history.parquet")
    if uri is None:
        db.execute(_NONE)
    else:
        inputs.view(db, "history", uri, scratch=scratch, time_zone=given.time_zone)
        db.execute("ALTER VIEW history RENAME TO given_history")
        db.execute(_FAULTLESS)
    return Data(db)
