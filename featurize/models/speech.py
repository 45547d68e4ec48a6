"""Transcripts: what is said in clips, by a Whisper that transformers loads, or by an endpoint.

The endpoint is any that answers OpenAI's `/v1/audio/transcriptions` (vLLM, a service), at an `address` or started with
`serve`. Invariant: no model is asked about sound that is too quiet or has no voice in it, since Whisper makes words of
music and silence; what is asked goes in stretches of at most 30 s, decoded greedily. Licence: that of the weights.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import httpx
from pydantic import Field

from featurize.errors import RefusedInput
from featurize.inference import endpoint, hearing, multimodal, weights
from featurize.inference.endpoint import Text
from featurize.inference.extractor import Columns
from featurize.inference.hearing import Samples, Stretch
from featurize.inference.listener import ListenerSettings
from featurize.inference.served import Served
from featurize.inference.torch_device import inference, open_device, out_of_memory, resolve_dtype, to_device
from featurize.media import decode
from featurize.media.decode import HERTZ, Sound

PATH = "/audio/transcriptions"


class Settings(ListenerSettings):
    backend: Literal["speech"] = "speech"
    language: str | None = Field(
        None, min_length=2, description="that all clips are in, such as en; without, the model tells by ear"
    )
    max_new_tokens: int = Field(224, ge=1, le=440, description="cap on the tokens of a stretch of 30 s")
    voice: float = Field(
        0.5, gt=0, lt=1, description="probability of a voice from which on there is one; higher for loud music"
    )


@dataclass(frozen=True)
class _Heard:
    """A clip: its stretches with voices, or why there are none."""

    status: str
    seconds: float
    spoken: float = 0.0
    stretches: tuple[Stretch, ...] = ()
    parts: tuple[Samples, ...] = ()


class _Words(Protocol):
    """Whoever listens. `write` gives for each part its words and whether all of them came."""

    concurrency: int

    def write(self, parts: Sequence[Samples]) -> list[tuple[str, bool]]: ...
    def close(self) -> None: ...


class Extractor:
    table: ClassVar[str] = "transcript"
    input: ClassVar[Literal["image", "text", "frames", "audio"]] = "audio"
    at_least = None
    frames = (0, 0)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._words: _Words = _Endpoint(settings) if settings.endpoint else _Whisper(settings)
        self.concurrency = self._words.concurrency
        self.batch_size = settings.batch_size
        self.out_of_memory = out_of_memory()

    @staticmethod
    def fingerprint(settings: Settings) -> dict[str, Any]:
        most = {} if settings.endpoint else {"max_new_tokens": settings.max_new_tokens}
        return {
            "backend": "speech",
            "table": Extractor.table,
            "version": 1,
            **settings.identity(),
            **most,
            "language": settings.language,
            "silence_db": settings.silence_db,
            "voice": [hearing.voice_identity(), settings.voice],
            "decoder": decode.VERSION,
        }

    def prepare(self, clip: Sound) -> _Heard:
        """The stretches in which somebody speaks."""
        if clip.samples is None:
            return _Heard("no_audio", clip.seconds)
        if hearing.loudness(clip.samples) < self._settings.silence_db:
            return _Heard("silent", clip.seconds)
        spoken = hearing.voices(clip.samples, self._settings.voice)
        stretches = tuple(hearing.together(spoken))
        return _Heard(
            "ok" if stretches else "no_speech",
            clip.seconds,
            sum(end - begin for begin, end in spoken),
            stretches,
            tuple(hearing.part(clip.samples, stretch).copy() for stretch in stretches),
        )

    def group(self, prepared: _Heard) -> Hashable:
        """All alike: each stretch is laid on 30 s."""

    def extract(self, batch: Sequence[_Heard]) -> Columns:
        """Columns of `transcript`. Errors: BadImage and RunFailed, as `Endpoint.post`."""
        parts = [part for heard in batch for part in heard.parts]
        said = [
            each
            for begin in range(0, len(parts), self.batch_size)
            for each in self._words.write(parts[begin : begin + self.batch_size])
        ]
        rows, at = [], 0
        for heard in batch:
            rows.append(_row(heard, said[at : at + len(heard.parts)]))
            at += len(heard.parts)
        return {name: [row[name] for row in rows] for name in rows[0]}

    def close(self) -> None:
        self._words.close()


def _row(heard: _Heard, said: list[tuple[str, bool]]) -> dict[str, Any]:
    texts = [" ".join(words.split()) for words, _ in said]
    text, status = " ".join(filter(None, texts)), heard.status
    if status == "ok":
        status = "empty" if not text else "ok" if all(whole for _, whole in said) else "truncated"
    return {
        "text": text or None,
        "status": status,
        "seconds": heard.seconds,
        "spoken_seconds": round(heard.spoken, 3),
        "begins": [round(begin, 3) for begin, _ in heard.stretches],
        "ends": [round(end, 3) for _, end in heard.stretches],
        "texts": texts,
    }


class _Whisper:
    """A checkpoint of the architecture. Errors: RefusedInput when the folder is not complete or another model's."""

    concurrency = 1

    def __init__(self, settings: Settings) -> None:
        import torch

        self._device = open_device(settings.device, settings.cpus)
        self._dtype: torch.dtype = getattr(torch, resolve_dtype(settings.dtype, settings.device))
        folder = settings.weights().fetch(weights.FILES)
        (self._features, self._tokenizer), self._model = multimodal.load_whole(
            folder, "AutoModelForSpeechSeq2Seq", ("AutoFeatureExtractor", "AutoTokenizer"), self._dtype
        )
        self._model.to(self._device).eval()
        if self._model.config.model_type != "whisper":
            raise RefusedInput(f"{folder} is a {self._model.config.model_type}, and backend 'speech' loads a whisper")
        self._most = settings.max_new_tokens
        told = self._model.generation_config
        told.max_length = None  # max_new_tokens says it
        self._options: dict[str, Any] = {"do_sample": False, "num_beams": 1, "max_new_tokens": self._most}
        if getattr(told, "is_multilingual", False):
            self._options |= {"task": "transcribe", "language": settings.language}
        self._ends = {told.eos_token_id} if isinstance(told.eos_token_id, int) else set(told.eos_token_id)

    def write(self, parts: Sequence[Samples]) -> list[tuple[str, bool]]:
        samples = [part.astype("float32") / 32768 for part in parts]
        made = self._features(samples, sampling_rate=HERTZ, return_tensors="pt", return_attention_mask=True)
        with inference():
            output = self._model.generate(
                to_device(made["input_features"].to(self._dtype), self._device),
                attention_mask=to_device(made["attention_mask"], self._device),
                **self._options,
            ).tolist()
        whole = [not self._ends.isdisjoint(tokens) or len(tokens) < self._most for tokens in output]
        return list(zip(self._tokenizer.batch_decode(output, skip_special_tokens=True), whole, strict=True))

    def close(self) -> None:
        del self._model


class _Answer(endpoint.Answer):
    """What we use of a transcription. Source: the OpenAI API reference, "Create transcription"."""

    called: ClassVar[str] = "transcription"

    text: Text


class _Endpoint:
    """Errors: RefusedInput when weights or key are not there; RunFailed when it does not answer half a second's hum."""

    def __init__(self, settings: Settings) -> None:
        assert settings.endpoint is not None
        self.concurrency = settings.endpoint.concurrency
        self._language = settings.language
        self._served = Served(settings.endpoint)
        with self._served.first_question("does not transcribe half a second of sound"):
            self._ask(hearing.hum(0.5))

    def write(self, parts: Sequence[Samples]) -> list[tuple[str, bool]]:
        return [(self._ask(part), True) for part in parts]

    def _ask(self, samples: Samples) -> str:
        fields = {"model": self._served.model, "response_format": "json", "temperature": "0"}
        if self._language:
            fields["language"] = self._language
        file = {"file": ("clip.wav", hearing.as_wav(samples), "audio/wav")}
        form = httpx.Request("POST", "http://form", data=fields, files=file)
        answer = self._served.endpoint.post(PATH, form.read(), _Answer, form.headers["Content-Type"])
        return answer.text

    def close(self) -> None:
        self._served.close()
