"""A store: tables as folders of Parquet parts, on local disk or S3-compatible object storage.

A part is its own commit. It is written under a name that readers do not match and then appears whole, once, under a
name made of its content's id; nothing committed is ever edited. So `read_parquet('<store>/<table>/**/*.parquet')` is
right at every moment, and writing a part twice is the same as writing it once. `generations` says where in its folder a
part lies, `compaction` how many become few.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import reduce
from operator import and_
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from featurize.errors import RefusedInput, RunFailed
from featurize.storage import compacted, generations, s3_keys, tables
from featurize.storage.compacted import Compacted

T = TypeVar("T")
RETRIES = 5


def address(uri: str) -> str:
    """The one spelling of an address: an absolute local path, or `s3://bucket/key` without slashes at its end.

    What begins with `file:/` is decoded here and nowhere else; the answer is a plain path, whose `%` and `#` stand for
    themselves. Errors: RefusedInput for other schemes, a file of another machine, or s3:// without a bucket.
    """
    if uri.startswith("s3://"):
        if not uri.removeprefix("s3://").split("/", 1)[0]:
            raise RefusedInput(f"'{uri}': the bucket is missing; write s3://bucket/key")
        return uri.rstrip("/")
    if uri[:6].lower() == "file:/":
        rest = uri[len("file:") :]
        host, path = "", rest
        if rest.startswith("//"):
            host, slash, path = rest.removeprefix("//").partition("/")
            path = slash + path
        if host not in ("", "localhost"):
            raise RefusedInput(f"'{uri}': a file of this machine is written file:///path, and '{host}' is another one")
        return _absolute(os.fsdecode(unquote_to_bytes(os.fsencode(path))) or "/")
    if has_scheme(uri):
        raise RefusedInput(f"'{uri}': only local paths, file:// and s3:// addresses can be used")
    return _absolute(os.path.expanduser(uri))


def has_scheme(uri: str) -> bool:
    """Whether it is an address rather than a path (`C:/x` is neither, and a path to this machine)."""
    return ":/" in uri and re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://|file:/", uri, re.IGNORECASE) is not None


def is_text(name: str) -> bool:
    """Whether a name that the system gave is UTF-8, and so can stand in a table."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _absolute(path: str) -> str:
    found = os.path.abspath(path)
    return found[1:] if found.startswith("//") else found  # POSIX lets `//x` be another place, and no system does


def filesystem(uri: str) -> tuple[pafs.FileSystem, str]:
    """The file system of an address, in any spelling, and the path on it.

    S3 takes credentials, region and endpoint from the usual AWS_* variables. Errors: RefusedInput as `address`, and
    for a key with an empty part, which `read_file` alone can read.
    """
    place = address(uri)
    if not is_text(place) or "\0" in place:
        raise RefusedInput(f"{uri!r} cannot be the name of a file: it is no UTF-8, or has a zero byte in it")
    if not place.startswith("s3://"):
        return pafs.LocalFileSystem(), place
    if "//" in place.removeprefix("s3://"):
        raise RefusedInput(f"'{uri}': there is nothing between two of its slashes; write one")
    return _s3(), place.removeprefix("s3://")


def _s3() -> pafs.FileSystem:
    # With no region, Arrow asks AWS itself where each bucket lives, whatever the endpoint.
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return pafs.S3FileSystem(
        region=region,
        endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
        # A failed upload then shows when the stream is closed, and leaves no object. Without, it shows in `write`, and
        # closing the stream after that, as its destructor does, leaves an object with part of the bytes.
        background_writes=True,
        allow_delayed_open=True,  # one request for a small file instead of three
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=5),
        connect_timeout=10,
        request_timeout=60,
    )


def patiently(what: str, action: Callable[[], T]) -> T:
    """The result of a storage call, tried `RETRIES` times with back-off from 0.2 s.

    What waiting cannot cure (a missing file, a full disk, no permission) is raised at once, as it came. Errors:
    OSError of the last attempt, with `what` noted.
    """
    for attempt in range(RETRIES):
        try:
            return action()
        except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError):
            raise
        except OSError as error:
            # A local file system has an errno for what went wrong and does not pass; a network store has none.
            if error.errno is not None or attempt == RETRIES - 1:
                error.add_note(what)
                raise
            time.sleep(0.2 * 2**attempt)
    raise AssertionError


def read_file(uri: str) -> bytes:
    """The bytes of a file on disk or object storage. Errors: OSError after the retries of `patiently`; RefusedInput."""
    place = address(uri)
    if not place.startswith("s3://"):
        return patiently(f"reading {uri}", Path(place).read_bytes)
    if s3_keys.unknown_to_arrow(place):
        return patiently(f"reading {uri}", lambda: s3_keys.read(place))
    fs, path = filesystem(place)

    def action() -> bytes:
        with fs.open_input_stream(path, compression=None) as stream:
            return stream.read()  # type: ignore[no-any-return]

    return patiently(f"reading {uri}", action)


