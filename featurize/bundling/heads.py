"""Throw-away classification heads: they tell a vision network what there is to see, and are not shipped."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from featurize.bundling.parts import PARTS
from featurize.bundling.texts import CHOICES


class Heads(nn.Module):
    """Choices from the mean of the visual tokens; parts from each token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.choices = nn.ModuleList(nn.Linear(width, len(labels)) for labels, _ in CHOICES.values())
        self.parts = nn.Linear(width, len(PARTS))
        nn.init.constant_(self.parts.bias, -6.0)  # most cells have none of them

    def forward(self, tokens: torch.Tensor, choices: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Loss, mean accuracy of the choices, and recall of the parts.

        `tokens` are (pictures, tokens, width), `choices` (pictures, choices), `parts` (pictures, tokens, parts).
        """
        mean = tokens.mean(1)
        scores = [head(mean) for head in self.choices]
        losses = [functional.cross_entropy(score, choices[:, at]) for at, score in enumerate(scores)]
        found, there = self.parts(tokens).float(), parts.float()
        part_loss = functional.binary_cross_entropy_with_logits(found, there, reduction="sum") / parts[..., 0].numel()
        right = [(score.argmax(1) == choices[:, at]).float().mean() for at, score in enumerate(scores)]
        recall = ((found > 0) * there).sum() / there.sum().clamp(min=1)
        return torch.stack(losses).mean() + part_loss, torch.stack(right).mean(), recall
