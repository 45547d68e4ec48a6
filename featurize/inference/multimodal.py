"""What backends share that load a multimodal LM with transformers: the load, the chat template, greedy decoding.

Invariant: decoding is greedy, whatever the checkpoint's own sampling settings, and a checkpoint that is not complete,
or whose template fails, is refused in one sentence.
"""

from __future__ import annotations

import functools
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from featurize.errors import RefusedInput
from featurize.inference import weights
from featurize.inference.weights import Weights

_TEMPLATE_SECONDS = 10.0
_TEMPLATE_KIB = 1 << 20
_TEMPLATE_CHARACTERS = 100_000
_KINDS = {
    "AutoModelForImageTextToText": "an image-text-to-text model",
    "AutoModelForMultimodalLM": "a model of sound and text",
    "AutoModelForSpeechSeq2Seq": "a model of speech",
}


def load(found: Weights, auto: str, dtype: Any, trust_remote_code: bool) -> tuple[Any, Any]:
    """Processor and model, the latter by the auto class of that name.

    Errors: RefusedInput when the folder is not complete or not of this kind.
    """
    folder = found.fetch([*weights.FILES, "*.py"] if trust_remote_code else weights.FILES)
    (processor,), model = load_whole(folder, auto, ("AutoProcessor",), dtype, trust_remote_code)
    if not processor.chat_template:
        raise RefusedInput(f"{folder} has no chat template")
    _patches_as_matrix(model)
    return processor, model


def load_whole(
    folder: Path, auto: str, parts: Sequence[str], dtype: Any, trust_remote_code: bool = False
) -> tuple[list[Any], Any]:
    """What lies beside the model and the model, each by the auto class of that name. Errors: RefusedInput."""
    import transformers

    transformers.utils.logging.disable_progress_bar()  # the run shows its own
    options: dict[str, Any] = {"trust_remote_code": trust_remote_code, "local_files_only": True}
    try:
        beside = [getattr(transformers, part).from_pretrained(folder, **options) for part in parts]
        model, report = getattr(transformers, auto).from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
        )
    except MemoryError:
        raise
    except Exception as error:  # what a folder may hold instead of a model makes transformers raise any type
        raise RefusedInput(
            f"transformers cannot load {folder} as {_KINDS[auto]}: {type(error).__name__}: {error}"
        ) from error
    absent = sorted(report["missing_keys"])
    if absent:  # transformers would go on with random numbers there
        raise RefusedInput(f"{folder} lacks {len(absent)} of the model's weights, such as {absent[0]}")
    return beside, model


def fill_template(processor: Any, content: Sequence[Mapping[str, Any]], model: str) -> str:
    """The chat template with this content, in which pictures and sound are places for them.

    A template is a program that comes with the weights. Errors: RefusedInput when it fails, takes too long or too much
    memory, or writes too much.
    """
    try:
        with _bounded():
            text = processor.apply_chat_template(
                [{"role": "user", "content": list(content)}], add_generation_prompt=True, tokenize=False
            )
    except Exception as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise RefusedInput(f"the chat template of {model} fails: {why}") from error
    if not isinstance(text, str) or len(text) > len(str(content)) + _TEMPLATE_CHARACTERS:
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


def greedy(model: Any, tokenizer: Any, max_new_tokens: int) -> set[int]:
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


def answer(tokenizer: Any, tokens: list[int], ends: set[int]) -> tuple[str, str, int]:
    """What was generated, why it ended (`stop` or `length`), and its tokens, the end among them."""
    end = next((i for i, token in enumerate(tokens) if token in ends), None)
    tokens = tokens if end is None else tokens[: end + 1]  # after the end there is only padding
    return tokenizer.decode(tokens, skip_special_tokens=True), "length" if end is None else "stop", len(tokens)


def limit_aspect(image: Image.Image, most: int) -> Image.Image:
    """A longer strip on white, up to `most` times as long as wide."""
    width, height = image.size
    wide, high = max(width, -(-height // most)), max(height, -(-width // most))
    if (wide, high) == image.size:
        return image
    canvas = Image.new("RGB", (wide, high), "white")
    canvas.paste(image, ((wide - width) // 2, (high - height) // 2))
    return canvas


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
