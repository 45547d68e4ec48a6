"""Any LLM behind an endpoint: the log-probability of each candidate's letter as its first token, one request a prompt.

The endpoint is at an `address`, or each worker starts one of its own with the command in `serve`. `api` says how it is
asked: vLLM and SGLang get the very tokens that ranker `llm` would read and tell of all letters, so that both rankers
score alike; other services get messages and tell of their likeliest tokens.

Invariant: a score is what the endpoint said. A letter that it leaves out fails the prompt, and an endpoint that cannot
work (wrong key, model, address or tokenizer, a version that leaves letters out) is found out with a small prompt before
the first real one. Licence: that of the weights you name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from featurize.errors import BadImage
from featurize.inference import asking, chat_endpoint, letters, served, weights
from featurize.inference.asking import Floats
from featurize.inference.endpoint import Answer, Text
from featurize.inference.letters import LETTERS, Message
from featurize.inference.prefill import Question
from featurize.inference.ranker import Given, Prompt, Ranked, RankerSettings
from featurize.inference.served import Served, ServedSettings

SMALL = [{"role": "user", "content": "Which letter comes first in the alphabet?\nA. A\nB. B\nAnswer with its letter."}]
ROUNDING = 1e-3
"""By so much the log-probability of what is certain may be above 0."""
_AS_IT_IS = {"temperature": 1, "top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1}
"""Changes no probability: a server may tell them as it samples, and a checkpoint bring a way of its own."""


class Settings(RankerSettings, ServedSettings):
    api: Literal["vllm", "sglang", "chat"] = Field(
        "vllm",
        description="vllm: /completions with logprob_token_ids, a vLLM of July 2026 or newer; sglang: /score; chat:"
        " /chat/completions of a service that takes no tokens and tells of its likeliest ones",
    )
    tokenizer: str | None = Field(
        None,
        description="with address and vllm or sglang, the model's tokenizer: a folder, bundled:<name> or"
        " owner/name@revision",
    )
    top_logprobs: int = Field(
        20, ge=2, description="with chat, how many likeliest tokens the service tells of; no more candidates than that"
    )

    @property
    def letters(self) -> int:
        return min(len(LETTERS), self.top_logprobs) if self.api == "chat" else len(LETTERS)

    @model_validator(mode="after")
    def _has_one_tokenizer(self) -> Self:
        wanted = self.address is not None and self.api != "chat"
        if wanted and self.tokenizer is None:
            raise ValueError(f"'address' with api = {self.api} needs a 'tokenizer': that of the model there")
        if not wanted and self.tokenizer is not None:
            raise ValueError("'tokenizer' goes with 'address' and api = vllm or sglang")
        return self


class Ranker:
    per_model = False
    needs = ""

    def __init__(self, settings: Settings, given: Given) -> None:
        self._given, self._concurrency = given, settings.concurrency
        self._served = Served(settings)
        with self._served.first_question("does not answer a small prompt"):
            self._api, first = self._open_api(settings)
            self._ask_something_small(first)

    @staticmethod
    def fingerprint(settings: Settings, given: Given) -> dict[str, Any]:
        """The weights (with `address`, by the operator's word), and how they are asked."""
        tokens = settings.tokenizer and weights.resolve_tokenizer(settings.tokenizer).identity
        return {
            "version": 1,
            "weights": served.identity(settings),
            "dtype": settings.dtype,
            "api": settings.api,
            "tokenizer": tokens,
            "top_logprobs": settings.top_logprobs if settings.api == "chat" else None,
            **asking.way(given),
        }

    def rank(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Ranked | BadImage]]:
        return asking.ranked(prompts, self._given, self._api.question, self._answers)

    def close(self) -> None:
        self._served.close()

    def _open_api(self, settings: Settings) -> tuple[_Api, _Api]:
        """How prompts are asked, and how the first, small one is."""
        if settings.api == "chat":
            return (chat := _Chat(settings.top_logprobs)), chat
        if settings.tokenizer is not None:
            found = weights.resolve_tokenizer(settings.tokenizer)
            tokenizer = letters.tokenizer(found.where, found.commit)
        else:
            assert self._served.folder is not None
            tokenizer = letters.tokenizer(self._served.folder)
        reader = asking.Reader(tokenizer)
        if settings.api == "vllm":
            return _Vllm(reader), _VllmInWords(reader)
        return (sglang := _Sglang(reader)), sglang

    def _ask_something_small(self, api: _Api) -> None:
        said = self._ask(api, api.question(SMALL, 2))
        if api.tells_all:
            _complete(api, said)

    def _answers(self, questions: Sequence[Any]) -> Iterator[tuple[int, Floats | BadImage]]:
        """`concurrency` requests are under way at once, so that the engine always has a batch to fill."""
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="ask") as threads:
            asked = {threads.submit(self._found, question): place for place, question in enumerate(questions)}
            try:
                for done in as_completed(asked):
                    yield asked[done], done.result()
            finally:
                for future in asked:
                    future.cancel()

    def _found(self, question: Any) -> Floats | BadImage:
        try:
            return _complete(self._api, self._ask(self._api, question))
        except BadImage as error:
            return error

    def _ask(self, api: _Api, question: Any) -> Sequence[float | None]:
        request = {"model": self._served.model, **api.request(question)}
        answer = self._served.endpoint.post(api.path, json.dumps(request).encode(), api.answer)
        return api.said(answer, question)


