"""Run one shard, and the executor that does so in this process.

`run_shard` is the whole of the work: read, decode and prepare in threads, the model in batches, rows checked against
their contract, one part committed. Executors only decide where it is called. Whatever happens to one picture becomes a
row of `quarantine`; only what is wrong with the run is raised.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featurize.errors import ArtworkError, BadImage, RunFailed
from featurize.execution.plan import Shard
from featurize.execution.prepare import Failure, Ready, in_words, prepare
from featurize.execution.room import Room
from featurize.execution.watch import Shift, Watch, here
from featurize.images.decode import Limits
from featurize.inference.extractor import Extractor, ModelSettings, Placement, model_key
from featurize.intake.catalogue import quarantine_rows
from featurize.intake.web import NOWHERE, Web
from featurize.media.decode import Decoder
from featurize.metrics import memory
from featurize.models import load_backend
from featurize.report import Spent
from featurize.storage import tables
from featurize.storage.lease import Fence
from featurize.storage.store import Store
from featurize.storage.tables import Origin

log = logging.getLogger("featurize")

HOPELESS_FROM = 20
"""Failures below which a run never counts as hopeless."""
NO_PICTURE = frozenset({"empty", "not_an_image", "unsupported"})
"""Of files that a folder holds and no manifest calls pictures: folders hold all sorts of things."""
NO_CLIP = frozenset({"no_video_stream"})
"""Of clips, what is no fault: it is sound alone, and that shows late."""
ANY_CLIP = Decoder()

Row = dict[str, Any]
Advance = Callable[[int], None]


class Closes(Protocol):
    """A loaded model, as the executors know it."""

    def close(self) -> None: ...


class Work(Protocol):
    """What an executor needs to know of a phase: how its model is loaded, and what is done with a shard. Picklable.

    `run` and `blame` commit; `committed` says what is committed of a shard, by a worker that may not have lived to
    report it, and what is left to do.
    """

    unit: ClassVar[str]

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> Placement: ...
    @property
    def cpus(self) -> int: ...
    @property
    def store(self) -> Store: ...
    @property
    def origin(self) -> Origin: ...

    def load(self) -> Closes: ...
    def run(self, shard: Shard, model: Any, advance: Advance) -> Outcome: ...
    def committed(self, shard: Shard) -> tuple[Outcome, Shard]: ...
    def blame(self, shard: Shard, error: BadImage) -> Outcome: ...


@dataclass(frozen=True)
class Phase:
    """The `Work` of one model on pictures or texts: everything a worker needs to know of a run to compute shards."""

    unit: ClassVar[str] = "picture"

    name: str
    settings: ModelSettings
    table: str
    model_key: str
    decode_key: str
    limits: Limits
    threads: int
    cpus: int
    max_failed: float
    store: Store
    fence: Fence
    origin: Origin
    decode_pixels: int = Limits.max_pixels
    web: Web = NOWHERE
    uncounted: frozenset[str] = frozenset()
    """Reasons for which a picture may fail without being a sign that something is wrong."""
    clips: Decoder = ANY_CLIP

    def load(self) -> Extractor:
        """The loaded model. Errors: RefusedInput, RunFailed."""
        return load(self)

    def run(self, shard: Shard, extractor: Extractor, advance: Advance) -> Outcome:
        return run_shard(shard, extractor, self, advance)

    def committed(self, shard: Shard) -> tuple[Outcome, Shard]:
        return committed(shard, self)

    def blame(self, shard: Shard, error: BadImage) -> Outcome:
        """Quarantine every item of a shard that no worker survives."""
        _commit(shard, {}, dict.fromkeys(range(len(shard.items)), ("model", error)), self)
        return Outcome(shard, quarantined=Counter({error.reason: len(shard.items)}))


@dataclass(frozen=True)
class ClipPhase(Phase):
    """The `Work` of one model on clips."""

    unit: ClassVar[str] = "clip"


@dataclass
class Outcome:
    """What became of a shard's items: rows committed, and reasons of quarantine."""

    shard: Shard
    done: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    batch_size: int = 0
    spent: Spent = field(default_factory=Spent)
    worker: str = ""
    tokens: Counter[str] = field(default_factory=Counter)
    """Of prompts and of answers (`output`), where the model has any."""
    memory: float = 0.0
    """The most bytes that its worker has held."""
    found: Any = None
    """What a phase that commits nothing hands back."""


