"""Descriptions of what clips sound like, by a Qwen2-Audio that transformers loads, or by an endpoint.

The endpoint is any that takes `input_audio` in OpenAI's chat completions (vLLM, a service), at an `address` or started
with `serve`. Of a clip longer than 30 s, a few stretches of 30 s are heard, evenly over it. Invariant: decoding is
greedy, only clips of equal input length share a batch, and a silent clip is not asked about. Licence: that of the
weights you name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from featurize.errors import BadImage, RefusedInput
from featurize.inference import captions, chat_endpoint, free_text, hearing, multimodal
from featurize.inference.extractor import Columns
from featurize.inference.hearing import Samples, Stretch
from featurize.inference.listener import ListenerSettings
from featurize.inference.served import Served
from featurize.inference.torch_device import inference, open_device, out_of_memory, resolve_dtype, to_device
from featurize.media import decode
from featurize.media.decode import HERTZ, Sound

SHORTEST_SECONDS = 1.0
"""Shorter sound is followed by silence: of a few milliseconds a model makes no token."""


class Settings(ListenerSettings):
    backend: Literal["sound_captioner"] = "sound_captioner"
    prompt: str = Field("sound-v1", description="a name of featurize/inference/caption_prompts or a path")
    stretches: int = Field(1, ge=1, le=20, description="stretches of 30 s that are heard of a longer clip")
    max_new_tokens: int = Field(256, ge=1, description="cap on the tokens of a description")


@dataclass(frozen=True)
class _Heard:
    """A clip and what is asked about it; nothing where `status` says why."""

    status: str
    seconds: float
    stretches: tuple[Stretch, ...] = ()
    question: Any = None


class _Listener(Protocol):
    """Whoever listens: makes a question of the parts of a clip, and answers a batch of them."""

    concurrency: int

    def question(self, parts: Sequence[Samples]) -> Any: ...
    def group(self, question: Any) -> Hashable: ...
    def answers(self, questions: Sequence[Any]) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...


class Extractor:
    table: ClassVar[str] = "sound_description"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "audio"
    at_least = None
    frames = (0, 0)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        prompt = captions.load_prompt(settings.prompt).text
        self._listener: _Listener = _Endpoint(settings, prompt) if settings.endpoint else _QwenAudio(settings, prompt)
        self.concurrency = self._listener.concurrency
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        return {
            "backend": "sound_captioner",
            "table": Extractor.table,
            "version": 1,
            **settings.identity(),
            "prompt": captions.load_prompt(settings.prompt).text,
            "decoding": {"greedy": True, "max_new_tokens": settings.max_new_tokens},
            "stretches": settings.stretches,
            "silence_db": settings.silence_db,
            "decoder": decode.VERSION,
        }

    def prepare(self, clip: Sound) -> _Heard:
        """The question about a clip, where there is something to hear."""
        if clip.samples is None:
            return _Heard("no_audio", clip.seconds)
        if hearing.loudness(clip.samples) < self._settings.silence_db:
            return _Heard("silent", clip.seconds)
        stretches = hearing.spread(len(clip.samples) / HERTZ, self._settings.stretches)
        parts = [hearing.at_least(SHORTEST_SECONDS, hearing.part(clip.samples, stretch)) for stretch in stretches]
        return _Heard("ok", clip.seconds, tuple(stretches), self._listener.question(parts))

    def group(self, prepared: _Heard) -> Hashable:
        """Equal lengths of input; what is not asked about is a group of its own."""
        return None if prepared.question is None else self._listener.group(prepared.question)

    def extract(self, batch: Sequence[_Heard]) -> Columns:
        """Columns of `sound_description`. Errors: BadImage and RunFailed, as `Endpoint.post`."""
        answers = iter(self._listener.answers([heard.question for heard in batch if heard.question is not None]))
        rows = [_row(heard, next(answers) if heard.question is not None else None) for heard in batch]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def close(self) -> None:
        self._listener.close()


def _row(heard: _Heard, answer: dict[str, Any] | None) -> dict[str, Any]:
    said = answer or {
        **dict.fromkeys(("description", "raw_text", "finish_reason")),
        "status": heard.status,
        "prompt_tokens": 0,
        "output_tokens": 0,
    }
    return said | {
        "seconds": heard.seconds,
        "begins": [round(begin, 3) for begin, _ in heard.stretches],
        "ends": [round(end, 3) for _, end in heard.stretches],
    }


class _QwenAudio:
    """A checkpoint of the architecture. Errors: RefusedInput when the folder is not complete, or takes no sound."""

    concurrency = 1

    def __init__(self, settings: Settings, prompt: str) -> None:
        import torch

        self._device = open_device(settings.device, settings.cpus)
        self._dtype: torch.dtype = getattr(torch, resolve_dtype(settings.dtype, settings.device))
        self._processor, self._model = multimodal.load(
            settings.weights(), "AutoModelForMultimodalLM", self._dtype, trust_remote_code=False
        )
        self._model.to(self._device).eval()
        token = getattr(self._processor, "audio_token", None)
        self._texts = []
        for count in range(1, settings.stretches + 1):
            content = [*[{"type": "audio", "audio_url": ""}] * count, {"type": "text", "text": prompt}]
            self._texts.append(multimodal.fill_template(self._processor, content, str(settings.model)))
            if not token or self._texts[-1].count(token) != count:
                raise RefusedInput(f"the chat template of {settings.model} does not take {count} stretches of sound")
        self._ends = multimodal.greedy(self._model, self._processor.tokenizer, settings.max_new_tokens)

    def question(self, parts: Sequence[Samples]) -> Any:
        samples = [part.astype("float32") / 32768 for part in parts]
        try:
            made = self._processor(
                text=[self._texts[len(parts) - 1]], audio=samples, sampling_rate=HERTZ, return_tensors="pt"
            )
        except Exception as error:  # any architecture's processor, so any type of error; it is this clip's alone
            raise BadImage("model_error", f"the processor refused it: {type(error).__name__}: {error}") from error
        tensors = {name: value for name, value in made.items() if hasattr(value, "shape")}
        return {name: value.to(self._dtype) if value.is_floating_point() else value for name, value in tensors.items()}

    def group(self, question: Any) -> Hashable:
        return tuple(sorted((name, tuple(tensor.shape)) for name, tensor in question.items()))

    def answers(self, questions: Sequence[Any]) -> list[dict[str, Any]]:
        import torch

        if not questions:
            return []
        tokens = questions[0]["input_ids"].shape[1]
        with inference():
            inputs = {name: to_device(torch.cat([q[name] for q in questions]), self._device) for name in questions[0]}
            output = self._model.generate(**inputs)[:, tokens:].tolist()
        found = []
        for each in output:
            text, finish_reason, count = multimodal.answer(self._processor.tokenizer, each, self._ends)
            found.append(free_text.columns(text, finish_reason) | {"prompt_tokens": tokens, "output_tokens": count})
        return found

    def close(self) -> None:
        del self._model


class _Endpoint:
    """Errors: RefusedInput when weights or key are not there; RunFailed when it does not answer to a second's hum."""

    def __init__(self, settings: Settings, prompt: str) -> None:
        assert settings.endpoint is not None
        self.concurrency = settings.endpoint.concurrency
        self._prompt, self._most = prompt, settings.max_new_tokens
        self._served = Served(settings.endpoint)
        with self._served.first_question("does not describe a second of sound"):
            self.answers([self.question([hearing.hum(1.0)])])

    def question(self, parts: Sequence[Samples]) -> bytes:
        content: list[dict[str, Any]] = []
        for part in parts:
            data = base64.b64encode(hearing.as_wav(part)).decode("ascii")
            content.append({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
        content.append({"type": "text", "text": self._prompt})
        request = {
            "model": self._served.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": self._most,
        }
        return json.dumps(request).encode()

    def group(self, question: Any) -> Hashable:
        return "asked"

    def answers(self, questions: Sequence[bytes]) -> list[dict[str, Any]]:
        found = []
        for question in questions:
            answer = self._served.endpoint.post(chat_endpoint.PATH, question, chat_endpoint.Answer)
            choice = answer.choices[0]
            found.append(
                free_text.columns(choice.message.content or "", choice.finish_reason)
                | {"prompt_tokens": answer.usage.prompt_tokens, "output_tokens": answer.usage.completion_tokens}
            )
        return found

    def close(self) -> None:
        self._served.close()
