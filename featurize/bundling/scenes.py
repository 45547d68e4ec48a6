"""Scenes to train on: rendered once, in shards on disk, and read back as arrays of a model's size.

Invariant: scene `i` of a stream is the same on every machine, and no world (`featurize.demo.world`) nor the held-out
stream shares one with the training stream.
"""

from __future__ import annotations

import io
import multiprocessing
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import feather
from tqdm import tqdm

from featurize.demo.actors import actors, cast_of
from featurize.demo.names import poster_name
from featurize.demo.render import Part, render, render_with_parts
from featurize.demo.scenes import Scene, sample_scene, with_cast
from featurize.demo.vocabulary import THEMES

TRAINING, HELD_OUT = 101, 102
"""Streams of scenes; the worlds use single-digit ones."""
SHARD = 1000
"""Scenes of a file."""
AREA = 58_000
"""Pixels of a training picture: enough for either model to reduce it, as it reduces an artwork."""
JITTER = 0.03
"""At most this share is cut off at each edge in training, so that no pixel has a fixed place."""
CROWD = 3
"""People of a picture that is shown twice as often."""
_PART = pa.struct([("kind", pa.string()), ("name", pa.string()), ("box", pa.list_(pa.float32(), 4))])
_SHARD = pa.schema([("jpeg", pa.binary()), ("parts", pa.list_(_PART))])


def scene(stream: int, index: int) -> Scene:
    """A scene with a title that mixes two themes and has a cast, as the titles of a world do."""
    rng = np.random.Generator(np.random.PCG64([0, stream, index]))
    themes = [str(theme) for theme in rng.permutation(list(THEMES))[:2]]
    drawn = sample_scene(rng, themes[int(rng.integers(2))], poster_name(rng, *themes))
    return with_cast(rng, drawn, cast_of(rng, themes, actors(0)))


@dataclass(frozen=True)
class Shape:
    """Height and width in pixels that a model sees."""

    height: int
    width: int


class Scenes:
    """The first `count` training scenes with their pictures, kept as JPEG in `folder`, and what is where in them."""

    def __init__(self, folder: Path, count: int, shard: int = SHARD) -> None:
        shards = -(-count // shard)
        self.count = shards * shard
        paths = [folder / f"scenes-{number:05d}.arrow" for number in range(shards)]
        _render_missing(paths, shard)
        tables = [feather.read_table(path, memory_map=True) for path in paths]
        self._rows = pa.concat_tables(tables)
        self._scenes: list[Scene | None] = [None] * self.count
        self._open = lru_cache(8)(self._read)  # some batches have several windows of one picture

    def scene(self, index: int) -> Scene:
        found = self._scenes[index]
        if found is None:
            found = self._scenes[index] = scene(TRAINING, index)
        return found

    def picture(
        self,
        index: int,
        shape: Shape,
        rng: np.random.Generator | None = None,
        window: Shape | None = None,
        about: str | None = None,
    ) -> tuple[np.ndarray, list[Part]]:
        """uint8 of shape (height, width, 3) and what is where in it; with `rng` a little of each edge is cut off.

        With a `window`, only so many of these pixels, about one of the parts, of the kind `about` if there is one.
        """
        image, shown = self._open(index)
        left, top, right, bottom = rng.uniform(0, JITTER, 4) if rng is not None else np.zeros(4)
        right, bottom = 1 - right, 1 - bottom
        if window is not None and rng is not None:
            x, y = _middle(shown, about, rng)
            left, right = _about(x, left, right, window.width / shape.width, rng)
            top, bottom = _about(y, top, bottom, window.height / shape.height, rng)
            shape = window
        cut = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        pixels = np.asarray(image.resize((shape.width, shape.height), Image.Resampling.BICUBIC, cut))
        wide, high = right - left, bottom - top
        parts = []
        for part in shown:
            x0, y0, x1, y1 = part["box"]
            box = ((x0 - left) / wide, (y0 - top) / high, (x1 - left) / wide, (y1 - top) / high)
            parts.append(Part(part["kind"], part["name"], box))
        return pixels, parts

    def _read(self, index: int) -> tuple[Image.Image, list[dict[str, Any]]]:
        row = self._rows.slice(index, 1).to_pylist()[0]
        image = Image.open(io.BytesIO(row["jpeg"]))
        image.load()
        return image, row["parts"]

    def shares(self) -> np.ndarray:
        """How often each scene is shown: a crowd twice as often as others, since counting it takes longest to learn."""
        weights = np.array([2.0 if self.scene(index).people_count >= CROWD else 1.0 for index in range(self.count)])
        shares: np.ndarray = weights / weights.sum()
        return shares

    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of every artwork as it would be published."""
        return [(scene.width, scene.height) for scene in map(self.scene, range(self.count))]


def _middle(parts: list[dict[str, Any]], about: str | None, rng: np.random.Generator) -> tuple[float, float]:
    """Of a part, or of the picture where there is none. Each kind of part is as likely as another."""
    kinds = sorted({part["kind"] for part in parts} - {"letter"})
    if not kinds:
        return 0.5, 0.5
    kind = about if about in kinds else kinds[rng.integers(len(kinds))]
    some = [part["box"] for part in parts if part["kind"] == kind]
    x0, y0, x1, y1 = some[rng.integers(len(some))]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _about(middle: float, start: float, end: float, share: float, rng: np.random.Generator) -> tuple[float, float]:
    """A stretch of `share` of [start, end] within it, around `middle` or a little off."""
    length = share * (end - start)
    first = float(np.clip(middle - rng.uniform(0.25, 0.75) * length, start, end - length))
    return first, first + length


def _render_missing(paths: list[Path], size: int) -> None:
    missing = [(number, path) for number, path in enumerate(paths) if not path.is_file()]
    if not missing:
        return
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with (
        _processes() as pool,
        tqdm(total=len(missing) * size, desc="rendering", unit=" scenes") as bar,
    ):
        tasks = [pool.submit(_render_shard, path, number * size, size) for number, path in missing]
        for task in as_completed(tasks):
            task.result()
            bar.update(size)


def published(scenes: Iterable[Scene]) -> list[bytes]:
    """Their pictures at full size, as JPEG files."""
    with _processes() as pool:
        return list(pool.map(_published, scenes, chunksize=8))


def _published(drawn: Scene) -> bytes:
    file = io.BytesIO()
    render(drawn).save(file, "JPEG", quality=90)
    return file.getvalue()


def _processes() -> ProcessPoolExecutor:
    """One per core. They import this module, which is why it imports nothing heavy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn"))


def _render_shard(path: Path, first: int, size: int) -> None:
    rows = []
    for index in range(first, first + size):
        drawn = scene(TRAINING, index)
        scale = min(1.0, (AREA / (drawn.width * drawn.height)) ** 0.5)
        image, parts = render_with_parts(drawn, long_side=round(max(drawn.width, drawn.height) * scale))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=80 + index % 16)
        rows.append({"jpeg": file.getvalue(), "parts": [vars(part) for part in parts]})
    partial = path.with_suffix(".partial")
    feather.write_feather(pa.Table.from_pylist(rows, _SHARD), partial, compression="uncompressed")
    os.replace(partial, path)
