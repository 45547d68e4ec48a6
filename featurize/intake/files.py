"""The files of a catalogue: which there are, whether they changed, and their bytes, on disk or object storage.

Every file that a folder holds or a manifest names becomes a row, whether it can be read or not.
"""

from __future__ import annotations

import math
import os
import stat
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.intake import inputs, table_files, waiting
from featurize.intake.hints import hint
from featurize.intake.web import NOWHERE, Web, is_web
from featurize.storage import s3_keys, secrets, tables, views
from featurize.storage.store import address, filesystem, has_scheme, is_text, patiently, read_file

HEAD_BELOW = 50
"""Of an object-store folder, so many wanted files are asked for one by one; more, and the folder is listed."""
READERS = 16
"""Threads that ask the storage."""
PIECE = 4 * 2**20
"""Bytes of a large file that are held at once."""
BLOCK = 1000
"""Files of a disk that one thread looks at before it says so."""

Kind = Literal["file", "not_found", "unreadable", "timeout", "outside", "no_text"]
"""What `look` finds: a file, or why it cannot be read (`outside` input.root, or with a name that is no UTF-8)."""


@dataclass(frozen=True)
class Listing:
    """What a source lists: its address and its rows (columns of contract `manifest`, uris absolute).

    `no_text` holds the uris that stand, with escapes, for names that are no UTF-8. `assorted` is a folder, whose files
    nobody calls pictures.
    """

    source: str
    rows: pa.Table
    no_text: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    assorted: bool = False


@dataclass(frozen=True)
class Confines:
    """The folder that files must lie in, links followed, or none; and the seconds that storage has for an answer."""

    root: str | None = None
    seconds: float = math.inf

    @classmethod
    def of(cls, root: str | None, seconds: float) -> Confines:
        """`root` in any spelling. Errors: RefusedInput when it is no address or, on a disk, no folder."""
        if root is None:
            return cls(None, seconds)
        place = address(root)
        if not place.startswith("s3://") and not os.path.isdir(place):
            raise RefusedInput(f"input.root '{root}' is not a folder")
        return cls((place if place.startswith("s3://") else os.path.realpath(place)).rstrip("/") + "/", seconds)

    def outside(self, uri: str) -> bool:
        """Whether the file, or what it links to, lies elsewhere."""
        if self.root is None:
            return False
        if is_web(uri):
            return False  # input.hosts confines these
        if uri.startswith("s3://"):
            return not uri.startswith(self.root) or ".." in uri.split("/")
        return not os.path.realpath(uri).startswith(self.root)


ANYWHERE = Confines()


def listed(
    artwork: str,
    confines: Confines = ANYWHERE,
    leave_out: Collection[str] = (),
    time_zone: str | None = None,
    web: Web = NOWHERE,
) -> Listing:
    """What a folder of pictures or a manifest lists; a folder of tables is a manifest in parts.

    Of a folder, every file that is not hidden counts and none in a store or below `leave_out` (addresses); the id is
    its path in the folder, the title the folder it lies in, or the file's stem at the top. Errors: RefusedInput,
    RunFailed.
    """
    fs, path = filesystem(artwork)
    source = address(artwork)
    seconds = math.inf if source.startswith("s3://") else confines.seconds  # S3 has time limits of its own
    ask = partial(fs.get_file_info, path)
    info = waiting.answer(lambda at: patiently(f"looking at {at}", ask), artwork, seconds)
    if info.type == pafs.FileType.Directory:
        names, notes = _names(source, fs, confines, leave_out)
        tables_of_it = [name for name in names if not any(part.startswith("_") for part in name.split("/"))]
        if not tables_of_it or not all(map(table_files.form_of, tables_of_it)):
            return _pictures(source, names, notes)
    elif info.type == pafs.FileType.File and table_files.form_of(source) is None:
        raise RefusedInput(f"artwork '{artwork}' is a file but no manifest; one ends in {table_files.ENDINGS}")
    elif not waiting.answer(table_files.is_table, source, seconds):
        if info.type == pafs.FileType.NotFound and table_files.form_of(source) is not None:
            raise RefusedInput(f"artwork '{artwork}': there is no such file{hint(source)}")
        raise RefusedInput(f"artwork '{artwork}' is neither a folder nor a manifest file")
    return _manifest(source, waiting.answer(lambda at: inputs.placed("manifest", at, time_zone), source), web)


