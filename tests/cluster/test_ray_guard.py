"""SIGKILL to a driver at any moment, also while it starts its Ray: nothing that it started lives 3 s longer."""

import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from catalogues import alive, environment, family

DRIVER = """
import sys, time
from featurize.execution import ray_run
print("starting", flush=True)
ray_run.start()
print("started", flush=True)
time.sleep(100)
"""
SECONDS = 3.0


class Watch(threading.Thread):
    """Notes every process that ever descended from one, and those that descend from these when it is gone."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.seen, self.done = pid, set[psutil.Process](), threading.Event()
        self.start()

    def run(self) -> None:
        while not self.done.wait(0.02):
            self.seen |= {*family(self.pid), *(child for known in list(self.seen) for child in family(known.pid))}


def with_token(token: str) -> set[psutil.Process]:
    """Processes that inherited the driver's environment, noted or not."""
    found = set()
    for process in psutil.process_iter():
        with suppress(OSError, psutil.NoSuchProcess):
            if token.encode() in Path(f"/proc/{process.pid}/environ").read_bytes():
                found.add(process)
    return found


def kill_driver(seconds: float | None) -> None:
    """After so many seconds of its `ray.init`; None: when that is over."""
    token = uuid.uuid4().hex
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], env={**environment(), "TOKEN": token}, stdout=subprocess.PIPE, text=True
    )
    watch = Watch(driver.pid)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "starting\n"
    if seconds is None:
        assert driver.stdout.readline() == "started\n"
        assert len(watch.seen) >= 7
    else:
        time.sleep(seconds)
    driver.kill()
    killed = time.monotonic()
    driver.wait()
    while alive(watch.seen | with_token(token)) and time.monotonic() < killed + SECONDS:
        time.sleep(0.05)
    watch.done.set()
    watch.join()
    left = alive(watch.seen | with_token(token))
    for process in left:
        process.kill()  # ours, and a failure should leave nothing behind
    assert [" ".join(process.cmdline()[:2]) for process in left] == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.5, None])
def test_nothing_outlives_a_killed_driver(seconds: float | None) -> None:
    kill_driver(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.6, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0])
def test_nothing_outlives_it_at_any_moment(seconds: float) -> None:
    kill_driver(seconds)
