"""Create the RayJob of tonight, wait for its end, and end as it did: 0 where the night succeeded, else 1.

    python infra/kubernetes/start_night.py rayjob.yaml [DATE]

DATE (default: today, UTC) takes the place of the word DATE in the file. It can be started any number of times: a RayJob
of that date that goes on is waited for, one that has succeeded is enough, and after one that has failed comes the next
try, whose name ends in -2, -3 and so on. Invariant: it never makes a RayJob of a date beside another that goes on, for
their names are made of the date and the number of the try. It speaks to the API of the cluster with the token of its
pod, which may create and get RayJobs, no more.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
POLL_SECONDS = 15.0
PATIENCE_SECONDS = 600.0
"""The API may be away for so long, as while the cluster itself is upgraded."""
OVER = ("Complete", "Failed", "ValidationFailed")
"""States of a RayJob that it does not leave; `Failed` is behind its own tries."""
MOST_TRIES = 9
"""RayJobs of one date. They are looked for by name, for their list would need another permission."""


class Api:
    """The RayJobs of a namespace. Errors of its methods: OSError, and HTTPError where the API refuses."""

    def __init__(self, address: str, namespace: str, account: Path) -> None:
        self.jobs = f"{address}/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
        self.account = account
        secure = address.startswith("https:")
        self.context = ssl.create_default_context(cafile=str(account / "ca.crt")) if secure else None

    def ask(self, url: str, body: Any = None) -> dict[str, Any]:
        token = (self.account / "token").read_text().strip()  # it is renewed while we wait
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def patiently(call: Any) -> Any:
    """What `call` returns, tried again while the API is away. Errors: HTTPError below 500, OSError after a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except OSError as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if refused or time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


def status_of(api: Api, name: str) -> dict[str, Any]:
    """What KubeRay says of a RayJob; nothing at first."""
    return patiently(lambda: api.ask(f"{api.jobs}/{name}")).get("status") or {}


def succeeded(status: dict[str, Any]) -> bool:
    return (status.get("jobDeploymentStatus"), status.get("jobStatus")) == ("Complete", "SUCCEEDED")


def begun(api: Api, job: dict[str, Any]) -> str:
    """The name of the RayJob to wait for: the newest of the date, or a new one where there is none or it has failed."""
    first = job["metadata"]["name"]
    names = [first, *(f"{first}-{number}" for number in range(2, MOST_TRIES + 1))]
    there: dict[str, dict[str, Any]] = {}
    for name in names:  # to the last: the first ones may have been deleted
        try:
            there[name] = status_of(api, name)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
    newest = next(reversed(there), None)
    if newest is not None and succeeded(there[newest]):
        print(f"RayJob {newest} has succeeded already; to have that night once more, delete it first", flush=True)
        return newest
    if newest is not None and there[newest].get("jobDeploymentStatus") not in OVER:
        print(f"RayJob {newest} is there already", flush=True)
        return newest
    if newest == names[-1]:
        raise ValueError(f"RayJob {newest} has failed too, and {MOST_TRIES} tries of a date are enough: delete them")
    name = names[0 if newest is None else names.index(newest) + 1]
    job["metadata"]["name"] = name
    try:
        patiently(lambda: api.ask(api.jobs, job))
        print(f"created RayJob {name}" + (f", for {newest} has failed" if newest else ""), flush=True)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
        print(f"RayJob {name} is there already", flush=True)  # another starter was faster, or an answer was lost
    return name


def night(api: Api, job: dict[str, Any]) -> int:
    """See to it that there is a RayJob, and wait for its end; returns the exit code."""
    name = begun(api, job)
    said = ""
    while True:
        status = status_of(api, name)
        deployment, ended = status.get("jobDeploymentStatus", ""), status.get("jobStatus", "")
        if f"{deployment} {ended}" != said:
            said = f"{deployment} {ended}"
            print(f"RayJob {name}: {said.strip() or 'not begun'}", flush=True)
        if succeeded(status):
            return 0
        if deployment in OVER:
            why = " ".join(filter(None, (status.get("reason"), status.get("message"))))
            print(f"error: RayJob {name} ended as {ended or deployment}: {why or 'see its log'}", file=sys.stderr)
            return 1
        time.sleep(POLL_SECONDS)


def main(template: str, day: str | None = None) -> int:
    day = day or f"{datetime.now(UTC):%Y-%m-%d}"
    try:
        date.fromisoformat(day)
        job = yaml.safe_load(Path(template).read_text(encoding="utf-8").replace("DATE", day))
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        address = os.environ.get("KUBERNETES_API", f"https://{f'[{host}]' if ':' in host else host}:{port}")
        account = Path(os.environ.get("KUBERNETES_ACCOUNT", ACCOUNT))
        return night(Api(address, os.environ["NAMESPACE"], account), job)
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode(errors="replace")
        print(f"error: the API answered {error.code}: {said}", file=sys.stderr)
    except KeyError as error:
        print(f"error: the environment variable {error} is missing", file=sys.stderr)
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
