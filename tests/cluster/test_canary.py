"""Secrets planted everywhere a run meets one: none is in any byte that it leaves, however it ends."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import canaries
import duckdb
import pytest
from catalogues import catalogue, run, runs

from jobs import cli, featurize

BLABBER = """
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
mood, port = sys.argv[1], int(sys.argv[2])
count, lock = 0, threading.Lock()

class Blabber(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200, "fine")

    def do_POST(self):
        global count
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            count += 1
            mine = count
        said = f"{self.headers['Authorization']} {dict(os.environ)} {sys.argv} " + os.environ["SECRET_NUMBER"] * 3
        print(said, flush=True)
        if mood == "dies" and mine > 1:
            os._exit(1)
        if mine % 2 == 0 or mood == "refuses":
            self.answer(401 if mood == "refuses" else 422, json.dumps({"error": said}))
        else:
            words = json.dumps({"caption": said, "mood": said})
            choice = {"message": {"content": words}, "finish_reason": said}
            self.answer(200, json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

print("non-default args:", {"api_key": sys.argv[3:]}, dict(os.environ), flush=True)
ThreadingHTTPServer(("127.0.0.1", port), Blabber).serve_forever()
"""
PLANTED = canaries.PLANTED | {
    "SPOKEN_WORD": "cn6-sesame",  # named by describe.api_key_env alone
    "PEPPER": "cn7-pepper",  # by prompts.member_key_env
}
ON_THE_COMMAND_LINE = "cn8-command"
CANARIES = [*PLANTED.values(), ON_THE_COMMAND_LINE]


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which all that a run leaves ends up: its store, logs, caches and temporary files."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    left = tmp_path / "left"
    for name in ("tmp", "cache"):
        left.joinpath(name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(left / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(left / "cache"))
    return left


def endpoint(folder: Path, left: Path, mood: str) -> str:
    script = folder / "blabber.py"
    script.write_text(BLABBER)
    serve = f"{sys.executable} {script} {mood} {{port}} --api-key {ON_THE_COMMAND_LINE} {{weights}}"
    settings = {"backend": "openai_endpoint", "serve": serve, "model": "bundled:captioner", "concurrency": 2}
    settings |= {"api_key_env": "SPOKEN_WORD", "attempts": 2, "backoff_s": 0, "start_s": 60, "max_restarts": 1}
    settings |= {"log_dir": str(left / "logs")}
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in settings.items()) + "}"


def tell_tales(left: Path, said: str) -> list[str]:
    """Where a canary is found: in what the run said, or in a file."""
    return [f"output: {spelling}" for spelling in canaries.spelled_in(said, CANARIES)] + canaries.tell_tales(
        left, CANARIES
    )


SLOW = [pytest.param(mood, marks=pytest.mark.slow) for mood in ("refuses", "dies")]


@pytest.mark.parametrize("mood", ["chatty", *SLOW])
def test_no_secret_is_in_anything_a_run_leaves(mood: str, everywhere: Path, tmp_path: Path) -> None:
    artwork, store = catalogue(tmp_path / "artwork", 6), everywhere / "store"
    settings = {"describe": endpoint(tmp_path, everywhere, mood), "prompts.member_key_env": "PEPPER"}
    said = run(store, artwork, settings, code=0 if mood == "chatty" else 1)
    assert tell_tales(everywhere, said) == []
    (row,) = runs(store)
    assert "--api-key ***" in json.loads(row["settings"])["describe"]["serve"]
    logs = list((everywhere / "logs").iterdir())
    assert logs
    assert all("***" in log.read_text() for log in logs)
    if mood == "chatty":
        details = duckdb.sql(f"SELECT detail FROM '{store}/quarantine/**/*.parquet'").fetchall()
        assert details
        assert all("422: " in detail and "***" in detail for (detail,) in details)
        captions = duckdb.sql(f"SELECT caption, raw_text FROM '{store}/description/**/*.parquet'").fetchall()
        assert captions
        assert all("Bearer ***" in text for row in captions for text in row)
    if mood == "refuses":
        assert "answered 401" in row["message"]
        assert "***" in row["message"]


@pytest.mark.slow
def test_nor_in_what_ray_leaves(everywhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # the path of a socket is short
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    settings = {"describe": endpoint(tmp_path, everywhere, "chatty"), "prompts.member_key_env": "PEPPER"}
    said = run(everywhere / "store", catalogue(tmp_path / "artwork", 6), {**settings, "run.executor": "ray"})
    assert list(folder.rglob("raylet.out"))
    assert tell_tales(everywhere, said) == []
    assert tell_tales(folder, "") == []
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "store=s3://me:cn5-hfhfhf99@bucket/store"],
        ["--set", "input.artwork=s3://me:cn5-hfhfhf99@bucket/store"],
        ["--set", "run.nothing=cn5-hfhfhf99"],
        ["--set", "embed.backend=cn5-hfhfhf99"],
        ["--set", "embed.model=cn5-hfhfhf99"],
        ["--set", "labels=cn5-hfhfhf99"],
        ["--set", "cn5-hfhfhf99"],
        ["--profile", "cn5-hfhfhf99"],
        ["--api-key", "cn8-command"],
    ],
)
def test_what_is_refused_is_refused_without_its_secret(
    arguments: list[str], everywhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(everywhere)
    with pytest.raises(SystemExit, match="2"):
        sys.exit(cli.main("featurize", "doc", featurize.featurize, arguments))
    said = capsys.readouterr()
    assert "error: " in said.err
    assert tell_tales(everywhere, said.out + said.err) == []