def _complete(api: _Api, said: Sequence[float | None]) -> Floats:
    """Errors: BadImage where a letter has no log-probability."""
    found = np.array([math.nan if sure is None else sure for sure in said])
    lacking = [letter for letter, sure in zip(LETTERS, found, strict=False) if not -math.inf < sure <= ROUNDING]
    if lacking:
        raise BadImage("model_error", f"no log-probability of {', '.join(lacking)} came back: {api.why}")
    return found


class _Api(Protocol):
    """One way to ask an endpoint. `question` is called in one thread, the rest in many."""

    path: ClassVar[str]
    answer: ClassVar[type[Any]]
    tells_all: ClassVar[bool]
    """Whether letters are told of however unlikely they are."""
    why: str
    """What it may mean that a letter is missing."""

    def question(self, messages: Sequence[Message], count: int) -> Any:
        """What is asked of messages with so many candidates. Errors: RefusedInput for letters that are no tokens."""

    def request(self, question: Any) -> dict[str, Any]: ...

    def said(self, answer: Any, question: Any) -> Sequence[float | None]:
        """By letter its log-probability, or None."""


class _ByToken(BaseModel):
    top_logprobs: Annotated[list[dict[str, float]], Field(min_length=1)]


class _Completed(BaseModel):
    logprobs: _ByToken


class _Completion(Answer):
    called: ClassVar[str] = "log-probabilities"

    choices: Annotated[list[_Completed], Field(min_length=1)]


class _Vllm:
    """Source: CompletionRequest of vllm/entrypoints/openai/completion/protocol.py."""

    path: ClassVar[str] = "/completions"
    answer: ClassVar[type[Any]] = _Completion
    tells_all: ClassVar[bool] = True
    why = "a vLLM of July 2026 or newer is needed, whose /completions knows logprob_token_ids"

    def __init__(self, reader: asking.Reader) -> None:
        self.question = reader.question

    def request(self, question: Question) -> dict[str, Any]:
        return {
            "prompt": question.ids,
            "max_tokens": 1,
            "logprobs": 1,
            "logprob_token_ids": question.wanted,
            "return_tokens_as_token_ids": True,
            **_AS_IT_IS,
        }

    def said(self, answer: _Completion, question: Question) -> list[float | None]:
        found = answer.choices[0].logprobs.top_logprobs[0]
        return [found.get(f"token_id:{token}") for token in question.wanted]


class _VllmInWords(_Vllm):
    """The same, told by the server's own spelling of the tokens: those of another tokenizer are other words there."""

    why = f"{_Vllm.why}, and the tokenizer must be that of the model there"

    def request(self, question: Question) -> dict[str, Any]:
        return {**super().request(question), "return_tokens_as_token_ids": False}

    def said(self, answer: _Completion, question: Question) -> list[float | None]:
        found = {token.strip(): sure for token, sure in answer.choices[0].logprobs.top_logprobs[0].items()}
        return [found.get(letter) for letter in LETTERS[: len(question.wanted)]]


class _Scores(Answer):
    called: ClassVar[str] = "scores"

    scores: Annotated[list[list[float]], Field(min_length=1, max_length=1)]


class _Sglang:
    """Source: ScoringRequest of sglang/srt/entrypoints/openai/protocol.py."""

    path: ClassVar[str] = "/score"
    answer: ClassVar[type[Any]] = _Scores
    tells_all: ClassVar[bool] = True
    why = "a probability above 0 is wanted of each letter's token"

    def __init__(self, reader: asking.Reader) -> None:
        self.question = reader.question

    def request(self, question: Question) -> dict[str, Any]:
        return {
            "query": question.ids[:-1],
            "items": [question.ids[-1:]],  # it is appended to the query
            "label_token_ids": question.wanted,
            "apply_softmax": False,
        }

    def said(self, answer: _Scores, question: Question) -> list[float | None]:
        found = answer.scores[0]
        if len(found) != len(question.wanted):
            return [None] * len(question.wanted)
        return [math.log(score) if score > 0 else None for score in found]


class _Likely(BaseModel):
    token: Text
    logprob: float


class _First(BaseModel):
    top_logprobs: Annotated[list[_Likely], Field(min_length=1)]


class _Content(BaseModel):
    content: Annotated[list[_First], Field(min_length=1)]


class _Said(BaseModel):
    logprobs: _Content


class _Told(Answer):
    called: ClassVar[str] = "log-probabilities"

    choices: Annotated[list[_Said], Field(min_length=1)]


@dataclass(frozen=True)
class _Asked:
    messages: Sequence[Message]
    count: int


class _Chat:
    """Source: the OpenAI API reference, "The chat completion object"."""

    path: ClassVar[str] = chat_endpoint.PATH
    answer: ClassVar[type[Any]] = _Told
    tells_all: ClassVar[bool] = False

    def __init__(self, most: int) -> None:
        self._most = most
        self.why = f"they are not among the {most} likeliest tokens (rank.openai.top_logprobs)"

    def question(self, messages: Sequence[Message], count: int) -> _Asked:
        return _Asked(messages, count)

    def request(self, question: _Asked) -> dict[str, Any]:
        return {
            "messages": [dict(each) for each in question.messages],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": self._most,
        }

    def said(self, answer: _Told, question: _Asked) -> list[float | None]:
        """A service that tells of both "A" and " A" means the same by them: what they have is added up."""
        found: dict[str, float] = {}
        for each in answer.choices[0].logprobs.content[0].top_logprobs:
            letter = each.token.removeprefix(" ")
            found[letter] = float(np.logaddexp(found.get(letter, -math.inf), each.logprob))
        return [found.get(letter) for letter in LETTERS[: question.count]]
