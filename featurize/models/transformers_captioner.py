"""Descriptions by any vision-language model that transformers loads as `AutoModelForImageTextToText`.

Invariant: decoding is greedy, whatever the checkpoint's own sampling settings, and only pictures of equal input length
share a batch, so nothing is padded and in float32 a picture's text does not depend on its neighbours. Licence: that of
the weights you name.
"""

from __future__ import annotations

import functools
import math
import resource
import sys
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import Field, model_validator

from featurize.errors import BadImage, RefusedInput
from featurize.inference import captions, weights
from featurize.inference.extractor import Columns
from featurize.inference.torch_device import DType, inference, open_device, out_of_memory, resolve_dtype, to_device

DECODE_SCALE = 1.5
"""The decoder may reduce a JPEG until its sides are this many times the side of a square of `max_pixels`."""
MAX_ASPECT = 100
"""Longer strips get white borders up to this; Qwen's processors refuse them from 200 on."""
TOKEN_SIDE = 32
"""Pixels that a visual token of the coarsest Qwen-VL is wide. Every strip is one token high at least, so a low cap on
its area is a cap on its aspect too."""
_TEMPLATE_SECONDS = 10.0
_TEMPLATE_KIB = 1 << 20
_TEMPLATE_CHARACTERS = 100_000


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
        self._processor, self._model = _load(settings, self._dtype)
        self._model.to(self._device).eval()
        self._max_pixels = settings.max_pixels
        self._caps_area = _cap_pixels(self._processor.image_processor, settings.min_pixels, settings.max_pixels)
        self._text = _fill_template(self._processor, prompt.text, settings.model)
        self._ends = _greedy(self._model, self._processor.tokenizer, settings.max_new_tokens)
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
        image = _limit_aspect(image, min(MAX_ASPECT, self._max_pixels // TOKEN_SIDE**2))
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
        end = next((i for i, token in enumerate(tokens) if token in self._ends), None)
        finish_reason = "length" if end is None else "stop"
        tokens = tokens if end is None else tokens[: end + 1]  # after the end there is only padding
        text = self._processor.tokenizer.decode(tokens, skip_special_tokens=True)
        parsed = captions.parse(text, finish_reason)
        return parsed | {"finish_reason": finish_reason, "output_tokens": len(tokens)}

    def close(self) -> None:
        del self._model


def _resolve(settings: Settings) -> weights.Weights:
    return weights.resolve(settings.model, settings.revision, "config.json")


def _load(settings: Settings, dtype: Any) -> tuple[Any, Any]:
    """Processor and model. Errors: RefusedInput when the folder is not complete or not of this kind."""
    import transformers

    folder = _resolve(settings).fetch([*weights.FILES, "*.py"] if settings.trust_remote_code else weights.FILES)
    transformers.utils.logging.disable_progress_bar()  # the run shows its own
    options: dict[str, Any] = {"trust_remote_code": settings.trust_remote_code, "local_files_only": True}
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, **options)
        model, report = transformers.AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
        )
    except MemoryError:
        raise
    except Exception as error:  # what a folder may hold instead of a model makes transformers raise any type
        raise RefusedInput(
            f"transformers cannot load {folder} as an image-text-to-text model: {type(error).__name__}: {error}"
        ) from error
    absent = sorted(report["missing_keys"])
    if absent:  # transformers would go on with random numbers there
        raise RefusedInput(f"{folder} lacks {len(absent)} of the model's weights, such as {absent[0]}")
    if not processor.chat_template:
        raise RefusedInput(f"{folder} has no chat template")
    _patches_as_matrix(model)
    return processor, model


def _fill_template(processor: Any, prompt: str, model: str) -> str:
    """The chat template with a picture and the prompt in it. A template is a program that comes with the weights.

    Errors: RefusedInput when it fails, takes too long or too much memory, or writes too much.
    """
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    try:
        with _bounded():
            text = processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
            )
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise RefusedInput(f"the chat template of {model} fails: {why}") from error
    if not isinstance(text, str) or len(text) > len(prompt) + _TEMPLATE_CHARACTERS:
        raise RefusedInput(f"the chat template of {model} writes more than {_TEMPLATE_CHARACTERS:,} characters")
    return text


@contextmanager
def _bounded() -> Iterator[None]:
    """Ends Python code that runs in here, as templates do, at the next line. Errors: TimeoutError, MemoryError."""
    deadline = time.monotonic() + _TEMPLATE_SECONDS
    unit = 1024 if sys.platform == "darwin" else 1  # ru_maxrss is in bytes there, in KiB elsewhere
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + _TEMPLATE_KIB * unit

    def watch(frame: Any, event: str, argument: Any) -> Any:
        if time.monotonic() > deadline:
            raise TimeoutError(f"it takes more than {_TEMPLATE_SECONDS:g} s")
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > most:
            raise MemoryError(f"it takes more than {_TEMPLATE_KIB >> 10} MiB")
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def _greedy(model: Any, tokenizer: Any, max_new_tokens: int) -> set[int]:
    """Replace the checkpoint's generation settings, whose penalties would apply too, and return its end tokens."""
    from transformers import GenerationConfig

    declared = model.generation_config.eos_token_id
    if declared is None:
        declared = tokenizer.eos_token_id
    ends = declared if isinstance(declared, list) else [declared]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else ends[0]
    model.generation_config = GenerationConfig(
        do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=ends, pad_token_id=pad
    )
    return set(ends)


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


def _limit_aspect(image: Image.Image, most: int) -> Image.Image:
    width, height = image.size
    wide, high = max(width, -(-height // most)), max(height, -(-width // most))
    if (wide, high) == image.size:
        return image
    canvas = Image.new("RGB", (wide, high), "white")
    canvas.paste(image, ((wide - width) // 2, (high - height) // 2))
    return canvas


def _reduce(image: Image.Image, max_pixels: int) -> Image.Image:
    width, height = image.size
    scale = math.sqrt(max_pixels / (width * height))
    if scale >= 1:
        return image
    return image.resize((max(1, int(width * scale)), max(1, int(height * scale))), Image.Resampling.BICUBIC)


def _patches_as_matrix(model: Any) -> None:
    """Run Qwen-VL's patch embedding as the matrix product it is; as a 3-D convolution it is 5 to 20 times slower."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Conv3d) and module.stride == module.kernel_size:
            module.forward = functools.partial(_matrix_product, module)  # type: ignore[method-assign]


def _matrix_product(conv: Any, patches: Any) -> Any:
    """`conv` on patches of exactly its kernel's size: (n, channels, t, h, w) to (n, out, 1, 1, 1)."""
    import torch

    if patches.shape[2:] != conv.kernel_size:  # a whole picture, not yet cut into patches
        return torch.nn.Conv3d.forward(conv, patches)
    product = torch.nn.functional.linear(patches.flatten(1), conv.weight.flatten(1), conv.bias)
    return product[:, :, None, None, None]
