"""How a policy leaves its first choice now and then, so that tomorrow's log can be learnt from, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explore:
    """How a policy leaves its first choice: `kind` none, epsilon or softmax, and by how much."""

    kind: str = "none"
    amount: float = 0.0

    @classmethod
    def of(cls, text: str) -> Explore:
        """From the setting `rank.explore`. Errors: ValueError in words."""
        kind, colon, amount = text.partition(":")
        if text == "none":
            return cls()
        try:
            found = cls(kind, float(amount))
        except ValueError:
            found = cls("?")
        good = (kind == "epsilon" and 0 < found.amount <= 1) or (kind == "softmax" and 0 < found.amount < float("inf"))
        if not good or not colon:
            raise ValueError("none, epsilon:<share from 0 to 1> or softmax:<temperature above 0> is wanted")
        return found

    def propensities(self, probabilities: Floats, ranks: Sequence[int]) -> Floats:
        """With which probability each candidate is shown."""
        count = len(probabilities)
        if self.kind == "softmax":
            return softmax(np.log(np.maximum(probabilities, 1e-300)) / self.amount)
        shown = np.full(count, self.amount / count)
        shown[ranks.index(1)] += 1 - self.amount
        return shown


def softmax(scores: Floats) -> Floats:
    shares = np.exp(scores - scores.max())
    found: Floats = shares / shares.sum()
    return found
