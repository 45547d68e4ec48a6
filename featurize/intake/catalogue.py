"""The catalogue: a folder or manifest to rows of `artwork`, each with the hash of its file.

A file is read only when its uri, size and modification time are new. What was read is committed as it goes, so a run
that dies while hashing has not to begin again.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa

from featurize.config import Run as RunSettings
from featurize.errors import BadImage, RunFailed
from featurize.images.decode import Limits, probe
from featurize.intake import files, inputs
from featurize.storage import secrets, tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, part_name
from featurize.storage.tables import Origin, sql

READERS = 16
CHUNK = 4096
COMMIT_SECONDS = 30.0
HASHED = pa.schema(
    [
        ("uri", pa.string()),
        ("image_sha256", pa.string()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)


@dataclass
class Scan:
    """What a look at the catalogue found; counts are of artworks, but for `pictures`."""

    found: int = 0
    read: int = 0
    changed: int = 0
    removed: int = 0
    pictures: int = 0
    unknown_titles: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)


def scan(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    artwork: str,
    *,
    limits: Limits,
    decode_key: str,
    origin: Origin,
    fence: Fence | None,
    settings: RunSettings,
    verify: bool = False,
    titles: str | None = None,
    time_zone: str | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Scan:
    """Bring `artwork` up to date with the catalogue and leave the table `picture` (image_sha256, uri) in `db`.

    Without a fence nothing is read or written and files that would be read count as pictures of their own: this is
    the dry run. `advance` is told how many files of how many are hashed. Errors: RefusedInput, RunFailed.
    """
    source, rows = files.listed(artwork, time_zone)
    db.register("listed", rows)
    db.register("files", files.look(rows["uri"].to_pylist()))
    store.register(db, "artwork")
    db.execute(sql("intake", "unread"), {"verify": verify})
    result = Scan(found=rows.num_rows)
    if titles is not None:
        db.register("title", inputs.read("title", titles))
        result.unknown_titles = tables.scalar(db, "SELECT count(*) FROM listed ANTI JOIN title USING (title_id)")
    unread = db.execute(
        "SELECT uri, any_value(size), any_value(kind_of_file) FROM catalogue WHERE image_sha256 IS NULL "
        "GROUP BY uri ORDER BY uri"
    ).fetchall()
    result.read = sum(kind == "file" for _, _, kind in unread)
    if fence is None:
        db.execute("UPDATE catalogue SET image_sha256 = uri WHERE image_sha256 IS NULL AND kind_of_file = 'file'")
        _count_changes(result, _changes(db, source, origin))
    else:

        def commit() -> None:
            changes = _changes(db, source, origin)
            _count_changes(result, changes)
            _append(store, changes, fence)
            store.register(db, "artwork")

        failed = _hash_all(db, unread, limits, commit, advance)
        commit()
        _refuse_hopeless(failed, result.found, settings.max_failed)
        _quarantine(db, store, failed, decode_key, origin, fence, settings.max_attempts)
        result.quarantined.update(error.reason for error in failed.values())
    db.execute(sql("intake", "pictures"))
    result.pictures = tables.scalar(db, "SELECT count(*) FROM picture")
    return result


Unread = tuple[str, int | None, str]


def _hash_all(
    db: duckdb.DuckDBPyConnection,
    unread: list[Unread],
    limits: Limits,
    commit: Callable[[], None],
    advance: Callable[[int, int], None],
) -> dict[str, BadImage]:
    """Put the hash and header of every unread file into `catalogue`; returns uri -> why not for those that fail.

    `commit` is called every `COMMIT_SECONDS`.
    """
    failed: dict[str, BadImage] = {}
    committed = time.monotonic()
    with ThreadPoolExecutor(READERS, thread_name_prefix="hash") as pool:
        for begin in range(0, len(unread), CHUNK):
            chunk = unread[begin : begin + CHUNK]
            hashed: list[dict[str, Any]] = []
            for (uri, _, _), result in zip(chunk, pool.map(partial(_hash, limits), chunk), strict=True):
                if isinstance(result, BadImage):
                    failed[uri] = result
                else:
                    hashed.append({"uri": uri, **result})
            db.register("hashed", pa.Table.from_pylist(hashed, schema=HASHED))
            db.execute(
                "UPDATE catalogue SET image_sha256 = hashed.image_sha256, format = hashed.format, "
                "width = hashed.width, height = hashed.height FROM hashed WHERE catalogue.uri = hashed.uri"
            )
            advance(begin + len(chunk), len(unread))
            if time.monotonic() - committed > COMMIT_SECONDS:
                commit()
                committed = time.monotonic()
    return failed


def _refuse_hopeless(failed: dict[str, BadImage], found: int, max_failed: float) -> None:
    """A share that is not mounted or a bucket without access is no reason to quarantine a catalogue."""
    lost = {uri: error for uri, error in failed.items() if error.retryable}
    if len(lost) >= 20 and len(lost) > max_failed * found:
        uri, error = next(iter(lost.items()))
        raise RunFailed(
            f"{len(lost)} of {found} files cannot be read, more than run.max_failed = {max_failed:g} allows; "
            f"for example {uri}: {error}"
        )


def _hash(limits: Limits, file: Unread) -> dict[str, Any] | BadImage:
    uri, size, kind = file
    if kind == "not_found":
        return BadImage("not_found", "there is no such file", retryable=True)
    if kind == "unreadable":
        return BadImage("unreadable", "it is not a file that can be opened", retryable=True)
    if size is not None and size > limits.max_bytes:
        return BadImage("too_many_bytes", f"{size} bytes, more than limits.max_bytes = {limits.max_bytes}")
    try:
        data = files.read_bytes(uri)
    except BadImage as error:
        return error
    result: dict[str, Any] = {"image_sha256": hashlib.sha256(data).hexdigest()}
    try:
        header = probe(data, limits)
    except BadImage:
        return result  # a worker finds the same and puts it into quarantine, once for all files of that content
    return {**result, "format": header.format, "width": header.width, "height": header.height}


def _quarantine(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    failed: dict[str, BadImage],
    decode_key: str,
    origin: Origin,
    fence: Fence,
    max_attempts: int,
) -> None:
    """Append a row per file that cannot be read, unless enough attempts of it are on record."""
    store.register(db, "quarantine", [decode_key])
    tried = dict(db.execute("SELECT uri, max(attempts) FROM quarantine WHERE stage = 'read' GROUP BY uri").fetchall())
    due = [
        (uri, error)
        for uri, error in sorted(failed.items())
        if tried.get(uri, 0) < (max_attempts if error.retryable else 1)
    ]
    if due:
        rows = quarantine_rows(
            [("", uri, "read", error, tried.get(uri, 0) + 1) for uri, error in due], decode_key, origin
        )
        name = part_name([f"{row['uri']} {row['attempts']}" for row in rows.select(["uri", "attempts"]).to_pylist()])
        store.commit("quarantine", decode_key, name, rows, check=fence.check)


def quarantine_rows(
    failures: Sequence[tuple[str, str, str, BadImage, int]], model_key: str, origin: Origin
) -> pa.Table:
    """Rows of `quarantine` from (image_sha256, uri, stage, error, attempts)."""
    shas, uris, stages, errors, attempts = zip(*failures, strict=True)
    return tables.rows(
        "quarantine",
        {
            "image_sha256": shas,
            "uri": uris,
            "stage": stages,
            "model_key": [model_key] * len(failures),
            "reason": [error.reason for error in errors],
            "detail": [secrets.redact(error.detail) for error in errors],
            "retryable": [error.retryable for error in errors],
            "attempts": attempts,
            **origin.columns(len(failures)),
            "computed_at": [datetime.now(UTC)] * len(failures),
        },
    )


def _changes(db: duckdb.DuckDBPyConnection, source: str, origin: Origin) -> pa.Table:
    """Rows of `artwork` that the catalogue adds to what it said before."""
    found = tables.arrow(db, sql("intake", "artwork_changes"), {"source": source})
    columns = {name: found[name] for name in found.schema.names}
    seen_at = pa.array([datetime.now(UTC)] * found.num_rows, pa.timestamp("us", "UTC"))
    schema = tables.contract("artwork").schema
    extra: dict[str, Any] = {"seen_at": seen_at, **origin.columns(found.num_rows)}
    return pa.table([pa.array(extra[f.name], f.type) if f.name in extra else columns[f.name] for f in schema], schema)


def _append(store: Store, changes: pa.Table, fence: Fence) -> None:
    if not changes.num_rows:
        return
    tables.check("artwork", changes)
    states = changes.select(["artwork_id", "uri", "image_sha256", "present", "seen_at"]).sort_by("artwork_id")
    name = part_name(map(str, states.to_pylist()))
    store.commit("artwork", "", name, changes.sort_by("artwork_id"), check=fence.check)


def _count_changes(result: Scan, changes: pa.Table) -> None:
    present = changes["present"].to_pylist()
    result.changed += sum(present)
    result.removed += len(present) - sum(present)
