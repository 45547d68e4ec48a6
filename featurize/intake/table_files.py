"""The files of a table a user gives: which lie at an address, of which form they are, and their bytes.

A table is one file, a folder or a pattern, on disk or object storage. Names that start with `.` or `_` are passed over;
any other file that is no table is refused, since rows left out in silence would look like rows that never were.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import pyarrow as pa
import pyarrow.fs as pafs

from featurize.errors import RefusedInput
from featurize.storage.store import filesystem, is_text, patiently

Form = Literal["csv", "json", "parquet"]
FORMS: dict[str, Form] = {
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".tsv": "csv",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
ENDINGS = f"{', '.join(FORMS)}, and {' or '.join(COMPRESSIONS)} after that"
HIDDEN = (".", "_")
CHUNK = 1 << 20
"""Bytes read at a time."""


@dataclass(frozen=True)
class TableFile:
    """One file of a table; `address` is what its user would call it."""

    address: str
    fs: pafs.FileSystem
    path: str
    form: Form
    compression: str | None

    @property
    def local(self) -> bool:
        return isinstance(self.fs, pafs.LocalFileSystem)

    def place(self, line: int) -> str:
        """Where the row at a line stands; of Parquet, rows are counted from 1."""
        return place(self.address, line)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, decompressed, in pieces that end at a line's end where there is one. Errors: RefusedInput."""
        rest = [b""]
        try:
            with self.stream() as stream:
                while data := stream.read(CHUNK):
                    end = data.rfind(b"\n") + 1
                    if end:
                        yield b"".join([*rest, data[:end]])
                        rest = []
                    rest.append(data[end:])
        except OSError as error:
            raise RefusedInput(f"{self.address}: cannot be read ({one_line(error)})") from error
        if any(rest):
            yield b"".join(rest)

    def stream(self) -> pa.NativeFile:
        """Errors: OSError."""

        def action() -> pa.NativeFile:
            return self.fs.open_input_stream(self.path, compression=self.compression)

        return patiently(f"reading {self.address}", action)

    def random_access(self) -> pa.NativeFile:
        """The same, to jump about in, as Parquet needs. Errors: OSError."""
        if self.compression is not None:
            with self.stream() as stream:
                return pa.BufferReader(stream.read())
        return patiently(f"reading {self.address}", lambda: self.fs.open_input_file(self.path))


def place(address: str, line: int) -> str:
    """`file:line`, or of Parquet `file, row n`."""
    form = form_of(address)
    return f"{address}, row {line}" if form is not None and form[0] == "parquet" else f"{address}:{line}"


def one_line(error: BaseException) -> str:
    """The first line of a library's message."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def form_of(name: str) -> tuple[Form, str | None] | None:
    """Form and compression by the endings of a name, in any case; None for what is no table."""
    stem, ending = os.path.splitext(name.lower())
    compression = COMPRESSIONS.get(ending)
    form = FORMS.get(os.path.splitext(stem)[1] if compression else ending)
    return (form, compression) if form else None


def is_table(uri: str) -> bool:
    """Whether rows are to be found here: a table's file, a pattern, or a folder of nothing but tables' files."""
    fs, path = filesystem(uri)
    info = _info(uri, fs, path)
    if info.type == pafs.FileType.Directory:
        names = _below(uri, fs, path)
        return bool(names) and all(form_of(name) for name in names)
    return form_of(path) is not None and (info.is_file or _is_pattern(path))


def listed(uri: str) -> list[TableFile]:
    """The files of the table at `uri`, in the order of their names. Errors: RefusedInput."""
    fs, path = filesystem(uri)
    info = _info(uri, fs, path)
    if info.type in (pafs.FileType.File, pafs.FileType.Unknown):
        return [_table_file(uri, fs, path)]
    if info.type == pafs.FileType.Directory:
        base, names = path, _below(uri, fs, path)
        address = uri.rstrip("/")
        if not names:
            raise RefusedInput(f"{uri}: there is no file in this folder; one ends in {ENDINGS}")
    elif _is_pattern(path):
        base = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
        names = _below(uri, fs, base or "/", path[len(base) :].strip("/").split("/"))
        address = re.split(r"[*?\[]", uri, maxsplit=1)[0].rpartition("/")[0]
        if not names:
            raise RefusedInput(f"{uri}: cannot be read (no file matches)")
    else:
        raise RefusedInput(f"{uri}: there is no such file")
    prefix = f"{address}/" if address or uri.startswith("/") else ""
    files = [_table_file(f"{prefix}{name}", fs, f"{base.rstrip('/')}/{name}") for name in names]
    # A file under two names, by links, is one file: its rows must not count twice.
    return list({os.path.realpath(file.path) if file.local else file.path: file for file in reversed(files)}.values())[
        ::-1
    ]


def _table_file(address: str, fs: pafs.FileSystem, path: str) -> TableFile:
    form = form_of(path)
    if not is_text(path):
        raise RefusedInput(f"{address!r}: its name is no UTF-8")
    if isinstance(fs, pafs.LocalFileSystem) and os.path.exists(path) and not os.path.isfile(path):
        raise RefusedInput(f"{address}: a pipe or a device is no file; rows are read more than once, so write a file")
    if form is None:
        raise RefusedInput(f"{address}: a file must end in {ENDINGS}")
    return TableFile(address, fs, path, *form)


def _info(uri: str, fs: pafs.FileSystem, path: str) -> pafs.FileInfo:
    try:
        return patiently(f"looking at {uri}", lambda: fs.get_file_info(path))
    except OSError as error:
        raise RefusedInput(f"{uri}: cannot be read ({one_line(error)})") from error


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _below(uri: str, fs: pafs.FileSystem, folder: str, wanted: list[str] | None = None) -> list[str]:
    """Paths, relative to the folder, of the files below it that match the parts wanted and are not hidden.

    Errors: RefusedInput.
    """
    wanted = ["**"] if wanted is None else wanted
    try:
        if isinstance(fs, pafs.LocalFileSystem):
            names = list(_walk(folder, [], wanted, set()))
        else:
            selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
            infos = patiently(f"listing {uri}", lambda: fs.get_file_info(selector))
            names = [info.path[len(folder) :].strip("/") for info in infos if info.is_file]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RefusedInput(f"{uri}: cannot be listed ({one_line(error)})") from error
    shown = (name for name in names if not any(part.startswith(HIDDEN) for part in name.split("/")))
    return sorted(name for name in shown if _fits(name.split("/"), wanted))


def _walk(folder: str, above: list[str], wanted: list[str], seen: set[tuple[int, int]]) -> Iterator[str]:
    """Links are followed, but into each folder once."""
    there = os.stat(folder)
    if (there.st_dev, there.st_ino) in seen:
        return
    seen.add((there.st_dev, there.st_ino))
    with os.scandir(folder) as entries:
        for entry in entries:
            parts = [*above, entry.name]
            if not entry.is_dir():
                yield "/".join(parts)
            elif not entry.name.startswith(HIDDEN) and _fits(parts, wanted, so_far=True):
                yield from _walk(entry.path, parts, wanted, seen)


def _fits(parts: list[str], wanted: list[str], so_far: bool = False) -> bool:
    """Whether a path, or the folder of it that comes first, matches; `so_far`: whether what lies below may match."""
    if not wanted or (so_far and not parts):
        return True
    if wanted[0] == "**":
        return so_far or _fits(parts, wanted[1:]) or (bool(parts) and _fits(parts[1:], wanted))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:], so_far)
