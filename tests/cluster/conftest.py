"""One Ray for all tests that are not about starting or ending it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from catalogues import RAY_TOKEN, alive, environment, family, wait_until

SCRIPT = """
import sys
import ray
ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=2**27)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@dataclass
class Cluster:
    address: str
    pid: int
    """Of the process that started it: its workers descend from that."""


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Cluster]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**environment(), **RAY_TOKEN},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield Cluster(process.stdout.readline().strip(), process.pid)
    everything = family(process.pid)
    process.stdin.close()
    process.wait(60)
    wait_until(lambda: not alive(everything))
