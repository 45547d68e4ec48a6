"""Descriptions by any endpoint that speaks OpenAI's chat completions: vLLM, SGLang, `transformers serve`, a service.

The endpoint is at an `address`, or each worker starts one of its own with the command in `serve`. Many requests are
under way at once, so that the engine always has a batch to fill.

Invariant: an endpoint that cannot work (wrong key, model or address, too short a context) is found out with a blank
picture, before the first real one. Licence: that of the weights you name.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from PIL import Image
from pydantic import Field, HttpUrl, model_validator

from featurize.errors import BadImage, RefusedInput, RunFailed
from featurize.inference import captions, weights
from featurize.inference.chat_endpoint import ChatEndpoint
from featurize.inference.extractor import Columns
from featurize.inference.inference_server import InferenceServer
from featurize.storage import secrets

_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
_JPEG: dict[str, Any] = {"format": "JPEG", "quality": 95, "subsampling": "4:4:4"}
DECODE_SCALE = 1.5
"""The decoder may reduce a JPEG until its sides are this many times the side of a square of `max_pixels`."""
MAX_ASPECT = 100
"""Longer strips get white borders up to this; Qwen's processors refuse them from 200 on."""
MIN_SIDE = 28
"""Pixels; thinner pictures are enlarged to this, one visual token of Qwen2.5-VL, which some engines do not do.
(Qwen3-VL rounds it up to its 32.)"""


class Settings(captions.CaptionerSettings):
    """`backend = "openai_endpoint"` in a profile. Exactly one of `address` and `serve` is given.

    Flags of `serve` are not in the model key. For one that changes the words, put its value into `dtype`:
    `vllm serve {weights} --host 127.0.0.1 --port {port} --generation-config vllm --quantization {dtype}`. (vLLM listens
    to the whole network by default. `--generation-config vllm` leaves out the penalties that some checkpoints bring.)
    """

    backend: Literal["openai_endpoint"] = "openai_endpoint"
    batch_size: Literal[1] = Field(1, description="always 1: the engine makes its own batches")
    address: HttpUrl | None = Field(None, description="base URL of a running endpoint, such as http://host:8000/v1")
    serve: str | None = Field(
        None,
        description="command that starts a server and stays, such as: "
        "vllm serve {weights} --host 127.0.0.1 --port {port}",
    )
    model: str = Field(description="with address, the model's name there; with serve, a folder or hub id")
    revision: str | None = Field(
        None,
        description="with address, your name for the weights there, to be changed with them; with serve, the hub's",
    )
    dtype: str | None = Field(None, description="with serve, what {dtype} stands for; recorded")
    prompt: str = Field("artwork-v1", description="a name of featurize/inference/caption_prompts or a path")
    max_new_tokens: int = Field(256, ge=1, description="cap on the tokens of an answer")
    max_pixels: int = Field(768 * 28 * 28, ge=4 * MIN_SIDE**2, description="area above which a picture is reduced")
    concurrency: int = Field(32, ge=1, description="requests of one worker that are under way at once")
    timeout_s: float = Field(180, gt=0, description="seconds that one request may take")
    attempts: int = Field(6, ge=1, description="requests for one picture before it counts as failed")
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


