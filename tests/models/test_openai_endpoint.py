"""Descriptions through a real `transformers serve` with a tiny checkpoint: somebody's, and one of our own.

How failing requests are treated is in `test_chat_endpoint`, the life of a server of our own in `test_inference_server`.
"""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from pydantic import ValidationError

from featurize.errors import RefusedInput, RunFailed
from featurize.inference.captions import load_prompt
from featurize.inference.extractor import model_key
from featurize.models.openai_endpoint import Extractor, Settings

THERE = {"address": "http://host:8000/v1/", "model": "qwen", "revision": "one"}
PICTURES = [Image.new("RGB", (60 + 7 * n, 90), (20 * n, 250 - 20 * n, 7 * n)) for n in range(12)]


def server_of(pid: int, besides: Collection[int] = ()) -> tuple[psutil.Process, int]:
    """The descendant of a process that listens on a port, and the port; those that listen on `besides` do not count."""
    (found,) = [
        (process, connection.laddr.port)
        for process in psutil.Process(pid).children(recursive=True)
        if "serve" in process.cmdline()  # Ray and moto of other tests listen too
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port not in besides
    ]
    return found


@pytest.fixture(scope="module")
def port(served: Extractor) -> int:
    return server_of(os.getpid())[1]


@pytest.fixture(scope="module")
def settings(endpoint_settings: Settings, port: int) -> dict[str, Any]:
    """Those of an endpoint that is there: the server of `served`, by its address."""
    model = endpoint_settings.model_dump(exclude={"serve", "log_dir"})
    return model | {"address": f"http://localhost:{port}/v1", "revision": "tiny"}


@pytest.fixture(scope="module")
def given(settings: dict[str, Any]) -> Iterator[Extractor]:
    extractor = Extractor(Settings(**settings))
    yield extractor
    extractor.close()


def describe(extractor: Extractor, pictures: list[Image.Image]) -> list[dict]:
    """As a run does it: `concurrency` calls at once, of one picture each."""
    with ThreadPoolExecutor(extractor.concurrency) as threads:
        columns = list(threads.map(lambda picture: extractor.extract([extractor.prepare(picture)]), pictures))
    return [{name: values[0] for name, values in row.items()} for row in columns]


@pytest.mark.slow
def test_real_answers_come_back_in_order_from_either_kind_of_endpoint(given: Extractor, served: Extractor) -> None:
    rows = describe(given, PICTURES)
    assert len({row["raw_text"] for row in rows}) > 3
    assert rows == [describe(served, [picture])[0] for picture in PICTURES]
    for row in rows:
        assert row["status"] in ("invalid_json", "truncated")  # random words
        assert row["finish_reason"] in ("stop", "length")
        assert row["prompt_tokens"] > len(load_prompt("artwork-v1").text)  # a token for each byte, and the picture's
        assert 0 < row["output_tokens"] <= 16


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (9000, 3), (2000, 2000)])
def test_a_picture_of_any_shape_is_described(given: Extractor, size: tuple[int, int]) -> None:
    (row,) = describe(given, [Image.new("RGB", size, "teal")])
    assert row["output_tokens"] > 0


@pytest.mark.slow
def test_a_wrong_model_ends_the_run_before_any_picture(settings: dict[str, Any]) -> None:
    with pytest.raises(RunFailed, match=r"does not describe a blank picture: .* answered 400: .*requested 'other'"):
        Extractor(Settings(**settings | {"model": "other"}))


@pytest.mark.slow
def test_a_wrong_path_ends_the_run_before_any_picture(settings: dict[str, Any]) -> None:
    with pytest.raises(RunFailed, match=r"answered 404: .*; check the endpoint's address, model and key"):
        Extractor(Settings(**settings | {"address": f"{settings['address']}/v2"}))


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_of_a_run_costs_no_row(
    given: Extractor, endpoint_settings: Settings, port: int, tmp_path: Path
) -> None:
    expected = describe(given, PICTURES * 3)
    extractor = Extractor(endpoint_settings.model_copy(update={"log_dir": tmp_path}))
    server, _ = server_of(os.getpid(), besides={port})
    with ThreadPoolExecutor(1) as run:
        rows = run.submit(describe, extractor, PICTURES * 3)
        time.sleep(0.5)
        server.kill()
        assert not rows.done()
        assert rows.result() == expected
    assert len(list(tmp_path.glob("*.log"))) == 2
    server, _ = server_of(os.getpid(), besides={port})
    extractor.close()
    assert not server.is_running()


