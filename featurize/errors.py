"""Every error this project raises on purpose.

    ArtworkError
    ├── RefusedInput      a manifest, setting, contract or model folder is wrong; exit code 2
    │   └── NothingYet    what the job works on is not there yet; a night leaves the job out and says so
    ├── RunFailed         something systemic: the wrong model, a full disk, most images failing; exit code 1
    ├── LeaseHeld         another run works on this store; exit code 3
    └── BadImage          one image (or one model call) failed; becomes a row of `quarantine`

The message of each is one sentence that names the file, line or key.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Iterable
from typing import Literal, get_args

Reason = Literal[
    "not_found",
    "unreadable",
    "forbidden",
    "web_page",
    "changed",
    "empty",
    "not_an_image",
    "unsupported",
    "truncated",
    "too_many_pixels",
    "too_many_bytes",
    "decode_error",
    "timeout",
    "worker_crashed",
    "model_error",
    "not_a_clip",
    "no_video_stream",
    "too_long",
]
REASONS: tuple[str, ...] = get_args(Reason)
interrupted = threading.Event()
"""Set once somebody wants the process to end: any error may be a consequence of that."""


def sentence(text: str) -> str:
    """`text` in one line of printable characters: it may quote a file that is damaged, or meant to upset a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in " ".join(text.split())
    )


class ArtworkError(Exception):
    """Base of the tree above; catch it to catch all of them."""

    def __str__(self) -> str:
        return sentence(super().__str__())


class RefusedInput(ArtworkError):
    """What the user gave cannot be used. Raised before any model is loaded."""


class NothingYet(RefusedInput):
    """What a job works on is not there yet, as another job or the next days will make it."""


class RunFailed(ArtworkError):
    """The run cannot go on. What is committed stays."""


class LeaseHeld(ArtworkError):
    """Another run holds the lease of this store and job."""


class BadImage(ArtworkError):
    """One image cannot be processed; the rest of the batch goes on.

    `reason` is one of `REASONS`; `retryable` says whether a later run may try again.
    """

    def __init__(self, reason: Reason, detail: str, *, retryable: bool = False) -> None:
        super().__init__(reason, detail, retryable)
        self.reason: Reason = reason
        self.detail = detail
        self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"

    def __reduce__(self) -> tuple[object, ...]:
        return _bad_image, (self.reason, self.detail, self.retryable)


def did_you_mean(name: str, known: Iterable[str], alike: float = 0.6) -> str:
    """The end of a refusal of `name`: `; did you mean <the nearest known one>?`, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=alike)
    return f"; did you mean {near[0]}?" if near else ""


def _bad_image(reason: Reason, detail: str, retryable: bool) -> BadImage:
    return BadImage(reason, detail, retryable=retryable)
