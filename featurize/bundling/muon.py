"""The optimizer Muon (Keller Jordan 2024; update size after arXiv 2502.16982, section 2.2).

torch.optim.Muon computes in bfloat16 always, which a CPU without instructions for it only emulates, ten times slower.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch

MOMENTUM = 0.95
WEIGHT_DECAY = 0.05


class Muon(torch.optim.Optimizer):
    """For matrices only; each update is orthogonalised, and scaled to the size that AdamW's would have."""

    def __init__(self, parameters: Iterable[torch.Tensor], lr: float, dtype: torch.dtype = torch.float32) -> None:
        """`dtype` is what updates are orthogonalised in."""
        super().__init__(parameters, {"lr": lr})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():  # together: on a GPU, many small steps are slow
                for parameter in parameters:
                    if not self.state[parameter]:
                        self.state[parameter]["momentum"] = torch.zeros_like(parameter)
                momenta = [self.state[parameter]["momentum"] for parameter in parameters]
                gradients: list[torch.Tensor] = [parameter.grad for parameter in parameters]  # type: ignore[misc]
                torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
                nesterov = torch.stack(gradients).lerp(torch.stack(momenta), MOMENTUM)
                updates = orthogonal(nesterov.to(self._dtype)).to(nesterov.dtype)
                torch._foreach_mul_(parameters, 1 - group["lr"] * WEIGHT_DECAY)
                torch._foreach_add_(parameters, updates.unbind(), alpha=-group["lr"] * 0.2 * max(shape) ** 0.5)
        return None


def orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """`matrix` (or several) with its singular values brought to about 1, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[-2] > matrix.shape[-1]
    x: torch.Tensor = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
