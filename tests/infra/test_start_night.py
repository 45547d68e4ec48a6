"""What the CronJob starts, against a server that answers as the API of Kubernetes does."""

import importlib.util
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

KUBERNETES = Path(__file__).parents[2] / "infra" / "kubernetes"
JOBS = "/apis/ray.io/v1/namespaces/artwork/rayjobs"
NAME = "artwork-nightly-2026-11-28"
SAID = (("Initializing", ""), ("Running", "RUNNING"))


@pytest.fixture
def start_night(monkeypatch):
    spec = importlib.util.spec_from_file_location("start_night", KUBERNETES / "start_night.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    return module


@contextmanager
def api(monkeypatch, folder, statuses, there=False, troubles=()):
    """Its log of requests; a RayJob goes through these statuses, and requests fail with these codes first."""
    requests, statuses, troubles = [], list(statuses), list(troubles)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer("POST", body, 409 if there else 201, body)

        def do_GET(self):
            deployment, job = statuses.pop(0) if len(statuses) > 1 else statuses[0]
            status = {"jobDeploymentStatus": deployment, "jobStatus": job, "message": "exit code 2"}
            self.answer("GET", None, 200, {"status": status})

        def answer(self, method, body, code, found):
            requests.append((method, self.path, self.headers["Authorization"], body))
            code = troubles.pop(0) if troubles else code
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    (folder / "token").write_text("of the pod\n")
    monkeypatch.setenv("KUBERNETES_API", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("KUBERNETES_ACCOUNT", str(folder))
    monkeypatch.setenv("NAMESPACE", "artwork")
    yield requests
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("deployment", "job", "code"), [("Complete", "SUCCEEDED", 0), ("Failed", "FAILED", 1)])
def test_it_makes_the_job_of_the_date_and_ends_as_that_does(
    start_night, monkeypatch, tmp_path, capsys, deployment, job, code
):
    with api(monkeypatch, tmp_path, [*SAID, ("Retrying", "FAILED"), *SAID, (deployment, job)]) as requests:
        assert start_night.main(str(KUBERNETES / "rayjob.yaml"), "2026-11-28") == code
    method, path, authorization, body = requests[0]
    assert (method, path, authorization) == ("POST", JOBS, "Bearer of the pod")
    assert body["metadata"]["name"] == NAME
    assert body["spec"]["entrypoint"].endswith("--set nightly.date=2026-11-28")
    assert {request[:2] for request in requests[1:]} == {("GET", f"{JOBS}/{NAME}")}
    said = capsys.readouterr()
    assert f"created RayJob {NAME}" in said.out
    assert said.err == ("" if code == 0 else f"error: RayJob {NAME} ended as FAILED: exit code 2\n")


def test_one_that_is_there_is_waited_for_and_an_api_that_is_away_too(start_night, monkeypatch, tmp_path, capsys):
    done = [*SAID, ("Complete", "SUCCEEDED")]
    with api(monkeypatch, tmp_path, done, there=True, troubles=[503, 409, 500, 429]) as requests:
        assert start_night.main(str(KUBERNETES / "rayjob.yaml"), "2026-11-28") == 0
    assert [request[0] for request in requests[:2]] == ["POST", "POST"]
    assert f"RayJob {NAME} is there already" in capsys.readouterr().out


def test_what_is_refused_is_told_in_a_sentence(start_night, monkeypatch, tmp_path, capsys):
    with api(monkeypatch, tmp_path, [("", "")], troubles=[403]):
        assert start_night.main(str(KUBERNETES / "rayjob.yaml"), "2026-11-28") == 1
    assert capsys.readouterr().err.startswith("error: the API answered 403: ")
    assert start_night.main(str(KUBERNETES / "rayjob.yaml"), "tonight") == 1
    assert "'tonight'" in capsys.readouterr().err
