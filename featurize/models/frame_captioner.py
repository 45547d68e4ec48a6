"""Descriptions of clips by a captioner of pictures, frame by frame: for models that take one picture at a time.

Each frame is asked about as `transformers_captioner` asks about a picture; the captions, each of them once and in the
order of time, are the description. What moves between the frames is lost: where a model takes the whole clip,
`video_captioner` says more. Invariant: that of `transformers_captioner`. Licence: that of the weights you name.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from featurize.inference.extractor import Columns, ModelSettings
from featurize.inference.torch_device import DType
from featurize.media import decode
from featurize.media.decode import Frames
from featurize.models import transformers_captioner

Prepared = tuple[list[Any], Frames]


class Settings(ModelSettings):
    backend: Literal["frame_captioner"] = "frame_captioner"
    model: str = Field(description="hub id, folder or bundled:<name>")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; a hub id needs one")
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    prompt: str = Field("artwork-v1", description="a name of featurize/inference/caption_prompts or a path")
    frames: int = Field(4, ge=1, le=64, description="frames of a clip, evenly over its time")
    max_new_tokens: int = Field(256, ge=1, description="cap on the tokens of an answer, which is about one frame")
    min_pixels: int = Field(56 * 56, ge=1, description="area up to which a frame is enlarged, where a model can")
    max_pixels: int = Field(768 * 28 * 28, ge=32**2, description="area above which a frame is reduced")
    batch_size: int = Field(8, ge=1, description="clips of one batch, at most; out of memory halves it")
    trust_remote_code: bool = Field(False, description="run code that comes with the weights")

    def of_a_picture(self) -> transformers_captioner.Settings:
        """How each frame is asked about."""
        given = self.model_dump(exclude={"frames"}) | {"backend": "transformers_captioner"}
        return transformers_captioner.Settings(**given)


class Extractor:
    table: ClassVar[str] = "clip_description"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "frames"
    concurrency = 1
    at_least = None

    def __init__(self, settings: Settings) -> None:
        self._captioner = transformers_captioner.Extractor(settings.of_a_picture())
        assert self._captioner.at_least is not None
        width, height = self._captioner.at_least
        self.frames = (settings.frames, width * height)
        self.batch_size = settings.batch_size
        self.out_of_memory = self._captioner.out_of_memory

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {
            **transformers_captioner.Extractor.fingerprint(settings.of_a_picture()),
            "backend": "frame_captioner",
            "table": Extractor.table,
            "version": 1,
            "frames": settings.frames,
            "decoder": decode.VERSION,
        }

    def prepare(self, clip: Frames) -> Prepared:
        """What the captioner makes of each frame; the clip without its pictures."""
        ready = [self._captioner.prepare(picture) for picture in clip.pictures]
        return ready, Frames((), clip.times, clip.seconds, clip.size)

    def group(self, prepared: Prepared) -> Hashable:
        """Of one clip all frames are alike."""
        return self._captioner.group(prepared[0][0])

    def extract(self, batch: Sequence[Prepared]) -> Columns:
        """Columns of `clip_description`."""
        said = self._captioner.extract([frame for frames, _ in batch for frame in frames])
        rows, at = [], 0
        for frames, clip in batch:
            rows.append(_row({name: values[at : at + len(frames)] for name, values in said.items()}, clip))
            at += len(frames)
        return {name: [row[name] for row in rows] for name in rows[0]}

    def close(self) -> None:
        self._captioner.close()


def _row(said: Columns, clip: Frames) -> dict[str, Any]:
    """Of the columns of a clip's frames. A frame whose answer has no caption adds no words."""
    text = " ".join(dict.fromkeys(filter(None, said["caption"])))
    cut = "length" in said["finish_reason"]
    return {
        "description": text or None,
        "status": "empty" if not text else "truncated" if cut else "ok",
        "raw_text": "\n".join(said["raw_text"]),
        "finish_reason": "length" if cut else "stop",
        "seconds": clip.seconds,
        "width": clip.size[0],
        "height": clip.size[1],
        "frame_times": list(clip.times),
        "prompt_tokens": sum(said["prompt_tokens"]),
        "output_tokens": sum(said["output_tokens"]),
    }
