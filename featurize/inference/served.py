"""A model behind an endpoint: somebody's, at an `address`, or a server of our own that each worker starts with `serve`.

Backends and rankers whose model is served share these settings, how server and client are opened, and the invariant
that the identity of the model is that of its weights where we start the server, and else the operator's word.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import Field, HttpUrl, model_validator

from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.inference import weights
from featurize.inference.endpoint import Endpoint
from featurize.inference.extractor import Placement
from featurize.inference.inference_server import InferenceServer
from featurize.inference.weights import Weights
from featurize.storage import secrets


class ServedSettings(Placement):
    """Exactly one of `address` and `serve` is given.

    Flags of `serve` are not in the model key. For one that changes the words, put its value into `dtype`:
    `vllm serve {weights} --host 127.0.0.1 --port {port} --generation-config vllm --quantization {dtype}`. (vLLM listens
    to the whole network by default. `--generation-config vllm` leaves out the penalties that some checkpoints bring.)
    """

    address: HttpUrl | None = Field(None, description="base URL of a running endpoint, such as http://host:8000/v1")
    serve: str | None = Field(
        None,
        description="command that starts a server and stays, such as: "
        "vllm serve {weights} --host 127.0.0.1 --port {port}; {python} is the one that runs this job",
    )
    model: str = Field(description="with address, the model's name there; with serve, a folder or hub id")
    revision: str | None = Field(
        None,
        description="with address, your name for the weights there, to be changed with them; with serve, the hub's",
    )
    dtype: str | None = Field(None, description="with serve, what {dtype} stands for; recorded")
    concurrency: int = Field(32, ge=1, description="requests of one worker that are under way at once")
    timeout_s: float = Field(180, gt=0, description="seconds that one request may take")
    attempts: int = Field(6, ge=1, description="requests for one picture or prompt before it counts as failed")
    backoff_s: float = Field(1, ge=0, description="seconds of pause after the first failed request; doubles with each")
    api_key_env: str | None = Field(None, description="environment variable that holds the endpoint's key")
    start_s: float = Field(600, gt=0, description="with serve, seconds a server may take to be ready")
    max_restarts: int = Field(5, ge=0, description="with serve, how often a worker replaces a server that died")
    log_dir: Path = Field(Path("logs"), description="with serve, folder of the servers' logs")

    @model_validator(mode="before")
    @classmethod
    def _one_client_is_enough(cls, values: Any) -> Any:
        """At an address, `concurrency` should mean what it says: not so many from each of the machine's workers."""
        return {"workers": 1, **values} if isinstance(values, dict) and values.get("address") else values

    @model_validator(mode="after")
    def _is_one_endpoint(self) -> Self:
        if (self.address is None) == (self.serve is None):
            raise ValueError("give exactly one of 'address' and 'serve'")
        if self.address is not None and self.revision is None:
            raise ValueError("'address' needs a 'revision': any name that you change when the weights there change")
        if self.serve is not None and not ("{weights}" in self.serve and "{port}" in self.serve):
            raise ValueError("'serve' must contain {weights} and {port}")
        if ("{dtype}" in (self.serve or "")) != (self.dtype is not None):
            raise ValueError("'dtype' goes with a 'serve' that contains {dtype}")
        return self


class Served:
    """The endpoint of these settings, with the server behind it where it is our own.

    `model` is its name there, `folder` where its weights lie, if that is known. Errors: RefusedInput when the weights
    or the key are not there; RunFailed when the server does not start.
    """

    def __init__(self, settings: ServedSettings) -> None:
        secrets.learn(settings.model_dump(mode="json"))
        api_key = _api_key(settings.api_key_env)
        self.model = settings.model
        self.folder: Path | None = None
        self._server: InferenceServer | None = None
        if settings.serve is not None:
            self.folder = _weights(settings).fetch(weights.FILES).absolute()
            self.model = str(self.folder)
            self._server = InferenceServer(
                settings.serve,
                {"weights": self.model, "dtype": settings.dtype or "", "python": sys.executable},
                log_dir=settings.log_dir,
                start_s=settings.start_s,
                max_restarts=settings.max_restarts,
            )
        self.endpoint = Endpoint(
            self._server or str(settings.address).rstrip("/"),
            connections=settings.concurrency,
            timeout_s=settings.timeout_s,
            attempts=settings.attempts,
            backoff_s=settings.backoff_s,
            api_key=api_key,
        )

    @contextmanager
    def first_question(self, refusal: str) -> Iterator[None]:
        """Around something small that is asked before the real work: an endpoint that cannot work is found out by it.

        `refusal` says what it means when it is refused, such as "does not describe a blank picture". Whatever goes
        wrong, all is closed. Errors: RunFailed.
        """
        try:
            yield
        except BaseException as error:
            self.close()
            if isinstance(error, BadImage):
                raise RunFailed(f"the endpoint {refusal}: {error.detail}") from error
            raise

    def close(self) -> None:
        self.endpoint.close()
        if self._server is not None:
            self._server.close()


def identity(settings: ServedSettings) -> dict[str, Any]:
    """Of the weights, for the model key; with `address` by the operator's word. Errors: RefusedInput."""
    if settings.serve is None:
        return {"model": settings.model, "revision": settings.revision}
    return _weights(settings).identity


def _weights(settings: ServedSettings) -> Weights:
    return weights.resolve(settings.model, settings.revision, "config.json")


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise RefusedInput(f"the environment variable {variable}, named by 'api_key_env', is not set")
    return os.environ[variable]
