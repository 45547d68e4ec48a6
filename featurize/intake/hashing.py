"""The files of a catalogue that the store has no hash of: which can be read, and the hash and header of each.

A file at an https:// address is among them on each day on which its host is to be asked whether it changed; the host
sends it only then.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import chain, zip_longest
from typing import Any, Literal

import duckdb
import pyarrow as pa

from featurize.config import Input as InputSettings
from featurize.errors import BadImage
from featurize.images import formats
from featurize.images.decode import Limits, probe
from featurize.intake import files, waiting
from featurize.intake.files import Kind
from featurize.intake.hints import hint
from featurize.intake.web import State, Web, is_web
from featurize.media import formats as clip_formats
from featurize.media.decode import Limits as ClipLimits
from featurize.storage.tables import sql

CHUNK = 4096
COMMIT_SECONDS = 30.0
HASHED = pa.schema(
    [
        ("uri", pa.string()),
        ("image_sha256", pa.string()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("size", pa.int64()),
        ("modified", pa.timestamp("us", "UTC")),
        ("etag", pa.string()),
        ("clip", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class File:
    """A row of `files.look`, of which the store has no hash; of an https:// address, the state it was last seen in."""

    uri: str
    size: int | None
    kind: Kind
    trouble: str | None
    known: State | None


@dataclass
class Hashed:
    """What became of the files that were due: uri -> why not of those that failed, and how many were not sent again.

    `left` are those that there was no time for.
    """

    failed: dict[str, BadImage] = field(default_factory=dict)
    unchanged: int = 0
    left: int = 0
    bytes_read: int = 0


def unread(db: duckdb.DuckDBPyConnection, verify: bool) -> list[File]:
    """The files of table `catalogue` without a hash; leaves what hosts said of them in table `stated`."""
    asked = bool(db.execute("SELECT count(*) FROM catalogue WHERE uri LIKE 'https://%'").fetchall()[0][0])
    db.execute(sql("intake", "stated"), {"asked": asked and not verify})
    rows = db.execute(
        "SELECT uri, any_value(catalogue.size), any_value(kind_of_file), any_value(trouble), any_value(stated.size), "
        "any_value(stated.modified), any_value(stated.etag), count(stated.uri) > 0 "
        "FROM catalogue LEFT JOIN stated USING (uri) WHERE catalogue.image_sha256 IS NULL GROUP BY uri "
        "ORDER BY bool_and(over), max(priority) DESC NULLS LAST, min(launch) NULLS LAST, uri"
    ).fetchall()
    return [
        File(uri, size, kind, trouble, State(*state) if known else None)
        for uri, size, kind, trouble, *state, known in rows
    ]


def put_off(db: duckdb.DuckDBPyConnection, files: list[File], every_days: int, today: date) -> list[File]:
    """The files that are to be asked for today; pictures of web hosts whose turn it is not count as unchanged.

    Their turns are spread evenly by address, so that each day has as many.
    """
    later = [
        file.uri
        for file in files
        if is_web(file.uri) and file.known and (zlib.crc32(file.uri.encode()) - today.toordinal()) % every_days
    ]
    _put_unchanged(db, later)
    return [file for file in files if file.uri not in set(later)] if later else files


def unreadable(file: File, limits: Limits, clips: ClipLimits, wanted: InputSettings) -> BadImage | None:
    """Why there is no use in reading a file, from what `look` saw. How large it may be, its name says."""
    match file.kind:
        case "not_found":
            return BadImage("not_found", file.trouble or f"there is no such file{hint(file.uri)}", retryable=True)
        case "unreadable":
            return BadImage("unreadable", file.trouble or "it is not a file that can be opened", retryable=True)
        case "timeout":
            return _timeout(wanted.read_seconds)
        case "outside":
            return BadImage("unreadable", f"it lies outside input.root = {wanted.root}")
        case "no_text":
            return BadImage("unreadable", "its name is no UTF-8; rename it")
    if clip_formats.named(file.uri):
        return _too_many(file.size, clips.max_bytes, "clips.max_bytes")
    return _too_many(file.size, limits.max_bytes, "limits.max_bytes")


def _too_many(size: int | None, most: int, setting: str) -> BadImage | None:
    if size is None or size <= most:
        return None
    return BadImage("too_many_bytes", f"{size} bytes, more than {setting} = {most}")


def _timeout(seconds: float) -> BadImage:
    return BadImage("timeout", f"no answer within input.read_seconds = {seconds:g}", retryable=True)


