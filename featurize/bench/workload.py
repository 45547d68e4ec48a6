"""What is measured on: drawn JPEGs of a poster's size and detail, and a CLIP of full size with random weights.

Both are made once, into a folder of the system's temporary directory, and are the same on every machine but for the
last digit of the weights. Each file appears whole, so a run that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from featurize import images
from featurize.catalogue import read_bytes
from featurize.errors import BadImage, RefusedInput
from featurize.plan import Item

CACHE = Path(tempfile.gettempdir()) / "personal-artwork-bench"
VIT_B_32 = CACHE / "vit-b-32"
"""Where `write_vit_b_32` puts the model."""
SIZES = ((1000, 1500), (1000, 1480), (960, 1440))
"""(width, height) in pixels: two shapes and three areas, as a catalogue has few."""
QUALITY = 85


def pictures(count: int) -> list[Path]:
    """The first `count` drawn pictures; those that are not there are drawn now. About 300 KB each."""
    folder = CACHE / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:06}.jpg" for number in range(count)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    if missing:
        print(f"drawing {len(missing)} pictures into {folder}", flush=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda number: _whole(paths[number], lambda to: _save(draw(number), to)), missing))
    return paths


def draw(number: int) -> Image.Image:
    """Picture `number`: smooth light, shapes with sharp edges, and texture of every grain, as in a photograph."""
    random = np.random.default_rng(number)
    size = SIZES[number % len(SIZES)]
    picture = Image.new("RGB", size)
    for grain, share in ((300, 1.0), (60, 0.35), (12, 0.25), (3, 0.15), (1, 0.08)):
        cells = (-(-size[1] // grain), -(-size[0] // grain), 3)
        noise = Image.fromarray(np.frombuffer(random.bytes(math.prod(cells)), np.uint8).reshape(cells))
        picture = Image.blend(picture, noise.resize(size, Image.Resampling.BILINEAR), share)
        if grain == 60:
            pen = ImageDraw.Draw(picture)
            for _ in range(12):
                left, top = (int(random.integers(0, side)) for side in size)
                width, height = (int(random.integers(side // 20, side // 3)) for side in size)
                colour = tuple(int(value) for value in random.integers(0, 256, 3))
                pen.ellipse((left, top, left + width, top + height), fill=colour)
    return picture


def items(paths: Sequence[Path], limits: images.Limits, threads: int) -> list[Item]:
    """The files that can be decoded, with their hashes. Afterwards they are in the system's file cache.

    Errors: RefusedInput when none can.
    """

    def look(path: Path) -> Item | None:
        try:
            data = read_bytes(str(path))
            images.decode(data, limits, (64, 64))
        except BadImage:
            return None
        return Item(hashlib.sha256(data).hexdigest(), str(path))

    with ThreadPoolExecutor(threads) as pool:
        found = {item.key: item for item in pool.map(look, paths) if item is not None}
    if not found:
        raise RefusedInput(f"none of {len(paths)} files to measure on can be decoded as a picture")
    return list(found.values())


def chosen(artwork: Path | None, count: int) -> list[Path]:
    """Up to `count` files of a folder, or drawn pictures. Errors: RefusedInput for a folder without files."""
    if artwork is None:
        return pictures(count)
    files = sorted(path for path in artwork.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise RefusedInput(f"--artwork {artwork}: there are no files in it")
    return files[:count]


def write_vit_b_32() -> None:
    """Write open_clip's ViT-B/32 with its own random initialisation to `VIT_B_32`, unless it is there."""
    if VIT_B_32.exists():
        return
    print(f"writing a ViT-B/32 with random weights to {VIT_B_32}", flush=True)
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    weights = open_clip.create_model("ViT-B-32").state_dict()
    config = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": {}}
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=CACHE))
    try:
        (partial / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
        (partial / "featurize.json").write_text('{"untrained": true}', encoding="utf-8")
        save_file({k: v.contiguous() for k, v in weights.items()}, partial / "open_clip_model.safetensors")
        partial.rename(VIT_B_32)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save(picture: Image.Image, path: Path) -> None:
    picture.save(path, "JPEG", quality=QUALITY)


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    write(partial)
    partial.rename(path)
