"""What every torch backend needs to settle: the number type, the device, and what running out of memory looks like.

Invariant: a GPU that is asked for and missing stops the run; it never becomes a CPU in silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from featurize.errors import RefusedInput, RunFailed

if TYPE_CHECKING:
    import torch

DType = Literal["float32", "bfloat16", "float16"]
FAST_BFLOAT16 = {"amx_bf16", "avx512_bf16"}


def resolve_dtype(dtype: DType | Literal["auto"], device: str) -> DType:
    """`auto` is bfloat16 on a GPU and on CPUs with instructions for it, else float32. Needs no torch."""
    if dtype != "auto":
        return dtype
    return "bfloat16" if device == "cuda" or _cpu_flags() & FAST_BFLOAT16 else "float32"


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()  # not Linux
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def open_device(device: Literal["cpu", "cuda"], threads: int | None) -> torch.device:
    """The device to load on, with torch held to `threads` CPU threads. Errors: RefusedInput when there is no GPU."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise RefusedInput(
            "the settings ask for device 'cuda' and torch finds no GPU; use the profile 'local' for the CPU"
        )
    return torch.device(device)


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move a CPU tensor; to a GPU through pinned memory, so that the copy overlaps what the GPU is doing."""
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)


def out_of_memory() -> tuple[type[BaseException], ...]:
    """What torch raises when a batch does not fit."""
    import torch

    return (torch.OutOfMemoryError, MemoryError)


@contextmanager
def inference() -> Iterator[None]:
    """Run a model in here. Errors: RunFailed when the GPU itself breaks, as no picture is to blame for that."""
    import torch

    try:
        with torch.inference_mode():
            yield
    except torch.AcceleratorError as error:
        raise RunFailed(f"the GPU failed: {error}") from error
