"""The contract of a model: its settings, what it takes and gives, and the key that identifies it.

A backend (a file in `featurize/models`) exports `Settings` and `Extractor`. Importing it is cheap: torch and
transformers are imported in `Extractor.__init__`, so that planning can compute a model key without them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from featurize.media.decode import Frames, Sound

Columns = Mapping[str, Sequence[Any]]


class Placement(BaseModel):
    """Where a model runs, and in how many processes."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, protected_namespaces=())

    device: Literal["cpu", "cuda"] = Field("cpu", description="cuda: a GPU, and an error where there is none")
    workers: int | None = Field(None, ge=1, description="model replicas; default: as many as the machine holds")
    gpus: float = Field(0, ge=0, description="GPUs of one worker")
    cpus: int | None = Field(None, ge=1, description="threads of one worker; default: the machine's, shared out")


class ModelSettings(Placement):
    """What every backend understands. A backend subclasses this as `Settings`; unknown keys are refused."""

    backend: str = Field(description="name of a file in featurize/models")
    batch_size: int = Field(32, ge=1, description="pictures of one batch, at most; out of memory halves it")


class Extractor(Protocol):
    """One loaded model.

    `fingerprint` covers all that changes the numbers and nothing that does not (batch size, workers, device count).
    `prepare` runs in decoding threads and must be safe to call from several at once. `extract` maps what `prepare`
    returned to columns of `table`, in the same order, and gives the same answer at any batch size.
    """

    table: ClassVar[str]
    input: ClassVar[Literal["image", "text", "frames", "audio"]]
    """What `prepare` is given: an RGB image, a string, or of a clip its `Frames` or its `Sound`."""

    batch_size: int
    concurrency: int
    """How many `extract` calls run at once; above 1 only where a server does the work."""
    at_least: tuple[int, int] | None
    """(width, height) in pixels below which the decoder must not reduce a picture; None keeps every pixel."""
    frames: tuple[int, int]
    """Of a backend for frames: how many, and the pixels of one at most."""
    out_of_memory: tuple[type[BaseException], ...]
    """What this backend raises when a batch does not fit."""

    def __init__(self, settings: Any) -> None: ...

    @staticmethod
    def fingerprint(settings: Any) -> dict[str, Any]:
        """JSON-able identity of the model. Errors: RefusedInput when weights or files are missing."""

    def prepare(self, given: Image.Image | str | Frames | Sound) -> Any:
        """One item to what the model eats, on the CPU.

        A backend for texts has `query(text)` beside: what is searched for as such a string, with an instruction where
        the model wants one.
        """

    def group(self, prepared: Any) -> Hashable:
        """Only items of equal group share a batch (for example the visual-token count)."""

    def extract(self, batch: Sequence[Any]) -> Columns:
        """One value per column and item. Raises BadImage for a batch of one that the model refuses."""

    def close(self) -> None:
        """Free what the extractor started; called once."""


def model_key(fingerprint: Mapping[str, Any]) -> str:
    """`<backend>-<16 hex digits>` of the canonical JSON of a fingerprint."""
    text = json.dumps(fingerprint, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return f"{fingerprint['backend']}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
