"""A line from what a model says to log-odds of a reward: Platt scaling (Platt 1999), by L-BFGS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

Floats = npt.NDArray[np.float64]
Line = tuple[float, float]
"""Slope and level."""


def fit(above: Floats, reward: Floats, least: float) -> Line:
    """Slope and level of the line from `above` to the log-odds of rewards from 0 to 1.

    The slope is from `least` to 1, and one that ends there has the level that fits best with it.
    """
    middle = above.mean()
    x, y = torch.from_numpy(above - middle), torch.from_numpy(reward)
    slope = torch.ones((), dtype=torch.float64, requires_grad=True)
    mean = reward.mean().clip(1e-6, 1 - 1e-6)
    level = torch.tensor(np.log(mean / (1 - mean)), dtype=torch.float64, requires_grad=True)
    _minimise([slope, level], slope, level, x, y)
    slope = slope.detach().clamp(least, 1)
    _minimise([level], slope, level, x, y)
    found = slope.item()
    return found, level.item() - found * middle


def _minimise(
    free: list[torch.Tensor], slope: torch.Tensor, level: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> None:
    steps = torch.optim.LBFGS(free, max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        steps.zero_grad()
        found = binary_cross_entropy_with_logits(slope * x + level, y)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    steps.step(loss)  # type: ignore[no-untyped-call]
