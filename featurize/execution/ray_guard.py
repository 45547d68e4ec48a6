"""Ends the helpers of a local Ray once the process that started it is gone.

    python ray_guard.py <pid of that process> <pid of a helper> ...

Ray's servers end with the process that started them, however it goes: the kernel kills them. The agents they start do
not: they try for a minute to report the loss to a server that is gone as well. Invariant: a helper that the guard was
told of lives at most a moment longer than that process, and no other process is ever touched (a pidfd stays with its
process, unlike a pid).

Standard library only and run by its path, so that it costs a few megabytes and starts in milliseconds. Linux only.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

_POLL_MS = 200


def main(parent: int, helpers: Sequence[int]) -> None:
    """Returns when all helpers have ended, by themselves or by this guard."""
    poll = select.poll()
    left = set()
    for pid in helpers:
        with suppress(ProcessLookupError):
            left.add(os.pidfd_open(pid))
    for helper in left:
        poll.register(helper, select.POLLIN)
    while left:
        if os.getppid() != parent:
            for helper in left:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(helper, signal.SIGKILL)
            return
        for ended, _ in poll.poll(_POLL_MS):
            poll.unregister(ended)
            left.remove(ended)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(pid) for pid in sys.argv[2:]])
