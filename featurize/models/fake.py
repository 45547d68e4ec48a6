"""A model for tests: numbers that follow from the pixels at once, and misbehaviour on pictures of a given colour.

The embedding is the picture's mean colour, its size and `seed`, made unit-norm; a colour is that of the centre pixel.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from featurize.errors import BadImage, RunFailed
from featurize.inference.extractor import ModelSettings

TEXT_BACKEND = None
Colour = tuple[int, int, int]


class Settings(ModelSettings):
    backend: Literal["fake"] = "fake"
    seed: int = Field(0, description="a part of the numbers")
    seconds: float = Field(0, ge=0, description="sleep per picture")
    segfault_on: Colour | None = Field(None, description="pictures of this colour kill the process")
    hang_on: Colour | None = Field(None, description="pictures of this colour take for ever")
    error_on: Colour | None = Field(None, description="pictures of this colour are refused")
    always_fails: bool = Field(False, description="every picture is refused")
    will_not_load: bool = Field(False, description="loading fails")
    most_at_once: int | None = Field(None, ge=1, description="a larger batch raises MemoryError")


class Extractor:
    table: ClassVar[str] = "image_embedding"
    input: ClassVar[Literal["image", "text"]] = "image"
    out_of_memory = (MemoryError,)
    concurrency = 1
    at_least = None

    def __init__(self, settings: Settings) -> None:
        if settings.will_not_load:
            raise RunFailed("the fake model was told not to load")
        self.settings = settings
        self.batch_size = settings.batch_size

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {"backend": "fake", "seed": settings.seed}

    def prepare(self, image: Image.Image) -> tuple[Colour, np.ndarray]:
        pixels = np.asarray(image, np.float32).reshape(-1, 3)
        centre = image.getpixel((image.width // 2, image.height // 2))
        return centre, np.array([*pixels.mean(0), image.width, image.height, 1 + self.settings.seed], np.float32)  # type: ignore[return-value]

    def group(self, prepared: Any) -> Hashable:
        return None

    def extract(self, batch: Sequence[tuple[Colour, np.ndarray]]) -> dict[str, np.ndarray]:
        limit = self.settings.most_at_once
        if limit is not None and len(batch) > limit:
            raise MemoryError(f"{len(batch)} pictures at once")
        for colour, _ in batch:
            time.sleep(self.settings.seconds)
            if self.settings.always_fails or colour == self.settings.error_on:
                raise BadImage("model_error", "the fake model does not like this picture")
            if colour == self.settings.segfault_on:
                ctypes.string_at(0)
            while colour == self.settings.hang_on:
                time.sleep(1)
        vectors = np.stack([vector for _, vector in batch])
        return {"embedding": vectors / np.linalg.norm(vectors, axis=1, keepdims=True)}

    def close(self) -> None:
        pass
