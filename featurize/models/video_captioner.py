"""Descriptions of clips by any vision-language model that transformers loads as `AutoModelForImageTextToText`.

Where the checkpoint's chat template takes videos (Qwen-VL), the frames go in as one, with the times they are shown at;
to others they go one by one, each behind its time in words. Invariant: decoding is greedy, and only clips of equal
input length share a batch, so nothing is padded and in float32 a clip's text does not depend on its neighbours.
Licence: that of the weights you name.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from featurize.errors import BadImage, RefusedInput
from featurize.inference import captions, free_text, multimodal, weights
from featurize.inference.extractor import Columns, ModelSettings
from featurize.inference.torch_device import DType, inference, open_device, out_of_memory, resolve_dtype, to_device
from featurize.media import decode
from featurize.media.decode import Frames

MAX_ASPECT = 100
"""Longer strips get white borders up to this; Qwen's processors refuse them from 200 on."""
MILLISECONDS = 1000
"""The rate at which frames are counted when a processor is told which of a video they are."""
_ANY_AREA = {"shortest_edge": 1, "longest_edge": 1 << 40}
_TIME = "[[time of frame {}]]"


class Settings(ModelSettings):
    backend: Literal["video_captioner"] = "video_captioner"
    model: str = Field(description="hub id, folder or bundled:<name>")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; a hub id needs one")
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    prompt: str = Field("clip-v1", description="a name of featurize/inference/caption_prompts or a path")
    frames: int = Field(16, ge=2, le=256, description="frames of a clip, evenly over its time")
    max_pixels: int = Field(256 * 28 * 28, ge=32**2, description="area above which a frame is reduced")
    max_new_tokens: int = Field(512, ge=1, description="cap on the tokens of a description")
    batch_size: int = Field(4, ge=1, description="clips of one batch, at most; out of memory halves it")
    trust_remote_code: bool = Field(False, description="run code that comes with the weights")


class Extractor:
    table: ClassVar[str] = "clip_description"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "frames"
    concurrency = 1
    at_least = None

    def __init__(self, settings: Settings) -> None:
        import torch

        self._device = open_device(settings.device, settings.cpus)
        self._dtype: torch.dtype = getattr(torch, resolve_dtype(settings.dtype, settings.device))
        prompt = captions.load_prompt(settings.prompt)
        self._processor, self._model = multimodal.load(
            _resolve(settings), "AutoModelForImageTextToText", self._dtype, settings.trust_remote_code
        )
        self._model.to(self._device).eval()
        for part in ("image_processor", "video_processor"):  # frames come in the size they are wanted in
            if hasattr(getattr(self._processor, part, None), "merge_size"):
                getattr(self._processor, part).size = _ANY_AREA
        self._text, self._as_video = _prompt(self._processor, prompt.text, settings)
        self._ends = multimodal.greedy(self._model, self._processor.tokenizer, settings.max_new_tokens)
        self.frames = (settings.frames, settings.max_pixels)
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {
            "backend": "video_captioner",
            "table": Extractor.table,
            "version": 1,
            "weights": _resolve(settings).identity,
            "dtype": resolve_dtype(settings.dtype, settings.device),
            "prompt": captions.load_prompt(settings.prompt).text,
            "decoding": {"greedy": True, "max_new_tokens": settings.max_new_tokens},
            "frames": settings.frames,
            "max_pixels": settings.max_pixels,
            "max_aspect": MAX_ASPECT,
            "decoder": decode.VERSION,
            "trust_remote_code": settings.trust_remote_code,
        }

    def prepare(self, clip: Frames) -> tuple[dict[str, Any], Frames]:
        """All the processor makes of a clip and the prompt: tensors whose first dimension can be joined; the clip
        without its pictures."""
        pictures = [multimodal.limit_aspect(picture, MAX_ASPECT) for picture in clip.pictures]
        try:
            made = self._as_one(pictures, clip) if self._as_video else self._one_by_one(pictures, clip)
        except Exception as error:  # any architecture's processor, so any type of error; it is this clip's alone
            raise BadImage("model_error", f"the processor refused it: {type(error).__name__}: {error}") from error
        tensors = {name: value for name, value in made.items() if hasattr(value, "shape")}
        ready = {name: value.to(self._dtype) if value.is_floating_point() else value for name, value in tensors.items()}
        return ready, Frames((), clip.times, clip.seconds, clip.size)

    def _as_one(self, pictures: list[Any], clip: Frames) -> Any:
        from transformers.video_utils import VideoMetadata

        told = VideoMetadata(
            total_num_frames=max(1, round(clip.seconds * MILLISECONDS)),
            fps=float(MILLISECONDS),
            duration=clip.seconds,
            width=clip.size[0],
            height=clip.size[1],
            frames_indices=[round(time * MILLISECONDS) for time in clip.times],
        )
        return self._processor(
            text=[self._text],
            videos=[pictures],
            videos_kwargs={"video_metadata": [told], "do_sample_frames": False, "return_metadata": True},
            return_tensors="pt",
        )

    def _one_by_one(self, pictures: list[Any], clip: Frames) -> Any:
        text = self._text
        for number, time in enumerate(clip.times):
            text = text.replace(_TIME.format(number), f"<{time:.1f} seconds>")
        return self._processor(text=[text], images=[pictures], return_tensors="pt")

    def group(self, prepared: tuple[dict[str, Any], Frames]) -> Hashable:
        """Equal shapes: the same number of visual tokens."""
        return tuple(sorted((name, tuple(tensor.shape)) for name, tensor in prepared[0].items()))

    def extract(self, batch: Sequence[tuple[dict[str, Any], Frames]]) -> Columns:
        """Columns of `clip_description`."""
        import torch

        tensors = [ready for ready, _ in batch]
        prompt_tokens = tensors[0]["input_ids"].shape[1]
        with inference():
            inputs = {name: to_device(torch.cat([each[name] for each in tensors]), self._device) for name in tensors[0]}
            output = self._model.generate(**inputs)[:, prompt_tokens:].tolist()
        rows = [
            self._row(tokens, clip) | {"prompt_tokens": prompt_tokens}
            for tokens, (_, clip) in zip(output, batch, strict=True)
        ]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _row(self, tokens: list[int], clip: Frames) -> dict[str, Any]:
        text, finish_reason, count = multimodal.answer(self._processor.tokenizer, tokens, self._ends)
        return free_text.columns(text, finish_reason) | {
            "seconds": clip.seconds,
            "width": clip.size[0],
            "height": clip.size[1],
            "frame_times": list(clip.times),
            "output_tokens": count,
        }

    def close(self) -> None:
        del self._model


def _resolve(settings: Settings) -> weights.Weights:
    return weights.resolve(settings.model, settings.revision, "config.json")


def _prompt(processor: Any, prompt: str, settings: Settings) -> tuple[str, bool]:
    """The chat template with places for the frames, and whether it takes them as one video.

    Errors: RefusedInput when it takes neither a video nor so many pictures.
    """
    asked = {"type": "text", "text": prompt}
    text = multimodal.fill_template(processor, [{"type": "video"}, asked], settings.model)
    token = getattr(processor, "video_token", None)
    if token and token in text:
        return text, True
    content: list[dict[str, str]] = []
    for number in range(settings.frames):
        content += [{"type": "text", "text": _TIME.format(number)}, {"type": "image"}]
    text = multimodal.fill_template(processor, [*content, asked], settings.model)
    token = getattr(processor, "image_token", None)
    if not token or text.count(token) != settings.frames:
        raise RefusedInput(
            f"the chat template of {settings.model} takes neither a video nor {settings.frames} pictures"
        )
    return text, False
