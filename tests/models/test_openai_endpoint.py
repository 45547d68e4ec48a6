"""Descriptions through a real `transformers serve` with a tiny checkpoint: somebody's, and one of our own.

How failing requests are treated is in `test_chat_endpoint`, the life of a server of our own in `test_inference_server`.
"""

import base64
import io
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image
from pydantic import ValidationError

from featurize.errors import RefusedInput, RunFailed
from featurize.inference_server import InferenceServer
from featurize.models import model_key
from featurize.models.openai_endpoint import Extractor, Settings
from featurize.untrained import build_captioner

SERVE = f"'{Path(sys.executable).with_name('transformers')}' serve {{weights}} --port {{port}} --device cpu"
SMALL = {"max_pixels": 56 * 56, "max_new_tokens": 16, "concurrency": 4, "backoff_s": 0.2}
THERE = {"address": "http://host:8000/v1/", "model": "qwen", "revision": "one"}
PICTURES = [Image.new("RGB", (60 + 7 * n, 90), (20 * n, 250 - 20 * n, 7 * n)) for n in range(12)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a folder") / "tiny model"
    build_captioner(folder)
    return folder


@pytest.fixture(scope="module")
def address(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A `transformers serve` that runs anyway."""
    logs = tmp_path_factory.mktemp("logs")
    server = InferenceServer(SERVE, {"weights": str(weights)}, log_dir=logs, start_s=120, max_restarts=0)
    yield server.running().address
    server.close()


@pytest.fixture(scope="module")
def given(address: str, weights: Path) -> Iterator[Extractor]:
    extractor = Extractor(Settings(address=address, model=str(weights), revision="tiny", **SMALL))
    yield extractor
    extractor.close()


def describe(extractor: Extractor, pictures: list[Image.Image]) -> list[dict]:
    """As a run does it: `concurrency` calls at once, of one picture each."""
    with ThreadPoolExecutor(extractor.concurrency) as threads:
        columns = list(threads.map(lambda picture: extractor.extract([extractor.prepare(picture)]), pictures))
    return [{name: values[0] for name, values in row.items()} for row in columns]


def test_answers_of_a_given_address_come_back_in_order(given: Extractor) -> None:
    rows = describe(given, PICTURES)
    assert len({row["raw_text"] for row in rows}) > 3
    assert rows == [describe(given, [picture])[0] for picture in PICTURES]
    for row in rows:
        assert row["status"] in ("invalid_json", "truncated")  # untrained words
        assert row["finish_reason"] in ("stop", "length")
        assert row["prompt_tokens"] > len(given._prompt)  # one token a byte, and the picture
        assert 0 < row["output_tokens"] <= 16


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (9000, 3), (2000, 2000)])
def test_a_picture_of_any_shape_is_described(given: Extractor, size: tuple[int, int]) -> None:
    (row,) = describe(given, [Image.new("RGB", size, "teal")])
    assert row["output_tokens"] > 0


def test_a_wrong_model_ends_the_run_before_any_picture(address: str) -> None:
    with pytest.raises(RunFailed, match="does not describe a blank picture: .* answered 400: .*requested 'other'"):
        Extractor(Settings(address=address, model="other", revision="tiny", **SMALL))


def test_a_wrong_path_ends_the_run_before_any_picture(address: str, weights: Path) -> None:
    with pytest.raises(RunFailed, match="answered 404: .*; check the endpoint's address, model and key"):
        Extractor(Settings(address=f"{address}/v2", model=str(weights), revision="tiny", **SMALL))


def listener(extractor: Extractor) -> psutil.Process:
    """The process of an extractor's own server, which is the innermost of this process's descendants."""
    return psutil.Process().children(recursive=True)[-1]


def test_a_server_of_ones_own_is_replaced_in_the_middle_of_a_run(
    given: Extractor, weights: Path, tmp_path: Path
) -> None:
    expected = describe(given, PICTURES * 3)
    before = set(psutil.Process().children(recursive=True))
    extractor = Extractor(Settings(serve=SERVE, model=str(weights), log_dir=tmp_path, start_s=120, **SMALL))
    try:
        guards_and_server = set(psutil.Process().children(recursive=True)) - before
        (server,) = (process for process in guards_and_server if "server_guard.py" not in " ".join(process.cmdline()))
        with ThreadPoolExecutor(1) as run:
            rows = run.submit(describe, extractor, PICTURES * 3)
            time.sleep(0.5)
            server.kill()
            assert not rows.done()
            assert rows.result() == expected
        assert len(list(tmp_path.glob("*.log"))) == 2
    finally:
        extractor.close()
    assert set(psutil.Process().children(recursive=True)) <= before


WORKER = """
import json, sys, time
from featurize.models.openai_endpoint import Extractor, Settings
extractor = Extractor(Settings(**json.loads(sys.argv[1])))
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.mark.slow
def test_a_killed_worker_leaves_no_server_behind(weights: Path, tmp_path: Path) -> None:
    settings = {"serve": SERVE, "model": str(weights), "log_dir": str(tmp_path), **SMALL}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, json.dumps(settings)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    processes = psutil.Process(worker.pid).children(recursive=True)
    ports = {c.laddr.port for p in processes for c in p.net_connections() if c.status == psutil.CONN_LISTEN}
    assert len(ports) == 1
    worker.kill()
    worker.wait()
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert ports.isdisjoint(c.laddr.port for c in psutil.net_connections() if c.status == psutil.CONN_LISTEN)


def sent(extractor: Extractor, picture: Image.Image) -> tuple[dict, Image.Image]:
    request = json.loads(extractor.prepare(picture))
    url = request["messages"][0]["content"][0]["image_url"]["url"]
    return request, Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/jpeg;base64,"))))


def test_the_request_is_what_the_api_asks_for(given: Extractor, weights: Path) -> None:
    request, picture = sent(given, Image.new("RGB", (40, 50), "red"))
    assert (request["model"], request["temperature"], request["max_tokens"]) == (str(weights), 0, 16)
    assert [part["type"] for part in request["messages"][0]["content"]] == ["image_url", "text"]
    assert (picture.format, picture.size) == ("JPEG", (40, 50))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (640, 480), (1, 5000), (9000, 3), (4000, 6000), (28, 112)])