def load(phase: Phase) -> Extractor:
    """The loaded model of a phase. Errors: RefusedInput, RunFailed."""
    hold_threads(phase.cpus)
    extractor: Extractor = load_backend(phase.settings.backend).Extractor(phase.settings)
    refuse_other(extractor, extractor.fingerprint(phase.settings), phase.model_key, phase.name)
    return extractor


def hold_threads(cpus: int) -> None:
    """Read by OpenMP when torch is first imported: two pools on the same cores fight."""
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus))


def refuse_other(model: Closes, fingerprint: Mapping[str, Any], planned_key: str, phase: str) -> None:
    """Errors: RunFailed where a worker has loaded another model than the run was planned with."""
    if model_key(fingerprint) != planned_key:
        model.close()
        raise RunFailed(
            f"the model of phase '{phase}' is another one on {socket.gethostname()} than where the run was "
            "planned: its weights, prompt or dtype differ there; pin the revision and set the dtype"
        )


def run_local(phase: Work, shards: Iterable[Shard], advance: Advance) -> Iterator[Outcome]:
    """The in-process executor: every shard in turn, in this process. An item that kills it kills the run."""
    shards = iter(shards)
    first = next(shards, None)
    if first is None:  # there was no time left
        return
    shift = Shift(phase.settings)
    model = phase.load()
    try:
        advance(0)
        for shard in chain([first], shards):
            outcome = phase.run(shard, model, advance)
            shift.add_to(outcome.spent)
            yield outcome
    finally:
        model.close()


def run_shard(shard: Shard, extractor: Extractor, phase: Phase, advance: Advance) -> Outcome:
    """Compute and commit one shard; `advance` is called with the number of items finished.

    The quarantine part goes first, then that of damage, so that the feature part, where there is one, says that the
    shard is finished.
    Errors: RunFailed (contract broken, storage full, lease lost).
    """
    rows: dict[int, Row] = {}
    failures: dict[int, tuple[str, BadImage]] = {}  # index -> stage, why
    damage: dict[int, str] = {}
    room, watch, before = Room(phase.decode_pixels), Watch(), phase.store.written
    with ThreadPoolExecutor(phase.threads, thread_name_prefix="decode") as decoders:
        depth = (extractor.batch_size + phase.threads) * (2 if extractor.input in ("image", "text") else 1)
        ready = _prefetch(decoders, lambda item: prepare(item, extractor, phase, room, watch), shard.items, depth)
        prepared = _without_failures(ready, failures, damage, advance)
        with ThreadPoolExecutor(extractor.concurrency, thread_name_prefix="model") as callers:
            batches = _batches(prepared, extractor, depth)
            # One batch more than are computed at once, so that the model finds the next one ready.
            depth = extractor.concurrency + 1
            for results in _as_completed(callers, lambda batch: _timed(batch, extractor, watch), batches, depth):
                for index, result in results:
                    if isinstance(result, BadImage):
                        failures[index] = ("model", result)
                    else:
                        rows[index] = result
                advance(len(results))
    quarantined: Counter[str] = Counter(error.reason for _, error in failures.values())
    example = next((f"{shard.items[i].source}: {error}" for i, (_, error) in failures.items()), "")
    hopeless(quarantined, len(rows), phase, phase.max_failed, example, phase.uncounted)
    with watch.on("write_s"):
        _commit(shard, rows, failures, phase, damage)
    spent = watch.stop(phase.store.written - before)
    outcome = Outcome(shard, len(rows), quarantined, extractor.batch_size, spent, here(), memory=memory())
    for kind in ("prompt", "output"):
        outcome.tokens[kind] = sum(int(row.get(f"{kind}_tokens", 0)) for row in rows.values())
    return outcome


