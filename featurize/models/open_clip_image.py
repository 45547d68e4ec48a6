"""CLIP image embeddings with open_clip: pictures to unit-norm vectors of `image_embedding`.

Invariant: the same numbers as open_clip's own transform and `encode_image`. Resizing runs on pictures in the decoding
threads and normalising on the device, a batch at a time. Licence: that of the weights you name.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from featurize.errors import BadImage
from featurize.inference import clip
from featurize.inference.clip import Settings
from featurize.inference.extractor import Columns
from featurize.inference.torch_device import inference, out_of_memory, to_device

__all__ = ["TEXT_BACKEND", "Extractor", "Settings"]

TEXT_BACKEND = "open_clip_text"
"""The backend that embeds texts in the same space, given the same settings."""

DECODE_SCALE = 2
"""The decoder may reduce a JPEG to no less than this many times the model's picture: part of the numbers."""
MAX_ASPECT = 16
"""Longer strips are cut or squeezed to this first; resized as they are they would need gigabytes."""


class Extractor:
    table: ClassVar[str] = "image_embedding"
    input: ClassVar[Literal["image", "text"]] = "image"
    concurrency = 1

    def __init__(self, settings: Settings) -> None:
        import torch
        from open_clip import get_model_preprocess_cfg
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self._model, self._device = clip.load(settings)
        self._dtype = next(self._model.visual.parameters()).dtype
        config = PreprocessCfg(**get_model_preprocess_cfg(self._model))
        # The last two steps, to a tensor and normalise, are left to `extract`.
        self._resize = image_transform_v2(config, is_train=False).transforms[:-2]
        self._crops = config.resize_mode == "shortest"
        self._scale = torch.tensor([1 / (255 * std) for std in config.std], device=self._device)
        self._shift = torch.tensor([m / s for m, s in zip(config.mean, config.std, strict=True)], device=self._device)
        _, height, width = config.input_size
        self.at_least: tuple[int, int] | None = (DECODE_SCALE * width, DECODE_SCALE * height)
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {
            "backend": "open_clip_image",
            "table": Extractor.table,
            "version": 1,
            "decode_scale": DECODE_SCALE,
            "max_aspect": MAX_ASPECT,
            **clip.identity(settings),
        }

    def prepare(self, image: Image.Image) -> Any:
        """uint8 of shape (height, width, 3) at the model's size."""
        image = _limit_aspect(image, self._crops)
        for step in self._resize:
            image = step(image)
        return np.asarray(image)

    def group(self, prepared: Any) -> Hashable:
        return None

    def extract(self, batch: Sequence[Any]) -> Columns:
        """`embedding`: float32 of shape (n, d), each row of length 1."""
        import torch

        with inference():
            pixels = to_device(torch.from_numpy(np.stack(batch)), self._device)
            pixels = pixels.float().mul_(self._scale).sub_(self._shift).permute(0, 3, 1, 2)
            vectors = self._model.encode_image(pixels.to(self._dtype)).float()
            embedding: Any = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        if not np.isfinite(embedding).all():
            raise BadImage("model_error", "the embedding is not finite")
        return {"embedding": embedding}

    def close(self) -> None:
        del self._model


def _limit_aspect(image: Image.Image, crops: bool) -> Image.Image:
    """Cut the middle out of a long strip if the model would cut more anyway, else squeeze the strip."""
    width, height = image.size
    wide, high = min(width, MAX_ASPECT * height), min(height, MAX_ASPECT * width)
    if (wide, high) == image.size:
        return image
    if not crops:
        return image.resize((wide, high), Image.Resampling.BICUBIC)
    left, top = (width - wide) // 2, (height - high) // 2
    return image.crop((left, top, left + wide, top + high))
