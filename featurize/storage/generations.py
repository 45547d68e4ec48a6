"""Where the parts of a folder of a table lie on a disk: in its newest generation, `<table>/<folder>/g<n>/`.

Compaction writes the next generation and exchanges two folders in one step. Where the older generation was there is
then a link to where it lies now, below `_superseded`. DuckDB's `**` does not walk links, nor does `walk`: who lists the
table finds the parts of one generation, and a query that had found the older ones still opens them by their old names.
A commit and a switch exclude each other by a lock on the folder of the store, so no part lands in a folder that is just
leaving. Object storage has neither links nor renaming, and no generations: `compacted` says what is done there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import select
import shutil
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from featurize.errors import RunFailed

SUPERSEDED = "_superseded"
SUFFIX = ".parquet"
LOCK_SECONDS = 60.0
ATTEMPTS = 5
_NAME = re.compile(r"g(\d+)")
QUIET_SECONDS, IDLE_SECONDS = 2.0, 0.05
_OPEN, _CLOSE = 0x20, 0x10  # IN_OPEN and IN_CLOSE_NOWRITE
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


def newest(folder: Path) -> str:
    """The name of the generation that new parts of a folder go to."""
    numbers = [number for number, entry in _generations(folder) if not entry.is_symlink()]
    return f"g{max(numbers, default=0)}"


def folder_of(part: str) -> str:
    """The folder of a part within its table, by the part's name below the store; without the generation."""
    inner = part.split("/")[1:-1]
    return "/".join(inner[:-1] if inner and _NAME.fullmatch(inner[-1]) else inner)


def walk(folder: str) -> Iterator[os.DirEntry[str]]:
    """The files below a folder; links to folders are not walked.

    What kind an entry is comes with its name, in one reading of the folder it is in. So of a folder that is exchanged
    meanwhile the entries are those of before or of after, and either can be opened.
    """
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from walk(entry.path)
            elif entry.is_file():
                yield entry


def find(folder: Path, part: str) -> Path | None:
    """Where a part of a folder lies; None when it is not there, or was compacted."""
    places = (folder / newest(folder) / f"{part}{SUFFIX}", folder / f"{part}{SUFFIX}")  # older versions had one level
    return next((place for place in places if place.exists()), None)


