"""Where the time of a shard goes: a stopwatch for its threads, and the time of the worker that runs it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from featurize.inference.extractor import Placement
from featurize.report import Spent

T = TypeVar("T")
GPUS = Path("/proc/driver/nvidia/gpus")


class Watch:
    """Seconds of one shard, from when it is made. Reading and decoding are added up over threads.

    A model that is called several times at once counts as one; while neither it nor the writing is at work, the shard
    waits: for pictures that are being read and decoded.
    """

    def __init__(self) -> None:
        self.spent = Spent()
        self._lock = threading.Lock()
        self._begun = time.monotonic()
        self._model_calls, self._model_since = 0, 0.0

    @contextmanager
    def on(self, what: Literal["read_s", "decode_s", "write_s"]) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - begun
            with self._lock:
                setattr(self.spent, what, getattr(self.spent, what) + seconds)

    @contextmanager
    def on_model(self) -> Iterator[None]:
        with self._lock:
            if not self._model_calls:
                self._model_since = time.monotonic()
            self._model_calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._model_calls -= 1
                if not self._model_calls:
                    self.spent.model_s += time.monotonic() - self._model_since

    def model(self, answers: Iterable[T]) -> Iterator[T]:
        """What a model gives one by one; the time it takes over each."""
        source = iter(answers)
        while True:
            with self.on_model():
                try:
                    answer = next(source)
                except StopIteration:
                    return
            yield answer

    def has_read(self, count: int) -> None:
        """Bytes."""
        with self._lock:
            self.spent.bytes_read += count

    def stop(self, bytes_written: int) -> Spent:
        """All of it, once the shard is committed."""
        spent = self.spent
        spent.wait_s = max(0.0, time.monotonic() - self._begun - spent.model_s - spent.write_s)
        spent.bytes_written = bytes_written
        return spent


class Shift:
    """The time of a worker, from before it loads its model."""

    def __init__(self, placement: Placement) -> None:
        self.gpus = placement.gpus or (1.0 if placement.device == "cuda" else 0.0)
        self._since = time.monotonic()

    def add_to(self, spent: Spent) -> None:
        """What has passed since this was last asked, under the kind of device."""
        now = time.monotonic()
        kind = _gpu() if self.gpus else "cpu"
        spent.worker_s[kind] = spent.worker_s.get(kind, 0.0) + now - self._since
        spent.gpu_s += (now - self._since) * self.gpus
        self._since = now


def here() -> str:
    """Which process this is."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _gpu() -> str:
    """The name of this machine's GPU, without taking memory of it: the process that works on it may be another one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    for file in GPUS.glob("*/information"):
        for line in file.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == "Model":
                return value.strip()
    return "gpu"