def suppose(db: duckdb.DuckDBPyConnection, due: list[File]) -> None:
    """For the dry run: files that would be read count as pictures of their own, those of known state as unchanged."""
    _put_unchanged(db, [file.uri for file in due if file.known])
    uris = [file.uri for file in due]
    db.register("due", pa.table({"uri": pa.array(uris, pa.string()), "clip": [*map(clip_formats.named, uris)]}))
    db.execute(
        "UPDATE catalogue SET image_sha256 = catalogue.uri, clip = due.clip FROM due "
        "WHERE image_sha256 IS NULL AND catalogue.uri = due.uri"
    )


def hash_all(
    db: duckdb.DuckDBPyConnection,
    due: list[File],
    limits: Limits,
    seconds: float,
    web: Web,
    commit: Callable[[], None],
    advance: Callable[[int, int], None],
    out_of_time: Callable[[], bool],
) -> Hashed:
    """Put the hash and header of every file into `catalogue`, while there is time.

    `commit` is called every `COMMIT_SECONDS`.
    """
    found = Hashed(left=len(due))
    rows: list[dict[str, Any]] = []
    same: list[str] = []
    committed = time.monotonic()
    known = {file.uri: file.known for file in due if is_web(file.uri)}
    read = partial(_hash, limits, web, known)
    reading = chain(
        waiting.answers(read, [f.uri for f in due if f.uri not in known], threads=files.READERS, seconds=seconds),
        waiting.answers(read, _in_turns(known), threads=web.threads),  # each has its own limits of time
    )
    for done, (uri, result) in enumerate(reading, 1):
        if result is None:
            found.failed[uri] = _timeout(seconds)
        elif result == "unchanged":
            same.append(uri)
        elif isinstance(result, BadImage):
            found.failed[uri] = result
        else:
            rows.append({"uri": uri, **result})
            found.bytes_read += result["bytes"]
        found.left -= 1
        late = time.monotonic() - committed > COMMIT_SECONDS
        if done % CHUNK and done < len(due) and not late and not out_of_time():
            continue
        db.register("hashed", pa.Table.from_pylist(rows, schema=HASHED))
        db.execute(sql("intake", "hashed"))
        _put_unchanged(db, same)
        found.unchanged += len(same)
        rows.clear()
        same.clear()
        advance(done, len(due))
        if out_of_time():
            break
        if late:
            commit()
            committed = time.monotonic()
    return found


def _in_turns(uris: Mapping[str, Any]) -> list[str]:
    """Addresses of one host after the other's, so that none waits until another has sent all."""
    by_host: dict[str, list[str]] = {}
    for uri in uris:
        by_host.setdefault(uri.split("/", 3)[2], []).append(uri)
    return [uri for turn in zip_longest(*by_host.values()) for uri in turn if uri is not None]


def _put_unchanged(db: duckdb.DuckDBPyConnection, uris: list[str]) -> None:
    db.register("unchanged", pa.table({"uri": pa.array(uris, pa.string())}))
    db.execute(sql("intake", "unchanged"))


def _hash(
    limits: Limits, web: Web, known: Mapping[str, State | None], uri: str
) -> dict[str, Any] | BadImage | Literal["unchanged"]:
    state = State()
    try:
        if is_web(uri):
            fetched = web.fetch(uri, known[uri])
            if fetched.data is None:
                return "unchanged"
            data, state = fetched.data, fetched.state
        elif clip_formats.named(uri):
            return _hash_in_pieces(limits, uri)
        else:
            data = files.read_bytes(uri)
    except BadImage as error:
        return error
    return {**_known(limits, uri, data), **vars(state)}


def _known(limits: Limits, uri: str, data: bytes) -> dict[str, Any]:
    """What is kept of a file by its bytes."""
    result = {"image_sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "clip": False}
    if formats.sniff(data) is None:
        format_ = clip_formats.sniff(data[: clip_formats.HEAD])
        if format_ is not None or clip_formats.named(uri):
            return {**result, "clip": True, "format": format_}
    try:
        header = probe(data, limits)
    except BadImage:
        return result  # a worker finds the same and puts it into quarantine, once for all files of that content
    return {**result, "format": header.format, "width": header.width, "height": header.height}


def _hash_in_pieces(limits: Limits, uri: str) -> dict[str, Any] | BadImage:
    """Of a file that is named as a clip and may be too large to be held. Errors: BadImage."""
    digest, size, head = hashlib.sha256(), 0, b""
    for piece in files.pieces(uri):
        digest.update(piece)
        size += len(piece)
        head = head or piece[: clip_formats.HEAD]
    if formats.sniff(head) is None:
        return {"image_sha256": digest.hexdigest(), "bytes": size, "clip": True, "format": clip_formats.sniff(head)}
    # A picture after all.
    return _too_many(size, limits.max_bytes, "limits.max_bytes") or _known(limits, uri, files.read_bytes(uri))
