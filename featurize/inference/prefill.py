"""What a causal LM holds likely to come right after a text, for many texts: prefill alone, no decoding.

Texts of about one length share a batch, padded on the right, where a causal model never looks. Texts that begin alike
have their beginning computed once: its keys and values are kept and the endings computed behind them. Invariant:
neither changes what comes out, but for the rounding of the number type.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featurize.errors import ArtworkError, BadImage
from featurize.inference.torch_device import inference, out_of_memory, to_device

log = logging.getLogger("featurize")

WORTH_SHARING = 0.3
"""Of the tokens of a text, the share that its beginning must have for it to be computed apart."""
KEPT = 8
"""Tokens whose keys and values are held at once, in batches."""


@dataclass(frozen=True, slots=True)
class Question:
    """Tokens of a text, and those whose log-probability right after it is asked for."""

    ids: tuple[int, ...]
    wanted: tuple[int, ...]


class Prefill:
    """A loaded model that answers questions. `batch_tokens` is halved whenever memory runs out."""

    def __init__(self, model: Any, device: Any, *, batch_tokens: int, share: bool = True) -> None:
        self.batch_tokens = batch_tokens
        self._model, self._device = model, device
        self._last: Any = None
        self._oom = out_of_memory()
        # Logits are needed of one place in each row, and may be larger than all else.
        model.get_output_embeddings().register_forward_pre_hook(self._keep_last)
        config = model.config
        self.most: int | None = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        """Tokens that the model can read, where its config says so."""
        self._shares = share and self._keeps_all()

    def _keeps_all(self) -> bool:
        """Whether what is kept of a beginning is all of it: a sliding window, or a state, forgets."""
        import torch

        with inference():
            self._last = torch.tensor([1], device=self._device)
            kept = getattr(self._model(input_ids=self._tensor([[0, 0]]), use_cache=True), "past_key_values", None)
        layers = getattr(kept, "layers", None) or ()
        return len(layers) > 0 and all(type(layer).__name__ == "DynamicLayer" for layer in layers)

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[int, np.ndarray | BadImage]]:
        """(place in `questions`, log-probabilities of `wanted`, float64), as they get ready.

        BadImage for a text that is too long, or with which the model fails. Errors: RunFailed when the GPU fails.
        """
        fit = []
        for place, question in enumerate(questions):
            if self.most is not None and len(question.ids) > self.most:
                long = f"it has {len(question.ids):,} tokens, and the model reads {self.most:,}"
                yield place, BadImage("model_error", long)
            else:
                fit.append(place)
        alone = []
        for group, shared in self._groups(questions, fit):
            if shared:
                yield from self._guarded(questions, group, shared)
            else:
                alone += group
        alone.sort(key=lambda place: len(questions[place].ids), reverse=True)
        begin = 0
        while begin < len(alone):  # by the budget of that moment
            count = max(1, self.batch_tokens // len(questions[alone[begin]].ids))
            yield from self._guarded(questions, alone[begin : begin + count], 0)
            begin += count

    def _groups(self, questions: Sequence[Question], places: list[int]) -> Iterator[tuple[list[int], int]]:
        """(places, how many first tokens they share): 0 where that is not worth computing apart."""
        if not self._shares:
            yield places, 0
            return
        ordered = sorted(places, key=lambda place: questions[place].ids)  # neighbours are those that begin alike
        group: list[int] = []
        shared = 0
        for place in ordered:
            ids = questions[place].ids
            if group:
                common = min(_alike(questions[group[-1]].ids, ids), len(ids) - 1, len(questions[group[0]].ids) - 1)
                if common >= WORTH_SHARING * len(ids) and common >= 0.8 * shared:
                    group.append(place)
                    shared = min(shared or common, common)
                    continue
                yield group, shared
            group, shared = [place], 0
        if group:
            yield group, shared

    def _guarded(
        self, questions: Sequence[Question], places: list[int], shared: int
    ) -> Iterator[tuple[int, np.ndarray | BadImage]]:
        """One result per place. What does not fit or fails is halved until what is left is one text."""
        try:
            found = self._shared(questions, places, shared) if shared else self._plain(questions, places)
        except self._oom as error:
            if len(places) == 1 and not shared:
                yield places[0], BadImage("model_error", f"out of memory with one prompt: {error}", retryable=True)
                return
            used = sum(len(questions[place].ids) - shared for place in places)
            self.batch_tokens = max(1, min(used, self.batch_tokens) // 2)
            log.warning("out of memory with %d prompts; a batch now has %d tokens", len(places), self.batch_tokens)
        except ArtworkError:
            raise
        except Exception as error:
            if len(places) == 1 and not shared:
                log.debug("model", exc_info=True)
                yield places[0], BadImage("model_error", f"{type(error).__name__}: {error}"[:500], retryable=True)
                return
        else:
            for place, answer in zip(places, found, strict=True):
                good = bool(np.isfinite(answer).all())
                yield place, answer if good else BadImage("model_error", "the model's numbers are not finite")
            return
        half = len(places) // 2
        for some in (places[:half], places[half:]):
            if some:
                yield from self._guarded(questions, some, shared if len(some) > 1 else 0)

    def _plain(self, questions: Sequence[Question], places: list[int]) -> list[np.ndarray]:
        with inference():
            logits = self._run([questions[place].ids for place in places])
            return _wanted(logits, [questions[place].wanted for place in places])

    def _shared(self, questions: Sequence[Question], places: list[int], shared: int) -> list[np.ndarray]:
        import torch
        from transformers import DynamicCache

        answers: dict[int, np.ndarray] = {}
        by_length = sorted(places, key=lambda place: len(questions[place].ids), reverse=True)
        with inference():
            self._last = torch.tensor([shared - 1], device=self._device)
            first = self._tensor([questions[places[0]].ids[:shared]])
            kept = self._model(input_ids=first, use_cache=True).past_key_values
            begin = 0
            while begin < len(by_length):
                longest = len(questions[by_length[begin]].ids)
                count = min(self.batch_tokens // (longest - shared), KEPT * self.batch_tokens // longest)
                some = by_length[begin : begin + max(1, count)]
                cache = DynamicCache()
                for number, layer in enumerate(kept.layers):
                    many = (len(some), -1, -1, -1)
                    cache.update(layer.keys.expand(many), layer.values.expand(many), number)
                logits = self._run([questions[place].ids[shared:] for place in some], cache, shared)
                answers |= zip(some, _wanted(logits, [questions[place].wanted for place in some]), strict=True)
                begin += len(some)
        return [answers[place] for place in places]

    def _run(self, rows: Sequence[Sequence[int]], cache: Any = None, before: int = 0) -> Any:
        """Logits (rows, vocabulary) right after each row, which stands behind `before` tokens that the cache holds."""
        import torch

        self._last = torch.tensor([len(row) - 1 for row in rows], device=self._device)
        ids = self._tensor(rows)
        if cache is None:
            return self._model(input_ids=ids, use_cache=False).logits[:, -1]
        places = torch.arange(before, before + ids.shape[1], device=self._device)[None]
        return self._model(input_ids=ids, past_key_values=cache, position_ids=places, use_cache=True).logits[:, -1]

    def _tensor(self, rows: Sequence[Sequence[int]]) -> Any:
        import torch

        width = max(map(len, rows))
        return to_device(torch.tensor([[*row, *[0] * (width - len(row))] for row in rows]), self._device)

    def _keep_last(self, head: Any, hidden: tuple[Any, ...]) -> tuple[Any, ...]:
        """Of the hidden states (rows, tokens, width) the one that the answer follows: (rows, 1, width)."""
        import torch

        states = hidden[0]
        return (states[torch.arange(len(states), device=states.device), self._last][:, None],)


def _wanted(logits: Any, wanted: Sequence[Sequence[int]]) -> list[np.ndarray]:
    import torch

    sure = torch.log_softmax(logits.float(), dim=-1)
    most = max(map(len, wanted))
    columns = torch.tensor([[*each, *[0] * (most - len(each))] for each in wanted], device=sure.device)
    found = sure.gather(1, columns).double().cpu().numpy()
    return [row[: len(each)] for row, each in zip(found, wanted, strict=True)]


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens two texts share."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle)
    return low
