"""The training loop: what is the same for all models.

Invariant: batch `n` is a function of `n` alone, and a checkpoint holds all else, so a run that was stopped goes on with
the batches and the learning rate it would have had.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tqdm import tqdm

from featurize.errors import RunFailed
from featurize.inference.torch_device import resolve_dtype, to_device

if TYPE_CHECKING:
    import torch

WARM_UP = 200
"""Steps until the learning rate is full."""
DECAY = 0.25
"""The last part of the training, in which the learning rate falls to nothing."""
SAVE_SECONDS = 180
_SHOWN_EVERY = 20  # steps; to look at a figure is to wait for the GPU


class Task(Protocol):
    """A model in training."""

    module: torch.nn.Module
    """All that is learnt, throw-away heads included."""
    batch_size: int
    learning_rate: float
    unit: str
    """What a sample is called."""
    ahead: int
    """Batches prepared while one is learnt from."""
    meaning: str
    """What its weights stand for beside their shapes, such as a digest of its tokenizer."""

    def batch(self, step: int, progress: float) -> Any:
        """The samples of a step, on the CPU; `progress` is the share of the training that is done."""

    def loss(self, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """What is to fall, and figures to show."""

    def export(self, folder: Path) -> None:
        """Write the finished model in the format its library loads."""


def fit(task: Task, checkpoint: Path, samples: int, name: str, device: torch.device) -> None:
    """Train on `samples` samples in all, going on from the checkpoint when there is one. Errors: RunFailed."""
    import torch

    total = samples // task.batch_size
    task.module.to(device).train()
    bfloat16 = resolve_dtype("auto", device.type) == "bfloat16"
    optimizers = _optimizers(task.module, task.learning_rate, torch.bfloat16 if bfloat16 else torch.float32)
    first = _restore(checkpoint, task, optimizers) if checkpoint.is_file() else 0
    saved = time.monotonic()
    shown: dict[str, torch.Tensor] = {}
    with tqdm(total=total * task.batch_size, initial=first * task.batch_size, desc=name, unit=task.unit) as bar:
        for step, batch in _batches(task, first, total):
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = task.learning_rate * schedule(step, total)
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                loss, figures = task.loss(_to(batch, device))
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(task.module.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            bar.update(task.batch_size)
            for key, value in figures.items():
                shown[key] = 0.95 * shown.get(key, value.detach()) + 0.05 * value.detach()
            if step % _SHOWN_EVERY == 0 or step + 1 == total:
                bar.set_postfix({key: f"{value.item():.3f}" for key, value in shown.items()}, refresh=False)
            if step + 1 == total or time.monotonic() - saved > SAVE_SECONDS:
                _save(checkpoint, task, optimizers, step + 1)
                saved = time.monotonic()
    task.module.eval()


def schedule(step: int, total: int) -> float:
    """Share of the full learning rate: a ramp, a plateau, and a straight line down to nothing (arXiv 2405.18392)."""
    return min(1.0, (step + 1) / WARM_UP, (total - step) / (DECAY * total))


def _batches(task: Task, first: int, total: int) -> Iterator[tuple[int, Any]]:
    with ThreadPoolExecutor(task.ahead) as pool:
        ahead: dict[int, Future[Any]] = {}
        for step in range(first, total):
            for n in range(step, min(step + task.ahead, total)):
                if n not in ahead:
                    ahead[n] = pool.submit(task.batch, n, n / total)
            yield step, ahead.pop(step).result()


def _to(batch: Any, device: torch.device) -> Any:
    return {key: to_device(value, device) if hasattr(value, "to") else value for key, value in batch.items()}


def _optimizers(module: torch.nn.Module, learning_rate: float, dtype: Any = None) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the networks, AdamW for embeddings, heads and all that is no matrix."""
    import torch

    from featurize.bundling.muon import Muon

    named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    inner = [parameter for name, parameter in named if parameter.ndim == 2 and not _is_edge(name)]
    other = [parameter for name, parameter in named if parameter.ndim != 2 or _is_edge(name)]
    return [
        Muon(inner, learning_rate, dtype or torch.float32),
        torch.optim.AdamW(other, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _is_edge(name: str) -> bool:
    return any(part in name for part in ("embed", "head", "projection", "positional", "merger"))


def _save(path: Path, task: Task, optimizers: list[torch.optim.Optimizer], step: int) -> None:
    import torch

    state = {
        "step": step,
        "meaning": task.meaning,
        "module": task.module.state_dict(),
        "optimizers": [each.state_dict() for each in optimizers],
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def _restore(path: Path, task: Task, optimizers: list[torch.optim.Optimizer]) -> int:
    """The step to go on with. Errors: RunFailed where the weights are of another version of the model."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        if state.get("meaning", task.meaning) != task.meaning:
            raise ValueError
        task.module.load_state_dict(state["module"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    except (RuntimeError, ValueError) as error:  # torch's: other shapes, or other parameters
        raise RunFailed(f"{path} is of another version of this model: move it away to begin anew") from error
    return int(state["step"])
