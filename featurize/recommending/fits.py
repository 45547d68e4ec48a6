"""Trainings that outlive the process: each is kept under the digest of what it depends on, and goes on from there.

Invariant: what is found here is what training would come to, so a run that was killed ends in the figures of one that
was not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featurize.config import Recommend
from featurize.errors import RunFailed
from featurize.recommending import metrics
from featurize.recommending.features import Feature
from featurize.recommending.plays import Cases, Plays, Split

VERSION = 1
"""Raised when the same data and settings train to something else."""


class Fits:
    """The trainings of one run, below a folder beside `recommend.output`. `check` is that of the lease."""

    def __init__(self, wanted: Recommend, check: Callable[[], None]) -> None:
        self.wanted, self.check = wanted, check
        self.folder = Path(wanted.work).expanduser().absolute()
        self.trained = self.there = 0

    def ranks(self, model: str, split: Split, feature: Feature, seed: int) -> NDArray[np.int64]:
        """(test cases,) the rank of each right title. Errors: RunFailed."""
        from featurize.recommending.towers import Hyper, Training

        wanted = self.wanted
        names = [each.name for each in dataclasses.fields(Hyper)]
        hyper = Hyper(**{name: getattr(wanted, name) for name in names})
        digest = hashlib.sha256(
            json.dumps([VERSION, model, dataclasses.asdict(hyper), feature.with_id, seed, wanted.device]).encode()
        )
        for array in (*_arrays(split.learn), *_arrays(split.plays), *_arrays(split.valid), *_arrays(split.test)):
            digest.update(array.tobytes())
        digest.update(b"" if feature.vectors is None else feature.vectors.tobytes())
        done = self.folder / f"{digest.hexdigest()[:32]}.npy"
        if done.is_file():
            self.there += 1
            return np.asarray(np.load(done, allow_pickle=False))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            training = Training(
                model,
                split.learn,
                feature.vectors,
                with_id=feature.with_id,
                hyper=hyper,
                seed=seed,
                device=wanted.device,
            )
            checkpoint = done.with_suffix(".pt")
            training.run(lambda fit: self._quality(fit.scores(split.valid, split.plays), split), checkpoint)
            found = metrics.ranks(training.scores(split.test, split.plays), split.test, split.plays)
            self.check()
            _put(done, found)
            checkpoint.unlink(missing_ok=True)
        except OSError as error:
            raise RunFailed(f"recommend.work: {self.folder} cannot be written: {error}") from error
        self.trained += 1
        return found

    def _quality(self, scores: NDArray[np.float32], split: Split) -> float:
        """nDCG@10 of the validation cases."""
        return float(metrics.gains(metrics.ranks(scores, split.valid, split.plays)).mean())

    def remove(self) -> None:
        """What was kept is of no use once the evaluation is committed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _arrays(of: Plays | Cases) -> list[NDArray[np.int64]]:
    return [each for each in vars(of).values() if isinstance(each, np.ndarray)]


def _put(place: Path, found: NDArray[np.int64]) -> None:
    data = io.BytesIO()
    np.save(data, found)
    hidden = place.with_name(f".{place.name}.tmp")
    hidden.write_bytes(data.getvalue())
    os.replace(hidden, place)
