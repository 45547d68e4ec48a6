"""Whose data a store holds: a demo world's, or somebody's own.

The members and titles of a demo world have ids that a real catalogue may have too, so the two never go into one store:
what was meant for one would be read as the other's, and look well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from featurize.config.intake import Input
from featurize.errors import RefusedInput
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql

OWN = "own"
FILES = ("artwork", "titles", "history", "impressions", "pairs")
ARTWORK_OF = ("featurize", "nightly")
"""Jobs that read artwork: where none is named it is the demo world's, whatever else is given."""
_NAMES = get_args(Input.model_fields["demo"].annotation)


def of_input(job: str, given: Input) -> set[str]:
    """The demo worlds that a job reads, and `OWN`: files that lie in a demo world's folder are of that world."""
    return _of(job, {name: getattr(given, name) for name in FILES}, given.demo)


def of_store(store: Store) -> set[str]:
    """The demo worlds whose data went into a store, and `OWN`. Errors: RunFailed.

    Artwork says where it is from, whatever became of the run that read it; of tables, runs that ended well tell.
    """
    with tables.scratch() as db, store.reading():
        for name in ("run", "artwork", "clip"):
            store.register(db, name)
        runs = db.execute(sql("intake", "inputs")).fetchall()
        sources = db.execute("SELECT DISTINCT source FROM artwork UNION SELECT DISTINCT source FROM clip").fetchall()
    found = {_world(source) or OWN for (source,) in sources}
    for job, files, demo in runs:
        found |= _of(job, {name: json.loads(files).get(name) for name in FILES}, demo)
    return found


def only_demo(store: Store, given: Input) -> Path | None:
    """The folder of the one demo world that a store is of; None for data of others.

    Of a store that no run has read anything into, the settings tell.
    """
    found = of_store(store) or of_input("rank", given)
    return Path("demo", *found) if len(found) == 1 and OWN not in found else None


def keep_apart(job: str, store: Store, given: Input) -> None:
    """Errors: RefusedInput where a run would read two worlds, or another one than the store holds."""
    mine = of_input(job, given)
    if len(mine) > 1:
        if job in ARTWORK_OF and given.artwork is None:
            told = f"input.artwork (ARTWORK=) is not set, which means the demo world {given.demo}"
            raise RefusedInput(f"{told}, and other files are your own: name your artwork, or no file at all")
        raise RefusedInput(f"input: some files are of {_words(mine - {OWN})}, and others your own")
    there = of_store(store)
    if not there or mine <= there:
        return
    if mine == {OWN}:
        what = "your own data needs a store of its own: STORE=my-store"
    else:
        what = f"with no files given, {_words(mine)} is meant: name your files, or another store (STORE=)"
    raise RefusedInput(f"{store.uri} holds {_words(there)}; {what}")


def _words(worlds: set[str]) -> str:
    return " and ".join("data of your own" if each == OWN else f"the demo world {each}" for each in sorted(worlds))


def _of(job: str, files: dict[str, str | None], demo: str) -> set[str]:
    worlds = {_world(uri) or OWN for uri in files.values() if uri is not None}
    unnamed = not worlds or (job in ARTWORK_OF and files["artwork"] is None)
    return worlds | {demo} if unnamed else worlds


def _world(uri: str) -> str | None:
    """The name of the demo world whose folder this is, or lies in; that folder may be gone."""
    path = Path(uri.removeprefix("file://"))
    for folder in (path, path.parent):
        if folder.name in _NAMES and folder.parent.name == "demo":
            return folder.name
        try:
            return str(json.loads((folder / "world.json").read_text(encoding="utf-8"))["size"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
