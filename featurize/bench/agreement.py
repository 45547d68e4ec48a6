"""What speed costs in accuracy: embeddings in bfloat16, and of pictures that the decoder reduced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from featurize.bench import workload
from featurize.bench.figures import Figure, Setup
from featurize.images.decode import Limits, decode
from featurize.inference.extractor import Extractor, ModelSettings
from featurize.inference.torch_device import resolve_dtype
from featurize.intake.files import read_bytes
from featurize.models import load_backend

FEW = 16
"""Pictures where the CPU has no bfloat16 arithmetic and is very slow at it."""


def bfloat16(setup: Setup) -> list[Figure]:
    """Mean cosine between the embeddings of both number types, and how much faster bfloat16 is."""
    name = "bfloat16 and float32: mean cosine"
    model = setup.settings.embed
    if model is None or not workload.at_hand(model):
        return [Figure(name, None, "", "there is no CLIP to measure")]
    supported = resolve_dtype("auto", model.device) == "bfloat16"
    count = max(FEW, setup.images // 10) if supported else FEW
    data = _bytes(setup, count)
    vectors, rates = {}, {}
    for dtype in ("float32", "bfloat16"):
        extractor = _load(model.model_copy(update={"dtype": dtype}))
        prepared = [extractor.prepare(_decode(setup, d, extractor.at_least)) for d in data]
        _embed(extractor, prepared[: extractor.batch_size])  # a model's first batch is slow
        begun = time.perf_counter()
        vectors[dtype] = _embed(extractor, prepared)
        rates[dtype] = len(data) / (time.perf_counter() - begun)
        extractor.close()
    cosines = (vectors["float32"] * vectors["bfloat16"]).sum(axis=1)
    speed = "" if supported else "this CPU has no bfloat16 instructions: a run here uses float32"
    between = f"{len(data)} pictures, least {cosines.min():.4f}; {_between_pictures(vectors['float32'])}"
    return [
        Figure(name, float(cosines.mean()), "", between, at_least=0.999),
        Figure("bfloat16 / float32: speed of the model", rates["bfloat16"] / rates["float32"], "times", speed),
    ]


def draft(setup: Setup) -> list[Figure]:
    """Mean cosine between embeddings of reduced and full decodes, the same of their pixels, and the time saved."""
    name = "reduced and full decode: mean cosine"
    model = setup.settings.embed
    if model is None or not workload.at_hand(model):
        return [Figure(name, None, "", "there is no CLIP to measure")]
    data = _bytes(setup, max(FEW, setup.images // 10))
    extractor = _load(model)
    vectors, pixels, seconds = {}, {}, {}
    for kind, at_least in (("reduced", extractor.at_least), ("full", None)):
        begun = time.perf_counter()
        pixels[kind] = [extractor.prepare(_decode(setup, d, at_least)) for d in data]
        seconds[kind] = (time.perf_counter() - begun) / len(data)
        vectors[kind] = _embed(extractor, pixels[kind])
    extractor.close()
    cosines = (vectors["reduced"] * vectors["full"]).sum(axis=1)
    pairs = zip(pixels["reduced"], pixels["full"], strict=True)
    levels = np.mean([np.abs(np.subtract(a, b, dtype=np.float32)).mean() for a, b in pairs])
    judge = "random weights judge this weakly; " if getattr(model, "model", "") == str(workload.VIT_B_32) else ""
    between = f"{judge}{len(data)} pictures, least {cosines.min():.4f}; {_between_pictures(vectors['full'])}"
    times = ", ".join(f"{kind} {1000 * value:.1f} ms" for kind, value in seconds.items())
    return [
        Figure(name, float(cosines.mean()), "", between, at_least=0.99),
        Figure("reduced and full decode: mean difference of pixels", float(levels), "of 255", "as the model gets them"),
        Figure("full / reduced decode and prepare: time", seconds["full"] / seconds["reduced"], "times", times),
    ]


def _bytes(setup: Setup, count: int) -> list[bytes]:
    limits = Limits(**setup.settings.limits.model_dump())
    paths = workload.chosen(setup.artwork, min(count, setup.images))
    return [read_bytes(path) for path in workload.items(paths, limits)["source"].to_pylist()]


def _decode(setup: Setup, data: bytes, at_least: tuple[int, int] | None) -> Any:
    return decode(data, Limits(**setup.settings.limits.model_dump()), at_least)


def _load(model: ModelSettings) -> Extractor:
    extractor: Extractor = load_backend(model.backend).Extractor(model)
    return extractor


def _embed(extractor: Extractor, prepared: Sequence[Any]) -> np.ndarray:
    """Unit-norm float32 of shape (n, d)."""
    size = extractor.batch_size
    batches = (prepared[begin : begin + size] for begin in range(0, len(prepared), size))
    return np.concatenate([np.asarray(extractor.extract(batch)["embedding"]) for batch in batches])


def _between_pictures(vectors: np.ndarray) -> str:
    """What the cosine is when the pictures differ: agreement means little where this is near 1."""
    count = len(vectors)
    if count < 2:
        return "one picture"
    mean = (np.square(vectors.sum(axis=0)).sum() - count) / (count * (count - 1))
    return f"of different pictures {mean:.4f}"