def _manifest(source: str, rows: pa.Table, web: Web) -> Listing:
    if not rows.num_rows:
        raise RefusedInput(f"{source} lists no artwork: it has no rows")
    _refuse_secrets(rows)
    lies_in = rows["file"].combine_chunks().dictionary_encode()
    folders = [file.rpartition("/")[0] for file in lies_in.dictionary.to_pylist()]
    uris, no_text = [], set()
    for number, (written, file) in enumerate(zip(rows["uri"].to_pylist(), lies_in.indices.to_pylist(), strict=True)):
        try:
            uri = web.address(written) if is_web(written) else _absolute(folders[file], written)
        except RefusedInput as error:
            at = inputs.place(rows["file"][number].as_py(), rows["line"][number].as_py())
            raise RefusedInput(f"{at}: {error}") from error
        if not is_text(uri):
            uri = _escaped(uri)
            no_text.add(uri)
        uris.append(uri)
    rows = rows.select(tables.contract("manifest").schema.names)
    rows = rows.set_column(rows.schema.get_field_index("uri"), "uri", pa.array(uris, pa.string()))
    return Listing(source, rows, frozenset(no_text))


def _refuse_secrets(placed: pa.Table) -> None:
    """Errors: RefusedInput for a uri with a user, password or query, by its line and without its words."""
    suspect = placed.filter(pc.match_substring_regex(placed["uri"], "://.*[@?]"))
    for row in suspect.select(["uri", "file", "line"]).to_pylist():
        if found := secrets.in_address(row["uri"]):
            where = inputs.place(row["file"], row["line"])
            raise RefusedInput(f"{where}: uri is an address with {found}; {secrets.WHERE_THEY_BELONG}")


def _absolute(base: str, uri: str) -> str:
    """Where a file that a manifest in folder `base` names lies. Errors: RefusedInput as `store.address`."""
    if has_scheme(uri):
        return address(uri)
    if base.startswith("s3://") and not uri.startswith("/"):
        bucket, *folders = base.removeprefix("s3://").split("/")
        for part in uri.split("/"):
            if part == "..":
                del folders[-1:]
            elif part != ".":
                folders.append(part)
        return address("/".join(["s3:/", bucket, *folders]))
    joined = os.path.join(base, uri)
    return os.path.normpath(joined) if "/." in joined or "//" in joined else joined


