"""Runs a command and says how long it took and how much memory its process held at most.

Linux counts a new process's peak from that of the process that started it. So this file also runs as a small program of
its own, which starts the command and waits for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """A command that ended well. `peak_bytes` is of its own process, without children."""

    seconds: float
    peak_bytes: int
    output: str
    errors: str


def run(command: Sequence[str], folder: Path) -> Ran:
    """Run `command` in `folder`. Errors: RunFailed when it fails, with what it said."""
    from featurize.errors import RunFailed  # not found when this file runs on its own

    root = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        done = subprocess.run(
            [sys.executable, "-I", __file__, report.name, *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RunFailed(f"{' '.join(command)} failed with exit code {done.returncode}:\n{done.stderr}")
        return Ran(**json.load(report), output=done.stdout, errors=done.stderr)


def _main(report: str, *command: str) -> int:
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    Path(report).write_text(json.dumps({"seconds": seconds, "peak_bytes": peak}), encoding="utf-8")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
