"""Descriptions by any vision-language model that transformers loads as `AutoModelForImageTextToText`.

Invariant: decoding is greedy, whatever the checkpoint's own sampling settings, and only pictures of equal input length
share a batch, so nothing is padded and in float32 a picture's text does not depend on its neighbours. Licence: that of
the weights you name.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import Field, model_validator

from featurize.errors import BadImage
from featurize.inference import captions, multimodal, weights
from featurize.inference.extractor import Columns
from featurize.inference.torch_device import DType, inference, open_device, out_of_memory, resolve_dtype, to_device

DECODE_SCALE = 1.5
"""The decoder may reduce a JPEG until its sides are this many times the side of a square of `max_pixels`."""
MAX_ASPECT = 100
"""Longer strips get white borders up to this; Qwen's processors refuse them from 200 on."""
TOKEN_SIDE = 32
"""Pixels that a visual token of the coarsest Qwen-VL is wide. Every strip is one token high at least, so a low cap on
its area is a cap on its aspect too."""


class Settings(captions.CaptionerSettings):
    model: str = Field(description="hub id, folder or bundled:<name>")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; a hub id needs one")
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    prompt: str = Field("artwork-v1", description="a name of featurize/inference/caption_prompts or a path")
    max_new_tokens: int = Field(256, ge=1, description="cap on the tokens of an answer")
    min_pixels: int = Field(56 * 56, ge=1, description="area up to which a picture is enlarged, where a model can")
    max_pixels: int = Field(768 * 28 * 28, ge=TOKEN_SIDE**2, description="area above which a picture is reduced")
    trust_remote_code: bool = Field(False, description="run code that comes with the weights")

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        if self.min_pixels > self.max_pixels:
            raise ValueError("min_pixels is larger than max_pixels")
        return self


class Extractor:
    table: ClassVar[str] = "description"
    input: ClassVar[Literal["image", "text"]] = "image"
    concurrency = 1

    def __init__(self, settings: Settings) -> None:
        import torch

        self._device = open_device(settings.device, settings.cpus)
        self._dtype: torch.dtype = getattr(torch, resolve_dtype(settings.dtype, settings.device))
        prompt = captions.load_prompt(settings.prompt)
        self._processor, self._model = multimodal.load(
            _resolve(settings), "AutoModelForImageTextToText", self._dtype, settings.trust_remote_code
        )
        self._model.to(self._device).eval()
        self._max_pixels = settings.max_pixels
        self._caps_area = _cap_pixels(self._processor.image_processor, settings.min_pixels, settings.max_pixels)
        content = [{"type": "image"}, {"type": "text", "text": prompt.text}]
        self._text = multimodal.fill_template(self._processor, content, settings.model)
        self._ends = multimodal.greedy(self._model, self._processor.tokenizer, settings.max_new_tokens)
        side = math.ceil(DECODE_SCALE * math.sqrt(settings.max_pixels))
        self.at_least: tuple[int, int] | None = (side, side)
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {
            "backend": "transformers_captioner",
            "table": Extractor.table,
            "version": 1,
            "weights": _resolve(settings).identity,
            "dtype": resolve_dtype(settings.dtype, settings.device),
            "prompt": captions.load_prompt(settings.prompt).text,
            "decoding": {"greedy": True, "max_new_tokens": settings.max_new_tokens},
            "min_pixels": settings.min_pixels,
            "max_pixels": settings.max_pixels,
            "decode_scale": DECODE_SCALE,
            "max_aspect": MAX_ASPECT,
            "trust_remote_code": settings.trust_remote_code,
        }

    def prepare(self, image: Image.Image) -> Any:
        """All the processor makes of one picture and the prompt: tensors whose first dimension can be joined."""
        image = multimodal.limit_aspect(image, min(MAX_ASPECT, self._max_pixels // TOKEN_SIDE**2))
        if not self._caps_area:
            image = _reduce(image, self._max_pixels)
        try:
            prepared = self._processor(text=[self._text], images=[image], return_tensors="pt")
        except Exception as error:  # any architecture's processor, so any type of error; it is this picture's alone
            raise BadImage("model_error", f"the processor refused it: {type(error).__name__}: {error}") from error
        return {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor for name, tensor in prepared.items()
        }

    def group(self, prepared: Any) -> Hashable:
        """Equal shapes: the same number of visual tokens, and patches or tiles that join into one tensor."""
        return tuple(sorted((name, tuple(tensor.shape)) for name, tensor in prepared.items()))

    def extract(self, batch: Sequence[Any]) -> Columns:
        """The columns of `captions.parse`, and finish_reason (`stop` or `length`), prompt_tokens, output_tokens."""
        import torch

        prompt_tokens = batch[0]["input_ids"].shape[1]
        with inference():
            inputs = {name: to_device(torch.cat([item[name] for item in batch]), self._device) for name in batch[0]}
            output = self._model.generate(**inputs)[:, prompt_tokens:].tolist()
        rows = [self._row(tokens) | {"prompt_tokens": prompt_tokens} for tokens in output]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _row(self, tokens: list[int]) -> dict[str, Any]:
        text, finish_reason, count = multimodal.answer(self._processor.tokenizer, tokens, self._ends)
        return captions.parse(text, finish_reason) | {"finish_reason": finish_reason, "output_tokens": count}

    def close(self) -> None:
        del self._model


def _resolve(settings: Settings) -> weights.Weights:
    return weights.resolve(settings.model, settings.revision, "config.json")


def _cap_pixels(image_processor: Any, min_pixels: int, max_pixels: int) -> bool:
    """Hold an image processor that chooses its own size to these areas; False when pictures must come reduced.

    Qwen-VL and its relatives take areas. SmolVLM and Idefics3 take the long side, and enlarge to it, in whole tiles.
    """
    if hasattr(image_processor, "merge_size"):
        image_processor.size = {"shortest_edge": min_pixels, "longest_edge": max_pixels}
        return True
    tile = getattr(image_processor, "max_image_size", None)
    if tile is not None and "longest_edge" in tile:
        tiles = max(1, math.isqrt(max_pixels) // tile["longest_edge"])
        image_processor.size = {"longest_edge": tiles * tile["longest_edge"]}
    return False


def _reduce(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    scale = math.sqrt(max_pixels / (width * height))
    if scale >= 1:
        return image
    return image.resize((max(1, int(width * scale)), max(1, int(height * scale))), Image.Resampling.BICUBIC)
