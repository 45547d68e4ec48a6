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
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from featurize import images, phases, plan, run
from featurize.bench import workload
from featurize.bench.figures import Figure, Setup
from featurize.catalogue import Origin, read_bytes
from featurize.config import Settings
from featurize.errors import RunFailed
from featurize.lease import Lease
from featurize.models import Extractor, ModelSettings, load_backend, model_key
from featurize.plan import Item
from featurize.run import Outcome, Phase
from featurize.store import Store

TARGET = 0.90
ROUNDS = (2, 5)
"""At least and at most; below the most, rounds go on until `ENOUGH_SECONDS` are spent."""
ENOUGH_SECONDS = 60.0
BLOCK = 128
"""Pictures decoded at once by the yardstick; in small batches threads would wait for the slowest picture."""

Executor = Callable[[Phase, list[Item], run.Advance], Iterator[Outcome]]


def efficiency(setup: Setup) -> list[Figure]:
    """For every model of the settings: the ratio, both rates, where the time goes, and start-up."""
    figures: list[Figure] = []
    for name, model in (("CLIP", setup.settings.embed), ("captioner", setup.settings.describe)):
        if model is None:
            continue
        if model.backend.startswith("open_clip") and importlib.util.find_spec("open_clip") is None:
            figures.append(Figure(f"{name}: job / back to back", None, "ratio", "open_clip is not installed"))
            continue
        if model == workload.clip_settings(model):
            workload.write_vit_b_32()
        figures += _measure(name, model, setup)
    return figures


@dataclass
class _Timing:
    """Seconds until the model was ready, and from then to the last commit."""

    startup: float
    work: float


@dataclass
class _Stages:
    """Seconds that the whole set of pictures takes in each stage alone."""

    decode: float = 0.0
    prepare: float = 0.0
    compute: float = 0.0

    @property
    def total(self) -> float:
        return self.decode + self.prepare + self.compute

    @property
    def slowest(self) -> float:
        """What bounds a pipeline whose model runs on a GPU, where the CPUs are free to decode."""
        return max(self.decode + self.prepare, self.compute)


def _measure(name: str, model: ModelSettings, setup: Setup) -> list[Figure]:
    settings = setup.settings
    crew = phases.crew(_in_process(settings), model)
    model = model.model_copy(update={"cpus": crew.cpus})
    threads = settings.run.threads or crew.cpus
    limits = images.Limits(**settings.limits.model_dump())
    items = workload.items(workload.chosen(setup.artwork, setup.images), limits, threads)
    count = len(items)
    executors: dict[str, Executor] = {"in process": _in_shards(settings)}
    if settings.run.executor == "ray" and importlib.util.find_spec("ray") is not None:
        executors["on Ray"] = _ray(settings)
    jobs: dict[str, list[_Timing]] = {how: [] for how in executors}
    alone: list[_Stages] = []

    with _phase(settings, model, threads) as phase:
        extractor = run.load(phase)
    _back_to_back(extractor, items[: extractor.batch_size], limits, threads)  # the first batch of a model is slow
    begun = time.perf_counter()
    while len(alone) < ROUNDS[0] or (len(alone) < ROUNDS[1] and time.perf_counter() - begun < ENOUGH_SECONDS):
        alone.append(_back_to_back(extractor, items, limits, threads))
        for how, executor in executors.items():
            with _phase(settings, model, threads) as phase:
                jobs[how].append(_job(executor, phase, items))
    extractor.close()

    stages = _Stages(*(median(getattr(s, part) for s in alone) for part in ("decode", "prepare", "compute")))
    each = ", ".join(f"{part} {1000 * seconds / count:.2f} ms" for part, seconds in vars(stages).items())
    figures = []
    for how, timings in jobs.items():
        ratios = [s.total / t.work for s, t in zip(alone, timings, strict=True)]
        rounds = f"median of {', '.join(f'{ratio:.3f}' for ratio in ratios)}"
        figures.append(Figure(f"{name} {how}: job / back to back", median(ratios), "ratio", rounds, at_least=TARGET))
        if model.device == "cuda":
            bound = median(s.slowest / t.work for s, t in zip(alone, timings, strict=True))
            figures.append(Figure(f"{name} {how}: job / slowest stage", bound, "ratio", "decoding overlaps the GPU"))
        figures.append(Figure(f"{name} {how}: job", count / median(t.work for t in timings), "images/s"))
        figures.append(Figure(f"{name} {how}: start-up", median(t.startup for t in timings), "s", "not in the ratio"))
    batch = f"batch {extractor.batch_size}, {threads} threads, {count} pictures; each: {each}"
    figures.append(Figure(f"{name}: back to back", count / stages.total, "images/s", batch))
    return figures


def _in_process(settings: Settings) -> Settings:
    return settings.model_copy(update={"run": settings.run.model_copy(update={"executor": "local"})})


def _in_shards(settings: Settings) -> Executor:
    def execute(phase: Phase, items: list[Item], advance: run.Advance) -> Iterator[Outcome]:
        yield from run.run_local(phase, plan.cut(items, phase.model_key, settings.run.shard_images), advance)

    return execute
