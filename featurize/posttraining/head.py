"""TRL's fused head, on a CPU too for what has a label alone."""

from __future__ import annotations

import functools
import types
from typing import Any

import torch
from trl.trainer.utils import FusedCausalLMOutput

IGNORED = -100
"""The label of what is not learnt."""


def head_on_labels(model: Any) -> None:
    """Have TRL's fused head score only what has a label, on a CPU too.

    TRL does so where there is Triton. Elsewhere it scores every token of the prompt, which takes several times as long
    as all the layers of a small model. `model` is one that a TRL trainer has given its head.
    """
    fused = model.forward

    @functools.wraps(fused)
    def forward(self: Any, *args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head or labels.device.type != "cpu":
            given = {} if labels is None else {"labels": labels}
            return fused(*args, fused_lm_head=fused_lm_head, **given, **kwargs)
        shifted = labels[:, 1:]
        mask = shifted != IGNORED
        places = mask.any(0).nonzero()[:, 0]
        items = kwargs.pop("num_items_in_batch", None)
        logits = fused(*args, **kwargs, logits_to_keep=places).logits.float()
        said = logits.log_softmax(-1)
        wanted = shifted[:, places].clamp(min=0)

        def spread(values: torch.Tensor) -> torch.Tensor:
            found = values.new_zeros(mask.shape).index_copy(1, places, values)
            return found.masked_fill(~mask, 0)

        log_probs = spread(said.gather(-1, wanted[..., None])[..., 0])
        with torch.no_grad():
            entropy = spread(-(said.exp() * said).sum(-1))
            mean_logits = spread(logits.mean(-1))
            is_top1 = spread((logits.argmax(-1) == wanted).float()).bool()
        loss = -log_probs.sum() / (mask.sum().clamp(min=1) if items is None else items)
        return FusedCausalLMOutput(
            loss=loss,
            log_probs=log_probs,
            entropy=entropy,
            mean_logits=mean_logits,
            is_top1=is_top1,
            label_mask=mask,
        )

    model.forward = types.MethodType(forward, model)
