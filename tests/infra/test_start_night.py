"""What the CronJob starts, against a server that answers as the API of Kubernetes does."""

import importlib.util
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

KUBERNETES = Path(__file__).parents[2] / "infra" / "kubernetes"
JOBS = "/apis/ray.io/v1/namespaces/artwork/rayjobs"
DATE = "2026-11-28"
NAME = f"artwork-nightly-{DATE}"
SAID = (("", ""), ("Initializing", ""), ("Running", "RUNNING"))
SUCCEEDED, FAILED = ("Complete", "SUCCEEDED"), ("Failed", "FAILED")


@pytest.fixture
def start_night(monkeypatch):
    spec = importlib.util.spec_from_file_location("start_night", KUBERNETES / "start_night.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    return module


class Cluster:
    """The RayJobs that there are, by name; each goes through its statuses, and a new one through `coming`.

    `requests` is the log. They fail with the codes of `troubles` first; a request that `lost` names is done, and its
    answer is 500.
    """

    def __init__(self, there=(), coming=(*SAID, SUCCEEDED), troubles=(), lost=()):
        self.jobs = {name: list(statuses) for name, statuses in dict(there).items()}
        self.coming, self.troubles, self.lost, self.requests = list(coming), list(troubles), list(lost), []

    @property
    def made(self):
        """Names of the RayJobs that were asked for, in order."""
        return [body["metadata"]["name"] for method, _, _, body in self.requests if method == "POST"]

    def answer(self, method, path, body):
        if self.troubles:
            return self.troubles.pop(0), {}
        if method == "POST":
            name = body["metadata"]["name"]
            code = 409 if name in self.jobs else 201
            self.jobs.setdefault(name, list(self.coming))
            return (500 if self.lost and self.lost.pop(0) else code), body
        name = path.removeprefix(f"{JOBS}/")
        if name not in self.jobs:
            return 404, {"reason": "NotFound"}
        statuses = self.jobs[name]
        deployment, job = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        status = {"jobDeploymentStatus": deployment, "jobStatus": job, "message": "exit code 2"}
        return 200, {"status": status if deployment else None}


@contextmanager
def api(cluster, monkeypatch, folder):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.answer("POST", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self):
            self.answer("GET", None)

        def answer(self, method, body):
            cluster.requests.append((method, self.path, self.headers["Authorization"], body))
            code, found = cluster.answer(method, self.path, body)
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
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(start_night, monkeypatch, tmp_path, capsys):
    """Start the night of the date in a cluster; returns the exit code and what was said."""

    def started(cluster):
        with api(cluster, monkeypatch, tmp_path):
            code = start_night.main(str(KUBERNETES / "rayjob.yaml"), DATE)
        return code, capsys.readouterr()

    return started


@pytest.mark.parametrize(("end", "code"), [(SUCCEEDED, 0), (FAILED, 1)])
def test_it_makes_the_job_of_the_date_and_ends_as_that_does(start, end, code):
    cluster = Cluster(coming=[*SAID, ("Retrying", "FAILED"), *SAID, end])
    ended, said = start(cluster)
    assert ended == code
    (post,) = [request for request in cluster.requests if request[0] == "POST"]
    _, path, authorization, body = post
    assert (path, authorization) == (JOBS, "Bearer of the pod")
    assert body["metadata"]["name"] == NAME
    assert body["spec"]["entrypoint"].endswith(f"--set nightly.date={DATE}")
    after = cluster.requests[cluster.requests.index(post) + 1 :]
    assert {request[:2] for request in after} == {("GET", f"{JOBS}/{NAME}")}
    assert f"created RayJob {NAME}\n" in said.out
    assert said.err == ("" if code == 0 else f"error: RayJob {NAME} ended as FAILED: exit code 2\n")


@pytest.mark.parametrize("end", [FAILED, ("Complete", "STOPPED"), ("ValidationFailed", "")])
def test_after_one_that_failed_comes_the_next_try(start, end):
    cluster = Cluster(there={NAME: [end]})
    assert start(cluster)[0] == 0
    assert cluster.made == [f"{NAME}-2"]
    cluster = Cluster(there={NAME: [FAILED], f"{NAME}-2": [end]}, coming=[*SAID, FAILED])
    code, said = start(cluster)
    assert (code, cluster.made) == (1, [f"{NAME}-3"])
    assert f"created RayJob {NAME}-3, for {NAME}-2 has failed" in said.out
    assert said.err == f"error: RayJob {NAME}-3 ended as FAILED: exit code 2\n"


def test_one_that_has_succeeded_is_enough(start):
    for there in ({NAME: [SUCCEEDED]}, {NAME: [FAILED], f"{NAME}-2": [SUCCEEDED]}):
        cluster = Cluster(there)
        code, said = start(cluster)
        assert (code, cluster.made) == (0, [])
        assert f"RayJob {list(there)[-1]} has succeeded already" in said.out


@pytest.mark.parametrize("before", [{}, {NAME: [FAILED]}], ids=["those before are deleted", "with those before"])
@pytest.mark.parametrize(("end", "code"), [(SUCCEEDED, 0), (FAILED, 1)])
def test_one_that_goes_on_is_waited_for(start, before, end, code):
    """Also where KubeRay has deleted those that failed before it: no second one is made beside it."""
    cluster = Cluster(there={**before, f"{NAME}-2": [*SAID, end]})
    ended, said = start(cluster)
    assert (ended, cluster.made) == (code, [])
    assert f"RayJob {NAME}-2 is there already" in said.out


def test_an_api_that_is_away_or_loses_its_answer_makes_no_second_one(start):
    cluster = Cluster(troubles=[503, 500, 429], lost=[True])
    code, said = start(cluster)
    assert (code, cluster.made) == (0, [NAME, NAME])  # it was asked for twice, and there is one
    assert list(cluster.jobs) == [NAME]
    assert f"RayJob {NAME} is there already" in said.out


def test_there_is_an_end_of_trying(start, start_night):
    names = [NAME, *(f"{NAME}-{number}" for number in range(2, start_night.MOST_TRIES + 1))]
    cluster = Cluster(there={name: [FAILED] for name in names})
    code, said = start(cluster)
    assert (code, cluster.made) == (1, [])
    assert said.err.startswith(f"error: RayJob {names[-1]} has failed too")
    del cluster.jobs[names[-1]]
    assert start(cluster)[0] == 0
    assert cluster.made == names[-1:]


def test_it_needs_no_more_than_its_account_may(start):
    """Create and get: what is asked of the API is a POST to RayJobs, or a GET of one by its name."""
    cluster = Cluster(there={NAME: [FAILED]})
    assert start(cluster)[0] == 0
    asked = {"create" if method == "POST" else "get" for method, *_ in cluster.requests}
    (role,) = [each for each in yaml.safe_load_all((KUBERNETES / "account.yaml").read_text()) if each["kind"] == "Role"]
    assert [(rule["resources"], set(rule["verbs"])) for rule in role["rules"]] == [(["rayjobs"], asked)]
    assert all(path.startswith(f"{JOBS}/{NAME}") for method, path, *_ in cluster.requests if method == "GET")


def test_what_is_refused_is_told_in_a_sentence(start, start_night, capsys):
    code, said = start(Cluster(troubles=[403]))
    assert code == 1
    assert said.err.startswith("error: the API answered 403: ")
    assert start_night.main(str(KUBERNETES / "rayjob.yaml"), "tonight") == 1
    assert "'tonight'" in capsys.readouterr().err
