"""A server of our own: it starts, is replaced when it dies, and nothing of it outlives the worker."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from featurize.errors import BadImage, RunFailed
from featurize.inference.chat_endpoint import ChatEndpoint
from featurize.inference.inference_server import InferenceServer, Running


@pytest.fixture
def start(tmp_path):
    """Starts a server of a copy of the stand-in, in a folder with a space in its name; all are closed in the end."""
    script = tmp_path / "a folder" / "server.py"
    script.parent.mkdir()
    shutil.copy(Path(__file__).parents[1] / "stand_in_endpoint.py", script)
    servers = []

    def start(command=f"{sys.executable} {{weights}} {{port}} poison", start_s=20, max_restarts=5) -> InferenceServer:
        values = {"weights": str(script)}
        servers.append(
            InferenceServer(command, values, log_dir=tmp_path / "logs", start_s=start_s, max_restarts=max_restarts)
        )
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def family(address: str) -> list[psutil.Process]:
    """The process that listens at an address, and the child it says it has."""
    child = psutil.Process(int(httpx.get(f"{address}/child").text))
    return [child.parent(), child]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def is_open(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", httpx.URL(address).port)) == 0


def assert_gone(address: str, processes: list[psutil.Process], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while alive(processes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(processes)
    assert not is_open(address)


def test_close_ends_the_server_and_its_children(start):
    server = start()
    address = server.running().address
    processes = family(address)
    assert len(alive(processes)) == 2
    server.close()
    assert_gone(address, processes, within_s=0)
    with pytest.raises(RunFailed, match="closed"):
        server.running()


def kill(running: Running) -> list[psutil.Process]:
    """Kill a server and wait until its guards have seen it; its processes."""
    processes = family(running.address)
    outer_guard = processes[0].parent().parent()
    processes[0].kill()
    while outer_guard.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    return processes


def test_a_dead_server_is_replaced_once_by_many_threads_and_its_orphans_end(start):
    server = start()
    first = server.running()
    processes = kill(first)
    with ThreadPoolExecutor(16) as threads:
        (second,) = set(threads.map(lambda _: server.running(), range(64)))
    assert second.generation == 2
    assert httpx.get(f"{second.address}/models").status_code == 200
    assert_gone(first.address, processes)


def test_a_server_that_says_its_engine_is_dead_is_replaced(start, tmp_path):
    server = start()
    first = server.running()
    server.end_if_unwell(first)
    assert server.running() == first
    (tmp_path / "a folder" / f"{httpx.URL(first.address).port}.sick").touch()
    server.end_if_unwell(first)
    assert server.running().generation == 2


def test_a_server_that_cannot_be_reached_is_replaced_at_once(start):
    server = start()
    first = server.running()
    family(first.address)[0].kill()
    while is_open(first.address):
        pass
    server.end_if_unwell(first)
    assert server.running().generation == 2


@pytest.mark.slow
def test_too_many_deaths_end_the_run(start, tmp_path):
    server = start(max_restarts=1)
    kill(server.running())
    kill(server.running())
    with pytest.raises(RunFailed, match=r"died 2 times; its log is .*ends with"):
        server.running()
    assert len(list((tmp_path / "logs").iterdir())) == 2


@pytest.mark.slow
def test_a_server_that_does_not_come_back_is_not_started_by_every_thread(start, tmp_path):
    server = start()
    (tmp_path / "a folder" / "server.py").unlink()
    kill(server.running())
    for _ in range(3):
        with pytest.raises(RunFailed, match="ended with exit code 2 while starting"):
            server.running()
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_a_server_that_ends_while_starting_is_named_with_its_last_words(start, tmp_path):
    with pytest.raises(RunFailed) as failure:
        start(f"{sys.executable} -c 'import sys; print(1); sys.exit(\"no weights here\")'")
    (log,) = (tmp_path / "logs").iterdir()
    assert f"exit code 1 while starting; its log is {log} and ends with: no weights here" in str(failure.value)


def test_a_command_that_does_not_exist_is_named(start):
    with pytest.raises(RunFailed, match=r"exit code 127 .*no-such-command: No such file or directory"):
        start("no-such-command --port {port}")


def test_a_server_that_is_never_ready_is_given_up_and_ended(start, tmp_path):
    note = tmp_path / "pid"
    with pytest.raises(RunFailed, match=r"not ready after 1.5 s.*ends with: \(nothing\)"):
        start(f"sh -c 'echo $$ > {note}; sleep 1000'", start_s=1.5)
    assert not psutil.pid_exists(int(note.read_text()))


WORKER = """
import os, sys, time
from pathlib import Path
from featurize.inference.inference_server import InferenceServer, Running
command = f"{sys.executable} {{weights}} {{port}}"
server = InferenceServer(command, {"weights": sys.argv[1]}, log_dir=Path(sys.argv[2]), start_s=20, max_restarts=0)
if os.fork() == 0:  # a process that outlives the worker and has inherited all it had
    time.sleep(20)
    os._exit(0)
print(server.running().address, server._guard.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("victims", ["worker", "worker and its children"])
def test_nothing_outlives_a_killed_worker(victims, tmp_path):
    """The second is what Ray does to a worker it ends: its children get SIGKILL too, but not their children."""
    script = Path(__file__).parents[1] / "stand_in_endpoint.py"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, script, tmp_path], stdout=subprocess.PIPE, text=True)
    address, guard = worker.stdout.readline().split()
    processes = [*family(address), *psutil.Process(worker.pid).children(recursive=True)]
    fork = next(p for p in psutil.Process(worker.pid).children() if p.pid != int(guard))
    assert len(set(alive(processes))) == 5  # server and its child, two guards, the fork
    if victims == "worker and its children":
        os.kill(int(guard), signal.SIGKILL)
    worker.kill()
    worker.wait()
    assert_gone(address, [p for p in processes if p != fork])
    fork.kill()


@pytest.mark.slow
def test_a_picture_that_kills_servers_costs_only_itself(start):
    server = start()
    endpoint = ChatEndpoint(server, connections=8, timeout_s=10, attempts=6, backoff_s=0.3)

    def ask(n: int) -> str:
        try:
            return endpoint.ask(b'"poison"' if n == 3 else b'"food"').choices[0].finish_reason
        except BadImage as error:
            return error.reason

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(ask, range(40)))
    assert outcomes == ["worker_crashed" if n == 3 else "stop" for n in range(40)]
    assert server.running().generation == 3
