"""The examples of a run in one list: which row is learnt from when, and in which turn.

Invariant: it follows from seed, lengths and settings alone, so a run that was killed goes on exactly where it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

WINDOW = 50
"""Steps whose examples are sorted by length together, so that those of one step are about equally long."""

Places = npt.NDArray[np.int64]


def order(lengths: Places, epochs: int, batch_size: int, seed: int) -> tuple[Places, Places]:
    """(turn, row) of each example. `lengths` are those of the rows in tokens; each row comes once in every turn."""
    dice = np.random.default_rng(seed)
    rows = np.concatenate([dice.permutation(len(lengths)) for _ in range(epochs)])
    turns = np.repeat(np.arange(epochs), len(lengths))
    places = np.arange(len(rows))
    ordered = []
    for first in range(0, len(rows), WINDOW * batch_size):
        window = places[first : first + WINDOW * batch_size]
        window = window[np.argsort(lengths[rows[window]], kind="stable")]
        steps = [window[at : at + batch_size] for at in range(0, len(window), batch_size)]
        # The incomplete one comes last: elsewhere it would move the borders of all others.
        whole, rest = (steps[:-1], steps[-1:]) if len(steps[-1]) < batch_size else (steps, [])
        ordered += [whole[number] for number in dice.permutation(len(whole))] + rest
    found = np.concatenate(ordered)
    return turns[found], rows[found]