def hopeless(
    quarantined: Counter[str],
    done: int,
    phase: Work,
    max_failed: float,
    example: str = "",
    uncounted: Collection[str] = (),
) -> None:
    """Errors: RunFailed when so many items fail that the model, the storage or what filled it must be at fault.

    Called before a shard is committed, so that neither a broken GPU nor half a delivery puts a catalogue into
    quarantine. Reasons among `uncounted` do not count.
    """
    failed = sum(count for reason, count in quarantined.items() if reason not in uncounted)
    if failed >= HOPELESS_FROM and failed > max_failed * (done + failed):
        raise RunFailed(
            f"{failed} of {done + failed} {phase.unit}s failed in phase '{phase.name}', more than run.max_failed = "
            f"{max_failed:g} allows: {_listed(quarantined)}" + (f"; for example {example}" if example else "")
        )


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))


def committed(shard: Shard, phase: Phase) -> tuple[Outcome, Shard]:
    """What is committed of a shard, by a worker that may not have lived to report it, and what is left to do."""

    def column(table: str, folder: str, name: str) -> list[str]:
        data = phase.store.part(table, folder, shard.id)
        return [] if data is None else pq.read_table(pa.BufferReader(data), columns=[name])[name].to_pylist()

    done = column(phase.table, phase.model_key, tables.contract(phase.table).key[0])
    failed, reasons = [], []
    for folder in (phase.decode_key, phase.model_key):
        failed += column("quarantine", folder, "image_sha256")
        reasons += column("quarantine", folder, "reason")
    return Outcome(shard, len(done), Counter(reasons)), shard.without({*done, *failed})


def _without_failures(
    ready: Iterable[Ready | Failure],
    failures: dict[int, tuple[str, BadImage]],
    damage: dict[int, str],
    advance: Advance,
) -> Iterator[tuple[int, Any]]:
    for index, result in enumerate(ready):
        if isinstance(result, Failure):
            failures[index] = (result.stage, result.error)
            advance(1)
        else:
            if result.damage:
                damage[index] = result.damage
            yield index, result.prepared


def _prefetch(
    pool: ThreadPoolExecutor, function: Callable[[Any], Any], items: Iterable[Any], depth: int
) -> Iterator[Any]:
    """`map` in order, with at most `depth` results computed ahead of their use."""
    source = iter(items)
    ahead: deque[Future[Any]] = deque()
    try:
        while True:
            ahead.extend(pool.submit(function, item) for item in islice(source, depth - len(ahead)))
            if not ahead:
                return
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()


def _as_completed(
    pool: ThreadPoolExecutor, function: Callable[[Any], Any], items: Iterable[Any], depth: int
) -> Iterator[Any]:
    """`map` in the order in which results come, with `depth` calls under way: a slow one holds up no other."""
    source = iter(items)
    pending: set[Future[Any]] = set()
    try:
        while True:
            pending |= {pool.submit(function, item) for item in islice(source, depth - len(pending))}
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        for future in pending:
            future.cancel()


def _batches(prepared: Iterable[tuple[int, Any]], extractor: Extractor, most: int) -> Iterator[list[tuple[int, Any]]]:
    """Batches of one group each. At most about `most` items wait for their group to fill."""
    waiting: dict[Hashable, list[tuple[int, Any]]] = defaultdict(list)
    count = 0
    for index, item in prepared:
        group = extractor.group(item)
        waiting[group].append((index, item))
        count += 1
        if len(waiting[group]) < extractor.batch_size:
            if count < most:
                continue
            group = max(waiting, key=lambda name: len(waiting[name]))
        batch = waiting.pop(group)
        count -= len(batch)
        yield batch
    yield from waiting.values()


def _timed(batch: list[tuple[int, Any]], extractor: Extractor, watch: Watch) -> list[tuple[int, Row | BadImage]]:
    with watch.on_model():
        return _extract(batch, extractor)


