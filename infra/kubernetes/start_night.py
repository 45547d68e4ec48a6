"""Create the RayJob of tonight, wait for its end, and end as it did: 0 where the night succeeded, else 1.

    python infra/kubernetes/start_night.py rayjob.yaml [DATE]

DATE (default: today, UTC) takes the place of the word DATE in the file. A RayJob of that date that is there already is
waited for, so it can be started any number of times. Invariant: it never makes two RayJobs of one date, for their name
is made of it. It speaks to the API of the cluster with the token of its pod.
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


def night(api: Api, job: dict[str, Any]) -> int:
    """Create it, unless it is there, and wait for its end; returns the exit code."""
    name = job["metadata"]["name"]
    try:
        patiently(lambda: api.ask(api.jobs, job))
        print(f"created RayJob {name}", flush=True)
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
        print(f"RayJob {name} is there already", flush=True)
    said = ""
    while True:
        status = patiently(lambda: api.ask(f"{api.jobs}/{name}")).get("status", {})
        deployment, ended = status.get("jobDeploymentStatus", ""), status.get("jobStatus", "")
        if f"{deployment} {ended}" != said:
            said = f"{deployment} {ended}"
            print(f"RayJob {name}: {said.strip() or 'not begun'}", flush=True)
        if deployment == "Complete" and ended == "SUCCEEDED":
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
