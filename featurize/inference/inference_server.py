"""An inference server of one's own: started from a command, watched, restarted, and never left behind.

Invariant: at most one server of an `InferenceServer` runs at any time, and none once the process that made it is gone,
however it went (see `server_guard`).
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import IO, NamedTuple

import httpx

from featurize.errors import RunFailed
from featurize.inference import server_guard
from featurize.storage import secrets

_POLL_S = 0.2
_LINE = 1 << 16
"""Bytes; a longer line of a log is taken in pieces."""


class Running(NamedTuple):
    """A server that answers. `generation` counts the starts, from 1: it changes when a server died."""

    address: str
    generation: int


class Log:
    """The file with what one server prints, line by line as it comes, and without secrets: it repeats its arguments."""

    def __init__(self, path: Path, printed: IO[bytes]) -> None:
        self.path = path
        self._copier = threading.Thread(
            target=self._copy, args=(path.open("wb", buffering=0), printed), name="log", daemon=True
        )
        self._copier.start()

    def tail(self) -> str:
        """Where it is and what its last line says."""
        self._copier.join(_POLL_S)  # of a server that has ended, the last words too
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - 4096))
            lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return f"its log is {self.path} and ends with: {lines[-1].strip() if lines else '(nothing)'}"

    @staticmethod
    def _copy(file: RawIOBase, printed: IO[bytes]) -> None:
        with file, printed:
            while line := printed.readline(_LINE):
                text = line.decode("utf-8", "surrogateescape")
                with suppress(OSError):  # a full disk costs the log, and not the server
                    file.write(secrets.redact(text).encode("utf-8", "surrogateescape"))


class InferenceServer:
    """One server on a free port of this machine's loopback; safe to use from several threads.

    `command` is split like a shell would, then `{port}` and the names in `values` are filled in, so a value may hold
    spaces. It must stay in the foreground and answer GET /health (or GET /v1/models where there is no such path) with
    200 once it is ready, as vLLM, SGLang and `transformers serve` do. It inherits the environment, with the GPUs this
    process may use. Each start writes a log of its own in `log_dir`.

    Errors: RunFailed, naming the log and its last line, when the server ends or takes over `start_s` seconds before it
    is ready.
    """

    def __init__(
        self, command: str, values: Mapping[str, str], *, log_dir: Path, start_s: float, max_restarts: int
    ) -> None:
        self._command = shlex.split(command)
        self._values = values
        self._log_dir = log_dir.resolve()
        self._start_s = start_s
        self._max_restarts = max_restarts
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._failure: str | None = None
        self._http = httpx.Client(  # loopback: no proxy, no TLS; a new connection each time tells who listens now
            timeout=5, trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._guard, self._log, self._running = self._start(generation=1)

    def running(self) -> Running:
        """The server, restarted first if it died; of several callers one restarts it and the others wait.

        Errors: RunFailed when it died more than `max_restarts` times, did not come back, or was closed.
        """
        with self._lock:
            if self._failure is not None:
                raise RunFailed(self._failure)
            if self._guard.poll() is not None:
                try:
                    self._restart()
                except RunFailed as failure:
                    self._failure = str(failure)  # the other callers fail as well, without a start of their own
                    raise
            return self._running

    def end_if_unwell(self, seen: Running) -> None:
        """End the server if it cannot be reached, or says itself (503 to GET /health) that its engine is dead.

        A server that takes long to answer is busy, not unwell.
        """
        try:
            unwell = self._http.get(_health(seen.address)).status_code == httpx.codes.SERVICE_UNAVAILABLE
        except httpx.TimeoutException:
            return
        except httpx.TransportError:
            unwell = True
        with self._lock:
            if unwell and self._running == seen:
                _end(self._guard)

    def close(self) -> None:
        """End the server and everything it started; the log stays."""
        self._closing.set()
        with self._lock:
            self._failure = self._failure or "the inference server is closed"
            _end(self._guard)
        self._http.close()

    def _restart(self) -> None:
        generation = self._running.generation + 1
        if generation > 1 + self._max_restarts:
            raise RunFailed(f"the inference server died {self._running.generation} times; {self._log.tail()}")
        self._guard, self._log, self._running = self._start(generation)

    def _start(self, generation: int) -> tuple[subprocess.Popen[bytes], Log, Running]:
        port = _free_port()
        values = {**self._values, "port": str(port)}
        self._log_dir.mkdir(parents=True, exist_ok=True)
        guard = subprocess.Popen(
            [sys.executable, "-I", server_guard.__file__, str(os.getpid())]
            + [_fill(part, values) for part in self._command],
            env={name: value for name, value in os.environ.items() if name != server_guard.RAY_MARK},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C on the terminal is for us, who then end it in good order
        )
        assert guard.stdout is not None
        log = Log(self._log_dir / f"server-{socket.gethostname()}-{os.getpid()}-{port}.log", guard.stdout)
        running = Running(f"http://127.0.0.1:{port}/v1", generation)
        try:
            self._wait_until_ready(guard, log, running.address)
        except BaseException:
            _end(guard)
            raise
        return guard, log, running

    def _wait_until_ready(self, guard: subprocess.Popen[bytes], log: Log, address: str) -> None:
        deadline = time.monotonic() + self._start_s
        while not self._closing.wait(_POLL_S):
            if (code := guard.poll()) is not None:
                raise RunFailed(f"the inference server ended with exit code {code} while starting; {log.tail()}")
            if self._is_ready(address):
                return
            if time.monotonic() > deadline:
                raise RunFailed(f"the inference server was not ready after {self._start_s:g} s; {log.tail()}")
        raise RunFailed("the inference server was closed while starting")

    def _is_ready(self, address: str) -> bool:
        try:
            status = self._http.get(_health(address)).status_code
            if status == httpx.codes.NOT_FOUND:
                status = self._http.get(f"{address}/models").status_code
        except httpx.TransportError:
            return False
        return status == httpx.codes.OK


def _health(address: str) -> str:
    return address.removesuffix("/v1") + "/health"


def _fill(part: str, values: Mapping[str, str]) -> str:
    # Not str.format: an argument may well be JSON.
    for name, value in values.items():
        part = part.replace("{" + name + "}", value)
    return part


def _end(guard: subprocess.Popen[bytes]) -> None:
    """The guard ends after everything it watches over, so that ports and GPU memory are free when this returns."""
    guard.terminate()
    guard.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
