"""Runs one command, and ends it with all it started once the process that wanted it is gone.

    python server_guard.py <pid of that process> <command> [<argument> ...]

Invariant: whichever process is killed, in whichever way, nothing of the command's process group stays behind. Only the
inner guard below must not be the one that is shot.

The guard is two processes. Ray kills the children of a worker it ends, but not their children: the outer guard is the
worker's child and may be killed with it; the inner one watches the outer and owns the command. Both watch by asking who
their parent is, since the end of a pipe would be inherited, and kept open, by whatever the worker forks.

Standard library only and run by its path, so that it costs a few megabytes and starts in milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

RAY_MARK = "ARTWORK_RAY"
"""Environment variable of what is killed at once when the driver of a local Ray is gone. A server does not get it: this
guard ends it, with time to clean up."""
_POLL_S = 0.1
_GRACE_S = 5.0
"""How long the command may take to end on SIGTERM; an engine uses it to free shared memory."""

_asked_to_stop = False


def main(parent: int, command: Sequence[str]) -> int:
    """Exit code of the command (128 + the signal that ended it, 127 if it cannot be started)."""
    signal.signal(signal.SIGTERM, _ask_to_stop)
    outer = os.getpid()
    inner = os.fork()
    if inner == 0:
        return _own(command, outer)
    while _wanted_by(parent):
        ended, status = os.waitpid(inner, os.WNOHANG)
        if ended:
            return _exit_code(os.waitstatus_to_exitcode(status))
        time.sleep(_POLL_S)
    os.kill(inner, signal.SIGTERM)
    return _exit_code(os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]))


def _own(command: Sequence[str], outer: int) -> int:
    try:
        process = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    while _wanted_by(outer) and process.poll() is None:
        time.sleep(_POLL_S)
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    # Also when the command ended by itself: its workers may live on and hold the GPU's memory.
    _signal_group(process.pid, signal.SIGKILL)
    return _exit_code(process.wait())


def _wanted_by(parent: int) -> bool:
    return os.getppid() == parent and not _asked_to_stop


def _ask_to_stop(number: int, frame: object) -> None:
    global _asked_to_stop
    _asked_to_stop = True


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the latter on macOS, for a group of zombies
        os.killpg(group, number)


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
