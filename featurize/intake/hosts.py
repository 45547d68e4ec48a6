"""What a process knows of the hosts that pictures are fetched from: the places at each, and when it wants no requests.

Invariant: no more requests are under way at a host than it has places, and none while it wants none or does not answer.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from featurize.errors import BadImage, Reason

DOWN_AFTER = 20
"""After so many pictures in a row that a host gave no answer to, it is asked for no more of them."""


@dataclass
class Spent:
    """What is left to one picture, in seconds."""

    seconds: float
    patience: float


class Host:
    """What this process knows of a host, and the places at it."""

    def __init__(self, name: str, connections: int) -> None:
        self.name = name
        self.failed = 0
        """Pictures in a row that it gave no answer to."""
        self.closed_until = 0.0
        """The moment, of `time.monotonic`, before which it wants to be asked nothing."""
        self._places = threading.BoundedSemaphore(connections)

    @contextmanager
    def place(self, spent: Spent) -> Iterator[None]:
        """One of the requests that may be under way at it, when it is ready for one. Errors: BadImage."""
        with self._places:
            while True:
                if self.failed >= DOWN_AFTER:
                    raise self.bad("unreadable", f"gave no answer to {DOWN_AFTER} pictures in a row")
                wait = self.closed_until - time.monotonic()
                if wait <= 0:
                    break
                if wait > spent.patience:
                    raise self.bad(
                        "unreadable", f"wants to be asked again in {math.ceil(wait):,} s, and that is too long"
                    )
                spent.patience -= wait
                time.sleep(wait)
            yield

    def bad(self, reason: Reason, what: str, *, retryable: bool = True) -> BadImage:
        return BadImage(reason, f"host {self.name} {what}", retryable=retryable)


class Passing(Exception):
    """What may go better at the next attempt."""

    def __init__(self, host: Host, error: BadImage) -> None:
        super().__init__(host, error)
        self.host = host
        self.error = error
