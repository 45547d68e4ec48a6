"""Ends what a local Ray leaves behind once the process that starts it is gone.

    python ray_guard.py <pid of that process> <mark>

Ray's servers mostly end with the process that started them, since the kernel kills them. The agents they start do not:
they try for a minute to report the loss to a server that is gone as well. The guard starts before Ray does, so it is
there whenever that process is killed. Invariant: what has `mark` in the environment it was started with, as all that
descends from that Ray has, lives at most a moment longer than that process, and no other process is ever touched (a
pidfd stays with its process, unlike a pid).

Standard library only and run by its path, so that it costs a few megabytes and starts in milliseconds. Linux only.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress

_PAUSE_S = 0.05
_CALM_S = 1.0
"""None may be found for so long: one may be just about to start another, whose environment shows when it has."""
_MOST_S = 30.0


def main(parent: int, mark: str) -> None:
    """Returns a moment after `parent` has ended, and with it all that has the mark."""
    with suppress(ProcessLookupError):
        watched = os.pidfd_open(parent)
        if os.getppid() == parent:
            poll = select.poll()
            poll.register(watched, select.POLLIN)
            poll.poll()
    wanted = mark.encode()
    begun = calm_since = time.monotonic()
    while time.monotonic() < min(begun + _MOST_S, calm_since + _CALM_S):
        for name in os.listdir("/proc"):
            if name.isdecimal() and _end(int(name), wanted):
                calm_since = time.monotonic()
        time.sleep(_PAUSE_S)


def _end(pid: int, mark: bytes) -> bool:
    """Whether the process has the mark; if so it is killed."""
    try:
        if not _has(pid, mark):
            return False
        process = os.pidfd_open(pid)
    except OSError:  # it has ended, or is somebody else's
        return False
    try:
        if _has(pid, mark):  # still: the pidfd is its own
            signal.pidfd_send_signal(process, signal.SIGKILL)
            return True
    except OSError:
        pass
    finally:
        os.close(process)
    return False


def _has(pid: int, mark: bytes) -> bool:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return mark in file.read().split(b"\0")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
