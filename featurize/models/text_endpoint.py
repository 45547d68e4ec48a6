"""Text embeddings by any endpoint that speaks OpenAI's `/v1/embeddings`: vLLM, text-embeddings-inference, a service.

Invariants: an endpoint that cannot work (wrong key, model or address) is found out with one word, before the first
text; a text that it refuses, such as one that is too long for it, is a row of quarantine: nothing is cut here. Licence:
that of the weights you name.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field

from featurize.errors import BadImage
from featurize.inference import endpoint, served
from featurize.inference.extractor import Columns, ModelSettings
from featurize.inference.served import Served, ServedSettings

PATH = "/embeddings"


class Settings(ModelSettings, ServedSettings):
    """`backend = "text_endpoint"` in a profile."""

    backend: Literal["text_endpoint"] = "text_endpoint"
    concurrency: int = Field(4, ge=1, description="requests of one worker that are under way at once")
    query_instruction: str | None = Field(
        None, description="goes before what is searched for, and before nothing that is stored"
    )


class _Vector(BaseModel):
    index: int
    embedding: Annotated[list[float], Field(min_length=1)]


class Answer(endpoint.Answer):
    """What we use of a list of embeddings. Source: the OpenAI API reference, "Create embeddings"."""

    called: ClassVar[str] = "list of embeddings"

    data: list[_Vector]


class Extractor:
    """Rows of `text_embedding` from one endpoint. Errors: RefusedInput when the weights or the key are not there;
    RunFailed when the server does not start, or gives no vector of a word."""

    table: ClassVar[str] = "text_embedding"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "text"
    at_least: tuple[int, int] | None = None

    def __init__(self, settings: Settings) -> None:
        self.batch_size = settings.batch_size
        self.concurrency = settings.concurrency
        self.out_of_memory: tuple[type[BaseException], ...] = ()
        self._instruction = settings.query_instruction or ""
        self._served = Served(settings)
        with self._served.first_question("gives no vector of a word"):
            self.extract(["word"])

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        """The weights (with `address`, by the operator's word)."""
        return {
            "backend": settings.backend,
            "table": Extractor.table,
            "version": 1,
            "weights": served.identity(settings),
            "dtype": settings.dtype,
        }

    def prepare(self, image: Any) -> Any:
        return image

    def query(self, text: str) -> str:
        """What is searched for, as it is given to `prepare`."""
        return f"{self._instruction}{text}"

    def group(self, prepared: Any) -> Hashable:
        return None

    def extract(self, batch: Sequence[str]) -> Columns:
        """`embedding`: float32 of shape (n, d), each row of length 1. Errors: as `Endpoint.post`."""
        request = json.dumps({"model": self._served.model, "input": list(batch), "encoding_format": "float"}).encode()
        answer = self._served.endpoint.post(PATH, request, Answer)
        found = sorted(answer.data, key=lambda each: each.index)
        if [each.index for each in found] != list(range(len(batch))) or len({len(e.embedding) for e in found}) != 1:
            why = f"{len(found)} vectors came for {len(batch)} texts, or of unequal widths"
            raise BadImage("model_error", why, retryable=True)
        vectors = np.array([each.embedding for each in found], np.float64)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(vectors).all() or not length.all():
            raise BadImage("model_error", "a vector that came has no direction", retryable=True)
        return {"embedding": (vectors / length).astype(np.float32), "tokens_cut": [None] * len(batch)}

    def close(self) -> None:
        self._served.close()
