"""A causal LM by its name: its weights, or an adapter with the weights it is for, and how both are loaded.

Invariant: only safetensors are read, no code that comes with weights is run, and weights that are not all there are
refused rather than made up. What `Source.identity` says needs no torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featurize.errors import RefusedInput
from featurize.inference import letters, weights
from featurize.inference.weights import ADAPTER, Weights

_TOKENIZER = "tokenizer.json"
_LAYERS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Source:
    """Where a model lies. `adapter` is a folder of PEFT's, whose base is `weights`."""

    name: str
    weights: Weights
    adapter: Path | None = None
    adapter_digest: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What goes into the model key."""
        own = self.weights.identity
        return own if self.adapter is None else {"base": own, "adapter": {"sha256": self.adapter_digest}}

    @property
    def tokens_by(self) -> str | None:
        """The tokenizer, as `prompt.tokens_by` names one; None where no file here tells, as of a model on the hub."""
        beside = self.adapter is not None and (self.adapter / _TOKENIZER).is_file()
        folder = self.adapter if beside else self.weights.folder
        if folder is None or not (folder / _TOKENIZER).is_file():
            return None
        return f"tokenizer-{hashlib.sha256((folder / _TOKENIZER).read_bytes()).hexdigest()[:16]}"

    def fetch(self) -> tuple[Path, Path]:
        """(folder of the weights, folder of the tokenizer); hub files are downloaded where missing."""
        folder = self.weights.fetch(weights.FILES)
        beside = self.adapter is not None and (self.adapter / _TOKENIZER).is_file()
        return folder, self.adapter if beside and self.adapter else folder


RECORD = "posttrain.json"
"""In the folder of a model that `make posttrain` made: of what, and how."""


def record(folder: Path) -> dict[str, Any]:
    """What `RECORD` says, or nothing where the folder is of another model, or none. Errors: RefusedInput."""
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RefusedInput(f"{path} is not readable as JSON ({error}): remove the folder, or name another") from error
    if not isinstance(found, dict):
        raise RefusedInput(f"{path} is no JSON object: remove the folder, or name another")
    return found


def resolve(name: str) -> Source:
    """What `name` means: a folder with weights or an adapter, `bundled:<name>`, or `owner/name@revision`.

    Errors: RefusedInput when it is none of them, or its files are missing or no safetensors.
    """
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if (folder / ADAPTER).is_file():
        return _adapter(name, folder)
    repo, at, revision = name.rpartition("@")
    if at and not folder.exists():
        return Source(name, weights.resolve(repo, revision, "config.json"))
    return Source(name, weights.resolve(name, None, "config.json"))


def _adapter(name: str, folder: Path) -> Source:
    described = folder / ADAPTER
    own = weights.resolve(f"local-dir:{folder}", None, ADAPTER)
    if not (folder / _LAYERS).is_file():
        raise RefusedInput(f"{described} is there, and {_LAYERS} is not")
    try:
        said = json.loads(described.read_text(encoding="utf-8"))
        base, revision = said["base_model_name_or_path"], said.get("revision")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise RefusedInput(f"{described} does not name the base model of the adapter") from error
    if not isinstance(base, str) or not base:
        raise RefusedInput(f"{described} does not name the base model of the adapter")
    try:
        found = weights.resolve(base, revision, "config.json")
    except RefusedInput as error:
        raise RefusedInput(f"{described} names its base model: {error}") from error
    return Source(name, found, folder, own.digest)


def load(source: Source, dtype: str, device: Any) -> tuple[Any, Any]:
    """(tokenizer, model in evaluation on `device`). An adapter stays beside its base, unmerged.

    Errors: RefusedInput when the folder is not complete, not of this kind, or has no chat template.
    """
    import torch
    import transformers

    folder, beside = source.fetch()
    tokenizer = letters.tokenizer(beside)
    transformers.utils.logging.disable_progress_bar()  # the run shows its own
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except MemoryError:
        raise
    except Exception as error:  # what a folder may hold instead of a model makes transformers raise any type
        raise RefusedInput(
            f"transformers cannot load {folder} as a causal LM: {type(error).__name__}: {error}"
        ) from error
    absent = sorted(report["missing_keys"])
    if absent:  # transformers would go on with random numbers there
        raise RefusedInput(f"{folder} lacks {len(absent)} of the model's weights, such as {absent[0]}")
    if source.adapter is not None:
        model = _with_adapter(model, source.adapter)
    return tokenizer, model.to(device).eval()


def _with_adapter(model: Any, folder: Path) -> Any:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise RefusedInput(f"{folder} is an adapter, and PEFT is not installed: pip install peft") from error
    try:
        return PeftModel.from_pretrained(model, str(folder))
    except Exception as error:  # any type, as above
        raise RefusedInput(f"PEFT cannot load the adapter {folder}: {type(error).__name__}: {error}") from error
