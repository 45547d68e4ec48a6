"""Scenes to train on: rendered once, in shards on disk, and read back as arrays of a model's size.

Invariant: scene `i` of a stream is the same on every machine, and no world (`featurize.demo.world`) nor the held-out
stream shares one with the training stream.
"""

from __future__ import annotations

import io
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import feather
from tqdm import tqdm

from featurize.demo.names import poster_name
from featurize.demo.render import render
from featurize.demo.scenes import Scene, sample_scene
from featurize.demo.vocabulary import THEMES

TRAINING, HELD_OUT = 101, 102
"""Streams of scenes; the worlds use single-digit ones."""
SHARD = 1000
"""Scenes of a file."""
AREA = 58_000
"""Pixels of a training picture: enough for either model to reduce it, as it reduces an artwork."""
JITTER = 0.03
"""At most this share is cut off at each edge in training, so that no pixel has a fixed place."""


def scene(stream: int, index: int) -> Scene:
    """A scene with a title that mixes two themes, as the titles of a world do."""
    rng = np.random.Generator(np.random.PCG64([0, stream, index]))
    themes = [str(theme) for theme in rng.permutation(list(THEMES))[:2]]
    return sample_scene(rng, themes[int(rng.integers(2))], poster_name(rng, *themes))


@dataclass(frozen=True)
class Shape:
    """Height and width in pixels that a model sees."""

    height: int
    width: int


class Scenes:
    """The first `count` training scenes with their pictures, kept as JPEG in `folder`."""

    def __init__(self, folder: Path, count: int, shard: int = SHARD) -> None:
        shards = -(-count // shard)
        self.count = shards * shard
        paths = [folder / f"scenes-{number:05d}.arrow" for number in range(shards)]
        _render_missing(paths, shard)
        tables = [feather.read_table(path, memory_map=True) for path in paths]
        self._jpeg = pa.chunked_array([table["jpeg"].combine_chunks() for table in tables])
        self._scenes: list[Scene | None] = [None] * self.count

    def scene(self, index: int) -> Scene:
        found = self._scenes[index]
        if found is None:
            found = self._scenes[index] = scene(TRAINING, index)
        return found

    def picture(self, index: int, shape: Shape, rng: np.random.Generator | None = None) -> np.ndarray:
        """uint8 of shape (height, width, 3); with `rng` a little of each edge is cut off."""
        image = Image.open(io.BytesIO(self._jpeg[index].as_py()))
        return fit(image, shape, rng)

    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of every artwork as it would be published."""
        return [(scene.width, scene.height) for scene in map(self.scene, range(self.count))]


def fit(image: Image.Image, shape: Shape, rng: np.random.Generator | None = None) -> np.ndarray:
    """A picture squeezed to `shape`: uint8 of shape (height, width, 3)."""
    cut = rng.uniform(0, JITTER, 4) if rng is not None else np.zeros(4)
    box = (cut[0] * image.width, cut[1] * image.height, (1 - cut[2]) * image.width, (1 - cut[3]) * image.height)
    return np.asarray(image.resize((shape.width, shape.height), Image.Resampling.BICUBIC, box))


def draw(scene: Scene) -> Image.Image:
    """The scene at about AREA pixels."""
    scale = min(1.0, (AREA / (scene.width * scene.height)) ** 0.5)
    return render(scene, long_side=round(max(scene.width, scene.height) * scale))


def _render_missing(paths: list[Path], size: int) -> None:
    missing = [(number, path) for number, path in enumerate(paths) if not path.is_file()]
    if not missing:
        return
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with (
        ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool,
        tqdm(total=len(missing) * size, desc="rendering", unit=" scenes") as bar,
    ):
        tasks = [pool.submit(_render_shard, path, number * size, size) for number, path in missing]
        for task in as_completed(tasks):
            task.result()
            bar.update(size)


def _render_shard(path: Path, first: int, size: int) -> None:
    pictures = []
    for index in range(first, first + size):
        file = io.BytesIO()
        draw(scene(TRAINING, index)).save(file, "JPEG", quality=80 + index % 16)
        pictures.append(file.getvalue())
    partial = path.with_suffix(".partial")
    feather.write_feather(pa.table({"jpeg": pa.array(pictures, pa.binary())}), partial, compression="uncompressed")
    os.replace(partial, path)
