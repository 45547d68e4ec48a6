"""The job's folder for temporary files, and the removal of those that killed runs left.

Invariant: a folder that a living run uses is locked by it, so whoever can lock one may remove it. The system lets go of
a lock when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "personal-artwork-prompts-"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Folder:
    """A new folder in the system's temporary directory, from now until `remove`."""

    def __init__(self) -> None:
        _remove_abandoned()
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
            # Another run may take it for abandoned between making and locking, and remove it.
            try:
                self._lock = os.open(self.path, FOLDER)
            except FileNotFoundError:
                continue
            with suppress(OSError):  # where there are no locks (a network disk), nobody can take it for abandoned
                fcntl.flock(self._lock, fcntl.LOCK_EX)
            if self.path.exists():
                return
            os.close(self._lock)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_abandoned() -> None:
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is another user's, or has just gone, or is in use
            lock = os.open(left, FOLDER)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)
