"""Any causal LM with a chat template: one prefill per prompt, and the log-probability of each candidate's letter.

Nothing is decoded. The letters are those that the tokenizer writes in that very place. Prompts that begin alike, as
those of one member do, have their beginning computed once. Invariant: the scores do not depend on which prompts share a
batch or a beginning, but for the rounding of the number type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from featurize.errors import BadImage, RefusedInput
from featurize.inference import causal_lm, letters, orders
from featurize.inference.prefill import Prefill, Question
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings
from featurize.inference.torch_device import DType, open_device, resolve_dtype


class Settings(RankerSettings):
    dtype: DType | Literal["auto"] = Field("auto", description="auto: bfloat16 where the device is fast at it")
    batch_tokens: int | None = Field(
        None, ge=1, description="tokens of one batch, at most; out of memory halves it; default: 2048, on a GPU 32768"
    )
    share_prefix: bool = Field(True, description="compute the beginning that prompts share once; false to compare")


class Ranker:
    per_model = True
    needs = ""

    def __init__(self, settings: Settings, given: Given) -> None:
        device = open_device(settings.device, given.cpus)
        source = causal_lm.resolve(_name(given))
        tokenizer, model = causal_lm.load(source, resolve_dtype(settings.dtype, settings.device), device)
        self._reader = _Reader(tokenizer)
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
            "orders": given.orders,
            "prior": given.prior and given.prior.identity,
        }

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked | BadImage]]:
        questions: list[Question] = []
        of: list[tuple[int, list[int]]] = []
        waits = []
        for place, prompt in enumerate(prompts):
            turned = orders.rotated(len(prompt.artwork_ids), self._given.orders)
            waits.append(len(turned))
            for order in turned:
                questions.append(self._reader.question(prompt, order))
                of.append((place, order))
        said: list[list[_Said]] = [[] for _ in prompts]
        for number, found in self._prefill.answers(questions):
            place, order = of[number]
            if isinstance(found, BadImage):
                if waits[place] > 0:
                    waits[place] = -1
                    yield place, found
                continue
            said[place].append(_Said(order, found))
            if len(said[place]) == waits[place]:
                yield place, self._ranked(said[place])
                said[place] = []

    def _ranked(self, said: list[_Said]) -> Ranked:
        """The mean over the orders in which a prompt was asked, with the letters' prior taken off where it is known."""
        said.sort(key=lambda each: each.order)
        letters_share = [float(np.exp(each.sure).sum()) for each in said]
        count = len(said[0].order)
        prior = np.zeros(count) if self._given.prior is None else np.asarray(self._given.prior.by_count[count])
        scores = np.zeros(count)
        for each in said:
            scores[each.order] += (each.sure - prior) / len(said)
        by_letter = np.mean([each.sure for each in said], axis=0)
        share = min(1.0, float(np.mean(letters_share)))
        return Ranked(scores.tolist(), letter_share=share, by_letter=by_letter.tolist())

    def close(self) -> None:
        del self._prefill


def _name(given: Given) -> str:
    if given.model is None:
        raise RefusedInput("ranker 'llm' needs a model: rank.models")
    return given.model


@dataclass(frozen=True)
class _Said:
    """What was said of a prompt in one order: the log-probability of each letter."""

    order: list[int]
    sure: npt.NDArray[np.float64]


class _Reader:
    """Prompts to tokens, and to the tokens of their letters."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._marks = [str(token) for token in tokenizer.all_special_tokens]
        self._known: dict[tuple[str, int], tuple[int, ...]] = {}

    def question(self, prompt: Prompt, order: list[int]) -> Question:
        """Errors: RefusedInput when the letters are no single tokens there."""
        messages: Sequence[letters.Message] = prompt.messages
        if order != sorted(order):
            messages = orders.reordered(messages, order, prompt.slots)
        text = letters.text(self._tokenizer, messages)
        return Question(tuple(letters.encode(self._tokenizer, text)), self._letters(text, len(order)))

    def _letters(self, text: str, count: int) -> tuple[int, ...]:
        """A special token cuts a text before anything else is looked at, so what stands behind the last one decides."""
        begin = max((text.rfind(mark) for mark in self._marks), default=-1)
        if begin < 0:
            return tuple(letters.tokens(self._tokenizer, text, count))
        key = (text[begin:], count)
        if key not in self._known:
            self._known[key] = tuple(letters.tokens(self._tokenizer, text, count))
        return self._known[key]
