"""Throw-away classification heads: they tell a vision network what there is to see, and are not shipped."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from featurize.bundling.texts import CHOICES, PARTS


class Heads(nn.Module):
    """Choices from the mean of the visual tokens; parts from the token that shows each best."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.choices = nn.ModuleList(nn.Linear(width, len(labels)) for labels, _ in CHOICES.values())
        self.parts = nn.Linear(width, len(PARTS))
        nn.init.constant_(self.parts.bias, -4.0)  # most pictures have none of them

    def forward(self, tokens: torch.Tensor, choices: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Loss, mean accuracy of the choices, and recall of the parts. `tokens` are (pictures, tokens, width)."""
        mean = tokens.mean(1)
        scores = [head(mean) for head in self.choices]
        losses = [functional.cross_entropy(score, choices[:, at]) for at, score in enumerate(scores)]
        found = self.parts(tokens).amax(1)
        part_loss = functional.binary_cross_entropy_with_logits(found, parts, reduction="sum") / len(parts)
        right = [(score.argmax(1) == choices[:, at]).float().mean() for at, score in enumerate(scores)]
        recall = ((found > 0) * parts).sum() / parts.sum().clamp(min=1)
        return torch.stack(losses).mean() + 0.2 * part_loss, torch.stack(right).mean(), recall
