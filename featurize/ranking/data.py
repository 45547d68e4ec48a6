"""What rankers that learn from the store are given: a DuckDB with the views of `inference/ranker.py`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from featurize.config import Settings
from featurize.errors import RefusedInput
from featurize.inference.letters import LETTERS
from featurize.intake import inputs, whose
from featurize.prompting import recipe as recipes
from featurize.storage import views
from featurize.storage.store import Store
from featurize.storage.tables import sql

_FAULTLESS = """CREATE TEMP VIEW faultless_history AS
SELECT member_id, title_id, event, "at", minutes FROM given_history
WHERE member_id IS NOT NULL AND title_id IS NOT NULL AND event IS NOT NULL AND "at" IS NOT NULL"""
FEW_KNOWN = 0.1
"""Of the members of a log: with fewer whom the history knows, it may be another's."""
_NONE = """CREATE TEMP TABLE history
(member_id VARCHAR, title_id VARCHAR, event VARCHAR, "at" TIMESTAMPTZ, minutes DOUBLE)"""


def history_of(store: Store, settings: Settings) -> str | None:
    """The file of what members did: the one that is given, or that of the demo world which the store is of."""
    if settings.input.history is not None:
        return settings.input.history
    world = whose.only_demo(store, settings.input)
    return str(world / "history.parquet") if world and (world / "history.parquet").exists() else None


class Strangers(NamedTuple):
    """That a history which was given knows few members of the log, and how many."""

    told: str
    known: int


def strangers(db: duckdb.DuckDBPyConnection, settings: Settings) -> Strangers | None:
    """Whether it does; `db` is that of `open_data`."""
    if settings.input.history is None:
        return None
    members, known = db.execute(sql("ranking", "known_members")).fetchall()[0]
    if known >= members * FEW_KNOWN:
        return None
    return Strangers(
        f"input.history: {settings.input.history} says of {known:,} of the {members:,} members to learn from that they"
        " played a known title before they were asked: is it the file that `make prompts` was given?",
        known,
    )


def open_data(store: Store, settings: Settings, recipe: str, scratch: Path) -> duckdb.DuckDBPyConnection:
    """The data of the logged prompts of a recipe. Errors: RefusedInput for a history that cannot be read; RunFailed."""
    db = views.connect(store)
    db.execute(f"SET memory_limit = '{settings.prompts.memory}'")
    uri = history_of(store, settings)
    if uri is None:
        db.execute(_NONE)
    else:
        inputs.view(db, "history", uri, scratch=scratch, time_zone=settings.input.time_zone)
        db.execute("ALTER VIEW history RENAME TO given_history")
        db.execute(_FAULTLESS)
        _name_members(db, store, settings, recipe)
    text = sql("ranking", "data")
    for name, value in (("recipe", recipe), ("letters", LETTERS)):
        text = text.replace(f"${name}", "'" + value.replace("'", "''") + "'")  # a view takes no parameters
    db.execute(text)
    return db


def _name_members(db: duckdb.DuckDBPyConnection, store: Store, settings: Settings, recipe: str) -> None:
    """View `history` with members as the prompts of the recipe name them. Errors: RefusedInput."""
    (found,) = db.execute("SELECT fingerprint->>'member_key' FROM model WHERE model_key = $1", [recipe]).fetchall()[0]
    key = recipes.member_key(settings.prompts) if found else None
    if recipes.which_key(key) != found:
        raise RefusedInput(
            f"prompts.member_key_env: recipe {recipe} names members by a keyed hash of another secret, so "
            "their history cannot be found; name the variable that make prompts was given"
        )
    if key is None:
        db.execute("CREATE TEMP VIEW history AS FROM faultless_history")
        return
    ids = [each for (each,) in db.execute("SELECT DISTINCT member_id FROM faultless_history").fetchall()]
    db.register("named", pa.table({"member_id": ids, "name": [recipes.pseudonym(key, each) for each in ids]}))
    db.execute(
        """CREATE TEMP VIEW history AS SELECT named.name AS member_id, faultless_history.* EXCLUDE (member_id)
        FROM faultless_history JOIN named USING (member_id)"""
    )