def _escaped(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _names(
    source: str, fs: pafs.FileSystem, confines: Confines, leave_out: Collection[str]
) -> tuple[list[str], list[str]]:
    """Files in a folder, relative to it, and what to tell about it. Errors: RefusedInput, RunFailed."""
    notes: list[str] = []
    if not source.startswith("s3://"):
        names, links = _walk(source, confines, leave_out)
        if links:
            notes.append(f"links to folders that are listed already are left out: {len(links)}, such as {min(links)}")
    else:
        names = _keys(source, fs, leave_out)
    stores = _stores(names)
    names = [name for name in names if not name.startswith(stores)]
    if not names:
        raise RefusedInput(f"artwork folder '{source}' holds no files; is it mounted?")
    return names, notes


def _stores(names: list[str]) -> tuple[str, ...]:
    """The folders among `names`, relative with a slash at the end, that are stores: another one's, or copies."""
    beside = {name.removesuffix(views.TEXT) for name in names if name.endswith(f"/{views.TEXT}")}
    folders = {name.rpartition("/")[0] for name in names} if beside else set()
    return tuple(place for place in beside if f"{place}run" in folders)


def _pictures(source: str, names: list[str], notes: list[str]) -> Listing:
    ids, titles, uris, no_text = [], [], [], set()
    for name in names:
        folders = [part for part in name.split("/")[:-1] if part]
        title, uri = "/".join(folders) or PurePosixPath(name).stem, f"{source.rstrip('/')}/{name}"
        if not is_text(name):
            name, title, uri = map(_escaped, (name, title, uri))
            no_text.add(uri)
        ids.append(name)
        titles.append(title)
        uris.append(uri)
    schema = tables.contract("manifest").schema
    columns = {"artwork_id": ids, "title_id": titles, "uri": uris}
    rows = pa.table(
        [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(len(ids), f.type) for f in schema],
        schema=schema,
    )
    return Listing(source, rows.sort_by("artwork_id"), frozenset(no_text), tuple(notes), assorted=True)


def _keys(source: str, fs: pafs.FileSystem, leave_out: Collection[str]) -> list[str]:
    """Names in a folder of an object store, as they are written: a key may have empty parts."""
    path = source.removeprefix("s3://")
    selector = pafs.FileSelector(path, recursive=True)
    infos = waiting.answer(lambda at: patiently(f"listing {at}", lambda: fs.get_file_info(selector)), source)
    without = tuple(f"{place.removeprefix('s3://')}/" for place in leave_out)
    names = [info.path[len(path) + 1 :] for info in infos if info.is_file and not info.path.startswith(without)]
    return [name for name in names if not any(part.startswith(".") for part in name.split("/"))]


Identity = tuple[int, int]


@dataclass
class _Directory:
    """One directory: what it is, whatever it is called, and the names in it."""

    identity: Identity | None
    files: list[str]
    folders: list[str]
    links: list[str]
    """To folders."""


def _walk(top: str, confines: Confines, leave_out: Collection[str]) -> tuple[list[str], list[str]]:
    """Names in a folder of a disk, and the links in it that lead to what is listed already.

    Links are followed after all else and in order, so that a directory, which is listed once, keeps its own name.
    Errors: RunFailed when a directory cannot be listed, for then its files would seem to be gone.
    """
    seen = {_identity(place) for place in leave_out if place.startswith("/")} - {_identity(top), None}
    names: list[str] = []
    links: list[str] = []
    again: list[str] = []
    level = [top]
    while level or links:
        if not level:
            links.sort(reverse=True)
            level = [links.pop()]
        found = waiting.answers(partial(_list, confines), level, threads=READERS, seconds=confines.seconds)
        level = []
        for folder, directory in found:
            if directory is None:
                raise waiting.too_long(_escaped(folder), confines.seconds)
            if directory.identity in seen:
                again.append(_escaped(folder))
                continue
            if directory.identity is not None:
                seen.add(directory.identity)
            begin = len(top.rstrip("/")) + 1
            names += [path[begin:] for path in directory.files]
            level += directory.folders
            links += directory.links
    return names, again


def _list(confines: Confines, folder: str) -> _Directory:
    found = _Directory(None, [], [], [])
    try:
        found.identity = _identity(folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not entry.is_symlink():
                    (found.folders if entry.is_dir() else found.files).append(entry.path)
                elif os.path.isdir(entry.path) and not confines.outside(entry.path):
                    found.links.append(entry.path)
                else:
                    found.files.append(entry.path)
    except FileNotFoundError:
        pass  # gone since its parent was listed
    except OSError as error:
        raise RunFailed(f"folder {_escaped(folder)} cannot be listed ({error.strerror})") from error
    return found


def _identity(path: str) -> Identity | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino


Seen = tuple[str, int | None, int | None, Kind, str | None]


def look(listing: Listing, confines: Confines) -> pa.Table:
    """uri, size (bytes), modified, kind_of_file (`Kind`) and trouble (in words, or NULL) of every distinct uri."""
    uris = [uri for uri in dict.fromkeys(listing.rows["uri"].to_pylist()) if uri not in listing.no_text]
    seen: list[Seen] = [(uri, None, None, "no_text", None) for uri in listing.no_text]
    seen += [(uri, None, None, "file", None) for uri in uris if is_web(uri)]  # whether it is one shows when it is read
    seen += _look_local([uri for uri in uris if not uri.startswith("s3://") and not is_web(uri)], confines)
    seen += _look_remote([uri for uri in uris if uri.startswith("s3://")], confines)
    types = (pa.string(), pa.int64(), pa.timestamp("us", "UTC"), pa.string(), pa.string())
    arrays = [pa.array(values, kind) for values, kind in zip(zip(*seen, strict=True), types, strict=True)]
    return pa.table(arrays, names=["uri", "size", "modified", "kind_of_file", "trouble"])


def _look_local(paths: list[str], confines: Confines) -> Iterator[Seen]:
    blocks = [paths[begin : begin + BLOCK] for begin in range(0, len(paths), BLOCK)]
    see = partial(_stat, confines)
    # One thread: a disk of this machine answers sooner than threads could take turns.
    for block, answer in waiting.answers(lambda block: [*map(see, block)], blocks, threads=1, seconds=confines.seconds):
        if answer is not None:
            yield from answer
            continue
        for path, seen in waiting.answers(see, block, threads=READERS, seconds=confines.seconds):
            yield seen or (path, None, None, "timeout", None)


def _stat(confines: Confines, path: str) -> Seen:
    try:
        if confines.outside(path):
            return path, None, None, "outside", None
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return path, None, None, "not_found", None
    except (OSError, ValueError) as error:
        return path, None, None, "unreadable", str(error)
    if not stat.S_ISREG(info.st_mode):
        return path, None, None, "unreadable", None
    return path, info.st_size, info.st_mtime_ns // 1000, "file", None


def _look_remote(uris: list[str], confines: Confines) -> Iterator[Seen]:
    by_folder: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        if confines.outside(uri):
            yield uri, None, None, "outside", None
        elif "/" not in uri.removeprefix("s3://"):
            yield uri, None, None, "not_found", "it names a bucket"
        else:
            by_folder[uri.rpartition("/")[0]].append(uri)
    for _, seen in waiting.answers(_look_at_folder, list(by_folder.items()), threads=READERS):
        yield from seen or ()


def _look_at_folder(wanted: tuple[str, list[str]]) -> list[Seen]:
    folder, uris = wanted
    try:
        if s3_keys.unknown_to_arrow(uris[0]):
            return [_look_at_key(uri) for uri in uris]
        fs, path = filesystem(folder)
        names = [uri[len(folder) + 1 :] for uri in uris]
        target: Any = pafs.FileSelector(path, allow_not_found=True)
        if len(uris) < HEAD_BELOW:
            target = [f"{path}/{name}" for name in names]
        infos = patiently(f"looking at {folder}", partial(fs.get_file_info, target))
    except (OSError, RefusedInput) as error:
        return [(uri, None, None, "unreadable", str(error)) for uri in uris]
    there = {info.base_name: info for info in infos if info.is_file}
    return [_remote(uri, there.get(name)) for uri, name in zip(uris, names, strict=True)]


def _remote(uri: str, info: Any) -> Seen:
    if info is None:
        return uri, None, None, "not_found", None
    return uri, info.size, info.mtime_ns // 1000 if info.mtime_ns else None, "file", None


def _look_at_key(uri: str) -> Seen:
    try:
        size, modified = patiently(f"looking at {uri}", lambda: s3_keys.look(uri))
    except FileNotFoundError:
        return uri, None, None, "not_found", None
    return uri, size, int(modified.timestamp() * 1_000_000), "file", None


def pieces(uri: str) -> Iterator[bytes]:
    """A file in pieces of `PIECE` bytes, the last one shorter. Errors: BadImage, as `read_bytes`."""
    try:
        if s3_keys.unknown_to_arrow(uri):
            yield read_file(uri)
            return
        fs, path = filesystem(uri)
        with patiently(f"reading {uri}", lambda: fs.open_input_stream(path, compression=None)) as stream:
            while piece := stream.read(PIECE):
                yield piece
    except FileNotFoundError as error:
        raise BadImage("not_found", "there is no such file", retryable=True) from error
    except OSError as error:
        raise BadImage("unreadable", str(error), retryable=True) from error


def read_bytes(uri: str, web: Web = NOWHERE) -> bytes:
    """The whole file. Errors: BadImage `not_found` or `unreadable`, after the retries of `store.patiently`; of an
    https:// address those of `Web.fetch`."""
    if is_web(uri):
        return web.fetch(uri).data or b""
    try:
        return read_file(uri)
    except FileNotFoundError as error:
        raise BadImage("not_found", "there is no such file", retryable=True) from error
    except OSError as error:
        raise BadImage("unreadable", str(error), retryable=True) from error
