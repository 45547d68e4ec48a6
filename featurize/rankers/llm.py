"""Any causal LM with a chat template: one prefill per prompt, and the log-probability of each candidate's letter.

Nothing is decoded. The letters are those that the tokenizer writes in that very place. Prompts that begin alike, as
those of one member do, have their beginning computed once. Invariant: the scores do not depend on which prompts share a
batch or a beginning, but for the rounding of the number type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from featurize.errors import BadImage, RefusedInput
from featurize.inference import asking, causal_lm
from featurize.inference.letters import LETTERS
from featurize.inference.prefill import Prefill
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings
from featurize.inference.torch_device import DType, open_device, resolve_dtype


class Settings(RankerSettings):
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    batch_tokens: int | None = Field(
        None, ge=1, description="tokens of one batch, at most; out of memory halves it; default: 2048, on a GPU 32768"
    )
    share_prefix: bool = Field(True, description="compute the beginning that prompts share once; false to compare")

    @property
    def letters(self) -> int:
        return len(LETTERS)


class Ranker:
    per_model = True
    needs = ""

    def __init__(self, settings: Settings, given: Given) -> None:
        device = open_device(settings.device, given.cpus)
        source = causal_lm.resolve(_name(given))
        tokenizer, model = causal_lm.load(source, resolve_dtype(settings.dtype, settings.device), device)
        self._reader = asking.Reader(tokenizer)
        self._prefill = Prefill(
            model,
            device,
            batch_tokens=settings.batch_tokens or (32768 if settings.device == "cuda" else 2048),
            share=settings.share_prefix,
        )
        self._given = given

    @staticmethod
    def fingerprint(settings: Settings, given: Given) -> dict[str, Any]:
        return {
            "version": 1,
            "weights": causal_lm.resolve(_name(given)).identity,
            "dtype": resolve_dtype(settings.dtype, settings.device),
            **asking.way(given),
        }

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked | BadImage]]:
        return asking.ranked(prompts, self._given, self._reader.question, self._prefill.answers)

    def close(self) -> None:
        del self._prefill


def _name(given: Given) -> str:
    if given.model is None:
        raise RefusedInput("ranker 'llm' needs a model: rank.models")
    return given.model
