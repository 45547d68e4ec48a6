"""A night given to a cluster by `ray job submit`, while one of its nodes is lost: the rows are those of a clean run.

The cluster is a head without CPUs for workers and two nodes, as processes of this machine, each with a folder of its
own; the settings travel with the job. No secret of the nodes' environment is in anything that the night leaves.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from jobs import cli, report
from tests.cluster.canaries import PLANTED, spelled_in, tell_tales
from tests.cluster.catalogues import alive, family, kill_all, parts, wait_until, workers
from tests.nightly import nights
from tests.nightly.test_night import found

TOKEN = f"cn0-{uuid.uuid4().hex}"
CANARIES = [*PLANTED.values(), TOKEN]
DATE = "2026-11-20"
TRIES = 4
ROOT = Path(__file__).parents[2]
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
ASKED_OF_THE_DASHBOARD = (
    "/nodes?view=summary",
    "/nodes?view=hostNameList",
    "/nodes/{node}",
    "/logical/actors",
    "/logical/actors/{actor}",
    "/events",
    "/api/jobs/",
    "/api/jobs/night",
    "/api/jobs/night/logs",
    "/api/cluster_status",
    "/api/component_activities",
    *(f"/api/v0/{kind}?detail=1" for kind in ("actors", "jobs", "nodes", "workers", "tasks", "runtime_envs")),
    "/api/v0/cluster_metadata",
    "/api/v0/tasks/timeline",
    "/api/v0/logs?node_id={node}",
)
"""All that a page of it shows, but for the logs, which are files, and profiles, which are of code."""


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


class Cluster:
    """Started with `ray start`, as by hand. At its end nothing of it is left."""

    def __init__(self) -> None:
        self.gcs, self.dashboard = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.dashboard}"
        self.folders: list[Path] = []
        self.nodes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
            **PLANTED,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            # The code lies on the nodes, and so does its Python.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            # A node whose port is closed is missed within seconds; one that only answers late is not.
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "20000",
        }

    def start(self) -> None:
        ports = {"port": self.gcs, "dashboard-port": self.dashboard, "ray-client-server-port": free_port()}
        self._add("--head", "--num-cpus=0", *(f"--{name}={port}" for name, port in ports.items()))
        for _ in range(2):
            self._add(f"--address=127.0.0.1:{self.gcs}", "--num-cpus=1")

    def _add(self, *flags: str) -> None:
        """A node, once it lives. Where the machine is busy, Ray gives it up after half a minute: it is tried again."""
        before = len(self.there())
        for _ in range(TRIES):
            folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # the path of a socket is short
            self.folders.append(folder)
            own = ("--block", "--disable-usage-stats", f"--temp-dir={folder}", f"--object-store-memory={2**27}")
            with (folder / "start.txt").open("wb") as said:
                node = subprocess.Popen(
                    [*RAY, "start", *own, f"--dashboard-agent-listen-port={free_port()}", *flags],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.nodes.append(node)
            wait_until(lambda: node.poll() is not None or len(self.there()) > before, 120)  # noqa: B023
            if node.poll() is None:
                return
            self.nodes.remove(node)
        raise AssertionError((folder / "start.txt").read_text())

    def end(self) -> None:
        for number in range(len(self.nodes)):
            self.lose(number)
        for folder in self.folders:
            shutil.rmtree(folder)

    def ask(self, path: str, token: str = TOKEN) -> str:
        """What the dashboard answers. Errors: URLError."""
        asked = urllib.request.Request(self.address + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return str(answer.read().decode())

    def shows(self, path: str) -> tuple[int, str]:
        """The status and what the dashboard answers, which may be that it cannot."""
        try:
            return 200, self.ask(path)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def there(self) -> list[str]:
        """Ids of the nodes that live."""
        with suppress(OSError):
            told = json.loads(self.ask("/api/v0/nodes"))["data"]["result"]["result"]
            return [node["node_id"] for node in told if node["state"] == "ALIVE"]
        return []

    def lose(self, number: int) -> None:
        """SIGKILL to a node and all that runs on it, at once."""
        node = self.nodes[number]
        everything = [*_itself(node), *family(node.pid)]
        kill_all(everything)
        node.wait()
        wait_until(lambda: not alive(everything), 30)

    def command(self, *words: str) -> list[str]:
        return [*RAY, *words[:2], f"--address={self.address}", *words[2:]]


def _itself(node: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(node.pid)]
    return []


@contextmanager
def running() -> Iterator[Cluster]:
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()


def written(folder: Path, settings: dict[str, str]) -> Path:
    """A folder with the profile of the night, which is all that the job takes along."""
    folder.mkdir()
    lines = [f"{key} = {value if value[0] in '{[0123456789' else json.dumps(value)}" for key, value in settings.items()]
    (folder / "night.toml").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
def test_a_submitted_night_outlives_a_node_and_tells_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("aiohttp_cors", reason="`make infra-check` installs ray[default]")
    nights.world(tmp_path)
    clean = tmp_path / "clean"
    shutil.copytree(tmp_path / "store", clean / "store")
    assert nights.run(tmp_path, store=clean / "store", nightly__date=DATE) == 0
    expected = found(clean)
    assert all(expected.values())

    given = dict(flag.removeprefix("--set=").split("=", 1) for flag in nights.settings(tmp_path))
    given = {name: value for name, value in given.items() if value != "null"}
    given |= {"run.executor": "ray", "run.wait_for_nodes": "60", "run.shard_images": "4"}
    given |= {"embed": '{backend = "fake", seconds = 0.1, cpus = 1, workers = 2}'}
    given |= {"prompts.buckets": "2", "prompts.cpus": "1"}
    settings = written(tmp_path / "settings", given)
    with running() as cluster:
        with pytest.raises(urllib.error.HTTPError, match="403"):
            cluster.ask("/api/version", token="guessed")
        what = f"python -m jobs.nightly --profile night.toml --set nightly.date={DATE} --set evaluate.plot=null"
        flags = ("--submission-id=night", f"--working-dir={settings}", "--", *what.split())
        job = subprocess.Popen(
            cluster.command("job", "submit", *flags),
            env=cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        at_work = [node.pid for node in cluster.nodes[1:]]
        wait_until(
            lambda: job.poll() is not None or (parts(tmp_path / "store") >= 3 and all(map(workers, at_work))), 90
        )
        committed = parts(tmp_path / "store")
        cluster.lose(1)
        said, _ = job.communicate(timeout=120)
        assert job.returncode == 0, said
        assert "a worker was lost (worker_crashed)" in said
        assert "succeeded" in said
        assert committed < parts(tmp_path / "store")
        wait_until(lambda: len(cluster.there()) == 2, 30)
        assert json.loads(cluster.ask("/api/jobs/night"))["status"] == "SUCCEEDED"
        actors = json.loads(cluster.ask("/api/v0/actors"))["data"]["result"]["result"]
        worker = next(actor["actor_id"] for actor in actors if actor["class_name"] == "Worker")
        names = {"node": cluster.there()[0], "actor": worker}
        fields = {path: cluster.shows(path.format(**names)) for path in ASKED_OF_THE_DASHBOARD}
        assert {path: told for path, (_, text) in fields.items() if (told := spelled_in(text, CANARIES))} == {}
        assert [path for path, (status, _) in fields.items() if status != 200] == []
        assert "jobs.nightly" in fields["/api/jobs/"][1]  # these are the pages of this night
        assert [told for folder in cluster.folders for told in tell_tales(folder, CANARIES)] == []
    assert found(tmp_path) == expected
    assert nights.ask(tmp_path, "SELECT job, outcome FROM runs") == [("nightly", "done")]
    page = [f"--set=store={tmp_path / 'store'}", f"--set=report.html={tmp_path / 'report.html'}"]
    assert cli.main("report", "doc", report.report, page) == 0
    assert spelled_in(said + capsys.readouterr().out, CANARIES) == []
    assert tell_tales(tmp_path, CANARIES) == []