WORKER = """
import json, sys, time
from featurize.models.openai_endpoint import Extractor, Settings
extractor = Extractor(Settings(**json.loads(sys.argv[1])))
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.slow
def test_a_killed_worker_leaves_no_server_behind(endpoint_settings: Settings) -> None:
    command = [sys.executable, "-c", WORKER, endpoint_settings.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        descendants = psutil.Process(worker.pid).children(recursive=True)
        _, port = server_of(worker.pid)
        worker.kill()
    assert psutil.wait_procs(descendants, timeout=10)[1] == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def sent(extractor: Extractor, picture: Image.Image) -> tuple[dict, Image.Image]:
    request = json.loads(extractor.prepare(picture))
    url = request["messages"][0]["content"][0]["image_url"]["url"]
    return request, Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))))


@pytest.mark.slow
def test_the_request_is_what_the_api_asks_for(given: Extractor, settings: dict[str, Any]) -> None:
    request, picture = sent(given, Image.new("RGB", (40, 50), "red"))
    assert (request["model"], request["temperature"], request["max_tokens"]) == (settings["model"], 0, 16)
    assert [part["type"] for part in request["messages"][0]["content"]] == ["image_url", "text"]
    assert (picture.format, picture.size) == ("JPEG", (40, 50))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (640, 480), (1, 5000), (9000, 3), (4000, 6000), (28, 112)])
def test_pictures_are_sent_whole_and_within_bounds(given: Extractor, size: tuple[int, int]) -> None:
    _, picture = sent(given, Image.new("RGB", size, "black"))
    assert picture.width * picture.height <= 100 * 100
    assert min(picture.size) >= 28
    if max(size) / min(size) < 10:  # a strip is on white, the more so since so few pixels have little room for one
        assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.05)
    assert picture.convert("L").getextrema()[0] < 250


def key(**changes: object) -> str:
    return model_key(Extractor.fingerprint(Settings(**{**THERE, **changes})))


def test_the_key_with_an_address_is_the_operators_word() -> None:
    assert key() == key(address="http://elsewhere/v1") == key(concurrency=7) == key(timeout_s=1, attempts=2)
    assert len({key(), key(model="other"), key(revision="two"), key(max_new_tokens=9)}) == 4


@pytest.mark.slow
def test_the_key_with_a_server_is_that_of_the_weights(endpoint_settings: Settings, tmp_path: Path) -> None:
    def key(**changes: object) -> str:
        return model_key(Extractor.fingerprint(endpoint_settings.model_copy(update=changes)))

    moved = tmp_path / "moved"
    moved.symlink_to(endpoint_settings.model)
    assert key() == key(serve="vllm serve {weights} --port {port}") == key(model=str(moved)) == key(log_dir=tmp_path)
    assert key() != key(dtype="float32")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"address": None}, "exactly one of 'address' and 'serve'"),
        ({"serve": "server {weights} {port}"}, "exactly one of 'address' and 'serve'"),
        ({"address": "host:8000"}, "address"),
        ({"revision": None}, "'address' needs a 'revision'"),
        ({"address": None, "serve": "vllm serve qwen --port {port}"}, "must contain {weights} and {port}"),
        ({"address": None, "serve": "vllm serve {weights}"}, "must contain {weights} and {port}"),
        ({"address": None, "serve": "server {weights} {port}", "dtype": "fp8"}, "'dtype' goes with"),
        ({"batch_size": 8}, "batch_size"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(**{**THERE, **changes})


def test_a_key_that_is_not_set_is_refused() -> None:
    with pytest.raises(RefusedInput, match="environment variable NO_SUCH_KEY, named by 'api_key_env', is not set"):
        Extractor(Settings(**THERE, api_key_env="NO_SUCH_KEY"))
