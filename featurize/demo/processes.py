"""What every process that draws or writes for another one does first."""

from __future__ import annotations

import multiprocessing
import os
import threading


def leave_with_parent() -> None:
    """In a worker: go when the parent is killed, rather than wait for work or write into a folder no longer ours."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
