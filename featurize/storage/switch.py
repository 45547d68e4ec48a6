"""Making parts of a table again: the new ones are written beside the tables, and take the place of the old at once.

On a disk whose file system can exchange two folders in one step (Linux: ext4, xfs, btrfs, tmpfs and more) that is what
happens: who lists the table finds each row in its old or in its new form, never in both, never in none. Files are not
edited and the new ones have names of their own, so a query that has listed the old ones and opens them only afterwards
ends with the error that a file is gone, and never with a mixture.

Elsewhere, which is on object storage, nothing can be exchanged. The parts move subfolder by subfolder (of prompts: day
by day), and who lists one between the move of its new parts and the deletion of its old ones, which follows, finds
both. A plan, which appears when all is written, makes the next run finish what a killed one began.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import pyarrow.fs as pafs

from featurize.errors import RunFailed
from featurize.storage import generations
from featurize.storage.store import Store, patiently

STAGED = "_new"
PLAN = "plan.json"
LISTED_S = 1.0
"""How long old parts stay after the exchange: who had opened their folder just before would list it as empty."""


def staged(table: str) -> str:
    """What to give `Store.commit` as the table of a part that is to appear by `switch`."""
    return f"{STAGED}/{table}"


def fresh(part: str) -> str:
    """A name for a part that is staged, which no other part has; up to the dash it is `part`."""
    return f"{part}-{uuid.uuid4().hex[:8]}"


def switch(store: Store, table: str, folder: str, renewed: Collection[str], check: Callable[[], None]) -> None:
    """Put what is staged for `<table>/<folder>`, which exists, in the place of its subfolders `renewed`.

    The other subfolders stay as they are. `check` is that of `Store.write`. Errors: RunFailed.
    """
    new, place = f"{staged(table)}/{folder}", f"{table}/{folder}"
    added, there = _names(store, new), _names(store, place)
    others = [name for name in there if name.split("/")[0] not in renewed]
    try:
        if store.local and _exchanged(store, new, place, others, check):
            time.sleep(LISTED_S)
            _clear(store, staged(table))
            return
    except OSError as error:
        raise RunFailed(f"cannot exchange {store.uri}/{place}: {error}") from error
    plan = {"from": new, "to": place, "added": added, "dropped": sorted(set(there) - set(others))}
    store.write(f"{staged(table)}/{PLAN}", json.dumps(plan).encode(), check=check)
    recover(store, table, check)


def recover(store: Store, table: str, check: Callable[[], None]) -> None:
    """Finish the switch that a killed run had begun; forget what it had only staged. Errors: RunFailed."""
    name = f"{staged(table)}/{PLAN}"
    text = store.read(name)
    try:
        if text is not None:
            plan = json.loads(text)
            for subfolder in sorted({each.split("/")[0] for each in (*plan["added"], *plan["dropped"])}):
                added, dropped = (
                    [each for each in plan[what] if each.split("/")[0] == subfolder] for what in ("added", "dropped")
                )
                _move(store, plan["from"], plan["to"], added, check)
                for each in dropped:
                    check()
                    store.delete(f"{plan['to']}/{each}")
            store.delete(name)
        _clear(store, staged(table))
    except OSError as error:
        raise RunFailed(f"cannot put the new parts of {store.uri}/{table} in place: {error}") from error


def _move(store: Store, new: str, place: str, names: list[str], check: Callable[[], None]) -> None:
    for each in names:
        if not store.exists(f"{new}/{each}"):
            continue  # the killed run had moved it
        source, target = f"{store.path}/{new}/{each}", f"{store.path}/{place}/{each}"
        if store.local:  # where folders cannot be exchanged; they may have been, on the disk that the store came from
            folder = Path(target).parent.parent
            target = str(folder / generations.newest(folder) / Path(target).name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
        check()
        # Copied and only then deleted where a store has no renaming: a part that is there twice is moved again.
        patiently(f"moving {store.uri}/{new}/{each}", partial(store.fs.move, source, target))


def _exchanged(store: Store, new: str, place: str, others: list[str], check: Callable[[], None]) -> bool:
    """Let two folders of a disk trade places; False, and nothing changed, where its file system cannot."""
    one, other = Path(store.path, new), Path(store.path, place)
    with generations.exclusively(Path(store.path)):
        for name in others:
            (one / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(other / name, one / name)
        check()
        return generations.exchange(one, other)


def _names(store: Store, folder: str) -> list[str]:
    """Parts below a folder, by their names from there."""
    table, _, rest = folder.partition("/")
    return [part.removeprefix(f"{folder}/") for part in store.parts(table, rest)]


def _clear(store: Store, folder: str) -> None:
    path = f"{store.path}/{folder}"
    if store.fs.get_file_info(path).type == pafs.FileType.Directory:
        patiently(f"deleting {store.uri}/{folder}", lambda: store.fs.delete_dir(path))
