"""One run per store and job: a small file in the store that the running one keeps renewing.

A lease is dead when its process is known to be gone (same machine) or when it was not renewed for `TTL` seconds; a file
that says nothing (empty, half-written, of another program) when it was not changed for as long. Every
commit asks the lease's `Fence` at the last moment, and a run that takes over from a dead one waits until what passed
the fence before must have appeared: a worker that outlives its run adds no rows next to those of the run after it.
"""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import TracebackType

from pyarrow.fs import FileType
from pydantic import TypeAdapter, ValidationError

from featurize.errors import LeaseHeld, RunFailed
from featurize.storage.store import Store, patiently

TTL = 60.0
"""Seconds without renewal after which a lease of another machine counts as dead."""
ATTEMPTS = 10
FOLDER = "_lease"
SETTLE = {"local": 0.5, "remote": 5.0}
"""Seconds a worker of a dead run may take from asking the fence to its part's appearance: a link, or an upload."""


@dataclass(frozen=True)
class Holder:
    """What the lease file says. `token` is empty where it says nothing; it was then renewed when the file changed."""

    token: str
    run_id: str
    host: str
    pid: int
    born: str
    renewed: float
    since: float = 0.0
    """When it was taken; 0 in leases of older versions."""

    def dead(self) -> bool:
        if self.host == _host():
            birth = _birth(self.pid)
            return not birth or birth != self.born
        return time.time() - self.renewed > TTL

    def ahead(self) -> float:
        """Seconds that it was renewed after now; more than `TTL` of them are no matter of rounding."""
        return 0.0 if self.host == _host() else self.renewed - time.time()


_HOLDER = TypeAdapter(Holder)


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

    Errors on entry: LeaseHeld when a live run holds it; RunFailed when it cannot be taken.
    """

    def __init__(self, store: Store, job: str, run_id: str) -> None:
        self.store, self.job, self.run_id = store, job, run_id
        self.since = time.time()
        self.taken_from: Holder | None = None
        """The dead run that held it before, if there was one."""
        self.fence = Fence(store, job, uuid.uuid4().hex)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        name = _name(self.job)
        for _ in range(ATTEMPTS):
            if self.store.write(name, self._text()):
                break
            holder = read(self.store, self.job)
            if holder is not None:
                self._take_over(holder)
                break
            time.sleep(0.2)  # given back at this moment
        else:
            raise RunFailed(f"the lease {self.store.uri}/{name} can be neither made nor read; remove what is there")
        if not self.store.local:
            time.sleep(0.5)  # an object store cannot refuse the second of two writers; the last one stays
        if not self.fence.holds():
            raise LeaseHeld(f"another run took the lease of {self.store.uri} at the same moment; wait for it")
        self._thread.start()
        return self

    def _take_over(self, holder: Holder) -> None:
        """Errors: LeaseHeld unless the lease that is there is dead; RunFailed when its clock is wrong, or ours."""
        where = f"{self.store.uri}/{_name(self.job)}"
        who = f"run {holder.run_id} (process {holder.pid} on {holder.host})"
        if holder.ahead() > TTL:
            raise RunFailed(
                f"the lease {where} was renewed {holder.ahead():.0f} s in the future: the clock of "
                f"{holder.host or 'the storage'} or of this machine, {_host()}, is wrong; set it, or remove the lease "
                "if its run is gone"
            )
        if not holder.dead():
            if not holder.token:
                raise LeaseHeld(
                    f"the lease {where} is empty, half-written or of another program; it counts as dead {TTL:g} s "
                    "after its last change, so try again then, or remove it"
                )
            since = f" since {datetime.fromtimestamp(holder.since, UTC):%Y-%m-%d %H:%M:%S} UTC" if holder.since else ""
            raise LeaseHeld(f"{who} is working on {self.store.uri}{since}; wait for it, or look at {where}")
        self.taken_from = holder if holder.token else None
        self.store.write(_name(self.job), self._text(), replace=True)
        time.sleep(SETTLE["local" if self.store.local else "remote"])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        # Where the store can no longer be written, that was told by what failed first, and the lease dies by itself.
        with suppress(RunFailed, OSError):
            if self.fence.holds():
                self.store.delete(_name(self.job))

    def _renew(self) -> None:
        while not self._stop.wait(TTL / 4):
            # A lost lease stays lost, and a storage error may pass: either way the next commit tells.
            with suppress(RunFailed, OSError):
                self.fence.check()
                self.store.write(_name(self.job), self._text(), replace=True)

    def _text(self) -> bytes:
        holder = Holder(
            self.fence.token, self.run_id, _host(), os.getpid(), _birth(os.getpid()), time.time(), self.since
        )
        return json.dumps(asdict(holder)).encode()


def read(store: Store, job: str) -> Holder | None:
    """Who holds the lease, or None."""
    text = store.read(_name(job))
    if text is None:
        return None
    try:
        holder = _HOLDER.validate_json(text, strict=True)
    except ValidationError:
        holder = None
    if holder is not None and holder.token and math.isfinite(holder.renewed):
        return holder
    path = f"{store.path}/{_name(job)}"
    info = patiently(f"looking at {path}", lambda: store.fs.get_file_info(path))
    return None if info.type == FileType.NotFound else Holder("", "", "", 0, "", (info.mtime_ns or 0) / 1e9)


def _name(job: str) -> str:
    return f"{FOLDER}/{job}.json"


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