def test_pictures_are_sent_whole_and_within_bounds(given: Extractor, size: tuple[int, int]) -> None:
    _, picture = sent(given, Image.new("RGB", size, "black"))
    assert picture.width * picture.height <= 56 * 56
    assert min(picture.size) >= 28
    ratio = max(size) / min(size)
    if ratio < 4:  # what 56 x 56 pixels leave room for
        assert math.isclose(max(picture.size) / min(picture.size), ratio, rel_tol=0.06)
    assert picture.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) < 255  # not only the border


def key(**changes: object) -> str:
    return model_key(Extractor.fingerprint(Settings(**{**THERE, **changes})))


def test_the_key_with_an_address_is_the_operators_word() -> None:
    assert key() == key(address="http://elsewhere/v1") == key(concurrency=7) == key(timeout_s=1, attempts=2)
    assert len({key(), key(model="other"), key(revision="two"), key(max_new_tokens=9)}) == 4


def test_the_key_with_a_server_is_that_of_the_weights(weights: Path, tmp_path: Path) -> None:
    def key(**changes: object) -> str:
        settings = {"serve": SERVE, "model": str(weights), **changes}
        return model_key(Extractor.fingerprint(Settings(**settings)))

    moved = tmp_path / "moved"
    moved.symlink_to(weights)
    assert key() == key(serve="vllm serve {weights} --port {port}") == key(model=str(moved))
    assert key() != key(serve=f"{SERVE} --dtype {{dtype}}", dtype="float32")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"address": None}, "exactly one of 'address' and 'serve'"),
        ({"serve": SERVE}, "exactly one of 'address' and 'serve'"),
        ({"address": "host:8000"}, "address"),
        ({"revision": None}, "'address' needs a 'revision'"),
        ({"address": None, "serve": "vllm serve qwen --port {port}"}, "must contain {weights} and {port}"),
        ({"address": None, "serve": "vllm serve {weights}"}, "must contain {weights} and {port}"),
        ({"address": None, "serve": SERVE, "dtype": "fp8"}, "'dtype' goes with"),
        ({"batch_size": 8}, "batch_size"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(**{**THERE, **changes})


def test_a_key_that_is_not_set_is_refused() -> None:
    with pytest.raises(RefusedInput, match="environment variable NO_SUCH_KEY, named by 'api_key_env', is not set"):
        Extractor(Settings(**THERE, api_key_env="NO_SUCH_KEY"))
