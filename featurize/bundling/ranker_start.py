"""The weights the bundled ranker begins with: those of a reader who knows nothing yet.

Looking up what stands beside what takes two steps of attention: each word must know the words before it, and a word
must find where it stood before. From random weights both appear late and suddenly (Olsson et al. 2022, induction
heads), after more text than a CPU reads in a day. So the heads of the first layer begin by looking one to three tokens
back, and those of the other layers by looking for what is alike and copying it (in the manner of mimetic
initialisation, Trockman and Kolter 2023). All of it is learnt further; nothing here knows a word.
"""

from __future__ import annotations

from typing import Any

import torch

_BACK = (1, 1, 2, 3)
"""How many tokens back the heads of the first layer look."""
_CONSTANT = 3.0
"""First dimension of every embedding: what queries and keys of the first layer are made of."""
_SHARP = 24.0
"""How much more the score of the token looked at is than the mean of far ones, about."""
_TURNING = 6
"""Rotary frequencies that tell near tokens apart."""
_SLOW = 0.02
"""Radians a token: slower frequencies hardly turn over a page, so what is alike is found at any distance."""
_ALIKE = 1.2
_COPIED = 0.5
_LOGITS = 0.08
"""Of the last norm: embeddings have a length of about the root of the width, and logits are to begin near one."""


def begin(model: Any, seed: int) -> None:
    """Write the first weights of a `LlamaForCausalLM` with tied embeddings and as many key as query heads, in place."""
    dice = torch.Generator().manual_seed(seed)
    width, heads = model.config.hidden_size, model.config.num_attention_heads
    turns = model.model.rotary_emb.inv_freq.double()
    with torch.no_grad():
        words = model.model.embed_tokens.weight
        words.normal_(generator=dice)[:, 0] = _CONSTANT
        model.model.norm.weight.fill_(_LOGITS)[0] = 0
        constant = _CONSTANT / (1 + (_CONSTANT**2 - 1) / width) ** 0.5  # after the first norm
        for depth, layer in enumerate(model.model.layers):
            attention, mlp = layer.self_attn, layer.mlp
            looks = _looks_back(turns, width, heads, constant) if depth == 0 else _looks_alike(turns, width, dice)
            for weight, look in zip((attention.q_proj.weight, attention.k_proj.weight), looks, strict=True):
                weight.copy_(look + 0.02 * torch.randn(width, width, generator=dice))
            value = _orthonormal(width, dice)
            value[:, 0] = 0
            attention.v_proj.weight.copy_(value)
            attention.o_proj.weight.copy_(_COPIED * value.T)
            for weight in (mlp.gate_proj.weight, mlp.up_proj.weight):
                weight.normal_(std=width**-0.5, generator=dice)
            mlp.down_proj.weight.normal_(std=0.02, generator=dice)


def _looks_back(turns: torch.Tensor, width: int, heads: int, constant: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys (width, width) whose product at a distance is a sum of cosines, largest at the one wanted."""
    size = width // heads
    few = torch.arange(min(_TURNING, size // 2))
    amplitude = (_SHARP * size**0.5 / len(few)) ** 0.5 / constant
    query, key = torch.zeros(heads, size, width), torch.zeros(heads, size, width)
    for head in range(heads):
        back = _BACK[head % len(_BACK)] * turns[few]
        query[head, few, 0] = amplitude
        key[head, few, 0] = amplitude * back.cos().float()
        key[head, few + size // 2, 0] = amplitude * back.sin().float()
    return query.view(width, width), key.view(width, width)


def _looks_alike(turns: torch.Tensor, width: int, dice: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The same projection for queries and keys, in the dimensions that hardly turn."""
    slow = (turns < _SLOW).float().repeat(width // len(turns))
    found = _ALIKE * slow[:, None] * _orthonormal(width, dice)
    found[:, 0] = 0
    return found, found


def _orthonormal(width: int, dice: torch.Generator) -> torch.Tensor:
    found: torch.Tensor = torch.linalg.qr(torch.randn(width, width, generator=dice, dtype=torch.float64))[0]
    return found.float()
