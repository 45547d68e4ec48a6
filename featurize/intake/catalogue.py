"""The catalogue: a folder or manifest to rows of `artwork`, each with the hash of its file.

A file is read only when its uri, size and modification time are new; of an https:// address, when its host says that it
has changed. What was read is committed as it goes, so a run that dies while hashing has not to begin again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import duckdb
import pyarrow as pa

from featurize.config import Input as InputSettings
from featurize.config import Run as RunSettings
from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.images.decode import Limits
from featurize.intake import files, hashing, inputs, waiting
from featurize.intake.files import Confines
from featurize.intake.web import Web, is_web
from featurize.media import formats as clip_formats
from featurize.media.decode import Limits as ClipLimits
from featurize.storage import secrets, tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store, address, part_name
from featurize.storage.tables import Origin, sql

LOST_FROM = 20
"""Artworks gone or unreadable below which a catalogue never counts as lost."""
CATALOGUES = ("artwork", "clip")
"""The tables of what a catalogue lists: pictures, and videos and sound."""
CLIP_NAMES = f"({'|'.join(map(re.escape, clip_formats.ENDINGS))})$"
ANY_CLIP = ClipLimits()
CLOCK_SLACK = timedelta(minutes=1)
"""How far the clocks of two machines may differ before a run says so."""


@dataclass
class Scan:
    """What a look at the catalogue found; counts are of artworks, but for `pictures` and `clips`."""

    found: int = 0
    read: int = 0
    changed: int = 0
    removed: int = 0
    pictures: int = 0
    clips: int = 0
    unread: int = 0
    """Of those to read, files that there was no time for."""
    bytes_read: int = 0
    assorted: bool = False
    """Whether it is a folder, whose files nobody calls pictures."""
    quarantined: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def scan(
    db: duckdb.DuckDBPyConnection,
    store: Store,
    artwork: str,
    *,
    limits: Limits,
    decode_key: str,
    origin: Origin,
    fence: Fence | None,
    run: RunSettings,
    wanted: InputSettings,
    leave_out: Collection[str] = (),
    advance: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str], None] = lambda sentence: None,
    late: Callable[[], bool] = lambda: False,
    clips: ClipLimits = ANY_CLIP,
) -> Scan:
    """Bring `artwork` and `clip` up to date with the catalogue and leave the tables `picture` and `clip_file`
    (image_sha256, uri) in `db`.

    Without a fence nothing is read or written and files that would be read count as pictures of their own: this is
    the dry run. A folder is listed without what lies below the addresses `leave_out`. `advance` is told how many files
    of how many are hashed, `tell` what a person should know before that begins. What is not read when it is `late`
    stays as the store knows it. Errors: RefusedInput, RunFailed.
    """
    confines = Confines.of(wanted.root, wanted.read_seconds)
    web = Web.of(wanted, limits)
    listing = files.listed(artwork, confines, leave_out, wanted.time_zone, web)
    result = Scan(found=listing.rows.num_rows, notes=list(listing.notes), assorted=listing.assorted)
    db.register("listed", listing.rows)
    _register(db, store)
    sources = _spellings(db, listing.source)
    store.register(db, "run")
    gone = _refuse_lost(db, listing.source, sources, wanted.max_removed, origin.run_id)
    result.notes += [gone] if gone else []
    if wanted.titles is not None:
        _check_titles(db, wanted.titles, result, tell)
    seen = files.look(listing, confines)
    db.register("files", seen)
    store.register(db, "quarantine", [decode_key])
    db.execute(sql("intake", "unread"), {"verify": wanted.verify, "clips": CLIP_NAMES})
    unread = hashing.put_off(db, hashing.unread(db, wanted.verify), wanted.ask_every_days, datetime.now(UTC).date())
    failed = {
        file.uri: error for file in unread if (error := hashing.unreadable(file, limits, clips, wanted)) is not None
    }
    due = [file for file in unread if file.uri not in failed]
    on_hosts = sum(is_web(file.uri) for file in due)
    if fence is None:
        hashing.suppose(db, due)
        asked = sum(file.known is not None for file in due)
        result.read = len(due) - asked
        if on_hosts:
            result.notes.append(
                f"from input.hosts {on_hosts - asked:,} pictures would be fetched; they would be asked whether "
                f"{asked:,} more have changed"
            )
        for table in CATALOGUES:
            _count_changes(result, _changes(db, table, listing.source, sources, origin))
        _refuse_hopeless(failed, seen.num_rows, run.max_failed)
    else:

        def commit() -> None:
            for table in CATALOGUES:
                changes = _changes(db, table, listing.source, sources, origin)
                _count_changes(result, changes)
                _append(store, table, changes, fence)
            _register(db, store)

        hashed = hashing.hash_all(db, due, limits, wanted.read_seconds, web, commit, advance, late)
        failed |= hashed.failed
        result.unread, result.bytes_read = hashed.left, hashed.bytes_read
        result.read = len(due) - hashed.unchanged - hashed.left
        if on_hosts:
            result.notes.append(
                f"input.hosts were asked for {on_hosts:,} pictures; {hashed.unchanged:,} of them have not changed and "
                "were not sent"
            )
        commit()
        _refuse_hopeless(failed, seen.num_rows, run.max_failed)
        _quarantine(db, store, failed, decode_key, origin, fence, run.max_attempts)
    result.notes += _fast_clock(db)
    result.quarantined.update(error.reason for error in failed.values())
    examples = {failed[uri].reason: f"{uri}: {failed[uri].detail}" for uri in sorted(failed, reverse=True)}
    result.notes += [f"{reason}, for example {example}" for reason, example in sorted(examples.items())]
    db.execute(sql("intake", "pictures"))
    db.execute(sql("intake", "clip_files"), {"sound": list(clip_formats.SOUND)})
    result.pictures = tables.scalar(db, "SELECT count(*) FROM picture")
    result.clips = tables.scalar(db, "SELECT count(*) FROM clip_file")
    return result


def _register(db: duckdb.DuckDBPyConnection, store: Store) -> None:
    for table in CATALOGUES:
        store.register(db, table)
    db.execute(sql("intake", "seen_before"))


def _spellings(db: duckdb.DuckDBPyConnection, source: str) -> list[str]:
    """Every way in which this source is written in `artwork`: earlier versions kept it as it was given."""
    known = [each for (each,) in db.execute("SELECT DISTINCT source FROM seen_before").fetchall()]
    return [source, *(each for each in known if each.startswith("file:") and address(each) == source)]


def _refuse_lost(
    db: duckdb.DuckDBPyConnection, source: str, sources: list[str], max_removed: float, run_id: str
) -> str | None:
    """A share of which a part is not mounted must not empty the catalogue. Of a few, a note. Errors: RefusedInput."""
    asked = {"sources": sources, "run_id": run_id}
    known, gone, example = db.execute(sql("intake", "removed"), asked).fetchall()[0]
    if gone <= max_removed * known:
        return None
    if gone < LOST_FROM:
        return f"{source} no longer lists {gone:,} of the {known:,} artworks it had, such as '{example}'"
    raise RefusedInput(
        f"{source} no longer lists {gone:,} of the {known:,} artworks it had, such as '{example}', more than "
        f"input.max_removed = {max_removed:g} allows; if they are gone for good, --set input.max_removed=1 says so"
    )


def _check_titles(db: duckdb.DuckDBPyConnection, titles: str, result: Scan, tell: Callable[[str], None]) -> None:
    """Say which titles of the catalogue the table does not have. Errors: RefusedInput when it has none of them."""
    db.register("title", waiting.answer(lambda at: inputs.read("title", at), titles))
    unknown = db.execute(
        "SELECT title_id, count(*) FROM listed ANTI JOIN title USING (title_id) GROUP BY ALL ORDER BY title_id"
    ).fetchall()
    if not unknown:
        return
    artworks = sum(count for _, count in unknown)
    theirs = [name for (name,) in db.execute("SELECT title_id FROM title ORDER BY title_id LIMIT 3").fetchall()]
    ours = [name for name, _ in unknown]
    if artworks == result.found:
        raise RefusedInput(
            f"{titles} has none of the catalogue's titles: it has {_some(theirs, 3)}, the catalogue {_some(ours, 3)}"
        )
    these = "1 artwork is" if artworks == 1 else f"{artworks:,} artworks are"
    those = "1 title" if len(ours) == 1 else f"{len(ours):,} titles"
    result.notes.append(f"{these} of {those} that {titles} does not have: {_some(ours, 10)}")
    tell(result.notes[-1])


def _some(ids: list[str], most: int) -> str:
    return ", ".join(ids[:most]) + (", ..." if len(ids) > most else "")


def _refuse_hopeless(failed: dict[str, BadImage], found: int, max_failed: float) -> None:
    """A share that is not mounted or a bucket without access is no reason to quarantine a catalogue."""
    lost = {uri: error for uri, error in failed.items() if error.reason != "too_many_bytes"}
    if len(lost) == found or (len(lost) >= LOST_FROM and len(lost) > max_failed * found):
        uri, error = next(iter(lost.items()))
        limit = f", more than run.max_failed = {max_failed:g} allows" if len(lost) < found else ""
        raise RunFailed(f"{len(lost):,} of {found:,} files cannot be read{limit}; for example {uri}: {error}")


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
        asked = """SELECT uri, list(artwork_id ORDER BY artwork_id)
            FROM listed SEMI JOIN (SELECT unnest($uris) AS uri) USING (uri) GROUP BY uri"""
        artworks = dict(db.execute(asked, {"uris": [uri for uri, _ in due]}).fetchall())
        rows = quarantine_rows(
            [("", uri, "read", error, tried.get(uri, 0) + 1) for uri, error in due], decode_key, origin, artworks
        )
        name = part_name([f"{row['uri']} {row['attempts']}" for row in rows.select(["uri", "attempts"]).to_pylist()])
        store.commit("quarantine", decode_key, name, rows, check=fence.check)


def quarantine_rows(
    failures: Sequence[tuple[str, str, str, BadImage, int]],
    model_key: str,
    origin: Origin,
    artworks: Mapping[str, list[str]] = MappingProxyType({}),
) -> pa.Table:
    """Rows of `quarantine` from (image_sha256, uri, stage, error, attempts).

    `artworks` are the ids by uri of files without a hash: by nothing else could a reader tell whose they are.
    """
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
            "artwork_ids": [artworks.get(uri) for uri in uris],
            **origin.columns(len(failures)),
            "computed_at": [datetime.now(UTC)] * len(failures),
        },
    )


def _changes(db: duckdb.DuckDBPyConnection, table: str, source: str, sources: list[str], origin: Origin) -> pa.Table:
    """Rows of `artwork` or `clip` that the catalogue adds to what it said before."""
    asked = {"source": source, "sources": sources, "now": datetime.now(UTC)}
    found = tables.arrow(db, sql("intake", f"{table}_changes"), asked)
    schema = tables.contract(table).schema
    extra = origin.columns(found.num_rows)
    columns = [pa.array(extra[f.name], f.type) if f.name in extra else found[f.name].cast(f.type) for f in schema]
    return pa.table(columns, schema)


def _fast_clock(db: duckdb.DuckDBPyConnection) -> list[str]:
    """What to tell where the newest look at an artwork lies in the future."""
    question = "SELECT strftime(max(seen_at), '%Y-%m-%d %H:%M UTC') FROM seen_before WHERE seen_at > $soon::TIMESTAMPTZ"
    ((latest,),) = db.execute(question, {"soon": datetime.now(UTC) + CLOCK_SLACK}).fetchall()
    if latest is None:
        return []
    return [
        f"table artwork has a row of {latest}, which is in the future: the clock of this machine or of the one that "
        "wrote it is wrong; what changed since then counts as later"
    ]


def _append(store: Store, table: str, changes: pa.Table, fence: Fence) -> None:
    if not changes.num_rows:
        return
    tables.check(table, changes)
    key = tables.contract(table).key
    states = changes.select([*key[:3], "present", "seen_at"]).sort_by(key[0])
    name = part_name(map(str, states.to_pylist()))
    store.commit(table, "", name, changes.sort_by(key[0]), check=fence.check)


def _count_changes(result: Scan, changes: pa.Table) -> None:
    present = changes["present"].to_pylist()
    result.changed += sum(present)
    result.removed += len(present) - sum(present)
