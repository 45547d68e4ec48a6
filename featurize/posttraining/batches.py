"""Examples as tensors, padded on the left so that all answers end together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from featurize.posttraining.examples import Example, Examples, padded
from featurize.posttraining.head import IGNORED
from featurize.posttraining.line import Floats


class Collator:
    """Places in the stream to tensors, padded on the left so that all answers end together.

    Of an example of `Weighted`: ids, mask, labels and weight. Of one of `Direct`: ids and mask of the prompt alone, the
    letter as the label of its last token, the token that ends a turn, and the reward. Of one of `Valued`: the
    first three, and of all candidates the letters and the values (rows, most candidates), nan before them. Of a pair,
    as TRL has it: ids, mask and completion_mask, first those that were chosen, then those rejected.
    """

    def __init__(
        self,
        examples: Examples,
        weight: Sequence[float],
        reward: Floats | None = None,
        values: Floats | None = None,
    ) -> None:
        self._examples, self._weight, self._reward, self._values = examples, weight, reward, values

    def __call__(self, places: Sequence[dict[str, int]]) -> dict[str, torch.Tensor]:
        drawn = [self._draw(**place) for place in places]
        if self._reward is not None:
            found = inputs([each.prompt for each in drawn])
            labels = torch.full_like(found["input_ids"], IGNORED)
            labels[:, -1] = torch.tensor([each.answer[0] for each in drawn])
            if self._values is not None:
                return found | {"labels": labels, **self._candidates(places, drawn, self._values)}
            ends = torch.tensor([each.answer[1] for each in drawn])
            reward = torch.from_numpy(self._reward[[place["row"] for place in places]]).float()
            return found | {"labels": labels, "end": ends, "reward": reward}
        if drawn[0].rejected:
            answers = [each.answer for each in drawn] + [each.rejected for each in drawn]
            drawn = drawn + drawn
        else:
            answers = [each.answer for each in drawn]
        rows = [each.prompt + answer for each, answer in zip(drawn, answers, strict=True)]
        found = inputs(rows)
        ids = found["input_ids"]
        learnt = torch.zeros_like(ids)
        for number, answer in enumerate(answers):
            learnt[number, ids.shape[1] - len(answer) :] = 1
        if drawn[0].rejected:
            return found | {"completion_mask": learnt}
        labels = ids.where(learnt > 0, IGNORED)
        weight = torch.tensor([self._weight[place["row"]] for place in places], dtype=torch.float32)
        return found | {"labels": labels, "weight": weight}

    def _candidates(
        self, places: Sequence[dict[str, int]], drawn: Sequence[Example], values: Floats
    ) -> dict[str, torch.Tensor]:
        letters, _ = padded([each.places for each in drawn])
        told = np.full(letters.shape, np.nan, dtype=np.float32)
        for number, place in enumerate(places):
            order = self._examples.order(place["row"], place["turn"])
            told[number, -len(order) :] = values[place["row"]][order]
        return {"letters": torch.from_numpy(letters), "values": torch.from_numpy(told)}

    def _draw(self, turn: int, row: int) -> Example:
        """Rows beyond the last are those of the rationales."""
        rows = len(self._examples)
        return self._examples.drawn(row, turn) if row < rows else self._examples.reasoned(row - rows)


def inputs(rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
    """What a causal LM reads: (rows, longest) ids, mask and positions."""
    ids, mask = padded(rows)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": np.maximum(mask.cumsum(1) - 1, 0)}
    return {name: torch.from_numpy(each) for name, each in inputs.items()}