def commit(store: Path, folder: Path, part: str, data: bytes | pa.Buffer, check: Callable[[], None]) -> bool:
    """Make a part of a folder appear whole; False when it is there already. `check` is that of `Store.write`."""
    if find(folder, part):
        return False
    for _ in range(ATTEMPTS):
        place = folder / newest(folder)
        hidden = place / f".{part}{SUFFIX}.{uuid.uuid4().hex}.tmp"
        try:
            place.mkdir(parents=True, exist_ok=True)
            write(hidden, data)
            with _lock(store, fcntl.LOCK_SH):
                check()
                target = folder / newest(folder) / f"{part}{SUFFIX}"
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(hidden, target)
            return True
        except FileExistsError:
            return False
        except FileNotFoundError:  # the table was exchanged, and what was hidden in a folder of it did not come along
            continue
        finally:
            hidden.unlink(missing_ok=True)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def write(path: Path, data: bytes | pa.Buffer) -> None:
    """Write a file and wait until it is on the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


class Switch:
    """The next generation of a folder: filled at `new`, and then put in the place of the newest one by `switch`."""

    def __init__(self, store: Path, table: str, folder: str) -> None:
        self.store, self.folder = store, store / table / folder
        self.name = f"g{1 + max((number for number, _ in _generations(self.folder)), default=0)}"
        self.beside = store / SUPERSEDED / table / folder / f"{self.name}-{uuid.uuid4().hex[:8]}"
        """What is to be the folder, and after the switch what was the folder."""
        self.new = self.beside / self.name
        self.new.mkdir(parents=True)

    def switch(self, without: set[str], check: Callable[[], None]) -> bool:
        """Take everything of the folder along but the parts `without` (names below the store), and trade places.

        False, and nothing changed, when one of these is no longer there. `check` is called right before.

        Errors: RunFailed where the file system cannot exchange folders, OSError.
        """
        with exclusively(self.store):
            gone = set(without)
            for entry in walk(str(self.folder)):
                name = os.path.relpath(entry.path, self.store)
                if name in without:
                    gone.discard(name)
                elif entry.name.endswith(SUFFIX):
                    self._take_along(Path(entry.path))
            if gone:
                return False
            for link in links(self.folder):
                self._keep(link)
            for _, entry in _generations(self.folder):
                if not entry.is_symlink():
                    old = os.path.relpath(self.beside / entry.name, self.folder)
                    os.symlink(old, self.beside / entry.name)
            check()
            if not exchange(self.beside, self.folder):
                raise RunFailed(
                    f"the file system of {self.store} cannot exchange two folders in one step, so its parts cannot be "
                    "compacted beside readers; nothing was changed"
                )
        return True

    def _take_along(self, part: Path) -> None:
        inner = part.relative_to(self.folder)
        own = len(inner.parts) == 1 or (len(inner.parts) == 2 and _NAME.fullmatch(inner.parts[0]))
        target = self.new / inner.name if own else self.beside / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(part, target)

    def _keep(self, link: Path) -> None:
        """A link to an older generation as it is, with its age."""
        kept, seen = self.beside / link.relative_to(self.folder), link.lstat()
        kept.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(os.readlink(link), kept)
        os.utime(kept, ns=(seen.st_atime_ns, seen.st_mtime_ns), follow_symlinks=False)

    def discard(self) -> None:
        """Forget what was written, unless it was switched to."""
        if self.new.is_dir():
            shutil.rmtree(self.beside, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders trade places in one step; False, and nothing changed, where their file system cannot.

    Who lists `other` reads its names and then looks at each: between the two he would meet the other folder. So this
    waits, for `QUIET_SECONDS` at most, for a moment in which nobody on this machine has it open.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "renameat2", None)
    if call is None:
        return False
    paths = os.fsencode(one), os.fsencode(other)
    with _quiet(libc, other):
        return bool(call(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0)


@contextmanager
def _quiet(libc: ctypes.CDLL, folder: Path) -> Iterator[None]:
    """Entered when nobody is reading the folder, as inotify(7) tells."""
    handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if handle < 0:  # there are no watches left: the exchange is right all the same, but for that moment
        yield
        return
    try:
        watched = libc.inotify_add_watch(handle, os.fsencode(folder), _OPEN | _CLOSE) >= 0
        events = select.poll()
        events.register(handle, select.POLLIN)
        readers, until = 0, time.monotonic() + QUIET_SECONDS
        while watched and time.monotonic() < until:
            # Sleeping, not asking again and again: who wakes up is not put aside in what follows.
            if not events.poll(IDLE_SECONDS * 1000):
                if readers == 0:
                    break
                continue
            came = _came(handle)
            for event in came:
                readers = max(0, readers + event)
            if readers == 0 and came == [-1]:  # the last one has left this instant: the next is some time away
                break
        yield
    finally:
        os.close(handle)


def _came(handle: int) -> list[int]:
    """Who opened the watched folder (1) and who closed it (-1), in order, since last asked."""
    events = os.read(handle, 65536)
    at, came = 0, []
    while at < len(events):
        _, mask, _, length = struct.unpack_from("iIII", events, at)
        if length == 0:  # else it is of something in the folder
            came.append(1 if mask & _OPEN else -1)
        at += 16 + length
    return came


@contextmanager
def exclusively(store: Path) -> Iterator[None]:
    """While it lasts no part of the store appears. Errors: RunFailed when that cannot be had."""
    with _lock(store, fcntl.LOCK_EX):
        yield


def links(table: Path) -> Iterator[Path]:
    """The links of a table to its superseded generations."""
    for inner, folders, _ in os.walk(table):
        for name in folders:
            path = Path(inner, name)
            if _NAME.fullmatch(name) and path.is_symlink():
                yield path


def _generations(folder: Path) -> list[tuple[int, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            found = [(_NAME.fullmatch(entry.name), entry) for entry in entries]
    except FileNotFoundError:
        return []
    return [(int(match[1]), entry) for match, entry in found if match]


@contextmanager
def _lock(store: Path, kind: int) -> Iterator[None]:
    handle = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, kind | (fcntl.LOCK_NB if kind == fcntl.LOCK_EX else 0))
                break
            except OSError as error:
                if kind == fcntl.LOCK_SH:  # a file system without locks: nothing can be compacted there either
                    break
                if error.errno != errno.EWOULDBLOCK or time.monotonic() > until:
                    raise RunFailed(f"{store} cannot be locked, so its parts stay as they are: {error}") from error
                time.sleep(0.005)
        yield
    finally:
        os.close(handle)
