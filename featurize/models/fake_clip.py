"""A model for tests: words that follow from the frames at once, and misbehaviour on clips that begin in a given colour.

The words are the colours of the frames, each a digit for red, green and blue in steps of 64.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import Field

from featurize.errors import BadImage
from featurize.inference.extractor import Columns, ModelSettings
from featurize.media import decode
from featurize.media.decode import Frames

TEXT_BACKEND = None


class Settings(ModelSettings):
    backend: Literal["fake_clip"] = "fake_clip"
    frames: int = Field(4, ge=1, description="frames of a clip")
    seconds: float = Field(0, ge=0, description="sleep per clip")
    segfault_on: str | None = Field(None, description="clips whose words begin so kill the process")
    hang_on: str | None = Field(None, description="clips whose words begin so take for ever")
    error_on: str | None = Field(None, description="clips whose words begin so are refused")


class Extractor:
    table: ClassVar[str] = "clip_description"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "frames"
    out_of_memory = (MemoryError,)
    concurrency = 1
    at_least = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size
        self.frames = (settings.frames, 64 * 64)

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {"backend": "fake_clip", "frames": settings.frames, "decoder": decode.VERSION}

    def prepare(self, clip: Frames) -> tuple[str, Frames]:
        means = [picture.resize((1, 1), Image.Resampling.BOX).tobytes() for picture in clip.pictures]
        return " ".join("".join(str(value // 64) for value in mean) for mean in means), clip

    def group(self, prepared: Any) -> Hashable:
        return None

    def extract(self, batch: Sequence[tuple[str, Frames]]) -> Columns:
        for words, _ in batch:
            time.sleep(self.settings.seconds)
            if self.settings.error_on and words.startswith(self.settings.error_on):
                raise BadImage("model_error", "the fake model does not like this clip")
            if self.settings.segfault_on and words.startswith(self.settings.segfault_on):
                ctypes.string_at(0)
            while self.settings.hang_on and words.startswith(self.settings.hang_on):
                time.sleep(1)
        return {
            "description": [words for words, _ in batch],
            "status": ["ok"] * len(batch),
            "raw_text": [words for words, _ in batch],
            "finish_reason": ["stop"] * len(batch),
            "seconds": [clip.seconds for _, clip in batch],
            "width": [clip.size[0] for _, clip in batch],
            "height": [clip.size[1] for _, clip in batch],
            "frame_times": [list(clip.times) for _, clip in batch],
            "prompt_tokens": [0] * len(batch),
            "output_tokens": [0] * len(batch),
        }

    def close(self) -> None:
        pass
