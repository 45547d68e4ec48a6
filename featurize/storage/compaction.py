"""Many small parts of a folder to few sized ones, beside readers that never stop and jobs that go on.

Invariant: whoever lists a table finds each row once, before, during and after, and whoever has listed it can open what
was found for `upkeep.keep_days`. On a disk `generations.Switch` sees to that, on object storage `compacted`. Killed at
any moment, a compaction leaves rows as they were or as they are to be; what it had only staged nobody finds, and the
next one removes it.

That a run started is left out of what is merged where another row says how it ended: `runs` shows that one alone.

Parts of a run whose lease is still there stay as they are: such a run may look for its parts by name, or commit one
again under the same name. Without its lease it can commit nothing more.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from featurize.errors import RunFailed
from featurize.storage import compacted, generations, lease
from featurize.storage.compacted import Compacted
from featurize.storage.generations import SUPERSEDED, Switch, folder_of
from featurize.storage.store import Store, encoded, part_name, patiently
from featurize.storage.views import TABLES

ORDER = {"choice": ("member_id", "title_id"), "prompt": ("member_id", "asked_at", "prompt_id")}
"""Tables whose parts are sorted."""
REPLACED = ("prompt",)
"""Tables whose parts a rebuild takes away: on object storage nothing can stand for them."""
_BESIDE = re.compile(r"g\d+-[0-9a-f]{8}")


@dataclass(frozen=True)
class Merge:
    """Parts of one folder, by their names below the store, that become one."""

    folder: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Leftover:
    """What nobody can see any more: its name below the store, what it frees, and since when nobody sees it."""

    name: str
    parts: int
    bytes: int
    since: datetime


def compact(store: Store, table: str, part_bytes: int, check: Callable[[], None], *, dry_run: bool) -> tuple[int, int]:
    """Make few parts of a table; returns how many small ones there were, and how many they became.

    Errors: RunFailed.
    """
    if not store.local and table in REPLACED:
        return 0, 0
    known, sizes = _listed(store, table)
    try:
        with store.reading():
            merges = _plan(sizes, part_bytes, _kept(store, table, sizes))
            if not dry_run and merges:
                if store.local:
                    for folder in dict.fromkeys(merge.folder for merge in merges):
                        _next_generation(store, table, [each for each in merges if each.folder == folder], check)
                else:
                    _stand_in(store, table, known, merges, check)
    except OSError as error:
        raise RunFailed(f"cannot compact {store.uri}/{table}: {error}") from error
    return sum(len(merge.parts) for merge in merges), len(merges)


def crowded(store: Store, most: int) -> list[str]:
    """A sentence for each table that has `most` parts or more beyond one per folder."""
    told = []
    for table in TABLES:
        parts = store.parts(table)
        folders = len({folder_of(part) for part in parts})
        if len(parts) - folders >= most and (store.local or table not in REPLACED):
            told.append(
                f"table {table} has {len(parts):,} parts in {folders:,} folders; `make compact` makes few of them"
            )
    return told


def sweep(store: Store) -> None:
    """Remove what a killed compaction had staged on a disk; for the holder of the lease."""
    if store.local:
        seen = {_target(link).parent for link in _links(store)}
        for place in _beside(Path(store.path, SUPERSEDED)):
            if place not in seen:
                _remove(store, place)


def leftovers(store: Store, keep: timedelta, now: datetime) -> Iterator[Leftover]:
    """What `remove` may remove: not seen by anyone for `keep`."""
    if not store.local:
        yield from _unnamed(store, now - keep)
        return
    for link in _links(store):
        since = _time(link)
        if since <= now - keep:
            # What came along into the next generation is linked from there too, and frees nothing.
            files = [entry.stat() for entry in generations.walk(str(_target(link)))]
            own = [seen.st_size for seen in files if seen.st_nlink == 1]
            yield Leftover(str(link.relative_to(store.path)), len(own), sum(own), since)
    for folder in (*TABLES, lease.FOLDER):
        for entry in generations.walk(f"{store.path}/{folder}"):
            if entry.name.startswith(".") and entry.name.endswith(".tmp") and _time(Path(entry.path)) <= now - keep:
                name = os.path.relpath(entry.path, store.path)
                yield Leftover(name, 1, entry.stat().st_size, _time(Path(entry.path)))


def remove(store: Store, leftover: Leftover) -> None:
    """Errors: RunFailed."""
    path = Path(store.path, leftover.name)
    try:
        if store.local and path.is_symlink():
            place = _target(path).parent
            path.unlink()
            _remove(store, place)
        else:
            store.delete(leftover.name)
    except OSError as error:
        raise RunFailed(f"cannot remove {store.uri}/{leftover.name}: {error}") from error


def _listed(store: Store, table: str) -> tuple[Compacted, dict[str, int]]:
    """What the table has now, and what stood for what when that was looked up."""
    while True:
        known = _known(store, table)
        sizes = store.sizes(table)
        if known == _known(store, table):
            return known, sizes


def _known(store: Store, table: str) -> Compacted:
    return Compacted() if store.local else Compacted.parse(store.read(compacted.name(table)))


def _plan(sizes: dict[str, int], part_bytes: int, kept: set[str]) -> list[Merge]:
    small: dict[str, list[str]] = defaultdict(list)
    for part in sorted(sizes):
        if sizes[part] < part_bytes / 2 and part not in kept:
            small[folder_of(part)].append(part)
    merges = []
    for folder, parts in small.items():
        groups: list[list[str]] = []
        room = 0.0
        for part in parts:
            if sizes[part] > room:
                groups.append([])
                room = part_bytes
            groups[-1].append(part)
            room -= sizes[part]
        merges += [Merge(folder, tuple(group)) for group in groups if len(group) > 1]
    return merges


def _kept(store: Store, table: str, sizes: dict[str, int]) -> set[str]:
    """The parts with rows of runs that may still commit. Their leases are read after the parts were listed."""
    running = []
    selector = pafs.FileSelector(f"{store.path}/_lease", allow_not_found=True)
    for info in patiently(f"listing {store.uri}/_lease", lambda: store.fs.get_file_info(selector)):
        holder = lease.read(store, info.base_name.removesuffix(".json")) if info.extension == "json" else None
        if holder is not None and not holder.token and not holder.dead():
            raise RunFailed(
                f"the lease {store.uri}/_lease/{info.base_name} does not say whose it is; remove it, or wait"
            )
        if holder is not None:
            running.append(holder.run_id)
    if not running or not sizes:
        return set()
    rows = store.of_parts(table, sorted(sizes)).to_table(["__filename"], filter=ds.field("run_id").isin(running))
    return {part[len(store.path) + 1 :] for part in rows["__filename"].unique().to_pylist()}


def _merged(store: Store, table: str, merge: Merge) -> pa.Buffer:
    rows = store.of_parts(table, merge.parts).to_table()
    if table == "run":
        ended = store.dataset("run").to_table(["run_id"], filter=ds.field("outcome") != "started")["run_id"]
        rows = rows.filter((ds.field("outcome") != "started") | ~ds.field("run_id").isin(ended.to_pylist()))
    if table in ORDER:
        rows = rows.sort_by([(column, "ascending") for column in ORDER[table]])
    return encoded(rows)


def _next_generation(store: Store, table: str, merges: list[Merge], check: Callable[[], None]) -> None:
    made = Switch(Path(store.path), table, merges[0].folder)
    try:
        for merge in merges:
            generations.write(made.new / f"{part_name(merge.parts)}{generations.SUFFIX}", _merged(store, table, merge))
        switched = made.switch({part for merge in merges for part in merge.parts}, check)
    except BaseException:
        made.discard()
        raise
    if not switched:  # a rebuild came first; its parts are few
        made.discard()


def _stand_in(store: Store, table: str, known: Compacted, merges: list[Merge], check: Callable[[], None]) -> None:
    made, instead = set(known.made), set(known.instead)
    now = datetime.now(UTC)
    there = dict(_stand_ins(store, table))
    dropped = {name: since for name, since in known.dropped.items() if name in there}
    for merge in merges:
        name = compacted.part(f"{table}/{merge.folder}".rstrip("/"), part_name(merge.parts))
        store.write(name, _merged(store, table, merge), check=check)
        dropped |= dict.fromkeys(made.intersection(merge.parts), now)
        made = (made - set(merge.parts)) | {name}
        instead |= set(merge.parts) - known.made
    text = Compacted(frozenset(made), frozenset(instead), dropped).text()
    store.write(compacted.name(table), text, replace=True, check=check)


def _stand_ins(store: Store, table: str) -> Iterator[tuple[str, pafs.FileInfo]]:
    """On object storage: all that compaction wrote and that is still there, by names below the store."""
    selector = pafs.FileSelector(f"{store.path}/{table}", allow_not_found=True, recursive=True)
    for info in patiently(f"listing {store.uri}/{table}", partial(store.fs.get_file_info, selector)):
        if info.base_name.endswith(compacted.SUFFIX):
            yield info.path[len(store.path) + 1 :], info


def _unnamed(store: Store, before: datetime) -> Iterator[Leftover]:
    """On object storage: what was compacted again, or by a run that was killed before it said so."""
    for table in TABLES:
        known = _known(store, table)
        for name, info in _stand_ins(store, table):
            since = known.dropped.get(name, info.mtime)
            if name not in known.made and since <= before:
                yield Leftover(name, 1, info.size, since)


def _links(store: Store) -> Iterator[Path]:
    for table in TABLES:
        for link in generations.links(Path(store.path, table)):
            if _target(link).is_relative_to(Path(store.path, SUPERSEDED)):
                yield link


def _target(link: Path) -> Path:
    """The generation that a link leads to."""
    return Path(os.path.normpath(link.parent / os.readlink(link)))


def _beside(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for entry in folder.iterdir():
            if _BESIDE.fullmatch(entry.name):
                yield entry
            elif entry.is_dir() and not entry.is_symlink():
                yield from _beside(entry)


def _remove(store: Store, place: Path) -> None:
    shutil.rmtree(place)
    with suppress(OSError):  # the first folder that is not empty
        for folder in place.relative_to(store.path).parents:
            if folder.name:
                Path(store.path, folder).rmdir()


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
