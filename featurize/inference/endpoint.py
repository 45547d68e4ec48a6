"""A client of one endpoint that answers JSON with JSON (`POST <address><path>`), which many threads share.

Invariant: every request ends, after a bounded number of attempts, in an answer or in an error that says whose fault it
is: the request's (BadImage) or the endpoint's (RunFailed). Where the endpoint is a server of our own and a request
kills it, those that were under way beside it still get their answers.
"""

from __future__ import annotations

import email.utils
import random
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

import httpx
from pydantic import AfterValidator, BaseModel, ValidationError

from featurize.errors import BadImage, RunFailed
from featurize.inference.inference_server import InferenceServer, Running
from featurize.storage import secrets

_BAD_REQUEST = {400, 413, 415, 422}
_PASSING = {408, 425, 429}
_LONGEST_RETRY_AFTER_S = 300.0
_DEATHS_OF_A_BAD_REQUEST = 2


Text = Annotated[str, AfterValidator(secrets.hide_known)]
"""An endpoint is somebody else's program: what it says may repeat the key it was sent."""


class Answer(BaseModel):
    """What we use of an answer; each kind is a subclass."""

    called: ClassVar[str]
    """Where something else came: `answered with no chat completion`."""


T = TypeVar("T", bound=Answer)


@dataclass(frozen=True)
class _Failure:
    detail: str
    in_work: bool
    """The server had the request when it failed, so the request may be what killed it."""
    retry_after_s: float = 0.0


class Endpoint:
    """Sends requests to a base URL, or to a server of our own wherever it runs at the moment.

    `timeout_s` is of one attempt; `backoff_s` is the pause after the first failed one and doubles with each. A
    Retry-After is waited out, unless it is over five minutes: then the request fails at once.
    """

    def __init__(
        self,
        where: str | InferenceServer,
        *,
        connections: int,
        timeout_s: float,
        attempts: int,
        backoff_s: float,
        api_key: str | None = None,
    ) -> None:
        self._where = where
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._closed = threading.Event()
        if api_key:
            secrets.keep(api_key)
        self._one_suspect = threading.Lock()
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=min(10, timeout_s), pool=None),
            # Idle connections are dropped before the server does it, after 5 s in uvicorn's case.
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=2),
            trust_env=isinstance(where, str),  # no proxy between us and our own server
        )

    def post(self, path: str, request: bytes, kind: type[T], content_type: str = "application/json") -> T:
        """Answer to a request body. Safe in as many threads at once as there are `connections`.

        Errors: BadImage `model_error` when the endpoint refuses this request (not retryable) or still fails after the
        last attempt (retryable), `worker_crashed` when our own server died of it twice; RunFailed when no request can
        work, our own server cannot be kept alive, or this was closed.
        """
        server = self._where if isinstance(self._where, InferenceServer) else None
        failed_on: set[int] = set()  # generations of the server that had this request when it failed
        attempt = 0
        while True:
            attempt += 1
            # Requests that may have killed a server go one at a time, so that the next death has one culprit.
            with self._one_suspect if server and failed_on else nullcontext():
                target = self._target()
                if len(failed_on - {target.generation}) >= _DEATHS_OF_A_BAD_REQUEST:
                    raise BadImage("worker_crashed", "the inference server died of it, twice", retryable=True)
                outcome = self._post(f"{target.address}{path}", request, kind, content_type)
                if not isinstance(outcome, _Failure):
                    return outcome
                if outcome.in_work:
                    failed_on.add(target.generation)
                    if server:  # before the next suspect meets the same dying server, and is blamed for it
                        server.end_if_unwell(target)
            if attempt == self._attempts:
                raise BadImage("model_error", f"{outcome.detail} ({attempt} attempts)", retryable=True)
            self._pause(attempt, outcome)

    def close(self) -> None:
        """End the pauses of requests that wait for another attempt. Our own server is not ended here."""
        self._closed.set()
        self._http.close()

    def _target(self) -> Running:
        return Running(self._where, 0) if isinstance(self._where, str) else self._where.running()

    def _post(self, url: str, request: bytes, kind: type[T], content_type: str) -> T | _Failure:
        try:
            response = self._http.post(url, content=request, headers={"Content-Type": content_type})
        except httpx.RequestError as error:
            cut = isinstance(error, httpx.NetworkError | httpx.ProtocolError)
            detail = f"{url}: {type(error).__name__}: {error}"
            return _Failure(detail, in_work=cut and not isinstance(error, httpx.ConnectError))
        status = response.status_code
        if status == httpx.codes.OK:
            try:
                return kind.model_validate_json(response.content)
            except ValidationError:
                raise BadImage("model_error", f"{url} answered with no {kind.called}", retryable=True) from None
        detail = f"{url} answered {status}: {' '.join(secrets.redact(response.text).split())[:300]}"
        if status in _PASSING or response.is_server_error:
            return _Failure(
                detail,
                in_work=response.is_server_error,
                retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
            )
        if status in _BAD_REQUEST:
            raise BadImage("model_error", detail)
        raise RunFailed(f"{detail}; check the endpoint's address, model and key")

    def _pause(self, attempt: int, failure: _Failure) -> None:
        if failure.retry_after_s > _LONGEST_RETRY_AFTER_S:
            raise BadImage(
                "model_error", f"{failure.detail} (told to wait {failure.retry_after_s:.0f} s)", retryable=True
            )
        backoff_s = self._backoff_s * 2 ** (attempt - 1) * random.uniform(0.5, 1)
        # Many requests are told the same moment: the jitter comes on top of it.
        told_s = failure.retry_after_s and failure.retry_after_s + self._backoff_s * random.random()
        if self._closed.wait(max(backoff_s, told_s)):
            raise RunFailed("the endpoint's client was closed between two attempts")


def retry_after_s(value: str) -> float:
    """Seconds to wait, from either form of a Retry-After (RFC 9110, 10.2.3); 0 where it is empty or cannot be read."""
    with suppress(ValueError):
        return max(0.0, float(value))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0
