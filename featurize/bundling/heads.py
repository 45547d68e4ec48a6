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
        self.parts = Finder(width, len(PARTS))

    def forward(self, tokens: torch.Tensor, choices: torch.Tensor, parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Loss (each choice counts in full), mean accuracy of the choices, and recall of the parts.

        `tokens` are (pictures, tokens, width), `choices` (pictures, choices), `parts` (pictures, tokens, parts).
        """
        mean = tokens.mean(1)
        scores = [head(mean) for head in self.choices]
        losses = [functional.cross_entropy(score, choices[:, at]) for at, score in enumerate(scores)]
        right = [(score.argmax(1) == choices[:, at]).float().mean() for at, score in enumerate(scores)]
        part_loss, recall = self.parts(tokens, parts)
        return torch.stack(losses).sum() + part_loss, torch.stack(right).mean(), recall


class Finder(nn.Linear):
    """Which of many things each token shows, of which most show none."""

    def __init__(self, width: int, things: int) -> None:
        super().__init__(width, things)
        nn.init.constant_(self.bias, -6.0)

    def forward(self, tokens: torch.Tensor, there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        """Loss and recall. `tokens` are (..., width), `there` bool (..., things)."""
        found, wanted = super().forward(tokens).float(), there.float()
        loss = functional.binary_cross_entropy_with_logits(found, wanted, reduction="sum") / there[..., 0].numel()
        return loss, ((found > 0) * wanted).sum() / wanted.sum().clamp(min=1)
