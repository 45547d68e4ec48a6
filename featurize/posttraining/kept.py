"""What is kept back, read as in ranking while a model trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from featurize.posttraining import batches, reading
from featurize.posttraining.examples import Example, Examples
from featurize.posttraining.line import Floats, Line
from featurize.posttraining.stream import Places


class Kept:
    """Rows that are kept back, how a model tells their letters, and their `reward` or `values` where they are learnt.

    Then the letters are judged by what came to something, as for `Weighted`.
    """

    line: Line = (1.0, 0.0)
    """As that of `Direct`."""
    temperature: float = 1.0
    """As that of `Valued`."""

    def __init__(
        self,
        examples: Examples,
        rows: Places,
        weight: Any,
        at_once: int,
        reward: Floats | None = None,
        values: Floats | None = None,
    ) -> None:
        self._examples = [examples.plain(int(row)) for row in rows]
        self._values = None if values is None else values[rows]
        self._reward = None if reward is None else reward[rows]
        self._weight = np.asarray(weight)[rows]
        if self._reward is not None and self._reward.any():
            self._weight = self._reward
        self._at_once = at_once
        self._answers = np.array([each.places.index(each.answer[0]) for each in self._examples], dtype=np.int64)
        self._choices = np.array([len(each.places) for each in self._examples], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._examples)

    @torch.no_grad()
    def read(self, model: Any, device: torch.device) -> dict[str, float]:
        """Figures of `reading.figures`."""
        scores, ends = read_letters(model, self._examples, self._at_once, device)
        found = reading.figures(scores, self._choices, self._answers, self._weight)
        if self._values is not None:
            return found | reading.of_values(
                scores, self._choices, self._values[:, : scores.shape[1]], self.temperature
            )
        if self._reward is None:
            return found
        slope, level = self.line
        odds = slope * (scores[np.arange(len(self)), self._answers] - ends) + level
        return found | reading.of_rewards(odds, self._reward)


@torch.no_grad()
def read_letters(model: Any, examples: Sequence[Example], at_once: int, device: torch.device) -> tuple[Floats, Floats]:
    """Log-probabilities of the letters (examples, most candidates), -inf beyond them, and of the end of the turn."""
    scores = np.full((len(examples), max(len(each.places) for each in examples)), -np.inf)
    ends = np.zeros(len(examples))
    order = np.argsort([len(each.prompt) for each in examples], kind="stable")
    for first in range(0, len(order), at_once):
        batch = order[first : first + at_once]
        told = batches.inputs([examples[number].prompt for number in batch])
        tensors = {name: each.to(device) for name, each in told.items()}
        said = model(**tensors, logits_to_keep=1, use_cache=False).logits[:, -1].float().log_softmax(1).cpu()
        for row, number in enumerate(batch):
            places = examples[number].places
            scores[number, : len(places)] = said[row, places].double().numpy()
            ends[number] = said[row, examples[number].answer[-1]]
    return scores, ends
