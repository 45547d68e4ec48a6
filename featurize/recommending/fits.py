"""Trainings that outlive the process: each is kept under the digest of what it depends on, and goes on from there.

Invariant: what is found here is what training would come to, so a run that was killed ends in the figures of one that
was not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from featurize.config import Recommend
from featurize.demo.processes import leave_with_parent
from featurize.errors import RunFailed
from featurize.recommending import metrics
from featurize.recommending.features import Feature
from featurize.recommending.plays import Cases, Hyper, Plays, Split

if TYPE_CHECKING:
    from featurize.recommending.towers import Training

VERSION = 1
"""Raised when the same data and settings train to something else."""


Task = tuple[str, Split, Feature, int]
"""Model, split, feature and seed."""


class Fits:
    """The trainings of one run, in the folder `recommend.work`. Picklable."""

    def __init__(self, wanted: Recommend) -> None:
        self.wanted = wanted
        self.folder = Path(wanted.work).expanduser().absolute()

    def each(self, tasks: Sequence[Task]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """(place in `tasks`, the rank of each test case's title) as they get ready; on CPUs, one on each.

        Errors: RunFailed.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFailed(f"recommend.work: {self.folder} cannot be made: {error}") from error
        # Two features may have the same vectors, as joined_vectors of one block has: they are one training.
        same: dict[str, list[int]] = {}
        for place, task in enumerate(tasks):
            same.setdefault(self.key(*task), []).append(place)
        for places, found in self._computed(list(same.values()), tasks):
            yield from ((place, found) for place in places)

    def _computed(
        self, groups: Sequence[list[int]], tasks: Sequence[Task]
    ) -> Iterator[tuple[list[int], NDArray[np.int64]]]:
        """Of each group of places the ranks of its first task."""
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if self.wanted.device != "cpu" or min(cpus, len(groups)) == 1:
            yield from ((places, self.ranks(*tasks[places[0]])) for places in groups)
            return
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(cpus, len(groups)), mp_context=spawn, initializer=_one_thread) as pool:
            under_way = {pool.submit(self.ranks, *tasks[places[0]]): places for places in groups}
            try:
                for done in as_completed(under_way):
                    yield under_way[done], done.result()
            except BrokenProcessPool as error:
                raise RunFailed("a process that trained died, most likely for want of memory") from error
            finally:
                pool.shutdown(cancel_futures=True)

    def ranks(self, model: str, split: Split, feature: Feature, seed: int) -> NDArray[np.int64]:
        """(test cases,) the rank of each right title. Errors: RunFailed."""
        done = self.folder / f"{self.key(model, split, feature, seed)}.npy"
        if done.is_file():
            return np.asarray(np.load(done, allow_pickle=False))
        training = self.training(model, split, feature, seed)
        found = metrics.ranks(training.scores(split.test, split.plays), split.test, split.plays)
        try:
            _put(done, found)
        except OSError as error:
            raise RunFailed(f"recommend.work: {done} cannot be written: {error}") from error
        return found

    def training(self, model: str, split: Split, feature: Feature, seed: int) -> Training:
        """Finished, or gone on with until it is. Errors: RunFailed."""
        from featurize.recommending.towers import Training

        checkpoint = self.folder / f"{self.key(model, split, feature, seed)}.pt"
        with_id, device = feature.with_id, self.wanted.device
        made = Training(
            model, split.learn, feature.vectors, with_id=with_id, hyper=self.hyper, seed=seed, device=device
        )
        try:
            made.run(lambda fit: self._quality(fit.scores(split.valid, split.plays), split), checkpoint)
        except OSError as error:
            raise RunFailed(f"recommend.work: {checkpoint} cannot be written: {error}") from error
        return made

    @property
    def hyper(self) -> Hyper:
        return Hyper(**{each.name: getattr(self.wanted, each.name) for each in dataclasses.fields(Hyper)})

    def key(self, model: str, split: Split, feature: Feature, seed: int) -> str:
        """32 hex digits of what a training depends on."""
        settings = [VERSION, model, dataclasses.asdict(self.hyper), feature.with_id, seed, self.wanted.device]
        digest = hashlib.sha256(json.dumps(settings).encode())
        for array in (*_arrays(split.learn), *_arrays(split.plays), *_arrays(split.valid), *_arrays(split.test)):
            digest.update(array.tobytes())
        digest.update(b"" if feature.vectors is None else feature.vectors.tobytes())
        return digest.hexdigest()[:32]

    def _quality(self, scores: NDArray[np.float32], split: Split) -> float:
        """nDCG@10 of the validation cases."""
        return float(metrics.gains(metrics.ranks(scores, split.valid, split.plays)).mean())

    def remove(self) -> None:
        """What was kept is of no use once the evaluation is committed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _one_thread() -> None:
    """In a process of the pool."""
    import torch

    leave_with_parent()
    torch.set_num_threads(1)


def _arrays(of: Plays | Cases) -> list[NDArray[np.int64]]:
    return [each for each in vars(of).values() if isinstance(each, np.ndarray)]


def _put(place: Path, found: NDArray[np.int64]) -> None:
    data = io.BytesIO()
    np.save(data, found)
    hidden = place.with_name(f".{place.name}.tmp")
    hidden.write_bytes(data.getvalue())
    os.replace(hidden, place)
