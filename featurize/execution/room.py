"""Room for pixels: what bounds the memory of a worker, however many threads decode and whatever the files say.

Invariant: what is held at once stays within the room, but for a single picture larger than all of it, which is held
alone. Those who wait are served in the order they came, so a large picture is not passed over for ever.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

TRIM_FROM = 2**22
"""Pixels of a picture after which freed memory is handed back: glibc keeps it for each thread, by the hundred MB."""


class Room:
    """Of so many pixels. Safe to use from many threads."""

    def __init__(self, pixels: int) -> None:
        self._size = self._free = pixels
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def held(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for so many pixels, and keep it for the length of the block."""
        wanted, ticket = min(pixels, self._size), object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._queue[0] is ticket and self._free >= wanted)
                self._free -= wanted
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            if pixels >= TRIM_FROM and _trim() is not None:
                _trim()(0)
            with self._changed:
                self._free += wanted
                self._changed.notify_all()


@cache
def _trim() -> Any:
    """glibc's malloc_trim; None where the C library is another."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
