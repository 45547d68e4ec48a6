"""Chat completions of an OpenAI-compatible endpoint: what is asked at `/chat/completions`, and what comes back."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from featurize.inference import endpoint
from featurize.inference.endpoint import Endpoint, Text

PATH = "/chat/completions"


class _Message(BaseModel):
    content: Text | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: Text


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class Answer(endpoint.Answer):
    """What we use of a chat completion. Source: the OpenAI API reference, "The chat completion object"."""

    called: ClassVar[str] = "chat completion"

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage


class ChatEndpoint(Endpoint):
    """An endpoint that is asked for nothing but chat completions."""

    def ask(self, request: bytes) -> Answer:
        """Answer to a request body (JSON). Errors: as `post`."""
        return self.post(PATH, request, Answer)
