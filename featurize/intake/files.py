"""The files of a catalogue: which there are, whether they changed, and their bytes, on disk or object storage."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from featurize.errors import BadImage, RefusedInput
from featurize.intake import inputs, table_files
from featurize.storage import secrets, tables
from featurize.storage.store import filesystem, patiently, read_file

HEAD_BELOW = 50
"""Of an object-store folder, so many wanted files are asked for one by one; more, and the folder is listed."""


def listed(artwork: str, time_zone: str | None = None) -> tuple[str, pa.Table]:
    """The source's address and its rows (columns of contract `manifest`, uris absolute).

    Of a folder, every file that is not hidden counts; the id is its path in the folder, the title the folder it lies
    in, or the file's stem at the top. Errors: RefusedInput.
    """
    fs, path = filesystem(artwork)
    info = patiently(f"looking at {artwork}", lambda: fs.get_file_info(path))
    source = artwork.rstrip("/") if "://" in artwork else path
    if info.type == pafs.FileType.Directory:
        return source, _folder(source, fs, path)
    if info.type != pafs.FileType.File:
        raise RefusedInput(f"artwork '{artwork}' is neither a folder nor a manifest file")
    if inputs.form_of(source) is None:
        raise RefusedInput(f"artwork '{artwork}' is a file but no manifest; one ends in {table_files.ENDINGS}")
    placed = inputs.placed("manifest", source, time_zone)
    _refuse_secrets(placed)
    rows = placed.select(tables.contract("manifest").schema.names)
    base = source.rpartition("/")[0]
    uris = [_absolute(base, uri) for uri in rows["uri"].to_pylist()]
    return source, rows.set_column(rows.schema.get_field_index("uri"), "uri", pa.array(uris, pa.string()))


def _refuse_secrets(placed: pa.Table) -> None:
    """Errors: RefusedInput for a uri with a user, password or query, by its line and without its words."""
    suspect = placed.filter(pc.match_substring_regex(placed["uri"], "://.*[@?]"))
    for row in suspect.select(["uri", "file", "line"]).to_pylist():
        if found := secrets.in_address(row["uri"]):
            where = inputs.place(row["file"], row["line"])
            raise RefusedInput(f"{where}: uri is an address with {found}; {secrets.WHERE_THEY_BELONG}")


def _absolute(base: str, uri: str) -> str:
    if "://" in uri:
        return uri.removeprefix("file://") if uri.startswith("file://") else uri
    if "://" in base:
        return f"{base}/{uri}"
    joined = os.path.join(base, uri)
    return os.path.normpath(joined) if "/." in joined or "//" in joined else joined


def _folder(source: str, fs: pafs.FileSystem, path: str) -> pa.Table:
    ids, titles, uris = [], [], []
    infos = patiently(f"listing {source}", lambda: fs.get_file_info(pafs.FileSelector(path, recursive=True)))
    for info in infos:
        name = PurePosixPath(info.path[len(path) :].lstrip("/"))
        if not info.is_file or any(part.startswith(".") for part in name.parts):
            continue
        ids.append(str(name))
        titles.append(str(name.parent) if len(name.parts) > 1 else name.stem)
        uris.append(f"{source}/{name}")
    schema = tables.contract("manifest").schema
    columns = {"artwork_id": ids, "title_id": titles, "uri": uris}
    return pa.table(
        [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(len(ids), f.type) for f in schema],
        schema=schema,
    ).sort_by("artwork_id")


Seen = tuple[str, int | None, int | None, str]


def look(uris: Iterable[str]) -> pa.Table:
    """uri, size (bytes), modified and kind_of_file (`file`, `not_found`, `unreadable`) of every distinct uri."""
    distinct = dict.fromkeys(uris)
    local = map(_stat, (uri for uri in distinct if "://" not in uri))
    seen = [*local, *_stat_remote([uri for uri in distinct if "://" in uri])]
    types = (pa.string(), pa.int64(), pa.timestamp("us", "UTC"), pa.string())
    columns = zip(*seen, strict=True) if seen else [[]] * 4
    arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=["uri", "size", "modified", "kind_of_file"])


def _stat(path: str) -> Seen:
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return path, None, None, "not_found"
    except (OSError, ValueError):
        return path, None, None, "unreadable"
    if not stat.S_ISREG(info.st_mode):
        return path, None, None, "unreadable"
    return path, info.st_size, info.st_mtime_ns // 1000, "file"


def _stat_remote(uris: list[str]) -> Iterator[Seen]:
    by_folder: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        by_folder[uri.rpartition("/")[0]].append(uri)
    for folder, wanted in by_folder.items():
        fs, path = filesystem(folder)
        names = [uri[len(folder) + 1 :] for uri in wanted]
        target: Any = pafs.FileSelector(path, allow_not_found=True)
        if len(wanted) < HEAD_BELOW:
            target = [f"{path}/{name}" for name in names]
        infos = patiently(f"looking at {folder}", partial(fs.get_file_info, target))
        there = {info.base_name: info for info in infos if info.is_file}
        for uri, name in zip(wanted, names, strict=True):
            info = there.get(name)
            if info is None:
                yield uri, None, None, "not_found"
            else:
                yield uri, info.size, info.mtime_ns // 1000 if info.mtime_ns else None, "file"


def read_bytes(uri: str) -> bytes:
    """The whole file. Errors: BadImage `not_found` or `unreadable`, after the retries of `store.patiently`."""
    try:
        return read_file(uri)
    except FileNotFoundError as error:
        raise BadImage("not_found", "there is no such file", retryable=True) from error
    except OSError as error:
        raise BadImage("unreadable", str(error), retryable=True) from error
