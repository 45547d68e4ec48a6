"""What is measured on: drawn JPEGs of a poster's size and detail, and a CLIP of full size with random weights.

Both are made once, into a folder of the system's temporary directory, and are the same on every machine but for the
last digit of the weights. Each file appears whole, so a run that was stopped goes on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from featurize.errors import BadImage, RefusedInput
from featurize.images.decode import Limits, decode
from featurize.inference.extractor import ModelSettings
from featurize.intake.files import read_bytes

CACHE = Path(tempfile.gettempdir()) / "personal-artwork-bench"
VIT_B_32 = CACHE / "vit-b-32"
"""A model to measure where no other is named; `at_hand` writes it."""
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


def items(paths: Sequence[Path], limits: Limits) -> pa.Table:
    """The files that can be decoded, in the form of `plan.missing_pictures`. They are in the file cache afterwards.

    Errors: RefusedInput when none can.
    """

    def look(path: Path) -> tuple[str, str] | None:
        try:
            data = read_bytes(str(path))
            decode(data, limits, (64, 64))
        except BadImage:
            return None
        return hashlib.sha256(data).hexdigest(), str(path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(pair for pair in pool.map(look, paths) if pair is not None)
    if not found:
        raise RefusedInput(f"none of the {len(paths)} files to measure on can be decoded as a picture")
    attempts = pa.array([0] * len(found), pa.int32())
    return pa.table({"key": list(found), "source": list(found.values()), "attempts": attempts})


def chosen(artwork: Path | None, count: int) -> list[Path]:
    """Up to `count` files of a folder, or drawn pictures. Errors: RefusedInput for a folder without files."""
    if artwork is None:
        return pictures(count)
    files = sorted(path for path in artwork.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise RefusedInput(f"--artwork {artwork}: there are no files in it")
    return files[:count]


def at_hand(model: ModelSettings) -> bool:
    """Whether the model's package is installed; also writes the ViT-B/32 when that is the model and it is not there."""
    if not model.backend.startswith("open_clip"):
        return True
    if importlib.util.find_spec("open_clip") is None:
        return False
    if getattr(model, "model", None) == str(VIT_B_32) and not VIT_B_32.exists():
        _write_vit_b_32()
    return True


def _write_vit_b_32() -> None:
    """open_clip's ViT-B/32 with its own random initialisation."""
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
        halves = {name: value.to(torch.bfloat16).contiguous() for name, value in weights.items()}
        save_file(halves, partial / "open_clip_model.safetensors")
        partial.rename(VIT_B_32)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _save(picture: Image.Image, path: Path) -> None:
    picture.save(path, "JPEG", quality=QUALITY)


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    write(partial)
    partial.rename(path)
