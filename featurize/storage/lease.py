"""One run per store and job: a small file in the store that the running one keeps renewing.

A lease is dead when its process is known to be gone (same machine) or when it was not renewed for `TTL` seconds. Every
commit asks the lease's `Fence` at the last moment, and a run that takes over from a dead one waits until what passed
the fence before must have appeared: a worker that outlives its run adds no rows next to those of the run after it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType

from featurize.errors import LeaseHeld, RunFailed
from featurize.storage.store import Store

TTL = 60.0
"""Seconds without renewal after which a lease of another machine counts as dead."""
SETTLE = {"local": 0.5, "remote": 5.0}
"""Seconds a worker of a dead run may take from asking the fence to its part's appearance: a link, or an upload."""


@dataclass(frozen=True)
class Holder:
    """What the lease file says."""

    token: str
    run_id: str
    host: str
    pid: int
    born: str
    renewed: float

    def dead(self) -> bool:
        if self.host == _host():
            return _birth(self.pid) != self.born
        return time.time() - self.renewed > TTL


@dataclass(frozen=True)
class Fence:
    """The picklable part of a lease: what a worker needs to know whether its run still holds it."""

    store: Store
    job: str
    token: str

    def holds(self) -> bool:
        """Whether the lease is still the run's own."""
        holder = read(self.store, self.job)
        return holder is not None and holder.token == self.token

    def check(self) -> None:
        """Errors: RunFailed when another run has taken the lease."""
        if not self.holds():
            raise RunFailed(f"this run no longer holds the lease of {self.store.uri} (job {self.job}); it stops here")


class Lease:
    """Context manager that holds the lease of a store and job and renews it from a thread.

    Errors: LeaseHeld on entry when a live run holds it.
    """

    def __init__(self, store: Store, job: str, run_id: str) -> None:
        self.store, self.job, self.run_id = store, job, run_id
        self.fence = Fence(store, job, uuid.uuid4().hex)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        name = _name(self.job)
        while not self.store.write(name, self._text()):
            holder = read(self.store, self.job)
            if holder is None:
                continue
            if not holder.dead():
                raise LeaseHeld(
                    f"run {holder.run_id} (process {holder.pid} on {holder.host}) is working on {self.store.uri}; "
                    f"wait for it, or look at {self.store.uri}/{name}"
                )
            self.store.write(name, self._text(), replace=True)
            time.sleep(SETTLE["local" if self.store.local else "remote"])
            break
        if not self.store.local:
            time.sleep(0.5)  # an object store cannot refuse the second of two writers; the last one stays
        if not self.fence.holds():
            raise LeaseHeld(f"another run took the lease of {self.store.uri} at the same moment; wait for it")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if self.fence.holds():
            self.store.delete(_name(self.job))

    def _renew(self) -> None:
        while not self._stop.wait(TTL / 4):
            # A lost lease stays lost, and a storage error may pass: either way the next commit tells.
            with suppress(RunFailed, OSError):
                self.fence.check()
                self.store.write(_name(self.job), self._text(), replace=True)

    def _text(self) -> bytes:
        holder = Holder(self.fence.token, self.run_id, _host(), os.getpid(), _birth(os.getpid()), time.time())
        return json.dumps(asdict(holder)).encode()


def read(store: Store, job: str) -> Holder | None:
    """Who holds the lease, or None."""
    text = store.read(_name(job))
    return None if text is None else Holder(**json.loads(text))


def _name(job: str) -> str:
    return f"_lease/{job}.json"


def _host() -> str:
    return socket.gethostname()


def _birth(pid: int) -> str:
    """Something that tells a process from a later one with the same number; empty when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # Field 22, counted after the name, which may itself contain spaces and brackets.
            fields = file.read().rpartition(")")[2].split()
            return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        pass
    if os.path.isdir("/proc/self"):
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return str(pid)
