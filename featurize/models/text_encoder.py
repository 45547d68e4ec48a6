"""Text embeddings by any sentence encoder that transformers loads: texts to unit-norm vectors of `text_embedding`.

How tokens become one vector is read from the checkpoint (`modules.json`, `1_Pooling/config.json`, as
sentence-transformers writes them), and so are how many tokens it reads and the instruction that goes before what is
searched for.

Invariants: what is stored never has an instruction; tokens beyond the limit are counted (`tokens_cut`). Vectors are of
length 1 whether the checkpoint normalises or not, as the table has them: cosines are the same. Licence: that of the
weights you name.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from featurize.errors import RefusedInput
from featurize.inference import weights
from featurize.inference.extractor import Columns, ModelSettings
from featurize.inference.torch_device import DType, inference, open_device, out_of_memory, resolve_dtype

Pooling = Literal["cls", "mean", "max", "lasttoken"]
_POOLINGS: tuple[Pooling, ...] = ("cls", "mean", "max", "lasttoken")
_DOES_NOTHING_MORE = ("Transformer", "Pooling", "Normalize")
"""Modules of a checkpoint that this backend does, by the last part of their type."""


class Settings(ModelSettings):
    model: str = Field(description="hub id or folder of a sentence encoder; make text-model fetches a small one")
    revision: str | None = Field(None, description="commit, tag or branch on the hub; a hub id needs one")
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    pooling: Literal["checkpoint", "cls", "mean", "max", "lasttoken"] = Field(
        "checkpoint", description="how tokens become a vector, for a checkpoint that does not say"
    )
    max_tokens: int | None = Field(
        None, ge=4, description="tokens that are read of a text; default: as many as the checkpoint says"
    )
    query_instruction: str | None = Field(
        None,
        description="goes before what is searched for, and before nothing that is stored; default: the checkpoint's",
    )


class Extractor:
    table: ClassVar[str] = "text_embedding"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "text"
    concurrency = 1
    at_least: tuple[int, int] | None = None

    def __init__(self, settings: Settings) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        self._device = open_device(settings.device, settings.cpus)
        folder = _resolve(settings).fetch(weights.FILES)
        self._pooling = _pooling(folder) if settings.pooling == "checkpoint" else settings.pooling
        self._instruction = _instruction(folder) if settings.query_instruction is None else settings.query_instruction
        dtype: torch.dtype = getattr(torch, resolve_dtype(settings.dtype, settings.device))
        logging.set_verbosity_error()  # a pooler that is not in the checkpoint is not used either
        logging.disable_progress_bar()
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModel.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise RefusedInput(f"transformers cannot load {folder} as a text encoder: {error}") from error
        self._tokenizer.padding_side = self._tokenizer.truncation_side = "right"
        self._model = model.to(self._device).eval()
        self._limit = settings.max_tokens or _limit(folder, self._tokenizer, model.config)
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        """Without the instruction, which no stored vector knows of."""
        found = _resolve(settings)
        own = {} if found.folder is None else {"pooling_config": _read(found.folder / _pooling_file(found.folder))}
        return {
            "backend": "text_encoder",
            "table": Extractor.table,
            "version": 1,
            "weights": found.identity,
            **own,
            "dtype": resolve_dtype(settings.dtype, settings.device),
            "pooling": settings.pooling,
            "max_tokens": settings.max_tokens,
        }

    def prepare(self, image: Any) -> Any:
        """The text as it is: a whole batch is tokenised at once."""
        return image

    def query(self, text: str) -> str:
        """What is searched for, as it is given to `prepare`."""
        return f"{self._instruction}{text}"

    def group(self, prepared: Any) -> Hashable:
        return None

    def extract(self, batch: Sequence[str]) -> Columns:
        """`embedding`: float32 of shape (n, d), each row of length 1; `tokens_cut` of each text."""
        import torch

        given = self._tokenizer(list(batch), verbose=False)
        cut = [max(0, len(ids) - self._limit) for ids in given["input_ids"]]
        if any(cut):
            given = self._tokenizer(list(batch), truncation=True, max_length=self._limit)
        padded = self._tokenizer.pad(given, return_tensors="pt").to(self._device)
        with inference():
            hidden = self._model(**padded).last_hidden_state.float()
            vectors = _pooled(self._pooling, hidden, padded["attention_mask"])
            embedding: Any = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        return {"embedding": embedding, "tokens_cut": cut}

    def close(self) -> None:
        del self._model


def _resolve(settings: Settings) -> weights.Weights:
    return weights.resolve(settings.model, settings.revision, "config.json")


def _pooled(pooling: str, hidden: Any, mask: Any) -> Any:
    """(n, d) from (n, tokens, d); padding is on the right, and counts for nothing."""
    import torch

    there = mask[..., None].to(hidden.dtype)
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "lasttoken":
        return hidden[torch.arange(len(hidden)), mask.sum(1) - 1]
    if pooling == "max":
        return hidden.masked_fill(there == 0, -torch.inf).amax(1)
    return (hidden * there).sum(1) / there.sum(1)


def _pooling(folder: Path) -> Pooling:
    """What `1_Pooling/config.json` says. Errors: RefusedInput where nothing does, or what is no pooling of ours."""
    file = folder / _pooling_file(folder)
    said = _read(file)
    if not said:
        raise RefusedInput(f"{folder} has no {file.name} that says how tokens become a vector: set text.pooling")
    modes = [name.removeprefix("pooling_mode_").removesuffix("_tokens") for name, on in said.items() if on is True]
    modes = [said["pooling_mode"]] if isinstance(said.get("pooling_mode"), str) else modes
    modes = ["cls" if mode == "cls_token" else mode for mode in modes if mode != "include_prompt"]
    if len(modes) == 1 and modes[0] in _POOLINGS:
        return _POOLINGS[_POOLINGS.index(modes[0])]
    raise RefusedInput(f"{file} wants pooling by {' and '.join(modes) or 'nothing'}; there are {', '.join(_POOLINGS)}")


def _pooling_file(folder: Path) -> str:
    """Errors: RefusedInput for a checkpoint with a module that this backend does not do."""
    modules = _read(folder / "modules.json") or []
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise RefusedInput(f"{folder / 'modules.json'} is no list of modules")
    found = "1_Pooling"
    for each in modules:
        kind = str(each.get("type", "")).rpartition(".")[2]
        if kind not in _DOES_NOTHING_MORE:
            raise RefusedInput(f"{folder / 'modules.json'} has a module {kind}, which backend text_encoder does not do")
        if kind == "Pooling":
            found = Path(str(each.get("path", found))).name
    return f"{found}/config.json"


def _limit(folder: Path, tokenizer: Any, config: Any) -> int:
    """Tokens that the checkpoint reads: the least of what it says. Errors: RefusedInput where nothing says it."""
    said = (_read(folder / "sentence_bert_config.json") or {}).get("max_seq_length")
    places = getattr(config, "max_position_embeddings", None)
    offset = 2 if getattr(config, "model_type", "") in ("roberta", "xlm-roberta") else 0  # places that padding takes
    known = [said, tokenizer.model_max_length, places and places - offset]
    limits = [each for each in known if isinstance(each, int) and 0 < each < 1_000_000]
    if not limits:
        raise RefusedInput(f"{folder} does not say how many tokens it reads: set text.max_tokens")
    return min(limits)


def _instruction(folder: Path) -> str:
    prompts = (_read(folder / "config_sentence_transformers.json") or {}).get("prompts")
    said = prompts.get("query") if isinstance(prompts, dict) else None
    return said if isinstance(said, str) else ""


def _read(file: Path) -> Any:
    """JSON, None where there is no file. Errors: RefusedInput."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RefusedInput(f"{file} is not readable as JSON ({error})") from error
