"""Who is told that a run began and how it ended: a ping URL, and a webhook that is sent the run's record.

Invariant: neither can fail a run or hold it up for more than `SECONDS` at its start and at its end, whatever the other
side does. A dead man's switch is only of use when it hears of every end: so it is told by the process that knows the
exit code, also of a run that was refused.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurize.config import Settings
from featurize.storage import secrets
from featurize.storage.store import Store

log = logging.getLogger("featurize")

SECONDS = 5.0
TRIES = 3
OUTCOMES = {0: "done", 2: "refused", 3: "held"}


class Told:
    """What is told of one run. Each telling goes on in a daemon thread, which is waited for no longer than it may."""

    def __init__(self, job: str) -> None:
        self.job, self.problem = job, ""
        self._run: tuple[Settings, str] | None = None
        self._telling: list[threading.Thread] = []

    def began(self, settings: Settings, run_id: str) -> None:
        """Ping `/start`, beside the run."""
        self._run = settings, run_id
        self._ping("start")

    def leave_it(self) -> None:
        """Another run is at it, and will tell how it ends."""
        self._run = None

    def ended(self, code: int) -> None:
        """Ping `/<exit code>`, and send the record. Returns after `SECONDS` at the latest."""
        if self._run is None:
            return
        begun = time.monotonic()
        with suppress(KeyboardInterrupt):
            for starting in self._telling:  # so that the two arrive in order
                starting.join(SECONDS / 2)
            self._ping(str(code))
            if (address := self._run[0].notify.webhook_url) is not None:
                self._telling.append(_aside(partial(self._send, address, code)))
            for thread in self._telling:
                thread.join(max(0.0, begun + SECONDS - time.monotonic()))
        if any(thread.is_alive() for thread in self._telling):
            log.warning("notify: no answer within %g s, and nobody waits longer", SECONDS)

    def _ping(self, what: str) -> None:
        if self._run is not None and (address := self._run[0].notify.ping_url) is not None:
            ping = urllib.request.Request(f"{address.rstrip('/')}/{what}")
            self._telling.append(_aside(partial(_ask, "notify.ping_url", ping)))

    def _send(self, address: str, code: int) -> None:
        record = secrets.redact_all(self._record(code) | {"exit_code": code})
        body = json.dumps(record, default=_text).encode()
        _ask("notify.webhook_url", urllib.request.Request(address, body, {"Content-Type": "application/json"}))

    def _record(self, code: int) -> dict[str, Any]:
        """The run's row of table `run`, or what is known of one that has none."""
        assert self._run is not None
        settings, run_id = self._run
        part = Store(settings.store).part("run", "", run_id)
        if part is None:
            outcome = OUTCOMES.get(code, "failed")
            return {"run_id": run_id, "job": self.job, "outcome": outcome, "message": self.problem}
        row: dict[str, Any] = pq.read_table(pa.BufferReader(part)).to_pylist()[0]
        return row | {name: json.loads(row[name]) for name in ("settings", "counts")}


def _aside(action: Callable[[], None]) -> threading.Thread:
    def quietly() -> None:
        try:
            action()
        except Exception as error:  # whatever it is, it is no fault of the run
            log.warning("notify: %s: %s", type(error).__name__, error)

    thread = threading.Thread(target=quietly, name="notify", daemon=True)
    thread.start()
    return thread


def _ask(setting: str, request: urllib.request.Request) -> None:
    """Tried again while there is time: a ping that is lost looks like a run that is lost."""
    begun = time.monotonic()
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):
                return
        except OSError as error:
            problem = error
        time.sleep(0.2 * 2**attempt)
        if time.monotonic() - begun > SECONDS:
            break
    log.warning("%s does not take it: %s", setting, problem)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
