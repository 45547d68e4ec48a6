"""Descriptions by any endpoint that speaks OpenAI's chat completions: vLLM, SGLang, `transformers serve`, a service.

The endpoint is at an `address`, or each worker starts one of its own with the command in `serve`. Many requests are
under way at once, so that the engine always has a batch to fill.

Invariant: an endpoint that cannot work (wrong key, model or address, too short a context) is found out with a blank
picture, before the first real one. Licence: that of the weights you name.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import Field

from featurize.inference import captions, chat_endpoint, served
from featurize.inference.extractor import Columns
from featurize.inference.served import Served, ServedSettings

_JPEG: dict[str, Any] = {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"}
DECODE_SCALE = 1.5
"""The decoder may reduce a JPEG until its sides are this many times the side of a square of `max_pixels`."""
MAX_ASPECT = 100
"""Longer strips get white borders up to this; Qwen's processors refuse them from 200 on."""
MIN_SIDE = 28
"""Pixels; thinner pictures are enlarged to this, one visual token of Qwen2.5-VL, which some engines do not do.
(Qwen3-VL rounds it up to its 32.)"""


class Settings(captions.CaptionerSettings, ServedSettings):
    """`backend = "openai_endpoint"` in a profile."""

    backend: Literal["openai_endpoint"] = "openai_endpoint"
    batch_size: Literal[1] = Field(1, description="always 1: the engine makes its own batches")
    prompt: str = Field("artwork-v1", description="a name of featurize/inference/caption_prompts or a path")
    max_new_tokens: int = Field(256, ge=1, description="cap on the tokens of an answer")
    max_pixels: int = Field(768 * 28 * 28, ge=4 * MIN_SIDE**2, description="area above which a picture is reduced")


class Extractor:
    """Rows of `description` from one endpoint.

    Errors: RefusedInput when the weights or the key are not there; RunFailed when the server does not start, or the
    endpoint does not describe a blank picture of the largest size.
    """

    table: ClassVar[str] = "description"
    input: ClassVar[Literal["image", "text"]] = "image"

    def __init__(self, settings: Settings) -> None:
        side = math.sqrt(settings.max_pixels)
        self.batch_size = settings.batch_size
        self.concurrency = settings.concurrency
        self.at_least: tuple[int, int] | None = (math.ceil(DECODE_SCALE * side), math.ceil(DECODE_SCALE * side))
        self.out_of_memory: tuple[type[BaseException], ...] = ()
        self._settings = settings
        self._prompt = captions.load_prompt(settings.prompt).text
        self._served = Served(settings)
        with self._served.first_question("does not describe a blank picture"):
            self._describe(self.prepare(Image.new("RGB", (int(side), int(side)), "white")))

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        """The weights (with `address`, by the operator's word), what is asked of them, and how the picture is sent."""
        return {
            "backend": settings.backend,
            "table": Extractor.table,
            "version": 1,
            "weights": served.identity(settings),
            "dtype": settings.dtype,
            "prompt": captions.load_prompt(settings.prompt).text,
            "decoding": {"temperature": 0, "max_new_tokens": settings.max_new_tokens},
            "sent_as": _JPEG,
            "max_pixels": settings.max_pixels,
            "min_side": MIN_SIDE,
            "max_aspect": MAX_ASPECT,
            "decode_scale": DECODE_SCALE,
        }

    def prepare(self, image: Image.Image) -> bytes:
        """The body of the request: JSON with the picture as a JPEG of at most max_pixels, then the prompt."""
        file = io.BytesIO()
        _fit(image, self._settings.max_pixels).save(file, **_JPEG)
        url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": self._prompt}]
        request = {
            "model": self._served.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": self._settings.max_new_tokens,
        }
        return json.dumps(request).encode()

    def group(self, prepared: bytes) -> None:
        """All alike: the engine forms its own batches."""

    def extract(self, batch: Sequence[bytes]) -> Columns:
        """Columns of `description`, one request after the other; it is called from `concurrency` threads at once.

        Errors: BadImage and RunFailed, as `Endpoint.post`.
        """
        rows = [self._describe(request) for request in batch]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def close(self) -> None:
        self._served.close()

    def _describe(self, request: bytes) -> dict[str, Any]:
        answer = self._served.endpoint.post(chat_endpoint.PATH, request, chat_endpoint.Answer)
        choice = answer.choices[0]
        return captions.parse(choice.message.content or "", choice.finish_reason) | {
            "finish_reason": choice.finish_reason,
            "prompt_tokens": answer.usage.prompt_tokens,
            "output_tokens": answer.usage.completion_tokens,
        }


def _fit(image: Image.Image, max_pixels: int) -> Image.Image:
    """The whole picture within `max_pixels`, and of a shape that every engine takes.

    A strip is laid on white, a speck is enlarged; all others keep their shape and are only ever reduced.
    """
    ratio = min(MAX_ASPECT, max_pixels // MIN_SIDE**2)
    width, height = (max(side, -(-max(image.size) // ratio)) for side in image.size)
    if (width, height) != image.size:
        padded = Image.new("RGB", (width, height), "white")
        padded.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        image = padded
    scale = max(min(1.0, math.sqrt(max_pixels / (width * height))), MIN_SIDE / min(width, height))
    size = (max(MIN_SIDE, int(width * scale)), max(MIN_SIDE, int(height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
