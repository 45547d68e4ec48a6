"""Images per second of the whole job over those of its three costs alone.

The job reads, decodes, prepares, computes and commits, through the executors that a run uses. The yardstick does
nothing but decode, prepare and compute: one after the other, each with all threads, on bytes that are in memory
already and in full batches. The two take turns on the same pictures, so that a machine that slows down slows both.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

import pyarrow as pa

from featurize.bench import workload
from featurize.bench.figures import Figure, Setup
from featurize.config import Settings
from featurize.errors import RunFailed
from featurize.execution import phases, plan, run
from featurize.execution.run import Phase
from featurize.images.decode import Limits, decode
from featurize.inference.extractor import Extractor, ModelSettings, model_key
from featurize.intake.files import read_bytes
from featurize.models import load_backend
from featurize.storage.lease import Lease
from featurize.storage.store import Store
from featurize.storage.tables import Origin

TARGET = 0.90
LEAST_ROUNDS, MOST_ROUNDS = 2, 5
ENOUGH_SECONDS = 60.0
"""After the least rounds, more follow until so much time is spent: fast machines need them."""
BLOCK = 128
"""Pictures that the yardstick decodes at once; in smaller blocks threads would wait for the slowest picture."""


def measure(setup: Setup) -> list[Figure]:
    """For each model of the settings: the ratio, both rates, where the time goes, and start-up."""
    figures = []
    for name, model in (("CLIP", setup.settings.embed), ("captioner", setup.settings.describe)):
        if model is None:
            continue
        if workload.at_hand(model):
            figures += _of_model(name, model, setup)
        else:
            figures.append(Figure(f"{name}: job / back to back", None, "ratio", "open_clip is not installed"))
    return figures


@dataclass(frozen=True)
class Job:
    """Seconds until the model was loaded, and from then to the last commit."""

    startup: float
    work: float


@dataclass
class _Alone:
    """Seconds of each stage on all pictures when nothing else runs."""

    decode: float = 0.0
    prepare: float = 0.0
    compute: float = 0.0

    @property
    def total(self) -> float:
        return self.decode + self.prepare + self.compute

    @property
    def slowest(self) -> float:
        """What bounds a pipeline whose model is on a GPU, where the CPUs are free to decode meanwhile."""
        return max(self.decode + self.prepare, self.compute)


@dataclass
class _Rounds:
    alone: list[_Alone] = field(default_factory=list)
    jobs: dict[str, list[Job]] = field(default_factory=lambda: defaultdict(list))


def _of_model(name: str, model: ModelSettings, setup: Setup) -> list[Figure]:
    executors = {"in process": with_executor(setup.settings, "local")}
    if setup.settings.run.executor == "ray" and importlib.util.find_spec("ray") is not None:
        executors["on Ray"] = setup.settings
    limits = Limits(**setup.settings.limits.model_dump())
    pictures = workload.items(workload.chosen(setup.artwork, setup.images), limits)
    paths = pictures["source"].to_pylist()

    with _phase(executors["in process"], model) as (phase, _):
        extractor = run.load(phase)
    rounds = _Rounds()
    try:
        _back_to_back(extractor, paths[: extractor.batch_size], phase)  # a model's first batch is slow
        begun = time.perf_counter()
        while len(rounds.alone) < LEAST_ROUNDS or (
            len(rounds.alone) < MOST_ROUNDS and time.perf_counter() - begun < ENOUGH_SECONDS
        ):
            for how, settings in executors.items():
                rounds.jobs[how].append(run_job(settings, model, pictures))
            rounds.alone.append(_back_to_back(extractor, paths, phase))
    finally:
        extractor.close()
    what = f"{len(paths)} pictures, batch {extractor.batch_size}, {phase.threads} threads"
    return _figures(name, what, len(paths), rounds, model.device == "cuda")


def _figures(name: str, what: str, count: int, rounds: _Rounds, on_gpu: bool) -> list[Figure]:
    figures = []
    for how, jobs in rounds.jobs.items():
        ratios = [alone.total / job.work for alone, job in zip(rounds.alone, jobs, strict=True)]
        note = f"median of {', '.join(f'{ratio:.3f}' for ratio in ratios)}; {what}"
        figures.append(Figure(f"{name} {how}: job / back to back", median(ratios), "ratio", note, at_least=TARGET))
        if on_gpu:
            bound = median(alone.slowest / job.work for alone, job in zip(rounds.alone, jobs, strict=True))
            note = "CPUs decode while the GPU computes"
            figures.append(Figure(f"{name} {how}: job / slowest stage", bound, "ratio", note))
        figures.append(Figure(f"{name} {how}: job", count / median(job.work for job in jobs), "images/s"))
        startup = median(job.startup for job in jobs)
        figures.append(Figure(f"{name} {how}: start-up", startup, "s", "not part of the ratio"))
    rate = count / median(alone.total for alone in rounds.alone)
    stages = (
        f"{stage} {1000 / count * median(getattr(alone, stage) for alone in rounds.alone):.2f} ms"
        for stage in ("decode", "prepare", "compute")
    )
    figures.append(Figure(f"{name}: back to back", rate, "images/s", f"a picture: {', '.join(stages)}"))
    return figures


def with_executor(settings: Settings, executor: Literal["local", "ray"]) -> Settings:
    """The same settings for another executor."""
    return settings.model_copy(update={"run": settings.run.model_copy(update={"executor": executor})})


@contextmanager
def _phase(settings: Settings, model: ModelSettings) -> Iterator[tuple[Phase, int]]:
    """A phase with a store of its own, as the job makes it, and the number of workers."""
    limits = Limits(**settings.limits.model_dump())
    crew = phases.crew(settings, model)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, Lease(Store(folder), "bench", "bench") as lease:
            phase = Phase(
                name="bench",
                settings=model.model_copy(update={"cpus": crew.cpus}),
                table=load_backend(model.backend).Extractor.table,
                model_key=model_key(phases.fingerprint_of(model)),
                decode_key=model_key(plan.decoder(limits)),
                limits=limits,
                threads=settings.run.threads or crew.cpus,
                cpus=crew.cpus,
                max_failed=settings.run.max_failed,
                decode_pixels=settings.run.decode_pixels,
                store=lease.store,
                fence=lease.fence,
                origin=Origin("bench", "bench"),
            )
            yield phase, crew.workers
    finally:
        phases.finish()


def run_job(settings: Settings, model: ModelSettings, pictures: pa.Table) -> Job:
    """One run of the job's own code over all pictures. Errors: RunFailed when one of them is not done."""
    ready: list[float] = []

    def advance(items: int) -> None:
        if not ready:
            ready.append(time.perf_counter())

    with _phase(settings, model) as (phase, workers):
        size = min(settings.run.shard_images, -(-pictures.num_rows // workers))
        shards = plan.shards(pictures, phase.model_key, size)
        begun = finished = time.perf_counter()
        done = 0
        for outcome in phases.execute(settings, phase, shards, workers, advance):
            finished = time.perf_counter()
            done += outcome.done
    if done != pictures.num_rows:
        raise RunFailed(f"{pictures.num_rows - done} of {pictures.num_rows} pictures were not done; rates mean nothing")
    return Job(ready[0] - begun, finished - ready[0])


def _back_to_back(extractor: Extractor, paths: list[str], phase: Phase) -> _Alone:
    """The three stages in turn, block by block, so that memory stays bounded. Reading is not timed."""
    alone = _Alone()
    waiting: dict[Hashable, list[Any]] = defaultdict(list)
    with ThreadPoolExecutor(phase.threads) as pool:
        for begin in range(0, len(paths), BLOCK):
            data = [read_bytes(path) for path in paths[begin : begin + BLOCK]]
            start = time.perf_counter()
            decoded = list(pool.map(lambda d: decode(d, phase.limits, extractor.at_least), data))
            between = time.perf_counter()
            prepared = list(pool.map(extractor.prepare, decoded))
            alone.prepare += time.perf_counter() - between
            alone.decode += between - start
            for item in prepared:
                waiting[extractor.group(item)].append(item)
            alone.compute += _compute(extractor, waiting, full_only=True)
        alone.compute += _compute(extractor, waiting, full_only=False)
    return alone


def _compute(extractor: Extractor, waiting: dict[Hashable, list[Any]], full_only: bool) -> float:
    """Seconds for the batches that can be made of `waiting`, which they leave."""
    size = extractor.batch_size
    start = time.perf_counter()
    for items in waiting.values():
        while len(items) >= size or (items and not full_only):
            extractor.extract(items[:size])
            del items[:size]
    return time.perf_counter() - start
