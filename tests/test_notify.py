"""Who is told of a run, by a real server on this machine: that answers, refuses, hangs, or is not there."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from featurize.storage.lease import Lease
from featurize.storage.store import Store
from jobs import cli, featurize, notify
from tests import cases

SECRET = "c0ffee00-5ec3-4e75-9f43-ab1e5eedf00d"


@pytest.fixture
def listener():
    """A server that keeps what it was asked; set `answers` to a status, or to None to let whoever asks wait."""
    asked, answers, end = [], {"status": 200}, threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, json.loads(body) if body else None))
            if answers["status"] is None:
                end.wait(60)
                return
            self.send_response(answers["status"])
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.asked, server.answers = asked, answers
    yield server
    end.set()
    server.shutdown()
    server.server_close()


def run(folder, server, run_id, *flags):
    """The job on two pictures; returns its exit code."""
    artwork = folder / "artwork"
    artwork.mkdir(exist_ok=True)
    for name in ("a", "b"):
        Image.new("RGB", (8, 8), "red" if name == "a" else "blue").save(artwork / f"{name}.png")
    at = f"http://127.0.0.1:{server.server_address[1]}"
    given = {"input.artwork": artwork, "store": folder / "store", "run.executor": "local", "describe": "null"}
    given |= {"embed": '{backend = "fake"}', "notify.ping_url": f"{at}/{SECRET}"}
    given |= {"notify.webhook_url": f"{at}/hook?sig={SECRET}"}
    arguments = [f"--set={name}={value}" for name, value in given.items()]
    return cli.main("featurize", featurize.__doc__, featurize.featurize, [*arguments, *flags, "--run-id", run_id])


def test_a_ping_at_the_start_and_at_the_end_and_the_record(tmp_path, listener, capsys):
    assert run(tmp_path, listener, "first") == 0
    assert [each[:2] for each in listener.asked[:1]] == [("GET", f"/{SECRET}/start")]
    by_path = {path: (method, body) for method, path, body in listener.asked}
    assert by_path[f"/{SECRET}/0"] == ("GET", None)
    method, record = by_path[f"/hook?sig={SECRET}"]
    told = (method, record["run_id"], record["outcome"], record["exit_code"], record["counts"]["phases"][0]["done"])
    assert told == ("POST", "first", "done", 0, 2)
    assert record["settings"]["notify"] == {"ping_url": "***", "webhook_url": "***"}
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]

    listener.asked.clear()
    assert run(tmp_path, listener, "first") == 2  # the id is taken
    assert [path for _, path, _ in listener.asked[:1]] == [f"/{SECRET}/start"]
    by_path = {path: body for _, path, body in listener.asked}
    assert f"/{SECRET}/2" in by_path
    assert by_path[f"/hook?sig={SECRET}"]["exit_code"] == 2

    listener.asked.clear()
    assert run(tmp_path, listener, "dry", "--dry-run") == 0
    with Lease(Store(str(tmp_path / "store")), "featurize", "other"):
        assert run(tmp_path, listener, "skipped", "--set=run.when_held=skip") == 0
        assert [path for _, path, _ in listener.asked] == [f"/{SECRET}/start"]  # the other run tells how it ends
        assert run(tmp_path, listener, "held") == 3
    (held,) = (body for _, path, body in listener.asked if path.startswith("/hook"))
    assert (held["outcome"], held["exit_code"]) == ("held", 3)
    assert "run other (process" in held["message"]


@pytest.mark.parametrize("status", cases.fast_first([None, 500], 1))
def test_who_does_not_answer_neither_fails_nor_holds_up_a_run(tmp_path, listener, monkeypatch, capsys, caplog, status):
    monkeypatch.setattr(notify, "SECONDS", 0.6)
    listener.answers["status"] = status
    assert run(tmp_path, listener, "r") == 0
    begun = time.monotonic()
    assert run(tmp_path, listener, "r") == 2  # without work there is only the telling
    assert time.monotonic() - begun < 20  # of the 60 that the server would take
    said = capsys.readouterr().err + caplog.text
    assert "notify" in said
    assert SECRET not in said


@pytest.mark.slow
def test_a_server_that_is_not_there_fails_no_run(tmp_path, listener, monkeypatch, capsys, caplog):
    monkeypatch.setattr(notify, "SECONDS", 0.6)
    listener.shutdown()
    listener.server_close()
    assert run(tmp_path, listener, "r") == 0
    said = capsys.readouterr().err + caplog.text
    assert "notify.ping_url does not take it: " in said
    assert SECRET not in said


def test_an_address_must_be_of_the_web(tmp_path, capsys):
    flags = ["--set=notify.ping_url=ftp://x/secret", f"--set=store={tmp_path}/store"]
    assert cli.main("featurize", "doc", featurize.featurize, flags) == 2
    told = capsys.readouterr().err
    assert "notify.ping_url: an address that begins with https:// or http:// is wanted" in told
    assert "secret" not in told