def _extract(batch: list[tuple[int, Any]], extractor: Extractor) -> list[tuple[int, Row | BadImage]]:
    """One result per item. A batch that does not fit or fails is halved until what is left is one picture."""
    try:
        columns = extractor.extract([item for _, item in batch])
        return list(zip((index for index, _ in batch), _rows(columns, len(batch)), strict=True))
    except extractor.out_of_memory as error:
        if len(batch) == 1:
            why = f"out of memory with one picture: {in_words(error)}"
            return [(batch[0][0], BadImage("model_error", why, retryable=True))]
        if extractor.batch_size > len(batch) // 2:
            extractor.batch_size = len(batch) // 2
            log.warning("out of memory with %d pictures; the batch size is now %d", len(batch), extractor.batch_size)
    except BadImage as error:
        if len(batch) == 1:
            return [(batch[0][0], error)]
    except ArtworkError:
        raise
    except Exception as error:
        if len(batch) == 1:
            log.debug("model", exc_info=True)
            return [(batch[0][0], BadImage("model_error", in_words(error), retryable=True))]
    half = len(batch) // 2
    return _extract(batch[:half], extractor) + _extract(batch[half:], extractor)


def _rows(columns: Mapping[str, Sequence[Any]], length: int) -> list[Row]:
    return [{name: values[i] for name, values in columns.items()} for i in range(length)]


def _commit(
    shard: Shard,
    rows: dict[int, Row],
    failures: dict[int, tuple[str, BadImage]],
    phase: Phase,
    damage: Mapping[int, str] = MappingProxyType({}),
) -> None:
    check = phase.fence.check
    if failures:
        found = [
            (shard.items[index].key, shard.items[index].source, stage, error, shard.items[index].attempts + 1)
            for index, (stage, error) in sorted(failures.items())
        ]
        for folder, stages in ((phase.decode_key, ("read", "decode")), (phase.model_key, ("model",))):
            some = [failure for failure in found if failure[2] in stages]
            if some:
                phase.store.commit("quarantine", folder, shard.id, quarantine_rows(some, folder, phase.origin), check)
    noted = _damage(shard, [index for index in sorted(damage) if index in rows], damage, phase)
    if noted is not None:
        phase.store.commit("damage", phase.model_key, shard.id, noted, check)
    if rows:
        phase.store.commit(phase.table, phase.model_key, shard.id, _features(shard, rows, phase), check)


def _damage(shard: Shard, indices: list[int], damage: Mapping[int, str], phase: Phase) -> pa.Table | None:
    """Rows of `damage`, less those that a run left which died before it committed the features."""
    if not indices:
        return None
    known = set(phase.store.dataset("damage", [phase.model_key]).to_table(["image_sha256"])["image_sha256"].to_pylist())
    items = [(shard.items[index], damage[index]) for index in indices if shard.items[index].key not in known]
    if not items:
        return None
    return tables.rows(
        "damage",
        {
            "image_sha256": [item.key for item, _ in items],
            "model_key": [phase.model_key] * len(items),
            "uri": [item.source for item, _ in items],
            "note": [note for _, note in items],
            **phase.origin.columns(len(items)),
            "computed_at": [datetime.now(UTC)] * len(items),
        },
    )


def _features(shard: Shard, rows: dict[int, Row], phase: Phase) -> Any:
    order = sorted(rows)
    key = tables.contract(phase.table).key[0]
    columns: dict[str, Any] = {
        key: [shard.items[index].key for index in order],
        "model_key": [phase.model_key] * len(order),
        **phase.origin.columns(len(order)),
        "computed_at": [datetime.now(UTC)] * len(order),
    }
    if phase.table == "text_embedding":
        columns["text"] = [shard.items[index].source for index in order]
    for name in rows[order[0]]:
        values = [rows[index][name] for index in order]
        columns[name] = np.stack(values) if isinstance(values[0], np.ndarray) else values
    return tables.rows(phase.table, columns)
