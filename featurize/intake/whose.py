"""Whose data a store holds: a demo world's, or somebody's own.

The members and titles of a demo world have ids that a real catalogue may have too, so the two never go into one store:
what was meant for one would be read as the other's, and look well.
"""

from __future__ import annotations

import json
from pathlib import Path

from featurize.config.intake import Input
from featurize.errors import RefusedInput
from featurize.storage import tables
from featurize.storage.store import Store
from featurize.storage.tables import sql

OWN = "own"
FILES = ("artwork", "titles", "history", "impressions", "pairs")


def of_input(given: Input) -> str:
    """The demo world that is read, or `OWN`: files that lie in a demo world's folder are of that world."""
    return _of({name: getattr(given, name) for name in FILES}, given.demo)


def of_store(store: Store) -> set[str]:
    """The demo worlds whose data runs that ended well read into a store, and `OWN`. Errors: RunFailed."""
    with tables.scratch() as db:
        store.register(db, "run")
        rows = db.execute(sql("intake", "inputs")).fetchall()
    return {_of({name: json.loads(files).get(name) for name in FILES}, demo) for files, demo in rows}


def only_demo(store: Store, given: Input) -> Path | None:
    """The folder of the one demo world that a store is of; None for data of others.

    Of a store that no run has read anything into, the settings tell.
    """
    found = of_store(store) or {of_input(given)}
    return Path("demo", *found) if len(found) == 1 and OWN not in found else None


def keep_apart(store: Store, given: Input) -> None:
    """Errors: RefusedInput where the store holds data of others than the run would read."""
    mine, there = of_input(given), of_store(store)
    if not there or mine in there:
        return
    held = " and ".join("data of your own" if each == OWN else f"the demo world {each}" for each in sorted(there))
    if mine == OWN:
        what = "your own data needs a store of its own: STORE=my-store"
    else:
        what = f"with no files given, the demo world {mine} is meant: name your files, or another store (STORE=)"
    raise RefusedInput(f"{store.uri} holds {held}; {what}")


def _of(files: dict[str, str | None], demo: str) -> str:
    worlds = {_world(Path(uri)) or OWN for uri in files.values() if uri is not None} or {demo}
    return OWN if OWN in worlds else min(worlds)


def _world(path: Path) -> str | None:
    """The name of the demo world whose folder this is, or lies in."""
    for folder in (path, path.parent):
        try:
            return str(json.loads((folder / "world.json").read_text(encoding="utf-8"))["size"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None