class Extractor:
    """Rows of `description` from one endpoint.

    Errors: RefusedInput when the weights or the key are not there; RunFailed when the server does not start, or the
    endpoint does not describe a blank picture of the largest size.
    """

    table: ClassVar[str] = "description"
    input: ClassVar[Literal["image", "text"]] = "image"

    def __init__(self, settings: Settings) -> None:
        side = math.sqrt(settings.max_pixels)
        self.batch_size = settings.batch_size
        self.concurrency = settings.concurrency
        self.at_least: tuple[int, int] | None = (math.ceil(DECODE_SCALE * side), math.ceil(DECODE_SCALE * side))
        self.out_of_memory: tuple[type[BaseException], ...] = ()
        self._settings = settings
        self._prompt = captions.load_prompt(settings.prompt).text
        self._model = settings.model
        self._server: InferenceServer | None = None
        secrets.learn(settings.model_dump(mode="json"))
        api_key = _api_key(settings.api_key_env)
        if settings.serve is not None:
            self._model = str(_weights(settings).fetch(_FILES).absolute())
            self._server = InferenceServer(
                settings.serve,
                {"weights": self._model, "dtype": settings.dtype or ""},
                log_dir=settings.log_dir,
                start_s=settings.start_s,
                max_restarts=settings.max_restarts,
            )
        self._endpoint = ChatEndpoint(
            self._server or str(settings.address).rstrip("/"),
            connections=settings.concurrency,
            timeout_s=settings.timeout_s,
            attempts=settings.attempts,
            backoff_s=settings.backoff_s,
            api_key=api_key,
        )
        try:
            self._describe(self.prepare(Image.new("RGB", (int(side), int(side)), "white")))
        except BadImage as error:
            self.close()
            raise RunFailed(f"the endpoint does not describe a blank picture: {error.detail}") from error
        except BaseException:
            self.close()
            raise

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        """The weights (with `address`, by the operator's word), what is asked of them, and how the picture is sent."""
        if settings.serve is None:
            identity: dict[str, Any] = {"model": settings.model, "revision": settings.revision}
        else:
            identity = _weights(settings).identity
        return {
            "backend": settings.backend,
            "table": Extractor.table,
            "version": 1,
            "weights": identity,
            "dtype": settings.dtype,
            "prompt": captions.load_prompt(settings.prompt).text,
            "decoding": {"temperature": 0, "max_new_tokens": settings.max_new_tokens},
            "sent_as": _JPEG,
            "max_pixels": settings.max_pixels,
            "min_side": MIN_SIDE,
            "max_aspect": MAX_ASPECT,
            "decode_scale": DECODE_SCALE,
        }

    def prepare(self, image: Image.Image) -> bytes:
        """The body of the request: JSON with the picture as a JPEG of at most max_pixels, then the prompt."""
        file = io.BytesIO()
        _fit(image, self._settings.max_pixels).save(file, **_JPEG)
        url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": self._prompt}]
        request = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": self._settings.max_new_tokens,
        }
        return json.dumps(request).encode()

    def group(self, prepared: bytes) -> None:
        """All alike: the engine forms its own batches."""

    def extract(self, batch: Sequence[bytes]) -> Columns:
        """Columns of `description`, one request after the other; it is called from `concurrency` threads at once.

        Errors: BadImage and RunFailed, as `ChatEndpoint.ask`.
        """
        rows = [self._describe(request) for request in batch]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def close(self) -> None:
        self._endpoint.close()
        if self._server is not None:
            self._server.close()

    def _describe(self, request: bytes) -> dict[str, Any]:
        answer = self._endpoint.ask(request)
        choice = answer.choices[0]
        return captions.parse(choice.message.content or "", choice.finish_reason) | {
            "finish_reason": choice.finish_reason,
            "prompt_tokens": answer.usage.prompt_tokens,
            "output_tokens": answer.usage.completion_tokens,
        }


def _weights(settings: Settings) -> weights.Weights:
    return weights.resolve(settings.model, settings.revision, "config.json")


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise RefusedInput(f"the environment variable {variable}, named by 'api_key_env', is not set")
    return os.environ[variable]


def _fit(image: Image.Image, max_pixels: int) -> Image.Image:
    """The whole picture within `max_pixels`, and of a shape that every engine takes.

    A strip is laid on white, a speck is enlarged; all others keep their shape and are only ever reduced.
    """
    ratio = min(MAX_ASPECT, max_pixels // MIN_SIDE**2)
    width, height = (max(side, -(-max(image.size) // ratio)) for side in image.size)
    if (width, height) != image.size:
        padded = Image.new("RGB", (width, height), "white")
        padded.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        image = padded
    scale = max(min(1.0, math.sqrt(max_pixels / (width * height))), MIN_SIDE / min(width, height))
    size = (max(MIN_SIDE, int(width * scale)), max(MIN_SIDE, int(height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