class Store:
    """A folder of tables. Cheap to make; holds no connection and can be pickled."""

    def __init__(self, uri: str) -> None:
        self.uri = address(uri)
        self.fs, self.path = filesystem(self.uri)
        self.written = 0
        """Bytes of the parts that were committed through this object."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.uri,)

    @property
    def local(self) -> bool:
        return isinstance(self.fs, pafs.LocalFileSystem)

    def glob(self, table: str) -> str:
        """What a reader gives DuckDB's `read_parquet`."""
        return f"{self.uri}/{table}/**/*.parquet"

    def read(self, name: str) -> bytes | None:
        """Bytes of a file of the store, or None when it is absent."""

        def action() -> bytes | None:
            try:
                with self.fs.open_input_stream(f"{self.path}/{name}") as stream:
                    return stream.read()  # type: ignore[no-any-return]
            except FileNotFoundError:
                return None

        return patiently(f"reading {self.uri}/{name}", action)

    def write(
        self, name: str, data: bytes | pa.Buffer, *, replace: bool = False, check: Callable[[], None] = lambda: None
    ) -> bool:
        """Make a file appear whole. Without `replace`, False and no change when it is there already.

        `check` is called right before the file appears and may raise to prevent it. An object store shows an object
        only when its upload is complete. On a disk the bytes go to a hidden file first, which is then linked (refusing
        what exists) or renamed into place.
        """
        path = f"{self.path}/{name}"
        try:
            if self.local:
                return _write_local(Path(path), data, replace=replace, check=check)
            if not replace and self.exists(name):
                return False

            def action() -> None:
                check()
                _put(self.fs, path, data)

            patiently(f"writing {self.uri}/{name}", action)
            return True
        except OSError as error:
            raise RunFailed(f"cannot write {self.uri}/{name}: {error}") from error

    def there(self) -> bool:
        """Whether the folder itself exists; on an object store, whether there is anything below its address."""
        return bool(self._type() == pafs.FileType.Directory)

    def _type(self) -> pafs.FileType:
        return patiently(f"looking at {self.uri}", lambda: self.fs.get_file_info(self.path)).type

    def has_parts(self, *names: str) -> bool:
        """Whether one of these tables has a part; a folder alone is no store.

        Errors: RefusedInput where a file lies in the place of the folder.
        """
        if self._type() == pafs.FileType.File:
            raise RefusedInput(f"{self.uri} is a file, and a store is a folder: give the folder with store=...")
        return self.there() and any(self.parts(name) for name in names)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Where committed parts are read. Errors: RunFailed naming a part that is cut, or no Parquet at all.

        Of one that is damaged inside DuckDB says neither the file nor a kind of error, and so nor does the sentence.
        """
        try:
            yield
        except (pa.ArrowInvalid, duckdb.Error) as error:
            if (
                not isinstance(error, pa.ArrowInvalid | duckdb.InvalidInputException)
                and type(error) is not duckdb.Error
            ):
                raise
            raise RunFailed(f"a table of {self.uri} cannot be read: {error}") from error

    def exists(self, name: str) -> bool:
        info = patiently(f"looking at {self.uri}/{name}", lambda: self.fs.get_file_info(f"{self.path}/{name}"))
        return bool(info.type == pafs.FileType.File)

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            patiently(f"deleting {self.uri}/{name}", lambda: self.fs.delete_file(f"{self.path}/{name}"))

    def commit(
        self, table: str, folder: str, part: str, rows: pa.Table, check: Callable[[], None] = lambda: None
    ) -> bool:
        """Commit rows as a part of `<table>/<folder>`; False when a part of that name is there already.

        `check` is that of `write`.
        """
        data = encoded(rows)
        if not self.local:
            return self._count(self.write(_name(table, folder, part), data, check=check), data)
        try:
            appeared = generations.commit(Path(self.path), Path(self.path, table, folder), part, data, check)
            return self._count(appeared, data)
        except OSError as error:
            raise RunFailed(f"cannot write {self.uri}/{_name(table, folder, part)}: {error}") from error

    def _count(self, appeared: bool, data: pa.Buffer) -> bool:
        self.written += data.size * appeared
        return appeared

    def part(self, table: str, folder: str, part: str) -> bytes | None:
        """Bytes of a part that this run committed, or None when it is absent."""
        if not self.local:
            return self.read(_name(table, folder, part))
        found = generations.find(Path(self.path, table, folder), part)
        return self.read(str(found.relative_to(self.path))) if found else None

    def sizes(self, table: str, folder: str = "") -> dict[str, int]:
        """Committed parts of a table, as names below the store, with their bytes.

        What was compacted is there once: in the parts made of it. Errors: RunFailed.
        """
        if self.local:
            return {entry.path[len(self.path) + 1 :]: entry.stat().st_size for entry in self._found(table, folder)}
        root = f"{self.path}/{table}/{folder}".rstrip("/")
        known = Compacted.parse(self.read(compacted.name(table)))
        selector = pafs.FileSelector(root, allow_not_found=True, recursive=True)
        infos = patiently(f"listing {self.uri}/{table}", lambda: self.fs.get_file_info(selector))
        begin = len(self.path) + 1
        return known.shown({info.path[begin:]: info.size for info in infos if info.is_file}, root[begin:])

    def parts(self, table: str, folder: str = "") -> list[str]:
        """The names that `sizes` has, sorted."""
        if self.local:
            return sorted(entry.path[len(self.path) + 1 :] for entry in self._found(table, folder))
        return sorted(self.sizes(table, folder))

    def _found(self, table: str, folder: str) -> Iterator[os.DirEntry[str]]:
        root = f"{self.path}/{table}/{folder}".rstrip("/")
        return (entry for entry in generations.walk(root) if entry.name.endswith(generations.SUFFIX))

    def names(self, folder: str) -> list[str]:
        """Files below a folder of the store, as names below the store, sorted."""
        selector = pafs.FileSelector(f"{self.path}/{folder}", allow_not_found=True, recursive=True)
        infos = patiently(f"listing {self.uri}/{folder}", lambda: self.fs.get_file_info(selector))
        return sorted(info.path[len(self.path) + 1 :] for info in infos if info.is_file)

    def vacuum(self, tables: Iterable[str]) -> None:
        """Delete what killed writers left in these tables; for the holder of the lease of the job that fills them.

        On an object store the rest of an upload is for the bucket's lifecycle rule to remove; readers never see it.
        """
        if self.local:
            for table in tables:
                for hidden in Path(self.path, table).rglob(".*.tmp"):
                    hidden.unlink(missing_ok=True)

    def dataset(self, table: str, folders: Iterable[str] = ("",)) -> ds.Dataset:
        """The committed rows of a table (or of some of its folders), for DuckDB or Arrow to scan."""
        wanted = {f"{table}/{folder}".rstrip("/") for folder in folders}
        # One listing, however many folders.
        root = os.path.commonpath(wanted).removeprefix(table).lstrip("/") if wanted else ""
        parts = self.parts(table, root) if wanted else []
        return self.of_parts(
            table, [part for part in parts if not wanted.isdisjoint(map(str, PurePosixPath(part).parents))]
        )

    def of_parts(self, table: str, parts: Iterable[str]) -> ds.Dataset:
        """The rows of these parts, by their names below the store; a column that an older part lacks is NULL."""
        paths = [f"{self.path}/{part}" for part in parts]
        if not paths:
            return ds.dataset(tables.empty(table))
        return ds.dataset(paths, schema=tables.contract(table).schema, format="parquet", filesystem=self.fs)

    def has(self, table: str, **values: str | Sequence[str]) -> bool:
        """Whether a row has these values, or one of several: what stands for itself under a name is written once.

        Errors: RunFailed, as `reading`.
        """
        wanted = [
            ds.field(column).isin([value] if isinstance(value, str) else list(value))
            for column, value in values.items()
        ]
        with self.reading():
            return bool(self.dataset(table).count_rows(filter=reduce(and_, wanted)))

    def register(self, db: duckdb.DuckDBPyConnection, table: str, folders: Iterable[str] = ("",)) -> None:
        """Make a table of this store a view of the same name, read through Arrow on every kind of storage."""
        db.register(table, self.dataset(table, folders))


def encoded(rows: pa.Table) -> pa.Buffer:
    """Rows as the bytes of a part."""
    sink = pa.BufferOutputStream()
    if "embedding" in rows.schema.names:
        # Vectors hardly compress, and reading them all is what a search by similarity waits for.
        words = [name for name in rows.schema.names if name != "embedding"]
        pq.write_table(rows, sink, compression="none", use_dictionary=words, row_group_size=16384)
    else:
        pq.write_table(rows, sink, compression="zstd", row_group_size=16384)
    return sink.getvalue()


def part_name(keys: Iterable[str]) -> str:
    """A part's name from what identifies its rows: the same rows, the same name. 32 hex digits."""
    digest = hashlib.sha256()
    for key in keys:
        digest.update(key.encode())
        digest.update(b"\n")
    return digest.hexdigest()[:32]


def _name(table: str, folder: str, part: str) -> str:
    return "/".join(each for each in (table, folder, f"{part}.parquet") if each)


def _put(fs: pafs.FileSystem, path: str, data: bytes | pa.Buffer) -> None:
    def write() -> None:
        with fs.open_output_stream(path) as stream:
            stream.write(data)

    # In a thread of its own, where no signal interrupts: between open and write, that would commit an empty object.
    with ThreadPoolExecutor(1) as uninterrupted:
        uninterrupted.submit(write).result()


def _write_local(path: Path, data: bytes | pa.Buffer, *, replace: bool, check: Callable[[], None]) -> bool:
    if not replace and path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        generations.write(hidden, data)
        check()
        if replace:
            hidden.replace(path)
            return True
        try:
            os.link(hidden, path)
        except FileExistsError:
            return False
        return True
    finally:
        hidden.unlink(missing_ok=True)
